"""Ends of axes that the panels of a picture share."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor

Ends = tuple[float, float]


def percents(values: Iterable[float]) -> Ends:
    """Whole percents, at least one beyond the values as far as there are such percentages."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    return max(floor(low) - 1, min(0, floor(low))), min(ceil(high) + 1, max(100, ceil(high)))
