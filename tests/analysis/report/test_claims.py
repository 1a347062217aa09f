"""Verdicts: from intervals by hand, from ranks that can be counted, from a published example."""

from __future__ import annotations

from itertools import product
from math import atanh, exp, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from analysis.intervals import Evidence
from analysis.report import claims
from analysis.report.claims import Claim, Measurement, Verdict


def item(x: str, y: str, coefficient: float | None, ci: tuple[float, float] | None) -> Any:
    return {
        "x": x,
        "y": y,
        "coefficient": coefficient,
        "ci": ci,
        "n": 14,
        "reason": "x is constant",
    }


@pytest.mark.parametrize(
    ("ends", "positive", "negative"),
    [
        ((0.1, 0.4), "supported", "not supported"),
        ((-0.4, -0.1), "not supported", "supported"),
        ((-0.1, 0.4), "can't tell", "can't tell"),
        ((0.0, 0.4), "can't tell", "can't tell"),
        ((0.2, None), "supported", "not supported"),
        ((-0.2, None), "can't tell", "can't tell"),
        (None, "can't tell", "can't tell"),
    ],
)
def test_an_interval_beside_zero_decides(ends: Any, positive: Verdict, negative: Verdict) -> None:
    assert claims.judged(ends, "positive") == positive
    assert claims.judged(ends, "negative") == negative


@given(
    st.floats(-1, 1), st.floats(0, 1), st.sampled_from(["positive", "negative"]), st.floats(-1, 1)
)
def test_mirrored_intervals_have_mirrored_verdicts(
    low: float, reach: float, claimed: Any, zero: float
) -> None:
    other: Any = "negative" if claimed == "positive" else "positive"
    ends = (low, low + reach)
    assert claims.judged(ends, claimed, zero) == claims.judged((-ends[1], -ends[0]), other, -zero)


def test_width_and_depth_are_claimed_to_go_opposite_ways() -> None:
    found = [item("width", "m", 0.5, (0.1, 0.8)), item("depth", "m", 0.5, (0.1, 0.8))]
    more = claims.of_shape("here", found, {"m": "speed"}, rises=True)
    less = claims.of_shape("here", found, {"m": "loss"}, rises=False)
    assert [one.verdict for one in more] == ["supported", "not supported"]
    assert [one.verdict for one in less] == ["not supported", "supported"]
    assert [one.what for one in more] == ["here: width with speed", "here: depth with speed"]
    assert more[0].value == "ρ = +0.50 (+0.10, +0.80)"


def test_a_perfect_correlation_of_a_few_cells_tells_nothing() -> None:
    (one,) = claims.of_shape("", [item("width", "m", 1.0, (1.0, 1.0))], {"m": "m"}, rises=True)
    assert (one.value, one.verdict) == ("ρ = +1, without an interval", "can't tell")


def test_an_undefined_coefficient_tells_why() -> None:
    (one,) = claims.of_shape("here", [item("width", "m", None, None)], {"m": "m"}, rises=True)
    assert (one.value, one.verdict) == ("x is constant", "can't tell")


WIRINGS_AS_WIDE = {
    # Of four nodes with two distinct sources each, 1 × 3 × 6 × 10 = 180: all read both inputs in
    # one wiring; one node reads a single input in 2 + 4 + 6 others.
    "SNAS-mild": 1 / 180,
    "DARTS-V2": 13 / 180,
}


def test_shares_of_wirings_are_those_that_can_be_counted(client: TestClient) -> None:
    names = list(WIRINGS_AS_WIDE)
    items = client.get("/ranks", params=[("cell", name) for name in names]).json()["items"]
    shares = [claims.share_as_extreme(one["ranks"]["width"]) for one in items]
    assert shares == pytest.approx(list(WIRINGS_AS_WIDE.values()), rel=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.data())
def test_a_share_counts_those_that_are_equal_or_more_extreme(
    values: list[int], data: st.DataObject
) -> None:
    value = data.draw(st.sampled_from(values))
    wider = sum(other > value for other in values)
    equal = sum(other == value for other in values)
    behind = len(values) - wider - equal
    rank = {
        "rank": wider + 1,
        "of": len(values),
        "percentile": 100 * (behind + equal / 2) / len(values),
    }
    assert claims.share_as_extreme(rank) == pytest.approx((wider + equal) / len(values))


def test_most_cells_are_wider_than_blind_draws(client: TestClient) -> None:
    """Of two cells, most are both: the p-value is the larger share."""
    items = client.get("/ranks", params=[("cell", name) for name in WIRINGS_AS_WIDE]).json()
    width, depth = claims.among_the_extremes(items["items"])
    assert f"p = {13 / 180:.2g}" in width.value
    assert (width.verdict, depth.verdict) == ("can't tell", "can't tell")


def rank(place: int, of: int, equal: int = 1) -> dict[str, Any]:
    behind = of - place + 1 - equal
    one = {"rank": place, "of": of, "percentile": 100 * (behind + equal / 2) / of}
    return {"ranks": {"width": one, "depth": one}}


def test_ranks_are_combined_over_the_less_extreme_cells() -> None:
    """Three of five: Fisher's method over the three largest shares, by hand."""
    shares = [1, 2, 30, 40, 50]
    (width, _) = claims.among_the_extremes([rank(place, 1000) for place in shares])
    half_statistic = -log(0.03 * 0.04 * 0.05)
    # The chi-squared distribution of six degrees of freedom has this closed form.
    p = exp(-half_statistic) * (1 + half_statistic + half_statistic**2 / 2)
    assert f"p = {p:.2g}" in width.value
    assert width.verdict == "supported"
    narrow = [rank(1000 - place, 1000) for place in shares]
    assert claims.among_the_extremes(narrow)[0].verdict == "not supported"
    two_of_five = [rank(place, 1000) for place in (1, 1, 500, 500, 500)]
    assert claims.among_the_extremes(two_of_five)[0].verdict == "can't tell"


def measurement(verdict: Verdict, primary: bool = True) -> Measurement:
    return Measurement("what", "claimed", "value", 1, verdict, primary)


ALL: tuple[Verdict, ...] = ("supported", "not supported", "can't tell")


@pytest.mark.parametrize("verdicts", list(product(ALL, repeat=3)))
def test_a_claim_is_supported_by_all_that_it_rests_on(verdicts: tuple[Verdict, ...]) -> None:
    others = tuple(measurement(one, primary=False) for one in ALL)
    claim = Claim("title", "statement", (*map(measurement, verdicts), *others))
    if set(verdicts) == {"supported"}:
        assert claim.verdict == "supported"
    elif "not supported" in verdicts and "supported" not in verdicts:
        assert claim.verdict == "not supported"
    else:
        assert claim.verdict == "can't tell"
    assert claim.count("supported") == 1 + verdicts.count("supported")


def test_a_claim_without_primary_measurements_can_t_be_told() -> None:
    assert Claim("title", "statement", ()).verdict == "can't tell"
    secondary = (measurement("supported", primary=False),)
    assert Claim("title", "statement", secondary).verdict == "can't tell"


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((-2.0, -0.5), "supported"),
        ((-0.5, 0.9), "supported"),
        ((-0.5, 1.5), "can't tell"),
        ((0.5, 1.5), "can't tell"),
        ((1.1, 1.5), "not supported"),
        (None, "can't tell"),
    ],
)
def test_adapted_cells_are_no_better_where_a_point_more_is_ruled_out(
    ends: tuple[float, float] | None, verdict: Verdict
) -> None:
    compared = {"mean": None if ends is None else sum(ends) / 2, "ci": ends, "n": 3}
    assert claims.no_better("ENAS", compared).verdict == verdict


def test_fading_rests_on_the_interval_of_the_difference() -> None:
    """Zou 2007 gives (-0.093, 0.517) for 0.396 and 0.179 with 0.088 between, n = 66."""

    def pearson(r: float) -> Any:
        known = Evidence(0.5, "t", atanh(r), 63**-0.5)
        return item("width", "m", r, known.interval(0.95))

    found = claims.fades("here", pearson(0.396), pearson(0.179), {"coefficient": 0.088})
    assert "+0.22 (-0.09, +0.52)" in found.value
    assert found.verdict == "can't tell"
    surely = claims.fades("here", pearson(0.8), pearson(0.1), {"coefficient": 0.1})
    assert surely.verdict == "supported"
    assert claims.fades("", pearson(0.1), pearson(0.8), {"coefficient": 0.1}).verdict == (
        "not supported"
    )
    for unknown in (item("width", "m", None, None), item("width", "m", 1.0, (1.0, 1.0))):
        assert claims.fades("", unknown, pearson(0.8), {"coefficient": 0.1}).verdict == "can't tell"
    # What is negative early and more so at the end doesn't fade, though the difference is positive.
    growing = claims.fades("", pearson(-0.3), pearson(-0.9), {"coefficient": 0.3})
    assert growing.verdict == "can't tell"


@pytest.mark.parametrize(
    ("connections", "operations", "p", "verdict", "told"),
    [
        (6.0, 2.0, 0.01, "supported", "3.00 (1.50, 9.00), p = 0.01"),
        (6.0, 2.0, 0.2, "can't tell", "3.00 (1.50, 9.00), p = 0.2"),
        (2.0, 6.0, 0.01, "not supported", "0.33 (1.50, 9.00), p = 0.01"),
        (6.0, 0.0, 0.01, "supported", "∞ (1.50, 9.00), p = 0.01"),
        (0.0, 6.0, 0.01, "not supported", "0.00 (1.50, 9.00), p = 0.01"),
        (0.0, 0.0, 0.01, "can't tell", "undefined (1.50, 9.00), p = 0.01"),
        (None, 2.0, None, "can't tell", "undefined"),
    ],
)
def test_connections_matter_where_their_variants_spread_more(
    connections: float | None, operations: float, p: float | None, verdict: Verdict, told: str
) -> None:
    known = connections is not None and operations
    found = {
        "measure": "aulc@6",
        "connections": connections,
        "operations": operations,
        "ratio": connections / operations if known and connections is not None else None,
        "ratio_interval": (1.5, 9.0),
        "p": p,
        "by_connections": {"n_cells": 12},
        "by_operations": {"n_cells": 11},
    }
    other = found | {"measure": "half_life"}
    (one,) = claims.connections_matter([found, other], {"aulc@6": "speed"}, "aulc@6")
    assert (one.verdict, one.value, one.n, one.primary) == (verdict, told, 23, True)


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0.4, "can't tell"), (0.5, "not supported"), (0.6, "not supported"), (None, "can't tell")],
)
def test_operations_that_explain_half_or_more_speak_against_connections(
    share: float | None, verdict: Verdict
) -> None:
    assert claims.not_by_operations("x", {"eta_squared": share, "n": 9}).verdict == verdict
