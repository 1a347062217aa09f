"""Runs that are trained here: added one at a time, each with all that follows from it."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.cells import parse_cell
from analysis.spaces import darts
from data import runs
from data.export import export
from data.jobs import JobStore, NewJob, UnknownJobError
from data.library import Library
from data.sources import recognise
from data.sources.base import Description, Run, Series, SourceError
from tests.conftest import ROOT, client_of
from tests.service.helpers import get
from tests.store.sources import Made, everything, meaning, run
from tests.store.test_export import curves

LOCAL = Description("local", "Trained here", "jobs", "own", ("a note",))
METRIC = "valid_accuracy@3of3"
CONTEXT = {"dataset": "digits", "recipe": "proxy"}


def trained(index: int = 0, value: float = 50.0, **fields: Any) -> Run:
    """A run of 3 epochs under recipe ``proxy`` with two curves, and what it was made with."""
    about: dict[str, Any] = {"dataset": "digits", "schedule": 3, "recipe": "proxy", **fields}
    made = run(index, {1: value / 4, 2: value / 2, 3: value}, **about)
    loss = Series("train", "loss", [1, 2, 3], [3.0, 2.0, 1.0])
    return replace(
        made,
        series=(*made.series, loss),
        train_time_s=12.5,
        time_source="measured",
        device="cpu",
        details=json.dumps({"lr": 0.1, "versions": {"torch": "2"}, "of": index}),
    )


def genotype(number: int) -> str:
    """A cell that no table holds."""
    kernels = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
    pairs = tuple((kernels[number // 4**place % 4], place % 2) for place in range(8))
    return darts.Genotype(pairs, (2, 3, 4, 5), pairs, (2, 3, 4, 5)).arch


def new_job(library: Library, count: int = 1) -> JobStore:
    jobs = JobStore(library.store)
    jobs.add([NewJob("cell", "id", "digits", "proxy", "{}", n, 3) for n in range(count)])
    return jobs


def values(library: Library, **parameters: Any) -> dict[str, float]:
    asked = {"fields": f"id,{METRIC}", "min_metric": f"{METRIC}:0", "space": "all", "limit": 1000}
    body = get(client_of(library), "/cells", asked | CONTEXT | parameters)
    return {row["id"]: row[METRIC] for row in body["items"]}


def test_a_run_is_there_with_everything_that_was_recorded(fresh: Library) -> None:
    jobs = new_job(fresh)
    name = fresh.add_run(trained(images="8x8"), source=LOCAL, job=1)
    assert name == "local:nb201-000000:digits:proxy@3:777:8x8"
    client = client_of(fresh)
    found = get(client, f"/runs/{name}")
    about = ("cell", "source", "seed", "recipe", "images", "device", "train_time_s", "time_source")
    assert [found[field] for field in about] == [
        "nb201-000000", "local", 777, "proxy", "8x8", "cpu", 12.5, "measured",
    ]  # fmt: skip
    assert found["details"] == {"lr": 0.1, "versions": {"torch": "2"}, "of": 0}
    recorded = {(one["set"], one["measure"]): one["values"] for one in found["recorded"]}
    assert recorded == {
        ("x-valid", "accuracy"): [12.5, 25.0, 50.0],
        ("train", "loss"): [3.0, 2.0, 1.0],
    }
    (listed,) = get(client, "/runs")["items"]
    assert "details" not in listed
    (source,) = get(client, "/sources")["items"]
    assert (source["name"], source["title"], source["notes"]) == (
        "local",
        "Trained here",
        ["a note"],
    )
    assert (source["cells"], source["runs"], source["points"]) == (1, 1, 6)
    job = jobs.get(1)
    assert (job.state, job.run, job.images) == ("done", name, "8x8")
    assert job.finished_at is not None
    assert values(fresh, images="8x8") == {"nb201-000000": 50.0}
    assert get(client, "/cells/0")["runs"][0]["id"] == name


def test_a_run_of_an_imported_table_has_no_details(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [[run(0, {12: 1.0})]]))
    (listed,) = get(client_of(fresh), "/runs")["items"]
    assert get(client_of(fresh), f"/runs/{listed['id']}")["details"] is None


def test_one_by_one_they_are_what_an_import_of_all_is(
    fresh: Library, empty_home: Path, tmp_path: Path
) -> None:
    """Whatever the order, and however often: the same runs, curves, cells and counts."""
    chance = random.Random(3)
    runs = [
        trained(index, chance.uniform(0, 100), seed=seed, **fields)
        for index in (0, 5, 284)
        for seed in (1, 2)
        for fields in ({}, {"recipe": "long", "images": "8x8"}, {"dataset": "other"})
    ]
    runs += [trained(cell=genotype(1)), trained(replicate="mean", seed=None, eval_set="ori-test")]
    runs.append(run(7, {2: math.nan, 3: 1.0}, measure="loss", schedule=3, recipe="proxy"))
    told = [*runs, *runs[::3]]
    chance.shuffle(told)
    for one in told:
        fresh.add_run(one, source=LOCAL)
    home = Path(shutil.copytree(empty_home, tmp_path / "other"))
    with closing(Library.open(home)) as other:
        other.import_source(Made(tmp_path, [runs], name="whole"))
        assert curves(fresh, "local") == curves(other, "whole")
        (one_by_one,), (whole,) = fresh.snapshot.sources, other.snapshot.sources
        assert one_by_one.cells == whole.cells
        assert one_by_one.runs == whole.runs == len(runs)
        assert one_by_one.points == whole.points

        def recorded(library: Library) -> set[Any]:
            return {
                (replace(one.curve, number=0), one.epochs, one.seeds, one.cells, one.runs)
                for one in library.snapshot.catalogue.recorded
            }

        assert recorded(fresh) == recorded(other)


def test_the_same_run_again_changes_nothing(fresh: Library) -> None:
    jobs = new_job(fresh)
    made = trained(value=math.pi)
    loss = Series("x-valid", "loss", [1, 3], [math.nan, 0.1 + 0.2])
    made = replace(made, series=(*made.series, loss))
    name = fresh.add_run(made, source=LOCAL)
    before, state = repr(everything(fresh)), fresh.snapshot
    assert fresh.add_run(made, source=LOCAL) == name
    assert repr(everything(fresh)) == before
    assert fresh.snapshot is state
    # It ends a job all the same, once.
    for _ in range(2):
        assert fresh.add_run(made, source=LOCAL, job=1) == name
        job = jobs.get(1)
        assert (job.state, job.run) == ("done", name)
    finished = job.finished_at
    fresh.add_run(made, source=LOCAL, job=1)
    assert jobs.get(1).finished_at == finished
    assert repr(everything(fresh)) == before


@pytest.mark.parametrize(
    "change",
    [
        {"series": (Series("x-valid", "accuracy", [1, 2, 3], [1.0, 2.0, 3.0]),)},
        {"series": (Series("ori-test", "accuracy", [3], [3.0]),)},
        {"series": ()},
        {"details": None},
        {"train_time_s": 13.0},
    ],
)
def test_another_result_of_the_same_training_replaces(
    fresh: Library, tmp_path: Path, change: dict[str, Any]
) -> None:
    """Then all is as if the other one had never been."""
    other, again = trained(9), replace(trained(), **change)
    fresh.add_run(other, source=LOCAL)
    name = fresh.add_run(trained(), source=LOCAL)
    assert values(fresh)["nb201-000000"] == 50.0
    assert fresh.add_run(again, source=LOCAL) == name
    held = curves(fresh, "local"), values(fresh), get(client_of(fresh), f"/runs/{name}")
    recorded = {
        (one.curve.eval_set, one.curve.measure, one.cells, one.runs, one.epochs)
        for one in fresh.snapshot.catalogue.recorded
    }
    with closing(Library.open(tmp_path / "other")) as clean:
        clean.add_run(other, source=LOCAL)
        clean.add_run(again, source=LOCAL)
        assert (curves(clean, "local"), values(clean)) == held[:2]
        assert get(client_of(clean), f"/runs/{name}") == held[2]
        assert recorded == {
            (one.curve.eval_set, one.curve.measure, one.cells, one.runs, one.epochs)
            for one in clean.snapshot.catalogue.recorded
        }
        (source,), (expected,) = fresh.snapshot.sources, clean.snapshot.sources
        assert (source.cells, source.runs, source.points) == (
            expected.cells,
            expected.runs,
            expected.points,
        )


def test_seeds_recipes_and_images_are_different_runs(fresh: Library) -> None:
    names = {
        fresh.add_run(trained(seed=seed, recipe=recipe, images=images), source=LOCAL)
        for seed in (1, 2)
        for recipe in ("proxy", "long")
        for images in ("original", "8x8")
    }
    assert len(names) == fresh.snapshot.sources[0].runs == 8


BAD: dict[str, tuple[Run, type[Exception], str]] = {
    "accuracy": (trained(value=150.0), SourceError, "150.0 at epoch 3"),
    "epoch": (run(0, {4: 1.0}, schedule=3, recipe="proxy"), SourceError, "epoch 4"),
    "cell": (trained(cell="|foo|"), SourceError, "unknown cell"),
    "seed": (trained(seed=None), SourceError, "a seed or a replicate"),
    "a new cell": (trained(value=150.0, cell=genotype(5)), SourceError, "150.0"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_run_that_can_t_be_taken_changes_nothing(fresh: Library, what: str) -> None:
    bad, error, match = BAD[what]
    jobs = new_job(fresh)
    fresh.add_run(trained(3), source=LOCAL)
    before, state, job = everything(fresh), fresh.snapshot, jobs.get(1)
    with pytest.raises(error, match=match):
        fresh.add_run(bad, source=LOCAL, job=1)
    assert (everything(fresh), jobs.get(1)) == (before, job)
    assert fresh.snapshot is state


def test_a_job_that_isn_t_there_gets_no_run(fresh: Library) -> None:
    before = everything(fresh)
    with pytest.raises(UnknownJobError, match="no job 5"):
        fresh.add_run(trained(), source=LOCAL, job=5)
    assert everything(fresh) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from data import job_rows
from data.library import Library
from tests.store.test_local_runs import LOCAL, trained
finish = job_rows.finish
def killed(*arguments):
    finish(*arguments)
    print("written", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
library = Library.open(Path(sys.argv[1]))
library.add_run(trained(1), source=LOCAL, job=1)
job_rows.finish = killed
library.add_run(trained(2), source=LOCAL, job=2)
"""


def test_a_run_and_the_end_of_its_job_are_there_together(empty_home: Path, tmp_path: Path) -> None:
    """kill -9 between the writes and the commit; what was committed before stays."""
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        new_job(library, 2)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home)], cwd=ROOT, check=False, capture_output=True
    )
    assert (killed.returncode, killed.stdout) == (-9, b"written\n"), killed.stderr
    with closing(Library.open(home)) as library:
        assert set(values(library)) == {"nb201-000001"}
        jobs = JobStore(library.store)
        assert [jobs.get(number).state for number in (1, 2)] == ["done", "queued"]
        library.add_run(trained(2), source=LOCAL, job=2)
        assert set(values(library)) == {"nb201-000001", "nb201-000002"}
        assert jobs.get(2).run == "local:nb201-000002:digits:proxy@3:777"


def test_the_name_is_kept_for_what_is_trained_here(fresh: Library, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"trained here.*--source NAME"):
        fresh.import_source(Made(tmp_path, [[run(0, {12: 1.0})]], name="local"))
    with pytest.raises(SourceError, match="'made' can't take single runs; only 'local' can"):
        fresh.add_run(trained(), source=replace(LOCAL, name="made"))
    assert fresh.snapshot.sources == []


def test_removing_what_was_trained_here(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [[trained(1)]]))
    before = meaning(fresh)
    jobs = new_job(fresh, 3)
    for number in (1, 2):
        fresh.add_run(trained(number), source=LOCAL, job=number)
    jobs.take(1, [{"epoch": 1}])
    kept = [jobs.get(number) for number in (1, 2, 3)]
    fresh.remove_source("local")
    assert meaning(fresh) == before
    assert [jobs.get(number) for number in (1, 2, 3)] == [replace(job, run=None) for job in kept]
    assert len(jobs.page([], 10)) == 3
    # And it begins anew.
    name = fresh.add_run(trained(2), source=LOCAL, job=2)
    assert (jobs.get(2).run, len(fresh.snapshot.sources)) == (name, 2)


def test_an_export_can_be_imported_elsewhere(
    fresh: Library, empty_home: Path, tmp_path: Path
) -> None:
    for made in (trained(), trained(1, images="8x8"), trained(cell=genotype(2), recipe="long")):
        fresh.add_run(made, source=LOCAL)
    assert "local.parquet" in export(fresh.snapshot, tmp_path / "out")
    home = Path(shutil.copytree(empty_home, tmp_path / "other"))
    with closing(Library.open(home)) as other:
        with pytest.raises(SourceError, match="under another name"):
            other.import_source(recognise(tmp_path / "out" / "local.parquet"))
        other.import_source(recognise(tmp_path / "out" / "local.parquet", name="lab"))
        assert curves(other, "lab") == curves(fresh, "local")
        assert values(other, images="8x8") == values(fresh, images="8x8") == {"nb201-000001": 50.0}


def test_an_export_of_an_epoch_that_diverged(
    fresh: Library, empty_home: Path, tmp_path: Path
) -> None:
    loss = Series("x-valid", "loss", [1, 2, 3], [2.0, math.nan, 1.0])
    fresh.add_run(replace(trained(), series=(loss,)), source=LOCAL)
    export(fresh.snapshot, tmp_path / "out")
    home = Path(shutil.copytree(empty_home, tmp_path / "other"))
    with closing(Library.open(home)) as other:
        other.import_source(recognise(tmp_path / "out" / "local.parquet", name="lab"))
        ((*_, epochs, found),) = curves(other, "lab")
        assert (epochs, found) == ("[1, 3]", "[2.0, 1.0]")


def test_a_run_that_diverged_comes_back_whole(
    fresh: Library, empty_home: Path, tmp_path: Path
) -> None:
    series = tuple(
        Series("x-valid", measure, [1, 2, 3], [50.0, math.nan, math.nan])
        for measure in ("accuracy", "loss")
    )
    lost = replace(trained(), series=series, details='{"diverged_at": 2}')
    fresh.add_run(lost, source=LOCAL)
    export(fresh.snapshot, tmp_path / "out")
    home = Path(shutil.copytree(empty_home, tmp_path / "other"))
    with closing(Library.open(home)) as other:
        other.import_source(recognise(tmp_path / "out" / "local.parquet", name="lab"))
        assert curves(other, "lab") == curves(fresh, "local")
        assert {(row[-2], row[-1]) for row in curves(other, "lab")} == {
            ("[1, 2, 3]", "[50.0, nan, nan]")
        }
        cells = [parse_cell(lost.cell).arch]
        assert runs.known(other.snapshot, cells, lost.dataset, str(lost.recipe)) == {}
