"""A real Chromium on a real server; skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect, sync_playwright

from tests.service.processes import Server, serving
from tests.service.test_training import RECIPE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LAPTOP: ViewportSize = {"width": 1366, "height": 768}
WAIT_MS = 30_000
"""How long anything on a page may take before a test gives up: two cores are shared."""
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")  # its event loop is in the way of tests elsewhere
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as one starts it, and a recipe that takes seconds."""
    home = tmp_path_factory.mktemp("seen")
    (home / "recipes").mkdir()
    (home / "recipes" / "quick.toml").write_text(RECIPE)
    with serving(home) as running:
        yield running


@dataclass
class Watched:
    """A page, and what must not happen on any."""

    page: Page
    url: str
    refused: list[str] = field(default_factory=list)
    """Answers with an error status, which a test that provokes them takes out."""
    _errors: list[str] = field(default_factory=list)
    _hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("pageerror", lambda error: self._errors.append(str(error)))
        self.page.on("request", lambda request: self._hosts.add(urlsplit(request.url).netloc))
        self.page.on(
            "response",
            lambda answer: (
                self.refused.append(f"{answer.status} {answer.url}")
                if answer.status >= 400
                else None
            ),
        )

    def _said(self, kind: str, text: str) -> None:
        # A refused request is said here too; `refused` has it with its address.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self._errors.append(text)

    def open(self, link: str = "#/") -> Page:
        """Go to a view and wait until nothing on it is loading."""
        self.page.goto(f"{self.url}/{link}")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Nothing is loading any more; what was clicked a moment ago has begun to."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
        )
        self.page.wait_for_function(
            """() => document.querySelector('#view > *')
                && !document.querySelector('[aria-busy="true"]')"""
        )

    def check(self) -> None:
        """No error on the console, no refusal, and nothing from anywhere else."""
        assert self._errors == []
        assert self.refused == []
        assert self._hosts <= {urlsplit(self.url).netloc, ""}


@pytest.fixture
def watched(browser: Browser, server: Server) -> Iterator[Watched]:
    """A fresh page in light colours; checked at the end of the test."""
    context = browser.new_context(viewport=LAPTOP, color_scheme="light", accept_downloads=True)
    one = Watched(context.new_page(), server.url)
    yield one
    one.check()
    context.close()
