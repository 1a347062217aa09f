"""Pictures of studies: what documents written by hand look like, and the addresses."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from starlette.testclient import TestClient

from analysis.spaces.darts import NAMED
from analysis.spaces.nasbench201 import from_index
from data.errors import QueryError
from data.library import Library
from data.studies import Part, StudyStore
from service.plots import processes
from service.plots import render as rendering
from service.plots.captions import MOST_PANELS
from service.plots.drawing import chart, picture
from service.plots.render import TIMEOUT_S, Picture
from service.plots.themes import COLOURS
from service.plots.views import VIEWS, Form, NothingToShowError, PlotError, views_of
from service.studies.kinds import KINDS, VariantsStudy
from tests.conftest import ROOT, client_of
from tests.service.helpers import get, is_problem, refused

SVG = "{http://www.w3.org/2000/svg}"
FIRST, SECOND = "nb201-000284", "nb201-006111"


def document(kind: str, settings: dict[str, Any], results: Any) -> dict[str, Any]:
    """Two trainings on digits, of which one diverged, as ``GET /studies/{study}`` has them."""
    part = {"dataset": "digits", "recipe": "proxy", "seed": 777, "role": "original"}
    return {
        "id": 5,
        "kind": kind,
        "state": "running",
        "settings": {"kind": kind, "recipe": "proxy", "seeds": [777], **settings},
        "progress": {"ended": 1, "parts": 2},
        "parts": [
            {**part, "cell": cell, "original": cell, "diverged": cell != FIRST}
            for cell in (FIRST, SECOND)
        ],
        "results": results,
    }


def measured(kind: str, settings: dict[str, Any], *fields: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "cell": cell,
            "seed": 777,
            "space": "nasbench201",
            "width": width,
            "depth": 2,
            "set": "ori-test",
            "images": 200,
            **more,
        }
        for cell, width, more in zip((FIRST, SECOND), (1.5, None), fields, strict=True)
    ]
    return document(kind, settings, {"cells": rows, "correlations": []})


def landscape(dimensions: int = 2) -> dict[str, Any]:
    """Losses 1 at the centre, 10 beside it and 100 at the corners; the second's is incomplete."""
    losses = [[100, 10, None], [10, 1, 10], [100, 10, 100]]
    complete = {"axis": [-1, 0, 1], "loss": losses if dimensions == 2 else [[10, 1, 10]]}
    return measured(
        "landscape",
        {"dimensions": dimensions, "points": 3},
        {**complete, "rows_left": 0},
        {"axis": [-1, 0, 1], "loss": [], "rows_left": 3 if dimensions == 2 else 1},
    )


def gradient_variance(plane: int | None = 3) -> dict[str, Any]:
    def at(epoch: int, variance: float) -> dict[str, Any]:
        groups = {"stem": {"variance": 0.5}, "cell 1": {"variance": 2.0}}
        return {"epoch": epoch, "variance": variance, "groups": groups}

    plane_rows = [{"y": y, "variance": [3.0, 2.0, 3.0]} for y in (-1, 0, 1)]
    return measured(
        "gradient-variance",
        {"plane": plane, "reach": 1, "batch": 32, "batches": 8, "statistics": "batch"},
        {"epochs": [at(0, 5.0), at(1, 0.0), at(2, 1.0)], "plane": plane_rows},
        {"epochs": [at(0, 4.0)], "plane": plane_rows[:1]},
    )


def smoothness() -> dict[str, Any]:
    def block(group: str, eigenvalue: float, converged: bool) -> dict[str, Any]:
        return {"epoch": 4, "group": group, "eigenvalue": eigenvalue, "converged": converged}

    return measured(
        "smoothness",
        {"statistics": "running"},
        {"blocks": [block("stem", -20.0, True), block("network", 30.0, False)]},
        {"blocks": [block("stem", 10.0, True), block("network", 40.0, True)]},
    )


def convergence(kind: str, variants: tuple[str, ...] = ()) -> dict[str, Any]:
    def cell(name: str, role: str, *accuracies: float) -> dict[str, Any]:
        mean = sum(accuracies[:2]) / 2 if accuracies else None
        return {
            "cell": name,
            "role": role,
            "original": FIRST,
            "space": "nasbench201",
            "width": 2,
            "depth": 3,
            "trainings": 1,
            "n": int(bool(accuracies)),
            "diverged": int(not accuracies),
            "measures": {"aulc@2": {"n": 1, "mean": mean, "std": None}},
            "curves": [{"seed": 777, "accuracy": list(accuracies)}] if accuracies else [],
        }

    cells = [cell(FIRST, "original", 20, 60, 80), cell(SECOND, "original")]
    cells += [cell(f"nb201-00000{n}", role, 10, 50, 70) for n, role in enumerate(variants)]
    found = {"coefficient": -0.5, "ci": [-0.9, 0.25], "n": 9, "reason": None}
    result = {
        "epoch": 2,
        "set": "x-valid",
        "cells": cells,
        "correlations": [
            {"space": "nasbench201", "x": x, "y": "aulc@2", **found} for x in ("width", "depth")
        ],
    }
    rates = [{"learning_rate": rate, **result} for rate in (0.025, 0.25)]
    return document(kind, {"variants": list(variants)}, rates if not variants else rates[:1])


def generalisation() -> dict[str, Any]:
    pairs = [
        {"dataset": "digits", "set": "ori-test", "seed": 1, "original": 80.0, "adapted": 81.0},
        {"dataset": "digits", "set": "ori-test", "seed": 2, "original": 82.0, "adapted": 85.0},
        {"dataset": "digits", "set": "ori-test", "seed": 3, "original": 82.0, "adapted": None},
    ]
    compared = {"mean": 2.0, "ci": [-10.706, 14.706], "n": 2, "n_incomplete": 1, "reasons": {}}
    result = {"original": FIRST, "pairs": pairs, **compared}
    return document("generalisation", {"datasets": ["digits"], "confidence": 0.95}, [result])


VARIANTS = convergence("variants", ("random-connections", "random-operations"))
RATES = convergence("lr-robustness")

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
            "width (in units",
            "depth (edges",
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
        ["+2.00 points [−10.71, +14.71], n = 2, 1 incomplete", "accuracy (percent)", "95 %"],
        ("line", 2),
    ),
]


def render(
    document: dict[str, Any],
    view: str | None,
    form: Form,
    *,
    folder: Path,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """The picture, kept or drawn."""
    picture = Picture(document, view, form, folder=folder)
    kept = picture.kept()
    return picture.drawn(timeout_s) if kept is None else kept


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    )


def marks(svg: bytes) -> Counter[str]:
    """Shapes by the kind of mark they belong to, axes and legends left out."""
    counts: Counter[str] = Counter()
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        kind, _, rest = group.get("class", "").partition(" ")
        if rest.startswith("role-mark"):
            counts[kind.removeprefix("mark-")] += len(group)
    return counts


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


def test_what_did_not_converge_is_hollow() -> None:
    svg = ElementTree.fromstring(picture(smoothness(), "blocks", "svg"))
    symbols = [
        shape.get("fill")
        for group in svg.iter(f"{SVG}g")
        if group.get("class", "").startswith("mark-symbol role-mark")
        for shape in group
    ]
    assert symbols.count("white") == 1


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


def empty(kind: str) -> dict[str, Any]:
    nothing: dict[str, list[Any]] = {"epochs": [], "plane": [], "blocks": []}
    if kind == "landscape":
        drawn = landscape()
        drawn["results"]["cells"] = drawn["results"]["cells"][1:]
        return drawn
    if kind == "gradient-variance":
        drawn = gradient_variance()
    elif kind == "smoothness":
        drawn = smoothness()
    elif kind == "generalisation":
        drawn = generalisation()
        drawn["results"][0]["pairs"] = drawn["results"][0]["pairs"][2:]
        return drawn
    else:
        drawn = convergence(kind)
        for rate in drawn["results"]:
            rate["cells"] = rate["cells"][1:]
        return drawn
    for row in drawn["results"]["cells"]:
        row |= nothing
    return drawn


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


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first = render(RATES, "curves", "svg", folder=tmp_path / "a")
    assert render(RATES, "curves", "svg", folder=tmp_path / "b") == first
    assert first.startswith(b"<svg")


def test_coordinates_have_two_decimals_at_most() -> None:
    drawn = picture(landscape(), "contour", "svg").decode()
    places = re.findall(r' (?:d|transform)="([^"]*)"', drawn)
    assert len(places) > 20
    assert max(len(part) for place in places for part in re.findall(r"\.(\d+)", place)) == 2
    assert not any("e-" in place for place in places)


def test_other_forms(tmp_path: Path) -> None:
    assert render(generalisation(), None, "png", folder=tmp_path).startswith(b"\x89PNG\r\n\x1a\n")
    written = chart(generalisation(), "pairs")
    assert written["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    assert written["title"]["text"] == "Adapted cells against their originals on digits"


def test_pictures_are_kept_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []

    def draw(asked: bytes, timeout_s: float) -> bytes:
        drawn.append(asked)
        return b"%d" % len(drawn)

    monkeypatch.setattr(processes, "draw", draw)
    monkeypatch.setattr(rendering, "KEPT", 2)
    studies = [{**RATES, "id": number} for number in range(3)]
    assert [render(study, None, "svg", folder=tmp_path) for study in studies] == [b"1", b"2", b"3"]
    assert render(studies[2], "curves", "svg", folder=tmp_path) == b"3"
    assert render(studies[2], "shape", "svg", folder=tmp_path) == b"4"
    assert render(studies[2], "shape", "png", folder=tmp_path) == b"5"
    assert sorted(place.read_bytes() for place in tmp_path.iterdir()) == [b"4", b"5"]
    # What was seen last stays, whenever it was made; and bytes are counted too.
    for place in tmp_path.iterdir():
        os.utime(place, (0, 0))
    assert render(studies[2], "shape", "svg", folder=tmp_path) == b"4"
    assert render(studies[0], "shape", "svg", folder=tmp_path) == b"6"
    assert sorted(place.read_bytes() for place in tmp_path.iterdir()) == [b"4", b"6"]
    monkeypatch.setattr(rendering, "KEPT_BYTES", 1)
    assert render(studies[1], "shape", "svg", folder=tmp_path) == b"7"
    assert [place.read_bytes() for place in tmp_path.iterdir()] == [b"7"]


def test_what_other_code_drew_is_drawn_anew(tmp_path: Path) -> None:
    """In a process of its own each: the code is read once in the life of a server."""
    pictures = tmp_path / "pictures"
    code = (
        "import sys, json; from pathlib import Path; from service.plots import render as r\n"
        "folder, name, document = sys.argv[1:]; r.processes.draw = lambda *_: name.encode()\n"
        "picture = r.Picture(json.loads(document), None, 'svg', folder=Path(folder))\n"
        "print((picture.kept() or picture.drawn()).decode())"
    )
    copied = shutil.copytree(ROOT / "service", tmp_path / "service")

    def drawn(name: str) -> str:
        command = [sys.executable, "-c", code, str(pictures), name, json.dumps(RATES)]
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert [drawn("first"), drawn("second")] == ["first", "first"]
    with (copied / "plots" / "scales.py").open("a") as module:
        module.write("# changed\n")
    assert drawn("third") == "third"


def test_views_that_a_study_has_not(tmp_path: Path) -> None:
    for drawn, view, allowed in (
        (landscape(), "profile", "contour, surface"),
        (landscape(1), "contour", "profile"),
        (gradient_variance(plane=None), "plane", "epochs, groups"),
        (RATES, "pairs", "curves, shape"),
    ):
        with pytest.raises(QueryError) as caught:
            render(drawn, view, "svg", folder=tmp_path)
        assert (caught.value.name, caught.value.allowed) == ("view", allowed)
    assert views_of("landscape", {"dimensions": 1}) == ("profile",)


def test_faults_of_the_process(tmp_path: Path) -> None:
    with pytest.raises(NothingToShowError, match="no eigenvalue is measured yet"):
        render(empty("smoothness"), None, "svg", folder=tmp_path)
    broken = {name: value for name, value in RATES.items() if name != "results"}
    with pytest.raises(PlotError, match="KeyError: 'results'"):
        render(broken, None, "svg", folder=tmp_path)
    with pytest.raises(PlotError, match=r"within 0\.001 s"):
        render(RATES, None, "svg", folder=tmp_path, timeout_s=0.001)
    assert not list(tmp_path.iterdir())


def test_the_addresses(home: Path) -> None:
    """Study 1 has a run that is there, study 2 one that is gone."""
    cell = from_index(6111)
    with closing(Library.open(home)) as opened:
        store = StudyStore(opened.store)
        for seed, run in enumerate((f"hpo-bench:{cell.id}:cifar10-valid:nb201-200:777", "gone")):
            asked = VariantsStudy.model_validate(
                {
                    "kind": "variants",
                    "cells": ["6111"],
                    "recipe": "proxy",
                    "dataset": "digits",
                    "seeds": [seed],
                    "variants": [],
                }
            )
            part = Part(
                "original", cell.id, cell.arch, cell.id, "digits", "proxy", 0.1, seed, None, run
            )
            store.put("variants", asked.model_dump_json(exclude={"priority"}), [part])
        client = client_of(opened)
        answer = client.get("/studies/1/plot.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "Validation accuracy by epoch on digits" in texts(answer.content)
        answer = client.get("/studies/1/plot.png?view=curves")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
        told = get(client, "/studies/1/plot.json?view=curves&theme=dark")
        assert told["usermeta"]["caption"]["title"] == "Validation accuracy by epoch on digits"
        (error,) = refused(client, "/studies/1/plot.svg?view=pairs")
        assert (error["name"], error["allowed"]) == ("view", "curves, shape")
        assert "accuracy yet" in is_problem(client.get("/studies/2/plot.svg"), 409)["detail"]
        is_problem(client.get("/studies/3/plot.png"), 404)


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
            "n": 398 + epoch,
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
        "sources": ["local-bundle"],
    }
    context = {
        "seed": "mean",
        "space": "nasbench201",
        "sets": {"valid_accuracy": curve},
        "control": ["params_m"],
        "group_by": None,
        "confidence": 0.95,
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
        "Spearman's ρ, holding params_m fixed, with its 95 % interval",
        "cifar10-valid, validation images (x-valid), jpeg images; schedule of 12 epochs",
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
