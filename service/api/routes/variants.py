"""Variants of a cell: other connections, other operations, or adapted; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import Field as Parameter

from analysis import topology
from analysis.cells import Cell
from analysis.spaces.darts import Genotype
from analysis.spaces.paper import MAX_SEED
from analysis.spaces.variants import (
    Kind,
    VariantSampler,
    adapted_forms,
    how_many,
    paper_variants,
    variants,
)
from data.columns import COLUMNS
from data.errors import QueryError, blame
from data.frame import Frame, tidy
from data.queries import named_cell
from data.ranks import shape_ranks
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import json_response
from service.api.params import Query, Text, read

router = APIRouter(tags=["variants"])

SHAPE = (
    "width",
    "depth",
    "nominal_width",
    "nominal_depth",
    "reduce_width",
    "reduce_depth",
    "reduce_nominal_width",
    "reduce_nominal_depth",
)


class VariantsQuery(Query):
    """Parameters of ``GET /variants``."""

    cell: Text = Parameter(
        ..., description="id, string, index or name", examples=["DARTS-V2", "6111"]
    )
    kind: Kind = Parameter(
        "random-connections",
        description="`random-connections`: the same operations, otherwise connected; "
        "`random-operations`: the same connections, other operations; `adapted`: the widest and "
        "shallowest form with the same operations",
        examples=["adapted"],
    )
    count: int = Parameter(10, ge=1, le=1000, description="how many, as far as there are so many")
    sampler: VariantSampler = Parameter(
        "uniform",
        description="`uniform`: `count` different variants from one seed; `paper`: one variant a "
        "seed from `seed` on, by the code of Shu et al. (2020); its own are those of seeds 1 to 10",
        examples=["uniform"],
    )
    seed: Annotated[int, Parameter(ge=0, le=2**62)] | None = Parameter(
        None, description="of the draws, 0 by default; the first of `sampler=paper`, 1 by default"
    )
    duplicates: bool = Parameter(
        False, description="draws as they come, the cell itself and repeats among them"
    )


@router.get("/variants", summary="Variants of a cell")
@describes(VariantsQuery, schemas.Variants)
def list_variants(request: Request) -> Response:
    """The cell itself and its variants, each with width, depth and where these rank.

    A larger `count` begins with the variants of a smaller one. With `sampler=paper` they come as
    drawn, one for each seed from `seed` to `seed + count - 1`. Nothing is trained: a variant's
    `arch` is what `POST /jobs` takes.
    """
    query = read(VariantsQuery, request)
    snapshot = deps.snapshot(request)
    with blame("cell"):
        _, cell = named_cell(snapshot, query.cell)
    seed = query.seed if query.seed is not None else int(query.sampler == "paper")
    found: Sequence[Cell]
    if query.sampler == "paper":
        found = paper_variants(_drawable(cell, query, seed), query.kind, query.count, seed)
    else:
        found = variants(cell, query.kind, query.count, seed, duplicates=query.duplicates)
    total = how_many(cell, query.kind)
    return json_response(
        {
            "cell": _described(snapshot.frame, cell),
            "kind": query.kind,
            "sampler": query.sampler,
            "seed": seed,
            "duplicates": query.duplicates or query.sampler == "paper",
            # Of six nodes there are more than orjson's whole numbers of 64 bits can tell.
            "total": orjson.Fragment(str(total)),
            "items": [_described(snapshot.frame, variant) for variant in found],
            "reason": _why_fewer(cell, query.kind, total) if len(found) < query.count else None,
        }
    )


def _drawable(cell: Cell, query: VariantsQuery, seed: int) -> Genotype:
    """The cell, if the paper's sampler can draw these variants of it."""
    if not isinstance(cell, Genotype):
        other = "sampler=uniform, or a genotype"
        raise QueryError("paper", f"{cell.id} has no sources to draw", other, "sampler")
    if query.kind == "adapted":
        drawn = "random-connections, random-operations"
        raise QueryError("adapted", "sampler=paper draws no adapted forms", drawn, "kind")
    if seed + query.count - 1 > MAX_SEED:
        allowed = f"from 0 to {MAX_SEED - query.count + 1}"
        raise QueryError(str(seed), "beyond the seeds of sampler=paper", allowed, "seed")
    return cell


def _described(frame: Frame, cell: Cell) -> dict[str, Any]:
    columns = topology.columns(cell)
    shape = {
        name: tidy(value) if isinstance(value := columns[name], float) else value
        for name in SHAPE
        if cell.space in COLUMNS[name].spaces
    }
    # A genotype that isn't loaded can't be told from its id.
    address = cell.id if cell.id in frame.rows else cell.arch
    return {
        "id": cell.id,
        "arch": cell.arch,
        "space": cell.space,
        "name": cell.name,
        **shape,
        "ranks": {column: asdict(rank) for column, rank in shape_ranks(frame, cell).items()},
        "links": {"self": f"/cells/{quote(address, safe='')}"},
    }


def _why_fewer(cell: Cell, kind: Kind, total: int) -> str:
    """Why there are only ``total`` variants."""
    if kind == "adapted":
        forms = adapted_forms(cell)
        if not forms:
            return "no arrangement of these operations connects input and output"
        if cell in forms and isinstance(cell, Genotype):
            return "every node of the cell reads both inputs already"
        if cell in forms:
            place = f"one of the {total + 1}" if total else "the"
            return f"the cell itself is {place} widest and shallowest"
    if total == 0:
        return "the cell is the only one of its kind"
    return "there is 1 in all" if total == 1 else f"there are {total} in all"
