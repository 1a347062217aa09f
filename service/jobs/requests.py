"""What is asked of the queue: cells, images, recipe, seeds; and what refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.cells import Cell
from data.errors import QueryError, nearest
from service.training import datasets
from service.training.measure import AnyMeasurement, GradientVariance
from service.training.recipes import Recipe, RecipeError, find


@dataclass(frozen=True, slots=True)
class Request:
    """Trainings of every cell with every seed, and what is measured on each.

    ``here``: rendering and split of the images on this machine, None where there are none.
    """

    cells: tuple[Cell, ...]
    dataset: str
    recipe: Recipe
    seeds: tuple[int, ...]
    priority: int = 0
    force: bool = False
    measurement: AnyMeasurement | None = None
    here: tuple[str, str] | None = None


def checked(
    cells: Sequence[Cell],
    dataset: str,
    recipe: str,
    seeds: Sequence[int],
    *,
    home: Path,
    images: Sequence[Path],
    priority: int = 0,
    force: bool = False,
    measurement: AnyMeasurement | None = None,
) -> Request:
    """A request whose every name is known. What is known already can be asked for without images.

    Raises:
        QueryError: names the field (``dataset``, ``recipe``, ``cells``, ``batches``), what is wrong
            with it and what would do.
    """
    places = datasets.places(home, images)
    known = datasets.known(places)
    spelled = {name.lower(): name for name in known}.get(dataset.lower())
    if spelled is None:
        hint = nearest(dataset, known)
        raise QueryError(dataset, f"unknown data set {hint}".strip(), ", ".join(known), "dataset")
    try:
        found = find(recipe, home)
    except RecipeError as error:
        raise QueryError(recipe, str(error), "as GET /recipes lists them", "recipe") from None
    for cell in cells:
        try:
            found.skeleton(cell.space)
        except RecipeError as error:
            raise QueryError(cell.id, str(error), "cells of these spaces", "cells") from None
    if isinstance(measurement, GradientVariance):
        _require_enough(measurement, spelled, found)
    return Request(
        tuple(dict.fromkeys(cells)),
        spelled,
        found,
        tuple(dict.fromkeys(seeds)),
        priority,
        force,
        measurement,
        datasets.here(spelled, places),
    )


def _require_enough(asked: GradientVariance, dataset: str, recipe: Recipe) -> None:
    """Raises `QueryError` where its batches take more images than there can be.

    Other measurements take all images where there are fewer than they ask for.
    """
    limits = recipe.images
    there = datasets.most_images(
        dataset, asked.images, train=limits.train, evaluate=limits.evaluate
    )
    if there is not None and asked.needed > there:
        raise QueryError(
            str(asked.batches),
            f"{asked.batches:,} batches of {asked.batch:,} images take {asked.needed:,}, and the "
            f"{asked.images} images of {dataset} under recipe {recipe.name} are {there:,} at most",
            f"batches × batch up to {there:,}",
            "batches",
        )


def require_images(dataset: str, places: Sequence[Path]) -> None:
    """Do nothing where the images of a data set are on this machine.

    Raises:
        QueryError: they aren't; says how to get them, and which data sets are there.
    """
    status = datasets.status(dataset, places)
    if not status.found:
        there = [name for name in datasets.known(places) if datasets.status(name, places).found]
        raise QueryError(
            dataset,
            f"its images are not on this machine: {status.detail}",
            f"{', '.join(there)}; or get it: {datasets.DATASETS[dataset].how_to_get}",
            "dataset",
        )
