"""Run the application with uvicorn and take commands while it runs."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from pathlib import Path

import uvicorn
from rich.console import Console

from data.library import Library
from service import control
from service.api import access
from service.api.app import create_app
from service.jobs.queue import Queue

WARM_UP_AFTER_S = 1.0
GRACE_S = 10
"""How long requests may go on after the server was told to stop: a slow download can't keep it."""


class PortError(RuntimeError):
    """The address can't be listened on."""


def run(
    library: Library,
    queue: Queue,
    home: Path,
    host: str,
    port: int,
    read: access.Reading = "open",
) -> None:
    """Serve until interrupted, the queue at work.

    Raises:
        PortError: the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # From here on a client is kept waiting, not turned away: server.json names this address
        # before the application is up.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortError(
            f"can't listen on {host}:{port}: {error.strerror}. Choose another --port or --host."
        ) from error
    bound = listener.getsockname()[1]
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    url = f"http://{shown}:{bound}"
    config = uvicorn.Config(
        create_app(library, queue=queue, read=read),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    with control.serving(home, library, url), queue.working():
        Console(stderr=True, highlight=False).print(
            f"Cellwise serves {home} at {url} (docs at {url}/docs), Ctrl-C stops it",
            soft_wrap=True,
            markup=False,
        )
        # scipy takes about half a second to import: the first page of cells must not wait for
        # it, and the first correlation not either.
        warm_up = threading.Timer(WARM_UP_AFTER_S, _warm_up)
        warm_up.daemon = True
        warm_up.start()
        # uvicorn ends by raising the signal again: as an exception, it lets everything close.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _warm_up() -> None:
    import scipy.stats  # noqa: F401
