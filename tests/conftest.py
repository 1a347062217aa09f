"""What several tests share: libraries in temporary homes, apps over them, the real data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

# As the command sets it before numpy is imported: sums come out the same to the last digit.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from analysis.spaces.nasbench201 import from_index
from data.jobs import JobStore, NewJob
from data.library import DEFAULTS, Library
from data.sources import packaged_table, recognise
from data.studies import Part, StudyStore
from service.api.app import create_app
from service.studies.kinds import VariantsStudy
from service.training.recipes import builtin
from tests.service.jobs.staged import record

ROOT = Path(__file__).parent.parent
SHARED_DATA = Path(os.environ.get("CELLWISE_SHARED_DATA", ROOT.parent / "shared" / "data"))
TABLES = SHARED_DATA / "tables"
NATS_BENCH = SHARED_DATA / "nats-bench" / "NATS-tss-v1_0-3ffb9-simple"


def need(path: Path) -> Path:
    """``path``, or the end of the test where it is missing."""
    if not path.exists():
        pytest.skip(f"real data missing: {path.name} (set CELLWISE_SHARED_DATA to its folder)")
    return path


def client_of(library: Library) -> TestClient:
    """A client of an app over ``library``; a crash is its 500 answer, not an exception."""
    return TestClient(create_app(library), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def default_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the packaged table alone, and wants no other table that homes start with.

    Not to be opened: tests take copies.
    """
    home = tmp_path_factory.mktemp("template") / "home"
    with closing(Library.open(home)) as opened:
        opened.import_source(recognise(packaged_table()))
        for name, note in DEFAULTS.items():
            opened.store.set_note(note, name)
    return home


@pytest.fixture(scope="session")
def started_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server that was just started on an empty home."""
    with closing(Library.open(tmp_path_factory.mktemp("started"))) as opened:
        opened.load_default()
        yield client_of(opened)


@pytest.fixture
def home(default_home: Path, tmp_path: Path) -> Path:
    """A home of one's own with the default table."""
    return Path(shutil.copytree(default_home, tmp_path / "home"))


@pytest.fixture(scope="session")
def library(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The default table alone, a cancelled job 1 with two epochs, and study 1 that is made of it.

    Nobody imports anything into it.
    """
    with closing(Library.open(copied(default_home, tmp_path_factory))) as opened:
        jobs = JobStore(opened.store)
        number = queued_job(opened)
        jobs.take(number, [record(1), record(2)])
        jobs.update(number, state="cancelled")
        study_of(opened, number)
        yield opened


def study_of(library: Library, number: int) -> None:
    """Keeps a study of one job."""
    job = JobStore(library.store).get(number)
    settings = {"cells": [job.cell], "dataset": job.dataset, "recipe": job.recipe, "variants": []}
    asked = VariantsStudy.model_validate({"kind": "variants", **settings})
    part = Part(
        role="original",
        original=job.cell_id,
        cell=job.cell,
        cell_id=job.cell_id,
        dataset=job.dataset,
        recipe=job.recipe,
        learning_rate=0.05,
        seed=job.seed,
        job=number,
        run=None,
    )
    StudyStore(library.store).put(asked.kind, asked.model_dump_json(exclude={"priority"}), [part])


def queued_job(library: Library) -> int:
    """Queues the training of a cell on digits; returns the job's number."""
    cell = from_index(6111)
    recipe = builtin()["proxy"]
    new = NewJob(
        cell=cell.arch,
        cell_id=cell.id,
        dataset="digits",
        recipe=recipe.name,
        settings=recipe.model_dump_json(),
        seed=777,
        epochs=recipe.epochs,
    )
    (job,) = JobStore(library.store).add([new])
    return job.number


def copied(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(home, tmp_path_factory.mktemp("copy") / "home"))


@pytest.fixture(scope="session")
def client(library: Library) -> TestClient:
    return client_of(library)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The five real tables, without the default one and the official records."""
    files = sorted(need(TABLES).iterdir())
    assert len(files) == 5
    with closing(Library.open(tmp_path_factory.mktemp("tables"))) as opened:
        for file in files:
            opened.import_source(recognise(file))
        yield opened


@pytest.fixture(scope="session")
def tables_client(tables: Library) -> TestClient:
    return client_of(tables)


@pytest.fixture(scope="session")
def records(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The default table with the official records of cells 0, 11 and 284 imported after it."""
    official = recognise(need(NATS_BENCH))
    with closing(Library.open(copied(default_home, tmp_path_factory))) as opened:
        opened.import_source(official)
        yield opened


@pytest.fixture(scope="session")
def records_client(records: Library) -> TestClient:
    return client_of(records)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the cells and no source. Not to be opened: tests take copies."""
    home = tmp_path_factory.mktemp("empty") / "home"
    Library.open(home).close()
    return home


@pytest.fixture
def fresh(empty_home: Path, tmp_path: Path) -> Iterator[Library]:
    """A library of one's own: the cells, and no source."""
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "fresh")))) as opened:
        yield opened
