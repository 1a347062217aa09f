"""Each claim gets each of the four verdicts from made-up evidence, by what reads the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis import shares, topology
from analysis.cells import parse_cell
from analysis.report import pairs, plan, searched
from analysis.report.claims import (
    CLAIMS,
    HEADLINE,
    ONE,
    SHAPE,
    Case,
    Claim,
    Source,
    settled,
    settled_by_name,
)
from analysis.report.families import Shaped, of_shape
from analysis.report.scale import find
from analysis.synthesis import Estimate
from analysis.verdicts import ALPHA, WORDS, Word
from tests.analysis.report.made_up import of_generalisation, ranked

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws in each test, whichever run before it."""
    monkeypatch.setattr(f"{__name__}.RNG", np.random.default_rng(20))


EFFECT: dict[Word, float] = {
    "supported": 0.9,
    "contradicted": -0.9,
    "negligible": 0.0,
    "inconclusive": 0.0,
}


def rows(effect: float, n: int, values: int) -> list[Shaped]:
    """Cells whose values rise, or fall, with width and against depth."""
    width = RNG.normal(size=n)
    depth = RNG.normal(size=n)
    found = [effect * (width - depth) + RNG.normal(size=n) for _ in range(values)]
    return [(w, d, tuple(ys)) for w, d, *ys in zip(width, depth, *found, strict=True)]


def families(weights: list[float], *, early_alone: bool = False) -> Callable[[Word], list[Source]]:
    """Five families, large ones where nothing is to be shown to be there."""
    claimed = weights[0]

    def made(word: Word) -> list[Source]:
        n = {"negligible": 4000, "inconclusive": 9}.get(word, 60)
        found = []
        for number in range(5):
            cells = rows(EFFECT[word] * np.sign(claimed), n, len(weights))
            if early_alone:
                cells = [(w, d, (ys[0], RNG.normal())) for w, d, ys in cells]
            found.append(of_shape(f"family {number}", cells, weights))
        return found

    return made


def ranks(word: Word) -> Iterable[Source]:
    middle = {"supported": 90, "contradicted": 10}.get(word, 50)
    spread = {"inconclusive": 60.0, "negligible": 2.0}.get(word, 8.0)
    found = ranked(middle, spread)
    return searched.sources(dict.fromkeys((searched.SAMPLER, searched.OTHER_SAMPLER), found))


def connections(word: Word) -> Iterable[Source]:
    n = {"negligible": 6000, "inconclusive": 8}.get(word, 60)
    ratio = {"supported": 4.0, "contradicted": 0.25}.get(word, 1.0)
    for number in range(6):
        share = shares.of_two_samples(
            shares.Sample(ratio * RNG.normal(size=n)), shares.Sample(RNG.normal(size=n))
        )
        yield Source(f"family {number}", 2 * n, {ONE[0]: share})


def generalisation(word: Word) -> tuple[list[Source], float]:
    """Gains of nothing, of much, of less than a seed makes, and of who knows what."""
    gain, seeds = {
        "supported": (0.0, 12),
        "contradicted": (4.0, 12),
        "negligible": (0.4, 200),
        "inconclusive": (0.5, 3),
    }[word]
    document = of_generalisation(gain, seeds)
    noise = pairs.noise(document)
    assert noise is not None
    return list(pairs.sources(document, noise)), noise.deviation


MADE: dict[str, Callable[[Word], Any]] = {
    "ranks": ranks,
    "speed": families([1]),
    "rates": families([0.5, 0.5]),
    "connections": connections,
    "landscape": families([-1]),
    "gradients": families([-1]),
    "generalisation": generalisation,
    "fading": families([1, -1], early_alone=True),
}


def judged(name: str, word: Word) -> Claim:
    made, margin = MADE[name](word), None
    if name == "generalisation":
        made, margin = made
    return settled_by_name({name: made}, margin)[name]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_gets_every_verdict(name: str, word: Word) -> None:
    claim = judged(name, word)
    assert claim.verdict == word
    found = claim.headline
    assert found.mean is not None
    assert found.interval is not None
    low, high = found.interval
    assert low < found.mean < high
    assert found.detectable is not None
    assert found.detectable > 0
    if claim.asked.predicts == "effect":
        assert claim.band is not None
        inside = {
            "supported": low > 0,
            "contradicted": high < 0,
            "negligible": -claim.band < low < high < claim.band,
            "inconclusive": low < 0 < high,
        }
        assert inside[word]


def test_all_claims_are_made_up() -> None:
    assert MADE.keys() == CLAIMS.keys()


def source(value: float, error: float, n: int = 1000, **more: Any) -> Source:
    return Source("made up", n, {reading: Estimate(value, error) for reading in SHAPE}, **more)


def test_what_stands_beside_changes_no_verdict() -> None:
    speed = CLAIMS["speed"]
    alone = settled([Case(speed, (source(0.3, 0.02),))])[0]
    beside = source(-0.9, 0.01, group="another measure")
    (both,) = settled([Case(speed, (source(0.3, 0.02), beside))])
    assert both.findings == alone.findings
    assert both.beside["another measure"]["width"].mean == pytest.approx(-0.9)
    assert both.beside["another measure"]["width"].verdict is None


def test_a_source_that_is_missing_for_what_came_out_leaves_no_verdict() -> None:
    """Else those that are left would speak for it: a family whose connections do nothing."""
    found = Estimate(0.5, 0.01)
    known = tuple(Source(f"family {number}", 60, {"difference": found}) for number in range(4))
    lost = Source("a family", 60, {}, reason="hardly vary", telling=True)
    for sources, verdict in ((known, "supported"), ((*known, lost), "inconclusive")):
        claim = settled_by_name({"connections": sources}, None)["connections"]
        assert claim.verdict == verdict
        assert claim.headline.mean == pytest.approx(0.5)
    beside = replace(lost, group="another measure")
    claim = settled_by_name({"connections": (*known, beside)}, None)["connections"]
    assert claim.verdict == "supported"


def test_claims_are_corrected_for_their_number_and_each_reading_by_itself() -> None:
    """p = 0.02 is shown by itself and not among eight; width alone is judged among widths alone."""
    asked = [Case(CLAIMS["speed"], (source(0.0233, 0.01),))]
    assert settled(asked)[0].headline.verdict is not None
    assert settled(asked)[0].verdict == "negligible"
    asked = [Case(CLAIMS["speed"], (source(0.233, 0.1),))]
    (alone,) = settled(asked)
    assert alone.verdict == "supported"
    among = settled_by_name({"speed": asked[0].sources}, None)["speed"]
    assert among.verdict == "inconclusive"
    many = settled(asked * 2)
    assert many[0].verdict == "supported" or many[0].headline.verdict is not None
    assert {one.verdict.word for one in among.findings.values() if one.verdict} == {"inconclusive"}


def test_correlations_are_joined_on_fishers_scale() -> None:
    """By hand: of two as precise there the mean is tanh of the mean of artanh."""
    values = (0.2, 0.8)
    sources = [source(value, 0.1 * (1 - value**2)) for value in values]
    (claim,) = settled([Case(CLAIMS["speed"], tuple(sources))])
    expected = np.tanh(np.arctanh(values).mean())
    assert claim.headline.mean == pytest.approx(expected)
    (claim,) = settled([Case(CLAIMS["fading"], tuple(sources))])
    assert claim.headline.n_sources == 2


def test_one_source_by_hand() -> None:
    """z = artanh 0.02 with a standard error of 0.04 / (1 − 0.02²), and the band to artanh 0.1."""
    z, error = np.arctanh(0.02), 0.04 / (1 - 0.02**2)
    (claim,) = settled([Case(CLAIMS["speed"], (source(0.02, 0.04),))])
    assert claim.findings.keys() == {*SHAPE}
    for found in claim.findings.values():
        assert found.mean == pytest.approx(0.02)
        reach = stats.norm.ppf(0.975) * error
        assert found.interval == pytest.approx((np.tanh(z - reach), np.tanh(z + reach)))
        # Shown with 80 %: 1.96 + 0.84 standard errors, as a coefficient.
        shown = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error
        assert found.detectable == pytest.approx(np.tanh(shown))
        assert found.verdict is not None
        assert found.verdict.p_effect == pytest.approx(2 * stats.norm.sf(z / error))
        beyond = stats.norm.cdf((z - np.arctanh(0.1)) / error)
        assert found.verdict.p_none == pytest.approx(2 * beyond)


def test_without_sources_every_claim_is_inconclusive() -> None:
    found = settled_by_name({}, None)
    assert {claim.verdict for claim in found.values()} == {"inconclusive"}
    assert {claim.headline.mean for claim in found.values()} == {None}


def test_readings_are_signed_as_claimed() -> None:
    """Values that rise with width and fall with depth make all three positive."""
    found = of_shape("family", rows(0.9, 200, 1), [1])
    assert found.group == HEADLINE
    assert min(one.value for one in found.estimates.values()) > 0.3
    half = (found.estimates["width"].value + found.estimates["depth"].value) / 2
    assert found.estimates["contrast"].value == pytest.approx(half)
    turned = of_shape("family", rows(0.9, 200, 1), [-1])
    assert max(one.value for one in turned.estimates.values()) < -0.3


def test_incomplete_rows_are_left_out_and_what_can_t_be_told_says_why() -> None:
    cells: list[Shaped] = [(1.0, 2.0, (None,)), (None, 2.0, (1.0,)), *rows(1, 8, 1)]
    assert of_shape("family", cells, [1]).n == 8
    same: list[Shaped] = [(2.0, depth, ys) for _, depth, ys in rows(1, 8, 1)]
    found = of_shape("family", same, [1])
    assert found.estimates.keys() == {"depth"}
    assert found.reason == "width is the same in all rows"
    few = of_shape("family", rows(1, 3, 1), [1])
    assert (few.estimates, few.reason) == ({}, "3 complete rows; it takes 5")


def test_small_families_keep_the_level_with_the_shapes_that_there_are() -> None:
    """From values that have nothing to do with shape, over the wirings of the evidence's families.

    Widths and depths are few and tied, and go together; one claim by itself, at 5 %.
    """
    shapes = []
    for family in find("evidence").families:
        found = [topology.columns(parse_cell(cell)) for cell in plan.wirings(family)]
        shapes.append([(one["width"], one["depth"]) for one in found])
    trials, wrong = 200, 0
    for _ in range(trials):
        sources = [
            of_shape(str(number), [(w, d, (RNG.normal(),)) for w, d in cells], [1])
            for number, cells in enumerate(shapes)
        ]
        (claim,) = settled([Case(CLAIMS["speed"], tuple(sources))])
        assert claim.headline.verdict is not None
        wrong += claim.headline.verdict.p_effect < ALPHA
    assert wrong <= stats.binom.ppf(0.999, trials, ALPHA)
