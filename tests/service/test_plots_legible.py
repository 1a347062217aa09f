"""Names in pictures of studies: off one another, inside their panels, told apart by leaders."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import isotonic_regression
from starlette.testclient import TestClient

from analysis.cells import cell_name
from analysis.spaces.nasbench201 import from_index
from service.plots.captions import MOST_PANELS
from service.plots.drawing import chart
from service.plots.labels import Frame, placed, spread, worth_naming
from tests.service.helpers import get
from tests.service.studied import RATES, landscape

# Widths in thousandths of the font size, from Adobe's metrics of Helvetica (Helvetica.afm), which
# Arial and Liberation Sans share.
HELVETICA = {
    222: "ijl",
    278: "Ift .",
    333: "r-",
    500: "Jcksvxyz",
    556: "Labdeghnopqu0123456789",
    584: "+",
    611: "FTZ",
    667: "ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    944: "W",
}
WIDTHS = {character: width for width, those in HELVETICA.items() for character in those}
ASCENT, DESCENT = 0.718, 0.207

FAMILY, PUBLISHED, AT_RATES, PLANE, PICTURE, PICTURES = 3, 20, 12, 7, 8, 21
"""Of the studies that ship: 12 wirings of NASNet-A, the five published cells, 42 wirings at three
learning rates of which 12 have a published name; gradients over a plane, and the losses of 32 and
of 10 cells."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def box(x: float, y: float, text: str, align: str, font_size: float) -> Box:
    """Of a text that is centred upright on (x, y)."""
    width = sum(WIDTHS[character] for character in text) / 1000 * font_size
    left = x - {"left": 0, "center": width / 2, "right": width}[align]
    half = (ASCENT + DESCENT) / 2 * font_size
    return left, y - half, left + width, y + half


def overlap(one: Box, other: Box) -> bool:
    return all(one[side] < other[side + 2] and other[side] < one[side + 2] for side in (0, 1))


def within(one: Box, width: float, height: float) -> bool:
    return one[0] >= 0 and one[1] >= 0 and one[2] <= width and one[3] <= height


def layers(
    specification: dict[str, Any], kind: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """A panel, its last layer of a kind of mark, and the rows that this has."""
    for panel in specification["concat"]:
        (*_, layer) = (layer for layer in panel["layer"] if layer["mark"]["type"] == kind)
        yield panel, layer, specification["datasets"][layer["data"]["name"]]


def pixels(panel: dict[str, Any], layer: dict[str, Any], row: dict[str, Any]) -> list[float]:
    """Across and down, where a row's mark stands."""
    found = []
    for channel, length in (("x", panel["width"]), ("y", panel["height"])):
        encoding = layer["encoding"][channel]
        if "value" in encoding:
            found.append(encoding["value"])
            continue
        low, high = encoding["scale"]["domain"]
        share = (row[encoding["field"]] - low) / (high - low)
        found.append(length * (share if channel == "x" else 1 - share))
    return found


def written(specification: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Box]]]:
    """Panels, and the boxes of what is written in each."""
    for panel, layer, rows in layers(specification, "text"):
        mark, text = layer["mark"], layer["encoding"]["text"]["field"]
        align = mark.get("align", "center")
        yield (
            panel,
            [
                box(
                    x + mark.get("dx", 0),
                    y,
                    row[text],
                    align if isinstance(align, str) else row["align"],
                    mark["fontSize"],
                )
                for row in rows
                for x, y in [pixels(panel, layer, row)]
            ],
        )


@pytest.mark.parametrize(
    ("study", "view", "names"),
    [
        (FAMILY, "shape", 24),
        (PUBLISHED, "shape", 10),
        (FAMILY, "curves", 12),
        (PUBLISHED, "curves", 5),
        (AT_RATES, "shape", 60),
        (AT_RATES, "curves", 36),
        (PICTURE, "contour", 150),
        (PICTURES, "contour", 60),
        (PLANE, "plane", 30),
    ],
)
def test_writing_overlaps_nowhere(
    started_client: TestClient, study: int, view: str, names: int
) -> None:
    """In studies that ship: the published names of cells, or most levels of lines."""
    count = 0
    specification = get(started_client, f"/studies/{study}/plot.json?view={view}")
    for panel, boxes in written(specification):
        width, height = panel["width"], panel["height"]
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
        if view == "curves":  # beside it, in its height
            assert all(one[0] > width and one[1] >= 0 and one[3] <= height for one in boxes)
        else:
            assert all(within(one, width, height) for one in boxes)
        count += len(boxes)
    assert count >= names
    told = " ".join(specification["usermeta"]["caption"]["lines"])
    assert ("names without room" in told) == (study == AT_RATES)


@pytest.mark.parametrize("study", [FAMILY, PUBLISHED, AT_RATES])
def test_names_hide_no_point(started_client: TestClient, study: int) -> None:
    specification = get(started_client, f"/studies/{study}/plot.json?view=shape")
    points = layers(specification, "point")
    for (panel, boxes), (_, layer, rows) in zip(written(specification), points, strict=True):
        for row in rows:
            x, y = pixels(panel, layer, row)
            assert not any(overlap((x - 3, y - 3, x + 3, y + 3), one) for one in boxes)


def test_leaders_lead_to_points_of_their_names(started_client: TestClient) -> None:
    specification = get(started_client, f"/studies/{FAMILY}/plot.json?view=shape")
    for panel in specification["concat"]:
        (leader,) = (
            layer["encoding"]
            for layer in panel["layer"]
            if layer["mark"]["type"] == "rule" and "x2" in layer["encoding"]
        )
        ends = [leader[channel]["field"] for channel in ("x", "y", "x2", "y2")]
        assert ends == ["x", "y", "of_x", "of_y"]
    pairs = zip(layers(specification, "text"), layers(specification, "point"), strict=True)
    for (panel, text, names), (_, point, rows) in pairs:
        places = {row["name"]: (row["x"], row["mean"]) for row in rows}
        assert {row["name"]: (row["of_x"], row["of_y"]) for row in names} == places
        for row in names:
            x, y = pixels(panel, text, row)
            of_x, of_y = pixels(panel, point, {"x": row["of_x"], "mean": row["of_y"]})
            beside = np.hypot(x - of_x, y - of_y) <= 10
            assert row["led"] != beside
            assert row["align"] == ("left" if x > of_x else "right")


def test_each_row_of_shapes_has_its_own_accuracies(started_client: TestClient) -> None:
    specification = get(started_client, f"/studies/{AT_RATES}/plot.json?view=shape")
    domains = []
    for panel, layer, rows in layers(specification, "point"):
        low, high = layer["encoding"]["y"]["scale"]["domain"]
        assert all(
            other["encoding"]["y"]["scale"]["domain"] == [low, high] for other in panel["layer"]
        )
        assert 1 <= min(row["low"] for row in rows) - low <= 2
        assert 1 <= high - max(row["high"] for row in rows) <= 2
        domains.append((low, high))
    assert domains[0::2] == domains[1::2]
    assert len(set(domains)) == 3
    told = "each row of panels has an axis of accuracy of its own"
    assert told in specification["usermeta"]["caption"]["lines"]
    alone = get(started_client, f"/studies/{FAMILY}/plot.json?view=shape")
    assert told not in alone["usermeta"]["caption"]["lines"]


def test_leaders_join_lines_and_names(started_client: TestClient) -> None:
    """From a line's last epoch to its name, which begins where the leader ends."""
    specification = get(started_client, f"/studies/{AT_RATES}/plot.json?view=curves")
    results = get(started_client, f"/studies/{AT_RATES}")["results"]
    pairs = zip(layers(specification, "rule"), layers(specification, "text"), strict=True)
    for rate, ((_, rule, rows), (_, text, names)) in zip(results, pairs, strict=True):
        ends = {
            (cell_name(cell["cell"]), len(curve["accuracy"]), curve["accuracy"][-1])
            for cell in rate["cells"]
            for curve in cell["curves"]
            if cell_name(cell["cell"]) != cell["cell"]
        }
        assert len(ends) == 12
        assert names == rows
        assert {(row["name"], row["epoch"], row["accuracy"]) for row in rows} == ends
        leader, name = rule["encoding"], text["encoding"]
        assert (leader["x"]["field"], leader["y"]["field"]) == ("epoch", "accuracy")
        assert leader["x2"] == name["x"]
        assert leader["y2"]["field"] == name["y"]["field"]
        # So no leader crosses another.
        assert all(a["accuracy"] >= b["accuracy"] and a["at"] > b["at"] for a, b in pairwise(rows))


def many(count: int) -> dict[str, Any]:
    """A study of so many originals, which learn alike."""
    drawn = copy.deepcopy(RATES)
    for rate in drawn["results"]:
        cell = rate["cells"][0]
        rate["cells"] = [
            {
                **cell,
                "cell": from_index(number).id,
                "measures": {"aulc@2": {"n": 1, "mean": 40 + number / 100, "std": None}},
                "curves": [{"seed": 777, "accuracy": [20, 60, 80 + number / 100]}],
            }
            for number in range(count)
        ]
    return drawn


@pytest.mark.parametrize("view", ["shape", "curves"])
@pytest.mark.parametrize(("count", "all_named"), [(6, True), (200, False)])
def test_of_many_names_some_are_left_out(view: str, count: int, all_named: bool) -> None:
    specification = chart(many(count), view)
    for _, boxes in written(specification):
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
        assert (len(boxes) == count) == all_named
    lines = specification["usermeta"]["caption"]["lines"]
    assert ("names without room are left out" in lines) != all_named


@pytest.mark.parametrize(
    ("study", "view", "values"), [(PICTURES, "contour", "loss"), (PLANE, "plane", "variance")]
)
def test_labels_stand_on_lines_of_their_level(
    started_client: TestClient, study: int, view: str, values: str
) -> None:
    cells = get(started_client, f"/studies/{study}")["results"]["cells"]
    specification = get(started_client, f"/studies/{study}/plot.json?view={view}")
    drawn = list(layers(specification, "text"))
    shown = cells[:MOST_PANELS]
    for cell, (*_, labels) in zip(shown, drawn, strict=True):
        if values == "loss":
            axis, grid = cell["axis"], cell["loss"]
        else:
            axis = [row["y"] for row in cell["plane"]]
            grid = [row["variance"] for row in cell["plane"]]
        surface = RegularGridInterpolator((axis, axis), np.array(grid, float))
        for label in labels:
            assert float(surface((label["y"], label["x"]))) == pytest.approx(float(label["text"]))
            assert len(label["text"]) <= 4
        assert len({label["text"] for label in labels}) == len(labels)


def test_a_line_without_room_has_no_label() -> None:
    drawn = landscape()
    losses = np.ones((41, 41))
    losses[0, 0] = 100.0
    drawn["results"]["cells"][0] |= {
        "axis": np.linspace(-1, 1, 41).tolist(),
        "loss": losses.tolist(),
    }
    specification = chart(drawn, "contour")
    ((_, _, lines),) = layers(specification, "line")
    ((_, _, labels),) = layers(specification, "text")
    assert lines
    assert not labels


def test_tiles_end_with_the_frame(started_client: TestClient) -> None:
    specification = get(started_client, f"/studies/{PICTURES}/plot.json?view=contour")
    for _, layer, rows in layers(specification, "rect"):
        low, high = layer["encoding"]["x"]["scale"]["domain"]
        assert min(row[side] for row in rows for side in ("x", "y")) == low
        assert max(row[side] for row in rows for side in ("x2", "y2")) == high


FRAME = Frame(360, 280, (0, 36), (50, 64))
NAMES = st.text("".join(HELVETICA.values()), min_size=1, max_size=20)
POINTS = st.tuples(st.floats(0, 360), st.floats(0, 280))


@given(st.lists(st.tuples(NAMES, POINTS), min_size=1, max_size=25), st.lists(POINTS, max_size=40))
@settings(deadline=None)
def test_names_are_placed_off_all_else(
    named: list[tuple[str, tuple[float, float]]], others: list[tuple[float, float]]
) -> None:
    texts = [text for text, _ in named]
    points = np.array([point for _, point in named])
    centres = np.vstack([points, np.array(others).reshape(-1, 2)])
    marks = np.hstack([centres - 5, centres + 5])
    places = placed(texts, points, marks, FRAME)
    boxes = [
        box(place.x, place.y, text, place.align, 11)
        for text, place in zip(texts, places, strict=True)
        if place is not None
    ]
    assert all(within(one, 360, 280) for one in boxes)
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
    assert not any(overlap(one, tuple(mark)) for one in boxes for mark in marks.tolist())
    for place, point in zip(places, points, strict=True):
        if place is not None and place.led:
            end = np.array([place.x, place.y])
            length = float(np.hypot(*(end - point)))
            for x, y in point + np.arange(9, length - 3)[:, None] / length * (end - point):
                crossed = [*boxes, *map(tuple, marks.tolist())]
                assert not any(overlap((x, y, x, y), one) for one in crossed)


@given(NAMES, st.floats(0, 360), st.floats(20, 260))
@settings(deadline=None)
def test_a_name_alone_stands_at_its_point(text: str, x: float, y: float) -> None:
    point = np.array([[x, y]])
    (place,) = placed([text], point, np.hstack([point - 5, point + 5]), FRAME)
    assert place is not None
    assert (place.y, place.led) == (y, False)
    assert abs(place.x - x) == pytest.approx(9)
    assert place.align == ("left" if place.x > x else "right")


@given(st.lists(st.floats(0, 280), min_size=1, max_size=20))
def test_names_spread_as_little_as_can_be(places: list[float]) -> None:
    """By another program; with the ends far off, for it knows none."""
    ordered = sorted(places)
    steps = 13 * np.arange(len(ordered))
    expected = isotonic_regression(np.array(ordered) - steps).x + steps
    assert spread(ordered, 13, (-1000, 1000)) == pytest.approx(expected.tolist(), abs=1e-9)
    found = spread(ordered, 13, (6, 274))
    assert min(found) >= 6 - 1e-9
    assert max(found) <= 274 + 1e-9
    assert all(after - before >= 13 - 1e-9 for before, after in pairwise(found))


def test_pixels_and_values_are_inverse() -> None:
    values = np.array([[0.0, 64.0], [36.0, 50.0], [18.0, 53.5]])
    assert FRAME.pixels(values).tolist() == [[0, 0], [360, 280], [180, 210]]
    assert FRAME.values(FRAME.pixels(values)).tolist() == values.tolist()


def test_of_too_many_the_published_cells_are_named() -> None:
    rows = [{"name": name} for name in ("darts-1", "DARTS-V2", "darts-2", "ENAS-conn1")]
    assert worth_naming(rows, 4) == rows
    assert [row["name"] for row in worth_naming(rows, 3)] == ["DARTS-V2", "ENAS-conn1"]
    assert worth_naming(rows[::2], 1) == rows[::2]
