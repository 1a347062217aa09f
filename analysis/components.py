"""How much of the spread of a measure is due to connections, to operations and to seeds.

Two kinds of random variants of one cell are trained with several seeds each: random connections,
which keep the operations, and random operations, which keep the connections. In each kind the value
of cell i with its j-th seed is taken as y_ij = μ + c_i + e_ij, with variances σ_c² of c_i and σ² of
e_ij. σ_c² is what connections, or operations, contribute with the others as in the original cell;
how the two act together is not part of this.

Estimates are by the analysis of variance, also for cells with unequal numbers n_i of seeds (Searle,
Casella and McCulloch, "Variance Components", Wiley 1992, chapter 3): with a cells and N values,

    MSB = Σ n_i (ȳ_i − ȳ)² / (a − 1),    MSW = Σ (y_ij − ȳ_i)² / (N − a),
    n_0 = (N − Σ n_i² / N) / (a − 1),    σ² = MSW,    σ_c² = (MSB − MSW) / n_0.

An estimate of σ_c² below 0 is taken as 0; the unclipped one is kept beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analysis.bootstrap import percentile_interval, resample_rows
from analysis.strata import FloatArray, Strata
from analysis.variance import Groups, squares_between

Cells = Sequence[Sequence[float]]
"""For each cell its values, one for each seed; a cell without values is left out."""

RESAMPLES = range(100, 10_001)
"""How many bootstrap resamples may be asked for."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One kind of variants: how far the values spread between cells and within them.

    `between` is the variance component of the cells, in squared units of the values, not below 0;
    `between_unclipped` may be. `within` is the variance over the seeds of a cell. Where no cell has
    two seeds `within` is unknown, and `between`, the variance of the values, includes it:
    `between_includes_seeds`. `intraclass` is between / (between + within). `f` = MSB / MSW and its
    `p` test whether the cells differ. `reasons` says, by name of the field, why one is None.
    """

    n_cells: int
    n_values: int
    between: float | None
    between_unclipped: float | None
    between_includes_seeds: bool
    within: float | None
    intraclass: float | None
    f: float | None
    p: float | None
    reasons: Mapping[str, str]


class Shares(NamedTuple):
    """What each component is of the sum of the three, in [0, 1]."""

    connections: float
    operations: float
    seeds: float


@dataclass(frozen=True, slots=True)
class Components:
    """The spread due to connections, operations and seeds, and how the first two compare.

    `connections` and `operations` are the components between the cells of each kind, `seeds` is the
    mean square within the cells of both. `ratio` is connections / operations; the upper end of
    `ratio_interval` is None where it has no bound. With `include_seeds` no cell has two seeds, and
    connections and operations both hold the unknown variance over seeds, which draws their ratio
    towards 1. `f` and `p` are Brown and Forsythe's test of whether the means of the cells spread
    equally in both kinds. `reasons` says, by name of the field, why one is None or, of
    `ratio_interval`, why the upper end is.
    """

    connections: float | None
    operations: float | None
    seeds: float | None
    shares: Shares | None
    include_seeds: bool
    ratio: float | None
    ratio_interval: tuple[float, float | None] | None
    f: float | None
    p: float | None
    by_connections: Spread
    by_operations: Spread
    reasons: Mapping[str, str]


def spread(cells: Cells) -> Spread:
    """The variance components of one kind of variants. Raises ValueError on NaN and infinities."""
    return spread_of(_of_cells(cells))


def components(
    random_connections: Cells,
    random_operations: Cells,
    *,
    resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> Components:
    """Compare what connections and what operations contribute to the spread.

    The interval of the ratio is by the percentile bootstrap: `resamples` (100..10,000) draws of
    cells with all their seeds, in each kind as many as it has, which `seed` determines. It is taken
    on connections / (connections + operations), which stays finite where a draw leaves operations
    no component, and then turned into the ratio. The test of equal spread is an analysis of
    variance of |ȳ_i − median ȳ| (Brown and Forsythe, "Robust tests for the equality of variances",
    JASA 69, 1974); the means that it compares hold a part of the variance over seeds.

    Raises ValueError on NaN, infinities and options out of range.
    """
    if resamples not in RESAMPLES:
        raise ValueError(f"resamples must lie in 100..10,000, not {resamples}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    kinds = [_of_cells(random_connections), _of_cells(random_operations)]
    by_connections, by_operations = (spread_of(kind) for kind in kinds)
    connections, operations = by_connections.between, by_operations.between
    shares = ratio = interval = f = p = None
    reasons: dict[str, str] = {}
    for name, kind in (("connections", by_connections), ("operations", by_operations)):
        if kind.between is None:
            reasons[name] = f"random {name}: {kind.reasons['between']}"

    degrees = sum(kind.degrees_within for kind in kinds)
    seeds = sum(kind.squares_within for kind in kinds) / degrees if degrees else None
    if seeds is None:
        reasons["seeds"] = "no cell has 2 values"

    includes = (by_connections.between_includes_seeds, by_operations.between_includes_seeds)
    compared = ("shares", "ratio", "ratio_interval", "f", "p")
    if connections is None or operations is None:
        why = reasons.get("connections") or reasons["operations"]
        reasons |= dict.fromkeys(compared, why)
    elif any(includes) and not all(includes):
        why = "cells have several seeds in one kind of variants and only one in the other"
        reasons |= dict.fromkeys(compared, why)
    else:
        if seeds is None:
            reasons["shares"] = reasons["seeds"]
        elif total := connections + operations + seeds:
            shares = Shares(connections / total, operations / total, seeds / total)
        else:
            reasons["shares"] = "the values do not vary"
        if operations:
            ratio = connections / operations
        else:
            reasons["ratio"] = "the component of operations is 0"
        interval, unbounded = _ratio_interval(kinds, resamples, confidence, seed)
        f, p, untested = _distances_from_median(kinds).test()
        reasons |= unbounded | untested
    return Components(
        connections=connections,
        operations=operations,
        seeds=seeds,
        shares=shares,
        include_seeds=all(includes),
        ratio=ratio,
        ratio_interval=interval,
        f=f,
        p=p,
        by_connections=by_connections,
        by_operations=by_operations,
        reasons=reasons,
    )


def _of_cells(cells: Cells) -> Groups:
    values = [value for cell in cells for value in cell]
    labels = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
    return Groups.of(values, labels, "cell")


def spread_of(cells: Groups) -> Spread:
    """The same of cells whose numbers of seeds, means and squares are known."""
    f, p, reasons = cells.test()
    within = between = unclipped = intraclass = None
    if cells.degrees_within:
        within = cells.squares_within / cells.degrees_within
    else:
        reasons["within"] = "no cell has 2 values"
    if len(cells) > 1:
        unclipped = float(_between(cells.sizes, cells.means, cells.squares))
        between = max(unclipped, 0.0)
    else:
        reasons["between"] = reasons["between_unclipped"] = "fewer than 2 cells have values"
    if between is None or within is None:
        reasons["intraclass"] = reasons.get("between") or reasons["within"]
    elif between + within == 0:
        reasons["intraclass"] = "the values do not vary"
    else:
        intraclass = between / (between + within)
    return Spread(
        n_cells=len(cells),
        n_values=int(cells.sizes.sum()),
        between=between,
        between_unclipped=unclipped,
        between_includes_seeds=between is not None and within is None,
        within=within,
        intraclass=intraclass,
        f=f,
        p=p,
        reasons=reasons,
    )


def _between(sizes: FloatArray, means: FloatArray, squares: FloatArray) -> FloatArray:
    """The unclipped component between a ≥ 2 cells, (..., a) → (...).

    Where each cell has one value nothing is taken off for the seeds.
    """
    a, total = sizes.shape[-1], sizes.sum(axis=-1)
    between = squares_between(sizes, means) / (a - 1)
    within = squares.sum(axis=-1) / np.maximum(total - a, 1)
    component: FloatArray = (between - within) / effective_size(sizes)
    return component


def effective_size(sizes: FloatArray) -> FloatArray:
    """n_0 of a ≥ 2 cells with `sizes` (..., a) seeds, (...): their number where it is equal."""
    total = sizes.sum(axis=-1)
    size: FloatArray = (total - np.vecdot(sizes, sizes) / total) / (sizes.shape[-1] - 1)
    return size


def _ratio_interval(
    kinds: list[Groups], resamples: int, confidence: float, seed: int
) -> tuple[tuple[float, float | None] | None, dict[str, str]]:
    """The interval of connections / operations, and by name why it or its upper end is None."""
    n_cells = np.array([len(kind) for kind in kinds])
    strata = Strata(np.array([0, n_cells[0]]), n_cells)
    sizes = np.concatenate([kind.sizes for kind in kinds])
    means = np.concatenate([kind.means for kind in kinds])
    squares = np.concatenate([kind.squares for kind in kinds])
    with_seeds = bool(squares.size < sizes.sum())
    shares = []
    for rows in resample_rows(strata, resamples, seed):
        drawn = []
        for cells in np.split(rows, [n_cells[0]], axis=1):
            component = np.maximum(_between(sizes[cells], means[cells], squares[cells]), 0)
            unlike = with_seeds & (sizes[cells].max(axis=1) == 1)  # would include the seeds
            drawn.append(np.where(unlike, np.nan, component))
        total = drawn[0] + drawn[1]
        undefined = np.full(total.shape, np.nan)
        shares.append(np.divide(drawn[0], total, out=undefined, where=total > 0))
    ends = percentile_interval(np.concatenate(shares), confidence)
    if ends is None:
        return None, {"ratio_interval": "the ratio is undefined in more than half of the resamples"}
    low, high = (share / (1 - share) if share < 1 else None for share in ends)
    if low is None:
        return None, {"ratio_interval": "the component of operations is 0 in nearly all resamples"}
    if high is None:
        return (low, None), {"ratio_interval": "the component of operations is 0 in some resamples"}
    return (low, high), {}


def _distances_from_median(kinds: list[Groups]) -> Groups:
    """How far the cells' means lie from the median of their kind, by kind."""
    distances = [np.abs(kind.means - np.median(kind.means)) for kind in kinds]
    labels = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    return Groups.of(np.concatenate(distances), labels, "kind")
