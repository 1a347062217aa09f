"""Errors as RFC 9457 problem documents: one shape, whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from analysis.cells import CellError
from data.errors import QueryError, UnknownCellError

logger = logging.getLogger("cellwise")

MEDIA_TYPE = "application/problem+json"

UNKNOWN = "unknown parameter"
_MOST_SHOWN = 80
"""Characters of a value that the detail of an error repeats."""

PROBLEMS: dict[str, tuple[int, str, str]] = {
    "invalid-parameter": (
        422,
        "A parameter can't be taken",
        "Each entry of `errors` names one parameter, what came, what is wrong with it and what is "
        "allowed. Unknown parameters are errors too: a misspelt filter that is ignored would "
        "answer another question than the one that was asked.",
    ),
    "malformed-cell": (
        422,
        "This is not a cell",
        "A cell is an id (`nb201-006111`, `darts-…`), a NAS-Bench-201 string, a bare official "
        "index, a published name or a genotype. `position` counts characters from 0.",
    ),
    "not-found": (404, "Nothing is here", "No such address, cell, run or problem."),
    "method-not-allowed": (405, "This address takes other methods", "See `/docs`."),
    "conflict": (
        409,
        "That can't be done now",
        "What was asked doesn't fit the state of things: a job that has ended can't be cancelled, "
        "one that runs can't be resumed. `detail` says what the state is.",
    ),
    "internal-error": (
        500,
        "The server failed",
        "This is a defect of Cellwise. The server's log has the cause.",
    ),
}
"""Problem types by slug: status, title and the text that ``/problems/<slug>`` shows."""


class ParameterProblem(BaseModel):
    """What is wrong with one parameter."""

    name: str = Field(description="the parameter", examples=["min_widht"])
    value: str | None = Field(description="what came", examples=["3"])
    problem: str = Field(description="what is wrong with it", examples=[UNKNOWN])
    allowed: str = Field(description="what is allowed", examples=["did you mean min_width?"])


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(examples=["/problems/invalid-parameter"])
    title: str = Field(examples=["A parameter can't be taken"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["min_widht: unknown parameter; did you mean min_width?"])
    errors: list[ParameterProblem] = Field(default=[], description="for bad parameters")
    position: int | None = Field(default=None, description="for a malformed cell")


class ParameterError(Exception):
    """One or more parameters can't be taken."""

    def __init__(self, errors: Iterable[ParameterProblem]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(error.problem for error in self.errors))


CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {
        "description": "The state of things forbids it",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }
}
"""For the OpenAPI entries of routes that raise :class:`ConflictError`."""


class ConflictError(Exception):
    """What was asked doesn't fit the state of things; the message says which that is."""


def problem(slug: str, detail: str, **more: Any) -> Response:
    """A problem document as a response."""
    status, title, _ = PROBLEMS[slug]
    body = {"type": f"/problems/{slug}", "title": title, "status": status, "detail": detail, **more}
    return Response(orjson.dumps(body), status_code=status, media_type=MEDIA_TYPE)


def _parameter_problem(errors: list[ParameterProblem]) -> Response:
    detail = " ".join(
        f"{_named(error)}: {error.problem}; "
        + (error.allowed if error.allowed.startswith("did you") else f"allowed: {error.allowed}")
        + "."
        for error in errors
    ).replace("?.", "?")
    return problem("invalid-parameter", detail, errors=[error.model_dump() for error in errors])


def _named(error: ParameterProblem) -> str:
    """The parameter, and which of its values it was where that isn't long."""
    if not error.value or error.problem == UNKNOWN or len(error.value) > _MOST_SHOWN:
        return error.name
    return f"{error.name} {error.value!r}"


async def _on_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, ParameterError)
    return _parameter_problem(error.errors)


async def _on_query(_: Request, error: Exception) -> Response:
    assert isinstance(error, QueryError)
    return _parameter_problem(
        [
            ParameterProblem(
                name=error.name or "query",
                value=error.value,
                problem=error.problem,
                allowed=error.allowed,
            )
        ]
    )


async def _on_path(_: Request, error: Exception) -> Response:
    """Parameters in a path are read by FastAPI, all others by :mod:`service.api.params`."""
    assert isinstance(error, RequestValidationError)
    return _parameter_problem(
        [
            ParameterProblem(
                name=str(fault["loc"][-1]),
                value=str(fault["input"]),
                problem=fault["msg"][:1].lower() + fault["msg"][1:],
                allowed="what the OpenAPI document says of this path",
            )
            for fault in error.errors()
        ]
    )


async def _on_cell(_: Request, error: Exception) -> Response:
    assert isinstance(error, CellError)
    return problem(
        "malformed-cell", str(error), position=error.position, allowed=list(error.allowed)
    )


async def _on_unknown_cell(_: Request, error: Exception) -> Response:
    return problem("not-found", str(error))


async def _on_conflict(_: Request, error: Exception) -> Response:
    return problem("conflict", str(error))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer = problem("method-not-allowed", f"{request.method} is not allowed here")
        # The framework names the methods of one route only; several may share an address.
        path = getattr(request.scope.get("route"), "path_format", None)
        methods = request.app.openapi()["paths"].get(path)
        answer.headers.update(error.headers or {})
        if methods is not None:
            answer.headers["Allow"] = ", ".join(sorted(method.upper() for method in methods))
        return answer
    detail = error.detail if error.detail != "Not Found" else f"there is no {request.url.path}"
    return problem("not-found", detail)


async def _on_crash(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem("internal-error", "an unexpected error; the server's log has the cause")


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document, and let its types be looked up."""
    app.add_exception_handler(ParameterError, _on_parameter)
    app.add_exception_handler(QueryError, _on_query)
    app.add_exception_handler(RequestValidationError, _on_path)
    app.add_exception_handler(CellError, _on_cell)
    app.add_exception_handler(UnknownCellError, _on_unknown_cell)
    app.add_exception_handler(ConflictError, _on_conflict)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_crash)

    @app.get("/problems/{slug}", include_in_schema=False)
    async def explain(slug: str) -> Response:
        if slug not in PROBLEMS:
            raise HTTPException(404, f"there is no problem {slug}: {', '.join(PROBLEMS)}")
        status, title, text = PROBLEMS[slug]
        return Response(f"{title} ({status})\n\n{text}\n", media_type="text/plain; charset=utf-8")
