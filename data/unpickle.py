"""A restricted unpickler of our own: no code of the file runs, memory is bounded, it can stream.

The standard unpickler can't be made safe by ``find_class`` alone: one opcode with a large memo
index makes it allocate gigabytes, ``numpy.dtype`` and ``scalar`` unpickle again what they are
given, and tuples that share their halves take for ever to hash. Nor can it stream: its memo keeps
every object alive until the end. So here is a machine that knows only the opcodes that protocols
2 to 5 need for plain values, checks each one's operand, and calls only the stand-ins it was given.

Two things make it fast enough (about as fast as the standard one on the official files) and
frugal. A *run* of equally long (epoch, float) pairs, which is nearly all there is in these files,
is decoded by one regular expression and numpy. And where one dictionary of a file is streamed, its
items are handed on as they are completed; of them only small constants stay in the memo, which is
what an official file refers back to from one cell to another.

Opcodes: Python's ``Lib/pickletools.py``.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

import numpy as np

from data.source_error import SourceError
from data.stand_ins import NUMPY, Allowed, Constant, Global, StandInError, as_global

Read = Callable[[int], bytes]
"""``read(n)`` gives up to n bytes, and none at the end of the stream."""

MAX_BYTES: Final = 4 << 20
"""Most bytes of pickle for one object, or one item of a streamed dictionary (a cell takes 0.4 MB)."""

_CHUNK = 1 << 20
_LOOKAHEAD = 1 << 16
_MAX_MARKS = 100
_MAX_SETS = 1000  # an empty one is one byte in the file and 216 in memory
_MIN_RUN = 4
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_KEY_TYPES = frozenset((str, int))
_MEMO_OPS: Final[Mapping[bytes, tuple[str | None, int]]] = {
    b"\x94": (None, 0),
    b"q": ("u1", 1),
    b"r": ("<u4", 4),
}
_REASONS: Final[Mapping[int, str]] = {
    **dict.fromkeys((0x50, 0x51), " (it asks for an object that is kept outside the file)"),
    **dict.fromkeys((0x82, 0x83, 0x84), " (it asks for an extension's code)"),
    **dict.fromkeys((0x69, 0x6F, 0x92), " (it makes an instance of a class)"),
    **dict.fromkeys((0x8B, 0x8D, 0x8E), " (it declares a length beyond any honest one)"),
    **dict.fromkeys((0x97, 0x98), " (its data is kept outside the file)"),
}

_INT_PAIR = np.dtype([("op", "V1"), ("key", "u1"), ("g", "V1"), ("value", ">f8")])
_INT_RUN = re.compile(rb"(?:K.G........)++", re.DOTALL)


class UnpickleError(SourceError):
    """The pickle is broken, or asks for something that is refused."""


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


class Machine:
    """Reads one pickle after another from a stream of bytes."""

    def __init__(
        self, read: Read, allowed: Allowed = NUMPY, skip: frozenset[str] = frozenset()
    ) -> None:
        self._read = read
        self._allowed = allowed
        self._skip = skip
        self._buffer = b""
        self._pos = 0
        self._dropped = 0  # bytes of the stream before the buffer
        self._exhausted = False
        self._low = 0
        self._reset()

    def _reset(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo = _Memo()
        self._bound = self.position + MAX_BYTES
        self._sets = 0

    @property
    def position(self) -> int:
        """Bytes of the stream that were used up."""
        return self._dropped + self._pos

    def at_end(self) -> bool:
        """Whether the stream ends here."""
        self._refill()
        return self._pos >= len(self._buffer)

    def load(self) -> Any:
        """The next object.

        Raises:
            UnpickleError: see `loads`.
        """
        self._reset()
        for _ in self._guarded():
            pass
        return self._stack[-1]

    def load_items(self, name: str) -> Generator[tuple[Any, Any], None, Any]:
        """The next object, a dictionary, while the dictionary that it has under ``name`` streams.

        Yields the items (key, value) of that dictionary in their order, each as soon as it is
        complete, and returns the object with what is left: an empty dictionary under ``name``.

        Raises:
            UnpickleError: see `loads`; also if an item refers to a list or dictionary of another.
        """
        self._reset()
        for _ in self._guarded():
            yield from self._completed(name)
        whole = self._stack[-1]
        if isinstance(whole, dict) and isinstance(inner := whole.get(name), dict):
            yield from inner.items()
            inner.clear()
        return whole

    def _completed(self, name: str) -> Iterator[tuple[Any, Any]]:
        """Takes the finished items of the streamed dictionary off the stack.

        A pickler writes a dictionary as ``{}``, then up to 1,000 keys and values on top of a mark,
        then SETITEMS. So while it is open, it lies under the mark with its name below it; the last
        value above the mark may still be growing.
        """
        for below, above in zip(self._marks, [*self._marks[1:], self._stack], strict=True):
            if len(below) >= 2 and isinstance(below[-1], dict) and below[-2] == name:
                target = below[-1]
                break
        else:
            return
        ready = max(0, (len(above) - 1) // 2 * 2)
        if not (target or ready):
            return
        keys, values = above[:ready:2], above[1:ready:2]
        _check_keys(keys)
        done = [*target.items(), *zip(keys, values, strict=True)]
        target.clear()
        del above[:ready]
        self._memo.turn()
        self._bound = self.position + MAX_BYTES
        yield from done

    def _guarded(self) -> Iterator[None]:
        try:
            yield from self._execute()
        except SourceError:
            raise
        except StandInError as error:
            raise self._error(str(error)) from error
        except (IndexError, struct.error) as error:
            what = "it is cut short" if self._exhausted else "an operand is missing"
            raise self._error(f"{what} or damaged") from error
        except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError) as error:
            raise self._error(f"it is damaged ({type(error).__name__})") from error

    def _execute(self) -> Iterator[None]:
        """Runs to the end of one pickle; pauses whenever more bytes were read."""
        self._refill()
        if self._buffer[self._pos : self._pos + 1] != b"\x80":
            raise self._error("it is no pickle of protocol 2 to 5 (no such header)")
        operations = _OPERATIONS
        while True:
            if self._pos > self._low:
                self._refill()
                yield
            op = self._buffer[self._pos]
            self._pos += 1
            if op == 0x2E:  # STOP
                break
            operations[op](self)
        if len(self._stack) != 1 or self._marks:
            raise self._error("it ends with an unfinished object")

    def _refill(self, need: int = _LOOKAHEAD) -> None:
        """Makes ``need`` bytes stand ready, if the stream has them."""
        if self.position > self._bound:
            raise self._error(f"one object takes more than {MAX_BYTES >> 20} MB")
        if not self._exhausted:
            self._dropped += self._pos
            parts = [self._buffer[self._pos :]]
            self._pos = 0
            have = len(parts[0])
            while have < max(need, _LOOKAHEAD) and not self._exhausted:
                parts.append(self._read(_CHUNK))
                have += len(parts[-1])
                self._exhausted = not parts[-1]
            self._buffer = b"".join(parts)
        self._low = len(self._buffer) - (0 if self._exhausted else _LOOKAHEAD)

    def _error(self, problem: str) -> UnpickleError:
        return UnpickleError(f"the pickle can't be read: {problem}, at byte {self.position}")

    def _take(self, size: int) -> bytes:
        if size > MAX_BYTES:
            raise self._error(f"it declares a value of {size} bytes, allowed are {MAX_BYTES}")
        if self._pos + size > len(self._buffer):
            self._refill(size)
        end = self._pos + size
        if end > len(self._buffer):
            raise self._error("it is cut short")
        taken = self._buffer[self._pos : end]
        self._pos = end
        return taken

    def _number(self, form: struct.Struct) -> Any:
        (value,) = form.unpack_from(self._buffer, self._pos)
        self._pos += form.size
        return value

    # Opcodes ------------------------------------------------------------------------------------

    def _refuse(self) -> None:
        op = self._buffer[self._pos - 1]
        raise self._error(f"opcode 0x{op:02x} is refused{_REASONS.get(op, '')}")

    def _proto(self) -> None:
        version = self._buffer[self._pos]
        self._pos += 1
        if not 2 <= version <= 5:
            raise self._error(f"it has protocol {version}, allowed are 2 to 5")

    def _frame(self) -> None:
        self._take(8)

    def _mark(self) -> None:
        if len(self._marks) >= _MAX_MARKS:
            raise self._error(f"it nests deeper than {_MAX_MARKS}")
        self._marks.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def _binint1(self) -> None:
        pos, buffer = self._pos, self._buffer
        if buffer[pos + 1 : pos + 2] == b"G" and buffer[pos + 10 : pos + 11] == b"K":
            found = _INT_RUN.match(buffer, pos - 1)
            if found is not None and found.end() - pos >= _MIN_RUN * 11:
                rows = np.frombuffer(buffer, _INT_PAIR, (found.end() - pos) // 11 + 1, pos - 1)
                self._push_pairs(tuple(rows["key"].tobytes()), rows)
                self._pos = found.end()
                return
        self._stack.append(buffer[pos])
        self._pos = pos + 1

    def _push_pairs(self, keys: tuple[Any, ...], rows: Any) -> None:
        """The pairs on the stack; or, where these only wait to be set, in their dictionary."""
        if not self._stack and self._marks and type(self._marks[-1][-1]) is dict:
            *_, name, target = [None, *self._marks[-1][-2:]]
            if type(name) is not str or name not in self._skip:
                target.update(zip(keys, rows["value"].tolist(), strict=True))
            return
        pairs: list[Any] = [None] * (2 * len(keys))
        pairs[::2] = keys
        pairs[1::2] = rows["value"].tolist()
        self._stack += pairs

    def _short_text(self) -> None:
        self._text(self._buffer[self._pos], self._pos + 1)

    def _long_text(self) -> None:
        self._text(_U4.unpack_from(self._buffer, self._pos)[0], self._pos + 4)

    def _text(self, size: int, start: int) -> None:
        """A string; or, if such strings and floats follow in turn, the whole run of them."""
        after = start + size
        memo = self._buffer[after : after + 1]
        if 0 < size < 64 and memo in _MEMO_OPS and self._float_follows(after, memo):
            pattern, row = _text_run(self._buffer[self._pos - 1 : start], size, memo)
            found = pattern.match(self._buffer, self._pos - 1)
            if found is not None and found.end() - self._pos >= _MIN_RUN * row.itemsize:
                count = (found.end() - self._pos + 1) // row.itemsize
                rows = np.frombuffer(self._buffer, row, count, self._pos - 1)
                keys = _split(rows["key"].tobytes(), size)
                if keys is not None and self._memo.put_run(rows, keys):
                    self._push_pairs(keys, rows)
                    self._pos = found.end()
                    return
        self._pos = start
        self._stack.append(self._memo.one(str(self._take(size), "utf-8", "surrogatepass")))

    def _float_follows(self, memo_at: int, memo: bytes) -> bool:
        at = memo_at + 1 + _MEMO_OPS[memo][1]
        return self._buffer[at : at + 1] == b"G"

    def _bytes(self, form: struct.Struct) -> None:
        self._stack.append(self._take(self._number(form)))

    def _long1(self) -> None:
        value = int.from_bytes(self._take(self._take(1)[0]), "little", signed=True)
        if not -(2**63) <= value < 2**63 and value != _TORCH_MAGIC:
            raise self._error("an integer has more than 64 bits")
        self._stack.append(value)

    def _empty_set(self) -> None:
        self._sets += 1
        if self._sets > _MAX_SETS:
            raise self._error(f"it has more than {_MAX_SETS} sets")
        self._stack.append(set())

    def _tuple(self) -> None:
        items = self._pop_mark()
        self._stack.append(tuple(items))

    def _tuple_of(self, size: int) -> None:
        if len(self._stack) < size:
            raise IndexError
        self._stack[-size:] = [tuple(self._stack[-size:])]

    def _append(self) -> None:
        value = self._stack.pop()
        self._open(list).append(value)

    def _appends(self) -> None:
        items = self._pop_mark()
        self._open(list).extend(items)

    def _setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _check_keys([key])
        self._open(dict)[key] = value

    def _setitems(self) -> None:
        items = self._pop_mark()
        keys = items[::2]
        _check_keys(keys)
        self._open(dict).update(zip(keys, items[1::2], strict=True))

    def _additems(self) -> None:
        items = self._pop_mark()
        _check_keys(items)
        self._open(set).update(items)

    def _open(self, kind: type[Any]) -> Any:
        if type(self._stack[-1]) is not kind:
            raise self._error(
                f"items for a {kind.__name__} meet a {type(self._stack[-1]).__name__}"
            )
        return self._stack[-1]

    def _global(self) -> None:
        names = []
        for _ in range(2):
            end = self._buffer.find(b"\n", self._pos, self._pos + 256)
            names.append(str(self._take(max(end, self._pos) - self._pos), "utf-8"))
            self._take(1)
        self._stack.append(as_global(self._allowed, names[0], names[1]))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(as_global(self._allowed, module, name))

    def _reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if type(arguments) is not tuple or not isinstance(function, Global):
            raise self._error("it calls what is no global, which is refused")
        self._stack.append(function.make(arguments))

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not hasattr(target, "build"):
            raise self._error(f"it sets the state of a {type(target).__name__}, which is refused")
        self._stack[-1].build(state)

    def _memoize(self) -> None:
        self._memo.append(self._stack[-1])

    def _binput(self) -> None:
        self._memo.put(self._buffer[self._pos], self._stack[-1])
        self._pos += 1

    def _binget(self) -> None:
        self._stack.append(self._memo.get(self._buffer[self._pos]))
        self._pos += 1


class _Memo:
    """What was memoised: single objects, and runs of strings as one tuple each.

    Objects live for two turns (a turn ends when streamed items were handed on, so that whatever
    was begun in one is complete in the next); then only constants stay.
    """

    def __init__(self) -> None:
        self._count = 0
        self._young: dict[int, Any] = {}
        self._middle: dict[int, Any] = {}
        self._old: dict[int, Any] = {}
        self._starts: list[int] = []
        self._runs: list[tuple[str, ...]] = []
        self._strings: dict[str, str] = {}

    def one(self, text: str) -> str:
        """The same string object for equal strings."""
        return self._strings.setdefault(text, text) if len(text) < 128 else text

    def append(self, value: Any) -> None:
        self._young[self._count] = value
        self._count += 1

    def put(self, index: int, value: Any) -> None:
        self._young[index] = value
        self._count = max(self._count, index + 1)

    def put_run(self, rows: Any, keys: tuple[str, ...]) -> bool:
        """Whether the memo takes these strings as one run: ascending, one after another."""
        start = self._count
        if "index" in rows.dtype.names:
            indexes = rows["index"]
            start = int(indexes[0])
            if start < self._count or (np.diff(indexes.astype(np.int64)) != 1).any():
                return False
        self._starts.append(start)
        self._runs.append(keys)
        self._count = start + len(keys)
        return True

    def get(self, index: int) -> Any:
        if index in self._young:
            return self._young[index]
        for generation in (self._old, self._middle):
            if index in generation:
                return generation[index]
        run = bisect.bisect_right(self._starts, index) - 1
        if run >= 0 and index - self._starts[run] < len(self._runs[run]):
            return self._runs[run][index - self._starts[run]]
        raise StandInError(
            f"it refers to memo entry {index}, which is not there or was an object of an earlier "
            "item (between items only strings, numbers, globals and tuples of these may be shared)"
        )

    def turn(self) -> None:
        kept = ((index, value) for index, value in self._middle.items() if _is_constant(value))
        self._old.update(kept)
        self._middle, self._young = self._young, {}


def _is_constant(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 8 and all(type(v) is not tuple and _is_constant(v) for v in value)
    return value is None or isinstance(value, (str, bytes, int, float, Constant))


def _check_keys(keys: list[Any]) -> None:
    """Refuses keys that could be slow to hash: only strings, integers and flat tuples of them."""
    if _KEY_TYPES.issuperset(map(type, keys)):
        return
    for key in keys:
        parts = key if type(key) is tuple and len(key) <= 4 else (key,)
        if not _KEY_TYPES.issuperset(map(type, parts)):
            raise StandInError(
                f"a key or set member is a {type(key).__name__}; allowed are strings, integers "
                "and flat tuples of up to four of them"
            )


@lru_cache(maxsize=4096)
def _split(text: bytes, size: int) -> tuple[str, ...] | None:
    if not text.isascii():
        return None
    whole = text.decode("ascii")
    return tuple(whole[start : start + size] for start in range(0, len(whole), size))


@lru_cache(maxsize=256)
def _text_run(head: bytes, size: int, memo: bytes) -> tuple[re.Pattern[bytes], np.dtype[Any]]:
    """The pattern and the row of a run: text of this size, its memo opcode, a float."""
    index, width = _MEMO_OPS[memo]
    row = rb"(?:%b%b%b%bG........)++" % (re.escape(head), b"." * size, memo, b"." * width)
    fields = [("head", f"V{len(head)}"), ("key", f"V{size}"), ("memo", "V1")]
    fields += [("index", index)] if index else []
    return re.compile(row, re.DOTALL), np.dtype([*fields, ("g", "V1"), ("value", ">f8")])


_U1, _U2, _U4, _I4 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<i"))
_U8, _F8 = struct.Struct("<Q"), struct.Struct(">d")

_OPERATIONS: Final[list[Callable[[Machine], None]]] = [Machine._refuse] * 256
for _code, _operation in {
    b"\x80": Machine._proto,
    b"\x95": Machine._frame,
    b"(": Machine._mark,
    b"N": lambda m: m._stack.append(None),
    b"\x88": lambda m: m._stack.append(True),
    b"\x89": lambda m: m._stack.append(False),
    b"K": Machine._binint1,
    b"M": lambda m: m._stack.append(m._number(_U2)),
    b"J": lambda m: m._stack.append(m._number(_I4)),
    b"\x8a": Machine._long1,
    b"G": lambda m: m._stack.append(m._number(_F8)),
    b"\x8c": Machine._short_text,
    b"X": Machine._long_text,
    b"C": lambda m: m._bytes(_U1),
    b"B": lambda m: m._bytes(_U4),
    b"\x96": lambda m: m._bytes(_U8),
    b"]": lambda m: m._stack.append([]),
    b"}": lambda m: m._stack.append({}),
    b")": lambda m: m._stack.append(()),
    b"\x8f": Machine._empty_set,
    b"a": Machine._append,
    b"e": Machine._appends,
    b"s": Machine._setitem,
    b"u": Machine._setitems,
    b"\x90": Machine._additems,
    b"t": Machine._tuple,
    b"\x85": lambda m: m._tuple_of(1),
    b"\x86": lambda m: m._tuple_of(2),
    b"\x87": lambda m: m._tuple_of(3),
    b"c": Machine._global,
    b"\x93": Machine._stack_global,
    b"R": Machine._reduce,
    b"\x81": Machine._reduce,
    b"b": Machine._build,
    b"q": Machine._binput,
    b"r": lambda m: m._memo.put(m._number(_U4), m._stack[-1]),
    b"\x94": Machine._memoize,
    b"h": Machine._binget,
    b"j": lambda m: m._stack.append(m._memo.get(m._number(_U4))),
}.items():
    _OPERATIONS[_code[0]] = _operation
