"""Which pictures there are of studies and answers; free of everything that draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from data.errors import QueryError

Form = Literal["svg", "png", "json"]
"""``json`` is the Vega-Lite specification that the other two are made from."""

Theme = Literal["light", "dark"]

VIEWS: dict[str, tuple[str, ...]] = {
    "landscape": ("contour", "surface", "profile"),
    "gradient-variance": ("epochs", "groups", "plane"),
    "smoothness": ("blocks",),
    "variants": ("curves", "shape"),
    "lr-robustness": ("curves", "shape"),
    "generalisation": ("pairs",),
}
"""By kind of study, the default first."""

SHAPES, SCATTER, BY_EPOCH, GROUPS = "shapes", "scatter", "correlations-by-epoch", "groups"
CURVES, RANKS, JOB, DIAGRAM = "curves", "ranks", "job", "diagram"
_OF_ANSWERS: dict[str, tuple[str, ...]] = {
    SHAPES: ("tiles",),
    SCATTER: ("points",),
    BY_EPOCH: ("lines",),
    GROUPS: ("boxes",),
    CURVES: ("lines",),
    RANKS: ("dots",),
    JOB: ("lines",),
    DIAGRAM: ("cell",),
}
"""By the kind of answer."""


class NothingToShowError(LookupError):
    """There are no results yet that the picture shows; the message says what is missing."""


class PlotError(RuntimeError):
    """The picture couldn't be drawn: a defect, or a machine too busy; the message says which."""


def views_of(kind: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Those that a study of these settings, or an answer, can have, the default first.

    A landscape over a line has a profile, one over a plane the others; the plane of gradient
    variance has to have been asked for.
    """
    if kind == "landscape":
        line = settings["dimensions"] == 1
        return tuple(view for view in VIEWS[kind] if (view == "profile") == line)
    if kind == "gradient-variance" and settings["plane"] is None:
        return tuple(view for view in VIEWS[kind] if view != "plane")
    return (VIEWS | _OF_ANSWERS)[kind]


def checked(kind: str, settings: Mapping[str, Any], view: str | None) -> str:
    """``view``, or the default where it is None.

    Raises:
        QueryError: one that a study of these settings can't have, for parameter ``view``.
    """
    allowed = views_of(kind, settings)
    if view is None:
        return allowed[0]
    if view not in allowed:
        raise QueryError(view, f"no picture of this {kind} study", ", ".join(allowed), "view")
    return view
