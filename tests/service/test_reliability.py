"""Reliability beside correlations, and correlations over the same cells at every epoch."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
from scipy import stats
from starlette.testclient import TestClient

from analysis.cells import parse_cell
from data.library import Library
from tests import raw
from tests.conftest import client_of
from tests.service.helpers import get, refused
from tests.store.sources import Made, run

VALID = "valid_accuracy@final"


def one(client: TestClient, **asked: Any) -> dict[str, Any]:
    (item,) = get(client, "/correlations", asked)["items"]
    return dict(item)


def table_4(cells: list[list[float]]) -> tuple[float, float, float]:
    """ICC(1) by Shrout and Fleiss's mean squares, value by value; by Spearman and Brown from it
    that of the mean over k seeds, the harmonic mean of their numbers, and k."""
    sizes = [len(values) for values in cells]
    total, a = sum(sizes), len(cells)
    grand = sum(map(sum, cells)) / total
    between = sum(len(v) * (np.mean(v) - grand) ** 2 for v in cells) / (a - 1)
    within = sum((x - np.mean(v)) ** 2 for v in cells for x in v) / (total - a)
    k = (total - sum(n * n for n in sizes) / total) / (a - 1)
    single = (between - within) / (between + (k - 1) * within)
    seeds = a / sum(1 / n for n in sizes)
    return float(single), float(seeds * single / (1 + (seeds - 1) * single)), seeds


@pytest.mark.parametrize("dataset", ["cifar10", "ImageNet16-120"])
def test_the_reliability_of_the_packaged_table(client: TestClient, dataset: str) -> None:
    found = one(client, x="width", y=VALID, dataset=dataset, min_depth=3, ci="none")
    depth = raw.columns()["depth"]
    cells = [list(v) for v, d in zip(raw.accuracies(dataset), depth, strict=True) if d == 3]
    single, mean, k = table_4(cells)
    assert found["reliability"]["x"] is None
    y = found["reliability"]["y"]
    assert (y["icc"], y["icc_single"], y["seeds"]) == pytest.approx((mean, single, k), rel=1e-6)
    assert (y["n"], y["reason"]) == (found["n"], None)
    assert found["disattenuated"] == pytest.approx(found["coefficient"] / np.sqrt(mean))


def test_of_one_seed_asked_for(client: TestClient) -> None:
    """The noise of one seed is known from the others."""
    both = [one(client, x="width", y=VALID, seed=seed, ci="none") for seed in ("mean", 777)]
    mean, single = (item["reliability"]["y"] for item in both)
    assert single["icc"] == single["icc_single"] == mean["icc_single"] < mean["icc"]
    expected = both[1]["coefficient"] / np.sqrt(single["icc"])
    assert both[1]["disattenuated"] == pytest.approx(expected)


def test_columns_have_no_seeds(client: TestClient) -> None:
    assert "reliability" not in one(client, x="width", y="depth", ci="none")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"method": "kendall"}, "the formula is for pearson and spearman"),
        ({"group_by": "ops"}, "the formula is for plain coefficients"),
        ({"control": "params_m"}, "the formula is for plain coefficients"),
        ({"width": 3}, "the coefficient is undefined"),
    ],
)
def test_why_noise_is_not_taken_off(client: TestClient, asked: dict[str, Any], reason: str) -> None:
    found = one(client, x="width", y=VALID, ci="none", min_params_m=1, **asked)
    assert (found["disattenuated"], found["disattenuated_reason"]) == (None, reason)


CONTEXT = {"recipe": "r", "ci": "none"}
CURVES: dict[int, list[float]] = {
    6111: [50, 60, 70, 80],
    9930: [30, 50, 55, 60],
    284: [20, 30, 40, 45],
    11: [25, 35, 30],
    1: [40, 10],
}


@pytest.fixture
def curves(fresh: Library, tmp_path: Path) -> TestClient:
    runs = [
        run(index, dict(enumerate(curve, 1)), schedule=4, recipe="r")
        for index, curve in CURVES.items()
    ]
    fresh.import_source(Made(tmp_path, [runs]))
    return client_of(fresh)


def by_epoch(client: TestClient, **asked: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    body = get(client, "/correlations/by-epoch",
               {**CONTEXT, "x": "params_m", "y": "valid_accuracy", **asked})  # fmt: skip
    return body["items"], body["context"]


def rho(cells: list[int], epoch: int) -> float:
    params = raw.costs("cifar10")[0].round(6)[cells]
    return float(stats.spearmanr(params, [CURVES[cell][epoch - 1] for cell in cells]).statistic)


def test_every_epoch_is_of_the_same_cells(curves: TestClient) -> None:
    items, context = by_epoch(curves)
    assert context["same_cells"] is True
    assert context["sets"]["valid_accuracy"]["n_seeds"] == [1, 1]
    for item in items:
        assert item["n"] == 3
        assert item["excluded"]["not recorded at every epoch shown"] == 15_625 - 3
        assert item["coefficient"] == pytest.approx(rho([6111, 9930, 284], item["epoch"]))
        assert item["reliability"]["y"]["reason"] == "one seed"
    items, _ = by_epoch(curves, max_epoch=2)
    assert [(item["epoch"], item["n"]) for item in items] == [(1, 5), (2, 5)]
    for item in items:
        assert item["coefficient"] == pytest.approx(rho(list(CURVES), item["epoch"]))
    items, _ = by_epoch(curves, min_epoch=2, max_epoch=3)
    assert [(item["epoch"], item["n"]) for item in items] == [(2, 4), (3, 4)]


def test_other_cells_at_each_epoch_are_a_choice(curves: TestClient) -> None:
    items, context = by_epoch(curves, same_cells="false")
    assert context["same_cells"] is False
    assert [item["n"] for item in items] == [5, 5, 4, 3]
    assert items[2]["coefficient"] == pytest.approx(rho([6111, 9930, 284, 11], 3))


def test_too_few_cells_say_what_to_do(curves: TestClient) -> None:
    items, _ = by_epoch(curves, cell="6111", max_params_m=5)
    for item in items:
        assert (item["coefficient"], item["n"]) == (None, 1)
        assert "same_cells=false" in item["reason"]
        assert "max_epoch" in item["reason"]


def test_epochs_that_nobody_recorded(curves: TestClient) -> None:
    asked = {**CONTEXT, "x": "width", "y": "valid_accuracy", "min_epoch": 5}
    (error,) = refused(curves, "/correlations/by-epoch", asked)
    assert error["name"] == "min_epoch"
    assert "1..4" in error["allowed"]


def test_two_epochs_of_one_training_share_their_noise(fresh: Library, tmp_path: Path) -> None:
    values = {6111: 40.0, 9930: 30.0, 284: 21.0, 11: 10.0}
    runs = [
        run(index, {3: value + seed, 4: 2 * value - seed}, seed=seed, schedule=4, recipe="r")
        for index, value in values.items()
        for seed in (0, 1)
    ]
    fresh.import_source(Made(tmp_path, [runs]))
    client = client_of(fresh)
    found = one(client, x="valid_accuracy@3of4", y="valid_accuracy@4of4", **CONTEXT)
    assert found["reliability"]["x"]["seeds"] == found["reliability"]["y"]["seeds"] == 2
    assert found["disattenuated"] is None
    assert "same trainings" in found["disattenuated_reason"]
    asked = {"recipe": "r", "x": "valid_accuracy@3of4", "y": "valid_accuracy@4of4"}
    told = " ".join(get(client, "/plots/scatter.json", asked)["usermeta"]["caption"]["lines"])
    icc = [found["reliability"][side]["icc"] for side in "xy"]
    assert f"x {icc[0]:.2f}, y {icc[1]:.2f}" in told
    assert "no coefficient without the noise of seeds: x and y are" in told
    items, _ = by_epoch(client)
    early, late = (item["reliability"]["y"]["icc"] for item in items)
    assert early == pytest.approx(table_4([[v, v + 1] for v in values.values()])[1], rel=1e-5)
    assert late == pytest.approx(
        table_4([[2 * v, 2 * v - 1] for v in values.values()])[1], rel=1e-5
    )


def test_trainings_by_two_schedules_have_noise_of_their_own(fresh: Library, tmp_path: Path) -> None:
    """Spearman's formula, with both reliabilities by mean squares."""
    short = {6111: [40.0, 41], 9930: [31.0, 31], 284: [22.0, 24], 11: [36.0, 39], 1: [14.0, 14]}
    long = {6111: [52.0, 54], 9930: [40.0, 43], 284: [58.0, 58], 11: [49.0, 50], 1: [45.0, 47]}
    runs = [
        run(index, {schedule: value}, seed=seed, schedule=schedule, recipe="r")
        for schedule, cells in ((2, short), (4, long))
        for index, seeds in cells.items()
        for seed, value in enumerate(seeds)
    ]
    fresh.import_source(Made(tmp_path, [runs]))
    found = one(client_of(fresh), x="valid_accuracy@2of2", y="valid_accuracy@4of4", **CONTEXT)
    x, y = ([mean(seeds) for seeds in cells.values()] for cells in (short, long))
    expected = stats.spearmanr(x, y).statistic
    product = np.prod([table_4([*cells.values()])[1] for cells in (short, long)])
    assert found["coefficient"] == pytest.approx(expected)
    assert found["disattenuated"] == pytest.approx(expected / np.sqrt(product))


def test_a_spread_over_seeds_has_a_noise_that_nobody_knows(fresh: Library, tmp_path: Path) -> None:
    values = {6111: (72, 63), 9930: (60, 10), 284: (28, 52), 11: (22, 3), 1: (2, 13)}
    runs = [
        run(index, {schedule: value + seed * (index % 7)}, seed=seed, schedule=schedule, recipe="r")
        for index, both in values.items()
        for schedule, value in zip((4, 8), both, strict=True)
        for seed in (0, 1)
    ]
    fresh.import_source(Made(tmp_path, [runs]))
    client = client_of(fresh)
    early, late = "valid_accuracy@4of4", "valid_accuracy@8of8"
    for x, y in ((f"{early}:std", late), (late, f"{early}:std")):
        found = one(client, x=x, y=y, **CONTEXT)
        assert found["coefficient"] is not None
        assert found["disattenuated"] is None
        assert found["disattenuated_reason"] == (
            f"the reliability is not known: {early}:std is no value of a training"
        )


def test_contrasts_say_how_reliable_their_columns_are(client: TestClient) -> None:
    asked = {"x": "width,depth", "y": VALID, "resamples": 100}
    body = get(client, "/correlations/contrasts", asked)
    found = body["context"]["reliability"]
    assert (found["width"], found["depth"]) == (None, None)
    single = one(client, x="width", y=VALID, ci="none")
    assert found[VALID] == single["reliability"]["y"]


def test_what_by_epoch_would_take_minutes_is_refused(fresh: Library, tmp_path: Path) -> None:
    """Counted over all x and epochs, and with p by orders of the few cells that are recorded."""
    runs = [
        run(index, {epoch: 10.0 + at * epoch % 7 for epoch in range(1, 41)}, schedule=40,
            recipe="r")
        for at, index in enumerate((6111, 9930, 284, 11, 1))
    ]  # fmt: skip
    fresh.import_source(Made(tmp_path, [runs]))
    client = client_of(fresh)
    asked = {**CONTEXT, "y": "valid_accuracy", "method": "kendall"}
    columns = "width,depth,n_paths,mean_path,min_path,conv_depth,n_edges,n_skip,n_pool,params_m"
    assert len(by_epoch(client, **asked)[0]) == 40
    (error,) = refused(client, "/correlations/by-epoch", {**asked, "x": columns})
    assert error["problem"].startswith("400 kendall coefficients would take about 80 s")
    final = ",".join(f"valid_accuracy@{epoch}of40" for epoch in range(1, 19))
    (error,) = refused(client, "/correlations", {**asked, "x": columns, "y": final})
    assert error["problem"].startswith("180 kendall coefficients would take about 36 s")


SEEDS = {6111: 1, 9930: 1, 1: 1, 11: 1, 284: 2, 2: 2}
"""By official index of connected cells, how many seeds each is of."""


@pytest.fixture
def of_seeds(fresh: Library, tmp_path: Path) -> TestClient:
    """Those; a second seed of cell 11 that was stopped; more of a cell without a width, and of a
    genotype."""
    cut = next(i for i, width in enumerate(raw.columns()["width"]) if np.isnan(width))
    values = {index: 40.0 + at for at, index in enumerate((*SEEDS, cut))}
    runs = [
        run(index, {epoch: values[index] + epoch + seed for epoch in (1, 2, 3)},
            seed=seed, schedule=3, recipe="r")
        for index, seeds in {**SEEDS, cut: 3}.items() for seed in range(seeds)
    ]  # fmt: skip
    runs.append(run(11, {1: 50.0}, seed=9, schedule=3, recipe="r"))
    for seed in range(4):
        named = {"cell": parse_cell("DARTS-V2").arch, "recipe": "r"}
        runs.append(run(0, {3: 60.0 + seed}, seed=seed, schedule=3, **named))
    fresh.import_source(Made(tmp_path, [runs]))
    return client_of(fresh)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/cells", {"fields": "id,valid_accuracy@3of3"}),
        ("/correlations", {"x": "params_m", "y": "valid_accuracy@3of3"}),
        ("/correlations/by-epoch", {"x": "params_m", "y": "valid_accuracy", "min_epoch": "2"}),
        ("/correlations/contrasts", {"x": "params_m,n_skip", "y": "valid_accuracy@3of3"}),
        ("/groups", {"by": "width", "metric": "valid_accuracy@3of3"}),
    ],
)
def test_seeds_are_those_of_the_cells_of_the_answer(
    of_seeds: TestClient, path: str, asked: dict[str, str]
) -> None:
    def seeds(cells: list[int], **more: str) -> Any:
        chosen = [("cell", str(index)) for index in cells]
        body = get(of_seeds, path, [*{"recipe": "r", **asked, **more}.items(), *chosen])
        (told,) = body["context"]["sets"].values()
        return told["n_seeds"]

    assert seeds([6111, 9930, 1, 11]) == [1, 1]
    assert seeds([284, 2]) == [2, 2]
    assert seeds(list(SEEDS)) == [1, 2]
    if path.endswith("by-epoch"):
        assert seeds([6111, 9930, 1, 11], min_epoch="1") == [1, 2]
    if path != "/cells":  # the cell without a width is in none of the others
        others = {"x": "width,depth"} if "contrasts" in path else {"x": "width"}
        assert seeds([], **({} if path == "/groups" else others)) == [1, 2]


def test_seeds_are_those_of_the_cells_that_count_within_groups(of_seeds: TestClient) -> None:
    """Alone in its group, a cell of two seeds is in no coefficient."""
    asked = {"recipe": "r", "x": "params_m", "y": "valid_accuracy@3of3", "group_by": "n_none"}
    cells = [6111, 9930, 1, 284]
    assert raw.columns()["n_none"][cells].tolist() == [0, 0, 0, 2]
    body = get(of_seeds, "/correlations", [*asked.items(), *(("cell", index) for index in cells)])
    assert body["items"][0]["n"] == 3
    assert body["context"]["sets"]["valid_accuracy@3of3"]["n_seeds"] == [1, 1]


def test_ranks_are_of_the_seeds_of_their_space(of_seeds: TestClient) -> None:
    for cell, seeds in (("6111", [1, 3]), ("DARTS-V2", [4, 4])):
        asked = {"recipe": "r", "cell": cell, "metric": "valid_accuracy@3of3"}
        told = get(of_seeds, "/ranks", asked)["context"]["sets"]["valid_accuracy@3of3"]
        assert told["n_seeds"] == seeds


def test_a_caption_says_the_seeds_of_the_cells_that_it_shows(of_seeds: TestClient) -> None:
    asked = {"recipe": "r", "x": "params_m", "y": "valid_accuracy@3of3"}
    for cells, told in ((list(SEEDS)[:4], "one seed"), (list(SEEDS), "mean over 1–2 seeds")):
        chosen = [("cell", index) for index in cells]
        drawn = get(of_seeds, "/plots/scatter.json", [*asked.items(), *chosen])
        assert told in " ".join(drawn["usermeta"]["caption"]["lines"])


def test_a_caption_says_how_reliable_x_is_too(of_seeds: TestClient) -> None:
    """Of early against late, as the correlation itself has it; several x by name."""
    chosen = [("cell", index) for index in SEEDS]
    early, late = "valid_accuracy@1of3", "valid_accuracy@3of3"

    def told(path: str, **asked: str) -> tuple[list[dict[str, Any]], str]:
        body = get(of_seeds, f"/{path}", [("recipe", "r"), *asked.items(), *chosen])
        view = "scatter" if path == "correlations" else "correlations-by-epoch"
        drawn = get(of_seeds, f"/plots/{view}.json", [("recipe", "r"), *asked.items(), *chosen])
        return body["items"], " ".join(drawn["usermeta"]["caption"]["lines"])

    (item,), caption = told("correlations", x=early, y=late)
    x, y = (item["reliability"][side]["icc"] for side in ("x", "y"))
    assert f"reliability (intraclass correlation): x {x:.2f}, y {y:.2f}" in caption
    asked = {"x": f"{early},params_m", "y": "valid_accuracy", "min_epoch": "3"}
    items, caption = told("correlations/by-epoch", **asked)
    assert items[1]["reliability"]["x"] is None
    assert f"reliability (intraclass correlation): {early} {x:.2f}, y {y:.2f}" in caption
