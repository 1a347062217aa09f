"""Differences of correlations: by hand on the same resamples, and by simulation."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import bootstrap
from analysis.coefficients import Method
from analysis.contrast import NO_SHARED_GROUP, Contrast, contrasts
from analysis.correlation import correlate
from analysis.strata import Strata
from tests.analysis.test_correlation import Array, columns, linear_methods, methods, sample


def four(seed: int, n: int) -> tuple[Array, Array]:
    x, y, c, d = sample(seed, n)
    return np.stack([x, c]), np.stack([y, y + 3 * d])


def by_place(found: list[Contrast]) -> dict[tuple[tuple[int, ...], tuple[int, ...]], Contrast]:
    return {(one.x, one.y): one for one in found}


@methods
@pytest.mark.parametrize("grouped", [False, True])
def test_estimates_are_differences_of_coefficients(method: Method, grouped: bool) -> None:
    xs, ys = four(1, 60)
    groups = np.arange(60) % 3 if grouped else None
    found = contrasts(xs, ys, method=method, groups=groups, resamples=100)
    single = {
        (i, j): correlate(xs[i], ys[j], method=method, groups=groups).coefficient or 0
        for i in (0, 1)
        for j in (0, 1)
    }
    expected: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {
        **{((i,), (j,)): value for (i, j), value in single.items()},
        **{((0, 1), (j,)): single[0, j] - single[1, j] for j in (0, 1)},
        **{((i,), (0, 1)): single[i, 0] - single[i, 1] for i in (0, 1)},
        ((0, 1), (0, 1)): single[0, 0] - single[1, 0] - single[0, 1] + single[1, 1],
    }
    assert list(by_place(found)) == list(expected)
    for place, one in by_place(found).items():
        assert one.estimate == pytest.approx(expected[place], abs=1e-12)
        assert (one.n, one.n_distinct) == (60, 60)
        assert (one.n_groups, one.resampled) == ((3, "groups") if grouped else (None, "classes"))


def test_one_and_two() -> None:
    xs, ys = four(2, 40)
    assert [(one.x, one.y) for one in contrasts(xs, ys[:1], resamples=100)] == [
        ((0,), (0,)), ((1,), (0,)), ((0, 1), (0,)),
    ]  # fmt: skip
    assert [(one.x, one.y) for one in contrasts(xs[:1], ys, resamples=100)] == [
        ((0,), (0,)), ((0,), (1,)), ((0,), (0, 1)),
    ]  # fmt: skip


@methods
def test_the_same_rows_are_drawn_for_all(method: Method) -> None:
    xs, ys = four(3, 50)
    found = by_place(contrasts(xs, ys, method=method, resamples=100, confidence=0.9, seed=4))
    counts = np.concatenate(list(bootstrap.resample_counts(Strata.single(50), 100, 4))).astype(int)
    drawn = [np.repeat(np.arange(50), count) for count in counts]
    values = np.array(
        [
            [[correlate(x[row], y[row], method=method).coefficient for y in ys] for x in xs]
            for row in drawn
        ],
        float,
    )
    double = values[:, 0, 0] - values[:, 1, 0] - values[:, 0, 1] + values[:, 1, 1]
    one = found[(0, 1), (0, 1)]
    assert one.ci == pytest.approx(tuple(np.quantile(double, [0.05, 0.95])), abs=1e-9)
    assert one.standard_error == pytest.approx(np.std(double, ddof=1), abs=1e-9)


def test_groups_are_drawn_whole() -> None:
    xs, ys = four(5, 80)
    groups = np.arange(80) % 12
    found = by_place(contrasts(xs[:1], ys, groups=groups, resamples=400, seed=2))
    r = np.array(
        [
            [correlate(xs[0][groups == g], y[groups == g]).coefficient for g in range(12)]
            for y in ys
        ],
        float,
    )
    sizes = np.bincount(groups)
    counts = np.concatenate(list(bootstrap.resample_counts(Strata.single(12), 400, 2)))
    means = counts @ (r * sizes).T / (counts @ sizes)[:, None]
    difference = means[:, 0] - means[:, 1]
    one = found[(0,), (0, 1)]
    assert one.ci == pytest.approx(tuple(np.quantile(difference, [0.025, 0.975])), abs=1e-9)


def test_a_group_counts_that_has_every_coefficient() -> None:
    xs, ys = four(6, 40)
    groups = np.repeat([0, 1, 2, 3], 10)
    xs[1, :10] = 2
    found = contrasts(xs, ys, groups=groups, resamples=100)
    assert {(one.n, one.n_groups) for one in found} == {(30, 3)}
    kept = groups > 0
    own = correlate(xs[0][kept], ys[0][kept], groups=groups[kept])
    assert found[0].estimate == pytest.approx(own.coefficient, abs=1e-12)


def test_what_is_undefined_says_why() -> None:
    xs, ys = four(7, 30)
    xs[1] = 1
    found = by_place(contrasts(xs, ys, resamples=100))
    assert found[(0,), (0,)].estimate is not None
    for place in (((1,), (0,)), ((0, 1), (0,)), ((0, 1), (0, 1))):
        one = found[place]
        assert (one.estimate, one.ci, one.standard_error) == (None, None, None)
        assert one.reason == "x is constant"
    grouped = contrasts(xs, ys, groups=np.arange(30) % 2, resamples=100)
    assert {(one.reason, one.n, one.n_groups) for one in grouped} == {(NO_SHARED_GROUP, 0, 0)}
    alone = contrasts(xs[:1], ys, groups=[0] * 30, resamples=100)
    assert {one.reason for one in alone} == {bootstrap.FEW_GROUPS}
    assert all(one.estimate is not None and one.ci is None for one in alone)
    few = contrasts(xs[:, :2], ys[:, :2], resamples=100)
    assert {one.estimate for one in few} == {None}


@linear_methods
@settings(deadline=None, max_examples=30)
@given(data=columns(5, least=1, most=20), grouped=st.booleans(), copied=st.booleans())
def test_any_columns_give_numbers_or_reasons(
    method: Method, data: Array, grouped: bool, copied: bool
) -> None:
    a, b, c, d, held = data
    n = a.size
    found = contrasts(
        [a, b],
        [c, d],
        method=method,
        controls=[held],
        groups=np.arange(n) % 3 if grouped else None,
        classes=np.arange(n) // 2 if copied else None,
        resamples=100,
    )
    for one in found:
        assert (one.ci is None) == (one.standard_error is None) == (one.reason is not None)
        assert one.ci is None or one.estimate is not None
        assert one.estimate is None or math.isfinite(one.estimate)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"xs": [[1, 2, 3]] * 3}, "xs must be"),
        ({"ys": [1, 2, 3]}, "ys must be"),
        ({"ys": [[1, 2, math.nan]]}, "NaN"),
        ({"ys": [[1, 2]]}, "length"),
        ({"resample": "groups"}, "needs groups"),
        ({"resample": "rows"}, "resample must be"),
        ({"resamples": 50}, "resamples"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrasts(**{"xs": [[1, 2, 3]], "ys": [[1, 3, 2], [2, 1, 3]], **arguments})


def test_the_interval_of_a_difference_holds_it() -> None:
    """Two columns that share half of their noise, with correlations of 0.5 and 0.2 with x."""
    rng = np.random.default_rng(8)
    held = narrower = 0
    for seed in range(150):
        x, shared, *noise = rng.normal(size=(4, 80))
        first, second = ((shared + own) / math.sqrt(2) for own in noise)
        ys = [0.5 * x + math.sqrt(0.75) * first, 0.2 * x + math.sqrt(0.96) * second]
        one = contrasts([x], ys, method="pearson", resamples=200, seed=seed)
        ends, lengths = one[2].ci, [c.ci[1] - c.ci[0] for c in one if c.ci]
        assert ends is not None
        held += ends[0] <= 0.3 <= ends[1]
        narrower += lengths[2] < math.hypot(*lengths[:2])
    assert 0.88 <= held / 150 <= 0.99
    assert narrower > 140
