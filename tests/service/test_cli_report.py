"""``cellwise report`` on what ships, without a server: nothing is trained or drawn."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from data.library import Library
from service import cli, cli_report
from tests.conftest import copied
from tests.service.helpers import unkept

app = typer.Typer()
cli_report.add_to(app)


@pytest.fixture(scope="module")
def own_home(started_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(started_home, tmp_path_factory)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.out, "width", 160)
    unkept(monkeypatch)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_what_ships_is_reported_without_training(own_home: Path, tmp_path: Path) -> None:
    done = run("--home", own_home)
    assert done.exit_code == 0, done.output
    *claims, path = done.stdout.splitlines()
    assert [line[:2] for line in claims] == [f"{number}." for number in range(1, 9)]
    assert "Searched cells are wide and shallow: inconclusive" in claims[0]
    assert path == "report.html"
    page = (tmp_path / path).read_text(encoding="utf-8")
    assert "<h2>Claims</h2>" in page
    assert page.count("data:image/svg+xml") > 15
    with closing(Library.open(own_home)) as library, library.store.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone() == (0,)


def test_what_is_missing_is_told(own_home: Path) -> None:
    done = run("--home", own_home, "--scale", "digits", "--as-is")
    assert done.exit_code == 1
    assert "gradients DARTS-V2" in done.stderr
    assert "Without --as-is they are made" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scale", "huge"], "no scale 'huge'; allowed: digits, evidence, paper, proxy"),
        (["--scale", "own.toml"], "own.toml: No such file"),
        (["/proc/no/report.html"], "/proc/no can't be made"),
        (["report.pdf"], "report.pdf is no report; allowed: files that end in .html or .md"),
        (["report.md", "--figures", "/proc/no"], "/proc/no can't be made"),
        (["--url", "http://127.0.0.1:9"], "no answer from http://127.0.0.1:9"),
    ],
)
def test_what_can_t_be_done_is_told(own_home: Path, arguments: list[str], told: str) -> None:
    home = [] if "--url" in arguments else ["--home", own_home]
    done = run(*arguments, *home)
    assert done.exit_code == 1
    assert told in done.stderr.replace("\n", " ")
    assert done.exception is None or isinstance(done.exception, SystemExit)
