"""Coefficients and p-values: against scipy and other formulas, and where they are undefined."""

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.coefficients import Method
from analysis.correlation import NOT_RECORDED, Correlation, Interval, correlate, correlate_columns
from analysis.intervals import PARTIAL_TAU
from analysis.permutation import FEW

Array = npt.NDArray[np.float64]
METHODS: tuple[Method, ...] = get_args(Method)
SCIPY: dict[Method, Callable[..., Any]] = {
    "pearson": stats.pearsonr,
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
}
methods = pytest.mark.parametrize("method", METHODS)
linear_methods = pytest.mark.parametrize("method", ["pearson", "spearman"])

TIED = st.integers(-3, 3).map(float)
ACCURACIES = st.integers(0, 10_000).map(lambda count: count / 100)
SMOOTH = st.floats(-100, 100).map(lambda value: round(value, 6))


@st.composite
def columns(draw: st.DrawFn, count: int, *, least: int = 3, most: int = 40) -> Array:
    """`count` columns of the same length, each with ties, without, or constant."""
    n = draw(st.integers(least, most))
    kinds = st.sampled_from([TIED, ACCURACIES, SMOOTH, st.just(2.5)])
    drawn = [draw(st.lists(draw(kinds), min_size=n, max_size=n)) for _ in range(count)]
    return np.array(drawn)


def sample(seed: int, n: int, *, tied: bool = True) -> tuple[Array, Array, Array, Array]:
    """Two related columns x and y, and two controls that have to do with both."""
    rng = np.random.default_rng(seed)
    c, d = rng.normal(size=(2, n))
    x, y = c + d + rng.normal(size=n), c - d / 2 + rng.normal(size=n)
    return (np.round(x), np.round(y * 4), np.round(c), d) if tied else (x, y, c, d)


def assert_sound(result: Correlation) -> None:
    """No NaN, nothing out of range, and a reason for all that is missing and for nothing else."""
    assert (result.coefficient is None) == (result.reason is not None)
    if result.coefficient is None:
        assert (result.p_value, result.p_reason, result.ci, result.ci_reason) == (None,) * 4
        return
    assert -1 <= result.coefficient <= 1
    assert (result.p_value is None) == (result.p_reason is not None) == (result.p_method is None)
    assert result.p_value is None or 0 < result.p_value <= 1
    assert result.n_distinct <= result.n
    unknown = result.n_groups is not None or result.p_reason == PARTIAL_TAU
    assert (result.n_effective is None) == unknown
    if result.n_groups is None:
        assert (result.i_squared, result.i_squared_reason) == (None, None)
    else:
        assert (result.i_squared is None) == (result.i_squared_reason is not None)
        assert result.i_squared is None or 0 <= result.i_squared < 1
    if result.ci_method == "none":
        assert (result.ci, result.ci_reason) == (None, None)
    else:
        assert (result.ci is None) == (result.ci_reason is not None)
    if result.ci is not None:
        assert -1 <= result.ci[0] <= result.ci[1] <= 1
    if result.ci is not None and result.ci_method in ("fisher", "groups"):
        assert result.ci[0] - 1e-12 <= result.coefficient <= result.ci[1] + 1e-12


def assert_same(one: Correlation, other: Correlation, tolerance: float = 1e-12) -> None:
    for name in ("method", "n", "reason", "p_reason", "ci_method", "ci_reason", "n_groups"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.excluded == other.excluded
    for name in ("coefficient", "p_value", "ci"):
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_allclose(left, right, rtol=0, atol=tolerance, err_msg=name)


# Plain coefficients


@methods
@settings(deadline=None, max_examples=50)
@given(pair=columns(2), offset=st.sampled_from([0.0, 0.0, 1e9, -1e9]))
def test_as_scipy(method: Method, pair: Array, offset: float) -> None:
    x, y = pair[0] + offset, pair[1]
    result = correlate(x, y, method=method)
    assert_sound(result)
    assert result.n == x.size
    if result.reason is None:
        expected = SCIPY[method](x, y)
        assert result.coefficient == pytest.approx(expected.statistic, abs=1e-9)
        if x.size > FEW and abs(expected.statistic) < 1 - 1e-9 and method != "kendall":
            assert result.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    else:
        assert np.ptp(x) == 0 or np.ptp(y) == 0


@methods
@pytest.mark.parametrize("n", [34, 1000, 15_625, 200_000])
def test_p_as_scipy_at_any_length(method: Method, n: int) -> None:
    x, y, *_ = sample(n, n)
    y = y + np.arange(n) % 3
    result, expected = correlate(x, y, method=method), SCIPY[method](x, y)
    assert result.coefficient == pytest.approx(expected.statistic, abs=1e-12)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)


@methods
def test_all_orders_of_three(method: Method) -> None:
    for x in ([1, 2, 3], [1, 1, 2], [1, 2, 2], [0.1, 0.2, 0.3]):
        for y in ([1, 2, 3], [3, 1, 2], [3, 2, 1], [2, 1, 1], [1, 1, 2], [0.3, 0.1, 0.2]):
            result, expected = correlate(x, y, method=method), SCIPY[method](x, y)
            assert result.coefficient == pytest.approx(expected.statistic, abs=1e-15)


@methods
@settings(deadline=None, max_examples=50)
@given(pair=columns(2, least=4))
def test_swapping_reversing_and_reordering(method: Method, pair: Array) -> None:
    x, y = pair
    result = correlate(x, y, method=method)
    swapped = correlate(y, x, method=method)
    reversed_ = correlate(-x, y, method=method)
    if result.coefficient is None:
        assert swapped.coefficient is reversed_.coefficient is None
        return
    order = np.random.default_rng(x.size).permutation(x.size)
    reordered = correlate(x[order], y[order], method=method)
    assert swapped.coefficient == pytest.approx(result.coefficient, abs=1e-12)
    assert reordered.coefficient == pytest.approx(result.coefficient, abs=1e-12)
    assert reversed_.coefficient == pytest.approx(-(result.coefficient or 0), abs=1e-12)
    if result.ci and reversed_.ci:
        np.testing.assert_allclose(reversed_.ci, [-result.ci[1], -result.ci[0]], atol=1e-9)


@pytest.mark.parametrize("method", ["spearman", "kendall"])
def test_only_the_order_counts_for_ranks(method: Method) -> None:
    x, y, *_ = sample(1, 200)
    assert_same(correlate(x, y, method=method), correlate(np.exp(x), y**3, method=method))


@pytest.mark.parametrize(
    ("method", "ci"),
    [(method, "fisher") for method in METHODS]
    + [("pearson", "bootstrap"), ("spearman", "bootstrap"), ("kendall", "none")],
)
@settings(deadline=None, max_examples=50)
@given(
    pair=st.integers(0, 12).flatmap(
        lambda n: st.tuples(
            *2
            * [st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=n, max_size=n)]
        )
    )
)
def test_any_finite_values_give_a_number_or_a_reason(
    method: Method, ci: Interval, pair: tuple[list[float], list[float]]
) -> None:
    x, y = pair
    for groups in (None, [value > 0 for value in x]):
        assert_sound(correlate(x, y, method=method, ci=ci, resamples=100, groups=groups))
        controlled = correlate(
            x, y, method=method, ci=ci, resamples=100, groups=groups, controls=[sorted(x)]
        )
        assert_sound(controlled)


@pytest.mark.parametrize("factor", [1e-320, 1e-300, 1e-160, 1e160, 1e300, 1e307])
def test_magnitudes_whose_squares_leave_float64(factor: float) -> None:
    x, y = [1.0, 2, 4, 3], [2.0, 5, 1, 3]
    result = correlate(np.array(x) * factor, y, method="pearson")
    assert result.coefficient == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-3)


# Where a coefficient is undefined


@methods
@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_rows(method: Method, n: int) -> None:
    for result in (
        correlate(range(n), range(n), method=method),
        correlate(range(n), range(n), method=method, ci="bootstrap"),
        correlate(range(n), range(n), method=method, groups=["a"] * n),
    ):
        assert_sound(result)
        assert result.coefficient is None
    assert result.n == 0
    assert sum(result.excluded.values()) == n


@methods
def test_constant_columns(method: Method) -> None:
    varied, constant = [1.0, 2, 3, 4], [0.1] * 4
    for ci in ("fisher", "bootstrap", "none"):
        result = correlate(constant, varied, method=method, ci=ci)
        assert (result.coefficient, result.reason) == (None, "x is constant")
        result = correlate(varied, constant, method=method, ci=ci)
        assert (result.coefficient, result.reason) == (None, "y is constant")
        assert_sound(result)


def test_variation_that_is_rounding_error_is_none_for_pearson() -> None:
    noise = 1e9 + np.array([0, 1, 0, 1, 1]) * np.spacing(1e9)
    varied = np.array([1.0, 2, 3, 4, 5])
    assert correlate(noise, varied, method="pearson").reason == "x is constant"
    assert correlate(varied, noise, method="pearson").reason == "y is constant"
    assert correlate(noise, varied, method="spearman").coefficient is not None


@methods
@pytest.mark.parametrize("offset", [0, 1e9])
def test_controls_that_determine_a_column(method: Method, offset: float) -> None:
    x, y, c, d = sample(2, 60, tied=False)
    determined = offset + 3 * c
    result = correlate(determined, y, method=method, controls=[c])
    assert (result.coefficient, result.reason) == (None, "the controls determine x completely")
    result = correlate(x, determined, method=method, controls=[d, c])
    assert (result.coefficient, result.reason) == (None, "the controls determine y completely")
    assert_sound(result)
    assert correlate(x, y, method=method, controls=[determined]).coefficient is not None


def test_a_control_made_of_others_determines_by_pearson_only() -> None:
    _, y, c, d = sample(3, 60, tied=False)
    controls = [c, d]
    sum_of_both = 2 * c - d + 5
    assert correlate(sum_of_both, y, method="pearson", controls=controls).coefficient is None
    assert correlate(sum_of_both, y, method="spearman", controls=controls).coefficient is not None


@linear_methods
def test_as_many_controls_as_rows_allow(method: Method) -> None:
    rng = np.random.default_rng(0)
    x, y, *controls = rng.normal(size=(7, 7))
    assert_sound(correlate(x, y, method=method, controls=controls))
    assert correlate(x, y, method=method, controls=controls).reason is not None
    result = correlate(x, y, method=method, controls=controls[:4])
    assert_sound(result)
    assert result.p_value is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [1, 2, math.nan]}, "NaN"),
        ({"x": [1, 2, math.nan]}, "NaN"),
        ({"y": [1, 2, math.inf]}, "infinities"),
        ({"x": [1, 2, math.inf]}, "infinities"),
        ({"controls": [[1, 2, math.nan]]}, "NaN"),
        ({"groups": [1, 2, math.nan]}, "NaN"),
        ({"classes": [1, 2, math.nan]}, "NaN"),
        ({"x": [1, 2]}, "length"),
        ({"controls": [[1, 2]]}, "length"),
        ({"groups": [1, 2]}, "length"),
        ({"classes": [1, 2]}, "length"),
        ({"x": [[1, 2, 3]]}, "one axis"),
        ({"y": [[1, 2, 3]]}, "one axis"),
        ({"groups": [[1, 2, 3]]}, "one axis"),
        ({"method": "cosine"}, "method"),
        ({"ci": "wald"}, "ci"),
        ({"resample": "rows"}, "resample"),
        ({"resample": "groups"}, "groups"),
        ({"resamples": 99}, "resamples"),
        ({"resamples": 10_001}, "resamples"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": 0.0}, "confidence"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correlate(**{"x": [1, 2, 3], "y": [1, 3, 2], **arguments})


# Partial coefficients


@methods
@pytest.mark.parametrize("tied", [False, True])
def test_partial_by_the_recursion_formula(method: Method, tied: bool) -> None:
    x, y, c, _ = sample(4, 150, tied=tied)
    r_xy, r_xc, r_yc = (SCIPY[method](*pair).statistic for pair in ((x, y), (x, c), (y, c)))
    expected = (r_xy - r_xc * r_yc) / math.sqrt((1 - r_xc**2) * (1 - r_yc**2))
    assert correlate(x, y, method=method, controls=[c]).coefficient == pytest.approx(
        expected, abs=1e-12
    )


@methods
@settings(deadline=None, max_examples=30)
@given(data=columns(4, least=8), offset=st.sampled_from([0.0, 1e6]))
def test_partial_of_any_columns_is_sound(method: Method, data: Array, offset: float) -> None:
    x, y, c, d = data
    assert_sound(correlate(x, y + offset, method=method, controls=[c + offset, d]))


@methods
@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(30, 60),
    tied=st.booleans(),
    offset=st.sampled_from([0.0, 1e6]),
)
def test_partial_by_the_inverse_matrix(
    method: Method, seed: int, n: int, tied: bool, offset: float
) -> None:
    data = sample(seed, n, tied=tied)
    x, y, c, d = data
    result = correlate(x, y + offset, method=method, controls=[c + offset, d])
    assert_sound(result)
    matrix = np.array([[SCIPY[method](a, b).statistic for a in data] for b in data])
    precision = np.linalg.inv(matrix)
    expected = -precision[0, 1] / math.sqrt(precision[0, 0] * precision[1, 1])
    assert result.coefficient == pytest.approx(expected, abs=1e-6 if offset else 1e-10)


@linear_methods
def test_p_of_a_partial_coefficient_is_that_of_the_regression(method: Method) -> None:
    """Regressing y on x and the controls, x's coefficient has the same t."""
    x, y, c, d = sample(5, 40)
    result = correlate(x, y, method=method, controls=[c, d])
    if method == "spearman":
        x, y, c, d = (stats.rankdata(column) for column in (x, y, c, d))
    design = np.column_stack([np.ones(40), x, c, d])
    slopes, (squares,), *_ = np.linalg.lstsq(design, y)
    error = math.sqrt(squares / 36 * np.linalg.inv(design.T @ design)[1, 1])
    p = 2 * stats.t.sf(abs(slopes[1] / error), 36)
    assert result.p_value == pytest.approx(p, rel=1e-9)


@methods
def test_redundant_controls_change_nothing(method: Method) -> None:
    x, y, c, _ = sample(6, 50)
    once = correlate(x, y, method=method, controls=[c])
    assert_same(correlate(x, y, method=method, controls=[c, c, np.full(50, 7.0)]), once, 1e-9)
    plain = correlate(x, y, method=method)
    assert_same(correlate(x, y, method=method, controls=[np.full(50, 7.0)]), plain)


def test_a_partial_tau_has_no_p_value() -> None:
    x, y, c, _ = sample(7, 50)
    result = correlate(x, y, method="kendall", controls=[c])
    assert result.coefficient is not None
    assert (result.p_value, result.ci) == (None, None)
    assert result.p_reason == result.ci_reason == "the distribution of a partial tau-b is not known"
    resampled = correlate(x, y, method="kendall", controls=[c], ci="bootstrap", resamples=100)
    assert resampled.ci is not None


# Within groups


def within_groups(
    method: Method, x: Array, y: Array, groups: Array, controls: list[Array]
) -> tuple[float | None, int, int]:
    """The weighted mean, rows and groups by a plain loop over `correlate`'s ungrouped result."""
    total, n, count = 0.0, 0, 0
    for label in np.unique(groups):
        inside = groups == label
        held = [control[inside] for control in controls]
        own = correlate(x[inside], y[inside], method=method, controls=held, ci="none")
        if own.coefficient is not None:
            total, n, count = total + own.n * own.coefficient, n + own.n, count + 1
    return (total / n if n else None), n, count


@methods
@settings(deadline=None, max_examples=50)
@given(data=columns(4, most=60), codes=st.data())
def test_within_groups_by_a_plain_loop(method: Method, data: Array, codes: st.DataObject) -> None:
    x, y, c, d = data
    labels = st.lists(st.integers(0, 4), min_size=x.size, max_size=x.size)
    groups = np.array(codes.draw(labels), dtype=float)
    for controls in ([], [c], [c, d]):
        result = correlate(x, y, method=method, groups=groups, controls=controls)
        assert_sound(result)
        expected, n, count = within_groups(method, x, y, groups, controls)
        assert (result.n, result.n_groups) == (n, count)
        assert result.n + sum(result.excluded.values()) == x.size
        assert (result.coefficient is None) == (expected is None)
        if expected is not None:
            assert result.coefficient == pytest.approx(expected, abs=1e-9)


@methods
def test_why_rows_are_left_out_of_groups(method: Method) -> None:
    x = [1, 2, 3, 4, 1, 2, 5, 5, 5, 1, 2, 3]
    y = [1, 3, 2, 4, 1, 2, 1, 2, 3, 8, 8, 8]
    groups = ["a"] * 4 + ["b"] * 2 + ["c"] * 3 + ["d"] * 3
    result = correlate(x, y, method=method, groups=groups)
    assert (result.n, result.n_groups, sum(result.excluded.values())) == (4, 1, 8)
    assert result.excluded == {
        "fewer than 3 rows, plus one for each control": 2,
        "x is constant": 3,
        "y is constant": 3,
    }
    own = correlate(x[:4], y[:4], method=method)
    assert result.coefficient == pytest.approx(own.coefficient, abs=1e-12)
    none = correlate(x[4:], y[4:], method=method, groups=groups[4:])
    assert (none.coefficient, none.n, none.n_groups) == (None, 0, 0)
    assert none.reason == "no group has a coefficient"
    assert sum(none.excluded.values()) == 8


@linear_methods
def test_a_control_that_determines_a_column_in_one_group_only(method: Method) -> None:
    x, y, c, _ = sample(8, 40, tied=False)
    groups = np.repeat(["a", "b"], 20)
    x[:20] = 2 * c[:20]
    result = correlate(x, y, method=method, groups=groups, controls=[c])
    assert result.excluded == {"the controls determine x completely": 20}
    own = correlate(x[20:], y[20:], method=method, controls=[c[20:]])
    assert result.coefficient == pytest.approx(own.coefficient, abs=1e-12)


@methods
def test_labels_order_and_type_do_not_matter(method: Method) -> None:
    x, y, *_ = sample(9, 120)
    codes = np.arange(120) % 7
    result = correlate(x, y, method=method, groups=codes)
    named = np.array(["g", "b", "e", "a", "c", "f", "d"])[codes]
    order = np.random.default_rng(0).permutation(120)
    assert_same(correlate(x, y, method=method, groups=named), result)
    assert_same(correlate(x[order], y[order], method=method, groups=codes[order]), result)
    assert_same(
        correlate(x, y, method=method, groups=codes > 3),
        correlate(x, y, method=method, groups=[int(code > 3) for code in codes]),
    )


@linear_methods
def test_group_offsets_do_not_count(method: Method) -> None:
    x, y, *_ = sample(10, 200)
    groups = np.arange(200) % 9
    moved = correlate(x + 100 * groups, y - 1000 * groups, method=method, groups=groups)
    assert_same(moved, correlate(x, y, method=method, groups=groups))


# Column by column


@methods
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_columns_equal_single_correlations(method: Method, data: st.DataObject) -> None:
    x, c, *ys = data.draw(columns(6, least=1, most=40))
    gaps = data.draw(
        st.lists(st.sets(st.integers(0, x.size - 1)), min_size=len(ys), max_size=len(ys))
    )
    for y, gap in zip(ys[1:], gaps, strict=False):
        y[list(gap)] = math.nan
    groups = np.arange(x.size) % 3 if data.draw(st.booleans()) else None
    controls = [c] if data.draw(st.booleans()) else []
    intervals: list[Interval] = ["fisher", "none", "bootstrap"]
    ci = data.draw(st.sampled_from(intervals[: 2 if method == "kendall" else 3]))
    together = correlate_columns(
        x,
        np.column_stack(ys),
        method=method,
        groups=groups,
        controls=controls,
        ci=ci,
        resamples=100,
        seed=3,
    )
    assert len(together) == len(ys)
    for result, y in zip(together, ys, strict=True):
        assert_sound(result)
        recorded = ~np.isnan(y)
        alone = correlate(
            x[recorded],
            y[recorded],
            method=method,
            groups=None if groups is None else groups[recorded],
            controls=[control[recorded] for control in controls],
            ci=ci,
            resamples=100,
            seed=3,
        )
        missing = int((~recorded).sum())
        assert result.excluded.get(NOT_RECORDED, 0) == missing
        excluded = {why: n for why, n in result.excluded.items() if why != NOT_RECORDED}
        assert excluded == alone.excluded
        for name in ("n", "n_groups", "reason", "ci_reason", "p_reason"):
            assert getattr(result, name) == getattr(alone, name)
        for name in ("coefficient", "p_value", "ci"):
            left, right = getattr(result, name), getattr(alone, name)
            assert (left is None) == (right is None)
            if left is not None:
                np.testing.assert_allclose(left, right, rtol=0, atol=1e-12)


@methods
def test_many_long_columns_equal_single_correlations(method: Method) -> None:
    rng = np.random.default_rng(0)
    x, ys = rng.integers(1, 4, 5000) * 1.0, np.round(rng.normal(size=(5000, 40)), 2)
    ys[rng.random(ys.shape) < 0.001] = math.nan
    ys[:, 7] = math.nan
    ys[:, 9] = 10
    ys = np.asfortranarray(ys)
    for y, result in zip(ys.T, correlate_columns(x, ys, method=method), strict=True):
        recorded = ~np.isnan(y)
        alone = correlate(x[recorded], y[recorded], method=method)
        assert result.reason == alone.reason
        assert result.n == alone.n
        if alone.coefficient is not None and alone.p_value is not None:
            assert result.coefficient == pytest.approx(alone.coefficient, abs=1e-12)
            assert result.p_value == pytest.approx(alone.p_value, abs=1e-12)


def test_no_columns_and_wrong_columns() -> None:
    assert correlate_columns([1, 2, 3], np.empty((3, 0))) == []
    assert correlate_columns([], np.empty((0, 0))) == []
    with pytest.raises(ValueError, match="axes"):
        correlate_columns([1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="infinities"):
        correlate_columns([1, 2, 3], [[1.0], [math.inf], [2.0]])
    with pytest.raises(ValueError, match="length"):
        correlate_columns([1, 2, 3], [[1], [2]])


def test_the_arguments_are_left_as_they_were() -> None:
    x, y, c, d = sample(11, 30)
    before = [column.copy() for column in (x, y, c, d)]
    for method in METHODS:
        correlate(x, y, method=method, controls=[c, d], groups=np.arange(30) % 2)
        correlate(x, y, method=method, controls=[c, d], ci="bootstrap", resamples=100)
    for column, original in zip((x, y, c, d), before, strict=True):
        np.testing.assert_array_equal(column, original)


def test_importing_does_not_load_scipy() -> None:
    code = "import sys, analysis.correlation; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
