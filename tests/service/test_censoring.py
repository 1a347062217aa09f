"""Cells that are too slow for a threshold, or diverged: ranked last and counted, never left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from starlette.testclient import TestClient

from data.library import Library
from tests import raw
from tests.conftest import client_of
from tests.service.helpers import get, refused
from tests.store.sources import Made, run

EPOCHS = "epochs_to_50of4"
PROXY = {"dataset": "cifar10-valid", "recipe": "proxy", "images": "jpeg", "source": "local-bundle"}

SCIPY: dict[str, Callable[..., Any]] = {
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
}

CURVES: dict[int, list[list[float]]] = {
    6111: [[50, 60, 70, 80]],  # 1
    9930: [[30, 50, 55, 60], [30, 40, 40, 60]],  # 2 and 4
    284: [[20, 30, 40, 45]],  # never
    11: [[20, 30, 40, 45], [60, 60, 60, 60]],  # never and 1: at least (5 + 1) / 2
    1: [[10, 20]],  # stopped after two epochs
    2: [[10, 20, math.nan, math.nan]],  # diverged
}
"""By official index, a curve for each seed; all these cells are connected."""


@pytest.fixture
def made(fresh: Library, tmp_path: Path) -> Iterator[TestClient]:
    runs = [
        replace(
            run(index, dict(enumerate(curve, 1)), seed=seed, schedule=4, recipe="r"),
            details='{"diverged_at": 3}' if index == 2 else None,
        )
        for index, curves in CURVES.items()
        for seed, curve in enumerate(curves)
    ]
    fresh.import_source(Made(tmp_path, [runs]))
    with client_of(fresh) as client:
        yield client


CONTEXT = {"recipe": "r"}
NAMES = {index: f"nb201-{index:06}" for index in CURVES}


def one(client: TestClient, **asked: Any) -> dict[str, Any]:
    (item,) = get(client, "/correlations", {**CONTEXT, "ci": "none", **asked})["items"]
    return dict(item)


@pytest.mark.parametrize("method", SCIPY)
def test_slow_cells_are_ranked_last_and_counted(made: TestClient, method: str) -> None:
    """By hand: 1, 3, last (5), and for cell 11 the least that its mean can be, 3."""
    found = one(made, x="params_m", y=EPOCHS, method=method)
    cells = [6111, 9930, 284, 11, 2]
    params = raw.costs("cifar10")[0].round(6)[cells]
    places = [1, 3, 5, 3, 5]
    expected = SCIPY[method](params, places)
    assert found["coefficient"] == pytest.approx(expected.statistic)
    assert (found["n"], found["censored"], found["diverged"]) == (5, 2, 1)
    reasons = {name: n for name, n in found["excluded"].items() if "stopped" in name}
    assert reasons == {f"no {EPOCHS}: stopped before it got there": 1}
    assert found["n"] + sum(found["excluded"].values()) == 15_625


def test_a_method_of_numbers_says_why_not(made: TestClient) -> None:
    found = one(made, x="params_m", y=EPOCHS, method="pearson")
    assert (found["coefficient"], found["n"], found["censored"], found["diverged"]) == (
        None,
        5,
        2,
        1,
    )
    assert found["reason"].startswith("cells without a number (2 never got there, 1 diverged)")
    # Those that got there, by name of the filter.
    asked = {"x": "params_m", "y": EPOCHS, "method": "pearson", "max_metric": f"{EPOCHS}:4"}
    found = one(made, **asked)
    assert (found["n"], found["censored"], found["reason"][:10]) == (2, 0, "fewer than")


def test_differences_rank_them_last_and_count_them(made: TestClient) -> None:
    """The same five places, by hand; numbers alone have none."""
    asked = {**CONTEXT, "x": "params_m,n_conv3x3", "y": EPOCHS, "resamples": 100}
    body = get(made, "/correlations/contrasts", asked)
    cells, places = [6111, 9930, 284, 11, 2], [1, 3, 5, 3, 5]
    columns = raw.costs("cifar10")[0].round(6)[cells], raw.columns()["n_conv3x3"][cells]
    first, second = (stats.spearmanr(column, places).statistic for column in columns)
    told = [item["estimate"] for item in body["items"]]
    assert told == pytest.approx([first, second, first - second])
    assert (body["context"]["censored"], body["context"]["diverged"]) == (2, 1)
    body = get(made, "/correlations/contrasts", {**asked, "method": "pearson"})
    for item in body["items"]:
        assert (item["estimate"], item["standard_error"], item["ci"]) == (None, None, None)
        assert item["reason"].startswith("cells without a number (2 never got there, 1 diverged)")
        assert item["n"] == 5


def test_what_has_no_number_counts_its_networks_and_no_groups(
    fresh: Library, tmp_path: Path
) -> None:
    """Four cells of which two are one network; one of these never got there."""
    networks: dict[tuple[str, ...], list[int]] = {}
    for index, names in enumerate(raw.live_strings()):
        networks.setdefault(names, []).append(index)
    connected = (cells for names, cells in networks.items() if set(names) != {"none"})
    first, twin = next(cells[:2] for cells in connected if len(cells) > 1)
    curves = {first: [50.0, 60.0], twin: [20.0, 30.0], 6111: [30.0, 50.0], 9930: [60.0, 60.0]}
    runs = [run(index, dict(enumerate(curve, 1)), schedule=2, recipe="r")
            for index, curve in curves.items()]  # fmt: skip
    fresh.import_source(Made(tmp_path, [runs]))
    with client_of(fresh) as client:
        asked = {"x": "params_m", "y": "epochs_to_50of2", "method": "pearson"}
        found = one(client, **asked)
        assert (found["n"], found["n_distinct"], found["censored"]) == (4, 3, 1)
        assert "groups" not in found
        within = one(client, **asked, group_by="width")
        assert (within["coefficient"], within["groups"]) == (None, 0)


def test_a_seed_that_was_stopped_leaves_the_others(fresh: Library, tmp_path: Path) -> None:
    """And a cell that is censored has neither mean nor spread, whatever its other seeds took."""
    curves = {6111: [[50.0, 60, 70], [20.0, 30]], 11: [[60.0, 60, 60], [20.0, 30, 40]]}
    runs = [run(index, dict(enumerate(curve, 1)), seed=seed, schedule=3, recipe="r")
            for index, several in curves.items() for seed, curve in enumerate(several)]  # fmt: skip
    fresh.import_source(Made(tmp_path, [runs]))
    metric = "epochs_to_50of3"
    asked = [*CONTEXT.items(), ("cell", 6111), ("cell", 11), ("fields", f"id,{metric}")]
    rows = {row["id"]: row for row in get(client_of(fresh), "/cells", asked)["items"]}
    found = rows[NAMES[6111]]
    assert (found[f"{metric}:state"], found[metric], found[f"{metric}:n_seeds"]) == (
        "observed",
        1,
        1,
    )
    found = rows[NAMES[11]]
    assert (found[f"{metric}:state"], found[metric], found[f"{metric}:std"]) == (
        "censored",
        None,
        None,
    )


@pytest.mark.parametrize("what", ["x", "control"])
def test_wherever_the_metric_stands(made: TestClient, what: str) -> None:
    other = {"x": "n_skip"} if what == "control" else {}
    found = one(made, **({what: EPOCHS, "y": "params_m"} | other))
    assert (found["n"], found["censored"], found["diverged"]) == (5, 2, 1)


def test_a_group_is_of_values(made: TestClient) -> None:
    found = one(made, x="width", y="depth", group_by=EPOCHS)
    assert found["excluded"][f"no {EPOCHS}: never got there in the whole schedule"] == 2
    assert found["excluded"][f"no {EPOCHS}: diverged"] == 1


STATES = {6111: "observed", 9930: "observed", 284: "censored", 11: "censored", 1: "stopped",
          2: "diverged"}  # fmt: skip


def test_cells_say_why_they_have_no_value(made: TestClient) -> None:
    body = get(made, "/cells", {**CONTEXT, "fields": f"id,{EPOCHS}", "sort": EPOCHS, "limit": 7})
    rows = {row["id"]: row for row in body["items"]}
    for index, state in STATES.items():
        row = rows[NAMES[index]]
        assert row[f"{EPOCHS}:state"] == state
        assert (row[EPOCHS] is None) == (state != "observed")
    order = [row["id"] for row in body["items"]]
    # Cells 11 (at least 3) and 9930 (3) tie; the diverged one never got there either.
    expected = [6111, *sorted((11, 9930)), *sorted((284, 2))]
    assert order[:5] == [NAMES[index] for index in expected]
    assert {rows[name][f"{EPOCHS}:state"] for name in order[5:]} == {"stopped", "not recorded"}
    falling = get(made, "/cells", {**CONTEXT, "fields": "id", "sort": f"-{EPOCHS}", "limit": 2})
    assert {row["id"] for row in falling["items"]} == {NAMES[284], NAMES[2]}


def test_filters(made: TestClient) -> None:
    """A slow cell takes more than any number of epochs, and is never within an upper bound."""
    for name, bound, expected in (
        ("min_metric", 3, {9930, 284, 11, 2}),
        ("min_metric", 99, {284, 11, 2}),
        ("max_metric", 99, {6111, 9930}),
    ):
        body = get(made, "/cells", {**CONTEXT, "fields": "id", name: f"{EPOCHS}:{bound}"})
        assert {row["id"] for row in body["items"]} == {NAMES[index] for index in expected}


def test_a_state_is_for_reading(made: TestClient) -> None:
    (error,) = refused(made, "/correlations", {**CONTEXT, "x": f"{EPOCHS}:state", "y": "width"})
    assert (error["name"], error["allowed"]) == ("x", EPOCHS)
    body = get(made, "/cells", {**CONTEXT, "fields": "id,valid_accuracy@4of4:state", "cell": "2"})
    assert body["items"][0]["valid_accuracy@4of4:state"] == "diverged"


def test_a_diverged_accuracy_is_the_last_from_its_epoch_on(made: TestClient) -> None:
    """The curves without the stopped one: cells 6111, 9930, 284, 11 and 2."""
    body = get(made, "/correlations/by-epoch", {**CONTEXT, "x": "params_m", "y": "valid_accuracy",
                                                "ci": "none"})  # fmt: skip
    params = raw.costs("cifar10")[0].round(6)[[6111, 9930, 284, 11, 2]]
    means = [[50, 60, 70, 80], [30, 45, 47.5, 60], [20, 30, 40, 45], [40, 45, 50, 52.5]]
    curves = np.array([*means, [10, 20, -1, -1]])
    for item, values, diverged in zip(body["items"], curves.T, [0, 0, 1, 1], strict=True):
        assert (item["n"], item["diverged"], item["censored"]) == (5, diverged, 0)
        expected = stats.spearmanr(params, values).statistic
        assert item["coefficient"] == pytest.approx(expected)
    for measure, n in (("valid_accuracy@2of4", 6), ("valid_accuracy@3of4", 5), ("aulc@3of4", 5)):
        found = one(made, x="params_m", y=measure)
        assert (found["n"], found["diverged"]) == (n, int(n == 5))
    item = one(made, x="params_m", y="valid_accuracy@3of4", method="pearson")
    assert (item["coefficient"], item["diverged"]) == (None, 1)


def test_losses_that_diverged_are_the_largest(fresh: Library, tmp_path: Path) -> None:
    losses = {6111: 0.5, 9930: 0.7, 284: 1.5, 11: math.nan}
    runs = [run(index, {4: loss}, measure="loss", schedule=4, recipe="r")
            for index, loss in losses.items()]  # fmt: skip
    fresh.import_source(Made(tmp_path, [runs]))
    found = one(client_of(fresh), x="params_m", y="valid_loss@4of4")
    params = raw.costs("cifar10")[0].round(6)[list(losses)]
    assert found["coefficient"] == pytest.approx(stats.spearmanr(params, [1, 2, 3, 4]).statistic)
    assert found["diverged"] == 1


def test_the_shipped_sample_at_45_percent(started_client: TestClient) -> None:
    """−0.30 over the 400 cells of the sample, −0.15 over those that got there, from its file."""
    times = raw.times_of_the_sample(45)
    width = raw.columns()["width"]
    cells = {index: (width[index], took) for index, (took, _) in times.items()}
    there = [cells[index] for index, (_, never) in times.items() if not never]
    asked = {**PROXY, "x": "width", "y": "epochs_to_45of12"}
    (found,) = get(started_client, "/correlations", asked)["items"]
    assert found["n"] == len(cells) == 400
    expected = stats.spearmanr(list(cells.values())).statistic
    assert expected == pytest.approx(-0.30, abs=0.005)
    assert found["coefficient"] == pytest.approx(expected)
    assert found["censored"] == len(cells) - len(there)
    reached = {**asked, "max_metric": "epochs_to_45of12:12"}
    (among,) = get(started_client, "/correlations", reached)["items"]
    expected = stats.spearmanr(there).statistic
    assert expected == pytest.approx(-0.15, abs=0.005)
    assert among["coefficient"] == pytest.approx(expected)
    assert (among["n"], among["censored"]) == (len(there), 0)


def test_within_groups_those_are_counted_that_the_coefficient_rests_on(
    started_client: TestClient,
) -> None:
    """Cells of a group that has no coefficient are in none of the counts, from the sample's file;
    by epoch and in differences as in the correlation itself."""
    times = raw.times_of_the_sample(45)
    width, strings = raw.columns()["width"], raw.strings()
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in times:
        if not np.isnan(width[index]):
            multiset = tuple(sorted(raw.live_operations(strings[index])))
            groups.setdefault(multiset, []).append(index)
    kept = [
        index
        for group in groups.values()
        if len(group) >= 3
        and all(len(set(of)) > 1 for of in zip(*((width[i], times[i]) for i in group), strict=True))
        for index in group
    ]
    slow = sum(times[index][1] for index in kept)
    assert (len(kept), slow, sum(never for _, never in times.values())) == (154, 42, 119)
    metric = "epochs_to_45of12"
    asked = {**PROXY, "x": "width", "y": metric, "group_by": "live_ops"}
    (found,) = get(started_client, "/correlations", asked)["items"]
    assert (found["n"], found["censored"]) == (len(kept), slow)
    assert found["n"] + sum(found["excluded"].values()) == 15_625
    (pearson,) = get(started_client, "/correlations", {**asked, "method": "pearson"})["items"]
    assert pearson["reason"].startswith("cells without a number (42 never got there)")
    assert (pearson["n"], pearson["censored"], pearson["groups"]) == (154, 42, found["groups"])
    assert pearson["n"] + sum(pearson["excluded"].values()) == 15_625
    # Against an accuracy, which differs between any two: less falls out.
    final = "valid_accuracy@12of12"
    (alone,) = get(started_client, "/correlations", {**asked, "x": metric, "y": final})["items"]
    by_epoch = {**asked, "x": metric, "y": "valid_accuracy", "schedule": 12, "min_epoch": 12}
    (last,) = get(started_client, "/correlations/by-epoch", by_epoch)["items"]
    for name in ("n", "censored", "n_distinct"):
        assert last[name] == alone[name]
    body = get(
        started_client, "/correlations/contrasts", {**asked, "x": f"width,{metric}", "y": final}
    )
    both = [
        index
        for group in groups.values()
        if len(group) >= 3 and all(len({of[i] for i in group}) > 1 for of in (width, times))
        for index in group
    ]
    assert body["items"][0]["n"] == len(both)
    assert body["context"]["censored"] == sum(times[index][1] for index in both)


def test_groups_count_them_and_say_what_they_can(made: TestClient) -> None:
    """Of five cells 1, 3, at least 3, never and never (diverged): a median, of which more is not
    known than that it is 3 or later; q1 is 3 in any case."""
    body = get(made, "/groups", {**CONTEXT, "by": "space", "metric": EPOCHS})
    (item,) = body["items"]
    found = item["metrics"][EPOCHS]
    counts = {"n": 2, "censored": 2, "diverged": 1, "mean": None, "std": None}
    quantiles = {"min": 1, "q1": 3, "median": None, "q3": None, "max": None}
    expected = {**counts, **quantiles, "best": NAMES[6111]}
    assert {name: found[name] for name in expected} == expected
    assert found["reason"].startswith("cells without a number")
    assert body["explained"][EPOCHS]["eta_squared"] is None
    by = get(made, "/groups", {**CONTEXT, "by": EPOCHS, "metric": "params_m"})
    assert by["context"]["excluded"][f"no {EPOCHS}: diverged"] == 1


def test_ranks_have_a_last_place(made: TestClient) -> None:
    asked = {**CONTEXT, "metric": EPOCHS}
    body = get(made, "/ranks", [*asked.items(), *(("cell", index) for index in CURVES)])
    found = {item["id"]: item["ranks"][EPOCHS] for item in body["items"]}
    assert {index: found[NAMES[index]]["rank"] for index in CURVES} == {
        6111: 1, 9930: 2, 11: 2, 284: 4, 2: 4, 1: None,
    }  # fmt: skip
    assert found[NAMES[284]]["value"] is None
    assert found[NAMES[284]]["reason"] == "no value, ranked among the last"
    assert found[NAMES[11]]["reason"] == "no value, ranked by the least that it can be"
    assert found[NAMES[284]]["among"].endswith("2 censored, 1 diverged")
    assert found[NAMES[1]]["reason"] == "the cell has no value"


def test_half_lives_of_curves_that_do_not_rise(fresh: Library, tmp_path: Path) -> None:
    curves = {6111: [10.0, 30.0, 50.0], 284: [10.0, 30.0, 10.0]}
    runs = [run(index, dict(enumerate(curve, 1)), schedule=3, recipe="r")
            for index, curve in curves.items()]  # fmt: skip
    fresh.import_source(Made(tmp_path, [runs]))
    asked = [*CONTEXT.items(), ("cell", 6111), ("cell", 284)]
    asked += [("fields", "half_life_of3"), ("sort", "half_life_of3")]
    body = get(client_of(fresh), "/cells", asked)
    assert [(row["half_life_of3"], row["half_life_of3:state"]) for row in body["items"]] == [
        (2, "observed"),
        (None, "censored"),
    ]
