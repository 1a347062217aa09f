"""What ``cellwise study run`` asks for: a kind's settings, from ``--set`` or a TOML file."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.cli import fail
from service.cli_tables import Document

OWN_OPTIONS = ("kind", "cells", "dataset", "datasets", "recipe", "seeds")
"""Settings of a kind that `run` doesn't take by ``--set``."""

BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def from_file(path: Path) -> Document:
    """The whole body of a study; ends the command where the file is no TOML."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_finite)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except ValueError as error:
        fail(f"{path} is not TOML: {error}")
    # A date, which JSON lacks, goes as text: no setting takes one, and the API says so.
    return dict(json.loads(json.dumps(content, default=str)))


def _finite(text: str) -> float | str:
    """The number; where JSON has none for it, the text, which the API refuses."""
    number = float(text)
    return number if math.isfinite(number) else text


def _properties(kind: str) -> dict[str, Document]:
    """The fields of a kind as JSON schemas."""
    from data.errors import nearest
    from service.studies.kinds import KINDS

    if kind not in KINDS:
        fail(f"unknown kind {kind}; {nearest(kind, KINDS) or 'allowed: ' + ', '.join(KINDS)}")
    return dict(KINDS[kind].model_json_schema()["properties"])


def settings_of(kind: str) -> dict[str, Document]:
    """What ``--set`` takes."""
    return {
        name: schema
        for name, schema in _properties(kind).items()
        if name not in OWN_OPTIONS and "const" not in schema
    }


def on(kind: str, datasets: list[str]) -> Document:
    """The data sets as the kind takes them; ends the command where it takes one and more came."""
    if "datasets" in _properties(kind):
        return {"datasets": datasets}
    if len(datasets) > 1:
        fail(f"a study of {kind} is on one dataset; came: {', '.join(datasets)}")
    return {"dataset": datasets[0]}


def given(kind: str, items: Iterable[str]) -> Document:
    """Settings, each as NAME=VALUE, as JSON values; whether they can be taken the API says."""
    from data.errors import nearest

    settings = settings_of(kind)
    body: Document = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals:
            fail(f"--set {item}: no value; allowed: NAME=VALUE, as points=31")
        if name not in settings:
            hint = nearest(name, settings) or f"allowed: {', '.join(settings)}"
            fail(f"--set {item}: {kind} has no setting {name}; {hint}")
        if settings[name].get("type") == "array":
            body[name] = [_value(part.strip()) for part in text.split(",") if part.strip()]
        else:
            body[name] = _value(text)
    return body


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_finite, parse_constant=str)
    except ValueError:
        return text


def allowed(schema: Document) -> str:
    """What a setting can be, by its JSON schema, in a few words."""
    if "anyOf" in schema:
        return " or ".join(allowed(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema["type"] == "array":
        return f"several of: {allowed(schema['items'])}"
    bounds = [f"{sign} {schema[name]:,}" for name, sign in BOUNDS.items() if name in schema]
    return ", ".join([schema["type"], *bounds])
