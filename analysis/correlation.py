"""Correlations: plain, partial, within groups and column by column, with intervals.

x and y stand for the two columns that are correlated; reasons name them so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from analysis.bootstrap import percentile_interval, resampled_coefficients
from analysis.coefficients import Method, State, by_group
from analysis.intervals import Inference, fisher_interval, infer
from analysis.rows import Rows
from analysis.strata import BoolArray, FloatArray, IntArray, Strata

Interval = Literal["fisher", "bootstrap", "none"]

RESAMPLES = range(100, 10_001)
"""How many bootstrap resamples may be asked for."""
NOT_RECORDED = "y is not recorded"
"""Reason under which `correlate_columns` counts the rows that a column lacks."""

_WHY = {
    State.TOO_FEW: "fewer than 3 rows, plus one for each control",
    State.X_CONSTANT: "x is constant",
    State.Y_CONSTANT: "y is constant",
    State.X_EXPLAINED: "the controls determine x completely",
    State.Y_EXPLAINED: "the controls determine y completely",
}
_NO_GROUP = "no group has a coefficient"
_UNSTABLE = "the coefficient is undefined in more than half of the resamples"


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation coefficient and how sure it is.

    `coefficient`, in [−1, 1], is None with a `reason` where undefined, and then so are `p_value`
    and `ci`. Where only one of these two is, `p_reason` or `ci_reason` says why. `p_value` is
    two-sided. `ci` is (low, high) at the asked confidence, made as `ci_method` says; "none" leaves
    it None without a reason. `n` is the number of rows that the coefficient rests on, `n_groups`
    the number of groups that they form (None without groups). `excluded` counts the rows left out
    by reason; "y is not recorded" aside, its reasons hold inside the row's group.
    """

    method: Method
    coefficient: float | None
    p_value: float | None
    ci: tuple[float, float] | None
    n: int
    reason: str | None = None
    p_reason: str | None = None
    ci_method: Interval = "none"
    ci_reason: str | None = None
    n_groups: int | None = None
    excluded: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_left_out(self) -> int:
        """How many of the given rows the coefficient does not rest on, because of NaN or groups."""
        return sum(self.excluded.values())


def correlate(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    method: Method = "spearman",
    controls: Sequence[npt.ArrayLike] = (),
    groups: npt.ArrayLike | None = None,
    ci: Interval = "fisher",
    resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> Correlation:
    """Correlate `x` with `y`, both (n,) and finite.

    Spearman's and Pearson's coefficients and Kendall's tau-b with scipy's two-sided p-values.
    For Pearson a column that varies by no more than rounding error counts as constant.

    `controls`, each (n,), are held fixed: partial coefficients, from residuals for Pearson, from
    residuals of ranks for Spearman, from the matrix of taus for Kendall
    (`analysis.coefficients.by_group`). p is by t with n − 2 − k degrees of freedom, where k counts
    the linearly independent controls that vary; a partial tau has none.

    `groups` (n,), labels of any type that sorts: the mean Σ n_g r_g / Σ n_g of the coefficients
    inside groups of equal label, over the groups of at least 3 + k rows that have one; p and
    Fisher's interval come from the variance of that mean (formulas in `analysis.intervals`).

    `ci`: "fisher" for Fisher's z, "bootstrap" for the percentiles of `resamples` (100..10,000)
    draws of rows, inside the groups if there are any, which `seed` determines. At n = 15,000 a
    draw takes about 0.1 ms for Pearson and Spearman and some milliseconds for Kendall.

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
        ci=ci,
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
    ci: Interval = "fisher",
    resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Correlation]:
    """Correlate `x` (n,) with each column of `ys` (n, e), as one would epoch by epoch.

    NaN in `ys` means not recorded: each column is correlated over the rows that it has, and counts
    the others in `excluded`. Everything else, each result included, is as in `correlate`. Raises
    ValueError as `correlate` does.
    """
    options = _Options(method, ci, resamples, confidence, seed)
    rows = Rows.checked(x, ys, controls, groups)
    results: dict[int, Correlation] = {}
    for columns, recorded in rows.by_pattern():
        complete = Rows(rows.x, rows.ys[columns], rows.controls, rows.labels)
        absent = {}
        if not recorded.all():
            complete = complete.taking(np.flatnonzero(recorded))
            absent = {NOT_RECORDED: int(np.count_nonzero(~recorded))}
        results.update(zip(columns, _correlate(complete, options, absent), strict=True))
    return [results[column] for column in range(len(rows.ys))]


@dataclass(frozen=True, slots=True)
class _Options:
    method: Method
    ci: Interval
    resamples: int
    confidence: float
    seed: int

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("method", self.method, get_args(Method)),
            ("ci", self.ci, get_args(Interval)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        if self.resamples not in RESAMPLES:
            raise ValueError(f"resamples must lie in 100..10,000, not {self.resamples}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {self.confidence}")


def _correlate(rows: Rows, options: _Options, absent: dict[str, int]) -> list[Correlation]:
    """Correlate x with each of the ys; `absent` counts the rows that were left out before."""
    method, grouped = options.method, rows.labels is not None
    if rows.x.size < 3:
        return [_too_few(rows.x.size, options, absent, grouped=grouped)] * len(rows.ys)
    rows, strata = rows.stratified()
    if method == "pearson":
        rows = rows.scaled()
    found = by_group(method, rows.x, rows.ys, rows.controls, strata)
    counts = np.where(found.state == State.DEFINED, strata.sizes, 0)
    totals = counts.sum(axis=1)
    weights = counts / np.maximum(totals, 1)[:, np.newaxis]
    coefficients = found.mean(weights)
    inference = infer(method, found, coefficients, weights, strata, grouped=grouped)
    intervals, no_interval = _intervals(rows, strata, coefficients, weights > 0, inference, options)
    results = []
    for column, total in enumerate(totals.tolist()):
        excluded = dict(absent)
        if grouped:
            excluded |= _excluded(found.state[column], strata)
        if total == 0:
            reason = _NO_GROUP if grouped else _WHY[State(found.state[column, 0])]
            results.append(_undefined(rows.x.size, options, excluded, reason, grouped=grouped))
            continue
        p, ci = float(inference.p[column]), intervals[column]
        results.append(
            Correlation(
                method=method,
                coefficient=float(coefficients[column]),
                p_value=None if np.isnan(p) else p,
                ci=ci,
                n=total,
                p_reason=inference.unknown if np.isnan(p) else None,
                ci_method=options.ci,
                ci_reason=no_interval if ci is None else None,
                n_groups=int(np.count_nonzero(counts[column])) if grouped else None,
                excluded=excluded,
            )
        )
    return results


def _intervals(
    rows: Rows,
    strata: Strata,
    coefficients: FloatArray,
    used: BoolArray,
    inference: Inference,
    options: _Options,
) -> tuple[list[tuple[float, float] | None], str | None]:
    """The interval of each column, None where there is none, and why there would be none."""
    intervals: list[tuple[float, float] | None] = [None] * len(coefficients)
    if options.ci == "none":
        return intervals, None
    if options.ci == "fisher":
        for column in np.flatnonzero(~np.isnan(inference.z_variance) & used.any(axis=1)):
            intervals[column] = fisher_interval(
                float(coefficients[column]), float(inference.z_variance[column]), options.confidence
            )
        return intervals, inference.unknown
    columns = np.flatnonzero(used.any(axis=1))
    if columns.size:
        resampled = resampled_coefficients(
            options.method,
            rows.x,
            rows.ys[columns],
            rows.controls,
            strata,
            used[columns],
            options.resamples,
            options.seed,
        )
        for column, values in zip(columns, resampled, strict=True):
            intervals[column] = percentile_interval(values, options.confidence)
    return intervals, _UNSTABLE


def _excluded(states: IntArray, strata: Strata) -> dict[str, int]:
    """How many rows lie in groups without a coefficient, by reason; `states` (g,)."""
    counts = np.bincount(states, weights=strata.sizes, minlength=len(State)).astype(int)
    return {why: int(counts[state]) for state, why in _WHY.items() if counts[state]}


def _too_few(n: int, options: _Options, absent: dict[str, int], *, grouped: bool) -> Correlation:
    excluded = absent | ({_WHY[State.TOO_FEW]: n} if grouped and n else {})
    reason = _NO_GROUP if grouped else _WHY[State.TOO_FEW]
    return _undefined(n, options, excluded, reason, grouped=grouped)


def _undefined(
    n: int, options: _Options, excluded: dict[str, int], reason: str, *, grouped: bool
) -> Correlation:
    return Correlation(
        method=options.method,
        coefficient=None,
        p_value=None,
        ci=None,
        n=0 if grouped else n,
        reason=reason,
        ci_method=options.ci,
        n_groups=0 if grouped else None,
        excluded=excluded,
    )
