"""Markdown: tables and numbers as the reports write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NOTHING = "–"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; what stands in it is text, whatever it holds."""
    lines = [head, ["---"] * len(head), *([_escaped(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def shown(item: dict[str, Any]) -> str:
    """``+0.240 (+0.220, +0.250)``: a coefficient with its interval, as the API answers it."""
    if item["coefficient"] is None:
        return f"– ({item['reason']})"
    return f"{item['coefficient']:+.3f}{interval(item['ci'], '+.3f')}"


def interval(ends: Sequence[float | None] | None, form: str) -> str:
    """`` (0.1, 0.2)``, nothing where there is none; an end without bound is −∞ or ∞."""
    if ends is None:
        return ""
    bounds = zip(ends, ("−∞", "∞"), strict=True)
    told = (bound if end is None else format(end, form) for end, bound in bounds)
    return f" ({', '.join(told)})"


def number(value: float | None, form: str = ".4g") -> str:
    """A number, or a dash."""
    return NOTHING if value is None else format(value, form)


def count(number: int, one: str, several: str = "") -> str:
    """``1 cell``, ``2 cells``; with the plural where it isn't just an s."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def of_pairs(one: Mapping[str, Any]) -> str:
    """``9``, ``8 (1 incomplete: 1 diverged)``: the pairs of a cell, and why some don't count."""
    if not one["n_incomplete"]:
        return str(one["n"])
    why = ", ".join(f"{number} {reason}" for reason, number in one["excluded"].items())
    return f"{one['n']} ({one['n_incomplete']} incomplete: {why})"


def left_out(number: int, one: str) -> str:
    """``, 2 cells left out``, behind a source's name; nothing where none was."""
    return f", {count(number, one)} left out" if number else ""
