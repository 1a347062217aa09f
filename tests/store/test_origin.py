"""One cell, one origin: whose value stands for a cell where several sources know it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from data.curve_rows import CurveRows
from data.library import Library
from data.origin import of_one_source
from data.sources import packaged_table, recognise
from tests import raw
from tests.conftest import TABLES, client_of, copied
from tests.service.helpers import get
from tests.store.sources import Made, run

OWN = """cell,dataset,split,schedule,seed,epoch,value
6111,cifar10-valid,x-valid,200,4,200,50.0
9930,cifar10-valid,x-valid,200,777,1,31.0
9930,cifar10-valid,x-valid,200,777,2,32.0
"""
LAST = "valid_accuracy@200of200"
TEST = "test_accuracy@200of200"
CURVES = "nb201-200-epochs-cifar10-curves.parquet"
MEANS = "nb201-200-epochs-test.csv"


@pytest.fixture(scope="module")
def real(tables_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """All the real tables, the default one, and a small one of one's own."""
    own = tmp_path_factory.mktemp("own") / "own.csv"
    own.write_text(OWN)
    with closing(Library.open(copied(tables_home, tmp_path_factory))) as library:
        for file in (packaged_table(), own):
            library.import_source(recognise(file))
        with client_of(library) as client:
            yield client


def told(client: TestClient, metric: str, **context: Any) -> dict[str, Any]:
    """By metric, with ``:n_seeds`` and ``:std``, of one cell."""
    (row,) = get(client, "/cells", {"fields": metric, **context})["items"]
    return dict(row)


def sources(client: TestClient, metric: str, **context: Any) -> dict[str, int]:
    body = get(client, "/cells", {"fields": metric, "limit": 1, **context})
    return dict(body["context"]["sets"][metric]["sources"])


def test_the_mean_of_all_seeds_goes_before_one_unnamed_curve(real: TestClient) -> None:
    with (TABLES / MEANS).open() as file:
        means = [float(row["cifar10_test"]) for row in csv.DictReader(file)]
    assert told(real, TEST, cell=6940)[TEST] == pytest.approx(78.135)
    found = np.full(15_625, np.nan)
    asked = {"fields": f"official_index,{TEST}", "limit": 1000}
    page = get(real, "/cells", asked)
    while page["next"]:
        for row in page["items"]:
            found[row["official_index"]] = row[TEST]
        page = get(real, page["next"])
    for row in page["items"]:
        found[row["official_index"]] = row[TEST]
    np.testing.assert_allclose(found, means, rtol=1e-12)
    assert sources(real, TEST) == {"nb201-test-means": 15_625}
    # What was taken before: one curve each of 74 cells.
    pooled = told(real, TEST, cell=6940, pooled=True)
    assert (pooled[TEST], pooled[f"{TEST}:n_seeds"]) == (79.45, 1)
    assert sources(real, TEST, pooled=True) == {
        "nb201-test-means": 15_625 - 74,
        "nb201-cifar10-curves": 74,
    }


def test_one_row_of_an_import_moves_no_mean_of_several_seeds(real: TestClient) -> None:
    found = told(real, LAST, cell=6111)
    assert found[LAST] == pytest.approx(91.607, abs=5e-4) == mean(raw.accuracies("cifar10")[6111])
    assert found[f"{LAST}:n_seeds"] == len(raw.accuracies("cifar10")[6111]) == 3
    pooled = told(real, LAST, cell=6111, pooled=True)
    assert pooled[LAST] == pytest.approx(81.2, abs=0.01)
    assert pooled[f"{LAST}:n_seeds"] == 4
    assert told(real, LAST, cell=6111, seed=4)[LAST] == 50.0, "who names it gets it"
    assert told(real, LAST, cell=6111, source="own")[LAST] == 50.0
    # Two tables hold the same; the one that was imported first gives it.
    assert sources(real, LAST) == {"nb201-by-seed": 15_625}
    assert sources(real, LAST, source="hpo-bench") == {"hpo-bench": 15_625}


def test_epochs_of_one_table_are_not_joined_to_another_s(real: TestClient) -> None:
    (curve,) = get(real, "/cells/9930/curves", {"seed": 777})["items"]
    assert (curve["epochs"], curve["values"]) == ([1, 2], [31.0, 32.0])
    assert curve["source"] == "own"
    for seed in ("mean", "all"):  # five epochs of seed 888 are more than two, or the last alone
        (curve,) = get(real, "/cells/9930/curves", {"seed": seed})["items"]
        assert (curve["source"], curve["epochs"]) == (
            "nb201-selected-epochs",
            [3, 8, 23, 67, 200],
        )
    pooled = get(real, "/cells/9930/curves", {"seed": 777, "pooled": True})
    (joined,) = pooled["items"]
    assert joined["epochs"] == [1, 2, 200]
    assert joined["source"] == "nb201-by-seed, own"
    assert pooled["context"]["pooled"] is True
    # The last epoch alone is another's, as before.
    assert told(real, LAST, cell=9930)[LAST] == pytest.approx(mean(raw.accuracies("cifar10")[9930]))
    assert told(real, "aulc@2of200", cell=9930)["aulc@2of200"] == 31.5


def test_sources_are_counted_among_the_cells_of_the_answer(real: TestClient) -> None:
    metric = "valid_accuracy@2of200"
    assert sources(real, metric, pooled=True) == sources(real, metric) == {"own": 1}
    assert sources(real, metric, max_width=0) == {}
    cells = {"cell": "6111", "pooled": True}
    assert sources(real, LAST, **cells) == {"nb201-by-seed": 1, "own": 1}
    asked = {"x": "width", "y": "test_accuracy", "schedule": 200}
    body = get(real, "/correlations/by-epoch", asked)
    counts = body["context"]["sets"]["test_accuracy"]["sources"]
    # One epoch of one unnamed seed is no more than the last epoch of a mean.
    points = pq.read_table(TABLES / CURVES, columns=["arch_index", "curve_id"]).to_pylist()
    told_of = Counter(point["arch_index"] for point in points)
    longer = sum(count > 1 for count in told_of.values())
    assert longer < len(told_of) == 2_654
    assert counts == {"nb201-test-means": 15_625 - longer, "nb201-cifar10-curves": longer}
    curves = get(real, "/curves", [("cell", 0), ("cell", 6940), ("metric", "test_accuracy")])
    assert curves["context"]["sets"]["test_accuracy"]["sources"] == {
        "nb201-test-means": 1,
        "nb201-cifar10-curves": 1,
    }


# The order, on small tables.

Table = Callable[..., None]


@pytest.fixture
def table(fresh: Library, tmp_path: Path) -> Table:
    def add(name: str, *runs: Any, official: bool = False) -> None:
        fresh.import_source(Made(tmp_path, [list(runs)], name=name, official=official))

    return add


AT = "valid_accuracy@12of12"


def unnamed(value: float, replicate: str) -> Any:
    return run(0, {12: value}, seed=None, replicate=replicate)


KINDS = {
    "several named seeds": ([run(0, {12: 10.0}, seed=1), run(0, {12: 12.0}, seed=2)], 11.0, 2),
    "several unnamed seeds": ([unnamed(20.0, "a"), unnamed(22.0, "b")], 21.0, 2),
    "a table's own mean": ([unnamed(31.0, "mean")], 31.0, None),
    "a named seed": ([run(0, {12: 41.0}, seed=1)], 41.0, 1),
    "an unnamed seed": ([unnamed(51.0, "a")], 51.0, 1),
}


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("second", range(5))
def test_the_order_of_what_sources_hold(
    fresh: Library, table: Table, first: int, second: int
) -> None:
    """Whichever was imported first, and at a par just that one."""
    kinds = list(KINDS.values())
    for name, kind in (("one", first), ("two", second)):
        table(name, *kinds[kind][0])
    _, value, seeds = kinds[min(first, second)]
    client = client_of(fresh)
    found = told(client, AT, cell=0)
    assert (found[AT], found[f"{AT}:n_seeds"]) == (value, seeds)
    assert sources(client, AT) == {"one" if first <= second else "two": 1}


def test_the_official_table_wins_at_a_par(fresh: Library, table: Table) -> None:
    table("early", run(0, {12: 1.0}), run(1, {12: 3.0}), run(1, {12: 5.0}, seed=8))
    table("truth", run(0, {12: 50.0}), run(1, {12: 60.0}), official=True)
    client = client_of(fresh)
    assert told(client, AT, cell=0)[AT] == 50.0
    assert told(client, AT, cell=1)[AT] == 4.0, "a mean over two seeds before one seed"
    assert told(client, AT, cell=1, seed=777)[AT] == 60.0
    assert told(client, AT, cell=1, seed=8)[AT] == 5.0
    body = get(client, "/cells", [("cell", 0), ("cell", 1), ("fields", AT)])
    assert body["context"]["sets"][AT]["sources"] == {"early": 1, "truth": 1}


def test_what_a_source_lacks_it_can_t_give(fresh: Library, table: Table) -> None:
    """By value: epoch, measure, all epochs that a measure needs."""
    whole = {epoch: 40.0 + epoch for epoch in range(1, 13)}
    table("ends", run(0, {12: 90.0}), run(0, {12: 92.0}, seed=888), official=True)
    table("whole", run(0, whole))
    client = client_of(fresh)
    assert told(client, AT, cell=0)[AT] == 91.0
    assert told(client, "valid_accuracy@6of12", cell=0)["valid_accuracy@6of12"] == 46.0
    assert told(client, "aulc@12of12", cell=0)["aulc@12of12"] == mean(whole.values())
    assert sources(client, "aulc@12of12") == {"whole": 1}
    (curve,) = get(client, "/cells/0/curves")["items"]
    assert (curve["source"], curve["values"]) == ("whole", list(whole.values()))
    for asked in ({"source": "ends"}, {"source": "ends", "seed": 888}):
        (curve,) = get(client, "/cells/0/curves", asked)["items"]
        assert (curve["source"], curve["epochs"]) == ("ends", [12])


def test_who_never_reached_an_accuracy_has_answered(fresh: Library, table: Table) -> None:
    """Another source, of one seed that did reach it, doesn't stand in for those that did not."""
    slow = dict.fromkeys(range(1, 13), 40.0)
    table("slow", run(0, slow), run(0, slow, seed=888))
    table("fast", run(0, dict.fromkeys(range(1, 13), 70.0)))
    metric = "epochs_to_60of12"
    client = client_of(fresh)
    assert told(client, metric, cell=0, source="fast")[metric] == 1
    assert told(client, metric, cell=0)[metric] != 1


def test_within_a_source_named_and_unnamed_seeds_are_not_joined(
    fresh: Library, table: Table
) -> None:
    part = run(0, {1: 1.0, 2: 2.0}, seed=None, replicate="a")
    table("one", part, run(0, {12: 90.0}), run(0, {12: 94.0}, seed=888))
    client = client_of(fresh)
    (curve,) = get(client, "/cells/0/curves")["items"]
    assert (curve["epochs"], curve["values"]) == ([1, 2], [1.0, 2.0])
    (pooled,) = get(client, "/cells/0/curves", {"pooled": True})["items"]
    assert (pooled["epochs"], pooled["values"]) == ([1, 2, 12], [1.0, 2.0, 92.0])
    found = told(client, AT, cell=0)
    assert (found[AT], found[f"{AT}:std"]) == (92.0, pytest.approx(stdev([90, 94])))


def test_seed_curves_are_those_of_the_mean(fresh: Library, table: Table) -> None:
    table("one", run(0, {11: 1.0, 12: 2.0}), run(0, {12: 4.0}, seed=888))
    table("two", run(0, {10: 7.0, 12: 8.0}, seed=999), run(0, {12: 9.0}))
    client = client_of(fresh)
    (curve,) = get(client, "/cells/0/curves")["items"]
    assert (curve["source"], curve["epochs"], curve["values"]) == ("one", [11, 12], [1.0, 3.0])
    found = get(client, "/cells/0/curves", {"seed": "all"})["items"]
    assert [(item["seed"], item["source"], item["epochs"]) for item in found] == [
        (777, "one", [11, 12]),
        (888, "one", [12]),
    ]
    found = get(client, "/cells/0/curves", {"seed": "all", "pooled": True})["items"]
    assert [(item["seed"], item["source"], item["values"]) for item in found] == [
        (777, "one", [1.0, 2.0]),
        (888, "one", [4.0]),
        (999, "two", [7.0, 8.0]),
    ]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 3),
        st.lists(st.booleans(), min_size=3, max_size=3),
    ),
    min_size=1,
    unique_by=lambda row: row[:4],
)


@given(ROWS)
def test_the_choice_is_the_first_by_the_order(given_rows: list[Any]) -> None:
    """Against the order written as a sort of each cell's candidates."""
    rows = sorted(given_rows, key=lambda row: row[:4])
    cell, source, tier, seed = (np.array([row[n] for row in rows], np.int64) for n in range(4))
    held = np.array([row[4] for row in rows], np.bool_)
    values = np.where(held, 1.0, np.nan)
    made = CurveRows(cell, source, seed, tier, values, np.empty((2, 0), np.int64))
    chosen = of_one_source(made, held)
    for number in set(cell.tolist()):
        own = [row for row in rows if row[0] == number]

        def worth(candidate: tuple[int, int], own: list[Any] = own) -> tuple[Any, ...]:
            there = [row[4] for row in own if row[1:3] == candidate]
            seeds = sum(map(any, there))
            kind = candidate[1] if seeds > 1 or candidate[1] == 2 else 3 + candidate[1]
            epochs = sum(any(column) for column in zip(*there, strict=True))
            return (-epochs, kind if seeds else 9, candidate)

        best = min({row[1:3] for row in own}, key=worth)
        found = {(row[1], row[2]) for row, kept in zip(rows, chosen, strict=True)
                 if kept and row[0] == number}  # fmt: skip
        assert found == {best}
