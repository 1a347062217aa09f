"""``GET /cells``: orders, pages, fields, and what it refuses."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient

from analysis.spaces.darts import NAMED
from data.library import Library
from data.sources import recognise
from tests import raw
from tests.conftest import NATS_BENCH, client_of, need
from tests.service.helpers import get, refused
from tests.service.test_cells import VALID, rows
from tests.store.sources import Made, run


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize(
    "name", ["width", "effective_width", VALID, "params_m", "id", "arch", "connected"]
)
def test_order_of_one_column(client: TestClient, name: str, falling: bool) -> None:
    """Null last in either direction, ties in the order of the cells."""
    sort = f"-{name}" if falling else name
    found = rows(
        client, {"sort": sort, "fields": f"official_index,{name}", "max_official_index": 2500}
    )
    by_index = sorted(found, key=lambda row: int(row["official_index"]))
    held = [row for row in by_index if row[name] is not None]
    missing = [row for row in by_index if row[name] is None]
    assert (
        found == sorted(held, key=lambda row: row[name], reverse=False) + missing
        if not falling
        else (found == _falling(held, name) + missing)
    )


def _falling(held: list[Any], name: str) -> list[Any]:
    levels = sorted({row[name] for row in held}, reverse=True)
    return [row for level in levels for row in held if row[name] == level]


@pytest.mark.parametrize("sort", ["name", "-name"])
def test_cells_without_a_name_come_last(client: TestClient, sort: str) -> None:
    body = get(
        client, "/cells", {"sort": sort, "space": "all", "fields": "name", "limit": len(NAMED) + 10}
    )
    names = [row["name"] for row in body["items"]]
    named = [name for name in names if name is not None]
    assert set(named) == set(NAMED)
    assert names == sorted(named, reverse=sort[0] == "-") + [None] * 10


def test_order_of_several_columns(client: TestClient) -> None:
    found = rows(
        client,
        {
            "sort": f"-width,depth,-{VALID}",
            "connected": "true",
            "fields": f"official_index,width,depth,{VALID}",
        },
    )
    means = raw.means("cifar10")
    columns = raw.columns()
    wanted = sorted(
        np.flatnonzero(~np.isnan(columns["width"])).tolist(),
        key=lambda i: (-columns["width"][i], columns["depth"][i], -means[i], i),
    )
    assert [row["official_index"] for row in found] == wanted


def test_the_same_values_in_another_order_of_seeds_tie(client: TestClient) -> None:
    """7943 and 9157 hold the same three values on cifar10."""
    seeds = raw.accuracies("cifar10")
    assert seeds[7943] != seeds[9157]
    assert sorted(seeds[7943]) == sorted(seeds[9157])
    found = get(client, "/cells", [("cell", "7943"), ("cell", "9157")])["items"]
    assert found[0][VALID] == found[1][VALID]


@pytest.mark.parametrize("page", [1, 7, 100])
def test_pages_put_together_are_the_whole(client: TestClient, page: int) -> None:
    parameters = {"max_official_index": 60 * page // 3, "sort": f"-width,{VALID}"}
    whole = rows(client, parameters)
    assert rows(client, parameters, page) == whole
    assert len({row["id"] for row in whole}) == len(whole)


def test_the_last_page_has_no_next(client: TestClient) -> None:
    body = get(client, "/cells", {"max_official_index": 9, "limit": 10})
    assert (len(body["items"]), body["total"], body["next"]) == (10, 10, None)
    body = get(client, "/cells", {"width": 2.25})
    assert (body["items"], body["total"], body["next"]) == ([], 0, None)


def test_next_keeps_every_parameter(client: TestClient) -> None:
    parameters = [
        ("min_metric", f"{VALID}:90"),
        ("min_metric", f"{VALID}:91"),
        ("limit", "3"),
        ("fields", "id,arch"),
        ("dataset", "CIFAR10"),
    ]
    body = get(client, "/cells", parameters)
    for name, value in parameters:
        assert value in httpx_params(body["next"]).get(name, [])


def httpx_params(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


@pytest.mark.parametrize(
    "change",
    [
        {"min_width": "2"},
        {"sort": "depth"},
        {"dataset": "cifar100"},
        {"seed": "777"},
        {"cursor": "bm9uc2Vuc2U="},
        {"cursor": "é"},
        {"cursor": "W10="},
        {"cursor": "MQ=="},
        {"cursor": "eyJhIjoxLCJiIjoyfQ=="},
    ],
)
def test_a_cursor_is_of_its_query_only(client: TestClient, change: dict[str, str]) -> None:
    body = get(client, "/cells", {"limit": 2})
    (cursor,) = httpx_params(body["next"])["cursor"]
    (error,) = refused(client, "/cells", {"cursor": cursor, **change})
    assert error["name"] == "cursor"


def test_pages_hold_when_a_table_is_imported_in_between(home: Path) -> None:
    with closing(Library.open(home)) as opened:
        _pages_hold(opened)


def _pages_hold(opened: Library) -> None:
    client = client_of(opened)
    parameters = {
        "max_official_index": 30,
        "sort": f"-{VALID}",
        "fields": "id",
        "source": "hpo-bench",
    }
    whole = [row["id"] for row in rows(client, parameters)]
    body = get(client, "/cells", {**parameters, "limit": 10})
    opened.import_source(recognise(need(NATS_BENCH)))
    found = body["items"]
    while body["next"]:
        body = get(client, body["next"])
        found += body["items"]
    assert [row["id"] for row in found] == whole


def test_a_cursor_ends_when_its_metric_means_something_else(fresh: Library, tmp_path: Path) -> None:
    """A longer schedule comes in between two pages: their order would not be one."""
    fresh.import_source(Made(tmp_path, [[run(index, {12: 50.0 + index}) for index in range(9)]]))
    client = client_of(fresh)
    parameters = {"sort": f"-{VALID}", "limit": 3, "fields": "id"}
    pages = [
        get(client, "/cells", parameters)["next"],
        get(client, "/cells", {"min_metric": f"{VALID}:1", "limit": 3})["next"],
        get(client, "/cells", {"sort": "-width", "limit": 3})["next"],
    ]
    runs = [run(index, {200: 50.0 - index}, schedule=200) for index in range(9)]
    fresh.import_source(Made(tmp_path, [runs], name="longer"))
    for following in pages[:2]:
        (error,) = refused(client, following)
        assert error["name"] == "cursor"
    assert len(get(client, pages[2])["items"]) == 3, "no metric decides on this order"


def test_default_fields(client: TestClient) -> None:
    (row,) = get(client, "/cells", {"cell": "284"})["items"]
    assert list(row) == [
        "id",
        "arch",
        "space",
        "width",
        "depth",
        "params_m",
        "flops_m",
        VALID,
        f"{VALID}:n_seeds",
        f"{VALID}:std",
    ]
    assert row["id"] == "nb201-000284"
    assert row[VALID] == pytest.approx(86.0467, abs=5e-5)


def test_fields_and_metrics_are_shown_once_in_the_asked_order(client: TestClient) -> None:
    asked = f"depth,{VALID}:std,id,{VALID},depth"
    (row,) = get(client, "/cells", {"cell": "284", "fields": asked, "metric": VALID})["items"]
    assert list(row) == ["depth", f"{VALID}:std", "id", VALID, f"{VALID}:n_seeds"]


def test_the_context_names_every_metric_that_was_read(client: TestClient) -> None:
    """Also those that only filter, sort or tell a spread."""
    body = get(
        client,
        "/cells",
        {
            "fields": f"id,{VALID}:std",
            "limit": 1,
            "dataset": "cifar100",
            "sort": "-valid_accuracy@200of200",
            "min_metric": "valid_accuracy@final:n_seeds:3",
        },
    )
    assert set(body["context"]["sets"]) == {
        f"{VALID}:std",
        "valid_accuracy@200of200",
        f"{VALID}:n_seeds",
    }
    assert body["context"]["dataset"] == "cifar100"
    assert body["total"] == sum(len(values) >= 3 for values in raw.accuracies("cifar100"))


@pytest.mark.parametrize(
    ("parameters", "name", "hint"),
    [
        ({"min_widht": "3"}, "min_widht", "min_width"),
        ({"min_width": "wide"}, "min_width", "number"),
        ({"min_width": "nan"}, "min_width", "finite"),
        ({"max_depth": "-inf"}, "max_depth", "finite"),
        ({"width": ""}, "width", "number"),
        ({"op_03": "conv"}, "op_03", "skip_connect"),
        ({"op_30": "none"}, "op_30", "op_03"),
        ({"unique": "yes"}, "unique", "official"),
        ({"space": "nb101"}, "space", "darts"),
        ({"fields": "widht"}, "fields", "width"),
        ({"sort": "-dept"}, "sort", "depth"),
        ({"sort": ","}, "sort", ""),
        ({"fields": " , "}, "fields", ""),
        ({"metric": "valid_acc@final"}, "metric", "valid_accuracy"),
        ({"metric": "valid_accuracy@13of12"}, "metric", "1 to 12"),
        ({"metric": "valid_accuracy@0of12"}, "metric", "1 to 12"),
        ({"metric": "epochs_to_101of200"}, "metric", "100"),
        ({"min_metric": VALID}, "min_metric", ":70"),
        ({"min_metric": f"{VALID}:nan"}, "min_metric", ":70"),
        ({"min_metric": "valid_accuracy@12of12:3"}, "min_metric", "valid_accuracy@{200}of200"),
        ({"max_metric": "test_loss@final:3"}, "max_metric", "valid_accuracy@{200}of200"),
        ({"cell": "99999"}, "cell", "15624"),
        ({"cell": "|none~0|+|nope~0|none~1|+|none~0|none~1|none~2|"}, "cell", "skip_connect"),
        ({"cell": "darts-000000000000"}, "cell", ""),
        ({"dataset": "cifar"}, "dataset", "cifar10"),
        ({"source": "hpo"}, "source", "hpo-bench"),
        ({"recipe": "mine"}, "fields", "recorded for dataset=cifar10, recipe=mine: nothing"),
        ({"images": "small"}, "fields", "nothing"),
        ({"seed": "5"}, "seed", "777, 888, 999"),
        ({"seed": "-1"}, "seed", "mean"),
        ({"limit": "0"}, "limit", "1 to 1000"),
        ({"limit": "1001"}, "limit", "1 to 1000"),
        ({"format": "xml"}, "format", "parquet"),
    ],
)
def test_messages_say_what_came_and_what_is_allowed(
    client: TestClient, parameters: dict[str, str], name: str, hint: str
) -> None:
    (error,) = refused(client, "/cells", parameters)
    assert error["name"] == name
    assert hint in error["allowed"]
    ((_, value),) = parameters.items()
    assert error["value"] in value or value in error["value"] or name == "fields"


def test_every_wrong_parameter_is_told(client: TestClient) -> None:
    found = refused(client, "/cells", {"min_width": "x", "limit": "0", "seed": "y"})
    assert {error["name"] for error in found} == {"min_width", "limit", "seed"}
    found = refused(client, "/cells", {"min_widht": "3", "foo": "1"})
    assert {error["name"] for error in found} == {"min_widht", "foo"}


def test_what_is_not_recorded_is_never_replaced(client: TestClient) -> None:
    (error,) = refused(client, "/cells", {"metric": "test_accuracy@final", "dataset": "cifar10"})
    assert error["problem"] == "not recorded for cifar10"
    assert error["allowed"] == ("recorded for dataset=cifar10: valid_accuracy@{200}of200")
    (error,) = refused(client, "/cells", {"metric": "aulc@final"})
    assert error["name"] == "metric"
