"""Prometheus measures of the server."""

from __future__ import annotations

import time
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge, Histogram, PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.job_rows import State
from data.jobs import STATES
from data.library import Library
from service.jobs.queue import Queue

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Monitor:
    """ASGI middleware that times requests by route."""

    def __init__(self, app: ASGIApp, durations: Histogram) -> None:
        self._app = app
        self._durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and observe how long it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = "500"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            # A client may send any word as a method: each would be a series of its own.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._durations.labels(method, route, status).observe(time.perf_counter() - started)


def _count(queue: Queue, state: State) -> float:
    return queue.jobs.counts()[state]


def install(app: FastAPI, library: Library, queue: Queue) -> None:
    """Measure ``app`` and put its registry at ``app.state.registry``."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    durations = Histogram(
        "cellwise_request_seconds",
        "Time from a request's arrival to the end of its answer",
        ("method", "route", "status"),
        buckets=_SECONDS,
        registry=registry,
    )
    for name, text, value in (
        ("cellwise_cells", "Cells in the table", lambda: library.snapshot.frame.size),
        (
            "cellwise_runs",
            "Runs in all sources",
            lambda: sum(source.runs for source in library.snapshot.sources),
        ),
        ("cellwise_sources", "Loaded sources", lambda: len(library.snapshot.sources)),
    ):
        Gauge(name, text, registry=registry).set_function(value)
    jobs = Gauge("cellwise_jobs", "Training jobs by state", ("state",), registry=registry)
    for state in STATES:
        jobs.labels(state).set_function(partial(_count, queue, state))
    app.state.registry = registry
    app.add_middleware(Monitor, durations=durations)
