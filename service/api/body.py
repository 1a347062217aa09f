"""JSON bodies: strict models, whose faults are told like those of query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import nearest
from service.api.errors import ParameterError, ParameterProblem

Model = TypeVar("Model", bound=BaseModel)

MOST_BYTES = 8 << 20


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read_body(model: type[Model], request: Request) -> Model:
    """The body of a request as ``model``.

    Raises:
        ParameterError: not JSON, or fields that can't be taken; names each.
    """
    text, _ = await _object(request, _fields(model))
    return _validated(model, text)


async def read_kind(models: Mapping[str, type[Model]], request: Request) -> Model:
    """The body as the model that its field ``kind`` names.

    Raises:
        ParameterError: as :func:`read_body`, or there is no such kind.
    """
    allowed = ", ".join(models)
    text, content = await _object(request, "a field kind and those of the kind")
    if "kind" not in content:
        raise _fault("kind", None, "field required", allowed)
    kind = content["kind"]
    if not isinstance(kind, str) or kind not in models:
        hint = nearest(str(kind), models)
        raise _fault("kind", str(kind)[:200], f"unknown kind {hint}".strip(), allowed)
    return _validated(models[kind], text)


async def _object(request: Request, allowed: str) -> tuple[bytes, dict[str, Any]]:
    """The body as it came and read."""
    text = bytearray()
    async for part in request.stream():
        text += part
        if len(text) > MOST_BYTES:
            raise _fault("body", None, "too long", f"at most {MOST_BYTES:,} bytes")
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _fault("body", None, f"not JSON: {error}", "a JSON object") from None
    if not isinstance(content, dict):
        raise _fault("body", None, "not a JSON object", allowed)
    return bytes(text), content


def _validated(model: type[Model], text: bytes) -> Model:
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ParameterError(_faults(model, error)) from None


def _faults(model: type[BaseModel], error: ValidationError) -> list[ParameterProblem]:
    """Each fault once: of a list with a bad item, the item, not that the list is then too short."""
    faults = error.errors()
    places = [fault["loc"] for fault in faults]
    return [
        _told(model, fault)
        for fault in faults
        if not any(
            len(place) > len(fault["loc"]) and place[: len(fault["loc"])] == fault["loc"]
            for place in places
        )
    ]


def _told(model: type[BaseModel], fault: Any) -> ParameterProblem:
    place = [str(part) for part in fault["loc"]]
    name = ".".join(place)
    problem = fault["msg"].removeprefix("Value error, ")
    problem = problem[:1].lower() + problem[1:]
    allowed = _fields(model)
    if fault["type"] == "extra_forbidden":
        problem = "unknown field"
        allowed = " ".join((nearest(name, model.model_fields), allowed)).strip()
    elif place and place[0] in model.model_fields:
        allowed = model.model_fields[place[0]].description or allowed
    value = fault["input"]
    return ParameterProblem(
        name=name or "body",
        value=None if fault["type"] == "missing" else str(value)[:200],
        problem=problem,
        allowed=allowed,
    )


def _fields(model: type[BaseModel]) -> str:
    return f"the fields {', '.join(model.model_fields)}"


def _fault(name: str, value: str | None, problem: str, allowed: str) -> ParameterError:
    return ParameterError(
        [ParameterProblem(name=name, value=value, problem=problem, allowed=allowed)]
    )
