"""How pictures look, on white paper and on dark: all their colours stand here.

A specification names colours by its top-level parameters (``ink``, ``paper``, ...), and palettes by
Vega-Lite's own ranges (``category``, ``ramp``, ``heatmap``), which the configuration defines.
"""

from __future__ import annotations

from typing import Any, Final

import altair as alt

from service.plots.views import Theme

COLOURS: dict[Theme, dict[str, str]] = {
    "light": {
        "paper": "white",
        "ink": "black",
        "soft": "#5c5c5c",
        "faint": "#8a8a8a",
        "frame": "#bbbbbb",
        "grid": "#e4e4e4",
        "accent": "#0072b2",
    },
    "dark": {
        "paper": "#15181e",
        "ink": "#eceff4",
        "soft": "#aab2bf",
        "faint": "#7d8590",
        "frame": "#4a515c",
        "grid": "#2a2f38",
        "accent": "#56b4e9",
    },
}
"""``ink`` and ``soft`` are for text, ``faint`` for marks that step back, ``accent`` for the one
series of a picture that has no more."""

PAPER, INK, SOFT, FAINT, ACCENT = (
    alt.ExprRef(name) for name in ("paper", "ink", "soft", "faint", "accent")
)

# After Okabe and Ito, darker or lighter where the paper asks for it, and four more.
_CATEGORY: dict[Theme, list[str]] = {
    "light": [
        "#0072b2", "#d55e00", "#008f68", "#a8508c", "#8a6d00",
        "#332288", "#6e6e6e", "#882255", "#2f8f9d", "#7a4a1e",
    ],
    "dark": [
        "#56b4e9", "#ff8c42", "#35c79a", "#e08fc0", "#e6c229",
        "#a99bff", "#b0b7c0", "#ff7d9c", "#63d5e0", "#d4a373",
    ],
}  # fmt: skip
# From plasma, without the end that the paper would swallow.
_RAMP: dict[Theme, list[str]] = {
    "light": ["#0d0887", "#9c179e", "#e16462"],
    "dark": ["#b44bd0", "#f0804e", "#fbe723"],
}
# Of tiles that bear writing: black is legible on all of it.
_HEATMAP = ["#fdf3c1", "#9fd8b4", "#3fa7c4"]

DISTINCT = len(_CATEGORY["light"])
"""As many colours as the range ``category`` has."""

ON_TILES = "black"
"""Of writing on tiles, in both themes."""
NO_VALUE = "#d9d9d9"
"""Of tiles without one, in both themes."""
SURFACE: Final = "viridis"
STEPS: Final = "turbo"
"""Vega's schemes for a quantity over a plane, and for many steps of one thing."""
ON_SURFACE, BESIDE = "white", "black"
"""Of lines on such a plane, and of what must be read on them as well."""


def parameters(theme: Theme) -> list[dict[str, Any]]:
    """The theme's colours, as top-level parameters."""
    return [{"name": name, "value": value} for name, value in COLOURS[theme].items()]


def config(theme: Theme) -> dict[str, Any]:
    """Vega-Lite's configuration."""
    ink, soft = {"expr": "ink"}, {"expr": "soft"}
    written = {
        "labelColor": ink,
        "titleColor": ink,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
    }
    lines = {"domainColor": soft, "tickColor": soft, "gridColor": {"expr": "grid"}}
    return {
        "background": {"expr": "paper"},
        "padding": 12,
        "font": "Liberation Sans, Arial, sans-serif",
        "view": {"stroke": {"expr": "frame"}},
        "axis": {**written, **lines},
        "legend": {**written, "labelLimit": 0, "titleLimit": 0, "symbolLimit": 0},
        "title": {
            "anchor": "start",
            "color": ink,
            "subtitleColor": ink,
            "fontSize": 13,
            "limit": 0,
        },
        "text": {"color": ink},
        "rule": {"color": ink},
        "range": {"category": _CATEGORY[theme], "ramp": _RAMP[theme], "heatmap": _HEATMAP},
    }
