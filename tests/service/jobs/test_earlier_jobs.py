"""Jobs of earlier versions that left their precision open: what they are called once they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import runs
from data.studies import Part, StudyStore
from data.study_transfer import Imported, export_studies
from service.jobs.submission import require_same_recipe
from service.studies.checking import Checker
from service.studies.kinds import VariantsStudy
from service.training.folder import Result
from service.training.recipes import Recipe, find
from tests.service.jobs import earlier
from tests.service.jobs.earlier import WAITING
from tests.service.jobs.staged import EPOCHS, Stage

CELL = "nb201-006111"
NAMED = {
    "float32": "nb201-12@decay=batch",
    "bfloat16": "nb201-12@decay=batch@precision=bfloat16",
}
LANDSCAPE = '{"kind":"landscape"}'


def study(recipe: str) -> str:
    asked = VariantsStudy.model_validate(
        {
            "kind": "variants",
            "cells": [CELL],
            "dataset": "digits",
            "recipe": recipe,
            "variants": [],
            "seeds": [777],
        }
    )
    return asked.model_dump_json(exclude={"priority"})


def made(stage: Stage, *cells: int) -> None:
    """A study of such jobs, one a cell."""
    parts = []
    for cell in cells:
        job = earlier.queue(stage.queue.jobs, cell=cell)
        parts.append(
            Part("original", job.cell_id, job.cell, job.cell_id, "digits", WAITING, 0.1, 777,
                 job.number, None)
        )  # fmt: skip
    StudyStore(stage.library.store).put("variants", study(WAITING), parts)


def ends(stage: Stage, number: int, precision: str, diverged: int | None = None) -> None:
    """The worker of a job ends."""
    while number not in stage.executor.numbers:
        stage.queue.step()
    stage.works(number, *range(1, (diverged or EPOCHS) + 1))
    result = earlier.ended(stage.queue.jobs.get(number), precision, diverged=diverged)
    stage.queue.folders.of(number).write_result(result)
    stage.executor.dies(number)
    stage.queue.step()


@pytest.mark.parametrize("precision", NAMED)
@pytest.mark.parametrize("diverged", [None, 3])
def test_a_job_that_ends_is_called_what_it_trained(
    diverged: int | None, precision: str, stage: Stage
) -> None:
    made(stage, 6111)
    ends(stage, 1, precision, diverged)
    job = stage.queue.jobs.get(1)
    assert (job.state, job.recipe) == ("done" if diverged is None else "failed", NAMED[precision])
    recipe = Recipe.model_validate_json(job.settings)
    assert (recipe.name, recipe.precision) == (NAMED[precision], precision)
    asked = find(NAMED[precision], stage.queue.home)
    assert recipe.digest == asked.digest
    require_same_recipe(asked, stage.queue.jobs)  # the name may be asked for
    (part,) = StudyStore(stage.library.store).parts(1)
    assert part.recipe == NAMED[precision]
    assert StudyStore(stage.library.store).get(1).settings == study(NAMED[precision])
    known = runs.known(stage.library.snapshot, [job.cell], "digits", job.recipe)
    assert known == ({} if diverged else {(job.cell, 777): job.run})
    answer = stage.submit(job.cell, recipe=NAMED[precision])
    assert answer == [("existing", 1) if diverged is None else ("failed", 1)]


@pytest.mark.parametrize("precision", NAMED)
def test_a_job_that_failed_otherwise_stays_what_it_waits_to_be(
    precision: str, stage: Stage
) -> None:
    """It may be resumed, from its checkpoint, which is of a precision that the worker finds."""
    made(stage, 6111)
    stage.queue.step()
    stage.works(1, 1, 2)
    stage.queue.folders.of(1).write_result(Result(state="failed", error="out of memory"))
    stage.executor.dies(1)
    stage.queue.step()
    assert stage.queue.jobs.get(1).recipe == WAITING
    stage.queue.resume(1)
    stage.queue.step()
    assert stage.queue.jobs.get(1).attempts == 2
    stage.works(1, *range(3, EPOCHS + 1))
    stage.queue.folders.of(1).write_result(earlier.ended(stage.queue.jobs.get(1), precision))
    stage.executor.dies(1)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.recipe, job.attempts) == ("done", NAMED[precision], 2)


def test_one_that_measured_names_the_run_that_is_there(stage: Stage) -> None:
    jobs = stage.queue.jobs
    made(stage, 6111)
    ends(stage, 1, "bfloat16")
    stage.queue.keep_weights = False
    number = earlier.queue(jobs, measurement=LANDSCAPE).number
    ends(stage, number, "bfloat16")
    measured = jobs.get(number)
    assert (measured.state, measured.recipe) == ("done", NAMED["bfloat16"])
    assert measured.run == jobs.get(1).run is not None


def test_one_that_diverged_leaves_the_run_that_is_there(stage: Stage) -> None:
    jobs = stage.queue.jobs
    made(stage, 6111)
    ends(stage, 1, "float32")
    before = runs.one(stage.library.snapshot, jobs.get(1).run or "")
    number = earlier.queue(jobs).number
    ends(stage, number, "float32", diverged=3)
    assert jobs.get(number).recipe == NAMED["float32"]
    assert runs.one(stage.library.snapshot, jobs.get(1).run or "") == before


def test_a_study_is_called_what_all_its_parts_are(stage: Stage) -> None:
    """Until then, and where they differ, it says that the device decided."""
    made(stage, 6111, 284)
    store = StudyStore(stage.library.store)
    ends(stage, 1, "float32")
    assert [part.recipe for part in store.parts(1)] == [NAMED["float32"], WAITING]
    assert store.get(1).settings == study(WAITING)
    ends(stage, 2, "float32")
    assert store.get(1).settings == study(NAMED["float32"])


def test_a_study_that_is_there_by_that_name_stays_the_only_one(stage: Stage) -> None:
    made(stage, 6111)
    store = StudyStore(stage.library.store)
    store.put("variants", study(NAMED["float32"]), store.parts(1))
    ends(stage, 1, "float32")
    assert [store.get(number).settings for number in (1, 2)] == [
        study(WAITING),
        study(NAMED["float32"]),
    ]


@pytest.mark.parametrize("precisions", [("float32",), ("bfloat16",), ("float32", "bfloat16")])
def test_a_file_of_what_ended_comes_in(
    precisions: tuple[str, ...], stage: Stage, tmp_path: Path
) -> None:
    made(stage, *(6111, 284)[: len(precisions)])
    for number, precision in enumerate(precisions, 1):
        ends(stage, number, precision)
    file = tmp_path / "studies.parquet"
    export_studies(stage.library.store, file)
    check = Checker(stage.library)
    known = Imported("studies.parquet", 0, 1, 0)
    assert stage.library.import_studies(file, check) == known
    with stage.library.store.write() as cursor:
        for table in ("studies", "study_parts"):
            cursor.execute(f"DELETE FROM {table}")
    came = Imported("studies.parquet", 1, 0, 0)
    assert stage.library.import_studies(file, check) == came
    parts = StudyStore(stage.library.store).parts(1)
    assert [part.job for part in parts] == [1, 2][: len(precisions)]
