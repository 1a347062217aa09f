"""Ask the API from the command line: over HTTP where a server runs, else in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
from anyio import from_thread

from analysis.client import TOKEN, Client, authorization, refusal, timeouts, unsayable
from service.cli import fail, opened, settings


class Asked:
    """A client of the API; what the API refuses ends the command with its words."""

    def __init__(self, client: httpx2.AsyncClient, address: str) -> None:
        self._client = client
        self._address = address

    async def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> httpx2.Response:
        """The answer to a GET."""
        try:
            return self._checked(await self._client.get(path, params=list(parameters)))
        except httpx2.InvalidURL as error:
            fail(unsayable(path, error))

    def client(self) -> Client:
        """The same for programs that wait for each answer: to be used on a thread of anyio's."""
        return Client(self._address, transport=_Bridge(self._client))

    async def send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """The answer to a request that writes, with ``body`` as JSON where there is one."""
        return self._checked(await self._client.request(method, path, json=body))

    def _checked(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.status_code not in (200, 202):
            here = f" (here: the environment variable {TOKEN})" * (answer.status_code == 401)
            fail(refusal(answer, self._address) + here)
        return answer


class _Bridge(httpx2.BaseTransport):
    """Carries a thread's calls to a client of the event loop that started the thread."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, read to its end."""
        answer = from_thread.run(self._send, request)
        # Without what was said of the transfer, which is over.
        headers = {"content-type": answer.headers.get("content-type", "")}
        return httpx2.Response(answer.status_code, headers=headers, content=answer.content)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        return await self._client.request(
            request.method,
            str(request.url),
            content=request.read(),
            headers={"content-type": request.headers.get("content-type", "application/json")},
        )


@asynccontextmanager
async def asking(home: Path, url: str | None, *, training: bool = False) -> AsyncIterator[Asked]:
    """A client of the server at ``url``; without it, of the one that holds ``home``.

    Where none does, the same application answers in this process; with ``training`` its queue
    works as long as the client is used.
    """
    from data.store import StoreError, StoreLockedError
    from service import control

    if url == "":
        fail("--url is empty; allowed: an address such as http://127.0.0.1:8000")
    address = control.server_url(home) if url is None else url
    try:
        headers = authorization()
    except ValueError as error:
        fail(str(error))
    try:
        if address is not None:
            async with httpx2.AsyncClient(
                base_url=address.rstrip("/"),
                headers=headers,
                timeout=timeouts(),
                trust_env=url is not None,  # no proxy stands before this machine's own server
            ) as client:
                yield Asked(client, address)
        else:
            async with _here(home, training) as client:
                yield Asked(client, str(client.base_url))
    except httpx2.InvalidURL as error:
        fail(f"{address} is no address: {error}")
    except httpx2.HTTPError as error:
        fail(f"no answer from {address}: {error}")
    except StoreLockedError as error:
        fail(f"{error}, and that is no server. Wait for it to end, then run this again.")
    except StoreError as error:
        fail(str(error))


@asynccontextmanager
async def _here(home: Path, training: bool) -> AsyncIterator[httpx2.AsyncClient]:
    from service.api.access import may_write
    from service.api.app import create_app
    from service.jobs.start import make_queue

    with opened(home) as library:
        queue = make_queue(library, settings()) if training else None
        app = create_app(library, queue=queue)
        app.dependency_overrides[may_write] = lambda: None  # who may open the home may write to it
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            with queue.working() if queue is not None else nullcontext():
                yield client


def ask(
    home: Path, url: str | None, path: str, parameters: Sequence[tuple[str, str]] = ()
) -> httpx2.Response:
    """The answer to ``GET path``; ends the command with the problem's detail where it is none."""

    async def once() -> httpx2.Response:
        async with asking(home, url) as client:
            return await client.get(path, parameters)

    return asyncio.run(once())
