"""Jobs from the terminal: listed, followed while a test's own workers go on, cancelled, resumed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from rich.console import Console
from starlette.testclient import TestClient

from data.library import Library
from service import cli, cli_jobs
from service.api import schemas_jobs
from service.api.access import may_write
from service.api.app import create_app
from service.ask import Asked
from service.jobs.queue import Queue
from service.jobs.slots import Slot
from service.training.folder import Result as Outcome
from tests.conftest import queued_job
from tests.service.commands import Commands, rows
from tests.service.jobs.staged import EPOCHS, StagedExecutor, done, number, record
from tests.service.test_cli_studies import Instant

ADDRESS = "http://localhost"

app = typer.Typer()


@app.callback()
def cellwise() -> None:
    """With a callback a single command is still called by its name."""


cli_jobs.add_to(app)


class World(httpx2.AsyncBaseTransport):
    """A service that moves on whenever it was asked: each worker by one epoch, then the queue."""

    def __init__(self, library: Library) -> None:
        self.executor = StagedExecutor()
        self.queue = Queue(library, self.executor, [Slot("cpu", None, 1)] * 2)
        self.app = create_app(library, queue=self.queue)
        self.app.dependency_overrides[may_write] = lambda: None
        self._inner = httpx2.ASGITransport(self.app)
        self.moves = False
        self.asked = 0
        self.then: dict[int, Callable[[], Any]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        if self.moves:
            self.asked += 1
            self.then.pop(self.asked, lambda: None)()
            self.move()
        return answer

    def move(self) -> None:
        for folder in list(self.executor.started):
            if number(folder) in self.executor.living:
                epoch = len(folder.epochs()[0]) + 1
                folder.append_epoch(record(epoch))
                folder.log_file.write_text(folder.log() + f"epoch {epoch}/{EPOCHS}\n")
                if epoch == EPOCHS:
                    folder.write_result(done())
                    self.executor.dies(number(folder))
        self.queue.step()

    @asynccontextmanager
    async def asking(
        self, home: Path, url: str | None, *, training: bool = False
    ) -> AsyncIterator[Asked]:
        """As :func:`service.ask.asking`; only a command that follows keeps the world going."""
        self.moves = training
        async with httpx2.AsyncClient(transport=self, base_url=ADDRESS) as client:
            yield Asked(client, ADDRESS)

    def submit(self, *cells: str, **more: Any) -> None:
        """Queues a training of each; the world doesn't move for it."""
        body = {"cells": cells, "dataset": "digits", "recipe": "proxy", **more}
        assert TestClient(self.app).post("/jobs", json=body).status_code == 202


@pytest.fixture
def world(fresh: Library, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(fresh)
    monkeypatch.setattr("service.ask.asking", made.asking)
    monkeypatch.setattr(cli_jobs, "ASK_EVERY_S", 0)
    monkeypatch.setattr(cli.out, "width", 200)
    return made


@pytest.fixture
def ran(world: World) -> World:
    """Job 1 is done, job 2 failed, job 3 waits."""
    world.submit("6111", "284")
    for _ in range(EPOCHS + 1):
        world.move()
        folder = world.queue.folders.of(2)
        if folder.result() is None and len(folder.epochs()[0]) == 2:
            folder.write_result(Outcome(state="failed", error="too few images of [train]"))
            world.executor.dies(2)
    world.submit("DARTS-V2", priority=3)
    return world


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal gets to show while a command follows."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(cli, "err", console)
    return shown


commands = Commands(app, "jobs")
run, ok, failed = commands.run, commands.ok, commands.failed


# --- looking ----------------------------------------------------------------------------------


def test_jobs_are_listed(ran: World) -> None:
    text = ok()
    heads, *shown = rows(text)
    assert heads == ["job", "cell", "dataset", "recipe", "seed", "state", "epoch", "device"]
    assert shown == [
        ["3", "DARTS-V2", "digits", "proxy", "777", "queued (1)", "–", "–"],
        ["2", "nb201-000284", "digits", "proxy", "777", "failed", "2/12", "cpu"],
        ["1", "nb201-006111", "digits", "proxy", "777", "done", "12/12", "cpu"],
    ]
    assert text.endswith("1 queued, 0 running, 1 done, 1 failed, 0 cancelled\n")
    listed = rows(ok("--state", "failed", "--state", "done"))
    assert [row[0] for row in listed[1:]] == ["2", "1"]
    assert [row[0] for row in rows(ok("--limit", 1))[1:]] == ["3"]
    assert [row[0] for row in rows(ok("--before", 2))[1:]] == ["1"]


def test_one_job(ran: World) -> None:
    text = ok(2)
    assert rows(text)[1][:2] == ["2", "nb201-000284"]
    assert text.endswith("too few images of [train]\n"), "brackets are no markup"
    assert ok(1).endswith("epoch 11/12\nepoch 12/12\n\n")
    assert ok(1, "--log") == "".join(f"epoch {epoch}/12\n" for epoch in range(1, 13))
    assert ok(3, "--log") == ""


def test_json_is_the_api_s(ran: World) -> None:
    client = TestClient(ran.app, base_url=ADDRESS)
    assert json.loads(ok("--json")) == client.get("/jobs").json()
    assert json.loads(ok("--limit", 1, "--json")) == client.get("/jobs?limit=1").json()
    assert json.loads(ok(1, "--json")) == client.get("/jobs/1").json()


def test_csv_has_all_of_every_page(ran: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ok("--csv")
    table = list(csv.DictReader(io.StringIO(text)))
    items = json.loads(ok("--json"))["items"]
    assert [int(row["id"]) for row in table] == [3, 2, 1]
    about = schemas_jobs.JobOf.model_fields.keys() - {"links", "progress"}
    assert table[0].keys() == about | schemas_jobs.Progress.model_fields.keys()
    for row, item in zip(table, items, strict=True):
        flat = item | (item["progress"] or {})
        for name, value in row.items():
            expected = flat.get(name)
            assert value == ("" if expected is None else str(expected)), name
    monkeypatch.setattr(cli_jobs, "MOST", "1")
    assert ok("--csv") == text, "page after page"
    first, second, *_ = text.splitlines(keepends=True)
    assert ok("--csv", "--limit", 1) == first + second
    assert ok(3, "--csv") == first + second
    ran.submit("6111", dataset="digits", seeds=[1])
    assert len(ok("--csv", "--before", 3).splitlines()) == 1 + 2


def test_csv_of_no_jobs_has_its_heads(world: World) -> None:
    assert ok("--csv").startswith("id,cell,")
    assert ok() == "0 queued, 0 running, 0 done, 0 failed, 0 cancelled\n"


# --- following --------------------------------------------------------------------------------


def test_all_jobs_are_followed_until_they_have_ended(world: World, screen: io.StringIO) -> None:
    """One that came meanwhile too; each is shown with how far it is."""
    world.submit("6111")
    world.then[4] = lambda: world.submit("284")
    text = ok("--follow")
    assert [(row[0], row[5], row[6]) for row in rows(text)[1:]] == [
        ("2", "done", "12/12"),
        ("1", "done", "12/12"),
    ]
    seen = screen.getvalue()
    assert "1 nb201-006111 digits proxy 777" in seen
    assert "2 nb201-000284 digits proxy 777" in seen
    assert re.search(r"epoch [1-6]/12, 700 im/s", seen)
    assert "2/2 ended" in seen


def test_without_a_server_they_are_worked_on_from_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.start.LocalExecutor", Instant)
    monkeypatch.setattr(cli_jobs, "ASK_EVERY_S", 0)
    with closing(Library.open(home)) as library:
        queued_job(library)
    assert "queued (1)" in ok("--home", home)
    assert rows(ok("--follow", "--home", home))[1][5:7] == ["done", "12/12"]


def test_what_is_told_at_the_end_is_as_without_following(world: World) -> None:
    world.submit("6111", "284")
    followed = json.loads(ok("--follow", "--state", "done", "--json"))
    assert [item["state"] for item in followed["items"]] == ["done", "done"]
    assert followed == json.loads(ok("--state", "done", "--json"))
    assert ok("-f", "--csv") == ok("--csv")


def test_one_job_is_followed(world: World, screen: io.StringIO) -> None:
    """Others may go on."""
    world.submit("6111", "284", "DARTS-V2")
    text = ok(1, "--follow")
    assert rows(text)[1][5:7] == ["done", "12/12"]
    assert "1 nb201-006111 digits proxy 777" in screen.getvalue()
    assert "nb201-000284" not in screen.getvalue()
    assert world.queue.jobs.get(3).state == "running"


def test_a_job_that_fails_ends_the_command_with_1(world: World) -> None:
    def fail() -> None:
        world.queue.folders.of(1).write_result(Outcome(state="failed", error="no images"))
        world.executor.dies(1)

    world.submit("6111")
    world.then[5] = fail
    done = run(1, "--follow")
    assert done.exit_code == 1
    assert rows(done.stdout)[1][5] == "failed"
    assert "no images" in done.stdout


def test_a_job_that_somebody_cancels_ends_the_command_with_1(world: World) -> None:
    world.submit("6111")
    world.then[5] = lambda: world.queue.cancel(1)
    done = run(1, "--follow")
    assert done.exit_code == 1
    assert rows(done.stdout)[1][5] == "cancelled"


def test_a_log_is_followed_as_it_grows(world: World) -> None:
    world.submit("6111")
    assert ok(1, "--log", "--follow") == "".join(f"epoch {e}/12\n" for e in range(1, 13))


def test_interrupted_it_leaves_jobs_running(world: World) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    for arguments in (("--follow",), (1, "-f"), (1, "--log", "-f")):
        world.submit("6111", force=True)
        world.asked = 0
        world.then[4] = interrupt
        assert "interrupted; what runs goes on" in failed(*arguments)
        assert world.executor.stopped == []
        assert world.queue.jobs.get(1).state == "running"


def test_a_job_is_cancelled_and_gone_on_with(world: World) -> None:
    world.submit("6111")
    for _ in range(3):
        world.move()
    assert rows(ok(1, "--cancel"))[1][5:7] == ["cancelled", "2/12"]
    assert world.executor.stopped == [1]
    assert rows(ok(1, "--resume", "--follow"))[1][5:7] == ["done", "12/12"]
    assert "job 1 is done" in failed(1, "--cancel")


# --- what can't be done -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("77", "there is no job 77"),
        ("77 --follow", "there is no job 77"),
        ("77 --log", "there is no job 77"),
        ("--cancel", "say which job"),
        ("--resume", "say which job"),
        ("--log", "say which job"),
        ("1 --cancel --resume", "either --cancel or --resume"),
        ("1 --log --json", "either --log"),
        ("1 --state done", "--state chooses among jobs"),
        ("--csv --json", "one of --json, --csv"),
        ("--state dnoe", "state 'dnoe': input should be 'queued', 'running', 'done', 'failed' or"),
        ("--state dnoe", "allowed: queued, running, done, failed, cancelled"),
        ("--limit 0", "limit '0': input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_done_is_said(command: str, said: str, world: World) -> None:
    assert said in failed(*command.split())
