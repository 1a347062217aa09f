"""Files of studies of earlier versions come in under the names of what was trained."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.jobs import JobStore
from data.library import Library
from data.studies import Part, StudyStore
from data.study_format import SCHEMA, digest, read
from data.study_transfer import Imported, UnknownTrainingError, export_studies
from service.jobs.results import LOCAL
from service.studies.kinds import GradientVarianceStudy, read_study
from service.training.recipes import Recipe, find
from tests import raw
from tests.service.jobs.earlier import settings as old
from tests.service.jobs.staged import EPOCHS, record
from tests.store.filed import held, take
from tests.store.sources import Made, run
from tests.store.test_schema_recipes import study

BATCH = "nb201-12@decay=batch"
SHORT = f"{BATCH}@precision=bfloat16"
OPEN = f"{BATCH}@precision=auto"
NOW = {"optimiser": json.loads(old("nb201-12"))["optimiser"] | {"decay": "epoch"}}
"""What the recipe has otherwise in this version."""
AT = datetime(2026, 1, 2, 3, 4, 5)


def job(number: int, cell: int = 0, recipe: str = "nb201-12", **more: Any) -> dict[str, Any]:
    """A job as an earlier version wrote it, done with a curve of its own."""
    return {
        "job": number, "cell": raw.strings()[cell], "cell_id": f"nb201-{cell:06}",
        "dataset": "digits", "recipe": recipe, "settings": old(recipe), "images": "original",
        "seed": 777, "priority": 0, "state": "done", "attempts": 1, "device": "cpu", "error": None,
        "run": f"local:nb201-{cell:06}:digits:{recipe}:777", "forced": False, "created_at": AT,
        "started_at": AT, "finished_at": AT, "epochs": EPOCHS, "measurement": None,
        "details": None,
        "epoch_records": [json.dumps(record(epoch)) for epoch in range(1, EPOCHS + 1)],
        "measurement_records": [],
    } | more  # fmt: skip


def part(of: dict[str, Any], rate: float = 0.1, *, alone: bool = False) -> dict[str, Any]:
    """The part of a job, or of its run alone."""
    kept = {name: of[name] for name in ("cell", "cell_id", "dataset", "recipe", "seed", "run")}
    number = None if alone else of["job"]
    role = {"role": "original", "original": of["cell_id"], "learning_rate": rate}
    return kept | role | {"job": number}


def filed(
    path: Path, *jobs: dict[str, Any], parts: list[dict[str, Any]] | None = None,
    asked: str | None = None, kind: str = "lr-robustness",
) -> Path:  # fmt: skip
    """A file of one study, as an earlier version wrote it: it says nothing of names."""
    row = {
        "kind": kind, "settings": asked or study("nb201-12"), "created_at": AT,
        "parts": [part(one) for one in jobs] if parts is None else parts, "jobs": list(jobs),
        "sha256": "",
    }  # fmt: skip
    schema = SCHEMA.remove_metadata()
    (kept,) = pa.Table.from_pylist([row], schema).to_pylist()
    pq.write_table(pa.Table.from_pylist([kept | {"sha256": digest(kept)}], schema), path)
    return path


def trained(library: Library, computed: str, cell: int = 0, **changes: Any) -> None:
    """The run of a job of an earlier version, as a table brings it that was written by one."""
    details = {"precision": computed, "recipe": json.loads(old("nb201-12", **changes))}
    library.add_run(
        run(cell, {12: 41.0}, dataset="digits", details=json.dumps(details)), source=LOCAL
    )


def named(library: Library) -> tuple[str, list[str], list[str]]:
    """What study 1 is called, its parts, and all jobs, whose settings are those of their names."""
    store = StudyStore(library.store)
    jobs = JobStore(library.store).page([], 100)[::-1]
    for one in jobs:
        recipe = Recipe.model_validate_json(one.settings)
        assert recipe.name == one.recipe
        if "auto" not in one.recipe:
            asked = find(one.recipe, library.store.path.parent)
            assert recipe.digest == asked.digest
    return (
        json.loads(store.get(1).settings)["recipe"],
        [one.recipe for one in store.parts(1)],
        [one.recipe for one in jobs],
    )


CAME = Imported("old.parquet", 1, 0, 1)


# --- jobs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "precision", "expected"),
    [("auto", "float32", BATCH), ("auto", "bfloat16", SHORT), ("float32", "float32", BATCH)],
)
def test_a_training_is_called_what_its_run_is(
    setting: str, precision: str, expected: str, fresh: Library, tmp_path: Path
) -> None:
    trained(fresh, precision, precision=setting)
    done = job(7, settings=old("nb201-12", precision=setting))
    path = filed(tmp_path / "old.parquet", done)
    assert take(fresh, path) == CAME
    assert named(fresh) == (expected, [expected], [expected])
    (came,) = JobStore(fresh.store).page([], 100)
    assert came.run == f"local:nb201-000000:digits:{expected}@12:777"
    before = held(fresh)
    assert take(fresh, path) == Imported("old.parquet", 0, 1, 0)  # it is the same study
    assert held(fresh) == before


def test_a_job_that_is_here_takes_the_place_of_the_file_s(fresh: Library, tmp_path: Path) -> None:
    trained(fresh, "bfloat16")
    take(fresh, filed(tmp_path / "first.parquet", job(7), asked=study("nb201-12")))
    other = json.loads(study("nb201-12")) | {"threshold": 50.0}
    path = filed(tmp_path / "old.parquet", job(9), asked=json.dumps(other))
    assert take(fresh, path) == Imported("old.parquet", 1, 0, 0)
    assert [one.job for number in (1, 2) for one in StudyStore(fresh.store).parts(number)] == [1, 1]
    assert json.loads(StudyStore(fresh.store).get(2).settings)["recipe"] == SHORT


def test_runs_of_one_name_that_were_trained_otherwise_are_told_apart(
    fresh: Library, tmp_path: Path
) -> None:
    """The recipe as it is now, and in a precision that was asked for, are no such job's."""
    trained(fresh, "float32", precision="float32", **NOW)
    trained(fresh, "float32", precision="float32")
    trained(fresh, "bfloat16")
    take(fresh, filed(tmp_path / "old.parquet", job(7)))
    assert named(fresh) == (SHORT, [SHORT], [SHORT])


@pytest.mark.parametrize("precisions", [(), ("float32", "bfloat16")])
def test_a_training_whose_run_is_not_known_is_refused(
    precisions: tuple[str, ...], fresh: Library, tmp_path: Path
) -> None:
    """Or which of two: it must not be called what it may not be."""
    for precision in precisions:
        trained(fresh, precision)
    before = held(fresh)
    with pytest.raises(UnknownTrainingError, match=f"nb201-000000 on digits by {OPEN}"):
        take(fresh, filed(tmp_path / "old.parquet", job(7)))
    assert held(fresh) == before


def test_one_that_measured_says_itself_what_it_was(fresh: Library, tmp_path: Path) -> None:
    asked = {"kind": "gradient-variance", "cells": ["nb201-000000"], "dataset": "digits", "at": "ends"}  # fmt: skip  # noqa: E501
    (whole,) = [read_study(json.dumps(asked | {"recipe": "nb201-12"}))]
    assert isinstance(whole, GradientVarianceStudy)
    moments = {"variance": 0.1, "squared_mean": 0.3}
    lines = [
        {"number": n, "of": 2, "epoch": epoch, "set": "train", "images": 9, **moments,
         "groups": {"stem": moments}}
        for n, epoch in ((1, 0), (2, 12))
    ]  # fmt: skip
    done = job(
        7,
        measurement=whole.measurement().model_dump_json(),
        details=json.dumps({"precision": "bfloat16"}),
        measurement_records=[json.dumps(line) for line in lines],
    )
    settings = whole.model_dump_json(exclude={"priority"})
    path = filed(tmp_path / "old.parquet", done, asked=settings, kind="gradient-variance")
    assert take(fresh, path) == CAME  # though its run isn't here
    assert named(fresh) == (SHORT, [SHORT], [SHORT])


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_one_without_a_result_stays_open(state: str, fresh: Library, tmp_path: Path) -> None:
    begun = job(7, state=state, run=None, epoch_records=[])
    take(fresh, filed(tmp_path / "old.parquet", begun))
    assert named(fresh) == (OPEN, [OPEN], [OPEN])


def test_a_study_of_several_precisions_left_it_open(fresh: Library, tmp_path: Path) -> None:
    trained(fresh, "float32", 0)
    trained(fresh, "bfloat16", 1)
    asked = study("nb201-12").replace('["nb201-000000"]', '["nb201-000000","nb201-000001"]')
    take(fresh, filed(tmp_path / "old.parquet", job(7), job(8, 1), asked=asked))
    assert named(fresh) == (OPEN, [BATCH, SHORT], [BATCH, SHORT])


# --- runs that were there ---------------------------------------------------------------------


def table(library: Library, tmp_path: Path) -> None:
    """The benchmark's own run, which tells no settings."""
    own = run(0, {12: 60.0}, dataset="digits")
    library.import_source(Made(tmp_path, [[own]], name="bench", official=True))


@pytest.mark.parametrize("whose", ["bench", "earlier", "earlier, and one by the recipe now"])
@pytest.mark.parametrize("alone", [True, False])
def test_what_took_a_run_is_by_the_recipe_of_that(
    alone: bool, whose: str, fresh: Library, tmp_path: Path
) -> None:
    if whose == "bench":
        table(fresh, tmp_path)
    else:
        trained(fresh, "bfloat16")
    if whose not in ("bench", "earlier"):
        trained(fresh, "float32", precision="float32", **NOW)
    expected = "nb201-12" if whose == "bench" else SHORT
    took = job(7, epoch_records=[])
    jobs = [] if alone else [took]
    path = filed(tmp_path / "old.parquet", *jobs, parts=[part(took, alone=alone)])
    take(fresh, path)
    assert named(fresh) == (expected, [expected], [] if alone else [expected])


def test_a_new_file_means_what_its_names_do(fresh: Library, tmp_path: Path) -> None:
    """A run by the recipe as it is now isn't one that an earlier version called so."""
    table(fresh, tmp_path)
    alone = Part("original", "nb201-000000", raw.strings()[0], "nb201-000000", "digits",
                 "nb201-12", 0.1, 777, None, "bench:nb201-000000:digits:nb201-12:777")  # fmt: skip
    StudyStore(fresh.store).put("lr-robustness", study("nb201-12"), [alone])
    export_studies(fresh.store, tmp_path / "new.parquet")
    assert next(read(tmp_path / "new.parquet")).earlier is False
    before = held(fresh)
    assert take(fresh, tmp_path / "new.parquet") == Imported("new.parquet", 0, 1, 0)
    assert held(fresh) == before
    with closing(Library.open(tmp_path / "other")) as other:
        trained(other, "bfloat16")
        with pytest.raises(UnknownTrainingError, match="by nb201-12 with seed 777"):
            take(other, tmp_path / "new.parquet")
        table(other, tmp_path)
        take(other, tmp_path / "new.parquet")
        assert named(other) == ("nb201-12", ["nb201-12"], [])
