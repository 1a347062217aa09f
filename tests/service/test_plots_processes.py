"""Processes that draw: what becomes of a picture whose process ends, or takes too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from service.plots import processes, worker
from service.plots.views import PlotError
from tests.conftest import ROOT

PNG = b"\x89PNG\r\n\x1a\n"
ASKED = orjson.dumps(
    {
        "document": {
            "kind": "diagram",
            "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        },
        "view": "cell",
        "form": "png",
        "theme": "light",
    }
)
PATIENCE_S = 30.0


def drawing(of: int) -> set[int]:
    """The processes that draw for a process, by number."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(place.read_text().rpartition(")")[2].split()[1])
            command = (place.parent / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == of and b"popen_loky" in command:
            found.add(int(place.parent.name))
    return found


def ended(asked: bytes) -> bytes:
    """A drawing that ends its process."""
    os._exit(1)


def number(asked: bytes) -> bytes:
    """A drawing of its process's number."""
    return b"%d" % os.getpid()


def test_processes_are_kept() -> None:
    assert processes.draw(ASKED, 60).startswith(PNG)
    before = drawing(os.getpid())
    assert 1 <= len(before) <= processes.AT_ONCE
    assert processes.draw(ASKED, 60).startswith(PNG)
    assert drawing(os.getpid()) == before


def test_after_a_process_was_killed_the_next_picture_works() -> None:
    assert processes.draw(ASKED, 60).startswith(PNG)
    before = drawing(os.getpid())
    for process in before:
        os.kill(process, signal.SIGKILL)
    assert processes.draw(ASKED, 60).startswith(PNG)
    assert not drawing(os.getpid()) & before


def test_a_picture_that_ends_its_process_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(worker, "draw", ended)
        with pytest.raises(PlotError, match="its process was ended, and the next one's too"):
            processes.draw(ASKED, 60)
    assert processes.draw(ASKED, 60).startswith(PNG)


def test_a_picture_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(worker, "draw", number)
        drew = int(processes.draw(ASKED, 60))
        patched.setattr(worker, "draw", time.sleep)
        with pytest.raises(PlotError, match=r"wasn't drawn within 0\.01 s"):
            processes.draw(PATIENCE_S, 0.01)  # type: ignore[arg-type]
    assert drew not in drawing(os.getpid())
    assert processes.draw(ASKED, 60).startswith(PNG)


SERVER = """
import os, sys
from contextlib import closing
from pathlib import Path
from starlette.testclient import TestClient
from data.library import Library
from service.api.app import create_app

with closing(Library.open(Path(sys.argv[1]))) as library:
    answer = TestClient(create_app(library)).get("/cells/284/diagram.png")
    print(answer.status_code, {"altair", "vl_convert"} & set(sys.modules), flush=True)
    if sys.argv[2:]:
        sys.stdin.read()
"""


def test_the_server_stays_free_of_what_draws(tmp_path: Path) -> None:
    """Also after it has answered with a picture; and it ends, its processes with it."""
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", SERVER, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (answer.stdout, answer.stderr) == ("200 set()\n", "")


def test_nobody_draws_for_a_server_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), "stay"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "200 set()\n"
        left = drawing(server.pid)
        assert left
        server.kill()
    until = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{process}").exists() for process in left):
        assert time.monotonic() < until
        time.sleep(0.05)
