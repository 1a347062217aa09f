"""What tells one training from another: which runs are of the same one, and so compare and pool.

Code version aside, a run is told by its source, cell and seed, and by what it was trained on and
how: data set, schedule, recipe (another precision is another recipe, whose name says so), rendering
of the images, and *split*: by what these were divided into the sets that it was trained and
evaluated on.
"""

from __future__ import annotations

import json
from typing import Any

from data.recipe_names import OPEN, as_named, as_trained, settled

OFFICIAL = "official"
"""The data set's own division: the benchmark's split files, or nothing had to be divided."""

SEEDED = "seeded"
"""Divided here, by a seeded and stratified sample."""

BENCHMARK = "nb201-"
"""How the names of the benchmark's own recipes begin: of these, no other split is meant."""


def split_of(details: str | None) -> str:
    """The split of a run whose source doesn't name it: what its ``details`` say, else official.

    Runs that were trained here tell how the images were divided; those of earlier versions in a
    sentence alone, whose end is about samples of the sets, which are seeded in any case.
    """
    images = _told(details).get("images")
    if not isinstance(images, dict):
        return OFFICIAL
    if isinstance(images.get("division"), str):
        return str(images["division"])
    told = images.get("split")
    if isinstance(told, str) and SEEDED in told.partition("; at most")[0]:
        return SEEDED
    return OFFICIAL


def recipe_of(name: str, details: str | None) -> str:
    """What a run's recipe is called, by the settings and the precision that its ``details`` hold.

    Runs of earlier versions keep what they were, under a name that says it
    (:func:`data.recipe_names.as_trained`).
    """
    settings = _told(details).get("recipe")
    if not isinstance(settings, dict):
        return name
    return as_trained(name, settings, precision_of(details))


def recipe_of_job(
    name: str,
    settings: str,
    details: str | None,
    run: tuple[str, str | None] | None,
    *,
    took: bool,
) -> tuple[str, str]:
    """What a job's recipe is called, and its settings, JSON, as they tell of what it trained.

    Args:
        details: of one that measured.
        run: what the recipe of its run is called, and the run's details; None without one.
        took: whether it took a run that was there: it trained nothing, and is by that recipe.
    """
    if run is not None and took:
        return run[0], as_named(run[0], settings)
    return settled(name, settings, precision_of(details or (run and run[1])))


def left_open(details: str | None) -> bool:
    """Whether a run's recipe was of an earlier version, and left its precision to the device."""
    settings = _told(details).get("recipe")
    return isinstance(settings, dict) and settings.get("precision") == OPEN


def name_before(name: str, details: str | None) -> str | None:
    """What an earlier version called the recipe of a run that is called ``name`` now.

    None where its ``details`` tell of no earlier version; a table's run without them may be as old.
    """
    settings = _told(details).get("recipe")
    before = settings.get("name") if isinstance(settings, dict) else None
    if not isinstance(before, str):
        return name
    return before if before != name or left_open(details) else None


def precision_of(details: str | None) -> str | None:
    """What a training computed in, as the ``details`` of its run or job say; None where not."""
    precision = _told(details).get("precision")
    return precision if isinstance(precision, str) else None


def _told(details: str | None) -> dict[str, Any]:
    """What ``details`` hold by name; a table of one's own may have something else there."""
    told = json.loads(details) if details else None
    return told if isinstance(told, dict) else {}


def id_of_run(
    source: str,
    cell_id: str,
    dataset: str,
    schedule: int,
    seed: str,
    recipe: str,
    images: str,
    split: str,
) -> str:
    """What a run is called in addresses; ``seed`` may be a replicate's name."""
    # The benchmark's own recipes name their schedule already.
    trained = recipe if recipe == f"{BENCHMARK}{schedule}" else f"{recipe}@{schedule}"
    parts = [source, cell_id, dataset, trained, seed]
    if images != "original":
        parts.append(images)
    if split != OFFICIAL:
        parts.append(f"{split}-split")
    return ":".join(parts)
