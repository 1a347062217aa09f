"""What the report says of the shipped studies, worked out again from their curves and measurements.

By scipy, from what ``GET /studies`` answers of single cells; signs are written down from the paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from starlette.testclient import TestClient

from analysis.client import Client, Parameters
from analysis.report import measured, trained
from analysis.report.asking import finished
from analysis.report.claims import Measurement
from analysis.report.material import Material
from analysis.report.plan import studies
from analysis.report.scale import find

HALF, LAST = 6, 12
"""Epochs of the recipe that the studies were made by."""

# Width, depth: the paper has wide and shallow cells learn faster, on a flatter loss, with gradients
# that vary less.
MORE, LESS = ("positive", "negative"), ("negative", "positive")


class Undrawn(Client):
    """Draws nothing."""

    def text(self, path: str, parameters: Parameters = ()) -> str:
        """An empty picture."""
        return "<svg/>"


@pytest.fixture(scope="module")
def material(started_client: TestClient) -> Material:
    client, scale = Undrawn(transport=started_client._transport), find("proxy")
    return Material(client, scale, finished(client, studies(scale)))


def at_rate(document: dict[str, Any], rate: float) -> list[dict[str, Any]]:
    (result,) = [one for one in document["results"] if one["learning_rate"] == rate]
    return list({row["cell"]: row for row in result["cells"]}.values())


def curve(row: dict[str, Any], which: str) -> npt.NDArray[np.float64]:
    """The mean over seeds, by epoch."""
    return np.asarray(np.mean([one[which] for one in row["curves"]], axis=0), np.float64)


def require(
    told: list[Measurement],
    what: str,
    rows: list[dict[str, Any]],
    values: list[float],
    signs: tuple[str, str],
    *,
    primary: bool,
) -> None:
    """Both measurements are there, with scipy's coefficient, and judged by the paper's sign."""
    for shape, sign in zip(("width", "depth"), signs, strict=True):
        (one,) = [one for one in told if one.what == what.format(shape)]
        rho = stats.spearmanr([row[shape] for row in rows], values).statistic
        assert one.claimed == f"ρ {sign}", one.what
        assert one.value.startswith(f"ρ = {rho:+.2f} ("), one.what
        assert (one.n, one.primary) == (14, primary), one.what
        # Bonett and Wright's interval, as an independent formula.
        reach = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (14 - 3))
        low, high = np.tanh([np.arctanh(rho) - reach, np.arctanh(rho) + reach])
        agrees = low > 0 if sign == "positive" else high < 0
        against = high < 0 if sign == "positive" else low > 0
        assert one.verdict == (
            "supported" if agrees else "not supported" if against else "can't tell"
        ), one.what


@pytest.mark.parametrize(
    ("rate", "section", "where"),
    [
        (0.025, trained.convergence, "fresh"),
        (0.0025, trained.learning_rates, "fresh, learning rate 0.0025"),
        (0.25, trained.learning_rates, "fresh, learning rate 0.25"),
    ],
)
def test_speed(material: Material, rate: float, section: Any, where: str) -> None:
    rows = at_rate(material.documents["rates family"], rate)
    _, told = section(material)
    early = [float(curve(row, "accuracy")[:HALF].mean()) for row in rows]
    what = f"{where}: {{}} with mean accuracy of the first {HALF} epochs"
    require(told, what, rows, early, MORE, primary=True)
    if rate == 0.025:
        losses = [float(curve(row, "train_loss")[:HALF].sum()) for row in rows]
        what = f"{where}: {{}} with summed training loss of the first {HALF} epochs"
        require(told, what, rows, losses, LESS, primary=False)


def test_landscapes(material: Material) -> None:
    """Curvature at the centre by second differences over the 3×3 points around it."""
    rows = material.documents["landscape family"]["results"]["cells"]
    _, told = measured.landscapes(material)
    curvatures = []
    for row in rows:
        middle, step = len(row["axis"]) // 2, row["axis"][1] - row["axis"][0]
        near = np.array(row["loss"])[middle - 1 : middle + 2, middle - 1 : middle + 2]
        # A least-squares quadratic has, along each axis, the mean second difference of three lines.
        across, down = np.diff(near, 2, axis=1).mean(), np.diff(near, 2, axis=0).mean()
        curvatures.append(float((across + down) / 2 / step**2))
    require(told, "landscape: {} with curvature", rows, curvatures, LESS, primary=True)
    assert {one.what for one in told if not one.primary} == {
        f"landscape: {shape} with {words}"
        for shape in ("width", "depth")
        for words in ("share where the loss is convex", "area of low loss")
    }
    shares = [row["summary"]["convex_share"] for row in rows]
    what = "landscape: {} with share where the loss is convex"
    require(told, what, rows, shares, MORE, primary=False)


@pytest.mark.parametrize(
    ("epoch", "when", "primary"),
    [(0, "before training", False), (6, "after 6 epochs", True), (12, "after 12 epochs", False)],
)
def test_gradients(material: Material, epoch: int, when: str, primary: bool) -> None:
    rows = material.documents["gradients family"]["results"]["cells"]
    _, told = measured.gradients(material)
    variances = [row["epochs"][epoch]["variance"] for row in rows]
    assert {row["epochs"][epoch]["epoch"] for row in rows} == {epoch}
    what = f"gradients: {{}} with gradient variance {when}"
    require(told, what, rows, variances, LESS, primary=primary)


def test_gradients_over_the_plane(material: Material) -> None:
    rows = material.documents["plane"]["results"]["cells"]
    _, told = measured.gradients(material)
    means = [float(np.mean([line["variance"] for line in row["plane"]])) for row in rows]
    what = "gradients: {} with mean gradient variance over the plane"
    require(told, what, rows, means, LESS, primary=False)


def test_curvature(material: Material) -> None:
    rows = material.documents["smoothness"]["results"]["cells"]
    _, told = measured.smoothness(material)
    largest = [
        abs(next(b["eigenvalue"] for b in row["blocks"] if b["group"] == "network")) for row in rows
    ]
    what = f"Hessian: {{}} with largest Hessian eigenvalue after {LAST} epochs"
    require(told, what, rows, largest, LESS, primary=True)


def test_fading(material: Material) -> None:
    rows = at_rate(material.documents["rates family"], 0.025)
    (told,) = trained.fading(material)
    widths, curves = [row["width"] for row in rows], [curve(row, "accuracy") for row in rows]
    early = stats.spearmanr(widths, [float(one[:HALF].mean()) for one in curves]).statistic
    late = stats.spearmanr(widths, [float(one[-1]) for one in curves]).statistic
    assert told.value.startswith(f"{early:+.2f} − {late:+.2f} = {early - late:+.2f} (")
    assert (told.n, told.primary) == (14, True)


def test_connections_against_operations(material: Material) -> None:
    """Brown and Forsythe's test is Levene's about the median, of the cells' means over seeds."""
    (result,) = material.documents["operations"]["results"]
    _, told = trained.operations(material)
    groups: dict[str, list[float]] = {}
    for row in result["cells"]:
        early = float(curve(row, "accuracy")[:HALF].mean())
        groups.setdefault(row["role"], []).append(early)
    kinds = groups["random-connections"], groups["random-operations"]
    assert [len(kind) for kind in kinds] == [12, 12]
    p = stats.levene(*kinds, center="median").pvalue
    (primary,) = [one for one in told if one.primary]
    assert "mean accuracy of the first 6 epochs, connections / operations" in primary.what
    assert primary.value.endswith(f"p = {p:.2g}")
    assert p > 0.05
    assert primary.verdict == "can't tell"


def test_generalisation(material: Material) -> None:
    _, told = trained.generalisation(material)
    (together,) = [one for one in told if one.primary]
    results = material.documents["generalisation"]["results"]
    gains = [pair["adapted"] - pair["original"] for one in results for pair in one.get("pairs", ())]
    found = stats.ttest_1samp(gains, 0)  # one seed: each pair is its cell's and data set's mean
    low, high = found.confidence_interval(0.95)
    assert together.value == f"{np.mean(gains):+.2f} points ({low:+.2f}, {high:+.2f})"
    assert together.n == len(gains) == 10
    assert together.verdict == ("supported" if high < 1 else "can't tell")
    assert together.what == "all together: adapted − original"
