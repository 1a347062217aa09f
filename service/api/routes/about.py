"""What can be asked and what is loaded: columns, sources, health, metrics of the server."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from data.catalogue import ranges
from data.columns import COLUMNS, GROUPINGS, SAMENESS, TEXT_FIELDS
from data.library import Snapshot
from data.metrics import GRAMMAR, MEANINGS, SUMMARIES, WHOLE, Context
from data.store import first_row
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import json_response
from service.api.params import Query, read

router = APIRouter(tags=["about"])


def _column_range(snapshot: Snapshot, name: str) -> list[float] | None:
    column = snapshot.frame.column(name, "cifar10")
    if np.isnan(column).all():
        return None
    return [float(np.nanmin(column)), float(np.nanmax(column))]


def _recorded(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What is recorded, by data set, recipe, images and split, in the words that metrics use."""
    catalogue = snapshot.catalogue
    kinds = sorted(
        {
            (entry.curve.recipe, entry.curve.images, entry.curve.split)
            for entry in catalogue.recorded
        }
    )
    found = []
    for dataset in catalogue.datasets:
        for recipe, images, split in kinds:
            context = Context(dataset=dataset, recipe=recipe, images=images, split=split)
            for name, epochs in sorted(catalogue.available(context).items()):
                measure, schedule = name.rsplit("of", 1)
                entries = catalogue.curves(measure, int(schedule), context)
                found.append(
                    {
                        "dataset": dataset,
                        "measure": measure,
                        "schedule": int(schedule),
                        "epochs": ranges(epochs),
                        "recipe": recipe,
                        "images": images,
                        "split": split,
                        "stored_dataset": entries[0].curve.dataset,
                        "set": entries[0].curve.eval_set,
                        "seeds": sorted(frozenset[int]().union(*(e.seeds for e in entries))),
                        "sources": sorted({entry.source for entry in entries}),
                        "cells": max(entry.cells for entry in entries),
                    }
                )
    return found


@router.get("/columns", summary="Every column and measure")
@describes(Query, schemas.Columns)
def columns(request: Request) -> Response:
    """Name, meaning, unit, range, origin; and which metrics are recorded for which data set."""
    read(Query, request)
    snapshot = deps.snapshot(request)
    return json_response(
        {
            "columns": [
                {
                    "name": column.name,
                    "meaning": column.meaning,
                    "unit": column.unit,
                    "type": column.kind,
                    "range": _column_range(snapshot, column.name),
                    "origin": column.origin,
                    "group": column.group,
                    "spaces": list(column.spaces),
                    "null_when": column.null_when,
                }
                for column in COLUMNS.values()
            ],
            "fields": [{"name": name, "meaning": meaning} for name, meaning in TEXT_FIELDS.items()],
            "measures": [
                {
                    "name": name,
                    "meaning": meaning,
                    "unit": unit,
                    "range": allowed,
                    "read_from": SUMMARIES.get(name) or WHOLE.get(name) or name,
                }
                for name, (meaning, unit, allowed) in MEANINGS.items()
            ],
            "metric_grammar": GRAMMAR,
            "sameness": [{"name": name, "meaning": meaning} for name, meaning in SAMENESS.items()],
            "groupings": [
                {"name": name, "meaning": meaning} for name, meaning in GROUPINGS.items()
            ],
            "recorded": _recorded(snapshot),
        }
    )


@router.get("/sources", summary="What is loaded")
@describes(Query, schemas.Sources)
def sources(request: Request) -> Response:
    """Name, origin, licence, checksum, counts and notes of every source; the first one wins."""
    read(Query, request)
    return json_response({"items": [asdict(source) for source in deps.snapshot(request).sources]})


@router.get("/health", summary="Whether the service answers")
@describes(Query, schemas.Health)
def health(request: Request) -> Response:
    """Reads from the database, so that `ok` means that answers can be had."""
    read(Query, request)
    snapshot = deps.snapshot(request)
    with snapshot.state.read() as cursor:
        first_row(cursor, "SELECT 1")
    return json_response(
        {
            "status": "ok",
            "version": version("cellwise"),
            "cells": snapshot.frame.size,
            "runs": sum(source.runs for source in snapshot.sources),
            "sources": [source.name for source in snapshot.sources],
        }
    )


@router.get(
    "/metrics",
    summary="Measures of the server for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Requests by route, method and status with their durations, process and data sizes."""
    read(Query, request)
    return Response(
        generate_latest(request.app.state.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )
