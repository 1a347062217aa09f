"""The client against the application itself: answers, pages, refusals."""

from __future__ import annotations

import httpx2
import pytest
from starlette.testclient import TestClient

from analysis.client import Client, ClientError


@pytest.fixture
def asking(client: TestClient) -> Client:
    return Client(transport=client._transport)


def test_pages_follow_each_other(asking: Client) -> None:
    parameters = [("min_width", "3"), ("max_depth", "2"), ("limit", "500")]
    cells = list(asking.items("/cells", parameters))
    # DOMAIN.md, section 2: how many cells of the table are of width 3 and depth 2.
    assert len({cell["id"] for cell in cells}) == len(cells) == 1024
    assert {(cell["width"], cell["depth"]) for cell in cells} == {(3, 2)}


def test_parameters_in_a_path_are_kept(asking: Client) -> None:
    assert len(asking.get("/cells?limit=2")["items"]) == 2


def test_text_is_as_it_came(asking: Client) -> None:
    assert asking.text("/cells/ENAS/diagram.svg").lstrip().startswith("<svg")


def test_a_picture_is_one(asking: Client) -> None:
    drawn = asking.picture("/cells/ENAS/diagram.svg")
    assert drawn.decode() == asking.text("/cells/ENAS/diagram.svg")
    with pytest.raises(ClientError, match="is application/json, not image/"):
        asking.picture("/cells/ENAS")
    with pytest.raises(ClientError, match="unknown parameter"):
        asking.picture("/cells/ENAS/diagram.svg", size=3)


def test_a_refusal_has_the_server_s_words(asking: Client) -> None:
    with pytest.raises(ClientError, match="unknown parameter") as refused:
        asking.get("/cells", [("min_breadth", "3")])
    assert refused.value.status == 422
    (fault,) = refused.value.errors
    assert (fault["name"], fault["value"]) == ("min_breadth", "3")
    with pytest.raises(ClientError, match="unknown kind") as refused:
        asking.post("/studies", {"kind": "none"})
    assert refused.value.status == 422
    with pytest.raises(ClientError, match="there is no job 99") as refused:
        asking.job(99)
    assert (refused.value.status, refused.value.errors) == (404, [])


@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_another_server_is_told_from_cellwise(status: int) -> None:
    other = httpx2.MockTransport(lambda _: httpx2.Response(status, text="<html></html>"))
    with (
        Client("http://other", transport=other, retries=0) as client,
        pytest.raises(ClientError, match=f"{status}, which is not Cellwise's"),
    ):
        client.get("/cells")


def test_no_server_is_an_error_without_status() -> None:
    with (
        Client("http://127.0.0.1:9", retries=0) as client,
        pytest.raises(ClientError, match="no answer from") as error,
    ):
        client.get("/cells")
    assert error.value.status is None


def test_the_token_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("authorization"))
        return httpx2.Response(200, json={})

    monkeypatch.delenv("CELLWISE_TOKEN", raising=False)
    transport = httpx2.MockTransport(answer)
    Client(transport=transport).get("/health")
    Client(token="one", transport=transport).get("/health")
    monkeypatch.setenv("CELLWISE_TOKEN", "two")
    Client(transport=transport).get("/health")
    assert seen == [None, "Bearer one", "Bearer two"]


def test_the_next_page_is_asked_for_where_the_first_came_from() -> None:
    """Whatever address the server behind a proxy believes to have, the token goes to no other."""
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        following = "http://inside:8000/jobs?before=2&limit=1" if len(seen) == 1 else None
        return httpx2.Response(200, json={"items": [{"id": 3 - len(seen)}], "next": following})

    client = Client("https://lab/cellwise/", transport=httpx2.MockTransport(answer))
    assert [job["id"] for job in client.items("/jobs")] == [2, 1]
    assert seen == ["https://lab/cellwise/jobs", "https://lab/cellwise/jobs?before=2&limit=1"]
