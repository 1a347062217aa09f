"""The claims as the report tells them: verdicts first, then what each rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.report.claims import (
    HEADLINE,
    SHAPE,
    Claim,
    Finding,
    Reading,
    Source,
    Unit,
    word,
)
from analysis.report.text import NOTHING, interval, markdown
from analysis.synthesis import Estimate
from analysis.verdicts import ALPHA

HEADS: dict[Reading, str] = {
    "contrast": "wide and shallow",
    "width": "wide",
    "depth": "shallow",
    "difference": "difference",
}

READING = f"""\
Of each claim one figure is estimated, which the program fixes, whatever comes out, once from
each source; these are joined by a random-effects mean with the interval of Hartung
and Knapp. A claim is **supported** where that mean is shown to lie on the claimed side of zero,
**contradicted** where it lies on the other, **negligible** where it is shown to lie so near to
zero that it doesn't count (within the band), and **inconclusive** where the data can tell
neither. With all eight claims together, the probability of calling any of them supported or
contradicted that has no effect (of claim 7: contradicted) is at most {100 * ALPHA:.0f} %, and so
is that of calling any negligible (of claim 7: supported) whose effect reaches the band's end
(Holm), as far as sources are independent and their errors right; the searches of claim 1, which
build on one another, aren't quite, and what all sources have in common is in none of it.
Intervals are of 95 %, for one claim by itself, so that one beside zero need not make a verdict.
*Could have shown alone*: the effect that so many sources, as precise and as different as these,
would have shown with a probability of 80 % if there were this claim alone; the correction for
eight asks for more, and smaller ones may well be there. Positive is as claimed,
of claim 7 a gain. In the tables of sources *±* is one standard error, *n* counts cells, of
claim 7 pairs,
*different* the networks among them that aren't copies, and I² is the share of the spread
between sources beyond their errors. docs/verdicts.md tells all of it.
"""


def verdicts(claims: Sequence[Claim]) -> Iterator[str]:
    """A line a claim, how to read it, and width and depth by themselves."""
    yield "## Claims\n"
    rows = []
    for number, claim in enumerate(claims, 1):
        found = claim.headline
        rows.append(
            [
                f"{number}. {claim.title}",
                f"**{claim.verdict}**",
                _finding(found, claim.asked.unit),
                claim.asked.unit.name,
                str(found.n_sources),
                NOTHING if claim.band is None else f"±{claim.band:.2g}",
                NOTHING if found.detectable is None else f"{found.detectable:.2f}",
            ]
        )
    head = ["claim", "verdict", "estimate", "in", "sources", "band", "could have shown alone"]
    yield markdown(head, rows)
    yield READING
    rows = [
        [
            claim.title,
            *(
                cell
                for reading in SHAPE[1:]
                for found in [claim.findings[reading]]
                for cell in (_finding(found, claim.asked.unit), f"**{word(found)}**")
            ),
        ]
        for claim in claims
        if claim.asked.readings == SHAPE
    ]
    yield "Width alone, and depth alone, turned round so that positive is shallow as claimed:\n"
    yield markdown(["claim", "wide", "verdict", "shallow", "verdict"], rows)


def in_full(claims: Sequence[Claim], pictures: Mapping[str, str]) -> Iterator[str]:
    """Each claim with its sources; ``pictures`` are Markdown by title."""
    for number, claim in enumerate(claims, 1):
        yield f"### {number}. {claim.title}: {claim.verdict}\n"
        yield f"Claimed: {claim.asked.statement}. Estimated: {claim.asked.estimand}.\n"
        if claim.title in pictures:
            yield pictures[claim.title]
        yield markdown(_head(claim), _rows(claim, HEADLINE, claim.findings))
        for group, findings in claim.beside.items():
            yield f"Beside it, and in no verdict: {group}.\n"
            yield markdown(_head(claim), _rows(claim, group, findings))


def _head(claim: Claim) -> list[str]:
    return ["source", "n", "different", *(HEADS[reading] for reading in claim.asked.readings)]


def _rows(claim: Claim, group: str, findings: Mapping[Reading, Finding]) -> Iterator[list[str]]:
    sources = [source for source in claim.sources if source.group == group]
    unit, readings = claim.asked.unit, claim.asked.readings
    for source in sources:
        distinct = source.n if source.distinct is None else source.distinct
        told = [_source(source, reading, unit) for reading in readings]
        yield [source.name, f"{source.n:,}", f"{distinct:,}", *told]
    if len(sources) > 1 and any(findings[reading].mean is not None for reading in readings):
        found = [findings[reading] for reading in readings]
        yield ["**together**", "", "", *(f"**{_finding(one, unit)}**" for one in found)]
        if any(one.i_squared is not None for one in found):
            yield ["I²", "", "", *(_percent(one.i_squared) for one in found)]
    if group == HEADLINE:
        found = [findings[reading] for reading in readings]
        yield ["verdict", "", "", *(f"**{word(one)}**" for one in found)]
        yield [
            "could have shown alone",
            "",
            "",
            *(NOTHING if one.detectable is None else f"{one.detectable:.2f}" for one in found),
        ]


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f} %"


def _source(source: Source, reading: Reading, unit: Unit) -> str:
    found = source.estimates.get(reading)
    if found is None:
        return source.reason or NOTHING
    return f"{found.value:{unit.form}}{_error(found, unit)}"


def _error(found: Estimate, unit: Unit) -> str:
    return (
        f" ± {found.standard_error:{unit.form.removeprefix('+')}}" if found.standard_error else ""
    )


def _finding(found: Finding, unit: Unit) -> str:
    if found.mean is None:
        return NOTHING
    return f"{found.mean:{unit.form}}{interval(found.interval, unit.form)}"
