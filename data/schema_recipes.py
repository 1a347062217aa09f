"""Part of a step between versions of the tables: jobs and studies name the recipe that they had.

Runs have such names already (:mod:`data.schema_told_apart`). Without them a job of an earlier
version would stand for what its recipe's name means now, and a study be the answer to a new one.
"""

from __future__ import annotations

import duckdb

from data.recipe_names import of_study
from data.told_apart import recipe_of_job


def name_recipes(cursor: duckdb.DuckDBPyConnection) -> None:
    """Rename the recipe of jobs, in their settings too, of parts of studies and of studies."""
    rows = cursor.execute(
        "SELECT job, jobs.recipe, settings, jobs.details, runs.recipe, runs.details, "
        "state = 'done' AND measurement IS NULL AND "
        "(SELECT count(*) FROM job_epochs WHERE job_epochs.job = jobs.job) < epochs "
        "FROM jobs LEFT JOIN runs ON runs.id = jobs.run"
    ).fetchall()
    cursor.execute("CREATE TEMP TABLE named (number INTEGER, recipe VARCHAR, settings VARCHAR)")
    named = [
        (number, *new)
        for number, recipe, settings, details, of_run, told, took in rows
        if (new := recipe_of_job(recipe, settings, details, of_run and (of_run, told), took=took))
        != (recipe, settings)
    ]
    if named:
        cursor.executemany("INSERT INTO named VALUES (?, ?, ?)", named)
    cursor.execute(
        "UPDATE jobs SET recipe = named.recipe, settings = named.settings FROM named "
        "WHERE named.number = jobs.job"
    )
    cursor.execute("DROP TABLE named")
    # A job that measured trained by itself, and may name a run that only shared its recipe's name.
    cursor.execute(
        "UPDATE jobs SET run = NULL FROM runs WHERE measurement IS NOT NULL "
        "AND runs.id = jobs.run AND runs.recipe <> jobs.recipe"
    )
    cursor.execute(
        "UPDATE study_parts SET recipe = jobs.recipe, "
        "run = CASE WHEN measurement IS NULL THEN study_parts.run ELSE jobs.run END "
        "FROM jobs WHERE jobs.job = study_parts.job"
    )
    cursor.execute(
        "UPDATE study_parts SET recipe = runs.recipe FROM runs "
        "WHERE runs.id = study_parts.run AND job IS NULL"
    )
    rows = cursor.execute(
        "SELECT study, any_value(studies.settings), list(DISTINCT recipe) "
        "FROM studies JOIN study_parts USING (study) GROUP BY study"
    ).fetchall()
    for study, settings, recipes in rows:
        if (renamed := of_study(settings, recipes)) != settings:
            cursor.execute("UPDATE studies SET settings = ? WHERE study = ?", [renamed, study])
