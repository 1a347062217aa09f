"""Correlations within groups of cells, and over those that can be compared so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from starlette.testclient import TestClient

from tests import raw
from tests.conftest import ROOT
from tests.service.helpers import get, refused
from tests.service.test_correlations import SCIPY, VALID, one


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
    # Bell and McCaffrey's variance and degrees of freedom, as a quadratic form of r.
    off = np.eye(len(r)) - weights
    form = off.T @ np.diag(weights**2 / (off @ off.T).diagonal()) @ off
    degrees = np.trace(form) ** 2 / np.trace(form @ form)
    reach = stats.t.ppf(0.975, degrees) * np.sqrt(r @ form @ r) / (1 - mean**2)
    ends = np.tanh([np.arctanh(mean) - reach, np.arctanh(mean) + reach])
    np.testing.assert_allclose(found["ci"], ends, atol=1e-9)
    assert (found["ci_method"], found["p_method"]) == ("groups", "groups")
    drawn = one(client, {**asked, "ci": "bootstrap"})
    assert drawn["resampled"] == "groups"
    np.testing.assert_allclose(drawn["ci"], found["ci"], atol=0.01)
    inside = one(client, {**asked, "ci": "bootstrap", "resample": "cells", "resamples": 100})
    assert np.diff(inside["ci"])[0] < 0.5 * np.diff(found["ci"])[0]
