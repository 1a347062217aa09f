"""Workers that ended without a result: how often in a row, how long to wait, what ended them."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from service.training.folder import JobFolder

MOST_CRASHES = 4
"""How often in a row a job may crash without anything gained before it counts as failed."""
FIRST_PAUSE_S = 1.0
FULL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Row:
    count: int = 0
    not_before: float = 0.0


class Crashes:
    """The crashes of each job since it last gained something."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}

    def again(self, number: int) -> bool:
        """Count a crash; whether the job may be tried again, after a pause that doubles."""
        count = self._rows.get(number, _Row()).count + 1
        if count >= MOST_CRASHES:
            self.forget(number)
            return False
        pause = FIRST_PAUSE_S * 2 ** (count - 1)
        self._rows[number] = _Row(count, time.monotonic() + pause)
        return True

    def pausing(self, number: int, now: float) -> bool:
        """Whether the job's pause lasts beyond ``now``, of the monotonic clock."""
        return self._rows.get(number, _Row()).not_before > now

    def forget(self, number: int) -> None:
        """The job gained something, ended, or was taken up by hand."""
        self._rows.pop(number, None)


def what_ended(folder: JobFolder, oom_kills_before: int | None) -> str:
    """What is likely to have ended a worker that could say nothing.

    ``oom_kills_before`` is :func:`oom_kills` as the worker was started.
    """
    if not folder.path.is_dir():
        return f"its folder {folder.path} was deleted"
    free = shutil.disk_usage(folder.path).free
    if free < FULL_BYTES:
        return f"disk full: {free:,} bytes are free in {folder.path}"
    now = oom_kills()
    if oom_kills_before is not None and now is not None and now > oom_kills_before:
        return "out of memory: the system killed the worker, or another process of this machine"
    return "the worker was killed, or crashed without a word"


def oom_kills() -> int | None:
    """How many processes the system has killed since it runs because memory was short."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    counts = dict(line.split() for line in lines)
    return int(counts["oom_kill"]) if "oom_kill" in counts else None
