"""Sums of rank correlations: by other formulas, by closed form, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.combinations import FEWEST, UndefinedError, combined, on_fishers_scale
from analysis.synthesis import Estimate

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws in each test, whichever run before it."""
    monkeypatch.setattr(f"{__name__}.RNG", np.random.default_rng(5))


def sample(n: int) -> dict[str, np.ndarray]:
    width = RNG.normal(size=n)
    depth = -0.6 * width + RNG.normal(size=n)
    early = 0.5 * width + RNG.normal(size=n)
    return {
        "width": width,
        "depth": depth,
        "early": early,
        "late": early + 0.7 * RNG.normal(size=n),
    }


def test_one_coefficient_is_scipy_s_with_bonett_and_wright_s_error() -> None:
    rows = sample(30)
    found = combined(rows, {("width", "early"): 1})
    rho = stats.spearmanr(rows["width"], rows["early"]).statistic
    assert found.value == pytest.approx(rho)
    error = np.sqrt((1 + rho**2 / 2) / (30 - 3))
    assert on_fishers_scale(found, 30).standard_error == pytest.approx(error)
    assert found.degrees == 28


def test_two_that_share_a_variable_go_together_as_dunn_and_clark_say() -> None:
    """Dunn and Clark, JASA 64, 1969: the correlation of r_xy and r_xz, by their own formula."""
    rows = sample(40)
    xy, xz, yz = (
        stats.spearmanr(rows[one], rows[other]).statistic
        for one, other in (("early", "width"), ("early", "depth"), ("width", "depth"))
    )
    shared = (yz * (1 - xy**2 - xz**2) - xy * xz * (1 - xy**2 - xz**2 - yz**2) / 2) / (
        (1 - xy**2) * (1 - xz**2)
    )
    first, second = ((1 - r**2) * np.sqrt((1 + r**2 / 2) / (40 - 3)) for r in (xy, xz))
    expected = np.sqrt(first**2 + second**2 - 2 * shared * first * second) / 2
    found = combined(rows, {("early", "width"): 0.5, ("early", "depth"): -0.5})
    assert found.value == pytest.approx((xy - xz) / 2)
    assert found.standard_error == pytest.approx(expected)


@pytest.mark.parametrize(
    "factors",
    [
        {("width", "early"): 0.5, ("depth", "early"): -0.5},
        {
            ("width", "early"): 0.5,
            ("depth", "early"): -0.5,
            ("width", "late"): -0.5,
            ("depth", "late"): 0.5,
        },
    ],
)
def test_the_standard_error_is_the_spread_over_samples(
    factors: dict[tuple[str, str], float],
) -> None:
    found = [combined(sample(25), factors) for _ in range(600)]
    spread = np.std([one.value for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.1)


def test_perfect_order_still_has_an_error() -> None:
    rows = {"x": np.arange(10.0), "y": np.arange(10.0) ** 3}
    found = combined(rows, {("x", "y"): 1})
    assert found.value == pytest.approx(1)
    assert 0 < found.standard_error < 0.01
    # On Fisher's scale it is no more precise than any other coefficient of ten rows.
    assert on_fishers_scale(found, 10).standard_error == pytest.approx(np.sqrt(1.5 / 7), rel=0.01)


def test_a_perfect_order_counts_as_half_a_step_less() -> None:
    """By hand: ρ of five rows moves in steps of 12 / (5 · 24) = 0.1."""
    found = on_fishers_scale(Estimate(1, 0.039, 3), 5)
    assert found.value == pytest.approx(np.arctanh(0.95))
    assert found.standard_error == pytest.approx(0.039 / (1 - 0.95**2))
    assert found.degrees == 3


def test_degrees_of_freedom_are_those_of_a_coefficient() -> None:
    assert combined(sample(25), {("width", "early"): 1}).degrees == 23


def test_what_diverged_ranks_last() -> None:
    x = np.arange(8.0)
    y = np.array([-np.inf, -np.inf, 3, 2, 5, 4, 6, 7])
    found = combined({"x": x, "y": y}, {("x", "y"): 1})
    assert found.value == pytest.approx(stats.spearmanr(x, np.maximum(y, -100)).statistic)


@pytest.mark.parametrize(
    ("x", "why"),
    [
        ([1.0] * 9, "the same in all rows"),
        ([1.0, np.nan] * 4 + [2.0], "no numbers"),
        ([1.0] * (FEWEST - 1), "complete rows"),
    ],
)
def test_what_is_undefined_says_why(x: list[float], why: str) -> None:
    y = np.arange(len(x), dtype=float)
    with pytest.raises(UndefinedError, match=why):
        combined({"x": x, "y": y}, {("x", "y"): 1})


def test_columns_have_to_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="as many of each"):
        combined({"x": np.arange(6.0), "y": np.arange(7.0)}, {("x", "y"): 1})


@given(st.integers(0, 10_000))
def test_only_order_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = {name: rng.normal(size=12) for name in "xyz"}
    factors = {("x", "y"): 0.5, ("x", "z"): -0.5}
    found = combined(rows, factors)
    again = combined({name: np.exp(values) for name, values in rows.items()}, factors)
    assert again == Estimate(found.value, found.standard_error, found.degrees)
    turned = combined(rows | {"x": -rows["x"]}, factors)
    assert turned.value == pytest.approx(-found.value)
    assert turned.standard_error == pytest.approx(found.standard_error)
