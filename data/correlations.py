"""Correlations over the loaded cells: which rows count, which are left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from analysis.bootstrap import Resample
from analysis.censoring import beyond
from analysis.coefficients import Method
from analysis.correlation import NO_GROUP, Correlation, Interval, correlate
from analysis.permutation import FEW
from data import evidence
from data.columns import COLUMNS, GROUPINGS
from data.errors import QueryError
from data.evidence import Evidence
from data.frame import Floats, Mask
from data.queries import Field, Filters, View
from data.standing import reasons


@dataclass(frozen=True, slots=True)
class Options:
    """How to correlate; see :func:`analysis.correlation.correlate`.

    ``comparable_by`` keeps to the cells that ``group_by`` this would compare.
    """

    method: Method = "spearman"
    controls: tuple[str, ...] = ()
    group_by: str | None = None
    comparable_by: str | None = None
    ci: Interval = "fisher"
    resample: Resample | None = None
    confidence: float = 0.95
    resamples: int = 999
    bootstrap_seed: int = 0

    def __post_init__(self) -> None:
        if self.resample == "groups" and self.group_by is None:
            allowed = "cells, classes, or a group_by"
            raise QueryError("groups", "there are none without group_by", allowed, "resample")

    @property
    def resampled(self) -> Resample:
        """What a bootstrap draws."""
        return self.resample or ("classes" if self.group_by is None else "groups")


@dataclass(frozen=True, slots=True)
class Result:
    """One coefficient with what it was computed from; ``cells``, (cells,), are what n counts."""

    x: Field
    y: Field
    correlation: Correlation
    excluded: dict[str, int]
    evidence: Evidence
    cells: Mask


class CompleteRows:
    """The rows that are complete in every column so far, and why the others are not."""

    def __init__(self, view: View, mask: Mask) -> None:
        self.view = view
        self.kept = mask.copy()
        self.excluded: dict[str, int] = {}

    def require(self, field: Field, *, placed: bool = True) -> Floats:
        """Drop the rows that lack ``field``, counting them; returns the whole column.

        A cell that is too slow for a metric, or diverged, has a place behind the others; without
        ``placed`` it lacks the field.
        """
        view = self.view
        values = beyond(view.places(field)) if placed else view.numbers(field)
        missing = self.kept & np.isnan(values)
        if missing.any():
            column = COLUMNS.get(field.name)
            cut = missing & ~view.frame.connected
            if column is not None and column.group == "topology" and cut.any():
                self.leave_out("disconnected", cut)
                missing &= ~cut
            codes = view.codes(field)
            if codes is not None:
                for reason, rows in reasons(field.name, codes, missing):
                    self.leave_out(reason, rows)
            elif column is not None:
                for space, inside in view.frame.spaces.items():
                    why = column.null_when if space in column.spaces else f"not defined in {space}"
                    self.leave_out(f"no {field.name}: {why}", missing & inside)
        return values

    def of(self, used: Mask) -> Mask:
        """The cells, (cells,), of those kept that a coefficient uses, (kept,)."""
        cells = self.kept.copy()
        cells[self.kept] = used
        return cells

    def leave_out(self, reason: str, rows: Mask) -> None:
        """Drop rows, counting them under a reason."""
        if rows.any():
            self.excluded[reason] = self.excluded.get(reason, 0) + int(np.count_nonzero(rows))
            self.kept &= ~rows


def controls_of(view: View, options: Options) -> list[Field]:
    """The columns that are held fixed."""
    return [view.field(name) for name in options.controls]


def labels_of(view: View, rows: CompleteRows, group_by: str | None) -> Any:
    """A label for every cell, (cells,), or None without groups."""
    if group_by is None:
        return None
    if group_by in GROUPINGS:
        return view.frame.multisets(group_by)
    return rows.require(view.field(group_by, others=GROUPINGS), placed=False)


def keep_comparable(
    view: View, rows: CompleteRows, columns: Sequence[Floats], options: Options
) -> None:
    """Leave out the cells on which a coefficient within groups would not rest.

    ``columns`` are x, y and the controls.
    """
    labels = labels_of(view, rows, options.comparable_by)
    if labels is None:
        return
    x, y, *controls = (column[rows.kept] for column in columns)
    found = correlate(x, y, method=options.method, controls=controls, groups=labels[rows.kept])
    rows.kept[rows.kept] = found.used
    rows.excluded |= dict(found.excluded)


def arguments(options: Options) -> dict[str, Any]:
    """Of :func:`analysis.correlation.correlate`, but for ``ci``."""
    return {
        "method": options.method,
        "resample": options.resampled,
        "confidence": options.confidence,
        "resamples": options.resamples,
        "seed": options.bootstrap_seed,
    }


MOST_SECONDS = 30
"""What a request may calculate, so that none keeps the others waiting for minutes."""

# Milliseconds a coefficient over 15,000 cells on one core: plain, with groups or controls, and
# each bootstrap resample. Rough figures, on the safe side: they only bound what is asked for.
_COSTS = {"pearson": (2, 5, 0.3), "spearman": (4, 15, 0.6), "kendall": (6, 200, 2.5)}
_GROUPS_COST = 0.01  # of a resample of groups, whose coefficients stay what they are
_FEW_COSTS = {"pearson": 10, "spearman": 10, "kendall": 200}  # of up to FEW cells, with p by orders


def check_cost(
    options: Options, coefficients: int, *, few: int = 0, always_resampled: bool = False
) -> None:
    """Refuse what would calculate for longer than ``MOST_SECONDS``.

    ``few`` of the coefficients are over up to ``FEW`` cells, with p by orders.

    Raises:
        QueryError: with what to ask for less of.
    """
    each: float
    plain, grouped, resample = _COSTS[options.method]
    within = options.group_by or options.comparable_by
    each = grouped if within or options.controls else plain
    orders = 0.0 if options.group_by is not None else max(0.0, _FEW_COSTS[options.method] - each)
    if options.resampled == "groups":
        resample = _GROUPS_COST
    if options.ci == "bootstrap":
        each += options.resamples * resample * (2 if options.group_by or options.controls else 1)
    seconds = (coefficients * each + few * orders) / 1000
    if seconds > MOST_SECONDS:
        value, other = str(options.ci), "another method, or ci=fisher"
        if always_resampled:
            value, other = str(options.resamples), "or another method"
        raise QueryError(
            value,
            f"{coefficients} {options.method} coefficients would take about {seconds:.0f} s",
            f"about {MOST_SECONDS} s: fewer columns or resamples, {other}",
            "resamples" if always_resampled else "ci",
        )


def correlations(
    view: View, filters: Filters, xs: Sequence[str], ys: Sequence[str], options: Options
) -> list[Result]:
    """Every x with every y over the cells that have both.

    Raises:
        QueryError: an unknown column, a metric that was not recorded, a bad filter.
    """
    mask = view.mask(filters)
    x_fields, y_fields = ([view.field(name) for name in names] for names in (xs, ys))
    known = ([mask & ~np.isnan(view.places(one)) for one in side] for side in (x_fields, y_fields))
    few = sum(int(np.count_nonzero(one & other)) <= FEW for one, other in product(*known))
    check_cost(options, len(xs) * len(ys), few=few)
    results = []
    for x in x_fields:
        for y in y_fields:
            rows = CompleteRows(view, mask)
            x_values, y_values = rows.require(x), rows.require(y)
            fixed = controls_of(view, options)
            controls = [rows.require(field) for field in fixed]
            labels = labels_of(view, rows, options.group_by)
            keep_comparable(view, rows, (x_values, y_values, *controls), options)
            kept = rows.kept
            found = correlate(
                x_values[kept],
                y_values[kept],
                controls=[column[kept] for column in controls],
                groups=None if labels is None else labels[kept],
                classes=view.frame.classes["function"][kept],
                ci=options.ci,
                **arguments(options),
            )
            cells = rows.of(found.used)
            censored, diverged = evidence.last(view, (x, y, *fixed), cells)
            if options.method == "pearson" and (censored or diverged):
                found = evidence.no_number(found, censored, diverged)
            if options.comparable_by is not None and not kept.any():
                found = replace(found, reason=NO_GROUP)
            both = evidence.of_field(view, x, cells), evidence.of_field(view, y, cells)
            truer, why_not = evidence.without_noise(view, (x, y.resolved), both, found, options)
            told = Evidence(censored, diverged, *both, truer, why_not)
            results.append(Result(x, y, found, rows.excluded | dict(found.excluded), told, cells))
    return results
