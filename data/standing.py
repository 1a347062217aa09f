"""Metrics by cell, with those that have no value but a place: too slow, or diverged.

What a run's standing is, :mod:`analysis.censoring` says. Of a cell, the seeds that count are those
that are known: with a value, censored or diverged. Where one of them has no value the cell has no
mean, and is censored, or diverged, itself. Its *place* is what ranks go by: the mean; for a cell
that is censored the least that its mean can be; behind all others for one that diverged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analysis.censoring import Codes, Standing, of_times, of_values
from data.curve_rows import CurveRows, Vector, by_cell, measure_runs
from data.frame import Floats, Integers, Mask
from data.metrics import WHOLE, Metric, lower_is_better
from data.origin import of_one_source

if TYPE_CHECKING:
    from data.catalogue import Resolved

STATES: dict[Standing, str] = {
    Standing.OBSERVED: "observed",
    Standing.CENSORED: "censored",
    Standing.DIVERGED: "diverged",
    Standing.STOPPED: "stopped",
    Standing.NOT_RECORDED: "not recorded",
}
"""What ``:state`` behind a metric says."""

_WHY = {
    Standing.NOT_RECORDED: "",
    Standing.STOPPED: ": stopped before it got there",
    Standing.CENSORED: ": never got there in the whole schedule",
    Standing.DIVERGED: ": diverged",
}


_ARRAYS = ("value", "std", "n_seeds", "place", "codes")


@dataclass(frozen=True, slots=True)
class Placed(Vector):
    """A metric of all cells with their places and :class:`Standing` codes, (cells,) each."""

    place: Floats
    codes: Codes

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    @classmethod
    def empty(cls, size: int) -> Placed:
        """Of cells of which nothing is recorded."""
        value, std, n_seeds, place = np.full((4, size), np.nan)
        return cls(value, std, n_seeds, place, np.zeros(size, np.int8))

    def put(self, cells: Integers, part: Placed) -> None:
        """Fill in what was found of some cells."""
        for name in _ARRAYS:
            getattr(self, name)[cells] = getattr(part, name)

    def longer(self, added: int) -> Placed:
        """The same with ``added`` cells more, of which nothing is recorded."""
        more = Placed.empty(added)
        return Placed(
            *(np.concatenate([getattr(self, name), getattr(more, name)]) for name in _ARRAYS)
        )


def fewest_and_most(seeds: npt.NDArray[Any]) -> list[int] | None:
    """Of the numbers of seeds, (cells,), that are known; None where none is."""
    known = seeds[seeds > 0]
    return [int(known.min()), int(known.max())] if known.size else None


def placed_by_cell(
    resolved: Resolved, rows: CurveRows
) -> tuple[Integers, Placed, dict[int, Integers]]:
    """The metric over the seeds of each cell of ``rows``: the cells, (k,), and arrays of (k,).

    Of each cell the rows of one source, unless these are pooled; which cells each source gave, by
    its number, is told last.
    """
    values = measure_runs(resolved, rows.values)
    timed = resolved.metric.measure in WHOLE
    codes = (of_times if timed else of_values)(values, rows.values)
    halted = rows.cell[codes == Standing.STOPPED]
    if not resolved.context.pooled:
        # What is censored or diverged is known, so that no other source stands in for it.
        chosen = of_one_source(rows, (codes >= Standing.OBSERVED)[:, np.newaxis])
        rows, values, codes = rows.where(chosen), values[chosen], codes[chosen]
    slow, lost = codes == Standing.CENSORED, codes == Standing.DIVERGED
    never = slow | lost
    # A time that nobody saw is that of the epoch behind the schedule, or later.
    filled = np.where(never, len(resolved.epochs) + 1.0 if timed else 0.0, values)
    known = ~np.isnan(filled)
    shares = [np.where(known, one.astype(np.float64), np.nan) for one in (slow, lost)]
    # One pattern of what is known, so that the same seeds count in all three.
    cells, found, used = by_cell(rows, np.stack([filled, *shares], axis=1))
    mean, censored, diverged = found.value.T
    state = np.where(np.isnan(mean), Standing.NOT_RECORDED, Standing.OBSERVED).astype(np.int8)
    state[censored > 0] = Standing.CENSORED
    state[diverged > 0] = Standing.DIVERGED
    stopped = np.isin(cells, halted)
    state[stopped & (state == Standing.NOT_RECORDED)] = Standing.STOPPED
    without = state != Standing.OBSERVED
    place = mean.copy()
    if not timed:
        place[state == Standing.DIVERGED] = last_place(resolved.metric)
    placed = Placed(
        np.where(without, np.nan, mean),
        np.where(without, np.nan, found.std[:, 0]),
        found.n_seeds[:, 0],
        place,
        state,
    )
    return cells, placed, rows.origins(used)


def last_place(metric: Metric) -> float:
    """The place behind every value of a metric: an infinity."""
    return np.inf if lower_is_better(metric) else -np.inf


def never(metric: Metric, codes: Codes) -> Mask:
    """The cells that would need more epochs than there are, for a metric that counts epochs."""
    if metric.measure not in WHOLE or metric.aspect != "value":
        return np.zeros(len(codes), np.bool_)
    return np.isin(codes, (Standing.CENSORED, Standing.DIVERGED))


def reasons(name: str, codes: Codes, missing: Mask) -> Iterator[tuple[str, Mask]]:
    """Why cells have no value of the metric ``name``, and which of the ``missing`` ones."""
    for standing, why in _WHY.items():
        here = missing & (codes == standing)
        if here.any():
            yield f"no {name}{why}", here
    # A spread that one seed doesn't have.
    yield f"no {name}", missing & (codes == Standing.OBSERVED)
