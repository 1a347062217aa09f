"""Ranks: "among the widest and shallowest", by DOMAIN.md, section 2, and by counting."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests import raw
from tests.service.helpers import get, refused

VALID = "valid_accuracy@final"


def ranks(client: TestClient, cell: str, **more: Any) -> dict[str, Any]:
    (item,) = get(client, "/ranks", {"cell": cell, **more})["items"]
    return dict(item["ranks"])


def wirings(nodes: int) -> tuple[list[float], list[int]]:
    """Width and depth of every wiring with two distinct sources a node, by plain enumeration."""
    widths, depths = [], []
    for chosen in product(*(combinations(range(node), 2) for node in range(2, nodes + 2))):
        width = sum(sum(source < 2 for source in pair) / 2 for pair in chosen)
        longest: list[int] = [0, 0]
        for pair in chosen:
            longest.append(1 + max(longest[source] for source in pair))
        widths.append(width)
        depths.append(max(longest) + 1)
    return widths, depths


def test_the_spaces_of_wirings(client: TestClient) -> None:
    for nodes, count, widest, deepest in ((4, 180, 4, 5), (5, 2700, 5, 6)):
        widths, depths = wirings(nodes)
        assert (len(widths), max(widths), max(depths)) == (count, widest, deepest)
        assert (min(widths), min(depths)) == (1.5, 2)
    assert ranks(client, "SNAS-mild")["width"]["of"] == 180
    assert ranks(client, "ENAS")["width"]["of"] == 2700


@pytest.mark.parametrize(
    ("cell", "nodes", "width_position", "depth_position"),
    [
        ("SNAS-mild", 4, 1, 1),
        ("NASNet-A", 5, 1, 1),
        ("ENAS", 5, 1, 1),
        ("DARTS-V2", 4, 2, 2),
        ("AmoebaNet-A", 5, 3, 3),
    ],
)
def test_published_cells(
    client: TestClient, cell: str, nodes: int, width_position: int, depth_position: int
) -> None:
    found = ranks(client, cell)
    widths, depths = map(np.array, wirings(nodes))
    for name, population, position, sign in (
        ("width", widths, width_position, -1),
        ("depth", depths, depth_position, 1),
    ):
        rank = found[name]
        before = int((sign * population < sign * rank["value"]).sum())
        equal = int((population == rank["value"]).sum())
        assert rank["rank"] == before + 1
        assert rank["position"] == position
        assert rank["positions"] == len(np.unique(population))
        assert rank["of"] == len(population)
        assert rank["percentile"] == pytest.approx(
            100 * (len(population) - before - equal / 2) / len(population)
        )


def draws(nodes: int) -> tuple[list[float], list[int]]:
    """Width and depth of every ordered choice of two sources a node, repeats allowed."""
    shapes: list[tuple[float, tuple[int, ...]]] = [(0.0, (0, 0))]
    for node in range(2, nodes + 2):
        shapes = [
            (width + ((a < 2) + (b < 2)) / 2, (*far, 1 + max(far[a], far[b])))
            for width, far in shapes
            for a, b in product(range(node), repeat=2)
        ]
    return [width for width, _ in shapes], [max(far) + 1 for _, far in shapes]


@pytest.mark.parametrize("part", ["", "reduce_"])
@pytest.mark.parametrize("cell", ["DARTS-V2", "SNAS-mild"])
def test_among_the_draws_of_the_paper_s_sampler(client: TestClient, cell: str, part: str) -> None:
    found = ranks(client, cell, sampler="paper")
    widths, depths = map(np.array, draws(4))
    for name, population, sign in (("width", widths, -1), ("depth", depths, 1)):
        rank = found[part + name]
        before = int((sign * population < sign * rank["value"]).sum())
        equal = int((population == rank["value"]).sum())
        assert (rank["rank"], rank["of"]) == (before + 1, 14400)
        assert rank["positions"] == len(np.unique(population))
        assert rank["percentile"] == pytest.approx(100 * (14400 - before - equal / 2) / 14400)
        assert rank["among"] == "14,400 equally likely draws of 4 nodes' sources with repeats"
        assert rank["member"] is True


@pytest.mark.parametrize(
    ("cell", "distinct", "paper"),
    [
        # Nodes of these normal cells read one source twice.
        ("NASNet-A", False, True),
        ("ENAS", False, True),
        ("AmoebaNet-A", False, False),  # and not all of its nodes are concatenated
        ("DARTS-V2", True, True),
        ("SNAS-mild", True, True),
    ],
)
def test_which_cells_are_among_what_they_are_ranked_among(
    client: TestClient, cell: str, distinct: bool, paper: bool
) -> None:
    for sampler, member in (("distinct", distinct), ("paper", paper)):
        found = ranks(client, cell, sampler=sampler)
        assert found["width"]["member"] is found["depth"]["member"] is member
        assert (
            found["width"]["of"]
            == {
                ("distinct", 4): 180,
                ("distinct", 5): 2700,
                ("paper", 4): 14_400,
                ("paper", 5): 518_400,
            }[sampler, 4 if cell in ("DARTS-V2", "SNAS-mild") else 5]
        )


def test_a_sampler_that_there_is_not(client: TestClient) -> None:
    (error,) = refused(client, "/ranks", {"cell": "ENAS", "sampler": "uniform"})
    assert error["name"] == "sampler"
    assert "distinct" in error["allowed"]


def test_cells_of_the_benchmark_are_among_all_connected_ones(client: TestClient) -> None:
    found = ranks(client, "6111", sampler="paper", metric=VALID)
    assert found == ranks(client, "6111", metric=VALID)
    assert {name: rank["member"] for name, rank in found.items()} == {
        "width": True,
        "depth": True,
        VALID: True,
    }


def test_amoebanet_is_about_the_median_in_depth(client: TestClient) -> None:
    assert 35 < ranks(client, "AmoebaNet-A")["depth"]["percentile"] < 65


def test_reduction_cells_are_ranked_too(client: TestClient) -> None:
    found = ranks(client, "DARTS-V2")
    assert set(found) == {"width", "depth", "reduce_width", "reduce_depth"}
    assert (found["reduce_width"]["value"], found["reduce_depth"]["value"]) == (2.5, 3)


@pytest.mark.parametrize("cell", [6111, 284, 13778])
def test_a_nasbench201_cell_in_its_space(client: TestClient, cell: int) -> None:
    found = ranks(client, str(cell), metric=VALID)
    columns, means = raw.columns(), raw.means("cifar10")
    width, depth = columns["width"], columns["depth"]
    assert found["width"]["of"] == found["depth"]["of"] == 15_284
    assert found["width"]["rank"] == 1 + (width > width[cell]).sum()
    assert found["depth"]["rank"] == 1 + (depth < depth[cell]).sum()
    assert found[VALID]["rank"] == 1 + (means > means[cell]).sum()
    assert found[VALID]["of"] == 15_625
    equal = (means == means[cell]).sum()
    behind = (means < means[cell]).sum() + equal / 2
    assert found[VALID]["percentile"] == pytest.approx(100 * behind / 15_625)


def test_the_best_is_first(client: TestClient) -> None:
    assert ranks(client, "6111", metric=VALID)[VALID]["rank"] == 1
    asked = {"metric": VALID, "dataset": "cifar100"}
    assert ranks(client, "9930", **asked)[VALID]["rank"] == 1


def test_a_small_loss_is_first(tables_client: TestClient) -> None:
    (best,) = get(
        tables_client,
        "/cells",
        {"sort": "valid_loss@200of200", "limit": 1, "metric": "valid_loss@200of200"},
    )["items"]
    rank = ranks(tables_client, best["id"], metric="valid_loss@200of200")["valid_loss@200of200"]
    assert (rank["rank"], rank["order"]) == (1, "rising")


def test_a_disconnected_cell_has_no_rank(client: TestClient) -> None:
    index = int(np.flatnonzero(np.isnan(raw.columns()["width"]))[0])
    found = ranks(client, str(index), metric=VALID)
    assert found["width"]["rank"] is None
    assert found["width"]["reason"] == "the cell has no value"
    assert found[VALID]["rank"] >= 1


def test_cells_of_both_spaces_in_the_asked_order(client: TestClient) -> None:
    asked = [("cell", "ENAS"), ("cell", "6111"), ("cell", raw.strings()[0]), ("metric", VALID)]
    items = get(client, "/ranks", asked)["items"]
    assert [item["name"] or item["id"] for item in items] == [
        "ENAS", "nb201-006111", "nb201-000000",
    ]  # fmt: skip
    assert items[0]["ranks"][VALID]["reason"] == "the cell has no value"


@pytest.mark.parametrize(
    ("parameters", "name", "hint"),
    [
        ({}, "cell", "at most"),
        ({"cell": ""}, "cell", "at most"),
        ({"cell": "foo"}, "cell", "official index"),
        ({"cell": "15625"}, "cell", "0..15624"),
        ({"cell": "darts-0123456789ab"}, "cell", "genotype"),
        ({"cell": "|none~0|+|nope~0|none~1|+|none~0|none~1|none~2|"}, "cell", "skip_connect"),
        ({"cell": "1", "metric": "foo@final"}, "metric", "measures"),
        ({"cell": "1", "min_width": "3"}, "min_width", "dataset"),
    ],
)
def test_what_can_t_be_ranked(
    client: TestClient, parameters: dict[str, str], name: str, hint: str
) -> None:
    (error,) = refused(client, "/ranks", parameters)
    assert error["name"] == name
    assert hint in error["allowed"]
