"""One column of cells against another, a point a cell."""

from __future__ import annotations

from typing import Any

import altair as alt

from service.plots import words
from service.plots.captions import Document, Drawn, Records
from service.plots.coefficients import intervals_by, told
from service.plots.scales import apart
from service.plots.themes import FAINT
from service.plots.views import NothingToShowError

_WIDTH, _HEIGHT = 480, 380
_FEW = 6
"""Different values that a legend shows each of."""


def scatter(document: Document) -> Drawn:
    """Points that stand for themselves whatever is brushed, so that brushing stays fluid."""
    context, columns = document["context"], document["columns"]
    names = {axis: document[axis] for axis in ("x", "y", "colour")}
    rows: Records = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    if not rows:
        raise NothingToShowError(
            f"no cell that passes the filters has both {names['x']} and {names['y']}"
        )
    many = len(rows) > 1000
    colours = sorted({row["colour"] for row in rows if row["colour"] is not None})
    brush = alt.selection_interval(name="brush", encodings=["x", "y"])
    chart = (
        alt.Chart(alt.NamedData("cells"), width=_WIDTH, height=_HEIGHT)
        .mark_circle(
            size=9 if many else 30, opacity=0.4 if many else 0.7, aria=False, invalid="show"
        )
        .encode(
            x=alt.X("x:Q", **_scaled(names["x"], context)),
            y=alt.Y("y:Q", **_scaled(names["y"], context)),
            color=alt.condition(
                "datum.colour === null",
                alt.value(FAINT),
                _colour(names["colour"], colours, context),
            ),
            tooltip=_tooltip(names, context),
        )
        .add_params(brush)
    )
    found = document["correlation"]
    notes = [
        told(found)
        + f" over {words.counted(found['n'], 'cell')}{words.networks([found])}"
        + (f"; in brackets: 95 % interval, {intervals_by([found])}" if found["ci"] else ""),
        words.population(f"{len(rows):,}", context, document["filters"], found["excluded"]),
        *words.sources(context),
        *words.noise([found]),
        *words.without_noise(found),
    ]
    behind = [f"{found[what]:,} {what}" for what in ("censored", "diverged") if found[what]]
    if behind:
        notes[0] += f"; cells ranked last, without a point: {', '.join(behind)}"
    bare = sum(row["colour"] is None for row in rows)
    if bare:
        notes[0] += f"; grey: {bare:,} cells without {words.column(names['colour'], context)}"
    x, y = (words.column(names[axis], context) for axis in ("x", "y"))
    return Drawn(chart, words.sentence(f"{y} against {x}"), notes, {"cells": rows})


def _scaled(name: str, context: words.Context) -> dict[str, Any]:
    return {
        "title": words.axis(name, context),
        "scale": alt.Scale(zero=False, padding=4),
        "axis": alt.Axis(format=".4~g"),
    }


def _colour(name: str, values: list[float], context: words.Context) -> alt.Color:
    low, high = (values[0], values[-1]) if values else (0, 1)
    few = len(values) <= _FEW
    return alt.Color(
        "colour:Q",
        scale=alt.Scale(domain=apart(low, high)),
        legend=alt.Legend(
            title=words.axis(name, context),
            orient="bottom",
            type="symbol" if few else "gradient",
            values=values if few else alt.Undefined,
            format=".4~g",
            symbolOpacity=1,
            symbolSize=60,
            gradientOpacity=1,
            gradientLength=240,
        )
        if values
        else None,
    )


def _tooltip(names: dict[str, str], context: words.Context) -> list[alt.Tooltip]:
    shown: list[Any] = [alt.Tooltip("id:N", title="cell")]
    shown += [
        alt.Tooltip(f"{field}:Q", title=words.column(name, context), format=".6~g")
        for field, name in names.items()
    ]
    shown += [
        alt.Tooltip(f"{name}:Q", format=".4~g")
        for name in ("width", "depth")
        if name not in names.values()
    ]
    return shown
