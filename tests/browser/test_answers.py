"""What stands on the page is what the API answers, for whatever is chosen."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Watched
from tests.browser.test_explore import PROXY, first, lines_of, rows
from tests.service.processes import Server

PROXY_CELL = "recipe=proxy&images=jpeg&dataset=cifar10-valid"


def signed(value: float) -> str:
    """A coefficient as it is written: +0.24, −0.17, 0.00."""
    text = f"{value:+.2f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def interval(ends: list[float] | None) -> str:
    return "(no interval)" if ends is None else f"[{signed(ends[0])}, {signed(ends[1])}]"


def lines(page: Page) -> int:
    """How many lines the last chart has."""
    return page.locator("figure svg").last.locator(".mark-line path").count()


@pytest.mark.parametrize("chosen", ["", "method=kendall", "method=pearson", "group_by=ops"])
def test_the_board_has_the_coefficient_that_is_chosen(
    watched: Watched, server: Server, chosen: str
) -> None:
    page = watched.open(f"#/?{PROXY}&early=8&min_width=1&{chosen}")
    board = rows(page, "Correlation of width")
    given = "dataset=cifar10-valid&recipe=proxy&images=jpeg&min_width=1"
    plain, held = ("", "ops") if "group_by" in chosen else (chosen, "live_ops")
    columns = [(x, epoch) for x in ("width", "depth") for epoch in (8, 12)]
    for line, more in zip(
        lines_of(board, "proxy, ", "\nvalidation accuracy on cifar10-valid, "),
        (plain, f"{plain}&comparable_by={held}", f"{plain}&group_by={held}"),
        strict=True,
    ):
        for place, (x, epoch) in enumerate(columns, 1):
            call = f"/correlations?x={x}&y=valid_accuracy@{epoch}of12&{given}&{more}"
            (answer,) = server.get(call)["items"]
            shown = f"{signed(answer['coefficient'])} {interval(answer['ci'])}"
            assert line[place].startswith(shown), (line[place], shown)
            assert f"n = {answer['n']:,}" in line[place]


def test_cells_ranked_last_are_told_of_a_coefficient(watched: Watched) -> None:
    counts = {"n": 154, "n_distinct": 150, "censored": 119, "diverged": 3}

    def answered(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["items"] = [{**item, **counts} for item in body["items"]]
        route.fulfill(response=answer, json=body)

    watched.page.route("**/correlations?*", answered)
    page = watched.open(f"#/?{PROXY}&early=8")
    title = page.locator(".board td.number").first.get_attribute("title") or ""
    told = "n = 154 cells (150 networks), of them 119 censored and 3 diverged, ranked last"
    assert title.startswith(told)


def test_each_chart_is_of_what_is_chosen(watched: Watched) -> None:
    page = watched.open(f"#/?{PROXY}&early=4&min_width=1&connected=true&method=kendall")
    last, early = "valid_accuracy@12of12", "valid_accuracy@4of12"
    own = {
        "/plots/shapes": {"metric": [last]},
        "/plots/scatter": {
            "x": [early],
            "y": [last],
            "colour": ["width"],
            "method": ["kendall"],
        },
        "/plots/correlations-by-epoch": {
            "x": ["width,depth"],
            "y": ["valid_accuracy"],
            "schedule": ["12"],
            "method": ["kendall"],
        },
        "/plots/groups": {"by": ["width"], "metric": [early, last]},
    }
    shared = {
        "dataset": ["cifar10-valid"],
        "recipe": ["proxy"],
        "images": ["jpeg"],
        "split": ["seeded"],
        "min_width": ["1"],
        "connected": ["true"],
    }
    hrefs = page.locator("figure .links a[download]").evaluate_all(
        "links => links.map(one => one.getAttribute('href'))"
    )
    found = {urlsplit(href).path: parse_qs(urlsplit(href).query) for href in hrefs}
    assert found == {
        f"{path}.{form}": parameters | shared
        for path, parameters in own.items()
        for form in ("svg", "png")
    }


def test_what_a_chart_offers_as_a_file_is_one(watched: Watched, server: Server) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    figure = page.locator("figure").nth(3)
    kinds = {"SVG": "image/svg+xml", "PNG": "image/png", "CSV": "text/csv"}
    for text, kind in kinds.items():
        href = figure.get_by_role("link", name=text, exact=True).get_attribute("href")
        answer = httpx2.get(f"{server.url}{href}", trust_env=False, timeout=30)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)


def trained_twice(server: Server) -> str:
    listed = server.get(f"/cells?{PROXY_CELL}&metric=valid_accuracy@12of12&limit=1000&fields=id")
    return next(
        str(item["id"]) for item in listed["items"] if item["valid_accuracy@12of12:n_seeds"] == 2
    )


def test_a_cell_has_its_ranks_and_a_line_a_seed(watched: Watched, server: Server) -> None:
    cell = trained_twice(server)
    page = watched.open(f"#/cell/{cell}?{PROXY_CELL}&measure=valid_accuracy")
    standing = rows(page, "Accuracy of")
    metrics = {
        re.sub(r"^valid_accuracy@(\d+)of12$", r"validation accuracy after epoch \1 of 12", name): (
            rank
        )
        for epoch in (1, 4, 8, 12)
        for name, rank in server.get(
            f"/ranks?cell={cell}&metric=valid_accuracy@{epoch}of12&{PROXY_CELL}"
        )["items"][0]["ranks"].items()
    }
    checked = 0
    for told, value, rank, seeds in standing:
        if told in metrics:
            expected = metrics[told]
            assert first(value) == pytest.approx(expected["value"], abs=0.005)
            place, _, of = rank.partition(" of ")
            assert float(place) == pytest.approx(expected["rank"], abs=0.05)
            assert of == f"{expected['of']:,}"
            assert seeds == "2"
            checked += 1
    assert checked == 4
    assert lines(page) == 2


def test_curves_of_several_cells_are_compared(watched: Watched, server: Server) -> None:
    cell = trained_twice(server)
    others = [
        item["id"]
        for item in server.get(f"/cells?{PROXY_CELL}&min_metric=valid_accuracy@12of12:0&limit=3")[
            "items"
        ]
        if item["id"] != cell
    ][:2]
    page = watched.open(f"#/cell/{cell}?{PROXY_CELL}&measure=valid_accuracy")
    page.get_by_label("Compare with").fill(", ".join(others))
    page.get_by_label("Compare with").press("Enter")
    expect(page).to_have_url(re.compile(f"with={others[0]}&with={others[1]}"))
    watched.settled()
    expect(page.locator("figure figcaption").last).to_contain_text("n = 3 cells")
    assert lines(page) == 3
    shared = page.url.partition("/#")[2]
    page.reload()
    page = watched.open(f"#{shared}")
    assert page.get_by_label("Compare with").input_value() == ", ".join(others)
    assert lines(page) == 3
    page.get_by_label("Compare with").fill("NASNet-B")
    page.get_by_label("Compare with").press("Enter")
    expect(page.locator("figure .error")).to_contain_text("NASNet-A")
    assert {refused.split()[0] for refused in watched.refused} == {"422"}
    watched.refused.clear()


def test_a_cells_runs_and_shape_are_those_of_the_api(watched: Watched, server: Server) -> None:
    page = watched.open("#/cell/6111")
    expect(page.locator("ul.ranks")).to_contain_text("width 3: the widest of")
    document = server.get("/cells/6111")
    for row, run in zip(rows(page, "Single trainings"), document["runs"], strict=True):
        assert row[0] == run["dataset"]
        assert row[3] == run["source"]
        finals = [
            f"{entry['last_value']:.2f} %"
            for entry in run["recorded"]
            if entry["measure"] == "accuracy"
        ]
        assert finals
        assert re.findall(r"\d+\.\d\d %", row[4]) == finals


def test_jobs_are_paged(watched: Watched, server: Server) -> None:
    page = watched.open("#/jobs")
    latest = server.get("/jobs?limit=25")
    top = page.get_by_role("table", name="Training jobs").locator("tbody th").first

    def numbers() -> list[int]:
        return [int(row[0]) for row in rows(page, "Training jobs")]

    assert numbers() == [job["id"] for job in latest["items"]]
    page.get_by_role("button", name="Older").click()
    before = latest["items"][-1]["id"]
    expect(top).to_have_text(str(before - 1))
    assert numbers() == [
        job["id"] for job in server.get(f"/jobs?limit=25&before={before}")["items"]
    ]
    page.get_by_role("button", name="Latest").click()
    expect(top).to_have_text(str(latest["items"][0]["id"]))
    assert numbers() == [job["id"] for job in latest["items"]]


def test_cells_of_jobs_and_studies_have_their_published_names(
    watched: Watched, server: Server
) -> None:
    """Who reads a list knows DARTS-V2, and not the hash of its genotype."""
    jobs = server.get("/jobs?limit=25")["items"]
    names = [job["name"] or job["cell"] for job in jobs]
    assert any(job["name"] for job in jobs)
    page = watched.open("#/jobs")
    assert [row[1] for row in rows(page, "Training jobs")] == names
    place = next(place for place, job in enumerate(jobs) if job["name"])
    page.get_by_role("link", name=names[place], exact=True).first.click()
    watched.settled()
    expect(page.get_by_role("heading", level=1)).to_contain_text(names[place])
    expect(page.get_by_role("heading", level=1)).to_contain_text(jobs[place]["cell"])


def test_what_a_study_found_is_told(watched: Watched, server: Server) -> None:
    by_kind = {study["kind"]: study["id"] for study in server.get("/studies")["items"]}
    number = by_kind["generalisation"]
    results = server.get(f"/studies/{number}")["results"]
    page = watched.open(f"#/studies/{number}")
    told = rows(page, "What the study found")
    settings = server.get(f"/studies/{number}")["settings"]
    expect(page.locator("#view")).to_contain_text(
        f"with {100 * settings['confidence']:g} % t intervals"
    )
    assert [row[0] for row in told] == [*settings["cells"], "all together"]
    for row, found in zip(told, results, strict=True):
        assert row[1] == f"{signed(found['mean'])} {interval(found['ci'])}"
        pairs = str(found["n"])
        if found["n_incomplete"]:
            pairs += f", {found['n_incomplete']} incomplete"
        assert row[2:] == [pairs, found["verdict"] or found["reasons"]["verdict"]]
    number = by_kind["lr-robustness"]
    expected: dict[tuple[str, ...], dict[str, Any]] = {}
    for rate in server.get(f"/studies/{number}")["results"]:
        for item in rate["correlations"]:
            last = [f"{item[what]} {what}" for what in ("censored", "diverged") if item[what]]
            of_cells = ", ".join([str(item["n"]), *last])
            key = (item["y"], item["space"], str(rate["learning_rate"]), of_cells)
            expected.setdefault(key, {})[item["x"]] = item
    page = watched.open(f"#/studies/{number}")
    told = rows(page, "What the study found")
    assert len(told) == len(expected) > 6
    for line, (about, by_x) in zip(told, expected.items(), strict=True):
        assert (*line[:3], line[5]) == about
        for shown, x in zip(line[3:5], ("width", "depth"), strict=True):
            one = by_x[x]
            assert shown == f"{signed(one['coefficient'])} {interval(one['ci'])}"
    page.get_by_text("What the measures mean").click()
    expect(page.locator("dl", has_text="half_life").last).to_contain_text("half of the rise")


def test_cells_that_a_study_ranks_last_are_counted(watched: Watched, server: Server) -> None:
    studies = server.get("/studies")["items"]
    number = next(one["id"] for one in studies if one["kind"] == "lr-robustness")
    answer = server.get(f"/studies/{number}")
    items = [item for one in answer["results"] for item in one["correlations"]]
    slow = items[0]["y"]
    for item in items:
        item |= {"n": 42, "n_distinct": 42}
        if item["y"] == slow:
            item |= {"n_distinct": 40, "censored": 3, "diverged": 1}
    watched.page.route(f"**/studies/{number}", lambda route: route.fulfill(json=answer))
    page = watched.open(f"#/studies/{number}")
    for row in rows(page, "What the study found"):
        assert row[5] == ("42, 40 networks, 3 censored, 1 diverged" if row[0] == slow else "42")
    expect(page.locator("section[aria-labelledby=found]")).to_contain_text("ranked last")


def test_sources_have_their_numbers(watched: Watched, server: Server) -> None:
    page = watched.open("#/sources")
    shown = {row[0]: (row[2], row[3]) for row in rows(page, "Sources")}
    assert shown == {
        source["name"]: (f"{source['cells']:,}", f"{source['runs']:,}")
        for source in server.get("/sources")["items"]
    }


def test_the_list_of_a_region_is_sorted_by_its_heads(watched: Watched, server: Server) -> None:
    page = watched.open(f"#/?{PROXY}&early=8")
    page.get_by_label("y from").fill("45")
    listed = page.locator(".brushed")
    expect(listed.locator("tbody tr").first).to_be_visible()
    listed.get_by_role("button", name="depth").click()
    expect(listed.locator("th", has_text="depth")).to_have_attribute("aria-sort", "descending")
    call = listed.locator(".call a").get_attribute("href")
    assert call is not None
    assert dict(parse_qsl(urlsplit(call).query))["sort"] == "-depth"
    depths = [first(row[2]) for row in rows(page, "Cells in the brushed region")]
    assert depths == [item["depth"] for item in server.get(call)["items"]]
    assert depths == sorted(depths, reverse=True)
    # The table of all cells is sorted as before.
    assert "sort" not in page.url


def test_variants_that_come_late_dont_replace_what_was_asked_later(watched: Watched) -> None:
    page = watched.open("#/cell/DARTS-V2")
    held: list[Any] = []
    page.route("**/variants?*random-connections*", lambda route: held.append(route))
    page.get_by_role("button", name="other connections, same operations").click()
    page.get_by_role("button", name="every node reads both inputs").click()
    made = page.locator("section[aria-labelledby=relatives]")
    expect(made).to_contain_text("DARTS-V2-adapted")
    for route in held:
        route.continue_()
    watched.settled()
    page.wait_for_load_state("networkidle")
    expect(made).to_contain_text("DARTS-V2-adapted")
    expect(made.locator("tbody tr")).to_have_count(1)


def test_an_id_and_a_string_lead_to_the_same_cell(watched: Watched, server: Server) -> None:
    arch = server.get("/cells/284")["arch"]
    page = watched.open(f"#/cell/{quote(arch, safe='')}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("nb201-000284")
    assert rows(page, "Accuracy of") == rows(watched.open("#/cell/284"), "Accuracy of")
