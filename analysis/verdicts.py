"""What is said of a claim: supported, contradicted, negligible or inconclusive.

Each claim has one mean with its interval, signed so that the claim predicts a positive one, and a
band around 0 within which an effect counts as none. Two tests are made of it, each corrected by
Holm's procedure ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6, 1979) over all claims that are judged together: whether the mean differs from 0, and
whether it lies within the band (equivalence). A claim is

- *negligible* where it is shown to lie within the band, different from 0 or not;
- else *supported* where it is shown to differ from 0 on the claimed side, *contradicted* on the
  other;
- else *inconclusive*.

A claim that there is no gain turns round: it is *supported* where the gain is shown to be below the
band's upper end, *contradicted* where it is shown to be above 0, and *negligible* where both are: a
gain, but less than counts.

Whatever the number of claims, and however they depend on each other, the probability that any
claim without effect is called supported or contradicted (of the second kind: contradicted) is at
most `ALPHA`, and so is the probability that any claim with an effect at the band's end or beyond is
called negligible (of the second kind: supported); the latter is half of that for one claim, since
its two ends can't both be true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.synthesis import Mean

Word = Literal["supported", "contradicted", "negligible", "inconclusive"]
Predicts = Literal["effect", "no gain"]

WORDS: tuple[Word, ...] = ("supported", "contradicted", "negligible", "inconclusive")

ALPHA = 0.05
"""Level of all tests together, for either kind."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a claim is judged by.

    Attributes:
        mean: positive as claimed, or as a gain; None where there is nothing to judge by.
        band: effects in ±``band`` count as none, in the unit of the mean.
        predicts: an effect, or that there is no gain.
    """

    mean: Mean | None
    band: float
    predicts: Predicts = "effect"

    @property
    def p_effect(self) -> float:
        """p of "there is no effect", for a claim of no gain "there is no gain"."""
        if self.mean is None:
            return 1.0
        if self.predicts == "effect":
            return self.mean.p_different()
        return min(1.0, 2 * self.mean.p_above(0))

    @property
    def p_none(self) -> float:
        """p of "there is an effect beyond the band"."""
        if self.mean is None:
            return 1.0
        if self.predicts == "effect":
            return self.mean.p_within(self.band)
        return min(1.0, 2 * self.mean.p_below(self.band))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a claim, and the two p after Holm's correction that it rests on."""

    word: Word
    p_effect: float
    p_none: float


def judge(together: Sequence[Question]) -> list[Verdict]:
    """A verdict on each of the claims that are judged together."""
    effects = holm([one.p_effect for one in together])
    nones = holm([one.p_none for one in together])
    return [
        Verdict(_word(one, effect <= ALPHA, none <= ALPHA), effect, none)
        for one, effect, none in zip(together, effects, nones, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order in which they came."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(stepped, 1)
    return [float(one) for one in adjusted]


def _word(asked: Question, effect: bool, none: bool) -> Word:
    if asked.mean is None:
        return "inconclusive"
    if asked.predicts == "no gain":
        if effect:
            return "negligible" if none else "contradicted"
        return "supported" if none else "inconclusive"
    if none:
        return "negligible"
    if effect:
        return "supported" if asked.mean.value > 0 else "contradicted"
    return "inconclusive"
