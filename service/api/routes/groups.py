"""Cells by groups of equal topology, and where single cells rank."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field as Parameter

from data.errors import blame
from data.groups import groups
from data.ranks import compared, ranks
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import FILES, asked_format, collection, columns_of, json_response, stream
from service.api.params import (
    GROUPINGS_TOLD,
    CellFilters,
    ContextQuery,
    Format,
    Names,
    Reference,
    Text,
    read,
    split_names,
)

router = APIRouter(tags=["statistics"])

MOST_KEYS = 6


class GroupsQuery(CellFilters):  # type: ignore[misc,valid-type]
    """Parameters of ``GET /groups``."""

    by: Names = Parameter(
        ("width", "depth"),
        max_length=MOST_KEYS,
        description=f"comma-separated columns, metrics, `space`, `connected`, {GROUPINGS_TOLD}",
        examples=[["width,depth"]],
    )
    bins: Annotated[int, Parameter(ge=1, le=100)] | None = Parameter(
        None, description="cut every numeric column of `by` into this many equally full intervals"
    )
    metric: Names = Parameter(
        ("valid_accuracy@final",),
        description="metrics or columns to describe (repeatable)",
        examples=[["valid_accuracy@final"]],
    )
    format: Format | None = Parameter(None, description="instead of the Accept header")


@router.get("/groups", summary="Distribution of metrics by groups of cells")
@describes(GroupsQuery, schemas.Groups, *FILES)
def group(request: Request) -> Response:
    """Per group: cells, and per metric n, mean, std, quartiles, extremes and the best cell.

    `explained`: the share of a metric's variance that the groups explain, η² in these cells and ω²
    as an estimate with less bias, with the F test of equal means where no cells are copies of one
    network (`unique=function` takes one of each).
    """
    query: Any = read(GroupsQuery, request)
    view = deps.view(request, query)
    filters = query.filters()
    with blame("metric"):
        metrics = split_names(query.metric)
        fields = [view.field(name) for name in metrics]
    with blame("by"):
        by = split_names(query.by, MOST_KEYS)
        found, explains, excluded, inside = groups(view, filters, by, metrics, query.bins)
    context = deps.describe_context(view, fields, filters, inside) | {"excluded": excluded}
    form = asked_format(request, query.format)
    if form == "json":
        records = [
            {**entry.keys, "cells": entry.cells, "metrics": entry.metrics} for entry in found
        ]
        told = {metric: asdict(one) for metric, one in explains.items()}
        return json_response({"items": records, "explained": told, "context": context})
    flat = [
        {
            **entry.keys,
            "cells": entry.cells,
            **{
                f"{metric}:{name}": value
                for metric, described in entry.metrics.items()
                for name, value in described.items()
            },
        }
        for entry in found
    ]
    return stream(columns_of(flat), range(len(flat)), form, "groups")


class RanksQuery(ContextQuery):
    """Parameters of ``GET /ranks``."""

    cell: Annotated[tuple[Text, ...], Parameter(max_length=1000)] = Parameter(
        ...,
        min_length=1,
        description="ids, strings, indices or names (repeatable)",
        examples=[["NASNet-A", "DARTS-V2"]],
    )
    metric: Names = Parameter((), description="also rank by these (repeatable)")
    sampler: Reference = "distinct"
    format: Format | None = Parameter(None, description="instead of the Accept header")


@router.get("/ranks", summary="Where cells stand in their space")
@describes(RanksQuery, schemas.Ranks, *FILES)
def rank(request: Request) -> Response:
    """Rank 1 is the widest, the shallowest, the best."""
    query = read(RanksQuery, request)
    view = deps.view(request, query)
    with blame("metric"):
        metrics = split_names(query.metric)
        fields = [view.field(name) for name in metrics]
    with blame("cell"):
        found = ranks(view, query.cell, metrics, query.sampler)
    context = deps.describe_context(view, fields, cells=compared(view.frame, found))
    form = asked_format(request, query.format)
    if form == "json":
        records = [
            {
                "id": entry.cell.id,
                "name": entry.cell.name,
                "space": entry.cell.space,
                "ranks": {name: asdict(value) for name, value in entry.ranks.items()},
            }
            for entry in found
        ]
        return json_response({"items": records, "context": context})
    flat = [
        {"id": entry.cell.id, "name": entry.cell.name, "column": name, **asdict(value)}
        for entry in found
        for name, value in entry.ranks.items()
    ]
    return collection(request, form, flat, context, "ranks")
