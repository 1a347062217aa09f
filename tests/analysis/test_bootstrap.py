"""Bootstrap intervals: against scipy on the very same resamples, and how they are drawn."""

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import bootstrap
from analysis.coefficients import Method, State, by_group
from analysis.correlation import correlate, correlate_columns
from analysis.strata import Strata
from tests.analysis.test_correlation import (
    SCIPY,
    Array,
    columns,
    linear_methods,
    methods,
    sample,
    within_groups,
)


def drawn_rows(sizes: list[int], resamples: int, seed: int = 0) -> list[list[int]]:
    strata = Strata.single(sizes[0])
    if len(sizes) > 1:
        strata, _ = Strata.sorting(np.repeat(np.arange(len(sizes)), sizes))
    return [
        row.tolist() for rows in bootstrap.resample_rows(strata, resamples, seed) for row in rows
    ]


def test_rows_are_drawn_inside_their_group() -> None:
    rows = np.array(drawn_rows([2, 5, 3], 4000))
    assert rows.shape == (4000, 10)
    for start, end in ((0, 2), (2, 7), (7, 10)):
        own = rows[:, start:end]
        assert own.min() == start
        assert own.max() == end - 1
        share = np.bincount(own.ravel())[start:] / own.size
        np.testing.assert_allclose(share, 1 / (end - start), atol=0.02)


def test_draws_depend_on_the_seed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn_rows([30], 100, seed=5)
    assert drawn_rows([30], 100, seed=5) == rows
    assert drawn_rows([30], 100, seed=6) != rows
    assert drawn_rows([30], 60, seed=5) == rows[:60]
    monkeypatch.setattr(bootstrap, "_BLOCK", 50)
    assert drawn_rows([30], 100, seed=5) == rows


@methods
def test_the_interval_is_the_percentiles_of_scipys_coefficients(method: Method) -> None:
    x, y, *_ = sample(1, 60)
    rows = drawn_rows([60], 150, seed=7)
    expected = [SCIPY[method](x[row], y[row]).statistic for row in rows]
    result = correlate(x, y, method=method, ci="bootstrap", resamples=150, confidence=0.9, seed=7)
    assert result.ci == pytest.approx(tuple(np.quantile(expected, [0.05, 0.95])), abs=1e-12)
    assert result.ci_method == "bootstrap"
    plain = correlate(x, y, method=method, confidence=0.9)
    assert (result.coefficient, result.p_value) == (plain.coefficient, plain.p_value)


def resampled(
    method: Method, x: Array, ys: Array, controls: Array, strata: Strata, seed: int = 0
) -> Array:
    used = by_group(method, x, ys, controls, strata).state == State.DEFINED
    units = bootstrap.Units.rows(strata)
    return bootstrap.resampled_coefficients(method, x, ys, controls, strata, used, units, 100, seed)


@linear_methods
@settings(deadline=None, max_examples=50)
@given(data=columns(3), offset=st.sampled_from([0.0, 1e9]), grouped=st.booleans())
def test_each_resample_as_correlate_would(
    method: Method, data: Array, offset: float, grouped: bool
) -> None:
    x, y, c = data
    x = x + offset
    groups = np.arange(x.size) * 3 // x.size
    strata = Strata.sorting(groups)[0] if grouped else Strata.single(x.size)
    labels = groups if grouped else np.zeros(x.size)
    rows = drawn_rows(np.bincount(groups).tolist() if grouped else [x.size], 100)
    plain = resampled(method, x, y[np.newaxis], np.empty((0, x.size)), strata)[0]
    partial = resampled(method, x, y[np.newaxis], c[np.newaxis], strata)[0]
    for index in range(0, 100, 9):
        row = rows[index]
        expected, *_ = within_groups(method, x[row], y[row], labels, [])
        assert np.isnan(plain[index]) == (expected is None)
        if expected is not None:
            assert plain[index] == pytest.approx(expected, abs=1e-6 if offset else 1e-9)
        held, *_ = within_groups(method, x[row], y[row], labels, [c[row]])
        if held is not None and not offset and not grouped and x.size > 3:
            assert partial[index] == pytest.approx(held, abs=1e-6)


def test_kendall_within_groups_with_a_control() -> None:
    x, y, c, _ = sample(2, 45)
    groups = np.repeat([0.0, 1, 2], 15)
    strata, _ = Strata.sorting(groups)
    values = resampled("kendall", x, y[np.newaxis], c[np.newaxis], strata)[0]
    for row, value in zip(drawn_rows([15, 15, 15], 100), values, strict=True):
        expected, *_ = within_groups("kendall", x[row], y[row], groups, [c[row]])
        assert value == pytest.approx(expected, abs=1e-9)


@linear_methods
def test_an_outlier_that_most_resamples_lack(method: Method) -> None:
    x, y, *_ = sample(3, 50, tied=False)
    x[0] = 1e7
    values = resampled(method, x, y[np.newaxis], np.empty((0, 50)), Strata.single(50))[0]
    expected = [SCIPY[method](x[row], y[row]).statistic for row in drawn_rows([50], 100)]
    np.testing.assert_allclose(values, expected, atol=1e-8)


@methods
def test_resamples_without_a_coefficient_are_left_out(method: Method) -> None:
    x = np.zeros(12)
    x[0] = 1
    result = correlate(x, x, method=method, ci="bootstrap", resamples=500)
    assert result.coefficient == pytest.approx(1)
    assert result.ci == pytest.approx((1, 1))  # about 35 % of the resamples lack the one row


def test_an_interval_takes_half_of_the_resamples() -> None:
    assert bootstrap.percentile_interval(np.array([0.5, np.nan]), 0.95) == (0.5, 0.5)
    assert bootstrap.percentile_interval(np.array([0.5, np.nan, np.nan]), 0.95) is None


def test_more_than_half_of_the_resamples_undefined() -> None:
    # Either of two rows alone makes x or y vary: a resample of 4 lacks one of them mostly.
    x, y = [1.0, 0, 0, 0], [0.0, 1, 0, 0]
    result = correlate(x, y, method="pearson", ci="bootstrap")
    assert result.coefficient is not None
    assert result.p_value is not None
    assert result.ci is None
    assert result.ci_reason == "the coefficient is undefined in more than half of the resamples"


@linear_methods
@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_close_to_fishers_interval_on_normal_data(
    method: Method, controlled: bool, grouped: bool
) -> None:
    rng = np.random.default_rng(8)
    c, x, noise = rng.normal(size=(3, 4000))
    y = x + c + noise
    result, fisher = (
        correlate(
            x,
            y,
            method=method,
            ci=ci,
            controls=[c] if controlled else [],
            groups=np.arange(4000) % 20 if grouped else None,
            resamples=2000,
        ).ci
        for ci in ("bootstrap", "fisher")
    )
    assert result == pytest.approx(fisher, abs=0.01)


@methods
def test_a_seed_determines_the_interval(method: Method) -> None:
    x, y, *_ = sample(9, 50)
    one = correlate(x, y, method=method, ci="bootstrap", resamples=100, seed=1)
    assert one == correlate(x, y, method=method, ci="bootstrap", resamples=100, seed=1)
    assert one != correlate(x, y, method=method, ci="bootstrap", resamples=100, seed=2)


def test_columns_share_their_draws() -> None:
    x, y, c, d = sample(10, 300)
    ys = np.column_stack([y, c, d, y])
    ys[7, 2] = np.nan
    results = correlate_columns(x, ys, ci="bootstrap", resamples=100)
    assert results[0] == results[3] == correlate(x, y, ci="bootstrap", resamples=100)
    kept = np.arange(300) != 7
    alone = correlate(x[kept], d[kept], ci="bootstrap", resamples=100)
    assert results[2].ci == alone.ci


@pytest.mark.parametrize("groups", [None, np.arange(15_000) // 3])
def test_memory_does_not_grow_with_resamples_or_columns(
    groups: npt.NDArray[np.int_] | None,
) -> None:
    x, y, *_ = sample(11, 15_000)
    ys = np.repeat(y[:, np.newaxis], 12, axis=1)
    tracemalloc.start()
    try:
        correlate_columns(x, ys, groups=groups, ci="bootstrap", resamples=100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.parametrize(("groups", "share"), [(3, 0.74), (5, 0.84), (8, 0.88), (12, 0.91)])
def test_percentiles_of_few_groups_lie_too_near_to_each_other(groups: int, share: float) -> None:
    """By numpy alone, 3,000 samples of 999 draws; why there are none of fewer than ten."""
    r = np.random.default_rng(2).normal(size=(1000, groups))
    sizes, used = np.full(groups, 7), np.ones((1000, groups), np.bool_)
    drawn = bootstrap.resampled_means(r, sizes, used, 3000, 0)
    ends = [bootstrap.percentile_interval(one, 0.95) for one in drawn]
    held = np.mean([end is not None and end[0] <= 0 <= end[1] for end in ends])
    assert held == pytest.approx(share, abs=0.04)
