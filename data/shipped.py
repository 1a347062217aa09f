"""What comes with Cellwise and is new to a home: newer content takes the place of the older.

A home notes of everything that ships which content it has seen (:func:`data.content.checksum`), and
of studies, which are rows among a user's own, which of them came that way. So newer content is told
when the home is opened. It replaces what came before, unless that was removed, which is meant, or a
source of the user's has its name. Runs, sources, jobs and studies of the user's stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from data import importer, run_names
from data.content import checksum
from data.importer import Outcome
from data.library import Snapshot
from data.progress import Report
from data.source_error import SourceError
from data.sources.bundle import Shipped
from data.store import Store, first_row, now, read_note, write_note
from data.study_transfer import (
    Check,
    Imported,
    Numbered,
    RecipeConflictError,
    UnknownTrainingError,
    take_in,
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that ships and wasn't taken, and why."""

    name: str
    why: str


def unseen(store: Store, shipped: Sequence[Shipped]) -> dict[Shipped, str]:
    """What of it has a content that the home hasn't noted, with that content.

    Raises:
        SourceError: a file is missing.
    """
    try:
        contents = {one: checksum(one.files()) for one in shipped}
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    return {one: content for one, content in contents.items() if store.note(one.note) != content}


def take_tables(
    store: Store, new: Mapping[Shipped, str], report: Report
) -> list[Outcome | LeftOut]:
    """Take over tables of these contents, all of them in one transaction.

    Raises:
        SourceError: one is damaged; nothing was changed.
    """
    outcomes: list[Outcome | LeftOut] = []
    with store.write() as cursor:
        named: set[str] = set()
        for table, content in new.items():
            noted = read_note(cursor, table.note)
            row = first_row(cursor, "SELECT checksum FROM sources WHERE name = ?", [table.name])
            there = row[0] if row else None
            if there is not None and there not in _came_as(table, noted, content):
                outcomes.append(LeftOut(table.name, "another source has this name here"))
            elif there is not None or noted is None:
                named |= run_names.named(cursor, table.name)
                outcomes.append(importer.write(cursor, table.table(), content, report))
            write_note(cursor, table.note, content)
        run_names.mend(cursor, named)
    return [one for one in outcomes if isinstance(one, LeftOut) or one.status != "unchanged"]


def _came_as(table: Shipped, noted: str | None, content: str) -> frozenset[str]:
    """Contents of which a source of the table's name is the table itself."""
    if noted == table.earlier_note:
        return table.earlier_tables() | {content}
    return frozenset({content} if noted is None else {content, noted})


def came(store: Store, studies: Shipped) -> Numbered:
    """Studies and jobs that came with an earlier file, and are as they came."""
    with store.read() as cursor:
        text = read_note(cursor, _rows_note(studies))
        if text is None:
            if read_note(cursor, studies.note) != studies.earlier_note:
                return Numbered()
            return _recognised(cursor, studies.earlier_studies())
        noted = json.loads(text)
        # What was resumed since is the user's.
        jobs = cursor.execute(
            "SELECT job FROM jobs WHERE job IN (SELECT unnest($jobs::INTEGER[])) "
            "AND state NOT IN ('queued', 'running') "
            "AND (finished_at IS NULL OR finished_at <= $at::TIMESTAMP)",
            {"jobs": noted["jobs"], "at": noted["at"]},
        ).fetchall()
        kept = frozenset(job for (job,) in jobs)
        parts = cursor.execute(
            "SELECT study, job FROM study_parts "
            "WHERE study IN (SELECT unnest($studies::INTEGER[])) AND job IS NOT NULL",
            {"studies": noted["studies"]},
        ).fetchall()
    others = {study for study, job in parts if job not in kept}
    return Numbered(frozenset(noted["studies"]) - others, kept)


def _recognised(cursor: duckdb.DuckDBPyConnection, asked: Sequence[datetime]) -> Numbered:
    """Those of versions that didn't note which they are, by when they were asked for.

    Where they were made they are not what came: their trainings are runs of that home's own.
    """
    found = cursor.execute(
        "SELECT study, job FROM studies JOIN study_parts USING (study) LEFT JOIN jobs USING (job) "
        "WHERE studies.created_at IN (SELECT unnest(?::TIMESTAMP[])) AND study NOT IN ("
        "SELECT study FROM study_parts JOIN jobs USING (job) WHERE jobs.run LIKE 'local:%')",
        [list(asked)],
    ).fetchall()
    return Numbered(
        frozenset(study for study, _ in found),
        frozenset(job for _, job in found if job is not None),
    )


def take_studies(
    store: Store,
    snapshot: Snapshot,
    studies: Shipped,
    content: str,
    older: Numbered,
    check: Check | None,
    report: Report,
) -> Imported | LeftOut:
    """Take over studies of this content in place of the ``older`` ones, in one transaction.

    Those of runs that aren't there, as they were removed, are left out, all of the file, and so are
    those by a recipe that has other settings here.

    Raises:
        SourceError: the file is damaged; nothing was changed.
    """
    try:
        with store.write() as cursor:
            imported, rows = take_in(cursor, snapshot, studies.path, check, older, report)
            _note_rows(cursor, studies, content, rows)
    except (UnknownTrainingError, RecipeConflictError) as error:
        with store.write() as cursor:
            _note_rows(cursor, studies, content, older)
        return LeftOut(studies.name, str(error))
    return imported


def _note_rows(
    cursor: duckdb.DuckDBPyConnection, studies: Shipped, content: str, rows: Numbered
) -> None:
    told = {
        "at": now().isoformat(),
        "studies": sorted(rows.studies),
        "jobs": sorted(rows.jobs),
    }
    write_note(cursor, studies.note, content)
    write_note(cursor, _rows_note(studies), json.dumps(told))


def _rows_note(studies: Shipped) -> str:
    return f"rows of {studies.name}"
