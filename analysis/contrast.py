"""Differences of correlations over the same rows, with intervals.

Does width tell more of early than of late accuracy, or more than depth does? Two coefficients over
the same rows are not independent, and no formula for their difference knows of groups, copies and
controls. So all coefficients are computed on the same resamples of what is independent
(`analysis.bootstrap`), and each difference on each of them: the interval is its percentiles, the
standard error its standard deviation (Efron & Tibshirani, "An Introduction to the Bootstrap"
(1993), chapters 6 and 13).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from analysis.bootstrap import FEW_GROUPS, FEWEST_GROUPS, Resample, percentile_interval
from analysis.coefficients import Method, State, by_group
from analysis.correlation import NO_GROUP, UNSTABLE, WHY, Options, distinct, resampled, rows_of
from analysis.rows import Copies, Observations
from analysis.strata import BoolArray, FloatArray

NO_SHARED_GROUP = "no group has every coefficient"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A coefficient, a difference of two, or of two differences.

    `x` and `y` are the places of the columns: the first less the second where there are two.
    `estimate` is None with a `reason` where undefined; `standard_error` and `ci`, (low, high) at
    the asked confidence, are None with a reason where too few resamples have it.

    `n`, `n_distinct` and `n_groups` (None without groups) count the rows that all contrasts rest
    on, those that are no copies of others, and their groups; `used` (rows,) says which rows these
    are. `resampled` is what was drawn.
    """

    x: tuple[int, ...]
    y: tuple[int, ...]
    estimate: float | None
    standard_error: float | None
    ci: tuple[float, float] | None
    n: int
    n_distinct: int
    n_groups: int | None
    used: BoolArray = field(repr=False, compare=False)
    resampled: Resample
    reason: str | None = None


def contrasts(
    xs: npt.ArrayLike,
    ys: npt.ArrayLike,
    *,
    method: Method = "spearman",
    controls: Sequence[npt.ArrayLike] = (),
    groups: npt.ArrayLike | None = None,
    classes: npt.ArrayLike | None = None,
    resample: Resample | None = None,
    resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Contrast]:
    """Coefficients of one or two columns `xs` (k, n) with one or two `ys` (m, n), and differences.

    In this order: each coefficient; for two xs x₀ − x₁ with each y; for two ys y₀ − y₁ with each x;
    for two of each (x₀ − x₁ with y₀) − (x₀ − x₁ with y₁). With `groups` each coefficient is the
    mean over those groups, weighted by size, in which all of them are defined. The options are
    those of `analysis.correlation.correlate`.

    Raises ValueError on NaN, infinities, unequal lengths, other numbers of columns, and options
    out of range.
    """
    columns, others = (np.asarray(given, dtype=np.float64) for given in (xs, ys))
    for name, given in (("xs", columns), ("ys", others)):
        if given.ndim != 2 or len(given) not in (1, 2):
            raise ValueError(f"{name} must be one or two columns, (1, n) or (2, n)")
        if np.isnan(given).any():
            raise ValueError(f"{name} hold NaN")
    drawn: Resample = resample or ("classes" if groups is None else "groups")
    options = Options(
        method, "bootstrap", drawn, resamples, confidence, seed, grouped=groups is not None
    )
    sides = [Observations.checked(x, others.T, controls, groups, classes) for x in columns]
    sample = _sample(sides, options)
    return [
        sample.contrast(x, y)
        for of_xs, of_ys in ((1, 1), (2, 1), (1, 2), (2, 2))
        for x in _places(len(columns), of_xs)
        for y in _places(len(others), of_ys)
    ]


def _places(columns: int, compared: int) -> list[tuple[int, ...]]:
    """Each column by itself, or two compared, if there are two."""
    if compared == 1:
        return [(place,) for place in range(columns)]
    return [(0, 1)] if columns == 2 else []


@dataclass(frozen=True, slots=True)
class _Sample:
    """Coefficients (k, m), NaN for one of the `reasons`; their resamples (k, m, resamples), NaN for
    the reason `undrawn`; and what they rest on."""

    coefficients: FloatArray
    resamples: FloatArray
    reasons: dict[tuple[int, int], str]
    undrawn: str
    n: int
    n_distinct: int
    n_groups: int | None
    used: BoolArray
    options: Options

    def contrast(self, x: tuple[int, ...], y: tuple[int, ...]) -> Contrast:
        """The difference over the places in `x` and in `y`, where there are two."""
        pairs = list(product(x, y))
        signs = [(-1) ** (i + j) for i, j in product(range(len(x)), range(len(y)))]
        why_not = next((self.reasons[pair] for pair in pairs if pair in self.reasons), None)
        estimate, values = (
            sum(sign * of[pair] for sign, pair in zip(signs, pairs, strict=True))
            for of in (self.coefficients, self.resamples)
        )
        ci = None if why_not else percentile_interval(values, self.options.confidence)
        return Contrast(
            x=x,
            y=y,
            estimate=None if why_not else float(estimate),
            standard_error=float(np.nanstd(values, ddof=1)) if ci else None,
            ci=ci,
            n=self.n,
            n_distinct=self.n_distinct,
            n_groups=self.n_groups,
            used=self.used,
            resampled=self.options.resample,
            reason=why_not or (None if ci else self.undrawn),
        )


def _sample(sides: list[Observations], options: Options) -> _Sample:
    """All coefficients, over `sides` that differ in x alone."""
    k, m, n = len(sides), len(sides[0].ys), sides[0].x.size
    pairs = list(product(range(k), range(m)))
    coefficients = np.full((k, m), np.nan)
    draws = np.full((k, m, options.resamples), np.nan)
    if n < 3:
        reasons = dict.fromkeys(pairs, NO_GROUP if options.grouped else WHY[State.TOO_FEW])
        counts: tuple[int, int, int | None] = n, Copies.of(sides[0].classes).count, None
        if options.grouped:
            counts = 0, 0, 0
        every = np.full(n, not options.grouped)
        return _Sample(coefficients, draws, reasons, UNSTABLE, *counts, every, options)
    _, strata, order = sides[0].stratified()
    sides = [rows.stratified()[0] for rows in sides]
    if options.method == "pearson":
        sides = [rows.scaled() for rows in sides]
    r, states = (
        np.stack(each)
        for each in zip(
            *(
                (found.r, found.state)
                for rows in sides
                for found in [by_group(options.method, rows.x, rows.ys, rows.controls, strata)]
            ),
            strict=True,
        )
    )
    used = states == State.DEFINED
    reasons = {pair: WHY[State(states[*pair, 0])] for pair in pairs if not used[*pair, 0]}
    if options.grouped:
        shared = used.all(axis=(0, 1))
        used = np.broadcast_to(shared, used.shape)
        reasons = {} if shared.any() else dict.fromkeys(pairs, NO_SHARED_GROUP)
    else:
        shared = np.ones(1, np.bool_)
    copies = Copies.of(sides[0].classes)
    total = int(strata.sizes[shared].sum())
    few = options.resample == "groups" and np.count_nonzero(shared) < FEWEST_GROUPS
    for x, rows in enumerate(sides):
        of_groups = np.where(used[x], r[x] * strata.sizes, 0).sum(axis=-1)
        defined = used[x].any(axis=-1)
        coefficients[x, defined] = of_groups[defined] / total
        if defined.any() and not few:
            columns = np.flatnonzero(defined)
            draws[x, defined] = resampled(rows, strata, r[x], used[x], columns, copies, options)
    return _Sample(
        coefficients,
        draws,
        reasons,
        FEW_GROUPS if few else UNSTABLE,
        total,
        distinct(copies, strata, shared),
        int(np.count_nonzero(shared)) if options.grouped else None,
        rows_of(strata, order, shared),
        options,
    )
