"""Pictures as answers: drawn by other processes, some at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from service.api import deps
from service.api.documentation import describes
from service.api.errors import CONFLICT, ConflictError
from service.api.params import Query, openapi_parameters
from service.api.schemas import Answer, Record
from service.plots import processes
from service.plots.render import Picture
from service.plots.views import Form, NothingToShowError, Theme

_MEDIA_TYPES: dict[Form, str] = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "json": "application/json",
}

_DRAWING = CapacityLimiter(processes.AT_ONCE)
"""As many wait for a picture to be drawn, on threads of their own, as there are processes."""

Endpoint = Callable[..., Awaitable[Response]]


class Pictured(Query):
    """Parameters that every picture takes."""

    theme: Theme = Field("light", description="colours for white paper or for dark")


class Caption(Answer):
    """What stands above the picture, as text."""

    title: str
    lines: list[str] = Field(description="a paragraph each")


class UserMeta(Answer):
    """What Vega-Lite leaves alone."""

    caption: Caption


class Specification(Answer):
    """A picture as a Vega-Lite specification, whose other members are Vega-Lite's own."""

    model_config = ConfigDict(extra="allow")

    schema_: str = Field(alias="$schema", description="of which version it is")
    title: Record
    usermeta: UserMeta


def add_pictures(
    router: APIRouter,
    path: str,
    endpoint: Callable[[Form], Endpoint],
    model: type[Query],
    summary: str,
) -> None:
    """Answers ``PATH.svg``, ``PATH.png`` and ``PATH.json`` by the endpoint of each form.

    ``model`` has the parameters that the endpoint reads; its docstring is the call's description.
    """
    add_picture(router, path, "svg", endpoint("svg"), model, f"{summary}, SVG")
    add_picture(router, path, "png", endpoint("png"), model, f"{summary}, PNG")
    router.add_api_route(
        f"{path}.json",
        describes(model, Specification)(endpoint("json")),
        summary=f"{summary}, Vega-Lite",
        response_class=Response,
        responses=CONFLICT,
    )


def add_picture(
    router: APIRouter, path: str, form: Form, endpoint: Endpoint, model: type[Query], summary: str
) -> None:
    """Answers ``PATH.svg`` or ``PATH.png``."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    router.add_api_route(
        f"{path}.{form}",
        endpoint,
        summary=summary,
        response_class=Response,
        responses={200: {"content": {_MEDIA_TYPES[form]: binary}}, **CONFLICT},
        openapi_extra={"parameters": openapi_parameters(model)},
    )


async def drawn(
    request: Request,
    document: Callable[[], dict[str, Any]],
    form: Form,
    theme: Theme = "light",
    view: str | None = None,
) -> Response:
    """The picture of what ``document`` gives, which is called on a thread.

    Raises:
        ConflictError: there is nothing to show yet.
        QueryError: there is no such view of it.
    """
    folder = deps.queue(request).home / "plots"

    def find() -> tuple[Picture, bytes | None]:
        picture = Picture(document(), view, form, folder=folder, theme=theme)
        return picture, picture.kept()

    picture, found = await to_thread.run_sync(find)
    if found is None:
        try:
            found = await to_thread.run_sync(picture.drawn, limiter=_DRAWING)
        except NothingToShowError as error:
            raise ConflictError(str(error)) from None
    return Response(found, media_type=_MEDIA_TYPES[form])
