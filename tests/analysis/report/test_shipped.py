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

from analysis.cells import parse_cell
from analysis.client import Client, Parameters
from analysis.report import families, pairs, plan
from analysis.report.asking import completed
from analysis.report.claims import HEADLINE, Source
from analysis.report.material import Material
from analysis.report.scale import find
from data.library import Library
from tests.conftest import client_of, copied

HALF, LAST, WIRINGS = 6, 12, 13
"""Epochs of the recipe that the studies were made by, and cells of the family."""
CELL = "DARTS-V2"

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
        client, scale = Undrawn(transport=client_of(library)._transport), find("proxy")
        yield Material(client, scale, completed(client, plan.studies(scale), lambda *_: None))


def cells(material: Material, what: str, rate: float = 0.025) -> list[dict[str, Any]]:
    results = material.documents[plan.named(what, CELL)]["results"]
    if isinstance(results, list):
        (results,) = [one for one in results if one["learning_rate"] == rate]
    return list({row["cell"]: row for row in results["cells"]}.values())


def curve(row: dict[str, Any], which: str) -> npt.NDArray[np.float64]:
    """The mean over seeds, by epoch."""
    return np.asarray(np.mean([one[which] for one in row["curves"]], axis=0), np.float64)


def early(rows: Iterable[dict[str, Any]]) -> list[float]:
    return [float(curve(row, "accuracy")[:HALF].mean()) for row in rows]


def of_group(sources: Iterable[Source], group: str = HEADLINE) -> Source:
    (one,) = [source for source in sources if source.group == group]
    return one


def require(
    found: Source, rows: list[dict[str, Any]], values: list[float], signs: dict[str, int]
) -> None:
    """The estimates are scipy's coefficients, and half their difference."""
    rho = {
        shape: sign * stats.spearmanr([row[shape] for row in rows], values).statistic
        for shape, sign in signs.items()
    }
    assert found.n == len(rows) == WIRINGS
    assert found.estimates["width"].value == pytest.approx(rho["width"])
    assert found.estimates["depth"].value == pytest.approx(rho["depth"])
    assert found.estimates["contrast"].value == pytest.approx((rho["width"] + rho["depth"]) / 2)


def test_speed(material: Material) -> None:
    rows = cells(material, plan.CONVERGENCE)
    told = list(families.speed(material))
    require(of_group(told), rows, early(rows), MORE)
    losses = [float(curve(row, "train_loss")[:HALF].sum()) for row in rows]
    group = f"summed training loss of the first {HALF} epochs"
    require(of_group(told, group), rows, losses, LESS)


def test_other_rates(material: Material) -> None:
    told = list(families.rates(material))
    alone = []
    for rate in (0.0025, 0.25):
        rows = cells(material, plan.RATES, rate)
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
    rows = cells(material, plan.LANDSCAPE)
    told = list(families.landscape(material))
    curvatures = []
    for row in rows:
        middle, step = len(row["axis"]) // 2, row["axis"][1] - row["axis"][0]
        near = np.array(row["loss"])[middle - 1 : middle + 2, middle - 1 : middle + 2]
        # A least-squares quadratic has, along each axis, the mean second difference of three lines.
        across, down = np.diff(near, 2, axis=1).mean(), np.diff(near, 2, axis=0).mean()
        curvatures.append(float((across + down) / 2 / step**2))
    require(of_group(told), rows, curvatures, LESS)
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
    means = [float(np.mean([line["variance"] for line in row["plane"]])) for row in rows]
    require(of_group(told), rows, means, LESS)
    rows = cells(material, plan.GRADIENTS)
    for epoch, when in ((0, "before training"), (6, "after 6 epochs"), (12, "after 12 epochs")):
        assert {row["epochs"][epoch]["epoch"] for row in rows} == {epoch}
        variances = [row["epochs"][epoch]["variance"] for row in rows]
        require(of_group(told, f"gradient variance {when}"), rows, variances, LESS)


def test_fading(material: Material) -> None:
    rows = cells(material, plan.CONVERGENCE)
    found = of_group(families.fading(material))
    late = [float(curve(row, "accuracy")[-1]) for row in rows]
    for shape, sign in MORE.items():
        values = [row[shape] for row in rows]
        change = (
            stats.spearmanr(values, early(rows)).statistic - stats.spearmanr(values, late).statistic
        )
        assert found.estimates[shape].value == pytest.approx(sign * change)  # type: ignore[index]


def test_connections_against_operations(material: Material) -> None:
    """The means vary by what the cells do, and by what their two seeds do, which is taken off."""
    rows = {row["cell"]: row for row in cells(material, plan.OPERATIONS)}
    family = material.scale.family
    variances, within = [], []
    for drawn in (plan.random_connections(family), plan.other_operations(family)):
        of_kind = [rows[parse_cell(cell).id] for cell in drawn]
        by_seed = [[np.mean(one["accuracy"][:HALF]) for one in row["curves"]] for row in of_kind]
        assert np.shape(by_seed) == (12, 2)
        of_seeds = np.var(by_seed, axis=1, ddof=1).mean()
        variances.append(np.var(early(of_kind), ddof=1) - of_seeds / 2)
        within.append(of_seeds)
    a, b = variances
    (found,) = families.connections(material)
    assert found.estimates["difference"].value == pytest.approx((a - b) / (a + b))
    assert found.n == 24
    # What docs/verdicts.md says of one seed and of three.
    own = a / (a + within[0])
    assert own == pytest.approx(0.49, abs=0.005)
    assert np.sqrt([own, own / (own + (1 - own) / 3)]) == pytest.approx([0.70, 0.86], abs=0.005)


def test_a_family_that_varies_no_more_than_its_seeds_leaves_the_claim_open(
    material: Material,
) -> None:
    noisy = replace(material, documents=deepcopy(material.documents))
    for row in noisy.at(plan.named(plan.OPERATIONS, noisy.scale.family.cell))["cells"]:
        row["measures"][f"aulc@{HALF}"]["std"] = 50.0
    (known,), (lost,) = map(list, map(families.connections, (material, noisy)))
    assert (known.telling, lost.telling, lost.estimates) == (False, True, {})
    assert lost.reason.endswith("no verdict without it")


def test_generalisation_with_one_seed_tells_nothing(material: Material) -> None:
    document = material.documents[plan.GENERALISATION]
    assert pairs.noise(document) is None
    found = list(pairs.sources(document, None))
    assert not any(one.estimates for one in found)
    # Of the paper's five cells adapting makes one alone wider; of AmoebaNet-A it kills nodes.
    assert [one.name for one in found if one.group == HEADLINE] == [CELL]
    assert {one.n for one in found} == {2}
