"""Training from the page: submit, watch, cancel, resume; studies; a closed server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from data.library import Library
from tests.browser.conftest import LAPTOP, Watched
from tests.browser.test_explore import rows
from tests.conftest import want_nothing
from tests.service.processes import Server, cellwise, serving
from tests.service.test_training import RECIPE

TRAINED_MS = 120_000


def test_train_a_cell_and_see_its_curve(watched: Watched, server: Server) -> None:
    page = watched.open("#/cell/284")
    page.locator("select[name=recipe]").select_option("quick")
    page.get_by_label("Seeds").fill("1")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("link", name=re.compile("^job ")).click()
    expect(page.locator("h1 .state")).to_have_text("done", timeout=TRAINED_MS)
    expect(page.locator("figure svg")).to_be_visible()
    watched.settled()
    number = page.url.rpartition("/")[2]
    job = server.get(f"/jobs/{number}")
    last = job["epochs"][-1]
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_label("Log")).to_contain_text("epoch 6/6")
    expect(page.locator("dl.facts")).to_contain_text(f"{last['x-valid']['accuracy']:.2f} %")
    page.get_by_role("link", name="nb201-000284").first.click()
    watched.settled()
    page.locator("section[aria-labelledby=learning] select").select_option(
        page.locator(
            "option", has_text="digits: quick, validation accuracy, all 6 epochs"
        ).get_attribute("value")
    )
    watched.settled()
    expect(page.locator("section[aria-labelledby=learning] figure svg")).to_be_visible()
    standing = rows(page, "Accuracy of")
    assert f"{last['x-valid']['accuracy']:.2f} %" in [row[1] for row in standing]
    # What is known now is not trained again.
    before = server.get("/jobs?limit=1")["counts"]
    page.goto(f"{server.url}/#/jobs")
    page.get_by_label("Cells, one a line").fill("284")
    page.locator("select[name=recipe]").select_option("quick")
    page.get_by_label("Seeds").fill("1")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("known already")).to_have_count(1)
    assert server.get("/jobs?limit=1")["counts"] == before


def test_a_cells_page_follows_what_is_trained_from_it(watched: Watched) -> None:
    page = watched.open("#/cell/285?dataset=digits")
    expect(page.locator("section[aria-labelledby=learning]")).not_to_contain_text("digits: quick")
    page.locator("select[name=recipe]").select_option("quick")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("section[aria-labelledby=learning] figure svg")).to_be_visible(
        timeout=TRAINED_MS
    )
    watched.settled()
    picker = page.locator("section[aria-labelledby=learning] select")
    assert "digits: quick, validation accuracy, all 6 epochs" in picker.inner_text()
    expect(page.locator("section[aria-labelledby=runs]")).to_contain_text("quick, 6 epochs")


def test_a_job_is_cancelled_and_resumed(watched: Watched) -> None:
    page = watched.open("#/jobs")
    page.get_by_label("Cells, one a line").fill("15000")
    page.get_by_label("Seeds").fill("3")
    page.get_by_role("button", name="Train", exact=True).click()
    row = page.locator("tbody tr", has_text="nb201-015000")
    row.get_by_role("button", name=re.compile("Cancel job")).click()
    expect(row).to_contain_text("cancelled")
    page.get_by_role("button", name=re.compile(r"\d cancelled")).click()
    expect(page).to_have_url(re.compile("state=cancelled"))
    row.get_by_role("button", name=re.compile("Resume job")).click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name=re.compile("in all")).click()
    row.get_by_role("button", name=re.compile("Cancel job")).click()
    expect(row).to_contain_text("cancelled")


def test_what_cant_be_trained_says_why(watched: Watched) -> None:
    page = watched.open("#/jobs")
    page.get_by_label("Cells, one a line").fill("NASNet-B")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("[role=status] .error")).to_contain_text("NASNet-A")
    assert [refused.split()[0] for refused in watched.refused] == ["422"]
    watched.refused.clear()


def test_studies_show_their_pictures(watched: Watched, server: Server) -> None:
    page = watched.open("#/studies")
    studies = server.get("/studies")["items"]
    listed = rows(page, "Studies")
    assert len(listed) == len(studies)
    for (_, _, cells, *_), study in zip(listed, studies, strict=True):
        asked = study["settings"]["cells"]
        assert len(cells.split(", ")) <= 3
        assert cells.startswith(next(cell for cell in asked if len(cell) < 30))
        shown, _, left = cells.partition(" and ")
        assert len(asked) == len(shown.split(", ")) + int(left.partition(" ")[0] or 0)
    for study in (studies[0], next(one for one in studies if one["kind"] == "variants")):
        page.goto(f"{server.url}/#/studies/{study['id']}")
        watched.settled()
        pictures = page.locator("figure .room svg")
        expect(pictures).to_have_count(len(study["links"]["pictures"]))
        for caption in page.locator("figcaption").all():
            expect(caption).to_contain_text("n = ")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    home: Path = tmp_path_factory.mktemp("closed")
    made = cellwise("token", "add", "reader", "--home", home)
    assert made.returncode == 0, made.stderr
    token = re.search(r"\b[\w-]{30,}\b", made.stdout)
    assert token, made.stdout
    with serving(home, env={"CELLWISE_READ": "token"}) as running:
        yield running, token[0]


def test_a_closed_server_asks_for_a_token(browser: Browser, closed: tuple[Server, str]) -> None:
    server, token = closed
    context = browser.new_context(viewport=LAPTOP, accept_downloads=True)
    watched = Watched(context.new_page(), server.url)
    page = watched.page
    page.goto(server.url)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cellwise token add")
    # Who declines isn't asked again by what the page reads by itself; what is typed stays.
    dialog.get_by_role("button", name="Cancel").click()
    page.goto(f"{server.url}/#/jobs")
    expect(page.locator("#view")).to_contain_text("cellwise token add")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Token").click()
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_contain_text("not known")
    dialog.get_by_label("Token").fill(token)
    dialog.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("table", name="Training jobs")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_text("of 15,625 cells")).to_be_visible()
    expect(page.locator("#said")).to_be_empty()
    assert all(refused.startswith("401") for refused in watched.refused)
    watched.refused.clear()
    watched.settled()
    # Files come too, though a link can't carry a token.
    with page.expect_download() as download:
        page.get_by_role("link", name="csv", exact=True).last.click()
    assert download.value.suggested_filename == "cells.csv"
    assert Path(download.value.path()).read_text().count("\n") == 15_626
    watched.check()
    context.close()


def test_a_home_without_tables_learns_of_what_is_trained(
    browser: Browser, empty_home: Path, tmp_path: Path
) -> None:
    """Views know at once what a training has brought, whoever started it."""
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as opened:
        want_nothing(opened)
    (home / "recipes").mkdir()
    (home / "recipes" / "quick.toml").write_text(RECIPE)
    with serving(home) as server:
        context = browser.new_context(viewport=LAPTOP)
        watched = Watched(context.new_page(), server.url)
        page = watched.open()
        expect(page.locator("#view")).to_contain_text("No accuracies are loaded yet")
        done = cellwise("train", "ENAS", "--recipe", "quick", "--home", home)
        assert done.returncode == 0, done.stderr
        page.get_by_role("link", name="Named cells").click()
        watched.settled()
        expect(page.locator("figure svg")).to_have_count(2)
        page.get_by_role("link", name="ENAS", exact=True).first.click()
        watched.settled()
        assert "all 6 epochs" in page.locator("#view select").first.inner_text()
        page.get_by_role("link", name="Explore").click()
        watched.settled()
        expect(page.locator("#view")).to_contain_text("quick, 6 epochs, seeded split (1 cell)")
        watched.refused.clear()  # of one cell there are no correlations
        watched.check()
        context.close()
