"""Landscapes, gradient variance and smoothness: what was measured, summed up, by cell and seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.censoring import Standing
from analysis.landscape import summarise
from service.studies.convergence import correlations
from service.studies.kinds import GradientVarianceStudy, LandscapeStudy, Measuring
from service.studies.outcomes import Outcome, plain, shape
from service.studies.places import NOWHERE, Place

Lines = list[dict[str, Any]]


def results(asked: Measuring, told: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of each training, and how width and depth go with those that are numbers."""
    summed: Callable[[Lines], tuple[dict[str, Any], dict[str, float | None]]]
    if isinstance(asked, LandscapeStudy):
        axis = np.linspace(-asked.reach, asked.reach, asked.points)
        summed = lambda lines: _landscape(asked, axis.tolist(), lines)  # noqa: E731
    elif isinstance(asked, GradientVarianceStudy):
        summed = _gradient_variance
    else:
        summed = _smoothness
    rows = []
    for one in told:
        whole, figures = summed(one.measurements)
        rows.append(
            {
                "cell": one.part.cell_id,
                "arch": one.part.cell,
                "seed": one.part.seed,
                "state": one.state,
                "diverged": one.diverged,
                **shape(one.part.cell),
                "set": one.measurements[0]["set"] if one.measurements else None,
                "images": one.measurements[0]["images"] if one.measurements else None,
                **whole,
                "figures": figures,
            }
        )
    by_cell: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_cell.setdefault(row["cell"], []).append(row)
    names = list(dict.fromkeys(name for row in rows for name in row["figures"]))
    places = {cell: _means(group, names) for cell, group in by_cell.items()}
    once = [group[0] for group in by_cell.values()]
    return {"cells": rows, "correlations": correlations(once, places)}


def _means(group: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Place]:
    """The means of the figures over the seeds of a cell.

    A training that diverged has none, and no place either: it has no weights to look at.
    """
    places = {}
    for name in names:
        known = [value for row in group if (value := row["figures"].get(name)) is not None]
        if known:
            places[name] = Place(float(np.mean(known)), Standing.OBSERVED)
        elif any(row["diverged"] for row in group):
            places[name] = Place(None, Standing.DIVERGED)
        else:
            places[name] = NOWHERE
    return places


def _landscape(
    asked: LandscapeStudy, axis: list[float], lines: Lines
) -> tuple[dict[str, Any], dict[str, float | None]]:
    whole = {
        "axis": axis,
        "loss": [line["loss"] for line in lines],
        "accuracy": [line["accuracy"] for line in lines],
        "rows_left": asked.rows - len(lines),
        "summary": None,
    }
    if whole["rows_left"]:
        return whole, {}
    losses = np.array(whole["loss"], np.float64)
    summary = plain(summarise(axis, losses if asked.dimensions == 2 else losses[0]))
    names = ("centre", "mean_curvature", "convex_share", "area_below")
    return whole | {"summary": summary}, {name: summary[name] for name in names}


def _gradient_variance(lines: Lines) -> tuple[dict[str, Any], dict[str, float | None]]:
    by_epoch = [line for line in lines if "row" not in line]
    plane = [line for line in lines if "row" in line]
    kept = ("epoch", "variance", "squared_mean", "groups")
    whole: dict[str, Any] = {
        "epochs": [{name: line[name] for name in kept} for line in by_epoch],
        "plane": [
            {name: line[name] for name in ("y", "variance", "squared_mean")} for line in plane
        ],
    }
    figures = {f"variance@{line['epoch']}": line["variance"] for line in by_epoch}
    values = [value for line in plane for value in line["variance"]]
    if values and None not in values:
        figures["plane_mean"] = float(np.mean(values))
    return whole, figures


def _smoothness(lines: Lines) -> tuple[dict[str, Any], dict[str, float | None]]:
    kept = ("epoch", "group", "eigenvalue", "residual", "products", "converged", "parameters")
    whole = {"blocks": [{name: line[name] for name in kept} for line in lines]}
    figures = {
        f"{line['group']}@{line['epoch']}": (abs(line["eigenvalue"]) if line["converged"] else None)
        for line in lines
        if line["group"] == "network"
    }
    return whole, figures
