"""What the paper claims, what each source says of it, and the verdict that follows.

Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based Neural Architecture Search",
ICLR 2020, arXiv 1909.09569. Pure: estimates in, claims with verdicts out. What is estimated of each
claim is fixed here, whatever comes out, and explained in docs/verdicts.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from analysis.combinations import on_fishers_scale
from analysis.synthesis import Estimate, Mean, join
from analysis.verdicts import Predicts, Question, Verdict, judge

Reading = Literal["contrast", "width", "depth", "difference"]

SHAPE: tuple[Reading, ...] = ("contrast", "width", "depth")
"""Readings of a claim on wide and shallow cells: how much more it goes with width than with depth,
half the difference of the two; with width alone; with shallowness alone. All are positive as
claimed. The verdict on the claim is that on the first."""

ONE: tuple[Reading, ...] = ("difference",)

HEADLINE = ""
"""The group of the sources that the verdict rests on."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What the estimates of a claim are in.

    Attributes:
        band: effects within ±``band`` count as none; None where the seeds tell it.
        form: how numbers are written.
        on_fishers_scale: whether estimates lie in [−1, 1] and are joined as their artanh.
        name: in words.
    """

    band: float | None
    form: str
    on_fishers_scale: bool
    name: str


CORRELATION = Unit(0.1, "+.2f", True, "Spearman's ρ")
CHANGE = Unit(0.1, "+.2f", False, "difference of Spearman's ρ")
SHARE = Unit(0.1, "+.2f", True, "difference of shares of the variance")
RANK = Unit(0.1, "+.2f", False, "share of the wirings behind, less ½")
POINTS = Unit(None, "+.2f", False, "percentage points")


@dataclass(frozen=True, slots=True)
class Source:
    """What one source says of a claim.

    Attributes:
        name: of the source, in words.
        n: cells, or whatever it rests on.
        estimates: by reading, positive as claimed, in the claim's unit.
        distinct: how many of the n are different networks, where that isn't all of them.
        reason: why readings are missing.
        group: `HEADLINE`, or what is shown beside it, in words.
        telling: whether they are missing for what came out, so that the sources that are left are
            no fair ones: there is no verdict on these.
    """

    name: str
    n: int
    estimates: Mapping[Reading, Estimate]
    distinct: int | None = None
    reason: str = ""
    group: str = HEADLINE
    telling: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A reading of a claim over the sources of a group, in the claim's unit.

    Attributes:
        mean: None where nothing can be told.
        interval: of 95 %.
        detectable: the smallest effect that so many sources, as precise and as different, would
            have shown with a probability of 80 %, by itself.
        verdict: on the sources that it rests on; None beside them.
        n_sources: how many sources have an estimate.
        i_squared: of the scale that they are joined on.
    """

    mean: float | None
    interval: tuple[float, float] | None
    detectable: float | None
    n_sources: int
    i_squared: float | None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A claim, as the program has it.

    Attributes:
        title: in a few words.
        statement: what is claimed.
        estimand: what is estimated, in words.
        readings: the verdict is on the first.
    """

    title: str
    statement: str
    estimand: str
    unit: Unit
    readings: tuple[Reading, ...] = SHAPE
    predicts: Predicts = "effect"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with what its sources say of it and what follows."""

    asked: Asked
    sources: tuple[Source, ...]
    band: float | None
    findings: Mapping[Reading, Finding]
    beside: Mapping[str, Mapping[Reading, Finding]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """In a few words."""
        return self.asked.title

    @property
    def headline(self) -> Finding:
        """What the verdict on the claim rests on."""
        return self.findings[self.asked.readings[0]]

    @property
    def verdict(self) -> str:
        """Of the claim, in a word."""
        return word(self.headline)


def word(found: Finding) -> str:
    """The verdict of a finding in a word."""
    return "inconclusive" if found.verdict is None else found.verdict.word


@dataclass(frozen=True, slots=True)
class Case:
    """The sources of a claim.

    Attributes:
        band: what counts as no effect, where the unit doesn't tell.
    """

    asked: Asked
    sources: tuple[Source, ...]
    band: float | None = None


def settled(cases: Sequence[Case]) -> tuple[Claim, ...]:
    """Claims with verdicts, corrected for their number.

    The verdicts on the claims are judged together, and so are those on width alone and those on
    depth alone.
    """
    found = [_unjudged(one) for one in cases]
    families: list[list[tuple[int, Reading]]] = [
        [(place, one.asked.readings[0]) for place, one in enumerate(cases)],
        *(
            [(place, r) for place, one in enumerate(cases) if r in one.asked.readings]
            for r in SHAPE[1:]
        ),
    ]
    for together in families:
        asked = []
        for place, reading in together:
            one = cases[place]
            band = one.band if one.asked.unit.band is None else one.asked.unit.band
            unfair = any(source.telling for source in one.sources if source.group == HEADLINE)
            mean = None if band is None or unfair else _mean(one, reading, HEADLINE)
            if one.asked.unit.on_fishers_scale and band is not None:
                band = float(np.arctanh(band))
            asked.append(Question(mean, band or 0.0, one.asked.predicts))
        for (place, reading), verdict in zip(together, judge(asked), strict=True):
            findings = dict(found[place].findings)
            findings[reading] = replace(findings[reading], verdict=verdict)
            found[place] = replace(found[place], findings=findings)
    return tuple(found)


def _unjudged(one: Case) -> Claim:
    band = one.band if one.asked.unit.band is None else one.asked.unit.band
    groups = dict.fromkeys(source.group for source in one.sources if source.group != HEADLINE)
    return Claim(
        asked=one.asked,
        sources=one.sources,
        band=band,
        findings=_findings(one, HEADLINE),
        beside={group: _findings(one, group) for group in groups},
    )


def _findings(one: Case, group: str) -> dict[Reading, Finding]:
    return {reading: _finding(one, reading, group) for reading in one.asked.readings}


def _finding(one: Case, reading: Reading, group: str) -> Finding:
    known = [s for s in one.sources if s.group == group and reading in s.estimates]
    mean = _mean(one, reading, group)
    if mean is None:
        return Finding(None, None, None, len(known), None)
    back = np.tanh if one.asked.unit.on_fishers_scale else np.asarray
    low, high = mean.interval()
    return Finding(
        mean=float(back(mean.value)),
        interval=(float(back(low)), float(back(high))),
        detectable=float(back(mean.detectable())),
        n_sources=mean.n_sources,
        i_squared=mean.i_squared,
    )


def _mean(one: Case, reading: Reading, group: str) -> Mean | None:
    """Over the sources, on the scale that they are joined on."""
    found = [
        on_fishers_scale(source.estimates[reading], source.n)
        if one.asked.unit.on_fishers_scale
        else source.estimates[reading]
        for source in one.sources
        if source.group == group and reading in source.estimates
    ]
    return join(found)


def settled_by_name(
    evidence: Mapping[str, Iterable[Source]], margin: float | None
) -> dict[str, Claim]:
    """As :func:`settled`, of sources by the claims' names in `CLAIMS`; ``margin`` of `POINTS`."""
    given = [
        Case(asked, tuple(evidence.get(name, ())), margin if asked.unit == POINTS else None)
        for name, asked in CLAIMS.items()
    ]
    return dict(zip(CLAIMS, settled(given), strict=True))


CLAIMS = {
    "ranks": Asked(
        "Searched cells are wide and shallow",
        "cells that searches find are among the widest and shallowest of their spaces",
        "how far the percentile of a cell's width, and of its shallowness, among the reference "
        "wirings lies above the middle, be it by much or little; the mean over searches that the "
        "claim was not made from",
        RANK,
    ),
    "speed": Asked(
        "Wide, shallow cells learn faster",
        "the wider and shallower a cell, the faster it converges in the first epochs",
        "correlation with the mean validation accuracy of the first half of the epochs; over all "
        "of NAS-Bench-201, live operations held, with the accuracy at the end of the 12-epoch "
        "schedule, a training of its own",
        CORRELATION,
    ),
    "rates": Asked(
        "They do so at other learning rates",
        "the same holds at learning rates ten times lower and higher",
        "the same correlation, as the mean of those at the two other rates",
        CORRELATION,
    ),
    "connections": Asked(
        "Connections matter more than operations",
        "how fast a cell converges depends more on how its operations are connected than on which "
        "they are",
        "share of the variance of early accuracy that is between wirings, given operations, less "
        "that between operations, given the wiring",
        SHARE,
        ONE,
    ),
    "landscape": Asked(
        "Their loss is smoother",
        "the loss around the trained weights of wide, shallow cells is smoother",
        "correlation with the mean curvature of the loss at the trained weights, over "
        "filter-normalised planes, turned round: positive where wide and shallow cells curve less",
        CORRELATION,
    ),
    "gradients": Asked(
        "Their gradients vary less",
        "the gradients of wide, shallow cells differ less from mini-batch to mini-batch",
        "correlation with the mean gradient variance over a plane around the trained weights, "
        "turned round: positive where gradients of wide and shallow cells vary less",
        CORRELATION,
    ),
    "generalisation": Asked(
        "They generalise no better on average",
        "cells made wider and shallower by adapting their connections end up no more accurate on "
        "average",
        "final test accuracy of the adapted cell less the original's, of cells that this makes "
        "wider; a gain counts from the standard deviation over seeds on",
        POINTS,
        ONE,
        "no gain",
    ),
    "fading": Asked(
        "What shape tells early fades",
        "that a cell is wide and shallow tells more of its early than of its final accuracy",
        "correlation with early accuracy less that with final accuracy, over the same cells; over "
        "all of NAS-Bench-201 with live operations held",
        CHANGE,
    ),
}
"""The claims by name, in the paper's order."""
