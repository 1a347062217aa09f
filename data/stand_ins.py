"""What stands for the globals that an official pickle may ask for.

None of them is the real thing: each checks its arguments and makes a plain Python value, and none
can be changed by what a pickle does to it. A module may add its own (see the mini table's).
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from data.source_error import SourceError


class StandInError(SourceError):
    """A global is refused, or was asked for with arguments that no official file has."""


class Constant:
    """Base of what may be shared over a whole file: it never changes once it is built."""

    __slots__ = ()


class Global(Constant):
    """A callable that the pickle may name, with the function that stands for it."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[[tuple[Any, ...]], Any]) -> None:
        self.name = name
        self.make = make


Allowed = Mapping[tuple[str, str], Global]


def as_global(allowed: Allowed, module: object, name: object) -> Global:
    """The stand-in for ``module.name``.

    Raises:
        StandInError: it is none of those allowed.
    """
    if isinstance(module, str) and isinstance(name, str) and (module, name) in allowed:
        return allowed[module, name]
    shown = f"{module}.{name}" if isinstance(module, str) else type(module).__name__
    raise StandInError(
        f"refused: the file asks for {shown[:100]!r}; allowed: "
        + ", ".join(sorted({stand_in.name for stand_in in allowed.values()}))
    )


def short(value: object) -> str:
    """The value as text of bounded length, however deep or large it is."""
    return reprlib.repr(value)[:80]


class DType(Constant):
    """A ``numpy.dtype`` of plain numbers; ``object`` is known by its code but makes no scalars."""

    __slots__ = ("code",)

    def __init__(self, code: str) -> None:
        self.code = code

    def build(self, state: object) -> None:
        """Takes the byte order, and nothing else, from the state of a dtype without fields.

        Raises:
            StandInError: the state has fields, a subtype, metadata or other strange parts.
        """
        if not isinstance(state, tuple) or len(state) != 8 or state[2:5] != (None, None, None):
            raise StandInError("a numpy.dtype has the state of no plain number")
        version, order = state[:2]
        if version != 3 or order not in ("<", ">", "|", "="):
            raise StandInError(f"a numpy.dtype has the strange byte order {short(order)}")
        self.code = order + self.code.lstrip("<>|=")

    def plain(self) -> np.dtype[Any]:
        """The real dtype.

        Raises:
            StandInError: it is one of objects.
        """
        if self.code.lstrip("<>|=") not in _CODES:
            raise StandInError(f"a numpy value has the refused dtype {self.code!r}")
        return np.dtype(self.code)


_CODES: Final = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {
    "f2",
    "f4",
    "f8",
    "b1",
}


def _dtype(arguments: tuple[Any, ...]) -> DType:
    match arguments:
        case (str() as code, bool() | int(), bool() | int()) if code in _CODES or code == "O8":
            return DType(code)
    allowed = ", ".join(sorted(_CODES))
    raise StandInError(f"refused: numpy.dtype of {short(arguments)}; allowed: {allowed}")


def _scalar(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (DType() as dtype, bytes() as raw):
            plain = dtype.plain()
            if len(raw) == plain.itemsize:
                return np.frombuffer(raw, plain)[0].item()
    raise StandInError("refused: a numpy scalar that is not a dtype of a number and its bytes")


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise StandInError("refused: collections.OrderedDict with arguments")
    return {}


def _encode(arguments: tuple[Any, ...]) -> bytes:
    match arguments:
        case (str() as text, "latin1"):
            return text.encode("latin1")
    raise StandInError("refused: _codecs.encode of anything but latin1 text")


def _set(arguments: tuple[Any, ...]) -> set[int]:
    match arguments:
        case (list() as items,) if all(type(item) is int for item in items):
            return set(items)
    raise StandInError("refused: a set of anything but one list of integers")


NUMPY: Final[Allowed] = {
    ("collections", "OrderedDict"): Global("collections.OrderedDict", _ordered_dict),
    ("numpy", "dtype"): Global("numpy.dtype", _dtype),
    ("numpy.core.multiarray", "scalar"): Global("numpy.core.multiarray.scalar", _scalar),
    ("numpy._core.multiarray", "scalar"): Global("numpy._core.multiarray.scalar", _scalar),
    # How protocol 2 spells bytes (those of a scalar), and protocols 2 and 3 a set.
    ("_codecs", "encode"): Global("_codecs.encode", _encode),
    ("__builtin__", "set"): Global("__builtin__.set", _set),
    ("builtins", "set"): Global("builtins.set", _set),
}
"""The globals of NAS-Bench-201's and NATS-Bench's own files."""

NONE: Final[Allowed] = {}
"""For pickles of plain values."""
