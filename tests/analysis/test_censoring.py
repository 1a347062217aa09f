"""Runs that never got there, were stopped, or diverged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis import convergence
from analysis.censoring import Standing, beyond, of_times, of_values

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("curve", "standing"),
    [
        ([10, 30, 50, 40], Standing.OBSERVED),
        ([10, 30, 50, NAN], Standing.OBSERVED),  # what comes after the crossing doesn't matter
        ([10, 50, INF, INF], Standing.OBSERVED),
        ([10, 20, 30, 49], Standing.CENSORED),
        ([10, 20, 30, NAN], Standing.STOPPED),
        ([10, NAN, 30, 40], Standing.NOT_RECORDED),  # it may have been there at epoch 2
        ([NAN, 20, 30, 40], Standing.NOT_RECORDED),
        ([NAN, NAN, NAN, NAN], Standing.NOT_RECORDED),
        ([10, 20, INF, INF], Standing.DIVERGED),
        ([INF, INF, INF, INF], Standing.DIVERGED),
        ([10, NAN, INF, INF], Standing.NOT_RECORDED),
    ],
)
def test_runs_by_the_epochs_that_50_percent_took(curve: list[float], standing: Standing) -> None:
    curves = np.array([curve], np.float64)
    assert of_times(convergence.epochs_to(curves, 50).epochs, curves)[0] == standing


@pytest.mark.parametrize(
    ("curve", "standing"),
    [
        ([10, 30, 40], Standing.OBSERVED),
        ([10, 30, 10], Standing.CENSORED),  # no rise, hence never half of it
        ([10, 30, NAN], Standing.STOPPED),  # how far it was to rise isn't known
        ([10, INF, INF], Standing.DIVERGED),
    ],
)
def test_half_life(curve: list[float], standing: Standing) -> None:
    curves = np.array([curve], np.float64)
    assert of_times(convergence.half_life(curves), curves)[0] == standing


@pytest.mark.parametrize(
    ("curve", "standing"),
    [
        ([1.5, 1.0], Standing.OBSERVED),
        ([1.5, INF], Standing.DIVERGED),
        ([INF, 1.5], Standing.DIVERGED),
        ([1.5, NAN], Standing.NOT_RECORDED),
    ],
)
def test_a_sum_over_epochs(curve: list[float], standing: Standing) -> None:
    curves = np.array([curve], np.float64)
    assert of_values(convergence.sotl(curves, 2), curves)[0] == standing


PLACES = st.lists(st.sampled_from([-INF, INF, -2.0, 0.0, 3.5, 1e6]), max_size=12)


@given(PLACES)
def test_infinities_keep_their_ranks(places: list[float]) -> None:
    column = np.array(places, np.float64)
    finite = beyond(column)
    assert np.isfinite(finite).all()
    np.testing.assert_array_equal(stats.rankdata(finite), stats.rankdata(column))
