"""Pictures of correlations, as ``GET /correlations/by-epoch`` answers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import altair as alt

from service.plots import words
from service.plots.captions import Document, Drawn, Layers, Records
from service.plots.coefficients import METHODS, intervals_by
from service.plots.hover import followed
from service.plots.scales import around, epoch_axis
from service.plots.themes import SOFT
from service.plots.views import NothingToShowError

_WIDTH, _HEIGHT = 560, 320


def by_epoch(document: Document) -> Drawn:
    """A coefficient by epoch, a line a column, with its interval."""
    items, context = document["items"], document["context"]
    defined = [item for item in items if item["coefficient"] is not None]
    # Of three cells every line is steep: where intervals were asked for, what has none isn't drawn.
    sound = [item for item in defined if item["ci"] or context["confidence"] is None]
    pieces = _pieces(sound)
    held = Counter(pieces.values())
    points = [
        {
            "x": item["x"],
            "epoch": item["epoch"],
            "coefficient": item["coefficient"],
            "low": item["ci"][0] if item["ci"] else item["coefficient"],
            "high": item["ci"][1] if item["ci"] else item["coefficient"],
            "n": item["n"],
            "piece": pieces[item["x"], item["epoch"]],
            "alone": held[pieces[item["x"], item["epoch"]]] == 1,
        }
        for item in sound
    ]
    if not points:
        reasons = sorted({item["reason"] for item in items if item["reason"]})
        if defined:
            raise NothingToShowError("at no epoch are there cells enough for an interval")
        raise NothingToShowError(f"no coefficient is defined: {'; '.join(reasons) or 'no epochs'}")
    # The curve comes last: before it are what x, the controls and the filters were read from.
    *_, (measure, curve) = context["sets"].items()
    method = METHODS[items[0]["method"]]
    notes = [_how(method, context, sound), *_what(curve, document, sound)]
    if len(sound) < len(defined):
        few = words.counted(len(defined) - len(sound), "coefficient")
        notes.append(f"not shown, of too few cells for an interval: {few}")
    if len(held) > len({x for x, _ in pieces}):
        notes[0] += "; broken where n more than doubles or halves from one epoch to the next"
    columns = list(dict.fromkeys(item["x"] for item in items))
    chart, live = _lines(points, columns, method)
    named = " and ".join(words.column(x, context) for x in columns)
    title = f"Correlation of {named} with {words.measure(measure)}, by epoch"
    return Drawn(chart, title, notes, {"points": points, "zero": [{"zero": 0}]}, live)


def _pieces(items: Records) -> dict[tuple[str, int], str]:
    """By column and epoch the piece of its line: the next begins where n is quite another."""
    pieces: dict[tuple[str, int], str] = {}
    last: dict[str, tuple[int, int]] = {}
    for item in sorted(items, key=lambda item: item["epoch"]):
        x, n = item["x"], item["n"]
        number, before = last.get(x, (0, n))
        if max(n, before) > 2 * min(n, before):
            number += 1
        last[x] = (number, n)
        pieces[x, item["epoch"]] = f"{x} {number}"
    return pieces


def _lines(points: Records, columns: list[str], method: str) -> tuple[Layers, Layers]:
    """The chart, and the same with what follows the pointer."""
    epochs = sorted({point["epoch"] for point in points})
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(domain=around(epochs), nice=False),
            axis=epoch_axis(epochs),
        ),
        color=alt.Color(
            "x:N",
            title="column",
            scale=alt.Scale(domain=columns),
            legend=alt.Legend(
                symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5, symbolOpacity=1
            ),
        ),
    )
    tooltip = [
        alt.Tooltip("x:N", title="column"),
        alt.Tooltip("epoch:Q", format="d"),
        alt.Tooltip("coefficient:Q", title=method, format="+.3f"),
        alt.Tooltip("low:Q", title="interval from", format="+.3f"),
        alt.Tooltip("high:Q", title="interval to", format="+.3f"),
        alt.Tooltip("n:Q", title="cells", format=",d"),
    ]
    value = alt.Y("coefficient:Q", title=method)
    interval = {"y": alt.Y("low:Q", title=method), "y2": "high:Q"}
    layers: list[Any] = [
        base.mark_area(opacity=0.2).encode(**interval, detail="piece:N"),
        base.mark_line(strokeWidth=2).encode(y=value, detail="piece:N"),
        base.mark_point(filled=True, size=30, opacity=1).encode(y=value, tooltip=tooltip),
    ]
    if any(point["alone"] for point in points):
        rule = base.transform_filter(alt.datum.alone).mark_rule(strokeWidth=1.5)
        layers.insert(0, rule.encode(**interval))
    zero = alt.Chart(alt.NamedData("zero")).mark_rule(color=SOFT).encode(y="zero:Q")
    chart, live = (
        layered.properties(width=_WIDTH, height=_HEIGHT)
        for layered in (alt.layer(zero, *layers), followed([zero, *layers], base, value, tooltip))
    )
    return chart, live


def _how(method: str, context: Mapping[str, Any], items: Records) -> str:
    told = method
    if context["control"]:
        held = ", ".join(words.column(name, context) for name in context["control"])
        told += f", holding {held} fixed"
    if context["group_by"] is not None:
        told += f", mean within groups of equal {words.grouping(context['group_by'], context)}"
    if context["confidence"] is not None:
        told += f", with its {100 * context['confidence']:g} % interval ({intervals_by(items)})"
    return told


def _what(curve: Mapping[str, Any], document: Document, items: Records) -> list[str]:
    context = document["context"]
    fewest, most = (choose(item["n"] for item in items) for choose in (min, max))
    count = f"{fewest:,}" if fewest == most else f"{fewest:,}–{most:,}"
    cells = words.cells(count, context, document["filters"]) + words.networks(items)
    if len({item["epoch"] for item in items}) > 1:
        same = (
            "the same at each epoch" if context["same_cells"] else "other ones from epoch to epoch"
        )
        cells += f", {same}"
    return [f"{words.source(curve)}; {words.seeds(context, curve)}", cells, *words.noise(items)]
