"""No view breaks a rule of accessibility that a program can check (axe-core: WCAG 2, A and AA)."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route

from tests.browser.conftest import Watched

VIEWS = {
    "explore": "#/?dataset=cifar10-valid&recipe=proxy&images=jpeg&schedule=12&min_width=2",
    "a cell": "#/cell/6111",
    "named cells": "#/named",
    "jobs": "#/jobs",
    "a job": "#/jobs/163",
    "studies": "#/studies",
    "a study": "#/studies/14",
    "sources": "#/sources",
}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_breaks_no_rule(watched: Watched, view: str) -> None:
    page = watched.open(VIEWS[view])
    assert broken(page, RULES) == []
    # Of the other theme only the colours are others.
    page.get_by_role("button", name="Light or dark").click()
    watched.settled()
    assert broken(page, CONTRAST) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_waits_for_answers_breaks_no_rule(watched: Watched, view: str) -> None:
    page, held = watched.page, list[Route]()

    def hold(route: Route) -> None:
        held.append(route) if route.request.resource_type == "fetch" else route.continue_()

    page.route("**/*", hold)
    page.goto(f"{watched.url}/{VIEWS[view]}")
    page.locator("#view [aria-busy=true]").first.wait_for()
    assert broken(page, RULES) == []
    assert held
    page.unroute("**/*")  # which lets go of what was held
    watched.settled()


def broken(page: Page, options: dict[str, Any]) -> list[str]:
    """The rules that the page breaks, with the first elements that do."""
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:150] for node in one['nodes']][:3]}"
        for one in Axe().run(page, options=options).response["violations"]
    ]
