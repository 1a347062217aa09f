"""Homes with studies, and files of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.export import export
from data.library import Library
from data.sources import recognise
from data.study_transfer import export_studies
from service.jobs.results import LOCAL
from tests.conftest import copied
from tests.service.lab import Lab
from tests.store.filed import ON, measured
from tests.store.sources import run


@pytest.fixture(scope="session")
def studied(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Studies of every kind: of jobs, shared and not, of a run that was there, diverged, cancelled.

    Not to be changed.
    """
    with closing(Library.open(copied(empty_home, tmp_path_factory))) as library:
        library.add_run(run(284, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
        lab = Lab(library)
        lab.post(kind="landscape", cells=["6111", "DARTS-V2"], points=3, **ON)
        lab.post(kind="variants", cells=["6111", "284"], variants=[], seeds=[777, 1], **ON)
        lab.post(kind="lr-robustness", cells=["6111"], learning_rates=[0.05, 50], **ON)
        lab.post(kind="gradient-variance", cells=["6111"], at="ends", **ON)
        lab.post(kind="smoothness", cells=["6111"], **ON)
        lab.post(kind="generalisation", cells=["DARTS-V2"], datasets=["digits"], recipe="proxy")
        lab.work(measured=measured, failing=lambda a: a.recipe.optimiser.learning_rate == 50)
        lab.post(kind="variants", cells=["11"], count=1, **ON)
        lab.client.delete("/studies/7")
        yield library


@pytest.fixture(scope="session")
def file(studied: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "studies.parquet"
    assert export_studies(studied.store, path) == [1, 2, 3, 4, 5, 6, 7]
    return path


@pytest.fixture(scope="session")
def table(studied: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the studies' home, for other homes."""
    folder = tmp_path_factory.mktemp("table")
    export(studied.snapshot, folder / "out")
    return folder / "out" / "local.parquet"


@pytest.fixture(scope="session")
def other_home(empty_home: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another home: with the runs, and with jobs and a study of its own, so that numbers differ.

    Not to be opened: tests take copies.
    """
    home = copied(empty_home, tmp_path_factory)
    with closing(Library.open(home)) as library:
        library.import_source(recognise(table, name="theirs"))
        lab = Lab(library)
        lab.post(kind="smoothness", cells=["1"], **ON)
        lab.work(measured=measured)
    return home


@pytest.fixture
def other(other_home: Path, tmp_path: Path) -> Iterator[Library]:
    """The other home, to be changed."""
    with closing(Library.open(Path(shutil.copytree(other_home, tmp_path / "other")))) as library:
        yield library


@pytest.fixture(scope="module")
def refusing(other_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The other home for files that are refused, which change nothing in it."""
    with closing(Library.open(copied(other_home, tmp_path_factory))) as library:
        yield library
