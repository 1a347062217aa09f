"""Jobs as rows of their table, read and written in a transaction that somebody else began.

:mod:`data.jobs` has the methods that are a transaction each; runs and imports write theirs along
with what belongs to it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from typing import Any, Literal, TypedDict, Unpack, get_args

import duckdb
import numpy as np
import pyarrow as pa

from data import studies
from data.recipe_names import settled
from data.store import first_row, insert, next_number, now

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ACTIVE: tuple[State, ...] = ("queued", "running")
"""The states of a job that hasn't ended."""
MOST_PRIORITY = 1000
"""Priorities lie between minus this and this."""


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
        measurement: what is measured on the network on the way, as JSON; None for nothing.
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
    measurement: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands; what :class:`NewJob` has means the same here.

    Attributes:
        images: rendering of the data set's images, None until it is known.
        attempts: how often a worker was started.
        run: public id of the run that it became, or that was there when its turn came; None until
            then and once that was removed.
        details: of one that measured, what it was done with, as JSON; None before its end.
        done_epochs: how many epochs are recorded.
        last: the last one's record, None before the first.
        measured: how many measurements are recorded.
        last_measured: the last one's record, None before the first.
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
    measurement: str | None
    details: str | None
    done_epochs: int = 0
    last: dict[str, Any] | None = None
    measured: int = 0
    last_measured: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it unless it is queued again."""
        return self.state not in ACTIVE

    @property
    def diverged(self) -> bool:
        """Whether its loss ceased to be a number: a result, which another attempt would repeat."""
        return self.state == "failed" and (self.error or "").startswith("diverged")

    @property
    def took_a_run(self) -> bool:
        """Whether it is done by a run that was there when its turn came: the curve is the run's."""
        return self.state == "done" and self.measurement is None and self.done_epochs < self.epochs


class Changes(TypedDict, total=False):
    """What may change of a job."""

    recipe: str
    settings: str
    images: str | None
    priority: int
    state: State
    attempts: int
    device: str | None
    error: str | None
    run: str | None
    started_at: datetime | None
    finished_at: datetime | None
    details: str | None


_TOLD = 4
"""How many fields of :class:`Job`, the last ones, come from other tables."""
_COLUMNS = ["job", *(field.name for field in fields(Job) if field.name != "number")][:-_TOLD]
"""In the table's order, which is that of :class:`Job`."""
_MARKS = ", ".join("?" * len(_COLUMNS))

_TYPES: dict[str, pa.DataType] = {
    "job": pa.int32(),
    "seed": pa.int64(),
    "priority": pa.int32(),
    "attempts": pa.int32(),
    "forced": pa.bool_(),
    "created_at": pa.timestamp("us"),
    "started_at": pa.timestamp("us"),
    "finished_at": pa.timestamp("us"),
    "epochs": pa.int32(),
}
_MAY_BE_NULL = {"images", "device", "error", "run", "started_at", "finished_at"}
_MAY_BE_NULL |= {"measurement", "details"}
SCHEMA = pa.schema(
    [
        pa.field(name, _TYPES.get(name, pa.string()), nullable=name in _MAY_BE_NULL)
        for name in _COLUMNS
    ]
)
"""The table's columns in its order."""


Records = Literal["epochs", "measurements"]
RECORDS: dict[Records, tuple[str, str]] = {
    "epochs": ("job_epochs", "epoch"),
    "measurements": ("job_measurements", "number"),
}
"""What workers report, each kind numbered from 1: its table and the column of the number."""


def change(cursor: duckdb.DuckDBPyConnection, number: int, **changes: Unpack[Changes]) -> None:
    """Change a job; another recipe is that of its parts in studies too.

    Raises:
        UnknownJobError: there is no such job.
    """
    row = first_row(cursor, f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE job = ?", [number])  # noqa: S608
    if row is None:
        raise UnknownJobError(number)
    values = dict(zip(_COLUMNS, row, strict=True)) | changes
    cursor.execute("DELETE FROM jobs WHERE job = ?", [number])
    cursor.execute(f"INSERT INTO jobs VALUES ({_MARKS})", list(values.values()))  # noqa: S608
    if "recipe" in changes:
        studies.name_recipe(cursor, number, changes["recipe"])


def end(
    cursor: duckdb.DuckDBPyConnection,
    number: int,
    precision: str | None,
    **changes: Unpack[Changes],
) -> None:
    """Change a job whose training came to its end, in a precision that may be known only now.

    One of an earlier version, which left it to the device, is called what it was from then on:
    under the name that it had until then nothing can be asked for.

    Raises:
        UnknownJobError: there is no such job.
    """
    row = first_row(cursor, "SELECT recipe, settings FROM jobs WHERE job = ?", [number])
    if row is None:
        raise UnknownJobError(number)
    recipe, settings = row
    named = settled(recipe, settings, precision)
    if named != row:
        changes["recipe"], changes["settings"] = named
    change(cursor, number, **changes)


def finish(
    cursor: duckdb.DuckDBPyConnection, number: int, run: str, images: str, precision: str | None
) -> None:
    """Set a job done with its run (:func:`end`), unless it is already.

    Raises:
        UnknownJobError: there is no such job.
    """
    row = first_row(cursor, "SELECT state, run FROM jobs WHERE job = ?", [number])
    if row != ("done", run):
        end(
            cursor,
            number,
            precision,
            state="done",
            run=run,
            images=images,
            error=None,
            finished_at=now(),
        )


def forget_runs(cursor: duckdb.DuckDBPyConnection, source: int) -> None:
    """Let no job name a run of this source any more."""
    become = "run IN (SELECT id FROM runs WHERE source = ?)"
    cursor.execute(
        f"INSERT INTO jobs SELECT * REPLACE (NULL AS run) FROM jobs WHERE {become}",  # noqa: S608
        [source],
    )
    cursor.execute(f"DELETE FROM jobs WHERE {become}", [source])  # noqa: S608


def read(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> list[Job]:
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
    told: list[dict[int, tuple[int, Any]]] = []
    for table, column in RECORDS.values():
        last = cursor.execute(
            f"SELECT job, max({column}), arg_max(record, {column}) FROM {table} "  # noqa: S608
            f"WHERE {among} GROUP BY job",
            asked,
        ).fetchall()
        told.append({number: (count, json.loads(record)) for number, count, record in last})
    jobs = {}
    for row in rows:
        values: list[Any] = [*row, *chain(*(known.get(row[0], (0, None)) for known in told))]
        jobs[row[0]] = Job(*values)
    return [jobs[number] for number in numbers if number in jobs]


def append(cursor: duckdb.DuckDBPyConnection, requests: Sequence[NewJob]) -> list[Job]:
    """Queue new jobs; their numbers follow those that are there, from 1."""
    at = now()
    first = max(1, next_number(cursor, "jobs", "job"))
    jobs = [
        Job(
            number=number,
            cell=new.cell,
            cell_id=new.cell_id,
            dataset=new.dataset,
            recipe=new.recipe,
            settings=new.settings,
            images=None,
            seed=new.seed,
            priority=new.priority,
            state="queued",
            attempts=0,
            device=None,
            error=None,
            run=None,
            forced=new.forced,
            created_at=at,
            started_at=None,
            finished_at=None,
            epochs=new.epochs,
            measurement=new.measurement,
            details=None,
        )
        for number, new in enumerate(requests, first)
    ]
    write(cursor, jobs)
    return jobs


def write(cursor: duckdb.DuckDBPyConnection, jobs: Sequence[Job]) -> None:
    """Insert jobs under their numbers, without their records."""
    insert(cursor, "jobs", pa.Table.from_pylist([as_row(job) for job in jobs], SCHEMA))


def as_row(job: Job) -> dict[str, Any]:
    """A job's row, by column."""
    values = (getattr(job, name) for name in ("number", *_COLUMNS[1:]))
    return dict(zip(_COLUMNS, values, strict=True))


def texts(
    cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int], kind: Records
) -> dict[int, list[str]]:
    """The records of several jobs as they are kept, JSON, by number; from the first on."""
    table, column = RECORDS[kind]
    rows = cursor.execute(
        f"SELECT job, record FROM {table} "  # noqa: S608  (constants)
        f"WHERE job IN (SELECT unnest(?::INTEGER[])) ORDER BY job, {column}",
        [list(numbers)],
    ).fetchall()
    found: dict[int, list[str]] = {number: [] for number in numbers}
    for number, record in rows:
        found[number].append(record)
    return found


def write_texts(
    cursor: duckdb.DuckDBPyConnection, records: Mapping[int, Sequence[str]], kind: Records
) -> None:
    """Insert records of jobs that have none yet, as :func:`texts` tells them."""
    table, column = RECORDS[kind]
    lengths = [len(told) for told in records.values()]
    columns = {
        "job": pa.array(np.repeat(list(records), lengths), pa.int32()),
        column: pa.array([at for length in lengths for at in range(1, length + 1)], pa.int32()),
        "record": pa.array([text for told in records.values() for text in told], pa.string()),
    }
    insert(cursor, table, pa.table(columns))


def remove(cursor: duckdb.DuckDBPyConnection, numbers: Collection[int]) -> None:
    """Take out jobs with their records."""
    for table in ("jobs", *(table for table, _ in RECORDS.values())):
        cursor.execute(
            f"DELETE FROM {table} WHERE job IN (SELECT unnest(?::INTEGER[]))",  # noqa: S608
            [list(numbers)],
        )
