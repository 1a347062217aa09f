"""Which chart a view is, and how a chart becomes bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import altair as alt
import vl_convert

from service.plots import captions, compared, correlated, curves, measured, planes, surfaces
from service.plots.captions import Document, Drawn
from service.plots.views import BY_EPOCH, Form

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
    (BY_EPOCH, "lines"): correlated.by_epoch,
}

_COORDINATES = re.compile(r' (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?|-?\d+(?:\.\d+)?e-\d+")
_SCALE = 2.0
"""Pixels of a PNG for each of an SVG."""

_CONFIG: dict[str, Any] = {
    "background": "white",
    "padding": 12,
    "font": "Liberation Sans, Arial, sans-serif",
    "view": {"stroke": "#bbb"},
    "axis": {
        "labelColor": "black",
        "titleColor": "black",
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
        "gridColor": "#e4e4e4",
    },
    "legend": {
        "labelColor": "black",
        "titleColor": "black",
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
        "labelLimit": 0,
        "titleLimit": 0,
        "symbolLimit": 0,
    },
    "title": {"anchor": "start", "color": "black", "fontSize": 13, "limit": 0},
}


def chart(document: Document, view: str) -> dict[str, Any]:
    """The Vega-Lite specification of a view.

    Raises:
        NothingToShowError: no results yet that it shows.
    """
    drawn = _DRAWN[document["kind"], view](document)
    finished = drawn.chart.properties(title=captions.title(document, drawn))
    specification: dict[str, Any] = finished.to_dict()
    return specification | {"config": _CONFIG}


def picture(document: Document, view: str, form: Form) -> bytes:
    """The bytes of a view; the same for the same input.

    Raises:
        NothingToShowError: no results yet that it shows.
    """
    specification = chart(document, view)
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
