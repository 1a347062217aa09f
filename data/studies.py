"""Studies: what was asked, and the trainings and measurements that each is made of.

A study's state and results follow from its parts, which are jobs or runs that were there already;
nothing of them is kept here. Methods of :class:`StudyStore` are a transaction each; functions take
part in one that somebody else began. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from data.recipe_names import of_study
from data.store import Store, insert, next_number, now


class UnknownStudyError(LookupError):
    """There is no study of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no study {number}")


@dataclass(frozen=True, slots=True)
class Part:
    """One training of a study, or one measurement.

    Attributes:
        role: what the cell is to the study: ``original``, or a kind of variant.
        original: id of the cell that it is compared with; its own for an original.
        cell: canonical string.
        job: number of the job, None where the run was there before it.
        run: public id of the run that was there; None where a job was queued.
    """

    role: str
    original: str
    cell: str
    cell_id: str
    dataset: str
    recipe: str
    learning_rate: float
    seed: int
    job: int | None
    run: str | None


@dataclass(frozen=True, slots=True)
class Study:
    """A study as it was asked for; ``settings`` are JSON."""

    number: int
    kind: str
    settings: str
    created_at: datetime


_MAY_BE_NULL = ("job", "run")
_TYPES: dict[str, pa.DataType] = {
    "learning_rate": pa.float64(),
    "seed": pa.int64(),
    "job": pa.int32(),
}
SCHEMA = pa.schema(
    [
        pa.field(
            field.name, _TYPES.get(field.name, pa.string()), nullable=field.name in _MAY_BE_NULL
        )
        for field in fields(Part)
    ]
)
"""The fields of a part, which are the last columns of its table."""
_ROW = pa.schema([pa.field("study", pa.int32()), pa.field("part", pa.int32()), *SCHEMA])
_COLUMNS = ", ".join(SCHEMA.names)


class StudyStore:
    """The studies of one database. Methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, kind: str, settings: str, parts: Sequence[Part]) -> Study:
        """Keep a study with its parts.

        One of this kind with equal settings keeps its number and gets these parts.
        """
        with self._store.write() as cursor:
            study = find(cursor, kind, settings)
            if study is None:
                study = append(cursor, kind, settings, now())
            write_parts(cursor, {study.number: parts})
        return study

    def get(self, number: int) -> Study:
        """One study.

        Raises:
            UnknownStudyError: there is no such study.
        """
        with self._store.read() as cursor:
            found = _read(cursor, "WHERE study = ?", [number])
        if not found:
            raise UnknownStudyError(number)
        return found[0]

    def page(self, limit: int, before: int | None = None) -> list[Study]:
        """Up to ``limit`` studies, the latest first; with numbers below ``before``."""
        with self._store.read() as cursor:
            return _read(
                cursor,
                "WHERE $1 IS NULL OR study < $1 ORDER BY study DESC LIMIT $2",
                [before, limit],
            )

    def parts(self, number: int) -> list[Part]:
        """The parts of a study in their order; none for one that doesn't exist."""
        with self._store.read() as cursor:
            return read_parts(cursor, number)


def every(cursor: duckdb.DuckDBPyConnection) -> list[Study]:
    """All studies, by number."""
    return _read(cursor, "ORDER BY study", [])


def find(cursor: duckdb.DuckDBPyConnection, kind: str, settings: str) -> Study | None:
    """The study of this kind with just these settings."""
    found = _read(cursor, "WHERE kind = ? AND settings = ?", [kind, settings])
    return found[0] if found else None


def append(
    cursor: duckdb.DuckDBPyConnection, kind: str, settings: str, created_at: datetime
) -> Study:
    """Insert a study without parts; its number follows those that are there, from 1."""
    study = Study(max(1, next_number(cursor, "studies", "study")), kind, settings, created_at)
    write(cursor, study)
    return study


def write(cursor: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Insert a study under its number, without parts."""
    cursor.execute("INSERT INTO studies VALUES (?, ?, ?, ?)", astuple(study))


def read_parts(cursor: duckdb.DuckDBPyConnection, number: int) -> list[Part]:
    """The parts of a study in their order; none for one that doesn't exist."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM study_parts WHERE study = ? ORDER BY part",  # noqa: S608
        [number],
    ).fetchall()
    return [Part(*row) for row in rows]


def write_parts(cursor: duckdb.DuckDBPyConnection, parts: Mapping[int, Sequence[Part]]) -> None:
    """Give studies, by number, these parts, in place of those that they have."""
    cursor.execute(
        "DELETE FROM study_parts WHERE study IN (SELECT unnest(?::INTEGER[]))", [list(parts)]
    )
    rows = [
        {"study": study, "part": place} | asdict(part)
        for study, given in parts.items()
        for place, part in enumerate(given, 1)
    ]
    insert(cursor, "study_parts", pa.Table.from_pylist(rows, _ROW))


def name_recipe(cursor: duckdb.DuckDBPyConnection, job: int, recipe: str) -> None:
    """Call the recipe of a job's parts this, and that of their studies what parts are called.

    A study keeps its name where there is another one of its kind by the new one.
    """
    asked = {"job": job, "recipe": recipe}
    cursor.execute(
        "INSERT INTO study_parts SELECT * REPLACE ($recipe AS recipe) FROM study_parts "
        "WHERE job = $job AND recipe <> $recipe",
        asked,
    )
    cursor.execute("DELETE FROM study_parts WHERE job = $job AND recipe <> $recipe", asked)
    found = cursor.execute(
        "SELECT study, list(DISTINCT recipe) FROM study_parts "
        "WHERE study IN (SELECT study FROM study_parts WHERE job = ?) GROUP BY study",
        [job],
    ).fetchall()
    for number, names in found:
        (study,) = _read(cursor, "WHERE study = ?", [number])
        new = of_study(study.settings, names)
        if find(cursor, study.kind, new) is None:
            cursor.execute("DELETE FROM studies WHERE study = ?", [number])
            write(cursor, replace(study, settings=new))


def remove(cursor: duckdb.DuckDBPyConnection, numbers: Collection[int]) -> None:
    """Take out studies with their parts; jobs stay."""
    for table in ("studies", "study_parts"):
        cursor.execute(
            f"DELETE FROM {table} WHERE study IN (SELECT unnest(?::INTEGER[]))",  # noqa: S608
            [list(numbers)],
        )


def _read(
    cursor: duckdb.DuckDBPyConnection, where: str, values: Sequence[int | str | None]
) -> list[Study]:
    rows = cursor.execute(
        f"SELECT study, kind, settings, created_at FROM studies {where}",  # noqa: S608  (constants)
        values,
    ).fetchall()
    return [Study(*row) for row in rows]
