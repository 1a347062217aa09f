"""Studies over HTTP: what is queued, what is told while it runs, and what comes of it."""

from __future__ import annotations

import io
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from analysis.cells import parse_cell
from analysis.spaces.variants import variants
from data.library import Library
from service.api import schemas_studies
from service.jobs.results import LOCAL
from service.studies.kinds import KINDS
from tests.service.helpers import get
from tests.service.jobs.staged import EPOCHS
from tests.service.lab import Lab
from tests.store.sources import run

CONVERGENCE: dict[str, Any] = {
    "kind": "variants",
    "cells": ["6111"],
    "dataset": "digits",
    "recipe": "proxy",
}


def test_a_study_is_queued_once(lab: Lab) -> None:
    first = lab.post(**CONVERGENCE, count=3, seeds=[1, 2])
    schemas_studies.StudyOf.model_validate(first)
    assert (first["id"], first["state"]) == (1, "queued")
    assert first["progress"] == {"ended": 0, "parts": (1 + 3 + 3) * 2}
    jobs = get(lab.client, "/jobs")["counts"]
    again = lab.post(**CONVERGENCE, count=3, seeds=[1, 2])
    assert again["id"] == 1
    assert get(lab.client, "/jobs")["counts"] == jobs
    assert lab.post(**CONVERGENCE, count=4, seeds=[1, 2])["id"] == 2
    page = get(lab.client, "/studies?limit=1")
    schemas_studies.StudyPage.model_validate(page)
    assert [item["id"] for item in page["items"]] == [2]
    assert [item["id"] for item in get(lab.client, page["next"])["items"]] == [1]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("proxy@precision=float32", "proxy"),
        ("proxy@decay=batch", "proxy"),
        ("proxy@lr=0.5@batch=32", "proxy@batch=32@lr=0.5"),
    ],
)
def test_it_is_called_what_its_trainings_are(asked: str, name: str, lab: Lab) -> None:
    """However that was written: it is one study."""
    assert lab.post(**CONVERGENCE | {"recipe": asked}, variants=[])["id"] == 1
    assert lab.study()["settings"]["recipe"] == lab.study()["parts"][0]["recipe"] == name
    assert lab.post(**CONVERGENCE | {"recipe": name}, variants=[])["id"] == 1


def test_its_variants_are_those_that_the_api_draws(lab: Lab) -> None:
    lab.post(**CONVERGENCE, count=3, draw=5)
    cell = parse_cell("6111")
    for kind in ("random-connections", "random-operations"):
        drawn = [item["id"] for item in get(lab.client, "/variants", {"cell": "6111", "kind": kind, "count": 3, "seed": 5})["items"]]  # fmt: skip  # noqa: E501
        assert drawn == [one.id for one in variants(cell, kind, 3, 5)]
        parts = [part["cell"] for part in lab.study()["parts"] if part["role"] == kind]
        assert parts == drawn


def test_a_landscape_is_told_row_by_row(lab: Lab) -> None:
    """A bowl of known curvature: loss 1 + 3x² + y²."""
    axis = [-1, -0.5, 0, 0.5, 1]

    def rows(assignment: Any) -> list[dict[str, Any]]:
        return [
            {"epoch": EPOCHS, "set": "ori-test", "images": 9, "row": row, "y": y,
             "loss": [1 + 3 * x * x + y * y for x in axis], "accuracy": [50.0] * 5}
            for row, y in enumerate(axis)
        ]  # fmt: skip

    lab.post(kind="landscape", cells=["6111", "284"], dataset="digits", recipe="proxy", points=5)
    lab.queue.step()
    folder = lab.executor.started[0]
    folder.append_measured({"number": 1, "of": 5, **rows(None)[0]})
    lab.queue.step()
    begun = lab.study()["results"]["cells"]
    assert [(row["rows_left"], row["summary"]) for row in begun] == [(4, None), (5, None)]
    folder.measured_file.unlink()
    lab.queue._running[1].measured_offset = 0
    lab.work(measured=rows)
    study = lab.study()
    assert study["state"] == "done"
    for row in study["results"]["cells"]:
        assert row["axis"] == axis
        assert (row["set"], row["images"], row["rows_left"]) == ("ori-test", 9, 0)
        assert row["summary"]["curvature"] == pytest.approx([2, 6])
        assert row["figures"]["mean_curvature"] == pytest.approx(4)
        assert row["figures"]["convex_share"] == 1
    table = pq.read_table(io.BytesIO(lab.client.get("/studies/1?format=parquet").content))
    assert table.num_rows == 2 * 25
    for point in table.to_pylist():
        assert point["loss"] == pytest.approx(1 + 3 * point["x"] ** 2 + point["y"] ** 2)


def test_gradient_variance_and_smoothness_are_told_by_epoch_and_block(lab: Lab) -> None:
    about = {"set": "train", "images": 9}

    def variance(assignment: Any) -> list[dict[str, Any]]:
        group = {"variance": 1.5, "squared_mean": 0.5}
        lines: list[dict[str, Any]] = [
            {
                **about,
                "epoch": e,
                "variance": 3.0 + e,
                "squared_mean": 1.0,
                "groups": {"stem": group},
            }
            for e in range(EPOCHS + 1)
        ]
        plane = {"variance": [1.0, 2.0, 6.0], "squared_mean": [0.0] * 3}
        return lines + [
            {**about, "epoch": EPOCHS, "row": r, "y": r - 1.0, **plane} for r in range(3)
        ]

    body: dict[str, Any] = {"cells": ["6111"], "dataset": "digits", "recipe": "proxy"}
    lab.post(**body, kind="gradient-variance", plane=3)
    lab.work(measured=variance)
    (row,) = lab.study()["results"]["cells"]
    assert [one["epoch"] for one in row["epochs"]] == list(range(EPOCHS + 1))
    assert (row["figures"]["variance@0"], row["figures"]["plane_mean"]) == (3.0, 3.0)

    def blocks(assignment: Any) -> list[dict[str, Any]]:
        found = {"residual": 1e-6, "products": 12, "converged": True, "parameters": 44}
        values = {"stem": 2.0, "network": -8.0}
        return [
            {**about, "epoch": EPOCHS, "group": name, "eigenvalue": value, **found}
            for name, value in values.items()
        ]

    lab.post(**body, kind="smoothness")
    lab.work(measured=blocks)
    (row,) = lab.study(2)["results"]["cells"]
    assert [block["group"] for block in row["blocks"]] == ["stem", "network"]
    assert row["figures"] == {f"network@{EPOCHS}": 8.0}  # largest in magnitude
    for number_, rows in ((1, (EPOCHS + 1) * 2 + 9), (2, 2)):
        text = lab.client.get(f"/studies/{number_}?format=csv").text
        assert len(text.splitlines()) == 1 + rows


def test_parts_tell_the_run_that_they_ended_in(lab: Lab, fresh: Library) -> None:
    """Of a measurement, which trains where nothing is known yet, as of a training."""
    lab.post(kind="landscape", cells=["6111"], dataset="digits", recipe="proxy", points=3)
    lab.post(kind="variants", cells=["284"], dataset="digits", recipe="proxy", variants=[])
    studies = (1, 2)
    assert [lab.study(number)["parts"][0]["run"] for number in studies] == [None, None]
    lab.work()
    for number, cell in zip(studies, (6111, 284), strict=True):
        (part,) = lab.study(number)["parts"]
        assert part["run"] == get(lab.client, part["job"])["run"]
        assert get(lab.client, part["run"])["cell"] == f"nb201-{cell:06}"
    fresh.remove_source("local")
    assert [lab.study(number)["parts"][0]["run"] for number in studies] == [None, None]


def test_a_study_is_cancelled_and_goes_on(lab: Lab) -> None:
    lab.post(**CONVERGENCE, count=2)
    lab.queue.step()
    answer = lab.client.delete("/studies/1")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert get(lab.client, "/jobs")["counts"]["cancelled"] >= 5
    answer = lab.client.post("/studies/1/resume")
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    lab.executor.started.clear()
    lab.work()
    assert lab.study()["state"] == "done"
    assert lab.client.post("/studies/1/resume").json()["state"] == "done"
    assert lab.post(200, **CONVERGENCE, count=2)["state"] == "done"


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"kind": "landscap"}, "kind", "did you mean landscape?"),
        ({"kind": 3}, "kind", "unknown kind"),
        ({"kind": None}, "kind", "unknown kind"),
        ({"cells": ["zzz"]}, "cells", "not a cell"),
        ({"cells": []}, "cells", "at least 1"),
        ({"dataset": "digit"}, "dataset", "unknown data set"),
        ({"recipe": "prox"}, "recipe", "no recipe"),
        ({"recipe": "proxy@lr=x"}, "recipe", "no learning rate"),
        ({"recipe": "proxy@lr=nan"}, "recipe", "learning_rate"),
        (
            {"recipe": "proxy@lr=0.1", "learning_rates": [0.2]},
            "learning_rates",
            "names its learning rate",
        ),
        ({"dataset": "cifar100"}, "dataset", "not on this machine"),
        ({"kind": "landscape", "points": 4}, "points", "even number"),
        ({"kind": "landscape", "pointz": 5}, "pointz", "did you mean points?"),
        ({"kind": "gradient-variance", "batches": 17}, "batches", "1,079 at most"),
        ({"learning_rates": [0]}, "learning_rates.0", "greater than 0"),
        ({"variants": ["none"]}, "variants.0", "random-connections"),
        ({"seeds": list(range(1000)), "count": 1000}, "cells", "too many trainings"),
        (
            {"kind": "generalisation", "datasets": ["digits"], "dataset": None},
            "dataset",
            "unknown field",
        ),
    ],
)
def test_what_can_t_be_taken_is_refused_with_nothing_queued(
    client: TestClient, change: dict[str, Any], name: str, said: str
) -> None:
    before = get(client, "/jobs")["counts"], get(client, "/studies")
    answer = client.post("/studies", json=CONVERGENCE | change)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    (error,) = [one for one in problem["errors"] if one["name"] == name]
    assert said in error["problem"] + error["allowed"]
    assert (get(client, "/jobs")["counts"], get(client, "/studies")) == before


def test_cells_that_have_no_other_form_are_refused(client: TestClient) -> None:
    body = {"kind": "generalisation", "datasets": ["digits"], "recipe": "proxy"}
    answer = client.post("/studies", json=body | {"cells": ["SNAS-mild-adapted"]})
    assert answer.status_code == 422
    assert "is itself adapted" in answer.json()["detail"]


def test_a_training_that_another_study_did_meanwhile_is_taken_as_it_is(
    lab: Lab, fresh: Library
) -> None:
    """It waited behind a measurement that trains the same; its curve is that of the run."""
    body: dict[str, Any] = {"cells": ["6111"], "dataset": "digits", "recipe": "proxy"}
    plain = body | {"kind": "variants", "variants": [], "epoch": 4}
    del lab.queue.slots[1:]
    lab.post(**body, kind="gradient-variance")
    lab.post(**plain)
    lab.work(lambda _: 1.5)
    study = lab.study(2)
    assert study["state"] == "done"
    assert [(part["job"], part["state"], part["epochs"]) for part in study["parts"]] == [
        ("/jobs/2", "done", EPOCHS)
    ]
    assert lab.executor.numbers == [1]
    (row,) = study["results"][0]["cells"]
    told = [row["measures"][name]["mean"] for name in ("accuracy@4", "accuracy@final")]
    assert told == [33 + 1.5, 41 + 1.5]
    fresh.remove_source("local")
    (part,) = lab.study(2)["parts"]
    assert (part["state"], "was removed" in part["error"]) == ("failed", True)
    lab.post(**plain)
    lab.work()
    assert lab.study(2)["state"] == "done"


@pytest.mark.parametrize("call", ["/studies/9", "/studies/9?format=csv"])
def test_there_is_no_such_study(client: TestClient, call: str) -> None:
    answer = client.get(call)
    assert (answer.status_code, answer.json()["title"]) == (404, "Nothing is here")
    for method, path in (("DELETE", "/studies/9"), ("POST", "/studies/9/resume")):
        assert client.request(method, path).status_code == 404


def test_the_contract_s_kinds_are_there() -> None:
    assert KINDS.keys() >= {"landscape", "gradient-variance", "smoothness", "variants", "lr-robustness"}  # fmt: skip  # noqa: E501


def test_a_run_that_was_there_is_part_of_a_study(lab: Lab, fresh: Library) -> None:
    """A table's own trainings need no images."""
    imported = run(284, {epoch: 50.0 + epoch for epoch in range(1, 13)}, dataset="cifar100")
    fresh.add_run(imported, source=LOCAL)
    body: dict[str, Any] = {
        "kind": "variants",
        "cells": ["284"],
        "dataset": "cifar100",
        "recipe": imported.recipe,
    }
    study = lab.post(200, **body, variants=[], seeds=[imported.seed])
    assert study["state"] == "done"
    (part,) = lab.study()["parts"]
    assert part["job"] is None
    (result,) = lab.study()["results"]
    assert result["cells"][0]["measures"]["accuracy@final"]["mean"] == 62.0
    # With another seed there is something to train, and then there must be images.
    answer = lab.client.post("/studies", json=body | {"variants": [], "seeds": [1]})
    assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, "dataset")
    fresh.remove_source("local")
    (part,) = lab.study()["parts"]
    assert (part["state"], "was removed" in part["error"]) == ("failed", True)
    assert get(lab.client, "/studies")["items"][0]["state"] == "failed"
