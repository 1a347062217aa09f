"""Ask the API from the command line: over HTTP where a server runs, else in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx2

from service.cli import fail, opened

TIMEOUT_S = 300.0


def ask(
    home: Path, url: str | None, path: str, parameters: Sequence[tuple[str, str]] = ()
) -> httpx2.Response:
    """The answer to ``GET path``; ends the command with the problem's detail where it is none.

    ``url`` names a server; without it, the one that holds ``home`` is asked, and where none does,
    the same application answers in this process.
    """
    from data.store import StoreError, StoreLockedError
    from service import control

    address = url or control.server_url(home)
    try:
        if address is not None:
            answer = httpx2.get(
                address.rstrip("/") + path,
                params=list(parameters),
                timeout=TIMEOUT_S,
                trust_env=url is not None,  # no proxy stands before this machine's own server
            )
        else:
            answer = asyncio.run(_ask_here(home, path, parameters))
    except httpx2.HTTPError as error:
        fail(f"no answer from {address}: {error}")
    except StoreLockedError as error:
        fail(f"{error}, and that is no server. Wait for it to end, then run this again.")
    except StoreError as error:
        fail(str(error))
    if answer.status_code != 200:
        try:
            fail(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            fail(f"{address} answers {answer.status_code}, which is not Cellwise's")
    return answer


async def _ask_here(
    home: Path, path: str, parameters: Sequence[tuple[str, str]]
) -> httpx2.Response:
    from service.api.app import create_app

    with opened(home) as library:
        transport = httpx2.ASGITransport(create_app(library))
        async with httpx2.AsyncClient(transport=transport, base_url="http://cellwise") as client:
            return await client.get(path, params=list(parameters))
