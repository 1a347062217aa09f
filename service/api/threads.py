"""How many threads answer: few, since Python runs one of them at a time.

A page of cells is a millisecond of many small numpy calls, each of which lets go of the
interpreter and queues for it again; with dozens of threads most of the time is queueing. So pages
go one after the other on a thread of their own, where no long calculation holds them up, and
everything else shares a few.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response

CALCULATING = (os.cpu_count() or 1) + 1
"""Threads for everything but pages of cells: each more costs memory and gains nothing."""


@asynccontextmanager
async def limited(app: FastAPI) -> AsyncIterator[None]:
    """The app's lifespan: sets how many threads there are."""
    to_thread.current_default_thread_limiter().total_tokens = CALCULATING
    app.state.pages = CapacityLimiter(1)
    yield


def in_turn(answer: Callable[[Request], Response]) -> Callable[[Request], object]:
    """An endpoint that answers its requests one after the other, on a thread of their own."""

    @wraps(answer)
    async def endpoint(request: Request) -> Response:
        limiter = getattr(request.app.state, "pages", None)
        return await to_thread.run_sync(answer, request, limiter=limiter)

    return endpoint
