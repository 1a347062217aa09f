"""Formats: the same rows as JSON, whichever way they were asked for."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx2
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from starlette.testclient import TestClient

from tests.service.helpers import get, refused, strict

TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
FILES = [form for form in TYPES if form != "json"]
VALID = "valid_accuracy@final"


def rows(answer: httpx2.Response, form: str) -> list[dict[str, Any]]:
    """The rows of a file, null as None; read by others' readers."""
    assert answer.status_code == 200, answer.text[:300]
    assert answer.headers["content-type"].partition(";")[0] == TYPES[form]
    assert answer.headers["content-disposition"].endswith(f'.{form}"')
    if form == "ndjson":
        return [json.loads(line) for line in answer.text.splitlines()]
    if form == "csv":
        table = csv.read_csv(
            io.BytesIO(answer.content),
            convert_options=csv.ConvertOptions(
                strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    elif form == "parquet":
        table = parquet.read_table(io.BytesIO(answer.content))
    else:
        with pa.ipc.open_stream(answer.content) as stream:
            table = stream.read_all()
    found: list[dict[str, Any]] = table.to_pylist()
    return found


CELLS = {
    "fields": f"id,arch,space,name,connected,width,effective_width,n_paths,params_m,{VALID}",
    "sort": "-effective_width,width",
    "space": "all",
    "max_width": "2",
}


@pytest.mark.parametrize("form", FILES)
def test_all_cells_in_every_format(client: TestClient, form: str) -> None:
    expected = []
    url = "/cells"
    parameters: dict[str, Any] = {**CELLS, "limit": 1000}
    while url:
        body = get(client, url, parameters)
        expected += body["items"]
        url, parameters = body["next"], {}
    assert len(expected) > 8192, "more than two batches"
    found = rows(client.get("/cells", params={**CELLS, "format": form}), form)
    assert found == expected
    assert list(found[0]) == list(expected[0])


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/runs", {"cell": "284"}),
        ("/correlations", {"x": "width,depth,reduce_width", "y": VALID}),
        ("/correlations/by-epoch", {"x": "width", "y": "valid_accuracy", "ci": "none"}),
        ("/correlations/contrasts", {"x": "width,depth", "y": VALID, "group_by": "live_ops"}),
    ],
)
def test_other_collections(
    client: TestClient, path: str, parameters: dict[str, str], form: str
) -> None:
    expected = get(client, path, parameters)["items"]
    found = rows(client.get(path, params={**parameters, "format": form}), form)
    assert len(found) == len(expected) > 0
    for row, wanted in zip(found, expected, strict=True):
        for name, value in wanted.items():
            shown = row.get(name)
            if isinstance(value, dict | list) and form != "ndjson":
                shown = json.loads(str(shown))  # nested values are JSON text in a flat table
            assert shown == value, (name, shown, value)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("seed", ["mean", "all", "777"])
def test_curves_are_one_row_an_epoch(records_client: TestClient, form: str, seed: str) -> None:
    asked = {"metric": "train_loss,valid_accuracy", "seed": seed}
    curves = get(records_client, "/cells/284/curves", asked)["items"]
    answer = records_client.get("/cells/284/curves", params={**asked, "format": form})
    found = rows(answer, form)
    assert len(found) == sum(len(curve["epochs"]) for curve in curves) >= 400
    expected = [
        (curve["metric"], curve["seed"], epoch, value)
        for curve in curves
        for epoch, value in zip(curve["epochs"], curve["values"], strict=True)
    ]
    assert [(r["metric"], r["seed"], r["epoch"], r["value"]) for r in found] == expected
    if seed == "mean":
        assert [r["n_seeds"] for r in found] == [n for c in curves for n in c["n_seeds"]]
        assert [r["std"] for r in found] == [std for c in curves for std in c["std"]]


@pytest.mark.parametrize("form", FILES)
def test_groups_are_flat(client: TestClient, form: str) -> None:
    expected = get(client, "/groups", {"by": "width,depth"})["items"]
    found = rows(client.get("/groups", params={"by": "width,depth", "format": form}), form)
    for row, wanted in zip(found, expected, strict=True):
        (metric,) = wanted["metrics"]
        assert (row["width"], row["depth"], row["cells"]) == (
            wanted["width"],
            wanted["depth"],
            wanted["cells"],
        )
        for name, value in wanted["metrics"][metric].items():
            assert row[f"{metric}:{name}"] == value


@pytest.mark.parametrize("form", FILES)
def test_ranks_are_one_row_a_column(client: TestClient, form: str) -> None:
    (wanted,) = get(client, "/ranks", {"cell": "6111", "metric": VALID})["items"]
    found = rows(
        client.get("/ranks", params={"cell": "6111", "metric": VALID, "format": form}), form
    )
    assert {row["column"] for row in found} == set(wanted["ranks"])
    for row in found:
        for name, value in wanted["ranks"][row["column"]].items():
            assert row[name] == value


@pytest.mark.parametrize("form", FILES)
def test_no_rows(client: TestClient, form: str) -> None:
    answer = client.get("/cells", params={"width": 2.25, "format": form})
    assert rows(answer, form) == []
    if form == "csv":
        assert answer.text.startswith('"id","arch"')


def test_pandas_reads_the_csv(client: TestClient) -> None:
    answer = client.get("/cells", params={"format": "csv", "fields": "id,width"})
    frame = pd.read_csv(io.StringIO(answer.text))
    assert len(frame) == 15_625
    assert frame["width"].isna().sum() == 341
    assert (frame["width"] >= 3).sum() == 6144


def test_types_of_columns(client: TestClient) -> None:
    answer = client.get("/cells", params={**CELLS, "format": "parquet"})
    schema = parquet.read_schema(io.BytesIO(answer.content))
    assert schema.field("width").type == pa.float64()
    assert schema.field("n_paths").type == pa.int64()
    assert schema.field("connected").type == pa.bool_()
    assert schema.field("name").type == pa.string()
    assert schema.field(f"{VALID}:n_seeds").type == pa.int64()


def test_a_limit_holds_in_every_format(client: TestClient) -> None:
    for form in FILES:
        answer = client.get("/cells", params={"limit": 7, "format": form})
        assert [row["id"] for row in rows(answer, form)] == [f"nb201-{i:06d}" for i in range(7)]


@pytest.mark.parametrize("form", TYPES)
def test_the_accept_header(client: TestClient, form: str) -> None:
    answer = client.get("/cells?limit=2", headers={"Accept": TYPES[form]})
    assert answer.headers["content-type"].partition(";")[0] == TYPES[form]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "json"),
        ("", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
        ("text/csv;q=0.1, application/json", "json"),
        ("application/json;q=0.2, text/csv;q=0.9", "csv"),
        ("TEXT/CSV", "csv"),
        ("text/csv;header=present", "csv"),
        ("text/csv;q=0, application/x-ndjson", "ndjson"),
        ("text/csv;q=0", "json"),
        ("text/csv;q=nonsense", "csv"),
        ("application/json, text/csv", "json"),
    ],
)
def test_what_accept_likes_best(client: TestClient, accept: str, form: str) -> None:
    answer = client.get("/cells?limit=2", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == TYPES[form]


def test_format_beats_accept(client: TestClient) -> None:
    answer = client.get("/cells?limit=2&format=json", headers={"Accept": "text/csv"})
    assert len(strict(answer)["items"]) == 2


@pytest.mark.parametrize("path", ["/cells", "/runs"])
def test_files_are_not_paged(client: TestClient, path: str) -> None:
    (error,) = refused(client, path, {"cursor": "x", "format": "csv"})
    assert error["name"] == "cursor"


def test_errors_are_problems_in_every_format(client: TestClient) -> None:
    for form in FILES:
        refused(client, "/cells", {"format": form, "min_widht": "3"})
