"""Coefficients as captions give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

METHODS = {"spearman": "Spearman's ρ", "kendall": "Kendall's τ-b", "pearson": "Pearson's r"}


def told(found: Mapping[str, Any]) -> str:
    """``Spearman's ρ = +0.52 [+0.49, +0.55]``, or that there is none, and why."""
    method = METHODS[found["method"]]
    if found["coefficient"] is None:
        return f"no {method}: {found['reason']}"
    return f"{method} = {signed(found['coefficient'])}{interval(found['ci'])}"


def signed(value: float) -> str:
    """Two decimals with the sign."""
    return f"{value:+.2f}".replace("-", "−")


def interval(ends: Iterable[float] | None) -> str:
    """In brackets, a blank before it."""
    if ends is None:
        return " (no interval)"
    return f" [{', '.join(signed(end) for end in ends)}]"
