"""What the report says of the shipped trainings, worked out again from curves and measurements.

By scipy, from what ``GET /studies`` answers of single cells; signs are written down from the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from analysis.cells import cell_name, parse_cell
from analysis.client import Client, Parameters
from analysis.report import families, pairs, plan
from analysis.report.asking import completed
from analysis.report.claims import HEADLINE, Source
from analysis.report.material import Material
from analysis.report.scale import DEFAULT, Family, find
from data.library import Library
from tests.conftest import client_of, copied

HALF, LAST = 6, 12
"""Epochs of the recipe that the studies were made by."""
CELL = "DARTS-V2"
WIRINGS = {CELL: 42, "NASNet-A": 12, "AmoebaNet-A": 12, "ENAS": 12, "SNAS-mild": 12}
"""Cells of each family."""
MEASURED = 32
"""Cells of the first of them that more is measured of."""
OWN, SHOWN = 0.55, [0.74, 0.89]
"""Of early accuracy: the share of its variance that is the cells' own, and how much of a true
correlation shows with one seed, with three."""
SIDES = ("original", "adapted")

# Width, depth: the paper has wide and shallow cells learn faster, on a flatter loss, with gradients
# that vary less; what is claimed is positive.
MORE, LESS = {"width": 1, "depth": -1}, {"width": -1, "depth": 1}


class Undrawn(Client):
    """Draws nothing."""

    def text(self, path: str, parameters: Parameters = ()) -> str:
        """An empty picture."""
        return "<svg/>"


@pytest.fixture(scope="module")
def material(started_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    """On a fresh home, which has all trainings and measurements; the studies are asked for."""
    with closing(Library.open(copied(started_home, tmp_path_factory))) as library:
        client, scale = Undrawn(transport=client_of(library)._transport), find(DEFAULT)
        yield Material(client, scale, completed(client, plan.studies(scale), lambda *_: None))


def cells(
    material: Material, what: str, rate: float = 0.025, cell: str = CELL
) -> list[dict[str, Any]]:
    results = material.documents[plan.named(what, cell)]["results"]
    if isinstance(results, list):
        (results,) = [one for one in results if one["learning_rate"] == rate]
    return list({row["cell"]: row for row in results["cells"]}.values())


def curve(row: dict[str, Any], which: str) -> npt.NDArray[np.float64]:
    """The mean over seeds, by epoch."""
    return np.asarray(np.mean([one[which] for one in row["curves"]], axis=0), np.float64)


def early(rows: Iterable[dict[str, Any]]) -> list[float]:
    # Rounded, so that two cells that tie do so whatever order the seeds are summed in.
    return [round(float(curve(row, "accuracy")[:HALF].mean()), 9) for row in rows]


def of_group(sources: Iterable[Source], group: str = HEADLINE, cell: str = CELL) -> Source:
    family = f"wirings of {cell},"
    (one,) = [one for one in sources if one.group == group and one.name.startswith(family)]
    return one


def require(
    found: Source, rows: list[dict[str, Any]], values: list[float], signs: dict[str, int]
) -> None:
    """The estimates are scipy's coefficients, and half their difference."""
    rho = {
        shape: sign * stats.spearmanr([row[shape] for row in rows], values).statistic
        for shape, sign in signs.items()
    }
    assert found.n == len(rows)
    assert found.estimates["width"].value == pytest.approx(rho["width"])
    assert found.estimates["depth"].value == pytest.approx(rho["depth"])
    assert found.estimates["contrast"].value == pytest.approx((rho["width"] + rho["depth"]) / 2)


@pytest.mark.parametrize("cell", WIRINGS)
def test_speed(material: Material, cell: str) -> None:
    rows = cells(material, plan.CONVERGENCE, cell=cell)
    assert len(rows) == WIRINGS[cell]
    told = list(families.speed(material))
    require(of_group(told, cell=cell), rows, early(rows), MORE)
    losses = [float(curve(row, "train_loss")[:HALF].sum()) for row in rows]
    group = f"summed training loss of the first {HALF} epochs"
    require(of_group(told, group, cell), rows, losses, LESS)


def test_other_rates(material: Material) -> None:
    told = list(families.rates(material))
    alone = []
    for rate in (0.0025, 0.25):
        rows = cells(material, plan.RATES, rate)
        assert len(rows) == WIRINGS[CELL]
        found = of_group(told, f"learning rate {rate:g}")
        require(found, rows, early(rows), MORE)
        alone.append(found)
    both = of_group(told)
    for reading, one in both.estimates.items():
        expected = np.mean([found.estimates[reading].value for found in alone])
        assert one.value == pytest.approx(expected)
        # Of the same cells, the mean is at best as uncertain as two independent ones would make it.
        errors = [found.estimates[reading].standard_error for found in alone]
        assert hypot(*errors) / 2 < one.standard_error <= np.mean(errors) + 1e-12


def test_landscapes(material: Material) -> None:
    """Curvature at the centre by second differences over the 3×3 points around it."""
    told = list(families.landscape(material))
    by_plane = []
    for study in plan.planes(material.scale, material.scale.family):
        curvatures = {}
        for row in material.documents[study]["results"]["cells"]:
            middle, step = len(row["axis"]) // 2, row["axis"][1] - row["axis"][0]
            near = np.array(row["loss"])[middle - 1 : middle + 2, middle - 1 : middle + 2]
            # A least-squares quadratic has, along each axis, the mean second difference of 3 lines.
            across, down = np.diff(near, 2, axis=1).mean(), np.diff(near, 2, axis=0).mean()
            curvatures[row["cell"]] = float((across + down) / 2 / step**2)
        by_plane.append(curvatures)
    rows = cells(material, plan.LANDSCAPE)
    assert (len(by_plane), len(rows)) == (4, MEASURED)
    means = [float(np.mean([plane[row["cell"]] for plane in by_plane])) for row in rows]
    require(of_group(told), rows, means, LESS)
    shares = [row["summary"]["convex_share"] for row in rows]
    require(of_group(told, "share where the loss is convex"), rows, shares, MORE)
    rows = cells(material, plan.HESSIAN)
    largest = [
        abs(next(b["eigenvalue"] for b in row["blocks"] if b["group"] == "network")) for row in rows
    ]
    group = f"largest eigenvalue of the Hessian after {LAST} epochs"
    require(of_group(told, group), rows, largest, LESS)


def test_gradients(material: Material) -> None:
    told = list(families.gradients(material))
    rows = cells(material, plan.PLANE)
    assert len(rows) == MEASURED
    means = [float(np.mean([line["variance"] for line in row["plane"]])) for row in rows]
    require(of_group(told), rows, means, LESS)
    rows = cells(material, plan.GRADIENTS)
    for epoch, when in ((0, "before training"), (6, "after 6 epochs"), (12, "after 12 epochs")):
        assert {row["epochs"][epoch]["epoch"] for row in rows} == {epoch}
        variances = [row["epochs"][epoch]["variance"] for row in rows]
        require(of_group(told, f"gradient variance {when}"), rows, variances, LESS)


@pytest.mark.parametrize("cell", WIRINGS)
def test_fading(material: Material, cell: str) -> None:
    rows = cells(material, plan.CONVERGENCE, cell=cell)
    found = of_group(families.fading(material), cell=cell)
    late = [float(curve(row, "accuracy")[-1]) for row in rows]
    for shape, sign in MORE.items():
        values = [row[shape] for row in rows]
        change = (
            stats.spearmanr(values, early(rows)).statistic - stats.spearmanr(values, late).statistic
        )
        assert found.estimates[shape].value == pytest.approx(sign * change)  # type: ignore[index]


def shares(material: Material) -> dict[str, Source]:
    """Wirings against operations, by the family's cell."""
    return {one.name.partition(",")[0]: one for one in families.connections(material)}


@pytest.mark.parametrize("family", find(DEFAULT).families, ids=lambda family: str(family.cell))
def test_connections_against_operations(material: Material, family: Family) -> None:
    """The means vary by what the cells do, and by what their seeds do, which is taken off."""
    rows = {row["cell"]: row for row in cells(material, plan.OPERATIONS, cell=family.cell)}
    seeds = len(family.operation_seeds)
    variances, within, known = [], [], 0
    for drawn in (plan.random_connections(family), plan.other_operations(family)):
        of_kind = [rows[parse_cell(cell).id] for cell in drawn]
        by_seed = [[np.mean(one["accuracy"][:HALF]) for one in row["curves"]] for row in of_kind]
        assert np.shape(by_seed) == (len(drawn), seeds)
        of_seeds = np.var(by_seed, axis=1, ddof=1).mean() if seeds > 1 else 0.0
        variances.append(np.var(np.mean(by_seed, axis=1), ddof=1) - of_seeds / seeds)
        within.append(of_seeds)
        known += len(drawn)
    a, b = variances
    found = shares(material)[family.cell]
    assert found.estimates["difference"].value == pytest.approx((a - b) / (a + b))
    assert found.n == known
    if family.cell == CELL:  # what docs/verdicts.md says of one seed and of three
        own = a / (a + within[0])
        assert own == pytest.approx(OWN, abs=0.005)
        told = np.sqrt([own, own / (own + (1 - own) / 3)])
        assert told == pytest.approx(SHOWN, abs=0.005)


def test_a_family_that_varies_no_more_than_its_seeds_leaves_the_claim_open(
    material: Material,
) -> None:
    noisy = replace(material, documents=deepcopy(material.documents))
    for row in noisy.at(plan.named(plan.OPERATIONS, noisy.scale.family.cell))["cells"]:
        row["measures"][f"aulc@{HALF}"]["std"] = 50.0
    known, lost = (shares(of)[CELL] for of in (material, noisy))
    assert (known.telling, lost.telling, lost.estimates) == (False, True, {})
    assert lost.reason.endswith("no verdict without it")


def test_gains_have_the_error_of_their_seeds(material: Material) -> None:
    """On each of two data sets the difference of means over three seeds; the mean of both."""
    document = material.documents[plan.GENERALISATION]
    pairs_of = {
        cell_name(one["original"]): one["pairs"] for one in document["results"] if "pairs" in one
    }
    values = [
        [[pair[side] for pair in of if pair["dataset"] == dataset] for side in SIDES]
        for of in pairs_of.values()
        for dataset in material.scale.generalisation.datasets
    ]
    assert np.shape(values) == (2 * len(pairs_of), len(SIDES), 3)
    deviation = float(np.sqrt(np.var(values, axis=2, ddof=1).mean()))
    noise = pairs.noise(document)
    assert noise is not None
    assert noise.deviation == pytest.approx(deviation)
    assert noise.degrees == 2 * np.shape(values)[0] * np.shape(values)[1]
    found = {one.name: one for one in pairs.sources(document, noise)}
    assert found.keys() == pairs_of.keys()
    for cell, of in pairs_of.items():
        gain = found[cell].estimates["difference"]
        assert found[cell].group == HEADLINE
        assert gain.value == pytest.approx(
            np.mean([pair["adapted"] - pair["original"] for pair in of])
        )
        # Two means of six trainings each, three on each data set.
        assert gain.standard_error == pytest.approx(deviation * np.sqrt(2 / 6))


def test_generalisation_with_one_seed_tells_nothing(material: Material) -> None:
    document = deepcopy(material.documents[plan.GENERALISATION])
    for one in document["results"]:
        if "pairs" in one:
            one["pairs"] = [pair for pair in one["pairs"] if pair["seed"] == 777]
    assert pairs.noise(document) is None
    found = list(pairs.sources(document, None))
    assert found
    assert not any(one.estimates for one in found)
    assert {one.reason.partition(", ")[2] for one in found} == {"but one seed tells no error"}
