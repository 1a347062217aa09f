"""Serves the page: its one document, its files, and the libraries that draw its charts."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from service.api import deps
from service.web.bundle import bundle

FILES = "/page"
STATIC = Path(__file__).parent / "static"

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        # Vega compiles the expressions of its charts; the tooltip brings its own style.
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for anew after an update of the server; unchanged files cost a 304.
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
def page() -> Response:
    """The page."""
    return FileResponse(STATIC / "index.html", headers=_HEADERS)


@router.get(f"{FILES}/charts.js")
def charts(request: Request) -> Response:
    """The libraries that draw; made on the first request of a new home, which takes seconds."""
    place = bundle(deps.queue(request).home / "cache")
    return FileResponse(place, media_type="text/javascript", headers=_HEADERS)


class _Files(StaticFiles):
    """Static files with the page's headers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [
                    (name.lower().encode(), value.encode()) for name, value in _HEADERS.items()
                ]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await super().__call__(scope, receive, with_headers)


def install(app: FastAPI) -> None:
    """Let ``app`` serve the page."""
    app.include_router(router)
    app.mount(FILES, _Files(directory=STATIC), name="page")
