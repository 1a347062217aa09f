"""Runs: lists with filters and pages, and single ones, against the raw pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from data.library import Library
from data.sources import recognise
from tests import raw
from tests.conftest import client_of
from tests.service.helpers import Parameters, get, is_problem, pairs, refused

RUNS = sum(len(values) for dataset in raw.FILES for values in raw.accuracies(dataset))


def whole(client: TestClient, parameters: Parameters = None) -> list[Any]:
    body = get(client, "/runs", [*pairs(parameters), ("limit", "1000")])
    found = body["items"]
    while body["next"]:
        body = get(client, body["next"])
        found += body["items"]
    assert len(found) == body["total"]
    return list(found)


def test_every_training_of_the_table(client: TestClient) -> None:
    body = get(client, "/runs")
    assert body["total"] == RUNS
    assert len(body["items"]) == 100


def test_pages_put_together(client: TestClient) -> None:
    asked = {"dataset": "cifar100", "max_official_index": 40, "seed": 888}
    found = whole(client, asked)
    assert [run["cell"] for run in found] == [f"nb201-{i:06d}" for i in range(41)]
    body = get(client, "/runs", {**asked, "limit": 7})
    paged = body["items"]
    while body["next"]:
        body = get(client, body["next"])
        assert len(body["items"]) <= 7
        paged += body["items"]
    assert paged == found


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({"dataset": "cifar10-valid"}, sum(map(len, raw.accuracies("cifar10")))),
        ({"dataset": "CIFAR100"}, sum(map(len, raw.accuracies("cifar100")))),
        ({"dataset": "cifar10"}, 0),
        ({"seed": 999, "dataset": "cifar100"}, 15_625 - 7456),
        ({"schedule": 200}, RUNS),
        ({"schedule": 12}, 0),
        ({"recipe": "nb201-200"}, RUNS),
        ({"recipe": "other"}, 0),
        ({"images": "original"}, RUNS),
        ({"source": "hpo-bench"}, RUNS),
        ({"connected": "false", "dataset": "cifar100", "seed": 777}, 341),
        ({"space": "darts"}, 0),
        ({"cell": "DARTS-V2"}, 0),
        ({"min_width": 3, "dataset": "cifar100", "seed": 777}, 6144),
    ],
)
def test_filters(client: TestClient, parameters: dict[str, Any], count: int) -> None:
    assert get(client, "/runs", {**parameters, "limit": 1})["total"] == count


def test_a_metric_filters_runs_by_their_cells(client: TestClient) -> None:
    asked = {"min_metric": "valid_accuracy@final:91.5", "dataset": "cifar10-valid", "seed": 777}
    found = {run["cell"] for run in whole(client, asked)}
    expected = {
        f"nb201-{i:06d}" for i, values in enumerate(raw.accuracies("cifar10")) if values[0] >= 91.5
    }
    assert found == expected
    assert expected


def test_one_run_in_full(client: TestClient) -> None:
    cell = raw.pickled("cifar10")[raw.key(raw.strings()[6111])]
    for place, seed in enumerate(raw.SEEDS):
        run = get(client, f"/runs/hpo-bench:nb201-006111:cifar10-valid:nb201-200:{seed}")
        assert (run["cell"], run["seed"], run["source"]) == ("nb201-006111", seed, "hpo-bench")
        assert (run["dataset"], run["schedule"]) == ("cifar10-valid", 200)
        assert run["recorded"] == [
            {
                "set": "x-valid",
                "measure": "accuracy",
                "epochs": [200],
                "values": [cell["val_acc"][place]],
            }
        ]
        assert run["time_source"] == "derived"
        assert run["train_time_s"] > 0
        assert get(client, run["links"]["self"])["id"] == run["id"]
        assert get(client, run["links"]["cell"])["id"] == "nb201-006111"


def test_every_listed_run_can_be_had(records_client: TestClient) -> None:
    for run in get(records_client, "/runs", {"source": "nasbench201"})["items"]:
        one = get(records_client, f"/runs/{quote(run['id'], safe='')}")
        assert {name: one[name] for name in run} == run
        assert one["recorded"]


def test_official_runs_hold_every_curve(records_client: TestClient) -> None:
    run = get(records_client, "/runs/nasbench201:nb201-000284:cifar10:nb201-200:777")
    held = {(entry["set"], entry["measure"]): entry for entry in run["recorded"]}
    assert held[("train", "accuracy")]["epochs"] == list(range(1, 201))
    # DOMAIN.md, section 3.
    assert held[("train", "accuracy")]["values"][-1] == pytest.approx(94.568, abs=5e-4)
    run = get(records_client, "/runs/nasbench201:nb201-000284:cifar10-valid:nb201-200:777")
    held = {(entry["set"], entry["measure"]): entry for entry in run["recorded"]}
    assert held[("ori-test", "accuracy")]["epochs"] == [200], "recorded at the end only"


def test_any_text_of_a_table_makes_an_id_that_works(fresh: Library, tmp_path: Path) -> None:
    """Slashes, question marks, percent signs, blanks and other scripts in names of replicates."""
    names = ["a/b", "a?b#c", "50%", "x y", "läuft", "..", "a:b", "+1"]
    table = tmp_path / "odd.csv"
    lines = ["cell,dataset,split,schedule,seed,replicate,epoch,value"]
    lines += [f"{i},cifar10,test,200,,{name},200,{50 + i}" for i, name in enumerate(names)]
    table.write_text("\n".join(lines) + "\n")
    fresh.import_source(recognise(table))
    client = client_of(fresh)
    found = get(client, "/runs")["items"]
    assert [run["replicate"] for run in found] == names
    for run in found:
        one = get(client, f"/runs/{quote(run['id'], safe='')}")
        assert one["id"] == run["id"]
        assert get(client, one["links"]["self"])["id"] == run["id"]


def test_an_unknown_run(client: TestClient) -> None:
    for name in ("x", "hpo-bench:nb201-006111:cifar10-valid:nb201-200:1", "a/b", "%00"):
        is_problem(client.get(f"/runs/{name}"), 404)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"dataset": "cifar"}, "dataset"),
        ({"source": "none"}, "source"),
        ({"seed": "mean"}, "seed"),
        ({"schedule": "0"}, "schedule"),
        ({"limit": "1001"}, "limit"),
        ({"cursor": "abc"}, "cursor"),
        ({"cursor": "cnVuIC01"}, "cursor"),
        ({"cell": "foo"}, "cell"),
        ({"min_metric": "test_loss@final:1"}, "min_metric"),
        ({"fields": "id"}, "fields"),
    ],
)
def test_what_can_t_be_listed(client: TestClient, parameters: dict[str, str], name: str) -> None:
    (error,) = refused(client, "/runs", parameters)
    assert error["name"] == name
