"""Do wide, shallow cells end up no better?

Compares the final accuracy of cells with that of their adapted forms, every node of which is meant
to read both inputs, in every study of generalisation; and correlates width and depth with final
validation accuracy over all cells of NAS-Bench-201, data set by data set, as they are and among
cells of the same operations on live edges.

    python -m analysis.scripts.no_better_in_the_end --figure pairs.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.cells import cell_name
from analysis.client import Client
from analysis.report.text import NOTHING, interval, number, of_pairs
from analysis.scripts.claim import (
    HELD,
    OF_HELD,
    PUBLISHED,
    Answer,
    Side,
    Sign,
    judged,
    of_study,
    of_table,
    options_of_studies,
    prose,
    run,
    side_by_side,
    studies,
    text,
)

PAIRS = {"generalisation": " ".join(PUBLISHED)}
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
FINAL = "valid_accuracy@final"
RISES: dict[str, Sign] = {"width": "positive", "depth": "positive"}
WORDS: dict[Side, str] = {"as claimed": "rises", "against": "falls", "undecided": "undecided"}


def answer(client: Client, asked: argparse.Namespace) -> Answer:
    """Pairs, study by study; then the table."""
    found = studies(client, asked.study, PAIRS)
    pairs, about, table, held, of = [], [], [], [], []
    for study in found:
        pairs += [{"study": study["id"], **compared(one)} for one in study["results"]]
        sets = [pair["set"] for one in study["results"] for pair in one.get("pairs", ())]
        about += [of_study(client, study, sets), in_words(study)]
    for dataset in DATASETS:
        final = client.correlations(x=["width", "depth"], y=FINAL, dataset=dataset)
        within = client.correlations(x=["width", "depth"], y=FINAL, dataset=dataset, **HELD)
        table += judged(final, RISES, WORDS, dataset=dataset)
        held += judged(within, RISES, WORDS, dataset=dataset)
        of.append(of_table(final, FINAL))
    return Answer(
        [
            *(text(pd.DataFrame(pairs)), *about, ""),
            *(side_by_side(table), "", OF_HELD, side_by_side(held), *of),
            prose(
                "n: pairs, each of one data set and seed (all: one of each cell and data set); p: "
                "paired t-test. Not shown to differ is not 'equal': detectable is the difference "
                "that so many pairs would have shown with a probability of 80 %. Over the table, "
                "rises means that wider (deeper) cells end up more accurate, on validation images "
                "and by intervals of 95 %: of all cells, whatever their operations; then of cells "
                "of the same operations on live edges."
            ),
        ],
        f"/studies/{found[0]['id']}/plot",
        {},
    )


def compared(one: Mapping[str, Any]) -> dict[str, Any]:
    """A row of pairs."""
    mean = NOTHING if one["mean"] is None else f"{one['mean']:+.2f}{interval(one['ci'], '+.2f')}"
    return {
        "cell": cell_name(one["original"]),
        "n": of_pairs(one),
        "adapted - original, points": mean,
        "p": number(one["t_p"], ".2g"),
        "adapted is": one["verdict"] or NOTHING,
        "detectable": number(one["detectable"], ".2f"),
    }


def in_words(study: Mapping[str, Any]) -> str:
    """What all pairs of a study say together."""
    last = study["results"][-1]
    ends = "" if last["ci"] is None else f", the interval of the mean ends at {last['ci'][1]:+.2f}"
    return prose(
        f"{cell_name(last['original'])}, {last['n']} pairs: "
        f"{last['verdict'] or last['reasons']['verdict']}{ends} (intervals of "
        f"{100 * study['settings']['confidence']:g} %)"
    )


def main() -> None:
    """Ask, print, draw."""
    run(options_of_studies(__doc__), answer)


if __name__ == "__main__":
    main()
