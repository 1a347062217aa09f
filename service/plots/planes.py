"""Pictures of planes from above: losses and gradient variances around trained weights."""

from __future__ import annotations

import re

import altair as alt
import numpy as np

from service.plots.captions import (
    MOST_PANELS,
    Document,
    Drawn,
    Layers,
    Records,
    first_of,
    shape,
    training_name,
)
from service.plots.grids import TOP, FloatArray, Grid, Span, lines, span
from service.plots.labels import Frame, boxes, meet, size
from service.plots.themes import BESIDE, NO_VALUE, ON_SURFACE, SURFACE
from service.plots.views import NothingToShowError
from service.plots.words import SETS

_MOST_TILES = 12_000
COLUMNS = 3
SIDE = 260
"""Pixels a side of a panel."""

_FONT_SIZE = 10
"""Of labels on lines."""

_CENTRE_SIDE, _CLEAR = 20, 4
"""Pixels that labels leave free: about the centre, which is marked, and between one another."""

_OVERLAP = 0.003
"""Of the side, of tiles: closes the hairlines that antialiasing leaves between them."""

_ALPHA, _BETA = "α (multiples of direction 1)", "β (multiples of direction 2)"

_CENTRE = "×: the trained weights"


def loss_contours(document: Document) -> Drawn:
    """Tiles coloured by loss with contour lines, a panel a training."""
    grids = landscapes(document)
    told = f"{of_loss(document)}; {_CENTRE}"
    return _contours(grids, "loss (nats)", "Loss around trained weights", told)


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
    found = next(row["set"] for row in rows if row["set"] is not None)
    told = (
        f"E|g − E g|² over {settings['batches']} batches of {settings['batch']} {SETS[found]}, "
        f"batch normalisation by {settings['statistics']} statistics, along two filter-normalised "
        f"random directions, after the last epoch; {_CENTRE}"
    )
    return _contours(grids, "variance", "Gradient variance around trained weights", told)


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
            format=".4~g",
        ),
    )


def _contours(grids: list[Grid], quantity: str, title: str, told: str) -> Drawn:
    scale = common_scale(grids)
    shown = grids[:MOST_PANELS]
    most = int((_MOST_TILES / len(shown)) ** 0.5)
    data: dict[str, Records] = {"centre": [{"x": 0, "y": 0}]}
    panels = [
        _contour(number, grid.thinned(most), scale, quantity, data)
        for number, grid in enumerate(shown, 1)
    ]
    shared = alt.Resolve(scale=alt.ScaleResolveMap(fill="shared"))
    chart = alt.concat(*panels, columns=COLUMNS, resolve=shared)
    return Drawn(chart, title, [told, *about(grids, scale, most)], data)


def _contour(
    number: int, grid: Grid, scale: Span, quantity: str, data: dict[str, Records]
) -> Layers:
    """A panel, whose rows are added to the data."""
    edges = _edges(grid)
    tiles, drawn, labels = (f"{what} {number}" for what in ("tiles", "lines", "labels"))
    found = list(lines(grid, scale.levels()))
    data[tiles] = _tiles(grid, edges, scale)
    data[drawn] = [
        {"line": line, "order": order, "x": x, "y": y}
        for line, (_, points) in enumerate(found)
        for order, (x, y) in enumerate(points.tolist())
    ]
    data[labels] = _labels(found, Frame(SIDE, SIDE, *[(edges[0], edges[-1])] * 2))
    ends = alt.Scale(domain=[edges[0], edges[-1]], nice=False, zero=False)
    reach = float(grid.axis[-1])
    ticks = alt.Axis(grid=False, values=[-reach, -reach / 2, 0, reach / 2, reach], format=".3~g")
    x = alt.X("x:Q", title=_ALPHA, scale=ends, axis=ticks)
    y = alt.Y("y:Q", title=_BETA, scale=ends, axis=ticks)
    rects = alt.Chart(alt.NamedData(tiles)).encode(x=x, x2="x2:Q", y=y, y2="y2:Q")
    finite = rects.transform_filter("datum.value !== null").mark_rect(aria=False)
    finite = finite.encode(
        fill=fill_of(scale, quantity),
        tooltip=alt.Tooltip("value:Q", title=quantity, format=".4~g"),
    )
    absent = rects.transform_filter("datum.value === null").mark_rect(color=NO_VALUE, aria=False)
    contours = (
        alt.Chart(alt.NamedData(drawn))
        .mark_line(color=ON_SURFACE, strokeWidth=1)
        .encode(x=x, y=y, detail="line:N", order="order:Q")
    )
    text = alt.Chart(alt.NamedData(labels)).encode(x=x, y=y, text="text:N")
    halo = text.mark_text(fontSize=_FONT_SIZE, stroke=ON_SURFACE, strokeWidth=3, strokeJoin="round")
    written = text.mark_text(fontSize=_FONT_SIZE, color=BESIDE)
    cross = alt.Chart(alt.NamedData("centre")).encode(x=x, y=y)
    around, centre = (
        cross.mark_point(shape="cross", angle=45, size=size, filled=True, color=color)
        for size, color in ((160, ON_SURFACE), (70, BESIDE))
    )
    layers = (finite, absent, contours, halo, written, around, centre)
    return alt.layer(*layers, width=SIDE, height=SIDE, title=heading(grid))


def _tiles(grid: Grid, edges: list[float], scale: Span) -> Records:
    overlap = _OVERLAP * (edges[-1] - edges[0])
    far = [min(edge + overlap, edges[-1]) for edge in edges]
    return [
        {
            "x": edges[column],
            "x2": far[column + 1],
            "y": edges[row],
            "y2": far[row + 1],
            "value": max(float(value), scale.low) if np.isfinite(value) else None,
        }
        for (row, column), value in np.ndenumerate(grid.values)
    ]


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


def _labels(found: list[tuple[float, FloatArray]], frame: Frame) -> Records:
    """A label on a line of each level, off the others; none where there is no room."""
    taken = boxes(frame.pixels(np.zeros((1, 2))), _CENTRE_SIDE, _CENTRE_SIDE)
    labels: Records = []
    for turn, level in enumerate(dict.fromkeys(level for level, _ in found)):
        here = sorted((points for at, points in found if at == level), key=len, reverse=True)
        # By turns at different places along the lines, so that labels of nested ones stand apart.
        here[0] = np.roll(here[0], -int(len(here[0]) * (0.15, 0.65, 0.4, 0.9)[turn % 4]), axis=0)
        points = np.vstack(here)
        text = short(level)
        width, height = size(text, _FONT_SIZE)
        places = boxes(frame.pixels(points), width + _CLEAR, height)
        free = np.flatnonzero(frame.holds(places) & ~meet(places, taken).any(1))
        if len(free):
            others = [boxes(frame.pixels(line), 1, 1) for at, line in found if at != level]
            hidden = meet(places[free], np.vstack([taken, *others])).sum(1)
            best = free[np.argmin(hidden)]
            x, y = points[best].tolist()
            labels.append({"x": x, "y": y, "text": text})
            taken = np.vstack([taken, places[best]])
    return labels


def short(value: float) -> str:
    """A level in few characters: 1000, but 2e+4."""
    return re.sub(r"e([+-])0", r"e\1", f"{value:.4g}")
