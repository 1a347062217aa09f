"""Runs: single trainings, as recorded."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field as Parameter
from starlette.exceptions import HTTPException

from data import runs
from data.errors import QueryError, blame
from data.queries import Filters
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import (
    FILES,
    ROWS_AT_ONCE,
    Kind,
    asked_format,
    json_response,
    stream_parts,
)
from service.api.params import CellFilters, Format, Name, Query, read

router = APIRouter(tags=["runs"])

_KINDS: dict[str, Kind] = {
    "schedule": "integer",
    "seed": "integer",
    "file_params_m": "number",
    "file_flops_m": "number",
    "latency_s": "number",
    "train_time_s": "number",
}


class RunsQuery(CellFilters):  # type: ignore[misc,valid-type]
    """Parameters of ``GET /runs``: filters of cells, and these of the runs themselves."""

    dataset: Name | None = Parameter(
        None, description="data set it was trained on, as recorded (all)", examples=["cifar100"]
    )
    schedule: Annotated[int, Parameter(ge=1, le=99_999)] | None = Parameter(
        None, description="planned epochs", examples=[200]
    )
    seed: Annotated[int, Parameter(ge=0, le=2**62)] | None = Parameter(
        None, description="seed", examples=[777]
    )
    images: Name | None = Parameter(None, description="rendering of the images")
    limit: Annotated[int, Parameter(ge=1, le=1000)] | None = Parameter(
        None, description="runs a page (100); for the other formats, of all (all)", examples=[2]
    )
    cursor: Name | None = Parameter(None, description="from the `next` link of a page")
    format: Format | None = Parameter(None, description="instead of the Accept header")


@router.get(
    "/runs",
    summary="Single trainings",
)
@describes(RunsQuery, schemas.RunPage, *FILES)
def list_runs(request: Request) -> Response:
    """In the order of import, paged; in other formats all as a stream.

    `file_params_m` and `file_flops_m` are the source's own figures; a cell's columns have the
    exact ones. `time_source` says whether times were measured.
    """
    query: Any = read(RunsQuery, request)
    snapshot = deps.snapshot(request)
    dataset = None
    if query.dataset is not None:
        with blame("dataset"):
            dataset = snapshot.catalogue.dataset(query.dataset)
    with blame("source"):
        snapshot.catalogue.check_source(query.source)
    filters = query.filters()
    rows = None
    if filters != Filters():
        view = deps.view(
            request,
            query.model_copy(
                update={
                    "dataset": dataset or "cifar10",
                    "seed": "mean" if query.seed is None else query.seed,
                    "images": query.images or "original",
                }
            ),
        )
        rows = np.flatnonzero(view.mask(filters))
    form = asked_format(request, query.format)
    if form != "json" and query.cursor is not None:
        raise QueryError(
            query.cursor, f"format {form} answers all rows at once", "no cursor", "cursor"
        )
    wanted = runs.RunFilters(
        rows=rows,
        dataset=dataset,
        schedule=query.schedule,
        seed=query.seed,
        source=query.source,
        recipe=query.recipe,
        images=query.images,
        split=query.split,
    )
    if form != "json":
        kinds: dict[str, Kind] = {name: _KINDS.get(name, "text") for name in runs.FIELDS}
        parts = runs.parts(snapshot, wanted, limit=query.limit, size=ROWS_AT_ONCE)
        return stream_parts(kinds, parts, form, "runs")
    after = _read_cursor(query.cursor) if query.cursor is not None else -1
    records, total, last = runs.find(snapshot, wanted, after=after, limit=query.limit or 100)
    following = None
    if last is not None:
        following = str(request.url.include_query_params(cursor=_cursor(last)))
    return json_response({"items": records, "total": total, "next": following})


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"run {number}".encode()).decode()


def _read_cursor(cursor: str) -> int:
    try:
        word, number = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        if word == "run" and 0 <= int(number) < 2**62:
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise QueryError(cursor, "not a cursor", "the cursor of the next link", "cursor")


@router.get("/runs/{id:path}", summary="One training in full")
@describes(Query, schemas.RunDocument)
def one_run(
    request: Request,
    id: Annotated[  # noqa: A002  (the contract's name)
        str,
        Path(
            description="<source>:<cell>:<dataset>:<recipe>:<seed>, as `GET /runs` has it",
            examples=["hpo-bench:nb201-006111:cifar10-valid:nb201-200:777"],
        ),
    ],
) -> Response:
    """The run with every recorded epoch of every set and measure."""
    read(Query, request)
    found = runs.one(deps.snapshot(request), id)
    if found is None:
        raise HTTPException(404, f"there is no run {id}; GET /runs lists them")
    found["links"] = {"self": f"/runs/{quote(id, safe='')}", "cell": f"/cells/{found['cell']}"}
    return json_response(found)
