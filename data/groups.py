"""Cells grouped by columns, with the distribution of metrics inside each group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.censoring import Codes, Standing
from analysis.variance import Explained, explained
from data.columns import GROUPINGS
from data.errors import QueryError
from data.frame import Integers, Mask, tidy
from data.metrics import lower_is_better
from data.queries import Field, Filters, View
from data.standing import reasons


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One key of a grouping: codes of the cells, (cells,), -1 for null, and what each code is."""

    name: str
    codes: npt.NDArray[np.int64]
    labels: list[Any]
    standing: Codes | None = None

    def reasons(self, missing: Mask) -> Iterator[tuple[str, Mask]]:
        """Why the ``missing`` cells have no key, and which of them."""
        if self.standing is None:
            yield f"no {self.name}", missing
        else:
            yield from reasons(self.name, self.standing, missing)


MOST_GROUPS = 2000
MOST_VALUES = 64
"""Distinct values that a column may have to be grouped by without bins."""

_TEXTS = ("space", "connected")


def group_key(view: View, name: str, mask: Mask, bins: int | None) -> GroupKey:
    """A column as a key: its values, or ``bins`` intervals of about equally many cells each.

    Intervals are ``[low, high]`` over the masked cells; all but the last exclude ``high``.

    Raises:
        QueryError: unknown column; too many values to group by without bins.
    """
    if name in GROUPINGS:
        multisets = view.frame.multisets(name)
        _, first, codes = np.unique(multisets, return_index=True, return_inverse=True)
        labels = [view.frame.multiset_name(name, row) for row in first.tolist()]
        return GroupKey(name, codes.astype(np.int64), labels)
    field = view.field(name, texts=name in _TEXTS, others=(*GROUPINGS, *_TEXTS))
    if field.kind in ("text", "boolean"):
        values = list(view.values(field))
        labels = sorted(set(values))
        place = {label: code for code, label in enumerate(labels)}
        return GroupKey(name, np.array([place[value] for value in values]), list(labels))
    column = view.numbers(field)
    held = column[mask & ~np.isnan(column)]
    codes = np.full(len(column), -1, dtype=np.int64)
    known = ~np.isnan(column)
    if bins is not None:
        edges = np.unique(np.quantile(held, np.linspace(0, 1, bins + 1))) if held.size else held
        if len(edges) > 1:
            inner = np.searchsorted(edges, column[known], side="right") - 1
            codes[known] = np.clip(inner, 0, len(edges) - 2)
            return GroupKey(
                name,
                codes,
                [[low, high] for low, high in pairwise(edges.tolist())],
                view.codes(field),
            )
        bins = None
    values_held = np.unique(held)
    if len(values_held) > MOST_VALUES and bins is None:
        raise QueryError(
            name,
            f"{len(values_held)} different values are too many to group by",
            f"bins=<number>, or a column with at most {MOST_VALUES} values",
        )
    inside = known & np.isin(column, values_held)
    codes[inside] = np.searchsorted(values_held, column[inside])
    return GroupKey(name, codes, [tidy(value) for value in values_held.tolist()], view.codes(field))


def is_lower_better(field: Field) -> bool:
    """Whether the best cell is the one with the smallest value."""
    return field.resolved is not None and lower_is_better(field.resolved.metric)


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of equal keys, with each metric's distribution over them."""

    keys: dict[str, Any]
    cells: int
    metrics: dict[str, dict[str, Any]]


def groups(
    view: View, filters: Filters, by: Sequence[str], metrics: Sequence[str], bins: int | None
) -> tuple[list[Group], dict[str, Explained], dict[str, int], Mask]:
    """Cells grouped by columns: the groups, what they explain, and how many were left out why.

    Last, the cells that are in a group, (cells,). What the groups explain is, for each metric, the
    share of its variance over the cells.

    Raises:
        QueryError: as :func:`group_key`; more groups than ``MOST_GROUPS``.
    """
    mask = view.mask(filters)
    fields = [view.field(name) for name in metrics]
    keys = [group_key(view, name, mask, bins) for name in by]
    excluded: dict[str, int] = {}
    kept = mask.copy()
    for key in keys:
        missing = kept & (key.codes < 0)
        if missing.any():
            cut = missing & ~view.frame.connected
            for reason, left_out in (("disconnected", cut), *key.reasons(missing & ~cut)):
                if left_out.any():
                    excluded[reason] = excluded.get(reason, 0) + int(np.count_nonzero(left_out))
            kept &= ~missing
    rows = np.flatnonzero(kept)
    codes = np.stack([key.codes[rows] for key in keys], axis=1)
    distinct, member = np.unique(codes, axis=0, return_inverse=True)
    if len(distinct) > MOST_GROUPS:
        raise QueryError(
            ",".join(by), f"{len(distinct)} groups", f"at most {MOST_GROUPS} groups", "by"
        )
    order = np.argsort(member.ravel(), kind="stable")
    bounds = np.searchsorted(member.ravel()[order], np.arange(len(distinct) + 1))
    found = []
    for number, code in enumerate(distinct):
        inside = rows[order[bounds[number] : bounds[number + 1]]]
        found.append(
            Group(
                {key.name: key.labels[int(c)] for key, c in zip(keys, code, strict=True)},
                len(inside),
                {field.name: _distribution(view, field, inside) for field in fields},
            )
        )
    explains = {field.name: _explained(view, field, rows, member.ravel()) for field in fields}
    return found, explains, excluded, kept


def _explained(
    view: View, field: Field, rows: Integers, member: npt.NDArray[np.int64]
) -> Explained:
    values = view.numbers(field)[rows]
    held = np.isfinite(values)
    found = explained(values[held], member[held], view.frame.classes["function"][rows][held])
    if any(_without_number(view, field, rows)):
        names = ("eta_squared", "omega_squared", "f", "p")
        why = dict.fromkeys(names, "cells without a number")
        return Explained(None, None, None, None, found.n, found.n_distinct, found.groups, why)
    return found


def _without_number(view: View, field: Field, rows: Integers) -> tuple[int, int]:
    """How many of the rows are censored, and how many diverged."""
    codes = view.codes(field)
    if codes is None or field.resolved is None or field.resolved.metric.aspect != "value":
        return 0, 0
    censored, diverged = (
        int(np.count_nonzero(codes[rows] == standing))
        for standing in (Standing.CENSORED, Standing.DIVERGED)
    )
    return censored, diverged


_FAR = 1e9
"""Behind every value of a metric."""

QUANTILES = {"min": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "max": 1.0}


def _distribution(view: View, field: Field, rows: Integers) -> dict[str, Any]:
    """Of the cells that have a value or, for what is known of them too, a place."""
    values = view.numbers(field)[rows]
    held = values[~np.isnan(values)]
    censored, diverged = _without_number(view, field, rows)
    counts: dict[str, Any] = {"n": int(held.size)}
    reason = None
    if censored or diverged:
        reason = "cells without a number: no mean, and quantiles only where they lie before these"
    counts |= {"censored": censored, "diverged": diverged, "reason": reason}
    best = None
    if held.size:
        place = np.nanargmin(values) if is_lower_better(field) else np.nanargmax(values)
        best = view.frame.texts["id"][int(rows[place])]
    return {
        **counts,
        "mean": float(held.mean()) if held.size and reason is None else None,
        "std": float(held.std(ddof=1)) if held.size > 1 and reason is None else None,
        **dict(zip(QUANTILES, _quantiles(view, field, rows), strict=True)),
        "best": best,
    }


def _quantiles(view: View, field: Field, rows: Integers) -> list[float | None]:
    """Those that come out alike whatever the numbers are of the cells that have none."""
    places = view.places(field)[rows]
    never = view.never(field)[rows][~np.isnan(places)]
    places = places[~np.isnan(places)]
    if not places.size:
        return [None] * len(QUANTILES)
    # A slow cell may have any number from its place on, one that diverged any behind the others.
    least, most = (
        np.where(np.isinf(places), np.sign(places) * far, places) for far in (_FAR, 2 * _FAR)
    )
    most[never] = _FAR
    low, high = (np.quantile(column, list(QUANTILES.values())) for column in (least, most))
    return [
        value if value == other else None
        for value, other in zip(low.tolist(), high.tolist(), strict=True)
    ]
