"""Curves of one kind as rows of numbers, merged over sources, and statistics over a cell's rows.

For one kind of curve, every (cell, seed) is taken once: where several sources hold it, the official
table wins, then the source imported first, epoch by epoch. A value of a cell is the mean over its
named seeds; where none of these has one, over unnamed seeds (each counts as one); else it is a
table's own mean over an unknown number of seeds, for which ``n_seeds`` and ``std`` are null. No
seed is ever filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import convergence
from data.catalogue import Resolved
from data.frame import Floats
from data.metrics import LEVELS, Numeric
from data.store import Pinned

_MEAN = 2  # the tier of means over an unknown number of seeds
_NOTHING = 3  # stands for the tier where no row has a value


@dataclass(frozen=True, slots=True)
class CurveRows:
    """Curves of one kind, a row per (cell, seed), sorted by cell.

    Attributes:
        cell: cell number, (rows,).
        seed: the seed; for an unnamed one, a number that tells it apart, (rows,).
        tier: 0 for named seeds, 1 for unnamed ones, 2 for means over an unknown number, (rows,).
        values: (rows, epochs), NaN where not recorded, inf where the training had diverged.
    """

    cell: npt.NDArray[np.int64]
    seed: npt.NDArray[np.int64]
    tier: npt.NDArray[np.int64]
    values: Floats


@dataclass(frozen=True, slots=True)
class Vector:
    """One metric of all cells, (cells,) each: mean over seeds, sample std (n ≥ 2), seeds."""

    value: Floats
    std: Floats
    n_seeds: Floats

    def aspect(self, aspect: Numeric) -> Floats:
        """The array that ``:std``, ``:n_seeds`` or nothing behind a metric asks for."""
        return {"value": self.value, "std": self.std, "n_seeds": self.n_seeds}[aspect]


_SQL = """
SELECT series.cell AS cell,
       CASE WHEN runs.seed IS NOT NULL THEN 0
            WHEN runs.replicate = 'mean' THEN 2 ELSE 1 END AS tier,
       coalesce(runs.seed, (hash(runs.replicate) >> 1)::BIGINT) AS seed,
       series.grid AS grid,
       {values} AS picked
FROM series
JOIN grids USING (grid)
JOIN runs USING (run)
JOIN sources ON sources.source = runs.source
WHERE series.curve = $curve AND series.cell >= $low AND series.cell < $high
  AND ($name IS NULL OR sources.name = $name)
  AND ($seed IS NULL OR runs.seed = $seed)
  AND {held}
ORDER BY series.cell, tier, seed, NOT sources.official, sources.source
"""
_ONE = _SQL.format(
    values='list_extract(series."values", list_position(grids.epochs, $epoch))',
    held="list_contains(grids.epochs, $epoch)",
)
_MANY = _SQL.format(values='series."values"', held="list_has_any(grids.epochs, $epochs)")


_KEYS = ("cell", "tier", "seed")


class CurveReader:
    """Reads :class:`CurveRows` from one state of the store."""

    def __init__(self, state: Pinned) -> None:
        self._state = state
        with state.read() as cursor:
            self._grids = {
                grid: np.asarray(epochs, dtype=np.int64)
                for grid, epochs in cursor.execute("SELECT grid, epochs FROM grids").fetchall()
            }

    def read(self, resolved: Resolved, low: int, high: int) -> CurveRows:
        """The needed epochs of the cells ``low <= cell < high``."""
        parameters: dict[str, Any] = {
            "curve": resolved.curve.number,
            "low": low,
            "high": high,
            "name": resolved.context.source,
            "seed": resolved.context.seed,
        }
        single = len(resolved.epochs) == 1
        if single:
            parameters["epoch"] = resolved.epochs[0]
        else:
            parameters["epochs"] = list(resolved.epochs)
        with self._state.read() as cursor:
            if single:
                # Not by way of Arrow: DuckDB's first Arrow result costs 0.2 s of imports, which
                # the first answer after a start need not wait for.
                found = cursor.execute(_ONE, parameters).fetchnumpy()
                cell, tier, seed = (np.asarray(found[n], np.int64) for n in _KEYS)
                values = _lost(np.asarray(found["picked"], np.float64)[:, None])
            else:
                table = cursor.sql(_MANY, params=parameters).to_arrow_table()
                cell, tier, seed = (table[n].to_numpy().astype(np.int64) for n in _KEYS)
                values = self._matrix(table, resolved.epochs)
        return _merge_sources(CurveRows(cell, seed, tier, values))

    def _matrix(self, table: Any, epochs: tuple[int, ...]) -> Floats:
        """Lists on differing grids as one (rows, epochs) matrix, NaN where not recorded."""
        column = table["picked"].combine_chunks()
        flat = _lost(column.flatten().to_numpy(zero_copy_only=False))
        lengths = column.value_lengths().to_numpy()
        starts = np.cumsum(lengths) - lengths
        grids = table["grid"].to_numpy()
        matrix = np.full((len(grids), len(epochs)), np.nan)
        place = {epoch: position for position, epoch in enumerate(epochs)}
        for grid in np.unique(grids):
            recorded = self._grids[int(grid)]
            source = np.flatnonzero(np.isin(recorded, epochs))
            target = np.array([place[epoch] for epoch in recorded[source].tolist()], np.int64)
            rows = np.flatnonzero(grids == grid)
            matrix[rows[:, None], target] = flat[starts[rows][:, None] + source]
        return matrix


def _lost(values: Floats) -> Floats:
    """Values as they are kept, NaN where no number came out, with infinities for these."""
    return np.where(np.isnan(values), np.inf, values)


def _merge_sources(rows: CurveRows) -> CurveRows:
    """One row per (cell, tier, seed): the first source's value wherever it has one."""
    if not len(rows.cell):
        return rows
    new = np.ones(len(rows.cell), dtype=np.bool_)
    new[1:] = (
        (np.diff(rows.cell) != 0) | (np.diff(rows.tier) != 0) | (rows.seed[1:] != rows.seed[:-1])
    )
    if new.all():
        return rows
    first = np.flatnonzero(new)
    values = rows.values[first].copy()
    owner = np.cumsum(new) - 1
    for row in np.flatnonzero(~new):
        target = values[owner[row]]
        np.copyto(target, rows.values[row], where=np.isnan(target))
    return CurveRows(rows.cell[first], rows.seed[first], rows.tier[first], values)


def measure_runs(resolved: Resolved, values: Floats) -> Floats:
    """The metric of each run: (rows, epochs) → (rows,), NaN where undefined."""
    metric = resolved.metric
    upto = len(resolved.epochs)
    if metric.measure in LEVELS or metric.measure == "sotl_e":
        return np.where(np.isinf(values[:, -1]), np.nan, values[:, -1])
    if metric.measure == "epochs_to":
        return convergence.epochs_to(values, metric.threshold or 0.0).epochs
    if metric.measure == "half_life":
        return convergence.half_life(values)
    summary: Callable[[Floats, int], Floats] = {
        "aulc": convergence.aulc,
        "sotl": convergence.sotl,
        "tse_ema": convergence.tse_ema,
    }[metric.measure]
    return summary(values, upto)


def by_cell(rows: CurveRows, values: Floats) -> tuple[npt.NDArray[np.int64], Vector]:
    """Statistics over the rows of each cell that have a value: those of the best tier among them.

    ``values`` is (rows, columns); returns the cells, (k,), and arrays of (k, columns). The tier is
    chosen for each value: a cell may have its last epoch by seed and the others from a table that
    doesn't name them.
    """
    if not len(rows.cell):
        empty = np.empty((0, values.shape[1]))
        return rows.cell, Vector(empty, empty, empty)
    starts = np.flatnonzero(np.r_[True, np.diff(rows.cell) != 0])
    lengths = np.diff(np.r_[starts, len(rows.cell)])
    held = ~np.isnan(values)
    tier = np.where(held, rows.tier[:, None].astype(np.int8), np.int8(_NOTHING))
    best = _fold(np.minimum, tier, starts, lengths)
    held &= tier == np.repeat(best, lengths, axis=0)
    number = _fold(np.add, held.astype(np.float64), starts, lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _fold(np.add, np.where(held, values, 0.0), starts, lengths) / number
        deviation = np.where(held, values - np.repeat(mean, lengths, axis=0), 0.0)
        # What rounding left over: the same values give the same mean in whatever order of seeds,
        # so that such cells tie where they are ranked.
        mean += _fold(np.add, deviation, starts, lengths) / number
        std = np.sqrt(_fold(np.add, deviation**2, starts, lengths) / (number - 1))
    known = best < _MEAN
    return rows.cell[starts], Vector(
        mean,
        np.where(known & (number > 1), std, np.nan),
        np.where(known & (number > 0), number, np.nan),
    )


def _fold(function: np.ufunc, values: Any, starts: Any, lengths: Any) -> Any:
    """``function.reduceat(values, starts, axis=0)``, several times as fast for short groups."""
    folded = values[starts]
    for place in range(1, int(lengths.max())):
        longer = lengths > place
        folded[longer] = function(folded[longer], values[starts[longer] + place])
    return folded
