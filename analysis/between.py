"""A mean of coefficients over groups, the groups being a sample.

The mean is R = Σ w_g r_g with weights w_g = n_g / Σ n_g. Groups differ in more than chance: what
width tells among cells with one set of operations need not be what it tells among others. So the
variance of R is taken from how the groups' coefficients spread, whatever that comes from,

    V = G / (G − 1) Σ w_g² (r_g − R)²

over G groups, the cluster-robust variance of a weighted mean (Liang & Zeger, Biometrika 73, 1986;
with the correction for few groups of Cameron & Miller, "A practitioner's guide to cluster-robust
inference", Journal of Human Resources 50, 2015, section VI.A), and t has G − 1 degrees of freedom.
Interval and p are on the scale of Fisher's z, where V becomes V / (1 − R²)² (the delta method), so
that no interval leaves [−1, 1].

How much of the spread is more than chance is I² = max(0, 1 − df / Q) (Higgins & Thompson,
"Quantifying heterogeneity in a meta-analysis", Statistics in Medicine 21, 2002), with Cochran's
Q = Σ (z_g − z̄)² / v_g of z_g = artanh r_g, z̄ their mean weighted by 1 / v_g, v_g the variance that
z has without groups (`analysis.intervals`), and df one less than the number of groups. Groups with
|r_g| = 1, whose z is infinite, and those too small for v_g are not in Q.
"""

from dataclasses import replace

import numpy as np

from analysis.intervals import Certainty
from analysis.strata import FloatArray

ONE_GROUP = "one group is no sample of groups"
SAME = "the coefficient is the same in every group"

_ROUNDING = 4 * float(np.finfo(np.float64).eps)


def group_certainty(
    r: FloatArray, weights: FloatArray, variances: FloatArray, unknown: str
) -> Certainty:
    """What is known of R = Σ w_g r_g, from the coefficients `r` (g,) of the groups that count.

    `weights` (g,) sum to 1; `variances` (g,) of z_g are NaN where unknown, for which `unknown` is
    the reason if it leaves no two.
    """
    i_squared = heterogeneity(r, variances)
    reason = None if i_squared is not None else ONE_GROUP if r.size == 1 else unknown
    return replace(_mean(r, weights), i_squared=i_squared, i_squared_reason=reason)


def _mean(r: FloatArray, weights: FloatArray) -> Certainty:
    if r.size == 1:
        return Certainty.none(ONE_GROUP)
    mean = float(weights @ r)
    variance = float(r.size / (r.size - 1) * (weights**2 @ (r - mean) ** 2))
    # Equal coefficients differ by the rounding of their mean alone.
    if variance <= _ROUNDING**2 or abs(mean) == 1:
        return Certainty.none(SAME)
    return Certainty.by_groups(float(np.arctanh(mean)), variance**0.5 / (1 - mean**2), r.size - 1)


def heterogeneity(r: FloatArray, variances: FloatArray) -> float | None:
    """I² of coefficients `r` (g,) whose z has the given `variances` (g,); None below two groups."""
    known = np.isfinite(variances) & (np.abs(r) < 1)
    degrees = np.count_nonzero(known) - 1
    if degrees < 1:
        return None
    z, precision = np.arctanh(r[known]), 1 / variances[known]
    q = float(precision @ (z - np.average(z, weights=precision)) ** 2)
    return max(0.0, 1 - float(degrees) / q) if q > 0 else 0.0
