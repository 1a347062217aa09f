"""NATS-Bench's topology folder: ``meta.pickle.pbz2`` and one compressed record a cell.

Nearly all of the time goes into bzip2, so that records are decoded by a few processes at once.
"""

from __future__ import annotations

import bz2
import multiprocessing
import os
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from data.sources.base import Batch, Description, Progress, SourceError
from data.sources.official import NAME, official_description
from data.sources.records import UNWANTED, cell_runs, check_meta, checked
from data.unpickle import MAX_BYTES, loads

META: Final = "meta.pickle.pbz2"
_RECORD: Final = re.compile(r"([0-9]{1,6})\.pickle\.pbz2")
_CELLS_PER_TASK: Final = 100
_AHEAD: Final = 2
"""Tasks that wait for each worker: their results are what memory holds."""


class NatsFolder:
    """The folder ``NATS-tss-v1_0-3ffb9-simple``, whole or in part.

    Args:
        path: the folder.
        name: the source's name.
        workers: processes that decode; by default one per core. None are started for few cells.

    Raises:
        SourceError: the meta file can't be read, or is not the topology space's.
    """

    def __init__(self, path: Path, name: str | None = None, workers: int | None = None) -> None:
        self.path = path
        self._name = name or NAME
        self._workers = workers or len(os.sched_getaffinity(0))
        meta = load_record(path / META)
        try:
            check_meta(meta.get("meta_archs") if isinstance(meta, dict) else None)
        except SourceError as error:
            raise SourceError(f"{path}: {error}") from error
        found = [(_RECORD.fullmatch(file.name), file) for file in path.iterdir()]
        self._records = sorted((int(match[1]), file) for match, file in found if match)
        if not self._records:
            raise SourceError(f"{path}: no record of a cell, as in 000284.pickle.pbz2")

    def describe(self) -> Description:
        """See :class:`~data.sources.base.Source`."""
        note = f"{len(self._records):,} of 15,625 cells are in the folder"
        return official_description(self._name, "NATS-Bench, topology space (folder)", (note,))

    def files(self) -> list[Path]:
        """See :class:`~data.sources.base.Source`."""
        return [self.path / META, *(file for _, file in self._records)]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """See :class:`~data.sources.base.Source`."""
        tasks = [
            self._records[start : start + _CELLS_PER_TASK]
            for start in range(0, len(self._records), _CELLS_PER_TASK)
        ]
        done = 0
        results = self._in_pool(tasks) if len(tasks) > 1 else map(decode, tasks)
        for task, (runs, series) in zip(tasks, results, strict=True):
            done += len(task)
            yield Batch(runs, series)
            progress(done, len(self._records))

    def _in_pool(
        self, tasks: list[list[tuple[int, Path]]]
    ) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        # Spawned, not forked: the caller may be a thread of a server that holds locks.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(self._workers, len(tasks)), context)
        try:
            ahead: deque[Future[tuple[pa.RecordBatch, pa.RecordBatch]]] = deque()
            waiting = iter(tasks)
            for task in islice(waiting, _AHEAD * self._workers):
                ahead.append(pool.submit(decode, task))
            while ahead:
                result = ahead.popleft().result()
                for task in islice(waiting, 1):
                    ahead.append(pool.submit(decode, task))
                yield result
        except BrokenProcessPool as error:
            raise SourceError(f"{self.path}: a process that decodes records died") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def decode(task: list[tuple[int, Path]]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The runs and series of some records; runs in a process of its own.

    Raises:
        SourceError: naming the file.
    """
    runs = []
    for index, file in task:
        record = load_record(file)
        try:
            runs += cell_runs(index, record)
        except SourceError as error:
            raise SourceError(f"{file}: {error}") from error
    try:
        batch = checked(runs)
    except SourceError as error:
        raise SourceError(f"{task[0][1].parent}: {error}") from error
    return batch.runs, batch.series


def load_record(file: Path) -> object:
    """What one bzip2-compressed pickle holds, without the figures that aren't used.

    Raises:
        SourceError: it can't be read; it holds more than `data.unpickle.MAX_BYTES`.
    """
    decompressor = bz2.BZ2Decompressor()
    try:
        with file.open("rb") as stream:
            packed = stream.read(MAX_BYTES + 1)
        data = decompressor.decompress(packed, MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SourceError(f"{file}: no bzip2 file that can be read ({error})") from error
    if len(data) > MAX_BYTES or len(packed) > MAX_BYTES:
        limit = f"{MAX_BYTES >> 20} MB"
        raise SourceError(f"{file}: unpacks to more than {limit}, which no record of a cell does")
    if not decompressor.eof:
        raise SourceError(f"{file}: cut short")
    try:
        return loads(data, skip=UNWANTED)
    except SourceError as error:
        raise SourceError(f"{file}: {error}") from error
