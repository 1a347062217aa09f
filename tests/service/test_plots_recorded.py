"""Pictures of curves that aren't recorded at every epoch, and of jobs as they grow."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from service.plots.drawing import chart
from tests.service.helpers import get

LAST = "test images (ori-test)"


def curves(*recorded: list[int], std: float | None = None) -> dict[str, Any]:
    """Cells with accuracy e / 4 at each epoch e that is recorded, as ``GET /curves`` answers."""
    about = {
        "dataset": "cifar10",
        "set": "ori-test",
        "schedule": 200,
        "recipe": "nb201-200",
        "images": "original",
        "split": "official",
        "sources": {"made-up": 2},
    }
    items = [
        {
            "cell": f"nb201-{number:06}",
            "seed": "mean",
            "epochs": epochs,
            "values": [epoch / 4 for epoch in epochs],
            "std": [std] * len(epochs),
            "n_seeds": [1 if std is None else 2] * len(epochs),
        }
        for number, epochs in enumerate(recorded)
    ]
    return {
        "kind": "curves",
        "cells": [item["cell"] for item in items],
        "metric": "test_accuracy",
        "items": items,
        "context": {"seed": "mean", "pooled": False, "sets": {"test_accuracy": about}},
    }


def layers(specification: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    """The layers of a mark that has no part in what follows the pointer."""
    return [
        layer
        for layer in specification["layer"]
        if layer["mark"]["type"] == mark and "opacity" not in layer["encoding"]
    ]


def details(layer: dict[str, Any]) -> set[str]:
    given = layer["encoding"]["detail"]
    return {one["field"] for one in (given if isinstance(given, list) else [given])}


def caption(specification: dict[str, Any]) -> str:
    return str(specification["usermeta"]["caption"]["lines"][0])


def test_lines_are_solid_where_epochs_follow_each_other_and_dotted_elsewhere() -> None:
    whole = chart(curves(list(range(1, 13))), "lines")
    assert [details(line) for line in layers(whole, "line")] == [{"line", "piece"}]
    assert "dotted" not in caption(whole)
    broken = chart(curves([*range(1, 82), 200]), "lines")
    dotted, solid = layers(broken, "line")
    assert "strokeDash" in dotted["mark"]
    assert details(dotted) == {"line"}
    assert "strokeDash" not in solid["mark"]
    assert details(solid) == {"line", "piece"}
    pieces = {row["epoch"]: row["piece"] for row in broken["datasets"]["points"]}
    assert {pieces[epoch] for epoch in range(1, 82)} == {0}
    assert pieces[200] == 1
    assert "dotted: no epoch between is recorded" in caption(broken)


@pytest.mark.parametrize("alone", [[200], [3, 23, 200]])
def test_an_epoch_without_neighbours_is_a_dot(alone: list[int]) -> None:
    """A line of one point has no length: beside long curves its cell would be invisible."""
    specification = chart(curves(list(range(1, 101)), alone), "lines")
    rows = [row for row in specification["datasets"]["points"] if row["bare"]]
    assert [(row["cell"], row["epoch"]) for row in rows] == [
        ("nb201-000001", epoch) for epoch in alone
    ]
    dots = [layer for layer in layers(specification, "point") if layer["mark"].get("filled")]
    assert [layer["transform"] for layer in dots] == [[{"filter": "datum.bare"}]]
    assert "n = 2 cells" in caption(specification)


def test_the_spread_of_an_epoch_without_neighbours_is_a_rule() -> None:
    specification = chart(curves([1, 2, 3, 200], std=0.5), "lines")
    (band,) = layers(specification, "area")
    (rule,) = layers(specification, "rule")
    for layer in (band, rule):
        assert layer["encoding"]["y"]["field"] == "low"
        assert layer["encoding"]["y2"]["field"] == "high"
    assert details(band) == {"line", "piece"}
    assert "datum.bare" in rule["transform"][0]["filter"]
    assert {row["spread"] for row in specification["datasets"]["points"]} == {"± 0.50"}
    assert not layers(chart(curves([1, 2, 3], std=0.5), "lines"), "rule")
    (one,) = chart(curves([7]), "lines")["datasets"]["points"]
    assert one["spread"] == "none"
    single = curves([7])
    single["context"]["seed"] = "all"
    (one,) = chart(single, "lines")["datasets"]["points"]
    assert one["spread"] is None, "of one training there is none to speak of"


def test_over_how_many_seeds_is_said_as_far_as_it_is_known() -> None:
    """A table of means doesn't always tell of how many."""

    def told(*counts: int | None) -> str:
        drawn = curves(*([epoch] for epoch in range(1, len(counts) + 1)))
        for item, count in zip(drawn["items"], counts, strict=True):
            item["n_seeds"] = [count]
        return caption(chart(drawn, "lines")).partition("; n = ")[2]

    assert told(None) == "1 cell, an unknown number of seeds each"
    assert told(1, None, 2) == "3 cells, 1–2 seeds, or an unknown number, each"
    assert told(2, 2) == "2 cells, 2 seeds each"


def job(*epochs: dict[str, float]) -> dict[str, Any]:
    """A job with these accuracies by set after each epoch."""
    return {
        "kind": "job",
        "id": 7,
        "state": "running",
        "cell": "nb201-006111",
        "dataset": "digits",
        "recipe": "proxy",
        "seed": 777,
        "progress": {"epoch": len(epochs), "epochs": 12},
        "epochs": [
            {"epoch": epoch, **{name: {"accuracy": value} for name, value in sets.items()}}
            for epoch, sets in enumerate(epochs, 1)
        ],
    }


def test_a_set_of_images_keeps_its_colour_while_a_job_goes_on() -> None:
    def colours(document: dict[str, Any]) -> tuple[list[str], list[str]]:
        specification = chart(document, "lines")
        encodings = [layer["encoding"]["color"] for layer in layers(specification, "line")]
        (colour,) = encodings
        return colour["scale"]["domain"], colour["legend"]["values"]

    first, shown = colours(job({"train": 20, "x-valid": 30}))
    assert set(shown) == {"training images", "validation images (x-valid)"}
    later, shown = colours(
        job({"train": 20, "x-valid": 30}, {"train": 60, "x-valid": 40, "ori-test": 50})
    )
    assert first == later
    assert shown == ["training images", LAST, "validation images (x-valid)"]


def test_the_scatter_s_caption_has_the_coefficient_that_is_asked_for(client: TestClient) -> None:
    asked = "x=params_m&y=valid_accuracy@final"
    for method, name in (
        ("spearman", "Spearman's ρ"),
        ("kendall", "Kendall's τ-b"),
        ("pearson", "Pearson's r"),
    ):
        specification = get(client, f"/plots/scatter.json?{asked}&method={method}")
        (found,) = get(client, f"/correlations?{asked}&method={method}")["items"]
        assert caption(specification).startswith(f"{name} = {found['coefficient']:+.2f} ")
