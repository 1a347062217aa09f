"""Columns, sources, health and the server's own measures."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from data.columns import COLUMNS, SAMENESS
from data.library import Library
from data.metrics import MEANINGS
from tests import raw
from tests.conftest import TABLES, client_of
from tests.service.helpers import get
from tests.service.test_runs import RUNS


def test_every_column_of_the_registry(client: TestClient) -> None:
    found = {column["name"]: column for column in get(client, "/columns")["columns"]}
    assert list(found) == list(COLUMNS)
    for column in found.values():
        for name in ("meaning", "unit", "origin", "type", "group"):
            assert column[name], (column["name"], name)
    for name, values in raw.columns().items():
        if name.startswith("reduce_"):
            continue
        low, high = found[name]["range"]
        assert low <= np.nanmin(values), name
        assert high >= np.nanmax(values), name


def test_the_contract_s_columns(client: TestClient) -> None:
    names = {column["name"] for column in get(client, "/columns")["columns"]}
    contract = """
        width depth node_width node_width_with_output conv_depth n_paths mean_path min_path
        effective_width effective_depth n_conv3x3 n_conv1x1 n_skip n_pool n_none n_edges params_m
        flops_m official_index reduce_width reduce_depth nominal_width nominal_depth live_conv3x3
        live_conv1x1 live_skip live_pool n_dead
    """
    assert names.issuperset(contract.split())


def test_every_measure_and_notion(client: TestClient) -> None:
    body = get(client, "/columns")
    assert [measure["name"] for measure in body["measures"]] == list(MEANINGS)
    assert {notion["name"] for notion in body["sameness"]} == set(SAMENESS)
    assert {grouping["name"] for grouping in body["groupings"]} == {"live_ops", "ops"}


def test_what_is_recorded_on_the_default_table(client: TestClient) -> None:
    """x-valid after 200 epochs, and nothing else; also under cifar10-valid's own name."""
    found = get(client, "/columns")["recorded"]
    shown = {(entry["dataset"], entry["stored_dataset"]): entry for entry in found}
    assert set(shown) == {
        ("cifar10", "cifar10-valid"),
        ("cifar10-valid", "cifar10-valid"),
        ("cifar100", "cifar100"),
        ("ImageNet16-120", "ImageNet16-120"),
    }
    for entry in shown.values():
        expected = {
            "measure": "valid_accuracy", "schedule": 200, "epochs": "200", "set": "x-valid",
            "seeds": [777, 888, 999], "recipe": "nb201-200", "images": "original",
            "sources": ["hpo-bench"], "cells": 15_625,
        }  # fmt: skip
        assert {name: entry[name] for name in expected} == expected


def test_what_is_recorded_can_be_asked(records_client: TestClient) -> None:
    """And what isn't listed can't: on the official records, every measure at every epoch."""
    found = get(records_client, "/columns")["recorded"]
    listed = {
        (entry["dataset"], f"{entry['measure']}of{entry['schedule']}"): entry for entry in found
    }
    assert len(listed) == len(found)
    for dataset in ("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120"):
        for measure in (name for name in MEANINGS if name.endswith(("_accuracy", "_loss"))):
            for schedule in (12, 200):
                entry = listed.get((dataset, f"{measure}of{schedule}"))
                for epoch in (1, schedule):
                    answer = records_client.get(
                        "/cells",
                        params={"fields": f"id,{measure}@{epoch}of{schedule}",
                                "dataset": dataset, "cell": "284"},
                    )  # fmt: skip
                    held = entry is not None and _within(epoch, entry["epochs"])
                    assert answer.status_code == (200 if held else 422), (dataset, measure, epoch)
                    if held:
                        (row,) = answer.json()["items"]
                        assert row[f"{measure}@{epoch}of{schedule}"] is not None


def _within(epoch: int, ranges: str) -> bool:
    bounds = [part.split("..") for part in ranges.split(", ")]
    return any(int(bound[0]) <= epoch <= int(bound[-1]) for bound in bounds)


def test_sources_of_the_default_table(client: TestClient) -> None:
    (source,) = get(client, "/sources")["items"]
    assert source["name"] == "hpo-bench"
    assert (source["cells"], source["runs"], source["points"]) == (15_625, RUNS, RUNS)
    assert "Apache-2.0" in source["licence"]
    assert any("inferred" in note for note in source["notes"])
    assert source["imported_at"].endswith("Z")
    assert datetime.fromisoformat(source["imported_at"]).tzinfo is not None
    assert len(source["checksum"]) == 64
    assert source["shipped"] is True


def test_the_checksum_of_a_file_is_its_sha256(tables_client: TestClient) -> None:
    for source in get(tables_client, "/sources")["items"]:
        assert source["shipped"] is False
        content = (TABLES / source["file"]).read_bytes()
        assert source["checksum"] == hashlib.sha256(content).hexdigest()


def test_the_official_source_is_first(records_client: TestClient) -> None:
    items = get(records_client, "/sources")["items"]
    assert [(item["name"], item["official"]) for item in items] == [
        ("nasbench201", True),
        ("hpo-bench", False),
    ]


def test_health(client: TestClient) -> None:
    body = get(client, "/health")
    assert body["status"] == "ok"
    assert (body["cells"], body["runs"], body["sources"]) == (raw.CELLS, RUNS, ["hpo-bench"])


def test_health_of_a_home_without_a_table(fresh: Library) -> None:
    client = client_of(fresh)
    assert get(client, "/health")["sources"] == []
    assert get(client, "/sources")["items"] == []
    assert get(client, "/columns")["recorded"] == []
    body = get(client, "/cells", {"min_width": 3})
    assert body["total"] == 6144
    assert "valid_accuracy@final" not in body["items"][0]
    answer = client.get("/cells?metric=valid_accuracy@final")
    assert answer.json()["errors"][0]["allowed"] == "recorded for dataset=cifar10: nothing"


def test_health_fails_with_the_database(tmp_path: Path) -> None:
    opened = Library.open(tmp_path)
    client = client_of(opened)
    opened.close()
    assert client.get("/health").status_code == 500


def samples(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def count(found: dict[Any, float], method: str, route: str, status: str) -> float:
    labels = (("method", method), ("route", route), ("status", status))
    return found.get(("cellwise_request_seconds_count", labels), 0)


def test_requests_are_counted_by_route(library: Library) -> None:
    client = client_of(library)
    for cell in ("1", "2", "foo"):
        client.get(f"/cells/{cell}")
    for path in ("/nowhere", "/nothing", "/cells/1/none"):
        client.get(path)
    for method in ("FOO", "BAR", "BREW"):
        client.request(method, "/cells")
    client.get("/cells?format=csv&limit=3")
    found = samples(client)
    assert count(found, "GET", "/cells/{cell}", "200") == 2
    assert count(found, "GET", "/cells/{cell}", "422") == 1
    assert count(found, "GET", "/cells", "200") == 1
    assert count(found, "GET", "none", "404") == 3
    assert count(found, "other", "/cells", "405") == 3
    routes = {dict(labels)["route"] for name, labels in found if name.endswith("seconds_count")}
    assert routes <= {"/cells/{cell}", "/cells", "none"}
    methods = {dict(labels)["method"] for name, labels in found if name.endswith("seconds_count")}
    assert methods == {"GET", "other"}


def test_sizes_of_the_data(client: TestClient) -> None:
    found = samples(client)
    assert found[("cellwise_cells", ())] == raw.CELLS
    assert found[("cellwise_runs", ())] == RUNS
    assert found[("cellwise_sources", ())] == 1
    assert found[("process_resident_memory_bytes", ())] > 0


@pytest.mark.parametrize("path", ["/health", "/sources", "/columns", "/metrics"])
def test_they_take_no_parameters(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"dataset": "cifar10"})
    assert answer.json()["errors"][0]["allowed"] == "no parameters here"
