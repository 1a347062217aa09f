"""Pictures of answers: their numbers are those of the call that they show."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import vl_convert
from PIL import Image, ImageColor
from starlette.testclient import TestClient

from analysis.spaces.darts import NAMED
from data.library import Library
from service.plots import processes, themes
from service.plots.views import Theme
from tests import raw
from tests.conftest import client_of, queued_job
from tests.service.helpers import get, is_problem, refused

SVG = "{http://www.w3.org/2000/svg}"
FINAL = "valid_accuracy@final"
BUNDLE = "dataset=cifar10-valid&recipe=proxy&images=jpeg&source=local-bundle"

# Cells of NAS-Bench-201 by width and depth, counted in another program: all but 341 of 15,625.
COUNTS = {
    (1, 1): 1364,
    (1, 2): 928,
    (1, 3): 320,
    (2, 2): 3968,
    (2, 3): 2560,
    (3, 2): 1024,
    (3, 3): 5120,
}

# An address, the dataset that it has, and what its caption says.
VIEWS: list[tuple[str, str, list[str]]] = [
    (
        "/plots/shapes.{}?min_width=2&connected=true",
        "shapes",
        ["Width and depth of cells", "n = 12,672 cells of nasbench201 with width ≥ 2, connected"],
    ),
    (
        f"/plots/scatter.{{}}?x=params_m&y={FINAL}&depth=1&colour=depth",
        "cells",
        [
            "Validation accuracy, epoch 200 of 200 against parameters",
            "Spearman's ρ = +",
            "n = 1,364",
        ],
    ),
    (
        "/plots/correlations-by-epoch.{}?x=width&x=depth&y=valid_accuracy&min_depth=2",
        "points",
        ["Correlation of width and depth with validation accuracy", "with depth ≥ 2", "95 %"],
    ),
    (
        f"/plots/groups.{{}}?by=depth&metric={FINAL}&metric=params_m&op_03=none&unique=live",
        "groups",
        [
            "Validation accuracy, epoch 200 of 200 and parameters by depth",
            "operation 0→3 = none",
            "one cell a class (equal once dead edges are cut)",
        ],
    ),
    (
        "/plots/curves.{}?cell=284&cell=6111&dataset=cifar100",
        "points",
        [
            "Validation accuracy by epoch",
            "n = 2 cells, 3 seeds each",
            "cifar100, validation images",
        ],
    ),
    (
        f"/plots/ranks.{{}}?cell=DARTS-V2&cell=284&metric={FINAL}",
        "ranks",
        ["Where cells stand", "n = 2 cells", "180 wirings of 4 nodes", "15,284 connected cells"],
    ),
    (
        "/jobs/1/plot.{}?",
        "points",
        [
            "Accuracy by epoch",
            "nb201-006111 trained on digits",
            "job 1, cancelled",
            "n = 1 training",
        ],
    ),
]
NAMES = [address.split("/")[2].partition(".")[0] for address, *_ in VIEWS]


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    )


def rows(client: TestClient, path: str, name: str) -> list[dict[str, Any]]:
    """Of a specification's dataset."""
    found: list[dict[str, Any]] = get(client, path)["datasets"][name]
    return found


@pytest.mark.parametrize(
    ("picture", "asked"),
    [
        ("scatter", f"x=width&y={FINAL}&max_width=2"),
        ("correlations-by-epoch", "x=width&y=valid_accuracy&max_width=2"),
    ],
)
def test_a_correlation_s_caption_counts_different_networks(
    client: TestClient, picture: str, asked: str
) -> None:
    (found,) = get(client, f"/correlations?x=width&y={FINAL}&max_width=2")["items"]
    assert found["n_distinct"] < found["n"]
    told = " ".join(get(client, f"/plots/{picture}.json?{asked}")["usermeta"]["caption"]["lines"])
    assert f"{found['n']:,} cells" in told
    assert f", {found['n_distinct']:,} different networks" in told


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("address", "name", "told"), VIEWS, ids=NAMES)
def test_one_picture_in_three_forms(
    client: TestClient, address: str, name: str, told: list[str], theme: Theme
) -> None:
    answers = {form: client.get(f"{address.format(form)}&theme={theme}") for form in ("svg", "png")}
    specification = get(client, f"{address.format('json')}&theme={theme}")
    assert answers["svg"].headers["content-type"] == "image/svg+xml"
    assert answers["png"].headers["content-type"] == "image/png"
    caption = specification["usermeta"]["caption"]
    assert specification["datasets"][name]
    shown = texts(answers["svg"].content).replace(" ", "")  # lines end where a blank was
    for text in told:
        assert text.replace(" ", "") in shown
        assert text in " ".join((caption["title"], *caption["lines"]))
    # Also with what only the page has: the pointer's marks.
    live = vl_convert.vegalite_to_svg(specification, "6.1", allowed_base_urls=[])
    assert caption["title"] in texts(live.encode())
    drawing = ElementTree.fromstring(answers["svg"].content)
    image = Image.open(io.BytesIO(answers["png"].content))
    size = (2 * float(drawing.get("width") or 0), 2 * float(drawing.get("height") or 0))
    assert image.size == pytest.approx(size, abs=2)
    paper = ImageColor.getrgb(themes.COLOURS[theme]["paper"])
    assert image.convert("RGB").getpixel((3, 3)) == paper


def test_shapes_are_the_groups_by_width_and_depth(client: TestClient) -> None:
    asked = f"metric={FINAL}&dataset=cifar100"
    drawn = rows(client, f"/plots/shapes.json?{asked}", "shapes")
    answered = get(client, f"/groups?by=width,depth&{asked}")["items"]
    assert {(row["width"], row["depth"]): row["cells"] for row in drawn} == COUNTS
    assert drawn == [
        {"width": item["width"], "depth": item["depth"], "cells": item["cells"]}
        | item["metrics"][FINAL]
        | {"told": f"{item['cells']:,}"}
        for item in answered
    ]
    specification = get(client, f"/plots/shapes.json?{asked}")
    lines = specification["usermeta"]["caption"]["lines"]
    assert "n = 15,284 cells of nasbench201; left out: 341 (disconnected)" in lines
    assert any(line.startswith("cifar100, validation images (x-valid)") for line in lines)
    (pick,) = [one for one in specification["params"] if one["name"] == "pick"]
    assert pick["select"] == {"type": "point", "fields": ["width", "depth"]}


def test_a_shape_without_a_value_is_grey(started_client: TestClient) -> None:
    """Not every cell that is there was trained in every context."""
    asked = f"space=darts&metric=valid_accuracy@12of12&{BUNDLE}"
    drawn = rows(started_client, f"/plots/shapes.json?{asked}", "shapes")
    absent = [row for row in drawn if row["mean"] is None]
    assert absent
    for row in drawn:
        some = str(row["cells"]) if row["n"] == row["cells"] else f"{row['n']} of {row['cells']}"
        assert row["told"] == some
    svg = ElementTree.fromstring(started_client.get(f"/plots/shapes.svg?{asked}").content)
    fills = [
        tile.get("fill")
        for group in svg.iter(f"{SVG}g")
        if group.get("class", "").startswith("mark-rect role-mark")
        for tile in group
    ]
    assert len(fills) == len(drawn)
    assert fills.count("#d9d9d9") == len(absent)


def test_scatter_has_the_cells_that_have_both(client: TestClient) -> None:
    """Those that are disconnected too: they have no width, and are grey."""
    drawn = rows(client, f"/plots/scatter.json?x=flops_m&y={FINAL}", "cells")
    fields = f"id,flops_m,{FINAL},width,depth"
    answer = client.get(f"/cells?fields={fields}&format=ndjson")
    cells = [json.loads(line) for line in answer.content.splitlines()]
    assert len(cells) == 15_625
    assert drawn == [
        {
            "id": cell["id"],
            "x": cell["flops_m"],
            "y": cell[FINAL],
            "colour": cell["width"],
            "width": cell["width"],
            "depth": cell["depth"],
        }
        for cell in cells
    ]
    specification = get(client, f"/plots/scatter.json?x=flops_m&y={FINAL}")
    (brush,) = [one for one in specification["params"] if one["name"] == "brush"]
    assert brush["select"] == {"type": "interval", "encodings": ["x", "y"]}
    assert "brush" not in json.dumps(specification["encoding"])
    (found,) = get(client, f"/correlations?x=flops_m&y={FINAL}")["items"]
    low, high = found["ci"]
    told = " ".join(specification["usermeta"]["caption"]["lines"])
    coefficient = found["coefficient"]
    assert f"Spearman's ρ = {coefficient:+.2f} [{low:+.2f}, {high:+.2f}]" in told
    assert "grey: 341 cells without width" in told


def test_scatter_says_how_reliable_both_are(client: TestClient) -> None:
    path = f"/plots/scatter.json?x=width&y={FINAL}"
    (found,) = get(client, f"/correlations?x=width&y={FINAL}")["items"]
    told = " ".join(get(client, path)["usermeta"]["caption"]["lines"])
    icc = found["reliability"]["y"]["icc"]
    assert f"reliability (intraclass correlation): y {icc:.2f}" in told
    assert f"without the noise of seeds {found['disattenuated']:+.2f}" in told


def test_scatter_leaves_out_what_lacks_either(client: TestClient) -> None:
    asked = f"x=width&y={FINAL}&colour=params_m"
    drawn = rows(client, f"/plots/scatter.json?{asked}", "cells")
    assert len(drawn) == 15_625 - 341
    lines = get(client, f"/plots/scatter.json?{asked}")["usermeta"]["caption"]["lines"]
    assert "n = 15,284 cells of nasbench201; left out: 341 (disconnected)" in lines


def test_groups_are_the_groups(client: TestClient) -> None:
    asked = f"by=width&metric={FINAL}&metric=params_m"
    specification = get(client, f"/plots/groups.json?{asked}")
    answered = get(client, f"/groups?{asked}")
    drawn = {(row["metric"], row["group"]): row for row in specification["datasets"]["groups"]}
    assert len(drawn) == 6
    for item in answered["items"]:
        for metric, described in item["metrics"].items():
            row = drawn[metric, str(item["width"])]
            assert row["cells"] == item["cells"]
            assert {name: row[name] for name in described} == described
    panels = [panel["title"]["subtitle"] for panel in specification["concat"]]
    shares = [100 * answered["explained"][m]["eta_squared"] for m in (FINAL, "params_m")]
    assert panels == [
        ["n = 15,284", f"the groups explain {share:.1f} % of its variance (η²)"] for share in shares
    ]


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("by=ops", "5 none, 1 conv 1×1"),
        ("by=live_ops&connected=true", "1 conv 1×1"),
        ("by=live_ops&connected=false", "nothing"),
        ("by=connected", "no"),
        ("by=params_m&bins=4", "0.07331–"),
        ("by=space&space=all", "nasbench201"),
    ],
)
def test_groups_by_what_is_no_number(client: TestClient, asked: str, first: str) -> None:
    drawn = rows(client, f"/plots/groups.json?{asked}", "groups")
    assert any(row["group"].startswith(first) for row in drawn)
    assert client.get(f"/plots/groups.svg?{asked}").status_code == 200


def test_of_many_groups_the_first_are_shown(client: TestClient) -> None:
    specification = get(client, "/plots/groups.json?by=ops")
    count = len(get(client, "/groups?by=ops")["items"])
    told = " ".join(specification["usermeta"]["caption"]["lines"])
    assert f"the first 60 of {count} groups are shown" in told
    assert len(specification["datasets"]["groups"]) == 60
    assert "n = 15,625 cells" in told


def test_curves_are_the_curves(started_client: TestClient) -> None:
    cells = ("DARTS-V2", "NASNet-A", "SNAS-mild")
    named = "&".join(f"cell={cell}" for cell in cells)
    drawn = rows(started_client, f"/plots/curves.json?{named}&{BUNDLE}", "points")
    for cell in cells:
        (curve,) = get(started_client, f"/cells/{cell}/curves?{BUNDLE}")["items"]
        points = [point for point in drawn if point["name"] == cell]
        assert [point["epoch"] for point in points] == curve["epochs"] == list(range(1, 13))
        assert [point["value"] for point in points] == curve["values"]
        assert {point["cell"] for point in points} == {curve["cell"]} == {NAMED[cell].id}


def test_curves_of_all_seeds_are_a_line_each(client: TestClient) -> None:
    asked = "cell=284&cell=nb201-000284&cell=6111&dataset=cifar100"
    specification = get(client, f"/plots/curves.json?{asked}&seed=all")
    drawn = specification["datasets"]["points"]
    assert [(point["cell"], point["seed"]) for point in drawn] == [
        (cell, seed) for cell in ("nb201-000284", "nb201-006111") for seed in (777, 888, 999)
    ]
    assert (
        "a line a seed; n = 2 cells, 6 trainings" in specification["usermeta"]["caption"]["lines"]
    )
    mean = rows(client, f"/plots/curves.json?{asked}", "points")
    (curve,) = get(client, "/cells/284/curves?dataset=cifar100")["items"]
    assert mean[0]["high"] - mean[0]["value"] == pytest.approx(curve["std"][0])
    (one,) = rows(client, "/plots/curves.json?cell=284&dataset=cifar100&seed=888", "points")
    assert one["value"] == drawn[1]["value"]


def test_a_cell_without_a_curve_is_named(client: TestClient) -> None:
    lines = get(client, "/plots/curves.json?cell=284&cell=ENAS")["usermeta"]["caption"]["lines"]
    assert "nothing recorded of ENAS" in lines


def test_ranks_are_the_ranks(client: TestClient) -> None:
    """The named cells are among the widest and shallowest."""
    cells = ("NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild")
    named = "&".join(f"cell={cell}" for cell in cells)
    drawn = rows(client, f"/plots/ranks.json?{named}", "ranks")
    assert len(drawn) == len(cells) * 4
    for item in get(client, f"/ranks?{named}")["items"]:
        for column, rank in item["ranks"].items():
            (row,) = (r for r in drawn if (r["cell"], r["column"]) == (item["id"], column))
            assert {name: row[name] for name in rank} == rank
    told = {(row["name"], row["column"]): row["told"] for row in drawn}
    assert told["NASNet-A", "width"] == "5, 1st of 2,700"
    assert told["SNAS-mild", "depth"] == "2, 1st of 180"
    assert told["DARTS-V2", "width"] == "3.5, 2nd of 180"


def test_a_job_s_curve_is_its_epochs(client: TestClient) -> None:
    drawn = rows(client, "/jobs/1/plot.json", "points")
    epochs = get(client, "/jobs/1")["epochs"]
    assert [(point["epoch"], point["name"], point["value"]) for point in drawn] == [
        (record["epoch"], words, record[name]["accuracy"])
        for record in epochs
        for name, words in (
            ("train", "training images"),
            ("x-valid", "validation images (x-valid)"),
            ("ori-test", "test images (ori-test)"),
        )
    ]
    is_problem(client.get("/jobs/2/plot.svg"), 404)


def test_by_epoch_is_what_the_call_answers(started_client: TestClient) -> None:
    asked = f"x=width&x=depth&y=valid_accuracy&{BUNDLE}"
    specification = get(started_client, f"/plots/correlations-by-epoch.json?{asked}")
    answered = get(started_client, f"/correlations/by-epoch?{asked}")["items"]
    assert len(answered) == 24
    assert specification["datasets"]["points"] == [
        {
            "x": item["x"],
            "epoch": item["epoch"],
            "coefficient": item["coefficient"],
            "low": item["ci"][0],
            "high": item["ci"][1],
            "n": item["n"],
            "piece": f"{item['x']} 0",
            "alone": False,
        }
        for item in answered
    ]
    (hover,) = [one for one in specification["params"] if one["name"] == "hover"]
    assert hover["select"]["fields"] == ["epoch"]
    assert hover["select"]["nearest"] is True


def test_a_diagram_as_an_image(client: TestClient) -> None:
    answer = client.get("/cells/DARTS-V2/diagram.png")
    assert answer.headers["content-type"] == "image/png"
    drawing = ElementTree.fromstring(client.get("/cells/DARTS-V2/diagram.svg").content)
    image = Image.open(io.BytesIO(answer.content))
    size = [2 * float(drawing.get(side) or 0) for side in ("width", "height")]
    assert image.size == pytest.approx(size, abs=2)
    assert len(image.convert("RGB").getcolors(image.width * image.height) or ()) > 50
    is_problem(client.get("/cells/DARTS-V9/diagram.png"), 422)
    (error,) = refused(client, "/cells/284/diagram.png", {"theme": "dark"})
    assert error["name"] == "theme"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/plots/shapes.json?theme=blue", "theme"),
        ("/plots/shapes.svg?metric=breadth", "metric"),
        ("/plots/shapes.json?metric=width&metric=depth", "metric"),
        ("/plots/shapes.json?min_widht=2", "min_widht"),
        (f"/plots/scatter.json?x=width&y={FINAL}&colour=space", "colour"),
        ("/plots/scatter.json?x=width", "y"),
        ("/plots/scatter.png?x=wdith&y=depth", "x"),
        (f"/plots/groups.json?by={FINAL}", "by"),
        ("/plots/groups.json?by=width,depth", "by"),
        ("/plots/groups.json?metric=width,depth,n_skip,n_pool,n_none", "metric"),
        ("/plots/curves.json", "cell"),
        ("/plots/curves.json?cell=nothing", "cell"),
        ("/plots/curves.json?cell=darts-000000000000", "cell"),
        (f"/plots/curves.json?cell=1&metric={FINAL}", "metric"),
        ("/plots/curves.json?" + "&".join(f"cell={n}" for n in range(13)), "cell"),
        ("/plots/ranks.json?" + "&".join(f"cell={n}" for n in range(31)), "cell"),
        ("/plots/ranks.json?cell=1&width=3", "width"),
        ("/jobs/1/plot.json?view=curves", "view"),
    ],
)
def test_what_can_t_be_taken(client: TestClient, path: str, name: str) -> None:
    assert [error["name"] for error in refused(client, path)] == [name]


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/plots/shapes.json?connected=false", "no cell that passes the filters is connected"),
        ("/plots/shapes.json?space=darts", "no cell that passes the filters has valid_accuracy"),
        (f"/plots/scatter.svg?x=width&y={FINAL}&space=darts", f"has both width and {FINAL}"),
        ("/plots/groups.json?min_width=4", "no cell that passes the filters has width"),
        ("/plots/curves.png?cell=ENAS&cell=DARTS-V2", "is recorded for darts-"),
    ],
)
def test_where_nothing_is_to_be_shown(client: TestClient, path: str, missing: str) -> None:
    assert missing in is_problem(client.get(path), 409)["detail"]


def test_a_cell_without_any_rank(client: TestClient) -> None:
    disconnected = get(client, "/cells?connected=false&limit=1&fields=id")["items"][0]["id"]
    problem = is_problem(client.get(f"/plots/ranks.json?cell={disconnected}"), 409)
    assert problem["detail"] == "no cell has a rank: the cell has no value"


def test_a_job_that_waits_has_no_curve(home: Path) -> None:
    with closing(Library.open(home)) as opened:
        number = queued_job(opened)
        answer = client_of(opened).get(f"/jobs/{number}/plot.json")
        detail = is_problem(answer, 409)["detail"]
    assert detail == f"job {number} (queued) has no epoch of its own yet"


def test_an_answer_is_drawn_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    draw = processes.draw

    def counted(given: bytes, timeout_s: float) -> bytes:
        asked.append(given)
        return draw(given, timeout_s)

    monkeypatch.setattr(processes, "draw", counted)
    path = "/plots/shapes.json?max_params_m=0.9"
    assert get(client, path) == get(client, path)
    assert len(asked) == 1


def test_pictures_of_slow_cells_say_how_many_there_are(started_client: TestClient) -> None:
    sample = "dataset=cifar10-valid&recipe=proxy&images=jpeg&source=local-bundle"
    slow = sum(never for _, never in raw.times_of_the_sample(45).values())
    assert slow > 1
    for address, told in (
        ("groups.json?by=width&metric=epochs_to_45of12", f"epochs_to_45of12: {slow} censored"),
        ("scatter.json?x=width&y=epochs_to_45of12", f"without a point: {slow} censored"),
    ):
        body = get(started_client, f"/plots/{address}&{sample}")
        assert told in " ".join(body["usermeta"]["caption"]["lines"])
