"""Jobs and studies of earlier versions keep what they were, and answer for nothing else."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from data.jobs import JobStore
from data.library import Library
from data.recipe_names import may_be
from data.schema_recipes import name_recipes
from data.store import FILE_NAME, Store
from data.studies import StudyStore
from service.jobs.submission import require_same_recipe
from service.studies.kinds import LearningRateStudy
from service.training.recipes import Recipe, find, rate_of
from tests.service.jobs.earlier import settings as old
from tests.store.test_schema import version_3

CELL = "nb201-000000"
JOB = "INSERT INTO jobs VALUES (?, 'a', ?, 'digits', ?, ?, NULL, 7, 0, ?, 0, NULL, NULL, ?, false, "
JOB += "now(), NULL, NULL, 12, NULL, ?)"
PART = "INSERT INTO study_parts VALUES (1, ?, 'original', 'a', 'a', ?, 'digits', ?, ?, 7, ?, NULL)"


def study(recipe: str) -> str:
    asked = LearningRateStudy.model_validate(
        {
            "kind": "lr-robustness",
            "cells": [CELL],
            "dataset": "digits",
            "recipe": recipe,
            "learning_rates": [0.1, 0.5],
        }
    )
    return asked.model_dump_json(exclude={"priority"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Jobs that ended, with a precision that is known, one that waits, and a study of them."""
    version_3(tmp_path, benchmark=3)
    details = json.dumps({"precision": "bfloat16", "recipe": json.loads(old("nb201-12"))})
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        connection.execute(
            "UPDATE runs SET id = 'mine:nb201-000000:digits:nb201-12:0', recipe = 'nb201-12', "
            "details = ? WHERE run = 0",
            [details],
        )
        for number, recipe, settings, state, run, told in (
            (1, "nb201-12", old("nb201-12"), "done", "mine:nb201-000000:digits:nb201-12:0", None),
            (
                2,
                "nb201-12@lr=0.5",
                old("nb201-12@lr=0.5"),
                "done",
                None,
                '{"precision": "float32"}',
            ),
            (3, "nb201-12", old("nb201-12"), "queued", None, None),
            (4, "proxy", old("proxy", precision="float32"), "queued", None, None),
            (5, "darts-600", old("darts-600", batch=80, precision="float32"), "queued", None, None),
        ):
            connection.execute(JOB, [number, CELL, recipe, settings, state, run, told])
        connection.execute(
            "INSERT INTO studies VALUES (1, 'lr-robustness', ?, now())", [study("nb201-12")]
        )
        connection.execute(PART, [0, CELL, "nb201-12", 0.1, 1])
        connection.execute(PART, [1, CELL, "nb201-12@lr=0.5", 0.5, 2])
    return tmp_path


NAMED = {
    1: "nb201-12@decay=batch@precision=bfloat16",
    2: "nb201-12@decay=batch@lr=0.5",
    3: "nb201-12@decay=batch@precision=auto",
    4: "proxy",
    5: "darts-600@batch=80",
}


def test_jobs_are_called_what_they_trained(home: Path) -> None:
    with Store.open(home) as store:
        jobs = JobStore(store)
        assert {job.number: job.recipe for job in jobs.page([], 10)} == NAMED
        for number in NAMED:
            recipe = Recipe.model_validate_json(jobs.get(number).settings)
            assert recipe.name == NAMED[number]
            assert recipe.optimiser.decay == "batch"
            if "auto" not in NAMED[number]:  # asked for by this name, it is this training
                found = find(recipe.name, home)
                assert recipe.precision == found.precision
        assert Recipe.model_validate_json(jobs.get(3).settings).precision == "auto"
        for name in ("nb201-12", "nb201-12@decay=batch@precision=bfloat16"):
            require_same_recipe(find(name, home), jobs)  # is refused where a job says otherwise


def test_a_study_of_theirs_is_no_answer_to_one_by_the_recipe_as_it_is(home: Path) -> None:
    with Store.open(home) as store:
        studies = StudyStore(store)
        # Its devices computed in different precisions.
        assert studies.get(1).settings == study("nb201-12@decay=batch@precision=auto")
        assert [part.recipe for part in studies.parts(1)] == [NAMED[1], NAMED[2]]


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ([1], "nb201-12@decay=batch@precision=bfloat16"),
        ([2], "nb201-12@decay=batch"),
        ([3], "nb201-12@decay=batch@precision=auto"),
        ([3, 2], "nb201-12@decay=batch@precision=auto"),
        ([1, None], "nb201-12"),  # a run of the benchmark's own
        ([None], "nb201-12"),
    ],
)
def test_a_study_is_called_what_its_parts_are_in_common(
    parts: list[int | None], named: str, home: Path
) -> None:
    with duckdb.connect(str(home / FILE_NAME)) as connection:
        connection.execute("DELETE FROM study_parts")
        for place, job in enumerate(parts):
            recipe = "nb201-12@lr=0.5" if job == 2 else "nb201-12"
            connection.execute(PART, [place, CELL, recipe, 0.1, job])
    with Store.open(home) as store:
        assert StudyStore(store).get(1).settings == study(named)
        recipes = [part.recipe for part in StudyStore(store).parts(1)]
        assert recipes == ["nb201-12" if job is None else NAMED[job] for job in parts]
        for recipe in recipes:
            assert may_be(rate_of(named)[0], rate_of(recipe)[0])


def test_the_run_of_such_a_job_has_its_name(home: Path) -> None:
    with closing(Library.open(home)) as library, library.store.read() as cursor:
        (row,) = cursor.execute("SELECT id, recipe FROM runs WHERE run = 0").fetchall()
        assert row[1] == NAMED[1]
        assert cursor.execute("SELECT run FROM jobs WHERE job = 1").fetchall() == [(row[0],)]


BENCHMARK = "mine:nb201-000000:digits:nb201-12:1"
"""The run of a table, which tells no settings."""


@pytest.fixture
def beside_a_table(home: Path) -> Path:
    """The home when a run of the benchmark's was there by the name that its own trainings had."""
    with duckdb.connect(str(home / FILE_NAME)) as connection:
        connection.execute("UPDATE runs SET id = ?, recipe = 'nb201-12' WHERE run = 1", [BENCHMARK])
        connection.execute("DELETE FROM jobs")
        connection.execute("DELETE FROM study_parts")
    return home


@pytest.mark.parametrize("changes", [{}, {"precision": "float32"}])
def test_a_job_that_took_a_run_is_by_the_recipe_of_the_run(
    changes: dict[str, str], beside_a_table: Path
) -> None:
    """It trained nothing: its settings are those of what came of it."""
    with duckdb.connect(str(beside_a_table / FILE_NAME)) as connection:
        told = old("nb201-12", **changes)
        connection.execute(JOB, [1, CELL, "nb201-12", told, "done", BENCHMARK, None])
        connection.execute(PART, [0, CELL, "nb201-12", 0.1, 1])
    with Store.open(beside_a_table) as store:
        job = JobStore(store).get(1)
        assert (job.recipe, job.run) == ("nb201-12", BENCHMARK)
        recipe = Recipe.model_validate_json(job.settings)
        assert recipe == find("nb201-12", beside_a_table)
        assert [part.recipe for part in StudyStore(store).parts(1)] == ["nb201-12"]
        assert StudyStore(store).get(1).settings == study("nb201-12")


def test_one_that_measured_its_own_training_names_no_run_of_another(beside_a_table: Path) -> None:
    """A job that measures trains by itself, whatever run was there by the name of its recipe."""
    with duckdb.connect(str(beside_a_table / FILE_NAME)) as connection:
        told = '{"precision": "float32"}'
        connection.execute(JOB, [1, CELL, "nb201-12", old("nb201-12"), "done", BENCHMARK, told])
        connection.execute("UPDATE jobs SET measurement = '{}'")
        connection.execute(PART, [0, CELL, "nb201-12", 0.1, 1])
        connection.execute("UPDATE study_parts SET run = ?", [BENCHMARK])
    with Store.open(beside_a_table) as store:
        job = JobStore(store).get(1)
        (part,) = StudyStore(store).parts(1)
        assert (job.recipe, job.run) == (part.recipe, part.run) == ("nb201-12@decay=batch", None)


def test_names_that_are_right_stay(home: Path) -> None:
    with Store.open(home) as store, store.write() as cursor:
        query = "SELECT job, recipe, settings FROM jobs ORDER BY job"
        before = cursor.execute(query).fetchall()
        name_recipes(cursor)
        assert cursor.execute(query).fetchall() == before
