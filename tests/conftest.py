"""What several tests share: libraries in temporary homes, apps over them, the real data."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

# As the command sets it before numpy is imported: sums come out the same to the last digit.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from analysis.spaces.nasbench201 import from_index
from data.content import checksum
from data.jobs import JobStore, NewJob
from data.library import Library
from data.sources import packaged_table, recognise, shipped
from data.studies import Part, StudyStore
from service.api.app import create_app
from service.studies.kinds import VariantsStudy
from service.training.recipes import builtin
from tests.service.jobs.staged import record

ROOT = Path(__file__).parent.parent
SHARED_DATA = Path(os.environ.get("CELLWISE_SHARED_DATA", ROOT.parent / "shared" / "data"))
TABLES = SHARED_DATA / "tables"
NATS_BENCH = SHARED_DATA / "nats-bench" / "NATS-tss-v1_0-3ffb9-simple"

MEMORY = Path("/dev/shm")
ROOM = 3 << 30
"""Bytes; a run takes less than half of it."""


def pytest_configure(config: pytest.Config) -> None:
    """Homes lie in memory where there is much of it, unless somebody says where.

    They are made, synchronised and removed by the thousand, for which many a disk needs as long
    as the tests for all else.
    """
    chosen = config.getoption("basetemp") or os.environ.get("PYTEST_DEBUG_TEMPROOT")
    if not chosen and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


LONG = (
    "service/test_training.py",
    "analysis/nasbench",
    "service/jobs",
    "service/test_report.py",
    "service/training/test_worker.py",
    "service/training/measurements",
    "browser",
    "analysis/test_client_serving.py",
    "analysis/test_scripts.py",
    "analysis/report",
    "service/test_control.py",
    "store",
    "data_",
)
"""Where tests take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins early, so that no process is left with it when others have ended."""
    here = Path(__file__).parent
    first = [here / name for name in LONG]

    def place(item: pytest.Item) -> int:
        folders = (item.path, *item.path.parents)
        return next((at for at, path in enumerate(first) if path in folders), len(first))

    items.sort(key=place)


def need(path: Path) -> Path:
    """``path``, or the end of the test where it is missing."""
    if not path.exists():
        pytest.skip(f"real data missing: {path.name} (set CELLWISE_SHARED_DATA to its folder)")
    return path


def client_of(library: Library) -> TestClient:
    """A client of an app over ``library``; a crash is its 500 answer, not an exception.

    Who asks much uses it as a context manager: each request has an event loop of its own else.
    """
    return TestClient(create_app(library), raise_server_exceptions=False)


def template(
    name: str, tmp_path_factory: pytest.TempPathFactory, fill: Callable[[Library], object]
) -> Path:
    """A home that ``fill`` fills, once in a run of tests, whichever of its processes comes first.

    Not to be opened: tests take copies.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    home = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            unfinished = tmp_path_factory.mktemp("template") / "home"
            with closing(Library.open(unfinished)) as opened:
                fill(opened)
            unfinished.rename(home)
    return home


@pytest.fixture(scope="session")
def default_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the packaged table alone, and wants no other table that homes start with.

    Not to be opened: tests take copies.
    """

    def fill(library: Library) -> None:
        library.import_source(recognise(packaged_table()))
        want_nothing(library)

    return template("default", tmp_path_factory, fill)


def want_nothing(library: Library) -> None:
    """Let a home be one that has seen all that comes with Cellwise."""
    for one in shipped():
        library.store.set_note(one.note, checksum(one.files()))


@pytest.fixture(scope="session")
def started_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as the first start makes it of an empty one. Not to be opened: tests take copies."""
    return template("started", tmp_path_factory, Library.load_default)


@pytest.fixture(scope="session")
def started_client(
    started_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A client of a server that was just started on an empty home."""
    home = copied(started_home, tmp_path_factory)
    with closing(Library.open(home)) as opened, client_of(opened) as client:
        yield client


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
def client(library: Library) -> Iterator[TestClient]:
    with client_of(library) as client:
        yield client


@pytest.fixture(scope="session")
def tables_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the five real tables. Not to be opened: tests take copies."""
    files = sorted(need(TABLES).iterdir())
    assert len(files) == 5

    def fill(library: Library) -> None:
        for file in files:
            library.import_source(recognise(file))

    return template("tables", tmp_path_factory, fill)


@pytest.fixture(scope="session")
def tables(tables_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The five real tables, without the default one and the official records."""
    with closing(Library.open(copied(tables_home, tmp_path_factory))) as opened:
        yield opened


@pytest.fixture(scope="session")
def tables_client(tables: Library) -> Iterator[TestClient]:
    with client_of(tables) as client:
        yield client


@pytest.fixture(scope="session")
def records(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The default table with the official records of cells 0, 11 and 284 imported after it."""
    official = recognise(need(NATS_BENCH))
    with closing(Library.open(copied(default_home, tmp_path_factory))) as opened:
        opened.import_source(official)
        yield opened


@pytest.fixture(scope="session")
def records_client(records: Library) -> Iterator[TestClient]:
    with client_of(records) as client:
        yield client


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the cells and no source. Not to be opened: tests take copies."""
    return template("empty", tmp_path_factory, lambda _: None)


@pytest.fixture
def fresh(empty_home: Path, tmp_path: Path) -> Iterator[Library]:
    """A library of one's own: the cells, and no source."""
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "fresh")))) as opened:
        yield opened
