"""Statistics of every epoch over the seeds of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from data.curve_rows import CurveRows, Vector, by_cell
from data.frame import Floats, Integers, Mask
from data.standing import last_place

if TYPE_CHECKING:
    from data.catalogue import Resolved

Deviations = npt.NDArray[np.float32]
Counts = npt.NDArray[np.uint8]

_MOST_SEEDS = np.iinfo(np.uint8).max


@dataclass(slots=True)
class EpochStatistics:
    """By cell and epoch, (cells, epochs) each.

    Attributes:
        mean: over seeds; NaN where not recorded, an infinity behind all others where a seed had
            diverged.
        seeds: how many (255 for more), 0 where that isn't known.
        std: sample standard deviation over seeds, 0 of one; None as long as no cell has several.
    """

    mean: Floats
    seeds: Counts
    std: Deviations | None = None

    @classmethod
    def empty(cls, cells: int, epochs: int) -> EpochStatistics:
        """Of cells of which nothing is recorded."""
        return cls(np.full((cells, epochs), np.nan), np.zeros((cells, epochs), np.uint8))

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        std = 0 if self.std is None else self.std.nbytes
        return self.mean.nbytes + self.seeds.nbytes + std

    def put(self, resolved: Resolved, rows: CurveRows) -> Mask:
        """Fill in what was recorded of some cells; returns which rows went into it, (rows,)."""
        cells, found, used = curves_by_cell(rows, last_place(resolved.metric))
        self.mean[cells] = found.value
        self.seeds[cells] = np.minimum(np.nan_to_num(found.n_seeds), _MOST_SEEDS)
        if self.std is None and (self.seeds[cells] > 1).any():
            self.std = np.zeros(self.mean.shape, np.float32)
        if self.std is not None:
            self.std[cells] = np.nan_to_num(found.std)
        return used

    def taking(self, cells: Mask, epochs: Sequence[int]) -> EpochStatistics:
        """Of some cells, (cells,), at some of the epochs; an epoch's values lie side by side."""
        rows = np.ix_(np.flatnonzero(cells), np.asarray(epochs))
        return EpochStatistics(
            np.asfortranarray(self.mean[rows]),
            np.asfortranarray(self.seeds[rows]),
            None if self.std is None else np.asfortranarray(self.std[rows]),
        )

    def longer(self, added: int) -> EpochStatistics:
        """The same with ``added`` cells more, of which nothing is recorded."""
        more = EpochStatistics.empty(added, self.mean.shape[1])
        return EpochStatistics(
            np.concatenate([self.mean, more.mean]),
            np.concatenate([self.seeds, more.seeds]),
            None
            if self.std is None
            else np.concatenate([self.std, np.zeros_like(more.mean, np.float32)]),
        )


def curves_by_cell(rows: CurveRows, last: float) -> tuple[Integers, Vector, Mask]:
    """Statistics of every epoch, (k, epochs); ``last`` for the value where a seed had diverged.

    As :func:`data.curve_rows.by_cell` it tells which rows went into them, too.
    """
    lost = np.isinf(rows.values)
    if not lost.any():
        return by_cell(rows, rows.values)
    known = np.where(np.isnan(rows.values), np.nan, lost.astype(np.float64))
    epochs = rows.values.shape[1]
    cells, found, used = by_cell(rows, np.hstack([np.where(lost, 0.0, rows.values), known]))
    diverged = found.value[:, epochs:] > 0
    statistics = Vector(
        np.where(diverged, last, found.value[:, :epochs]),
        np.where(diverged, np.nan, found.std[:, :epochs]),
        found.n_seeds[:, :epochs],
    )
    return cells, statistics, used
