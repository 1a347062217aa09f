"""What a drawing process does: what was asked comes as JSON, and bytes go back."""

from __future__ import annotations

import os
import signal
import time
from threading import Thread

import orjson

from service.plots.views import NothingToShowError, PlotError

_LOOK_S = 2.0


def prepare(server: int) -> None:
    """Load what draws, for the server of this process number."""
    # Ctrl-C in the server's terminal is the server's to hear.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(server,), daemon=True).start()
    import service.plots.drawing  # noqa: F401


def _end_with(server: int) -> None:
    """A server that was killed leaves nobody to end this process."""
    while os.getppid() == server:
        time.sleep(_LOOK_S)
    os._exit(0)


def draw(asked: bytes) -> bytes:
    """The picture of ``document``, ``view``, ``form`` and ``theme``.

    Raises:
        NothingToShowError: no results yet that the view shows.
        PlotError: it failed; whatever the failure is, this can be sent back.
    """
    try:
        # Not at the top: the server imports this module to name the function, and stays small.
        from service.plots.drawing import picture

        given = orjson.loads(asked)
        return picture(given["document"], given["view"], given["form"], given["theme"])
    except NothingToShowError:
        raise
    except Exception as error:
        raise PlotError(f"drawing the picture failed: {type(error).__name__}: {error}") from error
