"""Pictures of correlations, as ``GET /correlations/by-epoch`` answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from service.plots.captions import SETS, Document, Drawn, Layers
from service.plots.views import NothingToShowError

METHODS = {"spearman": "Spearman's ρ", "kendall": "Kendall's τ-b", "pearson": "Pearson's r"}
_WIDTH, _HEIGHT = 560, 320
_MOST_TICKS = 15


def by_epoch(document: Document) -> Drawn:
    """A coefficient by epoch, a line a column, with its interval."""
    items, context = document["items"], document["context"]
    points = [
        {
            "x": item["x"],
            "epoch": item["epoch"],
            "coefficient": item["coefficient"],
            "low": item["ci"][0] if item["ci"] else item["coefficient"],
            "high": item["ci"][1] if item["ci"] else item["coefficient"],
        }
        for item in items
        if item["coefficient"] is not None
    ]
    if not points:
        reasons = sorted({item["reason"] for item in items if item["reason"]})
        raise NothingToShowError(f"no coefficient is defined: {'; '.join(reasons) or 'no epochs'}")
    (measure, curve), *_ = context["sets"].items()
    method = METHODS[items[0]["method"]]
    notes = [_how(method, context), _what(curve, context, [item["n"] for item in items])]
    columns = list(dict.fromkeys(item["x"] for item in items))
    return Drawn(_lines(points, columns, method), f"{measure} by epoch against topology", notes)


def _lines(points: list[dict[str, Any]], columns: list[str], method: str) -> Layers:
    epochs = sorted({point["epoch"] for point in points})
    few = epochs if len(epochs) <= _MOST_TICKS else alt.Undefined
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(domain=[epochs[0], max(epochs[-1], epochs[0] + 1)], nice=False),
            axis=alt.Axis(tickMinStep=1, format="d", values=few),
        ),
        color=alt.Color("x:N", title="column", scale=alt.Scale(domain=columns)),
    )
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color="#666")
    return alt.layer(
        zero.encode(y="zero:Q"),
        base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=method), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y="coefficient:Q"),
        base.mark_point(filled=True, size=30, opacity=1).encode(y="coefficient:Q"),
    ).properties(width=_WIDTH, height=_HEIGHT)


def _how(method: str, context: Mapping[str, Any]) -> str:
    told = method
    if context["control"]:
        told += f", holding {', '.join(context['control'])} fixed"
    if context["group_by"] is not None:
        told += f", mean within groups of equal {context['group_by']}"
    if context["confidence"] is not None:
        told += f", with its {100 * context['confidence']:g} % interval"
    return told


def _what(curve: Mapping[str, Any], context: Mapping[str, Any], counts: list[int]) -> str:
    fewest, most = min(counts), max(counts)
    cells = f"{fewest:,}" if fewest == most else f"{fewest:,}–{most:,}"
    seeds = "mean over seeds" if context["seed"] == "mean" else f"seed {context['seed']}"
    return (
        f"{curve['dataset']}, {SETS[curve['set']]}, {curve['images']} images; schedule of "
        f"{curve['schedule']} epochs, recipe {curve['recipe']}; {seeds}; "
        f"sources: {', '.join(curve['sources'])}; n = {cells} cells of {context['space']}"
    )
