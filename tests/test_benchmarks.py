"""What the benchmarks say of a training beside the official records, and where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from analysis.cells import parse_cell
from benchmarks import __main__ as benchmarks
from benchmarks import gpu, official, plain
from benchmarks.official import CELLS, EPOCHS, MEASURES, Curves, compare, curves_of, told
from benchmarks.work import Work
from service.training.folder import Assignment, JobFolder
from service.training.recipes import Recipe, builtin
from tests import official as made
from tests.conftest import NATS_BENCH, ROOT, need
from tests.service.jobs.staged import record


def flat(value: float) -> Curves:
    return {what: [value] * EPOCHS for what in MEASURES}


RECORDS = {"0": [flat(10.0), flat(12.0)], "11": [flat(20.0), flat(20.0)], "284": [flat(3), flat(4)]}
MARGIN = 3.182446 * ((2 + 0 + 0.5) / 3) ** 0.5 * 1.5**0.5
"""By hand: t of three degrees of freedom, variances 2, 0 and ½ between two seeds, √(1 + ½)."""


def test_the_margin_is_that_of_one_more_seed() -> None:
    points = compare({("0", 1): flat(11.0)}, RECORDS)
    assert len(points) == EPOCHS * len(MEASURES)
    for point in points:
        assert (point.mean, point.low, point.high) == (11.0, 10.0, 12.0)
        assert point.margin == pytest.approx(MARGIN, rel=1e-6)


@pytest.mark.parametrize(("off", "within"), [(0.0, 12), (0.99, 12), (-0.99, 12), (1.01, 0)])
def test_what_lies_beyond_it_is_told(off: float, within: int) -> None:
    lines = told(compare({("11", 1): flat(20 + off * MARGIN)}, RECORDS))
    assert len(lines) == 2 + len(MEASURES)
    assert f"| {within} of 12 | 12 |" in lines[2]
    assert lines[2].endswith(f"| {off * MARGIN:+.3f} |")


def test_two_seeds_of_a_cell_stand_beside_one_another() -> None:
    lines = told(compare({("0", 1): flat(11.0), ("0", 2): flat(12.0)}, RECORDS))
    assert [line.split(" | ")[:2] for line in lines[2:4]] == [["| 0", "1"], ["| 0", "2"]]
    assert [line.split(" | ")[-1] for line in lines[2:4]] == ["+0.000 |", "+1.000 |"]


def test_a_training_that_goes_on_is_compared_as_far_as_it_is() -> None:
    part = {what: values[:3] for what, values in flat(20.0).items()}
    points = compare({("11", 1): part}, RECORDS)
    assert {point.epoch for point in points} == {1, 2, 3}


def test_the_official_records_are_read_whole() -> None:
    """The values of the files, which nats_bench gives too (tests/real)."""
    records = official.official(need(NATS_BENCH))
    assert {cell: len(seeds) for cell, seeds in records.items()} == dict.fromkeys(CELLS, 2)
    for seeds in records.values():
        for curves in seeds:
            assert {len(curves[what]) for what in MEASURES} == {EPOCHS}
    finals = {
        cell: sorted(curves["x-valid", "accuracy"][-1] for curves in seeds)
        for cell, seeds in records.items()
    }
    assert 62.71 in [round(value, 2) for value in finals["0"]]
    assert 74.04 in [round(value, 2) for value in finals["284"]]


def test_the_trainings_that_are_kept_are_what_the_docs_say() -> None:
    held = json.loads((ROOT / "benchmarks" / "results" / "official.json").read_text())
    ours = {(one["cell"], one["seed"]): curves_of(one["epochs"]) for one in held["trained"]}
    assert {cell for cell, _ in ours} == set(CELLS)
    assert {len(curve) for curves in ours.values() for curve in curves.values()} == {EPOCHS}
    points = compare(ours, official.official(need(NATS_BENCH)))
    assert [asdict(point) for point in points] == held["points"]
    text = (ROOT / "docs" / "training.md").read_text()
    assert "\n".join(told(points)) in text
    last = [point for point in points if point.epoch == EPOCHS]
    training = [point for point in points if point.what.startswith("train")]
    assert (len(last), len(training)) == (16, 96)
    assert all(point.within for point in (*last, *training))
    beyond = {(point.cell, point.epoch) for point in points if not point.within}
    assert beyond == {("284", 2), ("284", 7), ("11", 7)}
    assert sum(not point.within for point in points) == 7


def test_the_command_compares_folders_of_jobs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path / "000001")
    recipe = builtin()["nb201-12"]
    cell = parse_cell("284").arch
    folder.create(
        Assignment(cell=cell, dataset="cifar10-valid", recipe=recipe, seed=777, places=())
    )
    for epoch in (1, 2):
        folder.append_epoch(record(epoch))
    kept = tmp_path / "kept.json"
    arguments = ["official", str(folder.path), "--records", str(need(NATS_BENCH))]
    monkeypatch.setattr(sys, "argv", [*arguments, "--out", str(kept)])
    assert official.main() == 0
    assert "| 284 | 777 | x-valid accuracy |" in capsys.readouterr().out
    held = json.loads(kept.read_text())
    (trained,) = held["trained"]
    assert (trained["cell"], trained["seed"]) == ("284", 777)
    assert [line["epoch"] for line in trained["epochs"]] == [1, 2]
    assert len(held["points"]) == 2 * len(MEASURES)


class Clock:
    """Time that goes on by as much as each look at it."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def monotonic(self) -> float:
        self.now += self.seconds
        return self.now


def train(setting: object, recipe: Recipe, seed: int, checkpoint: Path, **told: Any) -> None:
    """Epochs as staged, after those that the checkpoint counts."""
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(done + 1, recipe.epochs + 1):
        checkpoint.write_text(str(epoch))
        told["finished_epoch"](record(epoch))


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A machine that has records like the benchmark's, and no images but the digits."""
    monkeypatch.setattr(gpu, "train", train)
    monkeypatch.setattr(plain, "train", lambda *_: SimpleNamespace(images_per_s=[350.0]))
    files = tmp_path / official.FILES
    files.parent.mkdir()
    made.write("folder", [int(cell) for cell in official.CELLS], files)
    for name in ("SHARED", "REPOSITORY"):
        monkeypatch.setattr(gpu, name, tmp_path)
    return Work(tmp_path, 1, quick=True)


@pytest.mark.parametrize(
    ("seconds", "trained", "told"),
    [
        (0, ["cell 0: 2", "cell 11: 2", "cell 284: 2"], []),
        # Looked at four times for a training of two epochs, and once before them.
        (75, ["cell 0: 2", "cell 11: 1"], ["cell 11 after epoch 1", "cell 284"]),
        (500, [], ["cell 0", "cell 11", "cell 284"]),
    ],
)
def test_other_images_are_not_held_against_the_records_and_time_is_kept(
    seconds: float,
    trained: list[str],
    told: list[str],
    quick: Work,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu, "time", Clock(seconds))
    section = gpu.run(quick)
    found = [figure.what for figure in section.figures if figure.what.endswith("epochs")]
    assert found == [f"{one} epochs" for one in trained]
    *late, last = section.text[1:]
    assert late == [f"There was no time for {one}." for one in told]
    assert last.startswith("Not held against the benchmark's records, which are of cifar10-valid")


ALONE = """
import re, runpy, sys
from importlib.metadata import packages_distributions
from pathlib import Path

locked = Path("requirements.lock").read_text().lower()
pinned = {re.sub(r"[-_.]+", "-", name) for name in re.findall(r"^([\\w.-]+)==", locked, re.M)}
for module, owners in packages_distributions().items():
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in owners}
    if not names & {*pinned, "cellwise"}:
        sys.modules[module] = None
sys.argv[0] = "benchmarks"
runpy.run_module("benchmarks", run_name="__main__")
"""
"""Runs the benchmarks where nothing but what requirements.lock has can be imported."""


def test_a_benchmark_needs_what_it_imports_alone(tmp_path: Path) -> None:
    kept = ["--work", str(tmp_path), "--results", str(tmp_path / "kept.json")]
    only = [f"--only={name}" for name in ("gpu", "browser")]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *only, *kept],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "gpu is left out: torch sees no GPU" in done.stderr
    assert "browser could not be measured: ModuleNotFoundError" in done.stderr
    assert done.returncode == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_where_there_is_no_gpu_its_benchmark_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.json"
    arguments = ["benchmarks", "--only", "gpu", "--work", str(tmp_path), "--results", str(kept)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert benchmarks.main() == 0
    assert "gpu is left out: torch sees no GPU" in capsys.readouterr().err
    assert not kept.exists()
