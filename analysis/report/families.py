"""What the trained families say of the claims: cells that differ in their connections alone.

Each family is a source of its own: other operations, other networks. Within it the operations are
the same, on live and on dead edges together; which of them lie on a dead edge may differ in
families of cells whose output leaves nodes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from analysis import shares
from analysis.cells import parse_cell
from analysis.combinations import Pair, UndefinedError, combined
from analysis.report import plan
from analysis.report.asking import Document
from analysis.report.claims import HEADLINE, ONE, SHAPE, Reading, Source
from analysis.report.material import Material
from analysis.report.rows import once, settled_mean
from analysis.report.scale import Family
from analysis.report.text import count, left_out
from analysis.synthesis import Estimate

Shaped = tuple[float | None, float | None, tuple[float | None, ...]]
"""Width, depth, and values that they may go with, None where there is none."""

FACTORS: dict[Reading, tuple[float, float]] = {
    "contrast": (0.5, -0.5),
    "width": (1, 0),
    "depth": (0, -1),
}
"""By reading, what the coefficients of width and of depth count."""


def of_shape(
    name: str, rows: Iterable[Shaped], weights: Sequence[float], group: str = HEADLINE
) -> Source:
    """How Σ weight · ρ(·, value) depends on shape, over the rows that are complete.

    ``weights`` are positive where wide and shallow cells are claimed to have more of a value. How
    many rows were left out is told behind the name.
    """
    given = list(rows)
    complete = [(w, d, ys) for w, d, ys in given if None not in (w, d, *ys)]
    name += left_out(len(given) - len(complete), "cell")
    columns = {
        "width": [row[0] for row in complete],
        "depth": [row[1] for row in complete],
        **{f"value {i}": [row[2][i] for row in complete] for i in range(len(weights))},
    }
    estimates: dict[Reading, Estimate] = {}
    reasons: dict[str, None] = {}
    for reading in SHAPE:
        factors: dict[Pair, float] = {
            (x, f"value {i}"): factor * weight
            for x, factor in zip(("width", "depth"), FACTORS[reading], strict=True)
            for i, weight in enumerate(weights)
            if factor
        }
        used = {x: np.array(columns[x], np.float64) for pair in factors for x in pair}
        try:
            estimates[reading] = combined(used, factors)
        except UndefinedError as error:
            reasons[str(error)] = None
    return Source(name, len(complete), estimates, None, "; ".join(reasons), group)


def speed(material: Material) -> Iterator[Source]:
    """Early accuracy of each family; beside it the loss of the first epochs."""
    half = material.half
    for family in material.scale.families:
        study = plan.named(plan.CONVERGENCE, family.cell)
        told = _told(family, material.documents[study])
        yield of_shape(told, _trained(material.at(study), [f"aulc@{half}"]), [1])
        losses = _trained(material.at(study), [f"sotl@{half}"])
        yield of_shape(told, losses, [-1], f"summed training loss of the first {half} epochs")


def rates(material: Material) -> Iterator[Source]:
    """The mean over the other learning rates, of each family trained there; each beside it."""
    others = material.scale.other_rates
    for family in material.scale.families:
        study = plan.named(plan.RATES, family.cell)
        if study not in material.documents:
            continue
        told = _told(family, material.documents[study])
        by_rate = [_trained(material.at(study, rate), [f"aulc@{material.half}"]) for rate in others]
        both: list[Shaped] = [
            (width, depth, tuple(row[2][0] for row in rows))
            for rows in zip(*by_rate, strict=True)  # the cells of a study, in its order
            for width, depth, _ in rows[:1]
        ]
        yield of_shape(told, both, [1 / len(others)] * len(others))
        for rate, rows in zip(others, by_rate, strict=True):
            yield of_shape(told, rows, [1], f"learning rate {rate:g}")


def landscape(material: Material) -> Iterator[Source]:
    """Curvature at the trained weights; other readings of smoothness beside it."""
    scale = material.scale
    for family in scale.families:
        if family.measured:
            planes = [material.documents[name] for name in plan.planes(scale, family)]
            told = f"{_told(family, planes[0])}, {count(len(planes), 'plane')}"
            yield of_shape(told, _figures(planes, "mean_curvature"), [-1])
    family = scale.family
    whole = [material.documents[plan.named(plan.LANDSCAPE, family.cell)]]
    told = _told(family, whole[0])
    yield of_shape(told, _figures(whole, "convex_share"), [1], "share where the loss is convex")
    yield of_shape(told, _figures(whole, "area_below"), [1], "area of low loss")
    hessian = [material.documents[plan.named(plan.HESSIAN, family.cell)]]
    for figure in _names(hessian[0], "network@"):
        epoch = int(figure.partition("@")[2])
        yield of_shape(
            told,
            _figures(hessian, figure),
            [-1],
            f"largest eigenvalue of the Hessian {when(epoch)}",
        )


def gradients(material: Material) -> Iterator[Source]:
    """Gradient variance over the plane; at the weights along the training beside it."""
    scale = material.scale
    for family in scale.families:
        if family.measured:
            document = material.documents[plan.named(plan.PLANE, family.cell)]
            yield of_shape(_told(family, document), _figures([document], "plane_mean"), [-1])
    document = material.documents[plan.named(plan.GRADIENTS, scale.family.cell)]
    names = _names(document, "variance@")
    shown = {f"variance@{epoch}" for epoch in (0, material.half)} | set(names[-1:])
    for figure in names:
        if figure in shown:
            epoch = int(figure.partition("@")[2])
            yield of_shape(
                _told(scale.family, document),
                _figures([document], figure),
                [-1],
                f"gradient variance {when(epoch)}",
            )


def fading(material: Material) -> Iterator[Source]:
    """Early less final accuracy, of each family."""
    names = (f"aulc@{material.half}", "accuracy@final")
    for family in material.scale.families:
        study = plan.named(plan.CONVERGENCE, family.cell)
        rows = _trained(material.at(study), names)
        yield of_shape(_told(family, material.documents[study]), rows, [1, -1])


def connections(material: Material) -> Iterator[Source]:
    """Random connections against random operations, of each family that has both.

    A variance takes numbers, so that a cell of which a training diverged in the first epochs is
    left out of it. With several seeds, what they add to the spread is taken off.
    """
    for family in material.scale.families:
        study = plan.named(plan.OPERATIONS, family.cell)
        if study not in material.documents:
            continue
        measure = f"aulc@{material.half}"
        rows = {row["cell"]: row for row in material.at(study)["cells"]}
        kinds = [
            [rows[parse_cell(cell).id] for cell in cells]
            for cells in (plan.random_connections(family), plan.other_operations(family))
        ]
        known = [
            [row["measures"][measure] for row in kind if settled_mean(row, measure) is not None]
            for kind in kinds
        ]
        n = sum(map(len, known))
        seeds = len(material.documents[study]["settings"]["seeds"])
        told = f"{len(known[0])} connections, {len(known[1])} operations, {count(seeds, 'seed')}"
        name = f"{family.cell}, {told}" + left_out(sum(map(len, kinds)) - n, "cell")
        try:
            estimate = shares.of_two_samples(*map(_sample, known))
            yield Source(name, n, {ONE[0]: estimate})
        except shares.HardlyVaryError as error:
            yield Source(name, n, {}, reason=f"{error}: no verdict without it", telling=True)
        except UndefinedError as error:
            yield Source(name, n, {}, reason=str(error))


def _sample(found: Sequence[Mapping[str, Any]]) -> shares.Sample:
    """Means over seeds with the variances of their errors, 0 where no cell has two seeds.

    The error of a cell of which one seed alone came to an end is by the others' spread.
    """
    known = [(one["std"] ** 2, one["n"] - 1) for one in found if one["std"] is not None]
    squares, degrees = zip(*known, strict=True) if known else ((0.0,), (1,))
    usual = np.average(squares, weights=degrees)
    errors = [(usual if one["std"] is None else one["std"] ** 2) / one["n"] for one in found]
    return shares.Sample([one["mean"] for one in found], errors)


def when(epoch: int) -> str:
    """An epoch in words; 0 is before the first."""
    return f"after {epoch} epochs" if epoch else "before training"


def _told(family: Family, document: Document) -> str:
    seeds = len(document["settings"]["seeds"])
    return f"wirings of {family.cell}, {count(seeds, 'seed')}"


def _trained(at: Mapping[str, Any], measures: Sequence[str]) -> list[Shaped]:
    """Cells once each, with where the study ranks them by their measures."""
    return [
        (row["width"], row["depth"], tuple(row["measures"][name]["rank"] for name in measures))
        for row in once(at["cells"])
    ]


def _names(document: Document, prefix: str) -> list[str]:
    """The figures that any cell has, by epoch."""
    found = {
        name
        for row in document["results"]["cells"]
        for name in row["figures"]
        if name.startswith(prefix)
    }
    return sorted(found, key=lambda name: int(name.partition("@")[2]))


def _figures(documents: Sequence[Document], figure: str) -> list[Shaped]:
    """Each cell with the mean of the figure over the documents, None where one lacks it."""
    found: dict[str, list[float]] = {}
    shapes: dict[str, Shaped] = {}
    for document in documents:
        for row in document["results"]["cells"]:
            value = row["figures"].get(figure)
            shapes[row["cell"]] = (row["width"], row["depth"], (None,))
            if value is not None and isfinite(value):
                found.setdefault(row["cell"], []).append(value)
    return [
        (
            width,
            depth,
            (float(np.mean(found[cell])) if len(found.get(cell, ())) == len(documents) else None,),
        )
        for cell, (width, depth, _) in shapes.items()
    ]
