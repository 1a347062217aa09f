"""One estimate from several independent sources: the random-effects mean, and what it can tell.

Source i gives y_i with standard error s_i. The y_i are taken as independent and normal about
effects that differ between the sources with variance τ²; what is estimated is the mean of these
effects. With w_i = 1 / (s_i² + τ²),

    μ = Σ w_i y_i / Σ w_i,    q = Σ w_i (y_i − μ)² / (k − 1),    se² = max(1, q) / Σ w_i,

and (μ − mean) / se has a t distribution with k − 1 degrees of freedom: Hartung and Knapp, "A
refined method for the meta-analysis of controlled clinical trials with binary outcome", Statistics
in Medicine 20, 2001, and Sidik and Jonkman, "A simple confidence interval for meta-analysis", ibid.
21, 2002. That q counts at least as 1 keeps the interval from being narrower than what the standard
errors alone allow: Röver, Knapp and Friede, "Hartung-Knapp-Sidik-Jonkman approach and its
modification for random-effects meta-analysis with few studies", BMC Medical Research Methodology
15:99, 2015.

τ² is that of Sidik and Jonkman, "Simple heterogeneity variance estimation for meta-analysis",
Journal of the Royal Statistical Society C 54, 2005: with τ₀² = Σ (y_i − ȳ)² / k and
v_i = 1 / (s_i² / τ₀² + 1),

    τ² = Σ v_i (y_i − μ_v)² / (k − 1),    μ_v = Σ v_i y_i / Σ v_i.

Estimators that may be 0, as DerSimonian and Laird's, leave everything to the one source that is
much more precise than the others, a whole table beside a dozen trained cells, as often as the
others can't show a difference; the interval then misses the mean up to three times in ten instead
of one in twenty. This one is above 0 wherever the sources differ.

With one source, μ and se are its own. Where all s_i are 0 the interval is Student's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.strata import FloatArray

POWER = 0.8
"""Probability with which the smallest effect that could have shown would have been shown."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one source gives.

    Attributes:
        value: in whatever unit.
        standard_error: in the same unit; 0 where the value has no error of its own.
        degrees: of freedom of its t distribution, infinite for the normal one.
    """

    value: float
    standard_error: float
    degrees: float = np.inf

    def __post_init__(self) -> None:
        if not np.isfinite([self.value, self.standard_error]).all() or self.standard_error < 0:
            raise ValueError(f"{self.value} with a standard error of {self.standard_error}")


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over the sources, in their unit.

    Attributes:
        value: μ.
        standard_error: above 0.
        degrees: of freedom of the t distribution of (μ − mean) / standard error.
        n_sources: k.
        tau_squared: variance of the effects between sources; None with one source.
        i_squared: share of the variance of the y_i beyond what the s_i account for (Higgins and
            Thompson, Statistics in Medicine 21, 2002), in [0, 1]; None with one source, or without
            standard errors.
    """

    value: float
    standard_error: float
    degrees: float
    n_sources: int
    tau_squared: float | None
    i_squared: float | None

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The confidence interval of the mean."""
        from scipy import special

        reach = special.stdtrit(self.degrees, (1 + confidence) / 2) * self.standard_error
        return float(self.value - reach), float(self.value + reach)

    def p_above(self, bound: float) -> float:
        """One-sided p of "the mean is ``bound`` or less"; small where it is shown to be above."""
        from scipy import special

        return float(special.stdtr(self.degrees, (bound - self.value) / self.standard_error))

    def p_below(self, bound: float) -> float:
        """One-sided p of "the mean is ``bound`` or more"."""
        from scipy import special

        return float(special.stdtr(self.degrees, (self.value - bound) / self.standard_error))

    def p_different(self) -> float:
        """Two-sided p of "the mean is 0"."""
        return min(1.0, 2 * min(self.p_above(0), self.p_below(0)))

    def p_within(self, band: float) -> float:
        """p of "the mean lies at ±``band`` or beyond"; below 5 % where the interval lies within.

        Twice the larger p of the two one-sided tests (Schuirmann, Journal of Pharmacokinetics and
        Biopharmaceutics 15, 1987), so that it is read off the same interval as the other p.
        """
        return min(1.0, 2 * max(self.p_above(-band), self.p_below(band)))

    def detectable(self, alpha: float = 0.05) -> float:
        """The smallest true mean that a test at ``alpha``, two-sided, would show in its direction.

        With probability `POWER`, if sources are as many, as precise and as different as these.
        """
        from scipy import special

        critical = special.stdtrit(self.degrees, 1 - alpha / 2)
        if np.isinf(self.degrees):
            return float((critical + special.ndtri(POWER)) * self.standard_error)
        return float(special.nctdtrinc(self.degrees, 1 - POWER, critical) * self.standard_error)


def join(sources: Sequence[Estimate]) -> Mean | None:
    """The mean over the sources; None where nothing tells how precise it is.

    That is without sources, with one that has no standard error, and where sources without any all
    give the same value.
    """
    if not sources:
        return None
    y = np.array([one.value for one in sources])
    s_squared = np.array([one.standard_error for one in sources]) ** 2
    if len(sources) == 1:
        (one,) = sources
        if not one.standard_error:
            return None
        return Mean(one.value, one.standard_error, one.degrees, 1, None, None)
    tau_squared = _tau_squared(y, s_squared)
    total = s_squared + tau_squared
    if not total.all():
        return None
    weights = 1 / total
    value = float(weights @ y / weights.sum())
    q = max(1.0, float(weights @ (y - value) ** 2 / (y.size - 1)))
    return Mean(
        value=value,
        standard_error=float(np.sqrt(q / weights.sum())),
        degrees=float(y.size - 1),
        n_sources=y.size,
        tau_squared=tau_squared,
        i_squared=_i_squared(y, s_squared),
    )


def _tau_squared(y: FloatArray, s_squared: FloatArray) -> float:
    first = float(((y - y.mean()) ** 2).mean())
    if not first:
        return 0.0
    weights = 1 / (s_squared / first + 1)
    mean = weights @ y / weights.sum()
    return float(weights @ (y - mean) ** 2 / (y.size - 1))


def _i_squared(y: FloatArray, s_squared: FloatArray) -> float | None:
    if not s_squared.all():
        return None
    weights = 1 / s_squared
    q = float(weights @ (y - weights @ y / weights.sum()) ** 2)
    return max(0.0, 1 - (y.size - 1) / q) if q else 0.0


def could_show(
    sources: Sequence[Estimate],
    *,
    tau: float = 0.0,
    alpha: float = 0.05,
    trials: int = 1000,
    seed: int = 0,
) -> float | None:
    """The smallest mean that such sources would show with probability `POWER`, beforehand.

    By simulation of sources with the errors of these, whatever their values, about effects that
    differ by ``tau`` between them, at ``alpha``, two-sided. None where nothing would tell the error
    (:func:`join`). The join moves along with the effect, so that one simulation without any does
    for all effects.
    """
    from scipy import special

    rng = np.random.default_rng(seed)
    spread = np.hypot([one.standard_error for one in sources], tau)
    needed = []
    for _ in range(trials):
        noise = rng.normal(0, spread)
        mean = join([replace(one, value=y) for one, y in zip(sources, noise, strict=True)])
        if mean is None:
            return None
        critical = special.stdtrit(mean.degrees, 1 - alpha / 2)
        needed.append(critical * mean.standard_error - mean.value)
    return float(np.quantile(needed, POWER))
