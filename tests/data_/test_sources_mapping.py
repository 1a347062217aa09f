"""Mappings of tables: one's own, the documentation's, and the shipped ones on the real tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from data.sources import recognise
from data.sources.base import SourceError
from tests.data_.reading import FOLDER, TABLES, needs_shared, points, read, runs
from tests.data_.test_sources_tables import table


def mapped(tmp_path: Path, mapping: str, *rows: str) -> Any:
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    path = table(tmp_path, *rows[1:], header=rows[0])
    return recognise(path, mapping=tmp_path / "m.toml")


WIDE = """
[source]
name = "lab"
title = "Our runs"
origin = "lab 3"
licence = "CC0"
notes = ["test is derived"]

[run]
cell = { column = "arch" }
dataset = { column = "data", names = { c10 = "cifar10", c100 = "cifar100" } }
schedule = 12
epoch = { column = "step", plus = 1 }
replicate = { column = "try", prefix = "try " }
recipe = "ours"
train_time_s = { column = "minutes", times = 60 }
time_source = "measured"

[[value]]
column = "acc"
set = "train"
times = 100

[[value]]
column = "nll"
set = "train"
measure = "loss"

[[value]]
column = "test"
set = { column = "which" }
epoch = 12
"""


def test_a_mapping_of_ones_own(tmp_path: Path) -> None:
    source = mapped(
        tmp_path,
        WIDE,
        "arch,data,step,try,minutes,acc,nll,test,which,ignored",
        "0,c10,0,a,2,0.25,2.5,,,x",
        "0,c10,1,a,2,0.5,2.0,70,ori-test,y",
        "0,c100,0,b,3,0.125,4.5,,,z",
    )
    description = source.describe()
    assert (description.name, description.title, description.origin) == ("lab", "Our runs", "lab 3")
    assert description.licence == "CC0"
    assert description.notes == ("test is derived",)
    assert [file.name for file in source.files()] == ["table.csv", "m.toml"]
    first, second = runs(read(source))
    assert (first["dataset"], first["replicate"], first["recipe"]) == ("cifar10", "try a", "ours")
    assert first["series"] == {
        ("train", "accuracy"): {1: 25.0, 2: 50.0},
        ("train", "loss"): {1: 2.5, 2: 2.0},
        ("ori-test", "accuracy"): {12: 70.0},
    }
    assert (first["train_time_s"], first["time_source"]) == (120.0, "measured")
    assert (second["dataset"], second["replicate"]) == ("cifar100", "try b")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[source]", "[sources]", "unknown sources; allowed: run, source, value"),
        ("[[value]]", "[value]", "no valid TOML|expected"),
        ('column = "acc"', 'colum = "acc"', "needs a column"),
        ('set = "train"', "", "set must be given here or in"),
        ("schedule = 12", "schedule = true", "schedule: expected a constant"),
        ("schedule = 12", 'schedule = "twelve"', "mapping's 'twelve' is no number; allowed: whole"),
        ("schedule = 12", "schedule = 12\nbatch = 3", "unknown batch; allowed: cell, dataset"),
        ("plus = 1", 'plus = "1"', "times and plus must be numbers"),
        ("plus = 1", "minus = 1", "unknown minus; allowed: column, names, plus, prefix, times"),
        ('prefix = "try "', "prefix = 3", "prefix must be a text"),
        ('names = { c10 = "cifar10"', "names = { c10 = 3", "names must be a table of texts"),
        ('name = "lab"', "name = 3", "name must be a text"),
        ('notes = ["test is derived"]', 'notes = "a"', "notes must be a list of texts"),
        ('column = "nll"', 'column = "nlll"', "needs nlll; the columns are arch, data"),
        ('measure = "loss"', 'measure = "lose"', "'lose' is unknown; allowed: accuracy, loss"),
        ('time_source = "measured"', 'time_source = "guessed"', "allowed: measured, derived"),
        ('{ column = "minutes", times = 60 }', '"long"', "'long' is no number"),
    ],
)
def test_a_wrong_mapping(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in WIDE
    with pytest.raises(SourceError, match=message):
        read(
            mapped(
                tmp_path,
                WIDE.replace(old, new),
                "arch,data,step,try,minutes,acc,nll,test,which",
                "0,c10,0,a,2,0.25,2.5,70,ori-test",
            )
        )


def test_a_mapping_that_cannot_be_read(tmp_path: Path) -> None:
    path = table(tmp_path, "0,cifar10,train,12,777,1,50")
    with pytest.raises(SourceError, match="can't be read"):
        recognise(path, mapping=tmp_path / "nothing.toml")
    (tmp_path / "m.toml").write_text("a = ", encoding="utf-8")
    with pytest.raises(SourceError, match="no valid TOML"):
        recognise(path, mapping=tmp_path / "m.toml")
    (tmp_path / "m.toml").write_text("[run]\nepoch = 1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"at least one \[\[value\]\]"):
        recognise(path, mapping=tmp_path / "m.toml")


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text("utf-8")
    (plain,) = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    header, *rows = plain.splitlines()
    assert len(runs(read(recognise(table(tmp_path, *rows, header=header))))) == 2
    (mapping,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    source = mapped(
        tmp_path,
        mapping,
        "arch,data,step,seed,minutes,acc,nll,test_acc",
        "0,c10,11,777,2,0.25,2.5,70",
    )
    (run,) = runs(read(source))
    assert run["series"] == {
        ("train", "accuracy"): {12: 25.0},
        ("train", "loss"): {12: 2.5},
        ("ori-test", "accuracy"): {12: 70.0},
    }
    assert (run["dataset"], run["train_time_s"]) == ("cifar10", 120.0)


# The real tables --------------------------------------------------------------------------------


def real(name: str) -> tuple[Any, Any, list[dict[str, Any]]]:
    """A real table: its description, its points, and the file's own rows."""
    path = TABLES / name
    source = recognise(path)
    raw = pa.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    return source.describe(), points(read(source)), raw.to_pylist()


@needs_shared
def test_test_means() -> None:
    description, found, rows = real("nb201-200-epochs-test.csv")
    assert (description.name, description.licence) == ("nb201-test-means", "MIT")
    columns = {
        "cifar10_test": ("cifar10", "ori-test"),
        "cifar100_test": ("cifar100", "x-test"),
        "imagenet16_120_test": ("ImageNet16-120", "x-test"),
    }
    assert found == {
        (row["arch"], dataset, 200, "mean", eval_set, "accuracy", 200): row[column]
        for row in rows
        for column, (dataset, eval_set) in columns.items()
    }
    records = points(read(recognise(FOLDER)))
    for cell in {key[0] for key in records}:
        for dataset, eval_set in columns.values():
            seeds = [
                records[cell, dataset, 200, seed, eval_set, "accuracy", 200]
                for seed in (777, 888, 999)
            ]
            mean = found[cell, dataset, 200, "mean", eval_set, "accuracy", 200]
            assert mean == pytest.approx(sum(seeds) / 3, abs=1e-5)


@needs_shared
def test_by_seed() -> None:
    description, found, rows = real("nb201-200-epochs-by-seed.parquet")
    assert "derived, not recorded" in " ".join(description.notes)
    columns = {
        "c10valid_xvalid": ("cifar10-valid", "x-valid"),
        "c100_xvalid": ("cifar100", "x-valid"),
        "c100_valtest": ("cifar100", "ori-test"),
        "c100_xtest_derived": ("cifar100", "x-test"),
        "in16_xvalid": ("ImageNet16-120", "x-valid"),
        "in16_valtest": ("ImageNet16-120", "ori-test"),
        "in16_xtest_derived": ("ImageNet16-120", "x-test"),
    }
    assert found == {
        (row["arch_str"], dataset, 200, row["seed"], eval_set, "accuracy", 200): row[column]
        for row in rows
        for column, (dataset, eval_set) in columns.items()
    }
    records = points(read(recognise(FOLDER)))
    for key in found:
        if key in records:
            assert found[key] == pytest.approx(records[key], abs=2e-4)


@needs_shared
def test_selected_epochs() -> None:
    _, found, rows = real("nb201-200-epochs-selected-epochs-seed888.parquet")
    wanted = {}
    for row in rows:
        start = row["arch_str"], row["dataset"], 200, 888
        for measure in ("loss", "accuracy"):
            wanted[*start, "train", measure, row["epoch"]] = row[f"train_{measure}"]
            wanted[*start, row["eval_set"], measure, row["epoch"]] = row[f"eval_{measure}"]
    assert found == wanted
    records = points(read(recognise(FOLDER)))
    common = found.keys() & records.keys()
    assert len(common) > 20
    assert all(found[key] == pytest.approx(records[key], abs=1e-3) for key in common)


@needs_shared
def test_unnamed_curves() -> None:
    description, found, rows = real("nb201-200-epochs-cifar10-curves.parquet")
    assert "without naming" in description.notes[0]
    wanted = {}
    for row in rows:
        start = row["arch_str"], "cifar10", 200, f"curve {row['curve_id']}"
        wanted[*start, "ori-test", "accuracy", row["epoch"]] = row["ori-test_accuracy"]
        wanted[*start, "train", "accuracy", row["epoch"]] = row["train_accuracy"]
    assert found == wanted
