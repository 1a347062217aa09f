"""Runs that diverged: their curves have no numbers from an epoch on, which their details name."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

DIVERGED_AT = "diverged_at"
"""In a run's details the first epoch whose training loss was no finite number."""


@lru_cache(maxsize=4096)
def diverged_at(details: str | None) -> int | None:
    """The epoch at which a run with these details, JSON, diverged; None for any other run."""
    if details is None or DIVERGED_AT not in details:
        return None
    told: Any = json.loads(details)
    epoch = told.get(DIVERGED_AT) if isinstance(told, dict) else None
    return epoch if isinstance(epoch, int) and epoch >= 1 else None
