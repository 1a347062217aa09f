"""OpenAPI: routes read their parameters themselves, so the document is told about them here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from service.api.errors import MEDIA_TYPE, ProblemDocument
from service.api.params import Query, openapi_parameters

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
_ERRORS = {
    "404": {"description": "Nothing is here", "content": _PROBLEM},
    "422": {"description": "A parameter can't be taken", "content": _PROBLEM},
}


def describes(model: type[Query], *media_types: str) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint with the model of its parameters and what it may answer besides JSON."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.parameters_model = model  # type: ignore[attr-defined]
        endpoint.media_types = media_types  # type: ignore[attr-defined]
        return endpoint

    return mark


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make ``app.openapi()`` complete; it is built on the first request for it.

    ``routers`` are those that the app includes, without prefixes: newer versions of FastAPI don't
    list an included router's routes among the app's own.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app, [r for router in routers for r in router.routes])
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _build(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(problem.pop("$defs", {}))
    components["ProblemDocument"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for route in routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        for operation in document["paths"][route.path_format].values():
            operation["responses"].update(_ERRORS)
            model = getattr(route.endpoint, "parameters_model", None)
            if model is not None:
                parameters = operation.setdefault("parameters", [])
                parameters.extend(openapi_parameters(model))
            content = operation["responses"]["200"].setdefault("content", {})
            for media_type in getattr(route.endpoint, "media_types", ()):
                content[media_type.partition(";")[0]] = {
                    "schema": {"type": "string", "format": "binary"}
                }
    return document
