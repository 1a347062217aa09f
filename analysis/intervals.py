"""p-values and confidence intervals for correlation coefficients, on the scale of Fisher's z.

Fisher's z = artanh(r) is about normal, with a variance that hardly depends on the coefficient. With
n rows and k controls held fixed it is taken as

- Pearson: 1 / (n − 3 − k) (Fisher, "On the probable error of a coefficient of correlation deduced
  from a small sample", Metron 1, 1921, and for partial coefficients Metron 3, 1924);
- Spearman: (1 + r²/2) / (n − 3 − k) (Bonett & Wright, "Sample size requirements for estimating
  Pearson, Kendall and Spearman correlations", Psychometrika 65, 2000);
- Kendall: 0.437 / (n − 4) (Fieller, Hartley & Pearson, "Tests for rank correlation coefficients",
  Biometrika 44, 1957); nothing of the kind is established for a partial tau.

Where rows are copies of each other n is their effective number (`analysis.copies`). Means over
groups have a variance of their own (`analysis.between`), coefficients of few rows a p of their own
(`analysis.permutation`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.coefficients import Coefficients, Method
from analysis.copies import effective_sizes
from analysis.permutation import FEW, no_less, permutation_p
from analysis.rows import Copies
from analysis.strata import FloatArray, IntArray, Strata, ranked

SMALLEST = {"pearson": 4, "spearman": 4, "kendall": 5}
"""Rows from which on z has a variance, without controls; one more for each control."""

PMethod = Literal["exact", "permutation", "t", "normal", "groups"]
"""Where a p-value comes from: all orders of the rows, or some that are drawn; the t or the normal
distribution; t over groups."""

PARTIAL_TAU = "the distribution of a partial tau-b is not known"
TOO_ALIKE = "copies aside there are too few rows"
PERFECT = "at ±1 Fisher's interval has no length, whatever n"


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure a coefficient is.

    `z` and `z_error` are artanh of it and its standard error, both NaN where there is no interval,
    for which `no_interval` is the reason; an interval reaches as far as t with `degrees` of freedom
    (infinite: the normal distribution). `p` is NaN for the reason `no_p`. `n_effective` is the
    number of rows less what copies repeat; `i_squared` is None without groups.
    """

    p: float
    p_method: PMethod | None
    z: float = np.nan
    z_error: float = np.nan
    degrees: float = np.inf
    no_p: str | None = None
    no_interval: str | None = None
    n_effective: float | None = None
    i_squared: float | None = None
    i_squared_reason: str | None = None

    @classmethod
    def none(cls, reason: str) -> "Certainty":
        """Neither p nor interval, for one reason."""
        return cls(np.nan, None, no_p=reason, no_interval=reason)

    @classmethod
    def by_groups(cls, z: float, z_error: float, degrees: float) -> "Certainty":
        """p and interval by t with so many degrees of freedom."""
        from scipy import special

        p = float(2 * special.stdtr(degrees, -abs(z) / z_error))
        return cls(p, "groups", z, z_error, degrees)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """tanh(z ± q · error), q the quantile for `confidence`; None where there is none."""
        from scipy import special

        if np.isnan(self.z_error):
            return None
        tail = (1 + confidence) / 2
        normal = np.isinf(self.degrees)
        q = special.ndtri(tail) if normal else special.stdtrit(self.degrees, tail)
        reach = q * self.z_error
        return float(np.tanh(self.z - reach)), float(np.tanh(self.z + reach))


def certainty(
    method: Method, x: FloatArray, ys: FloatArray, found: Coefficients, copies: Copies
) -> list[Certainty]:
    """How sure each coefficient of `x` (n,) with `ys` (e, n) is, the rows being one group.

    p is from orders of the rows, copies together, where these are few (`analysis.permutation`),
    else by t with n − 2 − k degrees of freedom, and by the normal distribution for Kendall; with
    copies it is no less than orders of them could give.
    """
    r, k = found.r[:, 0], int(found.n_controls[0])
    if method == "kendall" and k:
        return [Certainty.none(PARTIAL_TAU)] * len(r)
    sizes = effective_sizes(*_scores(x, ys, found, copies), r, copies)
    variances = z_variances(method, r, sizes - k)
    p, how = _p_values(method, x, ys, found, copies, sizes - 2 - k, variances)
    rows = "rows" if not copies.any else "rows, copies aside,"
    told = []
    for at, (value, variance) in enumerate(zip(r, variances, strict=True)):
        perfect = abs(value) == 1
        known = bool(np.isfinite(variance)) and not perfect
        least = f"Fisher's interval needs {SMALLEST[method] + k} {rows} or more"
        told.append(
            Certainty(
                float(p[at]),
                None if np.isnan(p[at]) else how[at],
                float(np.arctanh(value)) if known else np.nan,
                float(variance**0.5) if known else np.nan,
                no_p=TOO_ALIKE if np.isnan(p[at]) else None,
                no_interval=None if known else PERFECT if perfect else least,
                n_effective=float(sizes[at]),
            )
        )
    return told


def _scores(
    x: FloatArray, ys: FloatArray, found: Coefficients, copies: Copies
) -> tuple[FloatArray, FloatArray]:
    """What a row's influence on the coefficients is computed from, (n,) and (e, n)."""
    if found.compared is not None:
        return found.compared.x, found.compared.ys
    if not copies.any:
        return x, ys
    one = Strata.single(x.size)
    return ranked(x[np.newaxis], one)[0], ranked(ys, one)


def _p_values(
    method: Method,
    x: FloatArray,
    ys: FloatArray,
    found: Coefficients,
    copies: Copies,
    degrees: FloatArray,
    variances: FloatArray,
) -> tuple[FloatArray, list[PMethod]]:
    """p (e,), NaN where copies leave too few rows, and where each comes from."""
    r = found.r[:, 0]
    if x.size <= FEW:
        p, exact = permutation_p(method, x, ys, found, copies)
        return p, ["exact" if each else "permutation" for each in exact]
    how: PMethod = "t"
    if method != "kendall":
        p = t_p_values(r, degrees)
    else:
        how = "normal"
        p = z_p_values(r, variances) if copies.any else np.asarray(found.p)
    perfect = np.abs(r) == 1
    p = np.where(perfect, 0, p)  # of which t and the normal distribution know nothing
    if copies.any or perfect.any():
        p = no_less(method, x, copies, p)
    return p, ["exact" if each and not found.n_controls[0] else how for each in perfect]


def z_variances(method: Method, r: FloatArray, spare: FloatArray | IntArray) -> FloatArray:
    """Variance of artanh(r) of coefficients `r` of `spare` rows, the number of controls taken off;
    NaN where these are too few."""
    numerator = {"pearson": 1.0, "spearman": 1 + r**2 / 2, "kendall": 0.437}[method]
    left = np.broadcast_to(spare - SMALLEST[method] + 1, r.shape)
    return np.where(left > 0, numerator / np.where(left > 0, left, 1), np.nan)


def t_p_values(r: FloatArray, degrees: FloatArray) -> FloatArray:
    """Two-sided p of coefficients `r` (e,) by t = r √(df / (1 − r²)), `degrees` (e,) of freedom.

    Exact for Pearson's coefficients, partial ones too, under normality; for Spearman's the
    approximation that scipy uses. NaN without a degree of freedom.
    """
    from scipy import special

    degrees = np.where(degrees > 0, degrees, np.nan)
    with np.errstate(divide="ignore"):
        t = np.abs(r) * np.sqrt(degrees / ((1 + r) * (1 - r)))
    return np.asarray(2 * special.stdtr(degrees, -t))


def z_p_values(r: FloatArray, variances: FloatArray) -> FloatArray:
    """Two-sided p of artanh(r) / √var z by the normal distribution."""
    from scipy import special

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * special.ndtr(-np.abs(np.arctanh(r)) / np.sqrt(variances)))
