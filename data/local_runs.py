"""Runs that are trained here: they come one at a time, under the one source that grows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import duckdb

from analysis.cells import CellError, parse_cell
from data import job_rows
from data.sources.base import Batch, Description, Run, SourceError, encode
from data.store import Store, first_row, next_number
from data.told_apart import precision_of
from data.writer import Writer, record, run_ids, with_names, write_source

LOCAL = "local"
"""Name of the source of runs that were trained here; no import may have it."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a run: its public id, and the kinds of curve that changed by it.

    ``curves`` is None where the run was there already, the same in everything.
    """

    id: str
    curves: frozenset[int] | None


def add_run(store: Store, run: Run, source: Description, job: int | None = None) -> Added:
    """Write one run and what follows from it in one transaction.

    That is: the source's row and what it holds of each kind of curve, the cell if it is a genotype
    that the table lacks, the run with its curves, and the job's end. A run of the same cell, data
    set, schedule, recipe, images, split and seed is replaced, under the same id, unless equal.

    Raises:
        SourceError: the source isn't :data:`LOCAL`, or the run can't be taken; nothing was changed.
        UnknownJobError: there is no such job; nothing was changed.
    """
    if source.name != LOCAL:
        raise SourceError(
            f"{source.name!r} can't take single runs; only {LOCAL!r} can, others are imported whole"
        )
    try:
        cell = parse_cell(run.cell)
    except CellError as error:
        raise SourceError(f"unknown cell: {error}") from error
    batch = with_names(encode([replace(run, cell=cell.arch)]))
    (run_id,) = run_ids(source.name, batch.runs, [cell.id])
    with store.write() as cursor:
        old = first_row(cursor, "SELECT run FROM runs WHERE id = ?", [run_id])
        same = old is not None and _stored(cursor, old[0]) == _told(batch)
        curves = None if same else _write(cursor, batch, cell.arch, source, old[0] if old else None)
        if job is not None:
            job_rows.finish(cursor, job, run_id, run.images, precision_of(run.details))
    return Added(run_id, curves)


def _write(
    cursor: duckdb.DuckDBPyConnection,
    batch: Batch,
    arch: str,
    source: Description,
    old: int | None,
) -> frozenset[int]:
    """Write the run in place of the old one; returns the kinds of curve that changed."""
    known = first_row(cursor, "SELECT source, points FROM sources WHERE name = ?", [source.name])
    number, points = known or (next_number(cursor, "sources", "source"), 0)
    changed = set()
    if old is not None:
        for curve, length in cursor.execute(
            'SELECT curve, len("values") FROM series WHERE run = ?', [old]
        ).fetchall():
            changed.add(curve)
            points -= length
        for table in ("series", "runs"):
            cursor.execute(f"DELETE FROM {table} WHERE run = ?", [old])  # noqa: S608
    writer = Writer(cursor, source.name, number, [arch])
    writer.add(batch)
    writer.flush()
    changed |= writer.written
    record(cursor, number, changed)
    points += writer.points
    write_source(cursor, number, source, path="", checksum="", points=points)
    return frozenset(changed)


_FIELDS = ["dataset", "schedule", "seed", "replicate", "recipe", "images", "params_m", "flops_m"]
_FIELDS += ["latency_s", "train_time_s", "time_source", "device", "details", "split"]


def _stored(cursor: duckdb.DuckDBPyConnection, run: int) -> str:
    """A stored run as text; NaN is equal to itself there, and numbers are exact."""
    row = first_row(
        cursor,
        "SELECT dataset, schedule, seed, replicate, recipe, images, file_params_m, file_flops_m, "
        "latency_s, train_time_s, time_source, device, details, split FROM runs WHERE run = ?",
        [run],
    )
    series = cursor.execute(
        'SELECT eval_set, measure, epochs, "values" FROM series '
        "JOIN curves USING (curve) JOIN grids USING (grid) WHERE run = ?",
        [run],
    ).fetchall()
    return repr((row, sorted(series)))


def _told(batch: Batch) -> str:
    """The same of a run that is to be written."""
    row: dict[str, Any] = batch.runs.to_pylist()[0]
    series: list[dict[str, Any]] = batch.series.to_pylist()
    names = ("eval_set", "measure", "epochs", "values")
    return repr(
        (
            tuple(row[name] for name in _FIELDS),
            sorted(tuple(one[name] for name in names) for one in series),
        )
    )
