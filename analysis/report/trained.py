"""Sections on trainings: convergence, learning rates, operations, generalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.cells import cell_name
from analysis.correlation import correlate
from analysis.report import claims
from analysis.report.claims import Measurement
from analysis.report.material import Material
from analysis.report.rows import SHAPE, Row, Section, labelled, once
from analysis.report.text import NOTHING, interval, markdown, number


def convergence(material: Material) -> Section:
    """How fast cells learn beside their variants."""
    at, half = material.rate("rates family"), material.half
    others = material.rate("rates named")
    family = cell_name(material.scale.family.cell)
    found = at["correlations"]
    measured = [
        *claims.of_shape("fresh", found, {f"aulc@{half}": _aulc(half)}, rises=True, primary=True),
        *claims.of_shape("fresh", found, {f"sotl@{half}": _sotl(half)}, rises=False),
    ]
    text = [
        "## Convergence\n",
        f"{family}, its adapted form and {material.scale.family.variants} variants with other "
        "connections and the same operations, which differ in nothing else; then the published "
        f"cells with their adapted forms, whose operations differ too. {_ways(material)} "
        f"`aulc@{half}` and `accuracy` are percent of {_images(at['set'])}, `sotl@{half}` is in "
        "nats, `half_life` in epochs (docs/concepts.md).\n",
        material.picture("rates family", "curves", f"Learning curves of {family} and variants"),
        material.picture("rates family", "shape", "Width and depth against the first epochs"),
        _measures(at["cells"], half),
        material.picture("rates named", "curves", "Learning curves of the published cells"),
        _measures(others["cells"], half),
    ]
    return text, measured


def learning_rates(material: Material) -> Section:
    """The same at the other learning rates."""
    half, name = material.half, f"aulc@{material.half}"
    measured: list[Measurement] = []
    rows = []
    for rate in material.scale.learning_rates:
        at = material.rate("rates family", rate)
        found = claims.of_shape(
            f"fresh, learning rate {rate:g}",
            at["correlations"],
            {name: _aulc(half)},
            rises=True,
            primary=True,
        )
        if rate != material.scale.learning_rate:
            measured += found
        best = max(
            (row for row in at["cells"] if row["measures"]["accuracy@final"]["mean"] is not None),
            key=lambda row: row["measures"]["accuracy@final"]["mean"],
            default=None,
        )
        diverged = sum(row["diverged"] for row in at["cells"])
        trainings = sum(row["trainings"] for row in at["cells"])
        rows.append(
            [
                f"{rate:g}",
                *(one.value for one in found),
                f"{diverged} of {trainings}",
                NOTHING if best is None else cell_name(best["cell"]),
                NOTHING if best is None else f"{best['measures']['accuracy@final']['mean']:.2f} %",
            ]
        )
    head = ["learning rate", "width", "depth", "diverged", "best at the end", "its accuracy"]
    text = [
        "## Learning rates\n",
        f"Spearman's ρ of width and depth with {_aulc(half)}, over "
        f"{cell_name(material.scale.family.cell)} and its variants, those that diverged ranked "
        "last:\n",
        markdown(head, rows),
    ]
    return text, measured


def operations(material: Material) -> Section:
    """Random connections against random operations."""
    at, half = material.rate("operations"), material.half
    names = {
        f"accuracy@{half}": f"accuracy after {half} epochs",
        f"aulc@{half}": _aulc(half),
        f"sotl@{half}": _sotl(half),
        "accuracy@final": "final accuracy",
    }
    early = [item for item in at["components"] if item["measure"] != "accuracy@final"]
    measured = claims.connections_matter(early, names, f"aulc@{half}")
    rows = [
        [
            f"`{item['measure']}`",
            *(number(item[part], ".3g") for part in ("connections", "operations", "seeds")),
            number(item["ratio"], ".2f") + interval(item["ratio_interval"], ".2f"),
            number(item["p"], ".2g"),
        ]
        for item in at["components"]
        if item["measure"] in names
    ]
    seeds = len(material.scale.operations.seeds)
    text = [
        "## Connections against operations\n",
        f"{material.scale.family.variants} variants of {cell_name(material.scale.family.cell)} "
        "with random connections and as many with random operations, "
        f"{seeds} seeds each: components of variance (accuracies in percent, losses in nats, "
        "squared), the ratio of the first two with a bootstrap interval over cells, and p of Brown "
        "and Forsythe's test that both kinds spread equally, which decides.\n",
        markdown(["", "connections", "operations", "seeds", "connections / operations", "p"], rows),
        material.picture("operations", "shape", "Both kinds of variants: shape and first epochs"),
    ]
    return text, measured


def generalisation(material: Material) -> Section:
    """Published cells against their adapted forms at the end."""
    document = material.documents["generalisation"]
    results = document["results"]
    measured = [
        claims.no_better(_original(one), one, primary=one["original"] == "all") for one in results
    ]
    sets = dict.fromkeys(
        f"{pair['dataset']}: {_images(pair['set'])}"
        for one in results
        for pair in one.get("pairs", ())
        if pair["set"] is not None
    )
    rows = [
        [
            _original(one),
            number(one["mean"], "+.2f") + interval(one["ci"], "+.2f"),
            number(one["t_p"], ".2g"),
            number(one["w_p"], ".2g"),
            one["verdict"],
            number(one["detectable"], ".2f"),
            str(one["n"]),
        ]
        for one in results
    ]
    settings = document["settings"]
    seeds = ", ".join(map(str, settings["seeds"]))
    text = [
        "## Generalisation\n",
        "Accuracy of the adapted cell minus the original's after the last epoch of "
        f"`{settings['recipe']}` ({'; '.join(sets)}). Of one cell, pairs of one data set and seed "
        f"({seeds}); all together, one pair a cell and data set, the mean over seeds. Pairs are "
        "taken as independent. *Detectable*: the difference that so many pairs would have shown "
        "with a probability of 80 %.\n",
        markdown(
            ["cell", "points", "p (t)", "p (Wilcoxon)", "adapted cells", "detectable", "pairs"],
            rows,
        ),
        material.picture("generalisation", "pairs", "Final accuracy in pairs"),
    ]
    return text, measured


def fading(material: Material) -> list[Measurement]:
    """Whether width tells more of the first epochs than of the last, on the trained family."""
    at, early = material.rate("rates family"), f"aulc@{material.half}"
    complete = [
        (row["width"], row["measures"][early]["mean"], row["measures"]["accuracy@final"]["mean"])
        for row in once(at["cells"])
    ]
    known = [row for row in complete if None not in row]
    width, first, last = np.array(known, np.float64).reshape(-1, 3).T

    def item(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> dict[str, Any]:
        found = correlate(x, y, method="spearman")
        return {"coefficient": found.coefficient, "ci": found.ci, "n": found.n}

    what = f"fresh: width with {_aulc(material.half)} against final accuracy"
    return [
        claims.fades(what, item(width, first), item(width, last), item(first, last), primary=True)
    ]


def _ways(material: Material) -> str:
    scale = material.scale
    seeds = "seed" if len(scale.seeds) == 1 else "seeds"
    return (
        f"Recipe `{scale.recipe}` at learning rate {scale.learning_rate:g} on {scale.dataset}, "
        f"{seeds} {', '.join(map(str, scale.seeds))}."
    )


def _aulc(half: int) -> str:
    return f"mean accuracy of the first {half} epochs"


def _sotl(half: int) -> str:
    return f"summed training loss of the first {half} epochs"


def _original(one: Row) -> str:
    return "all together" if one["original"] == "all" else cell_name(one["original"])


def _measures(cells: Sequence[Row], half: int) -> str:
    """Width, depth and measures of cells, the widest and shallowest first."""
    names = [f"aulc@{half}", f"sotl@{half}", "half_life", "accuracy@final"]
    rows = [
        [
            *labelled(row, cells),
            *(number(row["measures"][name]["mean"]) for name in names),
            str(row["diverged"]),
        ]
        for row in sorted(once(cells), key=lambda row: (-(row["width"] or 0), row["depth"] or 0))
    ]
    return markdown([*SHAPE, *(f"`{name}`" for name in names), "diverged"], rows)


def _images(which: str | None) -> str:
    return {"x-valid": "validation images", "ori-test": "test images"}.get(which or "", "–")
