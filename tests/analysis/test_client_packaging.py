"""What the client needs, and that it needs no more: the server's packages are the server's."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

ALONE = """
import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires


def plain(name):
    return re.split(r"[^A-Za-z0-9._-]", name)[0].lower().replace("_", "-")


kept, left = set(), {"httpx2", "tenacity"}
while left:
    name = left.pop()
    kept.add(name)
    try:
        needed = [one for one in requires(name) or () if "extra ==" not in one]
    except PackageNotFoundError:  # needed elsewhere: on another system or Python
        continue
    left |= {plain(one) for one in needed} - kept
for module, owners in packages_distributions().items():
    if not kept & set(map(plain, owners)) and module not in ("analysis", "data", "service"):
        sys.modules[module] = None
assert {"torch", "fastapi", "duckdb", "pyarrow", "numpy", "rich"} <= sys.modules.keys()
"""

FETCHING = """
import httpx2
from analysis.client import Client, DEFAULT_URL

def answer(request):
    job = {"id": 1, "state": "done", "progress": None}
    return httpx2.Response(200, json={"items": [job], "next": None, "id": 1})

client = Client(transport=httpx2.MockTransport(answer))
assert [cell["id"] for cell in client.cells(min_width=3)] == [1]
assert client.wait(client.submit(6111, dataset="digits", recipe="proxy")[0]["id"])["id"] == 1
try:
    client.cells().to_pandas()
except ImportError as error:
    print(error)
"""


def alone(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script where nothing is installed but what the client needs."""
    return subprocess.run(
        [sys.executable, "-c", ALONE + script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def names(entries: list[str]) -> set[str]:
    return {re.split(r"[\[><=]", entry)[0] for entry in entries}


def test_only_what_the_client_needs_is_installed_without_an_extra() -> None:
    assert names(PROJECT["dependencies"]) == {"httpx2", "tenacity"}
    extras = PROJECT["optional-dependencies"]
    assert {"torch", "fastapi", "duckdb", "pyarrow", "typer", "rich"} <= names(extras["server"])
    for frames in ("arrow", "pandas", "polars", "progress"):
        assert f"`{frames}`" in (ROOT / "docs" / "client.md").read_text()
        # What tests of the client use is pinned like all else.
        assert names(extras[frames]) <= names(extras["server"]) | names(extras["dev"])


def test_the_client_works_alone() -> None:
    done = alone(FETCHING)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "pandas is not installed: pip install 'cellwise[pandas]'\n"


def test_the_command_alone_says_what_to_install() -> None:
    done = alone("from service.command import main; main()", "cells")
    assert done.returncode == 1
    assert re.fullmatch(
        r"cellwise: \w+ is not installed; [^\n]*: pip install 'cellwise\[server\]'\n", done.stderr
    ), done.stderr


def test_what_only_one_command_needs_is_told_as_well() -> None:
    script = "import sys; sys.modules['duckdb'] = None; from service.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "--port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("cellwise: duckdb is not installed; ")
    assert "Traceback" not in done.stderr


def test_the_command_is_the_command_line() -> None:
    assert PROJECT["scripts"] == {"cellwise": "service.command:main"}
    script = "from service.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "topology", "6111", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert '"id": "nb201-006111"' in done.stdout
