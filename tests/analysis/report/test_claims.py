"""Verdicts: from intervals by hand, from ranks that can be counted, from a published example."""

from __future__ import annotations

from itertools import product
from math import log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from analysis.intervals import fisher_interval
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
    assert more[0].value == "ρ = +0.50 [+0.10, +0.80]"


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


def test_ranks_are_combined_by_fishers_method(client: TestClient) -> None:
    items = client.get("/ranks", params=[("cell", name) for name in WIRINGS_AS_WIDE]).json()
    width, depth = claims.among_the_extremes(items["items"])
    product_of = (1 / 180) * (13 / 180)
    # For two tests the chi-squared distribution has this closed form.
    p = product_of * (1 - log(product_of))
    assert f"p = {p:.2g}" in width.value
    assert width.verdict == depth.verdict == "supported"


def measurement(verdict: Verdict) -> Measurement:
    return Measurement("what", "claimed", "value", 1, verdict)


ALL: tuple[Verdict, ...] = ("supported", "not supported", "can't tell")


@pytest.mark.parametrize("verdicts", list(product(ALL, repeat=3)))
def test_a_claim_needs_half_for_it_and_none_against(verdicts: tuple[Verdict, ...]) -> None:
    claim = Claim("title", "statement", tuple(measurement(one) for one in verdicts))
    n_for, n_against = (sum(one == which for one in verdicts) for which in ALL[:2])
    if n_for >= 2 and not n_against:
        assert claim.verdict == "supported"
    elif n_against >= 2 and not n_for:
        assert claim.verdict == "not supported"
    else:
        assert claim.verdict == "can't tell"


def test_a_claim_without_measurements_can_t_be_told() -> None:
    assert Claim("title", "statement", ()).verdict == "can't tell"


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((-2.0, -0.5), "supported"),
        ((-0.5, 0.9), "supported"),
        ((-0.5, 1.5), "can't tell"),
        ((0.5, 1.5), "not supported"),
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
        return item("width", "m", r, fisher_interval(r, 1 / 63, 0.95))

    found = claims.fades("here", pearson(0.396), pearson(0.179), {"coefficient": 0.088})
    assert "+0.22 [-0.09, +0.52]" in found.value
    assert found.verdict == "can't tell"
    surely = claims.fades("here", pearson(0.8), pearson(0.1), {"coefficient": 0.1})
    assert surely.verdict == "supported"
    assert claims.fades("", pearson(0.1), pearson(0.8), {"coefficient": 0.1}).verdict == (
        "not supported"
    )
    unknown = item("width", "m", None, None)
    assert claims.fades("", unknown, pearson(0.8), {"coefficient": 0.1}).verdict == "can't tell"


@pytest.mark.parametrize(
    ("ratio", "ends", "verdict"),
    [
        (3.0, (1.5, 9.0), "supported"),
        (3.0, (1.5, None), "supported"),
        (3.0, (0.5, 9.0), "can't tell"),
        (0.2, (0.1, 0.8), "not supported"),
        (None, None, "can't tell"),
    ],
)
def test_connections_matter_where_the_ratio_is_surely_above_one(
    ratio: float | None, ends: Any, verdict: Verdict
) -> None:
    found = {
        "measure": "aulc@6",
        "ratio": ratio,
        "ratio_interval": ends,
        "by_connections": {"n_cells": 12},
        "by_operations": {"n_cells": 11},
    }
    other = found | {"measure": "half_life"}
    (one,) = claims.connections_matter([found, other], {"aulc@6": "speed"})
    assert (one.verdict, one.n) == (verdict, 23)


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.4, "supported"), (0.6, "not supported"), (None, "can't tell")]
)
def test_operations_that_explain_less_than_half_leave_the_rest_to_connections(
    share: float | None, verdict: Verdict
) -> None:
    assert claims.not_by_operations("x", {"eta_squared": share, "n": 9}).verdict == verdict
