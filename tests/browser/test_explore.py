"""The first view: filters, charts, brushing, the table, and links that hold all of it."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import LAPTOP, Watched
from tests.service.processes import Server

PROXY = "dataset=cifar10-valid&recipe=proxy&images=jpeg&schedule=12&measure=valid_accuracy"


def rows(page: Page, caption: str) -> list[list[str]]:
    """The cells of the table with this caption, as they are read."""
    table = page.locator("table", has=page.locator("caption", has_text=caption))
    found: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return found


def lines_of(board: list[list[str]], training: str, measure: str) -> list[list[str]]:
    """Of a measure of a training: cells as they are, those compared, and what comparing them says.

    What the training is called stands before them.
    """
    (place,) = (
        place
        for place, row in enumerate(board)
        if row[0].startswith(training) and measure in row[0]
    )
    return [board[place][1:], *board[place + 1 : place + 3]]


def first(text: str) -> float:
    """The first number of a table's cell: "91.61 ± 0.17" is 91.61."""
    found = re.match(r"[+−-]?[\d,.]+", text)
    assert found, text
    return float(found[0].replace("−", "-").replace(",", ""))


def box(page: Page, name: str) -> Any:
    return page.locator(f'.filters [data-key="{name}"]')


def test_the_first_view_shows_what_the_api_answers(watched: Watched, server: Server) -> None:
    page = watched.open()
    best = server.get("/cells?dataset=cifar10&sort=-valid_accuracy@200of200&limit=25")
    shown = rows(page, "Cells that pass")
    assert [row[0] for row in shown] == [item["id"] for item in best["items"]]
    assert page.get_by_text("1–25 of 15,625 cells").is_visible()
    groups = server.get("/groups?by=width,depth&metric=valid_accuracy@200of200")["items"]
    map_ = page.locator("figure").nth(0)
    for group in groups:
        if group["width"] is not None:
            expect(map_.locator("svg")).to_contain_text(f"{group['cells']:,}")


def test_the_board_tells_whether_width_predicts_accuracy_early_and_at_the_end(
    watched: Watched, server: Server
) -> None:
    page = watched.open("#/?dataset=cifar10-valid&early=8")
    board = rows(page, "Correlation of width")
    measures = {"valid": "validation accuracy", "test": "test accuracy"}
    for recipe, measure, early, last in (
        ("nb201-200", "valid", None, 200),
        ("proxy", "valid", 8, 12),
        ("proxy", "test", 8, 12),
    ):
        of = f"{recipe}, ", f"\n{measures[measure]} on cifar10"
        images = "&images=jpeg" if recipe == "proxy" else ""
        for line, told, more in zip(
            lines_of(board, *of),
            (
                "as they are",
                "as they are, only the cells of the next line",
                "of the same live operations",
            ),
            ("", "&comparable_by=live_ops", "&group_by=live_ops"),
            strict=True,
        ):
            assert line[0] == told
            for column, x, epoch in ((1, "width", early), (2, "width", last), (4, "depth", last)):
                if epoch is None:
                    assert line[column] == "no early epoch recorded"
                    continue
                y = f"{measure}_accuracy@{epoch}of{last}"
                answer = server.get(
                    f"/correlations?x={x}&y={y}&dataset=cifar10-valid&recipe={recipe}{images}{more}"
                )["items"][0]
                assert first(line[column]) == pytest.approx(answer["coefficient"], abs=0.005)
                counts = f"n = {answer['n']:,} ({answer['n_distinct']:,} networks)"
                assert counts in line[column]
                of_y = answer["reliability"]["y"]
                noise = f": {of_y['reason']}" if of_y["icc"] is None else f" {of_y['icc']:.3f}"
                assert f"\nreliability{noise}" in line[column]
                without = answer["disattenuated"]
                assert (without is None) == ("without noise" not in line[column])
                if without is not None:
                    shown = line[column].partition("without noise ")[2]
                    assert first(shown) == pytest.approx(without, abs=0.005)
                assert f"epoch {epoch} of {last}" in line[column]


def test_the_best_cell_of_width_1_on_cifar100(watched: Watched, server: Server) -> None:
    page = watched.open()
    box(page, "dataset").select_option("cifar100")
    watched.settled()
    box(page, "min_width").fill("1")
    expect(page).to_have_url(re.compile("min_width=1"))
    box(page, "max_width").fill("1")
    expect(page).to_have_url(re.compile("max_width=1"))
    expect(page.get_by_text("of 2,612 cells")).to_be_visible()
    watched.settled()
    call = "/cells?dataset=cifar100&min_width=1&max_width=1&sort=-valid_accuracy@final&limit=1"
    best = server.get(call)["items"][0]
    top = rows(page, "Cells that pass")[0]
    assert top[0] == best["id"]
    assert first(top[-1]) == round(best["valid_accuracy@final"], 2)
    page.get_by_role("link", name=best["id"], exact=True).first.click()
    watched.settled()
    expect(page.get_by_role("heading", level=1)).to_contain_text(best["id"])
    expect(page.locator("#view")).to_contain_text("its learning curve is in no loaded table")
    standing = rows(page, "Accuracy of")
    assert first(standing[-1][1]) == round(best["valid_accuracy@final"], 2)


def test_what_is_typed_stays_as_it_is_typed(watched: Watched) -> None:
    """Views follow while one types; neither the caret nor another box may suffer from that."""
    page = watched.open()
    box(page, "min_params_m").or_(box(page, "min_width")).first.focus()
    page.keyboard.type("1")
    expect(page).to_have_url(re.compile(r"min_width=1$"))
    watched.settled()
    page.keyboard.type(".5")
    expect(page).to_have_url(re.compile(r"min_width=1\.5$"))
    assert box(page, "min_width").input_value() == "1.5"
    # Two boxes within the pause after which the address follows.
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    page.keyboard.press("Tab")
    page.keyboard.type("2")
    expect(page).to_have_url(re.compile(r"min_width=1\.5&max_width=3&min_depth=2$"))


def test_what_is_folded_out_stays_so(watched: Watched) -> None:
    page = watched.open()
    page.get_by_text("Another column").click()
    page.get_by_label("Column", exact=True).select_option("n_skip")
    page.get_by_label("Value", exact=True).fill("2")
    box(page, "connected").select_option("true")
    expect(page).to_have_url(re.compile("connected=true"))
    watched.settled()
    expect(page.get_by_label("Column", exact=True)).to_have_value("n_skip")
    page.get_by_role("button", name="Add").click()
    expect(page).to_have_url(re.compile("min_n_skip=2"))


def test_only_the_last_of_several_answers_is_shown(watched: Watched) -> None:
    """The answer for width 1 comes after the one for width 3, which was asked for later."""
    page = watched.open()
    held: list[Any] = []
    page.route("**/cells?*max_width=1&*", lambda route: held.append(route))
    page.evaluate("location.hash = '#/?min_width=1&max_width=1'")
    page.wait_for_function("() => location.hash.includes('max_width=1')")
    page.evaluate("location.hash = '#/?min_width=3'")
    expect(page.get_by_text("of 6,144 cells")).to_be_visible()
    for route in held:
        route.continue_()
    watched.settled()
    expect(page.get_by_text("of 6,144 cells")).to_be_visible()


def test_one_seed_is_asked_for_everywhere(watched: Watched) -> None:
    page = watched.open("#/?dataset=cifar100&seed=777")
    links = page.locator("a[href*='/correlations'], a[href*='/groups'], a[href*='/cells?']")
    calls = links.evaluate_all("links => links.map(one => one.getAttribute('href'))")
    assert len(calls) > 5
    for call in calls:
        assert "seed=777" in call, call
    expect(page.locator(".of-what").last).not_to_contain_text("standard deviation")


def test_a_link_restores_the_view(watched: Watched, browser: Browser, server: Server) -> None:
    page = watched.open()
    box(page, "dataset").select_option("cifar10-valid")
    watched.settled()
    option = box(page, "training").locator("option", has_text="proxy, 12 epochs").first
    box(page, "training").select_option(option.get_attribute("value"))
    watched.settled()
    box(page, "early").select_option("4")
    watched.settled()
    box(page, "min_width").fill("2")
    expect(page).to_have_url(re.compile("min_width=2"))
    page.get_by_text("Operations on edges").click()
    box(page, "op_03").select_option("skip_connect")
    expect(page).to_have_url(re.compile("op_03=skip_connect"))
    watched.settled()
    there = rows(page, "Cells that pass")
    assert len(there) > 1
    elsewhere = browser.new_context(viewport=LAPTOP)
    other = Watched(elsewhere.new_page(), server.url)
    again = other.open(page.url.partition("/#")[2].join(["#", ""]))
    assert rows(again, "Cells that pass") == there
    for name, value in (("min_width", "2"), ("op_03", "skip_connect"), ("early", "4")):
        assert box(again, name).input_value() == value
    other.check()
    elsewhere.close()


def test_going_back_goes_back(watched: Watched) -> None:
    page = watched.open()
    box(page, "connected").select_option("true")
    expect(page.get_by_text("of 15,284 cells")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("of 15,625 cells")).to_be_visible()
    assert box(page, "connected").input_value() == ""


def test_filters_without_a_control_are_chips_that_can_be_taken_away(watched: Watched) -> None:
    page = watched.open("#/?min_params_m=1.2&n_skip=0")
    chips = page.get_by_role("list", name="Filters that are set")
    expect(chips).to_contain_text("min_params_m=1.2")
    total = page.locator(".cells .status").last.inner_text()
    chips.get_by_role("button", name="Remove n_skip=0").click()
    expect(page.locator(".cells .status").last).not_to_have_text(total)
    expect(chips).not_to_contain_text("n_skip")
    expect(page).to_have_url(re.compile(r"#/\?min_params_m=1\.2$"))


def test_a_filter_that_is_none_says_what_is_allowed(watched: Watched) -> None:
    page = watched.open("#/?min_widht=3")
    expect(page.locator("#view")).to_contain_text("min_width")
    assert page.locator(".error", has_text="min_widht").count() > 3
    assert all("422" in refused for refused in watched.refused)
    watched.refused.clear()


def test_no_cell_passes(watched: Watched) -> None:
    page = watched.open("#/?min_width=3&max_width=2")
    expect(page.locator("#view")).to_contain_text("No cell passes these filters")
    # The charts say what they lack: 409 is their answer to that.
    assert len(watched.refused) == 4
    assert all("409" in refused for refused in watched.refused)
    watched.refused.clear()


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the scatter between two points, as shares of its canvas."""
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    around = canvas.bounding_box()
    assert around is not None
    at = [
        (around["x"] + x * around["width"], around["y"] + y * around["height"])
        for x, y in (start, end)
    ]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=8)
    page.mouse.up()


def test_brushing_lists_the_cells_of_the_region(watched: Watched, server: Server) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    drag(page, (0.45, 0.3), (0.7, 0.6))
    expect(page.locator(".brushed tbody tr").first).to_be_visible()
    watched.settled()
    bounds = [float(box.input_value()) for box in page.locator(".brush input").all()]
    assert bounds[0] < bounds[1]
    assert bounds[2] < bounds[3]
    call = page.locator(".brushed .call a").get_attribute("href")
    assert call is not None
    asked = parse_qsl(urlsplit(call).query)
    limits = [value for name, value in asked if name in ("min_metric", "max_metric")]
    assert [round(float(limit.rpartition(":")[2]), 2) for limit in limits] == bounds
    answer = server.get(call)
    assert [row[0] for row in rows(page, "Cells in the brushed region")] == [
        item["id"] for item in answer["items"]
    ]
    for item in answer["items"]:
        assert bounds[0] - 0.01 <= item["valid_accuracy@8of12"] <= bounds[1] + 0.01
    page.get_by_role("button", name="Keep as filter").click()
    expect(page.locator(".cells .status").last).to_contain_text(f"of {answer['total']:,} cells")


def test_a_region_can_be_typed(watched: Watched, server: Server) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    page.get_by_label("y from").fill("45")
    expect(page.locator(".brushed tbody tr").first).to_be_visible()
    query = "dataset=cifar10-valid&recipe=proxy&images=jpeg&min_metric=valid_accuracy@12of12:45"
    total = server.get(f"/cells?{query}&limit=1")["total"]
    expect(page.locator(".brushed .status")).to_contain_text(f"of {total:,} cells")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".brushed table")).to_have_count(0)


def test_a_tile_of_the_map_is_a_filter(watched: Watched, server: Server) -> None:
    page = watched.open()
    tile = page.locator("figure").nth(0).locator("svg .mark-rect path").first
    tile.click()
    expect(page).to_have_url(re.compile("min_width=.*min_depth="))
    asked = dict(parse_qsl(page.url.partition("?")[2]))
    assert asked["min_width"] == asked["max_width"]
    total = server.get(
        f"/cells?width={asked['min_width']}&depth={asked['min_depth']}&connected=true&limit=1"
    )["total"]
    expect(page.locator(".cells .status").last).to_contain_text(f"of {total:,} cells")
    # Cells of one width have no correlation with it, which the chart says instead of a line.
    expect(page.locator(".empty", has_text="no coefficient is defined")).to_be_visible()
    assert all("409" in refused for refused in watched.refused)
    watched.refused.clear()


def test_the_table_sorts_pages_and_exports(watched: Watched, server: Server) -> None:
    page = watched.open("#/?min_width=3")
    table = page.locator("section[aria-labelledby=cells]")
    table.get_by_role("button", name="parameters (M)").click()
    watched.settled()
    head = table.locator("th", has_text="parameters")
    expect(head).to_have_attribute("aria-sort", "descending")
    sizes = [first(row[3]) for row in rows(page, "Cells that pass")]
    assert sizes == sorted(sizes, reverse=True)
    table.get_by_role("button", name="parameters (M)").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    watched.settled()
    one = rows(page, "Cells that pass")
    table.get_by_role("button", name="Next").click()
    expect(table.get_by_text("26–50 of 6,144 cells")).to_be_visible()
    two = rows(page, "Cells that pass")
    assert not {row[0] for row in one} & {row[0] for row in two}
    table.get_by_role("button", name="Previous").click()
    expect(table.get_by_text("1–25 of 6,144 cells")).to_be_visible()
    assert rows(page, "Cells that pass") == one
    with page.expect_download() as download:
        table.get_by_role("link", name="csv", exact=True).click()
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    read = list(csv.DictReader(io.StringIO(saved)))
    assert len(read) == 6144
    assert [row["id"] for row in read[:25]] == [row[0] for row in one]


def test_every_view_names_its_call_and_the_call_answers(watched: Watched, server: Server) -> None:
    page = watched.open(f"#/?{PROXY}&min_width=2")
    calls = page.locator(".call a, .board a[title^=GET]").evaluate_all(
        "links => links.map(one => one.getAttribute('href'))"
    )
    assert {urlsplit(call).path for call in calls} == {
        "/cells",
        "/correlations",
        "/correlations/by-epoch",
        "/groups",
    }
    for call in calls:
        assert server.get(call)["items"]


def test_the_theme_is_chosen_and_kept(watched: Watched) -> None:
    page = watched.open()
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    watched.settled()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    watched.settled()
    assert page.evaluate(ground) == dark


def test_everything_is_reached_by_the_keyboard(watched: Watched) -> None:
    page = watched.open()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.dataset.key ?? document.activeElement.textContent.trim()"
            )
        )
    for name in ("Explore", "Jobs", "dataset", "training", "min_width", "connected", "copy"):
        assert name in reached
    page.reload()
    watched.settled()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "view"
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore the cells")
    # Letters choose an option together, as in any form, though views follow at each.
    box(page, "dataset").focus()
    page.keyboard.type("cifar100")
    expect(page).to_have_url(re.compile("dataset=cifar100$"))
    watched.settled()
    # On the way there, data sets were chosen whose cells have no correlations.
    watched.refused[:] = [refused for refused in watched.refused if "409" not in refused]
    # A select changed by keys keeps the focus, though the form is made anew.
    box(page, "connected").focus()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("connected=true"))
    watched.settled()
    assert page.evaluate("document.activeElement.dataset.key") == "connected"
