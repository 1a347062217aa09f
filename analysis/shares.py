"""Which of two things more of a spread is due to: (V₁ − V₂) / (V₁ + V₂), with its standard error.

Of two variances V₁ and V₂ that is tanh z with Fisher's z = ½ ln (V₁ / V₂) (R. A. Fisher, "On a
distribution yielding the error functions of several well known statistics", Proceedings of the
International Congress of Mathematics, Toronto, 1924): 1 where all is due to the first, 0 where both
contribute alike, −1 where all is due to the second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis import topology
from analysis.combinations import UndefinedError
from analysis.spaces.nasbench201 import NasBench201Cell
from analysis.strata import FloatArray
from analysis.synthesis import Estimate


class HardlyVaryError(UndefinedError):
    """Values that vary no more than their errors: that they came out so says something."""


FEWEST = 4
"""Values from which on a variance has a standard error."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What of a cell says which of the two its value is due to.

    Attributes:
        edges: how many of its edges are live.
        wiring: which edges these are, one text for all that are the same but for nodes' names.
        operations: which operations these have, one text whatever their order.
    """

    edges: int
    wiring: str
    operations: str


def placed(cell: NasBench201Cell) -> Cell:
    """What of a connected cell of NAS-Bench-201 says which of the two its accuracy is due to.

    Node 1 and node 2 are one another's image where no live edge joins them.
    """
    live = [edge for edge in topology.edges(cell) if edge.live]
    ends = sorted((edge.source, edge.target) for edge in live)
    if (1, 2) not in ends:
        other = {0: 0, 1: 2, 2: 1, 3: 3}
        ends = min(ends, sorted((other[source], other[target]) for source, target in ends))
    return Cell(len(live), str(ends), str(sorted(edge.operation for edge in live)))


@dataclass(frozen=True, slots=True)
class Sample:
    """Values, each with the variance of its own error, 0 where that isn't known.

    Of a mean over seeds the error's variance is that between the seeds over their number.
    """

    values: npt.ArrayLike
    errors: npt.ArrayLike = 0.0


def of_two_samples(first: Sample, second: Sample) -> Estimate:
    """The share difference of the variances of two independent samples.

    V is the variance of the values less the mean variance of their errors. The standard error of
    ln V is the jackknife's (Miller, "Jackknifing variances", Annals of Mathematical Statistics 39,
    1968), which doesn't lean on normality as the F distribution does. Degrees of freedom are those
    of the smaller sample.

    Raises:
        UndefinedError: fewer than `FEWEST` values in one, or values that don't vary.
        HardlyVaryError: values that vary no more than their errors.
    """
    logs = [_log_variance(one) for one in (first, second)]
    z = (logs[0][0] - logs[1][0]) / 2
    error = float(np.hypot(logs[0][1], logs[1][1])) / 2
    return _carried(z, error, min(np.size(one.values) for one in (first, second)) - 1)


def varying(cells: Sequence[Cell]) -> list[int]:
    """The places of the cells with a number of edges with which both can vary.

    That is, with which there are several wirings and several operations.
    """
    found: dict[int, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for cell in cells:
        wirings, operations = found[cell.edges]
        wirings.add(cell.wiring)
        operations.add(cell.operations)
    return [at for at, cell in enumerate(cells) if min(map(len, found[cell.edges])) > 1]


def of_a_space(
    cells: Sequence[Cell], values: npt.ArrayLike, *, resamples: int = 999, seed: int = 0
) -> Estimate:
    """The share difference of wirings (first) and operations (second) over the cells of a space.

    Among cells with as many live edges, with m(w, o) the mean over those of wiring w and operations
    o: V₁ is the variance of m between wirings, given operations, V₂ that between operations, given
    the wiring, each averaged over what is given. Only cells that are :func:`varying` count; over
    their numbers of edges V₁ and V₂ are averaged by numbers of cells. The standard error is a
    bootstrap's that resamples operations, which are many, and keeps the wirings, of which there are
    a few.

    Raises:
        UndefinedError: both vary with no number of edges, fewer than `FEWEST` operations, or
            nothing varies.
    """
    kept = varying(cells)
    tables = _tables([cells[at] for at in kept], np.asarray(values, np.float64)[kept])
    if not tables:
        raise UndefinedError("no number of live edges with several wirings and operations")
    operations = min(table.shape[1] for _, table in tables)
    if operations < FEWEST:
        raise UndefinedError(f"{operations} multisets of operations; it takes {FEWEST}")
    rng = np.random.default_rng(seed)
    found = _z(tables)
    if not np.isfinite(found):
        raise UndefinedError("the values don't vary")
    drawn = []
    for _ in range(resamples):
        again = [
            (n, table[:, rng.integers(0, table.shape[1], table.shape[1])]) for n, table in tables
        ]
        drawn.append(_z(again))
    known = np.array(drawn)[np.isfinite(drawn)]
    if known.size < resamples / 2:
        raise UndefinedError("too few operations to tell an error")
    return _carried(found, float(known.std(ddof=1)), operations - 1)


Table = tuple[int, FloatArray]
"""Number of cells, and their means by wiring and operations, NaN where there is no cell."""


def _tables(cells: Sequence[Cell], values: FloatArray) -> list[Table]:
    by_edges: dict[int, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for cell, value in zip(cells, values, strict=True):
        by_edges[cell.edges][cell.wiring, cell.operations].append(value)
    tables = []
    for _, found in sorted(by_edges.items()):
        wirings = sorted({wiring for wiring, _ in found})
        operations = sorted({one for _, one in found})
        table = np.full((len(wirings), len(operations)), np.nan)
        for (wiring, one), several in found.items():
            table[wirings.index(wiring), operations.index(one)] = np.mean(several)
        tables.append((sum(map(len, found.values())), table))
    return tables


def _z(tables: Sequence[Table]) -> float:
    first = second = 0.0
    for n, table in tables:
        first += n * _mean_variance(table)
        second += n * _mean_variance(table.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((np.log(first) - np.log(second)) / 2)


def _mean_variance(table: FloatArray) -> float:
    """Of the columns that have two values or more."""
    several = table[:, np.isfinite(table).sum(axis=0) >= 2]
    return float(np.nanvar(several, axis=0, ddof=1).mean()) if several.size else 0.0


def _log_variance(sample: Sample) -> tuple[float, float]:
    values = np.asarray(sample.values, np.float64)
    errors = np.broadcast_to(np.asarray(sample.errors, np.float64), values.shape)
    n = values.size
    if n < FEWEST:
        raise UndefinedError(f"{n} values of one kind; it takes {FEWEST}")
    variance, noise = float(values.var(ddof=1)), float(errors.mean())
    # Without each value in turn.
    deviations = values - values.mean()
    variances = ((n - 1) * variance - n / (n - 1) * deviations**2) / (n - 2)
    without = variances - (n * noise - errors) / (n - 1)
    if not variance:
        raise UndefinedError("the values of one kind don't vary")
    if variance <= noise or (without <= 0).any():
        raise HardlyVaryError("the values of one kind hardly vary by more than their errors")
    logs = np.log(without)
    error = np.sqrt((n - 1) / n * ((logs - logs.mean()) ** 2).sum())
    return float(np.log(variance - noise)), float(error)


def _carried(z: float, error: float, degrees: int) -> Estimate:
    """From Fisher's z to the share difference, by the delta method."""
    value = float(np.tanh(z))
    return Estimate(value, error * (1 - value**2), degrees)
