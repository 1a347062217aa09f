"""Pictures of studies: what documents written by hand look like."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from analysis.spaces.darts import NAMED
from service.plots.captions import MOST_PANELS
from service.plots.drawing import chart, picture
from service.plots.themes import COLOURS
from service.plots.views import VIEWS, NothingToShowError
from service.studies.kinds import KINDS
from tests.service.studied import (
    FIRST,
    RATES,
    SECOND,
    SVG,
    VARIANTS,
    convergence,
    empty,
    generalisation,
    gradient_variance,
    landscape,
    marks,
    render,
    smoothness,
    texts,
)

# Document, view, what is written beside the caption, and how many marks of one kind there are.
SHOWN: list[tuple[dict[str, Any], str, list[str], tuple[str, int]]] = [
    (
        landscape(),
        "contour",
        ["loss (nats)", "α (multiples of direction 1)", "β (multiples of direction 2)", "grey"],
        ("rect", 9),
    ),
    # Three faces, as the fourth has a corner without a loss; the ground, the scale and its ticks
    # at 2, 5, 10, 20 and 50.
    (landscape(), "surface", ["loss (nats)", "α: −1 … 1", "β: −1 … 1"], ("line", 3 + 2 + 5)),
    (
        landscape(1),
        "profile",
        [
            "loss (nats, logarithmic)",
            "α (multiples of the direction)",
            f"{FIRST} (width 1.5, depth 2)",
        ],
        ("symbol", 3),
    ),
    # A variance of 0 has no place on a logarithmic axis.
    (
        gradient_variance(),
        "epochs",
        [
            "epoch (0: before training)",
            "E|g − E g|²",
            f"{SECOND} (disconnected)",
            "8 batches of 32",
        ],
        ("symbol", 3),
    ),
    (
        gradient_variance(),
        "groups",
        ["layer group, from the input to the output", "stem", "at epochs 0 to 2"],
        ("symbol", 4),
    ),
    (gradient_variance(), "plane", ["variance", "α (multiples of direction 1)"], ("rect", 9)),
    (
        smoothness(),
        "blocks",
        [
            "|λ| of the Hessian",
            "block, from the input",
            "epoch 4",
            "running statistics",
            "Lanczos",
            SECOND,
        ],
        ("symbol", 4),
    ),
    (
        VARIANTS,
        "curves",
        [
            "accuracy (percent)",
            "epoch",
            f"{FIRST}, random-operations, learning rate 0.025",
            "x-valid",
        ],
        ("line", 4),
    ),
    (
        VARIANTS,
        "shape",
        [
            "width (edges)",
            "depth (edges)",
            "ρ = −0.50 [−0.90, +0.25], n = 9",
            "random-connections",
        ],
        ("symbol", 6),
    ),
    (RATES, "curves", ["learning rate 0.25", "1 of 2 trainings finished, 1 diverged"], ("line", 2)),
    (RATES, "shape", ["aulc (percent)", "first 2 epochs"], ("symbol", 4)),
    (
        generalisation(),
        "pairs",
        [
            "+2.00 points [−10.71, +14.71], n = 2 (1 incomplete: 1 diverged)",
            "accuracy (percent)",
            "95 %",
        ],
        ("line", 2),
    ),
]


def test_every_view_of_every_kind_is_tried() -> None:
    assert set(VIEWS) == set(KINDS)
    assert {(drawn["kind"], view) for drawn, view, *_ in SHOWN} == {
        (kind, view) for kind, views in VIEWS.items() for view in views
    }


@pytest.mark.parametrize(("drawn", "view", "written", "counted"), SHOWN)
def test_what_a_picture_shows(
    drawn: dict[str, Any], view: str, written: list[str], counted: tuple[str, int]
) -> None:
    svg = picture(drawn, view, "svg")
    found = texts(svg)
    caption = [FIRST, SECOND, "on digits", "recipe: proxy", "seed: 777", "study 5, running"]
    for expected in [*caption, "n = 2 trainings, 1 ended so far, 1 diverged", *written]:
        assert expected in found
    kind, count = counted
    assert marks(svg)[kind] == count


def test_layer_groups_keep_the_order_of_the_network(tmp_path: Path) -> None:
    found = texts(render(gradient_variance(), "groups", "svg", folder=tmp_path))
    assert found.index("stem") < found.index("cell 1")


def test_a_block_that_only_some_have_keeps_its_place(tmp_path: Path) -> None:
    """A cell without weights has no block: those that do come later in the rows."""
    drawn = smoothness()
    second = drawn["results"]["cells"][1]
    block = second["blocks"][0]
    second["blocks"] = [block, {**block, "group": "cell 1"}, {**block, "group": "network"}]
    found = texts(render(drawn, "blocks", "svg", folder=tmp_path))
    assert found.index("stem") < found.index("cell 1") < found.index("network")


@pytest.mark.parametrize(
    ("drawn", "view"),
    [
        (smoothness(), "blocks"),
        (gradient_variance(), "groups"),
        (RATES, "shape"),
        (RATES, "curves"),
    ],
)
def test_cells_of_two_spaces_have_panels_of_their_own(drawn: dict[str, Any], view: str) -> None:
    """Neither their widths nor the blocks of their networks can be compared."""
    both = copy.deepcopy(drawn)
    results = both["results"]
    for one in results if isinstance(results, list) else [results]:
        one["cells"][1] |= {"space": "darts", "curves": one["cells"][0].get("curves", [])}
        one["cells"][1] |= {"measures": one["cells"][0].get("measures", {})}
        elsewhere = [
            {**found, "space": "darts", "coefficient": 0.125} for found in one["correlations"]
        ]
        one["correlations"] += elsewhere
    before, after = (texts(picture(given, view, "svg")) for given in (drawn, both))
    assert "darts" not in before
    assert "darts" in after
    if view == "shape":  # each with its own coefficient
        assert "ρ = −0.50" in after
        assert "ρ = +0.12" in after


def headings(specification: dict[str, Any]) -> list[str]:
    """Of the panels."""
    (panels,) = (specification[how] for how in ("vconcat", "concat") if how in specification)
    titles = [panel["title"] for panel in panels]
    return [title if isinstance(title, str) else title["text"] for title in titles]


@pytest.mark.parametrize("both", [False, True])
def test_of_many_epochs_some_have_panels(both: bool) -> None:
    """From the first to the last, of each skeleton as many."""
    drawn = smoothness()
    rows = drawn["results"]["cells"]
    for row in rows:
        row["blocks"] = [{**row["blocks"][0], "epoch": epoch} for epoch in range(201)]
    if both:
        rows[1]["space"] = "darts"
    specification = chart(drawn, "blocks")
    found = headings(specification)
    notes = " ".join(specification["title"]["subtitle"])
    assert len(found) == len(set(found)) == MOST_PANELS
    assert f"{MOST_PANELS} of {402 if both else 201} panels are shown, their epochs" in notes
    spaces = ("nasbench201", "darts") if both else ("nasbench201",)
    for space in spaces:
        start = f"skeleton of {space}, epoch "
        epochs = [int(text.removeprefix(start)) for text in found if text.startswith(start)]
        assert (epochs[0], epochs[-1]) == (0, 200)
        steps = {later - epoch for epoch, later in pairwise(epochs)}
        assert max(steps) - min(steps) <= 1
    for row in rows:
        row["blocks"] = row["blocks"][: MOST_PANELS // len(spaces)]
    specification = chart(drawn, "blocks")
    assert len(headings(specification)) == MOST_PANELS
    assert "panels" not in " ".join(specification["title"]["subtitle"])


def test_of_many_learning_rates_some_have_panels() -> None:
    drawn = convergence("lr-robustness")
    (rate, _) = drawn["results"]
    drawn["results"] = [{**rate, "learning_rate": number} for number in range(1, 21)]
    specification = chart(drawn, "shape")
    found = headings(specification)
    assert len(found) == MOST_PANELS
    assert f"learning rate {MOST_PANELS // 2}:" in found[-1]
    notes = " ".join(specification["title"]["subtitle"])
    assert f"the first {MOST_PANELS} of 40 panels are shown" in notes


def hollow(svg: bytes) -> int:
    """How many of the points are."""
    symbols = [
        shape.get("fill")
        for group in ElementTree.fromstring(svg).iter(f"{SVG}g")
        if group.get("class", "").startswith("mark-symbol role-mark")
        for shape in group
    ]
    return symbols.count("white")


def test_what_did_not_converge_is_hollow() -> None:
    assert hollow(picture(smoothness(), "blocks", "svg")) == 1


def test_lines_of_disconnected_cells_are_there() -> None:
    """Grey, as the caption says: their width, which is the colour of the others, is null."""
    drawn = copy.deepcopy(VARIANTS)
    for cell in drawn["results"][0]["cells"][2:]:
        cell["width"] = None
    svg = ElementTree.fromstring(picture(drawn, "curves", "svg"))
    strokes = [
        line.get("stroke")
        for group in svg.iter(f"{SVG}g")
        if group.get("class", "").startswith("mark-line role-mark")
        for line in group
        if line.get("d")
    ]
    assert strokes.count(COLOURS["light"]["faint"]) == 2
    assert "grey: disconnected cells" in texts(picture(drawn, "curves", "svg"))


def test_published_cells_are_named() -> None:
    drawn = orjson.loads(
        orjson.dumps(landscape()).replace(FIRST.encode(), NAMED["SNAS-mild"].id.encode())
    )
    assert "cells: SNAS-mild" in texts(picture(drawn, "contour", "svg"))


def test_a_curve_of_one_epoch_is_a_point() -> None:
    drawn = convergence("lr-robustness")
    for rate in drawn["results"]:
        rate["cells"][0]["curves"][0]["accuracy"] = [None, None, 80.0]
    assert marks(picture(drawn, "curves", "svg"))["symbol"] == 2


def test_large_grids_are_thinned_about_the_centre() -> None:
    drawn = landscape()
    side = 251
    drawn["results"]["cells"][0] |= {
        "axis": [(place - 125) / 125 for place in range(side)],
        "loss": [[1.0 + abs(x - 125) + abs(y - 125) for x in range(side)] for y in range(side)],
    }
    # Of up to 12,000 tiles: every third point each way from the centre, 41 of them, and it.
    written = chart(drawn, "contour")
    assert (2 * 41 + 1) ** 2 in map(len, written["datasets"].values())
    assert "one point in 3 along each side is drawn" in written["title"]["subtitle"]


@pytest.mark.parametrize(
    ("kind", "view", "missing"),
    [
        ("landscape", "contour", "at least 3 rows of its grid are left"),
        ("landscape", "surface", "at least 3 rows of its grid are left"),
        ("gradient-variance", "epochs", "measured yet in any of the 2 trainings"),
        ("gradient-variance", "groups", "measured yet in any of the 2 trainings"),
        ("gradient-variance", "plane", "at most 0 of its 3 rows"),
        ("smoothness", "blocks", "no eigenvalue is measured yet"),
        ("variants", "curves", "none of the 2 trainings has an accuracy"),
        ("lr-robustness", "shape", "no connected cell has a finished training"),
        ("generalisation", "pairs", "none of the 1 pairs"),
    ],
)
def test_without_data_there_is_no_picture(kind: str, view: str, missing: str) -> None:
    with pytest.raises(NothingToShowError, match=missing):
        picture(empty(kind), view, "svg")


def caption_of(specification: dict[str, Any]) -> str:
    return " ".join(specification["usermeta"]["caption"]["lines"])


def drawn_rows(specification: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """Rows of any of its datasets that have a field."""
    return [row for rows in specification["datasets"].values() for row in rows if field in row]


def test_a_shape_s_rule_is_one_standard_deviation() -> None:
    drawn = convergence("lr-robustness")
    for rate in drawn["results"]:
        rate["cells"][0]["measures"]["aulc@2"]["std"] = 4.0
    found = {
        (row["mean"], row["low"], row["high"])
        for row in drawn_rows(chart(drawn, "shape"), "low")
        if row["low"] != row["high"]
    }
    assert found == {(40.0, 36.0, 44.0)}


def test_a_cell_whose_trainings_diverged_is_seen_to_stand_elsewhere() -> None:
    """Its mean is of the trainings that went on, while the correlation has it last."""
    drawn = convergence("lr-robustness")
    assert "no point where all trainings diverged: 1 cell" in caption_of(chart(drawn, "shape"))
    for rate in drawn["results"]:
        rate["cells"][0]["diverged"] = 1
    specification = chart(drawn, "shape")
    assert "hollow: a cell of which some trainings diverged" in caption_of(specification)
    # Two rates, by width and by depth.
    svg = picture(drawn, "shape", "svg")
    assert (marks(svg)["symbol"], hollow(svg)) == (4, 4)
    assert "hollow" not in caption_of(chart(VARIANTS, "shape"))
    assert hollow(picture(VARIANTS, "shape", "svg")) == 0


def test_widths_are_in_the_units_of_their_space() -> None:
    """Edges in NAS-Bench-201; in DARTS' space, channels of one node."""
    units = {"nasbench201": "width (edges)", "darts": "width (channels of one node)"}
    for space, told in units.items():
        drawn = copy.deepcopy(RATES)
        for rate in drawn["results"]:
            for row in (*rate["cells"], *rate["correlations"]):
                row["space"] = space
        (panel, *_) = chart(drawn, "shape")["concat"]
        assert panel["layer"][0]["encoding"]["x"]["title"] == told


def test_a_plane_is_not_turned() -> None:
    """The loss rises with β, which goes up, and not with α."""
    drawn = landscape()
    drawn["results"]["cells"][0]["loss"] = [[1, 1, 1], [10, 10, 10], [100, 100, 100]]
    tiles = drawn_rows(chart(drawn, "contour"), "x2")
    assert {row["value"] for row in tiles if row["y"] == -1.5} == {1.0}
    assert {row["value"] for row in tiles if row["y"] == -0.5} == {10.0}


def test_the_scale_s_ends_are_told() -> None:
    drawn = landscape()
    drawn["results"]["cells"][0]["loss"] = [[1, 1, 1], [1, 1, 1], [1, 1, 101]]
    told = caption_of(chart(drawn, "contour"))
    # Of nine values: place 0.98 * 8 = 7.84, so 1 + 0.84 * 100.
    assert "ends at the 98th percentile, 85; the highest value is 101" in told


def test_pairs_keep_their_sides() -> None:
    drawn = generalisation()
    drawn["settings"]["confidence"] = 0.9
    specification = chart(drawn, "pairs")
    found = {(row["side"], row["accuracy"]) for row in drawn_rows(specification, "side")}
    assert found == {("original", 80), ("adapted", 81), ("original", 82), ("adapted", 85)}
    assert "90 % t intervals" in caption_of(specification)


def test_epochs_of_a_study_count_from_1() -> None:
    found = {(row["epoch"], row["accuracy"]) for row in drawn_rows(chart(RATES, "curves"), "alone")}
    assert found == {(1, 20), (2, 60), (3, 80)}


def test_an_eigenvalue_is_drawn_as_it_is() -> None:
    """Its size, not its square or root."""
    found = {row["y"] for row in drawn_rows(chart(smoothness(), "blocks"), "y")}
    assert found == {20, 30, 10, 40}
