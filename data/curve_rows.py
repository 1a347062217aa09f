"""Curves of one kind as rows of numbers, and statistics over a cell's rows.

Rows are of one source each, of which :mod:`data.origin` chooses one for a cell. **Pooled**, which
is asked for by name, all sources are one: every (cell, seed) is taken once, from the official
table, then from the source imported first, epoch by epoch.

A value of a cell is the mean over its named seeds; where none of these has one, over unnamed seeds
(each counts as one); else it is a table's own mean over an unknown number of seeds, for which
``n_seeds`` and ``std`` are null. No seed is ever filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import convergence
from data.catalogue import Resolved
from data.frame import Floats, Mask
from data.metrics import LEVELS, Numeric
from data.store import Pinned

Numbers = npt.NDArray[np.int64]

MEANS = 2
"""The tier of means over an unknown number of seeds."""

_NOTHING = 3  # stands for the tier where no row has a value


@dataclass(frozen=True, slots=True)
class CurveRows:
    """Curves of one kind, a row per (cell, source, seed), or pooled per (cell, seed); by cell.

    Rows of a cell are in the order of its sources, the official table first, and there by tier;
    pooled, by tier.

    Attributes:
        cell: cell number, (rows,).
        source: number of the source; pooled, of the first that the row is from, (rows,).
        seed: the seed; for an unnamed one, a number that tells it apart, (rows,).
        tier: 0 for named seeds, 1 for unnamed ones, 2 for means over an unknown number, (rows,).
        values: (rows, epochs), NaN where not recorded, inf where the training had diverged.
        filled: pooled, rows and the further sources that filled epochs in, (2, k).
    """

    cell: Numbers
    source: Numbers
    seed: Numbers
    tier: Numbers
    values: Floats
    filled: Numbers

    def origins(self, used: Mask) -> dict[int, Numbers]:
        """The cells that each source gave to the ``used`` rows, (rows,), by the source's number."""
        row = np.r_[np.flatnonzero(used), self.filled[0][used[self.filled[0]]]]
        source = np.r_[self.source[used], self.filled[1][used[self.filled[0]]]]
        return {number: self.cell[row[source == number]] for number in np.unique(source).tolist()}

    def where(self, kept: Mask) -> CurveRows:
        """Some of the rows; not for pooled ones."""
        if kept.all():
            return self
        return CurveRows(
            self.cell[kept],
            self.source[kept],
            self.seed[kept],
            self.tier[kept],
            self.values[kept],
            self.filled,
        )


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
       runs.source AS source,
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
ORDER BY series.cell, {order}
"""
_APART = "NOT sources.official, sources.source, tier, seed"
_POOLED = "tier, seed, NOT sources.official, sources.source"
_ONE = {
    "values": 'list_extract(series."values", list_position(grids.epochs, $epoch))',
    "held": "list_contains(grids.epochs, $epoch)",
}
_MANY = {"values": 'series."values"', "held": "list_has_any(grids.epochs, $epochs)"}
_STATEMENTS = {
    (single, pooled): _SQL.format(**picked, order=_POOLED if pooled else _APART)
    for single, picked in ((True, _ONE), (False, _MANY))
    for pooled in (True, False)
}
_KEYS = ("cell", "source", "seed", "tier")


class CurveReader:
    """Reads :class:`CurveRows` from one state of the store.

    Attributes:
        names: of the sources, by number.
    """

    def __init__(self, state: Pinned) -> None:
        self._state = state
        with state.read() as cursor:
            self.names: dict[int, str] = dict(
                cursor.execute("SELECT source, name FROM sources").fetchall()
            )
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
        single, pooled = len(resolved.epochs) == 1, resolved.context.pooled
        statement = _STATEMENTS[single, pooled]
        if single:
            parameters["epoch"] = resolved.epochs[0]
        else:
            parameters["epochs"] = list(resolved.epochs)
        with self._state.read() as cursor:
            if single:
                # Not by way of Arrow: DuckDB's first Arrow result costs 0.2 s of imports, which
                # the first answer after a start need not wait for.
                found = cursor.execute(statement, parameters).fetchnumpy()
                keys = [np.asarray(found[name], np.int64) for name in _KEYS]
                values = _lost(np.asarray(found["picked"], np.float64)[:, None])
            else:
                table = cursor.sql(statement, params=parameters).to_arrow_table()
                keys = [table[name].to_numpy().astype(np.int64) for name in _KEYS]
                values = self._matrix(table, resolved.epochs)
        cell, source, seed, tier = keys
        rows = CurveRows(cell, source, seed, tier, values, np.empty((2, 0), np.int64))
        return _merge_sources(rows) if pooled else rows

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
    new = starts_of(rows.cell, rows.tier, rows.seed)
    if new.all():
        return rows
    first = np.flatnonzero(new)
    values, source = rows.values[first].copy(), rows.source[first]
    owner = np.cumsum(new) - 1
    filled: list[tuple[int, int]] = []
    for row in np.flatnonzero(~new).tolist():
        target, more = values[owner[row]], rows.values[row]
        missing = np.isnan(target)
        if not (missing & ~np.isnan(more)).any():
            continue
        if missing.all():
            source[owner[row]] = rows.source[row]
        else:
            filled.append((int(owner[row]), int(rows.source[row])))
        np.copyto(target, more, where=missing)
    return CurveRows(
        rows.cell[first],
        source,
        rows.seed[first],
        rows.tier[first],
        values,
        np.array(filled, np.int64).reshape(-1, 2).T,
    )


def starts_of(*keys: Numbers) -> Mask:
    """Where rows differ from those before them in one of the keys, (rows,)."""
    new = np.ones(len(keys[0]), np.bool_)
    if len(new):
        new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return new


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


def by_cell(rows: CurveRows, values: Floats) -> tuple[Numbers, Vector, Mask]:
    """Statistics over the rows of each cell that have a value: those of the best tier among them.

    ``values`` is (rows, columns); returns the cells, (k,), arrays of (k, columns), and which rows
    went into one of these. Only of pooled rows a cell has several tiers; there it is chosen for
    each value.
    """
    if not len(rows.cell):
        empty = np.empty((0, values.shape[1]))
        return rows.cell, Vector(empty, empty, empty), np.empty(0, np.bool_)
    starts = np.flatnonzero(starts_of(rows.cell))
    lengths = np.diff(np.r_[starts, len(rows.cell)])
    held = ~np.isnan(values)
    tier = np.where(held, rows.tier[:, None].astype(np.int8), np.int8(_NOTHING))
    best = fold(np.minimum, tier, starts, lengths)
    held &= tier == np.repeat(best, lengths, axis=0)
    number = fold(np.add, held.astype(np.float64), starts, lengths)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = fold(np.add, np.where(held, values, 0.0), starts, lengths) / number
        deviation = np.where(held, values - np.repeat(mean, lengths, axis=0), 0.0)
        # What rounding left over: the same values give the same mean in whatever order of seeds,
        # so that such cells tie where they are ranked.
        mean += fold(np.add, deviation, starts, lengths) / number
        std = np.sqrt(fold(np.add, deviation**2, starts, lengths) / (number - 1))
    known = best < MEANS
    vector = Vector(
        mean,
        np.where(known & (number > 1), std, np.nan),
        np.where(known & (number > 0), number, np.nan),
    )
    return rows.cell[starts], vector, np.any(held, axis=1)


def fold(function: np.ufunc, values: Any, starts: Any, lengths: Any) -> Any:
    """``function.reduceat(values, starts, axis=0)``, several times as fast for short groups."""
    folded = values[starts]
    for place in range(1, int(lengths.max())):
        longer = lengths > place
        folded[longer] = function(folded[longer], values[starts[longer] + place])
    return folded
