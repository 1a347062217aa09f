"""Answers of many rows: paged as they are read, and as data frames that hold what the JSON says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from analysis.client import Client, ClientError, Table


class Counting(httpx2.BaseTransport):
    """Passes calls on and keeps their addresses."""

    def __init__(self, transport: httpx2.BaseTransport) -> None:
        self._transport = transport
        self.asked: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        return self._transport.handle_request(request)


@pytest.fixture
def calls(client: TestClient) -> Counting:
    return Counting(client._transport)


@pytest.fixture
def lab(calls: Counting) -> Client:
    return Client(transport=calls)


def test_nothing_is_asked_for_before_it_is_used(lab: Client, calls: Counting) -> None:
    found = lab.cells(min_width=3)
    assert "min_width=3" in repr(found)
    iter(found)
    assert calls.asked == []
    assert found.total == len(found) == 6144
    assert found.context["dataset"] == "cifar10"
    assert len(calls.asked) == 1


def test_pages_are_asked_for_as_they_are_reached(lab: Client, calls: Counting) -> None:
    found = lab.cells(min_width=3, fields="id")
    cells = iter(found)
    for _ in range(1000):
        next(cells)
    assert len(calls.asked) == 1
    next(cells)
    assert len(calls.asked) == 2
    assert len({cell["id"] for cell in found}) == 6144
    # The first page is kept; the others are asked for by whoever reads on.
    assert len(calls.asked) == 2 + 6


def test_a_limit_is_how_many_there_are(lab: Client) -> None:
    found = lab.cells(min_width=3, limit=7)
    assert found.total == 6144
    assert len(found) == len(list(found)) == len(found.to_pandas()) == 7
    assert len(lab.cells(cell=[6111, 284], limit=7)) == 2
    with pytest.raises(ClientError, match="limit"):
        len(lab.cells(limit=1001))


def test_what_is_empty_is_false(lab: Client) -> None:
    assert lab.cells(width=3)
    assert not lab.cells(width=4)
    assert list(lab.cells(width=4)) == []
    assert lab.cells(width=4).to_pandas().columns.tolist()[:2] == ["id", "arch"]
    assert not lab.jobs(state="running")
    assert [job["id"] for job in lab.jobs(state=["running", "cancelled"])] == [1]


def test_what_the_server_does_not_count_has_no_length() -> None:
    page = {"items": [{"id": 2}], "next": "http://lab/jobs?before=2"}
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, json=page))
    with pytest.raises(TypeError, match="count while iterating"):
        len(Client(transport=other).jobs())


@pytest.mark.parametrize(
    ("keywords", "parameters"),
    [
        ({"min_width": 3, "max_params_m": 0.5}, "min_width=3&max_params_m=0.5"),
        ({"connected": True}, "connected=true"),
        ({"connected": np.bool_(False)}, "connected=false"),
        ({"cell": [284, "ENAS"]}, "cell=284&cell=ENAS"),
        ({"cell": np.array([284, 6111])}, "cell=284&cell=6111"),
        ({"cell": pd.Series(["nb201-000284"])}, "cell=nb201-000284"),
        ({"cell": (str(index) for index in (1, 2))}, "cell=1&cell=2"),
        (
            {"min_metric": {"valid_accuracy@final": 90, "valid_accuracy@200of200": 90.5}},
            "min_metric=valid_accuracy@final:90&min_metric=valid_accuracy@200of200:90.5",
        ),
        ({"min_metric": "valid_accuracy@final:90"}, "min_metric=valid_accuracy@final:90"),
        ({"op_03": "skip_connect", "space": None}, "op_03=skip_connect"),
    ],
)
def test_keywords_are_parameters(lab: Client, keywords: dict[str, Any], parameters: str) -> None:
    found = lab.cells(**keywords)
    assert httpx2.URL(found.url).params == httpx2.QueryParams(parameters)
    answer = lab.get(f"/cells?{parameters}")
    assert found.total == answer["total"]
    assert list(found)[0] == answer["items"][0]  # noqa: RUF015  (that it can be a list, too)


def test_an_address_is_that_of_the_same_call(lab: Client) -> None:
    found = lab.correlations(x=["width", "depth"], y="valid_accuracy@final", group_by="ops")
    assert lab.get(found.url.removeprefix(lab.url)) == found.answer


REFUSED: dict[str, Callable[[Client], Table[Any]]] = {
    "min_widht": lambda lab: lab.cells(min_widht=3),
    "min_width": lambda lab: lab.cells(min_width=float("nan")),
    "metric": lambda lab: lab.cells(metric="valid_accuracy@12of200"),
    "sort": lambda lab: lab.cells(sort="beauty"),
    "by": lambda lab: lab.groups(by="shoe_size"),
    "x": lambda lab: lab.correlations(x="with", y="valid_accuracy@final"),
    "y": lambda lab: lab.correlations_by_epoch(x="width", y="valid_acuracy"),
    "seed": lambda lab: lab.curves(284, seed=-1),
    "cell": lambda lab: lab.ranks("zzz"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("use", [list, Table.to_arrow, Table.to_polars])
def test_what_is_wrong_is_said_when_it_is_used(
    lab: Client, name: str, use: Callable[[Table[Any]], object]
) -> None:
    table = REFUSED[name](lab)
    with pytest.raises(ClientError, match=name) as refused:
        use(table)
    assert refused.value.status == 422
    assert [fault["name"] for fault in refused.value.errors] == [name]
    assert all(fault["problem"] and fault["allowed"] for fault in refused.value.errors)


EMPTY: dict[str, dict[str, Any]] = {
    "cell": {"cell": []},
    "connected": {"connected": pd.Series([], dtype=bool)},
    "op_03": {"op_03": iter(())},
    "min_metric": {"min_metric": {}},
    "metric": {"metric": np.array([])},
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_filter_is_no_filter_for_all(lab: Client, calls: Counting, name: str) -> None:
    for ask in (lab.cells, lab.runs):
        with pytest.raises(ValueError, match=f"^{name} is empty, which is sent as if not given"):
            ask(**EMPTY[name])
    with pytest.raises(ValueError, match="cell is empty"):
        lab.ranks([])
    assert calls.asked == []


@pytest.mark.parametrize("cell", [b"284", [b"284"], bytearray(b"284"), memoryview(b"284")])
def test_bytes_are_no_text(lab: Client, cell: Any) -> None:
    with pytest.raises(TypeError, match=r"^cell is (bytes|bytearray|memoryview), not text"):
        lab.cells(cell=cell)


def test_a_format_is_not_asked_for(lab: Client) -> None:
    with pytest.raises(ValueError, match="to_arrow, to_pandas or to_polars"):
        lab.cells(format="csv")


FLAT: dict[str, Callable[[Client], Table[Any]]] = {
    "cells": lambda lab: lab.cells(
        max_width=1, metric="valid_accuracy@final", fields="id,width,depth,params_m,official_index"
    ),
    "cells of both spaces": lambda lab: lab.cells(space="all", fields="id,name,width,reduce_depth"),
    "no cells": lambda lab: lab.cells(width=4),
    "runs": lambda lab: lab.runs(cell=[284, 6111]),
    "correlations": lambda lab: lab.correlations(
        x=["width", "depth"], y="valid_accuracy@final", width=3
    ),
}


NESTED = ("ci", "excluded", "reliability")


def told(value: Any) -> Any:
    """A value of a JSON answer as a row tells it: what is nested as JSON text."""
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


@pytest.mark.parametrize("name", FLAT)
def test_a_table_holds_what_the_items_say(lab: Client, name: str) -> None:
    table = FLAT[name](lab)
    # A reason that one item has is a column of all.
    heads = list(dict.fromkeys(key for item in table for key in item))
    items = [{key: told(item.get(key)) for key in heads} for item in table]
    arrow = table.to_arrow()
    rows = [
        {
            key: json.dumps(json.loads(value)) if key in NESTED and value else value
            for key, value in row.items()
        }
        for row in arrow.to_pylist()
    ]
    assert rows == items


@pytest.mark.parametrize("name", FLAT)
def test_frames_are_that_table(lab: Client, name: str) -> None:
    table = FLAT[name](lab)
    arrow = table.to_arrow()
    assert table.to_polars().to_arrow().to_pylist() == arrow.to_pylist()
    frame = table.to_pandas()
    assert frame.columns.tolist() == arrow.column_names
    for field in arrow.schema:
        expected, found = arrow[field.name].to_pylist(), frame[field.name]
        if field.type == pa.int64():
            assert found.dtype == "Int64"
        if field.type == pa.float64():
            assert found.dtype == "float64"
        assert [None if pd.isna(value) else value for value in found] == expected


def test_columns_are_of_the_types_that_the_server_tells(lab: Client) -> None:
    types = {"integer": pa.int64(), "number": pa.float64()}
    told = {column["name"]: types[column["type"]] for column in lab.columns()["columns"]}
    schema = lab.cells(fields=list(told), limit=1).to_arrow().schema
    assert dict(zip(schema.names, schema.types, strict=True)) == told
    assert set(told.values()) == set(types.values())


def test_a_column_has_its_type_whatever_is_missing(lab: Client) -> None:
    fields = ["id", "width", "depth"]
    some = lab.cells(cell=[10, 284], fields=fields, sort="depth")
    none = lab.cells(cell=[10], fields=fields)
    for table in (some, none):
        assert table.to_pandas().dtypes.astype(str).tolist()[1:] == ["float64", "Int64"]
        assert [str(kind) for kind in table.to_polars().dtypes] == ["String", "Float64", "Int64"]
    assert some.to_pandas()["depth"].tolist() == [2, pd.NA]


def test_a_frame_of_curves_has_a_row_an_epoch(started_client: TestClient) -> None:
    lab = Client(transport=started_client._transport)
    held = lab.runs(source="local-bundle", limit=1).to_pandas()["cell"][0]
    context = {"dataset": "cifar10-valid", "recipe": "proxy", "images": "jpeg"}
    table = lab.curves(held, metric=["valid_accuracy", "train_loss"], seed="all", **context)
    curves = list(table)
    assert len(curves) >= 2
    assert table.to_polars().select("metric", "seed", "epoch", "value").rows() == [
        (curve["metric"], curve["seed"], epoch, value)
        for curve in curves
        for epoch, value in zip(curve["epochs"], curve["values"], strict=True)
    ]


def test_curves_of_whatever_names_cells(lab: Client) -> None:
    """One, or several, as they come out of a list, a generator or a data frame."""
    several: list[tuple[Any, list[str]]] = [
        (284, ["nb201-000284"]),
        (np.int64(284), ["nb201-000284"]),
        ((cell for cell in ("6111", 284)), ["nb201-006111", "nb201-000284"]),
        (np.array([6111, 284]), ["nb201-006111", "nb201-000284"]),
    ]
    for named, cells in several:
        table = lab.curves(named, dataset="cifar100")
        assert [curve["cell"] for curve in table] == cells
        assert table.to_pandas()["cell"].tolist() == cells


def test_a_frame_of_ranks_has_a_row_a_column(lab: Client) -> None:
    table = lab.ranks(["DARTS-V2", 6111], metric="valid_accuracy@final")
    assert table.to_polars().select("id", "column", "rank").rows() == [
        (cell["id"], column, rank["rank"])
        for cell in table
        for column, rank in cell["ranks"].items()
    ]


def test_a_frame_of_groups_has_a_row_a_group(lab: Client) -> None:
    table = lab.groups(by="width", metric="valid_accuracy@final")
    assert table.to_polars().select("width", "valid_accuracy@final:best").rows() == [
        (group["width"], group["metrics"]["valid_accuracy@final"]["best"]) for group in table
    ]
    assert set(table.answer["explained"]) == {"valid_accuracy@final"}


def test_results_of_a_study_are_rows(started_client: TestClient) -> None:
    lab = Client(transport=started_client._transport)
    study = next(one for one in lab.studies() if one["kind"] == "smoothness")
    rows = lab.study_rows(study)
    csv = lab.text(f"/studies/{study['id']}", [("format", "csv")])
    assert rows.to_arrow().num_rows == csv.count("\n") - 1
    assert set(rows.to_pandas()["cell"]) <= {part["cell"] for part in lab.study(study)["parts"]}


@pytest.mark.parametrize(
    ("module", "turn", "said"),
    [
        ("pyarrow", Table.to_arrow, r"pip install 'cellwise\[arrow\]'"),
        ("pyarrow", Table.to_pandas, r"pip install 'cellwise\[pandas\]'"),
        ("pandas", Table.to_pandas, r"pip install 'cellwise\[pandas\]'"),
        ("polars", Table.to_polars, r"pip install 'cellwise\[polars\]'"),
    ],
)
def test_what_is_missing_is_named(
    lab: Client,
    module: str,
    turn: Callable[[Table[Any]], object],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"{module} is not installed: {said}"):
        turn(lab.cells())


def test_an_answer_in_another_format_is_noticed() -> None:
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"items": []}))
    with pytest.raises(ClientError, match=r"is application/json, not application/vnd\.apache"):
        Client(transport=other).cells().to_arrow()


@pytest.mark.parametrize("turn", [Table.to_arrow, Table.to_pandas, Table.to_polars])
def test_a_table_that_was_cut_off_is_an_error(
    lab: Client, turn: Callable[[Table[Any]], object]
) -> None:
    kind = "application/vnd.apache.arrow.stream"
    whole = lab.content("/cells", [("limit", "5"), ("format", "arrow")], kind)
    for content in (b"", b"nothing of that kind", whole[:500], whole[: len(whole) // 2]):
        answer = httpx2.Response(200, content=content, headers={"content-type": kind})
        cut = Client(transport=httpx2.MockTransport(lambda _, answer=answer: answer))
        with pytest.raises(ClientError, match=r"^GET /cells: the table that came can't be read"):
            turn(cut.cells())
