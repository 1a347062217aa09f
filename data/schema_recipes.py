"""Part of a step between versions of the tables: jobs and studies name the recipe that they had.

Runs have such names already (:mod:`data.schema_told_apart`). Without them a job of an earlier
version would stand for what its recipe's name means now, and a study be the answer to a new one.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
from pydantic_core import to_json

from data.recipe_names import OPEN, as_trained, joined, parted


def name_recipes(cursor: duckdb.DuckDBPyConnection) -> None:
    """Rename the recipe of jobs, in their settings too, of parts of studies and of studies."""
    rows = cursor.execute(
        "SELECT job, recipe, settings, coalesce(jobs.details, runs.details) "
        "FROM jobs LEFT JOIN (SELECT id, details FROM runs) AS runs ON runs.id = jobs.run"
    ).fetchall()
    cursor.execute("CREATE TEMP TABLE named (number INTEGER, recipe VARCHAR, settings VARCHAR)")
    if jobs := [named for row in rows if (named := _job(*row))]:
        cursor.executemany("INSERT INTO named VALUES (?, ?, ?)", jobs)
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
        "SELECT study, any_value(studies.settings), arg_min(recipe, part) "
        "FROM studies JOIN study_parts USING (study) GROUP BY study"
    ).fetchall()
    for study, settings, recipe in rows:
        if (asked := _study(settings, recipe)) is not None:
            cursor.execute("UPDATE studies SET settings = ? WHERE study = ?", [asked, study])


def _job(number: int, recipe: str, text: str, details: str | None) -> tuple[Any, ...] | None:
    """The job's number, the name of its recipe and its settings; None where it keeps these."""
    settings = json.loads(text)
    precision = (json.loads(details) if details else {}).get("precision")
    named = as_trained(recipe, settings, precision)
    open_ = settings.get("precision") == OPEN and precision is not None
    if named == recipe and not open_:
        return None
    settings["name"] = named
    if open_:
        settings["precision"] = precision
    return number, named, _text(settings)


def _study(text: str, recipe: str) -> str | None:
    """A study's settings with the recipe that its parts have, at the rate that it asks for."""
    settings = json.loads(text)
    try:
        (own, asked), (of_part, said) = parted(settings["recipe"]), parted(recipe)
    except ValueError:
        return None
    rate = {"lr": asked["lr"]} if "lr" in asked else {}
    said.pop("lr", None)
    named = joined(own, said | rate)
    if of_part != own or named == settings["recipe"]:
        return None
    return _text(settings | {"recipe": named})


def _text(settings: dict[str, Any]) -> str:
    """As pydantic writes it: studies are found by their settings as text."""
    return to_json(settings).decode()
