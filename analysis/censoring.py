"""Runs without a value that still tell something: too slow to reach a point, or diverged.

Curves are one a row, ``(runs, epochs)``, epoch 1 first; NaN is an epoch that was not recorded, an
infinity one at which the training had diverged. A run whose every epoch is recorded and that never
got to a point is censored at the end of its schedule (type I censoring): it would have needed more
epochs than there are, so that its rank is known where its value isn't. Methods that go by ranks
put it behind every run that got there. A run that was *stopped* before it got there is censored at
an epoch of its own, earlier than others reached the point: its rank isn't known, and it counts as
one that wasn't recorded. A run that diverged got nowhere, and is the last of all.

Over seeds, the least that a mean of censored times can be is their mean with T + 1 for those that
did not get there in T epochs: the restricted mean of survival analysis (Irwin, "The standard error
of an estimate of expectation of life", Journal of Hygiene 47, 1949), with its horizon one epoch
behind the schedule. Cells are ranked by it.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from analysis.strata import FloatArray

Codes = npt.NDArray[np.int8]


class Standing(IntEnum):
    """What is known of a run or cell: a value, or why there is none."""

    NOT_RECORDED = 0
    STOPPED = 1
    OBSERVED = 2
    CENSORED = 3
    DIVERGED = 4


def of_values(values: FloatArray, curves: FloatArray) -> Codes:
    """The standing of runs whose ``values`` (runs,) come from all of ``curves`` (runs, epochs)."""
    codes = np.full(len(values), Standing.NOT_RECORDED, np.int8)
    codes[np.isinf(curves).any(axis=1)] = Standing.DIVERGED
    codes[np.isfinite(values)] = Standing.OBSERVED
    return codes


def of_times(times: FloatArray, curves: FloatArray) -> Codes:
    """The standing of runs whose ``times`` (runs,) are first epochs with something on ``curves``.

    The curves have all epochs of the schedule. One that is recorded whole and has no time is
    censored; one that has its first epochs alone was stopped; one with gaps tells nothing.
    """
    finite = np.isfinite(curves)
    lead = np.logical_and.accumulate(finite, axis=1).sum(axis=1)
    length = curves.shape[1]
    codes = np.full(len(times), Standing.NOT_RECORDED, np.int8)
    recorded = np.count_nonzero(~np.isnan(curves), axis=1)
    codes[(lead > 0) & (lead == recorded)] = Standing.STOPPED
    behind = np.minimum(lead, length - 1)[:, np.newaxis]
    codes[np.isinf(np.take_along_axis(curves, behind, axis=1))[:, 0]] = Standing.DIVERGED
    codes[lead == length] = Standing.CENSORED
    codes[np.isfinite(times)] = Standing.OBSERVED
    return codes


def beyond(places: FloatArray) -> FloatArray:
    """The same order in finite numbers: infinities of (n,) become one more, or less, than all."""
    finite = places[np.isfinite(places)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    ordered = np.where(places == np.inf, high + 1, places)
    return np.where(places == -np.inf, low - 1, ordered)
