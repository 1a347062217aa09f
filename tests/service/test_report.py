"""The report over studies whose every number a test decides: complete, and in many a ruin."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx2
import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from analysis import topology
from analysis.cells import parse_cell
from analysis.client import Client, ClientError
from analysis.report import plan
from analysis.report.claims import HEADLINE, Source
from analysis.report.document import Report
from analysis.report.following import report_of
from analysis.report.plan import studies
from analysis.report.scale import Scale, find
from data.library import Library
from tests.service.helpers import unkept
from tests.service.jobs.staged import EPOCHS
from tests.service.lab import Lab

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
    """What a training adds to the accuracies of its epochs."""
    return speed_of(assignment.cell)


def speed_of(cell: str) -> float:
    """Rises with width but for chance, which differs from cell to cell and is always the same."""
    chance: int = sum(cell.encode()) % 7
    return width(cell) + chance / 10


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
    library: Library, scale: Scale = SCALE, failing: Callable[[Any], int] = lambda _: 0
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
    assert found["Their loss is smoother"].name.endswith(", 1 cell left out")
    assert found["Wide, shallow cells learn faster"].n == cells
    assert "left out" not in found["Wide, shallow cells learn faster"].name


LATE = EPOCHS // 2 + 2
"""An epoch after those that early accuracy is of."""


@pytest.mark.parametrize("after", [1, LATE])
def test_a_cell_is_last_from_the_epoch_on_at_which_it_diverges(fresh: Library, after: int) -> None:
    """The widest cell, which learns best until then."""
    wirings = plan.wirings(SCALE.family)
    widths = [width(cell) for cell in wirings]
    lost = parse_cell(max(wirings, key=width)).arch
    report = made(fresh, ONE_RATE, lambda one: after if one.cell == lost else 0)
    found = headlines(report)
    known = [speed_of(parse_cell(cell).arch) for cell in wirings]
    late = [
        -1.0 if parse_cell(cell).arch == lost else one
        for cell, one in zip(wirings, known, strict=True)
    ]
    early = known if after == LATE else late
    first, last = (stats.spearmanr(widths, values).statistic for values in (early, late))
    faster, fades = (
        found[title].estimates["width"].value
        for title in ("Wide, shallow cells learn faster", "What shape tells early fades")
    )
    assert faster == pytest.approx(first)
    assert fades == pytest.approx(first - last)


@pytest.mark.parametrize("after", [1, LATE])
def test_variances_are_of_cells_that_had_not_diverged(fresh: Library, after: int) -> None:
    family = SCALE.family
    kinds = plan.random_connections(family), plan.other_operations(family)
    lost = [parse_cell(kind[0]).arch for kind in kinds]
    lost.append(parse_cell(kinds[0][1]).arch)
    report = made(fresh, ONE_RATE, lambda one: after if one.cell in lost and one.seed == 888 else 0)
    source = headlines(report)["Connections matter more than operations"]
    gone = len(lost) if after == 1 else 0
    assert source.n == sum(map(len, kinds)) - gone
    assert source.name.endswith(", 3 cells left out" if gone else " 6 operations, 2 seeds")
    known = [
        [speed_of(arch) for cell in kind if (arch := parse_cell(cell).arch) not in lost or not gone]
        for kind in kinds
    ]
    a, b = (np.var(values, ddof=1) for values in known)
    assert source.estimates["difference"].value == pytest.approx((a - b) / (a + b))
    # At the end all three are out of it.
    (line,) = re.findall(r"\| DARTS-V2 \| `accuracy@final` \|.*", report.text)
    assert re.findall(r"\((\d+)\)", line) == ["4", "5"]


def test_a_server_that_fails_ends_it() -> None:
    broken = Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(500, text="oops")))
    with pytest.raises(ClientError, match="500"):
        report_of(broken, SCALE, as_is=True, console=Console(quiet=True))
