"""Convergence measures: by hand, against plain loops, and what must not change them."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import convergence

NAN = math.nan

Curves = npt.NDArray[np.float64]
EPOCH_VALUES = st.one_of(st.floats(0, 100), st.integers(0, 5).map(float), st.just(NAN))


@st.composite
def curves(draw: st.DrawFn, *, gaps: bool = True) -> Curves:
    runs, epochs = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    value = EPOCH_VALUES if gaps else st.floats(0, 100)
    row = st.lists(value, min_size=epochs, max_size=epochs)
    return np.array(draw(st.lists(row, min_size=runs, max_size=runs)))


def test_measures_by_hand() -> None:
    accuracy = [[10.0, 40.0, 50.0, 70.0], [10.0, 60.0, 20.0, 30.0]]
    loss = [[2.0, 1.0, 0.5, 0.25], [3.0, 3.0, 3.0, 3.0]]
    np.testing.assert_allclose(convergence.aulc(accuracy, 4), [42.5, 30])
    np.testing.assert_allclose(convergence.aulc(accuracy, 2), [25, 35])
    np.testing.assert_allclose(convergence.sotl(loss, 3), [3.5, 9])
    np.testing.assert_array_equal(convergence.sotl_e(loss, 3), [0.5, 3])
    np.testing.assert_allclose(convergence.tse_ema(loss, 2), [0.999 * 2 + 1, 0.999 * 3 + 3])
    np.testing.assert_allclose(convergence.tse_ema(loss, 3, decay=0.5), [1.5, 0.75 + 1.5 + 3])
    np.testing.assert_array_equal(convergence.half_life(accuracy), [2, 2])


def test_epochs_to_by_hand() -> None:
    values: list[list[float]] = [
        [10, 60, 50, 70],  # reached at 2, though lower again at 3
        [10, 20, 30, 40],  # never
        [10, NAN, 60, 70],  # may have been reached at 2
        [60, NAN, NAN, NAN],  # reached before the gap
        [10, 20, NAN, NAN],  # not reached in what was recorded
        [10, NAN, 20, 30],  # may have been reached at 2
        [NAN, NAN, NAN, NAN],
        [NAN, 70, 80, 90],
    ]
    found = convergence.epochs_to(values, 60)
    np.testing.assert_array_equal(found.epochs, [2, NAN, NAN, 1, NAN, NAN, NAN, NAN])
    np.testing.assert_array_equal(
        found.censored, [False, True, False, False, True, False, False, False]
    )


def test_the_threshold_itself_counts_as_reached() -> None:
    assert convergence.epochs_to([[59.999, 60.0]], 60).epochs[0] == 2


def test_half_life_needs_the_end_and_every_epoch_to_the_crossing() -> None:
    values: list[list[float]] = [
        [10, 20, 50, 60, 70],
        [10, 20, 50, NAN, 70],  # the gap comes after the crossing
        [10, NAN, 50, 60, 70],
        [10, 20, 50, 60, NAN],
        [NAN, 20, 50, 60, 70],
        [70, 20, 50, 60, 10],  # ends lower than it began
        [10, 10, 10, 10, 10],
    ]
    np.testing.assert_array_equal(convergence.half_life(values), [3, 3, NAN, NAN, NAN, NAN, NAN])


@pytest.mark.parametrize("missing", [NAN, math.inf, -math.inf])
def test_a_missing_epoch_makes_only_the_measures_over_it_undefined(missing: float) -> None:
    curve = [[3.0, missing, 2.0, 1.0]]
    for measure in (convergence.aulc, convergence.sotl, convergence.tse_ema):
        assert measure(curve, 1)[0] == 3
        for upto in (2, 3, 4):
            assert np.isnan(measure(curve, upto)[0])
    np.testing.assert_array_equal(
        [convergence.sotl_e(curve, upto)[0] for upto in (1, 2, 3, 4)], [3, NAN, 2, 1]
    )


def test_more_epochs_than_there_are_are_missing_ones() -> None:
    for measure in (
        convergence.aulc,
        convergence.sotl,
        convergence.sotl_e,
        convergence.tse_ema,
    ):
        assert np.isnan(measure([[1.0, 2.0]], 3)).all()


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_no_runs_or_no_epochs(shape: tuple[int, int]) -> None:
    empty = np.empty(shape)
    found = convergence.epochs_to(empty, 1)
    for values in (convergence.aulc(empty, 1), convergence.half_life(empty), found.epochs):
        assert values.shape == shape[:1]
        assert np.isnan(values).all()
    assert not found.censored.any()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        convergence.aulc([[1.0]], 0)
    with pytest.raises(ValueError, match="counted from 1"):
        convergence.sotl_e([[1.0]], -1)
    with pytest.raises(ValueError, match="counted from 1"):
        convergence.tse_ema([[1.0]], 0)
    with pytest.raises(ValueError, match="decay"):
        convergence.tse_ema([[1.0]], 1, decay=0)
    with pytest.raises(ValueError, match="decay"):
        convergence.tse_ema([[1.0]], 1, decay=1.01)
    with pytest.raises(ValueError, match="threshold"):
        convergence.epochs_to([[1.0]], NAN)
    with pytest.raises(ValueError, match="1 axes"):
        convergence.half_life([1.0])


def plain_sum(curve: list[float], upto: int, decay: float) -> float:
    if upto > len(curve) or any(math.isnan(value) for value in curve[:upto]):
        return NAN
    return math.fsum(decay ** (upto - t) * curve[t - 1] for t in range(1, upto + 1))


def plain_epochs_to(curve: list[float], threshold: float) -> tuple[float, bool]:
    for t, value in enumerate(curve, start=1):
        if math.isnan(value):
            return NAN, t > 1 and all(math.isnan(later) for later in curve[t:])
        if value >= threshold:
            return t, False
    return NAN, True


def plain_half_life(curve: list[float]) -> float:
    if math.isnan(curve[0]) or not curve[-1] > curve[0]:
        return NAN
    for t, value in enumerate(curve, start=1):
        if math.isnan(value):
            return NAN
        if value - curve[0] >= 0.5 * (curve[-1] - curve[0]):
            return t
    raise AssertionError("a curve reaches half of its gain at its end at the latest")


@settings(deadline=None)
@given(curves(), st.integers(1, 13), st.floats(0.5, 1))
def test_sums_agree_with_plain_loops(values: Curves, upto: int, decay: float) -> None:
    rows = values.tolist()
    sums = [plain_sum(row, upto, 1) for row in rows]
    np.testing.assert_allclose(convergence.sotl(values, upto), sums, rtol=1e-13)
    np.testing.assert_allclose(convergence.aulc(values, upto), np.array(sums) / upto, rtol=1e-13)
    np.testing.assert_allclose(
        convergence.tse_ema(values, upto, decay),
        [plain_sum(row, upto, decay) for row in rows],
        rtol=1e-12,
    )
    np.testing.assert_array_equal(
        convergence.sotl_e(values, upto), [(row + [NAN] * 13)[upto - 1] for row in rows]
    )


@settings(deadline=None)
@given(curves(), st.one_of(st.integers(0, 5), st.floats(0, 100)))
def test_crossings_agree_with_plain_loops(values: Curves, threshold: float) -> None:
    found = convergence.epochs_to(values, threshold)
    expected = [plain_epochs_to(row, threshold) for row in values.tolist()]
    np.testing.assert_array_equal(found.epochs, [epoch for epoch, _ in expected])
    np.testing.assert_array_equal(found.censored, [censored for _, censored in expected])
    np.testing.assert_array_equal(
        convergence.half_life(values), [plain_half_life(row) for row in values.tolist()]
    )


@settings(deadline=None)
@given(curves(gaps=False), st.data())
def test_the_sums_follow_their_recursions(values: Curves, data: st.DataObject) -> None:
    upto = data.draw(st.integers(1, values.shape[1]))
    np.testing.assert_array_equal(
        convergence.tse_ema(values, upto, decay=1), convergence.sotl(values, upto)
    )
    if upto > 1:
        np.testing.assert_allclose(
            convergence.tse_ema(values, upto),
            0.999 * convergence.tse_ema(values, upto - 1) + convergence.sotl_e(values, upto),
        )


@settings(deadline=None)
@given(curves(), st.data())
def test_later_epochs_and_other_runs_change_nothing(values: Curves, data: st.DataObject) -> None:
    upto = data.draw(st.integers(1, values.shape[1]))
    other_end = np.concatenate([values[:, :upto], np.full((len(values), 3), 77.0)], axis=1)
    for measure in (convergence.aulc, convergence.sotl_e, convergence.tse_ema):
        np.testing.assert_array_equal(measure(values, upto), measure(other_end, upto))
    for each, run in enumerate(values):
        np.testing.assert_array_equal(
            convergence.epochs_to(values, 3).epochs[each],
            convergence.epochs_to(run[np.newaxis], 3).epochs[0],
        )


@settings(deadline=None)
@given(curves(), st.integers(-3, 3), st.integers(0, 64))
def test_units_do_not_move_the_crossings(values: Curves, power: int, shift: int) -> None:
    values = np.round(values)  # so that scaling and shifting are exact
    moved = values * 2.0**power + shift
    np.testing.assert_array_equal(convergence.half_life(moved), convergence.half_life(values))
    found, also = (
        convergence.epochs_to(values, 3),
        convergence.epochs_to(moved, 3 * 2.0**power + shift),
    )
    np.testing.assert_array_equal(also.epochs, found.epochs)
    np.testing.assert_array_equal(also.censored, found.censored)


@settings(deadline=None)
@given(curves(), st.floats(0, 100), st.floats(0, 100))
def test_a_higher_threshold_is_never_reached_earlier(
    values: Curves, one: float, other: float
) -> None:
    low = convergence.epochs_to(values, min(one, other))
    high = convergence.epochs_to(values, max(one, other))
    reached = ~np.isnan(high.epochs)
    assert (low.epochs[reached] <= high.epochs[reached]).all()
    assert (high.censored | ~low.censored).all()


def test_the_curves_are_left_as_they_were() -> None:
    values = np.array([[1.0, math.inf, 3.0]])
    before = values.copy()
    convergence.half_life(values)
    convergence.sotl_e(values, 3)[:] = 9
    np.testing.assert_array_equal(values, before)
