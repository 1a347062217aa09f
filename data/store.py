"""The DuckDB file: its schema, its one writing process, and cursors to read it.

One process holds the file at a time (DuckDB's rule); inside it any thread may read, each on a
cursor of its own, and writes go one after the other, each a transaction. A reader sees the last
committed state and never waits for a writer. Nothing outside :mod:`data` runs SQL.

Tables::

    cells     one row a cell: id, string, stored columns, classes of sameness
    sources   one row a source: provenance, checksum, counts
    curves    kinds of curve: (data set, schedule, recipe, images, image set, measure, split)
    grids     lists of epochs that curves are recorded at
    runs      one row a training
    series    one row a curve of a run: (curve, cell, run, grid, values)
    recorded  what each source holds of each kind of curve, for quick and exact refusals
    jobs, job_epochs   trainings that were asked for, and what came of each epoch
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakSet

import duckdb
import pyarrow as pa

from data import schema

FILE_NAME = "cellwise.duckdb"


class StoreError(RuntimeError):
    """The database can't be used; the message says why and what to do."""


class StoreLockedError(StoreError):
    """Another process holds the database. ``pid`` is its number where DuckDB tells it."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is in use by {holder}")
        self.path = path
        self.pid = pid


def now() -> datetime:
    """The time as the tables have it: UTC, and not saying so."""
    return datetime.now(UTC).replace(tzinfo=None)


def first_row(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()
) -> tuple[Any, ...] | None:
    """The first row of a short result, or None; the cursor is free again afterwards."""
    rows = cursor.execute(sql, parameters).fetchall()
    return rows[0] if rows else None


def next_number(cursor: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    """The number after the highest one in a table, from 0."""
    row = first_row(cursor, f"SELECT coalesce(max({column}) + 1, 0) FROM {table}")  # noqa: S608
    return int(row[0]) if row else 0


def insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Append ``rows``, whose columns are in the table's order.

    Not by a registered name: that is an entry of the catalogue, which keeps its rows in memory
    until the transaction ends, all of an import that is.
    """
    cursor.from_arrow(rows).insert_into(table)


def read_note(cursor: duckdb.DuckDBPyConnection, key: str) -> str | None:
    """A fact about the home that :func:`write_note` kept."""
    row = first_row(cursor, "SELECT value FROM meta WHERE key = ?", [key])
    return row[0] if row else None


def write_note(cursor: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    """Keep a fact about the home, in place of what was known under ``key``."""
    cursor.execute("DELETE FROM meta WHERE key = ?", [key])
    cursor.execute("INSERT INTO meta VALUES (?, ?)", [key, value])


class Pinned:
    """One committed state: what is written later is not seen. Threads take turns."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._turn = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        self._cursor.begin()
        # A transaction's state is that of its first statement.
        self._cursor.execute("SELECT count(*) FROM meta").fetchall()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The cursor, for one thread at a time; results must be fetched before the end."""
        with self._turn:
            try:
                yield self._cursor
            except duckdb.Error:
                # A failed statement ends its transaction, and others want to read on.
                self._cursor.rollback()
                self._begin()
                raise

    def close(self) -> None:
        """Let go of the state."""
        self._cursor.close()


class Store:
    """An open database. Close it, or use it as a context manager."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        self._write_lock = threading.Lock()
        self._pinned: WeakSet[Pinned] = WeakSet()
        self.path = path
        self.publishing = threading.Lock()
        """Held from the commit of a job's run until readers are shown the run: who begins to read
        jobs takes it, so that no job is said to be done whose run can't be found."""

    @classmethod
    def open(cls, home: Path, *, memory_limit: str = "256MB") -> Store:
        """The database in ``home``, made with its tables if there is none.

        One of an older version is brought to this one.

        ``memory_limit`` bounds DuckDB's own buffers; what doesn't fit goes to ``home``/tmp.

        Raises:
            StoreLockedError: another process has it open.
            StoreError: not a database, of a newer version, or ``home`` can't be written.
        """
        path = home / FILE_NAME
        try:
            home.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(
                str(path),
                config={
                    "memory_limit": memory_limit,
                    "temp_directory": str(home / "tmp"),
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "python_enable_replacements": False,
                },
            )
            connection.execute("SET enable_external_access = false")
        except OSError as error:
            raise StoreError(f"can't use {home} as the home: {error.strerror or error}") from error
        except duckdb.Error as error:
            text = str(error)
            # Not just "lock": the message holds the path, which may have any words in it.
            if "Could not set lock" in text:
                found = re.search(r"PID (\d+)", text)
                raise StoreLockedError(path, int(found[1]) if found else None) from None
            raise StoreError(f"{path} can't be opened: {text.splitlines()[0]}") from error
        store = cls(connection, path)
        try:
            store._prepare()
        except BaseException:
            connection.close()
            raise
        return store

    def _prepare(self) -> None:
        with self.write() as cursor:
            tables = first_row(cursor, "SELECT count(*) FROM duckdb_tables()")
            if tables == (0,):
                schema.create(cursor)
                return
        with self.read() as cursor:
            try:
                found = first_row(cursor, "SELECT value FROM meta WHERE key = 'schema'")
            except duckdb.Error:
                found = None
        if found is None:
            raise StoreError(f"{self.path} is a DuckDB file, but not one of Cellwise's")
        if found[0] == str(schema.VERSION):
            return
        if found[0] not in map(str, schema.MIGRATIONS):
            raise StoreError(
                f"{self.path} has schema {found[0]}, this version reads 1 to {schema.VERSION}: "
                "export it with the version that made it, or choose another --home"
            )
        with self.write() as cursor:
            schema.migrate(cursor, int(found[0]))

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one thread; statements on it see the last committed state."""
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def pin(self) -> Pinned:
        """The last committed state, to be read for as long as it is wanted."""
        pinned = Pinned(self._connection.cursor())
        self._pinned.add(pinned)
        return pinned

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside a transaction: committed at the end, rolled back on any exception."""
        with self._write_lock, self.read() as cursor:
            cursor.begin()
            try:
                yield cursor
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()

    def note(self, key: str) -> str | None:
        """What :meth:`set_note` kept under ``key``."""
        with self.read() as cursor:
            return read_note(cursor, key)

    def set_note(self, key: str, value: str) -> None:
        """Keep a fact about this home."""
        with self.write() as cursor:
            write_note(cursor, key, value)

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, so that the next start is quick."""
        with self._write_lock, self.read() as cursor:
            cursor.execute("CHECKPOINT")

    def close(self) -> None:
        """Let go of the file; states that are still pinned end."""
        for pinned in tuple(self._pinned):
            pinned.close()
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
