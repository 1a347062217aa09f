"""Correlations over the loaded cells: which rows count, which are left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.coefficients import Method
from analysis.correlation import NOT_RECORDED, Correlation, Interval, correlate, correlate_columns
from data.catalogue import Resolved
from data.columns import COLUMNS, GROUPINGS
from data.errors import QueryError
from data.frame import Floats, Mask
from data.queries import Field, Filters, View

EPOCHS_AT_ONCE = 25
"""Columns that are correlated at a time, which bounds the memory of their ranks."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to correlate; see :func:`analysis.correlation.correlate`."""

    method: Method = "spearman"
    controls: tuple[str, ...] = ()
    group_by: str | None = None
    ci: Interval = "fisher"
    confidence: float = 0.95
    resamples: int = 999
    bootstrap_seed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One coefficient with what it was computed from."""

    x: Field
    y: Field
    correlation: Correlation
    excluded: dict[str, int]


class _Rows:
    """The rows that are complete in every column so far, and why the others are not."""

    def __init__(self, view: View, mask: Mask) -> None:
        self.view = view
        self.kept = mask.copy()
        self.excluded: dict[str, int] = {}

    def require(self, field: Field) -> Floats:
        """Drop the rows that lack ``field``, counting them; returns the whole column."""
        values = self.view.numbers(field)
        missing = self.kept & np.isnan(values)
        if missing.any():
            column = COLUMNS.get(field.name)
            cut = missing & ~self.view.frame.connected
            if column is not None and column.group == "topology" and cut.any():
                self._count("disconnected", cut)
                missing &= ~cut
            if column is None:
                self._count(f"no {field.name}", missing)
            else:
                for space, inside in self.view.frame.spaces.items():
                    why = column.null_when if space in column.spaces else f"not defined in {space}"
                    self._count(f"no {field.name}: {why}", missing & inside)
        return values

    def _count(self, reason: str, rows: Mask) -> None:
        if rows.any():
            self.excluded[reason] = self.excluded.get(reason, 0) + int(np.count_nonzero(rows))
            self.kept &= ~rows


def _controls(view: View, options: Options) -> list[Field]:
    return [view.field(name) for name in options.controls]


def _labels(view: View, rows: _Rows, group_by: str | None) -> Any:
    """A label for every cell, (cells,), or None without groups."""
    if group_by is None:
        return None
    if group_by in GROUPINGS:
        return view.frame.multisets(group_by)
    return rows.require(view.field(group_by, others=GROUPINGS))


def _arguments(options: Options) -> dict[str, Any]:
    return {
        "method": options.method,
        "ci": options.ci,
        "confidence": options.confidence,
        "resamples": options.resamples,
        "seed": options.bootstrap_seed,
    }


MOST_SECONDS = 30
"""What a request may calculate, so that none keeps the others waiting for minutes."""

# Milliseconds a coefficient over 15,000 cells on one core: plain, with groups or controls, and
# each bootstrap resample. Rough figures, on the safe side: they only bound what is asked for.
_COSTS = {"pearson": (1, 5, 0.15), "spearman": (3, 15, 0.3), "kendall": (3, 100, 2.5)}


def check_cost(options: Options, coefficients: int) -> None:
    """Refuse what would calculate for longer than ``MOST_SECONDS``.

    Raises:
        QueryError: with what to ask for less of.
    """
    each: float
    plain, grouped, resample = _COSTS[options.method]
    each = grouped if options.group_by or options.controls else plain
    if options.ci == "bootstrap":
        each += options.resamples * resample * (2 if options.group_by or options.controls else 1)
    seconds = coefficients * each / 1000
    if seconds > MOST_SECONDS:
        raise QueryError(
            options.ci,
            f"{coefficients} {options.method} coefficients would take about {seconds:.0f} s",
            f"about {MOST_SECONDS} s: fewer columns or resamples, another method, or ci=fisher",
            "ci",
        )


def correlations(
    view: View, filters: Filters, xs: Sequence[str], ys: Sequence[str], options: Options
) -> list[Result]:
    """Every x with every y over the cells that have both.

    Raises:
        QueryError: an unknown column, a metric that was not recorded, a bad filter.
    """
    check_cost(options, len(xs) * len(ys))
    mask = view.mask(filters)
    results = []
    for x in map(view.field, xs):
        for y in map(view.field, ys):
            rows = _Rows(view, mask)
            x_values, y_values = rows.require(x), rows.require(y)
            controls = [rows.require(field) for field in _controls(view, options)]
            labels = _labels(view, rows, options.group_by)
            kept = rows.kept
            found = correlate(
                x_values[kept],
                y_values[kept],
                controls=[column[kept] for column in controls],
                groups=None if labels is None else labels[kept],
                **_arguments(options),
            )
            results.append(Result(x, y, found, rows.excluded | dict(found.excluded)))
    return results


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One coefficient of a correlation by epoch."""

    epoch: int
    result: Result


def by_epoch(
    view: View,
    filters: Filters,
    x: str,
    curve: Resolved,
    options: Options,
) -> list[EpochResult]:
    """x with the mean over seeds at every recorded epoch of ``curve``.

    Raises:
        QueryError: as :func:`correlations`.
    """
    check_cost(options, len(curve.epochs))
    means = view.snapshot.vectors.curves(curve)
    rows = _Rows(view, view.mask(filters))
    field = view.field(x)
    x_values = rows.require(field)
    controls = [rows.require(control) for control in _controls(view, options)]
    labels = _labels(view, rows, options.group_by)
    kept = rows.kept
    found: list[Correlation] = []
    for first in range(0, means.shape[1], EPOCHS_AT_ONCE):
        found += correlate_columns(
            x_values[kept],
            means[kept, first : first + EPOCHS_AT_ONCE],
            controls=[column[kept] for column in controls],
            groups=None if labels is None else labels[kept],
            **_arguments(options),
        )
    results = []
    for epoch, correlation in zip(curve.epochs, found, strict=True):
        name = f"{curve.metric.measure}@{epoch}of{curve.curve.schedule}"
        left_out = {
            f"no {name}" if reason == NOT_RECORDED else reason: count
            for reason, count in correlation.excluded.items()
        }
        results.append(
            EpochResult(epoch, Result(field, Field(name), correlation, rows.excluded | left_out))
        )
    return results
