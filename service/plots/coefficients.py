"""Coefficients as captions give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

METHODS = {"spearman": "Spearman's ρ", "kendall": "Kendall's τ-b", "pearson": "Pearson's r"}


def told(found: Mapping[str, Any]) -> str:
    """``Spearman's ρ = +0.52 [+0.49, +0.55]``, or that there is none, and why."""
    method = METHODS[found["method"]]
    if found["coefficient"] is None:
        return f"no {method}: {found['reason']}"
    return f"{method} = {signed(found['coefficient'])}{interval(found['ci'])}"


def intervals_by(items: Sequence[Mapping[str, Any]]) -> str:
    """What the intervals of an answer come from, in a few words."""
    ways = {_DRAWN.get(item["resampled"], item["ci_method"]) for item in items if item["ci"]}
    if "groups" in ways:
        return "from the variance between groups"
    if "fisher" in ways:
        alike = any(item["n_distinct"] < item["n"] for item in items)
        return "Fisher's, copies of a network taken as dependent" if alike else "Fisher's"
    return ", ".join(sorted(ways))


_DRAWN = {
    "groups": "groups resampled",
    "classes": "copies of a network resampled together",
    "cells": "single cells resampled",
}


def signed(value: float) -> str:
    """Two decimals with the sign."""
    return f"{value:+.2f}".replace("-", "−")


def interval(ends: Iterable[float] | None) -> str:
    """In brackets, a blank before it."""
    if ends is None:
        return " (no interval)"
    return f" [{', '.join(signed(end) for end in ends)}]"
