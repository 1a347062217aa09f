"""Ends of axes that the panels of a picture share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor

import altair as alt

Ends = tuple[float, float]

FEW_EPOCHS = 15
"""As many have room for a tick and a point each."""


def percents(values: Iterable[float]) -> Ends:
    """Whole percents, at least one beyond the values as far as there are such percentages."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    return max(floor(low) - 1, min(0, floor(low))), min(ceil(high) + 1, max(100, ceil(high)))


def apart(low: float, high: float) -> list[float]:
    """Two ends of a scale; of a single value, one on either side of it."""
    return [low, high] if high > low else [low - 1, low + 1]


def around(epochs: Sequence[int]) -> list[int]:
    """The first and the last of ascending epochs; of a single one, those beside it."""
    if len(epochs) == 1:
        return [epochs[0] - 1, epochs[0] + 1]
    return [epochs[0], epochs[-1]]


def epoch_axis(epochs: Sequence[int]) -> alt.Axis:
    """Ticks at whole epochs: at each where there are few."""
    few = list(epochs) if len(epochs) <= FEW_EPOCHS else alt.Undefined
    return alt.Axis(tickMinStep=1, format="d", values=few)
