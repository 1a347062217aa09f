"""The OpenAPI document and the interactive docs: true, complete and self-contained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from data.library import Library
from service.api.app import create_app
from tests.conftest import queued_job
from tests.service.helpers import strict, unkept
from tests.service.test_errors import REQUIRED, operations, reached


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are asked for many times here; how they are drawn is tested elsewhere."""
    unkept(monkeypatch)


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    return dict(strict(client.get("/openapi.json")))


def test_the_structure(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "Cellwise"
    assert document["info"]["version"]
    seen: set[str] = set()
    for path, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        assert set(re.findall(r"{(\w+)}", path)) == {
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "path"
        }
        names = [(p["in"], p["name"]) for p in operation.get("parameters", ())]
        assert len(names) == len(set(names)), path
        for status in ("200", "404", "422"):
            assert operation["responses"][status]["description"], path
        assert set(operation["responses"]["422"]["content"]) == {"application/problem+json"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(_references(document))
    assert references
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            where = (path, parameter["name"])
            assert parameter.get("description"), where
            assert isinstance(parameter["required"], bool), where
            schema = parameter["schema"]
            assert {"type", "anyOf", "enum", "const"} & set(schema), where


def test_every_filter_is_on_every_collection(document: dict[str, Any]) -> None:
    filters = {"space", "connected", "unique", "cell", "min_metric", "max_metric", "op_03"}
    filters |= {"width", "min_width", "max_width", "min_params_m", "official_index"}
    for path in ("/cells", "/runs", "/correlations", "/correlations/by-epoch", "/groups"):
        parameters = document["paths"][path]["get"]["parameters"]
        assert filters <= {parameter["name"] for parameter in parameters}, path


def test_every_example_works(client: TestClient, document: dict[str, Any]) -> None:
    tried = 0
    for path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            for example in parameter["schema"].get("examples", parameter.get("examples", ())):
                tried += 1
                if parameter["in"] == "path":
                    answer = client.get(path.replace(f"{{{parameter['name']}}}", str(example)))
                else:
                    asked: dict[str, Any] = dict(REQUIRED.get(path, {}))
                    asked[parameter["name"]] = example
                    answer = client.get(reached(path), params=asked)
                assert answer.status_code == 200, (
                    path,
                    parameter["name"],
                    example,
                    answer.text[:300],
                )
    assert tried > 30


def test_the_contract_s_calls_are_there(document: dict[str, Any]) -> None:
    """The calls of the contract; what its paths call their places is open."""
    assert set(document["paths"]) >= {
        "/cells", "/cells/{cell}", "/cells/{cell}/curves", "/cells/{cell}/diagram.svg", "/runs",
        "/runs/{id}", "/correlations", "/correlations/by-epoch", "/correlations/contrasts",
        "/groups", "/ranks", "/columns", "/sources", "/health", "/metrics",
        "/jobs", "/jobs/{job}", "/jobs/{job}/events",
        "/jobs/{job}/log", "/jobs/{job}/resume", "/recipes", "/datasets",
        "/variants", "/studies", "/studies/{study}", "/studies/{study}/plot.svg",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:open_binary is deprecated")  # fastapi-swagger, Python 3.11
def test_the_docs_need_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert links
    for link in links:
        assert link.startswith(("/", str(client.base_url))), link
        asset = client.get(link)
        assert asset.status_code == 200, link
        if link.endswith(".css"):
            assert not re.search(r"url\(\s*['\"]?https?:|@import", asset.text)
    assert "/openapi.json" in page.text


CHECKS = (
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)


def test_generated_requests(home: Path) -> None:
    """Requests made up from the document itself, valid ones and others.

    All but those that follow a job: an answer that waits for a job that nobody does has no end.
    """
    with closing(Library.open(home)) as opened:
        queued_job(opened)
        schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(opened))
        _try_all(schema.exclude(path_regex="/events$"))


def _try_all(schema: Any) -> None:
    count = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            nonlocal count
            count += 1
            case.call_and_validate(checks=CHECKS)

        run()
    assert count > 100
