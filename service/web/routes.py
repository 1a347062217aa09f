"""Serves the page: its one document, its files, and the libraries that draw its charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

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


class _Files(StaticFiles):
    """Files with the page's headers."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        """The file, or 304 where the browser has it."""
        answer = super().file_response(*arguments, **more)
        answer.headers.update(_HEADERS)
        return answer

    def answer(self, request: Request, path: Path) -> Response:
        """The file at ``path``, wherever that is."""
        return self.file_response(path, path.stat(), request.scope)


_files = _Files(directory=STATIC)


@router.get("/")
def page(request: Request) -> Response:
    """The page."""
    return _files.answer(request, STATIC / "index.html")


@router.get(f"{FILES}/charts.js")
def charts(request: Request) -> Response:
    """The libraries that draw; made on the first request of a new home, which takes seconds."""
    return _files.answer(request, bundle(deps.queue(request).home / "cache"))


def install(app: FastAPI) -> None:
    """Let ``app`` serve the page."""
    app.include_router(router)
    app.mount(FILES, _files, name="page")
