"""Processes that draw: started when they are needed, kept warm, gone when nobody asks.

They end by themselves with the server too, however that ends.
"""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor
from threading import Lock
from typing import TYPE_CHECKING

from service.plots import worker
from service.plots.views import PlotError

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

AT_ONCE = 2
"""Processes at most, of some 100 to 300 MB each."""

IDLE_S = 300.0
"""After so long without a picture they end."""

_lock = Lock()
_held: list[ProcessPoolExecutor] = []
"""The executor that is in use, at most one."""


def draw(asked: bytes, timeout_s: float) -> bytes:
    """What :func:`service.plots.worker.draw` gives, from another process.

    One that was ended is tried again, once: it may have been ended for another picture's sake.

    Raises:
        NothingToShowError: no results yet that the view shows.
        PlotError: it took longer than ``timeout_s``, or failed.
    """
    # loky takes a while to import, and most servers are asked for no picture for long.
    from loky.process_executor import ShutdownExecutorError

    for _ in range(2):
        executor = _executor()
        try:
            drawn: bytes = executor.submit(worker.draw, asked).result(timeout_s)
        except TimeoutError:
            _end(executor)
            raise PlotError(f"the picture wasn't drawn within {timeout_s:g} s") from None
        except (BrokenExecutor, ShutdownExecutorError):
            _end(executor)
            continue
        return drawn
    raise PlotError("drawing the picture failed: its process was ended, and the next one's too")


def _executor() -> ProcessPoolExecutor:
    """Its processes are started by the first picture, and again after they were idle."""
    from loky import ProcessPoolExecutor

    with _lock:
        if not _held:
            _held.append(
                ProcessPoolExecutor(
                    AT_ONCE, timeout=IDLE_S, initializer=worker.prepare, initargs=(os.getpid(),)
                )
            )
        return _held[0]


def _end(executor: ProcessPoolExecutor) -> None:
    """Ends its processes, as nothing else stops a drawing; the next picture gets new ones."""
    with _lock:
        if executor in _held:
            _held.remove(executor)
    executor.shutdown(kill_workers=True)
