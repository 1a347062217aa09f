"""Sections on what is tabulated: the ranks of cells that were found, and NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.report import tabular
from analysis.report.answers import Answer, correlations, recorded
from analysis.report.material import Material
from analysis.report.searched import OTHER_SAMPLER, SAMPLER, Ranked, others
from analysis.report.text import markdown, number
from analysis.spaces.published import FIVE

SHAPES = ("width", "depth", "node_width", "effective_depth")
EARLY = ("valid_accuracy@3of200", "valid_accuracy@8of200", "valid_accuracy@12of12")
FINAL = ("valid_accuracy@200of200", "test_accuracy@200of200")
CHOSEN = frozenset({"valid_accuracy@3of200", "valid_accuracy@8of200"})
"""Metrics of cells that were chosen for their accuracy."""
BY_EPOCH = (("x", "width"), ("x", "depth"), ("y", "valid_accuracy"))

_READINGS = {"as it is": (), "live operations held": tabular.HELD}


def topology(material: Material, ranked: Mapping[str, Ranked]) -> Iterator[str]:
    """Cells that searches found: width, depth, ranks, and how the first five are drawn."""
    yield "## Cells that searches found, among all wirings\n"
    rows = []
    for name in [*FIVE, *(one for several in others().values() for one in several)]:
        row = [f"**{name}**" if name in FIVE else name]
        for column in ("width", "depth", "reduce_width", "reduce_depth"):
            usual, other = (
                ranked[which][name]["ranks"][column] for which in (SAMPLER, OTHER_SAMPLER)
            )
            row += [
                number(usual["value"]),
                f"{number(usual['percentile'], '.0f')} / {number(other['percentile'], '.0f')}",
            ]
        rows.append(row)
    head = ["cell", "width", "percentile", "depth", "percentile"]
    yield markdown(
        [*head, "width, reduction", "percentile", "depth, reduction", "percentile"], rows
    )
    yield (
        "Width in units of one node's channels, depth in edges. Percentiles count the wirings of "
        "as many nodes that are narrower (deeper), and half of the equal ones: 50 is the middle, "
        "100 the widest (shallowest). The first among wirings as the paper's code draws them, "
        "sources repeated; the second among those with two distinct sources a node, in which "
        "cells that read one source twice don't occur. Bold: the five that the claim was made "
        "from.\n"
    )
    for name in FIVE:
        yield material.figure(f"cell-{name.lower()}", f"/cells/{name}/diagram.svg", (), name)


def table(material: Material) -> Iterator[str]:
    """What width and depth have to do with accuracy over all cells, and in the shipped sample."""
    client = material.client
    yield "## What the table says, over all of NAS-Bench-201\n"
    known = recorded(client, (*EARLY, *FINAL))
    missing = [name for name in (*EARLY, *FINAL) if name not in known]
    if known:
        yield from _everything(material, known)
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        yield f"Not recorded on this server: {names}. `cellwise import` brings them in.\n"
    if recorded(client, (tabular.SAMPLE_EARLY,), *tabular.SAMPLED):
        yield "### Epoch by epoch, on the shipped sample\n"
        yield (
            "Cells of NAS-Bench-201 drawn as evenly over shapes, and over operations, as there are "
            "different ones, trained by the recipe `proxy` (docs/bundle.md): coefficients are the "
            "sample's, not the space's.\n"
        )
        yield material.figure(
            "table-by-epoch",
            "/plots/correlations-by-epoch.svg",
            [*BY_EPOCH, *tabular.SAMPLED],
            "Correlation of width and depth with validation accuracy by epoch, on the shipped "
            "sample",
        )


def _everything(material: Material, known: list[str]) -> Iterator[str]:
    """Coefficients over the connected cells that have a value, as it is and operations held."""
    yield (
        "CIFAR-10, means over seeds, Spearman's ρ with its 95 % interval over the connected cells "
        "that have the value; first whatever their operations, then within groups of cells that "
        "have the same operations on live edges. `width` and `depth` are the paper's readings, "
        "carried over; `node_width` and `effective_depth` other ones (docs/concepts.md).\n"
    )
    for words, more in _READINGS.items():
        found: Answer = correlations(material.client, SHAPES, known, *more)
        yield f"{words.capitalize()}:\n"
        yield found.table(SHAPES, known)
    if {tabular.EARLY, tabular.FINAL} <= set(known):
        calls = (
            tabular.call(metrics, tabular.HELD)
            for metrics in ([tabular.EARLY], [tabular.EARLY, tabular.FINAL])
        )
        yield f"Verdicts rest on the differences of these: `{'`, `'.join(calls)}`\n"
    if any(name in CHOSEN for name in known):
        yield (
            "Values after 3 and 8 epochs were logged for cells that optimisers had chosen, not for "
            "a random part, with one seed (docs/sources.md): no verdict rests on them.\n"
        )
