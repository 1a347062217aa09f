"""The command line and the server as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import ROOT

CELLWISE = [sys.executable, "-c", "from service.cli import main; main()"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CELLWISE_")}
    # Tests run beside each other: threads of a training that wait for a core would wait long.
    return {**kept, "COLUMNS": "120", "CELLWISE_CPU_THREADS": "1", **more}


def cellwise(
    *arguments: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that has ended."""
    return subprocess.run(
        [*CELLWISE, *map(str, arguments)],
        cwd=ROOT,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Server:
    """A running ``cellwise serve``."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        self.process = process
        self.home = home
        assert process.stderr is not None
        self.greeting = ""
        for line in process.stderr:
            self.greeting += line
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in self.greeting, self.greeting
        self.about = json.loads((home / "server.json").read_text())
        self.url: str = self.about["url"]

    def get(self, path: str) -> Any:
        answer = httpx2.get(self.url + path, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text[:300]
        return answer.json()

    def stop(self, signal: int) -> str:
        """Sends a signal and waits; returns what it said at the end."""
        self.process.send_signal(signal)
        _, said = self.process.communicate(timeout=30)
        return said


@contextmanager
def serving(home: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server on a free port; killed at the end if it still runs."""
    with subprocess.Popen(
        [*CELLWISE, "serve", "--home", str(home), "--port", "0", *arguments],
        cwd=ROOT,
        env=environment(**(env or {})),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Server(process, home)
        finally:
            process.kill()
