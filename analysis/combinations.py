"""Linear combinations of rank correlations over one sample, each with its standard error.

How much more a measure goes with width than with depth is (ρ_width − ρ_depth) / 2, how much less
late than early a difference again: such sums hold coefficients of the same rows, whose errors go
together. With ψ the covariance of √n times Pearson's coefficients under normality (Olkin and
Siotani 1976; Steiger, "Tests for comparing elements of a correlation matrix", Psychological
Bulletin 87, 1980, equation 2),

    ψ(jk, hm) = ½ {(r_jh − r_jk r_kh)(r_km − r_kh r_hm) + (r_jm − r_jh r_hm)(r_kh − r_kj r_jh)
                 + (r_jh − r_jm r_mh)(r_km − r_kj r_jm) + (r_jm − r_jk r_km)(r_kh − r_km r_mh)},

the covariance of two of Spearman's is taken as ψ √((1 + r_jk²/2)(1 + r_hm²/2)) / (n − 3), which for
one coefficient is Bonett and Wright's variance (:mod:`analysis.intervals`) carried from artanh r to
r. That Spearman's coefficients go together as Pearson's do is an approximation; what it is worth
on 12 and 42 rows, beside the bootstrap (:mod:`analysis.contrast`), says docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.strata import FloatArray
from analysis.synthesis import Estimate

FEWEST = 5
"""Rows from which on a combination has a standard error."""

Pair = tuple[str, str]


class UndefinedError(ValueError):
    """A combination that these rows don't define; the message says why."""


def combined(variables: Mapping[str, npt.ArrayLike], factors: Mapping[Pair, float]) -> Estimate:
    """Σ factor · ρ(x, y) over the pairs (x, y) of ``factors``, with its standard error.

    ``variables`` hold (n,) values each, of which only the ranks count: infinite ones rank last, or
    first, and are ties of one another. A coefficient of ±1 counts in the standard error as half a
    step of ρ's grid less, 1 − 6 / (n (n² − 1)), since its own would be 0. Degrees of freedom are
    n − 2.

    Raises:
        UndefinedError: fewer than `FEWEST` rows, NaN, or a variable without two different values.
    """
    ranks = _ranks(variables)
    n = next(iter(ranks.values())).size
    names = list(ranks)
    place = {name: number for number, name in enumerate(names)}
    r = np.corrcoef(list(ranks.values()))
    value = sum(factor * r[place[x], place[y]] for (x, y), factor in factors.items())
    most = _most(n)
    inner = np.clip(r, -most, most)
    np.fill_diagonal(inner, 1)
    pairs = [(place[x], place[y]) for x, y in factors]
    weights = np.array(list(factors.values()))
    stretch = np.sqrt([1 + inner[pair] ** 2 / 2 for pair in pairs])
    psi = np.array([[_psi(inner, *one, *other) for other in pairs] for one in pairs])
    variance = float(weights @ (psi * np.outer(stretch, stretch)) @ weights) / (n - 3)
    if variance <= 0:
        raise UndefinedError("the variables rank alike, so that nothing tells their error")
    return Estimate(float(value), float(np.sqrt(variance)), n - 2)


def on_fishers_scale(one: Estimate, n: int) -> Estimate:
    """artanh of an estimate in [−1, 1] over n rows, with the standard error by the delta method.

    There it hardly depends on the estimate how precise it is. ±1 counts as half a step of ρ's grid
    less.
    """
    most = _most(n)
    value = float(np.clip(one.value, -most, most))
    return Estimate(float(np.arctanh(value)), one.standard_error / (1 - value**2), one.degrees)


def _most(n: int) -> float:
    """Half a step of ρ's grid below 1."""
    return 1 - 6 / (n * (n**2 - 1))


def _ranks(variables: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
    arrays = {name: np.asarray(values, np.float64) for name, values in variables.items()}
    sizes = {values.size for values in arrays.values()}
    if len(sizes) != 1:
        raise ValueError(f"variables of {sorted(sizes)} rows; allowed: as many of each")
    (n,) = sizes
    if n < FEWEST:
        raise UndefinedError(f"{n} complete rows; it takes {FEWEST}")
    for name, values in arrays.items():
        if np.isnan(values).any():
            raise UndefinedError(f"{name} has values that are no numbers")
        if (values == values[0]).all():
            raise UndefinedError(f"{name} is the same in all rows")
    return {name: stats.rankdata(values) for name, values in arrays.items()}


def _psi(r: FloatArray, j: int, k: int, h: int, m: int) -> float:
    return 0.5 * float(
        (r[j, h] - r[j, k] * r[k, h]) * (r[k, m] - r[k, h] * r[h, m])
        + (r[j, m] - r[j, h] * r[h, m]) * (r[k, h] - r[k, j] * r[j, h])
        + (r[j, h] - r[j, m] * r[m, h]) * (r[k, m] - r[k, j] * r[j, m])
        + (r[j, m] - r[j, k] * r[k, m]) * (r[k, h] - r[k, m] * r[m, h])
    )
