"""Original against adapted cells, trained in pairs, and how stable trainings are over seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

Verdict = Literal["higher", "lower", "not shown to differ"]

POWER = 0.8
"""Probability with which `Comparison.detectable` would have been shown."""

_DIGITS = 12
_EXACT = 50  # as many differences as scipy gives an exact p for


@dataclass(frozen=True, slots=True)
class Comparison:
    """How adapted cells differ from the originals over `n` complete pairs.

    Differences are adapted − original, in the unit of the values. `mean` has the t interval `ci`;
    `t` and `t_p` are the paired t-test, `w`, the smaller sum of ranks, and `w_p` Wilcoxon's
    signed-rank test, both two-sided; `effect` is Cohen's d_z, the mean over the standard deviation
    of the differences. `verdict` says, by the t-test, whether the adapted cells' values are shown
    to be higher or lower. `detectable` is the smallest true mean difference that as many pairs,
    with differences as spread as these, would show, in its direction, with probability `POWER`.

    `n_incomplete` counts the pairs left out because a value is not finite. `reasons` says, by name
    of the field, why one is None: without a test there is no verdict.
    """

    n: int
    n_incomplete: int
    mean: float | None
    ci: tuple[float, float] | None
    t: float | None
    t_p: float | None
    w: float | None
    w_p: float | None
    effect: float | None
    detectable: float | None
    verdict: Verdict | None
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stability:
    """How far the values of one configuration spread over its seeds.

    `std` (n − 1 in the denominator) and `range`, largest − smallest, of the `n` runs that did not
    diverge; `diverged`, the share of all `n_runs` that did. `reasons` says, by name of the field,
    why one is None.
    """

    n: int
    n_runs: int
    std: float | None
    range: float | None
    diverged: float | None
    reasons: Mapping[str, str]


def compare(
    original: npt.ArrayLike,
    adapted: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
) -> Comparison:
    """Compare `adapted` (pairs,) with `original` (pairs,), each pair of one dataset and seed.

    NaN and infinities, of runs that diverged or were not made, leave their pair out. The tests take
    the pairs as independent, and so the datasets as a sample of those that one might have used.
    Differences are rounded to 12 digits of the largest value, so that those which are equal but for
    rounding error are ties. Wilcoxon's test drops differences of 0; its p is exact for up to 50
    others, ties or not, and beyond that by the normal approximation.

    Raises ValueError if the shapes differ, `confidence` lies outside (0, 1) or `alpha` outside
    [0.001, 0.5].
    """
    before, after = np.asarray(original, np.float64), np.asarray(adapted, np.float64)
    if before.ndim != 1 or before.shape != after.shape:
        raise ValueError(
            "original and adapted must have one axis and the same length,"
            f" not the shapes {before.shape} and {after.shape}"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    if not 0.001 <= alpha <= 0.5:
        raise ValueError(f"alpha must lie in 0.001..0.5, not {alpha}")
    complete = np.isfinite(before) & np.isfinite(after)
    differences = _differences(before[complete], after[complete])
    n = differences.size

    mean = w = w_p = tested = None
    reasons: dict[str, str] = {}
    if n:
        mean = float(differences.mean())
    else:
        reasons["mean"] = "no pair is complete"
    if differences.any():
        w, w_p = _wilcoxon(differences)
    else:
        reasons["w"] = reasons["w_p"] = "all differences are 0" if n else reasons["mean"]
    if n < 2:
        why = "fewer than 2 pairs are complete"
        reasons |= dict.fromkeys((*_TTest._fields, "verdict"), why)
    elif (differences == differences[0]).all():
        why = "all differences are the same, which leaves no spread to judge them by"
        reasons |= dict.fromkeys((*_TTest._fields, "verdict"), why)
    else:
        tested = _t_test(differences, confidence, alpha)
    return Comparison(
        n=n,
        n_incomplete=before.size - n,
        mean=mean,
        ci=tested and tested.ci,
        t=tested and tested.t,
        t_p=tested and tested.t_p,
        w=w,
        w_p=w_p,
        effect=tested and tested.effect,
        detectable=tested and tested.detectable,
        verdict=tested and _verdict(tested, alpha),
        reasons=reasons,
    )


def stability(values_by_seed: npt.ArrayLike, diverged: npt.ArrayLike) -> Stability:
    """The spread of `values_by_seed` (seeds,) and how many `diverged`, (seeds,) of truth values.

    The values of runs that diverged do not count and may be NaN. Raises ValueError if the shapes
    differ or a run that did not diverge has no finite value.
    """
    values, lost = np.asarray(values_by_seed, np.float64), np.asarray(diverged, np.bool_)
    if values.ndim != 1 or values.shape != lost.shape:
        raise ValueError(
            "values_by_seed and diverged must have one axis and the same length,"
            f" not the shapes {values.shape} and {lost.shape}"
        )
    kept = values[~lost]
    if not np.isfinite(kept).all():
        raise ValueError("a run that did not diverge has no finite value")
    reasons: dict[str, str] = {}
    if kept.size < 2:
        reasons["std"] = reasons["range"] = "fewer than 2 runs did not diverge"
    if not lost.size:
        reasons["diverged"] = "there are no runs"
    return Stability(
        n=kept.size,
        n_runs=lost.size,
        std=None if "std" in reasons else float(kept.std(ddof=1)),
        range=None if "range" in reasons else float(np.ptp(kept)),
        diverged=None if "diverged" in reasons else float(lost.mean()),
        reasons=reasons,
    )


def _differences(before: FloatArray, after: FloatArray) -> FloatArray:
    """`after` − `before`, rounded to `_DIGITS` digits of the largest of all values."""
    largest = np.abs([before, after]).max(initial=0)
    if not largest:
        return after - before
    decimals = _DIGITS - 1 - int(np.floor(np.log10(largest)))
    return np.round(after - before, decimals)


class _TTest(NamedTuple):
    """The fields of `Comparison` that rest on the t distribution."""

    ci: tuple[float, float]
    t: float
    t_p: float
    effect: float
    detectable: float


def _t_test(differences: FloatArray, confidence: float, alpha: float) -> _TTest:
    """The t-test of n ≥ 2 differences that vary.

    The power in the direction of a true difference δ is P(T > t_α) with T noncentral t, n − 1
    degrees of freedom and noncentrality δ √n / σ; the differences' own deviation stands for σ.
    """
    from scipy import special

    n, mean, deviation = differences.size, differences.mean(), differences.std(ddof=1)
    error = deviation / np.sqrt(n)
    reach = special.stdtrit(n - 1, (1 + confidence) / 2) * error
    t = mean / error
    critical = -special.stdtrit(n - 1, alpha / 2)
    return _TTest(
        ci=(float(mean - reach), float(mean + reach)),
        t=float(t),
        t_p=float(2 * special.stdtr(n - 1, -np.abs(t))),
        effect=float(mean / deviation),
        detectable=float(special.nctdtrinc(n - 1, 1 - POWER, critical) * error),
    )


def _verdict(tested: _TTest, alpha: float) -> Verdict:
    if tested.t_p >= alpha:
        return "not shown to differ"
    return "higher" if tested.t > 0 else "lower"


def _wilcoxon(differences: FloatArray) -> tuple[float, float]:
    """Wilcoxon's statistic and p of differences that are not all 0.

    Exact: `ways[s]` counts the choices of signs that give the positive differences the sum s / 2 of
    ranks, mid-ranks for ties. scipy's p is exact with ties up to 13 differences only.
    """
    from scipy import stats

    moved = differences[differences != 0]
    if moved.size > _EXACT:
        result = stats.wilcoxon(moved)
        return float(result.statistic), float(result.pvalue)
    doubled = np.rint(2 * stats.rankdata(np.abs(moved))).astype(np.intp)
    ways = np.ones(1)
    for rank in doubled:
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    positive = int(doubled[moved > 0].sum())
    smaller = min(positive, ways.size - 1 - positive)
    return smaller / 2, float(min(2 * ways[: smaller + 1].sum() / ways.sum(), 1))
