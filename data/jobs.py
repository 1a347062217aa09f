"""Training jobs: what was asked for, in which state it is, and the record of each epoch.

Every method is one transaction; writes go one after the other (:meth:`data.store.Store.write`).
Times are UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, Unpack, get_args

import duckdb
import pyarrow as pa

from data.store import Store, first_row, insert, next_number

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ACTIVE: tuple[State, ...] = ("queued", "running")
"""The states of a job that hasn't ended."""

_AT_ONCE = 50


class UnknownJobError(LookupError):
    """There is no job of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no job {number}")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A training to be queued.

    Attributes:
        cell: canonical cell string.
        cell_id: the cell's id.
        recipe: its name.
        settings: the whole recipe as JSON.
        forced: whether it is to be trained although it was before.
        epochs: planned.
    """

    cell: str
    cell_id: str
    dataset: str
    recipe: str
    settings: str
    seed: int
    epochs: int
    priority: int = 0
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands; what :class:`NewJob` has means the same here.

    Attributes:
        images: rendering of the data set's images, None until it is known.
        attempts: how often a worker was started.
        run: public id of the run that it became, None until then and once that was removed.
        done_epochs: how many epochs are recorded.
        last: the last one's record, None before the first.
    """

    number: int
    cell: str
    cell_id: str
    dataset: str
    recipe: str
    settings: str
    images: str | None
    seed: int
    priority: int
    state: State
    attempts: int
    device: str | None
    error: str | None
    run: str | None
    forced: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    epochs: int
    done_epochs: int = 0
    last: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it unless it is queued again."""
        return self.state not in ACTIVE


class Changes(TypedDict, total=False):
    """What may change of a job."""

    images: str | None
    priority: int
    state: State
    attempts: int
    device: str | None
    error: str | None
    run: str | None
    started_at: datetime | None
    finished_at: datetime | None


_COLUMNS = ["job", *(field.name for field in fields(Job) if field.name != "number")][:-2]
"""In the table's order, which is that of :class:`Job` up to what the epochs tell."""
_MARKS = ", ".join("?" * len(_COLUMNS))


class JobStore:
    """The jobs of one database. Methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, requests: Sequence[NewJob]) -> list[Job]:
        """Queue all of them or, after an error, none; their numbers are ascending, from 1."""
        now = _now()
        with self._store.write() as cursor:
            first = max(1, next_number(cursor, "jobs", "job"))
            jobs = [
                Job(
                    number,
                    new.cell,
                    new.cell_id,
                    new.dataset,
                    new.recipe,
                    new.settings,
                    None,
                    new.seed,
                    new.priority,
                    "queued",
                    0,
                    None,
                    None,
                    None,
                    new.forced,
                    now,
                    None,
                    None,
                    new.epochs,
                )
                for number, new in enumerate(requests, first)
            ]
            insert(cursor, "jobs", _table(jobs))
        return jobs

    def get(self, number: int) -> Job:
        """One job.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._read() as cursor:
            jobs = _jobs(cursor, [number])
        if not jobs:
            raise UnknownJobError(number)
        return jobs[0]

    def page(self, states: Sequence[State], limit: int, before: int | None = None) -> list[Job]:
        """Up to ``limit`` jobs in any of ``states`` (all for none), the latest first.

        ``before`` is the number that they must be below.
        """
        with self._read() as cursor:
            numbers = cursor.execute(
                "SELECT job FROM jobs WHERE list_contains($states::VARCHAR[], state) "
                "AND ($before IS NULL OR job < $before) ORDER BY job DESC LIMIT $limit",
                {"states": list(states or STATES), "before": before, "limit": limit},
            ).fetchall()
            return _jobs(cursor, [number for (number,) in numbers])

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._read() as cursor:
            found = cursor.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        return dict.fromkeys(STATES, 0) | dict(found)

    def queued(self) -> Iterator[Job]:
        """Jobs that wait, the next one to run first: by priority, then by number.

        They are read as they are taken, so that the first of many come at once; each is as it
        stands when it is read, and one that is queued meanwhile may be missing.
        """
        numbers = list(self.positions())
        for start in range(0, len(numbers), _AT_ONCE):
            with self._read() as cursor:
                jobs = _jobs(cursor, numbers[start : start + _AT_ONCE])
            yield from (job for job in jobs if job.state == "queued")

    def positions(self) -> dict[int, int]:
        """By number, the place of each job that waits, from 1, in running order."""
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT job FROM jobs WHERE state = 'queued' ORDER BY priority DESC, job"
            ).fetchall()
        return {number: place for place, (number,) in enumerate(found, 1)}

    def active(self) -> list[Job]:
        """Jobs that wait or run, by number."""
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT job FROM jobs WHERE state IN ('queued', 'running') ORDER BY job"
            ).fetchall()
            return _jobs(cursor, [number for (number,) in found])

    def find(self, cell: str, dataset: str, recipe: str, seed: int) -> Job | None:
        """The latest job for just this training, in whatever state it is; ``cell`` is a string."""
        return self.latest([cell], dataset, recipe, [seed]).get((cell, seed))

    def latest(
        self, cells: Sequence[str], dataset: str, recipe: str, seeds: Sequence[int]
    ) -> dict[tuple[str, int], Job]:
        """For every cell and seed that has one, what :meth:`find` gives, all at once."""
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT max(job) FROM jobs WHERE dataset = $dataset AND recipe = $recipe "
                "AND cell IN (SELECT unnest($cells::VARCHAR[])) "
                "AND seed IN (SELECT unnest($seeds::BIGINT[])) GROUP BY cell, seed",
                {
                    "dataset": dataset,
                    "recipe": recipe,
                    "cells": list(cells),
                    "seeds": list(seeds),
                },
            ).fetchall()
            jobs = _jobs(cursor, [number for (number,) in found])
        return {(job.cell, job.seed): job for job in jobs}

    def settings_of(self, recipe: str) -> str | None:
        """The settings of the latest job under a recipe's name, None where there is none."""
        with self._read() as cursor:
            row = first_row(
                cursor,
                "SELECT settings FROM jobs WHERE recipe = ? ORDER BY job DESC LIMIT 1",
                [recipe],
            )
        return row[0] if row else None

    def update(self, number: int, **changes: Unpack[Changes]) -> None:
        """Change a job.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._store.write() as cursor:
            change(cursor, number, **changes)

    def take_epochs(self, number: int, records: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Take over records of epochs, from 1 on; those that are there already stay as they are.

        Raises:
            UnknownJobError: there is no such job.
            ValueError: an epoch in between is missing; nothing was taken.
        """
        with self._store.write() as cursor:
            if first_row(cursor, "SELECT job FROM jobs WHERE job = ?", [number]) is None:
                raise UnknownJobError(number)
            row = first_row(cursor, "SELECT max(epoch) FROM job_epochs WHERE job = ?", [number])
            done = row[0] or 0 if row else 0
            new = {epoch: record for epoch, record in reversed(records) if epoch > done}
            for expected, epoch in enumerate(sorted(new), done + 1):
                if epoch != expected:
                    raise ValueError(f"job {number}: epoch {epoch} came before epoch {expected}")
                cursor.execute(
                    "INSERT INTO job_epochs VALUES (?, ?, ?)",
                    [number, epoch, json.dumps(new[epoch], allow_nan=False)],
                )

    def epochs(self, number: int) -> list[dict[str, Any]]:
        """The records of a job's epochs, from the first on; none for a job that doesn't exist."""
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT record FROM job_epochs WHERE job = ? ORDER BY epoch", [number]
            ).fetchall()
        return [json.loads(record) for (record,) in found]

    @contextmanager
    def _read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._store.read() as cursor:
            with self._store.publishing:
                cursor.begin()
                # A transaction's state is that of its first statement.
                cursor.execute("SELECT count(*) FROM meta").fetchall()
            yield cursor


def change(cursor: duckdb.DuckDBPyConnection, number: int, **changes: Unpack[Changes]) -> None:
    """:meth:`JobStore.update` in the running transaction."""
    row = first_row(cursor, f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE job = ?", [number])  # noqa: S608
    if row is None:
        raise UnknownJobError(number)
    values = dict(zip(_COLUMNS, row, strict=True)) | changes
    cursor.execute("DELETE FROM jobs WHERE job = ?", [number])
    cursor.execute(f"INSERT INTO jobs VALUES ({_MARKS})", list(values.values()))  # noqa: S608


def finish(cursor: duckdb.DuckDBPyConnection, number: int, run: str, images: str) -> None:
    """Set a job done with its run, unless it is already, in the running transaction.

    Raises:
        UnknownJobError: there is no such job.
    """
    row = first_row(cursor, "SELECT state, run FROM jobs WHERE job = ?", [number])
    if row != ("done", run):
        change(cursor, number, state="done", run=run, images=images, error=None, finished_at=_now())


def forget_runs(cursor: duckdb.DuckDBPyConnection, source: int) -> None:
    """Let no job name a run of this source any more, in the running transaction."""
    become = "run IN (SELECT id FROM runs WHERE source = ?)"
    cursor.execute(
        f"INSERT INTO jobs SELECT * REPLACE (NULL AS run) FROM jobs WHERE {become}",  # noqa: S608
        [source],
    )
    cursor.execute(f"DELETE FROM jobs WHERE {become}", [source])  # noqa: S608


def _jobs(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> list[Job]:
    """The jobs of these numbers, in their order; a number without a job is left out."""
    if not numbers:
        return []
    # The bounds spare reading the parts of the tables where no such number is.
    asked = {"numbers": list(numbers), "low": min(numbers), "high": max(numbers)}
    among = "job BETWEEN $low AND $high AND job IN (SELECT unnest($numbers::INTEGER[]))"
    rows = cursor.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE {among}",  # noqa: S608  (constants)
        asked,
    ).fetchall()
    last = cursor.execute(
        "SELECT job, max(epoch), arg_max(record, epoch) FROM job_epochs "  # noqa: S608
        f"WHERE {among} GROUP BY job",
        asked,
    ).fetchall()
    done = {number: (epoch, json.loads(record)) for number, epoch, record in last}
    jobs = {}
    for row in rows:
        values: list[Any] = [*row, *done.get(row[0], (0, None))]
        jobs[row[0]] = Job(*values)
    return [jobs[number] for number in numbers if number in jobs]


def _table(jobs: Sequence[Job]) -> pa.Table:
    names = ["number", *_COLUMNS[1:]]
    types: dict[str, pa.DataType] = {
        "number": pa.int32(),
        "seed": pa.int64(),
        "priority": pa.int32(),
        "attempts": pa.int32(),
        "forced": pa.bool_(),
        "created_at": pa.timestamp("us"),
        "started_at": pa.timestamp("us"),
        "finished_at": pa.timestamp("us"),
        "epochs": pa.int32(),
    }
    return pa.table(
        {
            name: pa.array([getattr(job, name) for job in jobs], types.get(name, pa.string()))
            for name in names
        }
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
