"""All cells in memory, column by column.

A page of cells must come in about a millisecond, many times a second, and a correlation must not
cost more than scipy itself; a SQL statement of DuckDB on 15,625 rows takes one to two milliseconds,
ten times as long as masks on arrays (docs/benchmarks.md). The cells' columns are some 10 MB, so
that they can stay in memory, as arrays for masks and statistics and as Python values for answers.
The database remains the record: a frame is read from it once per state of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from analysis.spaces import nasbench201, published
from data import operations
from data.columns import COLUMNS, SAMENESS, STORED, TEXT_FIELDS

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


class Frame:
    """Columns of all cells; row ``i`` is the cell with number ``i``.

    Attributes:
        size: number of cells.
        numbers: stored columns, float64 (size,), NaN for null.
        texts: ``id, arch, space, name`` as lists of text or None.
        connected: whether a path leads from input to output.
        classes: by notion of sameness, the lowest row of each cell's class.
        rows: cell id, canonical string or published name → row.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        names = (*TEXT_FIELDS, "connected", *STORED, *(f"class_{notion}" for notion in SAMENESS))
        table = cursor.execute(
            f"SELECT {', '.join(names)} FROM cells ORDER BY cell"  # noqa: S608  (registry)
        ).fetchnumpy()
        self.size = len(table["id"])
        self.texts: dict[str, list[str | None]] = {
            name: _texts(table[name]) for name in TEXT_FIELDS
        }
        self.connected: Mask = np.asarray(table["connected"], dtype=np.bool_)
        self.numbers: dict[str, Floats] = {name: _floats(table[name]) for name in STORED}
        self.classes: dict[str, Integers] = {
            notion: np.asarray(table[f"class_{notion}"], dtype=np.int64) for notion in SAMENESS
        }
        spaces = np.array(self.texts["space"], dtype=object)
        self.spaces: dict[str, Mask] = {
            space: np.asarray(spaces == space, dtype=np.bool_) for space in ("nasbench201", "darts")
        }
        self.rows: dict[str, int] = {}
        for field in ("name", "arch", "id"):
            for row, text in enumerate(self.texts[field]):
                if text is not None:
                    self.rows[text] = row
        self._multisets: dict[str, Integers] = {}
        self._costs: dict[str, tuple[Floats, Floats]] = {}
        self._values: dict[tuple[str, str], list[Any]] = {}

    @cached_property
    def operations(self) -> npt.NDArray[np.int8]:
        """Operation of each NAS-Bench-201 edge, (size, 6): index in the official order, else -1."""
        table = np.full((self.size, len(nasbench201.EDGES)), -1, dtype=np.int8)
        table[: nasbench201.N_CELLS] = operations.by_edge()
        return table

    def multisets(self, grouping: str) -> Integers:
        """A code for each cell's multiset of operations, (size,); one of ``GROUPINGS``."""
        if grouping not in self._multisets:
            archs = [arch or "" for arch in self.texts["arch"]]
            live_only = grouping == "live_ops"
            self._multisets[grouping] = operations.multisets(archs, live_only=live_only)
        return self._multisets[grouping]

    def multiset_name(self, grouping: str, row: int) -> str:
        """What a cell's multiset is called."""
        arch = self.texts["arch"][row] or ""
        return operations.multiset_name(arch, live_only=grouping == "live_ops")

    def named(self, kinds: Iterable[published.Kind]) -> Mask:
        """The cells that have a name of these kinds, (size,)."""
        wanted = {name for name, known in published.CELLS.items() if known.kind in set(kinds)}
        return np.array([name in wanted for name in self.texts["name"]], dtype=np.bool_)

    def column(self, name: str, dataset: str) -> Floats:
        """A topology or cost column as float64 (size,), NaN for null; cost is by data set."""
        if name in self.numbers:
            return self.numbers[name]
        params, flops = self._cost(dataset)
        return params if name == "params_m" else flops

    def _cost(self, dataset: str) -> tuple[Floats, Floats]:
        if dataset not in self._costs:
            table = np.full((self.size, 2), np.nan)
            cells = np.flatnonzero(self.spaces["nasbench201"])
            counts = np.stack([self.numbers["n_conv1x1"], self.numbers["n_conv3x3"]], axis=1)
            # The formula reads nothing but the numbers of convolutions.
            kinds, place = np.unique(counts[cells], axis=0, return_inverse=True)
            try:
                costs = [nasbench201.cost(_with_convolutions(*kind), dataset) for kind in kinds]
            except ValueError:  # not one of the benchmark's data sets: no network is defined
                pass
            else:
                table[cells] = np.array(costs)[place.ravel()]
            self._costs[dataset] = (table[:, 0], table[:, 1])
        return self._costs[dataset]

    def values(self, name: str, dataset: str) -> Sequence[Any]:
        """A column or text field as Python values, None for null: what answers are made of."""
        key = (name, dataset if name in ("params_m", "flops_m") else "")
        if key not in self._values:
            if name in self.texts:
                self._values[key] = list(self.texts[name])
            elif name == "connected":
                self._values[key] = self.connected.tolist()
            else:
                self._values[key] = python_values(
                    self.column(name, dataset), whole=COLUMNS[name].group != "cost"
                )
        return self._values[key]


def _with_convolutions(n_conv1x1: float, n_conv3x3: float) -> nasbench201.NasBench201Cell:
    operations = ["nor_conv_1x1"] * int(n_conv1x1) + ["nor_conv_3x3"] * int(n_conv3x3)
    operations += ["none"] * (len(nasbench201.EDGES) - len(operations))
    return nasbench201.NasBench201Cell(tuple(operations))


def python_values(column: Floats, *, whole: bool = False) -> list[Any]:
    """float64 as Python numbers, NaN as None; ``whole`` gives 3 for 3.0."""
    values: list[Any] = column.tolist()
    if whole:
        return [None if value != value else tidy(value) for value in values]
    return [None if value != value else value for value in values]


def tidy(value: float) -> float:
    """3 for 3.0; anything else as it is."""
    return int(value) if value.is_integer() else value


def _texts(column: Any) -> list[str | None]:
    if np.ma.isMaskedArray(column):
        return [
            None if masked else str(text)
            for text, masked in zip(column.data, np.ma.getmaskarray(column), strict=True)
        ]
    return [None if text is None else str(text) for text in column]


def _floats(column: Any) -> Floats:
    if np.ma.isMaskedArray(column):
        return np.ma.filled(column.astype(np.float64), np.nan)
    return np.asarray(column, dtype=np.float64)
