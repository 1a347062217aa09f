"""A mean of coefficients over groups, the groups being a sample.

The mean is R = Σ w_g r_g with weights w_g = n_g / Σ n_g. Groups differ in more than chance: what
width tells among cells with one set of operations need not be what it tells among others. So the
variance of R is taken from how the groups' coefficients spread, whatever that comes from,

    V = Σ w_g² (r_g − R)² / h_g,    h_g = 1 − 2 w_g + Σ w²,

the cluster-robust variance of a weighted mean (Liang & Zeger, Biometrika 73, 1986) with each term
divided by what R's nearness to its own r_g takes from it: unbiased, however unequal the groups, if
their coefficients have one variance (Bell & McCaffrey, "Bias reduction in standard errors for
linear regression with multi-stage samples", Survey Methodology 28, 2002). t has Satterthwaite's
degrees of freedom under that model, (tr A)² / tr A² with V = r' A r, as they propose: G − 1 for G
groups of one size, hardly more than 1 where one group has most of the rows. Interval and p are on
the scale of Fisher's z, where V becomes V / (1 − R²)² (the delta method), so that no interval
leaves [−1, 1].

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
    squares = float(weights @ weights)
    shares = weights**2 / (1 - 2 * weights + squares)
    variance = float(shares @ (r - mean) ** 2)
    # Equal coefficients differ by the rounding of their mean alone.
    if variance <= _ROUNDING**2 or abs(mean) == 1:
        return Certainty.none(SAME)
    degrees = _degrees(weights, shares, squares)
    return Certainty.by_groups(float(np.arctanh(mean)), variance**0.5 / (1 - mean**2), degrees)


def _degrees(weights: FloatArray, shares: FloatArray, squares: float) -> float:
    """(tr A)² / tr A² of A = M' D M; M takes the mean by `weights` off, D has `shares` (g,).

    `squares` are Σ w². With d the diagonal of D, A is D − w d' − d w' + Σd w w'.
    """
    total, both, of_shares = float(shares.sum()), float(weights @ shares), float(shares @ shares)
    trace = total - 2 * both + total * squares
    rest = total * weights**2 - 2 * weights * shares  # on the diagonal, beside D
    of_rest = 2 * both**2 + 2 * squares * of_shares - 4 * total * squares * both
    return trace**2 / (of_shares + 2 * float(shares @ rest) + of_rest + (total * squares) ** 2)


def heterogeneity(r: FloatArray, variances: FloatArray) -> float | None:
    """I² of coefficients `r` (g,) whose z has the given `variances` (g,); None below two groups."""
    known = np.isfinite(variances) & (np.abs(r) < 1)
    degrees = np.count_nonzero(known) - 1
    if degrees < 1:
        return None
    z, precision = np.arctanh(r[known]), 1 / variances[known]
    q = float(precision @ (z - np.average(z, weights=precision)) ** 2)
    return max(0.0, 1 - float(degrees) / q) if q > 0 else 0.0
