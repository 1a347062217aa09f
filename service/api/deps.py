"""What routes have in common: the library of the app, contexts as answers show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import Request

from data.catalogue import Resolved
from data.errors import blame
from data.frame import Mask
from data.library import Library, Snapshot
from data.queries import Field, Filters, View
from service.api.params import ContextQuery
from service.jobs.queue import Queue


def library(request: Request) -> Library:
    """The app's open library."""
    opened: Library = request.app.state.library
    return opened


def queue(request: Request) -> Queue:
    """The app's queue of jobs."""
    held: Queue = request.app.state.queue
    return held


def snapshot(request: Request) -> Snapshot:
    """The state of the data that this request works on."""
    return library(request).snapshot


def view(request: Request, query: ContextQuery) -> View:
    """The snapshot in the query's context.

    Raises:
        QueryError: an unknown data set or source.
    """
    state = snapshot(request)
    with blame("source"):
        state.catalogue.check_source(query.source)
    with blame("dataset"):
        return View(state, query.context())


def describe_set(
    resolved: Resolved, seeds: list[int] | None, sources: dict[str, int]
) -> dict[str, Any]:
    """What a metric was read from, of how few and how many seeds a cell, of how many by source."""
    curve = resolved.curve
    return {
        "metric": str(resolved.metric),
        "dataset": curve.dataset,
        "set": curve.eval_set,
        "schedule": curve.schedule,
        "epoch": resolved.metric.epoch,
        "recipe": curve.recipe,
        "images": curve.images,
        "split": curve.split,
        "sources": sources,
        "n_seeds": seeds,
    }


def describe_context(
    seen: View,
    fields: Iterable[Field],
    filters: Filters | None = None,
    cells: Mask | None = None,
) -> dict[str, Any]:
    """The context of an answer: nothing that it was computed from stays unsaid.

    Sources are counted among the cells that pass the filters, seeds among the ``cells``, (cells,),
    that the answer rests on; each among the others where these are not given.
    """
    context = seen.context
    described: dict[str, Any] = {
        "dataset": context.dataset,
        "seed": "mean" if context.seed is None else context.seed,
        "source": context.source,
        "recipe": context.recipe,
        "images": context.images,
        "split": context.split,
        "pooled": context.pooled,
    }
    fields = list(fields)
    among = cells
    if filters is not None:
        fields += [seen.field(bound.name) for bound in filters.bounds]
        among = seen.mask(filters)
        cells = among if cells is None else cells
        described["space"] = filters.searched
    described["sets"] = {
        field.name: describe_set(
            field.resolved,
            seen.seeds(field.resolved, cells),
            seen.sources(field.resolved, among),
        )
        for field in fields
        if field.resolved is not None
    }
    return described
