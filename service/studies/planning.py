"""From a study to the trainings and measurements that it is made of, and those to the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from analysis.cells import Cell
from analysis.spaces.variants import adapted_forms, variants
from data.errors import QueryError
from data.recipe_names import of_study
from data.studies import Part, Study, StudyStore
from service.jobs import requests
from service.jobs.queue import Queue
from service.jobs.requests import Request
from service.jobs.submission import Submitted
from service.studies.kinds import AnyStudy, Convergence, GeneralisationStudy, Measuring
from service.training.recipes import Recipe, RecipeError

MOST_PARTS = 20_000
ORIGINAL = "original"

Resolve = Callable[[str], Cell]
"""From whatever names a cell to the cell; raises QueryError."""


@dataclass(frozen=True, slots=True)
class Member:
    """A cell of a study: itself, or as a variant of an original."""

    role: str
    original: Cell
    cell: Cell


def submit(asked: AnyStudy, queue: Queue, store: StudyStore, resolve: Resolve) -> Study:
    """Queue all that the study needs and isn't known, and keep it. The same again is the same.

    It is called what its trainings are, however the name of their recipe was written.

    Raises:
        QueryError: a name that isn't known, images that aren't here, a recipe that doesn't train
            these cells, or too much at once; nothing was queued.
    """
    members: list[Member] = []
    for member in _members(asked, [resolve(text) for text in asked.cells]):
        members.append(member)
        _limit(len(members) * len(asked.seeds))  # before a million variants are drawn
    cells = tuple(dict.fromkeys(member.cell for member in members))
    wanted = list(_requests(asked, cells, queue))
    _limit(len(members) * len(asked.seeds) * len(wanted))
    kept: list[Part] = []
    for request, submitted in zip(wanted, queue.submit_all(wanted), strict=True):
        answers = {(item.cell, item.seed): item for item in submitted}
        kept += [
            _part(member, request, seed, answers[member.cell.id, seed])
            for member in members
            for seed in request.seeds
        ]
    settings = of_study(asked.model_dump_json(exclude={"priority"}), {one.recipe for one in kept})
    return store.put(asked.kind, settings, kept)


def _limit(parts: int) -> None:
    if parts > MOST_PARTS:
        raise QueryError(f"{parts:,}", "too many trainings", f"up to {MOST_PARTS:,}", "cells")


def _members(asked: AnyStudy, originals: list[Cell]) -> Iterator[Member]:
    for original in dict.fromkeys(originals):
        yield Member(ORIGINAL, original, original)
        if isinstance(asked, GeneralisationStudy):
            forms = adapted_forms(original)
            if original in forms or not forms:
                why = "is itself adapted" if forms else "has no connected form"
                raise QueryError(original.id, why, "cells that differ from their form", "cells")
            yield Member("adapted", original, forms[0])
        elif isinstance(asked, Convergence):
            for kind in dict.fromkeys(asked.variants):
                for variant in variants(original, kind, asked.count, asked.draw):
                    yield Member(kind, original, variant)


def _requests(asked: AnyStudy, cells: tuple[Cell, ...], queue: Queue) -> Iterator[Request]:
    """One for each data set and learning rate."""
    names = asked.datasets if isinstance(asked, GeneralisationStudy) else (asked.dataset,)
    rates = asked.learning_rates if isinstance(asked, Convergence) else ()
    for dataset in dict.fromkeys(names):
        request = requests.checked(
            cells,
            dataset,
            asked.recipe,
            asked.seeds,
            home=queue.home,
            images=queue.images,
            priority=asked.priority,
            measurement=asked.measurement() if isinstance(asked, Measuring) else None,
        )
        for recipe in _at_rates(request.recipe, tuple(dict.fromkeys(rates))):
            yield replace(request, recipe=recipe)


def _at_rates(recipe: Recipe, rates: tuple[float, ...]) -> list[Recipe]:
    try:
        return [recipe.at_rate(rate) for rate in rates] or [recipe]
    except RecipeError as error:
        raise QueryError(recipe.name, str(error), "another rate", "learning_rates") from None


def _part(member: Member, request: Request, seed: int, answer: Submitted) -> Part:
    return Part(
        role=member.role,
        original=member.original.id,
        cell=member.cell.arch,
        cell_id=member.cell.id,
        dataset=request.dataset,
        recipe=request.recipe.name,
        learning_rate=request.recipe.optimiser.learning_rate,
        seed=seed,
        job=answer.job,
        run=answer.run,
    )
