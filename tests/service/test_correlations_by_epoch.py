"""Correlations epoch by epoch, against scipy on the tables' files."""

from __future__ import annotations

from statistics import mean

import pandas as pd
import pytest
from scipy import stats
from starlette.testclient import TestClient

from tests import raw
from tests.conftest import TABLES, need
from tests.service.helpers import get, refused
from tests.service.test_correlations import SCIPY, VALID, one


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
