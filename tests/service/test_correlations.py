"""Correlations: against scipy on the same rows, read from the raw pickles and files."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from starlette.testclient import TestClient

from analysis.spaces.darts import NAMED
from tests import raw
from tests.conftest import ROOT, TABLES, need
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


@pytest.mark.parametrize("group_by", raw.MULTISETS)
@pytest.mark.parametrize("method", SCIPY)
def test_within_groups_of_equal_operations(client: TestClient, method: str, group_by: str) -> None:
    """The mean of the groups' coefficients, weighted by their sizes (the contract's words)."""
    found = one(
        client, {"x": "width", "y": VALID, "group_by": group_by, "method": method, "ci": "none"}
    )
    multisets = map(sorted, map(raw.MULTISETS[group_by], raw.strings()))
    frame = pd.DataFrame(
        {
            "ops": [" ".join(names) for names in multisets],
            "width": raw.columns()["width"],
            "valid": raw.means("cifar10"),
        }
    ).dropna()
    coefficients, sizes = [], []
    for _, group in frame.groupby("ops"):
        if len(group) >= 3 and group["width"].nunique() > 1 and group["valid"].nunique() > 1:
            coefficients.append(SCIPY[method](group["width"], group["valid"]).statistic)
            sizes.append(len(group))
    assert found["coefficient"] == pytest.approx(np.average(coefficients, weights=sizes), abs=1e-9)
    assert (found["n"], found["groups"]) == (sum(sizes), len(sizes))
    assert found["n"] + sum(found["excluded"].values()) == 15_625


@pytest.mark.parametrize(
    ("asked", "x", "early", "late"),
    [
        ({"group_by": "ops"}, "width", 0.213, 0.284),
        ({"group_by": "ops"}, "depth", -0.185, 0.056),
        ({"group_by": "live_ops"}, "width", 0.265, 0.225),
        ({"group_by": "live_ops"}, "depth", -0.206, -0.175),
        ({"group_by": "ops", "n_dead": 0}, "width", 0.333, 0.254),
        ({"group_by": "ops", "n_dead": 0}, "depth", -0.235, -0.170),
    ],
)
def test_width_and_depth_with_operations_held(
    tables_client: TestClient, asked: dict[str, Any], x: str, early: float, late: float
) -> None:
    """Figures computed outside of this project from the same tables (docs/concepts.md has them).

    With the operations held that work, width fades a little and depth doesn't change its sign.
    """
    short, final = "valid_accuracy@12of12", "valid_accuracy@200of200"
    asked = {"x": x, "y": f"{short},{final}", "ci": "none", **asked}
    body = get(tables_client, "/correlations", asked)
    found = {item["y"]: item["coefficient"] for item in body["items"]}
    assert found == {
        short: pytest.approx(early, abs=6e-4),
        final: pytest.approx(late, abs=6e-4),
    }
    shown = " | ".join(f"{value:+.3f}".replace("-", "−") for value in (early, late))
    assert shown in (ROOT / "docs" / "concepts.md").read_text()


@pytest.mark.parametrize("group_by", [*raw.MULTISETS, "n_conv3x3"])
@pytest.mark.parametrize("x", ["width", "depth"])
def test_the_cells_that_a_grouping_compares(client: TestClient, group_by: str, x: str) -> None:
    """As they are, over the cells on which the coefficient within groups rests."""
    asked = {"x": x, "y": VALID, "ci": "none"}
    within = one(client, {**asked, "group_by": group_by})
    found = one(client, {**asked, "comparable_by": group_by})
    for name in ("n", "n_distinct", "excluded"):
        assert found[name] == within[name]
    assert "groups" not in found
    column, valid = raw.columns()[x], raw.means("cifar10")
    cells = np.concatenate(raw.compared(group_by, x))
    assert len(cells) == found["n"]
    expected = stats.spearmanr(column[cells], valid[cells]).statistic
    assert found["coefficient"] == pytest.approx(expected, abs=1e-9)


def test_what_of_a_change_is_a_change_of_cells(client: TestClient) -> None:
    """Of one, two and six live edges all cells are of one width and depth: they tell nothing."""
    asked = {"x": "width,depth", "y": VALID}
    found = get(client, "/correlations", {**asked, "comparable_by": "live_ops"})
    assert found["context"]["comparable_by"] == "live_ops"
    edges = {"min_n_edges": 3, "max_n_edges": 5}
    same = get(client, "/correlations", {**asked, **edges})
    for here, there in zip(found["items"], same["items"], strict=True):
        assert here.pop("excluded") != there.pop("excluded")
        assert here == there
    width, depth = found["items"]
    assert (width["n"], depth["n"]) == (8896, 8896)
    assert width["coefficient"] == pytest.approx(0.116, abs=6e-4)
    assert depth["coefficient"] == pytest.approx(-0.001, abs=6e-4)


def test_no_cell_can_be_compared(client: TestClient) -> None:
    for filters in ({"width": 3}, {"min_width": 4}):
        asked = {"x": "width", "y": VALID, **filters}
        found, within = (one(client, {**asked, by: "ops"}) for by in ("comparable_by", "group_by"))
        assert (found["n"], found["coefficient"]) == (0, None)
        assert found["reason"] == within["reason"]


def test_what_is_no_group_is_told_all_that_are(client: TestClient) -> None:
    for path, asked, name in (
        ("/correlations", {"x": "width", "y": VALID, "group_by": "op"}, "group_by"),
        ("/correlations/by-epoch", {"x": "width", "y": "valid_accuracy", "group_by": "live"},
         "group_by"),
        ("/groups", {"by": "width,operations"}, "by"),
        ("/plots/groups.svg", {"by": "live-ops"}, "by"),
    ):  # fmt: skip
        (error,) = refused(client, path, asked)
        assert error["name"] == name
        assert error["allowed"].partition("; or ")[2].startswith("live_ops, ops")
    (error,) = refused(client, "/groups", {"by": "live_op"})
    assert error["allowed"].startswith("did you mean live_ops")


def test_within_groups_of_a_column(client: TestClient) -> None:
    found = one(client, {"x": "width", "y": VALID, "group_by": "n_conv3x3", "ci": "none"})
    columns = raw.columns()
    kept = ~np.isnan(columns["width"])
    coefficients, sizes = [], []
    for number in range(7):
        rows = kept & (columns["n_conv3x3"] == number)
        if rows.sum() >= 3 and len(np.unique(columns["width"][rows])) > 1:
            pair = columns["width"][rows], raw.means("cifar10")[rows]
            coefficients.append(stats.spearmanr(*pair).statistic)
            sizes.append(int(rows.sum()))
    assert found["coefficient"] == pytest.approx(np.average(coefficients, weights=sizes), abs=1e-9)


def test_one_cell_of_each_network_has_scipys_p(client: TestClient) -> None:
    for method in SCIPY:
        asked = {"x": "width", "y": VALID, "method": method, "unique": "live"}
        found = one(client, {**asked, "ci": "none"})
        # The first cell of each class in the official order, without the disconnected ones.
        _, first = np.unique(list(map(str, raw.live_strings())), return_index=True)
        kept = first[~np.isnan(raw.columns()["width"][first])]
        expected = SCIPY[method](raw.columns()["width"][kept], raw.means("cifar10")[kept])
        assert found["coefficient"] == pytest.approx(expected.statistic, abs=1e-9)
        assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-300)
        assert found["n"] == found["n_distinct"] == found["n_effective"] == 9444


def test_copies_are_counted(client: TestClient) -> None:
    """9,445 live graphs (the official records' count), of which the disconnected cells are one."""
    assert one(client, {"x": "width", "y": VALID, "ci": "none"})["n_distinct"] == 9444
    assert one(client, {"x": "n_skip", "y": VALID, "ci": "none"})["n_distinct"] == 9445
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
    classes = pd.Series(influences).groupby(list(map(str, np.array(raw.live_strings())[kept])))
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
    fisher = one(client, {**asked, "ci": "fisher", "confidence": 0.9, "unique": "live"})
    _, first = np.unique(list(map(str, raw.live_strings())), return_index=True)
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


def test_groups_are_a_sample(client: TestClient) -> None:
    """The interval follows from how the groups' coefficients spread; I² is 0.84 by ``ops``."""
    asked = {"x": "width", "y": VALID, "group_by": "ops"}
    found = one(client, asked)
    groups = raw.compared("ops", "width")
    width, valid = raw.columns()["width"], raw.means("cifar10")
    r = np.array([stats.spearmanr(width[group], valid[group]).statistic for group in groups])
    sizes = np.array([len(group) for group in groups])
    weights = sizes / sizes.sum()
    # Higgins and Thompson's I² of Fisher's z, with Bonett and Wright's variances.
    z, precisions = np.arctanh(r), (sizes - 3) / (1 + r**2 / 2)
    assert np.isfinite(z).all()
    assert precisions.min() > 0
    q = precisions @ (z - np.average(z, weights=precisions)) ** 2
    assert found["i_squared"] == pytest.approx(1 - (len(z) - 1) / q)
    assert found["i_squared"] == pytest.approx(0.845, abs=5e-4)
    mean = weights @ r
    variance = (weights**2) @ (r - mean) ** 2 * len(r) / (len(r) - 1)
    reach = stats.t.ppf(0.975, len(r) - 1) * np.sqrt(variance) / (1 - mean**2)
    ends = np.tanh([np.arctanh(mean) - reach, np.arctanh(mean) + reach])
    np.testing.assert_allclose(found["ci"], ends, atol=1e-9)
    assert (found["ci_method"], found["p_method"]) == ("groups", "groups")
    drawn = one(client, {**asked, "ci": "bootstrap"})
    assert drawn["resampled"] == "groups"
    np.testing.assert_allclose(drawn["ci"], found["ci"], atol=0.01)
    inside = one(client, {**asked, "ci": "bootstrap", "resample": "cells", "resamples": 100})
    assert np.diff(inside["ci"])[0] < 0.5 * np.diff(found["ci"])[0]


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


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall"])
def test_by_epoch_on_the_selected_epochs(tables_client: TestClient, method: str) -> None:
    """Seed 888 of cifar10-valid at epochs 3, 8, 23, 67 and 200, read with pandas."""
    body = get(
        tables_client,
        "/correlations/by-epoch",
        {"x": "width", "y": "valid_accuracy", "source": "nb201-selected-epochs",
         "schedule": 200, "method": method, "ci": "none", "same_cells": "false"},
    )  # fmt: skip
    table = pd.read_parquet(need(TABLES / "nb201-200-epochs-selected-epochs-seed888.parquet"))
    table = table[(table["dataset"] == "cifar10-valid") & (table["eval_set"] == "x-valid")]
    table = table.assign(width=raw.columns()["width"][table["arch_index"]]).dropna(subset=["width"])
    assert [item["epoch"] for item in body["items"]] == sorted(table["epoch"].unique())
    for item in body["items"]:
        at = table[table["epoch"] == item["epoch"]].dropna(subset=["eval_accuracy"])
        expected = SCIPY[method](at["width"], at["eval_accuracy"])
        assert item["n"] == len(at)
        assert item["coefficient"] == pytest.approx(expected.statistic, abs=1e-9)
        assert item["n"] + sum(item["excluded"].values()) == 15_625
        assert item["excluded"]["disconnected"] == 341


def test_by_epoch_on_whole_curves(tables_client: TestClient) -> None:
    """Unnamed seeds of cifar10/ori-test: the mean of a cell's curves at each epoch."""
    body = get(
        tables_client,
        "/correlations/by-epoch",
        {"x": "depth", "y": "test_accuracy", "source": "nb201-cifar10-curves", "ci": "none",
         "same_cells": "false"},
    )  # fmt: skip
    table = pd.read_parquet(need(TABLES / "nb201-200-epochs-cifar10-curves.parquet"))
    grouped = table.groupby(["epoch", "arch_index"])["ori-test_accuracy"]
    means = grouped.agg(mean).reset_index()
    means["depth"] = raw.columns()["depth"][means["arch_index"]]
    means = means.dropna()
    assert [item["epoch"] for item in body["items"]] == list(range(1, 201))
    for item in body["items"][::13]:
        at = means[means["epoch"] == item["epoch"]]
        assert item["n"] == len(at)
        expected = stats.spearmanr(at["depth"], at["ori-test_accuracy"]).statistic
        assert item["coefficient"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("measure", ["valid_accuracy", "test_accuracy", "train_accuracy"])
def test_by_epoch_is_the_correlation_at_that_epoch(tables_client: TestClient, measure: str) -> None:
    """Also where tables hold different epochs of a cell, with seeds named, unnamed and averaged.

    Pooled, since a curve is one source's else, where the value of one epoch may be another's.
    """
    shared = {"x": "width", "ci": "none", "pooled": "true"}
    asked = {**shared, "y": measure, "same_cells": "false"}
    body = get(tables_client, "/correlations/by-epoch", asked)
    held = {item["epoch"]: item for item in body["items"]}
    for epoch in (3, 8, 23, 67, 200):
        found = one(tables_client, {**shared, "y": f"{measure}@{epoch}of200"})
        for name in ("coefficient", "n", "excluded", "p_value"):
            assert held[epoch][name] == pytest.approx(found[name], rel=1e-9), (epoch, name)


def test_by_epoch_takes_controls_and_groups(tables_client: TestClient) -> None:
    asked = {"x": "width", "source": "nb201-selected-epochs", "ci": "none"}
    for more in ({"control": "params_m"}, {"group_by": "ops"}, {"group_by": "live_ops"}):
        shown = {"y": "valid_accuracy", "min_epoch": 8, "max_epoch": 8}
        (item,) = get(tables_client, "/correlations/by-epoch", {**asked, **more, **shown})["items"]
        found = one(tables_client, {**asked, **more, "y": "valid_accuracy@8of200"})
        assert item["coefficient"] == pytest.approx(found["coefficient"], rel=1e-9)
        assert item["n"] == found["n"]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"x": "width", "y": VALID}, "y"),
        ({"x": "width", "y": "valid_accuracy", "schedule": 12}, "y"),
        ({"x": "width", "y": "test_loss"}, "y"),
        ({"x": ",".join(["width"] * 11), "y": "valid_accuracy"}, "x"),
        ({"x": "width"}, "y"),
    ],
)
def test_by_epoch_refuses(client: TestClient, parameters: dict[str, str], name: str) -> None:
    (error,) = refused(client, "/correlations/by-epoch", parameters)
    assert error["name"] == name


def test_twelve_epochs_against_two_hundred(tables_client: TestClient) -> None:
    """Known: Pearson 0.9119 and Spearman 0.8226 over all cells (DOMAIN.md, section 3)."""
    asked = {"x": "valid_accuracy@12of12", "y": "valid_accuracy@200of200", "ci": "none"}
    for method, expected in (("pearson", 0.9119), ("spearman", 0.8226)):
        found = one(tables_client, {**asked, "method": method})
        assert found["n"] == 15_625
        assert found["coefficient"] == pytest.approx(expected, abs=5e-5)


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
