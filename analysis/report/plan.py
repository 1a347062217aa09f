"""Which studies the report is made of: bodies of ``POST /studies``, from a scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis import topology
from analysis.cells import parse_cell
from analysis.report.scale import Family, Scale
from analysis.spaces.darts import Genotype
from analysis.spaces.published import FIVE
from analysis.spaces.variants import Kind, variants

PUBLISHED = tuple(FIVE)
"""The cells of Shu, Wang and Cai 2020 (arXiv 1909.09569), figure 1."""

CONVERGENCE, RATES, OPERATIONS = "convergence", "rates", "operations"
LANDSCAPE, PLANE, GRADIENTS, HESSIAN = "landscape", "plane", "gradients", "smoothness"
"""What is studied of a family; a study's name is that and the family's cell, as :func:`named`."""

TOGETHER = "published cells"
"""In place of a family's cell: what is studied of the published cells together."""

GENERALISATION = "generalisation"

Body = dict[str, Any]


def named(what: str, cell: str) -> str:
    """The name of a study in the plan."""
    return f"{what} {cell}"


def curvature(cell: str, plane: int) -> str:
    """The name of the study of the curvature in a plane; 0 of the first family is its picture."""
    return f"curvature {cell} plane {plane}"


def wirings(family: Family) -> list[str]:
    """The cell, its adapted form, and randomly connected variants: the paper's, then drawn ones.

    Named where they have a name, else as genotypes. All are different.
    """
    paper = [f"{family.cell}-conn{number + 1}" for number in range(family.published)]
    adapted = [f"{family.cell}-adapted"] if family.adapted else []
    first = [family.cell, *adapted, *paper]
    return [*first, *_drawn(family, "random-connections", family.drawn, first)]


def random_connections(family: Family) -> list[str]:
    """The wirings that were drawn, by the paper or here."""
    return wirings(family)[1 + family.adapted :]


def other_operations(family: Family) -> list[str]:
    """The variants with the cell's wiring and other operations: the paper's, then drawn ones."""
    paper = [f"{family.cell}-ops{number + 1}" for number in range(family.published_operations)]
    return [*paper, *_drawn(family, "random-operations", family.drawn_operations, paper)]


def studies(scale: Scale) -> dict[str, Body]:
    """By name, in the order in which they are best asked for; every setting is spelt out.

    What measures along the training comes before what trains alone, so that nothing is trained
    twice; and what most of the claims rest on before what they rest on less.
    """
    first, *others = scale.families
    by_epoch = _gradients(scale, first, measured(first))
    asked: dict[str, Body] = {named(GRADIENTS, first.cell): by_epoch}
    for family in scale.families:
        asked[named(CONVERGENCE, family.cell)] = _trained(
            scale, wirings(family), family.seeds, [scale.learning_rate]
        )
    asked |= _around(scale, first)
    asked |= _at_other_rates(scale, [first]) | _with_other_operations(scale, [first])
    for family in others:
        asked |= _around(scale, family)
    asked[GENERALISATION] = {
        "kind": "generalisation",
        "cells": list(scale.generalisation.cells),
        "datasets": list(scale.generalisation.datasets),
        "recipe": scale.generalisation.recipe,
        "seeds": list(scale.generalisation.seeds),
        "confidence": 0.95,
    }
    asked |= _at_other_rates(scale, others) | _with_other_operations(scale, others)
    asked[named(HESSIAN, first.cell)] = _measured(scale, "smoothness", first, measured(first)) | {
        "at": scale.smoothness.at,
        "images": "train",
        "sample": scale.smoothness.sample,
        "statistics": "running",
    }
    asked[named(CONVERGENCE, TOGETHER)] = _trained(
        scale, list(PUBLISHED), first.seeds[:1], [scale.learning_rate]
    )
    with_forms = [name for cell in PUBLISHED for name in (cell, f"{cell}-adapted")]
    asked[named(LANDSCAPE, TOGETHER)] = _landscape(scale, first, with_forms)
    return asked


def measured(family: Family) -> list[str]:
    """The wirings of a family of which more is measured than how they are learnt.

    The widest and shallowest first, which is the order of the pictures.
    """
    cells = wirings(family)[: family.measured]
    shapes = {cell: topology.columns(_genotype(cell)) for cell in cells}
    return sorted(cells, key=lambda one: (-(shapes[one]["width"] or 0), shapes[one]["depth"] or 0))


def planes(scale: Scale, family: Family) -> list[str]:
    """The studies that hold the curvature around the trained weights, one a plane."""
    whole = [named(LANDSCAPE, family.cell)] if family == scale.family else []
    return [
        *whole,
        *(curvature(family.cell, number) for number in range(len(whole), scale.landscape.planes)),
    ]


def _around(scale: Scale, family: Family) -> dict[str, Body]:
    """Gradient variance over a plane, and curvature in several, of the measured wirings.

    Of the first family the first of these planes is a whole picture; the others take the 3×3 points
    around the centre alone, as far apart.
    """
    cells = measured(family)
    if not cells:
        return {}
    asked = {
        named(PLANE, family.cell): _gradients(scale, family, cells)
        | {
            "at": "end",
            "batches": scale.gradients.plane_batches,
            "plane": scale.gradients.plane,
        }
    }
    for number, name in enumerate(planes(scale, family)):
        asked[name] = _landscape(scale, family, cells)
        if name != named(LANDSCAPE, family.cell):
            near = {"points": 3, "reach": 2 / (scale.landscape.points - 1), "seed": number}
            asked[name] |= near
    return asked


def _at_other_rates(scale: Scale, families: Iterable[Family]) -> dict[str, Body]:
    """At the one learning rate too, so that a study, and its picture, shows all of them."""
    rates = list(scale.learning_rates)
    return {
        named(RATES, family.cell): _trained(scale, wirings(family), family.rate_seeds, rates)
        | {"kind": "lr-robustness"}
        for family in families
        if family.rate_seeds and scale.other_rates
    }


def _with_other_operations(scale: Scale, families: Iterable[Family]) -> dict[str, Body]:
    return {
        named(OPERATIONS, family.cell): _trained(
            scale,
            [*random_connections(family), *other_operations(family)],
            family.operation_seeds,
            [scale.learning_rate],
        )
        for family in families
        if family.operations
    }


def _gradients(scale: Scale, family: Family, cells: list[str]) -> Body:
    return _measured(scale, "gradient-variance", family, cells) | {
        "at": "every-epoch",
        "images": "train",
        "batch": scale.gradients.batch,
        "batches": scale.gradients.batches,
        "statistics": "batch",
        "plane": None,
        "reach": 1.0,
    }


def _landscape(scale: Scale, family: Family, cells: list[str]) -> Body:
    return _measured(scale, "landscape", family, cells) | {
        "at": "end",
        "images": "test",
        "dimensions": 2,
        "points": scale.landscape.points,
        "reach": 1.0,
        "sample": scale.landscape.sample,
    }


def _measured(scale: Scale, kind: str, family: Family, cells: list[str]) -> Body:
    """What all measurements share: a network of each cell, trained at the one learning rate."""
    return {
        "kind": kind,
        "cells": cells,
        "dataset": scale.dataset,
        "recipe": f"{scale.recipe}@lr={scale.learning_rate!r}",
        "seeds": list(family.seeds[:1]),
        "seed": 0,
    }


def _trained(scale: Scale, cells: list[str], seeds: Iterable[int], rates: list[float]) -> Body:
    return {
        "kind": "variants",
        "cells": cells,
        "dataset": scale.dataset,
        "recipe": scale.recipe,
        "seeds": list(seeds),
        "variants": [],
        "count": 12,
        "draw": 0,
        "learning_rates": rates,
        "epoch": None,
        "threshold": None,
    }


def _drawn(family: Family, kind: Kind, count: int, but: Iterable[str]) -> list[str]:
    """So many variants that aren't among ``but``."""
    known = {_genotype(cell) for cell in but}
    drawn = variants(_genotype(family.cell), kind, count + len(known), family.draw)
    new = [cell for cell in drawn if cell not in known][:count]
    return [cell.name or cell.arch for cell in new if isinstance(cell, Genotype)]


def _genotype(text: str) -> Genotype:
    cell = parse_cell(text)
    assert isinstance(cell, Genotype)
    return cell
