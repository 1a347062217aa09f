"""Fisher's intervals: against scipy and by hand, and how often they hold the true coefficient."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.coefficients import Method
from analysis.correlation import Correlation, correlate, correlate_columns
from tests.analysis.test_correlation import Array, linear_methods, methods, sample


def by_hand(r: float, variance: float, confidence: float = 0.95) -> tuple[float, float]:
    reach = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(variance)
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)


def z_variance(method: Method, r: float, n: int, controls: int = 0) -> float:
    if method == "kendall":
        return 0.437 / (n - 4)
    return (1 if method == "pearson" else 1 + r**2 / 2) / (n - 3 - controls)


def coefficient(result: Correlation) -> float:
    assert result.coefficient is not None
    return result.coefficient


@pytest.mark.parametrize("n", [4, 5, 100, 15_625])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_pearson_as_scipy(n: int, confidence: float) -> None:
    x, y, *_ = sample(n, n, tied=False)
    expected = stats.pearsonr(x, y).confidence_interval(confidence)
    result = correlate(x, y, method="pearson", confidence=confidence)
    assert result.ci == pytest.approx((expected.low, expected.high), abs=1e-12)


@methods
@pytest.mark.parametrize("n", [5, 30, 1000])
def test_by_the_formulas(method: Method, n: int) -> None:
    x, y, *_ = sample(n, n, tied=False)
    result = correlate(x, y, method=method)
    r = coefficient(result)
    assert result.ci == pytest.approx(by_hand(r, z_variance(method, r, n)), abs=1e-12)
    assert result.ci_method == "fisher"


@linear_methods
def test_controls_take_degrees_of_freedom(method: Method) -> None:
    x, y, c, d = sample(1, 30)
    result = correlate(x, y, method=method, controls=[c, d])
    r = coefficient(result)
    assert result.ci == pytest.approx(by_hand(r, z_variance(method, r, 30, 2)), abs=1e-12)


@methods
def test_too_few_rows_for_an_interval(method: Method) -> None:
    least = 5 if method == "kendall" else 4
    x, y = np.arange(least), np.arange(least) ** 2 % 3
    assert correlate(x, y, method=method).ci is not None
    result = correlate(x[:-1], y[:-1], method=method)
    assert result.ci is None
    assert result.ci_reason == f"Fisher's interval needs {least} rows or more"
    assert result.p_value is not None


@methods
def test_a_perfect_correlation_has_an_interval_of_no_width(method: Method) -> None:
    x = np.arange(10.0)
    assert correlate(x, x, method=method).ci == pytest.approx((1, 1))
    assert correlate(x, -x, method=method).ci == pytest.approx((-1, -1))
    assert correlate(x, x, method=method, groups=x // 5).ci == pytest.approx((1, 1))
    assert correlate(x, x, method=method, groups=x // 5).p_value == pytest.approx(0, abs=1e-6)


@methods
def test_without_an_interval(method: Method) -> None:
    x, y, *_ = sample(2, 20)
    result = correlate(x, y, method=method, ci="none")
    assert (result.ci, result.ci_method, result.ci_reason) == (None, "none", None)


# Within groups


def mean_by_hand(
    method: Method, parts: list[tuple[Array, Array]]
) -> tuple[float, tuple[float, float], float]:
    """Weighted mean, interval and p from the groups' rows by the documented formula."""
    n = sum(len(x) for x, _ in parts)
    mean = variance = 0.0
    for x, y in parts:
        r = coefficient(correlate(x, y, method=method))
        mean += len(x) / n * r
        small = len(x) < (5 if method == "kendall" else 4)
        of_r = 1.0 if small else (1 - r**2) ** 2 * z_variance(method, r, len(x))
        variance += (len(x) / n) ** 2 * of_r
    of_z = variance / (1 - mean**2) ** 2
    p = 2 * stats.norm.sf(abs(math.atanh(mean)) / math.sqrt(of_z))
    return mean, by_hand(mean, of_z), float(p)


@methods
@pytest.mark.parametrize("sizes", [[20, 30, 50], [3, 10, 40], [3, 3, 4, 5], [60]])
def test_mean_within_groups_by_the_formula(method: Method, sizes: list[int]) -> None:
    x, y, *_ = sample(sum(sizes), sum(sizes), tied=False)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    result = correlate(x, y, method=method, groups=groups)
    parts = [(x[groups == group], y[groups == group]) for group in range(len(sizes))]
    mean, interval, p = mean_by_hand(method, parts)
    assert result.coefficient == pytest.approx(mean, abs=1e-12)
    assert result.ci == pytest.approx(interval, abs=1e-12)
    assert result.p_value == pytest.approx(p, rel=1e-9)


@methods
def test_one_group_has_the_interval_of_no_groups(method: Method) -> None:
    x, y, c, _ = sample(3, 40)
    controls = [] if method == "kendall" else [c]
    one = correlate(x, y, method=method, controls=controls, groups=["only"] * 40)
    plain = correlate(x, y, method=method, controls=controls)
    assert one.coefficient == pytest.approx(plain.coefficient, abs=1e-12)
    assert one.ci == pytest.approx(plain.ci, abs=1e-12)


@methods
def test_perfect_but_opposite_groups_are_not_certain(method: Method) -> None:
    x = np.arange(12.0)
    y = np.where(x < 6, x, -x)
    result = correlate(x, y, method=method, groups=x < 6)
    assert result.coefficient == pytest.approx(0, abs=1e-12)
    of_z = z_variance(method, 1, 6) / 2
    assert result.ci == pytest.approx(by_hand(0, of_z), abs=1e-12)
    assert result.p_value == pytest.approx(1)


@methods
def test_no_group_large_enough_for_a_variance(method: Method) -> None:
    x, y, *_ = sample(4, 30, tied=False)
    result = correlate(x, y, method=method, groups=np.arange(30) // 3)
    least = 5 if method == "kendall" else 4
    reason = f"no group has {least} rows, and one more for each control"
    assert result.coefficient is not None
    assert (result.p_value, result.p_reason) == (None, reason)
    assert (result.ci, result.ci_reason) == (None, reason)


@methods
def test_p_and_interval_within_groups_say_the_same(method: Method) -> None:
    x, ys, groups = grouped_samples(0.15, 60, seed=5)
    for result in correlate_columns(x, ys[:, :40], method=method, groups=groups):
        assert result.ci is not None
        assert result.p_value is not None
        assert (result.p_value < 0.05) == (result.ci[0] > 0 or result.ci[1] < 0)


def grouped_samples(rho: float, groups: int, *, seed: int) -> tuple[Array, Array, Array]:
    """x, 400 columns that correlate with it by `rho` inside each group, and the groups."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 20, groups)
    labels = np.repeat(np.arange(groups), sizes)
    x = rng.normal(size=labels.size)
    noise = rng.normal(size=(labels.size, 400))
    ys = rho * x[:, np.newaxis] + math.sqrt(1 - rho**2) * noise
    return x + 5 * labels, ys - labels[:, np.newaxis], labels.astype(np.float64)


@linear_methods
@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_interval_within_groups_holds_the_expectation_about_as_often_as_it_says(
    method: Method, rho: float
) -> None:
    x, ys, groups = grouped_samples(rho, 40, seed=6)
    results = correlate_columns(x, ys, method=method, groups=groups)
    expectation = np.mean([coefficient(result) for result in results])
    assert expectation == pytest.approx(rho, abs=0.07)
    held = [bool(r.ci and r.ci[0] <= expectation <= r.ci[1]) for r in results]
    assert 0.92 <= np.mean(held) <= 0.99
    if rho == 0:
        rejected = [r.p_value is not None and r.p_value < 0.05 for r in results]
        assert 0.01 <= np.mean(rejected) <= 0.08
