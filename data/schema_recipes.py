"""Part of a step between versions of the tables: jobs and studies name the recipe that they had.

Runs have such names already (:mod:`data.schema_told_apart`). Without them a job of an earlier
version would stand for what its recipe's name means now, and a study be the answer to a new one.
"""

from __future__ import annotations

import json

import duckdb

from data.recipe_names import of_parts, settled, text
from data.told_apart import precision_of


def name_recipes(cursor: duckdb.DuckDBPyConnection) -> None:
    """Rename the recipe of jobs, in their settings too, of parts of studies and of studies."""
    rows = cursor.execute(
        "SELECT job, recipe, settings, coalesce(jobs.details, runs.details) "
        "FROM jobs LEFT JOIN (SELECT id, details FROM runs) AS runs ON runs.id = jobs.run"
    ).fetchall()
    cursor.execute("CREATE TEMP TABLE named (number INTEGER, recipe VARCHAR, settings VARCHAR)")
    named = [
        (number, *new)
        for number, recipe, settings, details in rows
        if (new := settled(recipe, settings, precision_of(details))) != (recipe, settings)
    ]
    if named:
        cursor.executemany("INSERT INTO named VALUES (?, ?, ?)", named)
    cursor.execute(
        "UPDATE jobs SET recipe = named.recipe, settings = named.settings FROM named "
        "WHERE named.number = jobs.job"
    )
    cursor.execute(
        "UPDATE study_parts SET recipe = named.recipe FROM named "
        "WHERE named.number = study_parts.job"
    )
    cursor.execute(
        "UPDATE study_parts SET recipe = runs.recipe FROM runs WHERE runs.id = study_parts.run"
    )
    cursor.execute("DROP TABLE named")
    rows = cursor.execute(
        "SELECT study, any_value(studies.settings), list(DISTINCT recipe) "
        "FROM studies JOIN study_parts USING (study) GROUP BY study"
    ).fetchall()
    for study, told, recipes in rows:
        settings = json.loads(told)
        asked = settings["recipe"]
        if (name := of_parts(asked, recipes)) != asked:
            renamed = text(settings | {"recipe": name})
            cursor.execute("UPDATE studies SET settings = ? WHERE study = ?", [renamed, study])
