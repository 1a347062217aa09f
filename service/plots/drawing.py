"""Which chart a view is, and how a chart becomes bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import altair as alt
import orjson
import vl_convert

from service.plots import (
    captions,
    compared,
    correlated,
    curves,
    grouped,
    measured,
    planes,
    ranked,
    recorded,
    scattered,
    surfaces,
    themes,
    tiles,
)
from service.plots.captions import Document, Drawn
from service.plots.views import (
    BY_EPOCH,
    CURVES,
    DIAGRAM,
    GROUPS,
    JOB,
    RANKS,
    SCATTER,
    SHAPES,
    Form,
    Theme,
)

_DRAWN: dict[tuple[str, str], Callable[[Document], Drawn]] = {
    ("landscape", "contour"): planes.loss_contours,
    ("landscape", "surface"): surfaces.loss_surfaces,
    ("landscape", "profile"): measured.profiles,
    ("gradient-variance", "epochs"): measured.variance_by_epoch,
    ("gradient-variance", "groups"): measured.variance_by_group,
    ("gradient-variance", "plane"): planes.variance_contours,
    ("smoothness", "blocks"): measured.eigenvalues,
    ("variants", "curves"): curves.curves,
    ("variants", "shape"): compared.shapes,
    ("lr-robustness", "curves"): curves.curves,
    ("lr-robustness", "shape"): compared.shapes,
    ("generalisation", "pairs"): compared.pairs,
    (SHAPES, "tiles"): tiles.shapes,
    (SCATTER, "points"): scattered.scatter,
    (BY_EPOCH, "lines"): correlated.by_epoch,
    (GROUPS, "boxes"): grouped.boxes,
    (CURVES, "lines"): recorded.of_cells,
    (RANKS, "dots"): ranked.dots,
    (JOB, "lines"): recorded.of_job,
}

_COORDINATES = re.compile(r' (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?|-?\d+(?:\.\d+)?e-\d+")
_SCALE = 2.0
"""Pixels of a PNG for each of an SVG."""


def chart(
    document: Document, view: str, theme: Theme = "light", *, live: bool = False
) -> dict[str, Any]:
    """The Vega-Lite specification of a view.

    ``live``: with what follows the pointer, which needs marks that nobody sees.

    Raises:
        NothingToShowError: no results yet that it shows.
    """
    drawn = _DRAWN[document["kind"], view](document)
    told = captions.caption(document, drawn)
    shown = drawn.live if live and drawn.live is not None else drawn.chart
    specification: dict[str, Any] = shown.properties(title=captions.title(told)).to_dict()
    return specification | {
        "config": themes.config(theme),
        "params": [*themes.parameters(theme), *specification.get("params", ())],
        "datasets": specification.get("datasets", {}) | drawn.data,
        "usermeta": {"caption": {"title": told.title, "lines": told.notes}},
    }


def picture(document: Document, view: str, form: Form, theme: Theme = "light") -> bytes:
    """The bytes of a view; the same for the same input.

    Raises:
        NothingToShowError: no results yet that it shows.
    """
    if document["kind"] == DIAGRAM:
        return vl_convert.svg_to_png(document["svg"], scale=_SCALE)
    specification = chart(document, view, theme, live=form == "json")
    if form == "json":
        return orjson.dumps(specification)
    spoken = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    if form == "png":
        return vl_convert.vegalite_to_png(specification, spoken, scale=_SCALE, allowed_base_urls=[])
    svg = vl_convert.vegalite_to_svg(specification, spoken, allowed_base_urls=[])
    return _rounded(svg).encode()


def _rounded(svg: str) -> str:
    """The same with coordinates of at most two decimals: a hundredth of a pixel, half the size."""
    return _COORDINATES.sub(lambda found: _NUMBER.sub(_short, found[0]), svg)


def _short(found: re.Match[str]) -> str:
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
