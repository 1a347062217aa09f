"""The machine that runs a pickle's opcodes: those of protocols 2 to 5 that make plain values.

Opcodes: Python's ``Lib/pickletools.py``. A *run* is a stretch of equally long (key, float) pairs,
which is nearly all there is in the benchmark's files; it is decoded in one step.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from data.pickle_memo import Memo, check_keys
from data.pickle_runs import Run, int_run, text_run
from data.source_error import SourceError
from data.stand_ins import NUMPY, Allowed, Global, StandInError, as_global

Read = Callable[[int], bytes]
"""``read(n)`` gives up to n bytes, and none at the end of the stream."""

MAX_BYTES: Final = 4 << 20
"""Most bytes of pickle for one object or one streamed item; a cell takes 0.3 to 0.5 MB."""

_CHUNK = 1 << 20
_LOOKAHEAD = 1 << 16
_MAX_MARKS = 100
_MAX_SETS = 1000  # an empty one is one byte in the file and 216 in memory
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_REASONS: Final[Mapping[int, str]] = {
    **dict.fromkeys((0x50, 0x51), " (it asks for an object that is kept outside the file)"),
    **dict.fromkeys((0x82, 0x83, 0x84), " (it asks for an extension's code)"),
    **dict.fromkeys((0x69, 0x6F, 0x92), " (it makes an instance of a class)"),
    **dict.fromkeys((0x8B, 0x8D, 0x8E), " (it declares a length beyond any honest one)"),
    **dict.fromkeys((0x97, 0x98), " (its data is kept outside the file)"),
}


class UnpickleError(SourceError):
    """The pickle is broken, or asks for something that is refused."""


class Interpreter:
    """A stream of bytes, and what one pickle of it has built so far."""

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
        self.reset()

    def reset(self) -> None:
        """Makes ready for the next pickle of the stream."""
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo = Memo()
        self._sets = 0
        self._skipping = 0  # number of marks at which pairs were skipped
        self.renew()

    def renew(self) -> None:
        """From here on, another `MAX_BYTES` may be read."""
        self._bound = self.position + MAX_BYTES

    @property
    def position(self) -> int:
        """Bytes of the stream that were used up."""
        return self._dropped + self._pos

    def at_end(self) -> bool:
        """Whether the stream ends here."""
        self._refill()
        return self._pos >= len(self._buffer)

    def run(self) -> Iterator[None]:
        """Runs to the end of one pickle; pauses whenever more bytes were read.

        Raises:
            UnpickleError: anything is wrong or refused.
        """
        try:
            yield from self._execute()
        except StandInError as error:
            raise self._error(str(error)) from error
        except SourceError:
            raise
        except (IndexError, struct.error) as error:
            what = "it is cut short" if self._exhausted else "an operand is missing"
            raise self._error(f"{what} or damaged") from error
        except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError) as error:
            raise self._error(f"it is damaged ({type(error).__name__})") from error

    def _execute(self) -> Iterator[None]:
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
            self._low = -1  # so that a pause follows, as after any reading
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
        if self._skipping == len(self._marks):
            raise self._error("what was to be skipped is no dictionary of numbers")
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def _binint1(self) -> None:
        run = int_run(self._buffer, self._pos - 1)
        if run is not None:
            self._push_run(run)
            return
        self._stack.append(self._buffer[self._pos])
        self._pos += 1

    def _push_run(self, run: Run) -> None:
        """Its pairs on the stack; or at once in the dictionary that SETITEMS would put them in."""
        self._pos = run.end
        below = self._marks[-1] if self._marks and not self._stack else None
        if below and type(below[-1]) is dict:
            if len(below) > 1 and type(below[-2]) is str and below[-2] in self._skip:
                self._skipping = len(self._marks)
                return
            if self._buffer[run.end : run.end + 1] == b"u":
                below[-1].update(zip(run.keys, run.values(), strict=True))
                return
        pairs: list[Any] = [None] * (2 * len(run.keys))
        pairs[::2] = run.keys
        pairs[1::2] = run.values()
        self._stack += pairs

    def _binfloat(self) -> None:
        self._stack.append(_F8.unpack_from(self._buffer, self._pos)[0])
        self._pos += 8

    def _short_text(self) -> None:
        self._text(self._buffer[self._pos], self._pos + 1)

    def _long_text(self) -> None:
        self._text(_U4.unpack_from(self._buffer, self._pos)[0], self._pos + 4)

    def _text(self, size: int, start: int) -> None:
        """A string; or, if such strings and floats follow in turn, the whole run of them."""
        run = text_run(self._buffer, self._pos - 1, start, size)
        if run is not None and self._memo.put_run(run):
            self._push_run(run)
            return
        self._pos = start
        self._stack.append(self._memo.one(str(self._take(size), "utf-8", "surrogatepass")))

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
        check_keys([key])
        self._open(dict)[key] = value

    def _setitems(self) -> None:
        if self._skipping == len(self._marks):
            self._skipping = 0
        items = self._pop_mark()
        keys = items[::2]
        check_keys(keys)
        self._open(dict).update(zip(keys, items[1::2], strict=True))

    def _additems(self) -> None:
        items = self._pop_mark()
        check_keys(items)
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


_U1, _U2, _U4, _I4 = (struct.Struct(form) for form in ("<B", "<H", "<I", "<i"))
_U8, _F8 = struct.Struct("<Q"), struct.Struct(">d")

_OPERATIONS: Final[list[Callable[[Interpreter], None]]] = [Interpreter._refuse] * 256
for _code, _operation in {
    b"\x80": Interpreter._proto,
    b"\x95": Interpreter._frame,
    b"(": Interpreter._mark,
    b"N": lambda m: m._stack.append(None),
    b"\x88": lambda m: m._stack.append(True),
    b"\x89": lambda m: m._stack.append(False),
    b"K": Interpreter._binint1,
    b"M": lambda m: m._stack.append(m._number(_U2)),
    b"J": lambda m: m._stack.append(m._number(_I4)),
    b"\x8a": Interpreter._long1,
    b"G": Interpreter._binfloat,
    b"\x8c": Interpreter._short_text,
    b"X": Interpreter._long_text,
    b"C": lambda m: m._bytes(_U1),
    b"B": lambda m: m._bytes(_U4),
    b"\x96": lambda m: m._bytes(_U8),
    b"]": lambda m: m._stack.append([]),
    b"}": lambda m: m._stack.append({}),
    b")": lambda m: m._stack.append(()),
    b"\x8f": Interpreter._empty_set,
    b"a": Interpreter._append,
    b"e": Interpreter._appends,
    b"s": Interpreter._setitem,
    b"u": Interpreter._setitems,
    b"\x90": Interpreter._additems,
    b"t": Interpreter._tuple,
    b"\x85": lambda m: m._tuple_of(1),
    b"\x86": lambda m: m._tuple_of(2),
    b"\x87": lambda m: m._tuple_of(3),
    b"c": Interpreter._global,
    b"\x93": Interpreter._stack_global,
    b"R": Interpreter._reduce,
    b"\x81": Interpreter._reduce,
    b"b": Interpreter._build,
    b"q": Interpreter._binput,
    b"r": lambda m: m._memo.put(m._number(_U4), m._stack[-1]),
    b"\x94": Interpreter._memoize,
    b"h": Interpreter._binget,
    b"j": lambda m: m._stack.append(m._memo.get(m._number(_U4))),
}.items():
    _OPERATIONS[_code[0]] = _operation
