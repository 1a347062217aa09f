"""Writing a source into the store: one transaction, checked, repeatable.

The same content under the same source name changes nothing; other content replaces the source. An
import that fails or is killed at any moment leaves the database as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import duckdb

from data import job_rows, run_names
from data.content import checksum
from data.local_runs import LOCAL
from data.progress import Report, silent
from data.sources.base import Source, SourceError
from data.store import Store, first_row, next_number
from data.writer import Writer, write_source

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


def import_source(store: Store, source: Source, report: Report = silent) -> Outcome:
    """Write ``source`` into ``store``, in place of a source of the same name.

    Jobs and studies that name a run of what was replaced go on naming it where it is there again.

    Raises:
        SourceError: the files can't be taken; nothing was changed.
    """
    name = source.describe().name
    if name == LOCAL:
        raise SourceError(
            f"{LOCAL!r} is the source of what is trained here: import it under another name "
            "(--source NAME)"
        )
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise SourceError(
            f"{name!r} can't name a source; allowed: letters, digits and . _ - inside, "
            f"up to 64 characters, and none of {', '.join(RESERVED)}"
        )
    try:
        content = checksum(source.files(), report)
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    with store.write() as cursor:
        named = run_names.named(cursor, name)
        outcome = write(cursor, source, content, report)
        if outcome.status == "replaced":
            run_names.mend(cursor, named)
    if outcome.status != "unchanged":
        store.checkpoint()
    return outcome


def write(
    cursor: duckdb.DuckDBPyConnection, source: Source, content: str, report: Report
) -> Outcome:
    """Write a source of this content in the running transaction; names of its runs stay as given.

    Raises:
        SourceError: the files can't be taken; what was written is to be rolled back.
    """
    description = source.describe()
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
    number = next_number(cursor, "sources", "source") if known is None else int(known[0])
    writer = Writer(cursor, description.name, number)
    for batch in source.batches(lambda done, total: report("importing", done, total)):
        writer.add(batch)
    writer.record()
    cells, runs = write_source(
        cursor,
        number,
        description,
        path=source.path.name,
        checksum=content,
        points=writer.points,
    )
    if runs == 0:
        raise SourceError(f"{source.path} holds no results")
    status: Literal["imported", "replaced"] = "imported" if known is None else "replaced"
    return Outcome(description.name, status, cells, runs, writer.points)


def remove_source(store: Store, name: str) -> None:
    """Take a source and all its runs out; jobs that became one of them no longer name it.

    Raises:
        SourceError: there is no such source.
    """
    with store.write() as cursor:
        known = first_row(cursor, "SELECT source FROM sources WHERE name = ?", [name])
        if known is None:
            raise SourceError(f"there is no source {name!r}")
        job_rows.forget_runs(cursor, known[0])
        _remove(cursor, known[0])
    store.checkpoint()


def _remove(cursor: duckdb.DuckDBPyConnection, source: int) -> None:
    cursor.execute(
        "DELETE FROM series USING runs WHERE series.run = runs.run AND runs.source = ?", [source]
    )
    for table in ("runs", "recorded", "sources"):
        cursor.execute(f"DELETE FROM {table} WHERE source = ?", [source])  # noqa: S608
