"""The ``cells`` table: every NAS-Bench-201 cell, the named DARTS-style cells, and what comes later.

Rows 0 to 15,624 are NAS-Bench-201 in official order, so that there a row's number is the official
index. Cells of space ``darts`` follow in the order in which they were first met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from analysis import topology
from analysis.cells import Cell, classes, parse_cell
from analysis.spaces import darts, nasbench201
from data import schema
from data.columns import COLUMNS, SAMENESS, STORED
from data.store import first_row, insert

_FIELDS: list[pa.Field[Any]] = [
    pa.field("cell", pa.int32()),
    pa.field("id", pa.string()),
    pa.field("space", pa.string()),
    pa.field("arch", pa.string()),
    pa.field("name", pa.string()),
    pa.field("connected", pa.bool_()),
    *(
        pa.field(name, pa.int32() if COLUMNS[name].kind == "integer" else pa.float64())
        for name in STORED
    ),
    *(pa.field(f"class_{notion}", pa.int32()) for notion in SAMENESS),
]
_SCHEMA = pa.schema(_FIELDS)


def populate(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fill an empty table with all of NAS-Bench-201 and the named cells."""
    cells: list[Cell] = [*nasbench201.all_cells(), *dict.fromkeys(darts.NAMED.values())]
    _insert(cursor, cells, first=0)


def rebuild(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make the table anew from its cells' strings: with the columns, names and classes of today.

    Every row keeps its number, so that runs stay with their cells. Named cells that the table
    lacks follow; a genotype that has a row already gets its name there. An empty table stays so.
    """
    stored = cursor.execute("SELECT arch FROM cells ORDER BY cell").fetchall()
    cursor.execute("DROP TABLE cells")
    cursor.execute(schema.CELLS)
    if stored:
        held = [parse_cell(arch) for (arch,) in stored]
        # Named twice or held already, a cell has one row.
        _insert(cursor, dict.fromkeys([*held, *darts.NAMED.values()]), first=0)


def append(cursor: duckdb.DuckDBPyConnection, cells: Sequence[darts.Genotype]) -> int:
    """Add genotypes that the table lacks; returns the number of the first new row."""
    row = first_row(cursor, "SELECT coalesce(max(cell) + 1, 0) FROM cells")
    first = int(row[0]) if row else 0
    _insert(cursor, cells, first)
    return first


def _insert(cursor: duckdb.DuckDBPyConnection, cells: Iterable[Cell], first: int) -> None:
    rows: list[tuple[Any, ...]] = []
    members: dict[tuple[str, str], int] = {}
    for number, cell in enumerate(cells, start=first):
        index = cell.index if isinstance(cell, nasbench201.NasBench201Cell) else None
        values = {**topology.columns(cell), "official_index": index}
        keys = classes(cell)
        # A class goes by its lowest row.
        lowest = (members.setdefault((notion, keys[notion]), number) for notion in SAMENESS)
        stored = (values[name] for name in STORED)
        connected = values["depth"] is not None
        about = (number, cell.id, cell.space, cell.arch, cell.name, connected)
        rows.append((*about, *stored, *lowest))
    columns = dict(zip(_SCHEMA.names, zip(*rows, strict=True), strict=bool(rows)))
    insert(cursor, "cells", pa.table(columns, schema=_SCHEMA))
