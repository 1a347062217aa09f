"""One shape for all errors, on every route that there is or will be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.api.errors import PROBLEMS
from tests.service.helpers import is_problem, refused, strict, unkept

# What a path parameter is filled with, so that the route itself is reached.
PLACES = {
    "cell": "284",
    "id": "hpo-bench:nb201-000000:cifar10-valid:nb201-200:777",
    "job": "1",  # which the fixture `library` has, as the study
    "study": "1",
}
# What must be given.
REQUIRED = {
    "/correlations": {"x": "width", "y": "depth"},
    "/correlations/by-epoch": {"x": "width", "y": "valid_accuracy"},
    "/correlations/contrasts": {"x": "width,depth", "y": "n_paths", "resamples": "100"},
    "/ranks": {"cell": "1"},
    "/curves": {"cell": "1"},
    "/variants": {"cell": "1"},
    **{
        f"/plots/{view}.{form}": given
        for form in ("svg", "png", "json")
        for view, given in {
            "correlations-by-epoch": {"x": "width", "y": "valid_accuracy"},
            "scatter": {"x": "width", "y": "depth"},
            "curves": {"cell": "1"},
            "ranks": {"cell": "1"},
        }.items()
    },
}
CONTEXT = ("dataset", "source", "recipe", "images", "split", "seed")
HOSTILE = [
    "",
    " ",
    ",",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "0",
    "9" * 400,
    "9" * 5000,
    "1e308",
    "x" * 19_000,
    "x" * 25_000,
    "a\0b",
    "\ud7ff\uffff",
    "'; DROP TABLE cells; --",
    '{"normal": [["\\ud800", 0]]}',
    "[" * 5000,
    "{" * 5000,
    "Genotype(" * 1000,
    "|" * 5000,
    "../../etc/passwd",
    "%00",
    "mean",
    "valid_accuracy@final",
    "valid_accuracy@99999of99999",
    "epochs_to_999of99999",
    ":std",
    "valid_accuracy@final:nan",
    "valid_accuracy@final:1e999",
    ":::::",
]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        if "get" in methods:
            yield path, methods["get"]


def reached(path: str) -> str:
    return path.format_map(PLACES)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are asked for many times here; how they are drawn is tested elsewhere."""
    unkept(monkeypatch)


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


@pytest.fixture(scope="module")
def routes(document: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Path and names of parameters of every GET route."""
    found = [
        (path, [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"])
        for path, operation in operations(document)
    ]
    assert len(found) >= 13
    return found


def test_every_route_answers(client: TestClient, routes: list[tuple[str, list[str]]]) -> None:
    for path, _ in routes:
        answer = client.get(reached(path), params=REQUIRED.get(path))
        assert answer.status_code == 200, (path, answer.text[:300])


def test_unknown_parameters_are_never_ignored(
    client: TestClient, routes: list[tuple[str, list[str]]]
) -> None:
    for path, names in routes:
        (error,) = refused(client, reached(path), {**REQUIRED.get(path, {}), "zzz": "1"})
        assert (error["name"], error["value"]) == ("zzz", "1"), path
        assert error["problem"] == "unknown parameter"
        for name in names[:3]:
            wrong = name + "s"
            if wrong in names:
                continue
            errors = refused(client, reached(path), {**REQUIRED.get(path, {}), wrong: "1"})
            assert name in errors[0]["allowed"], (path, name)


def test_single_parameters_are_not_taken_twice(
    client: TestClient, document: dict[str, Any]
) -> None:
    for path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            if parameter["in"] != "query" or parameter["schema"].get("type") == "array":
                continue
            given = [(k, v) for k, v in REQUIRED.get(path, {}).items() if k != name]
            errors = refused(client, reached(path), [*given, (name, "1"), (name, "2")])
            assert [e["problem"] for e in errors if e["name"] == name] == ["given twice"], path


def test_no_value_breaks_a_parameter(
    client: TestClient, routes: list[tuple[str, list[str]]]
) -> None:
    """Every parameter of every route with hostile values: taken or refused, never a crash."""
    for path, names in routes:
        # The three forms of a picture read their parameters alike.
        if path.endswith((".svg", ".png")):
            continue
        # The bounds of columns are made alike: those of one column stand for all.
        kept = [n for n in names if not n.startswith(("min_", "max_", "op_", "n_", "reduce_"))]
        kept += [n for n in names if n in ("min_width", "max_metric", "min_metric", "op_03")]
        for name in kept:
            for value in HOSTILE if path == "/cells" else HOSTILE[::4]:
                given = REQUIRED.get(path, {}) | ({"limit": "1"} if "limit" in names else {})
                answer = client.get(reached(path), params={**given, name: value})
                shown = (path, name, value[:40], answer.status_code)
                if answer.status_code == 200:
                    continue
                body = is_problem(answer, 422, shown)
                blamed = {error["name"] for error in body["errors"]}
                # In another context it is the metric that isn't recorded, asked for or by default.
                wrong = {"fields", "metric", "x", "y"} if name in CONTEXT else {name}
                assert blamed & (wrong | {name}), (shown, body)


def test_no_value_breaks_a_path(client: TestClient, routes: list[tuple[str, list[str]]]) -> None:
    for path, _ in routes:
        for place in PLACES:
            if f"{{{place}}}" not in path:
                continue
            for value in HOSTILE:
                if value.strip(" .") in ("", "../../etc/passwd"):
                    continue
                for encoded in (quoted(value), quoted(quoted(value))):
                    answer = client.get(path.format_map({**PLACES, place: encoded}))
                    assert answer.status_code in (200, 404, 422), (path, value[:40])
                    if answer.status_code != 200:
                        is_problem(answer, answer.status_code, (path, value[:40]))


def quoted(value: str) -> str:
    return quote(value, safe="")


@pytest.mark.parametrize("tail", ["%FF", "%FF%FE", "%C3%28", "%ED%A0%80", "%", "%zz", "%00"])
def test_bytes_that_are_no_text(
    client: TestClient, routes: list[tuple[str, list[str]]], tail: str
) -> None:
    for path, names in routes:
        for url in (f"{reached(path)}?{tail}=1", f"{reached(path)}?{(names or ['x'])[0]}={tail}"):
            is_problem(client.get(url), 422, url)
    for url in (f"/cells/{tail}", f"/runs/{tail}", f"/{tail}"):
        answer = client.get(url)
        assert answer.status_code in (404, 422)
        is_problem(answer, answer.status_code, url)


def test_other_methods(client: TestClient, document: dict[str, Any]) -> None:
    for path, taken in document["paths"].items():
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            if method.lower() in taken or "get" not in taken:
                continue
            answer = client.request(method, reached(path))
            assert "GET" in answer.headers["allow"], path
            assert method in is_problem(answer, 405, (method, path))["detail"]


@pytest.mark.parametrize(
    "path", ["/nowhere", "/cell", "/cells/284/nothing", "/problems/none", "/%"]
)
def test_what_is_not_there(client: TestClient, path: str) -> None:
    body = is_problem(client.get(path), 404)
    assert body["type"] == "/problems/not-found"


def test_every_type_of_problem_is_explained(client: TestClient) -> None:
    for slug, (status, title, _) in PROBLEMS.items():
        answer = client.get(f"/problems/{slug}")
        assert answer.status_code == 200
        assert answer.text.startswith(f"{title} ({status})")


def test_a_crash_tells_nothing_of_its_inside(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)

    @app.get("/crash-of-a-test", include_in_schema=False)
    def crash() -> None:
        raise RuntimeError("secret")

    body = is_problem(client.get("/crash-of-a-test"), 500)
    assert "secret" not in str(body)
    assert body["type"] == "/problems/internal-error"


def test_the_detail_is_a_sentence_with_value_choice_and_name(client: TestClient) -> None:
    body = is_problem(client.get("/cells?min_widht=3"), 422)
    assert body["detail"].startswith("min_widht: unknown parameter; did you mean min_width")
    body = is_problem(client.get("/cells?limit=0"), 422)
    assert body["detail"].endswith("allowed: a whole number from 1 to 1000.")


def test_an_empty_list_is_no_error(client: TestClient) -> None:
    for path in ("/cells?width=2.25", "/runs?width=2.25", "/groups?width=2.25"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert strict(answer)["items"] == []
