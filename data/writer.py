"""From batches to rows of the tables, in a transaction that somebody else ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from analysis.cells import CellError, parse_cell
from analysis.spaces.darts import Genotype
from data import cells_table
from data.checks import check_series, lists
from data.sources.base import Batch, Description, SourceError
from data.store import first_row, insert, next_number, now
from data.told_apart import id_of_run, recipe_of, split_of

FLUSH_VALUES = 4_000_000
"""Values that are held before they are written, about 32 MB."""

UNSTATED = "unstated"
"""The recipe of runs whose source names none, so that they can be asked for."""

_RUN_COLUMNS = ["run", "id", "source", "cell", "dataset", "schedule", "seed", "replicate", "recipe"]
_RUN_COLUMNS += ["images", "params_m", "flops_m", "latency_s", "train_time_s", "time_source"]
_RUN_COLUMNS += ["device", "details", "split"]
"""In the order of the table's columns."""


class Writer:
    """Turns batches of one source into rows of the tables, in the running transaction.

    Args:
        cursor: inside the transaction.
        name: the source's.
        source: its number.
        cells: canonical strings of all the cells that will come, or None if they aren't known.

    Attributes:
        points: values that were written.
        written: numbers of the kinds of curve that were written.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        name: str,
        source: int,
        cells: Sequence[str] | None = None,
    ) -> None:
        self._cursor = cursor
        self._name = name
        self._source = source
        self._next_run = next_number(cursor, "runs", "run")
        known = cursor.execute(
            "SELECT arch, cell, id FROM cells "
            "WHERE $cells IS NULL OR arch IN (SELECT unnest($cells::VARCHAR[]))",
            {"cells": cells},
        ).fetchall()
        self._cells = {arch: cell for arch, cell, _ in known}
        self._ids = {cell: cell_id for _, cell, cell_id in known}
        self._grids: dict[bytes, int] = {
            np.asarray(epochs, dtype=np.int16).tobytes(): grid
            for grid, epochs in cursor.execute("SELECT grid, epochs FROM grids").fetchall()
        }
        self._curves: dict[tuple[Any, ...], int] = {
            tuple(row[1:]): row[0]
            for row in cursor.execute(
                "SELECT curve, dataset, schedule, recipe, images, eval_set, measure, split "
                "FROM curves"
            ).fetchall()
        }
        self._run_ids: set[str] = set()
        self._pending: list[pa.RecordBatch] = []
        self._pending_values = 0
        self.points = 0
        self.written: set[int] = set()

    def add(self, batch: Batch) -> None:
        """Check and take over one batch."""
        if batch.runs.num_rows == 0:
            return
        batch = with_names(batch)
        runs = batch.runs
        archs: list[Any] = runs.column("cell").to_pylist()
        cells = np.array([self._cell(arch) for arch in archs], dtype=np.int32)
        first = self._next_run
        self._next_run += runs.num_rows
        self._write_runs(runs, cells, first)
        self._take_series(batch, cells, first)

    def _cell(self, arch: str) -> int:
        known: int | None = self._cells.get(arch)
        if known is not None:
            return known
        try:
            cell = parse_cell(arch)
        except CellError as error:
            raise SourceError(f"unknown cell: {error}") from error
        if cell.arch in self._cells:
            number: int = self._cells[cell.arch]
        elif isinstance(cell, Genotype):
            number = cells_table.append(self._cursor, [cell])
            self._ids[number] = cell.id
            self._cells[cell.arch] = number
        else:  # every cell of NAS-Bench-201 is in the table
            raise AssertionError(arch)
        self._cells[arch] = number
        return number

    def _write_runs(self, runs: pa.RecordBatch, cells: np.ndarray[Any, Any], first: int) -> None:
        ids = run_ids(self._name, runs, [self._ids[cell] for cell in cells.tolist()])
        for run_id in ids:
            if run_id in self._run_ids:
                raise SourceError(f"the run {run_id} stands in it twice")
            self._run_ids.add(run_id)
        count = runs.num_rows
        table = pa.table(
            {
                "run": pa.array(np.arange(first, first + count, dtype=np.int64)),
                "id": pa.array(ids, pa.string()),
                "source": pa.array(np.full(count, self._source, dtype=np.int16)),
                "cell": pa.array(cells),
                **{name: runs.column(name) for name in runs.schema.names if name != "cell"},
            }
        )
        insert(self._cursor, "runs", table.select(_RUN_COLUMNS))

    def _take_series(self, batch: Batch, cells: np.ndarray[Any, Any], first: int) -> None:
        series = batch.series
        check_series(batch)
        run_rows = series.column("run").to_numpy()
        kinds = [
            batch.runs.column(name).to_pylist()
            for name in ("dataset", "schedule", "recipe", "images", "split")
        ]
        rows = list(zip(*kinds, strict=True))
        curves = np.fromiter(
            (
                self._curve((*rows[row][:-1], eval_set, measure, rows[row][-1]))
                for row, eval_set, measure in zip(
                    run_rows.tolist(),
                    series.column("eval_set").to_pylist(),
                    series.column("measure").to_pylist(),
                    strict=True,
                )
            ),
            dtype=np.int16,
            count=series.num_rows,
        )
        self.written |= set(curves.tolist())
        self._pending.append(
            pa.RecordBatch.from_pydict(
                {
                    "curve": pa.array(curves),
                    "cell": pa.array(cells[run_rows]),
                    "run": pa.array(run_rows.astype(np.int64) + first),
                    "grid": pa.array(self._grid_numbers(series), pa.int32()),
                    "values": series.column("values"),
                }
            )
        )
        values = len(lists(series, "values").flatten())
        self.points += values
        self._pending_values += values
        if self._pending_values >= FLUSH_VALUES:
            self.flush()

    def _curve(self, key: tuple[Any, ...]) -> int:
        known = self._curves.get(key)
        if known is None:
            known = self._curves[key] = len(self._curves)
            self._cursor.execute(
                "INSERT INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [known, *key]
            )
        return known

    def _grid_numbers(self, series: pa.RecordBatch) -> list[int]:
        epochs = lists(series, "epochs")
        flat = epochs.flatten().to_numpy().astype(np.int16).tobytes()
        ends = (np.cumsum(epochs.value_lengths().to_numpy()) * 2).tolist()
        numbers = []
        for start, end in pairwise((0, *ends)):
            key = flat[start:end]
            known = self._grids.get(key)
            if known is None:
                known = self._grids[key] = len(self._grids)
                self._cursor.execute(
                    "INSERT INTO grids VALUES (?, ?)",
                    [known, np.frombuffer(key, dtype=np.int16).tolist()],
                )
            numbers.append(known)
        return numbers

    def flush(self) -> None:
        """Write what is pending, curves of one kind together: readers want one kind at a time."""
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending).sort_by(
            [("curve", "ascending"), ("cell", "ascending"), ("run", "ascending")]
        )
        insert(self._cursor, "series", table)
        self._pending, self._pending_values = [], 0

    def record(self) -> None:
        """Write what is left, and into ``recorded`` what the source now holds of these curves."""
        self.flush()
        record(self._cursor, self._source, self.written)


def record(cursor: duckdb.DuckDBPyConnection, source: int, curves: Collection[int]) -> None:
    """Bring ``recorded`` up to the runs of a source, for some kinds of curve."""
    parameters = {"source": source, "curves": list(curves)}
    # Known before the statement, it spares reading the curves of what was imported earlier.
    first = first_row(cursor, "SELECT min(run) FROM runs WHERE source = ?", [source])
    cursor.execute(
        "DELETE FROM recorded WHERE source = $source "
        "AND curve IN (SELECT unnest($curves::SMALLINT[]))",
        parameters,
    )
    cursor.execute(
        "INSERT INTO recorded SELECT runs.source, curve, list(DISTINCT grid ORDER BY grid), "
        "coalesce(list(DISTINCT seed ORDER BY seed) FILTER (seed IS NOT NULL), []), "
        "count(DISTINCT runs.cell), count(DISTINCT runs.run) "
        "FROM series JOIN runs USING (run) WHERE runs.source = $source AND series.run >= $first "
        "AND curve IN (SELECT unnest($curves::SMALLINT[])) GROUP BY runs.source, curve",
        {**parameters, "first": first[0] if first else None},
    )


def write_source(
    cursor: duckdb.DuckDBPyConnection,
    source: int,
    about: Description,
    *,
    path: str,
    checksum: str,
    points: int,
) -> tuple[int, int]:
    """Write a source's own row, in place of the one it may have; returns its cells and runs."""
    counted = first_row(
        cursor, "SELECT count(DISTINCT cell), count(*) FROM runs WHERE source = ?", [source]
    )
    cells, runs = counted or (0, 0)
    cursor.execute("DELETE FROM sources WHERE source = ?", [source])
    cursor.execute(
        "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            source,
            about.name,
            about.title,
            about.origin,
            about.licence,
            list(about.notes),
            about.official,
            path,
            checksum,
            now(),
            cells,
            runs,
            points,
        ],
    )
    return cells, runs


def run_ids(source: str, runs: pa.RecordBatch, cell_ids: Sequence[str]) -> list[str]:
    """What runs are called in addresses: source, cell, data set, recipe, seed, other images, split.

    Raises:
        SourceError: a run has both a seed and a replicate's name, or neither.
    """
    names = ("cell", "dataset", "schedule", "seed", "replicate", "recipe", "images", "split")
    columns: list[list[Any]] = [runs.column(name).to_pylist() for name in names]
    ids = []
    for cell_id, cell, dataset, schedule, seed, replicate, recipe, images, split in zip(
        cell_ids, *columns, strict=True
    ):
        if (seed is None) == (replicate is None):
            raise SourceError(f"{cell}: a run has either a seed or a replicate's name")
        named = str(replicate if seed is None else seed).replace(" ", "-")
        ids.append(id_of_run(source, cell_id, dataset, schedule, named, recipe, images, split))
    return ids


def with_names(batch: Batch) -> Batch:
    """The batch with a name for the recipe and the split of every run, as its details have them."""
    runs = batch.runs
    columns = [runs.column(name).to_pylist() for name in ("recipe", "split", "details")]
    told = [
        (recipe_of(recipe or UNSTATED, details), split or split_of(details))
        for recipe, split, details in zip(*columns, strict=True)
    ]
    for place, name in enumerate(("recipe", "split")):
        named = pa.array([names[place] for names in told], pa.string())
        runs = runs.set_column(runs.schema.get_field_index(name), name, named)
    return replace(batch, runs=runs)
