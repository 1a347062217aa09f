"""Runs that are trained here: added one at a time, each with all that follows from it."""

from __future__ import annotations

import gc
import json
import math
import random
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.spaces import darts
from data.export import export
from data.jobs import JobStore, NewJob, UnknownJobError
from data.library import Library
from data.metrics import Context, parse_metric
from data.queries import View
from data.sources import recognise
from data.sources.base import Description, Run, Series, SourceError
from data.vectors import NotResidentError, resident_only
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


# --- what stays resident ---------------------------------------------------------------------

RESIDENT: dict[str, Callable[[View], Any]] = {
    "metric": lambda view: view.numbers(view.field(METRIC)),
    "values": lambda view: view.values(view.field(METRIC)),
    "spread": lambda view: view.values(view.field(f"{METRIC}:std")),
    "summary": lambda view: view.numbers(view.field("aulc@3of3")),
    "curves": lambda view: view.snapshot.vectors.curves(
        view.snapshot.catalogue.resolve_curve("valid_accuracy", None, view.context)
    ),
    "order": lambda view: view.order([f"-{METRIC}", "width"]),
    "order of columns": lambda view: view.order(["-width", "id"]),
}


def view(library: Library, recipe: str = "proxy") -> View:
    return View(library.snapshot, Context(dataset="digits", recipe=recipe))


def is_resident(asked: Callable[[View], Any], seen: View) -> bool:
    try:
        with resident_only():
            asked(seen)
    except NotResidentError:
        return False
    return True


@pytest.mark.parametrize("grows", [False, True], ids=["known cell", "new cell"])
def test_what_can_t_have_changed_stays_resident(
    fresh: Library, empty_home: Path, tmp_path: Path, grows: bool
) -> None:
    """Answers are those of a library that begins cold; of an old state nothing changes."""
    made = [
        trained(index, 10.0 * index + seed, seed=seed, recipe=recipe)
        for index in range(3)
        for seed in (1, 2)
        for recipe in ("proxy", "long")
    ]
    for one in made:
        fresh.add_run(one, source=LOCAL)
    states = [view(fresh), view(fresh, "long")]
    before = [[asked(seen) for asked in RESIDENT.values()] for seen in states]
    last = trained(2, 90.0, seed=3, cell=genotype(3) if grows else None)
    fresh.add_run(last, source=LOCAL)
    assert fresh.snapshot.frame.size == states[0].frame.size + grows
    orders = set() if grows else {"order", "order of columns"}
    assert {what for what, asked in RESIDENT.items() if is_resident(asked, view(fresh))} == (
        orders - {"order"}
    )
    assert {
        what for what, asked in RESIDENT.items() if is_resident(asked, view(fresh, "long"))
    } == {"metric", "values", "spread", "summary", "curves"} | orders
    home = Path(shutil.copytree(empty_home, tmp_path / "cold"))
    with closing(Library.open(home)) as cold:
        for one in (*made, last):
            cold.add_run(one, source=LOCAL)
        for recipe in ("proxy", "long"):
            for asked in RESIDENT.values():
                np.testing.assert_equal(asked(view(fresh, recipe)), asked(view(cold, recipe)))
    for seen, answers in zip(states, before, strict=True):
        for asked, answer in zip(RESIDENT.values(), answers, strict=True):
            np.testing.assert_equal(asked(seen), answer)


def test_an_import_makes_all_anew(fresh: Library, tmp_path: Path) -> None:
    fresh.add_run(trained(), source=LOCAL)
    asked = RESIDENT["metric"]
    asked(view(fresh))
    fresh.import_source(Made(tmp_path, [[run(0, {12: 1.0})]]))
    assert not is_resident(asked, view(fresh))


def test_replacing_a_run_changes_the_curves_that_it_had(fresh: Library) -> None:
    """Also those that the new result lacks: the metric is gone with its last run."""
    fresh.add_run(trained(1), source=LOCAL)
    fresh.add_run(trained(), source=LOCAL)
    asked = RESIDENT["metric"]
    assert np.nansum(asked(view(fresh))) == 100.0
    fresh.add_run(replace(trained(), series=(Series("train", "loss", [3], [1.0]),)), source=LOCAL)
    assert np.nansum(asked(view(fresh))) == 50.0


def test_old_states_are_let_go_of(fresh: Library) -> None:
    """However many runs are added, the log is folded into the file and no state stays behind."""
    states = []
    big = "x" * 600_000
    for index in range(40):
        fresh.add_run(replace(trained(index), details=json.dumps(big)), source=LOCAL)
        states.append(weakref.ref(fresh.snapshot.state))
    gc.collect()
    assert [state() is None for state in states] == [True] * 39 + [False]
    log = fresh.store.path.with_name(fresh.store.path.name + ".wal")
    assert log.stat().st_size < 40 * 600_000 * 0.9
    assert len(values(fresh)) == 40


# --- readers meanwhile -----------------------------------------------------------------------


def test_readers_see_the_old_state_or_the_new_one(fresh: Library) -> None:
    """Runs come and are replaced; every answer is of one state, and jobs don't run ahead.

    Run ``n`` of a round has accuracy ``n`` at each epoch, so that an answer tells what is in it.
    """
    count = 25
    jobs = new_job(fresh, count)
    fresh.add_run(trained(1, 1.0), source=LOCAL, job=1)
    done = threading.Event()
    failures: list[str] = []

    def check(condition: bool, *about: Any) -> None:
        if not condition:
            failures.append(" ".join(map(str, about)))

    def read(seed: int) -> None:
        client, chance = client_of(fresh), random.Random(seed)
        least = 0
        while not done.is_set() and not failures:
            which = chance.randrange(4)
            if which == 0:
                finished = {job.number: job.run for job in jobs.page(["done"], 100)}
                state = fresh.snapshot
                held = {one["id"] for one in get(client, "/runs", {"limit": 1000})["items"]}
                check(held >= set(finished.values()), "jobs ahead of runs", finished, held)
                check(state.sources[0].runs <= len(held), "runs went")
            elif which == 1:
                found = sorted(values(fresh).values())
                check(found == [*range(1, len(found) + 1)], "cells with values", found)
                check(len(found) >= least, "fewer than before", len(found), least)
                least = len(found)
            elif which == 2:
                state = fresh.snapshot
                counted = [(one.cells, one.runs, one.points) for one in state.sources]
                with state.state.read() as cursor:
                    (rows,) = cursor.execute(
                        'SELECT count(DISTINCT cell), count(DISTINCT run), sum(len("values")) '
                        "FROM series"
                    ).fetchall()
                check(counted == [rows], counted, rows)
                recorded = {(one.cells, one.runs) for one in state.catalogue.recorded}
                check(recorded <= {(rows[0], rows[1])}, recorded, rows)
            else:
                asked = View(fresh.snapshot, Context(dataset="digits", recipe="proxy"))
                size = asked.frame.size
                field = asked.field(METRIC)
                check(len(asked.numbers(field)) == len(asked.values(field)) == size, "sizes")
                check(len(asked.order([METRIC])) == size, "an order")

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, count + 1):
        cell = genotype(number) if number % 5 == 0 else None
        fresh.add_run(trained(number, float(number), cell=cell), source=LOCAL, job=number)
        if number % 7 == 0:
            again = replace(trained(number - 1, float(number - 1)), device="gpu 0")
            if (number - 1) % 5:
                fresh.add_run(again, source=LOCAL)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert sorted(values(fresh).values()) == [*range(1, count + 1)]
    resolved = fresh.snapshot.catalogue.resolve(
        parse_metric(METRIC), Context(dataset="digits", recipe="proxy")
    )
    assert np.count_nonzero(~np.isnan(fresh.snapshot.vectors.metric(resolved).value)) == count
