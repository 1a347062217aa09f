"""The report as a whole: claims first, then what they rest on; as Markdown or as one HTML page."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.client import Client
from analysis.report import benchmark, claims, fresh
from analysis.report.asking import Document
from analysis.report.claims import Claim, Measurement
from analysis.report.material import Material
from analysis.report.text import markdown

TITLE = "Wide, shallow cells: what was measured of the claims"

_INTRODUCTION = """\
Shu, Wang and Cai (ICLR 2020, [arXiv 1909.09569](https://arxiv.org/abs/1909.09569)) hold that
popular search algorithms favour wide, shallow cells because these converge fast early on, for their
loss is smoother and their gradients vary less, and that such cells need not generalise better. Each
part of that, measured; every figure and number is a server's answer, none is typed by hand. Written
by `cellwise report --scale {name}`; what is measured, and how, say docs/studies.md and
docs/concepts.md.
"""

_READING = """\
Intervals are of 95 %. A measurement *supports* a claim where its interval lies wholly on the
claimed side, is evidence against it (*not supported*) where it lies wholly on the other, and
*can't tell* otherwise. A claim's verdict rests on its primary measurements (**bold**), which were
chosen before anything was measured: supported if all of them support it, not supported if one is
against it and none supports it. The others are there to be seen: measurements of one claim share
networks, so that they don't count as so many independent votes, and nothing is corrected for their
number. Runs that diverged are in no correlation.
"""

_FORMS = (".html", ".md")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([a-z0-9-]+)\.svg\)")

_STYLE = """\
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #8886; padding: .25rem .6rem; text-align: left }
td { font-variant-numeric: tabular-nums }
figure { margin: 1.5rem 0 }
img { max-width: 100%; background: white }
figcaption { font-size: .9rem }
code { font-size: .9em }
"""


class OutputError(ValueError):
    """A report can't be written there; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    Attributes:
        text: Markdown, in which figures stand as ``![caption](NAME.svg)``.
        figures: SVG by name.
        claims: with their verdicts, in the paper's order.
    """

    text: str
    figures: Mapping[str, str]
    claims: tuple[Claim, ...]

    def markdown(self, folder: str) -> str:
        """The text with the figures where they lie, ``folder`` seen from the text."""
        return _IMAGE.sub(rf"![\1]({folder}/\2.svg)", self.text)

    def html(self) -> str:
        """One page that holds everything."""
        from markdown_it import MarkdownIt

        body = MarkdownIt("commonmark", {"html": False}).enable("table").render(self.text)
        for name, svg in self.figures.items():
            data = base64.b64encode(svg.encode()).decode()
            body = body.replace(f'src="{name}.svg"', f'src="data:image/svg+xml;base64,{data}"')
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{html.escape(TITLE)}</title>\n<style>\n{_STYLE}</style>\n</head>\n"
            f"<body>\n{body}</body>\n</html>\n"
        )

    def write(self, path: Path, figures: Path | None = None) -> list[Path]:
        """Write it; what was written. HTML for ``.html``, else Markdown with a folder of figures.

        Raises:
            OSError: it can't be written.
        """
        if path.suffix == ".html":
            path.write_text(self.html(), encoding="utf-8")
            return [path]
        folder = figures or path.with_name(f"{path.stem}-figures")
        folder.mkdir(exist_ok=True)
        for name, svg in self.figures.items():
            (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        place = Path(os.path.relpath(folder, path.parent)).as_posix()
        path.write_text(self.markdown(place), encoding="utf-8")
        return [path, *(folder / f"{name}.svg" for name in self.figures)]


def require_writable(path: Path, figures: Path | None = None) -> None:
    """Make the folders of a report, before the hours that it may take.

    Raises:
        OutputError: it is neither HTML nor Markdown, or there is no writing there.
    """
    if path.suffix not in _FORMS:
        raise OutputError(f"{path} is no report; allowed: files that end in {' or '.join(_FORMS)}")
    for folder in (path.parent, figures or path.parent):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} can't be made: {error.strerror}") from error
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{folder} can't be written to")
    if path.is_dir():
        raise OutputError(f"{path} is a folder")


def make(material: Material) -> Report:
    """The report of finished studies.

    Raises:
        ClientError: the server can't be reached, or refused.
    """
    ranks = benchmark.ranks(material)
    table, tabular = benchmark.table(material)
    sections = {
        "speed": fresh.convergence(material),
        "rates": fresh.learning_rates(material),
        "connections": fresh.operations(material),
        "landscape": fresh.landscapes(material),
        "smoothness": fresh.smoothness(material),
        "gradients": fresh.gradients(material),
        "generalisation": fresh.generalisation(material),
    }
    measured = {name: found for name, (_, found) in sections.items()}
    measured["speed"] += tabular["speed"]
    measured["connections"] += tabular["connections"]
    measured["landscape"] += measured.pop("smoothness")
    measured["fading"] = [*fresh.fading(material), *tabular["fading"]]
    measured["ranks"] = claims.among_the_extremes(ranks)
    told = tuple(
        Claim(title, statement, tuple(measured[name]))
        for name, (title, statement) in CLAIMS.items()
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
    return Report("\n".join(text), material.figures, told)


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
        network, images = settings["network"]["darts"], settings.get("images") or {}
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
