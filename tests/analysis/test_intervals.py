"""Fisher's intervals: against scipy and by hand, and how often they hold the true coefficient."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.coefficients import Method
from analysis.correlation import Correlation, correlate
from tests.analysis.test_correlation import linear_methods, methods, sample


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
def test_a_perfect_correlation_has_no_interval(method: Method) -> None:
    for sign in (1, -1):
        result = correlate(np.arange(10.0), sign * np.arange(10.0), method=method)
        assert result.coefficient == sign
        assert result.ci is None
        assert result.ci_reason == "at ±1 Fisher's interval has no length, whatever n"


@methods
def test_without_an_interval(method: Method) -> None:
    x, y, *_ = sample(2, 20)
    result = correlate(x, y, method=method, ci="none")
    assert (result.ci, result.ci_method, result.ci_reason) == (None, "none", None)
