"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Stage = Literal["checking", "importing", "studies", "exporting"]
Report = Callable[[Stage, int, int], None]
"""Called as ``report(stage, done, total)``."""


def silent(_stage: Stage, _done: int, _total: int) -> None:
    """Report nothing."""
