"""Pictures of planes from above: losses and gradient variances around trained weights."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from service.plots.captions import (
    MOST_PANELS,
    Document,
    Drawn,
    Layers,
    first_of,
    shape,
    training_name,
)
from service.plots.grids import TOP, Grid, Span, lines, span
from service.plots.themes import BESIDE, NO_VALUE, ON_SURFACE, SURFACE
from service.plots.views import NothingToShowError
from service.plots.words import SETS

_MOST_TILES = 12_000
COLUMNS = 3
SIDE = 260
"""Pixels a side of a panel."""

_CLEAR = 0.12
"""Of half a side: how close to the centre, which is marked, no label stands."""

_OVERLAP = 0.003
"""Of the side, of tiles: closes the hairlines that antialiasing leaves between them."""

_ALPHA, _BETA = "α (multiples of direction 1)", "β (multiples of direction 2)"

_CENTRE = "×: the trained weights"


def loss_contours(document: Document) -> Drawn:
    """Tiles coloured by loss with contour lines, a panel a training."""
    grids = landscapes(document)
    panels, notes = _contours(grids, "loss (nats)")
    told = f"{of_loss(document)}; {_CENTRE}"
    return Drawn(panels, "Loss around trained weights", [told, *notes])


def variance_contours(document: Document) -> Drawn:
    """Tiles coloured by gradient variance with contour lines, a panel a training."""
    settings, rows = document["settings"], document["results"]["cells"]
    side = settings["plane"]
    grids = [
        Grid.of(
            training_name(row, settings["seeds"]),
            shape(row),
            [line["y"] for line in row["plane"]],
            [line["variance"] for line in row["plane"]],
        )
        for row in rows
        if len(row["plane"]) == side
    ]
    if not grids:
        done = max(len(row["plane"]) for row in rows)
        raise NothingToShowError(
            f"no plane is complete yet: at most {done} of its {side} rows are measured"
        )
    panels, notes = _contours(grids, "variance")
    found = next(row["set"] for row in rows if row["set"] is not None)
    told = (
        f"E|g − E g|² over {settings['batches']} batches of {settings['batch']} {SETS[found]}, "
        f"batch normalisation by {settings['statistics']} statistics, along two filter-normalised "
        f"random directions, after the last epoch; {_CENTRE}"
    )
    title = "Gradient variance around trained weights"
    return Drawn(panels, title, [told, *notes])


def landscapes(document: Document) -> list[Grid]:
    """The landscapes that are complete.

    Raises:
        NothingToShowError: none is.
    """
    rows = document["results"]["cells"]
    grids = [
        Grid.of(
            training_name(row, document["settings"]["seeds"]),
            shape(row),
            row["axis"],
            row["loss"],
        )
        for row in rows
        if row["rows_left"] == 0
    ]
    if not grids:
        left = min(row["rows_left"] for row in rows)
        raise NothingToShowError(
            f"no landscape is complete yet: at least {left} rows of its grid are left to measure"
        )
    return grids


def of_loss(document: Document) -> str:
    """What the losses of a landscape are of, for the caption."""
    settings = document["settings"]
    rows = document["results"]["cells"]
    found = next(row for row in rows if row["images"] is not None)
    return (
        f"mean cross-entropy over {found['images']} {SETS[found['set']]}, unaugmented, on a "
        f"grid of {settings['points']} × {settings['points']} along two filter-normalised random "
        "directions, after the last epoch"
    )


def common_scale(grids: list[Grid]) -> Span:
    """The scale of all panels.

    Raises:
        NothingToShowError: no value has a place on it.
    """
    found = span(grids)
    if found is None:
        raise NothingToShowError("no value of the planes is finite and above 0")
    return found


def about(grids: list[Grid], scale: Span, most: int) -> list[str]:
    """What the caption says of the scale, and of what is left out with ``most`` points a side."""
    notes = []
    if (step := grids[0].step(most)) > 1:
        notes.append(f"one point in {step} along each side is drawn")
    if scale.capped:
        notes.append(
            f"the scale ends at the {TOP:g}th percentile, {scale.top:.3g}; the highest value is "
            f"{scale.highest:.3g}"
        )
    if any(not np.isfinite(grid.values).all() for grid in grids):
        notes.append("grey, or no face: not finite")
    return notes + first_of(MOST_PANELS, len(grids), "planes")


def fill_of(scale: Span, quantity: str) -> alt.Fill:
    """The colours of values, and their legend."""
    return alt.Fill(
        "value:Q",
        scale=alt.Scale(type="log", domain=[scale.low, scale.top], clamp=True, scheme=SURFACE),
        legend=alt.Legend(
            type="gradient",
            title=quantity,
            gradientLength=200,
            values=scale.levels(),
            format=".3~g",
        ),
    )


def _contours(grids: list[Grid], quantity: str) -> tuple[alt.ConcatChart, list[str]]:
    scale = common_scale(grids)
    shown = grids[:MOST_PANELS]
    most = int((_MOST_TILES / len(shown)) ** 0.5)
    panels = [_contour(grid.thinned(most), scale, quantity) for grid in shown]
    chart = alt.concat(*panels, columns=COLUMNS).resolve_scale(fill="shared")
    return chart, about(grids, scale, most)


def _contour(grid: Grid, scale: Span, quantity: str) -> Layers:
    edges = _edges(grid)
    overlap = _OVERLAP * (edges[-1] - edges[0])
    tiles = [
        {
            "x": edges[column],
            "x2": edges[column + 1] + overlap,
            "y": edges[row],
            "y2": edges[row + 1] + overlap,
            "value": max(float(value), scale.low) if np.isfinite(value) else None,
        }
        for (row, column), value in np.ndenumerate(grid.values)
    ]
    drawn, labels = _lines(grid, scale)
    ends = alt.Scale(domain=[edges[0], edges[-1]], nice=False, zero=False)
    reach = float(grid.axis[-1])
    ticks = alt.Axis(grid=False, values=[-reach, -reach / 2, 0, reach / 2, reach], format=".3~g")
    x = alt.X("x:Q", title=_ALPHA, scale=ends, axis=ticks)
    y = alt.Y("y:Q", title=_BETA, scale=ends, axis=ticks)
    rects = alt.Chart(alt.InlineData(values=tiles)).encode(x=x, x2="x2:Q", y=y, y2="y2:Q")
    finite = rects.transform_filter("datum.value !== null").mark_rect(clip=True, aria=False)
    finite = finite.encode(
        fill=fill_of(scale, quantity),
        tooltip=alt.Tooltip("value:Q", title=quantity, format=".4~g"),
    )
    absent = rects.transform_filter("datum.value === null").mark_rect(
        color=NO_VALUE, clip=True, aria=False
    )
    contours = (
        alt.Chart(alt.InlineData(values=drawn))
        .mark_line(color=ON_SURFACE, strokeWidth=1, clip=True)
        .encode(x=x, y=y, detail="line:N", order="order:Q")
    )
    text = alt.Chart(alt.InlineData(values=labels)).encode(x=x, y=y, text="text:N")
    halo = text.mark_text(
        fontSize=10, stroke=ON_SURFACE, strokeWidth=3, strokeJoin="round", clip=True
    )
    written = text.mark_text(fontSize=10, color=BESIDE, clip=True)
    centre = (
        alt.Chart(alt.InlineData(values=[{"x": 0, "y": 0}]))
        .mark_point(shape="cross", angle=45, size=70, filled=True, color=BESIDE)
        .encode(x=x, y=y)
    )
    halo_of_centre = centre.mark_point(
        shape="cross", angle=45, size=160, filled=True, color=ON_SURFACE
    )
    return alt.layer(finite, absent, contours, halo, written, halo_of_centre, centre).properties(
        width=SIDE, height=SIDE, title=heading(grid)
    )


def heading(grid: Grid) -> alt.TitleParams:
    """What stands above a panel."""
    return alt.TitleParams(
        grid.name, subtitle=grid.note, fontWeight="bold", fontSize=12, subtitleFontSize=11
    )


def _edges(grid: Grid) -> list[float]:
    """Of tiles about the points, one more than points."""
    between = (grid.axis[1:] + grid.axis[:-1]) / 2
    half = (grid.axis[1] - grid.axis[0]) / 2
    return [float(edge) for edge in (grid.axis[0] - half, *between, grid.axis[-1] + half)]


def _lines(grid: Grid, scale: Span) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Points of the contour lines, and a label on the longest line of each level."""
    drawn: list[dict[str, Any]] = []
    longest: dict[float, tuple[float, Any]] = {}
    for number, (level, points) in enumerate(lines(grid, scale.levels())):
        drawn += [
            {"line": number, "order": order, "x": float(x), "y": float(y)}
            for order, (x, y) in enumerate(points)
        ]
        length = float(np.hypot(*np.diff(points, axis=0).T).sum())
        longest[level] = max(
            longest.get(level, (0.0, points)), (length, points), key=lambda p: p[0]
        )
    # By turns at different places along the lines, so that labels of nested ones don't collide.
    labels = []
    for place, (level, (_, points)) in enumerate(sorted(longest.items())):
        x, y = points[int(len(points) * (0.15, 0.65, 0.4, 0.9)[place % 4])]
        if max(abs(x), abs(y)) > _CLEAR * grid.axis[-1]:
            labels.append({"x": float(x), "y": float(y), "text": f"{level:g}"})
    return drawn, labels
