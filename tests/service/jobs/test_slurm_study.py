"""A study by workers on a cluster, over HTTP, from beginning to end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from data.library import Library
from service.api.app import create_app
from service.jobs.start import make_queue
from service.settings import Settings
from service.training.folder import JobFolder
from tests.service.helpers import get
from tests.service.jobs.test_executors import wait_until

RECIPE = """
epochs = 2
batch = 64
[network.nasbench201]
channels = 4
cells = 1
[optimiser]
learning_rate = 0.05
[images]
train = 200
evaluate = 100
"""
ASKED: dict[str, Any] = {
    "kind": "landscape",
    "cells": ["6111", "284"],
    "dataset": "digits",
    "recipe": "quick",
    "points": 3,
}


@contextmanager
def service(home: Path) -> Iterator[TestClient]:
    """A service of a cluster that takes one job at a time; workers outlast the end of it."""
    settings = Settings(home=home, executor="slurm", slurm_jobs=1, slurm={"timeout_min": 5})
    with closing(Library.open(home)) as library:
        queue = make_queue(library, settings)
        client = TestClient(create_app(library, queue=queue), client=("127.0.0.1", 5))
        with queue.working():
            yield client


def state_is(client: TestClient, state: str) -> Callable[[], bool]:
    return lambda: bool(get(client, "/studies/1")["state"] == state)


def test_a_study_on_slurm_outlasts_the_service(
    default_home: Path, slurm: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(default_home, tmp_path / "home"))
    (home / "recipes").mkdir()
    (home / "recipes" / "quick.toml").write_text(RECIPE)
    first = JobFolder(home / "jobs" / "000001")
    with service(home) as client:
        answer = client.post("/studies", json=ASKED)
        assert answer.status_code == 202, answer.text
        wait_until(first.busy)
        (job, waiting) = [get(client, f"/jobs/{number}") for number in (1, 2)]
        assert (job["state"], job["device"]) == ("running", "slurm")
        assert (waiting["state"], waiting["position"]) == ("queued", 1)
    wait_until(lambda: first.result() is not None)  # while there is no service
    with service(home) as client:
        wait_until(state_is(client, "done"))
        study = get(client, "/studies/1")
        jobs = [get(client, part["job"]) for part in study["parts"]]
    assert [cell["rows_left"] for cell in study["results"]["cells"]] == [0, 0]
    assert all(cell["summary"] is not None for cell in study["results"]["cells"])
    assert [(job["attempts"], len(job["epochs"]), len(job["measurements"])) for job in jobs] == [
        (1, 2, 3),
        (1, 2, 3),
    ]
    assert len(list((slurm / "jobs").iterdir())) == 2
