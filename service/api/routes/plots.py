"""Pictures of what the other calls answer: the same numbers, as a file or for the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field as Parameter

from analysis import diagram
from data.correlations import Options, correlations
from data.errors import blame
from data.groups import groups
from data.queries import resolve_cell
from data.ranks import compared, ranks
from service.api import deps
from service.api.params import (
    GROUPINGS_TOLD,
    CellFilters,
    ContextQuery,
    Name,
    Names,
    Query,
    Reference,
    Text,
    read,
    split_names,
)
from service.api.pictures import Pictured, add_picture, add_pictures, drawn
from service.api.routes import cells, jobs
from service.api.routes import correlations as correlated
from service.plots import views, words
from service.plots.views import Form

router = APIRouter(tags=["pictures"])

MOST_METRICS = 4
MOST_CURVES = 12
MOST_RANKED = 30

Document = dict[str, Any]


def _add(
    path: str,
    model: type[Pictured],
    document: Callable[[Request, Any], Document],
    summary: str,
) -> None:
    """A picture of what ``document`` gives for the parameters; its docstring describes the call."""

    def of(form: Form) -> Callable[[Request], Awaitable[Response]]:
        async def plot(request: Request) -> Response:
            query = read(model, request)
            return await drawn(request, lambda: document(request, query), form, query.theme)

        plot.__doc__ = document.__doc__
        return plot

    add_pictures(router, path, of, model, summary)


class Shapes(CellFilters, Pictured):  # type: ignore[misc,valid-type]
    """Parameters of ``GET /plots/shapes``."""

    metric: Name = Parameter(
        "valid_accuracy@final",
        description="metric or column whose mean is the colour",
        examples=["valid_accuracy@final"],
    )


def _shapes(request: Request, query: Any) -> Document:
    """What `GET /groups?by=width,depth` answers; 409 where no connected cell passes."""
    document = _grouped(request, query, ("width", "depth"), [query.metric])
    return document | {"kind": views.SHAPES, "metric": document["metrics"][0]}


_add("/plots/shapes", Shapes, _shapes, "A map of cells by width and depth")


class GroupsPicture(CellFilters, Pictured):  # type: ignore[misc,valid-type]
    """Parameters of ``GET /plots/groups``."""

    by: Name = Parameter(
        "width",
        description=f"a column or metric, `space`, `connected`, {GROUPINGS_TOLD}",
        examples=["depth"],
    )
    bins: Annotated[int, Parameter(ge=1, le=100)] | None = Parameter(
        None, description="cut a numeric column into this many equally full intervals"
    )
    metric: Names = Parameter(
        ("valid_accuracy@final",),
        max_length=MOST_METRICS,
        description="metrics or columns, a panel each (repeatable)",
        examples=[["valid_accuracy@final"]],
    )


def _groups(request: Request, query: Any) -> Document:
    """What `GET /groups` answers, as boxes; 409 where no group has a value."""
    with blame("metric"):
        metrics = split_names(query.metric, MOST_METRICS)
    return _grouped(request, query, (query.by,), metrics, query.bins) | {
        "kind": views.GROUPS,
        "by": query.by,
    }


_add("/plots/groups", GroupsPicture, _groups, "Distributions by group")


def _grouped(
    request: Request,
    query: Any,
    by: tuple[str, ...],
    metrics: list[str],
    bins: int | None = None,
) -> Document:
    view, filters = deps.view(request, query), query.filters()
    with blame("metric"):
        fields = [view.field(name) for name in metrics]
    with blame("by"):
        found, explains, excluded, inside = groups(view, filters, by, metrics, bins)
    return {
        "metrics": [field.name for field in fields],
        "items": [{**one.keys, "cells": one.cells, "metrics": one.metrics} for one in found],
        "explained": {metric: asdict(told) for metric, told in explains.items()},
        "context": deps.describe_context(view, fields, filters, inside) | {"excluded": excluded},
        "filters": words.filters(filters),
    }


class Scatter(CellFilters, Pictured):  # type: ignore[misc,valid-type]
    """Parameters of ``GET /plots/scatter``."""

    x: Name = Parameter(..., description="column or metric", examples=["params_m"])
    y: Name = Parameter(..., description="column or metric", examples=["valid_accuracy@final"])
    colour: Name = Parameter("width", description="column or metric", examples=["depth"])
    method: correlated.Method = "spearman"


def _scatter(request: Request, query: Any) -> Document:
    """The cells of `GET /cells` that have both, with the coefficient of `GET /correlations`."""
    view, filters = deps.view(request, query), query.filters()
    fields = {}
    for name in ("x", "y", "colour"):
        with blame(name):
            fields[name] = view.field(getattr(query, name))
    (found,) = correlations(view, filters, [query.x], [query.y], Options(method=query.method))
    kept = view.mask(filters).copy()
    for name in ("x", "y"):
        kept &= ~np.isnan(view.numbers(fields[name]))
    rows = kept.nonzero()[0].tolist()
    shown = {
        "id": view.field("id", texts=True),
        **fields,
        "width": view.field("width"),
        "depth": view.field("depth"),
    }
    columns = {}
    for name, field in shown.items():
        values = view.values(field)
        columns[name] = [values[row] for row in rows]
    return {
        "kind": views.SCATTER,
        **{name: field.name for name, field in fields.items()},
        "columns": columns,
        "correlation": correlated.describe(view, found),
        "context": deps.describe_context(view, fields.values(), filters, found.cells),
        "filters": words.filters(filters),
    }


_add("/plots/scatter", Scatter, _scatter, "One column against another, a point a cell")


class ByEpochPicture(correlated.ByEpoch, Pictured):
    """Parameters of ``GET /plots/correlations-by-epoch``."""


def _by_epoch(request: Request, query: Any) -> Document:
    """What `GET /correlations/by-epoch` answers; 409 where no coefficient is defined."""
    records, context = correlated.each_epoch(request, query)
    return {
        "kind": views.BY_EPOCH,
        "items": records,
        "context": context,
        "filters": words.filters(query.filters()),
    }


_add("/plots/correlations-by-epoch", ByEpochPicture, _by_epoch, "Correlations by epoch")


class CurvesPicture(ContextQuery, Pictured):
    """Parameters of ``GET /plots/curves``."""

    cell: Annotated[tuple[Text, ...], Parameter(max_length=MOST_CURVES)] = Parameter(
        ...,
        min_length=1,
        description="ids, strings, indices or names (repeatable)",
        examples=[["284", "6111"]],
    )
    metric: Name = Parameter("valid_accuracy", description="a measure without an epoch")
    schedule: Annotated[int, Parameter(ge=1, le=99_999)] | None = Parameter(
        None, description="planned epochs; the longest recorded one by default", examples=[200]
    )
    seed: Literal["mean", "all"] | Annotated[int, Parameter(ge=0, le=2**62)] = Parameter(  # type: ignore[assignment]
        "mean", description="`mean` with its spread, `all` for a line a seed, or one seed"
    )


def _curves(request: Request, query: Any) -> Document:
    """What `GET /curves` answers, side by side; 409 where nothing is recorded."""
    view = deps.view(request, query)
    placed = cells.resolved(view, query.cell)
    records, context = cells.recorded(view, placed, [query.metric], query.schedule, query.seed)
    return {
        "kind": views.CURVES,
        "cells": [cell.id for _, cell in placed],
        "metric": query.metric,
        "items": records,
        "context": context,
    }


_add("/plots/curves", CurvesPicture, _curves, "Learning curves of cells side by side")


class RanksPicture(ContextQuery, Pictured):
    """Parameters of ``GET /plots/ranks``."""

    cell: Annotated[tuple[Text, ...], Parameter(max_length=MOST_RANKED)] = Parameter(
        ...,
        min_length=1,
        description="ids, strings, indices or names (repeatable)",
        examples=[["NASNet-A", "DARTS-V2"]],
    )
    metric: Names = Parameter(
        (), max_length=MOST_METRICS, description="also by these metrics or columns (repeatable)"
    )
    sampler: Reference = "distinct"


def _ranks(request: Request, query: Any) -> Document:
    """What `GET /ranks` answers; 409 where no cell has a rank."""
    view = deps.view(request, query)
    with blame("metric"):
        metrics = split_names(query.metric, MOST_METRICS)
        fields = [view.field(name) for name in metrics]
    with blame("cell"):
        found = ranks(view, query.cell, metrics, query.sampler)
    return {
        "kind": views.RANKS,
        "items": [
            {
                "id": one.cell.id,
                "name": one.cell.name,
                "space": one.cell.space,
                "ranks": {name: asdict(rank) for name, rank in one.ranks.items()},
            }
            for one in found
        ],
        "context": deps.describe_context(view, fields, cells=compared(view.frame, found)),
    }


_add("/plots/ranks", RanksPicture, _ranks, "Where cells stand in their space")


def _job(form: Form) -> Callable[..., Awaitable[Response]]:
    async def plot(request: Request, number: jobs.Number) -> Response:
        """Its accuracy by epoch so far; 409 as long as it has no epoch of its own."""
        query = read(Pictured, request)
        return await drawn(
            request, lambda: {"kind": views.JOB, **jobs.whole(request, number)}, form, query.theme
        )

    return plot


add_pictures(router, "/jobs/{job}/plot", _job, Pictured, "A job's curve so far")


async def _diagram(request: Request, cell: cells.CellPath) -> Response:
    """As `diagram.svg`, two pixels for each of its own."""
    read(Query, request)

    def document() -> Document:
        _, found = resolve_cell(deps.snapshot(request), cell)
        return {"kind": views.DIAGRAM, "svg": diagram.svg(found)}

    return await drawn(request, document, "png")


add_picture(router, "/cells/{cell}/diagram", "png", _diagram, Query, "The cell drawn, PNG")
