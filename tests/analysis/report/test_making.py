"""The report that ships: the same again from the data that ship; and the forms it is written in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.client import Client, Parameters
from analysis.report.asking import MissingError
from analysis.report.claims import CLAIMS, Case, settled
from analysis.report.document import OutputError, Report, require_writable
from analysis.report.following import report_of
from analysis.report.scale import DEFAULT, find
from analysis.verdicts import WORDS
from data.library import Library
from data.sources import recognise
from tests.conftest import ROOT, TABLES, client_of, copied, need

DOCUMENT = ROOT / "docs" / "reproduction.md"


class Undrawn(Client):
    """Draws nothing: pictures are tested on their own."""

    def text(self, path: str, parameters: Parameters = ()) -> str:
        """An empty picture."""
        return "<svg/>"


@pytest.fixture(scope="module")
def server(started_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A fresh server with the tables that the document was written from."""
    files = sorted(need(TABLES).iterdir())
    with closing(Library.open(copied(started_home, tmp_path_factory))) as library:
        for file in files:
            library.import_source(recognise(file))
        yield Undrawn(transport=client_of(library)._transport)


@pytest.fixture(scope="module")
def made(server: Client) -> Report:
    """All that its studies need is shipped, so that nothing is trained."""
    return report_of(server, find(DEFAULT), as_is=False, console=Console(quiet=True))


def test_the_shipped_reproduction_comes_out_of_the_shipped_data(made: Report) -> None:
    assert made.markdown("studies").splitlines() == DOCUMENT.read_text().splitlines()


def test_its_pictures_are_there(made: Report) -> None:
    for name in made.figures:
        assert (DOCUMENT.parent / "studies" / f"{name}.svg").stat().st_size > 1_000


def test_every_claim_has_sources_and_a_verdict(made: Report) -> None:
    assert len(made.claims) == 8
    for claim in made.claims:
        assert claim.sources
        assert {one.n > 0 for one in claim.sources} == {True}
        assert claim.verdict in WORDS
        assert f": {claim.verdict}\n" in made.text


def test_all_of_it_has_ended(server: Client) -> None:
    """The studies that ship, and those that the report makes of the same trainings."""
    studies = list(server.items("/studies"))
    assert len(studies) >= 10
    for study in studies:
        assert study["state"] == "done"
        parts: Sequence[dict[str, Any]] = server.get(study["links"]["self"])["parts"]
        assert all(part["state"] == "done" or part["diverged"] for part in parts)


def test_what_a_server_lacks_is_named(server: Client) -> None:
    with pytest.raises(
        MissingError, match="gradients DARTS-V2, convergence DARTS-V2, plane DARTS-V2"
    ):
        report_of(server, find("digits"), as_is=True, console=Console(quiet=True))


class Page(HTMLParser):
    """What a page refers to, and how many tables it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.tables = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        found = dict(attrs)
        self.tables += tag == "table"
        if found.get("src"):
            self.sources.append(found["src"] or "")
        if tag == "link":
            self.links.append(found.get("href") or "")


SMALL = Report(
    "Title",
    "# Title\n\n| a | b |\n| --- | --- |\n| 1 < 2 | ρ |\n\n![A picture](one-two.svg)\n",
    {"one-two": "<svg>ρ</svg>"},
    settled([Case(CLAIMS["speed"], ())]),
)


def test_the_page_holds_everything(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    require_writable(path)
    assert SMALL.write(path) == [path]
    page = Page(path.read_text(encoding="utf-8"))
    assert (len(page.sources), page.links, page.tables) == (1, [], 1)
    assert page.sources[0].startswith("data:image/svg+xml;base64,")


def test_markdown_refers_to_figures_beside_it(tmp_path: Path) -> None:
    path, figure = SMALL.write(tmp_path / "report.md")
    assert figure == tmp_path / "report-figures" / "one-two.svg"
    assert "![A picture](report-figures/one-two.svg)" in path.read_text(encoding="utf-8")
    assert figure.read_text(encoding="utf-8") == "<svg>ρ</svg>"


def test_figures_may_lie_elsewhere(tmp_path: Path) -> None:
    require_writable(tmp_path / "docs" / "a.md", tmp_path / "img")
    path, figure = SMALL.write(tmp_path / "docs" / "a.md", tmp_path / "img")
    assert "![A picture](../img/one-two.svg)" in path.read_text(encoding="utf-8")
    assert figure.exists()


def test_what_can_t_be_written_is_told_before_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        require_writable(tmp_path / "a.html")
    (tmp_path / "b-figures").write_text("a file")
    with pytest.raises(OutputError, match="b-figures can't be made"):
        require_writable(tmp_path / "b.md")
    with pytest.raises(OutputError, match="holds its figures itself"):
        require_writable(tmp_path / "c.html", tmp_path / "img")
    assert not (tmp_path / "img").exists()
