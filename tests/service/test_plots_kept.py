"""Pictures as bytes: the same for the same input, kept, and told of where they fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from analysis.spaces.nasbench201 import from_index
from data.errors import QueryError
from data.library import Library
from data.studies import Part, StudyStore
from service.plots import processes
from service.plots import render as rendering
from service.plots.drawing import chart, picture
from service.plots.views import NothingToShowError, PlotError, views_of
from service.studies.kinds import VariantsStudy
from tests.conftest import ROOT, client_of
from tests.service.helpers import get, is_problem, refused
from tests.service.studied import (
    RATES,
    empty,
    generalisation,
    gradient_variance,
    landscape,
    render,
    texts,
)


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
