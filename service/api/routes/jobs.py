"""Training jobs: asking for them, following them, ending them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field as Parameter
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from analysis.cells import Cell
from analysis.spaces.darts import name_of
from data.errors import QueryError
from data.job_rows import MOST_PRIORITY
from data.jobs import STATES, Job, UnknownJobError
from data.queries import resolve_cell
from service.api import deps, schemas_jobs
from service.api.access import may_write
from service.api.body import Body, read_body
from service.api.documentation import describes
from service.api.errors import CONFLICT, ConflictError
from service.api.formats import json_response
from service.api.params import Name, Query, Text, read
from service.jobs import requests
from service.jobs.queue import JobStateError, Queue

router = APIRouter(tags=["training"])

MOST_JOBS = 20_000
"""Cells times seeds of one request."""
PING_S = 15.0
_ENDED = "end"
_EVENT = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?")

State = Literal["queued", "running", "done", "failed", "cancelled"]
Number = Annotated[
    int, Path(alias="job", ge=1, le=2**31 - 1, description="number of the job", examples=[1])
]


class JobRequest(Body):
    """Body of ``POST /jobs``: every cell is trained with every seed."""

    cells: Annotated[tuple[Text, ...], Parameter(min_length=1, max_length=MOST_JOBS)] = Parameter(
        description="id, string, official index, genotype or name", examples=[["DARTS-V2"]]
    )
    dataset: Name = Parameter(description="as GET /datasets lists them", examples=["digits"])
    recipe: Name = Parameter(description="as GET /recipes lists them", examples=["proxy"])
    seeds: Annotated[
        tuple[Annotated[int, Parameter(ge=0, le=2**31 - 1)], ...],
        Parameter(min_length=1, max_length=1000),
    ] = Parameter((777,), description="one training each")
    priority: Annotated[int, Parameter(ge=-MOST_PRIORITY, le=MOST_PRIORITY)] = Parameter(
        0, description="higher ones run first"
    )
    force: bool = Parameter(False, description="train even what is known")


class JobsQuery(Query):
    """Parameters of ``GET /jobs``."""

    state: Annotated[tuple[State, ...], Parameter(max_length=len(STATES))] = Parameter(
        (), description="only these (repeatable)"
    )
    limit: Annotated[int, Parameter(ge=1, le=1000)] = Parameter(100, description="jobs a page")
    before: Annotated[int, Parameter(ge=1, le=2**31 - 1)] | None = Parameter(
        None, description="jobs with lower numbers only: what the `next` link holds"
    )


@router.post(
    "/jobs",
    status_code=202,
    summary="Train cells",
    dependencies=[Depends(may_write)],
    responses={200: {"description": "Everything is known already"}},
)
@describes(Query, schemas_jobs.JobsTaken, body=JobRequest)
async def submit(request: Request) -> Response:
    """For each cell and seed: `existing` with its run, or `queued` with its job.

    The same request twice makes no second job. A job that was cancelled or failed goes on, unless
    it diverged (`failed`): training is deterministic. `force` trains anew what has ended.
    """
    asked = await read_body(JobRequest, request)
    items = await to_thread.run_sync(_submit, request, asked)
    queued = any(item["status"] == "queued" for item in items)
    answer = json_response({"items": items})
    answer.status_code = 202 if queued else 200
    return answer


def _submit(request: Request, asked: JobRequest) -> list[dict[str, Any]]:
    if len(asked.cells) * len(asked.seeds) > MOST_JOBS:
        count = len(asked.cells) * len(asked.seeds)
        raise QueryError(
            str(count), "too many trainings", f"cells × seeds up to {MOST_JOBS:,}", "cells"
        )
    queue = deps.queue(request)
    checked = requests.checked(
        [_cell(request, text) for text in asked.cells],
        asked.dataset,
        asked.recipe,
        asked.seeds,
        home=queue.home,
        images=queue.images,
        priority=asked.priority,
        force=asked.force,
    )
    return [
        {
            "cell": item.cell,
            "seed": item.seed,
            "status": item.status,
            "job": f"/jobs/{item.job}" if item.job is not None else None,
            "run": f"/runs/{quote(item.run, safe='')}" if item.run is not None else None,
        }
        for item in queue.submit(checked)
    ]


def _cell(request: Request, text: str) -> Cell:
    _, cell = resolve_cell(deps.snapshot(request), text)
    return cell


@router.get("/jobs", summary="Jobs, the latest first")
@describes(JobsQuery, schemas_jobs.JobPage)
def list_jobs(request: Request) -> Response:
    """With their progress; `position` counts from 1, the next to run."""
    query = read(JobsQuery, request)
    queue = deps.queue(request)
    jobs = queue.jobs.page(query.state, query.limit + 1, query.before)
    shown = jobs[: query.limit]
    places = queue.jobs.positions() if any(job.state == "queued" for job in shown) else {}
    following = None
    if len(jobs) > query.limit:
        following = str(request.url.include_query_params(before=shown[-1].number))
    return json_response(
        {
            "items": [_document(job, places) for job in shown],
            "counts": queue.jobs.counts(),
            "next": following,
        }
    )


@router.get("/jobs/{job}", summary="One job with its curve so far")
@describes(Query, schemas_jobs.JobDocument)
def one_job(request: Request, number: Number) -> Response:
    """`epochs` and `measurements` grow while it runs; a finished one is a run, see `run`."""
    read(Query, request)
    return json_response(whole(request, number))


@router.get(
    "/jobs/{job}/log",
    summary="What its workers printed",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def job_log(request: Request, number: Number) -> Response:
    """Plain text, over all attempts; empty for a job that was not begun here."""
    read(Query, request)
    queue = deps.queue(request)
    folder = queue.folders.own(_found(queue, number))
    text = "" if folder is None else folder.log()
    return Response(text, media_type="text/plain; charset=utf-8")


@router.get(
    "/jobs/{job}/events",
    summary="Follow a job",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "The end was already seen"},
    },
)
async def job_events(request: Request, number: Number) -> Response:
    """Server-sent events: `epoch` for each epoch, `measurement` for each, then `end` with the job.

    Their ids count them, as `3` or, once something was measured, `3-12`: `Last-Event-ID` resumes
    behind both; who has seen the end (`Last-Event-ID: end`) gets 204, which tells a browser not to
    ask again.
    """
    read(Query, request)
    queue = deps.queue(request)
    await to_thread.run_sync(_found, queue, number)
    seen = request.headers.get("last-event-id", "0")
    if seen == _ENDED:
        return Response(status_code=204)
    if not _EVENT.fullmatch(seen):
        raise QueryError(seen, "no event's id", f"as 3 or 3-12, {_ENDED}", "Last-Event-ID")
    epochs, _, measured = seen.partition("-")
    events = _events(request, number, int(epochs), int(measured or 0))
    return EventSourceResponse(events, ping=PING_S)


async def _events(
    request: Request, number: int, epochs: int, measured: int
) -> AsyncIterator[ServerSentEvent]:
    queue = deps.queue(request)
    async with queue.changes.watch() as changed:
        while True:
            changed.clear()
            # The job first: once it has ended, all its records are there.
            job = await to_thread.run_sync(queue.jobs.get, number)
            for record in (await to_thread.run_sync(queue.jobs.records, number))[epochs:]:
                epochs = record["epoch"]
                name = f"{epochs}-{measured}" if measured else str(epochs)
                yield ServerSentEvent(json.dumps(record), event="epoch", id=name)
            if job.measurement is not None:
                lines = await to_thread.run_sync(queue.jobs.records, number, "measurements")
                for line in lines[measured:]:
                    measured = line["number"]
                    name = f"{epochs}-{measured}"
                    yield ServerSentEvent(json.dumps(line), event="measurement", id=name)
            if job.ended:
                document = _document(job, {})
                text = bytes(json_response(document).body).decode()
                yield ServerSentEvent(text, event=_ENDED, id=_ENDED)
                return
            await changed.wait()


@router.delete(
    "/jobs/{job}",
    summary="Cancel a job",
    dependencies=[Depends(may_write)],
    responses=CONFLICT,
)
@describes(Query, schemas_jobs.JobOf)
def cancel(request: Request, number: Number) -> Response:
    """What it has done is kept: `POST /jobs/{id}/resume` goes on after its last epoch."""
    read(Query, request)
    return _changed(request, number, "cancel")


@router.post(
    "/jobs/{job}/resume",
    summary="Go on with a job",
    dependencies=[Depends(may_write)],
    responses=CONFLICT,
)
@describes(Query, schemas_jobs.JobOf)
def resume(request: Request, number: Number) -> Response:
    """Queues a job again that was cancelled or failed; it goes on after its last epoch."""
    read(Query, request)
    return _changed(request, number, "resume")


def _changed(request: Request, number: int, what: Literal["cancel", "resume"]) -> Response:
    queue = deps.queue(request)
    _found(queue, number)
    try:
        job = queue.cancel(number) if what == "cancel" else queue.resume(number)
    except JobStateError as error:
        raise ConflictError(str(error)) from None
    return json_response(_document(job, queue.jobs.positions()))


def _found(queue: Queue, number: int) -> Job:
    try:
        return queue.jobs.get(number)
    except UnknownJobError:
        raise HTTPException(404, f"there is no job {number}; GET /jobs lists them") from None


def whole(request: Request, number: int) -> dict[str, Any]:
    """A job with everything that came of it so far.

    Raises:
        HTTPException: there is no such job.
    """
    queue = deps.queue(request)
    job = _found(queue, number)
    places = queue.jobs.positions() if job.state == "queued" else {}
    return _document(job, places) | {
        "epochs": queue.jobs.records(number),
        "measurements": queue.jobs.records(number, "measurements"),
        "details": None if job.details is None else json.loads(job.details),
    }


def _document(job: Job, places: dict[int, int]) -> dict[str, Any]:
    return {
        "id": job.number,
        "cell": job.cell_id,
        "name": name_of(job.cell_id),
        "arch": job.cell,
        "dataset": job.dataset,
        "recipe": job.recipe,
        "seed": job.seed,
        "state": job.state,
        "priority": job.priority,
        "position": places.get(job.number),
        "measurement": None if job.measurement is None else json.loads(job.measurement),
        "progress": _progress(job),
        "device": job.device,
        "attempts": job.attempts,
        "error": job.error,
        "run": f"/runs/{quote(job.run, safe='')}" if job.run is not None else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "links": {
            "self": f"/jobs/{job.number}",
            "cell": f"/cells/{job.cell_id}",
            "events": f"/jobs/{job.number}/events",
            "log": f"/jobs/{job.number}/log",
        },
    }


def _progress(job: Job) -> dict[str, Any] | None:
    """How far it is; the time left of the training is judged by the last epoch's."""
    if job.last is None and job.last_measured is None:
        return None
    rate = left = None
    if job.last is not None:
        seconds = job.last["seconds"]
        rate = job.last["images_per_s"]
        epochs = 0 if job.state == "done" else job.epochs - job.done_epochs
        left = round(epochs * (seconds["train"] + seconds["evaluate"]), 1)
    return {
        "epoch": job.done_epochs,
        "epochs": job.epochs,
        "images_per_s": rate,
        "seconds_left": left,
        "measured": job.measured,
        "to_measure": None if job.last_measured is None else job.last_measured["of"],
    }
