"""Learning curves as they are recorded: of cells side by side, and of a job so far."""

from __future__ import annotations

from typing import Any

import altair as alt

from analysis.cells import cell_name
from service.plots import words
from service.plots.captions import Document, Drawn, Rows
from service.plots.hover import followed
from service.plots.scales import FEW_EPOCHS, around, epoch_axis
from service.plots.views import NothingToShowError

_WIDTH, _HEIGHT = 560, 340
_SOLID = 6
"""Lines that are told apart by colour alone; further ones are dashed."""


def of_cells(document: Document) -> Drawn:
    """A line a cell with its mean ± 1 standard deviation over seeds, or a line a seed."""
    context, name = document["context"], document["metric"]
    points: Rows = [
        {
            "line": f"{curve['cell']} {curve['seed']} {curve.get('replicate') or ''}".rstrip(),
            "cell": curve["cell"],
            "name": cell_name(curve["cell"]),
            "seed": curve["seed"],
            "epoch": epoch,
            "value": value,
            "low": None if std is None else value - std,
            "high": None if std is None else value + std,
            "n_seeds": seeds,
        }
        for curve in document["items"]
        for epoch, value, std, seeds in zip(
            curve["epochs"],
            curve["values"],
            curve.get("std") or [None] * len(curve["epochs"]),
            curve.get("n_seeds") or [1] * len(curve["epochs"]),
            strict=True,
        )
        if value is not None
    ]
    if not points:
        raise NothingToShowError(
            f"no curve of {name} is recorded for {', '.join(document['cells'])} in this context"
        )
    names = list(dict.fromkeys(point["name"] for point in points))
    counts = sorted({point["n_seeds"] for point in points if point["n_seeds"] is not None})
    each = context["seed"] != "mean"
    (held,) = context["sets"].values()
    what = words.measure(name)
    shown = "a line a seed" if each else "a line a cell, its mean over seeds"
    if not each and counts[-1] > 1:
        shown += " ± 1 standard deviation"
    lines = len({point["line"] for point in points})
    told = (
        f"{counts[0]}–{counts[-1]} seeds" if len(counts) > 1 else words.counted(counts[0], "seed")
    )
    absent = [cell_name(cell) for cell in document["cells"] if cell_name(cell) not in names]
    of_each = words.counted(lines, "training") if each else f"{told} each"
    notes = [
        f"{shown}; n = {words.counted(len(names), 'cell')}, {of_each}",
        f"{words.source(held)}; {words.seeds(context)}",
        *([f"nothing recorded of {', '.join(absent)}"] if absent else []),
    ]
    title = words.sentence(f"{what} by epoch")
    return _drawn(points, f"{what} ({words.unit(name)})", title, notes, many=lines > len(names))


def of_job(document: Document) -> Drawn:
    """Accuracy by epoch, a line a set of images."""
    points: Rows = [
        {"line": words.SETS[name], "name": words.SETS[name], "epoch": record["epoch"]}
        | {"value": record[name]["accuracy"]}
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
    return _drawn(points, "accuracy (percent)", "Accuracy by epoch", notes)


def _drawn(points: Rows, axis: str, title: str, notes: list[str], *, many: bool = False) -> Drawn:
    """``many``: lines stand together, each thin."""
    epochs = sorted({point["epoch"] for point in points})
    names = _ordered(points)
    y: dict[str, Any] = {"title": axis, "scale": alt.Scale(zero=False, nice=True)}
    legend = alt.Legend(
        title=None, symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5, symbolOpacity=1
    )
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(domain=around(epochs), nice=False),
            axis=epoch_axis(epochs),
        ),
        color=alt.Color("name:N", scale=alt.Scale(domain=names), legend=legend),
        detail="line:N",
    )
    tooltip = [
        alt.Tooltip(f"{field}:{kind}", title=told, format=form)
        for field, kind, told, form in (
            ("name", "N", "of", ""),
            ("seed", "N", "seed", ""),
            ("epoch", "Q", "epoch", "d"),
            ("value", "Q", axis, ".2f"),
            ("low", "Q", "− 1 standard deviation", ".2f"),
            ("high", "Q", "+ 1 standard deviation", ".2f"),
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
    if any(point.get("low") is not None for point in points):
        band = base.mark_area(opacity=0.18) if len(epochs) > 1 else base.mark_rule(strokeWidth=2)
        layers.insert(0, band.encode(y=alt.Y("low:Q", **y), y2="high:Q"))
    if len(epochs) <= FEW_EPOCHS:
        marks = base.mark_point(filled=True, size=40, opacity=1)
        layers.append(marks.encode(y=value, tooltip=tooltip))
    chart, live = (
        layered.properties(width=_WIDTH, height=_HEIGHT)
        for layered in (alt.layer(*layers), followed(layers, base, value, tooltip))
    )
    return Drawn(chart, title, notes, {"points": points}, live)


def _ordered(points: Rows) -> list[str]:
    """Names as their lines end, the highest first: so the legend has the order of the lines."""
    ends = {point["name"]: (point["epoch"], point["value"]) for point in points}
    last = max(epoch for epoch, _ in ends.values())
    return sorted(ends, key=lambda name: (ends[name][0] < last, -ends[name][1]))
