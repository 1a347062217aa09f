"""Where a cell stands among those of a study by a measure, also one that it has no number for.

As in every other answer (docs/concepts.md): a training that never got to a point in its whole
schedule is censored, and ranked by the epoch behind it; one that diverged is behind all others by
whatever is measured at or after the epoch at which it did, and counts as any other by what is
measured before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.censoring import Standing
from service.studies.outcomes import FloatArray, Outcome

Measure = Callable[[FloatArray, FloatArray], float]
"""From the accuracies and training losses of one run, (1, epochs) each, to a number."""


@dataclass(frozen=True, slots=True)
class Place:
    """What ranks go by, infinite behind all others, None where nothing is known; and why."""

    place: float | None
    standing: Standing


_DECIMALS = 9
"""Of a percentage, nats or epochs; one image more or less makes far more of a difference."""

NOWHERE = Place(None, Standing.NOT_RECORDED)


def of_cell(name: str, measure: Measure, group: Sequence[Outcome], epochs: int) -> Place:
    """The place of a cell by a measure of its trainings, over the seeds that tell something."""
    timed = name.startswith(("epochs_to_", "half_life"))
    values, standings = [], set()
    for one in group:
        value, standing = _of_run(measure, one, epochs, timed=timed)
        if standing != Standing.NOT_RECORDED:
            never = standing in (Standing.CENSORED, Standing.DIVERGED)
            values.append(epochs + 1.0 if timed and never else value)
            standings.add(standing)
    if not values:
        return NOWHERE
    if Standing.DIVERGED in standings:
        behind = -np.inf if name.startswith(("accuracy", "aulc")) else np.inf
        return Place(_mean(values) if timed else behind, Standing.DIVERGED)
    return Place(_mean(values), max(standings))


def numbers(measure: Measure, group: Sequence[Outcome], epochs: int) -> list[float]:
    """The measure of those trainings of a cell that have a number, in their order."""
    found = (_of_run(measure, one, epochs, timed=False) for one in group)
    return [value for value, standing in found if standing == Standing.OBSERVED]


def ranks(places: Mapping[str, Place]) -> dict[str, float | None]:
    """By cell, its rank among those with a place, 1 the lowest, mid-ranks for ties; else None."""
    from scipy.stats import rankdata

    known = {cell: one.place for cell, one in places.items() if one.place is not None}
    ranked = rankdata([*known.values()]).tolist()
    return dict.fromkeys(places) | dict(zip(known, ranked, strict=True))


def _mean(values: Sequence[float]) -> float:
    """Without the last digits, so that equal means tie in whatever order they were summed."""
    return float(np.round(np.mean(values), _DECIMALS))


def _of_run(measure: Measure, one: Outcome, epochs: int, *, timed: bool) -> tuple[float, Standing]:
    if not (one.diverged or one.state == "done"):
        return np.nan, Standing.NOT_RECORDED
    value = measure(one.accuracy[np.newaxis], one.train_loss[np.newaxis])
    if np.isfinite(value):
        return value, Standing.OBSERVED
    if one.diverged:
        return np.nan, Standing.DIVERGED
    whole = len(one.accuracy) == epochs and bool(np.isfinite(one.accuracy).all())
    return np.nan, Standing.CENSORED if timed and whole else Standing.NOT_RECORDED
