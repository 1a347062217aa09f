"""Who may write and who may read, asked of a small app, of the real one, and by network."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
import uvicorn
from fastapi import Depends, FastAPI
from pydantic import ValidationError
from starlette.testclient import TestClient

from data.library import Library
from service import tokens
from service.api import access, errors
from service.api.app import create_app
from service.settings import Settings
from tests.conftest import client_of
from tests.service.helpers import is_problem

Address = tuple[str, int | None]

Writer = Annotated[str | None, Depends(access.may_write)]


def writing_app(home: Path) -> FastAPI:
    app = FastAPI()
    errors.install(app)
    access.install(app, home)

    @app.post("/things", responses=access.RESPONSES)
    async def make(writer: Writer) -> dict[str, str | None]:
        return {"writer": writer}

    @app.delete("/things/{thing}", responses=access.RESPONSES)
    def delete(thing: int, writer: Writer) -> dict[str, str | None]:
        return {"writer": writer}

    @app.get("/things")
    def read() -> list[str]:
        return []

    return app


def client_from(
    home: Path, peer: str = "127.0.0.1", url: str = "http://127.0.0.1:8000"
) -> TestClient:
    return TestClient(writing_app(home), base_url=url, client=(peer, 50_000))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def denied(answer: httpx2.Response, status: int, slug: str) -> str:
    body = is_problem(answer, status)
    assert body["type"] == f"/problems/{slug}"
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    return str(body["detail"])


# Once a token exists


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7", "testclient"])
def test_writing_takes_a_token(tmp_path: Path, peer: str) -> None:
    token = tokens.add(tmp_path, "ci")
    client = client_from(tmp_path, peer)
    assert client.post("/things", json={}, headers=bearer(token)).json() == {"writer": "ci"}
    assert client.delete("/things/1", headers=bearer(token)).json() == {"writer": "ci"}
    detail = denied(client.post("/things", json={}), 401, "token-needed")
    assert "`cellwise token add NAME` on the server's machine" in detail
    assert client.get("/things").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic {}",
        "{}",
        "Token {}",
        "Bearer {}x",
        "Bearer é",
        "Bearer {},x",
    ],
)
def test_tokens_that_are_none(tmp_path: Path, header: str) -> None:
    token = tokens.add(tmp_path, "ci")
    headers = {b"Authorization": header.format(token).encode("latin-1")}
    answer = client_from(tmp_path).post("/things", headers=headers)
    detail = denied(answer, 401, "token-needed")
    assert token not in answer.text
    assert detail.startswith("this token is not known" if header[:7] == "Bearer " and header[7:]
                             else "Writing needs")  # fmt: skip


def test_the_scheme_s_case_is_free(tmp_path: Path) -> None:
    token = tokens.add(tmp_path, "ci")
    answer = client_from(tmp_path).post("/things", headers={"Authorization": f"bearer {token}"})
    assert answer.status_code == 200


def test_a_token_is_enough(tmp_path: Path) -> None:
    """Through a proxy, under the proxy's name, with any body: a page can't send a token unasked."""
    headers = {
        **bearer(tokens.add(tmp_path, "ci")),
        "X-Forwarded-For": "192.0.2.7",
        "Host": "cells.example.org",
        "Origin": "https://cells.example.org",
        "Content-Type": "text/plain",
    }
    assert client_from(tmp_path).post("/things", content="x", headers=headers).status_code == 200


def test_changes_hold_at_once(tmp_path: Path) -> None:
    client = client_from(tmp_path)
    assert client.post("/things").json() == {"writer": None}
    first = tokens.add(tmp_path, "first")
    assert client.post("/things").status_code == 401
    second = tokens.add(tmp_path, "second")
    assert client.post("/things", headers=bearer(first)).json() == {"writer": "first"}
    tokens.remove(tmp_path, "first")
    denied(client.post("/things", headers=bearer(first)), 401, "token-needed")
    assert client.post("/things", headers=bearer(second)).json() == {"writer": "second"}
    tokens.remove(tmp_path, "second")
    assert client.post("/things").json() == {"writer": None}
    denied(client.post("/things", headers=bearer(second)), 401, "token-needed")


@pytest.mark.parametrize("text", ["", "{", '{"tokens": null}'])
def test_damaged_tokens_close_writing(tmp_path: Path, text: str) -> None:
    token = tokens.add(tmp_path, "ci")
    client = client_from(tmp_path)
    (tmp_path / "tokens.json").write_text(text)
    for headers in ({}, bearer(token)):
        detail = denied(client.post("/things", headers=headers), 503, "tokens-unreadable")
        assert detail.startswith("tokens.json in the server's home is damaged")
        assert str(tmp_path) not in detail
    assert client.get("/things").status_code == 200


# As long as none exists


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "testclient"]
)
def test_this_machine_may_write(tmp_path: Path, peer: str) -> None:
    client = client_from(tmp_path, peer)
    assert client.post("/things", json={}).json() == {"writer": None}
    assert client.delete("/things/1").json() == {"writer": None}


@pytest.mark.parametrize(
    "peer", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "fe80::1%eth0", "0.0.0.0"]
)
def test_others_may_not(tmp_path: Path, peer: str) -> None:
    client = client_from(tmp_path, peer)
    for headers in ({}, bearer("cw_any"), {"Host": "localhost"}):
        detail = denied(client.post("/things", headers=headers), 403, "writing-refused")
        assert "`cellwise token add NAME` on the server's machine" in detail
    assert client.get("/things").status_code == 200


def test_a_server_s_own_address_is_this_machine(tmp_path: Path) -> None:
    for host, peer, status in (
        ("192.0.2.7", "192.0.2.7", 200),
        ("192.0.2.7", "::ffff:192.0.2.7", 200),
        ("192.0.2.7", "192.0.2.8", 403),
    ):
        client = client_from(tmp_path, peer, f"http://{host}:8000")
        assert client.post("/things").status_code == status, (host, peer)


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP"],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "for=127.0.0.1"])
def test_what_came_through_a_proxy_is_not(tmp_path: Path, header: str, value: str) -> None:
    answer = client_from(tmp_path).post("/things", headers={header: value})
    assert "proxy" in denied(answer, 403, "writing-refused")


def asgi(home: Path, client: Address | None, server: Address | None, *headers: str) -> int:
    """The status of a write whose connection is described as a server would."""
    pairs = (header.split(": ") for header in headers)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/things",
        "query_string": b"",
        "scheme": "http",
        "client": client,
        "server": server,
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(writing_app(home)(scope, receive, send))
    return int(sent[0]["status"])


def test_connections_without_a_peer(tmp_path: Path) -> None:
    """A Unix socket has none; a network connection that was reset has lost its own."""
    here = "Host: localhost"
    assert asgi(tmp_path, None, ("/run/cellwise.sock", None), here) == 200
    assert asgi(tmp_path, None, None, here) == 200
    assert asgi(tmp_path, None, ("192.0.2.7", 8000), here) == 403
    assert asgi(tmp_path, None, ("2001:db8::1", 8000), here) == 403


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8000", "localhost.", "127.0.0.1", "127.1.2.3:80", "[::1]:8000",
     "[::ffff:127.0.0.1]", "0.0.0.0:8000", "[::]:8000", "192.0.2.9:8000"],
)  # fmt: skip
def test_hosts_that_lead_here(tmp_path: Path, host: str) -> None:
    client = client_from(tmp_path, url="http://192.0.2.9:8000")
    assert client.post("/things", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "a.localhost", "192.0.2.8",
     "127.0.0.1.evil.example", "localhost@evil.example", "evil.example@localhost", "[::2]",
     "localhost:8000:evil", "localhost/evil", "[localhost]", "", "::1", "2130706433"],
)  # fmt: skip
def test_hosts_of_others(tmp_path: Path, host: str) -> None:
    """A stranger's name that leads to this machine makes its pages look like this server's."""
    answer = client_from(tmp_path).post("/things", headers={"Host": host})
    assert "Host must be localhost" in denied(answer, 403, "writing-refused")


def test_one_host_exactly(tmp_path: Path) -> None:
    peer, server = ("127.0.0.1", 50_000), ("127.0.0.1", 8000)
    hosts = "Host: localhost", "Host: evil.example"
    assert asgi(tmp_path, peer, server, hosts[0]) == 200
    assert asgi(tmp_path, peer, server) == 403
    assert asgi(tmp_path, peer, server, *hosts) == 403
    assert asgi(tmp_path, peer, server, *hosts[::-1]) == 403


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://evil.example", "http://localhost", "http://localhost:3000",
     "https://localhost:8000", "http://127.0.0.1:8000", "http://localhost:8000.evil.example",
     "http://localhost:8000/", "http://evil@localhost:8000"],
)  # fmt: skip
def test_pages_of_others_may_not_write(tmp_path: Path, origin: str) -> None:
    client = client_from(tmp_path, url="http://localhost:8000")
    for answer in (
        client.post("/things", json={}, headers={"Origin": origin}),
        client.delete("/things/1", headers={"Origin": origin}),
    ):
        assert "pages of other origins" in denied(answer, 403, "writing-refused")
    own = {"Origin": "http://localhost:8000"}
    assert client.post("/things", json={}, headers=own).status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "text/plain; application/json", "application/jsonp", ""],
)  # fmt: skip
def test_bodies_that_any_page_may_send(tmp_path: Path, kind: str) -> None:
    client = client_from(tmp_path)
    for content in ("{}", iter([b"{}"])):
        answer = client.post("/things", content=content, headers={"Content-Type": kind})
        assert "application/json" in denied(answer, 415, "not-json")


def test_bodies_of_json(tmp_path: Path) -> None:
    client = client_from(tmp_path)
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        for content in ("{}", iter([b"{}"])):
            answer = client.post("/things", content=content, headers={"Content-Type": kind})
            assert answer.status_code == 200
    assert client.post("/things", content="").status_code == 200


# What can be looked up


def test_every_type_is_explained(client: TestClient) -> None:
    for slug in ("token-needed", "writing-refused", "not-json", "tokens-unreadable"):
        assert client.get(f"/problems/{slug}").status_code == 200


def test_openapi_shows_what_writing_takes(tmp_path: Path) -> None:
    document = client_from(tmp_path).get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for operation in (
        document["paths"]["/things"]["post"],
        document["paths"]["/things/{thing}"]["delete"],
    ):
        assert operation["security"] == [{"token": []}]
        assert {"401", "403", "415", "503"} <= set(operation["responses"])
        assert not [p for p in operation.get("parameters", ()) if p["in"] != "path"]
    assert "security" not in document["paths"]["/things"]["get"]


# By network


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """``app`` on a free port, by uvicorn as ``cellwise serve`` sets it up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def test_by_network(tmp_path: Path) -> None:
    """uvicorn believes a proxy on this machine; a client that pretends to be one gains nothing."""
    with (
        served(writing_app(tmp_path)) as url,
        httpx2.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        for headers, status in (
            ({}, 200),
            ({"X-Forwarded-For": "127.0.0.1"}, 403),
            ({"X-Forwarded-For": "192.0.2.7"}, 403),
            ({"X-Forwarded-For": "testclient"}, 403),
            ({"Host": "evil.example"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": url}, 200),
        ):
            assert client.post("/things", json={}, headers=headers).status_code == status, headers
        assert client.post("/things", content="{}").status_code == 415
        headers = bearer(tokens.add(tmp_path, "ci")) | {"X-Forwarded-For": "192.0.2.7"}
        assert client.post("/things", headers=headers).json() == {"writer": "ci"}


# Reading


@pytest.fixture
def closed(fresh: Library) -> TestClient:
    return TestClient(create_app(fresh, read="token"), client=("127.0.0.1", 50_000))


READ = ("/cells", "/pages", "/docs", "/openapi.json", "/metrics", "/problems/not-found", "/nowhere",
        "/swagger/swagger-ui.css", "/health/", "/healthy", "/cells/health", "/HEALTH")  # fmt: skip


def test_a_closed_server_reads_out_to_tokens_only(closed: TestClient, fresh: Library) -> None:
    home = fresh.store.path.parent
    for name in ("first", "second"):
        for path in READ:
            detail = denied(closed.get(path), 401, "token-needed")
            assert "`cellwise token add NAME`" in detail, path
            denied(closed.post(path, headers=bearer("cw_x")), 401, "token-needed")
        assert closed.get("/health").json()["status"] == "ok"
        token = tokens.add(home, name)
    closed.headers.update(bearer(token))
    assert closed.get("/sources").json() == {"items": []}
    assert "/cells" in closed.get("/openapi.json").json()["paths"]
    is_problem(closed.get("/nowhere"), 404)
    shown = closed.get("/metrics").text
    assert 'cellwise_request_seconds_count{method="GET",route="none",status="401"}' in shown


def test_damaged_tokens_close_a_closed_server(closed: TestClient, fresh: Library) -> None:
    token = tokens.add(fresh.store.path.parent, "ci")
    assert closed.get("/sources", headers=bearer(token)).status_code == 200
    (fresh.store.path.parent / "tokens.json").write_text("{")
    denied(closed.get("/sources", headers=bearer(token)), 503, "tokens-unreadable")
    assert closed.get("/health").status_code == 200


def test_an_open_server_asks_nobody(fresh: Library) -> None:
    tokens.add(fresh.store.path.parent, "ci")
    client = client_of(fresh)
    for headers in ({}, bearer("cw_x")):
        for path in ("/cells", "/openapi.json", "/health"):
            assert client.get(path, headers=headers).status_code == 200


def test_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELLWISE_READ", raising=False)
    assert Settings().read == "open"
    monkeypatch.setenv("CELLWISE_READ", "token")
    assert Settings().read == "token"
    monkeypatch.setenv("CELLWISE_READ", "closed")
    with pytest.raises(ValidationError, match="'open' or 'token'"):
        Settings()
