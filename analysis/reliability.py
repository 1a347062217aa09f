"""How much of a measure's spread over cells is of the cells, and what that does to a correlation.

A cell's value with one seed is taken as μ + c_i + e_ij (one-way random effects, as in
`analysis.components`). The intraclass correlations of Shrout and Fleiss ("Intraclass correlations:
uses in assessing rater reliability", Psychological Bulletin 86, 1979) are, in mean squares,

    ICC(1) = (MSB − MSW) / (MSB + (k − 1) MSW),        ICC(1, k) = (MSB − MSW) / MSB

of a single seed and of the mean over k seeds. With unequal numbers the first has n_0 of
`analysis.components` for k, and the second is σ_c² / (σ_c² + σ_e² / k) with k their harmonic mean:
a coefficient takes each cell's mean as it is, with noise of variance σ_e² / n_i. Noise of seeds
draws a correlation towards 0 by the root of the product of both reliabilities (Spearman, "The proof
and measurement of association between two things", American Journal of Psychology 15, 1904).
"""

from dataclasses import dataclass

import numpy as np

from analysis.components import spread_of
from analysis.strata import FloatArray
from analysis.variance import Groups

ONE_SEED = "one seed"
"""Why nothing is known of what seeds do."""
UNKNOWN = "a mean whose seeds aren't told apart"
"""The same, where the number of seeds isn't known."""
SOME_UNKNOWN = f"of some cells {UNKNOWN}"
"""The same: what holds of the others may not hold of these."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability of a measure over `n` cells with `seeds` seeds each, by the harmonic mean.

    `single` is ICC(1), of one seed; `mean` is ICC(1, k), of the mean over the seeds there are.
    Either may lie below 0, where cells differ by less than seeds would make them. None with a
    `reason`, as `seeds` is where their number isn't known.
    """

    single: float | None
    mean: float | None
    seeds: float | None
    n: int
    reason: str | None = None


def reliability(sizes: FloatArray, means: FloatArray, deviations: FloatArray) -> Reliability:
    """Of cells with `sizes` (a,) seeds, their `means` and sample standard `deviations` over seeds.

    A size of 0 or NaN is not known; the deviation of a single seed is not read. Raises ValueError
    on unequal lengths.
    """
    if not sizes.shape == means.shape == deviations.shape:
        raise ValueError("sizes, means and deviations must have the same length")
    n = sizes.size
    known = sizes > 0
    if not known.all():
        return Reliability(None, None, None, n, SOME_UNKNOWN if known.any() else UNKNOWN)
    if not n:
        return Reliability(None, None, None, 0, "no cells")
    if sizes.max() == 1:
        return Reliability(None, None, 1.0, n, ONE_SEED)
    seeds = float(n / (1 / sizes).sum())
    squares = np.where(sizes > 1, deviations**2 * (sizes - 1), 0.0)
    found = spread_of(Groups(sizes, means, squares, "cell"))
    if found.between_unclipped is None or found.within is None:
        return Reliability(None, None, seeds, n, "fewer than 2 cells")
    between, within = found.between_unclipped, found.within
    if between + within / seeds <= 0:  # the means are all the same, or nearly so
        return Reliability(None, None, seeds, n, "the means over seeds do not vary")
    return Reliability(between / (between + within), between / (between + within / seeds), seeds, n)


def disattenuated(
    coefficient: float, x: float | None, y: float | None
) -> tuple[float | None, str | None]:
    """The coefficient without the noise of seeds, r / √(rel_x rel_y), and why there is none.

    `x` and `y` are the reliabilities, 1 for what has no noise and None for what isn't known. Exact
    for Pearson's coefficient of measures whose noise is independent, an approximation for
    Spearman's. A result beyond ±1 is no correlation: the reliabilities are too uncertain for it.
    """
    if x is None or y is None:
        return None, "the reliability is not known"
    if x <= 0 or y <= 0:
        return None, "a reliability is not above 0"
    found = float(coefficient / np.sqrt(x * y))
    if abs(found) > 1:
        return None, "beyond ±1: the reliability is too low, or too uncertain"
    return found, None
