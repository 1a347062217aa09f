"""The mini table: read without pandas, and what its columns are."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.sources import recognise
from data.sources.base import SourceError
from tests.data_.reading import FOLDER, TABLES, needs_shared, points, read

MINI = TABLES / "mini-bench-arch-cell-accs.pd"
COLUMNS = {
    "cifar10-val": ("cifar10-valid", "x-valid", "mean"),
    "cifar10-test": ("cifar10", "ori-test", "single"),
    "cifar100-val": ("cifar100", "x-valid", "single"),
    "cifar100-test": ("cifar100", "x-test", "single"),
    "imagenet-val": ("ImageNet16-120", "x-valid", "single"),
    "imagenet-test": ("ImageNet16-120", "x-test", "single"),
}


@needs_shared
def test_agrees_with_pandas() -> None:
    found = points(read(recognise(MINI)))
    frame = pd.read_pickle(MINI)
    wanted = {}
    for column, (dataset, eval_set, replicate) in COLUMNS.items():
        for cell, value in zip(frame["cellstr"], frame[column], strict=True):
            wanted[cell, dataset, 12, replicate, eval_set, "accuracy", 12] = value
    assert found == wanted
    assert len(wanted) == 6 * 15_625


@needs_shared
def test_columns_are_the_sets_that_the_real_records_say() -> None:
    """cifar10-test is cifar10/ori-test: cifar10-valid/ori-test is 5 to 12 points lower."""
    mini, records = points(read(recognise(MINI))), points(read(recognise(FOLDER)))
    cells = {key[0] for key in records}
    assert len(cells) == 3
    for cell in cells:

        def recorded(dataset: str, eval_set: str, cell: str = cell) -> list[float]:
            return [
                value
                for (c, d, schedule, _, e, measure, epoch), value in records.items()
                if (c, d, schedule, e, measure, epoch)
                == (cell, dataset, 12, eval_set, "accuracy", 12)
            ]

        for dataset, eval_set, replicate in COLUMNS.values():
            values = recorded(dataset, eval_set)
            assert len(values) == (2 if replicate == "mean" else 1)
            value = mini[cell, dataset, 12, replicate, eval_set, "accuracy", 12]
            assert value == pytest.approx(sum(values) / len(values), abs=1e-9)
        test = mini[cell, "cifar10", 12, "single", "ori-test", "accuracy", 12]
        assert all(test - other > 5 for other in recorded("cifar10-valid", "ori-test"))


@needs_shared
def test_pandas_is_not_needed() -> None:
    code = f"""
import sys
from pathlib import Path

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("pandas", "torch"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from data.sources import recognise
assert list(recognise(Path({str(MINI)!r})).batches(lambda done, total: None))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_shared
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"cifar10-val", b"cifar10-vax", "it lacks cifar10-val; expected are arch, cellstr"),
        (b"|none~0|+", b"|nome~0|+", "is not the cell of this index"),
        (struct.pack("<3q", 5, 6, 7), struct.pack("<3q", 6, 5, 7), "row 6: .*not the cell of"),
        (struct.pack("<d", 69.55), struct.pack("<d", 101.0), "cifar10-test, row 0: 101.0"),
        (struct.pack("<d", 69.55), struct.pack("<d", float("nan")), "cifar10-test, row 0: nan"),
        (b"\x8c\x060.14.1", b"\x8c\x060.99.9", "another structure"),
        (b"\x8c\x0aRangeIndex", b"\x8c\x0aTimesIndex", r"refused: .*range\.TimesIndex"),
        (b"\x8c\x08builtins\x94\x8c\x05slice", b"\x8c\x08builtins\x94\x8c\x05print", "print"),
    ],
)
def test_other_tables_of_pandas_are_refused(
    old: bytes, new: bytes, message: str, tmp_path: Path
) -> None:
    data = MINI.read_bytes()
    assert old in data
    (tmp_path / "table").write_bytes(data.replace(old, new, 1))
    with pytest.raises(SourceError, match=message):
        read(recognise(tmp_path / "table"))


def test_any_other_frame_is_refused_by_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    (tmp_path / "table").write_bytes(pickle.dumps(frame, 5))
    with pytest.raises(SourceError, match=r"refused.*pandas.*CSV or Parquet"):
        read(recognise(tmp_path / "table"))
