"""Jobs that came in a file, without their folders; folders that are of other jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from data.library import Library
from data.study_transfer import export_studies
from service.studies.checking import Checker
from service.training.folder import JobFolder, Result
from tests.service.helpers import get
from tests.service.jobs.staged import EPOCHS, done, record
from tests.service.lab import Lab

PLAIN: dict[str, Any] = {"kind": "variants", "variants": []}
MEASURED: dict[str, Any] = {"kind": "gradient-variance", "at": "every-epoch"}
LANDSCAPE: dict[str, Any] = {"kind": "landscape", "points": 3}
ON: dict[str, Any] = {"cells": ["6111"], "dataset": "digits", "recipe": "proxy"}


class Home(Lab):
    """A lab with its library."""

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.library = library


@pytest.fixture
def elsewhere(empty_home: Path, tmp_path: Path) -> Iterator[Home]:
    """A lab of another home."""
    home = Path(shutil.copytree(empty_home, tmp_path / "elsewhere"))
    with closing(Library.open(home)) as library:
        yield Home(library)


@pytest.fixture
def here(fresh: Library) -> Home:
    return Home(fresh)


def begin(lab: Lab, gain: float, epochs: int = 3) -> None:
    """The worker of job 1 comes so far."""
    lab.queue.step()
    folder = lab.queue.folders.of(1)
    for epoch in range(1, epochs + 1):
        told = record(epoch)
        told["x-valid"]["accuracy"] += gain
        folder.append_epoch(told)
        if folder.assignment().measurement is not None:
            folder.append_measured(line(epoch, gain))
    lab.queue.step()


def line(number: int, gain: float = 0.0) -> dict[str, Any]:
    moments = {"variance": 1.0 + gain, "squared_mean": 1.0}
    return {
        "number": number, "of": EPOCHS + 1, "epoch": number - 1, "set": "train", "images": 9,
        **moments, "groups": {"stem": moments},
    }  # fmt: skip


def stop(lab: Lab, state: str) -> None:
    """Job 1 ends without its curve."""
    if state == "cancelled":
        lab.client.delete("/jobs/1")
        lab.executor.dies(1)
    else:
        error = "diverged at epoch 3" if state == "diverged" else "out of memory"
        lab.queue.folders.of(1).write_result(Result(state="failed", error=error))
        lab.executor.dies(1)
        lab.queue.step()


def bring(here: Home, elsewhere: Home, tmp_path: Path) -> int:
    """Take the studies of one lab into another; returns how many jobs came."""
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
    export_studies(elsewhere.library.store, path)
    return here.library.import_studies(path, Checker(here.library)).jobs


def accuracies(lab: Lab, job: int = 1) -> list[float]:
    return [told["x-valid"]["accuracy"] for told in get(lab.client, f"/jobs/{job}")["epochs"]]


# --- one curve is of one training -------------------------------------------------------------


@pytest.mark.parametrize("state", ["cancelled", "failed"])
@pytest.mark.parametrize("asked", [PLAIN, MEASURED])
def test_what_was_begun_elsewhere_is_begun_anew(
    asked: dict[str, Any], state: str, here: Home, elsewhere: Home, tmp_path: Path
) -> None:
    elsewhere.post(**asked, **ON)
    begin(elsewhere, gain=5)
    stop(elsewhere, state)
    assert bring(here, elsewhere, tmp_path) == 1
    came = get(here.client, "/jobs/1")
    assert (came["state"], accuracies(here)) == (state, [35, 36, 37])
    assert here.client.post("/jobs/1/resume").status_code == 200
    begin(here, gain=0, epochs=2)
    job = get(here.client, "/jobs/1")
    assert (job["state"], job["attempts"], accuracies(here)) == ("running", 1, [30, 31])
    assert job["started_at"] > came["started_at"]
    assert job["measurements"] == ([line(1), line(2)] if asked is MEASURED else [])
    for epoch in range(3, EPOCHS + 1):
        here.queue.folders.of(1).append_epoch(record(epoch))
    here.queue.folders.of(1).write_result(done())
    here.executor.dies(1)
    here.queue.step()
    job = get(here.client, "/jobs/1")
    assert (job["state"], job["epochs"]) == ("done", [record(e) for e in range(1, EPOCHS + 1)])


def test_a_job_whose_folder_was_deleted_is_begun_anew(here: Home) -> None:
    here.post(**PLAIN, **ON)
    begin(here, gain=5)
    stop(here, "cancelled")
    shutil.rmtree(here.queue.folders.of(1).path)
    here.client.post("/jobs/1/resume")
    begin(here, gain=0, epochs=2)
    assert accuracies(here) == [30, 31]
    assert get(here.client, "/jobs/1")["attempts"] == 1


@pytest.mark.parametrize("replaced", [False, True])
def test_what_ran_takes_no_others_result(replaced: bool, here: Home) -> None:
    """Its folder was deleted, or became another's, while there was no service."""
    here.post(**PLAIN, **ON)
    begin(here, gain=5)
    folder = here.queue.folders.of(1)
    other = folder.assignment().model_copy(update={"seed": 5})
    shutil.rmtree(folder.path)
    if replaced:
        folder.create(other)
        folder.write_result(done())
    after = Lab(here.library)
    with after.queue.working():
        pass
    begin(after, gain=0, epochs=2)
    job = get(after.client, "/jobs/1")
    assert (job["state"], job["attempts"], job["run"]) == ("running", 1, None)
    assert accuracies(after) == [30, 31]
    aside = JobFolder(folder.path.with_name("000001.1"))
    assert aside.result() == (done() if replaced else None)


def test_a_job_that_was_begun_here_goes_on(here: Home) -> None:
    here.post(**MEASURED, **ON)
    begin(here, gain=5)
    stop(here, "failed")
    here.client.post("/jobs/1/resume")
    here.queue.step()
    job = get(here.client, "/jobs/1")
    assert (job["state"], job["attempts"], accuracies(here)) == ("running", 2, [35, 36, 37])
    assert len(job["measurements"]) == 3


# --- folders of jobs that this home has lost --------------------------------------------------


@pytest.fixture
def left(here: Home, empty_home: Path, tmp_path: Path) -> JobFolder:
    """Folder 000001 of another training, from a database that was replaced."""
    home = Path(shutil.copytree(empty_home, tmp_path / "before"))
    with closing(Library.open(home)) as library:
        before = Lab(library)
        before.post(**PLAIN, **(ON | {"cells": ["284"]}))
        begin(before, gain=5)
    shutil.copytree(home / "jobs", here.queue.home / "jobs")
    folder = here.queue.folders.of(1)
    folder.log_file.write_text("another's words")
    folder.weights_file.write_bytes(b"another's weights")
    folder.checkpoint_file.write_bytes(b"another's checkpoint")
    return folder


def test_a_folder_of_another_job_answers_for_none(
    here: Home, elsewhere: Home, left: JobFolder, tmp_path: Path
) -> None:
    elsewhere.post(**MEASURED, **ON)
    elsewhere.work()
    bring(here, elsewhere, tmp_path)
    assert here.client.get("/jobs/1/log").text == ""
    here.post(**LANDSCAPE, **ON)
    here.queue.step()
    assert here.executor.numbers == [2]
    assert here.queue.folders.of(2).assignment().weights is None
    assert left.checkpoint_file.exists()


def test_a_folder_of_another_job_is_set_aside(here: Home, left: JobFolder) -> None:
    here.post(**PLAIN, **ON)
    begin(here, gain=0, epochs=2)
    assert accuracies(here) == [30, 31]
    assert here.client.get("/jobs/1/log").text == ""
    aside = JobFolder(left.path.with_name("000001.1"))
    assert (aside.log(), aside.checkpoint_file.read_bytes()) == (
        "another's words",
        b"another's checkpoint",
    )
    assert not left.weights_file.exists()


def test_folders_of_others_are_never_written_over(here: Home, left: JobFolder) -> None:
    """Whatever is in them, were it no assignment at all."""
    shutil.copytree(left.path, left.path.with_name("000001.1"))
    left.assignment_file.write_text("{")
    here.post(**PLAIN, **ON)
    begin(here, gain=0, epochs=2)
    assert accuracies(here) == [30, 31]
    for place in (1, 2):
        assert JobFolder(left.path.with_name(f"000001.{place}")).log() == "another's words"


def test_a_worker_of_another_job_is_waited_for(here: Home, left: JobFolder) -> None:
    """It would write into the folder of that name, whosever that is by then."""
    here.post(**PLAIN, **ON)
    with left.held():
        here.queue.step()
        assert here.executor.numbers == []
        assert left.cancelled_file.exists()
    here.queue.step()
    assert here.executor.numbers == [1]


def test_a_folder_of_the_same_training_is_gone_on_with(here: Home, left: JobFolder) -> None:
    """A database that was lost is no loss of the epochs."""
    here.post(**PLAIN, **(ON | {"cells": ["284"]}))
    with left.held():
        here.queue.step()
    here.queue.step()
    assert accuracies(here) == [35, 36, 37]
    assert not left.cancelled_file.exists()


# --- imports while a queue works --------------------------------------------------------------


TWO_SEEDS: dict[str, Any] = {"seeds": [777, 1]}
"""Makes it another study, which shares the job of seed 777."""


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_what_runs_is_not_begun_again_by_what_came(
    state: str, here: Home, elsewhere: Home, tmp_path: Path
) -> None:
    elsewhere.post(**MEASURED, **ON)
    begin(elsewhere, gain=5)
    stop(elsewhere, state)
    here.post(**MEASURED, **TWO_SEEDS, **ON)
    here.queue.step()
    assert bring(here, elsewhere, tmp_path) == 0
    assert here.post(**MEASURED, **ON)["id"] == 2
    here.queue.step()
    assert [part["job"] for part in here.study(2)["parts"]] == ["/jobs/1"]
    assert here.executor.numbers == [1, 2]


def test_what_runs_is_asked_for_rather_than_what_came(
    here: Home, elsewhere: Home, tmp_path: Path
) -> None:
    elsewhere.post(**MEASURED, **ON)
    elsewhere.work()
    here.post(**MEASURED, **TWO_SEEDS, **ON)
    here.queue.step()
    assert bring(here, elsewhere, tmp_path) == 1
    assert [part["job"] for part in here.study(2)["parts"]] == ["/jobs/3"]
    assert here.study(2)["state"] == "done"
    assert here.post(**MEASURED, **TWO_SEEDS, **ON)["id"] == 1
    assert [part["job"] for part in here.study(1)["parts"]] == ["/jobs/1", "/jobs/2"]


@pytest.mark.parametrize("ours", ["queued", "running", "cancelled", "failed", "diverged", "done"])
@pytest.mark.parametrize("theirs", ["cancelled", "failed", "diverged", "done"])
def test_whose_job_a_study_is_of(
    theirs: str, ours: str, here: Home, elsewhere: Home, tmp_path: Path
) -> None:
    """The one that was here, unless the file's came further: to its end, or to a result at all."""
    elsewhere.post(**MEASURED, **ON)
    here.post(**MEASURED, **TWO_SEEDS, **ON)
    for lab, state in ((elsewhere, theirs), (here, ours)):
        if state == "done":
            lab.work()
        elif state != "queued":
            begin(lab, gain=0)
            if state != "running":
                stop(lab, state)
    came = {"done": 2, "diverged": 1}
    kept = came.get(ours, 0) >= came.get(theirs, 0)
    assert bring(here, elsewhere, tmp_path) == (0 if kept else 1)
    (part,) = here.study(2)["parts"]
    assert part["job"] == ("/jobs/1" if kept else "/jobs/3")
    assert part["diverged"] == ((ours if kept else theirs) == "diverged")


def test_a_result_that_studies_share_comes_once(
    here: Home, elsewhere: Home, tmp_path: Path
) -> None:
    """One that diverged, by a study that is known and one that is new."""
    elsewhere.post(kind="lr-robustness", learning_rates=[50], **ON)
    begin(elsewhere, gain=0, epochs=2)
    stop(elsewhere, "diverged")
    assert bring(here, elsewhere, tmp_path) == 1
    elsewhere.post(200, kind="lr-robustness", learning_rates=[50], threshold=50, **ON)
    assert bring(here, elsewhere, tmp_path) == 0
    assert [here.study(study)["parts"][0]["job"] for study in (1, 2)] == ["/jobs/1"] * 2


def test_an_import_waits_for_no_reader_of_jobs(
    here: Home, elsewhere: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who adds a run holds `publishing` and waits for the store's writing, which an import has."""
    elsewhere.post(**MEASURED, **ON)
    elsewhere.work()
    path = tmp_path / "studies.parquet"
    export_studies(elsewhere.library.store, path)
    check = Checker(here.library)
    with monkeypatch.context() as patch:
        patch.setattr(here.library.store, "publishing", None)  # whatever enters it fails
        assert here.library.import_studies(path, check).new == 1
