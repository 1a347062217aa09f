"""A restricted unpickler of our own: no code of the file runs, memory is bounded, it can stream.

The standard unpickler can't be made safe by ``find_class`` alone: one opcode with a large memo
index makes it allocate gigabytes, ``numpy.dtype`` and ``scalar`` unpickle again what they are
given, and tuples that share their halves take for ever to hash. Nor can it stream: its memo keeps
every object alive until the end. So here is a machine that knows only the opcodes that protocols
2 to 5 need for plain values, checks each one's operand, and calls only the stand-ins it was given.

Two things make it fast enough (3 ms a cell of the official files, where the standard one takes
about 2 and bzip2 5) and frugal. A *run* of equally long (epoch, float) pairs, which is nearly all
there is in these files, is decoded by one regular expression and numpy. And where one dictionary of
a file is streamed, its items are handed on as they are completed; of them only small constants stay
in the memo, which is what an official file refers back to from one cell to another.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from io import BytesIO
from itertools import pairwise, takewhile
from typing import Any

from data.pickle_machine import MAX_BYTES, Interpreter, Read, UnpickleError
from data.pickle_memo import check_keys
from data.stand_ins import NUMPY, Allowed

__all__ = ["MAX_BYTES", "Machine", "Read", "UnpickleError", "loads"]


def loads(data: bytes, allowed: Allowed = NUMPY, skip: frozenset[str] = frozenset()) -> Any:
    """The one object that these bytes are the pickle of.

    Args:
        data: at most `MAX_BYTES`, protocol 2 to 5.
        allowed: the globals that may be asked for, each with its stand-in.
        skip: keys under which the file has dictionaries of numbers that aren't wanted; they may
            be left empty.

    Raises:
        UnpickleError: anything is wrong, refused, or follows the pickle.
    """
    machine = Machine(BytesIO(data).read, allowed, skip)
    value = machine.load()
    if not machine.at_end():
        raise UnpickleError(f"the pickle ends at byte {machine.position}, but more bytes follow")
    return value


class Machine(Interpreter):
    """Reads one pickle after another from a stream of bytes."""

    def load(self) -> Any:
        """The next object.

        Raises:
            UnpickleError: see `loads`.
        """
        self.reset()
        for _ in self.run():
            pass
        return self._stack[-1]

    def load_items(
        self, name: str, before: Callable[[dict[Any, Any]], None]
    ) -> Generator[tuple[Any, Any], None, Any]:
        """The next object, a dictionary, while the dictionary that it has under ``name`` streams.

        Yields the items (key, value) of that dictionary in their order, each as soon as it is
        complete, and returns the object with what is left: an empty dictionary under ``name``.

        Args:
            name: the key of the dictionary that streams.
            before: called once, with what the object holds ahead of it, before the first item.

        Raises:
            UnpickleError: see `loads`; also if an item refers to a list or dictionary of another.
        """
        self.reset()
        started = False
        for _ in self.run():
            below, done = self._completed(name)
            if done and not started:
                before(_before(below))
                started = True
            yield from done
        whole = self._stack[-1]
        if isinstance(whole, dict) and isinstance(inner := whole.get(name), dict):
            if not started:
                before({key: whole[key] for key in takewhile(lambda key: key != name, whole)})
            yield from inner.items()
            inner.clear()
        return whole

    def _completed(self, name: str) -> tuple[list[Any], list[tuple[Any, Any]]]:
        """Takes the finished items of the streamed dictionary off the stack; with what is below.

        A pickler writes a dictionary as ``{}``, then up to 1,000 keys and values on top of a mark,
        then SETITEMS. So while it is open, it lies under the mark with its name below it; the last
        value above the mark may still be growing.
        """
        for below, above in pairwise([*self._marks, self._stack]):  # noqa: B007 - used below
            if len(below) >= 2 and isinstance(below[-1], dict) and below[-2] == name:
                break
        else:
            return [], []
        target = below[-1]
        ready = max(0, (len(above) - 1) // 2 * 2)
        if not (target or ready):
            return below, []
        keys, values = above[:ready:2], above[1:ready:2]
        check_keys(keys)
        done = [*target.items(), *zip(keys, values, strict=True)]
        target.clear()
        del above[:ready]
        self._memo.turn()
        self.renew()
        return below, done


def _before(below: list[Any]) -> dict[Any, Any]:
    """The items of an open dictionary ahead of its last, of which only the key is read.

    They lie in pairs above its mark; a dictionary of a single item has none and lies there itself.
    """
    pairs = below[len(below) % 2 : -2]
    check_keys(pairs[::2])
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
