"""Sections on what is tabulated: the published cells' ranks, and the whole of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from analysis.report import claims
from analysis.report.answers import correlations, recorded
from analysis.report.claims import Measurement
from analysis.report.material import Material
from analysis.report.plan import PUBLISHED
from analysis.report.text import markdown, number

SHAPES = ("width", "depth", "node_width", "effective_depth")
EARLY = {
    "valid_accuracy@3of200": "accuracy after 3 of 200 epochs",
    "valid_accuracy@8of200": "accuracy after 8 of 200 epochs",
    "valid_accuracy@12of12": "accuracy after the 12-epoch schedule",
}
FINAL = {
    "valid_accuracy@200of200": "validation accuracy after 200 epochs",
    "test_accuracy@200of200": "test accuracy after 200 epochs",
}
CHOSEN = frozenset({"valid_accuracy@3of200", "valid_accuracy@8of200"})
"""Metrics of cells that were chosen for their accuracy."""
CONNECTED = (("min_width", "1"),)
GROUPINGS = {"ops": "operations", "width,depth": "width and depth"}
SAMPLE = (
    ("dataset", "cifar10-valid"),
    ("recipe", "proxy"),
    ("images", "jpeg"),
    ("source", "local-bundle"),
)
SAMPLE_EARLY, SAMPLE_FINAL = "valid_accuracy@3of12", "valid_accuracy@12of12"
BY_EPOCH = (("x", "width"), ("x", "depth"), ("y", "valid_accuracy"))


def ranks(material: Material) -> list[dict[str, Any]]:
    """Where the published cells stand among all wirings, as ``GET /ranks`` answers."""
    parameters = [("cell", name) for name in PUBLISHED]
    return list(material.client.get("/ranks", parameters)["items"])


def topology(material: Material, items: list[dict[str, Any]]) -> Iterator[str]:
    """The published cells: width, depth, ranks, and how they are drawn."""
    yield "## The published cells among all wirings\n"
    rows = []
    for item in items:
        row = [item["name"]]
        for column in ("width", "depth"):
            rank = item["ranks"][column]
            share = 100 * claims.share_as_extreme(rank)
            row += [f"{rank['value']:g}", f"{rank['rank']:,} of {rank['of']:,}", f"{share:.3g} %"]
        rows.append(row)
    yield markdown(
        ["cell", "width", "widest", "as wide", "depth", "shallowest", "as shallow"], rows
    )
    yield (
        "Normal cells. Width in units of one node's channels, depth in edges; ranks among all "
        "wirings of as many nodes with two distinct sources each, as in the paper (NASNet, "
        "AmoebaNet and ENAS have nodes that read one source twice, and aren't themselves among "
        "these); *as wide*: the share of these that are as wide or wider.\n"
    )
    for name in PUBLISHED:
        yield material.figure(f"cell-{name.lower()}", f"/cells/{name}/diagram.svg", (), name)


def table(material: Material) -> tuple[list[str], dict[str, list[Measurement]]]:
    """The section on NAS-Bench-201's cells, and what it says on the claims ``speed``, ``fading``
    and ``connections``.
    """
    client = material.client
    text = ["## What the table says, over all of NAS-Bench-201\n"]
    measured: dict[str, list[Measurement]] = {"speed": [], "fading": [], "connections": []}
    early, final = recorded(client, EARLY), recorded(client, FINAL)
    missing = [name for name in (*EARLY, *FINAL) if name not in (*early, *final)]
    if early or final:
        text += _everything(material, early, final, measured)
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        text.append(f"Not recorded on this server: {names}. `cellwise import` brings them in.\n")
    if recorded(client, (SAMPLE_EARLY,), *SAMPLE):
        text += _sample(material, measured)
    return text, measured


def _everything(
    material: Material, early: list[str], final: list[str], measured: dict[str, list[Measurement]]
) -> Iterator[str]:
    """What all cells say that have a value."""
    everything = correlations(material.client, SHAPES, (*early, *final))
    yield (
        "CIFAR-10, means over seeds, Spearman's ρ with Fisher's 95 % interval over the connected "
        "cells that have the value. `width` and `depth` are the paper's readings, carried over; "
        "`node_width` and `effective_depth` other ones (docs/concepts.md).\n"
    )
    yield everything.table(SHAPES, (*early, *final))
    if any(name in CHOSEN for name in early):
        yield (
            "Values after 3 and 8 epochs were logged for cells that optimisers had chosen, not for "
            "a random part (docs/sources.md): no verdict rests on them.\n"
        )
    for name in early:
        for x, sign in claims.WIDE_AND_SHALLOW.items():
            item = everything.by_pair[x, name]
            what = f"NAS-Bench-201: {x} with {EARLY[name]}"
            primary = name not in CHOSEN
            measured["speed"].append(claims.correlation(what, item, sign, primary=primary))
        if final:
            what = f"NAS-Bench-201: width with {EARLY[name]}"
            measured["fading"].append(
                _fading(material, what, name, final[0], primary=name not in CHOSEN)
            )
    metrics = [("metric", name) for name in (*early, *final)]
    asked = {by: [("by", by), *CONNECTED, *metrics] for by in GROUPINGS}
    explained = {
        by: material.client.get("/groups", parameters)["explained"]
        for by, parameters in asked.items()
    }
    for name in early:
        what = f"NAS-Bench-201: variance of {EARLY[name]} explained by which operations a cell has"
        measured["connections"].append(
            claims.not_by_operations(what, explained["ops"][name], primary=name not in CHOSEN)
        )
    rows = [
        [
            f"`{name}`",
            *(_share(explained[by][name]["eta_squared"]) for by in GROUPINGS),
            f"{explained['ops'][name]['n']:,}",
        ]
        for name in (*early, *final)
    ]
    yield (
        "Share of the variance of accuracy (η²) over the connected cells that is explained by "
        "which operations a cell has, however they are arranged, and by its width and depth:\n"
    )
    yield markdown(["", *GROUPINGS.values(), "cells"], rows)
    for parameters in asked.values():
        yield f"`GET /groups?{urlencode(parameters, safe='@,')}`\n"


def _share(share: float | None) -> str:
    return number(share, ".1%")


def _sample(material: Material, measured: dict[str, list[Measurement]]) -> Iterator[str]:
    """The shipped sample, of which every epoch is known."""
    yield "### Epoch by epoch, on the shipped sample\n"
    yield (
        "Cells of NAS-Bench-201 drawn evenly over shapes and operations, trained by the recipe "
        "`proxy` (docs/bundle.md): coefficients are the sample's, not the space's.\n"
    )
    yield material.figure(
        "table-by-epoch",
        "/plots/correlations-by-epoch.svg",
        [*BY_EPOCH, *SAMPLE],
        "Correlation of width and depth with validation accuracy by epoch, on the shipped sample",
    )
    answer = correlations(material.client, claims.WIDE_AND_SHALLOW, (SAMPLE_EARLY,), *SAMPLE)
    for x, sign in claims.WIDE_AND_SHALLOW.items():
        what = f"shipped sample: {x} with accuracy after 3 of 12 epochs"
        measured["speed"].append(claims.correlation(what, answer.by_pair[x, SAMPLE_EARLY], sign))
    measured["fading"].append(
        _fading(
            material,
            "shipped sample: width with accuracy after 3 of 12 epochs",
            SAMPLE_EARLY,
            SAMPLE_FINAL,
            *SAMPLE,
        )
    )


def _fading(
    material: Material,
    what: str,
    early: str,
    late: str,
    *more: tuple[str, str],
    primary: bool = False,
) -> Measurement:
    """Width with early and with final accuracy, over the cells that have both."""
    both = [("min_metric", f"{early}:0"), ("min_metric", f"{late}:0"), *more]
    answer = correlations(material.client, ("width", early), (early, late), *both)
    found: Mapping[tuple[str, str], Any] = answer.by_pair
    return claims.fades(
        f"{what} against `{late}`",
        found["width", early],
        found["width", late],
        found[early, late],
        primary=primary,
    )
