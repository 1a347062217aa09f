"""Where a cell's value comes from: one source, never several averaged or joined.

Of all sources that have the value (for a measure over epochs: every epoch that it needs), and there
of the tiers of rows (named seeds, unnamed seeds, a table's own means), the first is taken

1. for a whole curve, which needs no epoch in particular: by most epochs;
2. by how many seeds: several named seeds, several unnamed ones, a table's own mean, one named seed,
   one unnamed seed;
3. the official table before others;
4. the source that was imported first.

A metric and a curve of one cell may so be from different sources; answers count the cells that
each gave. What is the same training at all, so that sources can have it in common, is for
:mod:`data.catalogue` to say.
"""

from __future__ import annotations

import numpy as np

from data.curve_rows import MEANS, CurveRows, fold, starts_of
from data.frame import Mask

_SINGLE = 3  # added to the tier of one seed alone, which comes after means over several
_UNHELD = 9  # stands for the grade of what has no value


def of_one_source(rows: CurveRows, held: Mask) -> Mask:
    """The rows of the source and tier that each cell's value is taken from, (rows,).

    ``held`` is (rows, columns): where there is a value, one column for a metric, one an epoch for a
    whole curve.
    """
    cell_starts = np.flatnonzero(starts_of(rows.cell))
    starts = np.flatnonzero(starts_of(rows.cell, rows.source, rows.tier))
    if len(starts) == len(cell_starts):
        return np.ones(len(rows.cell), np.bool_)
    lengths = np.diff(np.r_[starts, len(rows.cell)])
    tier = rows.tier[starts]
    covered = np.count_nonzero(fold(np.logical_or, held, starts, lengths), axis=1)
    seeds = fold(np.add, held.any(axis=1).astype(np.int64), starts, lengths)
    grade = np.where((tier == MEANS) | (seeds > 1), tier, tier + _SINGLE)
    grade[seeds == 0] = _UNHELD
    # Candidates of a cell stand in the order of their sources, which their place in it keeps.
    first = np.searchsorted(starts, cell_starts)
    several = np.diff(np.r_[first, len(starts)])
    place = np.arange(len(starts)) - np.repeat(first, several)
    worth = ((held.shape[1] - covered) * (_UNHELD + 1) + grade) * (place.max() + 1) + place
    best = np.minimum.reduceat(worth, first)
    return np.repeat(worth == np.repeat(best, several), lengths)
