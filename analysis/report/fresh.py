"""Sections on what was trained: convergence, landscapes, gradients, curvature, generalisation.

Each gives its text and what it says on the claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.correlation import correlate
from analysis.report import claims
from analysis.report.claims import Measurement
from analysis.report.material import Material
from analysis.report.text import NOTHING, cell_name, interval, markdown, number

SHAPE = ("cell", "width", "depth")

Section = tuple[list[str], list[Measurement]]
Row = Mapping[str, Any]


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
        f"{cell_name(material.scale.family.cell)} and its variants, without runs that diverged:\n",
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


def landscapes(material: Material) -> Section:
    """The loss over a plane around the trained weights."""
    text = ["## Loss landscapes\n"]
    settings = material.documents["landscape family"]["settings"]
    cells = material.documents["landscape family"]["results"]["cells"]
    images = max((row["images"] or 0 for row in cells), default=0)
    text.append(
        f"{settings['points']}×{settings['points']} points over [−1, 1]² along two "
        f"filter-normalised directions (Li et al. 2018), {images:,} test images, loss in nats. "
        "*Curvature*: mean "
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
        *claims.of_shape(
            "landscape", found, {"mean_curvature": "curvature"}, rises=False, primary=True
        ),
        *claims.of_shape("landscape", found, rises, rises=True),
    ]
    return text, measured


def smoothness(material: Material) -> Section:
    """The Hessian's largest eigenvalue, before and after training."""
    document = material.documents["smoothness"]
    cells = document["results"]["cells"]
    found = [
        {block["epoch"]: block for block in row["blocks"] if block["group"] == "network"}
        for row in cells
    ]
    epochs = sorted({epoch for blocks in found for epoch in blocks})
    rows = [
        [*_labelled(row, cells), *(number(_eigenvalue(blocks.get(epoch))) for epoch in epochs)]
        for row, blocks in zip(cells, found, strict=True)
    ]
    networks = [block for blocks in found for block in blocks.values()]
    converged = sum(block["converged"] for block in networks)
    text = [
        "## Smoothness\n",
        "The paper bounds how fast gradients change (Lipschitz constant); at given weights that is "
        "the Hessian's largest eigenvalue in magnitude (nats per squared unit of weight). Of the "
        f"whole network, over {document['settings']['sample']:,} training images; {converged} of "
        f"{len(networks)} iterations converged, and the others are left out.\n",
        markdown([*SHAPE, *(_when(epoch) for epoch in epochs)], rows),
        material.picture("smoothness", "blocks", "Largest eigenvalue by block of the network"),
    ]
    measured = []
    for epoch in epochs:
        words = {f"network@{epoch}": f"largest Hessian eigenvalue {_when(epoch)}"}
        measured += claims.of_shape(
            "Hessian",
            document["results"]["correlations"],
            words,
            rises=False,
            primary=epoch == epochs[-1],
        )
    return text, measured


def _eigenvalue(block: Row | None) -> float | None:
    return abs(block["eigenvalue"]) if block is not None and block["converged"] else None


def _when(epoch: int) -> str:
    return f"after {epoch} epochs" if epoch else "before training"


def gradients(material: Material) -> Section:
    """How much gradients differ between mini-batches."""
    document, plane = material.documents["gradients family"], material.documents["plane"]
    settings = document["settings"]
    found = [
        row
        for group in ("family", "named")
        for row in material.documents[f"gradients {group}"]["results"]["cells"]
    ]
    last = max((line["epoch"] for row in found for line in row["epochs"]), default=0)
    epochs = sorted({0, material.half, last})
    words = {epoch: f"gradient variance {_when(epoch)}" for epoch in epochs}
    rows = [
        [
            *_labelled(row, found),
            *(number(row["figures"].get(f"variance@{epoch}")) for epoch in epochs),
        ]
        for row in _once(found)
    ]
    text = [
        "## Gradient variance\n",
        f"Mean of ‖g − ḡ‖² over {settings['batches']} mini-batches of {settings['batch']} "
        "training images, the same ones every time, all parameters as one vector "
        "(docs/studies.md), in squared nats per squared unit of weight.\n",
        material.picture("gradients family", "epochs", "Gradient variance by epoch: variants"),
        material.picture("gradients named", "epochs", "Gradient variance by epoch: published"),
        material.picture("gradients family", "groups", "Gradient variance by group of layers"),
        markdown([*SHAPE, *map(_when, epochs)], rows),
        "Over the plane of the landscape, at the end of training:\n",
        material.picture("plane", "plane", "Gradient variance over the plane"),
    ]
    measured = []
    for epoch in epochs:
        measured += claims.of_shape(
            "gradients",
            document["results"]["correlations"],
            {f"variance@{epoch}": words[epoch]},
            rises=False,
            primary=epoch == material.half,
        )
    over = {"plane_mean": "mean gradient variance over the plane"}
    measured += claims.of_shape("gradients", plane["results"]["correlations"], over, rises=False)
    return text, measured


def generalisation(material: Material) -> Section:
    """Published cells against their adapted forms at the end."""
    document = material.documents["generalisation"]
    results = document["results"]
    together = [one for one in results if one["original"] == "all"]
    measured = [
        claims.no_better(_original(one), one, primary=one in together or not together)
        for one in results
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
        for row in _once(at["cells"])
    ]
    known = [row for row in complete if None not in row]
    width, first, last = np.array(known, np.float64).reshape(-1, 3).T

    def item(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> dict[str, Any]:
        found = correlate(x, y, method="spearman")
        return {"coefficient": found.coefficient, "ci": found.ci, "n": found.n}

    what = f"fresh: width with {_aulc(material.half)} against final accuracy"
    return [claims.fades(what, item(width, first), item(width, last), item(first, last))]


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
            *_labelled(row, cells),
            *(number(row["measures"][name]["mean"]) for name in names),
            str(row["diverged"]),
        ]
        for row in sorted(_once(cells), key=lambda row: (-(row["width"] or 0), row["depth"] or 0))
    ]
    return markdown([*SHAPE, *(f"`{name}`" for name in names), "diverged"], rows)


def _summaries(cells: Sequence[Row]) -> str:
    forms = {"centre": ".3f", "mean_curvature": ".3g", "convex_share": ".0%", "area_below": ".0%"}
    rows = [
        [
            *_labelled(row, cells),
            *(number(row["figures"].get(name), form) for name, form in forms.items()),
        ]
        for row in cells
    ]
    return markdown([*SHAPE, "loss at the centre", "curvature", "convex", "below"], rows)


def _labelled(row: Row, cells: Iterable[Row]) -> list[str]:
    """A row's cell, its seed where there are several, width and depth."""
    name = cell_name(row["cell"])
    if len({other.get("seed") for other in cells}) > 1:
        name += f", seed {row['seed']}"
    return [name, number(row["width"]), number(row["depth"])]


def _images(which: str | None) -> str:
    return {"x-valid": "validation images", "ori-test": "test images"}.get(which or "", "–")


def _once(cells: Iterable[Row]) -> list[Row]:
    """Rows in their order, a cell's that come twice once."""
    return list({(row["cell"], row.get("seed")): row for row in cells}.values())
