"""The application: everything that ``cellwise serve`` answers."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi

from data.library import Library
from service.api import access, documentation, errors, monitoring, threads
from service.api.routes import (
    about,
    cells,
    contrasts,
    correlations,
    groups,
    jobs,
    plots,
    runs,
    studies,
    training,
    variants,
)
from service.jobs.executors import LocalExecutor
from service.jobs.queue import Queue
from service.web import routes as web

DESCRIPTION = """
Which NAS cells learn fast, which end up accurate, and what their width and depth have to do with
it. Wherever a cell is taken, its id, its string, its official index or its published name will do.
Errors are problem documents (RFC 9457); a parameter that isn't known is an error.
"""


def create_app(
    library: Library, *, queue: Queue | None = None, read: access.Reading = "open"
) -> FastAPI:
    """The service over an open library; whoever opened the library closes it.

    ``read`` says who may read; who may write, the tokens in the library's home say. Whoever made
    ``queue`` starts and stops it; without one, jobs are taken and wait for a server that has one.
    """
    app = FastAPI(
        title="Cellwise",
        version=version("cellwise"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        lifespan=threads.limited,
    )
    app.state.library = library
    app.state.queue = queue or Queue(library, LocalExecutor(), [])
    errors.install(app)
    access.install(app, library.store.path.parent, read)
    modules = (
        cells,
        runs,
        correlations,
        contrasts,
        groups,
        variants,
        plots,
        jobs,
        studies,
        training,
        about,
    )
    routers = [module.router for module in modules]
    for router in routers:
        app.include_router(router)
    # The assets of /docs come from this package's own files: they work without internet.
    patch_fastapi(app, docs_url="/docs", redirect_from_root_to_docs=False)
    web.install(app)
    documentation.install(app, routers)
    monitoring.install(app, library, app.state.queue)
    return app
