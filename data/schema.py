"""The tables, and how a database of an older version is brought to them.

Each change of the tables is a new version: :data:`VERSION` grows by one, and :data:`MIGRATIONS`
gets the step from the version before. Steps run in the transaction that opens the database, so
that one that is killed in the middle is of the old version still.

But for these steps, which nobody reads beside, tables are changed by deleting and inserting rows,
never by UPDATE: DuckDB keeps a copy of whole vectors for each UPDATE for as long as an older state
is being read, and makes no checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from data.columns import COLUMNS, SAMENESS, STORED
from data.schema_told_apart import tell_apart

VERSION = 6

_COLUMN_DDL = ",\n    ".join(
    f"{name} {'INTEGER' if COLUMNS[name].kind == 'integer' else 'DOUBLE'}" for name in STORED
)
_CLASS_DDL = ",\n    ".join(f"class_{notion} INTEGER NOT NULL" for notion in SAMENESS)

_JOBS = """
CREATE TABLE jobs (
    job INTEGER NOT NULL, cell VARCHAR NOT NULL, cell_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL, recipe VARCHAR NOT NULL, settings VARCHAR NOT NULL, images VARCHAR,
    seed BIGINT NOT NULL, priority INTEGER NOT NULL, state VARCHAR NOT NULL,
    attempts INTEGER NOT NULL, device VARCHAR, error VARCHAR, run VARCHAR, forced BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL, started_at TIMESTAMP, finished_at TIMESTAMP,
    epochs INTEGER NOT NULL
);
CREATE TABLE job_epochs (job INTEGER NOT NULL, epoch INTEGER NOT NULL, record VARCHAR NOT NULL);
"""

_STUDIES = """
ALTER TABLE jobs ADD COLUMN measurement VARCHAR;
ALTER TABLE jobs ADD COLUMN details VARCHAR;
CREATE TABLE job_measurements (
    job INTEGER NOT NULL, number INTEGER NOT NULL, record VARCHAR NOT NULL
);
CREATE TABLE studies (
    study INTEGER NOT NULL, kind VARCHAR NOT NULL, settings VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE TABLE study_parts (
    study INTEGER NOT NULL, part INTEGER NOT NULL, role VARCHAR NOT NULL,
    original VARCHAR NOT NULL, cell VARCHAR NOT NULL, cell_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL, recipe VARCHAR NOT NULL, learning_rate DOUBLE NOT NULL,
    seed BIGINT NOT NULL, job INTEGER, run VARCHAR
);
"""

CELLS = f"""
CREATE TABLE cells (
    cell INTEGER NOT NULL, id VARCHAR NOT NULL, space VARCHAR NOT NULL, arch VARCHAR NOT NULL,
    name VARCHAR, connected BOOLEAN NOT NULL,
    {_COLUMN_DDL},
    {_CLASS_DDL}
);
"""
"""The table of cells, which holds what the registry of columns has."""

_TABLES = f"""
CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);
{CELLS}
CREATE TABLE sources (
    source SMALLINT NOT NULL, name VARCHAR NOT NULL, title VARCHAR NOT NULL,
    origin VARCHAR NOT NULL, licence VARCHAR NOT NULL, notes VARCHAR[] NOT NULL,
    official BOOLEAN NOT NULL, path VARCHAR NOT NULL, checksum VARCHAR NOT NULL,
    imported_at TIMESTAMP NOT NULL, cells INTEGER NOT NULL, runs BIGINT NOT NULL,
    points BIGINT NOT NULL
);
CREATE TABLE curves (
    curve SMALLINT NOT NULL, dataset VARCHAR NOT NULL, schedule INTEGER NOT NULL,
    recipe VARCHAR NOT NULL, images VARCHAR NOT NULL, eval_set VARCHAR NOT NULL,
    measure VARCHAR NOT NULL, split VARCHAR NOT NULL
);
CREATE TABLE grids (grid INTEGER NOT NULL, epochs SMALLINT[] NOT NULL);
CREATE TABLE runs (
    run BIGINT NOT NULL, id VARCHAR NOT NULL, source SMALLINT NOT NULL, cell INTEGER NOT NULL,
    dataset VARCHAR NOT NULL, schedule INTEGER NOT NULL, seed BIGINT, replicate VARCHAR,
    recipe VARCHAR NOT NULL, images VARCHAR NOT NULL, file_params_m DOUBLE, file_flops_m DOUBLE,
    latency_s DOUBLE, train_time_s DOUBLE, time_source VARCHAR, device VARCHAR, details VARCHAR,
    split VARCHAR NOT NULL
);
CREATE TABLE series (
    curve SMALLINT NOT NULL, cell INTEGER NOT NULL, run BIGINT NOT NULL, grid INTEGER NOT NULL,
    "values" DOUBLE[] NOT NULL
);
CREATE TABLE recorded (
    source SMALLINT NOT NULL, curve SMALLINT NOT NULL, grids INTEGER[] NOT NULL,
    seeds BIGINT[] NOT NULL, cells INTEGER NOT NULL, runs BIGINT NOT NULL
);
{_JOBS}
{_STUDIES}
INSERT INTO meta VALUES ('schema', '{VERSION}');
"""  # noqa: S608  (only names of the registry)


def create(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, empty."""
    cursor.execute(_TABLES)


def migrate(cursor: duckdb.DuckDBPyConnection, found: int) -> None:
    """Bring tables of version ``found`` to :data:`VERSION`, in the running transaction."""
    for version in range(found, VERSION):
        MIGRATIONS[version](cursor)
    cursor.execute("DELETE FROM meta WHERE key = 'schema'")
    cursor.execute("INSERT INTO meta VALUES ('schema', ?)", [str(VERSION)])


def _from_1(cursor: duckdb.DuckDBPyConnection) -> None:
    """Jobs, what a run was trained with, and ``local`` for what is trained here alone."""
    names = {name for (name,) in cursor.execute("SELECT name FROM sources").fetchall()}
    if "local" in names:
        free = next(
            name
            for name in ("local-table", *(f"local-table-{n}" for n in range(2, len(names) + 2)))
            if name not in names
        )
        cursor.execute(
            "UPDATE runs SET id = $free || substr(id, length('local') + 1) "
            "WHERE source = (SELECT source FROM sources WHERE name = 'local')",
            {"free": free},
        )
        cursor.execute("UPDATE sources SET name = ? WHERE name = 'local'", [free])
    cursor.execute("ALTER TABLE runs ADD COLUMN details VARCHAR")
    cursor.execute(_JOBS)


def _from_2(cursor: duckdb.DuckDBPyConnection) -> None:
    """Measurements, and studies made of jobs."""
    cursor.execute(_STUDIES)


def _cells_anew(cursor: duckdb.DuckDBPyConnection) -> None:
    """Columns and classes that every cell has got: counts on live edges, what cells compute."""
    from data import cells_table  # which needs the store, hence this module

    cells_table.rebuild(cursor)


MIGRATIONS: dict[int, Callable[[duckdb.DuckDBPyConnection], None]] = {
    1: _from_1,
    2: _from_2,
    3: _cells_anew,
    4: tell_apart,
    5: _cells_anew,
}
"""By version, the step to the next one."""
