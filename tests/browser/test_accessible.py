"""No view breaks a rule of accessibility that a program can check (axe-core: WCAG 2, A and AA)."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import LAPTOP, Watched
from tests.service.processes import Server

VIEWS = {
    "explore": "#/?dataset=cifar10-valid&recipe=proxy&images=jpeg&schedule=12&min_width=2",
    "a cell": "#/cell/6111",
    "named cells": "#/named",
    "jobs": "#/jobs",
    "a job": "#/jobs/163",
    "studies": "#/studies",
    "a study": "#/studies/10",
    "sources": "#/sources",
}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_breaks_no_rule(browser: Browser, server: Server, view: str, theme: str) -> None:
    context = browser.new_context(
        viewport=LAPTOP, color_scheme="dark" if theme == "dark" else "light"
    )
    watched = Watched(context.new_page(), server.url)
    page = watched.open(VIEWS[view])
    found = Axe().run(page, options=RULES)
    told = [
        f"{one['id']}: {one['help']}: {[node['html'][:150] for node in one['nodes']][:3]}"
        for one in found.response["violations"]
    ]
    assert told == []
    watched.check()
    context.close()
