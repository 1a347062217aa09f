"""Correlations epoch by epoch: over the same cells at each, or over those that each has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.censoring import beyond
from analysis.correlation import NOT_RECORDED, correlate_columns
from analysis.permutation import FEW
from data import evidence
from data.catalogue import Resolved, ranges
from data.correlations import (
    CompleteRows,
    Options,
    Result,
    arguments,
    check_cost,
    controls_of,
    labels_of,
)
from data.errors import QueryError
from data.evidence import Evidence
from data.frame import Mask
from data.queries import Field, Filters, View
from data.standing import fewest_and_most

EPOCHS_AT_ONCE = 25
"""Columns that are correlated at a time, which bounds the memory of their ranks."""

NOT_AT_EVERY_EPOCH = "not recorded at every epoch shown"


@dataclass(frozen=True, slots=True)
class Epochs:
    """Which epochs are shown, and whether all coefficients are over the same cells."""

    first: int | None = None
    last: int | None = None
    same_cells: bool = True


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One coefficient of a correlation by epoch; the fewest and most ``seeds`` of its cells."""

    epoch: int
    result: Result
    seeds: list[int] | None


def places_of(curve: Resolved, epochs: Epochs) -> list[int]:
    """Where the epochs that are to be shown stand among those of ``curve``.

    Raises:
        QueryError: none is recorded.
    """
    low, high = epochs.first or 1, epochs.last or curve.curve.schedule
    shown = [place for place, epoch in enumerate(curve.epochs) if low <= epoch <= high]
    if not shown:
        raise QueryError(
            f"{low}..{high}",
            "no epoch is recorded there",
            f"an interval with any of {ranges(curve.epochs)}",
            "min_epoch" if epochs.first is not None else "max_epoch",
        )
    return shown


def by_epoch(
    view: View,
    filters: Filters,
    xs: Sequence[str],
    curve: Resolved,
    options: Options,
    epochs: Epochs = Epochs(),
) -> Iterator[EpochResult]:
    """Every x with the mean over seeds at the recorded epochs of ``curve``.

    Over the cells that have all of these epochs, unless ``epochs.same_cells`` is false: then over
    those that each epoch has.

    Raises:
        QueryError: as :func:`correlations` and :func:`places_of`.
    """
    shown = places_of(curve, epochs)
    curves = view.snapshot.vectors.curves(curve)
    recorded = ~np.isnan(curves.mean[:, shown[0] : shown[-1] + 1])
    everywhere = np.all(recorded, axis=1) if epochs.same_cells else None
    mask, fields, few = view.mask(filters), [view.field(x) for x in xs], 0
    for field in fields:
        cells = mask & ~np.isnan(view.places(field))
        if everywhere is None:
            few += int(np.count_nonzero(np.count_nonzero(recorded[cells], axis=0) <= FEW))
        elif np.count_nonzero(cells & everywhere) <= FEW:
            few += len(shown)
    check_cost(options, len(fields) * len(shown), few=few)
    for field in fields:
        yield from _of_one(view, mask, field, curve, shown, options, everywhere)


def _of_one(
    view: View,
    mask: Mask,
    field: Field,
    curve: Resolved,
    shown: list[int],
    options: Options,
    everywhere: Mask | None,
) -> Iterator[EpochResult]:
    """One x, over the cells of ``mask``, at the places ``shown`` of the curve's epochs.

    Over those ``everywhere``, (cells,), where these are given.
    """
    curves = view.snapshot.vectors.curves(curve)
    all_curves = evidence.all_seeds(view, curve)
    rows = CompleteRows(view, mask)
    x_values = rows.require(field)
    fixed = controls_of(view, options)
    controls = [rows.require(control) for control in fixed]
    labels = labels_of(view, rows, options.group_by)
    if everywhere is not None:
        rows.leave_out(NOT_AT_EVERY_EPOCH, rows.kept & ~everywhere)
    for first in range(0, len(shown), EPOCHS_AT_ONCE):
        places = shown[first : first + EPOCHS_AT_ONCE]
        values, of_seeds = (one.taking(rows.kept, places) for one in (curves, all_curves))
        columns = values.mean
        found = correlate_columns(
            x_values[rows.kept],
            np.apply_along_axis(beyond, 0, columns) if np.isinf(columns).any() else columns,
            controls=[column[rows.kept] for column in controls],
            groups=None if labels is None else labels[rows.kept],
            classes=view.frame.classes["function"][rows.kept],
            ci=options.ci,
            **arguments(options),
        )
        for at, (place, correlation) in enumerate(zip(places, found, strict=True)):
            used = correlation.used
            means, seeds = values.mean[:, at], values.seeds[:, at][used]
            cells, lost = rows.of(used), used & np.isinf(means)
            censored, diverged = evidence.last(view, (field, *fixed), cells & ~rows.of(lost))
            diverged += int(np.count_nonzero(lost))
            n = int(np.count_nonzero(~np.isnan(means)))
            if options.method == "pearson" and (censored or diverged):
                correlation = evidence.no_number(correlation, censored, diverged)
            elif everywhere is not None and n < 3 and len(shown) > 1:
                correlation = replace(correlation, reason=_too_few(n, len(shown)))
            name = f"{curve.metric.measure}@{curve.epochs[place]}of{curve.curve.schedule}"
            left_out = {
                f"no {name}" if reason == NOT_RECORDED else reason: count
                for reason, count in correlation.excluded.items()
            }
            both = evidence.of_field(view, field, cells), evidence.of_epoch(of_seeds, at, used)
            told = Evidence(
                censored,
                diverged,
                *both,
                *evidence.without_noise(view, (field, curve), both, correlation, options),
            )
            result = Result(field, Field(name), correlation, rows.excluded | left_out, told, cells)
            yield EpochResult(curve.epochs[place], result, fewest_and_most(seeds))


def _too_few(n: int, epochs: int) -> str:
    """Why there is nothing over the same cells, and what to do."""
    return (
        f"{n or 'no'} cell{'' if n == 1 else 's'} recorded at each of these {epochs} epochs: fewer "
        "epochs (min_epoch, max_epoch), or same_cells=false for other cells at each"
    )
