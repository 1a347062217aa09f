"""Are the cells that popular algorithms found among the widest and shallowest?

Ranks the normal cells of NASNet, AmoebaNet, ENAS, DARTS and SNAS among all wirings of as many
nodes, and tells how many are in the extreme tenth. The claim was made from these five, so that they
can't test it; the report judges it by cells that other searches found.

    python -m analysis.scripts.wide_and_shallow --figure ranks.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from analysis.client import Client
from analysis.client.shapes import Rank
from analysis.scripts.claim import PUBLISHED, Answer, options, prose, run, text

SIDES = (("width", "wide", "widest"), ("depth", "shallow", "shallowest"))
TENTH = 0.1


def answer(client: Client, _: argparse.Namespace) -> Answer:
    """A row a cell, and how many are extreme in width and in depth."""
    ranks = {cell["name"]: cell["ranks"] for cell in client.ranks(PUBLISHED)}
    rows = []
    for name, rank in ranks.items():
        row = {"cell": name}
        for column, so, most in SIDES:
            row[column] = f"{rank[column]['value']:g}"
            row[most] = f"{rank[column]['rank']:,} of {rank[column]['of']:,}"
            row[f"as {so}"] = f"{100 * share_as_extreme(rank[column]):.3g} %"
        rows.append(row)
    return Answer(
        [
            text(pd.DataFrame(rows)),
            *dict.fromkeys(f"Among {rank['width']['among']}." for rank in ranks.values()),
            "",
            *(tested([rank[column] for rank in ranks.values()], most) for column, _, most in SIDES),
            prose(
                "as wide, as shallow: share of all wirings that are so or more so. Intervals are "
                "Clopper and Pearson's of 95 %, and take the cells as independent. The claim was "
                "made from these five, so that they can't test it: the report judges it by cells "
                "that other searches found. No rank says why a search found a cell."
            ),
        ],
        "/plots/ranks",
        {"cell": PUBLISHED},
    )


def share_as_extreme(rank: Mapping[str, Any]) -> float:
    """Share of all wirings that rank like the cell or before it."""
    before = rank["rank"] - 1
    # The percentile counts those behind, and half of those that are equal.
    equal = 2 * (rank["of"] - before - rank["percentile"] * rank["of"] / 100)
    return float((before + equal) / rank["of"])


def tested(ranks: Sequence[Rank], most: str) -> str:
    """How many are in the extreme tenth, with an interval of the share."""
    n, extreme = len(ranks), sum(share_as_extreme(rank) <= TENTH for rank in ranks)
    low, high = stats.binomtest(extreme, n).proportion_ci()
    return (
        f"{extreme} of {n} are in the {most} tenth: {100 * extreme / n:.0f} % ({100 * low:.0f} %, "
        f"{100 * high:.0f} %)"
    )


def main() -> None:
    """Ask, print, draw."""
    run(options(__doc__), answer)


if __name__ == "__main__":
    main()
