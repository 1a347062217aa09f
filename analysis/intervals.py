"""p-values and Fisher's confidence intervals for correlation coefficients.

Fisher's z = artanh(r) is about normal, with a variance that hardly depends on the coefficient. With
n rows and k controls held fixed it is taken as

- Pearson: 1 / (n − 3 − k) (Fisher, "On the probable error of a coefficient of correlation deduced
  from a small sample", Metron 1, 1921, and for partial coefficients Metron 3, 1924);
- Spearman: (1 + r²/2) / (n − 3 − k) (Bonett & Wright, "Sample size requirements for estimating
  Pearson, Kendall and Spearman correlations", Psychometrika 65, 2000);
- Kendall: 0.437 / (n − 4) (Fieller, Hartley & Pearson, "Tests for rank correlation coefficients",
  Biometrika 44, 1957); nothing of the kind is established for a partial tau.

The mean within groups is R = Σ w_g r_g with weights w_g = n_g / Σ n_g. As the groups are
independent and dr = (1 − r²) dz (the delta method),

    var(R) = Σ w_g² (1 − r_g²)² var(z_g),    var(artanh R) = var(R) / (1 − R²)².

A group too small for var(z_g) counts with var(r_g) = 1, the most that a value in [−1, 1] can have.
In one with |r_g| = 1, of which the formula would claim certainty, R stands in for r_g on the right.
The interval is one for the expectation of R, which in small groups lies somewhat nearer to 0 than
the coefficient of the whole population: by about r (1 − r²) / 2n for Pearson, more for Spearman.
"""

from dataclasses import dataclass

import numpy as np

from analysis.coefficients import Coefficients, Method
from analysis.strata import FloatArray, Strata

SMALLEST = {"pearson": 4, "spearman": 4, "kendall": 5}
"""Rows from which on z has a variance, without controls; one more for each control."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What is known of the sampling distribution of e coefficients.

    `p` (e,): two-sided p-values; `z_variance` (e,): variance of artanh of the coefficient; both NaN
    where unknown, which `unknown` explains.
    """

    p: FloatArray
    z_variance: FloatArray
    unknown: str


def infer(
    method: Method,
    found: Coefficients,
    coefficients: FloatArray,
    weights: FloatArray,
    strata: Strata,
    *,
    grouped: bool,
) -> Inference:
    """The distribution of `coefficients` (e,) = Σ weights (e, g) · `found.r` over the `strata`.

    Without groups p is the one that came with the coefficient, else by t; within groups it is by
    the normal distribution of artanh(R), so below 1 − confidence just where the Fisher interval
    excludes 0.
    """
    if method == "kendall" and found.n_controls.any():
        unknown = np.full(coefficients.shape, np.nan)
        return Inference(unknown, unknown, "the distribution of a partial tau-b is not known")
    variances = z_variances(method, found, strata)
    smallest = SMALLEST[method]
    if grouped:
        variance = mean_z_variances(found.r, variances, weights, coefficients)
        needed = f"no group has {smallest} rows, and one more for each control"
        return Inference(_z_p_values(coefficients, variance), variance, needed)
    n, k = int(strata.sizes[0]), int(found.n_controls[0])
    p = t_p_values(coefficients, max(n - 2 - k, 1)) if found.p is None else found.p
    return Inference(p, variances[:, 0], f"Fisher's interval needs {smallest + k} rows or more")


def z_variances(method: Method, found: Coefficients, strata: Strata) -> FloatArray:
    """Variance of artanh(r) for each coefficient, (e, g), NaN in groups too small for one."""
    numerator = {"pearson": 1.0, "spearman": 1 + found.r**2 / 2, "kendall": 0.437}[method]
    spare = strata.sizes - found.n_controls - SMALLEST[method] + 1
    return np.broadcast_to(
        np.where(spare > 0, numerator / np.maximum(spare, 1), np.nan), found.r.shape
    )


def mean_z_variances(
    r: FloatArray, variances: FloatArray, weights: FloatArray, mean: FloatArray
) -> FloatArray:
    """Variance of artanh(R) for the `mean` (e,) R = Σ w_g r_g.

    `r` and `variances` (e, g) are the groups' coefficients and var(z_g), `weights` (e, g) sum to 1
    over the groups that count and are 0 for the others. NaN where no group that counts has a
    variance of its own, 0 where |R| = 1.
    """
    known = (weights > 0) & np.isfinite(variances)
    inner = np.where(np.abs(r) < 1, r, mean[:, np.newaxis])
    of_r = np.where(known, (1 - inner**2) ** 2 * variances, 1.0)
    slope = 1 - mean**2
    steep = slope > 0
    of_z = (weights**2 * of_r).sum(axis=1) / np.where(steep, slope, 1) ** 2
    return np.where(known.any(axis=1), np.where(steep, of_z, 0), np.nan)


def fisher_interval(r: float, z_variance: float, confidence: float) -> tuple[float, float]:
    """Confidence interval tanh(artanh r ± q √var z), q the normal quantile for `confidence`.

    For |r| = 1, where artanh is infinite, it shrinks to (r, r), as scipy's does.
    """
    from scipy import special

    if abs(r) == 1:
        return r, r
    reach = special.ndtri((1 + confidence) / 2) * np.sqrt(z_variance)
    z = np.arctanh(r)
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))


def t_p_values(r: FloatArray, degrees: int) -> FloatArray:
    """Two-sided p of coefficients `r` (e,) by t = r √(df / (1 − r²)) with `degrees` of freedom.

    Exact for Pearson's coefficients, partial ones too, under normality; for Spearman's the
    approximation that scipy uses. |r| = 1 gives 0.
    """
    from scipy import special

    with np.errstate(divide="ignore"):
        t = np.abs(r) * np.sqrt(degrees / ((1 + r) * (1 - r)))
    return np.asarray(2 * special.stdtr(degrees, -t))


def _z_p_values(r: FloatArray, z_variance: FloatArray) -> FloatArray:
    """Two-sided p of artanh(r) / √var z by the normal distribution; 0 for |r| = 1."""
    from scipy import special

    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.ndtr(-np.abs(np.arctanh(r)) / np.sqrt(z_variance))
    return np.where((np.abs(r) == 1) & np.isfinite(z_variance), 0.0, p)


def difference_interval(
    first: float,
    first_ci: tuple[float, float],
    second: float,
    second_ci: tuple[float, float],
    between: float,
) -> tuple[float, float]:
    """Confidence interval of `first` − `second`, correlations of one variable over one sample.

    `between` is the correlation of the two variables that are not shared. From the intervals of the
    two, of equal confidence: Zou, "Toward using confidence intervals to compare correlations",
    Psychological Methods 12, 2007, section "Overlapping correlations". His correlation of the two
    estimates is that of Pearson's coefficients; for Spearman's it is an approximation.
    """
    squares = first**2 + second**2 + between**2
    numerator = (between - first * second / 2) * (1 - squares) + between**3
    denominator = (1 - first**2) * (1 - second**2)
    # Rounding, or coefficients that no three variables can have, would leave [-1, 1].
    c = float(np.clip(numerator / denominator, -1, 1)) if denominator else 1.0
    below, above = first - first_ci[0], second_ci[1] - second
    low = first - second - np.sqrt(max(below**2 + above**2 - 2 * c * below * above, 0))
    above, below = first_ci[1] - first, second - second_ci[0]
    high = first - second + np.sqrt(max(above**2 + below**2 - 2 * c * above * below, 0))
    return float(low), float(high)
