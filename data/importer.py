"""Writing a source into the store: one transaction, checked, repeatable.

The same content under the same source name changes nothing; other content replaces the source. An
import that fails or is killed at any moment leaves the database as it was.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.cells import CellError, parse_cell
from analysis.spaces.darts import Genotype
from data import cells_table
from data.progress import Report, silent
from data.sources.base import Batch, Description, Source, SourceError
from data.store import Store, first_row, insert

FLUSH_VALUES = 4_000_000
"""Values that are held before they are written, about 32 MB."""

UNSTATED = "unstated"
"""The recipe of runs whose source names none, so that they can be asked for."""

RESERVED = ("cells", "sources")
"""Names of files that an export writes besides one a source."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did. ``status`` is ``unchanged`` where the source already had this content."""

    name: str
    status: Literal["imported", "replaced", "unchanged"]
    cells: int
    runs: int
    points: int


def checksum(source: Source, report: Report = silent) -> str:
    """SHA-256 over the source's files, names and sizes included, in their fixed order."""
    files = source.files()
    total = sum(file.stat().st_size for file in files)
    digest = hashlib.sha256()
    done = 0
    for file in files:
        if len(files) > 1:
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
                done += len(block)
                report("checking", done, total)
    return digest.hexdigest()


def import_source(store: Store, source: Source, report: Report = silent) -> Outcome:
    """Write ``source`` into ``store``, in place of a source of the same name.

    Raises:
        SourceError: the files can't be taken; nothing was changed.
    """
    description = source.describe()
    if not _NAME.fullmatch(description.name) or description.name in RESERVED:
        raise SourceError(
            f"{description.name!r} can't name a source; allowed: letters, digits and . _ - inside, "
            f"up to 64 characters, and none of {', '.join(RESERVED)}"
        )
    try:
        content = checksum(source, report)
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    with store.write() as cursor:
        known = first_row(
            cursor,
            "SELECT source, checksum, cells, runs, points FROM sources WHERE name = ?",
            [description.name],
        )
        if known is not None and known[1] == content:
            return Outcome(description.name, "unchanged", known[2], known[3], known[4])
        if known is not None:
            _remove(cursor, known[0])
        # What replaces a source keeps its number, and so its place among those that overlap.
        number = _next(cursor, "sources", "source") if known is None else int(known[0])
        writer = _Writer(cursor, description, number)
        for batch in source.batches(lambda done, total: report("importing", done, total)):
            writer.add(batch)
        cells, runs, points = writer.finish(source.path, content)
    store.checkpoint()
    status: Literal["imported", "replaced"] = "imported" if known is None else "replaced"
    return Outcome(description.name, status, cells, runs, points)


def remove_source(store: Store, name: str) -> None:
    """Take a source and all its runs out.

    Raises:
        SourceError: there is no such source.
    """
    with store.write() as cursor:
        known = first_row(cursor, "SELECT source FROM sources WHERE name = ?", [name])
        if known is None:
            raise SourceError(f"there is no source {name!r}")
        _remove(cursor, known[0])
    store.checkpoint()


def _remove(cursor: duckdb.DuckDBPyConnection, source: int) -> None:
    cursor.execute(
        "DELETE FROM series USING runs WHERE series.run = runs.run AND runs.source = ?", [source]
    )
    for table in ("runs", "recorded", "sources"):
        cursor.execute(f"DELETE FROM {table} WHERE source = ?", [source])  # noqa: S608


def _next(cursor: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    row = first_row(cursor, f"SELECT coalesce(max({column}) + 1, 0) FROM {table}")  # noqa: S608
    return int(row[0]) if row else 0


_RUN_COLUMNS = ["run", "id", "source", "cell", "dataset", "schedule", "seed", "replicate", "recipe"]
_RUN_COLUMNS += ["images", "params_m", "flops_m", "latency_s", "train_time_s", "time_source"]
_RUN_COLUMNS += ["device"]
"""Of a batch's runs with their numbers and ids, in the order of the table's columns."""


class _Writer:
    """Turns batches into rows of the tables, in the running transaction."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, description: Description, source: int
    ) -> None:
        self._cursor = cursor
        self._description = description
        self._source = source
        self._next_run = self._first_run = _next(cursor, "runs", "run")
        self._cells = dict(cursor.execute("SELECT arch, cell FROM cells").fetchall())
        self._ids = dict(cursor.execute("SELECT cell, id FROM cells").fetchall())
        self._grids: dict[bytes, int] = {
            np.asarray(epochs, dtype=np.int16).tobytes(): grid
            for grid, epochs in cursor.execute("SELECT grid, epochs FROM grids").fetchall()
        }
        self._curves: dict[tuple[Any, ...], int] = {
            tuple(row[1:]): row[0]
            for row in cursor.execute(
                "SELECT curve, dataset, schedule, recipe, images, eval_set, measure FROM curves"
            ).fetchall()
        }
        self._run_ids: set[str] = set()
        self._pending: list[pa.RecordBatch] = []
        self._pending_values = 0
        self._points = 0

    def add(self, batch: Batch) -> None:
        """Check and take over one batch."""
        if batch.runs.num_rows == 0:
            return
        batch = _with_recipes(batch)
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
        columns = {name: runs.column(name).to_pylist() for name in runs.schema.names}
        ids = []
        for number in range(runs.num_rows):
            seed, replicate = columns["seed"][number], columns["replicate"][number]
            if (seed is None) == (replicate is None):
                raise SourceError(
                    f"{columns['cell'][number]}: a run has either a seed or a replicate's name"
                )
            recipe, schedule = columns["recipe"][number], columns["schedule"][number]
            parts = [
                self._description.name,
                self._ids[int(cells[number])],
                columns["dataset"][number],
                # The benchmark's own recipes name their schedule already.
                recipe if recipe == f"nb201-{schedule}" else f"{recipe}@{schedule}",
                str(replicate if seed is None else seed).replace(" ", "-"),
            ]
            if columns["images"][number] != "original":
                parts.append(columns["images"][number])
            run_id = ":".join(parts)
            if run_id in self._run_ids:
                raise SourceError(f"the run {run_id} stands in it twice")
            self._run_ids.add(run_id)
            ids.append(run_id)
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
            for name in ("dataset", "schedule", "recipe", "images")
        ]
        rows = list(zip(*kinds, strict=True))
        curves = np.fromiter(
            (
                self._curve((*rows[row], eval_set, measure))
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
        values = len(_lists(series, "values").flatten())
        self._points += values
        self._pending_values += values
        if self._pending_values >= FLUSH_VALUES:
            self._flush()

    def _curve(self, key: tuple[Any, ...]) -> int:
        known = self._curves.get(key)
        if known is None:
            known = self._curves[key] = len(self._curves)
            self._cursor.execute("INSERT INTO curves VALUES (?, ?, ?, ?, ?, ?, ?)", [known, *key])
        return known

    def _grid_numbers(self, series: pa.RecordBatch) -> list[int]:
        epochs = _lists(series, "epochs")
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

    def _flush(self) -> None:
        """Write what is pending, curves of one kind together: readers want one kind at a time."""
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending).sort_by(
            [("curve", "ascending"), ("cell", "ascending"), ("run", "ascending")]
        )
        insert(self._cursor, "series", table)
        self._pending, self._pending_values = [], 0

    def finish(self, path: Path, content: str) -> tuple[int, int, int]:
        """Write what is left and the source's own row; returns its cells, runs and points."""
        self._flush()
        counted = first_row(
            self._cursor,
            "SELECT count(DISTINCT cell), count(*) FROM runs WHERE source = ?",
            [self._source],
        )
        cells, runs = counted or (0, 0)
        if runs == 0:
            raise SourceError(f"{path} holds no results")
        self._cursor.execute(
            "INSERT INTO recorded SELECT runs.source, curve, list(DISTINCT grid ORDER BY grid), "
            "coalesce(list(DISTINCT seed ORDER BY seed) FILTER (seed IS NOT NULL), []), "
            "count(DISTINCT runs.cell), count(DISTINCT runs.run) "
            "FROM series JOIN runs USING (run) WHERE runs.source = ? AND series.run >= ? "
            "GROUP BY runs.source, curve",
            [self._source, self._first_run],
        )
        about = self._description
        self._cursor.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                self._source,
                about.name,
                about.title,
                about.origin,
                about.licence,
                list(about.notes),
                about.official,
                path.name,
                content,
                datetime.now(UTC).replace(tzinfo=None),
                cells,
                runs,
                self._points,
            ],
        )
        return cells, runs, self._points


def _with_recipes(batch: Batch) -> Batch:
    """The batch with a name for the recipe of every run."""
    recipes: list[Any] = batch.runs.column("recipe").to_pylist()
    if "" not in recipes:
        return batch
    place = batch.runs.schema.get_field_index("recipe")
    named = pa.array([recipe or UNSTATED for recipe in recipes], pa.string())
    return replace(batch, runs=batch.runs.set_column(place, "recipe", named))


def _lists(batch: pa.RecordBatch, name: str) -> pa.ListArray[Any]:
    column: Any = batch.column(name)
    lists: pa.ListArray[Any] = column
    return lists


def check_series(batch: Batch) -> None:
    """What holds of every curve, whatever its source.

    Accuracies lie in 0..100, losses are not negative (NaN stands for a diverged epoch), there are
    as many values as epochs, and epochs are increasing within 1..schedule.

    Raises:
        SourceError: names the cell, the measure and the value.
    """
    series = batch.series
    lengths = _lists(series, "values").value_lengths()
    owner = pc.list_parent_indices(_lists(series, "values")).to_numpy()
    values = _lists(series, "values").flatten().to_numpy(zero_copy_only=False)
    epochs = _lists(series, "epochs").flatten().to_numpy(zero_copy_only=False)
    if not lengths.equals(_lists(series, "epochs").value_lengths()):
        raise SourceError("a curve has another number of values than of epochs")
    accuracy = np.array([name == "accuracy" for name in series.column("measure").to_pylist()])
    accuracy = accuracy[owner]
    bad = np.where(accuracy, ~((values >= 0) & (values <= 100)), values < 0) | np.isinf(values)
    runs = series.column("run").to_numpy()
    schedules = batch.runs.column("schedule").to_numpy()[runs][owner]
    bad_epoch = (epochs < 1) | (epochs > schedules)
    bad_epoch[1:] |= (np.diff(epochs) <= 0) & (np.diff(owner) == 0)
    for wrong, what, allowed in (
        (bad, "a value", "accuracies 0 to 100, losses from 0"),
        (bad_epoch, "an epoch", "epochs from 1 to the schedule, increasing"),
    ):
        if wrong.any():
            point = int(np.flatnonzero(wrong)[0])
            row = int(owner[point])
            cell = batch.runs.column("cell")[int(runs[row])].as_py()
            raise SourceError(
                f"{cell}: {what} is out of range in {series.column('eval_set')[row].as_py()} "
                f"{series.column('measure')[row].as_py()}: {values[point]} at epoch "
                f"{epochs[point]}; allowed: {allowed}"
            )
