"""Pickled batches of images: a dictionary with an array of pixels and a list of labels.

What CIFAR's python archives (pickled by Python 2) and ImageNet16's batches are. `data.unpickle` is
made for other files: it takes neither Python 2's strings nor objects of tens of megabytes. Here the
opcodes come from `pickletools.genops`, which only tells them apart, and the few that such batches
need are carried out on plain values; the arrays are made from their bytes, not by numpy's own
unpickling. Memory stays within a small multiple of the file's size.
"""

from __future__ import annotations

import struct
import warnings
from pickletools import genops
from typing import Any, Final

import numpy as np

from service.training.image_files.base import ImagesError

_RECONSTRUCT: Final = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_GLOBALS: Final = {*_RECONSTRUCT, "numpy ndarray", "numpy dtype", "_codecs encode"}
_CODES: Final = {"u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"}
_VALUES: Final = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES"),
}
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


class _Global(str):
    """A global that the pickle names."""


class _Encoded(dict[str, bytes]):
    """Text as bytes, each one made once however often the pickle asks for it."""

    def of(self, text: str) -> bytes:
        if text not in self:
            self[text] = text.encode("latin1")
        return self[text]


class _Type:
    """Stands for a ``numpy.dtype``."""

    def __init__(self, code: str) -> None:
        self.code = code

    def build(self, state: Any, _: _Encoded) -> None:
        match state:
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.code = order.strip("|") + self.code
            case _:
                raise ImagesError("refused: a numpy.dtype that isn't of plain numbers")


class _Array:
    """Stands for a ``numpy.ndarray``."""

    value: np.ndarray[Any, np.dtype[Any]] | None = None

    def build(self, state: Any, encoded: _Encoded) -> None:
        match state:
            case (1, tuple(shape), _Type(code=code), bool() | 0 | 1 as fortran, raw):
                raw = encoded.of(raw) if isinstance(raw, str) else raw
                if not all(type(size) is int and size >= 0 for size in shape):
                    raise ImagesError("an array's shape is damaged")
                flat = np.frombuffer(raw, np.dtype(code))
                self.value = flat.reshape(shape, order="F" if fortran else "C")
            case _:
                raise ImagesError("refused: an array that isn't a type, a shape and bytes")


def loads(data: bytes) -> dict[str, Any]:
    """The batch that these bytes are the pickle of: text keys, arrays and plain values.

    Python 2's strings become text, each byte a character.

    Raises:
        ImagesError: damaged, or it asks for something that is refused; doesn't name the file.
    """
    try:
        # genops decodes an operand, with a warning where it is odd, before it can be refused.
        with warnings.catch_warnings(action="ignore"):
            value = _run(data)
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        if isinstance(error, ImagesError):
            raise
        raise ImagesError(f"the pickle is damaged ({error})") from error
    if not isinstance(value, dict):
        raise ImagesError("the pickle holds no dictionary")
    return {key: item.value if isinstance(item, _Array) else item for key, item in value.items()}


def _run(data: bytes) -> Any:
    stack: list[Any] = []
    marks: list[list[Any]] = []
    memo: dict[int, Any] = {}
    encoded = _Encoded()
    for opcode, argument, _ in genops(data):
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in {"BINPUT", "LONG_BINPUT"}:
            memo[int(argument or 0)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in {"BINGET", "LONG_BINGET"}:
            stack.append(memo[int(argument or 0)])
        elif name == "MARK":
            marks.append(stack)
            stack = []
        elif name in {"EMPTY_LIST", "EMPTY_DICT"}:
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in {"APPENDS", "SETITEMS", "TUPLE"}:
            items, stack = stack, marks.pop()
            if name == "TUPLE":
                stack.append(tuple(items))
            else:
                _add(stack[-1], items, pairs=name == "SETITEMS")
        elif name in {"APPEND", "SETITEM", "TUPLE1", "TUPLE2", "TUPLE3"}:
            count = {"APPEND": 1, "SETITEM": 2}.get(name) or int(name[-1])
            if len(stack) < count:
                raise ImagesError("the pickle is damaged (too few values)")
            items = stack[-count:]
            del stack[-count:]
            if name.startswith("TUPLE"):
                stack.append(tuple(items))
            else:
                _add(stack[-1], items, pairs=name == "SETITEM")
        elif name in {"GLOBAL", "STACK_GLOBAL"}:
            if name == "STACK_GLOBAL":
                last, module = stack.pop(), stack.pop()
                argument = f"{module} {last}"
            stack.append(_global(str(argument)))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_call(function, arguments, encoded))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].build(state, encoded)
        elif name not in {"PROTO", "FRAME", "STOP"}:
            raise ImagesError(f"refused: the pickle has the opcode {name}")
    (value,) = stack
    return value


def _add(target: Any, items: list[Any], *, pairs: bool) -> None:
    if not pairs:
        if type(target) is not list:
            raise ImagesError("the pickle is damaged (items for no list)")
        target += items
        return
    if type(target) is not dict:
        raise ImagesError("the pickle is damaged (items for no dictionary)")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | bytes):
            raise ImagesError(f"refused: a key of type {type(key).__name__}; allowed is text")
        target[key if isinstance(key, str) else key.decode("latin1")] = value


def _global(name: str) -> _Global:
    if name not in _GLOBALS:
        allowed = ", ".join(sorted(known.replace(" ", ".") for known in _GLOBALS))
        shown = name[:100].replace(" ", ".")
        raise ImagesError(f"refused: the pickle asks for {shown!r}; allowed: {allowed}")
    return _Global(name)


def _call(function: Any, arguments: Any, encoded: _Encoded) -> Any:
    if isinstance(function, _Global):
        match arguments:
            case (_Global("numpy ndarray"), (0,), "b" | b"b") if function in _RECONSTRUCT:
                return _Array()
            case (str() as code, _, _) if function == "numpy dtype" and code in _CODES:
                return _Type(code)
            case (str() as text, "latin1") if function == "_codecs encode":
                return encoded.of(text)
    raise ImagesError("refused: the pickle makes something other than an array of numbers")
