"""Sections on what was measured of trained networks: landscapes, curvature, gradients."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.report import claims
from analysis.report.material import Material
from analysis.report.rows import SHAPE, Row, Section, labelled, once
from analysis.report.text import markdown, number


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
    """The Hessian's largest eigenvalue, after training and, as the scale says, before."""
    document = material.documents["smoothness"]
    cells = document["results"]["cells"]
    found = [
        {block["epoch"]: block for block in row["blocks"] if block["group"] == "network"}
        for row in cells
    ]
    epochs = sorted({epoch for blocks in found for epoch in blocks})
    rows = [
        [*labelled(row, cells), *(number(_eigenvalue(blocks.get(epoch))) for epoch in epochs)]
        for row, blocks in zip(cells, found, strict=True)
    ]
    networks = [block for blocks in found for block in blocks.values()]
    converged = sum(block["converged"] for block in networks)
    text = [
        "## Smoothness\n",
        "The paper bounds how fast gradients change (Lipschitz constant); at given weights that is "
        "the Hessian's largest eigenvalue in magnitude (nats per squared unit of weight). Of the "
        f"whole network, over {document['settings']['sample']:,} training images; {converged} of "
        f"{len(networks)} iterations converged"
        f"{', and the others are left out' if converged < len(networks) else ''}.\n",
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
            *labelled(row, found),
            *(number(row["figures"].get(f"variance@{epoch}")) for epoch in epochs),
        ]
        for row in once(found)
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


def _summaries(cells: Sequence[Row]) -> str:
    forms = {"centre": ".3f", "mean_curvature": ".3g", "convex_share": ".0%", "area_below": ".0%"}
    rows = [
        [
            *labelled(row, cells),
            *(number(row["figures"].get(name), form) for name, form in forms.items()),
        ]
        for row in cells
    ]
    return markdown([*SHAPE, "loss at the centre", "curvature", "convex", "below"], rows)
