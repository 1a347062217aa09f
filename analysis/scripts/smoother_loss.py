"""Is the loss of wide, shallow cells smoother?

Correlates width and depth with the loss's mean curvature at trained weights, the share of the plane
around them where it is convex, and the share where it is low (area_below), over the cells of every
study of landscapes; and with the largest eigenvalue of the network's Hessian (network@epoch), over
those of every study of smoothness.

    python -m analysis.scripts.smoother_loss --study 3 --figure landscapes.svg
"""

from __future__ import annotations

import argparse

from analysis.client import Client
from analysis.scripts.claim import (
    CELLS,
    LESS,
    MORE,
    Answer,
    counted,
    judged,
    of_study,
    options_of_studies,
    prose,
    run,
    side_by_side,
    studies,
)

BOTH = dict.fromkeys(("landscape", "smoothness"), " ".join(CELLS))
SIGNS = {"mean_curvature": LESS, "convex_share": MORE, "area_below": MORE}


def answer(client: Client, asked: argparse.Namespace) -> Answer:
    """Study by study."""
    found = studies(client, asked.study, BOTH)
    rows, about = [], []
    for study in found:
        for item in study["results"]["correlations"]:
            if item["y"] != "centre":  # how low the loss is, not how smooth
                rows += judged([item], SIGNS.get(item["y"], LESS), study=study["id"])
        cells = [cell for cell in study["results"]["cells"] if cell["set"]]
        about.append(of_study(client, study, [f"{one['images']} of {one['set']}" for one in cells]))
    return Answer(
        [
            *(side_by_side(rows), *about, counted(rows)),
            prose(
                "All of it is at and around trained weights, in one plane or along one direction: "
                "it says nothing of the way there, and depends on how the weights are scaled."
            ),
        ],
        f"/studies/{found[0]['id']}/plot",
        {},
    )


def main() -> None:
    """Ask, print, draw."""
    run(options_of_studies(__doc__), answer)


if __name__ == "__main__":
    main()
