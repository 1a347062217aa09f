"""Differences of correlations over the same loaded cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.contrast import Contrast, contrasts
from analysis.reliability import Reliability
from data import evidence
from data.correlations import (
    CompleteRows,
    Options,
    arguments,
    check_cost,
    controls_of,
    labels_of,
)
from data.frame import Mask
from data.queries import Filters, View


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Coefficients and differences over the same cells.

    Attributes:
        excluded: how many cells are left out, by reason.
        censored, diverged: how many are ranked last, as too slow for a metric or as diverged.
        reliability: of each column over these cells, None for one that no training touches.
        cells: those that all coefficients rest on, (cells,).
    """

    items: list[Contrast]
    excluded: dict[str, int]
    censored: int
    diverged: int
    reliability: dict[str, Reliability | None]
    cells: Mask


def over_the_same_cells(
    view: View, filters: Filters, xs: Sequence[str], ys: Sequence[str], options: Options
) -> Contrasts:
    """One or two x with one or two y over the cells that have all, and what they differ by.

    Raises:
        QueryError: an unknown column, a metric that was not recorded, a bad filter.
    """
    check_cost(options, len(xs) * len(ys), always_resampled=True)
    rows = CompleteRows(view, view.mask(filters))
    fields = [[view.field(name) for name in names] for names in (xs, ys)]
    fixed = controls_of(view, options)
    columns = [[rows.require(field) for field in side] for side in fields]
    controls = [rows.require(field) for field in fixed]
    labels = labels_of(view, rows, options.group_by)
    kept = rows.kept
    found = contrasts(
        *(np.stack(side)[:, kept] for side in columns),
        controls=[column[kept] for column in controls],
        groups=None if labels is None else labels[kept],
        classes=view.frame.classes["function"][kept],
        **arguments(options),
    )
    cells = rows.of(found[0].used)
    last = evidence.last(view, [*fields[0], *fields[1], *fixed], cells)
    if options.method == "pearson" and any(last):
        why_not = evidence.why_no_number(*last)
        found = [
            replace(one, estimate=None, standard_error=None, ci=None, reason=why_not)
            for one in found
        ]
    left = int(np.count_nonzero(kept)) - found[0].n
    ungrouped = {"in a group without every coefficient": left} if left else {}
    noise = {one.name: evidence.of_field(view, one, cells) for side in fields for one in side}
    return Contrasts(found, rows.excluded | ungrouped, *last, noise, cells)
