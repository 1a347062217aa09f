"""What the cells that searches found say of the claim that such cells are wide and shallow.

Tested on searches that the claim was not made from. Cells of one publication are one source, their
mean; searches that start from one another's code, as most after DARTS do, are taken as independent
all the same, which they are not quite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from analysis.report.claims import HEADLINE, Reading, Source
from analysis.report.material import Material
from analysis.spaces.published import CELLS, FIVE, Known
from analysis.synthesis import Estimate

SAMPLER, OTHER_SAMPLER = "paper", "distinct"
"""Reference wirings: as the paper's code draws them, sources repeated, and without repeats."""

_PUBLICATION = re.compile(r"arXiv \d+\.\d+")

Ranked = Mapping[str, Mapping[str, Any]]
"""By cell, what ``GET /ranks`` answers of it."""


def others() -> dict[str, list[str]]:
    """By publication, the cells of searches that the claim was not made from, the oldest first."""
    first = {_publication(known) for known in FIVE.values()}
    found: dict[str, list[str]] = {}
    for name, known in CELLS.items():
        if known.kind == "elsewhere" and _publication(known) not in first:
            found.setdefault(_publication(known), []).append(name)
    return found


def ranks(material: Material, sampler: str) -> Ranked:
    """The paper's five cells and the others among the wirings of a sampler."""
    names = [*FIVE, *(name for several in others().values() for name in several)]
    parameters = [*(("cell", name) for name in names), ("sampler", sampler)]
    items = material.client.get("/ranks", parameters)["items"]
    return dict(zip(names, items, strict=True))


def sources(by_sampler: Mapping[str, Ranked]) -> Iterator[Source]:
    """Of the verdict: normal cells of the other searches, among the wirings of `SAMPLER`.

    Beside it: the same among the other wirings, their reduction cells, and the paper's own five.
    """
    usual, other = by_sampler[SAMPLER], by_sampler[OTHER_SAMPLER]
    five = {name: [name] for name in FIVE}
    yield from _each(usual, others(), "", HEADLINE)
    yield from _each(other, others(), "", "among wirings with two distinct sources a node")
    yield from _each(usual, others(), "reduce_", "reduction cells")
    yield from _each(usual, five, "", "the five cells that the claim was made from")
    yield from _each(usual, five, "reduce_", "their reduction cells")


def _each(
    ranked: Ranked, searches: Mapping[str, Iterable[str]], prefix: str, group: str
) -> Iterator[Source]:
    for names in searches.values():
        above = {
            column: float(
                np.mean([ranked[name]["ranks"][prefix + column]["percentile"] for name in names])
                / 100
                - 0.5
            )
            for column in ("width", "depth")
        }
        estimates: dict[Reading, Estimate] = {
            "contrast": Estimate((above["width"] + above["depth"]) / 2, 0),
            "width": Estimate(above["width"], 0),
            "depth": Estimate(above["depth"], 0),
        }
        yield Source(", ".join(names), len(list(names)), estimates, group=group)


def _publication(known: Known) -> str:
    found = _PUBLICATION.search(known.source)
    return known.source if found is None else found[0]
