"""What stands above a picture: it says what is shown, of what, and from how many trainings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from analysis.cells import cell_name

Document = Mapping[str, Any]
Records = list[dict[str, Any]]
Layers = alt.LayerChart | alt.FacetChart
"""What ``alt.layer`` makes."""

AnyChart = alt.Chart | Layers | alt.ConcatChart | alt.VConcatChart

MOST_PANELS = 24
"""Of one picture: two hundred take most of a minute and two gigabytes to draw."""

_WIDTH = 105
"""Characters of a line of the subtitle."""

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart, with what its caption has to say beside what every caption says.

    Attributes:
        data: rows by the name under which the chart has them (``alt.NamedData``): so they are not
            checked one by one, and keep their name in the specification.
        live: the chart with marks that follow the pointer, where it has such.
    """

    chart: AnyChart
    title: str
    notes: list[str] = field(default_factory=list)
    data: dict[str, Records] = field(default_factory=dict)
    live: AnyChart | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """What a picture says of itself: a title, and notes that are a paragraph each."""

    title: str
    notes: list[str]

    def lines(self) -> list[str]:
        """The notes, broken where a picture needs it."""
        return [
            line
            for text in self.notes
            for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False)
        ]


def training_name(row: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """Of a training: its cell, and the seed where there are several."""
    name = cell_name(row["cell"])
    return f"{name}, seed {row['seed']}" if len(seeds) > 1 else name


def shape(row: Mapping[str, Any]) -> str:
    """``width 3.5, depth 3``, or that the cell is disconnected."""
    if row["width"] is None:
        return "disconnected"
    return f"width {row['width']:g}, depth {row['depth']:g}"


def spaces(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The spaces of cells, in their order; what isn't comparable between them gets a panel each."""
    return list(dict.fromkeys(row["space"] for row in rows))


def listed(names: Iterable[Any], many: str) -> str:
    """The names, or how many of them there are."""
    texts = [str(name) for name in dict.fromkeys(names)]
    return ", ".join(texts) if len(texts) <= _MOST_NAMED else f"{len(texts)} {many}"


def first_of(shown: int, there: int, what: str) -> list[str]:
    """A note where more are there than are shown, in their order."""
    return [f"the first {shown} of {there} {what} are shown"] if there > shown else []


def caption(document: Document, drawn: Drawn) -> Caption:
    """What stands alone in a paper or on a slide."""
    if "parts" not in document:
        return Caption(drawn.title, drawn.notes)
    datasets = listed((part["dataset"] for part in document["parts"]), "data sets")
    return Caption(f"{drawn.title} on {datasets}", [_facts(document), *drawn.notes])


def title(told: Caption) -> alt.TitleParams:
    """The caption above a picture."""
    return alt.TitleParams(
        told.title,
        subtitle=told.lines(),
        anchor="start",
        fontSize=16,
        subtitleFontSize=12,
        subtitleLineHeight=16,
        subtitlePadding=6,
        offset=16,
    )


def _facts(document: Document) -> str:
    """What a study is of, and how far it is."""
    settings, parts = document["settings"], document["parts"]
    originals = listed(
        (cell_name(part["original"]) for part in parts if part["role"] == "original"), "cells"
    )
    ended, diverged = document["progress"]["ended"], sum(part["diverged"] for part in parts)
    seeds = listed(settings["seeds"], "seeds")
    return "; ".join(
        (
            f"cells: {originals}",
            f"recipe: {settings['recipe']}",
            f"seed{'s' if len(settings['seeds']) > 1 else ''}: {seeds}",
            f"n = {len(parts)} training{'s' if len(parts) > 1 else ''}"
            + (f", {ended} ended so far" if ended < len(parts) else "")
            + (f", {diverged} diverged" if diverged else ""),
            f"study {document['id']}, {document['state']}",
        )
    )
