"""Sections on what was measured of trained networks: landscapes, curvature, gradients."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.cells import cell_name
from analysis.report import plan
from analysis.report.families import when
from analysis.report.material import Material
from analysis.report.rows import SHAPE, Row, labelled, once
from analysis.report.text import markdown, number

_SCALED = (
    "Such values depend on how large the weights are, which may differ between cells whose "
    "networks compute much the same."
)


def landscapes(material: Material) -> list[str]:
    """The loss over a plane around the trained weights."""
    family = material.scale.family
    first = plan.named(plan.LANDSCAPE, family.cell)
    settings, cells = (material.documents[first][part] for part in ("settings", "results"))
    images = max((row["images"] or 0 for row in cells["cells"]), default=0)
    more = material.scale.landscape.planes - 1
    text = [
        "## Loss landscapes\n",
        f"{settings['points']}×{settings['points']} points over [−1, 1]² along two "
        f"filter-normalised directions (Li et al. 2018), {images:,} test images, loss in nats. "
        "*Curvature*: mean "
        "of the Hessian's two eigenvalues at the centre within the plane; *convex*: share of the "
        "inner points at which the surface is; *below*: share of the area with a loss less than "
        "1 nat above the centre's.\n",
    ]
    if more:
        others = any(one.measured for one in material.scale.families if one != family)
        text.append(
            f"In {more} more planes{', and in all of them for other families,' if others else ''} "
            "only the points next to the centre were measured, which is what curvature takes.\n"
        )
    together = plan.named(plan.LANDSCAPE, plan.TOGETHER)
    for study, words in (
        (first, f"{cell_name(family.cell)} and variants, the widest first"),
        (together, "published cells and forms of them whose nodes read both inputs"),
    ):
        text += [
            material.picture(study, "contour", f"Contours of the loss: {words}"),
            _summaries(material.documents[study]["results"]["cells"]),
        ]
    return [*text, material.picture(together, "surface", "The same as surfaces")]


def smoothness(material: Material) -> list[str]:
    """The Hessian's largest eigenvalue, after training and, as the scale says, before."""
    study = plan.named(plan.HESSIAN, material.scale.family.cell)
    document = material.documents[study]
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
    return [
        "## Smoothness\n",
        "The paper bounds block-wise Lipschitz constants of the gradient. The Hessian's largest "
        "eigenvalue in magnitude (nats per squared unit of weight) at the weights at hand is a "
        "local counterpart, a lower bound of such a constant. In the table it is of the whole "
        f"network, over {document['settings']['sample']:,} training images; {converged} of "
        f"{len(networks)} iterations converged"
        f"{', and the others are left out' if converged < len(networks) else ''}. {_SCALED}\n",
        markdown([*SHAPE, *map(when, epochs)], rows),
        material.picture(study, "blocks", "Largest eigenvalue by block of the network"),
    ]


def _eigenvalue(block: Row | None) -> float | None:
    return abs(block["eigenvalue"]) if block is not None and block["converged"] else None


def gradients(material: Material) -> list[str]:
    """How much gradients differ between mini-batches."""
    family = material.scale.family
    along, plane = (plan.named(what, family.cell) for what in (plan.GRADIENTS, plan.PLANE))
    settings = material.documents[along]["settings"]
    found = material.documents[along]["results"]["cells"]
    over = {
        row["cell"]: row["figures"].get("plane_mean")
        for row in material.documents[plane]["results"]["cells"]
    }
    last = max((line["epoch"] for row in found for line in row["epochs"]), default=0)
    epochs = sorted({0, material.half, last})
    rows = [
        [
            *labelled(row, found),
            *(number(row["figures"].get(f"variance@{epoch}")) for epoch in epochs),
            number(over.get(row["cell"])),
        ]
        for row in once(found)
    ]
    points, batches = (material.documents[plane]["settings"][of] for of in ("plane", "batches"))
    return [
        "## Gradient variance\n",
        f"Mean of ‖g − ḡ‖² over {settings['batches']} mini-batches of {settings['batch']} "
        "training images, the same ones every time, all parameters as one vector "
        "(docs/studies.md), in squared nats per squared unit of weight; and its mean over "
        f"{points}×{points} points of the landscape's plane at the end of training, "
        f"{batches} mini-batches each. {_SCALED}\n",
        material.picture(along, "epochs", "Gradient variance by epoch"),
        material.picture(along, "groups", "Gradient variance by group of layers"),
        markdown([*SHAPE, *map(when, epochs), "over the plane"], rows),
        material.picture(plane, "plane", "Gradient variance over the plane"),
    ]


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
