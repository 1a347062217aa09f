"""Values on a square grid around trained weights, as pictures need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import contourpy
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

TOP = 98.0
"""Percentile of all values at which a scale ends: far out, losses can be anything."""

_LEAST_SHARE = 1e-6
"""Of the top: where a logarithmic scale begins at the latest, also below values of 0."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The plane of one training.

    Attributes:
        name: of the training.
        note: more about it.
        axis: (side,) coordinates along both directions, ascending, 0 in the middle.
        values: (side, side), a row for each y, NaN where a value isn't finite.
    """

    name: str
    note: str
    axis: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, name: str, note: str, axis: Sequence[float], rows: Sequence[Any]) -> Grid:
        """From lists as JSON has them, null for what isn't finite."""
        return cls(name, note, np.array(axis, np.float64), np.array(rows, np.float64))

    def step(self, most: int) -> int:
        """The smallest k for which every k-th point about the centre makes ``most`` a side."""
        return max(1, -(-(len(self.axis) // 2) // max((most - 1) // 2, 1)))

    def thinned(self, most: int) -> Grid:
        """At most so many points a side, at least 3; the ends of the axis may be left out."""
        step = self.step(most)
        kept = np.arange(len(self.axis) // 2 % step, len(self.axis), step)
        return Grid(self.name, self.note, self.axis[kept], self.values[np.ix_(kept, kept)])


@dataclass(frozen=True, slots=True)
class Span:
    """Ends of a logarithmic scale that several grids share; `highest` is the largest value."""

    low: float
    top: float
    highest: float

    @property
    def capped(self) -> bool:
        """Whether values lie above the top."""
        return self.highest > self.top

    def share(self, values: FloatArray) -> FloatArray:
        """Where values lie between the ends, 0 to 1; NaN stays."""
        clipped = np.clip(values, self.low, self.top)
        return np.asarray(np.log(clipped / self.low) / np.log(self.top / self.low))

    def levels(self) -> list[float]:
        """Round numbers in between, 1, 2 and 5 by power of ten, thinned to at most nine."""
        powers = range(int(np.floor(np.log10(self.low))), int(np.ceil(np.log10(self.top))) + 1)
        between = [
            level
            for power in powers
            for digit in (1, 2, 5)
            if self.low < (level := float(f"{digit}e{power}")) < self.top
        ]
        if len(between) < 3:
            return [float(f"{x:.3g}") for x in np.linspace(self.low, self.top, 7)[1:-1]]
        return between[:: -(-len(between) // 9)]


def span(grids: Sequence[Grid]) -> Span | None:
    """The scale of all grids together, None where no value is finite and above 0."""
    values = np.concatenate([grid.values.ravel() for grid in grids])
    values = values[np.isfinite(values) & (values >= 0)]
    if not len(values) or values.max() == 0:
        return None
    highest = float(values.max())
    top = float(np.percentile(values, TOP)) or highest
    low = max(float(values.min()), top * _LEAST_SHARE)
    return Span(low, max(top, low * 1.01), highest)


def lines(grid: Grid, levels: Sequence[float]) -> Iterator[tuple[float, FloatArray]]:
    """Contour lines, each a level with its points (n, 2); none crosses what isn't finite."""
    generator = contourpy.contour_generator(grid.axis, grid.axis, np.ma.masked_invalid(grid.values))
    for level in levels:
        for points in generator.lines(level):
            yield level, np.asarray(points, np.float64)
