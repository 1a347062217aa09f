"""Cells: the collection, one of them, its curves and its diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field as Parameter

from analysis import diagram, topology
from analysis.cells import Cell
from analysis.spaces import darts, nasbench201
from analysis.topology import edges
from data import runs
from data.catalogue import BENCHMARK_DATASETS
from data.columns import COLUMNS, SAMENESS
from data.errors import QueryError, blame
from data.frame import tidy
from data.library import Snapshot
from data.queries import DEFAULT_FIELDS, Field, View, named_cell, page, resolve_cell
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import (
    FILES,
    Column,
    asked_format,
    collection,
    items,
    json_response,
    stream,
)
from service.api.params import (
    CellFilters,
    ContextQuery,
    Format,
    Name,
    Names,
    Query,
    Text,
    read,
    split_names,
)
from service.api.threads import at_once

router = APIRouter(tags=["cells"])

MOST_CELLS = 1000
"""Cells whose curves are answered at once."""

Placed = tuple[int | None, Cell]
"""A cell with its row, None where no table holds it."""

CellPath = Annotated[
    str,
    Path(
        description="id, official index, published name, or the URL-encoded cell string",
        examples=["nb201-006111", "284", "DARTS-V2"],
    ),
]


class CellsQuery(CellFilters):  # type: ignore[misc,valid-type]
    """Parameters of ``GET /cells``."""

    fields: Names = Parameter(
        (),
        description="comma-separated columns, text fields and metrics, instead of "
        + ", ".join(DEFAULT_FIELDS),
        examples=[["id,width,depth,valid_accuracy@final"]],
    )
    metric: Names = Parameter(
        (),
        description="further metrics (repeatable)",
        examples=[["valid_accuracy@200of200"]],
    )
    sort: Names = Parameter(
        (),
        description="comma-separated columns, `-` in front for falling; null comes last",
        examples=[["-valid_accuracy@final,width"]],
    )
    limit: Annotated[int, Parameter(ge=1, le=1000)] | None = Parameter(
        None, description="cells a page (100); for the other formats, of all (all)", examples=[5]
    )
    cursor: Name | None = Parameter(None, description="from the `next` link of a page")
    format: Format | None = Parameter(None, description="instead of the Accept header")


@router.get(
    "/cells",
    summary="Cells by topology, cost and metrics",
)
@describes(CellsQuery, schemas.CellPage, *FILES)
@at_once
def list_cells(request: Request) -> Response:
    """Filtered, sorted and paged; with `format=csv|ndjson|parquet|arrow` all rows as a stream."""
    query: Any = read(CellsQuery, request)
    view = deps.view(request, query)
    filters = query.filters()
    form = asked_format(request, query.format)
    fields = _fields(view, query)
    with blame("sort"):
        sort = split_names(query.sort)
        view.order(sort)
        sorted_by = [view.field(key.removeprefix("-"), texts=True) for key in sort]
    if form != "json" and query.cursor is not None:
        raise QueryError(
            query.cursor, f"format {form} answers all rows at once", "no cursor", "cursor"
        )
    limit = query.limit or (100 if form == "json" else view.frame.size)
    found = page(view, filters, sort, limit, query.cursor)
    columns = [
        Column(field.name, field.kind, view.values(field)) for field in view.with_spread(fields)
    ]
    rows = found.rows.tolist()
    if form != "json":
        return stream(columns, rows, form, "cells")
    following = None
    if found.cursor is not None:
        following = str(request.url.include_query_params(cursor=found.cursor))
    return json_response(
        {
            "items": items(columns, rows),
            "total": found.total,
            "next": following,
            "context": deps.describe_context(view, (*fields, *sorted_by), filters),
        }
    )


def _fields(view: View, query: Any) -> list[Field]:
    fields = []
    with blame("fields"):
        names = split_names(query.fields)
        for name in names or DEFAULT_FIELDS:
            try:
                fields.append(view.field(name, texts=True))
            except QueryError:
                # Nobody asked for the default metric: where no table has anything of the kind,
                # there is none to show. But what is there and not in this context is an error.
                if names or view.snapshot.catalogue.holds("valid_accuracy", view.context):
                    raise
    with blame("metric"):
        fields += [view.field(name) for name in split_names(query.metric)]
    return list({field.name: field for field in fields}.values())


class OneCellQuery(Query):
    """Parameters of ``GET /cells/{cell}``."""

    dataset: Name = Parameter("cifar10", description="data set of the costs")


@router.get("/cells/{cell}", summary="One cell in full")
@describes(OneCellQuery, schemas.CellDocument)
def one_cell(request: Request, cell: CellPath) -> Response:
    """Every column, edges, classes of sameness, and the runs with what each recorded.

    A well-formed cell that no table holds is computed all the same, with no runs and the request
    that would train it.
    """
    query = read(OneCellQuery, request)
    snapshot = deps.snapshot(request)
    with blame("dataset"):
        dataset = snapshot.catalogue.dataset(query.dataset)
    row, found = resolve_cell(snapshot, cell)
    held = runs.of_cell(snapshot, row) if row is not None else []
    # A genotype that isn't loaded can't be told from its id.
    name = found.id if row is not None else found.arch
    base = f"/cells/{quote(name, safe='')}"
    body: dict[str, Any] = {
        "id": found.id,
        "arch": found.arch,
        "space": found.space,
        "name": found.name,
        "known": _known(found),
        "connected": topology.columns(found)["depth"] is not None,
        "columns": _columns(found, dataset),
        "edges": [
            {
                "cell": edge.part,
                "source": edge.source,
                "target": edge.target,
                "operation": edge.operation,
                "live": edge.live,
            }
            for edge in edges(found)
        ],
        "sameness": _sameness(snapshot, row),
        "runs": held,
        "links": {
            "self": base,
            "diagram": f"{base}/diagram.svg",
            "curves": f"{base}/curves",
            "ranks": f"/ranks?cell={quote(name, safe='')}",
            **({"runs": f"/runs?cell={found.id}"} if row is not None else {}),
        },
        "context": {"dataset": dataset},
    }
    if not held:
        body["train"] = {
            "method": "POST",
            "path": "/jobs",
            "body": {
                "cells": [name],
                "dataset": dataset,
                "recipe": "nb201-12" if found.space == "nasbench201" else "darts-convergence",
                "seeds": [777],
            },
        }
    return json_response(body)


def _known(cell: Cell) -> dict[str, str | None] | None:
    """What is known of a cell that has a name."""
    known = darts.known(cell) if isinstance(cell, darts.Genotype) else None
    if known is None:
        return None
    return {"kind": known.kind, "source": known.source, "parent": known.parent}


def _columns(cell: Cell, dataset: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: tidy(value) if isinstance(value, float) else value
        for name, value in topology.columns(cell).items()
    }
    values |= {"params_m": None, "flops_m": None, "official_index": None}
    if isinstance(cell, nasbench201.NasBench201Cell):
        values["official_index"] = cell.index
        if dataset in BENCHMARK_DATASETS:
            values["params_m"], values["flops_m"] = nasbench201.cost(cell, dataset)
    return {name: values[name] for name in COLUMNS}


def _sameness(snapshot: Snapshot, row: int | None) -> dict[str, Any]:
    """By notion: the class's representative, its size and its first other members."""
    if row is None:
        return {}
    frame = snapshot.frame
    described = {}
    for notion in SAMENESS:
        members = (frame.classes[notion] == frame.classes[notion][row]).nonzero()[0].tolist()
        described[notion] = {
            "representative": frame.texts["id"][members[0]],
            "size": len(members),
            "others": [frame.texts["id"][member] for member in members if member != row][:100],
        }
    return described


class CurvesQuery(ContextQuery):
    """Parameters of ``GET /cells/{cell}/curves``."""

    metric: Names = Parameter(
        ("valid_accuracy",), description="measures without an epoch (repeatable)"
    )
    schedule: Annotated[int, Parameter(ge=1, le=99_999)] | None = Parameter(
        None, description="planned epochs; the longest recorded one by default", examples=[200]
    )
    seed: Literal["mean", "all"] | Annotated[int, Parameter(ge=0, le=2**62)] = Parameter(  # type: ignore[assignment]
        "mean", description="`mean`, `all`, or one seed"
    )
    format: Format | None = Parameter(None, description="instead of the Accept header")


@router.get("/cells/{cell}/curves", summary="A cell's learning curves")
@describes(CurvesQuery, schemas.Curves, *FILES)
def curves(request: Request, cell: CellPath) -> Response:
    """One item a measure; with `seed=all`, one a measure and seed. Epochs count from 1.

    In other formats than JSON one row an epoch.
    """
    query = read(CurvesQuery, request)
    view = deps.view(request, query)
    with blame("metric"):
        measures = split_names(query.metric)
    placed = resolve_cell(view.snapshot, cell)
    records, context = recorded(view, [placed], measures, query.schedule, query.seed)
    return _curves(request, query, records, context, f"curves-{placed[1].id}")


class CurvesOfCellsQuery(CurvesQuery):
    """Parameters of ``GET /curves``."""

    cell: Annotated[tuple[Text, ...], Parameter(max_length=MOST_CELLS)] = Parameter(
        ...,
        min_length=1,
        description="ids, strings, indices or names (repeatable)",
        examples=[["284", "6111"]],
    )


@router.get("/curves", summary="Learning curves of several cells")
@describes(CurvesOfCellsQuery, schemas.Curves, *FILES)
def curves_of_cells(request: Request) -> Response:
    """What `GET /cells/{cell}/curves` answers, for each cell that is named, in that order."""
    query = read(CurvesOfCellsQuery, request)
    view = deps.view(request, query)
    placed = resolved(view, query.cell)
    with blame("metric"):
        measures = split_names(query.metric)
    records, context = recorded(view, placed, measures, query.schedule, query.seed)
    return _curves(request, query, records, context, "curves")


def _curves(
    request: Request,
    query: CurvesQuery,
    records: list[dict[str, Any]],
    context: dict[str, Any],
    name: str,
) -> Response:
    form = asked_format(request, query.format)
    if form != "json":
        records = [point for record in records for point in _points(record)]
    return collection(request, form, records, context, name)


def resolved(view: View, texts: Sequence[str]) -> list[Placed]:
    """The cells that the parameter ``cell`` names, each once.

    Raises:
        QueryError: one is no cell, or a genotype's hash that no loaded cell has.
    """
    with blame("cell"):
        placed = [named_cell(view.snapshot, text) for text in texts]
    return list({cell.id: (row, cell) for row, cell in placed}.values())


def recorded(
    view: View,
    placed: Sequence[Placed],
    measures: Sequence[str],
    schedule: int | None,
    seed: int | Literal["mean", "all"],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Curves of cells, by cell and measure, and what they are of.

    Raises:
        QueryError: a measure that was not recorded.
    """
    fields = []
    for measure in measures:
        with blame("metric"):
            resolved = view.snapshot.catalogue.resolve_curve(measure, schedule, view.context)
        fields.append((Field(measure, resolved), resolved))
    records: list[dict[str, Any]] = []
    for row, found in placed:
        for field, resolved in fields:
            if row is None:
                continue
            about = {
                "cell": found.id,
                "metric": field.name,
                "dataset": resolved.curve.dataset,
                "set": resolved.curve.eval_set,
                "schedule": resolved.curve.schedule,
            }
            if seed == "mean":
                mean = runs.mean_curve(view.snapshot, row, resolved)
                curves = [] if mean is None else [mean]
            else:
                curves = runs.seed_curves(view.snapshot, row, resolved)
            records += [about | curve for curve in curves]
    context = deps.describe_context(view, ()) | {"seed": seed}
    for field, resolved in fields:
        described = deps.describe_set(resolved, None, _sources(records, field.name))
        # Each curve says of how many seeds it is.
        del described["epoch"], described["metric"], described["n_seeds"]
        context["sets"][field.name] = described
    return records, context


def _sources(records: Sequence[dict[str, Any]], measure: str) -> dict[str, int]:
    """Of how many cells each source gave the curve."""
    pairs = {
        (name, record["cell"])
        for record in records
        if record["metric"] == measure
        for name in record["source"].split(", ")
    }
    return dict(Counter(name for name, _ in pairs).most_common())


def _points(curve: dict[str, Any]) -> list[dict[str, Any]]:
    """A curve's lists as rows, what is the same for all in each of them."""
    lists = {"epochs": "epoch", "values": "value", "std": "std", "n_seeds": "n_seeds"}
    about = {name: value for name, value in curve.items() if name not in lists}
    given = [name for name in lists if name in curve]
    rows = zip(*(np.asarray(curve[name]).tolist() for name in given), strict=True)
    return [
        about | {lists[name]: _null(value) for name, value in zip(given, row, strict=True)}
        for row in rows
    ]


def _null(value: Any) -> Any:
    return None if value != value else value


@router.get(
    "/cells/{cell}/diagram.svg",
    summary="The cell drawn",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
def draw(request: Request, cell: CellPath) -> Response:
    """Operations coloured, dead edges faint; a normal and a reduction cell side by side."""
    read(Query, request)
    _, found = resolve_cell(deps.snapshot(request), cell)
    return Response(diagram.svg(found), media_type="image/svg+xml")
