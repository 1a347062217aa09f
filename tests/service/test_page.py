"""The page's files: all there, nothing from elsewhere, open on a closed server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from starlette.testclient import TestClient

from analysis.spaces.nasbench201 import EDGES, OPERATIONS
from analysis.spaces.published import FIVE
from analysis.spaces.variants import Kind
from data.library import Library
from service.api.app import create_app
from service.plots import words
from service.plots.coefficients import METHODS
from service.studies.kinds import KINDS
from service.web import bundle
from service.web.routes import STATIC
from tests.service.helpers import is_problem

MODULES = sorted(STATIC.glob("*.js"))


def test_the_page_names_only_files_that_are_there(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
    assert "/page/app.js" in links
    for link in links:
        assert client.get(link).status_code == 200, link
    assert not re.search(r"""["'(](?:https?:)?//""", page.text)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_what_is_there(client: TestClient, module: Path) -> None:
    answer = client.get(f"/page/{module.name}")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text == module.read_text(encoding="utf-8")
    exported = {"charts.js": {"vegaEmbed"}}
    for names, other in re.findall(r'^import \{([^}]+)\} from "\./([\w.]+)";', answer.text, re.M):
        there = exported.get(other) or set(
            re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", _text(other), re.M)
        )
        assert {name.strip() for name in names.split(",") if name.strip()} <= there, other
        for name in names.split(","):
            assert len(re.findall(rf"\b{name.strip()}\b", answer.text)) > 1, f"{name} is not used"


def _text(module: str) -> str:
    return (STATIC / module).read_text(encoding="utf-8")


def test_every_export_is_used() -> None:
    imported = {
        (other, name.strip())
        for module in MODULES
        for names, other in re.findall(
            r'^import \{([^}]+)\} from "\./([\w.]+)";', _text(module.name), re.M
        )
        for name in names.split(",")
    }
    for module in MODULES:
        exported = re.findall(
            r"^export (?:async )?(?:function|const|class) (\w+)", _text(module.name), re.M
        )
        for name in exported:
            assert (module.name, name) in imported, f"{name} of {module.name}"


def test_every_module_is_used() -> None:
    imported = {"app.js"} | {
        other
        for module in MODULES
        for other in re.findall(r'from "\./([\w.]+)"', _text(module.name))
    }
    assert {module.name for module in MODULES} == imported - {"charts.js"}


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/style.css"])
def test_a_browser_is_told_to_ask_this_server_alone(client: TestClient, path: str) -> None:
    policy = client.get(path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    sources = {word for part in policy.split(";") for word in part.split()[1:]}
    assert sources <= {"'none'", "'self'", "'unsafe-eval'", "'unsafe-inline'", "blob:", "data:"}


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/charts.js"])
def test_an_unchanged_file_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("path", ["/page/nothing.js", "/page/../settings.py", "/page/"])
def test_other_files_are_not_there(client: TestClient, path: str) -> None:
    is_problem(client.get(path), 404)


def test_what_draws_is_made_once_and_kept(client: TestClient, library: Library) -> None:
    answer = client.get("/page/charts.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert re.search(r"export\s*\{[^}]*vegaEmbed\b[^}]*\};?\s*$", answer.text)
    assert not re.search(r"^import ", answer.text, re.M)
    kept = bundle.bundle(library.store.path.parent / "cache")
    made = kept.stat().st_mtime_ns
    assert client.get("/page/charts.js").text == answer.text
    assert kept.stat().st_mtime_ns == made


def test_a_closed_server_shows_the_page_that_asks_for_a_token(fresh: Library) -> None:
    closed = TestClient(create_app(fresh, read="token"))
    for path in ("/", "/page/app.js", "/page/style.css", "/health"):
        assert closed.get(path).status_code == 200, path
    for path in ("/cells", "/plots/shapes.json", "/pages", "/page"):
        is_problem(closed.get(path), 401)


def object_of(module: str, name: str) -> dict[str, str]:
    """A JavaScript object of texts; those that are made of others are empty."""
    (body,) = re.findall(rf"const {name} = \{{(.*?)\}};", _text(module), re.S)
    pairs = re.findall(r'^\s*"?([\w.-]+?)"?: (?:"([^"]*)"|`.*`|\w+),?$', body, re.M)
    assert len(pairs) == sum(1 for line in body.splitlines() if line.strip())
    return dict(pairs)


def list_of(module: str, name: str) -> list[str]:
    """A JavaScript list of texts."""
    (body,) = re.findall(rf"const {name} = \[(.*?)\];", _text(module), re.S)
    return re.findall(r'"([^"]*)"', body)


def test_the_page_has_the_same_words_as_the_rest() -> None:
    """What no answer carries stands in the page too: it may not drift from where it comes from."""
    assert object_of("say.js", "SETS") == words.SETS
    assert object_of("say.js", "METHODS") == METHODS
    assert list_of("filters.js", "OPERATIONS") == list(OPERATIONS)
    assert list_of("filters.js", "EDGES") == [f"{source}{target}" for source, target in EDGES]
    assert set(object_of("study_parts.js", "ABOUT")) == set(KINDS)
    named = list(FIVE)
    assert list_of("named.js", "NAMES") == named == list(object_of("named.js", "SOURCES"))
    assert set(object_of("relatives.js", "KINDS")) == set(get_args(Kind))
