"""Which studies the report is made of: bodies of ``POST /studies``, from a scale."""

from __future__ import annotations

from typing import Any

from analysis import topology
from analysis.report.scale import Scale
from analysis.spaces.darts import NAMED, Genotype
from analysis.spaces.variants import adapted_forms, variants

PUBLISHED = ("NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild")
"""The cells of Shu, Wang and Cai 2020 (arXiv 1909.09569), figure 1."""

FAMILY, OTHERS = "family", "named"
"""Cells that differ in their connections alone; the published cells with their adapted forms."""

Body = dict[str, Any]


def family(scale: Scale) -> list[str]:
    """The cell, its adapted form and its randomly connected variants, widest and shallowest first.

    Named where they have a name, else as genotypes.
    """
    cell = NAMED[scale.family.cell]
    drawn = variants(cell, "random-connections", scale.family.variants, scale.family.draw)
    cells = dict.fromkeys([cell, *adapted_forms(cell), *drawn])
    shapes = {one: topology.columns(one) for one in cells}
    ordered = sorted(cells, key=lambda one: (-(shapes[one]["width"] or 0), shapes[one]["depth"]))
    return [_told(one) for one in ordered if isinstance(one, Genotype)]


def published() -> list[str]:
    """The five published cells, each followed by its adapted form."""
    return [name for cell in PUBLISHED for name in (cell, f"{cell}-adapted")]


def studies(scale: Scale) -> dict[str, Body]:
    """By name, in the order in which they are best asked for.

    What measures along the training comes before what trains alone, so that nothing is trained
    twice.
    """
    where = {"dataset": scale.dataset, "seeds": list(scale.seeds)}
    base = where | {"recipe": _at(scale.recipe, scale.learning_rate)}
    groups = {FAMILY: family(scale), OTHERS: published()}
    gradients = {"batch": scale.gradients.batch, "batches": scale.gradients.batches}
    plane = gradients | {"batches": scale.gradients.plane_batches, "plane": scale.gradients.plane}
    drawn = {"count": scale.family.variants, "draw": scale.family.draw}
    asked: dict[str, Body] = {}
    for group, cells in groups.items():
        asked[f"gradients {group}"] = (
            base | {"kind": "gradient-variance", "cells": cells} | gradients
        )
    for group, cells in groups.items():
        asked[f"landscape {group}"] = base | {
            "kind": "landscape",
            "cells": cells,
            "points": scale.landscape.points,
            "sample": scale.landscape.sample,
        }
    rates = where | {"recipe": scale.recipe, "learning_rates": list(scale.learning_rates)}
    asked[f"rates {FAMILY}"] = (
        rates
        | {"kind": "lr-robustness", "cells": [scale.family.cell]}
        | {"variants": ["adapted", "random-connections"]}
        | drawn
    )
    asked[f"rates {OTHERS}"] = rates | {"kind": "lr-robustness", "cells": groups[OTHERS]}
    asked["smoothness"] = base | {
        "kind": "smoothness",
        "cells": groups[FAMILY],
        "at": "ends",
        "sample": scale.smoothness.sample,
    }
    asked["plane"] = (
        base | {"kind": "gradient-variance", "cells": groups[FAMILY], "at": "end"} | plane
    )
    asked["operations"] = (
        rates
        | {"kind": "variants", "cells": [scale.family.cell]}
        | {"learning_rates": [scale.learning_rate], "seeds": list(scale.operations.seeds)}
        | drawn
    )
    asked["generalisation"] = {
        "kind": "generalisation",
        "cells": list(PUBLISHED),
        "datasets": list(scale.generalisation.datasets),
        "recipe": scale.generalisation.recipe,
        "seeds": list(scale.generalisation.seeds),
    }
    return asked


def _at(recipe: str, rate: float) -> str:
    return f"{recipe}@lr={rate!r}"


def _told(cell: Genotype) -> str:
    return cell.name or cell.arch
