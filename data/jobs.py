"""Training jobs: what was asked for, in which state it is, and the record of each epoch.

Every method is one transaction; writes go one after the other (:meth:`data.store.Store.write`).
Times are UTC.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Unpack

import duckdb

from data import job_rows
from data.job_rows import ACTIVE, RECORDS, Changes, Records
from data.job_rows import STATES as STATES
from data.job_rows import Job as Job
from data.job_rows import NewJob as NewJob
from data.job_rows import State as State
from data.job_rows import UnknownJobError as UnknownJobError
from data.store import Store, first_row

_AT_ONCE = 50


class JobStore:
    """The jobs of one database. Methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, requests: Sequence[NewJob]) -> list[Job]:
        """Queue all of them or, after an error, none; their numbers are ascending, from 1."""
        with self._store.write() as cursor:
            return job_rows.append(cursor, requests)

    def get(self, number: int) -> Job:
        """One job.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._read() as cursor:
            jobs = job_rows.read(cursor, [number])
        if not jobs:
            raise UnknownJobError(number)
        return jobs[0]

    def some(self, numbers: Sequence[int]) -> dict[int, Job]:
        """Several jobs by number; one that doesn't exist is left out."""
        with self._read() as cursor:
            return {job.number: job for job in job_rows.read(cursor, numbers)}

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
            return job_rows.read(cursor, [number for (number,) in numbers])

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
                jobs = job_rows.read(cursor, numbers[start : start + _AT_ONCE])
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
            return job_rows.read(cursor, [number for (number,) in found])

    def latest(
        self,
        cells: Sequence[str],
        dataset: str,
        recipe: str,
        seeds: Sequence[int],
        measurement: str | None = None,
    ) -> dict[tuple[str, int], Job]:
        """The latest job for each cell (a string) and seed that has one.

        Rather one that waits or runs, which an import may have given a later neighbour. Only jobs
        that measure just this, or nothing for None.
        """
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT coalesce(max(job) FILTER (list_contains($active::VARCHAR[], state)), "
                "max(job)) FROM jobs WHERE dataset = $dataset AND recipe = $recipe "
                "AND cell IN (SELECT unnest($cells::VARCHAR[])) "
                "AND seed IN (SELECT unnest($seeds::BIGINT[])) "
                "AND measurement IS NOT DISTINCT FROM $measurement GROUP BY cell, seed",
                {
                    "active": list(ACTIVE),
                    "measurement": measurement,
                    "dataset": dataset,
                    "recipe": recipe,
                    "cells": list(cells),
                    "seeds": list(seeds),
                },
            ).fetchall()
            jobs = job_rows.read(cursor, [number for (number,) in found])
        return {(job.cell, job.seed): job for job in jobs}

    def like(self, job: Job) -> list[Job]:
        """Other jobs of just this training that are done, the latest first."""
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT job FROM jobs WHERE state = 'done' AND job <> ? AND cell = ? "
                "AND dataset = ? AND recipe = ? AND seed = ? ORDER BY job DESC",
                [job.number, job.cell, job.dataset, job.recipe, job.seed],
            ).fetchall()
            return job_rows.read(cursor, [number for (number,) in found])

    def settings_of(self, recipe: str) -> str | None:
        """The settings of the latest job under a recipe's name, None where there is none."""
        with self._read() as cursor:
            row = first_row(
                cursor,
                "SELECT settings FROM jobs WHERE recipe = ? ORDER BY job DESC LIMIT 1",
                [recipe],
            )
        return row[0] if row else None

    def recipes(self, besides: Collection[int] = ()) -> dict[str, str]:
        """The same of every recipe that there is a job of besides these, by name."""
        with self._read() as cursor:
            found = cursor.execute(
                "SELECT recipe, arg_max(settings, job) FROM jobs "
                "WHERE job NOT IN (SELECT unnest(?::INTEGER[])) GROUP BY recipe",
                [list(besides)],
            ).fetchall()
        return dict(found)

    def update(self, number: int, **changes: Unpack[Changes]) -> None:
        """Change a job.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._store.write() as cursor:
            job_rows.change(cursor, number, **changes)

    def end(self, number: int, precision: str, **changes: Unpack[Changes]) -> None:
        """Change a job whose training came to its end; see :func:`data.job_rows.end`.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._store.write() as cursor:
            job_rows.end(cursor, number, precision, **changes)

    def forget(self, number: int) -> None:
        """Let a job be as before its first attempt, without records.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._store.write() as cursor:
            job_rows.change(
                cursor,
                number,
                attempts=0,
                device=None,
                images=None,
                started_at=None,
                details=None,
            )
            for table, _ in RECORDS.values():
                cursor.execute(f"DELETE FROM {table} WHERE job = ?", [number])  # noqa: S608

    def take(
        self, number: int, records: Sequence[dict[str, Any]], kind: Records = "epochs"
    ) -> None:
        """Take over records of one kind; those that are there already stay as they are.

        Each has its number under the name that :data:`data.job_rows.RECORDS` says, from 1 on.

        Raises:
            UnknownJobError: there is no such job.
            ValueError: one in between is missing; nothing was taken.
        """
        table, column = RECORDS[kind]
        with self._store.write() as cursor:
            if first_row(cursor, "SELECT job FROM jobs WHERE job = ?", [number]) is None:
                raise UnknownJobError(number)
            row = first_row(
                cursor,
                f"SELECT max({column}) FROM {table} WHERE job = ?",  # noqa: S608  (constants)
                [number],
            )
            done = row[0] or 0 if row else 0
            new = {item[column]: item for item in reversed(records) if item[column] > done}
            for expected, place in enumerate(sorted(new), done + 1):
                if place != expected:
                    raise ValueError(f"job {number}: {column} {place} came before {expected}")
                cursor.execute(
                    f"INSERT INTO {table} VALUES (?, ?, ?)",  # noqa: S608  (a constant)
                    [number, place, json.dumps(new[place], allow_nan=False)],
                )

    def records(self, number: int, kind: Records = "epochs") -> list[dict[str, Any]]:
        """A job's records, from the first on; none for a job that doesn't exist."""
        return self.records_of([number], kind)[number]

    def records_of(
        self, numbers: Sequence[int], kind: Records = "epochs"
    ) -> dict[int, list[dict[str, Any]]]:
        """The same of several jobs, by number."""
        with self._read() as cursor:
            found = job_rows.texts(cursor, numbers, kind)
        return {number: [json.loads(text) for text in texts] for number, texts in found.items()}

    @contextmanager
    def _read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._store.read() as cursor:
            with self._store.publishing:
                cursor.begin()
                # A transaction's state is that of its first statement.
                cursor.execute("SELECT count(*) FROM meta").fetchall()
            yield cursor
