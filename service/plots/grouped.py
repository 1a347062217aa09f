"""Distributions of metrics by group of cells, as ``GET /groups`` answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.diagram import LABELS
from data.columns import GROUPINGS
from data.operations import NOTHING
from service.plots import words
from service.plots.captions import Document, Drawn, Layers, Records, first_of
from service.plots.themes import ACCENT, INK, PAPER
from service.plots.views import NothingToShowError

MOST_GROUPS = 60
_FEW = 8
"""Groups whose labels have room for n and mean."""

_HEIGHT, _COLUMNS = 280, 2


def boxes(document: Document) -> Drawn:
    """Quartiles, extremes and mean, a panel a metric."""
    context, by, metrics = document["context"], document["by"], document["metrics"]
    items = document["items"][:MOST_GROUPS]
    few = len(items) <= _FEW
    rows: Records = [
        {"metric": metric, "group": name, "cells": item["cells"]} | item["metrics"][metric]
        for metric in metrics
        for name, item in zip(_names(by, items), items, strict=True)
    ]
    if not any(row["n"] for row in rows):
        raise NothingToShowError(
            f"no cell that passes the filters has {by} and any of {', '.join(metrics)}"
            if metrics
            else "no metric was asked for"
        )
    for row in rows:
        row["label"] = _label(row) if few else row["group"]
    panels = [_panel(metric, rows, document, few) for metric in metrics]
    held = [row["n"] for row in rows]
    notes = [
        "box: quartiles, line in it: median, whiskers: minimum and maximum, diamond: mean"
        + ("" if few else f"; n from {min(held):,} to {max(held):,} a group"),
        words.population(
            _counted(document),
            context,
            document["filters"],
            context["excluded"],
        ),
        *_last(document),
        *words.sources(context),
        *first_of(len(items), len(document["items"]), "groups"),
    ]
    what = " and ".join(words.column(metric, context) for metric in metrics)
    name = words.grouping(by, context)
    chart = alt.concat(*panels, columns=_COLUMNS)
    title = words.sentence(f"{what} by {name}") if len(metrics) <= 2 else f"Metrics by {name}"
    return Drawn(chart, title, notes, {"groups": rows})


def _names(by: str, items: Records) -> list[str]:
    """Of groups, with as many digits as tell them apart."""
    names: list[str] = []
    for digits in (4, 16):
        names = [_name(by, item[by], digits) for item in items]
        if len(set(names)) == len(names):
            break
    return names


def _name(by: str, key: Any, digits: int) -> str:
    if by not in GROUPINGS or key == NOTHING:
        return words.tick(key, digits)
    counted = (part.split("×", 1) for part in key.split(" "))
    return ", ".join(f"{count} {LABELS[operation]}" for count, operation in counted)


def _label(row: Mapping[str, Any]) -> str:
    if not row["n"]:
        return f"{row['group']}\nn = 0"
    mean = "no mean" if row["mean"] is None else f"mean {row['mean']:.4g}"
    return f"{row['group']}\nn = {row['n']:,}\n{mean}"


def _panel(metric: str, rows: Records, document: Document, few: bool) -> Layers:
    here: Sequence[Mapping[str, Any]] = [row for row in rows if row["metric"] == metric]
    by, context = document["by"], document["context"]
    plain = by in (*GROUPINGS, "space", "connected")
    step = 68 if few else 16
    base = (
        alt.Chart(alt.NamedData("groups"))
        .transform_filter(alt.datum.metric == metric)
        .encode(
            x=alt.X(
                "label:N",
                sort=[row["label"] for row in here],
                title=words.grouping(by, context) if plain else words.axis(by, context),
                axis=alt.Axis(
                    labelAngle=0 if few else -60,
                    labelLimit=0 if few else 280,
                    labelExpr="split(datum.label, '\\n')" if few else alt.Undefined,
                ),
            ),
            tooltip=[
                alt.Tooltip("group:N", title=words.grouping(by, context)),
                alt.Tooltip("n:Q", format=",d"),
                *(
                    alt.Tooltip(f"{name}:Q", title=told, format=".4~f")
                    for name, told in (
                        ("mean", "mean"),
                        ("std", "standard deviation"),
                        ("min", "minimum"),
                        ("q1", "first quartile"),
                        ("median", "median"),
                        ("q3", "third quartile"),
                        ("max", "maximum"),
                    )
                ),
                alt.Tooltip("best:N", title="best cell"),
            ],
        )
    )
    value: dict[str, Any] = {
        "title": words.axis(metric, context),
        "scale": alt.Scale(zero=False, nice=False, padding=12),
        "axis": alt.Axis(format=".4~g"),
    }
    size = round(step * 0.6)
    return alt.layer(
        base.mark_rule(strokeWidth=1.2).encode(y=alt.Y("min:Q", **value), y2="max:Q"),
        base.mark_bar(size=size, color=ACCENT, stroke=INK, strokeWidth=1).encode(
            y=alt.Y("q1:Q", **value), y2="q3:Q"
        ),
        base.mark_tick(size=size, thickness=2.5, color=PAPER, opacity=1).encode(
            y=alt.Y("median:Q", **value)
        ),
        base.mark_point(
            shape="diamond", filled=True, size=70, color=INK, stroke=PAPER, strokeWidth=1, opacity=1
        ).encode(y=alt.Y("mean:Q", **value)),
    ).properties(
        width=max(204, step * len(here)),
        height=_HEIGHT,
        title=alt.TitleParams(
            words.column(metric, context),
            subtitle=[_held(metric, document), _explained(document["explained"][metric])],
        ),
    )


def _held(metric: str, document: Document) -> str:
    """How many of the cells have the metric."""
    return f"n = {words.part_of(_n(metric, document), _cells(document))}"


def _last(document: Document) -> list[str]:
    """How many cells have a place behind the others and no number, by metric."""
    told = [
        f"{metric}: {count:,} {what}"
        for metric in document["metrics"]
        for what in ("censored", "diverged")
        if (count := sum(item["metrics"][metric][what] for item in document["items"]))
    ]
    if not told:
        return []
    return [f"behind all others, with no number ({', '.join(told)}): no mean where there are such"]


def _counted(document: Document) -> str:
    """The same of all metrics together."""
    counts = sorted(_n(metric, document) for metric in document["metrics"])
    fewest, most = counts[0], counts[-1]
    if fewest == most:
        return words.part_of(most, _cells(document))
    return f"{fewest:,}–{most:,} of {_cells(document):,}"


def _n(metric: str, document: Document) -> int:
    return sum(item["metrics"][metric]["n"] for item in document["items"])


def _cells(document: Document) -> int:
    return sum(item["cells"] for item in document["items"])


def _explained(found: Mapping[str, Any]) -> str:
    if found["eta_squared"] is None:
        return "; ".join(sorted(set(found["reasons"].values()))) or "nothing to explain"
    share = 100 * found["eta_squared"]
    told = "less than 0.1" if share < 0.1 else f"{share:.1f}"
    return f"the groups explain {told} % of its variance (η²)"
