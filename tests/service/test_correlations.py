"""Correlations: against scipy on the same rows, read from the raw pickles and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from starlette.testclient import TestClient

from analysis.spaces.darts import NAMED
from tests import raw
from tests.conftest import ROOT
from tests.service.helpers import Parameters, get, refused

VALID = "valid_accuracy@final"
SCIPY: dict[str, Callable[..., Any]] = {
    "pearson": stats.pearsonr,
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
}


def one(client: TestClient, parameters: Parameters) -> dict[str, Any]:
    (item,) = get(client, "/correlations", parameters)["items"]
    return dict(item)


@pytest.mark.parametrize("method", SCIPY)
@pytest.mark.parametrize("x", ["width", "depth", "node_width", "effective_width", "n_conv3x3"])
@pytest.mark.parametrize("dataset", ["cifar10", "ImageNet16-120"])
def test_agreement_with_scipy(client: TestClient, method: str, x: str, dataset: str) -> None:
    found = one(client, {"x": x, "y": VALID, "method": method, "dataset": dataset, "ci": "none"})
    column, means = raw.columns()[x], raw.means(dataset)
    kept = ~np.isnan(column)
    expected = SCIPY[method](column[kept], means[kept])
    assert found["coefficient"] == pytest.approx(expected.statistic, abs=1e-9)
    assert found["n"] == kept.sum()
    assert found["n_effective"] < found["n_distinct"] < found["n"]
    assert found["p_value"] >= expected.pvalue
    assert found["reason"] is None
    assert (found["x"], found["y"], found["method"]) == (x, VALID, method)


def test_what_was_left_out_is_counted(client: TestClient) -> None:
    assert one(client, {"x": "width", "y": VALID})["excluded"] == {"disconnected": 341}
    found = one(client, {"x": "effective_width", "y": VALID})
    undefined = np.isnan(raw.columns()["effective_width"]).sum() - 341
    assert undefined > 0
    assert found["excluded"] == {
        "disconnected": 341,
        "no effective_width: no convolution on any path": undefined,
    }
    assert found["n"] + sum(found["excluded"].values()) == 15_625
    assert one(client, {"x": "n_skip", "y": VALID})["excluded"] == {}


def test_columns_that_a_space_does_not_have(client: TestClient) -> None:
    found = one(client, {"x": "reduce_width", "y": VALID})
    assert found["coefficient"] is None
    assert found["excluded"] == {
        "disconnected": 341,
        "no reduce_width: not defined in nasbench201": 15_284,
    }
    named = len(set(NAMED.values()))
    found = one(client, {"x": "params_m", "y": "width", "space": "all"})
    assert found["excluded"] == {"no params_m: not defined in darts": named, "disconnected": 341}
    found = one(client, {"x": "width", "y": VALID, "space": "darts"})
    assert (found["coefficient"], found["excluded"]) == (None, {f"no {VALID}": named})


def test_filters_choose_the_cells(client: TestClient) -> None:
    found = one(client, {"x": "params_m", "y": VALID, "min_width": 3, "max_depth": 2, "ci": "none"})
    columns = raw.columns()
    kept = (columns["width"] >= 3) & (columns["depth"] <= 2)
    expected = stats.spearmanr(raw.costs("cifar10")[0].round(6)[kept], raw.means("cifar10")[kept])
    assert found["n"] == kept.sum() == 1024
    assert found["coefficient"] == pytest.approx(expected.statistic, abs=1e-9)


def test_a_seed_s_own_values(client: TestClient) -> None:
    found = one(client, {"x": "width", "y": VALID, "seed": 999, "ci": "none"})
    third = np.array([v[2] if len(v) > 2 else np.nan for v in raw.accuracies("cifar10")])
    width = raw.columns()["width"]
    kept = ~np.isnan(third) & ~np.isnan(width)
    expected = stats.spearmanr(width[kept], third[kept])
    assert found["coefficient"] == pytest.approx(expected.statistic, abs=1e-9)
    assert found["excluded"] == {
        "disconnected": 341,
        f"no {VALID}": int((np.isnan(third) & ~np.isnan(width)).sum()),
    }


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_partial_correlation_by_regression(client: TestClient, method: str) -> None:
    """The correlation of what two regressions on the controls leave (of ranks for Spearman)."""
    found = one(
        client,
        {"x": "width", "y": VALID, "control": "params_m,depth", "method": method, "ci": "none"},
    )
    kept = ~np.isnan(raw.columns()["width"])
    table = np.stack(
        [
            raw.columns()["width"],
            raw.means("cifar10"),
            raw.costs("cifar10")[0].round(6),
            raw.columns()["depth"],
        ]
    )[:, kept]
    if method == "spearman":
        table = stats.rankdata(table, axis=1)
    design = np.stack([np.ones(table.shape[1]), *table[2:]], axis=1)
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in table[:2]]
    expected = np.corrcoef(left)[0, 1]
    assert found["coefficient"] == pytest.approx(expected, abs=1e-9)
    assert found["n"] == kept.sum()
    degrees = found["n_effective"] - 4
    t = expected * np.sqrt(degrees / (1 - expected**2))
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), degrees), rel=1e-4)


def test_one_cell_of_each_network_has_scipys_p(client: TestClient) -> None:
    for method in SCIPY:
        asked = {"x": "width", "y": VALID, "method": method, "unique": "function"}
        found = one(client, {**asked, "ci": "none"})
        # The first cell of each class in the official order, without the disconnected ones.
        _, first = np.unique(raw.outputs(), axis=0, return_index=True)
        kept = first[~np.isnan(raw.columns()["width"][first])]
        expected = SCIPY[method](raw.columns()["width"][kept], raw.means("cifar10")[kept])
        assert found["coefficient"] == pytest.approx(expected.statistic, abs=1e-9)
        assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-300)
        assert found["n"] == found["n_distinct"] == found["n_effective"] == 4929


def test_copies_are_counted(client: TestClient) -> None:
    """4,930 functions by trying each cell out, of which that of the disconnected ones is one."""
    assert raw.networks(range(15_625)) == 4930
    assert one(client, {"x": "width", "y": VALID, "ci": "none"})["n_distinct"] == 4929
    assert one(client, {"x": "n_skip", "y": VALID, "ci": "none"})["n_distinct"] == 4930
    within = one(client, {"x": "width", "y": VALID, "ci": "none", "group_by": "live_ops"})
    kept = [cell for group in raw.compared("live_ops", "width") for cell in group]
    assert (within["n"], within["n_distinct"]) == (len(kept), raw.networks(kept))
    assert within["n_effective"] is None


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_what_copies_are_worth(client: TestClient, method: str) -> None:
    """n over Kish's design effect, with each cell's influence found by weighing it more.

    That is the derivative of the coefficient by the cell's weight, here a difference quotient.
    """
    found = one(client, {"x": "width", "y": VALID, "method": method, "ci": "none"})
    kept = np.flatnonzero(~np.isnan(raw.columns()["width"]))
    x, y = raw.columns()["width"][kept], raw.means("cifar10")[kept]
    if method == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
    x, y = x - x.mean(), y - y.mean()
    n, more = len(kept), 1e-3

    def covariances(a: Any, b: Any) -> Any:
        """With each cell in turn counting for so much more than one."""
        mean_ab, mean_a, mean_b = ((c.sum() + more * c) / (n + more) for c in (a * b, a, b))
        return mean_ab - mean_a * mean_b

    coefficients = covariances(x, y) / np.sqrt(covariances(x, x) * covariances(y, y))
    influences = coefficients - np.corrcoef(x, y)[0, 1]
    networks = np.unique(raw.outputs(), axis=0, return_inverse=True)[1].ravel()
    classes = pd.Series(influences).groupby(networks[kept])
    spread = len(classes) / (len(classes) - 1) * (classes.sum() ** 2).sum()
    apart = n / (n - 1) * (influences**2).sum()
    assert found["n_effective"] == pytest.approx(n * apart / spread, rel=1e-5)
    if method == "spearman":
        told = f"worth about {found['n_effective']:.0f}: "
        assert told in (ROOT / "docs" / "statistics.md").read_text()


def test_kinds_of_interval(client: TestClient) -> None:
    asked = {"x": "width", "y": VALID, "method": "pearson"}
    plain = one(client, {**asked, "ci": "none"})
    assert (plain["ci"], plain["ci_method"], plain["resampled"]) == (None, "none", None)
    fisher = one(client, {**asked, "ci": "fisher", "confidence": 0.9, "unique": "function"})
    _, first = np.unique(raw.outputs(), axis=0, return_index=True)
    kept = first[~np.isnan(raw.columns()["width"][first])]
    expected = stats.pearsonr(raw.columns()["width"][kept], raw.means("cifar10")[kept])
    np.testing.assert_allclose(fisher["ci"], expected.confidence_interval(0.9), atol=1e-9)
    boot = {**asked, "ci": "bootstrap", "resamples": 200}
    first_time = one(client, boot)
    assert (first_time["ci_method"], first_time["resampled"]) == ("bootstrap", "classes")
    assert first_time["ci"][0] < first_time["coefficient"] < first_time["ci"][1]
    assert one(client, boot)["ci"] == first_time["ci"], "the same seed gives the same interval"
    assert one(client, {**boot, "bootstrap_seed": 1})["ci"] != first_time["ci"]
    # Fisher's interval, of as many cells as these are worth, is about as wide.
    wide = np.diff(one(client, {**asked, "ci": "fisher"})["ci"])[0]
    assert 0.6 * wide < np.diff(first_time["ci"])[0] < 1.6 * wide
    cells = one(client, {**boot, "resample": "cells"})
    assert cells["resampled"] == "cells"
    assert np.diff(cells["ci"])[0] < 0.3 * wide


def test_three_cells_in_perfect_order_prove_nothing(client: TestClient) -> None:
    cells = ("DARTS-V2", "AmoebaNet-A", "SNAS-mild")
    found = one(client, [("cell", cell) for cell in cells] + [("x", "width"), ("y", "width")])
    assert (found["coefficient"], found["n"], found["p_method"]) == (1, 3, "exact")
    assert found["p_value"] >= 1 / 3
    assert (found["ci"], found["ci_reason"]) == (
        None,
        "at ±1 Fisher's interval has no length, whatever n",
    )


@pytest.mark.parametrize("method", SCIPY)
@pytest.mark.parametrize("ci", ["fisher", "bootstrap", "none"])
def test_undefined_is_null_with_a_reason(client: TestClient, method: str, ci: str) -> None:
    asked = {"x": "width", "y": VALID, "method": method, "ci": ci, "resamples": 100}
    found = one(client, {**asked, "width": 2})
    assert (found["coefficient"], found["p_value"], found["ci"]) == (None, None, None)
    assert found["reason"] == "x is constant"
    assert found["n"] == 3968 + 2560
    for limit, n in ((1, 2), (0, 1)):
        found = one(client, {**asked, "max_official_index": limit, "connected": "true"})
        assert (found["coefficient"], found["p_value"], found["ci"]) == (None, None, None)
        assert "fewer than 3 rows" in found["reason"]
        assert found["n"] == n
    found = one(client, {**asked, "width": 2.25})
    assert (found["n"], found["coefficient"]) == (0, None)


def test_a_control_that_explains_all(client: TestClient) -> None:
    found = one(client, {"x": "width", "y": VALID, "control": "width", "method": "pearson"})
    assert found["coefficient"] is None
    assert found["reason"] == "the controls determine x completely"


def test_every_x_with_every_y(client: TestClient) -> None:
    asked = [
        ("x", "width,depth"),
        ("x", "n_paths"),
        ("y", VALID),
        ("y", "params_m"),
        ("ci", "none"),
    ]
    body = get(client, "/correlations", asked)
    assert [(item["x"], item["y"]) for item in body["items"]] == [
        (x, y) for x in ("width", "depth", "n_paths") for y in (VALID, "params_m")
    ]
    assert body["context"]["sets"][VALID]["set"] == "x-valid"


@pytest.mark.parametrize(
    ("parameters", "name", "hint"),
    [
        ({"y": VALID}, "x", "at most"),
        ({"x": "width"}, "y", ""),
        ({"x": ",", "y": VALID}, "x", ""),
        ({"x": ",".join(["width"] * 41), "y": VALID}, "x", "at most 40 names"),
        ({"x": "width", "y": "test_accuracy@final"}, "y", "valid_accuracy@{200}of200"),
        ({"x": "widht", "y": VALID}, "x", "did you mean width"),
        ({"x": "width", "y": VALID, "control": "foo"}, "control", "width"),
        ({"x": "width", "y": VALID, "group_by": "foo"}, "group_by", "width"),
        ({"x": "width", "y": VALID, "comparable_by": "foo"}, "comparable_by", "width"),
        ({"x": "width", "y": VALID, "method": "tau"}, "method", "kendall"),
        ({"x": "width", "y": VALID, "confidence": "1"}, "confidence", "number"),
        ({"x": "width", "y": VALID, "resamples": "5"}, "resamples", "100"),
        ({"x": "width", "y": VALID, "resample": "groups"}, "resample", "group_by"),
        ({"x": "arch", "y": VALID}, "x", "columns are"),
    ],
)
def test_what_can_t_be_correlated(
    client: TestClient, parameters: dict[str, str], name: str, hint: str
) -> None:
    (error,) = refused(client, "/correlations", parameters)
    assert error["name"] == name
    assert hint in error["allowed"]


# By epoch, on real curves.


def test_few_cells_of_many_columns_take_long_too(client: TestClient) -> None:
    """Their p goes through orders of the cells; one coefficient is as nothing."""
    columns = "width,depth,n_paths,mean_path,min_path,conv_depth,n_edges,n_skip,n_pool,params_m"
    asked = {"method": "kendall", "max_official_index": 20, "ci": "none"}
    more = {
        "x": f"{columns},node_width,flops_m,n_none",
        "y": f"{columns},n_dead,n_conv3x3,n_conv1x1",
    }
    (error,) = refused(client, "/correlations", {**asked, **more})
    assert error["problem"].startswith("169 kendall coefficients would take about")
    assert one(client, {**asked, "x": "width", "y": "n_skip"})["p_method"] == "permutation"


def test_resamples_of_groups_are_next_to_nothing(client: TestClient) -> None:
    asked = {"x": "width", "y": VALID, "group_by": "live_ops", "method": "kendall"}
    found = one(client, {**asked, "ci": "bootstrap", "resamples": 10_000})
    assert found["resampled"] == "groups"
    assert found["ci"][0] < found["coefficient"] < found["ci"][1]
    inside = {**asked, "ci": "bootstrap", "resamples": 10_000, "resample": "cells"}
    (error,) = refused(client, "/correlations", inside)
    assert "would take about" in error["problem"]


def test_what_would_take_minutes_is_refused(client: TestClient) -> None:
    columns = "width,depth,n_paths,mean_path,min_path,conv_depth,n_edges"
    asked = {"x": columns, "y": columns, "method": "kendall", "ci": "bootstrap"}
    problem = client.get("/correlations", params=asked)
    assert problem.status_code == 422
    (error,) = problem.json()["errors"]
    assert error["name"] == "ci"
    assert "49 kendall coefficients would take about" in error["problem"]
    assert "ci=fisher" in error["allowed"]
