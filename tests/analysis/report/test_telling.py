"""How claims are told: tables, pictures, and the table of what could be shown."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from analysis.report import pairs, searched, telling
from analysis.report.claims import CLAIMS, HEADLINE, SHAPE, Claim, Source, settled_by_name
from analysis.report.forest import forest
from analysis.report.scale import find
from analysis.scripts import power
from analysis.spaces.published import CELLS, FIVE
from analysis.synthesis import Estimate
from tests.analysis.report.made_up import WIDENED, of_generalisation, ranked
from tests.conftest import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def source(name: str, value: float, error: float, **more: Any) -> Source:
    return Source(name, 14, {reading: Estimate(value, error) for reading in SHAPE}, **more)


@pytest.fixture
def claims() -> dict[str, Claim]:
    speed = [
        source("one <family>", 0.5, 0.1),
        source("another", 0.7, 0.2),
        Source("a third", 3, {}, reason="3 complete rows; it takes 5"),
        source("loss", 0.1, 0.2, group="their loss"),
    ]
    gradients = [source("alone", 0.05, 0.3, distinct=9)]
    return settled_by_name({"speed": speed, "gradients": gradients}, 0.7)


def test_each_claim_is_told_with_its_estimate_and_verdict(claims: dict[str, Claim]) -> None:
    text = "\n".join(telling.verdicts(list(claims.values())))
    for number, asked in enumerate(CLAIMS.values(), 1):
        assert f"| {number}. {asked.title} | **inconclusive** |" in text
    found = claims["gradients"].headline
    assert found.interval is not None
    low, high = found.interval
    told = f"+0.05 ({low:+.2f}, {high:+.2f}) | Spearman's ρ | 1 | ±0.1 | {found.detectable:.2f}"
    assert told in text
    # Without an estimate there is nothing but that; the margin is that of the seeds.
    assert (
        "| 7. They generalise no better on average | **inconclusive** | – | percentage points | 0 "
        "| ±0.7 |" in text
    )


def test_sources_stand_beside_what_they_come_to(claims: dict[str, Claim]) -> None:
    text = "\n".join(telling.in_full(list(claims.values()), {}))
    assert "### 2. Wide, shallow cells learn faster: inconclusive" in text
    assert "| one <family> | 14 | 14 | +0.50 ± 0.10 | +0.50 ± 0.10 | +0.50 ± 0.10 |" in text
    assert "| alone | 14 | 9 | +0.05 ± 0.30 |" in text
    assert "| a third | 3 | 3 | 3 complete rows; it takes 5 |" in text
    assert "Beside it, and in no verdict: their loss." in text
    assert text.count("| verdict |") == len(CLAIMS), "what stands beside has none"
    together = claims["speed"].headline
    assert f"| **together** |  |  | **{together.mean:+.2f} (" in text
    assert together.i_squared is not None


def test_the_picture_has_every_source_and_the_mean(claims: dict[str, Claim]) -> None:
    drawn = forest(claims["speed"])
    assert drawn is not None
    root = ElementTree.fromstring(drawn)
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert {"one <family>", "another", "together: inconclusive"} <= set(texts)
    assert "a third" not in texts
    assert "loss" not in texts
    circles = [float(one.attrib["cx"]) for one in root.iter(f"{SVG}circle")]
    assert circles == sorted(circles), "0.5 lies to the left of 0.7"
    (diamond,) = root.iter(f"{SVG}polygon")
    corners = [tuple(map(float, pair.split(","))) for pair in diamond.attrib["points"].split()]
    left, top, right, bottom = corners
    assert left[0] < top[0] == bottom[0] < right[0]
    assert circles[0] < top[0] < circles[1]
    assert forest(claims["rates"]) is None


def test_the_picture_of_a_claim_of_no_gain_has_its_margin() -> None:
    document = of_generalisation(-3, 4)
    noise = pairs.noise(document)
    assert noise is not None
    made = settled_by_name({"generalisation": pairs.sources(document, noise)}, noise.deviation)
    drawn = forest(made["generalisation"])
    assert drawn is not None
    assert "positive as a gain" in drawn
    assert drawn.count("<circle") == len(WIDENED), "one for each cell"
    # The shaded part reaches from the left edge, where a band would end at the lower margin.
    root = ElementTree.fromstring(drawn)
    (shaded,) = [one for one in root.iter(f"{SVG}rect") if "opacity" in one.attrib]
    ends = [float(one.attrib["x1"]) for one in root.iter(f"{SVG}line")]
    assert float(shaded.attrib["x"]) < min(ends)


def test_pairs_by_hand() -> None:
    """Four seeds, two and two 1 apart: a deviation of √⅓, and with it the error of the mean."""
    document = of_generalisation(0, 4)
    for one in document["results"]:
        for number, pair in enumerate(one.get("pairs", ())):
            pair["original"], pair["adapted"] = 50 + number % 2, 52 + number % 2
    noise = pairs.noise(document)
    assert noise is not None
    assert noise.deviation == pytest.approx(np.sqrt(1 / 3))
    assert noise.degrees == len(WIDENED) * 2 * 2 * 3
    first, *others = pairs.sources(document, noise)
    assert len(others) == len(WIDENED) - 1
    estimate = first.estimates["difference"]
    assert estimate.value == pytest.approx(2)
    # Each data set: ⅓ (1/4 + 1/4) = 1/6; the mean of two: 1/6 / 2.
    assert estimate.standard_error == pytest.approx(np.sqrt(1 / 12))
    assert estimate.degrees == noise.degrees


def test_pairs_that_are_incomplete_or_not_widened() -> None:
    document = of_generalisation(0, 3)
    document["results"][0]["original"] = "darts-fd4e6daf23ef"  # AmoebaNet-A, whose nodes go dead
    for pair in document["results"][1]["pairs"]:
        pair["adapted"] = None
    noise = pairs.noise(document)
    first, second, *others = pairs.sources(document, noise)
    assert (first.name, first.group) == ("AmoebaNet-A", pairs.NARROWER)
    assert (second.n, second.estimates, second.reason) == (0, {}, "no pair is complete")
    assert second.name.endswith(", 6 pairs left out")
    assert [one.name for one in others] == list(WIDENED[2:])
    assert {one.group for one in others} == {HEADLINE}
    assert [pairs.widened(name) for name in FIVE] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("seeds", "missing", "told"),
    [
        (1, 0, "one seed tells no error"),
        (2, 0, "2 seeds on a data set tell no error, 3 would"),
        # Of three seeds one, or all, of one data set.
        (3, 1, "2 seeds on a data set tell no error, 3 would"),
        (3, 3, "no seeds on a data set tell no error, 3 would"),
    ],
)
def test_fewer_than_three_seeds_give_no_verdict(seeds: int, missing: int, told: str) -> None:
    document = of_generalisation(4, seeds)
    for one in document["results"]:
        for pair in one.get("pairs", ())[:missing]:
            pair["adapted"] = None
    noise = pairs.noise(document)
    found = list(pairs.sources(document, noise))
    assert [one.estimates for one in found] == [{}] * len(WIDENED)
    assert {one.reason[5:] for one in found} == {f", but {told}"}
    margin = None if noise is None else noise.deviation
    claim = settled_by_name({"generalisation": found}, margin)["generalisation"]
    assert claim.verdict == "inconclusive"


def test_seeds_that_end_alike_tell_no_error() -> None:
    document = of_generalisation(1, 3, noise=0)
    assert pairs.noise(document) is None
    reasons = {one.reason for one in pairs.sources(document, None)}
    assert reasons == {"+1.00, but seeds that all end alike tell no error"}


def test_searches_the_claim_was_not_made_from() -> None:
    found = searched.others()
    names = [name for several in found.values() for name in several]
    assert {"PNASNet-5", "P-DARTS", "GDAS", "SETN"} <= set(names)
    # DARTS' first order and SNAS' other constraint are of publications of the five.
    assert not {"DARTS-V1", "SNAS-moderate", *FIVE} & set(names)
    assert found["arXiv 1907.05737"] == ["PC-DARTS-CIFAR", "PC-DARTS-ImageNet"]
    assert {CELLS[name].kind for name in names} == {"elsewhere"}


def test_cells_of_a_search_are_one_source_and_the_five_none() -> None:
    by_sampler = {"paper": ranked(90, 0), "distinct": ranked(60, 0)}
    by_sampler["paper"]["PC-DARTS-CIFAR"]["ranks"]["width"] = {"percentile": 50}
    sources = list(searched.sources(by_sampler))
    heads = [one for one in sources if one.group == HEADLINE]
    assert len(heads) == len(searched.others())
    (both,) = [one for one in heads if one.name == "PC-DARTS-CIFAR, PC-DARTS-ImageNet"]
    assert both.n == 2
    assert both.estimates["width"].value == pytest.approx((0.0 + 0.4) / 2)
    assert both.estimates["depth"].value == pytest.approx(0.4)
    assert both.estimates["contrast"].value == pytest.approx(0.3)
    five = [one.name for one in sources if one.group.startswith("the five")]
    assert five == list(FIVE)
    other = [one for one in sources if one.group.startswith("among wirings")]
    assert {round(one.estimates["width"].value, 9) for one in other} == {0.1}


def test_the_docs_say_what_the_evidence_could_show() -> None:
    text = (ROOT / "docs" / "verdicts.md").read_text()
    (shown,) = re.findall(r"power --scale evidence\n```\n\n(\| claim .*?\n)\n", text, re.DOTALL)
    assert shown == power.table(find("evidence"))
