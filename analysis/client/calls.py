"""Calls to one server: what is sent, what is sent again, and what a refusal becomes."""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from analysis.client.errors import ClientError, Fault
from analysis.client.parameters import Parameters, Value, pairs
from analysis.client.retries import Retries

DEFAULT_URL = "http://127.0.0.1:8000"
TOKEN = "CELLWISE_TOKEN"  # noqa: S105  (the name of a variable)
"""Environment variable that holds the token to write with, or to read a closed server."""
TIMEOUT_S = 300.0
CONNECT_TIMEOUT_S = 10.0
"""A server that is there takes a connection at once, however long its answer takes."""


class Calls:
    """Calls to one server, one after the other.

    Paths begin with ``/``, so that a token goes to this server alone. After a fork each process has
    a connection of its own. A pickled client takes its arguments along, the token among them.

    Reads that got no answer, or 429, 502, 503 or 504, are sent again after a pause, as long as the
    answer's ``Retry-After`` says or else longer each time. What writes is sent again only where the
    server can't have seen it, or where it makes nothing twice (``repeatable``). A read that the
    server took longer over than ``timeout_s`` is not sent again: it would take as long.

    Args:
        url: the server's address.
        token: to write with, or to read a closed server; by default what ``CELLWISE_TOKEN`` holds,
            and with an empty text none.
        timeout_s: seconds to wait for an answer; for a connection, 10 at most.
        retries: how often a call is sent again.
        transport: what carries the calls instead of the network.
        pause: waits for so many seconds; another one than ``time.sleep`` is for tests.

    Raises:
        ValueError: no token looks like that, or ``retries`` is negative.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = 3,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._pause = pause
        self._retries = Retries(retries, pause)
        self._transport = transport
        self._connected = partial(
            httpx2.Client,
            base_url=self.url,
            headers=authorization(token),
            timeout=timeouts(timeout_s),
            transport=transport,
        )
        self._connect()

    def _connect(self) -> None:
        self._http, self._process = self._connected(), os.getpid()
        if self._transport is None:  # which would be for whoever gave it to close
            # Whoever doesn't close it has it closed with the last reference. The finalizer keeps
            # the connection that a fork inherited, too: its end is for the other process to say.
            weakref.finalize(self, self._http.close)

    def __getstate__(self) -> dict[str, Any]:
        own = ("_http", "_process")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._connect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def get(self, path: str, parameters: Parameters = (), *, holding: str | None = None) -> Any:
        """The JSON answer to ``GET path``.

        Raises:
            ClientError: no answer, a refusal, or another server's answer: one that is no object,
                or has no key ``holding``.
        """
        return self._json(self._send("GET", path, parameters), holding)

    def text(self, path: str, parameters: Parameters = ()) -> str:
        """The answer to ``GET path`` as text: a picture in SVG, a table in CSV.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return self._send("GET", path, parameters).text

    def content(self, path: str, parameters: Parameters, media_type: str) -> bytes:
        """The answer to ``GET path`` as it came, of a type that begins like this.

        Raises:
            ClientError: no answer, a refusal, or an answer of another type.
        """
        answer = self._send("GET", path, parameters)
        kind = answer.headers.get("content-type", "of no type")
        if not kind.startswith(media_type):
            raise ClientError(f"GET {path} is {kind}, not {media_type}…", answer.status_code)
        return answer.content

    def picture(self, path: str, **parameters: Value) -> bytes:
        """The picture at ``path``, in SVG or PNG as the path ends.

        >>> client.picture("/cells/DARTS-V2/diagram.svg")[:4]
        b'<svg'

        Raises:
            ClientError: no answer, a refusal, or no picture.
        """
        return self.content(path, pairs(parameters), "image/")

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        repeatable: bool = False,
        holding: str | None = None,
    ) -> Any:
        """The JSON answer to ``POST path``, ``body`` sent as JSON.

        ``repeatable`` says that the server makes nothing twice of it, so that it may be sent again.

        Raises:
            ClientError: no answer, a refusal, or another server's answer, as of :meth:`get`.
        """
        return self._json(self._send("POST", path, body=body, repeatable=repeatable), holding)

    def delete(self, path: str) -> Any:
        """The JSON answer to ``DELETE path``.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return self._json(self._send("DELETE", path, repeatable=False))

    def items(self, path: str, parameters: Parameters = ()) -> Iterator[dict[str, Any]]:
        """The items of every page, from the first on; pages are asked for as they are reached.

        Raises:
            ClientError: no answer, or a refusal.
        """
        yield from self.onwards(self.get(path, parameters, holding="items"))

    def onwards(self, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The items of ``page`` and of those that follow it.

        Raises:
            ClientError: no answer, or a refusal.
        """
        while True:
            yield from page["items"]
            if page.get("next") is None:
                return
            # Asked for where this page came from: behind a proxy, a server can't tell under which
            # address it is known, and a token goes to no other.
            following = urlsplit(page["next"])
            page = self.get(f"{following.path}?{following.query}", holding="items")

    def _send(
        self,
        method: str,
        path: str,
        parameters: Parameters = (),
        body: Any = None,
        *,
        repeatable: bool = True,
    ) -> httpx2.Response:
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"{path!r} is no path of {self.url}: one begins with / and a name")
        if os.getpid() != self._process:
            # On a connection that two processes share, one would read the other's answer.
            self._connect()
        try:
            url = httpx2.URL(path)
            if parameters:
                url = url.copy_with(params=[*url.params.multi_items(), *parameters])
            answer = self._retries.answer(
                lambda: self._http.request(method, url, json=body), repeatable=repeatable
            )
        except httpx2.InvalidURL as error:
            raise ClientError(unsayable(path.partition("?")[0], error)) from None
        except httpx2.HTTPError as error:
            said = str(error) or type(error).__name__
            raise ClientError(f"no answer from {self.url}: {said}") from error
        if not answer.is_success:
            message = f"{method} {path}: {refusal(answer, self.url)}"
            if answer.status_code == 401:
                message += f" (here: Client(token=...), or the environment variable {TOKEN})"
            raise ClientError(message, answer.status_code, _faults(answer))
        return answer

    def _json(self, answer: httpx2.Response, holding: str | None = None) -> Any:
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict) or (holding is not None and holding not in document):
            raise ClientError(_foreign(answer, self.url), answer.status_code)
        return document


def authorization(token: str | None = None) -> dict[str, str]:
    """The header that carries a token, by default that of ``CELLWISE_TOKEN``; empty without one.

    Blanks and line breaks around it, as of a file that it was read from, are no part of it.

    Raises:
        ValueError: no token looks like that; the message doesn't show it.
    """
    name = TOKEN if token is None else "token"
    token = (os.environ.get(TOKEN, "") if token is None else token).strip()
    if not token:
        return {}
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError(
            f"{name} holds a blank, a line break or what isn't ASCII, which no token does"
        )
    return {"Authorization": f"Bearer {token}"}


def timeouts(timeout_s: float = TIMEOUT_S) -> httpx2.Timeout:
    """So many seconds for an answer, of which a connection has 10 at most."""
    return httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))


def unsayable(path: str, error: httpx2.InvalidURL) -> str:
    """That a call makes no address, as with too many cells in it."""
    return f"{path[:80]} makes no address: {error}; ask for fewer at once, or by id"


def refusal(answer: httpx2.Response, url: str) -> str:
    """Why a server didn't answer, in its own words; or that it is none of ours."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return _foreign(answer, url)


def _faults(answer: httpx2.Response) -> list[Fault]:
    try:
        return list(answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return []


def _foreign(answer: httpx2.Response, url: str) -> str:
    return f"{url} answers {answer.status_code}, which is not Cellwise's"
