"""Pictures of correlations by epoch."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.plots.drawing import chart, picture
from service.plots.views import NothingToShowError
from tests.service.helpers import is_problem, refused
from tests.service.studied import (
    texts,
)


def by_epoch(*coefficients: float | None) -> dict[str, Any]:
    """Width by epoch, as ``GET /correlations/by-epoch`` answers, under its kind."""
    items = [
        {
            "epoch": epoch,
            "x": "width",
            "y": f"valid_accuracy@{epoch}of12",
            "method": "spearman",
            "coefficient": value,
            "ci": None if value is None else [value - 0.1, value + 0.1],
            "ci_method": "fisher",
            "resampled": None,
            "n": 398 + epoch,
            "n_distinct": 398 + epoch,
            "reason": "y is constant" if value is None else None,
        }
        for epoch, value in enumerate(coefficients, 1)
    ]
    curve = {
        "dataset": "cifar10-valid",
        "set": "x-valid",
        "schedule": 12,
        "recipe": "proxy",
        "images": "jpeg",
        "split": "seeded",
        "sources": {"local-bundle": 400, "own": 1},
    }
    context = {
        "seed": "mean",
        "pooled": True,
        "space": "nasbench201",
        "sets": {"valid_accuracy": curve},
        "control": ["params_m"],
        "group_by": None,
        "confidence": 0.95,
        "same_cells": False,
    }
    return {
        "kind": "correlations-by-epoch",
        "items": items,
        "context": context,
        "filters": ["depth = 3", "connected"],
    }


def test_correlations_by_epoch_have_a_line_with_its_interval() -> None:
    drawn = by_epoch(0.25, None, 0.5)
    specification = chart(drawn, "lines")
    values = [
        (row["epoch"], row["low"], row["coefficient"], row["high"])
        for rows in specification["datasets"].values()
        for row in rows
        if "low" in row
    ]
    assert values == [(1, 0.15, 0.25, 0.35), (3, 0.4, 0.5, 0.6)]
    caption = texts(picture(drawn, "lines", "svg"))
    for told in (
        "Correlation of width with validation accuracy, by epoch",
        "Spearman's ρ, holding parameters fixed, with its 95 % interval (Fisher's)",
        "cifar10-valid, validation images (x-valid), jpeg images on a seeded split; schedule of 12",
        "sources: local-bundle (400 cells), own (1 cell); mean over seeds, sources pooled",
        "n = 399–401 cells of nasbench201 with depth = 3, connected",
    ):
        assert told in caption
    with pytest.raises(NothingToShowError, match="y is constant"):
        picture(by_epoch(None), "lines", "svg")


def test_the_addresses_of_correlations_by_epoch(client: TestClient) -> None:
    where = "/plots/correlations-by-epoch"
    asked = "x=width&x=depth&y=valid_accuracy&dataset=cifar100"
    answer = client.get(f"{where}.svg?{asked}")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "Correlation of width and depth with validation accuracy" in texts(answer.content)
    assert client.get(f"{where}.png?{asked}").content.startswith(b"\x89PNG")
    (error,) = refused(client, f"{where}.svg?{asked}&format=csv")
    assert error["name"] == "format"
    (error,) = refused(client, f"{where}.png?x=breadth&y=valid_accuracy")
    assert error["name"] == "x"
    nothing = client.get(f"{where}.svg?{asked}&width=1&min_depth=3&max_params_m=0.08")
    assert "no coefficient is defined" in is_problem(nothing, 409)["detail"]


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_coefficients_without_an_interval_are_counted(lacking: int) -> None:
    drawn = by_epoch(0.25, 0.375, 0.5)
    for item in drawn["items"][:lacking]:
        item["ci"] = None
    specification = chart(drawn, "lines")
    assert [row["epoch"] for row in specification["datasets"]["points"]] == [1, 2, 3][lacking:]
    last = specification["usermeta"]["caption"]["lines"][-1]
    assert last.startswith("not shown") == (lacking > 0)
    assert re.findall(r"(\d+) coefficient", last) == ([str(lacking)] if lacking else [])


def test_a_column_may_lack_the_interval_that_another_has() -> None:
    drawn = by_epoch(0.25, 0.5)
    depth = [item | {"x": "depth"} for item in drawn["items"]]
    depth[0]["ci"] = None
    drawn["items"] += depth
    last = chart(drawn, "lines")["usermeta"]["caption"]["lines"][-1]
    assert last.endswith("1 coefficient")


def pieces(*counts: int) -> tuple[list[int], dict[str, Any]]:
    """To which piece of the line each epoch belongs, where this many cells have a value."""
    drawn = by_epoch(*[0.25] * len(counts))
    for item, n in zip(drawn["items"], counts, strict=True):
        item["n"] = n
    specification = chart(drawn, "lines")
    names = [row["piece"] for row in specification["datasets"]["points"]]
    return [list(dict.fromkeys(names)).index(name) for name in names], specification


def test_other_cells_are_not_joined_by_a_line() -> None:
    """Between 100 cells and a table's 15,284 a change says nothing of learning."""
    for counts, expected in (
        ((100, 100, 200, 150, 75), [0, 0, 0, 0, 0]),
        ((100, 201, 201, 100), [0, 1, 1, 2]),
        ((500, 74, 15_284), [0, 1, 2]),
    ):
        found, specification = pieces(*counts)
        assert found == expected
        lines = [one for one in specification["layer"] if one["mark"]["type"] in ("line", "area")]
        assert [one["encoding"]["detail"]["field"] for one in lines] == ["piece", "piece"]
        (how, *_) = specification["usermeta"]["caption"]["lines"]
        assert ("broken where n more than doubles or halves" in how) == (max(expected) > 0)
    # Of an epoch alone the interval is a rule: an area of one point has no width.
    alone = [row["alone"] for row in specification["datasets"]["points"]]
    assert alone == [True, True, True]


@pytest.mark.parametrize("first", ["width", "depth"])
def test_each_column_s_line_is_broken_by_its_own_n(first: str) -> None:
    """A column that few cells have goes on where that of all cells makes a leap."""
    drawn = by_epoch(0.25, 0.5)
    width, depth = drawn["items"], [item | {"x": "depth"} for item in drawn["items"]]
    for item, n in zip((*width, *depth), (1840, 15_284, 1853, 1853), strict=True):
        item["n"] = n
    drawn["items"] = width + depth if first == "width" else depth + width
    rows = chart(drawn, "lines")["datasets"]["points"]
    found = {
        name: [row["piece"] for row in rows if row["x"] == name] for name in ("width", "depth")
    }
    assert found == {"width": ["width 0", "width 1"], "depth": ["depth 0", "depth 0"]}
    assert {(row["x"], row["alone"]) for row in rows} == {("width", True), ("depth", False)}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            {"ci_method": "fisher", "n_distinct": 300},
            "Fisher's, copies of a network taken as dependent",
        ),
        ({"ci_method": "groups"}, "from the variance between groups"),
        ({"ci_method": "bootstrap", "resampled": "groups"}, "groups resampled"),
        (
            {"ci_method": "bootstrap", "resampled": "classes"},
            "copies of a network resampled together",
        ),
        ({"ci_method": "bootstrap", "resampled": "cells"}, "single cells resampled"),
    ],
)
def test_what_the_interval_comes_from_is_said(made: dict[str, Any], told: str) -> None:
    drawn = by_epoch(0.25, 0.5)
    for item in drawn["items"]:
        item |= made
    (how, *_) = chart(drawn, "lines")["usermeta"]["caption"]["lines"]
    assert how.endswith(f"with its 95 % interval ({told})")


def test_held_and_grouped_are_named() -> None:
    drawn = by_epoch(0.25, 0.5)
    for item in drawn["items"]:
        item["ci_method"] = "groups"
    drawn["context"] |= {"group_by": "ops", "confidence": 0.9}
    (how, *_) = chart(drawn, "lines")["usermeta"]["caption"]["lines"]
    assert how == (
        "Spearman's ρ, holding parameters fixed, mean within groups of equal "
        "operations, those on dead edges counted, with its 90 % interval (from the variance "
        "between groups)"
    )
