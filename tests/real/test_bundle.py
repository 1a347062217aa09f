"""The table that ships with Cellwise: what is in it, and how it stands to the benchmark's."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from starlette.testclient import TestClient

from analysis.cells import parse_cell
from analysis.scripts.bundle import FIRST_SEED, SECOND_SEED, drawn
from service.training.recipes import Recipe, builtin
from tests.conftest import ROOT
from tests.service.helpers import get

CONTEXT = {"dataset": "cifar10-valid", "recipe": "proxy", "images": "jpeg"}


@pytest.fixture(scope="module")
def runs(started_client: TestClient) -> list[dict[str, Any]]:
    page = get(started_client, "/runs", {"source": "local-bundle", "limit": 1000})
    assert page["total"] == len(page["items"])
    return list(page["items"])


def test_it_is_what_was_drawn(runs: list[dict[str, Any]]) -> None:
    """All of the drawing, which is seeded, and nothing else."""
    planned = [(cell.id, seed) for cell, seed in drawn()]
    assert len(planned) == len(set(planned)) == 474
    held = {(run["cell"], run["seed"]) for run in runs}
    assert held == set(planned)
    assert len(held) == len(runs)


def test_every_shape_is_in_it(started_client: TestClient) -> None:
    groups = get(
        started_client,
        "/groups",
        [*CONTEXT.items(), ("by", "width,depth"), ("metric", "valid_accuracy@12of12")],
    )["items"]
    shapes = {
        (item["width"], item["depth"])
        for item in groups
        if item["metrics"]["valid_accuracy@12of12"]["n"]
    }
    assert shapes >= {(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3)}


def test_each_run_tells_how_it_was_made(
    runs: list[dict[str, Any]], started_client: TestClient
) -> None:
    proxy = builtin()["proxy"]
    checksums = Counter[str]()
    for run in runs[:: max(1, len(runs) // 25)]:
        whole = get(started_client, f"/runs/{run['id']}")
        details = whole["details"]
        assert Recipe.model_validate(details["recipe"]).digest == proxy.digest
        assert details["versions"]["torch"].startswith("2.13.0")
        assert (whole["images"], whole["recipe"]) == ("jpeg", "proxy")
        assert (whole["time_source"], whole["schedule"]) == ("measured", 12)
        assert whole["train_time_s"] > 0
        checksums[details["images"]["sha256"]] += 1
        curves = {(c["set"], c["measure"]): c["epochs"] for c in whole["recorded"]}
        assert set(curves) == {
            (name, measure)
            for name in ("train", "x-valid", "ori-test")
            for measure in ("accuracy", "loss")
        }
        assert all(epochs == list(range(1, 13)) for epochs in curves.values())
    assert len(checksums) == 1  # all on the very same images


def test_costs_are_those_of_the_networks(
    runs: list[dict[str, Any]], started_client: TestClient
) -> None:
    """Of NAS-Bench-201's skeleton they are linear in the numbers of convolutions."""
    found: dict[tuple[int, int], float] = {}
    for run in runs:
        if run["cell"].startswith("nb201"):
            operations = Counter(parse_cell(run["cell"]).operations)  # type: ignore[union-attr]
            key = operations["nor_conv_1x1"], operations["nor_conv_3x3"]
            assert found.setdefault(key, run["file_params_m"]) == run["file_params_m"]
    # One more 1×1 costs a stage of C channels C² + 2C weights: C = 8, 16, 32, one cell each.
    one = sum(c * c + 2 * c for c in (8, 16, 32)) / 1e6
    steps = [
        found[n1 + 1, n3] - params for (n1, n3), params in found.items() if (n1 + 1, n3) in found
    ]
    assert steps
    assert all(step == pytest.approx(one, abs=2e-6) for step in steps)


def test_training_learns_more_than_chance(
    runs: list[dict[str, Any]], started_client: TestClient
) -> None:
    page = get(
        started_client,
        "/cells",
        [
            *CONTEXT.items(),
            ("fields", "id,valid_accuracy@12of12,valid_accuracy@1of12"),
            ("space", "all"),
            ("source", "local-bundle"),
            ("min_metric", "valid_accuracy@12of12:0"),
            ("limit", "1000"),
        ],
    )
    assert page["total"] == len({run["cell"] for run in runs})
    learnt = [item["valid_accuracy@12of12"] for item in page["items"]]
    assert min(learnt) > 15  # chance is 10
    better = sum(i["valid_accuracy@12of12"] > i["valid_accuracy@1of12"] for i in page["items"])
    assert better > 0.95 * len(learnt)


def test_two_seeds_differ_less_than_cells_do(runs: list[dict[str, Any]]) -> None:
    seeds = Counter(run["seed"] for run in runs)
    assert set(seeds) == {FIRST_SEED, SECOND_SEED}


def test_its_page_counts_it_right(runs: list[dict[str, Any]]) -> None:
    text = (ROOT / "docs" / "bundle.md").read_text()
    found = re.search(r"holds (\d+) of (\d+) trainings", text)
    assert found is not None
    assert (int(found[1]), int(found[2])) == (len(runs), 474)


def test_jobs_and_parts_of_studies_name_cells_as_their_pages_do(
    started_client: TestClient,
) -> None:
    jobs = get(started_client, "/jobs", {"limit": 1000})["items"]
    studies = get(started_client, "/studies")["items"]
    parts = [
        part for study in studies for part in get(started_client, study["links"]["self"])["parts"]
    ]
    for named in (jobs, parts):
        names = {one["cell"]: one["name"] for one in named}
        assert {"NASNet-A", "DARTS-V2", None} <= set(names.values())
        for cell, name in names.items():
            assert name == get(started_client, f"/cells/{cell}")["name"]


def test_studies_are_of_the_cells_that_their_names_mean(started_client: TestClient) -> None:
    """A name may have come to mean another cell since a study was made."""
    studies = get(started_client, "/studies")["items"]
    assert studies
    for study in studies:
        parts = get(started_client, study["links"]["self"])["parts"]
        named = {parse_cell(cell).id for cell in study["settings"]["cells"]}
        assert {part["original"] for part in parts} == named, study["id"]
