"""``GET /cells``: filters, order, pages and columns, against the raw table and DOMAIN.md."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from data.library import Library
from data.sources import recognise
from tests import raw
from tests.conftest import NATS_BENCH, client_of, need
from tests.service.helpers import Parameters, get, pairs, refused
from tests.store.sources import Made, run

VALID = "valid_accuracy@final"

# DOMAIN.md, section 2.
WIDTH_AND_DEPTH = {
    (1, 1): 1364,
    (1, 2): 928,
    (1, 3): 320,
    (2, 2): 3968,
    (2, 3): 2560,
    (3, 2): 1024,
    (3, 3): 5120,
}


def total(client: TestClient, parameters: Parameters) -> int:
    return int(get(client, "/cells", [*pairs(parameters), ("limit", "1")])["total"])


def rows(client: TestClient, parameters: Parameters = None, page: int = 1000) -> list[Any]:
    """All rows, page by page along the next links."""
    body = get(client, "/cells", [*pairs(parameters), ("limit", str(page))])
    found = body["items"]
    while body["next"]:
        body = get(client, body["next"])
        found += body["items"]
    assert len(found) == body["total"]
    return list(found)


def indexes(client: TestClient, parameters: Parameters = None) -> list[int]:
    return [
        row["official_index"]
        for row in rows(client, [*pairs(parameters), ("fields", "official_index")])
    ]


def test_the_contract_s_example(client: TestClient) -> None:
    assert total(client, {"min_width": 3}) == 6144


def test_the_whole_space_by_default(client: TestClient) -> None:
    assert total(client, {}) == 15_625


@pytest.mark.parametrize(("wiring", "count"), WIDTH_AND_DEPTH.items())
def test_counts_by_width_and_depth(client: TestClient, wiring: tuple[int, int], count: int) -> None:
    assert total(client, {"width": wiring[0], "depth": wiring[1]}) == count


def test_disconnected_cells_have_null_width_and_depth(client: TestClient) -> None:
    found = rows(client, {"connected": "false"})
    assert len(found) == 341
    assert {(row["width"], row["depth"]) for row in found} == {(None, None)}
    assert total(client, {"connected": "true"}) == 15_284
    assert total(client, {"min_width": 0}) == 15_284, "null is within no bound"


@pytest.mark.parametrize(
    ("notion", "count"),
    [("string", 15_625), ("skip", 12_751), ("official", 6_466), ("live", 9_445)],
)
def test_one_cell_per_class_of_sameness(client: TestClient, notion: str, count: int) -> None:
    assert total(client, {"unique": notion}) == count


def test_the_one_cell_is_the_lowest_index_of_its_class(client: TestClient) -> None:
    kept = set(indexes(client, {"unique": "official"}))
    for index in (0, 284, 6111, 15_624):
        one = get(client, f"/cells/{index}")["sameness"]["official"]
        members = [int(cell[-6:]) for cell in one["others"]] + [index]
        assert one["representative"] == f"nb201-{min(members):06d}"
        assert kept.intersection(members) == {min(members)}


@pytest.mark.parametrize("place", range(6))
def test_operations_of_edges(client: TestClient, place: int) -> None:
    edge = ("01", "02", "12", "03", "13", "23")[place]
    wanted = [i for i, s in enumerate(raw.strings()) if raw.operations(s)[place] == "skip_connect"]
    assert indexes(client, {f"op_{edge}": "skip_connect", "max_official_index": 400}) == [
        index for index in wanted if index <= 400
    ]
    assert total(client, {f"op_{edge}": "skip_connect"}) == 3125


@pytest.mark.parametrize(
    ("dataset", "index", "value"),
    [
        ("cifar10", 6111, 91.6067),
        ("cifar100", 9930, 73.4933),
        ("ImageNet16-120", 10676, 46.7333),
    ],
)
def test_the_best_cells(client: TestClient, dataset: str, index: int, value: float) -> None:
    """Best means over seeds, as published (DOMAIN.md, section 3)."""
    body = get(client, "/cells", {"sort": f"-{VALID}", "limit": 1, "dataset": dataset})
    (best,) = body["items"]
    assert best["id"] == f"nb201-{index:06d}"
    assert best[VALID] == pytest.approx(value, abs=5e-5)
    resolved = body["context"]["sets"][VALID]
    stored = "cifar10-valid" if dataset == "cifar10" else dataset
    assert (resolved["metric"], resolved["dataset"], resolved["set"]) == (
        "valid_accuracy@200of200",
        stored,
        "x-valid",
    )


def test_the_best_single_seed_on_imagenet_is_another_cell(client: TestClient) -> None:
    found = [
        get(
            client,
            "/cells",
            {"sort": f"-{VALID}", "limit": 1, "dataset": "ImageNet16-120", "seed": seed},
        )["items"][0]
        for seed in raw.SEEDS
    ]
    best = max(found, key=lambda row: float(row[VALID]))
    assert best["id"] == "nb201-013778"
    assert best[VALID] == pytest.approx(47.40, abs=5e-3)


@pytest.mark.parametrize("dataset", raw.FILES)
def test_means_std_and_seeds_of_all_cells(client: TestClient, dataset: str) -> None:
    found = rows(client, {"fields": f"official_index,{VALID}", "dataset": dataset})
    seeds = raw.accuracies(dataset)
    assert [row["official_index"] for row in found] == list(range(15_625))
    assert [row[f"{VALID}:n_seeds"] for row in found] == [len(values) for values in seeds]
    np.testing.assert_allclose([row[VALID] for row in found], raw.means(dataset), rtol=1e-12)
    np.testing.assert_allclose(
        [row[f"{VALID}:std"] for row in found],
        [np.std(values, ddof=1) for values in seeds],
        rtol=1e-9,
        atol=1e-12,
    )


def test_cells_with_two_seeds(client: TestClient) -> None:
    found = [row[f"{VALID}:n_seeds"] for row in rows(client, {"fields": f"id,{VALID}:n_seeds"})]
    assert found.count(2) == 7456
    assert found.count(3) == 15_625 - 7456


def test_a_seed_that_a_cell_lacks_is_null(client: TestClient) -> None:
    two = next(i for i, values in enumerate(raw.accuracies("cifar10")) if len(values) == 2)
    (row,) = get(client, "/cells", {"cell": two, "seed": 999})["items"]
    assert row[VALID] is None
    (row,) = get(client, "/cells", {"cell": two, "seed": 888})["items"]
    assert row[VALID] == raw.accuracies("cifar10")[two][1]
    assert f"{VALID}:std" not in row, "one seed has no spread"


@pytest.mark.parametrize(
    ("name", "width", "depth"),
    [
        ("NASNet-A", 5, 2),
        ("AmoebaNet-A", 4, 4),
        ("ENAS", 5, 2),
        ("DARTS-V2", 3.5, 3),
        ("SNAS-mild", 4, 2),
    ],
)
def test_published_cells(client: TestClient, name: str, width: float, depth: int) -> None:
    """The labels of figure 1 of the paper (DOMAIN.md, section 2)."""
    (row,) = get(client, "/cells", {"cell": name, "fields": "name,width,depth"})["items"]
    assert row == {"name": name, "width": width, "depth": depth}


def test_the_darts_space(client: TestClient) -> None:
    found = {
        row["name"]: row
        for row in rows(
            client,
            {
                "space": "darts",
                "fields": "name,nominal_width,nominal_depth,"
                "width,depth,reduce_nominal_width,reduce_nominal_depth,"
                "params_m,official_index",
            },
        )
    }
    assert set(found) >= {"NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild"}
    adapted = found["AmoebaNet-A-adapted"]
    assert (adapted["nominal_width"], adapted["nominal_depth"]) == (5, 2)
    assert (adapted["width"], adapted["depth"]) == (3, 2)
    reductions = {
        name: (found[name]["reduce_nominal_width"], found[name]["reduce_nominal_depth"])
        for name in ("NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild")
    }
    assert reductions == {
        "NASNet-A": (3.5, 3),
        "AmoebaNet-A": (4, 3),
        "ENAS": (4, 4),
        "DARTS-V2": (2.5, 3),
        "SNAS-mild": (2.5, 3),
    }
    assert {row["official_index"] for row in found.values()} == {None}
    assert {row["params_m"] for row in found.values()} == {None}


@pytest.mark.parametrize("dataset", ["cifar10", "cifar10-valid", "cifar100", "ImageNet16-120"])
def test_costs_follow_the_formula(client: TestClient, dataset: str) -> None:
    found = rows(client, {"fields": "params_m,flops_m", "dataset": dataset})
    params, flops = raw.costs(dataset)
    np.testing.assert_allclose([row["params_m"] for row in found], params, atol=1e-6)
    np.testing.assert_allclose([row["flops_m"] for row in found], flops, atol=1e-6)


def test_every_topology_column(client: TestClient) -> None:
    names = list(raw.columns())
    found = rows(client, {"fields": ",".join(names)})
    for name in names:
        values = np.array([np.nan if row[name] is None else row[name] for row in found], float)
        np.testing.assert_array_equal(values, raw.columns()[name], name)


# Random combinations of filters, against a plain mask over the raw values.
BOUNDED = [
    *sorted(name for name in raw.columns() if not name.startswith("reduce_")),
    "official_index",
    "params_m",
    "flops_m",
]


def reference(name: str) -> raw.Array:
    if name == "official_index":
        return np.arange(15_625.0)
    if name == "params_m":
        return raw.costs("cifar10")[0]
    if name == "flops_m":
        return raw.costs("cifar10")[1]
    return raw.columns()[name]


@st.composite
def bounds(draw: st.DrawFn) -> tuple[str, str, float]:
    name = draw(st.sampled_from(BOUNDED))
    column = reference(name)
    value = float(column[draw(st.integers(0, 15_624))])
    if np.isnan(value):
        value = 1.0
    comparison = draw(st.sampled_from(["min_", "max_", ""]))
    if name in ("params_m", "flops_m"):
        value = round(value, 6)
        # Sums of decimals: equality is for what the answers show, bounds keep off the edge.
        value += {"min_": -1e-7, "max_": 1e-7, "": 0.0}[comparison]
    return comparison, name, value


@st.composite
def metric_bounds(draw: st.DrawFn) -> tuple[str, float]:
    return draw(st.sampled_from(["min_metric", "max_metric"])), draw(st.floats(10, 92))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(bounds(), max_size=4, unique_by=lambda bound: bound[:2]),
    st.lists(metric_bounds(), max_size=2),
    st.sampled_from([None, True, False]),
    st.dictionaries(st.sampled_from(range(6)), st.sampled_from(raw.OPERATIONS), max_size=2),
)
def test_any_combination_of_filters(
    client: TestClient,
    given_bounds: list[tuple[str, str, float]],
    given_metrics: list[tuple[str, float]],
    connected: bool | None,
    edges: dict[int, str],
) -> None:
    mask = np.ones(15_625, dtype=bool)
    asked: list[tuple[str, str]] = []
    for comparison, name, value in given_bounds:
        asked.append((f"{comparison}{name}", repr(value)))
        column = reference(name)
        column = np.round(column, 6) if name in ("params_m", "flops_m") else column
        mask &= {"min_": column >= value, "max_": column <= value, "": column == value}[comparison]
    for parameter, value in given_metrics:
        asked.append((parameter, f"{VALID}:{value!r}"))
        means = raw.means("cifar10")
        mask &= means >= value if parameter == "min_metric" else means <= value
    if connected is not None:
        asked.append(("connected", str(connected).lower()))
        mask &= ~np.isnan(raw.columns()["width"]) == connected
    for place, operation in edges.items():
        asked.append((f"op_{('01', '02', '12', '03', '13', '23')[place]}", operation))
        mask &= [raw.operations(string)[place] == operation for string in raw.strings()]
    wanted = np.flatnonzero(mask).tolist()
    body = get(client, "/cells", [*asked, ("fields", "official_index"), ("limit", "1000")])
    assert body["total"] == len(wanted)
    assert [row["official_index"] for row in body["items"]] == wanted[:1000]


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
    body = get(client, "/cells", {"sort": sort, "space": "all", "fields": "name", "limit": 20})
    names = [row["name"] for row in body["items"]]
    named = [name for name in names if name is not None]
    assert len(named) == 10
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
