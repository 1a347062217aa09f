"""A cell's page, the named cells, the sources, and addresses that lead nowhere."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from analysis.spaces import elsewhere, published
from tests.browser.conftest import Watched
from tests.browser.test_explore import first, rows
from tests.service.processes import Server

PROXY_CELL = "recipe=proxy&images=jpeg&dataset=cifar10-valid"


def test_a_cell_shows_its_diagram_shape_ranks_and_runs(watched: Watched, server: Server) -> None:
    page = watched.open("#/cell/6111")
    expect(page.get_by_role("heading", level=1)).to_contain_text("nb201-006111")
    # Known values of this cell: width 3, depth 3, the most accurate of all on cifar10-valid.
    facts = page.locator("dl.facts").first
    expect(facts).to_contain_text("width3depth3")
    expect(page.get_by_role("img", name="Diagram of nb201-006111")).to_be_visible()
    image = page.locator(".diagram img")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("one => one.naturalWidth") > 100
    assert rows(page, "Accuracy of")[-1][2] == "1 of 15,625"
    runs = server.get("/cells/6111")["runs"]
    assert len(rows(page, "Single trainings")) == len(runs)


def test_the_curves_by_seed_are_those_of_the_api(watched: Watched, server: Server) -> None:
    listed = server.get(f"/cells?{PROXY_CELL}&metric=valid_accuracy@12of12&limit=1000&fields=id")
    cell = next(
        item["id"] for item in listed["items"] if item["valid_accuracy@12of12:n_seeds"] == 2
    )
    page = watched.open(f"#/cell/{cell}?{PROXY_CELL}&measure=valid_accuracy")
    expect(page.locator("figure svg").last).to_be_visible()
    ranks = rows(page, "Accuracy of")
    answer = server.get(f"/cells/{cell}/curves?{PROXY_CELL}&seed=mean")["items"][0]
    for row in ranks:
        for epoch in (1, 4, 8, 12):
            if f"after epoch {epoch} of 12" in row[0]:
                assert first(row[1]) == pytest.approx(answer["values"][epoch - 1], abs=0.005)
    assert len(ranks) == 6
    assert "half of its rise since epoch 1" in ranks[-1][0]


def test_variants_are_made_and_lead_on(watched: Watched) -> None:
    page = watched.open("#/cell/DARTS-V2")
    page.get_by_role("button", name="every node reads both inputs").click()
    watched.settled()
    made = page.locator("table", has_text="depth").last
    expect(made).to_contain_text("DARTS-V2-adapted")
    made.get_by_role("link", name="DARTS-V2-adapted").click()
    watched.settled()
    expect(page.get_by_role("heading", level=1)).to_contain_text("DARTS-V2-adapted")


def reads_both_inputs(server: Server, cell: str) -> bool:
    """Every node of the normal cell, and those of the reduction cell."""
    sources: dict[tuple[str, int], set[int]] = {}
    for edge in server.get(f"/cells/{cell}")["edges"]:
        if edge["operation"] != "concat":
            sources.setdefault((edge["cell"], edge["target"]), set()).add(edge["source"])
    return all(found == {0, 1} for found in sources.values())


def test_what_adapting_does_is_said_of_each_cell_as_it_is(watched: Watched, server: Server) -> None:
    page = watched.open("#/named")
    for name in ("NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild"):
        card = page.locator(f'section[aria-label="{name}"]')
        expect(card).to_contain_text("every node reads both inputs, by the paper's rule")
        said = "but for one node" in card.inner_text()
        assert said != reads_both_inputs(server, f"{name}-adapted")
        known = server.get(f"/cells/{name}-adapted")["known"]
        assert ("code has none" in card.inner_text()) == (
            "code of Shu et al. 2020 has none" in known["source"]
        )
    page = watched.open("#/cell/ENAS")
    page.get_by_role("button", name="every node reads both inputs").click()
    made = page.locator("table", has_text="ENAS-adapted")
    expect(made).to_contain_text("but for one node")


@pytest.mark.parametrize("cell", ["|nor_conv_3x3~0|+|what", "16000", "NASNet-B"])
def test_what_is_no_cell_says_why(watched: Watched, cell: str) -> None:
    page = watched.open(f"#/cell/{quote(cell, safe='')}")
    error = page.locator("#view .error").first
    expect(error).to_be_visible()
    assert len(error.inner_text()) > 20
    assert len(watched.refused) == 1
    watched.refused.clear()


def test_a_cell_that_no_table_holds_can_be_looked_at(watched: Watched) -> None:
    text = (
        "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2), "
        "('skip_connect', 1), ('sep_conv_3x3', 3), ('skip_connect', 2), ('sep_conv_3x3', 4), "
        "('skip_connect', 3)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
        "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('max_pool_3x3', 0), "
        "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], "
        "reduce_concat=[2, 3, 4, 5])"
    )
    page = watched.open()
    page.get_by_role("textbox", name="Open a cell").fill(text)
    page.get_by_role("button", name="Open", exact=True).click()
    watched.settled()
    expect(page.locator("#view")).to_contain_text("No table that is loaded has a result")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()


def test_the_named_cells_rank_as_the_paper_says(watched: Watched) -> None:
    page = watched.open("#/named")
    # Shu, Wang and Cai 2020, figure 1: width and depth of each.
    published = {
        "NASNet-A": (5, 2),
        "AmoebaNet-A": (4, 4),
        "ENAS": (5, 2),
        "DARTS-V2": (3.5, 3),
        "SNAS-mild": (4, 2),
    }
    shown = {row[0]: (first(row[2]), first(row[4])) for row in rows(page, "Width and depth")}
    assert shown == published
    expect(page.locator(".diagram img")).to_have_count(5)


def test_every_cell_with_a_name_is_listed_with_its_source(watched: Watched) -> None:
    """Those that the claim wasn't made from stand apart, and what isn't opened isn't asked for."""
    asked: list[str] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    page = watched.open("#/named")
    others = page.locator("section[aria-labelledby=others]")
    assert not [url for url in asked if "named=" in url]
    page.get_by_text("Found by searches, beside the five").click()
    expect(others.locator("table").first).to_be_visible()
    shown = {row[0]: row[1] for row in rows(page, "Cells found by searches, beside the five")}
    assert shown == {name: source for name, (source, _) in elsewhere.FOUND.items()}
    page.get_by_text("The paper's variants of the five").click()
    expect(others.locator("table")).to_have_count(2)
    links = others.locator("table").last.get_by_role("link")
    labels = links.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    drawn = {name for name, known in published.CELLS.items() if known.kind.startswith("random-")}
    assert len(drawn) == 100
    assert (len(labels), set(labels)) == (100, drawn)
    others.get_by_role("link", name="ENAS-ops10", exact=True).click()
    watched.settled()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ENAS-ops10")


def test_costs_are_shown_where_they_are_known(watched: Watched) -> None:
    """Those of the benchmark's networks are; a genotype's hang on how many cells are stacked."""
    expect(watched.open("#/cell/6111").locator("dl.facts").first).to_contain_text(
        "million parameters (cifar10)1.073"
    )
    facts = watched.open("#/cell/DARTS-V2").locator("dl.facts").first
    expect(facts).to_contain_text("width3.5depth3")
    expect(facts).not_to_contain_text("million")


def test_sources_say_origin_and_licence(watched: Watched, server: Server) -> None:
    page = watched.open("#/sources")
    for source in server.get("/sources")["items"]:
        row = page.locator("tr", has_text=source["title"])
        expect(row).to_contain_text(source["origin"])
        expect(row).to_contain_text(source["licence"])


def test_an_address_that_leads_nowhere(watched: Watched) -> None:
    for link in ("#/nowhere", "#/cell/%", "#/jobs/..%2Fstudies%2F3", "#/jobs/1%2Fplot.json"):
        page = watched.open(link)
        expect(page.locator("#view")).to_contain_text("Nothing is here")
    page = watched.open("#/jobs/99999")
    expect(page.locator("#view .error")).to_be_visible()
    page = watched.open("#/studies/99999")
    expect(page.locator("#view .error")).to_be_visible()
    assert len(watched.refused) == 2
    watched.refused.clear()


def test_who_comes_back_from_a_cell_goes_on_where_they_were(watched: Watched) -> None:
    page = watched.open("#/?min_width=3")
    page.locator("section[aria-labelledby=cells] tbody tr").last.scroll_into_view_if_needed()
    there = page.evaluate("window.scrollY")
    assert there > 500
    page.locator("section[aria-labelledby=cells] tbody a").last.click()
    watched.settled()
    assert page.evaluate("window.scrollY") == 0
    page.go_back()
    watched.settled()
    assert page.evaluate("window.scrollY") == there
    page.get_by_role("link", name="Jobs").click()
    watched.settled()
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_text("of 6,144 cells")).to_be_visible()
