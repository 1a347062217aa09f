"""Pictures of cells compared: shape against speed, originals against their adapted forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from analysis.cells import cell_name
from analysis.report.text import of_pairs
from service.plots import words
from service.plots.captions import (
    MOST_PANELS,
    Document,
    Drawn,
    Layers,
    Records,
    first_of,
    spaces,
)
from service.plots.coefficients import interval, signed
from service.plots.labels import (
    FONT_SIZE,
    FloatArray,
    Frame,
    boxes,
    left_out,
    placed,
    worth_naming,
)
from service.plots.scales import Ends, percents
from service.plots.themes import PAPER, SOFT
from service.plots.views import NothingToShowError
from service.plots.words import SETS

_WIDTH, _HEIGHT = 360, 280
_MOST_TICKS = 10
_MOST_NAMES = 24
_POINT = 10
"""Pixels of a point, its margin included."""

_ROLES = ["random-connections", "original", "random-operations", "adapted"]
"""In the order of the colours."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """Cells of one space at one learning rate."""

    rate: Mapping[str, Any]
    space: str
    points: Records

    @property
    def ends(self) -> Ends:
        """Of the axis of accuracy."""
        return percents(point[end] for point in self.points for end in ("low", "high"))


def shapes(document: Document) -> Drawn:
    """Width and depth of cells against their mean accuracy over the first epochs (aulc)."""
    found = [
        _Compared(rate, space, points)
        for rate in document["results"]
        for space in spaces(rate["cells"])
        if (points := _points(rate, space))
    ]
    if not found:
        raise NothingToShowError(
            "no connected cell has a finished training with accuracies of the first epochs yet"
        )
    shown = found[: MOST_PANELS // 2]
    data: dict[str, Records] = {}
    panels = [_shape(one, x, data) for one in shown for x in ("width", "depth")]
    epochs = sorted({rate["epoch"] for rate in document["results"]})
    first = " or ".join(f"{epoch}" for epoch in epochs)
    spread = any(point["low"] < point["high"] for one in shown for point in one.points)
    over = "its mean over seeds with ± 1 standard deviation, " if spread else ""
    notes = [
        f"aulc: mean validation accuracy over the first {first} epochs; a point a cell, {over}"
        "those of one width or depth side by side; Spearman's ρ with its 95 % interval",
        *first_of(len(panels), 2 * len(found), "panels"),
    ]
    if len({one.ends for one in shown}) > 1:
        notes.append("each row of panels has an axis of accuracy of its own")
    notes += [*_diverged(document["results"]), *left_out(data)]
    chart = alt.concat(*panels, columns=2)
    return Drawn(chart, "Shape of cells and speed of learning", notes, data)


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
        raise NothingToShowError(f"none of the {count} pairs is complete")
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


def _diverged(rates: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is shown of connected cells of which trainings diverged."""
    lost = [
        (row["cell"], row["measures"][f"aulc@{rate['epoch']}"]["mean"])
        for rate in rates
        for row in rate["cells"]
        if row["diverged"] and row["width"] is not None
    ]
    told = []
    if any(mean is not None for _, mean in lost):
        told.append("hollow: a cell of which some trainings diverged, at the mean of the others")
    if gone := {cell for cell, mean in lost if mean is None}:
        told.append(f"no point where all trainings diverged: {words.counted(len(gone), 'cell')}")
    return told


def _points(rate: Mapping[str, Any], space: str) -> Records:
    measure = f"aulc@{rate['epoch']}"
    cells = (row for row in rate["cells"] if row["space"] == space)
    return [point for row in cells if (point := _point(row, measure)) is not None]


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
        "whole": not row["diverged"],
        "name": cell_name(row["cell"]),
    }


def _against(rate: Mapping[str, Any], space: str, x: str) -> alt.TitleParams:
    """What a panel shows, and the correlation that the study found within the space."""
    measure = f"aulc@{rate['epoch']}"
    found = next(
        one
        for one in rate["correlations"]
        if (one["space"], one["x"], one["y"]) == (space, x, measure)
    )
    if found["coefficient"] is None:
        shown = f"no ρ: {found['reason']}"
    else:
        shown = f"ρ = {signed(found['coefficient'])}{interval(found['ci'])}, n = {found['n']}"
        if found["diverged"]:
            shown += f", {found['diverged']} of them diverged, ranked last"
    return alt.TitleParams(
        f"{space}, learning rate {rate['learning_rate']:g}: {measure} by {x}", subtitle=shown
    )


def _shape(one: _Compared, x: str, data: dict[str, Records]) -> Layers:
    """A panel, whose rows are added to the data."""
    roles = list(dict.fromkeys(point["role"] for point in one.points))
    found = sorted({point[x] for point in one.points})
    frame = Frame(_WIDTH, _HEIGHT, (found[0] - 0.5, found[-1] + 0.5), one.ends)
    rows = _beside(one.points, x)
    points, names = (f"{what} {len(data) // 2 + 1}" for what in ("points", "names"))
    data |= {points: rows, names: _named(rows, frame)}
    axis = alt.Axis(values=found, format=".3~g") if len(found) <= _MOST_TICKS else alt.Axis()
    room = alt.Scale(domain=list(frame.x), nice=False, zero=False)
    across = alt.X("x:Q", title=words.axis(x, {"space": one.space}), scale=room, axis=axis)
    y: dict[str, Any] = {
        "title": "aulc (percent)",
        "scale": alt.Scale(domain=list(frame.y), nice=False),
    }
    base = alt.Chart(alt.NamedData(points)).encode(
        x=across,
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
    named = alt.Chart(alt.NamedData(names))
    text = named.encode(x=across, y=alt.Y("y:Q", **y), text="name:N")
    written: dict[str, Any] = {"align": alt.ExprRef("datum.align"), "fontSize": FONT_SIZE}

    def mark(which: str, size: int, opacity: float) -> list[alt.Chart]:
        """Points of some cells, hollow where trainings diverged."""
        chosen = base.transform_filter(which).encode(y=alt.Y("mean:Q", **y))
        return [
            chosen.transform_filter("datum.whole").mark_point(
                filled=True, size=size, opacity=opacity
            ),
            chosen.transform_filter("!datum.whole").mark_point(
                filled=False, fill=PAPER, size=size, opacity=1
            ),
        ]

    return alt.layer(
        base.mark_rule(opacity=0.6).encode(y=alt.Y("low:Q", **y), y2="high:Q"),
        named.transform_filter("datum.led")
        .mark_rule(color=SOFT, strokeWidth=0.8)
        .encode(x=across, y=alt.Y("y:Q", **y), x2="of_x:Q", y2="of_y:Q"),
        *mark("datum.role !== 'original'", 45, 0.8),
        text.mark_text(**written, stroke=PAPER, strokeWidth=3, strokeJoin="round"),
        text.mark_text(**written),
        *mark("datum.role === 'original'", 90, 1),
    ).properties(width=_WIDTH, height=_HEIGHT, title=_against(one.rate, one.space, x))


def _named(points: Records, frame: Frame) -> Records:
    """The names of originals beside their points; those without room are left out."""
    originals = [point for point in points if point["role"] == "original"]
    originals = worth_naming(originals, _MOST_NAMES)[:_MOST_NAMES]
    names = [point["name"] for point in originals]
    at, low, high = (_at(points, end, frame) for end in ("mean", "low", "high"))
    marks = np.vstack([boxes(at, _POINT, _POINT), np.hstack([high - 1, low + 1])])
    rows: Records = []
    places = placed(names, _at(originals, "mean", frame), marks, frame)
    for point, place in zip(originals, places, strict=True):
        if place is not None:
            x, y = frame.values(np.array([place.x, place.y])).tolist()
            row = {"name": point["name"], "x": x, "y": y, "align": place.align, "led": place.led}
            rows.append({**row, "of_x": point["x"], "of_y": point["mean"]})
    return rows


def _at(points: Records, y: str, frame: Frame) -> FloatArray:
    return frame.pixels(np.array([[point["x"], point[y]] for point in points]).reshape(-1, 2))


def _beside(points: Records, x: str) -> Records:
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


def _pairs(points: Records, one: Mapping[str, Any], datasets: Sequence[str], ends: Ends) -> Layers:
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
    return f"{signed(one['mean'])} points{interval(one['ci'])}, n = {of_pairs(one)}"
