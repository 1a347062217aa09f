"""Which thread answers: few of them, since Python runs one at a time.

A page of cells is less than a millisecond of many small numpy calls, each of which lets go of the
interpreter and queues for it again; with dozens of threads most of the time is queueing. So a page
whose columns are resident is answered on the spot, by the event loop itself; one that has to read
or sort first does so on a thread of its own, one page at a time, where no long calculation holds it
up. Everything else shares a few threads.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response

from data.vectors import NotResidentError, resident_only

CALCULATING = (os.cpu_count() or 1) + 1
"""Threads for everything but pages of cells: each more costs memory and gains nothing."""


@asynccontextmanager
async def limited(app: FastAPI) -> AsyncIterator[None]:
    """The app's lifespan: sets how many threads there are."""
    to_thread.current_default_thread_limiter().total_tokens = CALCULATING
    app.state.pages = CapacityLimiter(1)
    yield


def at_once(answer: Callable[[Request], Response]) -> Callable[[Request], object]:
    """An endpoint that answers on the spot where it can, else on the thread for pages."""

    @wraps(answer)
    async def endpoint(request: Request) -> Response:
        try:
            with resident_only():
                return answer(request)
        except NotResidentError:
            limiter = getattr(request.app.state, "pages", None)
            return await to_thread.run_sync(answer, request, limiter=limiter)

    return endpoint
