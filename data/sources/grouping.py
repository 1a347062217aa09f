"""Puts points of one run together, however the file is sorted, in bounded memory.

Points are spread over buckets by their cell: all of them in memory if the file is small, else
each bucket in a temporary Arrow file. Then bucket after bucket is sorted and handed on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import pyarrow as pa

from data.sources.base import RUN_SCHEMA, Batch, SourceError, pack_series
from data.sources.fields import NOTHING, IntArray
from data.sources.mapping import FIGURES
from data.sources.points import RUN_KEYS, Codes

POINTS_PER_BUCKET: Final = 1_000_000
_CELLS_PER_BATCH: Final = 250


class Spool:
    """Holds points until all are there; a context manager, as it may have files.

    Args:
        expected: about how many points will come.
    """

    def __init__(self, expected: int) -> None:
        self._count = 1 + expected // POINTS_PER_BUCKET
        self._kept: list[pa.Table] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}

    def __enter__(self) -> Spool:
        if self._count > 1:
            self._folder = tempfile.TemporaryDirectory(prefix="cellwise-import-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, points: pa.Table) -> None:
        """Takes some more points."""
        if self._folder is None:
            self._kept.append(points)
            return
        bucket_of = points.column("cell").to_numpy() % self._count
        for bucket in np.unique(bucket_of):
            if bucket not in self._writers:
                path = self._path(int(bucket))
                self._writers[int(bucket)] = pa.ipc.new_stream(path, points.schema)
            self._writers[int(bucket)].write_table(points.filter(pa.array(bucket_of == bucket)))

    def buckets(self) -> Iterator[pa.Table]:
        """All points, those of one cell in one bucket."""
        if self._folder is None:
            if self._kept:
                yield pa.concat_tables(self._kept)
            return
        numbers = sorted(self._writers)
        self._close()
        for bucket in numbers:
            with pa.OSFile(self._path(bucket), "r") as file, pa.ipc.open_stream(file) as stream:
                yield stream.read_all()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _path(self, bucket: int) -> str:
        assert self._folder is not None
        return str(Path(self._folder.name) / f"{bucket:06d}.arrow")


def group(points: pa.Table, codes: Codes, where: str) -> Iterator[Batch]:
    """The runs of these points, by cell in the order of the file.

    Args:
        points: as :class:`~data.sources.points.PointReader` makes them.
        codes: what their texts' numbers mean.
        where: what a row is called in messages.

    Raises:
        SourceError: a point or a run's figure is there twice with different values.
    """
    columns: dict[str, Any] = {name: points.column(name).to_numpy() for name in points.column_names}
    order = np.lexsort([columns[k] for k in ("epoch", "measure", "set", *reversed(RUN_KEYS))])
    columns = {name: column[order] for name, column in columns.items()}
    new_run = _changes([columns[name] for name in RUN_KEYS])
    new_series = new_run | _changes([columns["set"], columns["measure"]])
    again = ~(new_series | _changes([columns["epoch"]]))
    _refuse_conflicts(columns, again, where)
    columns = {name: column[~again] for name, column in columns.items()}
    new_run, new_series = new_run[~again], new_series[~again]
    _fill_figures(columns, new_run, where)
    yield from _batches(columns, np.flatnonzero(new_run), np.flatnonzero(new_series), codes)


def _changes(keys: list[IntArray]) -> Any:
    changed = np.zeros(len(keys[0]), np.bool_)
    changed[:1] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return changed


def _refuse_conflicts(columns: dict[str, Any], again: Any, where: str) -> None:
    values, rows = columns["value"], columns["row"]
    for here in np.flatnonzero(again):
        if values[here] != values[here - 1]:
            first, second = sorted((int(rows[here - 1]), int(rows[here])))
            raise SourceError(
                f"{where} {second}: the same point as in {first}, but with another value "
                f"({float(values[here - 1])!r} and {float(values[here])!r}); allowed: each cell, "
                "dataset, split, schedule, seed and epoch once"
            )


def _fill_figures(columns: dict[str, Any], new_run: Any, where: str) -> None:
    """Makes a run's first point hold its figures, from whichever points do."""
    run = np.cumsum(new_run) - 1
    starts = np.flatnonzero(new_run)
    for name in (*FIGURES, "time_source", "device", "details"):
        column = columns[name]
        known = ~np.isnan(column) if name in FIGURES else column != NOTHING
        if not known.any():
            continue
        held = np.full(len(starts), np.nan if name in FIGURES else NOTHING, column.dtype)
        held[run[known][::-1]] = column[known][::-1]
        wrong = known & (column != held[run])
        if wrong.any():
            here = int(np.argmax(wrong))
            raise SourceError(
                f"{where} {columns['row'][here]}: {name} differs from another row of the same "
                "run; allowed: one figure a run"
            )
        column[starts] = held


def _batches(
    columns: dict[str, Any], run_starts: IntArray, series_starts: IntArray, codes: Codes
) -> Iterator[Batch]:
    cells = columns["cell"][run_starts]
    first_of_cell = np.flatnonzero(_changes([cells]))
    cuts = [*first_of_cell[::_CELLS_PER_BATCH], len(run_starts)]
    point_cuts = [*run_starts[cuts[:-1]], len(columns["cell"])]
    for number, (low, high) in enumerate(pairwise(point_cuts)):
        runs = run_starts[cuts[number] : cuts[number + 1]]
        inside = (series_starts >= low) & (series_starts < high)
        series = series_starts[inside]
        arrays = [_run_column(name, columns, runs, codes) for name in RUN_SCHEMA.names]
        yield Batch(
            pa.RecordBatch.from_arrays(arrays, schema=RUN_SCHEMA),
            pack_series(
                np.searchsorted(runs, series, "right") - 1,
                codes.column(columns["set"][series]),
                codes.column(columns["measure"][series]),
                np.diff([*series, high]),
                columns["epoch"][low:high],
                columns["value"][low:high],
            ),
        )


def _run_column(name: str, columns: dict[str, Any], runs: IntArray, codes: Codes) -> pa.Array[Any]:
    column = columns[name][runs]
    if name in FIGURES:
        return pa.array(column, pa.float64(), from_pandas=True)
    if name == "schedule":
        return pa.array(column, pa.int32())
    if name == "seed":
        return pa.array(column, pa.int64(), mask=column == NOTHING)
    return codes.column(column)
