"""Tokens: the file that holds them, and the commands that write it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import string
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from service import cli, cli_token, tokens
from tests.service.processes import cellwise

cli_token.add_to(cli.app)

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


def content(home: Path) -> list[dict[str, str]]:
    body = json.loads((home / "tokens.json").read_text())
    assert set(body) == {"tokens"}
    return list(body["tokens"])


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    token = tokens.add(tmp_path, "ci")
    # 256 bits in base 64 are 43 characters.
    assert re.fullmatch(r"cw_[A-Za-z0-9_-]{43}", token)
    (kept,) = content(tmp_path)
    assert set(kept) == {"name", "created", "sha256"}
    assert kept["sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert before <= datetime.fromisoformat(kept["created"]) <= datetime.now(UTC)
    assert tokens.check(tmp_path, token) == "ci"
    for path in tmp_path.iterdir():
        assert token[3:] not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@pytest.mark.parametrize("wrong", ["", "cw_", "ci", "{}x", "x{}", "é", "\ud800", "a" * 100_000])
def test_anything_else_is_not_known(tmp_path: Path, wrong: str) -> None:
    token = tokens.add(tmp_path, "ci")
    assert tokens.check(tmp_path, wrong.format(token)) is None
    assert tokens.check(tmp_path, token.upper()) is None
    assert tokens.check(tmp_path, content(tmp_path)[0]["sha256"]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=12))
def test_what_was_added_and_not_removed_is_known(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, str]]
) -> None:
    home = tmp_path_factory.mktemp("home")
    valid: dict[str, str] = {}
    gone: list[str] = []
    for adds, name in steps:
        if adds and name not in valid:
            valid[name] = tokens.add(home, name)
        elif adds:
            with pytest.raises(tokens.TokenNameError, match="already"):
                tokens.add(home, name)
        elif name in valid:
            tokens.remove(home, name)
            gone.append(valid.pop(name))
        else:
            with pytest.raises(tokens.TokenNameError, match=f"no token '{name}'"):
                tokens.remove(home, name)
        assert [token.name for token in tokens.known(home)] == list(valid)
        assert {tokens.check(home, token) for token in gone} <= {None}
        for held, token in valid.items():
            assert tokens.check(home, token) == held


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(name=NAMES)
def test_names(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    home = tmp_path_factory.mktemp("home")
    assert tokens.check(home, tokens.add(home, name)) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "a b", "ä", "a\n", "[red]", "a" * 65])
def test_names_that_can_t_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(tokens.TokenNameError) as caught:
        tokens.add(tmp_path, name)
    assert repr(name) in str(caught.value)
    assert "allowed: letters, digits" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_two_at_a_time_lose_nothing(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda name: tokens.add(tmp_path, name), names))
    assert {token.name for token in tokens.known(tmp_path)} == set(names)
    assert [tokens.check(tmp_path, token) for token in made] == names


def test_changes_of_another_process_are_seen(tmp_path: Path) -> None:
    """Whatever it changes: the time, the length or the file itself."""
    assert tokens.known(tmp_path) == ()
    first = tokens.add(tmp_path, "a")
    file = tmp_path / "tokens.json"
    held = file.stat()
    assert tokens.check(tmp_path, first) == "a"
    other = file.read_text().replace('"a"', '"b"')

    file.write_text(other)
    os.utime(file, ns=(held.st_atime_ns, held.st_mtime_ns + 1))
    assert tokens.check(tmp_path, first) == "b"

    file.write_text(other.replace('"b"', '"longer"'))
    os.utime(file, ns=(held.st_atime_ns, held.st_mtime_ns + 1))
    assert tokens.check(tmp_path, first) == "longer"

    (tmp_path / "new").write_text(other.replace('"b"', '"others"'))
    os.utime(tmp_path / "new", ns=(held.st_atime_ns, held.st_mtime_ns + 1))
    (tmp_path / "new").replace(file)
    assert tokens.check(tmp_path, first) == "others"

    file.unlink()
    assert tokens.check(tmp_path, first) is None


ENTRY = {"name": "a", "created": "2026-01-31T12:00:00Z", "sha256": "0" * 64}
DAMAGED = {
    "empty": "",
    "cut": '{"tokens": [{"name": "a", "crea',
    "no object": "[]",
    "no tokens": "{}",
    "null": '{"tokens": null}',
    "no hash": json.dumps({"tokens": [{**ENTRY, "sha256": ""}]}),
    "upper case": json.dumps({"tokens": [{**ENTRY, "sha256": "A" * 64}]}),
    "no time": json.dumps({"tokens": [{**ENTRY, "created": "yesterday"}]}),
    "unknown field": json.dumps({"tokens": [{**ENTRY, "scope": "read"}]}),
    "other file": '{"pid": 1, "url": "http://127.0.0.1:8000"}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(text)
    for use in (
        lambda: tokens.known(tmp_path),
        lambda: tokens.check(tmp_path, "cw_x"),
        lambda: tokens.add(tmp_path, "b"),
        lambda: tokens.remove(tmp_path, "a"),
    ):
        with pytest.raises(tokens.TokenFileError) as caught:
            use()
        assert str(caught.value).startswith(f"{file} is damaged: ")
        assert str(tmp_path) not in caught.value.problem
    assert file.read_text() == text


def test_a_file_that_can_t_be_read_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.mkdir()
    with pytest.raises(tokens.TokenFileError, match="can't be read: Is a directory"):
        tokens.known(tmp_path)
    file.rmdir()
    file.symlink_to(tmp_path / "not mounted")
    with pytest.raises(tokens.TokenFileError, match="link that leads nowhere"):
        tokens.known(tmp_path)


def test_a_home_that_is_none(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(tokens.TokenFileError, match=re.escape(f"can't be written: {home}")):
        tokens.add(home, "a")
    with pytest.raises(tokens.TokenNameError, match="there are none"):
        tokens.remove(tmp_path / "missing", "a")
    assert not (tmp_path / "missing").exists()


def test_what_a_killed_command_left_is_no_hindrance(tmp_path: Path) -> None:
    left = tmp_path / "tokens.tmp"
    left.write_text("half")
    left.chmod(0o666)
    token = tokens.add(tmp_path, "a")
    assert tokens.check(tmp_path, token) == "a"
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600
    assert not left.exists()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["token", *map(str, arguments)])


def test_the_commands(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = run("add", "ci", "--home", home)
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert set(token) <= {*string.ascii_letters, *string.digits, "_", "-"}
    assert "Authorization: Bearer" in made.stderr
    assert tokens.check(home, token) == "ci"
    listed = run("list", "--home", home, "--json")
    (item,) = json.loads(listed.stdout)["items"]
    assert set(item) == {"name", "created"}
    assert item["name"] == "ci"
    shown = run("list", "--home", home).stdout
    assert "ci" in shown
    assert item["created"][:10] in shown
    assert content(home)[0]["sha256"] not in listed.stdout + shown
    gone = run("remove", "ci", "--home", home)
    assert "ci: removed" in gone.stdout
    assert "No token is left" in gone.stderr
    assert json.loads(run("list", "--home", home, "--json").stdout) == {"items": []}


def test_commands_that_fail(tmp_path: Path) -> None:
    for command, name, said in (
        ("add", "[/red]", "'[/red]' can't name a token"),
        ("remove", "ci", "no token 'ci': there are none"),
    ):
        done = run(command, name, "--home", tmp_path)
        assert (done.exit_code, done.stdout) == (1, "")
        assert said in done.stderr
    (tmp_path / "tokens.json").write_text("{")
    for arguments in (("add", "a"), ("list",), ("remove", "a")):
        done = run(*arguments, "--home", tmp_path)
        assert done.exit_code == 1
        assert f"{tmp_path / 'tokens.json'} is damaged" in done.stderr


def test_the_entry_point(tmp_path: Path) -> None:
    done = cellwise("token", "add", "lab", env={"CELLWISE_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert tokens.check(tmp_path, done.stdout.strip()) == "lab"
    assert " token " in cellwise("--help").stdout
