"""Runs by name, where jobs and parts of studies name them: what becomes of that when runs go.

A job, or a part of a study, names the run that was there when its turn came. Where a source is
replaced, most of its runs are there again under their names; the others are looked for elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from data import runs


def named(cursor: duckdb.DuckDBPyConnection, source: str) -> set[str]:
    """Runs of a source that jobs or parts of studies name."""
    rows = cursor.execute(
        "SELECT runs.id FROM runs JOIN sources USING (source) WHERE sources.name = ? "
        "AND runs.id IN (SELECT run FROM jobs UNION SELECT run FROM study_parts)",
        [source],
    ).fetchall()
    return {run for (run,) in rows}


def mend(cursor: duckdb.DuckDBPyConnection, names: Collection[str]) -> None:
    """Let nothing name a run among these that isn't there any more, if another one can stand in.

    That is a run of the same training: cell, data set, recipe and seed. Without one a job names
    none; a part of a study keeps the name, which says what to ask for again.
    """
    gone = cursor.execute(
        "SELECT DISTINCT run, cell, dataset, recipe, seed FROM ("
        "SELECT run, cell, dataset, recipe, seed FROM jobs UNION ALL "
        "SELECT run, cell, dataset, recipe, seed FROM study_parts) "
        "WHERE run IN (SELECT unnest(?::VARCHAR[])) AND run NOT IN (SELECT id FROM runs)",
        [list(names)],
    ).fetchall()
    if not gone:
        return
    asked: dict[tuple[str, str], set[str]] = {}
    for _, cell, dataset, recipe, _ in gone:
        asked.setdefault((dataset, recipe), set()).add(cell)
    there = {
        (cell, dataset, recipe, seed): run
        for (dataset, recipe), cells in asked.items()
        for (cell, seed), run in runs.of_cells(cursor, cells, dataset, recipe).items()
    }
    other = {run: there.get(tuple(training)) for run, *training in gone}
    _rename(cursor, "jobs", other)
    _rename(cursor, "study_parts", {run: new for run, new in other.items() if new is not None})


def _rename(cursor: duckdb.DuckDBPyConnection, table: str, names: dict[str, str | None]) -> None:
    """Rows that name one of these runs name the other one."""
    lists = {"old": list(names), "new": list(names.values())}
    cursor.execute(
        f"INSERT INTO {table} SELECT * REPLACE "  # noqa: S608  (a constant)
        "(list_extract($new::VARCHAR[], list_position($old::VARCHAR[], run)) AS run) "
        f"FROM {table} WHERE list_contains($old::VARCHAR[], run)",
        lists,
    )
    cursor.execute(
        f"DELETE FROM {table} WHERE run IN (SELECT unnest(?::VARCHAR[]))",  # noqa: S608
        [lists["old"]],
    )
