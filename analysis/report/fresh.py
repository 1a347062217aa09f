"""Sections on what was trained: convergence, landscapes, gradients, curvature, generalisation.

Each gives its text and what it says on the claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.correlation import correlate
from analysis.report import claims
from analysis.report.claims import Measurement
from analysis.report.material import Material
from analysis.report.text import cell_name, figure, interval, markdown

SHAPE = ("cell", "width", "depth")

Section = tuple[list[str], list[Measurement]]
Row = Mapping[str, Any]


def convergence(material: Material) -> Section:
    """How fast cells learn beside their variants."""
    at, half = material.rate("rates family"), material.half
    family = cell_name(material.scale.family.cell)
    measures = {f"aulc@{half}": _aulc(half), f"sotl@{half}": _sotl(half)}
    measured = [
        *claims.of_shape("fresh", at["correlations"], {f"aulc@{half}": _aulc(half)}, rises=True),
        *claims.of_shape("fresh", at["correlations"], {f"sotl@{half}": _sotl(half)}, rises=False),
    ]
    others = material.rate("rates named")
    text = [
        "## Convergence\n",
        f"{family}, its adapted form and {material.scale.family.variants} variants with other "
        "connections and the same operations, which differ in nothing else; then the published "
        f"cells with their adapted forms, whose operations differ too. {_ways(material)}\n",
        material.picture("rates family", "curves", f"Learning curves of {family} and variants"),
        material.picture("rates family", "shape", "Width and depth against the first epochs"),
        _measures(at["cells"], measures),
        material.picture("rates named", "curves", "Learning curves of the published cells"),
        _measures(others["cells"], measures),
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
            f"fresh, learning rate {rate:g}", at["correlations"], {name: _aulc(half)}, rises=True
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
                "–" if best is None else cell_name(best["cell"]),
                "–" if best is None else f"{best['measures']['accuracy@final']['mean']:.2f}",
            ]
        )
    head = ["learning rate", "width", "depth", "diverged", "best at the end", "its accuracy"]
    text = [
        "## Learning rates\n",
        f"Spearman's ρ of width and depth with {_aulc(half)}, over "
        f"{cell_name(material.scale.family.cell)} and its variants:\n",
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
    measured = claims.connections_matter(
        [item for item in at["components"] if item["measure"] != "accuracy@final"], names
    )
    rows = [
        [
            f"`{item['measure']}`",
            *(figure(item[part], ".3g") for part in ("connections", "operations", "seeds")),
            figure(item["ratio"], ".2f") + interval(item["ratio_interval"], ".2f"),
            figure(item["p"], ".2g"),
        ]
        for item in at["components"]
        if item["measure"] in names
    ]
    seeds = len(material.scale.operations.seeds)
    text = [
        "## Connections against operations\n",
        f"{material.scale.family.variants} variants of {cell_name(material.scale.family.cell)} "
        "with random connections and as many with random operations, "
        f"{seeds} seeds each: components of variance, their ratio with a bootstrap interval over "
        "cells, and Brown and Forsythe's p.\n",
        markdown(["", "connections", "operations", "seeds", "connections / operations", "p"], rows),
        material.picture("operations", "shape", "Both kinds of variants: shape and first epochs"),
    ]
    return text, measured


def landscapes(material: Material) -> Section:
    """The loss over a plane around the trained weights."""
    text = ["## Loss landscapes\n"]
    settings = material.documents["landscape family"]["settings"]
    images = material.documents["landscape family"]["results"]["cells"][0]["images"]
    text.append(
        f"{settings['points']}×{settings['points']} points over [−1, 1]² along two "
        f"filter-normalised directions (Li et al. 2018), {images:,} test images. *Curvature*: mean "
        "of the Hessian's two eigenvalues at the centre within the plane; *convex*: share of the "
        "inner points at which the surface is; *below*: share of the area with a loss less than "
        "1 nat above the centre's.\n"
    )
    names = {"family": "variants, the widest first", "named": "published cells and adapted forms"}
    for group, words in names.items():
        study = f"landscape {group}"
        text += [
            material.picture(study, "contour", f"Contours of the loss: {words}"),
            _summaries(material.documents[study]["results"]["cells"]),
        ]
    text.append(material.picture("landscape named", "surface", "The same as surfaces"))
    found = material.documents["landscape family"]["results"]["correlations"]
    rises = {"convex_share": "share where the loss is convex", "area_below": "area of low loss"}
    measured = [
        *claims.of_shape("landscape", found, {"mean_curvature": "curvature"}, rises=False),
        *claims.of_shape("landscape", found, rises, rises=True),
    ]
    return text, measured


def smoothness(material: Material) -> Section:
    """The Hessian's largest eigenvalue, before and after training."""
    document = material.documents["smoothness"]
    rows = []
    networks = []
    for row in document["results"]["cells"]:
        whole = [block for block in row["blocks"] if block["group"] == "network"]
        networks += whole
        rows.append([*_with_shape(row), *(figure(block["eigenvalue"]) for block in whole)])
    epochs = sorted({block["epoch"] for block in networks})
    words = {
        f"network@{epoch}": f"largest Hessian eigenvalue after {epoch} epochs" for epoch in epochs
    }
    converged = sum(block["converged"] for block in networks)
    text = [
        "## Smoothness\n",
        "The paper bounds how fast gradients change (Lipschitz constant); at given weights that is "
        "the Hessian's largest eigenvalue in magnitude. Of the whole network, over "
        f"{material.scale.smoothness.sample} training images; {converged} of {len(networks)} "
        "iterations converged.\n",
        markdown([*SHAPE, *(f"after {epoch} epochs" for epoch in epochs)], rows),
        material.picture("smoothness", "blocks", "Largest eigenvalue by block of the network"),
    ]
    found = document["results"]["correlations"]
    return text, claims.of_shape("Hessian", found, words, rises=False)


def gradients(material: Material) -> Section:
    """How much gradients differ between mini-batches."""
    document, plane = material.documents["gradients family"], material.documents["plane"]
    settings = document["settings"]
    last = max(line["epoch"] for row in document["results"]["cells"] for line in row["epochs"])
    epochs = {0: "before training", material.half: f"after {material.half} epochs"}
    epochs[last] = f"after {last} epochs"
    words = {f"variance@{epoch}": f"gradient variance {when}" for epoch, when in epochs.items()}
    rows = [
        [*_with_shape(row), *(figure(row["figures"].get(name)) for name in words)]
        for row in _once(
            row
            for group in ("family", "named")
            for row in material.documents[f"gradients {group}"]["results"]["cells"]
        )
    ]
    text = [
        "## Gradient variance\n",
        f"Mean of ‖g − ḡ‖² over {settings['batches']} mini-batches of {settings['batch']} "
        "training images, the same ones every time, all parameters as one vector (docs/studies.md)."
        "\n",
        material.picture("gradients family", "epochs", "Gradient variance by epoch: variants"),
        material.picture("gradients named", "epochs", "Gradient variance by epoch: published"),
        material.picture("gradients family", "groups", "Gradient variance by group of layers"),
        markdown([*SHAPE, *epochs.values()], rows),
        "Over the plane of the landscape, at the end of training:\n",
        material.picture("plane", "plane", "Gradient variance over the plane"),
    ]
    found = document["results"]["correlations"]
    measured = claims.of_shape("gradients", found, words, rises=False)
    over = {"plane_mean": "mean gradient variance over the plane"}
    measured += claims.of_shape("gradients", plane["results"]["correlations"], over, rises=False)
    return text, measured


def generalisation(material: Material) -> Section:
    """Published cells against their adapted forms at the end."""
    document = material.documents["generalisation"]
    results = document["results"]
    measured = [claims.no_better(_original(one), one) for one in results]
    rows = [
        [
            _original(one),
            figure(one["mean"], "+.2f") + interval(one["ci"], "+.2f"),
            figure(one["t_p"], ".2g"),
            figure(one["w_p"], ".2g"),
            one["verdict"],
            figure(one["detectable"], ".2f"),
            str(one["n"]),
        ]
        for one in results
    ]
    settings = document["settings"]
    seeds = ", ".join(map(str, settings["seeds"]))
    text = [
        "## Generalisation\n",
        f"Accuracy of the adapted cell minus the original's after the last epoch of "
        f"`{settings['recipe']}`, pairs of one data set ({', '.join(settings['datasets'])}) and "
        f"seed ({seeds}). *Detectable*: the difference that so many pairs would have shown with a "
        "probability of 80 %.\n",
        markdown(
            ["cell", "points", "p (t)", "p (Wilcoxon)", "adapted cells are", "detectable", "pairs"],
            rows,
        ),
        material.picture("generalisation", "pairs", "Final accuracy in pairs"),
    ]
    return text, measured


def fading(material: Material) -> list[Measurement]:
    """Whether width tells more of the first epochs than of the last, on the trained family."""
    at, early = material.rate("rates family"), f"aulc@{material.half}"
    pairs = [
        (row["measures"][early]["mean"], row["measures"]["accuracy@final"]["mean"])
        for row in at["cells"]
    ]
    complete = [pair for pair in pairs if None not in pair]
    between = correlate(
        [first for first, _ in complete], [last for _, last in complete], method="spearman"
    )
    found = {(item["x"], item["y"]): item for item in at["correlations"]}
    return [
        claims.fades(
            f"fresh: width with {_aulc(material.half)} against final accuracy",
            found["width", early],
            found["width", "accuracy@final"],
            {"coefficient": between.coefficient},
        )
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


def _with_shape(row: Row) -> list[str]:
    return [cell_name(row["cell"]), figure(row["width"]), figure(row["depth"])]


def _measures(cells: Sequence[Row], measures: Iterable[str]) -> str:
    """Width, depth and measures of cells, the widest and shallowest first."""
    names = [*measures, "half_life", "accuracy@final"]
    rows = [
        [
            *_with_shape(row),
            *(figure(row["measures"][name]["mean"]) for name in names),
        ]
        for row in sorted(_once(cells), key=lambda row: (-(row["width"] or 0), row["depth"] or 0))
    ]
    return markdown([*SHAPE, *(f"`{name}`" for name in names)], rows)


def _summaries(cells: Sequence[Row]) -> str:
    rows = [
        [
            *_with_shape(row),
            figure(row["figures"].get("centre"), ".3f"),
            figure(row["figures"].get("mean_curvature"), ".3g"),
            figure(row["figures"].get("convex_share"), ".0%"),
            figure(row["figures"].get("area_below"), ".0%"),
        ]
        for row in _once(cells)
    ]
    return markdown([*SHAPE, "loss at the centre", "curvature", "convex", "below"], rows)


def _once(cells: Iterable[Row]) -> list[Row]:
    """Rows in their order, a cell's that come twice once."""
    return list({(row["cell"], row.get("seed")): row for row in cells}.values())
