"""CSV and Parquet in the plain layout: what is read, and every bad row."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from analysis.cells import parse_cell
from analysis.spaces.nasbench201 import all_cells
from data.sources import grouping, recognise
from data.sources.base import SourceError
from tests.data_.reading import points, read, runs

HEADER = "cell,dataset,split,schedule,seed,epoch,value"
ZERO = all_cells()[0].arch


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def one(tmp_path: Path, row: str, header: str = HEADER) -> dict[str, Any]:
    (run,) = runs(read(recognise(table(tmp_path, row, header=header))))
    return run


# The plain layout -------------------------------------------------------------------------------


def test_the_plain_layout(tmp_path: Path) -> None:
    """Unsorted rows, cells named in three ways, two measures: runs come out whole."""
    rows = [
        f"{ZERO},cifar10-valid,x-valid,12,777,2,50.5,accuracy",
        "1,cifar100,train,200,888,1,4.5,loss",
        "nb201-000000,cifar10-valid,x-valid,12,777,1,40.5,accuracy",
        "0,cifar10-valid,train,12,777,1,1.5,loss",
        "0,cifar10-valid,x-valid,12,111,1,30.5,accuracy",
    ]
    found = runs(read(recognise(table(tmp_path, *rows, header=HEADER + ",measure"))))
    assert [(run["cell"], run["dataset"], run["seed"]) for run in found] == [
        (ZERO, "cifar10-valid", 111),
        (ZERO, "cifar10-valid", 777),
        (all_cells()[1].arch, "cifar100", 888),
    ]
    assert found[1]["series"] == {
        ("x-valid", "accuracy"): {1: 40.5, 2: 50.5},
        ("train", "loss"): {1: 1.5},
    }
    assert found[1]["schedule"] == 12
    assert found[1]["recipe"] == "nb201-12"
    assert found[1]["images"] == "original"
    assert found[1]["replicate"] is None
    assert [found[1][k] for k in ("params_m", "latency_s", "time_source", "device")] == [None] * 4


def test_all_optional_columns(tmp_path: Path) -> None:
    header = HEADER + ",recipe,images,time_source,device,params_m,flops_m,latency_s,train_time_s"
    row = "0,digits,x-test,5,1,5,50,mine,re-encoded,measured,H100,0.5,10,0.01,120"
    run = one(tmp_path, row, header)
    assert run["dataset"] == "digits"
    assert run["recipe"] == "mine"
    assert run["images"] == "re-encoded"
    assert (run["time_source"], run["device"]) == ("measured", "H100")
    figures = ("params_m", "flops_m", "latency_s", "train_time_s")
    assert [run[figure] for figure in figures] == [0.5, 10, 0.01, 120]


def test_a_figure_may_stand_in_any_row_of_its_run_but_not_differ(tmp_path: Path) -> None:
    header = HEADER + ",latency_s"
    rows = ["0,cifar10,train,12,1,1,50,", "0,cifar10,train,12,1,2,51,0.01"]
    (run,) = runs(read(recognise(table(tmp_path, *rows, header=header))))
    assert run["latency_s"] == 0.01
    rows.append("0,cifar10,train,12,1,3,52,0.02")
    with pytest.raises(SourceError, match=r"line 4: latency_s differs"):
        read(recognise(table(tmp_path, *rows, header=header)))


@pytest.mark.parametrize(
    ("seed", "replicate", "expected"),
    [
        ("777", "", (777, None)),
        ("0", "", (0, None)),
        ("mean", "", (None, "mean")),
        ("", "", (None, "unnamed")),
        ("", "curve 3", (None, "curve 3")),
        ("mean", "of five", (None, "of five")),
    ],
)
def test_seeds(seed: str, replicate: str, expected: Any, tmp_path: Path) -> None:
    run = one(tmp_path, f"0,cifar10,train,12,{seed},1,50,{replicate}", HEADER + ",replicate")
    assert (run["seed"], run["replicate"]) == expected


@pytest.mark.parametrize(
    ("dataset", "word", "expected"),
    [
        ("cifar10", "valid", ("cifar10-valid", "x-valid")),
        ("cifar10", "test", ("cifar10", "ori-test")),
        ("CIFAR10-valid", "valid", ("cifar10-valid", "x-valid")),
        ("cifar100", "valid", ("cifar100", "x-valid")),
        ("cifar100", "test", ("cifar100", "x-test")),
        ("cifar100", "valtest", ("cifar100", "ori-test")),
        ("imagenet16-120", "test", ("ImageNet16-120", "x-test")),
        ("ImageNet16-120", "valtest", ("ImageNet16-120", "ori-test")),
        ("cifar10", "ori-test", ("cifar10", "ori-test")),
        ("Digits", "x-valid", ("digits", "x-valid")),
        ("cifar100", "train", ("cifar100", "train")),
    ],
)
def test_plain_words_of_sets(dataset: str, word: str, expected: Any, tmp_path: Path) -> None:
    run = one(tmp_path, f"0,{dataset},{word},12,777,1,50")
    ((eval_set, _),) = run["series"]
    assert (run["dataset"], eval_set) == expected


@pytest.mark.parametrize(
    ("dataset", "word"),
    [("cifar10", "valtest"), ("cifar10-valid", "test"), ("digits", "test"), ("digits", "valid")],
)
def test_words_that_are_ambiguous_are_refused(dataset: str, word: str, tmp_path: Path) -> None:
    path = table(tmp_path, f"0,{dataset},{word},12,777,1,50")
    with pytest.raises(SourceError, match=rf"column 'split': '{word}'.*allowed: train, x-valid"):
        read(recognise(path))


def test_a_genotype_is_a_cell_too(tmp_path: Path) -> None:
    genotype = parse_cell("DARTS-V2").arch
    quoted = '"' + genotype.replace('"', '""') + '"'
    for text in ("DARTS-V2", quoted):
        run = one(tmp_path, f"{text},cifar10,x-valid,600,1,600,97.5")
        assert run["cell"] == genotype
        assert run["recipe"] == ""


def test_empty_values_are_not_recorded(tmp_path: Path) -> None:
    rows = ["0,cifar10,train,12,777,1,50", "0,cifar10,train,12,777,2,", "0,,,,,,"]
    (run,) = runs(read(recognise(table(tmp_path, *rows))))
    assert run["series"] == {("train", "accuracy"): {1: 50.0}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,cifar10,train,12,777,1,nan", "column 'value': 'nan' can't be taken; allowed: finite"),
        ("0,cifar10,train,12,777,1,inf", "'inf' can't be taken; allowed: finite"),
        ("0,cifar10,train,12,777,1,-inf", "finite"),
        ("0,cifar10,train,12,777,1,1e999", "finite"),
        ("0,cifar10,train,12,777,1,high", "column 'value': 'high' is no number"),
        ("0,cifar10,train,12,777,1,100.1", "'100.1' can't be taken; allowed: accuracies"),
        ("0,cifar10,train,12,777,1,-0.1", "allowed: accuracies"),
        ("0,cifar10,train,12,777,13,50", "column 'epoch': '13'.*at most the schedule"),
        ("0,cifar10,train,12,777,0,50", "column 'epoch': '0' is out of range; allowed: whole"),
        ("0,cifar10,train,12,777,1.5,50", "column 'epoch': '1.5' is out of range"),
        ("0,cifar10,train,12,777,,50", "column 'epoch': 'None' is empty"),
        ("0,cifar10,train,12,777,last,50", "column 'epoch': 'last' is no number"),
        ("0,cifar10,train,0,777,1,50", "column 'schedule': '0' is out of range"),
        ("0,cifar10,train,99999999,777,1,50", "column 'schedule'"),
        ("0,cifar10,train,nan,777,1,50", "column 'schedule'"),
        ("15625,cifar10,train,12,777,1,50", "column 'cell': '15625' is no cell"),
        ("|skip~0|,cifar10,train,12,777,1,50", "column 'cell': .* is no cell"),
        (",cifar10,train,12,777,1,50", "column 'cell': 'None' is empty"),
        ("0,,train,12,777,1,50", "column 'dataset'"),
        ("0,a b,train,12,777,1,50", "column 'dataset': 'a b' is no name"),
        ("0,cifar10,holdout,12,777,1,50", "column 'split': 'holdout'.*x-valid, x-test"),
        ("0,cifar10,train,12,seven,1,50", "column 'seed': 'seven' is no seed"),
        ("0,cifar10,train,12,-1,1,50", "column 'seed': '-1' is no seed"),
        ("0,cifar10,train,12,7.5,1,50", "column 'seed'"),
    ],
)
def test_every_bad_row_is_told_with_line_column_and_value(
    row: str, message: str, tmp_path: Path
) -> None:
    good = "1,cifar10,train,12,777,1,50"
    with pytest.raises(SourceError, match=rf"table\.csv, line 4, {message}|line 4, .*{message}"):
        read(recognise(table(tmp_path, good, "2" + good[1:], row, good)))


def test_losses_are_checked_as_losses(tmp_path: Path) -> None:
    header = HEADER + ",measure"
    run = one(tmp_path, "0,cifar10,train,12,777,1,250.5,loss", header)
    assert run["series"]["train", "loss"] == {1: 250.5}
    for row, message in (
        ("0,cifar10,train,12,777,1,-0.5,loss", "losses of 0 or more"),
        ("0,cifar10,train,12,777,1,5,top5", "'top5' is unknown; allowed: accuracy, loss"),
    ):
        with pytest.raises(SourceError, match=message):
            read(recognise(table(tmp_path, row, header=header)))


def test_the_same_point_twice(tmp_path: Path) -> None:
    rows = ["0,cifar10,train,12,777,1,50", "1,cifar10,train,12,777,1,50"]
    again = "nb201-000000,CIFAR10,train,12,777,1,50.0"
    assert len(points(read(recognise(table(tmp_path, *rows, again))))) == 2
    other = "0,cifar10,train,12,777,1,50.5"
    with pytest.raises(SourceError, match=r"line 4: the same point as in 2.*50\.0 and 50\.5"):
        read(recognise(table(tmp_path, *rows, other)))


def test_a_line_with_too_few_fields(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="line 3: 2 fields where the header has 7"):
        read(recognise(table(tmp_path, "0,cifar10,train,12,777,1,50", "0,cifar10")))


def test_headers(tmp_path: Path) -> None:
    path = table(tmp_path, "0,1,2", header="cell,epoch,accuracy")
    with pytest.raises(SourceError, match=r"missing: dataset, split, schedule, seed, value; unkn"):
        recognise(path)
    for header in (HEADER + ",note", HEADER + ",split", HEADER + ",set"):
        with pytest.raises(SourceError, match=r"unknown: note|the same name: split|set and split"):
            recognise(table(tmp_path, "0,1,2,3,4,5,6,7", header=header))
    assert not runs(read(recognise(table(tmp_path))))


def test_a_large_file_goes_through_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every point in random order, in several buckets: the same runs as in one."""
    rows = [
        f"{cell},cifar10,{split},12,{seed},{epoch},{cell % 90 + epoch / 8}"
        for cell in range(60)
        for split in ("train", "ori-test")
        for seed in (111, 777)
        for epoch in range(1, 13)
    ]
    random.Random(1).shuffle(rows)
    path = table(tmp_path, *rows)
    expected = points(read(recognise(path)))
    monkeypatch.setattr(grouping, "POINTS_PER_BUCKET", 500)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    batches = read(recognise(path))
    assert points(batches) == expected
    assert len(expected) == len(rows)
    assert len(runs(batches)) == 120
    assert len(batches) > 3
    generator = recognise(path).batches(lambda _done, _total: None)
    next(generator)
    assert list((tmp_path / "tmp").iterdir())
    del generator
    assert not list((tmp_path / "tmp").iterdir())


def test_parquet_with_its_own_types(tmp_path: Path) -> None:
    columns = {
        "cell": pa.array([0, 0, 1], pa.int16()),
        "dataset": pa.array(["cifar10"] * 3).dictionary_encode(),
        "split": pa.array(["train"] * 3, pa.large_string()),
        "schedule": pa.array([12.0] * 3),
        "seed": pa.array([777, 777, None], pa.int32()),
        "epoch": pa.array([2, 1, 1], pa.uint8()),
        "value": pa.array([50, 40, None], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "file")
    (run,) = runs(read(recognise(tmp_path / "file")))
    assert run["series"] == {("train", "accuracy"): {1: 40.0, 2: 50.0}}
    columns["value"] = pa.array([50, float("nan"), 1.0])
    pq.write_table(pa.table(columns), tmp_path / "file")
    with pytest.raises(SourceError, match="file, row 2, column 'value': 'nan' can't be taken"):
        read(recognise(tmp_path / "file"))
    columns["value"] = pa.array([[1.0], [2.0], [3.0]])
    pq.write_table(pa.table(columns), tmp_path / "file")
    with pytest.raises(SourceError, match="column 'value'"):
        read(recognise(tmp_path / "file"))
