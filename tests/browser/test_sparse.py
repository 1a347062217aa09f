"""A table as labs have them: early epochs of some cells and one seed, the last of nearly all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import LAPTOP, Watched
from tests.browser.test_answers import interval, signed
from tests.browser.test_explore import rows
from tests.raw import columns
from tests.service.processes import Server, cellwise, serving

EARLY = 60
"""So many cells have early epochs: 3, 8 and 9 of 200."""

EXPLORE = "#/?dataset=cifar100&same_cells=false"
"""Correlations by epoch too: no cell has all epochs."""


@pytest.fixture(scope="module")
def sparse(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sparse")
    home = Path(shutil.copytree(default_home, folder / "home"))
    width = columns()["width"]
    lines = ["cell,dataset,split,schedule,seed,epoch,value"]
    lines += [
        f"{cell},cifar100,x-valid,200,888,{epoch},{20 + epoch + 3 * width[cell] + cell % 7}"
        for cell in [cell for cell in range(200) if width[cell] == width[cell]][:EARLY]
        for epoch in (3, 8, 9)
    ]
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    done = cellwise("import", folder / "made.csv", "--source", "some-early", "--home", home)
    assert done.returncode == 0, done.stderr
    with serving(home) as running:
        yield running


@pytest.fixture
def lab(browser: Browser, sparse: Server) -> Iterator[Watched]:
    context = browser.new_context(viewport=LAPTOP)
    one = Watched(context.new_page(), sparse.url)
    yield one
    one.check()
    context.close()


def test_early_and_end_are_compared_on_the_same_cells(lab: Watched, sparse: Server) -> None:
    page = lab.open(EXPLORE)
    metrics = ("valid_accuracy@8of200", "valid_accuracy@200of200")
    row, *_ = rows(page, "Correlation of width")
    assert f"n = {EARLY}" in row[2]
    assert "n = 15,284" in row[3]
    expect(page.locator("section[aria-labelledby=board]")).to_contain_text("of different cells")
    page.get_by_role("button", name="Compare the same cells").click()
    expect(page).to_have_url(f"{sparse.url}/{EXPLORE}&same=true")
    lab.settled()
    row, *_ = rows(page, "Correlation of width")
    both = "&".join(f"min_metric={metric}:0" for metric in metrics)
    for shown, metric in zip(row[2:4], metrics, strict=True):
        call = f"/correlations?x=width&y={metric}&dataset=cifar100&recipe=nb201-200&{both}"
        (found,) = sparse.get(call)["items"]
        assert found["n"] == EARLY
        assert shown.startswith(f"{signed(found['coefficient'])} {interval(found['ci'])}")
        assert f"n = {EARLY}" in shown
    # The charts stay of all cells, and the way back is where it was.
    expect(page.get_by_text("of 15,625 cells")).to_be_visible()
    page.get_by_role("button", name="Each of all cells that have it").click()
    lab.settled()
    assert "n = 15,284" in rows(page, "Correlation of width")[0][3]


def test_a_correlation_by_epoch_is_over_the_same_cells_unless_others_are_chosen(
    lab: Watched,
) -> None:
    page = lab.open("#/?dataset=cifar100")
    figure = page.locator("figure", has=page.get_by_role("heading", name="by epoch"))
    # A cell's curve is one source's: none has the early epochs and the last.
    expect(figure).to_contain_text("no cells recorded at each of these 4 epochs")
    assert [refused.split()[0] for refused in lab.refused] == ["409"]
    lab.refused.clear()
    page.get_by_label("Over the cells").select_option("that each epoch has")
    expect(page).to_have_url(re.compile(r"same_cells=false$"))
    caption = figure.locator("figcaption")
    expect(caption).to_contain_text(f"n = {EARLY}–")
    expect(caption).to_contain_text("other ones from epoch to epoch")
    expect(page.get_by_text("of 15,625 cells")).to_be_visible()  # it is no filter


def test_what_the_sources_say_of_themselves_is_at_hand(lab: Watched, sparse: Server) -> None:
    page = lab.open(EXPLORE)
    page.get_by_text("What has to be known of these numbers").click()
    (official,) = (one for one in sparse.get("/sources")["items"] if one["name"] == "hpo-bench")
    notes = page.locator(".notes").first
    for note in official["notes"]:
        expect(notes).to_contain_text(note)
    page.get_by_label("Depth from").fill("2")
    expect(page.get_by_role("button", name="Remove min_depth=2")).to_be_visible()
    lab.settled()
    expect(notes.locator("dd").first).to_be_visible()


def test_one_seed_is_not_called_a_mean_of_three(lab: Watched, sparse: Server) -> None:
    """Nor is one that is recorded called one that was chosen."""
    page = lab.open(EXPLORE)
    board, *_ = rows(page, "Correlation of width")
    assert board[0].endswith("one seed after epoch 8, mean over 2–3 seeds after epoch 200")
    call = "/correlations?x=width&y=valid_accuracy@8of200&y=valid_accuracy@200of200"
    sets = sparse.get(f"{call}&dataset=cifar100")["context"]["sets"]
    assert [found["n_seeds"] for found in sets.values()] == [[1, 1], [2, 3]]
    page = lab.open(f"{EXPLORE}&max_width=3&sort=valid_accuracy@8of200")
    first, *_ = rows(page, "Cells that pass")
    assert first[-2].endswith("one seed")
    assert "±" in first[-1]
    cell = page.locator("section[aria-labelledby=cells] tbody a").first
    cell.click()
    lab.settled()
    standing = {row[0]: row for row in rows(page, "Accuracy of")}
    early = standing["validation accuracy after epoch 8 of 200"]
    last = standing["validation accuracy after epoch 200 of 200"]
    assert early[3] == "1"
    assert "±" not in early[1]
    assert last[3] in ("2", "3")
    assert "±" in last[1]


def test_epochs_are_counted_over_all_runs_of_a_cell(lab: Watched) -> None:
    """One table has some early epochs, another the last: together they are a curve with gaps."""
    page = lab.open("#/cell/0?dataset=cifar100")
    picker = page.locator("section[aria-labelledby=learning] select")
    assert "4 of 200 epochs, the last is 200" in picker.evaluate(
        "one => one.selectedOptions[0].text"
    )
    expect(page.locator("figure figcaption").last).to_contain_text("dotted: no epoch between")
    assert len(rows(page, "Accuracy of")) == 4


def test_what_the_address_asks_for_and_is_not_there_is_said(lab: Watched) -> None:
    learning = lab.open("#/cell/0?dataset=cifar100").locator("section[aria-labelledby=learning]")
    expect(learning).not_to_contain_text("not recorded of this cell")
    for asked in ("dataset=svhn", "dataset=cifar100&recipe=proxy", "schedule=50"):
        lab.open(f"#/cell/0?{asked}")
        expect(learning).to_contain_text("What the address asks for is not recorded of this cell")


def test_who_comes_back_is_on_the_page_of_the_table_that_they_left(lab: Watched) -> None:
    page = lab.open(EXPLORE)
    table = page.locator("section[aria-labelledby=cells]")
    table.get_by_role("button", name="Next").click()
    expect(table.get_by_text("26–50 of 15,625 cells")).to_be_visible()
    table.locator("tbody a").first.click()
    lab.settled()
    page.go_back()
    lab.settled()
    expect(table.get_by_text("26–50 of 15,625 cells")).to_be_visible()


def test_a_region_that_ends_before_it_begins_is_no_region(lab: Watched) -> None:
    page = lab.open(EXPLORE)
    page.get_by_label("y from").fill("70")
    expect(page.locator(".brushed tbody tr").first).to_be_visible()
    page.get_by_label("y to").fill("60")
    expect(page.locator(".brushed .error")).to_contain_text("swap from and to")
    expect(page.get_by_role("button", name="Keep as filter")).to_be_disabled()


def test_a_space_without_values_is_no_table_of_dashes(lab: Watched) -> None:
    page = lab.open(f"{EXPLORE}&space=darts&recipe=nb201-200")
    table = page.locator("section[aria-labelledby=cells]")
    expect(table).to_contain_text("none of them has a validation accuracy")
    expect(table.locator("tbody tr")).to_have_count(0)
    # Sorted by another column, that none has a value can't be seen from the first ones.
    lab.open(f"{EXPLORE}&sort=-params_m&early=8")
    expect(table.locator("tbody tr")).to_have_count(25)
    lab.open(f"{EXPLORE}&space=darts&recipe=nb201-200")
    # Of charts without anything there are no files.
    expect(page.locator("figure .links a[download]")).to_have_count(0)
    assert all(refused.startswith("409") for refused in lab.refused)
    lab.refused.clear()


def test_no_job_no_chart_and_no_asking_again(lab: Watched) -> None:
    lab.page.clock.install()
    asked: list[str] = []
    lab.page.on("request", lambda request: asked.append(request.url))
    page = lab.open("#/jobs/99999")
    expect(page.locator("#view .error")).to_be_visible()
    expect(page.get_by_text("Its curve stands here")).to_be_hidden()
    page.clock.run_for(60_000)
    lab.settled()
    assert sum(url.endswith("/jobs/99999") for url in asked) == 1
    lab.refused.clear()
