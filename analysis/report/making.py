"""The report as a whole: claims first, then what they rest on."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.client import Client
from analysis.report import benchmark, claims, measured, trained
from analysis.report.asking import Document
from analysis.report.claims import Claim, Measurement
from analysis.report.document import Report
from analysis.report.material import Material
from analysis.report.text import markdown

TITLE = "Wide, shallow cells: what was measured of the claims"

_INTRODUCTION = """\
Shu, Wang and Cai (ICLR 2020, [arXiv 1909.09569](https://arxiv.org/abs/1909.09569)) hold that
popular search algorithms favour wide, shallow cells because these converge fast early on, for their
loss is smoother and their gradients vary less, and that such cells need not generalise better. Each
part of that, measured; figures and tables are made from a server's answers. Written by
`cellwise report --scale {name}`; what is measured, and how, say docs/studies.md and
docs/concepts.md.
"""

_READING = """\
Intervals are of 95 %. A measurement *supports* a claim where its interval lies wholly on the
claimed side, is evidence against it (*not supported*) where it lies wholly on the other, and
*can't tell* otherwise. A claim's verdict rests on its primary measurements (**bold**), which the
program fixes, whatever comes out: supported if all of them support it, not supported if one is
against it and none supports it. Ranks (claim 1) and components of variance (claim 4) are judged by
tests at the level of 5 %, shares of the variance over the whole table, which is no sample, by the
share itself. The others are there to be seen: measurements of one claim share
networks, so that they don't count as so many independent votes, and nothing is corrected for their
number. Trainings that diverged are ranked last.
"""


def make(material: Material) -> Report:
    """The report of finished studies.

    Raises:
        ClientError: the server can't be reached, or refused.
    """
    ranks = benchmark.ranks(material)
    table, tabular = benchmark.table(material)
    sections = {
        "speed": trained.convergence(material),
        "rates": trained.learning_rates(material),
        "connections": trained.operations(material),
        "landscape": measured.landscapes(material),
        "smoothness": measured.smoothness(material),
        "gradients": measured.gradients(material),
        "generalisation": trained.generalisation(material),
    }
    found = {name: measurements for name, (_, measurements) in sections.items()}
    found["speed"] += tabular["speed"]
    found["connections"] += tabular["connections"]
    found["landscape"] += found.pop("smoothness")
    found["fading"] = [*trained.fading(material), *tabular["fading"]]
    found["ranks"] = claims.among_the_extremes(ranks)
    told = tuple(
        Claim(title, statement, tuple(found[name])) for name, (title, statement) in CLAIMS.items()
    )
    text = [
        f"# {TITLE}\n",
        _INTRODUCTION.format(name=material.scale.name),
        _scale(material),
        *_claims(told),
        *benchmark.topology(material, ranks),
        *(part for name in sections for part in sections[name][0]),
        *table,
        _studies(material.documents),
        _sources(material.client),
    ]
    return Report(TITLE, "\n".join(text), material.figures, told)


CLAIMS = {
    "ranks": (
        "Searched cells are wide and shallow",
        "the cells that NASNet, AmoebaNet, ENAS, DARTS and SNAS found are among the widest and "
        "shallowest of their spaces",
    ),
    "speed": (
        "Wide, shallow cells learn faster",
        "the wider and shallower a cell, the more accurate it is in the first epochs",
    ),
    "rates": (
        "They do so at other learning rates",
        "the same holds at learning rates ten times lower and higher",
    ),
    "connections": (
        "Connections decide, not operations",
        "how fast a cell learns depends more on how its operations are connected than on which "
        "they are",
    ),
    "landscape": (
        "Their loss is smoother",
        "the loss around the weights of wide, shallow cells is flatter and more often convex",
    ),
    "gradients": (
        "Their gradients vary less",
        "the gradients of wide, shallow cells differ less from mini-batch to mini-batch",
    ),
    "generalisation": (
        "They don't generalise better",
        f"cells made as wide and shallow as can be end up less than {claims.MARGIN:g} percentage "
        "point more accurate",
    ),
    "fading": (
        "What width tells early fades",
        "width goes more with early than with final accuracy",
    ),
}
"""Title and statement of each claim."""


def _claims(told: tuple[Claim, ...]) -> list[str]:
    rows = [
        [
            f"{number}. {claim.title}",
            f"**{claim.verdict}**",
            *(
                str(claim.count(verdict))
                for verdict in ("supported", "not supported", "can't tell")
            ),
        ]
        for number, claim in enumerate(told, 1)
    ]
    head = ["claim", "from this", "measurements: for", "against", "can't tell"]
    text = ["## Claims\n", markdown(head, rows), _READING]
    for number, claim in enumerate(told, 1):
        text += [
            f"### {number}. {claim.title}: {claim.verdict}\n",
            f"Claimed: {claim.statement}.\n",
            markdown(
                ["measured", "claimed", "found", "n", "verdict"],
                [_row(one) for one in claim.measurements],
            ),
        ]
    return text


def _row(one: Measurement) -> list[str]:
    bold = "**" if one.primary else ""
    told = [f"{bold}{text}{bold}" for text in (one.what, one.verdict)]
    return [told[0], one.claimed, one.value, f"{one.n:,}", told[1]]


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
    rows.append(
        ["the paper", "", "20 cells, C = 36", "600 epochs of batch 80", "all", "as they are"]
    )
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
    return "## The studies\n\n" + markdown(
        ["", "kind", "trainings or measurements done", "diverged", "failed", "call"], rows
    )


def _sources(client: Client) -> str:
    rows = [
        [f"`{one['name']}`", f"{one['cells']:,}", f"{one['points']:,}", one["title"]]
        for one in client.get("/sources")["items"]
    ]
    return "## The tables\n\n" + markdown(["source", "cells", "values", "what"], rows)
