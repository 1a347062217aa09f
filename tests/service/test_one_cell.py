"""``GET /cells/{cell}``, its curves and its diagram."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from starlette.testclient import TestClient

from analysis.spaces import darts, published
from tests import raw
from tests.conftest import NATS_BENCH, need
from tests.service.helpers import get, is_problem, refused

STRING = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"
# Cell 284 with the edges inside each node's group in another order, and blanks.
PERMUTED = "|skip_connect~0|+|skip_connect~1|skip_connect~0| + |none~2|nor_conv_1x1~1|none~0|"

NORMAL = [("sep_conv_3x3", 1), ("skip_connect", 0), ("max_pool_3x3", 2), ("dil_conv_5x5", 0)]
REDUCE = [("avg_pool_3x3", 0), ("sep_conv_5x5", 1), ("skip_connect", 1), ("none", 2)]
UNKNOWN = (
    f"Genotype(normal={NORMAL}, normal_concat=range(2, 4), reduce={REDUCE}, "
    "reduce_concat=range(2, 4))"
)
UNKNOWN_JSON = json.dumps(
    {"normal": NORMAL, "normal_concat": [2, 3], "reduce": REDUCE, "reduce_concat": [2, 3]}
)


def path(cell: str) -> str:
    return f"/cells/{quote(cell, safe='')}"


@pytest.mark.parametrize(
    "name", ["nb201-000284", "284", "NB201-000284", STRING, PERMUTED, f" {STRING} "]
)
def test_every_name_of_a_nasbench201_cell(client: TestClient, name: str) -> None:
    body = get(client, path(name))
    assert body["id"] == "nb201-000284"
    assert body["arch"] == STRING == raw.strings()[284]
    assert body["columns"]["official_index"] == 284


@pytest.mark.parametrize("name", ["DARTS-V2", "darts-v2", "DARTS_V2"])
def test_every_name_of_a_published_cell(client: TestClient, name: str) -> None:
    body = get(client, path(name))
    assert (body["name"], body["space"]) == ("DARTS-V2", "darts")
    for form in (body["id"], body["arch"], darts.NAMED["DARTS-V2"].arch):
        assert get(client, path(form))["id"] == body["id"]


def test_values_of_cell_284(client: TestClient) -> None:
    """0→1 skip and 1→3 convolution are the only path: worked out by hand."""
    body = get(client, "/cells/284")
    columns = body["columns"]
    expected = {
        "width": 1, "depth": 2, "n_paths": 1, "mean_path": 2, "min_path": 2, "conv_depth": 1,
        "node_width": 1, "n_edges": 2, "effective_width": 1, "effective_depth": 1,
        "n_conv1x1": 1, "n_conv3x3": 0, "n_skip": 3, "n_pool": 0, "n_none": 2,
        "live_conv1x1": 1, "live_conv3x3": 0, "live_skip": 1, "live_pool": 0, "n_dead": 2,
        "reduce_width": None,
    }  # fmt: skip
    assert {name: columns[name] for name in expected} == expected
    assert columns["params_m"] == pytest.approx(0.073306 + 0.028)
    live = {(edge["source"], edge["target"]) for edge in body["edges"] if edge["live"]}
    assert live == {(0, 1), (1, 3)}
    assert len(body["edges"]) == 6
    assert body["connected"] is True
    assert [run["seed"] for run in body["runs"] if run["dataset"] == "cifar10-valid"] == [
        777,
        888,
        999,
    ]
    assert "train" not in body


def test_costs_are_those_of_the_data_set(client: TestClient) -> None:
    for dataset in ("cifar100", "imagenet16-120"):
        body = get(client, "/cells/284", {"dataset": dataset})
        spelled = {"cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}[dataset]
        params, flops = raw.costs(spelled)
        assert body["columns"]["params_m"] == pytest.approx(params[284])
        assert body["columns"]["flops_m"] == pytest.approx(flops[284])
        assert body["context"] == {"dataset": spelled}


def test_runs_and_what_each_recorded(client: TestClient) -> None:
    held = get(client, "/cells/6111")["runs"]
    found = {(run["dataset"], run["seed"]): run["recorded"][0]["last_value"] for run in held}
    stored = {"cifar10": "cifar10-valid"}
    expected = {
        (stored.get(dataset, dataset), seed): value
        for dataset in raw.FILES
        for seed, value in zip(raw.SEEDS, raw.accuracies(dataset)[6111], strict=False)
    }
    assert found == expected
    for run in held:
        assert [(entry["set"], entry["at"]) for entry in run["recorded"]] == [("x-valid", "200")]
        assert run["time_source"] == "derived"


def test_where_a_run_is_recorded_is_said_in_short(records_client: TestClient) -> None:
    """The epochs are those of the run's own document; official test accuracies are of a few."""
    seen = set()
    for run in get(records_client, "/cells/284")["runs"]:
        whole = get(records_client, f"/runs/{run['id']}")["recorded"]
        epochs = {(one["set"], one["measure"]): one["epochs"] for one in whole}
        assert len(run["recorded"]) == len(whole)
        for one in run["recorded"]:
            ends = [part.split("..") for part in one["at"].split(", ")]
            told = [n for part in ends for n in range(int(part[0]), int(part[-1]) + 1)]
            assert told == epochs[one["set"], one["measure"]]
            seen.add(one["at"])
    assert {"1..200", "1..12", "200"} <= seen


def test_links_lead_somewhere(client: TestClient) -> None:
    for cell in ("284", "DARTS-V2", UNKNOWN):
        links = get(client, path(cell))["links"]
        for name, link in links.items():
            assert client.get(link).status_code == 200, (name, link)


def test_classes_of_sameness(client: TestClient) -> None:
    body = get(client, "/cells/284")["sameness"]
    assert body["string"] == {"representative": "nb201-000284", "size": 1, "others": []}
    for described in body.values():
        assert len(described["others"]) == min(100, described["size"] - 1)
        assert "nb201-000284" not in described["others"]
    # Another cell of its class by live edges has the same live edges.
    other = get(client, f"/cells/{body['live']['others'][0]}")
    live = [(e["source"], e["target"], e["operation"]) for e in other["edges"] if e["live"]]
    assert live == [(0, 1, "skip_connect"), (1, 3, "nor_conv_1x1")]


def test_a_disconnected_cell(client: TestClient) -> None:
    index = int(np.flatnonzero(np.isnan(raw.columns()["width"]))[0])
    body = get(client, f"/cells/{index}")
    assert body["connected"] is False
    assert (body["columns"]["width"], body["columns"]["depth"]) == (None, None)
    assert not any(edge["live"] for edge in body["edges"])
    assert body["sameness"]["live"]["size"] == 341


@pytest.mark.parametrize("form", [UNKNOWN, UNKNOWN_JSON])
def test_an_unknown_genotype_is_computed_all_the_same(client: TestClient, form: str) -> None:
    body = get(client, path(form))
    assert body["runs"] == []
    assert body["name"] is None
    # Node 2 reads both inputs; node 3 reads node 2 and input 0: 1 + 1/2, and 2→3→output.
    assert (body["columns"]["width"], body["columns"]["depth"]) == (1.5, 3)
    train = body["train"]
    assert (train["method"], train["path"]) == ("POST", "/jobs")
    assert train["body"]["cells"] == [body["arch"]]
    assert get(client, path(body["arch"]))["id"] == body["id"]


def test_a_loaded_cell_without_runs_says_how_to_train_it(client: TestClient) -> None:
    body = get(client, "/cells/SNAS-mild", {"dataset": "cifar100"})
    assert body["runs"] == []
    assert body["train"]["body"]["cells"] == [body["id"]]
    assert body["train"]["body"]["dataset"] == "cifar100"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("|none~0|+|nope~0|none~1|+|none~0|none~1|none~2|", "nope"),
        ("|none~0|+|none~0|none~2|+|none~0|none~1|none~2|", "2|+"),
        (UNKNOWN.replace("dil_conv_5x5", "conv"), "'conv'"),
        (UNKNOWN_JSON.replace("dil_conv_5x5", "conv"), '"conv"'),
        (UNKNOWN_JSON.replace("normal_concat", "!"), '"!"'),
    ],
)
def test_a_malformed_cell_is_told_with_the_position(
    client: TestClient, text: str, wrong: str
) -> None:
    for tail in ("", "/curves", "/diagram.svg"):
        body = is_problem(client.get(path(text) + tail), 422)
        assert body["type"] == "/problems/malformed-cell"
        assert body["position"] == text.index(wrong), body


@pytest.mark.parametrize("text", ["foo", "15625", "-1", "99999999999999999999", "nb201-15625"])
def test_what_is_no_cell(client: TestClient, text: str) -> None:
    assert is_problem(client.get(path(text)), 422)["allowed"]


def test_a_genotype_can_t_be_told_from_its_hash(client: TestClient) -> None:
    body = is_problem(client.get("/cells/darts-0123456789ab"), 404)
    assert "give the genotype itself" in body["detail"]


def test_parameters_of_one_cell(client: TestClient) -> None:
    (error,) = refused(client, "/cells/284", {"datset": "cifar100"})
    assert (error["name"], error["allowed"]) == ("datset", "did you mean dataset?")
    (error,) = refused(client, "/cells/284/diagram.svg", {"dataset": "cifar100"})
    assert error["problem"] == "unknown parameter"


@pytest.mark.parametrize("cell", ["284", "0", "DARTS-V2", UNKNOWN])
def test_the_diagram_is_a_picture_of_the_cell(client: TestClient, cell: str) -> None:
    answer = client.get(path(cell) + "/diagram.svg")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/svg+xml")
    root = ET.fromstring(answer.text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    body = get(client, path(cell))
    for operation in {edge["operation"] for edge in body["edges"] if edge["live"]}:
        assert operation in answer.text
    others = {value for value in answer.text.split('"') if "://" in value}
    assert others <= {"http://www.w3.org/2000/svg"}, "nothing is fetched from elsewhere"


# Curves, on the real official records.


@pytest.fixture(scope="module")
def official() -> dict[int, Any]:
    """The records of the three cells, read by the official package."""
    import bz2
    import pickle

    found = {}
    for index in (0, 11, 284):
        file = need(NATS_BENCH) / f"{index:06d}.pickle.pbz2"
        found[index] = pickle.loads(bz2.decompress(file.read_bytes()))
    return found


def recorded(official: dict[int, Any], cell: int, schedule: int, dataset: str, name: str) -> Any:
    """Curves by seed, straight from the record: ``name`` is ``train`` or a key like ``x-valid``."""
    results = official[cell][str(schedule)]["all_results"]
    curves = {}
    for (held, seed), trial in results.items():
        if held != dataset:
            continue
        if name == "train":
            curves[seed] = [trial["train_acc1es"][epoch] for epoch in range(schedule)]
        elif name == "train-loss":
            curves[seed] = [trial["train_losses"][epoch] for epoch in range(schedule)]
        else:
            points = trial["eval_acc1es"]
            curves[seed] = [
                points[f"{name}@{epoch}"]
                for epoch in range(schedule)
                if f"{name}@{epoch}" in points
            ]
    return dict(sorted(curves.items()))


@pytest.mark.parametrize("cell", [0, 11, 284])
@pytest.mark.parametrize(
    ("dataset", "schedule", "metric", "stored", "name"),
    [
        ("cifar10", 200, "valid_accuracy", "cifar10-valid", "x-valid"),
        ("cifar10", 12, "valid_accuracy", "cifar10-valid", "x-valid"),
        ("cifar10", 200, "test_accuracy", "cifar10", "ori-test"),
        ("cifar10", 200, "train_accuracy", "cifar10", "train"),
        ("cifar10-valid", 200, "train_loss", "cifar10-valid", "train-loss"),
        ("cifar10-valid", 12, "test_accuracy", "cifar10-valid", "ori-test"),
        ("cifar100", 12, "test_accuracy", "cifar100", "x-test"),
        ("ImageNet16-120", 200, "valtest_accuracy", "ImageNet16-120", "ori-test"),
    ],
)
def test_curves_are_those_of_the_official_record(
    records_client: TestClient,
    official: dict[int, Any],
    cell: int,
    dataset: str,
    schedule: int,
    metric: str,
    stored: str,
    name: str,
) -> None:
    expected = recorded(official, cell, schedule, stored, name)
    asked = {"dataset": dataset, "schedule": schedule, "metric": metric}
    body = get(records_client, f"/cells/{cell}/curves", {**asked, "seed": "all"})
    found = {item["seed"]: item for item in body["items"]}
    assert list(found) == list(expected)
    for seed, values in expected.items():
        assert found[seed]["values"] == values
        assert found[seed]["epochs"] == list(range(1, schedule + 1))[-len(values) :]
        assert (found[seed]["dataset"], found[seed]["set"]) == (stored, name.split("-loss")[0])
        assert found[seed]["schedule"] == schedule
        assert found[seed]["source"] == "nasbench201"
    (mean,) = get(records_client, f"/cells/{cell}/curves", asked)["items"]
    table = np.array(list(expected.values()))
    np.testing.assert_allclose(mean["values"], table.mean(axis=0), rtol=1e-12)
    assert mean["n_seeds"] == [len(table)] * table.shape[1]
    assert mean["seed"] == "mean"
    if len(table) > 1:
        np.testing.assert_allclose(mean["std"], table.std(axis=0, ddof=1), rtol=1e-9)
    one = next(iter(expected))
    (single,) = get(records_client, f"/cells/{cell}/curves", {**asked, "seed": one})["items"]
    assert (single["seed"], single["values"]) == (one, expected[one])


def test_the_longest_schedule_by_default(records_client: TestClient) -> None:
    (item,) = get(records_client, "/cells/284/curves")["items"]
    assert (item["metric"], item["schedule"], len(item["epochs"])) == ("valid_accuracy", 200, 200)


def test_sources_of_a_curve_are_those_of_the_cell(records_client: TestClient) -> None:
    (item,) = get(records_client, "/cells/5/curves")["items"]
    assert item["source"] == "hpo-bench", "the official records hold other cells"
    assert item["epochs"] == [200]


def test_a_cell_without_the_curve_has_no_items(records_client: TestClient) -> None:
    for cell in ("5", "DARTS-V2", UNKNOWN):
        body = get(records_client, path(cell) + "/curves", {"metric": "train_loss"})
        assert body["items"] == []


def test_several_measures_at_once(records_client: TestClient) -> None:
    asked = {"metric": "valid_accuracy,train_loss", "dataset": "cifar10-valid"}
    body = get(records_client, "/cells/11/curves", asked)
    assert [item["metric"] for item in body["items"]] == ["valid_accuracy", "train_loss"]
    assert set(body["context"]["sets"]) == {"valid_accuracy", "train_loss"}


@pytest.mark.parametrize("seed", ["mean", "all", "777"])
def test_curves_of_several_cells_are_those_of_each(records_client: TestClient, seed: str) -> None:
    """In the order in which they are named, each once; what has no curve has no item."""
    asked = {"metric": "train_loss,valid_accuracy", "dataset": "cifar100", "seed": seed}
    cells = ("284", "11", "nb201-000284", "5", "DARTS-V2")
    body = get(records_client, "/curves", [*asked.items(), *(("cell", cell) for cell in cells)])
    each = [
        item
        for cell in ("284", "11", "5")
        for item in get(records_client, f"/cells/{cell}/curves", asked)["items"]
    ]
    assert body["items"] == each
    assert body["context"]["seed"] == (int(seed) if seed.isdigit() else seed)
    rows = records_client.get(
        "/curves", params=[*asked.items(), ("cell", "11"), ("cell", "284"), ("format", "csv")]
    ).text.splitlines()
    assert len(rows) - 1 == sum(len(item["epochs"]) for item in each if item["cell"][-3:] != "005")


def test_which_cells_have_no_curves(records_client: TestClient) -> None:
    (error,) = refused(records_client, "/curves", {"cell": "NASNet-B"})
    assert (error["name"], error["value"]) == ("cell", "NASNet-B")
    (error,) = refused(records_client, "/curves", {})
    assert (error["name"], error["problem"]) == ("cell", "missing")
    asked = {"cell": "284", "schedule": "50", "dataset": "cifar100"}
    (error,) = refused(records_client, "/curves", asked)
    assert (error["name"], error["value"]) == ("metric", "valid_accuracy")
    many = [("cell", str(index)) for index in range(1001)]
    (error,) = refused(records_client, "/curves", many)
    assert error["problem"] == "1,001 values"
    assert error["allowed"] == "at most 1000 values"


@pytest.mark.parametrize(
    ("parameters", "name", "hint"),
    [
        ({"metric": "valid_accuracy@final"}, "metric", "valid_accuracy"),
        ({"metric": "valtest_accuracy"}, "metric", "recorded for dataset=cifar10"),
        ({"schedule": "50"}, "metric", "valid_accuracy@{1..200}of200"),
        ({"schedule": "0"}, "schedule", "from 1"),
        ({"seed": "5"}, "seed", "777"),
        ({"seed": "some"}, "seed", "all"),
        ({"source": "none"}, "source", "hpo-bench"),
    ],
)
def test_curves_that_can_t_be_had(
    records_client: TestClient, parameters: dict[str, str], name: str, hint: str
) -> None:
    (error,) = refused(records_client, "/cells/284/curves", parameters)
    assert error["name"] == name
    assert hint in error["allowed"]


@pytest.mark.parametrize(
    ("cell", "kind", "parent"),
    [
        ("ENAS", "published", None),
        ("ENAS-adapted", "adapted", "ENAS"),
        ("SNAS-mild-conn3", "random-connections", "SNAS-mild"),
        ("DARTS-V2-ops10", "random-operations", "DARTS-V2"),
        ("P-DARTS", "elsewhere", None),
    ],
)
def test_what_is_known_of_a_cell_with_a_name(
    client: TestClient, cell: str, kind: str, parent: str | None
) -> None:
    known = get(client, f"/cells/{cell}")["known"]
    assert (known["kind"], known["parent"]) == (kind, parent)
    assert known["source"] == published.CELLS[cell].source
    assert get(client, "/cells/6111")["known"] is None
