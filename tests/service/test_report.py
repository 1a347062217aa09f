"""The report over studies whose every number a test decides: complete, and in many a ruin."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import httpx2
import pytest
from rich.console import Console

from analysis import topology
from analysis.cells import parse_cell
from analysis.client import Client, ClientError
from analysis.report.claims import HEADLINE, Source
from analysis.report.document import Report
from analysis.report.following import report_of
from analysis.report.plan import studies
from analysis.report.scale import Scale, find
from data.library import Library
from tests.service.helpers import unkept
from tests.service.jobs.staged import EPOCHS
from tests.service.test_studies import Lab

SCALE = find("digits").model_copy(update={"learning_rates": (0.025, 0.25)})


def with_family(scale: Scale, **changes: Any) -> Scale:
    family = scale.family.model_copy(update=changes)
    return scale.model_copy(update={"families": (family,)})


ONE_RATE = SCALE.model_copy(update={"learning_rates": (0.025,)})
TWO_SEEDS = with_family(ONE_RATE, seeds=(777, 888))


@cache
def width(cell: str) -> float:
    return float(topology.columns(parse_cell(cell))["width"] or 0)


def speed(assignment: Any) -> float:
    """Rises with width but for chance, which differs from cell to cell and is always the same."""
    chance: int = sum(assignment.cell.encode()) % 7
    return width(assignment.cell) + chance / 10


def measured(assignment: Any) -> list[dict[str, Any]]:
    """A bowl as steep as the cell is narrow, and gradients and eigenvalues alike."""
    asked = assignment.measurement
    steep = 10 - speed(assignment)
    about = {"set": "train", "images": 9}
    if asked is None:
        return []
    if asked.kind == "landscape":
        axis = [-1 + 2 * place / (asked.points - 1) for place in range(asked.points)]
        about = {"epoch": EPOCHS, "set": "ori-test", "images": 9, "accuracy": [50.0] * len(axis)}
        return [
            {**about, "row": row, "y": y, "loss": [steep * (x * x + y * y) + 1 for x in axis]}
            for row, y in enumerate(axis)
        ]
    if asked.kind == "smoothness":
        found = {"residual": 1e-6, "products": 12, "parameters": 44, "group": "network"}
        return [
            {**about, "epoch": epoch, "eigenvalue": steep, "converged": epoch > 0, **found}
            for epoch in (0, EPOCHS)
        ]
    group = {"variance": steep, "squared_mean": 1.0}
    epochs = range(EPOCHS + 1) if asked.at == "every-epoch" else (EPOCHS,)
    lines = [{**about, "epoch": epoch, **group, "groups": {"stem": group}} for epoch in epochs]
    if asked.plane is not None:
        row = {"variance": [steep] * asked.plane, "squared_mean": [1.0] * asked.plane}
        lines += [
            {**about, "epoch": EPOCHS, "row": place, "y": float(place), **row}
            for place in range(asked.plane)
        ]
    return lines


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    unkept(monkeypatch)


def made(
    library: Library, scale: Scale = SCALE, failing: Callable[[Any], bool] = lambda _: False
) -> Report:
    lab = Lab(library)
    for body in studies(scale).values():
        lab.post(**body)
    lab.work(speed, lambda one: [] if failing(one) else measured(one), failing)
    client = Client(transport=lab.client._transport)
    return report_of(client, scale, as_is=True, console=Console(quiet=True))


def headlines(report: Report) -> dict[str, Source]:
    """By title, the sources of the families."""
    return {
        claim.title: one
        for claim in report.claims[1:]
        for one in claim.sources
        if one.group == HEADLINE
    }


def test_what_rises_with_width_is_found(fresh: Library) -> None:
    report = made(fresh, TWO_SEEDS)
    claims = {claim.title: claim for claim in report.claims}
    assert len(claims) == 8
    cells = SCALE.family.wirings
    for title in (
        "Wide, shallow cells learn faster",
        "Their loss is smoother",
        "Their gradients vary less",
    ):
        (source,) = (one for one in claims[title].sources if one.group == HEADLINE)
        assert source.n == cells, "seeds are no cells"
        assert source.estimates["width"].value > 0.9, title
        assert claims[title].findings["width"].verdict is not None
    # One rate alone: no source has others.
    assert claims["They do so at other learning rates"].verdict == "inconclusive"
    # The iteration of what was measured before training didn't converge.
    beside = claims["Their loss is smoother"].beside
    assert beside["largest eigenvalue of the Hessian before training"]["width"].mean is None
    late = beside[f"largest eigenvalue of the Hessian after {EPOCHS} epochs"]["width"].mean
    assert late is not None
    assert late > 0.9
    assert "DARTS-V2-adapted |" in report.text
    # The server has no tables.
    assert "`cellwise import` brings them in" in report.text
    assert not any(
        "NAS-Bench-201" in one.name for claim in claims.values() for one in claim.sources
    )
    assert report.figures.keys() >= {"claim-speed", "claim-gradients", "claim-ranks"}


def test_when_all_diverged_there_is_a_report(fresh: Library) -> None:
    report = made(fresh, failing=lambda _: True)
    assert {claim.verdict for claim in report.claims[1:]} == {"inconclusive"}
    rows = [line for line in report.text.splitlines() if "GET /studies/" in line]
    assert len(rows) == len(studies(SCALE))
    assert all("| 0 of" in row for row in rows)


def test_a_part_that_failed_leaves_the_others(fresh: Library) -> None:
    """One training of each kind of part diverges: it is last in accuracy, and not measured."""
    seen: dict[str | None, str] = {}

    def failing(assignment: Any) -> bool:
        kind = None if assignment.measurement is None else assignment.measurement.kind
        return seen.setdefault(kind, str(assignment.cell)) == str(assignment.cell)

    report = made(fresh, ONE_RATE, failing)
    assert seen.keys() == {None, "landscape", "gradient-variance", "smoothness"}
    found = headlines(report)
    cells = SCALE.family.wirings
    assert found["Their loss is smoother"].n == cells - 1
    assert found["Wide, shallow cells learn faster"].n == cells


def test_a_server_that_fails_ends_it() -> None:
    broken = Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(500, text="oops")))
    with pytest.raises(ClientError, match="500"):
        report_of(broken, SCALE, as_is=True, console=Console(quiet=True))
