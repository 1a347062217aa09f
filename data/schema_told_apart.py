"""A step between versions of the tables: runs get a split, and the recipe that they really had.

So do jobs and studies, lest they be taken for what is asked for under the name from now on.

What was one kind of curve may become several: a table's runs by the benchmark's split, and those
that were trained here on images divided here (:mod:`data.told_apart`).
"""

from __future__ import annotations

from typing import Any

import duckdb

from data.schema_recipes import name_recipes
from data.told_apart import OFFICIAL, id_of_run, recipe_of, split_of

AT_ONCE = 10_000
"""Runs whose details are read at a time."""


def tell_apart(cursor: duckdb.DuckDBPyConnection) -> None:
    """Add the split to runs and kinds of curve, by what details of runs say of it."""
    for table in ("curves", "runs"):
        cursor.execute(f"ALTER TABLE {table} ADD COLUMN split VARCHAR DEFAULT '{OFFICIAL}'")
        cursor.execute(f"ALTER TABLE {table} ALTER COLUMN split SET NOT NULL")
        cursor.execute(f"ALTER TABLE {table} ALTER COLUMN split DROP DEFAULT")
    cursor.execute(
        "CREATE TEMP TABLE told "
        "(run BIGINT, old VARCHAR, id VARCHAR, recipe VARCHAR, split VARCHAR)"
    )
    after = -1
    while rows := cursor.execute(
        "SELECT run, runs.id, sources.name, dataset, schedule, seed, replicate, recipe, "
        "images, details FROM runs JOIN sources USING (source) "
        "WHERE details IS NOT NULL AND run > ? ORDER BY run LIMIT ?",
        [after, AT_ONCE],
    ).fetchall():
        after = rows[-1][0]
        if told := [changed for row in rows if (changed := _told(*row))]:
            cursor.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?)", told)
    _move_curves(cursor)
    cursor.execute(
        "UPDATE runs SET id = told.id, recipe = told.recipe, split = told.split FROM told "
        "WHERE told.run = runs.run"
    )
    cursor.execute("UPDATE jobs SET run = told.id FROM told WHERE jobs.run = told.old")
    cursor.execute(
        "UPDATE study_parts SET run = told.id FROM told WHERE study_parts.run = told.old"
    )
    cursor.execute("DROP TABLE told")
    name_recipes(cursor)


def _told(
    run: int,
    old: str,
    source: str,
    dataset: str,
    schedule: int,
    seed: int | None,
    replicate: str | None,
    recipe: str,
    images: str,
    details: str,
) -> tuple[Any, ...] | None:
    """The run with its new names, or None where it keeps those that it has."""
    named, split = recipe_of(recipe, details), split_of(details)
    if (named, split) == (recipe, OFFICIAL):
        return None
    cell_id = old.split(":")[1]  # names of sources have no colon
    which = str(replicate if seed is None else seed).replace(" ", "-")
    new = id_of_run(source, cell_id, dataset, schedule, which, named, images, split)
    return run, old, new, named, split


def _move_curves(cursor: duckdb.DuckDBPyConnection) -> None:
    """Give the curves of these runs kinds of their own, and count anew what sources hold."""
    kinds = cursor.execute(
        "SELECT DISTINCT curve, told.recipe, told.split, dataset, schedule, images, eval_set, "
        "measure FROM series JOIN told USING (run) JOIN curves USING (curve) ORDER BY ALL"
    ).fetchall()
    if not kinds:
        return
    numbered = cursor.execute("SELECT coalesce(max(curve), -1) + 1 FROM curves").fetchall()
    (following,) = numbered[0]
    cursor.execute("CREATE TEMP TABLE moved (curve SMALLINT, run BIGINT, new SMALLINT)")
    for curve, recipe, split, dataset, schedule, images, eval_set, measure in kinds:
        key = [dataset, schedule, recipe, images, eval_set, measure, split]
        known = cursor.execute(
            "SELECT curve FROM curves WHERE dataset = ? AND schedule = ? AND recipe = ? "
            "AND images = ? AND eval_set = ? AND measure = ? AND split = ?",
            key,
        ).fetchall()
        if known:
            ((new,),) = known
        else:
            new, following = following, following + 1
            cursor.execute(
                "INSERT INTO curves (curve, dataset, schedule, recipe, images, eval_set, measure, "
                "split) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [new, *key],
            )
        cursor.execute(
            "INSERT INTO moved SELECT ?, run, ? FROM told WHERE recipe = ? AND split = ?",
            [curve, new, recipe, split],
        )
    cursor.execute(
        "UPDATE series SET curve = moved.new FROM moved "
        "WHERE series.run = moved.run AND series.curve = moved.curve"
    )
    cursor.execute("DROP TABLE moved")
    cursor.execute(
        "CREATE TEMP TABLE touched AS SELECT DISTINCT source FROM runs JOIN told USING (run)"
    )
    cursor.execute("DELETE FROM recorded WHERE source IN (FROM touched)")
    cursor.execute(
        "INSERT INTO recorded SELECT runs.source, curve, list(DISTINCT grid ORDER BY grid), "
        "coalesce(list(DISTINCT seed ORDER BY seed) FILTER (seed IS NOT NULL), []), "
        "count(DISTINCT runs.cell), count(DISTINCT runs.run) "
        "FROM series JOIN runs USING (run) WHERE runs.source IN (FROM touched) "
        "GROUP BY runs.source, curve"
    )
    cursor.execute("DROP TABLE touched")
