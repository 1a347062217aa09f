"""Studies: experiments made of trainings and measurements, which the queue runs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field as Parameter
from starlette.exceptions import HTTPException

from analysis.cells import Cell
from analysis.spaces.darts import name_of
from data.errors import blame
from data.queries import named_cell
from data.studies import Study, StudyStore, UnknownStudyError
from service.api import deps, schemas_studies
from service.api.access import may_write
from service.api.body import read_kind
from service.api.documentation import describes
from service.api.formats import FILES, asked_format, columns_of, json_response, stream
from service.api.params import Format, Name, Query, read
from service.api.pictures import Pictured, add_pictures, drawn
from service.jobs.queue import JobStateError
from service.plots.views import VIEWS, Form, views_of
from service.studies import convergence, measured, planning
from service.studies.kinds import (
    KINDS,
    AnyStudy,
    Convergence,
    GeneralisationStudy,
    StudyRequest,
    read_study,
)
from service.studies.outcomes import Outcome, outcomes, state_of, states
from service.studies.tables import table

router = APIRouter(tags=["studies"])

Number = Annotated[
    int, Path(alias="study", ge=1, le=2**31 - 1, description="number of the study", examples=[1])
]


class StudiesQuery(Query):
    """Parameters of ``GET /studies``."""

    limit: Annotated[int, Parameter(ge=1, le=200)] = Parameter(50, description="studies a page")
    before: Annotated[int, Parameter(ge=1, le=2**31 - 1)] | None = Parameter(
        None, description="studies with lower numbers only: what the `next` link holds"
    )


class StudyQuery(Query):
    """Parameters of ``GET /studies/{study}``."""

    format: Format | None = Parameter(
        None, description="instead of the Accept header; other than JSON: one long table"
    )


class PlotQuery(Pictured):
    """Parameters of ``GET /studies/{study}/plot.svg``, ``.png`` and ``.json``."""

    view: Name | None = Parameter(
        None,
        description="what is shown; by kind, the default first: "
        + "; ".join(f"{kind}: {', '.join(views)}" for kind, views in VIEWS.items()),
    )


@router.post(
    "/studies",
    status_code=202,
    summary="Study cells",
    dependencies=[Depends(may_write)],
    responses={200: {"description": "All of it is known already"}},
)
@describes(Query, schemas_studies.StudyOf, body=StudyRequest)
async def submit(request: Request) -> Response:
    """Queues every training and measurement that the study needs and isn't known.

    The same study again is the same study: what was cancelled, or failed for a reason that may have
    passed, goes on.
    """
    asked = await read_kind(KINDS, request)

    def take() -> tuple[Study, list[Outcome]]:
        queue, store = deps.queue(request), _store(request)
        study = planning.submit(asked, queue, store, lambda text: _cell(request, text))
        return study, _states(request, study)

    study, told = await to_thread.run_sync(take)
    answer = json_response(_summary(study, asked, told))
    answer.status_code = 200 if all(one.ended for one in told) else 202
    return answer


@router.get("/studies", summary="Studies, the latest first")
@describes(StudiesQuery, schemas_studies.StudyPage)
def list_studies(request: Request) -> Response:
    """With their states; results are at each one's address."""
    query = read(StudiesQuery, request)
    found = _store(request).page(query.limit + 1, query.before)
    shown = found[: query.limit]
    following = None
    if len(found) > query.limit:
        following = str(request.url.include_query_params(before=shown[-1].number))
    items = [_standing(request, study) for study in shown]
    return json_response({"items": items, "next": following})


@router.get("/studies/{study}", summary="A study with its results so far")
@describes(StudyQuery, schemas_studies.StudyDocument, *FILES)
def one_study(request: Request, number: Number) -> Response:
    """What `results` holds depends on the kind (docs/studies.md); they grow while it runs."""
    query = read(StudyQuery, request)
    study = _found(request, number)
    told = _told(request, study)
    asked = read_study(study.settings)
    form = asked_format(request, query.format)
    if form != "json":
        rows = table(asked, told)
        return stream(columns_of(rows), range(len(rows)), form, f"study-{number}")
    return json_response(_document(study, asked, told))


def _plot(form: Form) -> Callable[..., Awaitable[Response]]:
    async def plot(request: Request, number: Number) -> Response:
        """Of its results so far; 409 as long as there is nothing to show."""
        query = read(PlotQuery, request)

        def document() -> dict[str, Any]:
            study = _found(request, number)
            return _document(study, read_study(study.settings), _told(request, study))

        return await drawn(request, document, form, query.theme, query.view)

    return plot


add_pictures(router, "/studies/{study}/plot", _plot, PlotQuery, "A picture of a study")


@router.delete("/studies/{study}", summary="Cancel a study", dependencies=[Depends(may_write)])
@describes(Query, schemas_studies.StudyOf)
def cancel(request: Request, number: Number) -> Response:
    """Cancels its jobs that wait or run, also where another study waits for them.

    What is done is kept, and `POST /studies/{study}/resume` goes on.
    """
    read(Query, request)
    study = _found(request, number)
    queue = deps.queue(request)
    for job in _jobs(request, study):
        with contextlib.suppress(JobStateError):  # it ended by itself
            queue.cancel(job)
    return json_response(_standing(request, study))


@router.post(
    "/studies/{study}/resume", summary="Go on with a study", dependencies=[Depends(may_write)]
)
@describes(Query, schemas_studies.StudyOf)
def resume(request: Request, number: Number) -> Response:
    """Queues its jobs again that were cancelled or failed; they go on where they were."""
    read(Query, request)
    study = _found(request, number)
    queue = deps.queue(request)
    for job in _jobs(request, study):
        with contextlib.suppress(JobStateError):  # done, under way, or it would only fail again
            queue.resume(job)
    return json_response(_standing(request, study))


def _store(request: Request) -> StudyStore:
    return StudyStore(deps.library(request).store)


def _cell(request: Request, text: str) -> Cell:
    with blame("cells"):
        _, cell = named_cell(deps.snapshot(request), text)
    return cell


def _found(request: Request, number: int) -> Study:
    try:
        return _store(request).get(number)
    except UnknownStudyError:
        raise HTTPException(404, f"there is no study {number}; GET /studies lists them") from None


def _told(request: Request, study: Study) -> list[Outcome]:
    parts = _store(request).parts(study.number)
    return outcomes(parts, deps.queue(request).jobs, deps.snapshot(request))


def _states(request: Request, study: Study) -> list[Outcome]:
    parts = _store(request).parts(study.number)
    return states(parts, deps.queue(request).jobs, deps.snapshot(request))


def _jobs(request: Request, study: Study) -> list[int]:
    parts = _store(request).parts(study.number)
    return sorted({part.job for part in parts if part.job is not None})


def _document(study: Study, asked: AnyStudy, told: Sequence[Outcome]) -> dict[str, Any]:
    results: Any
    if isinstance(asked, Convergence):
        results = convergence.results(asked, told)
    elif isinstance(asked, GeneralisationStudy):
        results = convergence.generalisation(asked, told)
    else:
        results = measured.results(asked, told)
    parts = [_part(one) for one in told]
    return _summary(study, asked, told) | {"parts": parts, "results": results}


def _standing(request: Request, study: Study) -> dict[str, Any]:
    return _summary(study, read_study(study.settings), _states(request, study))


def _summary(study: Study, asked: AnyStudy, told: Sequence[Outcome]) -> dict[str, Any]:
    settings = asked.model_dump(mode="json", exclude={"priority"})
    return {
        "id": study.number,
        "kind": study.kind,
        "state": state_of(told),
        "settings": settings,
        "progress": {"ended": sum(one.ended for one in told), "parts": len(told)},
        "created_at": study.created_at,
        "links": {
            "self": f"/studies/{study.number}",
            "table": f"/studies/{study.number}?format=csv",
            "picture": f"/studies/{study.number}/plot.svg",
            "pictures": {
                view: f"/studies/{study.number}/plot.svg?view={view}"
                for view in views_of(study.kind, settings)
            },
        },
    }


def _part(one: Outcome) -> dict[str, Any]:
    part = one.part
    return {
        "cell": part.cell_id,
        "name": name_of(part.cell_id),
        "role": part.role,
        "original": part.original,
        "dataset": part.dataset,
        "recipe": part.recipe,
        "seed": part.seed,
        "state": one.state,
        "diverged": one.diverged,
        "epochs": len(one.train_loss),
        "measured": len(one.measurements),
        "to_measure": one.measurements[-1]["of"] if one.measurements else None,
        "error": one.error,
        "job": f"/jobs/{part.job}" if part.job is not None else None,
        "run": f"/runs/{quote(one.run, safe='')}" if one.run is not None else None,
    }
