"""Studies to a file and from it: what comes out again, what is found again, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from data.export import export
from data.jobs import JobStore
from data.library import Library
from data.sources import recognise
from data.sources.base import SourceError
from data.store import Pinned
from data.studies import StudyStore
from data.study_transfer import Imported, UnknownTrainingError, export_studies
from service.jobs.results import LOCAL
from tests import raw
from tests.conftest import client_of
from tests.service.helpers import get, is_problem
from tests.service.lab import Lab
from tests.store.filed import ON, changed, held, measured, take, told
from tests.store.sources import run

# --- there and back ---------------------------------------------------------------------------


def test_another_home_answers_the_same(studied: Library, other: Library, file: Path) -> None:
    here = told(other)
    done = take(other, file)
    jobs = get(client_of(studied), "/jobs?limit=1000")["items"]
    assert done == Imported("studies.parquet", 7, 0, len(jobs))
    assert told(other) == told(studied) + here
    numbers = [item["id"] for item in get(client_of(other), "/studies")["items"]]
    assert numbers == [8, 7, 6, 5, 4, 3, 2, 1]
    assert [job["id"] for job in get(client_of(other), "/jobs?limit=1000")["items"]] == list(
        range(len(jobs) + 1, 0, -1)
    )


def test_a_file_of_a_file_is_the_same(
    studied: Library, other: Library, file: Path, empty_home: Path, table: Path, tmp_path: Path
) -> None:
    take(other, file)
    export_studies(other.store, tmp_path / "again.parquet", [2, 3, 4, 5, 6, 7, 8])
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "third")))) as third:
        third.import_source(recognise(table, name="theirs"))
        take(third, tmp_path / "again.parquet")
        assert told(third) == told(studied)


def test_a_job_that_studies_share_comes_once(studied: Library, other: Library, file: Path) -> None:
    """6111 with seed 777 at the recipe's own rate is part of studies 2 and 3."""

    def shared(library: Library, first: int) -> set[int]:
        store = StudyStore(library.store)
        one, two = ({p.job for p in store.parts(n) if p.job} for n in (first, first + 1))
        return one & two

    take(other, file)
    assert len(shared(other, 3)) == len(shared(studied, 2)) == 1


def test_studies_that_are_there_stay_as_they_are(other: Library, file: Path) -> None:
    take(other, file)
    before = held(other)
    assert take(other, file) == Imported("studies.parquet", 0, 7, 0)
    assert held(other) == before


def test_some_studies_by_number(studied: Library, other: Library, tmp_path: Path) -> None:
    path = tmp_path / "new" / "two.parquet"
    assert export_studies(studied.store, path, [4, 1, 4]) == [1, 4]
    assert take(other, path) == Imported("two.parquet", 2, 0, 3)
    kinds = [item["kind"] for item in get(client_of(other), "/studies")["items"]]
    assert kinds == ["gradient-variance", "landscape", "smoothness"]


def test_a_training_that_is_done_here_is_taken_instead(
    studied: Library, fresh: Library, file: Path, table: Path
) -> None:
    lab = Lab(fresh)
    lab.post(kind="landscape", cells=["DARTS-V2"], points=3, **ON)
    lab.post(kind="variants", cells=["6111"], variants=[], **ON)
    lab.post(kind="landscape", cells=["6111"], points=5, **ON)
    lab.work(gain=lambda _: 10.0, measured=lambda _: [])
    fresh.import_source(recognise(table, name="theirs"))
    done = take(fresh, file)
    study = lab.study(4)
    assert [part["job"] for part in study["parts"]] == ["/jobs/4", "/jobs/1"]
    assert [part["measured"] for part in study["parts"]] == [3, 0]
    assert lab.study(5)["parts"][0]["job"] == "/jobs/2"
    assert lab.study(6)["parts"][0]["job"] == "/jobs/2"
    assert done.jobs == len(get(client_of(studied), "/jobs?limit=1000")["items"]) - 2


def test_the_same_study_asked_for_here_is_the_one_that_came(other: Library, file: Path) -> None:
    take(other, file)
    lab = Lab(other)
    before = get(lab.client, "/jobs")["counts"]
    asked = lab.post(200, kind="landscape", cells=["6111", "DARTS-V2"], points=3, **ON)
    assert asked["id"] == 2
    seeds = {"cells": ["6111", "284"], "seeds": [777, 1]}
    assert lab.post(200, kind="variants", variants=[], **seeds, **ON)["id"] == 3
    rates = {"cells": ["6111"], "learning_rates": [0.05, 50]}
    assert lab.post(200, kind="lr-robustness", **rates, **ON)["id"] == 4
    assert get(lab.client, "/jobs")["counts"] == before


def test_an_empty_file(fresh: Library, other: Library, tmp_path: Path) -> None:
    with closing(Library.open(tmp_path / "new")) as empty:
        assert export_studies(empty.store, tmp_path / "none.parquet") == []
    assert take(other, tmp_path / "none.parquet") == Imported("none.parquet", 0, 0, 0)


# --- runs -------------------------------------------------------------------------------------


def test_runs_are_found_again_under_the_ids_they_have_here(other: Library, file: Path) -> None:
    take(other, file)
    parts = StudyStore(other.store).parts(3)
    known = "theirs:nb201-000284:digits:proxy@12:777"
    assert [(part.job, part.run) for part in parts if part.run] == [(None, known)]
    jobs = JobStore(other.store).page(["done"], 1000)
    assert {job.run.partition(":")[0] for job in jobs if job.run} == {"theirs", "local"}
    body = get(client_of(other), "/studies/3")
    (part,) = [part for part in body["parts"] if part["job"] is None]
    assert get(client_of(other), part["run"])["cell"] == "nb201-000284"


def test_a_measurement_whose_run_is_unknown_names_none(
    studied: Library, fresh: Library, tmp_path: Path
) -> None:
    export_studies(studied.store, tmp_path / "measured.parquet", [1, 4, 5])
    take(fresh, tmp_path / "measured.parquet")
    lab = Lab(fresh)
    before = get(lab.client, "/jobs")["counts"]
    assert {job.run for job in JobStore(fresh.store).page(["done"], 1000)} == {None}
    assert lab.post(200, kind="smoothness", cells=["6111"], **ON)["state"] == "done"
    assert get(lab.client, "/jobs")["counts"] == before


@pytest.mark.parametrize("study", [2, 6])
def test_trainings_come_with_their_runs_or_not_at_all(
    study: int, studied: Library, fresh: Library, tmp_path: Path
) -> None:
    """Whether they are jobs with their own curves or runs that were there."""
    export_studies(studied.store, tmp_path / "one.parquet", [study])
    fresh.add_run(run(6111, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
    before = held(fresh)
    with pytest.raises(UnknownTrainingError) as refused:
        take(fresh, tmp_path / "one.parquet")
    for words in ("study 1 (", "there is no run of ", " on digits by proxy", "import the table"):
        assert words in str(refused.value)
    assert held(fresh) == before


def test_a_job_that_was_done_by_a_run_needs_it_too(
    studied: Library, fresh: Library, file: Path, tmp_path: Path
) -> None:
    def without_curve(rows: list[dict[str, Any]]) -> None:
        del rows[:2], rows[1:]
        rows[0]["jobs"][0]["epoch_records"] = []

    path = changed(file, tmp_path, without_curve)
    with pytest.raises(SourceError, match="import the table"):
        take(fresh, path)
    fresh.add_run(run(6111, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
    take(fresh, path)
    study = get(client_of(fresh), "/studies/1")
    assert (study["state"], study["parts"][0]["state"]) == ("done", "done")


# --- jobs that have no folder here ------------------------------------------------------------


def test_jobs_without_a_folder(other: Library, file: Path) -> None:
    take(other, file)
    lab = Lab(other)
    for job in get(lab.client, "/jobs?limit=1000")["items"][:-1]:
        where = f"/jobs/{job['id']}"
        answer = lab.client.get(f"{where}/log")
        assert (answer.status_code, answer.text) == (200, "")
        events = lab.client.get(f"{where}/events").text
        assert events.count("event: epoch") == len(get(lab.client, where)["epochs"])
        assert "event: end" in events
        is_problem(lab.client.delete(where), 409)
        if job["state"] != "cancelled":
            is_problem(lab.client.post(f"{where}/resume"), 409)
    (part, *_) = get(lab.client, "/studies/8")["parts"]
    assert part["state"] == "cancelled"
    assert lab.client.post("/studies/8/resume").status_code == 200
    lab.work()
    assert get(lab.client, "/studies/8")["state"] == "done"


def test_weights_that_stayed_elsewhere_are_trained_again(other: Library, file: Path) -> None:
    take(other, file)
    lab = Lab(other)
    lab.post(kind="landscape", cells=["6111"], points=5, **ON)
    lab.queue.step()
    (folder,) = lab.executor.started
    assert folder.assignment().weights is None


# --- what isn't written -----------------------------------------------------------------------


class Meanwhile:
    """A store in which something happens once an export has begun."""

    def __init__(self, library: Library, what: Callable[[], object]) -> None:
        self._library, self._what = library, what

    def pin(self) -> Pinned:
        self._what()
        return self._library.store.pin()


def test_a_file_that_appears_meanwhile_stays_as_it_is(studied: Library, tmp_path: Path) -> None:
    path = tmp_path / "new" / "studies.parquet"

    def appears() -> None:
        path.parent.mkdir()
        path.write_text("another's")

    with pytest.raises(SourceError, match="exists already"):
        export_studies(Meanwhile(studied, appears), path)  # type: ignore[arg-type]
    assert path.read_text() == "another's"
    assert list(path.parent.iterdir()) == [path]


def test_of_two_exports_to_one_file_the_first_to_end_has_it(
    studied: Library, other: Library, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "studies.parquet"

    def second() -> None:
        export_studies(studied.store, path, [1])

    with pytest.raises(SourceError, match="exists already"):
        export_studies(Meanwhile(studied, second), path)  # type: ignore[arg-type]
    assert take(other, path).new == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + "/b", "loop", "loop/b"])
def test_places_where_nothing_can_be_written(name: str, studied: Library, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    before = set(tmp_path.iterdir())
    with pytest.raises(SourceError, match=r"can't write|exists already"):
        export_studies(studied.store, tmp_path / name)
    assert set(tmp_path.iterdir()) == before


def test_a_study_goes_on_elsewhere(fresh: Library, empty_home: Path, tmp_path: Path) -> None:
    body = {"kind": "smoothness", "cells": ["1", "2", "3"], **ON}
    here = Lab(fresh)
    here.post(**body)
    here.work(measured=measured, only=lambda job: job.cell == raw.strings()[1])
    states = [part["state"] for part in here.study()["parts"]]
    assert states == ["done", "running", "running"]
    path = tmp_path / "studies.parquet"
    assert export_studies(fresh.store, path, unfinished=True) == [1]
    assert [part["state"] for part in here.study()["parts"]] == states
    export(fresh.snapshot, tmp_path / "out")
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "home")))) as elsewhere:
        elsewhere.import_source(recognise(tmp_path / "out" / "local.parquet", name="theirs"))
        assert take(elsewhere, path).new == 1
        there = Lab(elsewhere)
        assert there.study()["state"] == "cancelled"
        there.post(**body)
        there.work(measured=measured)
        assert there.study()["state"] == "done"
        trained = [folder.assignment().cell for folder in there.executor.started]
        assert trained == [raw.strings()[2], raw.strings()[3]]
        first = [lab.study()["parts"][0]["measured"] for lab in (here, there)]
        assert first[0] == first[1] > 0


def test_unfinished_studies_may_share_jobs(
    fresh: Library, empty_home: Path, tmp_path: Path
) -> None:
    lab = Lab(fresh)
    for cells in (["1", "2"], ["2", "3"], ["3", "1"]):
        lab.post(kind="smoothness", cells=cells, **ON)
    path = tmp_path / "studies.parquet"
    assert export_studies(fresh.store, path, unfinished=True) == [1, 2, 3]
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "home")))) as elsewhere:
        assert take(elsewhere, path).new == 3
        assert JobStore(elsewhere.store).counts()["cancelled"] == 3


def test_studies_that_cannot_be_written(fresh: Library, tmp_path: Path) -> None:
    path = tmp_path / "studies.parquet"
    with pytest.raises(SourceError, match="no study 3; there are: none"):
        export_studies(fresh.store, path, [3])
    lab = Lab(fresh)
    lab.post(kind="smoothness", cells=["1"], **ON)
    lab.work(measured=measured)
    lab.post(kind="smoothness", cells=["2"], **ON)
    with pytest.raises(SourceError, match="no study 3; there are: 1, 2"):
        export_studies(fresh.store, path, [1, 3])
    for numbers in (None, [1, 2]):
        with pytest.raises(SourceError, match=r"study 2 has not ended \(see job 2\).*ended: 1$"):
            export_studies(fresh.store, path, numbers)
    assert export_studies(fresh.store, path, [1]) == [1]
    before = path.read_bytes()
    with pytest.raises(SourceError, match="exists already"):
        export_studies(fresh.store, path, [1])
    with pytest.raises(SourceError, match="can't write"):
        export_studies(fresh.store, path / "below", [1])
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == [path.name]
