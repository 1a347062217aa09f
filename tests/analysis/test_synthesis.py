"""The mean over sources: published figures, Student's t as a closed form, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.synthesis import POWER, Estimate, Mean, could_show, join

# BCG vaccine against tuberculosis, 13 trials: cases and others among the vaccinated, then among the
# controls (Colditz et al., JAMA 271, 1994; `dat.bcg` of the R package metafor).
BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    float,
)


def bcg() -> list[Estimate]:
    """Log risk ratios."""
    a, b, c, d = BCG.T
    values = np.log((a / (a + b)) / (c / (c + d)))
    errors = np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    return [Estimate(*one) for one in zip(values, errors, strict=True)]


def test_the_heterogeneity_of_a_published_meta_analysis() -> None:
    """metafor gives τ² = 0.3455 by method "SJ", and Q = 152.233 on 12 degrees of freedom."""
    found = join(bcg())
    assert found is not None
    assert found.tau_squared == pytest.approx(0.3455, abs=5e-5)
    assert found.i_squared == pytest.approx((152.233 - 12) / 152.233, abs=1e-5)
    assert (found.n_sources, found.degrees) == (13, 12)


def test_three_sources_by_hand() -> None:
    """y = 0, 3, 6 with s² = 1, 3, 6.

    τ₀² = (9 + 0 + 9) / 3 = 6; v = 6/7, 2/3, 1/2, Σ v = 85/42; μ_v = (2 + 3) / (85/42) = 42/17;
    τ² = ½ (6/7 (42/17)² + 2/3 (9/17)² + 1/2 (60/17)²) = ½ · (1512 + 54 + 1800) / 289 = 99/17.
    With s² + τ² = 116/17, 150/17, 201/17 the weights are 17/116, 17/150, 17/201.
    """
    found = join([Estimate(0, 1), Estimate(3, 3**0.5), Estimate(6, 6**0.5)])
    assert found is not None
    assert found.tau_squared == pytest.approx(99 / 17)
    weights = np.array([17 / 116, 17 / 150, 17 / 201])
    mean = (3 * weights[1] + 6 * weights[2]) / weights.sum()
    q = (weights * (np.array([0, 3, 6]) - mean) ** 2).sum() / 2
    assert q < 1, "the interval is that of the standard errors"
    assert found.value == pytest.approx(mean)
    assert found.standard_error == pytest.approx(weights.sum() ** -0.5)
    reach = 4.302652730 * weights.sum() ** -0.5  # t of 2 degrees of freedom at 0.975
    assert found.interval() == pytest.approx((mean - reach, mean + reach))


def test_without_standard_errors_it_is_student_s_t() -> None:
    y = [0.1, 0.5, -0.2, 0.4, 0.3]
    found = join([Estimate(one, 0) for one in y])
    assert found is not None
    expected = stats.ttest_1samp(y, 0)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p_different() == pytest.approx(expected.pvalue)
    above = stats.ttest_1samp(y, -0.5, alternative="greater").pvalue
    below = stats.ttest_1samp(y, 0.5, alternative="less").pvalue
    assert found.p_within(0.5) == pytest.approx(2 * max(above, below))
    assert found.i_squared is None


def test_one_source_is_its_own_mean() -> None:
    found = join([Estimate(0.3, 0.1, 12)])
    assert found == Mean(0.3, 0.1, 12, 1, None, None)
    normal = join([Estimate(0.3, 0.1)])
    assert normal is not None
    assert normal.interval() == pytest.approx((0.3 - 0.1959964, 0.3 + 0.1959964))
    assert normal.detectable() == pytest.approx((1.959964 + 0.841621) * 0.1)


@pytest.mark.parametrize("sources", [[], [Estimate(0.2, 0)], [Estimate(0.2, 0), Estimate(0.2, 0)]])
def test_where_nothing_tells_the_error_there_is_no_mean(sources: list[Estimate]) -> None:
    assert join(sources) is None


@pytest.mark.parametrize("error", [-0.1, np.nan, np.inf])
def test_a_standard_error_is_a_number_of_0_or_more(error: float) -> None:
    with pytest.raises(ValueError, match="standard error"):
        Estimate(0.2, error)


def test_what_could_have_shown_would_have_four_times_in_five() -> None:
    one = Mean(0.0, 0.1, 6, 7, 0.0, 0.0)
    effect = one.detectable()
    power = stats.nct.sf(stats.t.ppf(0.975, 6), 6, effect / 0.1)
    assert power == pytest.approx(POWER, abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(0.01, 1)), min_size=2, max_size=8, unique=True),
    st.floats(0.1, 10),
)
def test_neither_order_nor_unit_nor_sign_counts(
    sources: list[tuple[float, float]], unit: float
) -> None:
    found = join([Estimate(*one) for one in sources])
    scaled = join([Estimate(-unit * value, unit * error) for value, error in sources[::-1]])
    assert found is not None
    assert scaled is not None
    assert scaled.value == pytest.approx(-unit * found.value, abs=1e-9)
    assert scaled.standard_error == pytest.approx(unit * found.standard_error)
    # No narrower than what standard errors and heterogeneity alone allow.
    total = [1 / (error**2 + (found.tau_squared or 0)) for _, error in sources]
    assert found.standard_error >= sum(total) ** -0.5 * (1 - 1e-9)
    assert (found.p_different() < 0.05) == (not found.interval()[0] <= 0 <= found.interval()[1])


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.3])
def test_one_whole_table_beside_small_families_keeps_its_level(tau: float) -> None:
    """Where DerSimonian and Laird's τ² rejects up to three times in ten."""
    rng = np.random.default_rng(11)
    errors = np.array([0.012, 0.16, 0.3, 0.3, 0.3, 0.3])
    rejected = 0
    for _ in range(1500):
        y = rng.normal(0, np.sqrt(errors**2 + tau**2))
        found = join([Estimate(*one) for one in zip(y, errors, strict=True)])
        assert found is not None
        rejected += found.p_different() < 0.05
    assert rejected / 1500 < 0.065  # 0.05, and 2.6 standard errors of the simulation


def test_what_could_be_shown_beforehand_by_closed_forms() -> None:
    """One source by the normal distribution; several that have no error of their own by t."""
    assert could_show([Estimate(0, 0.1)]) == pytest.approx((1.959964 + 0.841621) * 0.1, rel=0.03)
    effect = could_show([Estimate(0, 0)] * 8, tau=1.0)
    assert effect is not None
    # The power of Student's test is by the noncentral t distribution.
    power = stats.nct.sf(stats.t.ppf(0.975, 7), 7, effect * np.sqrt(8))
    assert power == pytest.approx(POWER, abs=0.02)
    assert could_show([Estimate(0, 0)]) is None
