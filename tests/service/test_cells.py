"""``GET /cells``: cells, values and filters, against the raw table and DOMAIN.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from analysis.spaces import published
from tests import raw
from tests.service.helpers import Parameters, get, pairs, refused

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


def test_filters_by_what_is_live_and_dead(client: TestClient) -> None:
    """Counted from the strings; 5,840 of the connected cells have a dead operation."""
    live = [raw.live_operations(string) for string in raw.strings()]
    assert total(client, {"min_live_conv3x3": 2}) == sum(
        names.count("nor_conv_3x3") >= 2 for names in live
    )
    assert total(client, {"n_dead": 0, "connected": "true"}) == 15_284 - 5_840
    assert total(client, {"min_n_dead": 1, "connected": "true"}) == 5_840
    cut = rows(client, {"connected": "false", "fields": "live_skip,live_pool,n_dead,n_none"})
    assert {(row["live_skip"], row["live_pool"]) for row in cut} == {(0, 0)}
    assert {row["n_dead"] + row["n_none"] for row in cut} == {6}


@pytest.mark.parametrize(
    ("notion", "count"),
    [
        ("string", 15_625),
        ("skip", 12_751),
        ("official", 6_466),
        ("live", 9_445),
        ("function", 4_930),
    ],
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


@pytest.mark.parametrize(
    ("named", "count"),
    [
        (("published",), 5),
        (("adapted",), 5),
        (("random-connections",), 50),
        (("random-operations",), 50),
        (("published", "elsewhere"), 5 + len(published.ELSEWHERE)),
    ],
)
def test_cells_with_a_name_by_their_kind(
    client: TestClient, named: tuple[str, ...], count: int
) -> None:
    asked = [*(("named", kind) for kind in named), ("fields", "name,space"), ("limit", "1000")]
    body = get(client, "/cells", asked)
    wanted = {name for name, known in published.CELLS.items() if known.kind in named}
    assert {item["name"] for item in body["items"]} == wanted
    assert body["total"] == len(body["items"]) == count
    assert {item["space"] for item in body["items"]} == {"darts"}
    assert body["context"]["space"] == "all"
    assert get(client, "/cells", [*asked, ("space", "nasbench201")])["total"] == 0


def test_a_kind_of_name_that_there_is_not(client: TestClient) -> None:
    (error,) = refused(client, "/cells", {"named": "famous"})
    assert error["name"] == "named"
    assert "elsewhere" in error["allowed"]
