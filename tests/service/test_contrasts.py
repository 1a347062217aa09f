"""Differences of correlations over HTTP: against figures from outside, and the raw tables."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest
from scipy import stats
from starlette.testclient import TestClient

from tests import raw
from tests.service.helpers import Parameters, get, refused

EARLY, FINAL = "valid_accuracy@12of12", "valid_accuracy@200of200"
CALL = "/correlations/contrasts"


def contrasts(client: TestClient, parameters: Parameters) -> dict[tuple[str, str], dict[str, Any]]:
    items = get(client, CALL, parameters)["items"]
    return {(" − ".join(item["x"]), " − ".join(item["y"])): item for item in items}


def test_what_width_tells_fades_a_little_with_the_live_operations_held(
    tables_client: TestClient,
) -> None:
    """+0.040 (+0.011, +0.066) was computed outside of this project, with groups resampled."""
    asked = {"x": "width,depth", "y": f"{EARLY},{FINAL}", "group_by": "live_ops"}
    found = contrasts(tables_client, {**asked, "resamples": 5000})
    fades = found["width", f"{EARLY} − {FINAL}"]
    assert fades["estimate"] == pytest.approx(0.040, abs=5e-4)
    np.testing.assert_allclose(fades["ci"], [0.011, 0.066], atol=0.003)
    assert (fades["n_groups"], fades["n"], fades["resampled"]) == (111, 8896, "groups")
    for x, early, late in (("width", 0.265, 0.225), ("depth", -0.206, -0.175)):
        assert found[x, EARLY]["estimate"] == pytest.approx(early, abs=6e-4)
        assert found[x, FINAL]["estimate"] == pytest.approx(late, abs=6e-4)
    both = found["width − depth", f"{EARLY} − {FINAL}"]
    single = [found[x, y]["estimate"] for x in ("width", "depth") for y in (EARLY, FINAL)]
    assert both["estimate"] == pytest.approx(single[0] - single[1] - single[2] + single[3])
    assert len(found) == 9


def test_with_epoch_3_of_one_seed_no_fading_shows(tables_client: TestClient) -> None:
    """−0.024 was computed outside of this project, over cells that optimisers chose; its interval
    over those of them without a dead operation."""
    early = "valid_accuracy@3of200"
    asked = {"x": "width", "y": f"{early},{FINAL}", "group_by": "live_ops", "resamples": 5000}
    for filters, n in (({}, 4820), ({"n_dead": 0}, 2942)):
        fades = contrasts(tables_client, asked | filters)["width", f"{early} − {FINAL}"]
        assert fades["estimate"] == pytest.approx(-0.024, abs=6e-4)
        assert fades["ci"][0] < -0.024 < 0 < fades["ci"][1]
        assert fades["n"] == n
    np.testing.assert_allclose(fades["ci"], [-0.067, 0.017], atol=0.003)


def test_all_over_the_same_cells(client: TestClient) -> None:
    """effective_width is undefined for some cells, which then are in no item."""
    asked = {"x": "width,effective_width", "y": "valid_accuracy@final", "resamples": 100}
    body = get(client, CALL, asked)
    n = np.count_nonzero(~np.isnan(raw.columns()["effective_width"]))
    assert {item["n"] for item in body["items"]} == {n}
    context = body["context"]
    assert context["excluded"]["disconnected"] == 341
    assert sum(context["excluded"].values()) == 15_625 - n
    assert (context["method"], context["confidence"]) == ("spearman", 0.95)
    single = get(client, "/correlations", {**asked, "x": "effective_width", "ci": "none"})
    assert body["items"][1]["estimate"] == pytest.approx(single["items"][0]["coefficient"])
    assert {item["resampled"] for item in body["items"]} == {"classes"}


def test_cells_in_a_group_without_a_coefficient_are_counted(client: TestClient) -> None:
    asked = {"x": "width,depth", "y": "valid_accuracy@final", "group_by": "live_ops"}
    body = get(client, CALL, asked)
    left = body["context"]["excluded"]
    assert left["in a group without every coefficient"] == 15_284 - body["items"][0]["n"]


def test_each_row_says_what_all_rest_on(client: TestClient) -> None:
    """As a row of a correlation does: a file of rows has no context."""
    asked: dict[str, Any] = {"x": "width,depth", "y": "valid_accuracy@final", "resamples": 100}
    body = get(client, CALL, asked)
    single = get(client, "/correlations", {**asked, "ci": "none"})["items"]
    own = {"method", "censored", "diverged", "excluded"}
    for item, alone in zip(body["items"][:2], single, strict=True):
        assert {name: item[name] for name in own} == {name: alone[name] for name in own}
        assert item["reliability"][item["y"][0]] == alone["reliability"]["y"]
    for item in body["items"]:
        shared = own | {"reliability"}
        assert {name: item[name] for name in shared} == {
            name: body["context"][name] for name in shared
        }
    table = client.get(CALL, params={**asked, "format": "csv"}).text
    assert own < set(next(csv.reader(table.splitlines())))


def test_copies_are_counted_by_what_is_live(client: TestClient) -> None:
    """Different networks among the cells that count, from the cells' own text."""
    asked = {"x": "width,depth", "y": "valid_accuracy@final", "resamples": 100}
    width = raw.columns()["width"]
    connected = np.flatnonzero(~np.isnan(width))
    for item in get(client, CALL, asked)["items"]:
        assert (item["n"], item["n_distinct"]) == (len(connected), raw.networks(connected))
        assert item["n_groups"] is None
    groups = raw.compared("live_ops", "width", "depth")
    kept = [cell for group in groups for cell in group]
    assert raw.networks(kept) < len(kept) < len(connected)
    for item in get(client, CALL, {**asked, "group_by": "live_ops"})["items"]:
        assert (item["n"], item["n_distinct"]) == (len(kept), raw.networks(kept))
        assert item["n_groups"] == len(groups)
    # Two cells that are one network, and two that aren't, have no coefficient and are counted.
    for two, distinct in ((np.flatnonzero(np.isnan(width))[:2], 1), (connected[:2], 2)):
        cells = [("cell", int(index)) for index in two]
        named = [("x", "n_skip,n_pool"), ("y", "valid_accuracy@final"), ("resamples", 100)]
        for item in get(client, CALL, [*cells, *named])["items"]:
            assert (item["estimate"], item["n"], item["n_distinct"]) == (None, 2, distinct)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_controls_are_held_in_both(client: TestClient, method: str) -> None:
    """What two regressions on the controls leave, of ranks for Spearman, as of one coefficient."""
    asked = {"x": "width,depth", "y": "valid_accuracy@final", "control": "params_m"}
    body = get(client, CALL, {**asked, "method": method, "resamples": 100})
    columns = raw.columns()
    kept = ~np.isnan(columns["width"])
    names = ("width", "depth")
    table = np.stack(
        [
            *(columns[name] for name in names),
            raw.means("cifar10"),
            raw.costs("cifar10")[0].round(6),
        ]
    )[:, kept]
    if method == "spearman":
        table = stats.rankdata(table, axis=1)
    design = np.stack([np.ones(table.shape[1]), table[3]], axis=1)
    *xs, y = (v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in table[:3])
    width, depth = (np.corrcoef(x, y)[0, 1] for x in xs)
    told = [item["estimate"] for item in body["items"]]
    assert told == pytest.approx([width, depth, width - depth], abs=1e-9)
    assert body["context"]["control"] == ["params_m"]


def test_copies_make_the_interval_of_a_difference_wider(client: TestClient) -> None:
    asked = {"x": "width,depth", "y": "valid_accuracy@final", "resamples": 100}
    classes, cells = (
        get(client, CALL, {**asked, "resample": what})["items"][2] for what in ("classes", "cells")
    )
    assert classes["estimate"] == cells["estimate"]
    assert classes["standard_error"] > 1.5 * cells["standard_error"]


@pytest.mark.parametrize(
    ("parameters", "name", "hint"),
    [
        ({"x": "width", "y": "depth"}, "x", "two of x or of y"),
        ({"x": "width,depth,n_paths", "y": "n_skip"}, "x", "at most 2 names"),
        ({"x": "width,depth", "y": "n_skip", "resample": "groups"}, "resample", "group_by"),
        ({"x": "width,depth", "y": "n_skip", "ci": "fisher"}, "ci", ""),
        ({"x": "width,depth", "y": "n_skip,widht"}, "y", "did you mean width"),
        ({"x": "width,depth", "y": "n_skip", "group_by": "op"}, "group_by", "live_ops"),
    ],
)
def test_what_has_no_contrast(
    client: TestClient, parameters: dict[str, str], name: str, hint: str
) -> None:
    (error,) = refused(client, CALL, parameters)
    assert error["name"] == name
    assert hint in error["allowed"]


def test_what_would_take_minutes_is_refused(client: TestClient) -> None:
    asked = {"x": "width,depth", "y": "n_skip,n_pool", "method": "kendall", "resamples": "10000"}
    (error,) = refused(client, CALL, asked)
    assert error["name"] == "resamples"
    assert "ci=" not in error["allowed"]
