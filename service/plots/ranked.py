"""Where cells stand in their space, as ``GET /ranks`` answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from data.columns import COLUMNS, STORED
from service.plots import words
from service.plots.captions import Document, Drawn, Layers, Records
from service.plots.themes import ACCENT
from service.plots.views import NothingToShowError

_WIDTH, _STEP, _COLUMNS = 310, 26, 2
_FIRST = {
    "width": "widest",
    "depth": "shallowest",
    "reduce_width": "widest",
    "reduce_depth": "shallowest",
}
_COSTS = COLUMNS.keys() - set(STORED)
"""Columns that depend on the data set."""
_ORDERS = {"falling": "highest", "rising": "lowest"}


def dots(document: Document) -> Drawn:
    """A panel a column, a row a cell, a dot where it stands: the first at the right."""
    found = {item["space"] for item in document["items"]}
    context = {**document["context"], "space": found.pop() if len(found) == 1 else "all"}
    rows: Records = [
        {
            "cell": item["id"],
            "name": item["name"] or item["id"],
            "column": column,
            **rank,
            "told": _told(rank),
            "at": rank["percentile"] or 0,
        }
        for item in document["items"]
        for column, rank in item["ranks"].items()
    ]
    held = [row for row in rows if row["percentile"] is not None]
    if not held:
        reasons = sorted({row["reason"] for row in rows if row["reason"]})
        raise NothingToShowError(f"no cell has a rank: {'; '.join(reasons) or 'no cells'}")
    count = len({row["cell"] for row in rows})
    columns = sorted({row["column"]: None for row in rows}, key=lambda name: name not in _FIRST)
    panels = [
        _panel([row for row in rows if row["column"] == column], context) for column in columns
    ]
    among = dict.fromkeys(row["among"] for row in held)
    notes = [
        "percentile: percent of the cells that each is ranked among that stand behind it, half of "
        "the equal ones counted; beside the dot: value and rank",
        f"n = {words.counted(count, 'cell')}, ranked among {'; '.join(among)}",
        *(words.sources(context) if context["sets"] or _COSTS & set(columns) else ()),
    ]
    chart = alt.concat(*panels, columns=_COLUMNS, spacing=24)
    return Drawn(chart, "Where cells stand in their space", notes, {"ranks": rows})


def _told(rank: Mapping[str, Any]) -> str:
    if rank["percentile"] is None:
        return rank["reason"] or "no rank"
    value = "no value" if rank["value"] is None else words.tick(rank["value"])
    return f"{value}, {_ordinal(rank['rank'])} of {rank['of']:,}"


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in (11, 12, 13) else endings.get(number % 10, "th")
    return f"{number:,}{ending}"


def _panel(rows: Records, context: words.Context) -> Layers:
    """A column's, with the cells that have it."""
    column, names = rows[0]["column"], list(dict.fromkeys(row["name"] for row in rows))
    first = _FIRST.get(column) or _ORDERS[rows[0]["order"]]
    base = (
        alt.Chart(alt.NamedData("ranks"))
        .transform_filter(alt.datum.column == column)
        .encode(
            y=alt.Y(
                "name:N",
                sort=names,
                title=None,
                axis=alt.Axis(labelLimit=0, grid=True),
            ),
            tooltip=[
                alt.Tooltip("name:N", title="cell"),
                alt.Tooltip("value:Q", title=words.column(column, context), format=".6~g"),
                alt.Tooltip("rank:Q", format=",d"),
                alt.Tooltip("of:Q", format=",d"),
                alt.Tooltip("percentile:Q", format=".1f"),
                alt.Tooltip("among:N"),
            ],
        )
    )
    percentile: dict[str, Any] = {
        "title": f"percentile (100: the {first})",
        "scale": alt.Scale(domain=[0, 100], nice=False, padding=6),
        "axis": alt.Axis(values=[0, 25, 50, 75, 100], format="d"),
    }
    behind = "datum.at > 50"
    return alt.layer(
        base.mark_circle(size=90, opacity=1, color=ACCENT).encode(
            x=alt.X("percentile:Q", **percentile)
        ),
        base.mark_text(
            align=alt.ExprRef(f"{behind} ? 'right' : 'left'"),
            dx=alt.ExprRef(f"datum.percentile === null ? 0 : {behind} ? -9 : 9"),
            fontSize=11,
        ).encode(x=alt.X("at:Q", **percentile), text="told:N"),
    ).properties(width=_WIDTH, height=_STEP * len(names), title=words.axis(column, context))
