"""Pictures of cells compared: shape against speed, originals against their adapted forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from analysis.cells import cell_name
from service.plots import words
from service.plots.captions import (
    MOST_PANELS,
    Document,
    Drawn,
    Layers,
    Rows,
    first_of,
    spaces,
)
from service.plots.coefficients import interval, signed
from service.plots.scales import Ends, percents
from service.plots.themes import INK, PAPER
from service.plots.views import NothingToShowError
from service.plots.words import SETS

_WIDTH, _HEIGHT = 360, 280
_MOST_TICKS = 10
_ROLES = ["random-connections", "original", "random-operations", "adapted"]
"""In the order of the colours."""


def shapes(document: Document) -> Drawn:
    """Width and depth of cells against their mean accuracy over the first epochs (aulc)."""
    found = []
    for rate in document["results"]:
        measure = f"aulc@{rate['epoch']}"
        for space in spaces(rate["cells"]):
            cells = [row for row in rate["cells"] if row["space"] == space]
            points = [point for row in cells if (point := _point(row, measure)) is not None]
            if points:
                found.append((rate, space, measure, points))
    if not found:
        raise NothingToShowError(
            "no connected cell has a finished training with accuracies of the first epochs yet"
        )
    ends = percents(
        point[end] for *_, points in found for point in points for end in ("low", "high")
    )
    panels = [
        _shape(points, space, x, _against(rate, space, x, measure), ends)
        for rate, space, measure, points in found[: MOST_PANELS // 2]
        for x in ("width", "depth")
    ]
    epochs = sorted({rate["epoch"] for rate in document["results"]})
    first = " or ".join(f"{epoch}" for epoch in epochs)
    notes = [
        f"aulc: mean validation accuracy over the first {first} epochs; a point a cell, its mean "
        "over seeds with ± 1 standard deviation, those of one width or depth side by side; "
        "Spearman's ρ with its 95 % interval",
        *first_of(len(panels), 2 * len(found), "panels"),
    ]
    return Drawn(alt.concat(*panels, columns=2), "Shape of cells and speed of learning", notes)


def pairs(document: Document) -> Drawn:
    """Final accuracy of originals beside their adapted cells, a line a data set and seed."""
    settings = document["settings"]
    datasets = list(settings["datasets"])
    found = [one for one in document["results"] if one["original"] != "all"]
    together = [one for one in document["results"] if one["original"] == "all"]
    drawn = []
    for one in found:
        points = [
            {"pair": number, "side": side, "accuracy": pair[side], "dataset": pair["dataset"]}
            for number, pair in enumerate(one["pairs"])
            for side in ("original", "adapted")
            if pair["original"] is not None and pair["adapted"] is not None
        ]
        if points:
            drawn.append((points, one))
    if not drawn:
        count = sum(len(one["pairs"]) for one in found)
        raise NothingToShowError(f"none of the {count} pairs has both trainings ended yet")
    sets = sorted({SETS[pair["set"]] for one in found for pair in one["pairs"] if pair["set"]})
    notes = [
        f"accuracy on {' or '.join(sets)} after the last epoch; a line a pair of one data set and "
        "seed; differences are adapted − original, with "
        f"{100 * settings['confidence']:g} % t intervals"
    ]
    ends = percents(point["accuracy"] for points, _ in drawn for point in points)
    panels = [_pairs(points, one, datasets, ends) for points, one in drawn[:MOST_PANELS]]
    notes += first_of(len(panels), len(drawn), "cells")
    notes += [f"all cells together: {_difference(one)}" for one in together]
    chart = alt.concat(*panels, columns=3)
    return Drawn(chart, "Adapted cells against their originals", notes)


def _point(row: Mapping[str, Any], measure: str) -> dict[str, Any] | None:
    found = row["measures"][measure]
    if found["mean"] is None or row["width"] is None:
        return None
    std = found["std"] or 0.0
    return {
        "width": row["width"],
        "depth": row["depth"],
        "mean": found["mean"],
        "low": found["mean"] - std,
        "high": found["mean"] + std,
        "role": row["role"],
        "name": cell_name(row["cell"]),
    }


def _against(rate: Mapping[str, Any], space: str, x: str, measure: str) -> alt.TitleParams:
    """What a panel shows, and the correlation that the study found within the space."""
    found = next(
        one
        for one in rate["correlations"]
        if (one["space"], one["x"], one["y"]) == (space, x, measure)
    )
    if found["coefficient"] is None:
        shown = f"no ρ: {found['reason']}"
    else:
        shown = f"ρ = {signed(found['coefficient'])}{interval(found['ci'])}, n = {found['n']}"
    return alt.TitleParams(
        f"{space}, learning rate {rate['learning_rate']:g}: {measure} by {x}", subtitle=shown
    )


def _shape(points: Rows, space: str, x: str, title: alt.TitleParams, ends: Ends) -> Layers:
    roles = list(dict.fromkeys(point["role"] for point in points))
    found = sorted({point[x] for point in points})
    axis = alt.Axis(values=found, format=".3~g") if len(found) <= _MOST_TICKS else alt.Axis()
    room = alt.Scale(domain=[found[0] - 0.5, found[-1] + 0.5], nice=False, zero=False)
    base = alt.Chart(alt.InlineData(values=_beside(points, x))).encode(
        x=alt.X("x:Q", title=words.axis(x, {"space": space}), scale=room, axis=axis),
        color=alt.Color(
            "role:N",
            scale=alt.Scale(domain=_ROLES),
            legend=alt.Legend(title="cell", values=roles, symbolOpacity=1)
            if len(roles) > 1
            else None,
        ),
        tooltip=[
            alt.Tooltip("name:N", title="cell"),
            alt.Tooltip("role:N"),
            alt.Tooltip("width:Q", format=".4~g"),
            alt.Tooltip("depth:Q"),
            alt.Tooltip("mean:Q", title="mean aulc (percent)", format=".2f"),
            alt.Tooltip("low:Q", title="− 1 standard deviation", format=".2f"),
            alt.Tooltip("high:Q", title="+ 1 standard deviation", format=".2f"),
        ],
    )
    y: dict[str, Any] = {
        "title": "aulc (percent)",
        "scale": alt.Scale(domain=list(ends), nice=False),
    }
    originals = base.transform_filter("datum.role === 'original'")
    name = originals.encode(y=alt.Y("mean:Q", **y), text="name:N", color=alt.value(INK))
    return alt.layer(
        base.mark_rule(opacity=0.6).encode(y=alt.Y("low:Q", **y), y2="high:Q"),
        base.transform_filter("datum.role !== 'original'")
        .mark_point(filled=True, size=45, opacity=0.8)
        .encode(y=alt.Y("mean:Q", **y)),
        name.mark_text(
            align="left", dx=9, fontSize=11, stroke=PAPER, strokeWidth=3, strokeJoin="round"
        ),
        name.mark_text(align="left", dx=9, fontSize=11),
        originals.mark_point(filled=True, size=90, opacity=1).encode(y=alt.Y("mean:Q", **y)),
    ).properties(width=_WIDTH, height=_HEIGHT, title=title)


def _beside(points: Rows, x: str) -> Rows:
    """Points of equal ``x`` moved apart, by less than half the way to the next."""
    found = sorted({point[x] for point in points})
    room = 0.6 * min((b - a for a, b in pairwise(found)), default=1.0)
    placed = []
    for value in found:
        here = [point for point in points if point[x] == value]
        placed += [
            {**point, "x": value + room * ((place + 0.5) / len(here) - 0.5)}
            for place, point in enumerate(here)
        ]
    return placed


def _pairs(points: Rows, one: Mapping[str, Any], datasets: Sequence[str], ends: Ends) -> Layers:
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=alt.X(
            "side:N",
            title=None,
            sort=["original", "adapted"],
            axis=alt.Axis(labelAngle=0, labelFontSize=12),
        ),
        y=alt.Y(
            "accuracy:Q",
            title="accuracy (percent)",
            scale=alt.Scale(domain=list(ends), nice=False),
        ),
        color=alt.Color(
            "dataset:N",
            scale=alt.Scale(domain=list(datasets)),
            legend=alt.Legend(title="data set", symbolOpacity=1),
        ),
        detail="pair:N",
        tooltip=[
            alt.Tooltip("dataset:N", title="data set"),
            alt.Tooltip("side:N", title="cell"),
            alt.Tooltip("accuracy:Q", title="accuracy (percent)", format=".2f"),
        ],
    )
    return alt.layer(
        base.mark_line(strokeWidth=1.5, opacity=0.8),
        base.mark_point(filled=True, size=50, opacity=1),
    ).properties(
        width=240,
        height=_HEIGHT,
        title=alt.TitleParams(cell_name(one["original"]), subtitle=_difference(one)),
    )


def _difference(one: Mapping[str, Any]) -> str:
    if one["mean"] is None:
        return f"no mean difference: {one['reasons'].get('mean', 'too few pairs')}"
    left = f", {one['n_incomplete']} incomplete" if one["n_incomplete"] else ""
    return f"{signed(one['mean'])} points{interval(one['ci'])}, n = {one['n']}{left}"
