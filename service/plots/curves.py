"""Pictures of trainings as they went: accuracy by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.cells import cell_name
from service.plots.captions import (
    MOST_PANELS,
    Document,
    Drawn,
    Layers,
    Rows,
    first_of,
    spaces,
)
from service.plots.scales import Ends, apart, epoch_axis, percents
from service.plots.themes import FAINT
from service.plots.views import NothingToShowError
from service.plots.words import SETS

MOST_POINTS = 30_000
_WIDTH, _HEIGHT = 360, 280
_COLUMNS = 2
_APART = 0.05
"""Of the height: how far names at the ends of lines stand apart at least."""


def curves(document: Document) -> Drawn:
    """Validation accuracy by epoch, a line a training, a panel a space and learning rate.

    Where there are variants, each original has a panel for each kind of its own.
    """
    results = document["results"]
    cells = [row for rate in results for row in rate["cells"]]
    runs = [curve["accuracy"] for row in cells for curve in row["curves"]]
    accuracies = [value for run in runs for value in run if value is not None]
    if not accuracies:
        trainings = sum(row["trainings"] for row in cells)
        raise NothingToShowError(f"none of the {trainings} trainings has an accuracy yet")
    most = max(len(run) for run in runs)
    step = max(1, -(-len(accuracies) // MOST_POINTS))
    kinds = document["settings"]["variants"]
    groups = [group for rate in results for group in _panels(rate, kinds)]
    shown = groups[:MOST_PANELS]
    widths = [row["width"] for row in cells if row["width"] is not None]
    span = (min(widths), max(widths)) if widths else (0.0, 0.0)
    ends = percents(accuracies)
    panels = [_curves(name, rows, step, most, span, ends) for name, rows in shown]
    sets = " and ".join(sorted({SETS[rate["set"]] for rate in results if rate["set"] is not None}))
    notes = [f"accuracy on {sets}, a line a training"]
    if kinds:
        notes[0] += "; bold: the original, faint: its variants"
    if len(widths) < len(cells):
        notes[0] += "; grey: disconnected cells"
    if len(spaces(cells)) > 1:
        notes[0] += "; widths of different spaces are not in one unit"
    notes += first_of(len(shown), len(groups), "panels")
    if step > 1:
        notes.append(f"one epoch in {step} is drawn")
    chart = alt.concat(*panels, columns=len(kinds) or _COLUMNS)
    return Drawn(chart, "Validation accuracy by epoch", notes)


def _panels(rate: Mapping[str, Any], kinds: Sequence[str]) -> list[tuple[str, Rows]]:
    """Titles and rows: of all originals of a space, or of one with its variants of one kind."""
    name = f"learning rate {rate['learning_rate']:g}"
    if not kinds:
        return [
            (f"{space}, {name}", [row for row in rate["cells"] if row["space"] == space])
            for space in spaces(rate["cells"])
        ]
    families: dict[str, Rows] = {}
    for row in rate["cells"]:
        families.setdefault(row["original"], []).append(row)
    return [
        (
            f"{cell_name(original)}, {kind}, {name}",
            [row for row in family if row["role"] in ("original", kind)],
        )
        for original, family in families.items()
        for kind in kinds
    ]


def _curves(name: str, rows: Rows, step: int, epochs: int, span: Ends, ends: Ends) -> Layers:
    points: Rows = []
    named: Rows = []
    for row in rows:
        original = row["role"] == "original"
        for curve in row["curves"]:
            last = len(curve["accuracy"])
            line = [
                {
                    "line": f"{row['role']} {row['cell']} {curve['seed']}",
                    "epoch": epoch,
                    "accuracy": accuracy,
                    "width": row["width"],
                    "role": row["role"],
                    "name": cell_name(row["cell"]),
                    "seed": curve["seed"],
                }
                for epoch, accuracy in enumerate(curve["accuracy"], 1)
                if accuracy is not None and (epoch in (1, last) or epoch % step == 0)
            ]
            points += [{**point, "alone": len(line) == 1} for point in line]
            if original and line and curve is row["curves"][0]:
                named.append(line[-1])
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[1, max(epochs, 2)], nice=False),
        axis=epoch_axis(range(1, epochs + 1)),
    )
    y = alt.Y(
        "accuracy:Q", title="accuracy (percent)", scale=alt.Scale(domain=list(ends), nice=False)
    )
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=x,
        y=y,
        detail="line:N",
        color=alt.condition("datum.width === null", alt.value(FAINT), _by_width(span)),
        tooltip=[
            alt.Tooltip("name:N", title="cell"),
            alt.Tooltip("role:N"),
            alt.Tooltip("width:Q", format=".4~g"),
            alt.Tooltip("seed:N"),
            alt.Tooltip("epoch:Q", format="d"),
            alt.Tooltip("accuracy:Q", title="accuracy (percent)", format=".2f"),
        ],
    )
    layers: list[Any] = [
        base.transform_filter("datum.role !== 'original'").mark_line(
            strokeWidth=1, opacity=0.55, invalid="show"
        ),
        base.transform_filter("datum.role === 'original'").mark_line(
            strokeWidth=3 if any(row["role"] != "original" for row in rows) else 1.8,
            invalid="show",  # those without a width are grey
        ),
        base.transform_filter("datum.alone").mark_point(filled=True, size=30, invalid="show"),
    ]
    if named:
        names = alt.Chart(alt.InlineData(values=_spread(named, ends)))
        layers.append(
            names.mark_text(align="left", dx=5, fontSize=11).encode(x=x, y=y, text="name:N")
        )
    return alt.layer(*layers).properties(
        width=_WIDTH, height=_HEIGHT, title=alt.TitleParams(name, subtitle=_ended(rows))
    )


def _ended(rows: Rows) -> str:
    counts = {name: sum(row[name] for row in rows) for name in ("trainings", "n", "diverged")}
    diverged = f", {counts['diverged']} diverged" if counts["diverged"] else ""
    return f"{counts['n']} of {counts['trainings']} trainings finished{diverged}"


def _by_width(span: Ends) -> alt.Color:
    low, high = span
    return alt.Color(
        "width:Q",
        scale=alt.Scale(domain=apart(low, high)),
        legend=alt.Legend(
            title="width",
            gradientLength=120,
            gradientOpacity=1,
            format=".3~g",
            values=[low] if low == high else alt.Undefined,
        ),
    )


def _spread(named: Rows, ends: Ends) -> Rows:
    """Names at the ends of lines, moved down where they would lie on one another."""
    ordered = sorted(named, key=lambda end: end["accuracy"], reverse=True)
    values = [end["accuracy"] for end in ordered]
    apart = (ends[1] - ends[0]) * _APART
    for place in range(1, len(values)):
        values[place] = min(values[place], values[place - 1] - apart)
    return [{**end, "accuracy": value} for end, value in zip(ordered, values, strict=True)]
