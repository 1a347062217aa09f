"""p of few rows: by enumeration in plain Python, and scipy's permutation test."""

from itertools import permutations
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.coefficients import Method
from analysis.correlation import correlate, correlate_columns
from analysis.permutation import DRAWS
from tests.analysis.test_correlation import SCIPY, Array, methods, sample


def by_enumeration(method: Method, x: Array, y: Array) -> float:
    """The share of orders of x that correlate as strongly, one call of scipy each."""
    seen = abs(SCIPY[method](x, y).statistic)
    found = [abs(SCIPY[method](order, y).statistic) for order in permutations(x)]
    return float(np.mean([one >= seen - 1e-9 for one in found]))


@methods
@pytest.mark.parametrize(("n", "p"), [(3, 1 / 3), (4, 1 / 12), (5, 1 / 60), (8, 2 / 40_320)])
def test_a_perfect_order_of_few(method: Method, n: int, p: float) -> None:
    """Two of the n! orders are as extreme: this one and its reverse."""
    result = correlate(range(n), range(n), method=method)
    assert result.coefficient == 1
    assert result.p_value == pytest.approx(p)
    assert result.p_method == "exact"
    assert result.ci is None
    assert result.ci_reason == "at ±1 Fisher's interval has no length, whatever n"


@methods
@settings(deadline=None, max_examples=10)
@given(
    pair=st.integers(3, 5).flatmap(
        lambda n: st.tuples(*2 * [st.lists(st.integers(0, 4), min_size=n, max_size=n)])
    )
)
def test_as_all_orders_say(method: Method, pair: tuple[list[int], list[int]]) -> None:
    x, y = (np.array(values, float) for values in pair)
    result = correlate(x, y, method=method)
    if result.coefficient is not None:
        assert result.p_value == pytest.approx(by_enumeration(method, x, y))


def test_as_scipys_permutation_test() -> None:
    """Its p doubles the smaller tail, which is the same where ranks don't tie."""
    x, y = np.array([3.0, 1, 2, 5, 4, 6]), np.array([2.0, 1, 4, 3, 6, 5])
    expected = stats.permutation_test(
        (x,),
        lambda order: stats.spearmanr(order, y).statistic,
        permutation_type="pairings",
        n_resamples=factorial(6),
    )
    assert correlate(x, y).p_value == pytest.approx(expected.pvalue)


def test_kendall_without_ties_is_scipys_exact_one() -> None:
    x, y, *_ = sample(1, 25, tied=False)
    result = correlate(x, y, method="kendall")
    assert result.p_value == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue)
    assert result.p_method == "exact"


@methods
@pytest.mark.parametrize("n", [12, 30])
def test_drawn_orders_agree_with_t(method: Method, n: int) -> None:
    x, y, *_ = sample(n + 4, n)
    result = correlate(x, y, method=method)
    assert result.p_method == "permutation"
    p = SCIPY[method](x, y).pvalue
    assert result.p_value == pytest.approx(p, abs=0.02)
    assert result.p_value is not None
    assert result.p_value >= 1 / (DRAWS + 1)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_the_order_that_was_seen_counts_as_one_more_than_are_drawn(method: Method) -> None:
    """Phipson and Smyth's (1 + #) / (1 + draws); of 20! orders no other one is as extreme."""
    result = correlate(range(20), range(20), method=method)
    assert result.p_value == 1 / 10_000
    assert result.p_method == "permutation"


@methods
def test_from_31_rows_on_as_scipy(method: Method) -> None:
    x, y, *_ = sample(3, 31)
    result = correlate(x, y, method=method)
    assert result.p_value == pytest.approx(SCIPY[method](x, y).pvalue, rel=1e-9)
    assert result.p_method == ("normal" if method == "kendall" else "t")


@methods
def test_p_is_never_0_where_orders_could_give_it(method: Method) -> None:
    x = np.arange(40.0)
    assert correlate(x, x, method=method).p_value == pytest.approx(2 / factorial(40))
    split = np.repeat([0.0, 1.0], [1, 39])
    assert correlate(split, split, method=method).p_value == pytest.approx(1 / 40)
    halves = np.repeat([0.0, 1.0], [20, 20])
    assert correlate(halves, halves, method=method).p_value == pytest.approx(2 / comb(40, 20))


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_a_partial_coefficient_of_few_rows(method: Method) -> None:
    """Freedman and Lane's orders, one by one with numpy's least squares."""
    x, y, c, _ = sample(7, 6, tied=False)
    result = correlate(x, y, method=method, controls=[c])
    assert result.p_method == "permutation"
    if method == "spearman":
        x, y, c = (stats.rankdata(column) for column in (x, y, c))
    design = np.column_stack([np.ones(6), c])

    def rest(column: Array) -> Array:
        return np.asarray(column - design @ np.linalg.lstsq(design, column)[0])

    of_x, of_y = rest(x), rest(y)
    seen = abs(np.corrcoef(of_x, of_y)[0, 1])
    found = [abs(np.corrcoef(rest(np.array(o)), of_y)[0, 1]) for o in permutations(of_x)]
    assert result.p_value == pytest.approx(np.mean(np.array(found) >= seen - 1e-9))


@methods
def test_of_unrelated_few_rows_one_in_twenty_is_called_related(method: Method) -> None:
    rng = np.random.default_rng(1)
    x, ys = rng.normal(size=9), rng.exponential(size=(9, 600)).round(1)
    p = [result.p_value for result in correlate_columns(x, ys, method=method)]
    assert 0.03 <= np.mean([value is not None and value <= 0.05 for value in p]) <= 0.07
