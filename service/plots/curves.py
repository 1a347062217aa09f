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
    Records,
    first_of,
    spaces,
)
from service.plots.labels import FONT_SIZE, LINE, left_out, spread, worth_naming
from service.plots.scales import Ends, apart, epoch_axis, percents
from service.plots.themes import FAINT, SOFT
from service.plots.views import NothingToShowError
from service.plots.words import SETS

MOST_POINTS = 30_000
_WIDTH, _HEIGHT = 360, 280
_COLUMNS = 2
_LEADER = 22
"""Pixels from the frame to the names of lines."""

_MOST_NAMES = _HEIGHT // LINE


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
    data: dict[str, Records] = {}
    panels = [_curves(name, rows, step, most, span, ends, data) for name, rows in shown]
    sets = " and ".join(sorted({SETS[rate["set"]] for rate in results if rate["set"] is not None}))
    notes = [f"accuracy on {sets}, a line a training"]
    if kinds:
        notes[0] += "; bold: the original, faint: its variants"
    if len(widths) < len(cells):
        notes[0] += "; grey: disconnected cells"
    if len(spaces(cells)) > 1:
        notes[0] += "; widths of different spaces are not in one unit"
    notes += [*first_of(len(shown), len(groups), "panels"), *left_out(data)]
    if step > 1:
        notes.append(f"one epoch in {step} is drawn")
    chart = alt.concat(*panels, columns=len(kinds) or _COLUMNS)
    return Drawn(chart, "Validation accuracy by epoch", notes, data)


def _panels(rate: Mapping[str, Any], kinds: Sequence[str]) -> list[tuple[str, Records]]:
    """Titles and rows: of all originals of a space, or of one with its variants of one kind."""
    name = f"learning rate {rate['learning_rate']:g}"
    if not kinds:
        return [
            (f"{space}, {name}", [row for row in rate["cells"] if row["space"] == space])
            for space in spaces(rate["cells"])
        ]
    families: dict[str, Records] = {}
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


def _curves(
    name: str,
    rows: Records,
    step: int,
    epochs: int,
    span: Ends,
    ends: Ends,
    data: dict[str, Records],
) -> Layers:
    """A panel, whose rows are added to the data."""
    lines = [line for row in rows for line in _lines(row, step)]
    originals = [line[-1] for line in lines if line[-1]["role"] == "original"]
    first = {end["name"]: end for end in reversed(originals)}
    points, names = (f"{what} {len(data) // 2 + 1}" for what in ("points", "names"))
    data[points] = [{**point, "alone": len(line) == 1} for line in lines for point in line]
    data[names] = _named(list(first.values()), ends)
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[1, max(epochs, 2)], nice=False),
        axis=epoch_axis(range(1, epochs + 1)),
    )
    scale: dict[str, Any] = {
        "title": "accuracy (percent)",
        "scale": alt.Scale(domain=list(ends), nice=False),
    }
    y = alt.Y("accuracy:Q", **scale)
    base = alt.Chart(alt.NamedData(points)).encode(
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
    if data[names]:
        named = alt.Chart(alt.NamedData(names))
        layers += [
            named.mark_rule(color=SOFT, strokeWidth=0.8).encode(
                x=x, x2=alt.value(_WIDTH + _LEADER), y=y, y2="at:Q"
            ),
            named.mark_text(align="left", dx=3, fontSize=FONT_SIZE).encode(
                x=alt.value(_WIDTH + _LEADER), y=alt.Y("at:Q", **scale), text="name:N"
            ),
        ]
    return alt.layer(*layers).properties(
        width=_WIDTH, height=_HEIGHT, title=alt.TitleParams(name, subtitle=_ended(rows))
    )


def _lines(row: Mapping[str, Any], step: int) -> list[Records]:
    """The points of a cell's trainings, those of each in their order."""
    lines = [
        [
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
            if accuracy is not None and (epoch in (1, len(curve["accuracy"])) or epoch % step == 0)
        ]
        for curve in row["curves"]
    ]
    return [line for line in lines if line]


def _ended(rows: Records) -> str:
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


def _named(ends: Records, scale: Ends) -> Records:
    """Names for ends of lines, ``at`` accuracies as far apart as writing needs; some of many."""
    low, high = scale
    unit = (high - low) / _HEIGHT
    ordered = sorted(ends, key=lambda end: end["accuracy"], reverse=True)
    pool = worth_naming(ordered, _MOST_NAMES)
    shown = pool[:: max(1, -(-len(pool) // _MOST_NAMES))]
    places = [(high - end["accuracy"]) / unit for end in shown]
    written = spread(places, LINE, (LINE / 2, _HEIGHT - LINE / 2))
    return [
        {key: end[key] for key in ("name", "epoch", "accuracy")} | {"at": high - place * unit}
        for end, place in zip(shown, written, strict=True)
    ]
