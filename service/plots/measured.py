"""Pictures of what was measured on networks: profiles, gradient variance, eigenvalues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from service.plots.captions import (
    MOST_PANELS,
    Document,
    Drawn,
    Records,
    first_of,
    shape,
    spaces,
    training_name,
)
from service.plots.scales import epoch_axis
from service.plots.themes import DISTINCT, PAPER, STEPS
from service.plots.views import NothingToShowError
from service.plots.words import SETS

MOST_TRAININGS = 60

_WIDTH, _HEIGHT = 560, 340
Panel = tuple[str, int]
"""A space and an epoch."""

_VARIANCE = "E|g − E g|² (logarithmic)"


def profiles(document: Document) -> Drawn:
    """The loss along one direction, a line a training."""
    settings, rows = document["settings"], _rows(document)
    complete = [row for row in rows if row["rows_left"] == 0]
    points = [
        {"training": _label(row, settings), "x": x, "y": loss}
        for row in complete[:MOST_TRAININGS]
        for x, loss in zip(row["axis"], row["loss"][0], strict=True)
        if loss is not None and loss > 0
    ]
    if not points:
        raise NothingToShowError(
            "no profile has a finite loss"
            if complete
            else f"none of the {len(rows)} profiles is measured yet"
        )
    line = _lines(
        points,
        alt.X("x:Q", title="α (multiples of the direction)"),
        alt.Y("y:Q", title="loss (nats, logarithmic)", scale=_log()),
    )
    centre = (
        alt.Chart(alt.InlineData(values=[{"x": 0}])).mark_rule(strokeDash=[4, 4]).encode(x="x:Q")
    )
    note = (
        f"mean cross-entropy over {complete[0]['images']} {SETS[complete[0]['set']]}, "
        f"unaugmented, at {settings['points']} points along a filter-normalised random direction, "
        "after the last epoch; dashed: the trained weights"
    )
    chart = alt.layer(centre, line)
    return Drawn(chart, "Loss along a direction", [note, *_left_out(complete)])


def variance_by_epoch(document: Document) -> Drawn:
    """Variance over the epochs, a line a training."""
    rows = [row for row in _rows(document) if row["epochs"]]
    points = [
        {"training": _label(row, document["settings"]), "x": at["epoch"], "y": at["variance"]}
        for row in rows[:MOST_TRAININGS]
        for at in row["epochs"]
        if at["variance"]
    ]
    if not points:
        raise NothingToShowError(_nothing(_rows(document), "epochs", "gradient variance"))
    chart = _lines(
        points,
        alt.X(
            "x:Q",
            title="epoch (0: before training)",
            axis=epoch_axis(sorted({point["x"] for point in points})),
        ),
        alt.Y("y:Q", title=_VARIANCE, scale=_log()),
    )
    notes = [_of_variance(document), *_left_out(rows)]
    return Drawn(chart, "Gradient variance by epoch", notes)


def variance_by_group(document: Document) -> Drawn:
    """Variance of each layer group at the last epoch measured, a line a training."""
    rows = [row for row in _rows(document) if row["epochs"]]
    points = [
        {
            "training": _label(row, document["settings"]),
            "space": row["space"],
            "x": group,
            "y": values["variance"],
        }
        for row in rows[:MOST_TRAININGS]
        for group, values in row["epochs"][-1]["groups"].items()
        if values["variance"]
    ]
    if not points:
        raise NothingToShowError(_nothing(_rows(document), "epochs", "gradient variance"))
    panels = []
    for space in spaces(points):
        here = [point for point in points if point["space"] == space]
        lines = _lines(
            here,
            _in_order(here, "layer group, from the input to the output"),
            alt.Y("y:Q", title=_VARIANCE, scale=_log()),
        )
        panels.append(lines.properties(title=f"skeleton of {space}"))
    chart = alt.vconcat(*panels).resolve_scale(color="independent")
    epochs = sorted({row["epochs"][-1]["epoch"] for row in rows})
    told = f"at epoch {epochs[0]}" if len(epochs) == 1 else f"at epochs {epochs[0]} to {epochs[-1]}"
    notes = [_of_variance(document), f"{told}, the last that is measured of each training"]
    return Drawn(chart, "Gradient variance by layer group", [*notes, *_left_out(rows)])


def eigenvalues(document: Document) -> Drawn:
    """|λ| of the largest eigenvalue by block, a panel an epoch; hollow where not converged.

    Of more epochs than there are panels, some are shown, from the first to the last.
    """
    settings = document["settings"]
    rows = [row for row in _rows(document) if row["blocks"]]
    points = [
        {
            "training": _label(row, settings),
            "space": row["space"],
            "x": block["group"],
            "y": abs(block["eigenvalue"]),
            "epoch": block["epoch"],
            "converged": block["converged"],
        }
        for row in rows[:MOST_TRAININGS]
        for block in row["blocks"]
        if block["eigenvalue"]
    ]
    if not points:
        raise NothingToShowError(_nothing(_rows(document), "blocks", "eigenvalue"))
    there = sorted({(point["space"], point["epoch"]) for point in points})
    shown = [
        one
        for space in spaces(points)
        for one in _spread(
            [each for each in there if each[0] == space], MOST_PANELS // len(spaces(points))
        )
    ]
    points = [point for point in points if (point["space"], point["epoch"]) in shown]
    names = list(dict.fromkeys(point["training"] for point in points))
    low, high = (end(point["y"] for point in points) for end in (min, max))
    panels = []
    for space, epoch in shown:
        here = [point for point in points if (point["space"], point["epoch"]) == (space, epoch)]
        base = alt.Chart(alt.InlineData(values=here)).encode(
            x=_in_order(here, "block, from the input to the output; network: all parameters"),
            y=alt.Y(
                "y:Q",
                title="|λ| of the Hessian (logarithmic)",
                scale=alt.Scale(type="log", domain=[low / 1.3, high * 1.3]),
            ),
            color=_colour(names),
            tooltip=[
                alt.Tooltip("training:N", title="cell"),
                alt.Tooltip("x:N", title="block"),
                alt.Tooltip("y:Q", title="|λ|", format=".3~g"),
                alt.Tooltip("converged:N"),
            ],
        )
        panels.append(
            alt.layer(
                base.transform_filter("datum.x !== 'network'").mark_line(
                    strokeWidth=1, opacity=0.5
                ),
                base.transform_filter("datum.converged").mark_point(
                    filled=True, size=70, opacity=1
                ),
                base.transform_filter("!datum.converged").mark_point(
                    filled=False, fill=PAPER, size=70, opacity=1
                ),
            ).properties(width=_WIDTH, height=_HEIGHT, title=f"skeleton of {space}, epoch {epoch}")
        )
    found = next(row for row in rows if row["images"] is not None)
    notes = [
        "the eigenvalue of largest magnitude by Lanczos iteration on Hessian-vector products of "
        f"the mean cross-entropy over {found['images']} {SETS[found['set']]}, batch normalisation "
        f"by {settings['statistics']} statistics; hollow: the iteration did not converge"
    ]
    if len(there) > len(shown):
        notes.append(
            f"{len(shown)} of {len(there)} panels are shown, their epochs spread from the first "
            "to the last"
        )
    return Drawn(
        alt.vconcat(*panels), "Largest Hessian eigenvalue by block", [*notes, *_left_out(rows)]
    )


def _rows(document: Document) -> Records:
    rows: Records = document["results"]["cells"]
    return rows


def _nothing(rows: Records, field: str, what: str) -> str:
    if any(row[field] for row in rows):
        return f"no {what} that is measured is finite and other than 0"
    return f"no {what} is measured yet in any of the {len(rows)} trainings"


def _left_out(rows: Records) -> list[str]:
    return first_of(MOST_TRAININGS, len(rows), "trainings")


def _spread(there: Sequence[Panel], most: int) -> list[Panel]:
    """At most so many, two or more, evenly over the places; the first and the last are kept."""
    if len(there) <= most:
        return list(there)
    return [there[place * (len(there) - 1) // (most - 1)] for place in range(most)]


def _label(row: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    return f"{training_name(row, settings['seeds'])} ({shape(row)})"


def _of_variance(document: Document) -> str:
    settings = document["settings"]
    found = next(row for row in _rows(document) if row["images"] is not None)
    return (
        f"E|g − E g|² over the gradients g of {settings['batches']} batches of {settings['batch']} "
        f"{SETS[found['set']]}, batch normalisation by {settings['statistics']} statistics"
    )


def _log() -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=8)


def _in_order(points: Sequence[Mapping[str, Any]], title: str) -> alt.X:
    by_training: dict[str, list[str]] = {}
    for point in points:
        by_training.setdefault(point["training"], []).append(point["x"])
    order = _merged(by_training.values())
    return alt.X("x:N", title=title, sort=order, axis=alt.Axis(labelAngle=-40, labelLimit=0))


def _merged(sequences: Iterable[Sequence[str]]) -> list[str]:
    """All names in an order that keeps that of each; a skeleton leaves out what has no weights."""
    order: list[str] = []
    for names in sequences:
        place = 0
        for name in names:
            if name in order:
                place = order.index(name)
            else:
                order.insert(place, name)
            place += 1
    return order


def _colour(names: Sequence[str]) -> alt.Color:
    """The first ten as distinct as can be; more than that go along a scale, in their order."""
    # Without the ends of the scale, one of which a dark paper swallows.
    many = alt.SchemeParams(name=STEPS, extent=[0.12, 0.92])
    return alt.Color(
        "training:N",
        scale=alt.Scale(
            domain=list(names), scheme=many if len(names) > DISTINCT else alt.Undefined
        ),
        legend=alt.Legend(title="cell", symbolOpacity=1, columns=-(-len(names) // 20)),
    )


def _lines(points: Iterable[Mapping[str, Any]], x: alt.X, y: alt.Y) -> alt.Chart:
    values = list(points)
    names = list(dict.fromkeys(point["training"] for point in values))
    tooltip = [alt.Tooltip("training:N", title="cell")]
    axes: list[Any] = [x.to_dict(), y.to_dict()]
    for axis in axes:
        written = axis["type"] == "nominal"
        tooltip.append(
            alt.Tooltip(
                field=axis["field"],
                type=axis["type"],
                title=axis["title"],
                format=alt.Undefined if written else ".4~g",
            )
        )
    drawn: alt.Chart = (
        alt.Chart(alt.InlineData(values=values), width=_WIDTH, height=_HEIGHT)
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=30), strokeWidth=1.5)
        .encode(x=x, y=y, color=_colour(names), tooltip=tooltip)
    )
    return drawn
