"""Metrics of all cells: read from the stored curves, merged over sources, averaged over seeds.

For one kind of curve, every (cell, seed) is taken once: where several sources hold it, the official
table wins, then the source imported first, epoch by epoch. A value of a cell is the mean over its
named seeds; where none of these has one, over unnamed seeds (each counts as one); else it is a
table's own mean over an unknown number of seeds, for which ``n_seeds`` and ``std`` are null. No
seed is ever filled in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import convergence
from data.catalogue import Resolved
from data.frame import Floats, Rows, python_values
from data.metrics import LEVELS, Aspect
from data.store import Pinned

CELLS_AT_ONCE = 4096
"""Cells whose whole curves are read at a time, which bounds the memory of a read."""

ASPECTS: tuple[Aspect, ...] = ("value", "std", "n_seeds")

_MEAN = 2  # the tier of means over an unknown number of seeds
_NOTHING = 3  # stands for the tier where no row has a value


@dataclass(frozen=True, slots=True)
class CurveRows:
    """Curves of one kind, a row per (cell, seed), sorted by cell.

    Attributes:
        cell: cell number, (rows,).
        seed: the seed; for an unnamed one, a number that tells it apart, (rows,).
        tier: 0 for named seeds, 1 for unnamed ones, 2 for means over an unknown number, (rows,).
        values: (rows, epochs), NaN where not recorded.
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

    def aspect(self, aspect: Aspect) -> Floats:
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
                values = np.asarray(found["picked"], np.float64)[:, None]
            else:
                table = cursor.sql(_MANY, params=parameters).to_arrow_table()
                cell, tier, seed = (table[n].to_numpy().astype(np.int64) for n in _KEYS)
                values = self._matrix(table, resolved.epochs)
        return _merge_sources(CurveRows(cell, seed, tier, values))

    def _matrix(self, table: Any, epochs: tuple[int, ...]) -> Floats:
        """Lists on differing grids as one (rows, epochs) matrix, NaN where not recorded."""
        column = table["picked"].combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False)
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
        return values[:, -1]
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


class NotResidentError(Exception):
    """Something would have to be read or sorted first; see :func:`resident_only`."""


_mode = threading.local()


@contextmanager
def resident_only() -> Iterator[None]:
    """Let this thread use what is in memory, and raise :class:`NotResidentError` for the rest."""
    _mode.resident_only = True
    try:
        yield
    finally:
        _mode.resident_only = False


OrderKey = tuple[tuple[tuple[str, Resolved | None, bool], ...], str]
"""What an order goes by: (name, what it means where it is a metric, falling), and the data set."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Something resident, with the kinds of curve that it was made from."""

    made: Any
    curves: frozenset[int]


class Vectors:
    """Metric vectors of one state of the data, kept while there is room (``limit`` bytes)."""

    def __init__(self, reader: CurveReader, size: int, limit: int = 96 << 20) -> None:
        self._reader = reader
        self._size = size
        self._limit = limit
        self._kept: OrderedDict[Any, _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self._computing: dict[Any, Lock] = {}  # one thread computes, others wait for its result

    def inherit(self, older: Vectors, changed: Set[int]) -> None:
        """Take over what an older state holds resident, where it holds in this one too.

        ``changed`` are the kinds of curve that differ. Cells that this state has in addition must
        have nothing in any other kind, and come last. Whoever reads ``older`` isn't disturbed.
        """
        added = self._size - older._size
        with older._lock:
            kept = list(older._kept.items())
        for key, entry in kept:
            if entry.curves.isdisjoint(changed) and not (added and key[0] == "order"):
                self._keep(key, _Kept(_longer(entry.made, added), entry.curves))

    def metric(self, resolved: Resolved) -> Vector:
        """The metric of all cells."""
        vector: Vector = self._get(
            ("metric", *_key(resolved)), [resolved], lambda: self._metric(resolved)
        )
        return vector

    def python(self, resolved: Resolved, aspect: Aspect) -> list[Any]:
        """One aspect of a metric as Python values, None for null."""
        values: list[Any] = self._get(
            (aspect, *_key(resolved)),
            [resolved],
            lambda: python_values(self.metric(resolved).aspect(aspect), whole=aspect == "n_seeds"),
        )
        return values

    def order(self, key: OrderKey, make: Callable[[], Rows]) -> Rows:
        """An order of all cells that ``make`` computes, kept under ``key``."""
        read = [resolved for _, resolved, _ in key[0] if resolved is not None]
        order: Rows = self._get(("order", key), read, make)
        return order

    def curves(self, resolved: Resolved) -> Floats:
        """Mean over seeds by cell and epoch, (cells, epochs), NaN where not recorded."""
        mean: Floats = self._get(
            ("curves", *_key(resolved)), [resolved], lambda: self._curves(resolved)
        )
        return mean

    def _metric(self, resolved: Resolved) -> Vector:
        vector = Vector(*(np.full(self._size, np.nan) for _ in range(3)))
        step = self._size if len(resolved.epochs) == 1 else CELLS_AT_ONCE
        for low in range(0, self._size, step):
            rows = self._reader.read(resolved, low, low + step)
            cells, part = by_cell(rows, measure_runs(resolved, rows.values)[:, None])
            for aspect in ASPECTS:
                vector.aspect(aspect)[cells] = part.aspect(aspect)[:, 0]
        return vector

    def _curves(self, resolved: Resolved) -> Floats:
        mean = np.full((self._size, len(resolved.epochs)), np.nan)
        for low in range(0, self._size, CELLS_AT_ONCE):
            rows = self._reader.read(resolved, low, low + CELLS_AT_ONCE)
            cells, statistics = by_cell(rows, rows.values)
            mean[cells] = statistics.value
        return mean

    def _get(self, key: Any, read: Sequence[Resolved], make: Callable[[], Any]) -> Any:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key].made
            if getattr(_mode, "resident_only", False):
                raise NotResidentError
            computing = self._computing.setdefault(key, Lock())
        with computing:
            with self._lock:
                if key in self._kept:
                    return self._kept[key].made
            made = make()
            with self._lock:
                self._computing.pop(key, None)
                self._keep(key, _Kept(made, frozenset(one.curve.number for one in read)))
            return made

    def _keep(self, key: Any, entry: _Kept) -> None:
        self._kept[key] = entry
        self._bytes += _size(entry.made)
        while self._bytes > self._limit and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(dropped.made)


def _longer(made: Any, added: int) -> Any:
    """The same with ``added`` cells more, which have nothing."""
    if not added:
        return made
    if isinstance(made, list):
        return [*made, *[None] * added]
    if isinstance(made, Vector):
        return Vector(*(_longer(part, added) for part in (made.value, made.std, made.n_seeds)))
    return np.concatenate([made, np.full((added, *made.shape[1:]), np.nan)])


def _key(resolved: Resolved) -> tuple[Any, ...]:
    return (
        resolved.metric.measure,
        resolved.metric.threshold,
        resolved.curve.number,
        resolved.epochs[0],
        resolved.epochs[-1],
        resolved.context.seed,
        resolved.context.source,
    )


def _size(kept: Any) -> int:
    if isinstance(kept, np.ndarray):
        return int(kept.nbytes)
    if isinstance(kept, Vector):
        return sum(_size(part) for part in (kept.value, kept.std, kept.n_seeds))
    if isinstance(kept, list):
        return 32 * len(kept)
    raise TypeError(type(kept).__name__)
