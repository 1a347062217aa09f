"""From keywords to query parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import SupportsFloat, TypeAlias

Parameters: TypeAlias = Sequence[tuple[str, str]]
"""Names and values as they stand in an address; a name may come again."""

Scalar: TypeAlias = str | SupportsFloat
"""A text, number or truth value, numpy's among them."""

Value: TypeAlias = Scalar | Iterable[Scalar] | Mapping[str, SupportsFloat] | None
"""What a keyword may be: one value, several, or bounds by metric; None where it isn't given."""


def pairs(keywords: Mapping[str, Value]) -> list[tuple[str, str]]:
    """The keywords that are given, in order; several values become a name that comes again.

    >>> pairs({"min_width": 3, "connected": True, "cell": ["284", "ENAS"], "space": None})
    [('min_width', '3'), ('connected', 'true'), ('cell', '284'), ('cell', 'ENAS')]
    >>> pairs({"min_metric": {"valid_accuracy@final": 70}})
    [('min_metric', 'valid_accuracy@final:70')]

    Raises:
        TypeError: bytes.
        ValueError: a list or dictionary is empty, which in an address is the same as not given:
            of no cells it would make all.
    """
    return [(name, text) for name, value in keywords.items() for text in _texts(name, value)]


def _texts(name: str, value: Value) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        texts = [f"{metric}:{bound}" for metric, bound in value.items()]
    elif isinstance(value, str) or not isinstance(value, Iterable):
        return [_text(name, value)]
    else:
        _require_text(name, value)
        texts = [_text(name, one) for one in value]
    if not texts:
        raise ValueError(f"{name} is empty, which is sent as if not given: leave it out for that")
    return texts


def _require_text(name: str, value: object) -> None:
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{name} is {type(value).__name__}, not text: decode it first")


def _text(name: str, value: Scalar) -> str:
    _require_text(name, value)
    text = str(value)
    return text.lower() if text in ("True", "False") else text  # numpy's truth values too
