"""Pictures of planes from the side: losses as a surface."""

from __future__ import annotations

import altair as alt
import numpy as np

from service.plots.captions import MOST_PANELS, Document, Drawn, Layers, Records
from service.plots.grids import Grid, Span
from service.plots.planes import (
    COLUMNS,
    SIDE,
    about,
    common_scale,
    fill_of,
    heading,
    landscapes,
    of_loss,
    short,
)
from service.plots.themes import BESIDE, SOFT

_MOST_FACES = 12_000
_RISE, _SLANT = 0.8, 0.55
"""Of surfaces, in sides of the ground: height of the highest point, and how far the ground's far
sides stand above the near ones."""


def loss_surfaces(document: Document) -> Drawn:
    """The loss as height over the plane, seen from one corner, a panel a training."""
    grids = landscapes(document)
    scale = common_scale(grids)
    shown = grids[:MOST_PANELS]
    most = min(41, int((_MOST_FACES / len(shown)) ** 0.5) + 1)
    data: dict[str, Records] = {}
    panels = [
        _surface(number, grid.thinned(most), scale, data) for number, grid in enumerate(shown, 1)
    ]
    shared = alt.Resolve(scale=alt.ScaleResolveMap(fill="shared"))
    chart = alt.concat(*panels, columns=COLUMNS, resolve=shared)
    notes = [of_loss(document), "height and colour: loss, both on a logarithmic scale"]
    return Drawn(chart, "Loss around trained weights", [*notes, *about(grids, scale, most)], data)


def _surface(number: int, grid: Grid, scale: Span, data: dict[str, Records]) -> Layers:
    """A panel, whose rows are added to the data."""
    faces, ground, written = (f"{what} {number}" for what in ("faces", "ground", "words"))
    data[faces] = _faces(grid, scale)
    data[ground], data[written] = _frame(grid, scale)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-1.05, 1.05], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.05, 2 * _SLANT + _RISE], nice=False))
    surface = (
        alt.Chart(alt.NamedData(faces))
        .mark_line(
            filled=True, interpolate="linear-closed", stroke=BESIDE, strokeWidth=0.25, aria=False
        )
        .encode(
            x=x,
            y=y,
            detail="face:N",
            order="order:Q",
            fill=fill_of(scale, "loss (nats)"),
            tooltip=alt.Tooltip("value:Q", title="loss (nats)", format=".4~g"),
        )
    )
    outline = (
        alt.Chart(alt.NamedData(ground))
        .mark_line(color=SOFT, strokeWidth=0.8)
        .encode(x=x, y=y, detail="line:N", order="order:Q")
    )
    text = alt.Chart(alt.NamedData(written)).encode(x=x, y=y, text="text:N")
    return alt.layer(
        outline,
        surface,
        text.transform_filter("datum.right").mark_text(align="right", fontSize=10),
        text.transform_filter("!datum.right").mark_text(align="center", fontSize=11),
        width=SIDE * 1.25,
        height=SIDE,
        title=heading(grid),
        view=alt.ViewConfig(stroke=None),
    )


def _faces(grid: Grid, scale: Span) -> Records:
    """Faces between neighbouring points, those behind drawn first; none where a corner is NaN."""
    side = len(grid.axis)
    height = scale.share(grid.values) * _RISE
    unit = (grid.axis - grid.axis[0]) / (grid.axis[-1] - grid.axis[0])
    faces: Records = []
    corners = ((0, 0), (0, 1), (1, 1), (1, 0))
    behind_first = sorted(
        np.ndindex(side - 1, side - 1), key=lambda face: (-(face[0] + face[1]), face)
    )
    for number, (row, column) in enumerate(behind_first):
        places = [(row + i, column + j) for i, j in corners]
        if not all(np.isfinite(height[place]) for place in places):
            continue
        value = max(float(np.mean([grid.values[place] for place in places])), scale.low)
        for order, (i, j) in enumerate(places):
            across, up = _seen(unit[j], unit[i], height[i, j])
            faces.append({"face": number, "order": order, "x": across, "y": up, "value": value})
    return faces


def _seen(x: float, y: float, height: float) -> tuple[float, float]:
    """Where a point over the unit square stands on the paper: across and up.

    The corner (0, 0) is nearest, at the bottom; heights go straight up.
    """
    return round(float(x - y), 6), round(float((x + y) * _SLANT + height), 6)


def _frame(grid: Grid, scale: Span) -> tuple[Records, Records]:
    """The ground, an upright scale at its left corner, and what is written at them."""
    square = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]
    outlines = [[_seen(x, y, 0) for x, y in square], [_seen(0, 1, 0), _seen(0, 1, _RISE)]]
    words: Records = []
    for level in scale.levels():
        across, up = _seen(0, 1, float(scale.share(np.array(level))) * _RISE)
        outlines.append([(across, up), (across - 0.03, up)])
        words.append({"x": across - 0.05, "y": up, "text": short(level), "right": True})
    low, high = (f"{end:g}".replace("-", "−") for end in grid.axis[[0, -1]])
    for x, y, text in (
        (0.5, -0.16, f"α: {low} … {high}"),
        (-0.16, 0.5, f"β: {low} … {high}"),
    ):
        across, up = _seen(x, y, 0)
        words.append({"x": across, "y": up, "text": text, "right": False})
    drawn = [
        {"line": number, "order": order, "x": x, "y": y}
        for number, outline in enumerate(outlines)
        for order, (x, y) in enumerate(outline)
    ]
    return drawn, words
