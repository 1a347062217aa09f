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
    """
    return [(name, text) for name, value in keywords.items() for text in _texts(value)]


def _texts(value: Value) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [f"{metric}:{bound}" for metric, bound in value.items()]
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [_text(value)]
    return [_text(one) for one in value]


def _text(value: Scalar) -> str:
    text = str(value)
    return text.lower() if text in ("True", "False") else text  # numpy's truth values too
