"""Intraclass correlations: Shrout and Fleiss's own table, and correlations without noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.reliability import disattenuated, reliability

RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Six targets by four judges: table 2 of Shrout and Fleiss (1979)."""


def of(cells: list[list[float]]) -> tuple[float | None, ...]:
    found = reliability(
        np.array([len(values) for values in cells], float),
        np.array([np.mean(values) for values in cells]),
        np.array([np.std(values, ddof=1) if len(values) > 1 else np.nan for values in cells]),
    )
    return found.single, found.mean, found.seeds


def test_the_table_of_shrout_and_fleiss() -> None:
    """Their table 4: ICC(1,1) = .17 and ICC(1,4) = .44."""
    single, mean, seeds = of(RATINGS.tolist())
    assert single == pytest.approx(0.17, abs=0.005)
    assert mean == pytest.approx(0.44, abs=0.005)
    assert seeds == 4


def test_unequal_numbers_by_hand() -> None:
    """Cells (1, 3), (5, 7) and (9): N = 5, ȳ = 5, SSB = 2·9 + 2·1 + 16 = 36, MSB = 18, SSW = 4,
    MSW = 2, n_0 = (5 − 9/5) / 2 = 1.6, σ_c² = 16 / 1.6 = 10; the noise of a cell's mean has the
    variance 1, 1 and 2, 4/3 on average, that of 1.5 seeds."""
    single, mean, seeds = of([[1.0, 3.0], [5.0, 7.0], [9.0]])
    assert single == pytest.approx(10 / 12)
    assert mean == pytest.approx(10 / (10 + 4 / 3))
    assert seeds == pytest.approx(1.5)


def test_cells_that_seeds_alone_tell_apart() -> None:
    single, mean, _ = of([[0.0, 10.0], [1.0, 9.0], [2.0, 9.0]])
    assert single is not None
    assert mean is not None
    assert single < 0 > mean


@pytest.mark.parametrize(
    ("sizes", "means", "reason"),
    [
        ([1, 1, 1], [1, 2, 3], "one seed"),
        ([np.nan, np.nan], [1, 2], "a mean whose seeds aren't told apart"),
        ([np.nan, 1, 1], [1, 2, 3], "of some cells a mean whose seeds aren't told apart"),
        ([3, 0, 3], [1, 2, 3], "of some cells a mean whose seeds aren't told apart"),
        ([2], [1], "fewer than 2 cells"),
        ([2, 2], [1, 1], "the means over seeds do not vary"),
        ([], [], "no cells"),
    ],
)
def test_what_is_not_known(sizes: list[float], means: list[float], reason: str) -> None:
    found = reliability(np.array(sizes, float), np.array(means, float), np.full(len(sizes), 0.5))
    assert (found.single, found.mean, found.reason) == (None, None, reason)


def test_more_seeds_are_more_reliable_as_spearman_and_brown_say() -> None:
    single, mean, seeds = of(RATINGS.tolist())
    assert single is not None
    assert seeds is not None
    assert mean == pytest.approx(seeds * single / (1 + (seeds - 1) * single))


@given(st.integers(0, 2**32), st.floats(-0.95, 0.95), st.integers(2, 4))
def test_noise_is_taken_off(seed: int, truth: float, seeds: int) -> None:
    """Of 4,000 cells whose noise is as large as their spread the true correlation comes back."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=4000)
    y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=4000)
    noisy = y[:, None] + rng.normal(size=(4000, seeds))
    means, deviations = noisy.mean(axis=1), noisy.std(axis=1, ddof=1)
    found = reliability(np.full(4000, float(seeds)), means, deviations)
    assert found.mean == pytest.approx(seeds / (1 + seeds), abs=0.05)
    value, reason = disattenuated(np.corrcoef(x, means)[0, 1], 1.0, found.mean)
    assert (value is None) == (reason is not None)
    if value is not None:
        assert value == pytest.approx(truth, abs=0.1)


def test_spearman_s_formula() -> None:
    assert disattenuated(0.3, 0.5, 0.72)[0] == pytest.approx(0.5)
    assert disattenuated(0.3, 1.0, None) == (None, "the reliability is not known")
    assert disattenuated(0.3, -0.1, 0.9)[0] is None
    assert disattenuated(0.9, 0.5, 0.5)[0] is None


def test_unequal_numbers_of_seeds_by_simulation() -> None:
    """A squared correlation of means with the true values is what ICC(1, k) estimates."""
    rng = np.random.default_rng(3)
    sizes = np.where(np.arange(20_000) % 10 == 0, 30, 1)
    truth = rng.normal(size=sizes.size)
    seeds = [value + rng.normal(size=size) for value, size in zip(truth, sizes, strict=True)]
    means = np.array([values.mean() for values in seeds])
    deviations = np.array([values.std(ddof=1) if values.size > 1 else np.nan for values in seeds])
    found = reliability(sizes.astype(float), means, deviations)
    assert found.mean == pytest.approx(np.corrcoef(truth, means)[0, 1] ** 2, abs=0.02)
