"""What a reader left is there again: charts, focus, and what failed meanwhile is asked for anew."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import Watched
from tests.browser.test_explore import PROXY, box, rows


def focused(page: Page) -> str | None:
    """The key of the control that has the focus."""
    key: str | None = page.evaluate("document.activeElement.dataset.key ?? null")
    return key


def widths(page: Page) -> list[tuple[float, float]]:
    """Of each chart of Explore its width, and that of its place."""
    found: list[tuple[float, float]] = page.locator(".chart").evaluate_all(
        """charts => charts.map(one => [
            one.querySelector('svg, canvas').getBoundingClientRect().width,
            one.getBoundingClientRect().width,
        ])"""
    )
    return found


@pytest.mark.parametrize("size", [{"width": 900, "height": 700}, {"width": 1800, "height": 900}])
def test_charts_fit_after_the_window_changed_while_they_were_away(
    watched: Watched, size: ViewportSize
) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    page.get_by_role("link", name="Sources").click()
    watched.settled()
    page.set_viewport_size(size)
    page.go_back()
    watched.settled()
    page.wait_for_function(
        """() => [...document.querySelectorAll('.chart')].slice(0, 3).every(one => {
            const own = one.querySelector('svg, canvas').getBoundingClientRect().width;
            const place = one.getBoundingClientRect().width;
            return own > 0.8 * place && own <= place + 1;
        })"""
    )
    assert all(own > 100 for own, _ in widths(page))


def test_charts_that_were_drawn_while_they_were_away_are_as_wide_as_else(watched: Watched) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    boxes = page.locator("figure").nth(3).locator("svg")
    before = boxes.bounding_box()
    held: list[Any] = []
    page.route("**/plots/groups.json*", lambda route: held.append(route))
    box(page, "early").select_option("4")
    page.wait_for_function("() => document.querySelector('figure.busy')")
    page.get_by_role("link", name="Sources").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is loaded")
    assert held
    with page.expect_response("**/plots/groups.json*"):
        for route in held:
            route.continue_()
    page.unroute("**/plots/groups.json*")
    page.go_back()
    watched.settled()
    expect(boxes).to_have_count(1)
    after = boxes.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == pytest.approx(before["width"], rel=0.1)


def test_charts_are_in_the_theme_that_was_chosen_while_they_were_away(watched: Watched) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    text = "() => getComputedStyle(document.querySelector('.role-axis-title text')).fill"
    light = page.evaluate(text)
    page.get_by_role("link", name="Sources").click()
    watched.settled()
    page.get_by_role("button", name="Light or dark").click()
    page.go_back()
    watched.settled()
    page.wait_for_function(f"light => ({text})() !== light", arg=light)
    assert all(own > 100 for own, _ in widths(page))


def test_what_failed_is_asked_for_again(watched: Watched) -> None:
    page = watched.open("#/sources")
    page.route("**/plots/shapes.json*", lambda route: route.fulfill(status=503, body="{}"))
    page.get_by_role("link", name="Explore").click()
    watched.settled()
    shapes = page.locator("figure").first
    expect(shapes.locator(".error")).to_contain_text("503")
    page.unroute("**/plots/shapes.json*")
    page.get_by_role("link", name="Sources").click()
    page.get_by_role("link", name="Explore").click()
    expect(shapes.locator("svg")).to_be_visible()
    assert all(refused.startswith("503") for refused in watched.refused)
    watched.refused.clear()


def test_a_control_that_has_the_focus_follows_the_address(watched: Watched) -> None:
    page = watched.open()
    box(page, "connected").focus()
    box(page, "connected").select_option("true")
    expect(page.get_by_text("of 15,284 cells")).to_be_visible()
    watched.settled()
    page.go_back()
    expect(page.get_by_text("of 15,625 cells")).to_be_visible()
    watched.settled()
    assert focused(page) == "connected"
    assert box(page, "connected").input_value() == ""


def test_the_focus_stays_where_the_table_is_worked_with(watched: Watched) -> None:
    page = watched.open("#/?min_width=3&n_skip=0")
    table = page.locator("section[aria-labelledby=cells]")
    table.get_by_role("button", name="parameters (M)").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("sort=-params_m"))
    watched.settled()
    assert focused(page) == "sort params_m"
    table.get_by_role("button", name="Next").focus()
    before = rows(page, "Cells that pass")
    for _ in range(2):
        page.keyboard.press("Enter")
        expect(table.locator("tbody th").first).not_to_have_text(before[0][0])
        watched.settled()
        before = rows(page, "Cells that pass")
        assert focused(page) == "Next"


def test_a_view_that_is_come_back_to_has_what_was_trained_meanwhile(watched: Watched) -> None:
    """Its answers are asked for again, and a chart whose answer is the same stays as it was."""
    page = watched.open("#/?min_width=3")
    page.locator(".chart svg").first.evaluate("one => (one.dataset.seen = 'before')")
    page.get_by_role("link", name="Sources").click()
    watched.settled()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.go_back()
    watched.settled()
    for call in ("/columns", "/plots/shapes.json", "/plots/scatter.json", "/cells?"):
        assert any(call in url for url in asked), call
    assert page.locator(".chart svg").first.get_attribute("data-seen") == "before"
