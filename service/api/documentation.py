"""OpenAPI: routes read their parameters themselves, so the document is told about them here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from service.api import access
from service.api.errors import MEDIA_TYPE, ProblemDocument
from service.api.params import Query, openapi_parameters
from service.api.schemas import Answer

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
_ERRORS = {
    "404": {"description": "Nothing is here", "content": _PROBLEM},
    "422": {"description": "A parameter can't be taken", "content": _PROBLEM},
}


def describes(
    model: type[Query], answer: type[Answer], *media_types: str, body: type[BaseModel] | None = None
) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint with the models of its parameters, its body and its JSON answer.

    ``media_types`` are what it may answer besides.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.parameters_model = model  # type: ignore[attr-defined]
        endpoint.answer_model = answer  # type: ignore[attr-defined]
        endpoint.media_types = media_types  # type: ignore[attr-defined]
        endpoint.body_model = body  # type: ignore[attr-defined]
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
    _add_schema(components, ProblemDocument)
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for route in routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():  # other routes may have the same path
            operation = document["paths"][route.path_format][method.lower()]
            operation["responses"].update(_ERRORS)
            if "security" in operation:
                operation["responses"].update(access.RESPONSES)
            body = getattr(route.endpoint, "body_model", None)
            if body is not None:
                _add_schema(components, body)
                reference = f"#/components/schemas/{body.__name__}"
                content = {"application/json": {"schema": {"$ref": reference}}}
                operation["requestBody"] = {"required": True, "content": content}
            model = getattr(route.endpoint, "parameters_model", None)
            if model is not None:
                parameters = operation.setdefault("parameters", [])
                parameters.extend(openapi_parameters(model))
            for status in ("200", "202"):
                if status in operation["responses"]:
                    content = operation["responses"][status].setdefault("content", {})
                    _describe_answer(route, content, components)
    return document


def _describe_answer(route: APIRoute, content: dict[str, Any], components: dict[str, Any]) -> None:
    answer = getattr(route.endpoint, "answer_model", None)
    if answer is not None:
        _add_schema(components, answer)
        reference = f"#/components/schemas/{answer.__name__}"
        content["application/json"] = {"schema": {"$ref": reference}}
    for media_type in getattr(route.endpoint, "media_types", ()):
        content[media_type.partition(";")[0]] = {"schema": {"type": "string", "format": "binary"}}


def _add_schema(components: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    components.update(schema.pop("$defs", {}))
    components[model.__name__] = schema
