"""The map of shapes: how many cells there are of each width and depth, and how they do."""

from __future__ import annotations

import altair as alt

from service.plots import words
from service.plots.captions import Document, Drawn
from service.plots.scales import apart
from service.plots.themes import INK, NO_VALUE, ON_TILES, PAPER
from service.plots.views import NothingToShowError

_SIDE, _MOST_SIDE = 110, 620
"""Pixels of a tile, and of all of them in a row."""

_ROOMY = 60
"""Pixels of a tile that has room for its number of cells and their mean."""


def shapes(document: Document) -> Drawn:
    """A tile for each width and depth with its number of cells, coloured by a metric's mean."""
    context, metric = document["context"], document["metric"]
    rows = [
        {"width": item["width"], "depth": item["depth"], "cells": item["cells"]}
        | item["metrics"][metric]
        for item in document["items"]
    ]
    if not rows:
        raise NothingToShowError("no cell that passes the filters is connected")
    if not any(row["n"] for row in rows):
        raise NothingToShowError(f"no cell that passes the filters has {metric}")
    for row in rows:
        row["told"] = words.part_of(row["n"], row["cells"])
    what = words.column(metric, context)
    sides = {name: sorted({row[name] for row in rows}) for name in ("width", "depth")}
    means = [row["mean"] for row in rows if row["mean"] is not None]
    if not means:
        raise NothingToShowError(f"cells without a number of {metric} for every shape: no mean")
    ends = apart(min(means), max(means))
    mean = alt.Color(
        "mean:Q",
        scale=alt.Scale(domain=ends, nice=False),
        legend=alt.Legend(
            title=f"mean {words.axis(metric, context)}",
            orient="bottom",
            gradientLength=240,
            format=".4~g",
            tickCount=4,
        ),
    )
    tooltip = [
        alt.Tooltip("width:Q", format=".4~g"),
        alt.Tooltip("depth:Q"),
        alt.Tooltip("cells:Q", format=",d"),
        alt.Tooltip("n:Q", title="n with the metric", format=",d"),
        alt.Tooltip("mean:Q", title=f"mean {what}", format=".2f"),
        alt.Tooltip("std:Q", title="standard deviation", format=".2f"),
        alt.Tooltip("median:Q", format=".2f"),
        alt.Tooltip("best:N", title="best cell"),
    ]
    pick = alt.selection_point(name="pick", fields=["width", "depth"])
    base = alt.Chart(alt.NamedData("shapes")).encode(
        x=alt.X("width:O", title=words.axis("width", context), axis=_axis()),
        y=alt.Y("depth:O", title=words.axis("depth", context), sort="descending", axis=_axis()),
    )
    width, height = (min(_SIDE * len(sides[name]), _MOST_SIDE) for name in ("width", "depth"))
    roomy = min(width / len(sides["width"]), height / len(sides["depth"])) >= _ROOMY
    # Without a tooltip: what stands on a tile lets the pointer through to it.
    text = base.encode(color=alt.value(ON_TILES))
    layers = [
        base.mark_rect(strokeWidth=3, invalid="show")
        .encode(
            color=alt.condition("datum.mean === null", alt.value(NO_VALUE), mean),
            stroke=alt.condition(pick, alt.value(INK), alt.value(PAPER), empty=False),
            tooltip=tooltip,
        )
        .add_params(pick),
        text.mark_text(
            fontSize=15 if roomy else 10, fontWeight="bold", dy=-8 if roomy else 0
        ).encode(text="told:N"),
    ]
    if roomy:
        layers.append(
            text.transform_filter("datum.mean !== null")
            .mark_text(fontSize=11, dy=11)
            .encode(text=alt.Text("mean:Q", format=".4~g"))
        )
    chart = alt.layer(*layers).properties(
        width=width,
        height=height,
        view=alt.ViewConfig(stroke=None),
    )
    partly = any(row["n"] < row["cells"] for row in rows)
    notes = [
        "a tile for each width and depth: its number of cells"
        + (", and how many of these have a value; " if partly else "; ")
        + ("below it and as colour" if roomy else "as colour")
        + f": their mean {what}"
        + ("; grey: no mean" if len(means) < len(rows) else ""),
        words.population(
            words.part_of(*(sum(row[name] for row in rows) for name in ("n", "cells"))),
            context,
            document["filters"],
            context["excluded"],
        ),
        *words.sources(context),
    ]
    return Drawn(chart, f"Width and depth of cells, and their {what}", notes, {"shapes": rows})


def _axis() -> alt.Axis:
    return alt.Axis(labelAngle=0, format=".4~g", ticks=False, domain=False)
