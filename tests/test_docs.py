"""The documentation says what is so: shown answers, links, commands, settings and versions."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from analysis.client import Client
from analysis.scripts import examples, findings
from data.columns import COLUMNS, GROUPINGS, SAMENESS
from service.settings import Settings
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README, TOUR = ROOT / "README.md", ROOT / "docs" / "tour.md"
WITH_ANSWERS = {README: 2, TOUR: 5, ROOT / "docs" / "api.md": 5}
"""Pages that show calls and their answers, and how many at least."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["server"]]
FRAMES = ("arrow", "pandas", "polars", "progress")


def asking(client: TestClient) -> Callable[[str], Any]:
    """What ``examples`` asks with, as if the server were at its usual address."""

    def ask(path: str) -> Any:
        return client.get(f"http://127.0.0.1:8000{path}").json()

    return ask


@pytest.mark.parametrize("page", WITH_ANSWERS, ids=lambda page: page.name)
def test_shown_answers_are_the_answers(page: Path, started_client: TestClient) -> None:
    shown = list(examples.examples(page.read_text()))
    assert len(shown) == page.read_text().count("$ curl -s ")
    assert len(shown) >= WITH_ANSWERS[page]
    for example in shown:
        assert examples.same(example.shown, example.answer(asking(started_client))), example.path


def test_a_changed_answer_is_noticed_and_put_right(started_client: TestClient) -> None:
    text = TOUR.read_text()
    wrong = text.replace('"total": 6144', '"total": 6145').replace('"x":"depth",', '"x":"deep",', 1)
    found = [
        example.path
        for example in examples.examples(wrong)
        if not examples.same(example.shown, example.answer(asking(started_client)))
    ]
    assert len(found) == 2
    right = examples.refreshed(wrong, asking(started_client))
    # But for the last bits of numbers, which another processor rounds differently.
    answers = (list(examples.examples(one)) for one in (right, text))
    assert all(examples.same(a.shown, b.shown) for a, b in zip(*answers, strict=True))
    aside = re.compile(r"```json.*?```", re.DOTALL)
    assert aside.sub("", right) == aside.sub("", text)


@pytest.mark.parametrize("number", [0, 1])
def test_shown_terminal_output_is_the_output(number: int, home: Path) -> None:
    text = TOUR.read_text()
    blocks = re.findall(
        r"```console\n\$ \.venv/bin/cellwise ([^\n]*)\n```\n\n```text\n(.*?)\n```", text, re.DOTALL
    )
    # What a training or study prints holds times, and figures that another CPU rounds differently.
    blocks = [block for block in blocks if not block[0].startswith(("train ", "study "))]
    assert len(blocks) == 2
    command, shown = blocks[number]
    done = subprocess.run(
        [sys.executable, "-c", "from service.cli import main; main()", *shlex.split(command)],
        env={"CELLWISE_HOME": str(home), "COLUMNS": "96", "PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.rstrip() == shown


def test_the_python_that_the_readme_shows_prints_what_it_shows(
    started_client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(), re.DOTALL)
    assert shown is not None
    transport = started_client._transport
    monkeypatch.setattr("analysis.client.Client", lambda: Client(transport=transport))
    exec(shown[1], {})
    assert capsys.readouterr().out == shown[2]


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    for link in (markdown or html for markdown, html in links):
        target, _, anchor = unquote(link).partition("#")
        if "://" in target:
            continue
        file = page.parent / target if target else page
        assert file.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, link


def slug(heading: str) -> str:
    """The anchor that a Markdown heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", [*COLUMNS, *SAMENESS, *GROUPINGS])
def test_every_column_is_explained(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "concepts.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    assert f"`CELLWISE_{name.upper()}`" in (ROOT / "docs" / "operating.md").read_text()


def test_every_call_is_in_the_guide(client: TestClient) -> None:
    guide = (ROOT / "docs" / "api.md").read_text()
    for path in client.get("/openapi.json").json()["paths"]:
        assert re.sub(r"/\{\w+\}", "/", path).split("/")[1] in guide, path


def test_the_newest_change_is_of_this_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]
    assert f"cellwise:{PROJECT['version']}" in (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_dependency_is_pinned(name: str) -> None:
    lines = [
        line
        for line in (ROOT / name).read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.\-]+==[\w.!+]+", line) for line in lines)
    pinned = {line.partition("==")[0] for line in lines}
    wanted = {re.split(r"[\[><=]", entry)[0] for entry in NEEDED}
    assert wanted <= pinned


def test_every_library_is_justified() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    extras = [entry for name in FRAMES for entry in PROJECT["optional-dependencies"][name]]
    for entry in [*NEEDED, *extras]:
        assert re.split(r"[\[><=]", entry)[0] in text, entry


def test_the_image_takes_the_steps_of_make() -> None:
    image = (ROOT / "Dockerfile").read_text()
    assert "RUN make venv" in image
    assert re.search(r"^USER (?!root)", image, re.MULTILINE)
    assert "HEALTHCHECK" in image
    assert "VOLUME" in image


def test_the_findings_are_what_the_tables_say(tables_client: TestClient) -> None:
    """The report's tables, but for what was loaded, come out again from the real tables."""

    server = Client(transport=tables_client._transport)
    text = (ROOT / "docs" / "findings.md").read_text()
    for part in (
        *findings.shape_against_accuracy(server),
        *findings.within_operations(server),
        *findings.other_datasets(server),
        *findings.early_against_final(server),
        *findings.by_shape(server),
        *findings.named_cells(server),
    ):
        for line in part.splitlines():
            assert line in text


def test_the_readme_tells_of_the_claims_what_the_reproduction_does() -> None:
    claims = re.compile(r"^\| \d\. .*$", re.MULTILINE)
    told = claims.findall(README.read_text())
    assert len(told) == 8
    assert told == claims.findall((ROOT / "docs" / "reproduction.md").read_text())
