"""The command line without a server: the same answers, from this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from service import cli
from tests import raw
from tests.service.commands import Commands, unset_settings
from tests.service.processes import cellwise


@pytest.fixture(scope="module")
def cli_home(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(default_home, tmp_path_factory.mktemp("cli") / "home"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unset_settings(monkeypatch)
    monkeypatch.chdir(tmp_path)


commands = Commands(cli.app)
run, ok, failed = commands.run, commands.ok, commands.failed


def test_sources(cli_home: Path) -> None:
    text = ok("sources", "--home", cli_home)
    assert "hpo-bench" in text
    assert "yes" in text, "it ships"
    (item,) = json.loads(ok("sources", "--home", cli_home, "--json"))["items"]
    assert item["cells"] == 15_625


@pytest.mark.parametrize("cell", ["284", "nb201-000284", raw.strings()[284]])
def test_topology(cell: str) -> None:
    body = json.loads(ok("topology", cell, "--json"))
    assert body["id"] == "nb201-000284"
    assert (body["columns"]["width"], body["columns"]["depth"]) == (1, 2)
    text = ok("topology", cell)
    assert raw.strings()[284] in text
    assert "0→2 skip_connect" in text, "its dead edges"


def test_topology_of_a_genotype() -> None:
    text = ok("topology", "DARTS-V2")
    assert "Genotype(normal=[('sep_conv_3x3', 0)" in text, "brackets are no markup"
    assert "3.5" in text


@pytest.mark.parametrize("cell", ["[/red]", "[bold]x", "|none~0|", "15625", "", "Genotype(["])
def test_messages_show_what_came(cell: str) -> None:
    text = failed("topology", cell)
    assert text.startswith("error: ")
    assert cell in text


def test_paths_with_brackets(tmp_path: Path, cli_home: Path) -> None:
    missing = tmp_path / "[red]gone[/red].csv"
    assert "[red]gone[/red].csv" in failed("import", missing, "--home", cli_home)
    folder = tmp_path / "[x]"
    text = ok("export", folder, "--home", cli_home)
    assert str(folder / "hpo-bench.parquet") in text


def test_import_and_remove(empty_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty_home, home)
    table = tmp_path / "mine.csv"
    table.write_text(
        "cell,dataset,split,schedule,seed,epoch,value\n0,cifar10,test,12,777,12,50.5\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLWISE_HOME", str(home))
        done = run("import", table, "--source", "other", "--json")
        # What isn't a name of a source is refused before anything is read.
        refused = failed("import", table, "--source", "a/b")
    assert json.loads(done.stdout)["name"] == "other"
    for table_name in ("hpo-bench", "local-bundle", "reproduction"):
        assert f"loaded the default table {table_name}" in done.stderr, "on the first opening"
    assert "loaded the default studies: " in done.stderr
    assert "can't name a source" in refused
    assert "other: removed" in ok("remove", "other", "--home", home)
    assert "no source 'other'" in failed("remove", "other", "--home", home)


def test_files_that_are_none(tmp_path: Path, cli_home: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "page.html").write_text("<!DOCTYPE html><html></html>")
    (tmp_path / "loop").symlink_to("loop")
    for name, part in (
        ("empty.csv", "empty"),
        ("page.html", "web page"),
        ("gone", "not exist"),
        ("page.html/below", "not exist"),
        ("a" * 300, "can't be read: File name too long"),
        ("loop", "can't be read: Too many levels"),
    ):
        assert part in failed("import", tmp_path / name, "--home", cli_home)


def test_homes_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "can't use" in failed("sources", "--home", tmp_path / "file")
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "cellwise.duckdb").write_bytes(b"no database" * 1000)
    for command in (["sources"], ["serve", "--port", 0], ["remove", "x"]):
        text = failed(*command, "--home", tmp_path / "lock")
        assert "can't be opened" in text
        assert "in use" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [("CELLWISE_PORT", "abc"), ("CELLWISE_PORT", "70000"), ("CELLWISE_MEMORY_LIMIT", "lots")],
)
def test_settings_that_can_t_be(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    text = failed("serve")
    assert f"{name}={value}" in text


def test_the_entry_point(tmp_path: Path) -> None:
    """As a process: commands are listed, their options read, and torch is never imported."""
    done = cellwise("--help")
    assert done.returncode == 0
    for command in ("serve", "import", "export", "sources", "topology", "cells", "remove"):
        assert f" {command} " in done.stdout
    done = cellwise("topology", "284", "--json")
    assert json.loads(done.stdout)["columns"]["width"] == 1
    assert cellwise("topology", "foo").returncode == 1
