"""Correlations: plain, partial, within groups and column by column, with intervals.

x and y stand for the two columns that are correlated; reasons name them so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from analysis.between import group_certainty
from analysis.bootstrap import (
    FEW_GROUPS,
    FEWEST_GROUPS,
    Resample,
    Units,
    percentile_interval,
    resampled_coefficients,
    resampled_means,
)
from analysis.coefficients import Coefficients, Method, State, by_group
from analysis.intervals import (
    PARTIAL_TAU,
    SMALLEST,
    Certainty,
    PMethod,
    certainty,
    z_variances,
)
from analysis.rows import Copies, Observations
from analysis.strata import BoolArray, FloatArray, IntArray, Strata

Interval = Literal["fisher", "bootstrap", "none"]
"""How to get an interval: on the scale of Fisher's z, by resampling, or not at all."""
IntervalMethod = Literal["fisher", "groups", "bootstrap", "none"]
"""Where an interval comes from: Fisher's variance, that between groups, resamples, or nowhere."""

RESAMPLES = range(100, 10_001)
"""How many bootstrap resamples may be asked for."""
NOT_RECORDED = "y is not recorded"
"""Reason under which `correlate_columns` counts the rows that a column lacks."""

WHY = {
    State.TOO_FEW: "fewer than 3 rows, plus one for each control",
    State.X_CONSTANT: "x is constant",
    State.Y_CONSTANT: "y is constant",
    State.X_EXPLAINED: "the controls determine x completely",
    State.Y_EXPLAINED: "the controls determine y completely",
}
NO_GROUP = "no group has a coefficient"
UNSTABLE = "the coefficient is undefined in more than half of the resamples"


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation coefficient and how sure it is.

    `coefficient`, in [−1, 1], is None with a `reason` where undefined, and then so are `p_value`
    and `ci`. Where only one of these two is, `p_reason` or `ci_reason` says why. `p_value` is
    two-sided, got as `p_method` says. `ci` is (low, high) at the asked confidence, made as
    `ci_method` says and, by bootstrap, from what `resampled` says; "none" leaves it None without a
    reason.

    `n` is the number of rows that the coefficient rests on, `used` (rows,) says which these are,
    `n_distinct` how many of them are no copies of others, `n_effective` how many independent ones
    they are worth (None with groups and for a partial tau), `n_groups` the number of groups that
    they form (None without). `i_squared`, in [0, 1), is the share of the spread between groups that
    is more than chance, None with a reason or without groups. `excluded` counts the rows left out
    by reason; "y is not recorded" aside, its reasons hold inside the row's group.
    """

    method: Method
    coefficient: float | None
    p_value: float | None
    ci: tuple[float, float] | None
    n: int
    n_distinct: int
    used: BoolArray = field(repr=False, compare=False)
    reason: str | None = None
    p_method: PMethod | None = None
    p_reason: str | None = None
    ci_method: IntervalMethod = "none"
    ci_reason: str | None = None
    resampled: Resample | None = None
    n_effective: float | None = None
    n_groups: int | None = None
    i_squared: float | None = None
    i_squared_reason: str | None = None
    excluded: Mapping[str, int] = field(default_factory=dict)


def correlate(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    method: Method = "spearman",
    controls: Sequence[npt.ArrayLike] = (),
    groups: npt.ArrayLike | None = None,
    classes: npt.ArrayLike | None = None,
    ci: Interval = "fisher",
    resample: Resample | None = None,
    resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> Correlation:
    """Correlate `x` with `y`, both (n,) and finite.

    Spearman's and Pearson's coefficients and Kendall's tau-b, as scipy's. p is by t with
    n − 2 − k degrees of freedom, by the normal distribution for Kendall, and from the orders of up
    to 30 rows (`analysis.permutation`). For Pearson a column that varies by no more than rounding
    error counts as constant.

    `controls`, each (n,), are held fixed: partial coefficients, from residuals for Pearson, from
    residuals of ranks for Spearman, from the matrix of taus for Kendall
    (`analysis.coefficients.by_group`). k counts the linearly independent controls that vary; a
    partial tau has neither p nor Fisher's interval.

    `groups` (n,), labels of any type that sorts: the mean Σ n_g r_g / Σ n_g of the coefficients
    inside groups of equal label, over the groups of at least 3 + k rows that have one. The groups
    are a sample: p and interval come from the variance between them (`analysis.between`).

    `classes` (n,), labels: rows of one class are copies of each other, and p and interval rest on
    the effective number of rows (`analysis.copies`). Without, each row is its own.

    `ci`: "fisher" for an interval on the scale of Fisher's z, "bootstrap" for the percentiles of
    `resamples` (100..10,000) draws, which `seed` determines, of what `resample` says: "groups"
    (with groups the default; ten or more), or "classes" (without the default) or "cells", single
    rows, inside of each group. At n = 15,000 a draw takes about 0.2 ms for Pearson and Spearman and
    some milliseconds for Kendall; of groups, microseconds.

    Raises ValueError on NaN, infinities, unequal lengths and options out of range.
    """
    column = np.asarray(y, dtype=np.float64)
    if column.ndim != 1:
        raise ValueError(f"y must have one axis, not {column.ndim}")
    if np.isnan(column).any():
        raise ValueError("y holds NaN")
    return correlate_columns(
        x,
        column[:, np.newaxis],
        method=method,
        controls=controls,
        groups=groups,
        classes=classes,
        ci=ci,
        resample=resample,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )[0]


def correlate_columns(
    x: npt.ArrayLike,
    ys: npt.ArrayLike,
    *,
    method: Method = "spearman",
    controls: Sequence[npt.ArrayLike] = (),
    groups: npt.ArrayLike | None = None,
    classes: npt.ArrayLike | None = None,
    ci: Interval = "fisher",
    resample: Resample | None = None,
    resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Correlation]:
    """Correlate `x` (n,) with each column of `ys` (n, e), as one would epoch by epoch.

    NaN in `ys` means not recorded: each column is correlated over the rows that it has, and counts
    the others in `excluded`. Everything else, each result included, is as in `correlate`. Raises
    ValueError as `correlate` does.
    """
    drawn: Resample = resample or ("classes" if groups is None else "groups")
    options = Options(method, ci, drawn, resamples, confidence, seed, grouped=groups is not None)
    rows = Observations.checked(x, ys, controls, groups, classes)
    results: dict[int, Correlation] = {}
    for columns, recorded in rows.by_pattern():
        complete = rows.of(columns)
        if recorded.all():
            found = _correlate(complete, options, {})
        else:
            absent = {NOT_RECORDED: int(np.count_nonzero(~recorded))}
            complete = complete.taking(np.flatnonzero(recorded))
            found = [
                replace(one, used=_spread(one.used, recorded))
                for one in _correlate(complete, options, absent)
            ]
        results.update(zip(columns, found, strict=True))
    return [results[column] for column in range(len(rows.ys))]


def _spread(used: BoolArray, recorded: BoolArray) -> BoolArray:
    """Which of all rows are in use, of those `recorded` (n,) the ones that `used` says."""
    spread = np.zeros(recorded.shape, np.bool_)
    spread[recorded] = used
    return spread


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `correlate`, checked: ValueError where one is out of range."""

    method: Method
    ci: Interval
    resample: Resample
    resamples: int
    confidence: float
    seed: int
    grouped: bool

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("method", self.method, get_args(Method)),
            ("ci", self.ci, get_args(Interval)),
            ("resample", self.resample, get_args(Resample)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        if self.resample == "groups" and not self.grouped:
            raise ValueError("resample='groups' needs groups")
        if self.resamples not in RESAMPLES:
            raise ValueError(f"resamples must lie in 100..10,000, not {self.resamples}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {self.confidence}")

    @property
    def ci_method(self) -> IntervalMethod:
        """What an interval comes from."""
        return "groups" if self.ci == "fisher" and self.grouped else self.ci


def _correlate(rows: Observations, options: Options, absent: dict[str, int]) -> list[Correlation]:
    """Correlate x with each of the ys; `absent` counts the rows that were left out before."""
    method, grouped = options.method, options.grouped
    if rows.x.size < 3:
        reason = NO_GROUP if grouped else WHY[State.TOO_FEW]
        few = {WHY[State.TOO_FEW]: rows.x.size} if grouped and rows.x.size else {}
        return [_undefined(rows, options, absent | few, reason)] * len(rows.ys)
    rows, strata, order = rows.stratified()
    if method == "pearson":
        rows = rows.scaled()
    found = by_group(method, rows.x, rows.ys, rows.controls, strata)
    counts = np.where(found.state == State.DEFINED, strata.sizes, 0)
    totals = counts.sum(axis=1)
    weights = counts / np.maximum(totals, 1)[:, np.newaxis]
    coefficients = found.mean(weights)
    copies = Copies.of(rows.classes)
    if grouped:
        sure = _over_groups(method, found, weights, strata)
    else:
        sure = certainty(method, rows.x, rows.ys, found, copies)
    intervals, no_interval = _intervals(rows, strata, found, weights > 0, copies, sure, options)
    results = []
    for column, total in enumerate(totals.tolist()):
        excluded = dict(absent)
        if grouped:
            excluded |= _excluded(found.state[column], strata)
        if total == 0:
            reason = NO_GROUP if grouped else WHY[State(found.state[column, 0])]
            results.append(_undefined(rows, options, excluded, reason))
            continue
        known, ci = sure[column], intervals[column]
        used = counts[column] > 0
        results.append(
            Correlation(
                method=method,
                coefficient=float(coefficients[column]),
                p_value=None if np.isnan(known.p) else known.p,
                ci=ci,
                n=total,
                n_distinct=copies.count if used.all() else distinct(copies, strata, used),
                used=rows_of(strata, order, used),
                p_method=known.p_method,
                p_reason=known.no_p,
                ci_method=options.ci_method,
                ci_reason=None if ci or options.ci == "none" else no_interval[column],
                resampled=options.resample if options.ci == "bootstrap" else None,
                n_effective=known.n_effective,
                n_groups=int(np.count_nonzero(used)) if grouped else None,
                i_squared=known.i_squared,
                i_squared_reason=known.i_squared_reason,
                excluded=excluded,
            )
        )
    return results


def _over_groups(
    method: Method, found: Coefficients, weights: FloatArray, strata: Strata
) -> list[Certainty]:
    """How sure the mean over groups is, of each column."""
    partial_tau = method == "kendall" and bool(found.n_controls.any())
    unknown = PARTIAL_TAU
    variances = np.full(found.r.shape, np.nan)
    if not partial_tau:
        unknown = f"fewer than two groups of {SMALLEST[method]} rows, plus one for each control"
        variances = z_variances(method, found.r, strata.sizes - found.n_controls)
    return [
        group_certainty(r[used], weight[used], variance[used], unknown)
        for r, weight, variance in zip(found.r, weights, variances, strict=True)
        for used in [weight > 0]
    ]


def _intervals(
    rows: Observations,
    strata: Strata,
    found: Coefficients,
    used: BoolArray,
    copies: Copies,
    sure: list[Certainty],
    options: Options,
) -> tuple[list[tuple[float, float] | None], list[str | None]]:
    """The interval of each column, None where there is none, and why there would be none."""
    if options.ci != "bootstrap":
        asked = options.ci == "fisher"
        ends = [known.interval(options.confidence) if asked else None for known in sure]
        return ends, [known.no_interval for known in sure]
    ends = [None] * len(sure)
    reasons: list[str | None] = [UNSTABLE] * len(sure)
    columns = np.flatnonzero(used.any(axis=1))
    if options.resample == "groups":
        few = np.count_nonzero(used, axis=1) < FEWEST_GROUPS
        for column in np.flatnonzero(few):
            reasons[column] = FEW_GROUPS
        columns = columns[~few[columns]]
    if columns.size:
        draws = resampled(rows, strata, found.r, used, columns, copies, options)
        for column, values in zip(columns, draws, strict=True):
            ends[column] = percentile_interval(values, options.confidence)
    return ends, reasons


def resampled(
    rows: Observations,
    strata: Strata,
    r: FloatArray,
    used: BoolArray,
    columns: IntArray,
    copies: Copies,
    options: Options,
) -> FloatArray:
    """Resampled coefficients of those columns, (columns, resamples).

    `rows` are sorted by `strata`, `r` and `used` (e, g) their coefficients and which count.
    """
    if options.resample == "groups":
        return resampled_means(
            r[columns], strata.sizes, used[columns], options.resamples, options.seed
        )
    whole = options.resample == "classes" and copies.any
    return resampled_coefficients(
        options.method,
        rows.x,
        rows.ys[columns],
        rows.controls,
        strata,
        used[columns],
        Units.classes(copies, strata) if whole else Units.rows(strata),
        options.resamples,
        options.seed,
    )


def distinct(copies: Copies, strata: Strata, used: BoolArray) -> int:
    """How many classes the rows of the groups in use, (g,), have."""
    codes = copies.codes[np.repeat(used, strata.sizes)]
    return int(np.count_nonzero(np.bincount(codes, minlength=copies.count)))


def rows_of(strata: Strata, order: IntArray, used: BoolArray) -> BoolArray:
    """Which rows, (n,), the groups in use, (g,), have; `order` (n,) as `stratified` gives it."""
    rows = np.empty(order.shape, np.bool_)
    rows[order] = np.repeat(used, strata.sizes)
    return rows


def _excluded(states: IntArray, strata: Strata) -> dict[str, int]:
    """How many rows lie in groups without a coefficient, by reason; `states` (g,)."""
    counts = np.bincount(states, weights=strata.sizes, minlength=len(State)).astype(int)
    return {why: int(counts[state]) for state, why in WHY.items() if counts[state]}


def _undefined(
    rows: Observations, options: Options, excluded: dict[str, int], reason: str
) -> Correlation:
    grouped = options.grouped
    return Correlation(
        method=options.method,
        coefficient=None,
        p_value=None,
        ci=None,
        n=0 if grouped else rows.x.size,
        n_distinct=0 if grouped else Copies.of(rows.classes).count,
        used=np.full(rows.x.shape, not grouped),
        reason=reason,
        ci_method=options.ci_method,
        resampled=options.resample if options.ci == "bootstrap" else None,
        n_groups=0 if grouped else None,
        excluded=excluded,
    )
