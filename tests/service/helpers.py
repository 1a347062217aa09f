"""Asking the app as a client does, and what holds of every answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from service.plots import processes, render

Parameters = Iterable[tuple[str, Any]] | Mapping[str, Any] | None


def pairs(parameters: Parameters) -> list[tuple[str, str | int | float | bool | None]]:
    """Parameters as name and text, in order."""
    given = parameters.items() if isinstance(parameters, Mapping) else parameters or ()
    return [(name, str(value)) for name, value in given]


def _no_constant(token: str) -> Any:
    raise AssertionError(f"{token} is no JSON")


def strict(answer: httpx2.Response) -> Any:
    """The body as JSON; NaN and Infinity, which Python would take, are refused."""
    return json.loads(answer.text, parse_constant=_no_constant)


def get(client: TestClient, path: str, parameters: Parameters = None) -> Any:
    """The JSON of a successful answer."""
    answer = client.get(path, params=pairs(parameters) or None)
    assert answer.status_code == 200, f"{answer.url}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/json"
    return strict(answer)


def is_problem(answer: httpx2.Response, status: int, context: Any = None) -> dict[str, Any]:
    """Checks the one shape of all errors (RFC 9457) and returns the document."""
    shown = (context, answer.status_code, answer.text[:500])
    assert answer.status_code == status, shown
    assert answer.headers["content-type"] == "application/problem+json", shown
    body = strict(answer)
    assert body["status"] == status, shown
    for name in ("type", "title", "detail"):
        assert isinstance(body[name], str), shown
        assert body[name], shown
    assert body["type"].startswith("/problems/"), shown
    for entry in body.get("errors", ()):
        assert set(entry) == {"name", "value", "problem", "allowed"}, shown
        assert entry["name"], shown
        assert entry["problem"], shown
        assert entry["allowed"], shown
    return dict(body)


def refused(client: TestClient, path: str, parameters: Parameters = None) -> list[dict[str, Any]]:
    """The errors of a 422 about parameters."""
    body = is_problem(client.get(path, params=pairs(parameters) or None), 422, (path, parameters))
    assert body["errors"], (path, parameters)
    errors: list[dict[str, Any]] = body["errors"]
    return errors


def unkept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every picture an empty one, which no later test finds."""
    specification = (
        b'{"$schema": "", "title": {}, "usermeta": {"caption": {"title": "", "lines": []}}}'
    )

    def draw(asked: bytes, timeout_s: float) -> bytes:
        return specification if b'"form":"json"' in asked else b"<svg/>"

    monkeypatch.setattr(processes, "draw", draw)
    monkeypatch.setattr(render, "_keep", lambda place, picture: None)
