"""Pictures as answers: drawn by processes of their own, some at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response

from service.api import deps
from service.api.errors import CONFLICT, ConflictError
from service.api.params import Query, openapi_parameters
from service.plots.render import render
from service.plots.views import Form, NothingToShowError

_MEDIA_TYPES: dict[Form, str] = {"svg": "image/svg+xml", "png": "image/png"}

_DRAWING = CapacityLimiter(2)
"""Pictures are drawn by processes of some 200 MB each: so many at a time, on their own threads."""


def add_pictures(
    router: APIRouter,
    path: str,
    endpoint: Callable[[Form], Callable[..., Awaitable[Response]]],
    model: type[Query],
    summary: str,
) -> None:
    """Answers ``PATH.svg`` and ``PATH.png`` by the endpoint of each form.

    ``model`` has the parameters that the endpoint reads; its docstring is the call's description.
    """
    for form, media_type in _MEDIA_TYPES.items():
        binary = {"schema": {"type": "string", "format": "binary"}}
        router.add_api_route(
            f"{path}.{form}",
            endpoint(form),
            summary=f"{summary}, {form.upper()}",
            response_class=Response,
            responses={200: {"content": {media_type: binary}}, **CONFLICT},
            openapi_extra={"parameters": openapi_parameters(model)},
        )


async def drawn(
    request: Request, document: Callable[[], dict[str, Any]], view: str | None, form: Form
) -> Response:
    """The picture of what ``document`` gives, which is called on a thread.

    Raises:
        ConflictError: there is nothing to show yet.
        QueryError: there is no such view of it.
    """

    def draw() -> bytes:
        folder = deps.queue(request).home / "plots"
        try:
            return render(document(), view, form, folder=folder)
        except NothingToShowError as error:
            raise ConflictError(str(error)) from None

    picture = await to_thread.run_sync(draw, limiter=_DRAWING)
    return Response(picture, media_type=_MEDIA_TYPES[form])
