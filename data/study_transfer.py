"""Studies to files and from files: those that have ended, with all that they are made of.

:mod:`data.study_format` has the format. Weights and logs stay where they are.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson
import pyarrow.parquet as pq

from analysis.cells import Cell, parse_cell
from data import job_rows, runs, studies
from data.job_rows import ACTIVE, RECORDS, Job
from data.library import Snapshot
from data.source_error import SourceError
from data.store import Store, next_number
from data.studies import Part, Study
from data.study_format import (
    RECORD_FIELDS,
    SCHEMA,
    FiledJob,
    FiledStudy,
    Training,
    naming,
    read,
    table_of,
    training,
)


class UnknownTrainingError(SourceError):
    """A study has a training that is done, and this home has no run of it."""


class RecipeConflictError(SourceError):
    """A recipe of a study has other settings than that of its name elsewhere."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        file: name of the file.
        new: how many studies came in.
        known: how many were there already, of the same kind and settings; they stay as they are.
        jobs: how many jobs came in.
    """

    file: str
    new: int
    known: int
    jobs: int


Check = Callable[[FiledStudy], FiledStudy]
"""The study with its settings as they are written here, by which the same study is recognised.

Raises SourceError for one whose settings or records mean nothing. Called within a transaction that
writes: it must not read jobs.
"""


def export_studies(store: Store, path: Path, numbers: Sequence[int] | None = None) -> list[int]:
    """Write studies (all by default) to ``path``, which appears when all is in it.

    Returns their numbers.

    Raises:
        SourceError: there is no such study, one hasn't ended, or the file exists or can't be
            written; a file that appears meanwhile stays as it is.
    """
    partial = path.with_name(f".{uuid4().hex}.partial")
    exists = SourceError(f"{path} exists already: name a new file")
    try:
        if path.exists():
            raise exists
        with closing(store.pin()) as state, state.read() as cursor:
            chosen = _chosen(cursor, numbers)
            path.parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(
                partial, SCHEMA, compression="zstd", write_page_checksum=True
            ) as writer:
                for study in chosen:
                    writer.write_table(table_of(_row(cursor, study)))
        try:
            os.link(partial, path)  # unlike a rename, it overwrites nothing
        except FileExistsError:
            raise exists from None
    except OSError as error:
        raise SourceError(f"can't write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return [study.number for study in chosen]


def _chosen(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int] | None) -> list[Study]:
    there = {study.number: study for study in studies.every(cursor)}
    for number in numbers or ():
        if number not in there:
            listed = ", ".join(map(str, there)) or "none"
            raise SourceError(f"there is no study {number}; there are: {listed}")
    chosen = list(there) if numbers is None else sorted(set(numbers))
    active = dict(
        cursor.execute(
            "SELECT study, min(job) FROM study_parts JOIN jobs USING (job) "
            "WHERE list_contains(?::VARCHAR[], state) GROUP BY study ORDER BY study",
            [list(ACTIVE)],
        ).fetchall()
    )
    under_way = [number for number in chosen if number in active]
    if under_way:
        ended = ", ".join(str(number) for number in there if number not in active) or "none"
        raise SourceError(
            f"study {under_way[0]} has not ended (see job {active[under_way[0]]}): wait for it, "
            f"cancel it, or name others; ended: {ended}"
        )
    return [there[number] for number in chosen]


def _row(cursor: duckdb.DuckDBPyConnection, study: Study) -> dict[str, Any]:
    parts = studies.read_parts(cursor, study.number)
    numbers = sorted({part.job for part in parts if part.job is not None})
    texts = {kind: job_rows.texts(cursor, numbers, kind) for kind in RECORDS}
    return {
        "kind": study.kind,
        "settings": study.settings,
        "created_at": study.created_at,
        "parts": [asdict(part) for part in parts],
        "jobs": [
            job_rows.as_row(job)
            | {name: texts[kind][job.number] for kind, name in RECORD_FIELDS.items()}
            for job in job_rows.read(cursor, numbers)
        ],
    }


def import_studies(
    store: Store, snapshot: Snapshot, path: Path, check: Check | None = None
) -> Imported:
    """Take in the studies of a file, all or none of them.

    Their jobs get new numbers, one that several of them share a single one; where a job was there
    for just this training and measurement, and came as far, it takes the place of the file's. Runs
    are looked up in ``snapshot``; a measurement whose run isn't known names none.

    Raises:
        UnknownTrainingError: the run of a training that is done isn't known; nothing was changed.
        SourceError: it is no such file, or one of the studies can't be taken; nothing was changed.
    """
    new = known = 0
    with store.write() as cursor:
        jobs = _Jobs(cursor)
        for place, study in enumerate(read(path), 1):
            with naming(path, place, study.kind):
                if check is not None:
                    study = check(study)
                if studies.find(cursor, study.kind, study.settings) is not None:
                    known += 1
                    continue
                found = _runs(snapshot, study)
                parts = [_with_run(part, study, found) for part in study.parts]
                numbers = jobs.take(study, found)
            kept = studies.append(cursor, study.kind, study.settings, study.created_at)
            moved = [
                part if part.job is None else replace(part, job=numbers[part.job]) for part in parts
            ]
            studies.write_parts(cursor, kept.number, moved)
            new += 1
    if new:
        store.checkpoint()
    return Imported(path.name, new, known, jobs.written)


class _Jobs:
    """Gives jobs of the file their numbers here, and writes those that are missing."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._first = max(1, next_number(cursor, "jobs", "job"))
        self._taken: dict[int, tuple[Job, int]] = {}
        self.written = 0

    def take(self, study: FiledStudy, found: dict[Training, str]) -> dict[int, int]:
        """Numbers here of a study's jobs, by those of the file."""
        there = self._there(study)
        missing: dict[int, FiledJob] = {}
        for number, filed in study.jobs.items():
            if number in self._taken:
                if self._taken[number][0] != filed.job:
                    raise SourceError(f"job {number} is another one in a study before")
                continue
            job = filed.job
            known = there.get((*training(job), job.measurement))
            if known is not None and _came(known) >= _came(job):
                here = known.number
            else:
                here = self._first + self.written + len(missing)
                missing[here] = filed
            self._taken[number] = (job, here)
        self._write(missing, found)
        return {number: self._taken[number][1] for number in study.jobs}

    def _there(self, study: FiledStudy) -> dict[tuple[Any, ...], Job]:
        """By training and measurement, the jobs for a study's cells that were there before.

        Of several the one that came furthest, rather one under way, the latest.
        """
        rows = self._cursor.execute(
            "SELECT job FROM jobs WHERE job < ? AND cell IN (SELECT unnest(?::VARCHAR[]))",
            [self._first, sorted({filed.job.cell for filed in study.jobs.values()})],
        ).fetchall()
        jobs = job_rows.read(self._cursor, [number for (number,) in rows])
        jobs.sort(key=lambda job: (_came(job), not job.ended, job.number))
        return {
            (*training(job), job.measurement): job
            for job in jobs
            if job.run is not None or not job.took_a_run
        }

    def _write(self, missing: dict[int, FiledJob], found: dict[Training, str]) -> None:
        if not missing:
            return
        jobs = []
        for number, filed in missing.items():
            run = found.get(training(filed.job)) if filed.job.state == "done" else None
            jobs.append(replace(filed.job, number=number, run=run))
        job_rows.write(self._cursor, jobs)
        for kind in RECORDS:
            texts = {
                number: [orjson.dumps(record).decode() for record in filed.records[kind]]
                for number, filed in missing.items()
            }
            job_rows.write_texts(self._cursor, texts, kind)
        self.written += len(missing)


def _runs(snapshot: Snapshot, study: FiledStudy) -> dict[Training, str]:
    """Ids here of the runs of a study's trainings."""
    asked: dict[tuple[str, str], dict[str, Cell]] = {}
    for part in study.parts:
        asked.setdefault((part.dataset, part.recipe), {})[part.cell] = parse_cell(part.cell)
    return {
        (cell, dataset, recipe, seed): run
        for (dataset, recipe), cells in asked.items()
        for (cell, seed), run in runs.known(snapshot, list(cells.values()), dataset, recipe).items()
    }


def _with_run(part: Part, study: FiledStudy, found: dict[Training, str]) -> Part:
    """The part with the id that its run has here.

    Raises:
        UnknownTrainingError: it has none, and its training is done: asked for again, it would be
            trained again.
    """
    run = found.get(training(part))
    job = None if part.job is None else study.jobs[part.job].job
    trained = job is None or (job.state == "done" and job.measurement is None)
    if trained and run is None:
        raise UnknownTrainingError(
            f"there is no run of {part.cell_id} on {part.dataset} by {part.recipe} with seed "
            f"{part.seed}: import the table that holds it first"
        )
    return part if part.run is None else replace(part, run=run)


def _came(job: Job) -> int:
    """How far a job came: to its end, to a result that another attempt would repeat, or neither."""
    return 2 if job.state == "done" else int(job.diverged)
