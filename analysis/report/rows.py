"""Rows of the report's tables: a cell, or a cell with a seed, in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.cells import cell_name
from analysis.report.text import number

Row = Mapping[str, Any]
"""A cell as the documents of studies have it."""

SHAPE = ("cell", "width", "depth")
"""Heads of what :func:`labelled` gives."""


def labelled(row: Row, cells: Iterable[Row]) -> list[str]:
    """A row's cell, its seed where there are several, width and depth."""
    name = cell_name(row["cell"])
    if len({other.get("seed") for other in cells}) > 1:
        name += f", seed {row['seed']}"
    return [name, number(row["width"]), number(row["depth"])]


def once(cells: Iterable[Row]) -> list[Row]:
    """Rows in their order, a cell's that come twice once."""
    return list({(row["cell"], row.get("seed")): row for row in cells}.values())


def settled_mean(row: Row, measure: str) -> float | None:
    """The mean over the seeds; None where there is none, or a seed had diverged by then."""
    found = row["measures"][measure]
    mean: float | None = found["mean"]
    return mean if found["state"] == "observed" else None
