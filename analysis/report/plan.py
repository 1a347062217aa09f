"""Which studies the report is made of: bodies of ``POST /studies``, from a scale."""

from __future__ import annotations

from typing import Any

from analysis import topology
from analysis.report.scale import Scale
from analysis.spaces.darts import NAMED, Genotype
from analysis.spaces.published import FIVE
from analysis.spaces.variants import adapted_forms, variants

PUBLISHED = tuple(FIVE)
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
    """By name, in the order in which they are best asked for; every setting is spelt out.

    What measures along the training comes before what trains alone, so that nothing is trained
    twice.
    """
    groups = {FAMILY: family(scale), OTHERS: published()}
    asked: dict[str, Body] = {}
    for group, cells in groups.items():
        asked[f"gradients {group}"] = _gradients(scale, cells)
    for group, cells in groups.items():
        asked[f"landscape {group}"] = _measured(scale, "landscape", cells) | {
            "at": "end",
            "images": "test",
            "dimensions": 2,
            "points": scale.landscape.points,
            "reach": 1.0,
            "sample": scale.landscape.sample,
        }
    rates = list(scale.learning_rates)
    asked[f"rates {FAMILY}"] = _convergence(
        scale, "lr-robustness", [scale.family.cell], rates, ["adapted", "random-connections"]
    )
    asked[f"rates {OTHERS}"] = _convergence(scale, "lr-robustness", groups[OTHERS], rates, [])
    asked["smoothness"] = _measured(scale, "smoothness", groups[FAMILY]) | {
        "at": scale.smoothness.at,
        "images": "train",
        "sample": scale.smoothness.sample,
        "statistics": "running",
    }
    asked["plane"] = _gradients(scale, groups[FAMILY]) | {
        "at": "end",
        "batches": scale.gradients.plane_batches,
        "plane": scale.gradients.plane,
    }
    asked["operations"] = _convergence(
        scale,
        "variants",
        [scale.family.cell],
        [scale.learning_rate],
        ["random-connections", "random-operations"],
    ) | {"seeds": list(scale.operations.seeds)}
    asked["generalisation"] = {
        "kind": "generalisation",
        "cells": list(PUBLISHED),
        "datasets": list(scale.generalisation.datasets),
        "recipe": scale.generalisation.recipe,
        "seeds": list(scale.generalisation.seeds),
        "confidence": 0.95,
    }
    return asked


def _gradients(scale: Scale, cells: list[str]) -> Body:
    return _measured(scale, "gradient-variance", cells) | {
        "at": "every-epoch",
        "images": "train",
        "batch": scale.gradients.batch,
        "batches": scale.gradients.batches,
        "statistics": "batch",
        "plane": None,
        "reach": 1.0,
    }


def _measured(scale: Scale, kind: str, cells: list[str]) -> Body:
    """What all measurements share: networks trained at the one learning rate."""
    return {
        "kind": kind,
        "cells": cells,
        "dataset": scale.dataset,
        "recipe": f"{scale.recipe}@lr={scale.learning_rate!r}",
        "seeds": list(scale.seeds),
        "seed": 0,
    }


def _convergence(
    scale: Scale, kind: str, cells: list[str], rates: list[float], kinds: list[str]
) -> Body:
    return {
        "kind": kind,
        "cells": cells,
        "dataset": scale.dataset,
        "recipe": scale.recipe,
        "seeds": list(scale.seeds),
        "variants": kinds,
        "count": scale.family.variants,
        "draw": scale.family.draw,
        "learning_rates": rates,
        "epoch": None,
        "threshold": None,
    }


def _told(cell: Genotype) -> str:
    return cell.name or cell.arch
