"""Studies to files and from files, with all that they are made of.

:mod:`data.study_format` has the format. Weights and logs stay where they are.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson
import pyarrow.parquet as pq

from data import job_rows, runs, studies
from data.job_rows import ACTIVE, RECORDS, Job, Records
from data.library import Snapshot
from data.progress import Report, silent
from data.source_error import SourceError
from data.store import Store, next_number, now
from data.studies import Part, Study
from data.study_format import (
    RECORD_FIELDS,
    SCHEMA,
    FiledJob,
    FiledStudy,
    Training,
    count,
    naming,
    read,
    table_of,
    training,
)
from data.study_names import named


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
        renewed: how many studies of an older file have the place of the same one in this.
        gone: how many of its other studies went.
    """

    file: str
    new: int
    known: int
    jobs: int
    renewed: int = 0
    gone: int = 0


Check = Callable[[FiledStudy], FiledStudy]
"""The study with its settings as they are written here, by which the same study is recognised.

Raises SourceError for one whose settings or records mean nothing. Called within a transaction that
writes: it must not read jobs.
"""


def export_studies(
    store: Store, path: Path, numbers: Sequence[int] | None = None, *, unfinished: bool = False
) -> list[int]:
    """Write studies (all by default) to ``path``, which appears when all is in it.

    What hasn't ended of an ``unfinished`` one is cancelled in the file: where that is taken in, the
    study can be resumed. Returns the numbers of the studies.

    Raises:
        SourceError: there is no such study, one hasn't ended (unless ``unfinished``), or the file
            exists or can't be written; a file that appears meanwhile stays as it is.
    """
    partial = path.with_name(f".{uuid4().hex}.partial")
    exists = SourceError(f"{path} exists already: name a new file")
    try:
        if path.exists():
            raise exists
        at = now()
        with closing(store.pin()) as state, state.read() as cursor:
            chosen = _chosen(cursor, numbers, unfinished=unfinished)
            path.parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(
                partial, SCHEMA, compression="zstd", write_page_checksum=True
            ) as writer:
                for study in chosen:
                    writer.write_table(table_of(_row(cursor, study, at)))
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


def _chosen(
    cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int] | None, *, unfinished: bool
) -> list[Study]:
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
    if under_way and not unfinished:
        ended = ", ".join(str(number) for number in there if number not in active) or "none"
        raise SourceError(
            f"study {under_way[0]} has not ended (see job {active[under_way[0]]}): wait for it, "
            f"cancel it, write it unfinished, or name others; ended: {ended}"
        )
    return [there[number] for number in chosen]


def _row(cursor: duckdb.DuckDBPyConnection, study: Study, at: datetime) -> dict[str, Any]:
    """A study as the file has it; what goes on is cancelled at one time for all, ``at``."""
    parts = studies.read_parts(cursor, study.number)
    numbers = sorted({part.job for part in parts if part.job is not None})
    texts = {kind: job_rows.texts(cursor, numbers, kind) for kind in RECORDS}
    return {
        "kind": study.kind,
        "settings": study.settings,
        "created_at": study.created_at,
        "parts": [asdict(part) for part in parts],
        "jobs": [
            job_rows.as_row(_at_rest(job, at))
            | {name: texts[kind][job.number] for kind, name in RECORD_FIELDS.items()}
            for job in job_rows.read(cursor, numbers)
        ],
    }


def _at_rest(job: Job, at: datetime) -> Job:
    return job if job.ended else replace(job, state="cancelled", finished_at=at)


@dataclass(frozen=True, slots=True)
class Numbered:
    """Studies and jobs by their numbers."""

    studies: frozenset[int] = frozenset()
    jobs: frozenset[int] = frozenset()


_NONE = Numbered()


def import_studies(
    store: Store, snapshot: Snapshot, path: Path, check: Check | None = None
) -> Imported:
    """Take in the studies of a file, all or none of them, under names of this version.

    Their jobs get new numbers, one that several of them share a single one; where a job was there
    for just this training and measurement, and came as far, it takes the place of the file's. Runs
    are looked up in ``snapshot``; a measurement whose run isn't known names none.

    Raises:
        UnknownTrainingError: the run of a training that is done isn't known; nothing was changed.
        SourceError: it is no such file, or one of the studies can't be taken; nothing was changed.
    """
    with store.write() as cursor:
        imported, _ = take_in(cursor, snapshot, path, check)
    if imported.new:
        store.checkpoint()
    return imported


def take_in(
    cursor: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    path: Path,
    check: Check | None = None,
    older: Numbered = _NONE,
    report: Report = silent,
) -> tuple[Imported, Numbered]:
    """The same in a transaction that somebody else ends; with the numbers of what it wrote.

    The file's studies take the place of ``older`` ones, which came by a file too. One of the same
    kind and settings keeps its number, and so does a job for the same training and measurement; the
    others go, but for jobs that are part of studies that stay. A number that goes is given to
    nothing else.

    Raises:
        SourceError: as there; what was written is to be rolled back.
    """
    writer = _Writer(cursor, older)
    total = count(path)
    for place, filed in enumerate(read(path), 1):
        with naming(path, place, filed.kind):
            study = named(filed, snapshot)
            writer.add(study if check is None else check(study), snapshot)
        report("studies", place, total)
    return replace(writer.finish(), file=path.name), writer.rows


class _Writer:
    """Turns studies of a file into rows, all at the end."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, older: Numbered) -> None:
        self._cursor = cursor
        self._older = older
        there = studies.every(cursor)
        self._kept = {
            (one.kind, one.settings): one.number for one in there if one.number in older.studies
        }
        self._theirs = {(one.kind, one.settings) for one in there} - self._kept.keys()
        numbers = {one.number for one in there} | older.studies
        self._next = max(numbers, default=0) + 1
        self._jobs = _Jobs(cursor, older)
        self._runs: dict[tuple[str, str, str], dict[Training, str]] = {}
        self._studies: list[Study] = []
        self._parts: dict[int, list[Part]] = {}
        self._known = 0

    def add(self, study: FiledStudy, snapshot: Snapshot) -> None:
        """Take over a study that was checked."""
        key = study.kind, study.settings
        if key in self._theirs:
            self._known += 1
            return
        found = self._trainings(study, snapshot)
        parts = [_with_run(part, study, found) for part in study.parts]
        numbers = self._jobs.take(study, found)
        number = self._kept.get(key)
        if number is None:
            number, self._next = self._next, self._next + 1
        self._theirs.add(key)
        self._studies.append(Study(number, *key, study.created_at))
        self._parts[number] = [
            part if part.job is None else replace(part, job=numbers[part.job]) for part in parts
        ]

    def _trainings(self, study: FiledStudy, snapshot: Snapshot) -> dict[Training, str]:
        """Ids here of the runs of a study's trainings."""
        asked: dict[tuple[str, str], set[str]] = {}
        for part in study.parts:
            if (part.cell, part.dataset, part.recipe) not in self._runs:
                asked.setdefault((part.dataset, part.recipe), set()).add(part.cell)
        for (dataset, recipe), cells in asked.items():
            self._runs |= {(cell, dataset, recipe): {} for cell in cells}
            known = runs.known(snapshot, cells, dataset, recipe)
            for (cell, seed), run in known.items():
                self._runs[cell, dataset, recipe][cell, dataset, recipe, seed] = run
        kinds = {(part.cell, part.dataset, part.recipe) for part in study.parts}
        return {key: run for kind in kinds for key, run in self._runs[kind].items()}

    def finish(self) -> Imported:
        """Write everything."""
        studies.remove(self._cursor, self._older.studies)
        for study in self._studies:
            studies.write(self._cursor, study)
        if self._parts:
            studies.write_parts(self._cursor, self._parts)
        jobs = self._jobs.finish()
        kept = len(self._older.studies & self._parts.keys())
        gone = len(self._older.studies) - kept
        return Imported("", len(self._studies) - kept, self._known, jobs, kept, gone)

    @property
    def rows(self) -> Numbered:
        """What there is now of this file and, of jobs, still of the older one."""
        return Numbered(frozenset(self._parts), self._jobs.numbers)


class _Jobs:
    """Gives jobs of the file their numbers here, and writes those that are missing."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, older: Numbered) -> None:
        self._cursor = cursor
        self._older = older.jobs
        self._first = max([0, *older.jobs, next_number(cursor, "jobs", "job") - 1]) + 1
        self._next = self._first
        self._taken: dict[int, tuple[Job, int]] = {}
        self._jobs: list[Job] = []
        self._texts: dict[Records, dict[int, list[str]]] = {kind: {} for kind in RECORDS}
        self._there: dict[str, dict[tuple[Any, ...], Job]] = {}
        wanted = cursor.execute(
            "SELECT DISTINCT job FROM study_parts WHERE job IN (SELECT unnest($jobs::INTEGER[])) "
            "AND study NOT IN (SELECT unnest($studies::INTEGER[]))",
            {"jobs": list(older.jobs), "studies": list(older.studies)},
        ).fetchall()
        self._stay = {number for (number,) in wanted}
        self._numbers = {_measured(job): job.number for job in job_rows.read(cursor, [*older.jobs])}

    def take(self, study: FiledStudy, found: dict[Training, str]) -> dict[int, int]:
        """Numbers here of a study's jobs, by those of the file."""
        self._look_up({filed.job.cell for filed in study.jobs.values()} - self._there.keys())
        for number, filed in study.jobs.items():
            job = filed.job
            if number in self._taken:
                if self._taken[number][0] != job:
                    raise SourceError(f"job {number} is another one in a study before")
                continue
            known = self._there[job.cell].get(_measured(job))
            if known is not None and _came(known) >= _came(job):
                here = known.number
            else:
                here = self._write(filed, found)
            self._taken[number] = (job, here)
        return {number: self._taken[number][1] for number in study.jobs}

    def _write(self, filed: FiledJob, found: dict[Training, str]) -> int:
        number = self._numbers.pop(_measured(filed.job), None)
        if number is None:
            number, self._next = self._next, self._next + 1
        run = found.get(training(filed.job)) if filed.job.state == "done" else None
        self._jobs.append(replace(filed.job, number=number, run=run))
        for kind in RECORDS:
            texts = [orjson.dumps(record).decode() for record in filed.records[kind]]
            self._texts[kind][number] = texts
        return number

    def _look_up(self, cells: Collection[str]) -> None:
        """By training and measurement, jobs for these cells that were there before.

        Of several the one that came furthest, rather one under way, the latest.
        """
        if not cells:
            return
        rows = self._cursor.execute(
            "SELECT job FROM jobs WHERE cell IN (SELECT unnest($cells::VARCHAR[])) "
            "AND job NOT IN (SELECT unnest($older::INTEGER[]))",
            {"cells": list(cells), "older": list(self._older)},
        ).fetchall()
        jobs = job_rows.read(self._cursor, [number for (number,) in rows])
        jobs.sort(key=lambda job: (_came(job), not job.ended, job.number))
        self._there |= {cell: {} for cell in cells}
        for job in jobs:
            if job.run is not None or not job.took_a_run:
                self._there[job.cell][_measured(job)] = job

    def finish(self) -> int:
        """Write everything; returns how many jobs that is."""
        written = {job.number for job in self._jobs}
        job_rows.remove(self._cursor, self._older - (self._stay - written))
        job_rows.write(self._cursor, self._jobs)
        for kind in RECORDS:
            job_rows.write_texts(self._cursor, self._texts[kind], kind)
        return len(written)

    @property
    def numbers(self) -> frozenset[int]:
        """What is there of the file and of the older one."""
        return frozenset(self._stay | {job.number for job in self._jobs})


def _measured(job: Job) -> tuple[Any, ...]:
    """What a job is for."""
    return (*training(job), job.measurement)


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
