"""Commands in the process of the tests: what they print, and how they end."""

from __future__ import annotations

import os
import re

import pytest
import typer
from typer.testing import CliRunner, Result


class Commands:
    """Runs commands of an app, each with the same words before its own."""

    def __init__(self, app: typer.Typer, *words: str) -> None:
        self._app = app
        self._words = words

    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(self._app, [*self._words, *map(str, arguments)])

    def ok(self, *arguments: object) -> str:
        """What a command that goes well prints."""
        done = self.run(*arguments)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    def failed(self, *arguments: object) -> str:
        """What a command that can't be done says, without a traceback."""
        done = self.run(*arguments)
        assert done.exit_code == 1, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return str(done.stderr)


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of a text's tables: two spaces or a line part columns."""
    lines = (re.split(r"\s*[│┃]\s*|\s{2,}", line.strip(" │┃")) for line in text.splitlines())
    return [line for line in lines if len(line) > 1]


def unset_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes what the machine's environment sets of Cellwise out of it."""
    for name in list(os.environ):
        if name.startswith("CELLWISE_"):
            monkeypatch.delenv(name)
