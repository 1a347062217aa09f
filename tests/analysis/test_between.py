"""Groups as a sample: by hand, against published formulas, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.between import ONE_GROUP, SAME
from analysis.bootstrap import FEW_GROUPS
from analysis.coefficients import Method
from analysis.correlation import Correlation, Interval, correlate, correlate_columns
from tests.analysis.test_correlation import Array, linear_methods, methods, sample


def by_hand(r: list[float], sizes: list[int]) -> tuple[float, tuple[float, float], float]:
    """Mean, 95 % interval and p, with the variance as a quadratic form."""
    values, weights = np.array(r), np.array(sizes) / sum(sizes)
    mean = float(weights @ values)
    deviations = np.eye(len(r)) - weights  # times the values: each less the mean
    spread = (deviations @ deviations.T).diagonal()  # of each, where values have variance 1
    form = deviations.T @ np.diag(weights**2 / spread) @ deviations
    assert np.trace(form) == pytest.approx(weights @ weights)  # unbiased for the mean's variance
    error = math.sqrt(values @ form @ values) / (1 - mean**2)
    degrees = np.trace(form) ** 2 / np.trace(form @ form)
    reach = float(stats.t.ppf(0.975, degrees)) * error
    z = math.atanh(mean)
    p = 2 * stats.t.sf(abs(z) / error, degrees)
    return mean, (math.tanh(z - reach), math.tanh(z + reach)), float(p)


def parts(method: Method, x: Array, y: Array, groups: Array) -> tuple[list[float], list[int]]:
    found = [
        (correlate(x[groups == g], y[groups == g], method=method).coefficient or 0.0, g)
        for g in np.unique(groups)
    ]
    return [r for r, _ in found], [int((groups == g).sum()) for _, g in found]


@methods
@pytest.mark.parametrize("sizes", [[20, 30, 50], [3, 10, 40], [3, 3, 4, 5], [9, 91], [8] * 6])
def test_by_the_formula(method: Method, sizes: list[int]) -> None:
    x, y, *_ = sample(sum(sizes), sum(sizes), tied=False)
    groups = np.repeat(np.arange(len(sizes), dtype=float), sizes)
    result = correlate(x, y, method=method, groups=groups)
    mean, interval, p = by_hand(*parts(method, x, y, groups))
    assert result.coefficient == pytest.approx(mean, abs=1e-12)
    assert result.ci == pytest.approx(interval, abs=1e-9)
    assert result.p_value == pytest.approx(p, rel=1e-6)
    assert (result.ci_method, result.p_method) == ("groups", "groups")
    assert (result.n_effective, result.resampled) == (None, None)


@pytest.mark.parametrize("ci", ["fisher", "bootstrap"])
def test_one_group_is_no_sample(ci: Interval) -> None:
    x, y, *_ = sample(3, 40)
    result = correlate(x, y, groups=["only"] * 40, ci=ci)
    assert result.coefficient == pytest.approx(correlate(x, y).coefficient)
    assert (result.p_value, result.ci, result.i_squared) == (None, None, None)
    why = ONE_GROUP if ci == "fisher" else FEW_GROUPS
    assert (result.p_reason, result.ci_reason, result.i_squared_reason) == (
        ONE_GROUP, why, ONE_GROUP,
    )  # fmt: skip


@methods
def test_groups_that_are_all_the_same(method: Method) -> None:
    x = np.arange(12.0)
    result = correlate(x, x, method=method, groups=x // 6)
    assert result.coefficient == 1
    assert (result.p_value, result.p_reason, result.ci_reason) == (None, SAME, SAME)


def test_a_partial_tau_over_groups_has_both() -> None:
    x, y, c, _ = sample(7, 90)
    result = correlate(x, y, method="kendall", controls=[c], groups=np.arange(90) % 4)
    assert result.p_value is not None
    assert result.ci is not None
    assert result.i_squared_reason == "the distribution of a partial tau-b is not known"


def test_heterogeneity_by_hand() -> None:
    """Q of three Pearson coefficients, each with variance 1 / (n − 3)."""
    x, y, *_ = sample(11, 120, tied=False)
    groups = np.repeat([0, 1, 2], [20, 40, 60])
    y = np.where(groups == 1, -y, y)
    r, sizes = parts("pearson", x, y, groups)
    z, weights = np.arctanh(r), np.array(sizes) - 3
    q = float((weights * (z - (weights * z).sum() / weights.sum()) ** 2).sum())
    result = correlate(x, y, method="pearson", groups=groups)
    assert result.i_squared == pytest.approx((q - 2) / q)
    alike = correlate(x, np.tile(y[:20], 6), method="pearson", groups=np.arange(120) // 20)
    assert alike.i_squared is not None
    assert 0 <= alike.i_squared < 1


def test_heterogeneity_takes_two_groups_of_four() -> None:
    x, y, *_ = sample(4, 30, tied=False)
    result = correlate(x, y, groups=np.arange(30) // 3)
    assert result.i_squared is None
    assert result.i_squared_reason == ("fewer than two groups of 4 rows, plus one for each control")
    assert result.ci is not None


def heterogeneous(seed: int, trials: int, groups: int) -> tuple[Array, Array, Array]:
    """Groups of 10 to 60 rows whose own correlation spreads by 0.3 around 0.2: x, one y a trial,
    for each of which the groups' correlations are drawn anew, and the labels."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 60, groups)
    labels = np.repeat(np.arange(groups, dtype=float), sizes)
    x = rng.normal(size=labels.size)
    rho = np.clip(rng.normal(0.2, 0.3, size=(groups, trials)), -0.95, 0.95)
    own = rho[labels.astype(int)]
    return x, own * x[:, None] + np.sqrt(1 - own**2) * rng.normal(size=own.shape), labels


def coverage(results: list[Correlation], truth: float) -> float:
    return float(np.mean([bool(r.ci and r.ci[0] <= truth <= r.ci[1]) for r in results]))


def test_the_interval_holds_the_mean_of_all_groups_where_a_fixed_one_falls_short() -> None:
    """That of groups without spread, which Fisher's variances would give, is about half as wide."""
    x, ys, labels = heterogeneous(1, 400, 40)
    truth = 0.2
    results = correlate_columns(x, ys, method="pearson", groups=labels)
    assert 0.92 <= coverage(results, truth) <= 0.98
    resampled = correlate_columns(
        x, ys, method="pearson", groups=labels, ci="bootstrap", resamples=300
    )
    assert 0.90 <= coverage(resampled, truth) <= 0.98
    assert np.median([r.i_squared or 0 for r in results]) > 0.6
    sizes = np.unique(labels, return_counts=True)[1]
    weights = sizes / sizes.sum()
    fixed = float(np.sqrt((weights**2 / (sizes - 3)).sum()))
    held = [abs((r.coefficient or 0) - truth) <= 1.96 * fixed for r in results]
    assert np.mean(held) < 0.8


@pytest.mark.parametrize(
    "sizes",
    [[90, 10], [80, 10, 10], [60, 10, 10, 10, 10], [200] + [10] * 9, [500] + [10] * 19, [10] * 5],
)
def test_few_or_unequal_groups_hold_the_mean_no_less(sizes: list[int]) -> None:
    """Where G − 1 degrees of freedom and a factor G / (G − 1) have 50 to 86 %."""
    rng = np.random.default_rng(8)
    labels, trials = np.repeat(np.arange(len(sizes)), sizes), 600
    rho = np.clip(rng.normal(0, 0.3, size=(len(sizes), trials)), -0.95, 0.95)[labels]
    x = rng.normal(size=labels.size)
    ys = rho * x[:, None] + np.sqrt(1 - rho**2) * rng.normal(size=rho.shape)
    results = correlate_columns(x, ys, method="pearson", groups=labels)
    assert coverage(results, 0) >= 0.93


def test_few_groups_are_not_resampled() -> None:
    x, y, *_ = sample(4, 60)
    for groups, reason in ((9, FEW_GROUPS), (10, None)):
        result = correlate(x, y, groups=np.arange(60) % groups, ci="bootstrap", resamples=100)
        assert (result.ci is None, result.ci_reason) == (reason is not None, reason)
        assert result.p_value is not None


@linear_methods
def test_without_correlation_one_in_twenty_is_called_one(method: Method) -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(25.0), rng.integers(4, 20, 25))
    x, ys = rng.normal(size=labels.size), rng.normal(size=(labels.size, 400))
    results = correlate_columns(x, ys, method=method, groups=labels)
    rejected = [r.p_value is not None and r.p_value < 0.05 for r in results]
    assert 0.03 <= np.mean(rejected) <= 0.08
    for result in results:
        assert result.ci is not None
        assert result.p_value is not None
        assert (result.p_value < 0.05) == (result.ci[0] > 0 or result.ci[1] < 0)
