"""The client against the application itself: answers, pages, refusals."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from analysis.client import Client, ClientError, StillRunningError, TrainingError
from tests.conftest import ROOT


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
    page = asking.get("/cells?limit=2&cell=284&cell=6111&cell=1", [("min_width", "3")])
    assert (len(page["items"]), page["total"]) == (2, 2)
    with pytest.raises(ClientError, match="given twice"):
        asking.get("/cells?limit=2", [("limit", "3")])


@pytest.mark.parametrize("path", ["http://elsewhere/jobs/1", "//elsewhere/jobs", "jobs/1", ""])
def test_a_path_leads_to_no_other_server(path: str) -> None:
    """Which would be sent the token."""
    client = Client(token="one", transport=httpx2.MockTransport(lambda _: pytest.fail("asked")))
    for call in (client.get, client.post, client.delete, client.text, client.job):
        with pytest.raises(ValueError, match="is no path of http://127"):
            call(path)


@pytest.mark.parametrize("name", [".", ".."])
def test_names_of_dots_are_names(asking: Client, name: str) -> None:
    with pytest.raises(ClientError, match=rf"not a cell: '{name}'"):
        asking.cell(name)
    with pytest.raises(ValueError, match="an empty name"):
        asking.cell("")


def test_what_makes_no_address_is_told(asking: Client) -> None:
    every = asking.cells(cell=range(15_625))
    for use in (lambda: every.total, every.to_polars, lambda: asking.cell("x" * 70_000)):
        with pytest.raises(ClientError, match=r"^/cells\S* makes no .*too long; ask for fewer at"):
            use()
    assert len(repr(every)) > 65_536
    assert len(Client("http://lab").cells(cell=["a b", "|c~0|"]).url) < 50


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


ASKS: list[Callable[[Client], object]] = [
    lambda client: list(client.cells()),
    lambda client: client.cell(1),
    lambda client: client.submit(1, dataset="digits", recipe="proxy"),
    lambda client: client.wait(1),
]


@pytest.mark.parametrize("document", [[1], "x", None])
@pytest.mark.parametrize("ask", ASKS)
def test_another_server_s_json_is_told_from_cellwise_s(
    document: Any, ask: Callable[[Client], object]
) -> None:
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, json=document))
    with pytest.raises(ClientError, match="200, which is not Cellwise's"):
        ask(Client("http://other", transport=other))


@pytest.mark.parametrize("ask", [ASKS[0], *ASKS[2:]])
def test_another_server_s_objects_are_too(ask: Callable[[Client], object]) -> None:
    other = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"data": []}))
    with pytest.raises(ClientError, match="200, which is not Cellwise's"):
        ask(Client("http://other", transport=other))


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
    Client(token="", transport=transport).get("/health")
    Client(token=" three\n", transport=transport).get("/health")
    assert seen == [None, "Bearer one", "Bearer two", None, "Bearer three"]


@pytest.mark.parametrize("token", ["cw_sec\nret", "cw_sec ret", "cw_secrét", "cw_sec\0ret"])
def test_what_no_token_looks_like_is_refused_unseen(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"^token holds a blank") as refused:
        Client(token=token)
    assert "cw_" not in str(refused.value)
    if "\0" not in token:
        monkeypatch.setenv("CELLWISE_TOKEN", token)
        with pytest.raises(ValueError, match=r"^CELLWISE_TOKEN holds a blank"):
            Client()


def test_who_lacks_a_token_is_told_how_to_give_it() -> None:
    closed = httpx2.MockTransport(lambda _: httpx2.Response(401, json={"detail": "needs one"}))
    with pytest.raises(ClientError, match=r"needs one .*token=.* CELLWISE_TOKEN") as refused:
        Client(transport=closed).get("/cells")
    assert refused.value.status == 401


def test_a_connection_is_waited_for_no_longer_than_10_seconds() -> None:
    seen: list[dict[str, float]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["timeout"])
        return httpx2.Response(200, json={})

    for seconds in (300.0, 2.0):
        Client(timeout_s=seconds, transport=httpx2.MockTransport(answer)).get("/health")
    assert [(one["connect"], one["read"]) for one in seen] == [(10, 300), (2, 2)]


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


# --- connections ------------------------------------------------------------------------------


class Telling(BaseHTTPRequestHandler):
    """Answers by which connection it was asked, and with which token."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(
            {"port": self.client_address[1], "token": self.headers["authorization"]}
        ).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def telling() -> Iterator[str]:
    """Address of a server that tells connections apart."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ran(script: str, url: str) -> str:
    """What a script says in a process of its own, where what isn't closed is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import sys\n" + script, url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


FORKING = """
import os
from analysis.client import Client
client = Client(sys.argv[1])
before = client.get("/")["port"]
assert client.get("/")["port"] == before
child = os.fork()
if not child:
    os._exit(client.get("/")["port"] == before)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), client.get("/")["port"] == before)
"""


def test_after_a_fork_each_process_has_its_own_connection(telling: str) -> None:
    """On one, each would read what the other has asked for."""
    assert ran(FORKING, telling) == "0 True\n"


DROPPING = """
import gc
from analysis.client import Client
Client(sys.argv[1]).get("/")
gc.collect()
kept = Client(sys.argv[1])
kept.get("/")
"""


def test_a_client_that_nobody_closes_is_closed(telling: str) -> None:
    assert ran(DROPPING, telling) == ""


def test_what_carries_the_calls_is_closed_by_who_made_it() -> None:
    class Shared(httpx2.MockTransport):
        closed = False

        def close(self) -> None:
            self.closed = True

    shared = Shared(lambda _: httpx2.Response(200, json={}))
    Client(transport=shared).get("/health")
    assert not shared.closed


def test_a_client_may_be_pickled(telling: str) -> None:
    with Client(telling, token="one") as client:
        port = client.get("/")["port"]
        with pickle.loads(pickle.dumps(client)) as copy:
            assert (copy.url, copy.get("/")["token"]) == (client.url, "Bearer one")
            assert copy.get("/")["port"] != port


@pytest.mark.parametrize(
    "error",
    [
        ClientError("no", 422, [{"name": "x", "value": "1", "problem": "p", "allowed": "a"}]),
        TrainingError("failed", [{"id": 1}]),
        StillRunningError("goes on", [{"id": 1}]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_other_processes(error: ClientError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
