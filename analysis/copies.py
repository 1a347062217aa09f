"""Rows that are copies of each other: cells that are one network, drawn with other dead edges.

Copies were trained apart, but what is compared is nearly the same in each, so that n rows tell less
than n independent ones. The *design effect* says by how much the variance of a coefficient grows
when whole classes of copies are what was drawn (Kish, "Survey Sampling", 1965, section 8.2). To
first order a coefficient is r ≈ ρ + mean(ψ), with each row's influence (Devlin, Gnanadesikan &
Kettenring, "Robust estimation and outlier detection with correlation coefficients", Biometrika 62,
1975)

    ψ = u v − r (u² + v²) / 2

of the standardised columns u and v: values for Pearson, mid-ranks for Spearman and, as an
approximation, for Kendall, less what controls explain. The effect is the cluster-robust variance
of that mean (Liang & Zeger, "Longitudinal data analysis using generalized linear models",
Biometrika 73, 1986) over that of independent rows,

    D = [C / (C − 1) Σ_c (Σ_{i in c} ψ_i)²] / [n / (n − 1) Σ_i ψ_i²],

for C classes, and n / D the *effective* number of rows, which takes the place of n in Fisher's
variance and in the degrees of freedom of t. It is never above the number of classes. Without
copies it is n.
"""

import numpy as np

from analysis.rows import Copies
from analysis.strata import FloatArray


def effective_sizes(x: FloatArray, ys: FloatArray, r: FloatArray, copies: Copies) -> FloatArray:
    """The effective number of rows of each coefficient `r` (e,) of `x` (n,) with `ys` (e, n).

    (e,), NaN where r is.
    """
    n, n_classes = x.size, copies.count
    if not copies.any:
        return np.where(np.isnan(r), np.nan, float(n))
    sizes = np.full(r.shape, np.nan)
    defined = np.flatnonzero(~np.isnan(r))
    u = _standardised(x) if defined.size else x
    for at in defined:
        v = _standardised(ys[at])
        influence = u * v - r[at] / 2 * (u * u + v * v)
        of_classes = np.bincount(copies.codes, weights=influence)
        rows = n / (n - 1) * (influence @ influence)
        drawn = n_classes / max(n_classes - 1, 1) * (of_classes @ of_classes)
        sizes[at] = min(n * rows / drawn, n_classes) if drawn > 0 else n_classes
    return sizes


def _standardised(values: FloatArray) -> FloatArray:
    deviations = values - values.mean()
    return np.asarray(deviations / np.sqrt(np.mean(deviations**2)))
