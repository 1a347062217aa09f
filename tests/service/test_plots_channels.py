"""Which field stands on which channel, and in which colours: pictures and captions say the same."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import ImageColor
from starlette.testclient import TestClient

from service.plots import themes
from service.plots.views import Theme
from tests.service.helpers import get
from tests.service.test_plots_answers import BUNDLE, FINAL, rows


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    channels = [value / 255 for value in ImageColor.getrgb(colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out(theme: Theme) -> None:
    """Text 4.5:1 and marks 3:1, as WCAG 2 has it."""
    colours, ranges = themes.COLOURS[theme], themes.config(theme)["range"]
    assert contrast("black", "white") == pytest.approx(21)
    for name in ("ink", "soft"):
        assert contrast(colours[name], colours["paper"]) >= 4.5
    for colour in (colours["faint"], colours["accent"], *ranges["category"], *ranges["ramp"]):
        assert contrast(colour, colours["paper"]) >= 3, colour
    for colour in ranges["heatmap"]:
        assert contrast(themes.ON_TILES, colour) >= 4.5


def channels(layer: dict[str, Any], *names: str) -> tuple[str | None, ...]:
    """The fields that stand on these channels of a layer."""
    return tuple(layer["encoding"].get(name, {}).get("field") for name in names)


def test_boxes_are_what_the_caption_says(client: TestClient) -> None:
    specification = get(client, f"/plots/groups.json?by=depth&metric={FINAL}")
    (panel,) = specification["concat"]
    assert {layer["mark"]["type"]: channels(layer, "y", "y2") for layer in panel["layer"]} == {
        "rule": ("min", "max"),
        "bar": ("q1", "q3"),
        "tick": ("median", None),
        "point": ("mean", None),
    }
    (told, *_) = specification["usermeta"]["caption"]["lines"]
    assert told == (
        "box: quartiles, line in it: median, whiskers: minimum and maximum, diamond: mean"
    )


def test_each_panel_of_groups_has_its_own_n(client: TestClient) -> None:
    """Of the 15,284 connected cells, those without a convolution have no effective width."""
    metrics = ("effective_width", FINAL)
    path = f"by=depth&metric={metrics[0]}&metric={metrics[1]}"
    specification = get(client, f"/plots/groups.json?{path}")
    items = get(client, f"/groups?{path}")["items"]
    for panel, metric in zip(specification["concat"], metrics, strict=True):
        n = sum(item["metrics"][metric]["n"] for item in items)
        told = f"n = {n:,}" if n == 15_284 else f"n = {n:,} of 15,284"
        assert panel["title"]["subtitle"][0] == told
    assert specification["concat"][0]["title"]["subtitle"][0] != "n = 15,284"


def test_scatter_has_x_across_and_y_up(client: TestClient) -> None:
    path = f"/plots/scatter.json?x=params_m&y={FINAL}&colour=depth&min_width=3"
    specification = get(client, path)
    assert channels(specification, "x", "y") == ("x", "y")
    assert "with width ≥ 3" in " ".join(specification["usermeta"]["caption"]["lines"])


def test_a_tile_says_what_it_has(started_client: TestClient) -> None:
    asked = f"space=darts&metric=valid_accuracy@12of12&{BUNDLE}"
    specification = get(started_client, f"/plots/shapes.json?{asked}")
    drawn = specification["datasets"]["shapes"]
    n, there = (sum(row[name] for row in drawn) for name in ("n", "cells"))
    assert n < there
    told = " ".join(specification["usermeta"]["caption"]["lines"])
    assert f"n = {n:,} of {there:,} cells of darts" in told
    tooltip = specification["layer"][0]["encoding"]["tooltip"]
    hovered = {one.get("title", one["field"]): one["field"] for one in tooltip}
    assert hovered["standard deviation"] == "std"
    assert hovered["n with the metric"] == "n"
    assert hovered["cells"] == "cells"


def test_bands_reach_one_standard_deviation_both_ways(client: TestClient) -> None:
    drawn = rows(client, "/plots/curves.json?cell=284&dataset=cifar100", "points")
    (curve,) = get(client, "/cells/284/curves?dataset=cifar100")["items"]
    for side, sign in (("low", -1), ("high", 1)):
        expected = [
            value + sign * std for value, std in zip(curve["values"], curve["std"], strict=True)
        ]
        assert [point[side] for point in drawn] == pytest.approx(expected)


def test_a_rank_stands_at_its_percentile(client: TestClient) -> None:
    specification = get(client, "/plots/ranks.json?cell=NASNet-A&cell=284")
    for row in specification["datasets"]["ranks"]:
        assert row["at"] == (row["percentile"] or 0)
    for panel in specification["concat"]:
        assert [channels(layer, "x") for layer in panel["layer"]] == [("percentile",), ("at",)]


def test_ranks_by_a_cost_say_of_which_data_set(client: TestClient) -> None:
    asked = "cell=284&metric=params_m&dataset=cifar100"
    lines = get(client, f"/plots/ranks.json?{asked}")["usermeta"]["caption"]["lines"]
    assert lines[-1] == "data set: cifar100"


@pytest.mark.parametrize(
    ("seed", "told"), [("mean", "mean over seeds"), ("all", "all seeds"), ("888", "seed 888")]
)
def test_captions_name_the_seeds(client: TestClient, seed: str, told: str) -> None:
    asked = f"cell=284&dataset=cifar100&seed={seed}"
    lines = get(client, f"/plots/curves.json?{asked}")["usermeta"]["caption"]["lines"]
    assert lines[1].endswith(f"; {told}")
    counted = {"mean": "3 seeds each", "all": "3 trainings", "888": "1 training"}[seed]
    assert lines[0].endswith(f"n = 1 cell, {counted}")
