"""Sections on trainings: convergence, learning rates, operations, generalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.cells import cell_name, parse_cell
from analysis.report import pairs, plan
from analysis.report.material import Material
from analysis.report.rows import SHAPE, Row, labelled, once, settled_mean
from analysis.report.text import NOTHING, interval, markdown, number, of_pairs


def convergence(material: Material) -> list[str]:
    """How fast the cells of the families learn."""
    half, scale = material.half, material.scale
    text = [
        "## Convergence\n",
        "Cells that differ in their connections alone, a family for each parent; then the cells "
        f"that the claims were made from, whose operations differ too. Recipe `{scale.recipe}` at "
        f"learning rate {scale.learning_rate:g} on {scale.dataset}. `aulc@{half}` and `accuracy` "
        f"are percent of {_images(_set(material))}, `sotl@{half}` is in nats, `half_life` in "
        "epochs (docs/concepts.md), all means over the seeds.\n",
    ]
    for family in scale.families:
        study, name = plan.named(plan.CONVERGENCE, family.cell), cell_name(family.cell)
        text.append(f"### {name} and its variants: {_seeds(family.seeds)}\n")
        if family == scale.family:
            text += [
                material.picture(study, "curves", f"Learning curves of {name} and variants"),
                material.picture(study, "shape", "Width and depth against the first epochs"),
            ]
        text.append(_measures(material.at(study)["cells"], half))
    study = plan.named(plan.CONVERGENCE, plan.TOGETHER)
    return [
        *text,
        f"### The cells that the claims were made from: {_seeds(scale.family.seeds[:1])}\n",
        material.picture(study, "curves", "Learning curves of the published cells"),
        _measures(material.at(study)["cells"], half),
    ]


def learning_rates(material: Material) -> list[str]:
    """What trainings come to at each learning rate."""
    rows = []
    for family in material.scale.families:
        for rate in material.scale.learning_rates:
            usual = rate == material.scale.learning_rate
            study = plan.named(plan.CONVERGENCE if usual else plan.RATES, family.cell)
            if study not in material.documents:
                continue
            cells = material.at(study, rate)["cells"]
            ended = [
                (end, row["cell"])
                for row in cells
                if (end := settled_mean(row, "accuracy@final")) is not None
            ]
            best = [NOTHING, NOTHING]
            if ended:
                end, cell = max(ended)
                best = [cell_name(cell), f"{end:.2f} %"]
            diverged, trainings = (
                sum(row[of] for row in cells) for of in ("diverged", "trainings")
            )
            rows.append(
                [
                    cell_name(family.cell),
                    f"{rate:g}",
                    str(len(cells)),
                    f"{diverged} of {trainings}",
                    *best,
                ]
            )
    head = ["family", "learning rate", "cells", "diverged", "best at the end", "its accuracy"]
    return [
        "## Learning rates\n",
        "A cell of which a training diverged ranks last by whatever was measured at or after the "
        "epoch at which it did.\n",
        markdown(head, rows),
    ]


def operations(material: Material) -> list[str]:
    """Random connections against random operations."""
    half = material.half
    measures = (f"aulc@{half}", f"sotl@{half}", "accuracy@final")
    rows, pictures = [], []
    for family in material.scale.families:
        study = plan.named(plan.OPERATIONS, family.cell)
        if study not in material.documents:
            continue
        found = {row["cell"]: row for row in material.at(study)["cells"]}
        for measure in measures:
            row = [cell_name(family.cell), f"`{measure}`"]
            for cells in (plan.random_connections(family), plan.other_operations(family)):
                means = [settled_mean(found[parse_cell(cell).id], measure) for cell in cells]
                row.append(_spread([mean for mean in means if mean is not None]))
            rows.append(row)
        caption = f"Both kinds of variants of {family.cell}: shape and first epochs"
        pictures.append(material.picture(study, "shape", caption))
    return [
        "## Connections against operations\n",
        "Variants with random connections and the parent's operations beside variants with random "
        "operations and the parent's connections. Variance between cells of the means over their "
        "seeds (accuracies in percent, losses in nats, squared), and in brackets the number of "
        "cells, those of which no training had diverged by then. It holds a part of that between "
        "seeds, which need not be alike in both kinds and is taken off in claim 4:\n",
        markdown(["family", "", "random connections", "random operations"], rows),
        *pictures,
    ]


def generalisation(material: Material) -> list[str]:
    """Cells against their adapted forms at the end."""
    document = material.documents[plan.GENERALISATION]
    results, settings = document["results"], document["settings"]
    sets = dict.fromkeys(
        f"{pair['dataset']}: {_images(pair['set'])}"
        for one in results
        for pair in one.get("pairs", ())
        if pair["set"] is not None
    )
    noise = pairs.noise(document)
    told = (
        f"Trainings of one cell on one data set that differ in the seed alone have a standard "
        f"deviation of {noise.deviation:.2f} points ({noise.degrees} degrees of freedom)."
        if noise
        else "With one seed the spread over seeds isn't known, and the claim has no estimate from "
        "it; intervals below rest on how gains differ between data sets and cells, taken as "
        "independent."
    )
    rows = [
        [
            _original(one),
            number(one["mean"], "+.2f") + interval(one["ci"], "+.2f"),
            number(one["t_p"], ".2g"),
            number(one["w_p"], ".2g"),
            one["verdict"] or one["reasons"]["verdict"],
            number(one["detectable"], ".2f"),
            of_pairs(one),
        ]
        for one in results
    ]
    return [
        "## Generalisation\n",
        "Accuracy of the adapted cell minus the original's after the last epoch of "
        f"`{settings['recipe']}` ({'; '.join(sets)}), {_seeds(settings['seeds'])}. {told} Of one "
        "cell, pairs of one data set and seed, taken as independent; all together, one pair a cell "
        "and data set, the mean over seeds. *Adapted cells*: by the paired t-test, by itself.\n",
        markdown(
            ["cell", "points", "p (t)", "p (Wilcoxon)", "adapted cells", "detectable", "pairs"],
            rows,
        ),
        material.picture(plan.GENERALISATION, "pairs", "Final accuracy in pairs"),
    ]


def _set(material: Material) -> str | None:
    study = plan.named(plan.CONVERGENCE, material.scale.family.cell)
    which: str | None = material.at(study)["set"]
    return which


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _spread(means: Sequence[float]) -> str:
    if len(means) < 2:
        return NOTHING
    return f"{np.var(means, ddof=1):.3g} ({len(means)})"


def _original(one: Mapping[str, Any]) -> str:
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
