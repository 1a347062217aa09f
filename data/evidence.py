"""What stands beside a coefficient: cells ranked last, and how reliable the measures are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.censoring import Standing
from analysis.correlation import Correlation
from analysis.reliability import ONE_SEED, Reliability, disattenuated, reliability
from data.catalogue import Resolved
from data.epochs import EpochStatistics
from data.frame import Floats, Mask
from data.queries import Field, View

if TYPE_CHECKING:
    from data.correlations import Options

SAME_TRAININGS = "x and y are of the same trainings, so that their noise goes together"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one coefficient rests on, beside the number of cells.

    Attributes:
        censored: cells that are ranked last, or by the least that their mean can be, because one
            of the columns never got there.
        diverged: cells that are ranked last because a training diverged.
        x, y: reliability of either column; None for one that has no noise of seeds.
        disattenuated: the coefficient without that noise; None with ``why_not`` where undefined.
    """

    censored: int
    diverged: int
    x: Reliability | None = None
    y: Reliability | None = None
    disattenuated: float | None = None
    why_not: str | None = None

    @property
    def of_metrics(self) -> bool:
        """Whether a column is of trainings at all."""
        return self.x is not None or self.y is not None


def last(view: View, fields: Iterable[Field], cells: Mask) -> tuple[int, int]:
    """How many of the cells are censored, and how many diverged, in any of the columns."""
    slow, lost = np.zeros(cells.shape, np.bool_), np.zeros(cells.shape, np.bool_)
    for field in fields:
        codes = view.codes(field)
        if codes is not None and field.resolved and field.resolved.metric.aspect == "value":
            slow |= cells & (codes == Standing.CENSORED)
            lost |= cells & (codes == Standing.DIVERGED)
    return int(np.count_nonzero(slow & ~lost)), int(np.count_nonzero(lost))


def why_no_number(censored: int, diverged: int) -> str:
    """Why a method has no coefficient that needs numbers where cells have only a place."""
    told = [
        f"{count} {what}"
        for count, what in ((censored, "never got there"), (diverged, "diverged"))
        if count
    ]
    return f"cells without a number ({', '.join(told)}): spearman and kendall rank them last"


def no_number(found: Correlation, censored: int, diverged: int) -> Correlation:
    """The answer of such a method, where ``found`` came out over places."""
    return replace(
        found,
        coefficient=None,
        p_value=None,
        ci=None,
        reason=why_no_number(censored, diverged),
        p_method=None,
        p_reason=None,
        ci_reason=None,
        n_effective=None,
        i_squared=None,
        i_squared_reason=None,
    )


def of_field(view: View, field: Field, cells: Mask) -> Reliability | None:
    """The reliability of a metric over ``cells``; None for anything else."""
    if field.resolved is None or field.resolved.metric.aspect != "value":
        return None
    vector = view.snapshot.vectors.metric(_of_all_seeds(field.resolved))
    inside = vector.codes[cells]
    if np.isin(inside, (Standing.CENSORED, Standing.DIVERGED)).any():
        return Reliability(None, None, None, 0, "cells without a number")
    return reliability(vector.n_seeds[cells], vector.value[cells], vector.std[cells])


def of_epoch(found: EpochStatistics, place: int, cells: Mask) -> Reliability:
    """The reliability of a measure at an epoch of ``found`` over its ``cells`` recorded there."""
    means = found.mean[:, place][cells]
    sizes = found.seeds[:, place][cells].astype(np.float64)
    if np.isinf(means).any():
        return Reliability(None, None, None, 0, "cells without a number")
    if found.std is None and sizes.any():
        return Reliability(None, None, 1.0, int(np.count_nonzero(sizes)), ONE_SEED)
    std: Floats = (
        np.zeros(len(means)) if found.std is None else found.std[:, place][cells].astype(float)
    )
    return reliability(sizes, means, std)


def all_seeds(view: View, curve: Resolved) -> EpochStatistics:
    """The curves over all seeds, whatever seed is asked for."""
    return view.snapshot.vectors.curves(_of_all_seeds(curve))


def _of_all_seeds(resolved: Resolved) -> Resolved:
    return replace(resolved, context=replace(resolved.context, seed=None))


def icc(view: View, found: Reliability) -> float | None:
    """The one that holds for the values at hand: of a mean over seeds, or of one seed."""
    return found.mean if view.context.seed is None else found.single


def without_noise(
    view: View,
    fields: tuple[Field, Resolved | None],
    both: tuple[Reliability | None, Reliability | None],
    correlation: Correlation,
    options: Options,
) -> tuple[float | None, str | None]:
    """The coefficient of x and y without the noise of seeds, and why there is none.

    ``fields`` are x and the curve of y, ``both`` their reliabilities.
    """
    x, y = fields[0].resolved, fields[1]
    if correlation.coefficient is None:
        return None, "the coefficient is undefined"
    if options.method == "kendall":
        return None, "the formula is for pearson and spearman"
    if options.controls or options.group_by is not None:
        return None, "the formula is for plain coefficients"
    if x is not None and y is not None and _training(x) == _training(y):
        return None, SAME_TRAININGS
    for one in (x, y):
        if one is not None and one.metric.aspect != "value":
            return None, f"the reliability is not known: {one.metric} is no value of a training"
    reliabilities = [1.0 if one is None else icc(view, one) for one in both]
    reasons = [one.reason for one in both if one is not None and one.reason is not None]
    if reasons:
        return None, f"the reliability is not known: {reasons[0]}"
    return disattenuated(correlation.coefficient, *reliabilities)


def _training(resolved: Resolved) -> tuple[object, ...]:
    curve = resolved.curve
    return curve.dataset, curve.schedule, curve.recipe, curve.images, curve.split
