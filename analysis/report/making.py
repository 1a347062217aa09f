"""The report as a whole: claims first, then what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from analysis.client import Client
from analysis.report import (
    benchmark,
    families,
    measured,
    pairs,
    plan,
    searched,
    tabular,
    telling,
    trained,
)
from analysis.report.asking import Document
from analysis.report.claims import CLAIMS, Claim, Source, settled_by_name
from analysis.report.document import Report
from analysis.report.forest import forest
from analysis.report.material import Material
from analysis.report.text import markdown

TITLE = "Wide, shallow cells: what was measured of the claims"

_INTRODUCTION = """\
Shu, Wang and Cai (ICLR 2020, [arXiv 1909.09569](https://arxiv.org/abs/1909.09569)) hold that
popular search algorithms favour wide, shallow cells because these converge fast early on, for their
loss is smoother and their gradients vary less, and that such cells need not generalise better. Each
part of that, measured; figures and tables are made from a server's answers. Written by
`cellwise report --scale {name}`; what is measured, and how, say docs/studies.md and
docs/concepts.md, what verdicts mean, docs/verdicts.md.
"""

_SAMPLERS = (searched.SAMPLER, searched.OTHER_SAMPLER)
_PAPER = (
    ("the paper, convergence", "`darts-convergence`", "600 epochs of batch 80"),
    ("the paper, generalisation", "`darts-600`", "600 epochs of batch 60"),
)
"""What is trained in the paper, by which recipe of here, and how."""


def make(material: Material) -> Report:
    """The report of finished studies.

    Raises:
        ClientError: the server can't be reached, or refused.
    """
    ranked = {which: searched.ranks(material, which) for which in _SAMPLERS}
    found = claims(material, ranked)
    text = [
        f"# {TITLE}\n",
        _INTRODUCTION.format(name=material.scale.name),
        *telling.verdicts(found),
        _scale(material),
        *telling.in_full(found, _pictures(material, found)),
        *benchmark.topology(material, ranked),
        *trained.convergence(material),
        *trained.learning_rates(material),
        *trained.operations(material),
        *measured.landscapes(material),
        *measured.smoothness(material),
        *measured.gradients(material),
        *trained.generalisation(material),
        *benchmark.table(material),
        _studies(material.documents),
        _sources(material.client),
    ]
    return Report(TITLE, "\n".join(text), material.figures, found)


def _pictures(material: Material, found: Iterable[Claim]) -> dict[str, str]:
    """By title, the sources of a claim as a picture, in Markdown."""
    told = {}
    for name, claim in zip(CLAIMS, found, strict=True):
        drawn = forest(claim)
        if drawn is not None:
            material.figures[f"claim-{name}"] = drawn
            told[claim.title] = f"![{claim.title}: each source, and together](claim-{name}.svg)\n"
    return told


def claims(material: Material, ranked: Mapping[str, searched.Ranked]) -> tuple[Claim, ...]:
    """The claims with their verdicts, in the paper's order."""
    document = material.documents[plan.GENERALISATION]
    noise = pairs.noise(document)
    evidence: dict[str, Iterable[Source]] = {
        "ranks": searched.sources(ranked),
        "speed": [*families.speed(material), *tabular.speed(material)],
        "rates": families.rates(material),
        "connections": [*families.connections(material), *tabular.connections(material)],
        "landscape": families.landscape(material),
        "gradients": families.gradients(material),
        "generalisation": pairs.sources(document, noise),
        "fading": [*families.fading(material), *tabular.fading(material)],
    }
    return tuple(settled_by_name(evidence, None if noise is None else noise.deviation).values())


def _scale(material: Material) -> str:
    scale, client = material.scale, material.client
    recipes = {item["name"]: item["settings"] for item in client.get("/recipes")["items"]}
    rows = []
    for what, name in (
        ("convergence", scale.recipe),
        ("generalisation", scale.generalisation.recipe),
    ):
        settings = recipes.get(name)
        if settings is None:
            continue
        network, images = settings["network"]["darts"], settings["images"]
        rows.append(
            [
                what,
                f"`{name}`",
                f"{network['cells']} cells, C = {network['channels']}",
                f"{settings['epochs']} epochs of batch {settings['batch']}",
                f"{images['train']:,}" if images.get("train") else "all",
                f"{images['side']} pixels" if images.get("side") else "as they are",
            ]
        )
    rows += [
        [what, recipe, "20 cells, C = 36", trained, "all", "as they are"]
        for what, recipe, trained in _PAPER
    ]
    table = markdown(["", "recipe", "network", "training", "images", "side"], rows)
    return f"## Scale\n\n{scale.about}.\n\n{table}\n{scale.limits.strip()}\n"


def _studies(documents: Mapping[str, Document]) -> str:
    rows = []
    for name, document in documents.items():
        parts = document["parts"]
        done = sum(part["state"] == "done" for part in parts)
        diverged = sum(part["diverged"] for part in parts)
        rows.append(
            [
                name,
                document["kind"],
                f"{done} of {len(parts)}",
                str(diverged),
                str(len(parts) - done - diverged),
                f"`GET /studies/{document['id']}`",
            ]
        )
    head = ["", "kind", "trainings or measurements done", "diverged", "failed", "call"]
    table = markdown(head, rows)
    return f"## The studies\n\n{table}\nTheir numbers are those of the server that wrote this.\n"


def _sources(client: Client) -> str:
    rows = [
        [f"`{one['name']}`", f"{one['cells']:,}", f"{one['points']:,}", one["title"]]
        for one in client.get("/sources")["items"]
    ]
    return "## The tables\n\n" + markdown(["source", "cells", "values", "what"], rows)
