"""Learning curves as they are recorded: of cells side by side, and of a job so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.cells import cell_name
from service.plots import words
from service.plots.captions import Document, Drawn, Records
from service.plots.hover import followed
from service.plots.scales import FEW_EPOCHS, around, epoch_axis
from service.plots.views import NothingToShowError

_WIDTH, _HEIGHT = 560, 340
_SOLID = 6
"""Lines that are told apart by colour alone; further ones are dashed."""


def of_cells(document: Document) -> Drawn:
    """A line a cell with its mean ± 1 standard deviation over seeds, or a line a seed."""
    context, name = document["context"], document["metric"]
    each = context["seed"] != "mean"
    points: Records = [
        {
            "line": f"{curve['cell']} {curve['seed']} {curve.get('replicate') or ''}".rstrip(),
            "cell": curve["cell"],
            "name": cell_name(curve["cell"]),
            "seed": curve["seed"],
            "epoch": epoch,
            "value": value,
            "low": None if std is None else value - std,
            "high": None if std is None else value + std,
            "spread": None if each else "none" if std is None else f"± {std:.2f}",
            "n_seeds": seeds,
            "piece": piece,
            "bare": bare,
        }
        for curve in document["items"]
        for epoch, value, std, seeds, (piece, bare) in zip(
            curve["epochs"],
            curve["values"],
            curve.get("std") or [None] * len(curve["epochs"]),
            curve.get("n_seeds") or [1] * len(curve["epochs"]),
            _pieces(curve["epochs"]),
            strict=True,
        )
        if value is not None
    ]
    if not points:
        raise NothingToShowError(
            f"no curve of {name} is recorded for {', '.join(document['cells'])} in this context"
        )
    names = list(dict.fromkeys(point["name"] for point in points))
    (held,) = context["sets"].values()
    what = words.measure(name)
    shown = "a line a seed" if each else "a line a cell, its mean over seeds"
    if any(point["low"] is not None for point in points):
        shown += " ± 1 standard deviation"
    if any(point["piece"] for point in points):
        shown += "; dotted: no epoch between is recorded"
    lines = len({point["line"] for point in points})
    absent = [cell_name(cell) for cell in document["cells"] if cell_name(cell) not in names]
    of_each = words.counted(lines, "training") if each else f"{_seeds(points)} each"
    notes = [
        f"{shown}; n = {words.counted(len(names), 'cell')}, {of_each}",
        f"{words.source(held)}; {words.seeds(context, held)}",
        *([f"nothing recorded of {', '.join(absent)}"] if absent else []),
    ]
    title = words.sentence(f"{what} by epoch")
    return _drawn(points, f"{what} ({words.unit(name)})", title, notes, many=lines > len(names))


def _seeds(points: Records) -> str:
    """Over how many seeds means are; tables of means don't always say it."""
    counts = {point["n_seeds"] for point in points}
    known = sorted(counts - {None})
    if not known:
        return "an unknown number of seeds"
    told = f"{known[0]}–{known[-1]} seeds" if len(known) > 1 else words.counted(known[0], "seed")
    return f"{told}, or an unknown number," if None in counts else told


def of_job(document: Document) -> Drawn:
    """Accuracy by epoch, a line a set of images."""
    points: Records = [
        {"line": words.SETS[name], "name": words.SETS[name], "epoch": record["epoch"]}
        | {"value": record[name]["accuracy"], "piece": 0, "bare": False}
        for record in document["epochs"]
        for name in words.SETS
        if record.get(name) and record[name].get("accuracy") is not None
    ]
    if not points:
        raise NothingToShowError(
            f"job {document['id']} ({document['state']}) has no epoch of its own yet"
        )
    progress = document["progress"]
    notes = [
        f"{cell_name(document['cell'])} trained on {document['dataset']}; recipe: "
        f"{document['recipe']}; seed: {document['seed']}; n = 1 training",
        f"job {document['id']}, {document['state']}, {progress['epoch']} of "
        f"{progress['epochs']} epochs done",
    ]
    # A colour a set, whichever is the highest so far.
    sets = list(words.SETS.values())
    return _drawn(points, "accuracy (percent)", "Accuracy by epoch", notes, colours=sets)


def _pieces(epochs: Sequence[int]) -> list[tuple[int, bool]]:
    """Of each epoch the number of its piece, of epochs without a gap, and whether it is alone."""
    # As long as epochs follow each other, both rise by one.
    pieces = [epoch - place for place, epoch in enumerate(epochs)]
    held = Counter(pieces)
    numbers = {piece: number for number, piece in enumerate(held)}
    return [(numbers[piece], held[piece] == 1) for piece in pieces]


def _drawn(
    points: Records,
    axis: str,
    title: str,
    notes: list[str],
    *,
    many: bool = False,
    colours: list[str] | None = None,
) -> Drawn:
    """A line a name, in the order of their ends.

    ``many``: lines stand together, each thin. ``colours``: the names that have one, in order.
    """
    epochs = sorted({point["epoch"] for point in points})
    names = _ordered(points)
    y: dict[str, Any] = {"title": axis, "scale": alt.Scale(zero=False, nice=True)}
    legend = alt.Legend(
        title=None,
        symbolType="stroke",
        symbolSize=400,
        symbolStrokeWidth=2.5,
        symbolOpacity=1,
        values=names,
    )
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(domain=around(epochs), nice=False),
            axis=epoch_axis(epochs),
        ),
        color=alt.Color("name:N", scale=alt.Scale(domain=colours or names), legend=legend),
        detail=["line:N", "piece:N"],
    )
    tooltip = [
        alt.Tooltip(f"{field}:{kind}", title=told, format=form)
        for field, kind, told, form in (
            ("name", "N", "of", ""),
            ("seed", "N", "seed", ""),
            ("epoch", "Q", "epoch", "d"),
            ("value", "Q", axis, ".2f"),
            ("spread", "N", "standard deviation", ""),
            ("n_seeds", "Q", "seeds", "d"),
        )
        if points[0].get(field) is not None
    ]
    value = alt.Y("value:Q", **y)
    lines = base.mark_line(strokeWidth=1.2 if many else 2, opacity=0.7 if many else 1)
    lines = lines.encode(y=value)
    if len(names) > _SOLID:
        dashes = [[1, 0] if place < _SOLID else [6, 3] for place in range(len(names))]
        lines = lines.encode(
            strokeDash=alt.StrokeDash(
                "name:N", scale=alt.Scale(domain=names, range=dashes), legend=legend
            )
        )
    layers: list[Any] = [lines]
    if any(point["piece"] for point in points):
        gaps = base.mark_line(strokeWidth=1, strokeDash=[2, 3]).encode(y=value, detail="line:N")
        layers.insert(0, gaps)
    spread = {"y": alt.Y("low:Q", **y), "y2": "high:Q"}
    held = [point for point in points if point.get("low") is not None]
    if any(not point["bare"] for point in held):
        layers.insert(0, base.mark_area(opacity=0.18).encode(**spread))
    if any(point["bare"] for point in held):
        rules = base.transform_filter("datum.bare && datum.low !== null")
        layers.insert(0, rules.mark_rule(strokeWidth=2).encode(**spread))
    few = len(epochs) <= FEW_EPOCHS
    if few or any(point["bare"] for point in points):
        marks = base if few else base.transform_filter(alt.datum.bare)
        marks = marks.mark_point(filled=True, size=40, opacity=1)
        layers.append(marks.encode(y=value, tooltip=tooltip))
    chart, live = (
        layered.properties(width=_WIDTH, height=_HEIGHT)
        for layered in (alt.layer(*layers), followed(layers, base, value, tooltip))
    )
    return Drawn(chart, title, notes, {"points": points}, live)


def _ordered(points: Records) -> list[str]:
    """Names as their lines end, the highest first: so the legend has the order of the lines."""
    ends = {point["name"]: (point["epoch"], point["value"]) for point in points}
    last = max(epoch for epoch, _ in ends.values())
    return sorted(ends, key=lambda name: (ends[name][0] < last, -ends[name][1]))
