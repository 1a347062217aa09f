"""What a grouping explains, against scipy, fitted means and arithmetic by hand."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.variance import explained

numbers = st.integers(-40, 40).map(lambda count: count / 4)


def test_explained_by_hand() -> None:
    # Groups a: 1, 3; b: 4, 5, 6; c: 10, as in UNBALANCED: SSB = 257/6, SSW = 4, SST = 281/6,
    # MSW = 4/3. η² = 257/281. ω² = (257/6 − 2 · 4/3) / (281/6 + 4/3) = 241/289.
    found = explained([4.0, 1.0, 10.0, 3.0, 5.0, 6.0], ["b", "a", "c", "a", "b", "b"])
    assert found.eta_squared == pytest.approx(257 / 281)
    assert found.omega_squared == pytest.approx(241 / 289)
    assert found.f == pytest.approx(257 / 16)
    assert found.p == pytest.approx(stats.f.sf(257 / 16, 2, 3))
    assert (found.n, found.groups, found.reasons) == (6, 3, {})


def exact_f(groups: list[list[float]]) -> float:
    """F of the analysis of variance, (SSB / df₁) / (SSW / df₂), in rational arithmetic."""
    exact = [[Fraction(value) for value in group] for group in groups]
    n = sum(map(len, exact))
    grand = sum(map(sum, exact), Fraction()) / n
    means = [sum(group, Fraction()) / len(group) for group in exact]
    parts = list(zip(exact, means, strict=True))
    between = sum(len(group) * (mean - grand) ** 2 for group, mean in parts)
    within = sum((value - mean) ** 2 for group, mean in parts for value in group)
    return float(between / (len(exact) - 1) / (within / (n - len(exact))))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), numbers), min_size=4, max_size=40))
def test_explained_against_scipy_and_the_fitted_means(rows: list[tuple[int, float]]) -> None:
    labels, values = (np.array(column) for column in zip(*rows, strict=True))
    groups = [values[labels == label] for label in np.unique(labels)]
    assume(len(groups) > 1 and any(np.ptp(group) > 0 for group in groups))
    found, expected = explained(values, labels), stats.f_oneway(*groups)
    fitted = np.concatenate([np.full(group.size, group.mean()) for group in groups])
    eta = np.var(fitted) / np.var(values)
    # ω² from F alone (Hays): (df₁ (F − 1)) / (df₁ (F − 1) + n).
    excess = (len(groups) - 1) * (expected.statistic - 1)
    assert found.eta_squared == pytest.approx(eta, abs=1e-12)
    assert found.omega_squared == pytest.approx(excess / (excess + len(values)), abs=1e-9)
    # scipy's F loses digits where groups hardly vary: that of fractions has none to lose.
    assert found.f == pytest.approx(exact_f([group.tolist() for group in groups]), rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-12)


def test_a_grouping_without_repeats_or_spread_explains_nothing_that_can_be_tested() -> None:
    single = explained([1.0, 2.0], ["a", "b"])
    assert (single.eta_squared, single.omega_squared, single.f) == (1, None, None)
    assert set(single.reasons) == {"omega_squared", "f", "p"}
    assert set(single.reasons.values()) == {"no group has 2 values"}
    constant = explained([2.0, 2.0, 2.0], ["a", "a", "b"])
    assert constant.reasons["eta_squared"] == "the values do not vary"
    assert (constant.eta_squared, constant.omega_squared, constant.p) == (None, None, None)
    exact = explained([1.0, 1.0, 2.0, 2.0], ["a", "a", "b", "b"])
    assert (exact.eta_squared, exact.omega_squared, exact.f) == (1, 1, None)
    one = explained([1.0, 2.0], ["a", "a"])
    assert one.eta_squared == 0
    assert one.reasons["p"] == "fewer than 2 groups have values"
    empty = explained([], [])
    assert (empty.n, empty.groups, empty.eta_squared) == (0, 0, None)


@pytest.mark.parametrize(
    ("values", "groups", "message"),
    [
        ([1.0, 2.0], ["a"], "the same length"),
        ([[1.0, 2.0]], [["a", "b"]], "one axis"),
        ([1.0, math.nan], ["a", "b"], "values holds NaN"),
        ([1.0, 2.0], [1.0, math.nan], "groups holds NaN"),
    ],
)
def test_what_explained_refuses(values: npt.ArrayLike, groups: npt.ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explained(values, groups)


def test_copies_leave_the_share_and_take_the_test() -> None:
    values, labels = [4.0, 1.0, 10.0, 3.0, 5.0, 6.0], ["b", "a", "c", "a", "b", "b"]
    alone = explained(values, labels)
    assert alone == explained(values, labels, classes=range(6))
    copied = explained(values, labels, classes=[0, 1, 2, 1, 0, 3])
    assert (copied.eta_squared, copied.omega_squared) == (alone.eta_squared, alone.omega_squared)
    assert (copied.n, copied.n_distinct, copied.f, copied.p) == (6, 4, None, None)
    assert set(copied.reasons) == {"f", "p"}
