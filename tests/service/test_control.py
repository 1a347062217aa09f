"""A server and the commands that find it: real processes, one home."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import typer

from data.library import Library
from data.sources import recognise
from service import cli, cli_cells, cli_query, control
from tests.conftest import ROOT
from tests.service.commands import Commands, unset_settings
from tests.service.processes import Server, cellwise, serving
from tests.service.test_runs import RUNS

commands = Commands(cli.app)
ok, failed = commands.ok, commands.failed
app = typer.Typer()
cli_query.add_all(app, cli_cells.COMMANDS)
questions = Commands(app)

TABLE = "cell,dataset,split,schedule,seed,epoch,value\n0,cifar10,test,12,777,12,50.5\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)


@pytest.fixture(scope="module")
def server(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = Path(shutil.copytree(default_home, tmp_path_factory.mktemp("served") / "home"))
    with serving(home) as running:
        yield running


@pytest.fixture
def own_home(home: Path, tmp_path: Path) -> Path:
    """A home with a small table besides the default one."""
    (tmp_path / "small.csv").write_text(TABLE)
    with closing(Library.open(home)) as opened:
        opened.import_source(recognise(tmp_path / "small.csv"))
    return home


def test_the_greeting_names_home_address_and_docs(server: Server) -> None:
    assert str(server.home) in server.greeting
    assert f"{server.url}/docs" in server.greeting
    assert server.about["pid"] == server.process.pid


def test_only_the_owner_may_command(server: Server) -> None:
    mode = Path(server.about["socket"]).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_commands_are_handed_over(server: Server, tmp_path: Path) -> None:
    """Import, ask, export and remove, while the server holds the database."""
    table = tmp_path / "mine.csv"
    table.write_text(TABLE)
    done = cellwise("import", table, "--home", server.home, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "name": "mine", "status": "imported", "cells": 1, "runs": 1, "points": 1,
    }  # fmt: skip
    assert "loaded the default table" not in done.stderr
    assert server.get("/cells?cell=0&metric=test_accuracy@12of12")["items"][0][
        "test_accuracy@12of12"
    ] == pytest.approx(50.5)
    assert "mine: unchanged" in ok("import", table, "--home", server.home)
    listed = json.loads(ok("sources", "--home", server.home, "--json"))
    assert [item["name"] for item in listed["items"]] == ["hpo-bench", "mine"]
    ok("export", tmp_path / "out", "--source", "mine", "--home", server.home)
    assert (tmp_path / "out" / "mine.parquet").is_file()
    ok("remove", "mine", "--home", server.home)
    assert [item["name"] for item in server.get("/sources")["items"]] == ["hpo-bench"]


def test_an_error_of_the_server_s_is_the_command_s(server: Server, tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text(TABLE.replace("50.5", "500.5"))
    assert "500.5" in failed("import", table, "--home", server.home)
    done = commands.run("remove", "none", "--home", server.home)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no source 'none'" in done.stderr
    assert server.get("/health")["sources"] == ["hpo-bench"]


def test_questions_go_to_the_server_past_any_proxy(server: Server) -> None:
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = cellwise("cells", "--min-width", "3", "--json", "--limit", "1", "--home", server.home,
                    env=proxies)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"] == 6144
    (request,) = [
        line
        for line in httpx2.get(f"{server.url}/metrics", trust_env=False).text.splitlines()
        if line.startswith("cellwise_request_seconds_count") and 'route="/cells"' in line
        and 'status="200"' in line
    ]  # fmt: skip
    assert float(request.split()[-1]) >= 1


def test_any_server_by_its_address(server: Server, tmp_path: Path) -> None:
    shown = ok("sources", "--url", server.url + "/", "--home", tmp_path, "--json")
    assert json.loads(shown)["items"][0]["runs"] == RUNS
    assert not (tmp_path / "cellwise.duckdb").exists()
    said = questions.failed("cells", "--url", server.url, "--min-width", "wide", "--home", tmp_path)
    assert "min_width 'wide': not a number" in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
def test_an_address_where_nothing_answers(tmp_path: Path, url: str) -> None:
    said = failed("sources", "--url", url, "--home", tmp_path)
    assert "error:" in said
    assert url in said


def test_a_second_server_is_refused(server: Server) -> None:
    said = failed("serve", "--home", server.home, "--port", "0")
    assert server.url in said
    assert str(server.process.pid) in said
    assert server.get("/health")["status"] == "ok"
    assert control.server_url(server.home) == server.url


def test_a_port_that_is_taken(server: Server, own_home: Path) -> None:
    port = server.url.rpartition(":")[2]
    said = failed("serve", "--home", own_home, "--port", port)
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said
    assert not (own_home / "server.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(own_home: Path, number: int) -> None:
    with serving(own_home) as server:
        server.get("/health")
        said = server.stop(number)
        assert server.process.returncode == 0, said
    assert "stopped" in said
    assert "Traceback" not in said
    left = {path.name for path in own_home.iterdir()}
    assert left <= {"cellwise.duckdb", "tmp"}, "no socket, no address, no log to replay"


def test_a_killed_server_is_in_nobody_s_way(own_home: Path, tmp_path: Path) -> None:
    """Neither its address nor its socket, which it leaves; nor what it was about to write."""
    with serving(own_home) as server:
        (tmp_path / "more.csv").write_text(TABLE)
        ok("import", tmp_path / "more.csv", "--home", own_home)
        server.stop(signal.SIGKILL)
    assert (own_home / "server.json").exists()
    assert control.server_url(own_home) is None
    with pytest.raises(control.NoServerError):
        control.hand_over(own_home, {"command": "remove", "name": "x"}, lambda *_: None)
    listed = json.loads(ok("sources", "--home", own_home, "--json"))
    assert [item["name"] for item in listed["items"]] == [
        "hpo-bench",
        "small",
        "more",
    ]
    with serving(own_home) as server:
        assert control.server_url(own_home) == server.url
        assert server.get("/health")["sources"] == ["hpo-bench", "small", "more"]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"socket": 3}', '{"socket": "/nowhere"}']
)
def test_an_address_file_of_any_content(tmp_path: Path, content: str) -> None:
    (tmp_path / control.ADDRESS_FILE).write_text(content)
    assert control.server_url(tmp_path) is None


def test_a_long_path(default_home: Path, tmp_path: Path) -> None:
    """A Unix socket's path holds 108 bytes; a home's may be longer."""
    home = tmp_path / ("a" * 60) / ("b" * 60)
    home.parent.mkdir()
    shutil.copytree(default_home, home)
    assert len(bytes(home)) > 108
    (tmp_path / "mine.csv").write_text(TABLE)
    ok("import", tmp_path / "mine.csv", "--home", home)
    with serving(home) as server:
        place = Path(server.about["socket"])
        ok("remove", "mine", "--home", home)
        server.stop(signal.SIGTERM)
    assert not place.parent.exists()


HOLD = """
import sys
from pathlib import Path
from data.store import Store
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_a_database_that_something_else_holds(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(TABLE)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(own_home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        for ask, command in (
            (failed, ["import", tmp_path / "mine.csv"]),
            (failed, ["sources"]),
            (questions.failed, ["cells"]),
            (failed, ["serve", "--port", "0"]),
        ):
            said = ask(*command, "--home", own_home)
            assert f"process {holder.pid}" in said, command
            assert "top" in said or "ait for it" in said, "it says what to do"
        holder.stdin.close()


def test_commands_that_aren_t(own_home: Path) -> None:
    """Whatever comes in by the socket, the server answers and goes on."""
    with closing(Library.open(own_home)) as library:
        with control.serving(own_home, library, "http://here"):
            for command in ({}, {"command": "drop"}, {"command": "remove", "name": "none"}):
                with pytest.raises(control.ControlError):
                    control.hand_over(own_home, command, lambda *_: None)
            assert control.server_url(own_home) == "http://here"
            done = control.hand_over(
                own_home, {"command": "remove", "name": "small"}, lambda *_: None
            )
            assert done == {"removed": "small"}
        assert control.server_url(own_home) is None
    assert [path.name for path in own_home.iterdir()] == ["cellwise.duckdb"]
