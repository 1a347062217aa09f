"""Groups: against pandas on the raw table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from analysis.spaces.darts import NAMED
from tests import raw
from tests.service.helpers import get, refused

VALID = "valid_accuracy@final"
NAMES = {"mean": "mean", "min": "min", "q1": 0.25, "median": 0.5, "q3": 0.75, "max": "max"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    table = pd.DataFrame(raw.columns())
    table["params_m"] = raw.costs("cifar10")[0].round(6)
    for dataset in raw.FILES:
        table[dataset] = raw.means(dataset)
    for name, read in raw.MULTISETS.items():
        table[name] = [" ".join(sorted(read(string))) for string in raw.strings()]
    return table


def agrees(found: dict[str, Any], values: pd.Series[float]) -> None:
    assert found["n"] == len(values)
    for name, how in NAMES.items():
        expected = values.quantile(how) if isinstance(how, float) else values.agg(how)
        assert found[name] == pytest.approx(expected, rel=1e-12), name
    if len(values) == 1:
        assert found["std"] is None
    else:
        assert found["std"] == pytest.approx(values.std(), rel=1e-9)
    assert found["best"] == f"nb201-{values.idxmax():06d}"


@pytest.mark.parametrize("dataset", raw.FILES)
@pytest.mark.parametrize("by", [["width", "depth"], ["n_conv3x3"], ["effective_depth"]])
def test_groups_of_equal_columns(
    client: TestClient, frame: pd.DataFrame, dataset: str, by: list[str]
) -> None:
    body = get(client, "/groups", {"by": ",".join(by), "dataset": dataset})
    expected = frame.groupby(by)[dataset]
    assert len(body["items"]) == len(expected)
    for item, (key, values) in zip(body["items"], expected, strict=True):
        assert tuple(item[name] for name in by) == key
        assert item["cells"] == len(values)
        agrees(item["metrics"][VALID], values)
    missing = int(frame[by].isna().any(axis=1).sum())
    assert body["context"]["excluded"] == ({"disconnected": missing} if missing else {})


def test_the_default_is_width_and_depth(client: TestClient) -> None:
    """Counts of DOMAIN.md, section 2."""
    items = get(client, "/groups")["items"]
    assert [(item["width"], item["depth"], item["cells"]) for item in items] == [
        (1, 1, 1364), (1, 2, 928), (1, 3, 320), (2, 2, 3968), (2, 3, 2560), (3, 2, 1024),
        (3, 3, 5120),
    ]  # fmt: skip


@pytest.mark.parametrize("by", raw.MULTISETS)
def test_groups_of_equal_operations(client: TestClient, frame: pd.DataFrame, by: str) -> None:
    items = get(client, "/groups", {"by": by})["items"]
    named = {item[by]: item["cells"] for item in items}
    nothing = named.pop("nothing", 0)
    sizes = {
        " ".join(
            name for part in name.split() for name in [part.split("×")[1]] * int(part.split("×")[0])
        ): cells
        for name, cells in named.items()
    }
    expected = frame.groupby(by).size().to_dict()
    assert nothing == expected.pop("", 0) == (0 if by == "ops" else 341)
    assert sizes == expected
    if by == "ops":
        assert len(items) == 210, "multisets of 6 out of 5"


def test_genotypes_by_the_operations_that_work(client: TestClient) -> None:
    """By hand: NASNet's adapted form has the same operations, but in its reduction cell nobody
    reads nodes 2 and 3, with sep 5×5, sep 7×7 and max pool, sep 7×7, which aren't concatenated.
    """
    cells = [("cell", "NASNet-A"), ("cell", "NASNet-A-adapted"), ("metric", "width")]
    (item,) = get(client, "/groups", [*cells, ("by", "ops")])["items"]
    assert item["cells"] == 2
    items = get(client, "/groups", [*cells, ("by", "live_ops")])["items"]
    assert sorted(item["live_ops"] for item in items) == [
        "5×avg_pool_3x3 1×max_pool_3x3 4×sep_conv_3x3 3×sep_conv_5x5 3×skip_connect",
        "5×avg_pool_3x3 2×max_pool_3x3 4×sep_conv_3x3 4×sep_conv_5x5 2×sep_conv_7x7 3×skip_connect",
    ]


def test_connected_and_space(client: TestClient) -> None:
    items = get(client, "/groups", {"by": "connected", "metric": "n_none"})["items"]
    assert [(item["connected"], item["cells"]) for item in items] == [(False, 341), (True, 15_284)]
    items = get(client, "/groups", {"by": "space", "space": "all", "metric": "width"})["items"]
    named = len(set(NAMED.values()))
    cells = {item["space"]: item["cells"] for item in items}
    assert cells == {"nasbench201": 15_625, "darts": named}
    assert items[0]["metrics"]["width"]["n"] in (named, 15_284)


def test_filters(client: TestClient, frame: pd.DataFrame) -> None:
    body = get(client, "/groups", {"by": "depth", "min_width": 3, "metric": "params_m"})
    expected = frame[frame["width"] >= 3].groupby("depth")["params_m"]
    assert [item["depth"] for item in body["items"]] == [2, 3]
    for item, (_, values) in zip(body["items"], expected, strict=True):
        agrees(item["metrics"]["params_m"], values)


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_bins_are_about_equally_full(client: TestClient, frame: pd.DataFrame, bins: int) -> None:
    body = get(client, "/groups", {"by": VALID, "bins": bins, "metric": "params_m"})
    values = frame["cifar10"]
    edges = [edge for item in body["items"] for edge in item[VALID]]
    np.testing.assert_allclose(sorted(set(edges)), values.quantile(np.linspace(0, 1, bins + 1)))
    for item in body["items"]:
        low, high = item[VALID]
        last = item is body["items"][-1]
        inside = (values >= low) & ((values <= high) if last else (values < high))
        assert item["cells"] == inside.sum()
        assert abs(item["cells"] - 15_625 / bins) <= 0.01 * 15_625
        agrees(item["metrics"]["params_m"], frame["params_m"][inside])
    assert sum(item["cells"] for item in body["items"]) == 15_625


def test_bins_of_a_column_with_few_values(client: TestClient) -> None:
    """Intervals hold whole values: no cell is lost, none counted twice."""
    body = get(client, "/groups", {"by": "width,n_conv3x3", "bins": 3})
    assert sum(item["cells"] for item in body["items"]) == 15_284
    (item,) = get(client, "/groups", {"by": "width", "bins": 3, "width": 2})["items"]
    assert (item["width"], item["cells"]) == (2, 6528)


def test_the_best_of_losses_is_the_smallest(tables_client: TestClient) -> None:
    asked = {"by": "space", "metric": "valid_loss@200of200,valid_accuracy@200of200"}
    (item,) = get(tables_client, "/groups", {**asked, "source": "nb201-selected-epochs"})["items"]
    for name, extreme in (("valid_loss@200of200", "min"), ("valid_accuracy@200of200", "max")):
        described = item["metrics"][name]
        (best,) = get(
            tables_client,
            "/cells",
            {"cell": described["best"], "metric": name, "source": "nb201-selected-epochs"},
        )["items"]
        assert best[name] == described[extreme]


def test_a_group_without_values_is_null(client: TestClient) -> None:
    (item,) = get(client, "/groups", {"by": "space", "space": "darts"})["items"]
    described = item["metrics"][VALID]
    counts = {name: described.pop(name) for name in ("n", "censored", "diverged")}
    assert set(counts.values()) == {0}
    assert set(described.values()) == {None}
    (item,) = get(client, "/groups", {"by": "space", "cell": "284"})["items"]
    assert (item["metrics"][VALID]["n"], item["metrics"][VALID]["std"]) == (1, None)


def test_no_cells_no_groups(client: TestClient) -> None:
    for by in ("width", "ops", "live_ops", "connected"):
        assert get(client, "/groups", {"by": by, "width": 2.25})["items"] == []
    assert get(client, "/groups", {"by": VALID, "width": 2.25, "bins": 4})["items"] == []


@pytest.mark.parametrize(
    ("parameters", "name", "hint"),
    [
        ({"by": ","}, "by", ""),
        ({"by": "widht"}, "by", "did you mean width"),
        ({"by": VALID}, "by", "bins="),
        ({"by": "official_index"}, "by", "at most 64 values"),
        ({"by": "arch"}, "by", "columns are"),
        ({"by": "width,depth,n_skip,n_pool,n_none,n_conv3x3,n_conv1x1"}, "by", "at most 6"),
        ({"by": "official_index,valid_accuracy@final", "bins": "100"}, "by", "at most 2000 groups"),
        ({"bins": "0"}, "bins", "from 1 to 100"),
        ({"metric": "test_loss@final"}, "metric", "valid_accuracy@{200}of200"),
    ],
)  # fmt: skip
def test_what_can_t_be_grouped(
    client: TestClient, parameters: dict[str, str], name: str, hint: str
) -> None:
    (error,) = refused(client, "/groups", parameters)
    assert error["name"] == name
    assert hint in error["allowed"]


def test_what_a_grouping_explains_is_that_of_an_analysis_of_variance(client: TestClient) -> None:
    """The groups' own figures, put together by hand, and scipy's test of the values."""
    parameters = {"by": "width,depth", "metric": "valid_accuracy@final", "unique": "function"}
    answer = get(client, "/groups", parameters)
    parts = [item["metrics"]["valid_accuracy@final"] for item in answer["items"]]
    n = sum(part["n"] for part in parts)
    mean = sum(part["n"] * part["mean"] for part in parts) / n
    between = sum(part["n"] * (part["mean"] - mean) ** 2 for part in parts)
    within = sum((part["n"] - 1) * part["std"] ** 2 for part in parts)
    told = answer["explained"]["valid_accuracy@final"]
    assert (told["n"], told["groups"], told["reasons"]) == (n, len(parts), {})
    assert told["eta_squared"] == pytest.approx(between / (between + within))
    error = within / (n - len(parts))
    omega = (between - (len(parts) - 1) * error) / (between + within + error)
    assert told["omega_squared"] == pytest.approx(omega)
    assert told["f"] == pytest.approx(between / (len(parts) - 1) / error)
    assert told["eta_squared"] == pytest.approx(0.0115, abs=5e-4)


def test_means_of_groups_are_not_tested_where_cells_are_copies(client: TestClient) -> None:
    parameters = {"by": "width,depth", "metric": "valid_accuracy@final", "min_width": 1}
    told = get(client, "/groups", parameters)["explained"]["valid_accuracy@final"]
    assert (told["n"], told["n_distinct"]) == (15_284, 4_929)
    assert told["eta_squared"] == pytest.approx(0.039, abs=5e-4)
    assert (told["f"], told["p"]) == (None, None)
    why = "copies of one network are not independent"
    assert told["reasons"] == {"f": why, "p": why}


def test_one_group_explains_nothing(client: TestClient) -> None:
    told = get(client, "/groups", {"by": "width", "width": 3, "depth": 3})["explained"]
    assert told["valid_accuracy@final"]["f"] is None
    assert told["valid_accuracy@final"]["reasons"]["f"]
