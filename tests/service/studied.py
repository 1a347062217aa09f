"""Documents of studies, written by hand, and what their pictures hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from service.plots.render import TIMEOUT_S, Picture
from service.plots.views import Form

SVG = "{http://www.w3.org/2000/svg}"


FIRST, SECOND = "nb201-000284", "nb201-006111"


def document(kind: str, settings: dict[str, Any], results: Any) -> dict[str, Any]:
    """Two trainings on digits, of which one diverged, as ``GET /studies/{study}`` has them."""
    part = {"dataset": "digits", "recipe": "proxy", "seed": 777, "role": "original"}
    return {
        "id": 5,
        "kind": kind,
        "state": "running",
        "settings": {"kind": kind, "recipe": "proxy", "seeds": [777], **settings},
        "progress": {"ended": 1, "parts": 2},
        "parts": [
            {**part, "cell": cell, "original": cell, "diverged": cell != FIRST}
            for cell in (FIRST, SECOND)
        ],
        "results": results,
    }


def measured(kind: str, settings: dict[str, Any], *fields: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "cell": cell,
            "seed": 777,
            "space": "nasbench201",
            "width": width,
            "depth": 2,
            "set": "ori-test",
            "images": 200,
            **more,
        }
        for cell, width, more in zip((FIRST, SECOND), (1.5, None), fields, strict=True)
    ]
    return document(kind, settings, {"cells": rows, "correlations": []})


def landscape(dimensions: int = 2) -> dict[str, Any]:
    """Losses 1 at the centre, 10 beside it and 100 at the corners; the second's is incomplete."""
    losses = [[100, 10, None], [10, 1, 10], [100, 10, 100]]
    complete = {"axis": [-1, 0, 1], "loss": losses if dimensions == 2 else [[10, 1, 10]]}
    return measured(
        "landscape",
        {"dimensions": dimensions, "points": 3},
        {**complete, "rows_left": 0},
        {"axis": [-1, 0, 1], "loss": [], "rows_left": 3 if dimensions == 2 else 1},
    )


def gradient_variance(plane: int | None = 3) -> dict[str, Any]:
    def at(epoch: int, variance: float) -> dict[str, Any]:
        groups = {"stem": {"variance": 0.5}, "cell 1": {"variance": 2.0}}
        return {"epoch": epoch, "variance": variance, "groups": groups}

    plane_rows = [{"y": y, "variance": [3.0, 2.0, 3.0]} for y in (-1, 0, 1)]
    return measured(
        "gradient-variance",
        {"plane": plane, "reach": 1, "batch": 32, "batches": 8, "statistics": "batch"},
        {"epochs": [at(0, 5.0), at(1, 0.0), at(2, 1.0)], "plane": plane_rows},
        {"epochs": [at(0, 4.0)], "plane": plane_rows[:1]},
    )


def smoothness() -> dict[str, Any]:
    def block(group: str, eigenvalue: float, converged: bool) -> dict[str, Any]:
        return {"epoch": 4, "group": group, "eigenvalue": eigenvalue, "converged": converged}

    return measured(
        "smoothness",
        {"statistics": "running"},
        {"blocks": [block("stem", -20.0, True), block("network", 30.0, False)]},
        {"blocks": [block("stem", 10.0, True), block("network", 40.0, True)]},
    )


def convergence(kind: str, variants: tuple[str, ...] = ()) -> dict[str, Any]:
    def cell(name: str, role: str, *accuracies: float) -> dict[str, Any]:
        mean = sum(accuracies[:2]) / 2 if accuracies else None
        return {
            "cell": name,
            "role": role,
            "original": FIRST,
            "space": "nasbench201",
            "width": 2,
            "depth": 3,
            "trainings": 1,
            "n": int(bool(accuracies)),
            "diverged": int(not accuracies),
            "measures": {"aulc@2": {"n": 1, "mean": mean, "std": None}},
            "curves": [{"seed": 777, "accuracy": list(accuracies)}] if accuracies else [],
        }

    cells = [cell(FIRST, "original", 20, 60, 80), cell(SECOND, "original")]
    cells += [cell(f"nb201-00000{n}", role, 10, 50, 70) for n, role in enumerate(variants)]
    found = {"coefficient": -0.5, "ci": [-0.9, 0.25], "n": 9, "diverged": 0, "reason": None}
    result = {
        "epoch": 2,
        "set": "x-valid",
        "cells": cells,
        "correlations": [
            {"space": "nasbench201", "x": x, "y": "aulc@2", **found} for x in ("width", "depth")
        ],
    }
    rates = [{"learning_rate": rate, **result} for rate in (0.025, 0.25)]
    return document(kind, {"variants": list(variants)}, rates if not variants else rates[:1])


def generalisation() -> dict[str, Any]:
    pairs = [
        {"dataset": "digits", "set": "ori-test", "seed": 1, "original": 80.0, "adapted": 81.0},
        {"dataset": "digits", "set": "ori-test", "seed": 2, "original": 82.0, "adapted": 85.0},
        {"dataset": "digits", "set": "ori-test", "seed": 3, "original": 82.0, "adapted": None},
    ]
    compared = {"mean": 2.0, "ci": [-10.706, 14.706], "n": 2, "n_incomplete": 1}
    compared |= {"excluded": {"diverged": 1}, "reasons": {}}
    result = {"original": FIRST, "pairs": pairs, **compared}
    return document("generalisation", {"datasets": ["digits"], "confidence": 0.95}, [result])


VARIANTS = convergence("variants", ("random-connections", "random-operations"))


RATES = convergence("lr-robustness")


def render(
    document: dict[str, Any],
    view: str | None,
    form: Form,
    *,
    folder: Path,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """The picture, kept or drawn."""
    picture = Picture(document, view, form, folder=folder)
    kept = picture.kept()
    return picture.drawn(timeout_s) if kept is None else kept


def texts(svg: bytes) -> str:
    return " ".join(
        "".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    )


def marks(svg: bytes) -> Counter[str]:
    """Shapes by the kind of mark they belong to, axes and legends left out."""
    counts: Counter[str] = Counter()
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        kind, _, rest = group.get("class", "").partition(" ")
        if rest.startswith("role-mark"):
            counts[kind.removeprefix("mark-")] += len(group)
    return counts


def empty(kind: str) -> dict[str, Any]:
    nothing: dict[str, list[Any]] = {"epochs": [], "plane": [], "blocks": []}
    if kind == "landscape":
        drawn = landscape()
        drawn["results"]["cells"] = drawn["results"]["cells"][1:]
        return drawn
    if kind == "gradient-variance":
        drawn = gradient_variance()
    elif kind == "smoothness":
        drawn = smoothness()
    elif kind == "generalisation":
        drawn = generalisation()
        drawn["results"][0]["pairs"] = drawn["results"][0]["pairs"][2:]
        return drawn
    else:
        drawn = convergence(kind)
        for rate in drawn["results"]:
            rate["cells"] = rate["cells"][1:]
        return drawn
    for row in drawn["results"]["cells"]:
        row |= nothing
    return drawn
