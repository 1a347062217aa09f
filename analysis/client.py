"""A client of a Cellwise server: calls in, JSON out; a refusal is an error with the server's words.

::

    with Client("http://127.0.0.1:8000") as client:
        for cell in client.items("/cells", [("min_width", "3")]):
            print(cell["id"], cell["depth"])
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

DEFAULT_URL = "http://127.0.0.1:8000"
TOKEN = "CELLWISE_TOKEN"  # noqa: S105  (the name of a variable)
"""Environment variable that holds the token to write with, or to read a closed server."""
TIMEOUT_S = 300.0

Parameters = Sequence[tuple[str, str]]


class ClientError(RuntimeError):
    """The server can't be reached, or refused; the message is its own.

    Attributes:
        status: of the answer, None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Calls to one server, one after the other.

    Args:
        url: the server's address.
        token: to write with, or to read a closed server; by default what ``CELLWISE_TOKEN`` holds.
        transport: what carries the calls instead of the network.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        token = token or os.environ.get(TOKEN)
        self.url = url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT_S,
            transport=transport,
        )

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

    def get(self, path: str, parameters: Parameters = ()) -> Any:
        """The JSON answer to ``GET path``.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return self._json(self._send("GET", path, parameters))

    def text(self, path: str, parameters: Parameters = ()) -> str:
        """The answer to ``GET path`` as text: a picture in SVG, a table in CSV.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return self._send("GET", path, parameters).text

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON answer to ``POST path``, ``body`` sent as JSON.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return self._json(self._send("POST", path, body=body))

    def items(self, path: str, parameters: Parameters = ()) -> Iterator[dict[str, Any]]:
        """The items of every page, from the first on; pages are asked for as they are reached.

        Raises:
            ClientError: no answer, or a refusal.
        """
        page = self.get(path, parameters)
        while True:
            yield from page["items"]
            if page["next"] is None:
                return
            page = self.get(page["next"])

    def _send(
        self, method: str, path: str, parameters: Parameters = (), body: Any = None
    ) -> httpx2.Response:
        try:
            # Empty parameters would replace those that stand in the path.
            answer = self._http.request(method, path, params=list(parameters) or None, json=body)
        except httpx2.HTTPError as error:
            raise ClientError(f"no answer from {self.url}: {error}") from error
        if not answer.is_success:
            raise ClientError(f"{method} {path}: {refusal(answer, self.url)}", answer.status_code)
        return answer

    def _json(self, answer: httpx2.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise ClientError(_foreign(answer, self.url), answer.status_code) from None


def refusal(answer: httpx2.Response, url: str) -> str:
    """Why a server didn't answer, in its own words; or that it is none of ours."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return _foreign(answer, url)


def _foreign(answer: httpx2.Response, url: str) -> str:
    return f"{url} answers {answer.status_code}, which is not Cellwise's"
