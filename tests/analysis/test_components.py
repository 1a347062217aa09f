"""Variance components: by hand, against scipy, from known components, and invariances."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.components import Components, Spread, components, spread

BALANCED = [[1.0, 3.0], [4.0, 6.0], [8.0, 8.0]]
UNBALANCED = [[1.0, 3.0], [4.0, 5.0, 6.0], [10.0]]
NO_CELLS = "fewer than 2 cells have values"
NO_SEEDS = "no cell has 2 values"

numbers = st.integers(-40, 40).map(lambda count: count / 4)
cells = st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=2, max_size=8)


def simulated(
    seed: int, n_cells: int, n_seeds: Sequence[int], between: float, within: float
) -> list[list[float]]:
    """Cells with these variances, and numbers of seeds that take turns."""
    rng = np.random.default_rng(seed)
    means = rng.normal(50, math.sqrt(between), n_cells)
    sizes = np.resize(n_seeds, n_cells)
    return [
        rng.normal(mean, math.sqrt(within), size).tolist()
        for mean, size in zip(means, sizes, strict=True)
    ]


def assert_sound(found: Spread | Components) -> None:
    """No NaN, and a reason for all that is missing and for nothing else."""
    fields = {name: getattr(found, name) for name in found.__slots__}
    numbers = [value for value in fields.values() if isinstance(value, float)]
    assert all(math.isfinite(number) for number in numbers)
    missing = {name for name, value in fields.items() if value is None}
    interval = fields.get("ratio_interval")
    if interval is not None and interval[1] is None:
        missing.add("ratio_interval")
    assert missing == set(found.reasons)


# One kind of variants


def test_balanced_by_hand() -> None:
    # Means 2, 5, 8 around 5: SSB = 2 (9 + 0 + 9) = 36, MSB = 18. SSW = 2 + 2 + 0 = 4, MSW = 4/3.
    # n_0 = 2, so the component is (18 − 4/3) / 2 = 25/3, and F = 27/2.
    found = spread(BALANCED)
    assert found.between == pytest.approx(25 / 3)
    assert found.between_unclipped == pytest.approx(25 / 3)
    assert found.within == pytest.approx(4 / 3)
    assert found.intraclass == pytest.approx(25 / 29)
    assert found.f == pytest.approx(13.5)
    assert (found.n_cells, found.n_values, found.between_includes_seeds) == (3, 6, False)
    assert_sound(found)


def test_unbalanced_by_hand() -> None:
    # Means 2, 5, 10 with 2, 3, 1 values, N = 6, grand mean 29/6.
    # SSB = Σ n_i ȳ_i² − N ȳ² = 8 + 75 + 100 − 841/6 = 257/6, MSB = 257/12.
    # SSW = 2 + 2 + 0 = 4, MSW = 4/3. n_0 = (6 − (4 + 9 + 1)/6) / 2 = 11/6.
    # Component (257/12 − 16/12) / (11/6) = 241/22. F = 257/16.
    found = spread(UNBALANCED)
    assert found.between == pytest.approx(241 / 22)
    assert found.within == pytest.approx(4 / 3)
    assert found.intraclass == pytest.approx((241 / 22) / (241 / 22 + 4 / 3))
    assert found.f == pytest.approx(257 / 16)
    assert_sound(found)


def test_a_negative_estimate_is_clipped_and_kept() -> None:
    # Means 2, 2: MSB = 0, MSW = (2 + 8) / 2 = 5, n_0 = 2.
    found = spread([[1.0, 3.0], [0.0, 4.0]])
    assert (found.between, found.intraclass, found.f, found.p) == (0, 0, 0, 1)
    assert found.between_unclipped == pytest.approx(-2.5)
    assert_sound(found)


@pytest.mark.parametrize("n_seeds", [[3], [2, 5], [1, 1, 4]])
def test_f_and_p_are_scipys(n_seeds: list[int]) -> None:
    sample = simulated(1, 12, n_seeds, 0.5, 1)
    expected = stats.f_oneway(*sample)
    found = spread(sample)
    assert found.f == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


def test_one_seed_for_each_cell_leaves_the_seeds_in_the_cells() -> None:
    found = spread([[1.0], [4.0], [7.0]])
    assert found.between == pytest.approx(9)  # the sample variance of 1, 4, 7
    assert found.between_includes_seeds
    assert found.reasons == dict.fromkeys(("within", "intraclass", "f", "p"), NO_SEEDS)
    assert_sound(found)


def test_one_cell() -> None:
    found = spread([[1.0, 3.0]])
    assert found.within == pytest.approx(2)
    missing = ("between", "between_unclipped", "intraclass", "f", "p")
    assert found.reasons == dict.fromkeys(missing, NO_CELLS)
    assert_sound(found)


@pytest.mark.parametrize("empty", [[], [[]], [[], []]])
def test_no_values(empty: list[list[float]]) -> None:
    found = spread(empty)
    assert (found.n_cells, found.n_values) == (0, 0)
    assert found.reasons["within"] == NO_SEEDS
    assert found.reasons["between"] == NO_CELLS
    assert_sound(found)


def test_cells_without_values_are_left_out() -> None:
    assert spread([[], *BALANCED, []]) == spread(BALANCED)


def test_values_equal_but_for_rounding_do_not_vary() -> None:
    found = spread([[0.1 + 0.2, 0.3], [0.3, 0.1 * 3]])
    assert (found.between, found.within) == (0, 0)
    assert found.reasons["intraclass"] == "the values do not vary"
    assert found.reasons["f"] == "the values do not vary within any cell"
    assert_sound(found)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="values holds NaN or infinities"):
        spread([[1.0, value], [2.0]])


@settings(deadline=None)
@given(cells, st.floats(-100, 100))
def test_a_shift_changes_no_component(sample: list[list[float]], shift: float) -> None:
    plain, shifted = spread(sample), spread([[v + shift for v in cell] for cell in sample])
    assert shifted.between_unclipped == pytest.approx(plain.between_unclipped, abs=1e-9)
    assert shifted.within == pytest.approx(plain.within, abs=1e-9)
    assert shifted.reasons == plain.reasons


@settings(deadline=None)
@given(cells, st.sampled_from([-1.0, 0.01, 7.0, 1e6]))
def test_components_are_in_squared_units(sample: list[list[float]], scale: float) -> None:
    plain, scaled = spread(sample), spread([[v * scale for v in cell] for cell in sample])
    assert plain.between_unclipped is not None
    assert scaled.between_unclipped == pytest.approx(
        plain.between_unclipped * scale**2, abs=1e-9 * scale**2
    )
    if plain.within is not None:
        assert scaled.within == pytest.approx(plain.within * scale**2, abs=1e-9 * scale**2)
    assert scaled.intraclass == pytest.approx(plain.intraclass, abs=1e-9)
    assert scaled.f == pytest.approx(plain.f, abs=1e-9)


@settings(deadline=None)
@given(cells)
def test_order_does_not_matter(sample: list[list[float]]) -> None:
    turned = [cell[::-1] for cell in reversed(sample)]
    plain, other = spread(sample), spread(turned)
    assert other.between_unclipped == pytest.approx(plain.between_unclipped, abs=1e-9)
    assert other.within == pytest.approx(plain.within, abs=1e-9)


@settings(deadline=None)
@given(cells)
def test_reasons_stand_for_what_is_missing(sample: list[list[float]]) -> None:
    assert_sound(spread(sample))


# Connections, operations and seeds


def test_the_three_components_by_hand() -> None:
    # Connections: BALANCED, 25/3. Operations: means 1, 2, MSB = 2 · ½ = 1, SSW = 1, MSW = ½,
    # component (1 − ½) / 2 = ¼. Seeds, pooled: (4 + 1) / (3 + 2) = 1. Sum 25/3 + 1/4 + 1 = 115/12.
    half = math.sqrt(0.25)
    operations = [[1 - half, 1 + half], [2 - half, 2 + half]]
    found = components(BALANCED, operations)
    assert found.connections == pytest.approx(25 / 3)
    assert found.operations == pytest.approx(1 / 4)
    assert found.seeds == pytest.approx(1)
    assert found.shares == pytest.approx((100 / 115, 3 / 115, 12 / 115))
    assert found.ratio == pytest.approx(100 / 3)
    assert not found.include_seeds
    assert found.by_connections == spread(BALANCED)
    assert found.by_operations == spread(operations)
    assert_sound(found)


def test_known_components_are_found() -> None:
    found = components(
        simulated(2, 2000, [2, 3, 4], 9, 1), simulated(3, 2000, [3, 2], 2.25, 1), resamples=100
    )
    assert found.connections == pytest.approx(9, rel=0.1)
    assert found.operations == pytest.approx(2.25, rel=0.1)
    assert found.seeds == pytest.approx(1, rel=0.1)
    assert found.ratio == pytest.approx(4, rel=0.15)
    assert found.p is not None
    assert found.p < 1e-6


def test_the_interval_holds_the_ratio_about_as_often_as_it_says() -> None:
    held = []
    for trial in range(60):
        found = components(
            simulated(2 * trial, 60, [3], 4, 1),
            simulated(2 * trial + 1, 60, [3], 2, 1),
            resamples=200,
            confidence=0.8,
        )
        assert found.ratio_interval is not None
        low, high = found.ratio_interval
        held.append(low <= 2 and (high is None or high >= 2))
    assert 0.6 <= np.mean(held) <= 0.95


def test_the_interval_depends_on_the_seed_and_holds_more_at_more_confidence() -> None:
    samples = simulated(4, 20, [2, 3], 4, 1), simulated(5, 30, [2, 3], 2, 1)
    first = components(*samples, resamples=500)
    assert components(*samples, resamples=500) == first
    assert components(*samples, resamples=500, seed=1).ratio_interval != first.ratio_interval
    narrow = components(*samples, resamples=500, confidence=0.5).ratio_interval
    assert narrow is not None
    assert first.ratio_interval is not None
    assert None not in (*narrow, *first.ratio_interval)
    assert first.ratio is not None
    assert first.ratio_interval[0] < narrow[0] < first.ratio < (narrow[1] or 0)
    assert (narrow[1] or 0) < (first.ratio_interval[1] or 0)


def test_the_interval_by_enumerating_every_draw() -> None:
    # Two cells of each kind, of one value each: a draw of connections has the variance of 0 and 2,
    # which is 2, or of one cell twice, 0, each with probability ½; of operations 8 or 0. So the
    # share of connections is 1/5, 1, 0 or undefined, each with probability ¼, and quantiles at 0.1
    # and 0.9 of those defined are 0 and 1: the ratio lies between 0 and no bound.
    found = components([[0.0], [2.0]], [[0.0], [4.0]], confidence=0.8)
    assert found.ratio == pytest.approx(2 / 8)
    assert found.ratio_interval == (0, None)
    expected = "the component of operations is 0 in some resamples"
    assert found.reasons["ratio_interval"] == expected
    # The quantiles at 0.4 and 0.6 are both 1/5, which is a ratio of 1/4.
    middle = components([[0.0], [2.0]], [[0.0], [4.0]], confidence=0.2).ratio_interval
    assert middle == pytest.approx((1 / 4, 1 / 4))


def test_equal_spread_is_tested_as_scipy_does() -> None:
    connections, operations = simulated(6, 25, [2, 3], 4, 1), simulated(7, 18, [3], 1, 1)
    means = [[float(np.mean(cell)) for cell in kind] for kind in (connections, operations)]
    expected = stats.levene(*means, center="median")
    found = components(connections, operations, resamples=100)
    assert found.f == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


def test_one_seed_for_each_cell_says_that_the_components_include_the_seeds() -> None:
    found = components([[1.0], [4.0], [7.0]], [[1.0], [2.0], [3.0]])
    assert (found.connections, found.operations, found.seeds) == (9, 1, None)
    assert found.include_seeds
    assert found.ratio == 9
    assert found.reasons["seeds"] == found.reasons["shares"] == NO_SEEDS
    assert_sound(found)


def test_one_kind_with_seeds_and_one_without_are_not_compared() -> None:
    found = components(BALANCED, [[1.0], [2.0], [3.0]])
    assert found.connections == pytest.approx(25 / 3)
    assert found.operations == pytest.approx(1)
    assert found.by_operations.between_includes_seeds
    assert not found.include_seeds
    assert found.seeds == pytest.approx(4 / 3)
    why = "cells have several seeds in one kind of variants and only one in the other"
    assert found.reasons == dict.fromkeys(("shares", "ratio", "ratio_interval", "f", "p"), why)
    assert_sound(found)


def test_a_kind_without_cells() -> None:
    found = components([], BALANCED)
    assert found.connections is None
    assert found.operations == pytest.approx(25 / 3)
    assert set(found.reasons.values()) == {f"random connections: {NO_CELLS}"}
    assert_sound(found)
    assert_sound(components([], []))


def test_operations_without_a_component_have_no_ratio() -> None:
    found = components(BALANCED, [[1.0, 3.0], [0.0, 4.0]])
    assert (found.operations, found.ratio) == (0, None)
    assert found.reasons["ratio"] == "the component of operations is 0"
    expected = "the component of operations is 0 in nearly all resamples"
    assert found.reasons["ratio_interval"] == expected
    assert found.shares is not None
    assert found.shares.operations == 0
    assert_sound(found)


def test_nothing_varies() -> None:
    found = components([[2.0, 2.0]] * 3, [[2.0, 2.0]] * 3)
    assert (found.connections, found.operations, found.seeds) == (0, 0, 0)
    assert found.reasons["shares"] == "the values do not vary"
    expected = "the ratio is undefined in more than half of the resamples"
    assert found.reasons["ratio_interval"] == expected
    assert_sound(found)


def test_a_draw_that_misses_the_seeds_does_not_count() -> None:
    # Connections x = 0, 4 and y = 6: the draw x, y has N = 3, MSW = 8, MSB = 2 (4/3)² + (8/3)² =
    # 32/3, n_0 = 4/3 and a component of 2; x, x has 0; y, y has no seeds and must not pass for 0.
    # Operations have 2 or, with one cell twice, 0. Of the draws that count connections' share is
    # 0 in 1/5, ½ in 2/5 and 1 in 2/5. (If y, y counted it would be 1/3 each.)
    found = components([[0.0, 4.0], [6.0]], [[0.0, 0.0], [2.0, 2.0]], confidence=0.46)
    assert found.ratio == pytest.approx(1)
    assert found.ratio_interval is not None
    assert found.ratio_interval[0] == pytest.approx(1)  # the quantile at 0.27
    assert found.ratio_interval[1] is None  # and at 0.73


@settings(max_examples=30, deadline=None)
@given(cells, cells, st.floats(-100, 100), st.sampled_from([0.25, 3.0, 1024.0]))
def test_shares_and_ratio_have_no_unit(
    connections: list[list[float]], operations: list[list[float]], shift: float, scale: float
) -> None:
    plain = components(connections, operations, resamples=100)
    assert_sound(plain)
    other = components(
        [[(v + shift) * scale for v in cell] for cell in connections],
        [[(v + shift) * scale for v in cell] for cell in operations],
        resamples=100,
    )
    if plain.shares is None:
        assert other.shares is None
    else:
        assert sum(plain.shares) == pytest.approx(1)
        assert other.shares == pytest.approx(plain.shares, abs=1e-9)


@pytest.mark.parametrize("resamples", [0, 99, 10_001])
def test_resamples_out_of_range_are_refused(resamples: int) -> None:
    with pytest.raises(ValueError, match=r"resamples must lie in 100\.\.10,000"):
        components(BALANCED, BALANCED, resamples=resamples)


@pytest.mark.parametrize("confidence", [0, 1, math.nan])
def test_confidence_out_of_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        components(BALANCED, BALANCED, confidence=confidence)


# What a grouping explains
