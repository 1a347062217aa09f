"""The numbers of a study as one long table, for files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from service.studies.kinds import AnyStudy, GradientVarianceStudy, LandscapeStudy, SmoothnessStudy
from service.studies.outcomes import Outcome, number, shape

Row = dict[str, Any]


def table(asked: AnyStudy, told: Sequence[Outcome]) -> list[Row]:
    """Rows that all name cell, space, width, depth, data set, learning rate and seed.

    A landscape has a row a point, gradient variance one an epoch and layer group and one a point of
    the plane, smoothness one an epoch and block; what compares trainings has a row an epoch.
    """
    rows = []
    for one in told:
        about = {
            "cell": one.part.cell_id,
            "role": one.part.role,
            "original": one.part.original,
            **shape(one.part.cell),
            "dataset": one.part.dataset,
            "learning_rate": one.part.learning_rate,
            "seed": one.part.seed,
        }
        rows += [about | row for row in _rows(asked, one)]
    return rows


def _rows(asked: AnyStudy, one: Outcome) -> Iterator[Row]:
    if isinstance(asked, LandscapeStudy):
        yield from _points(one, asked.points, asked.reach, ("loss", "accuracy"))
    elif isinstance(asked, GradientVarianceStudy):
        for line in one.measurements:
            if "row" not in line:
                groups = {"network": line} | line["groups"]
                for name, values in groups.items():
                    yield {
                        "epoch": line["epoch"],
                        "group": name,
                        "x": None,
                        "y": None,
                        "variance": values["variance"],
                        "squared_mean": values["squared_mean"],
                    }
        if asked.plane is not None:
            for point in _points(one, asked.plane, asked.reach, ("variance", "squared_mean")):
                yield {"epoch": one.epochs, "group": "network", **point}
    elif isinstance(asked, SmoothnessStudy):
        for line in one.measurements:
            names = ("epoch", "group", "eigenvalue", "residual", "converged", "parameters")
            yield {name: line[name] for name in names}
    else:
        for place in range(max(len(one.accuracy), len(one.train_loss))):
            yield {
                "epoch": place + 1,
                "set": one.set,
                "accuracy": _at(one.accuracy, place),
                "train_loss": _at(one.train_loss, place),
            }


def _points(one: Outcome, points: int, reach: float, names: tuple[str, str]) -> Iterator[Row]:
    axis = np.linspace(-reach, reach, points).tolist()
    for line in one.measurements:
        if "row" in line:
            for x, *values in zip(axis, *(line[name] for name in names), strict=True):
                yield {"x": x, "y": line["y"]} | dict(zip(names, values, strict=True))


def _at(values: Any, place: int) -> float | None:
    return number(values[place]) if place < len(values) else None
