"""Training with real workers: over HTTP, from the terminal, and whatever is killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from service import cli, cli_jobs, cli_training
from service.training.folder import JobFolder
from tests.service.commands import Commands, unset_settings
from tests.service.processes import Server, cellwise, serving
from tests.service.test_jobs import events
from tests.service.training.made import NB201
from tests.service.training.test_trainer import timeless

RECIPE = """
epochs = 6
batch = 64
[network.nasbench201]
channels = 4
cells = 1
[network.darts]
channels = 2
cells = 3
[optimiser]
learning_rate = 0.05
momentum = 0.9
[augment]
crop = 0.125
[images]
train = 400
evaluate = 200
"""
PATIENCE_S = 100

app = typer.Typer()
cli_training.add_to(app)
cli_jobs.add_to(app)
commands = Commands(app)
ok, failed = commands.ok, commands.failed


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setattr(cli.out, "width", 120)


@pytest.fixture
def home(default_home: Path, tmp_path: Path) -> Path:
    """A home with a recipe that takes seconds, beside the default table."""
    return with_recipe(default_home, tmp_path / "home")


def with_recipe(default_home: Path, home: Path) -> Path:
    shutil.copytree(default_home, home)
    (home / "recipes").mkdir()
    (home / "recipes" / "quick.toml").write_text(RECIPE)
    return home


def ask(server: Server, cells: list[str], **more: Any) -> list[str]:
    body = {"cells": cells, "dataset": "digits", "recipe": "quick"} | more
    answer = httpx2.post(server.url + "/jobs", json=body, trust_env=False, timeout=30)
    assert answer.status_code == 202, answer.text
    return [item["job"] for item in answer.json()["items"]]


def until_ended(server: Server, job: str) -> dict[str, Any]:
    """The job once it has ended, by its events, which wait for it."""
    url = f"{server.url}{job}/events"
    answer = httpx2.get(url, trust_env=False, timeout=PATIENCE_S)
    *_, end = events(answer.text)
    document: dict[str, Any] = end[2]
    return document


@dataclass(frozen=True)
class Trained:
    """A server that has trained, which jobs, and what it sent of the first one meanwhile."""

    server: Server
    jobs: list[str]
    arrived: list[str]


@pytest.fixture(scope="module")
def trained(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Four cells, of which no table holds the first by this recipe."""
    home = with_recipe(default_home, tmp_path_factory.mktemp("trained") / "home")
    with serving(home) as server:
        jobs = ask(server, [NB201, "284", "6111", "DARTS-V2"])
        with httpx2.stream(
            "GET", f"{server.url}{jobs[0]}/events", trust_env=False, timeout=PATIENCE_S
        ) as answer:
            arrived = [line for line in answer.iter_lines() if line.startswith("id: ")]
        yield Trained(server, jobs, arrived)


def test_a_cell_outside_the_table_is_trained_and_answers_in_correlations(trained: Trained) -> None:
    server, jobs = trained.server, trained.jobs
    assert trained.arrived == [*(f"id: {epoch}" for epoch in range(1, 7)), "id: end"]
    for job in jobs:
        document = until_ended(server, job)
        assert document["state"] == "done", document
        run = server.get(document["run"])
        assert run["details"]["images"]["sizes"]["train"] == 400
    found = server.get(
        "/correlations?x=width&y=valid_accuracy@6of6&dataset=digits&recipe=quick&space=all"
    )
    assert found["items"][0]["n"] == 4
    assert "epoch 6/6" in httpx2.get(f"{server.url}{jobs[0]}/log", trust_env=False).text
    assert server.get("/health")["runs"] >= 4


def test_from_the_terminal_without_a_server(home: Path) -> None:
    command = ("train", NB201, "--recipe", "quick", "--seed", "1", "--seed", "2", "--home", home)
    first = cellwise(*command, "--json")
    assert first.returncode == 0, first.stderr
    items = json.loads(first.stdout)["items"]
    assert [(item["seed"], item["state"], item["trained"]) for item in items] == [
        (1, "done", True),
        (2, "done", True),
    ]
    assert items[0]["run"]["source"] == "local"
    assert ok(*command).count("known") == 2
    listed = json.loads(ok("jobs", "--home", home, "--json"))
    assert [job["state"] for job in listed["items"]] == ["done", "done"]
    assert "epoch 6/6" in ok("jobs", "1", "--home", home)


def test_from_the_terminal_with_a_server(trained: Trained) -> None:
    server = trained.server
    command = ("train", NB201, "--recipe", "quick", "--seed", "1", "--home", server.home)
    answer = cellwise(*command, "--json")
    assert answer.returncode == 0, answer.stderr
    (item,) = json.loads(answer.stdout)["items"]
    assert (item["state"], item["trained"]) == ("done", True)
    (job,) = [job for job in server.get("/jobs")["items"] if job["seed"] == 1]
    assert job["state"] == "done"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "6111", "--dataset", "cifar100"), "not on this machine"),
        (("train", "6111", "--recipe", "quik"), "did you mean quick"),
        (("train", "99999"), "99999"),
        (("jobs", "77"), "no job 77"),
        (("jobs", "--cancel"), "which job"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], said: str, home: Path) -> None:
    assert said in failed(*arguments, "--home", home)


def test_recipes_and_datasets_from_the_terminal(home: Path) -> None:
    recipes = ok("recipes", "--home", home)
    assert "quick" in recipes
    assert "nb201-200" in recipes
    datasets = ok("datasets", "--home", home)
    assert "digits" in datasets
    assert "ImageNet16-120" in datasets


def worker_of(folder: JobFolder) -> int | None:
    found = folder.worker() if folder.busy() else None
    return found[1] if found is not None else None


def wait_until(true: Any, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def curve_of(server: Server, job: str) -> list[dict[str, Any]]:
    return timeless(server.get(job)["epochs"])


@pytest.fixture(scope="module")
def undisturbed(trained: Trained) -> list[dict[str, Any]]:
    """The curve of the job that the others disturb."""
    job = trained.jobs[0]
    assert until_ended(trained.server, job)["state"] == "done"
    return curve_of(trained.server, job)


def test_killed_at_random_moments_nothing_is_lost_and_nothing_twice(
    home: Path, undisturbed: list[dict[str, Any]]
) -> None:
    """Service and worker, by SIGKILL, over a real run."""
    rng = random.Random(7)
    folder = JobFolder(home / "jobs" / "000001")
    job = "/jobs/1"
    for number in range(4):
        with serving(home) as server:
            if number == 0:
                assert ask(server, [NB201]) == [job]
            if server.get(job)["state"] == "done":
                break
            wait_until(lambda: worker_of(folder) or folder.result())
            threading.Event().wait(rng.random() * 2)
            worker = worker_of(folder)
            if worker is not None and rng.random() < 0.7:
                os.kill(worker, signal.SIGKILL)
            if rng.random() < 0.7:
                server.stop(signal.SIGKILL)
    with serving(home) as server:
        document = until_ended(server, job)
        assert document["state"] == "done", document
        assert curve_of(server, job) == undisturbed
        assert [record["epoch"] for record in server.get(job)["epochs"]] == list(range(1, 7))
        runs = server.get("/runs?source=local")
        assert runs["total"] == 1
        assert [source["runs"] for source in server.get("/sources")["items"]][-1] == 1


def test_cancelled_while_it_runs_it_goes_on_later(
    home: Path, undisturbed: list[dict[str, Any]]
) -> None:
    folder = JobFolder(home / "jobs" / "000001")
    with serving(home) as server:
        (job,) = ask(server, [NB201])
        wait_until(lambda: len(folder.epochs()[0]) >= 1)
        answer = httpx2.delete(server.url + job, trust_env=False)
        assert answer.json()["state"] == "cancelled"
        wait_until(lambda: worker_of(folder) is None)
        assert folder.result() is None
        answer = httpx2.post(f"{server.url}{job}/resume", trust_env=False)
        assert answer.json()["state"] in ("queued", "running")
        assert until_ended(server, job)["state"] == "done"
        assert curve_of(server, job) == undisturbed


def test_workers_outlast_the_service(home: Path) -> None:
    """The next service takes in what they did meanwhile."""
    folder = JobFolder(home / "jobs" / "000001")
    with serving(home) as server:
        ask(server, [NB201])
        wait_until(lambda: worker_of(folder) is not None)
        server.stop(signal.SIGTERM)
    wait_until(lambda: folder.result() is not None)
    with serving(home) as server:
        document = until_ended(server, "/jobs/1")
        assert (document["state"], document["attempts"]) == ("done", 1)
