"""What the report takes from a whole table: in which unit and direction, and when it is one."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from analysis.client import Client
from analysis.report import tabular
from analysis.report.claims import HEADLINE
from analysis.report.material import Material
from analysis.report.scale import find
from analysis.synthesis import Estimate


def contrast(x: list[str], y: list[str], **more: Any) -> dict[str, Any]:
    """One that ``GET /correlations/contrasts`` answers: 400 cells, 90 networks, no groups."""
    found = {"estimate": 0.5, "standard_error": 0.25, "reason": None}
    counts = {"n": 400, "n_distinct": 90, "n_groups": None}
    return {"x": x, "y": y, **found, **counts, **more}


def material(total: int, items: list[dict[str, Any]]) -> Material:
    """Over a server that has the 12-epoch schedule of so many cells."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/cells":
            return httpx2.Response(200, json={"items": [], "total": total, "next": None})
        assert request.url.path == "/correlations/contrasts"
        grouped = dict(request.url.params).get("group_by") == "live_ops"
        more = {"n_groups": 31} if grouped else {}
        found = [item | more for item in items]
        context = {"sets": {"y": {"sources": {"mine": 400, "yours": 3}}}}
        told = {"items": found, "total": len(found), "next": None, "context": context}
        return httpx2.Response(200, json=told)

    return Material(Client(transport=httpx2.MockTransport(answer)), find("digits"), {})


BOTH = [["width"], ["depth"], ["width", "depth"]]
EARLY, FINAL = [tabular.EARLY], [tabular.FINAL]


@pytest.mark.parametrize(("cells", "official"), [(7_812, False), (7_813, True), (15_625, True)])
def test_a_table_is_of_more_than_half_of_the_cells(cells: int, official: bool) -> None:
    """Of 15,625."""
    assert tabular.official(material(cells, [])) is official


def test_readings_are_signed_and_in_their_unit() -> None:
    """Half of the difference, width as it is, depth turned round; errors have no sign."""
    items = [contrast(x, EARLY) for x in BOTH]
    held, as_it_is = tabular.speed(material(15_625, items))
    assert (held.group, as_it_is.group) == (HEADLINE, tabular.AS_IT_IS)
    # Degrees of freedom are those of the groups, or of the different networks without them.
    for source, degrees in ((held, 30), (as_it_is, 89)):
        assert source.name == "NAS-Bench-201 (mine, yours)"
        assert (source.n, source.distinct, source.reason) == (400, 90, "")
        assert source.estimates == {
            "contrast": Estimate(0.25, 0.125, degrees),
            "width": Estimate(0.5, 0.25, degrees),
            "depth": Estimate(-0.5, 0.25, degrees),
        }


def test_fading_is_of_the_differences_alone_and_what_is_missing_says_why() -> None:
    items = [contrast(x, y) for x in BOTH for y in (EARLY, FINAL)]
    items += [contrast(x, [*EARLY, *FINAL], estimate=0.1) for x in BOTH[1:]]
    undefined = {"estimate": None, "standard_error": None, "reason": "x is constant"}
    items.append(contrast(BOTH[0], [*EARLY, *FINAL]) | undefined)
    held = next(tabular.fading(material(15_625, items)))
    assert held.estimates == {
        "depth": Estimate(-0.1, 0.25, 30),
        "contrast": Estimate(0.05, 0.125, 30),
    }
    assert held.reason == "x is constant"
