"""What can be trained: recipes and data sets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from service.api import deps, schemas_jobs
from service.api.documentation import describes
from service.api.formats import json_response
from service.api.params import Query, read
from service.jobs.queue import Queue
from service.training import datasets
from service.training.recipes import FOLDER, available

router = APIRouter(tags=["training"])


@router.get("/recipes", summary="How cells can be trained")
@describes(Query, schemas_jobs.Recipes)
def recipes(request: Request) -> Response:
    """Every recipe with all its settings, one's own included; and files that can't be taken."""
    read(Query, request)
    queue = deps.queue(request)
    found, faults = available(queue.home)
    return json_response(
        {
            "items": [
                {
                    "name": recipe.name,
                    "about": recipe.about,
                    "spaces": list(recipe.spaces),
                    "settings": recipe.model_dump(mode="json", exclude={"name", "about"}),
                }
                for recipe in found.values()
            ],
            "faults": faults,
            "own": str(queue.home / FOLDER),
        }
    )


@router.get("/datasets", summary="What cells can be trained on")
@describes(Query, schemas_jobs.Datasets)
def list_datasets(request: Request) -> Response:
    """Whether the images are there, in which form, and how to get them."""
    read(Query, request)
    queue = deps.queue(request)
    return json_response(
        {
            "items": described(queue),
            "places": [str(place) for place in datasets.places(queue.home, queue.images)],
        }
    )


def described(queue: Queue) -> list[dict[str, Any]]:
    """Every data set with what is known of its images here."""
    places = datasets.places(queue.home, queue.images)
    items = []
    for name in datasets.known(places):
        about = datasets.DATASETS.get(name)
        status = asdict(datasets.status(name, places))
        status["path"] = str(status["path"]) if status["path"] is not None else None
        items.append(
            {
                "name": name,
                "title": about.title if about else "images of one's own, a folder a class",
                "classes": about.classes if about else None,
                "image": list(about.image) if about and about.image else None,
                "sizes": dict(about.sizes) if about else {},
                "origin": about.origin if about else None,
                "licence": about.licence if about else None,
                "how_to_get": about.how_to_get if about else None,
                **status,
            }
        )
    return items
