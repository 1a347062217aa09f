"""Is the loss of wide, shallow cells smoother?

Correlates width and depth with the loss's mean curvature at trained weights, the share of the plane
around them where it is convex, and the share where it is low (area_below), over the cells of every
study of landscapes; and with the largest eigenvalue of the network's Hessian (network@epoch), over
those of every study of smoothness.

    python -m analysis.scripts.smoother_loss --study 8 --figure landscapes.svg
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
FEWEST_POINTS = 3
SHARES = {"convex_share": MORE, "area_below": MORE}
SIGNS = {"mean_curvature": LESS, **SHARES}


def answer(client: Client, asked: argparse.Namespace) -> Answer:
    """Study by study."""
    found = studies(client, asked.study, BOTH)
    rows, about = [], []
    for study in found:
        # The loss at the centre says how low it is, not how smooth; 3 × 3 points hold no shares.
        few = study["settings"].get("points") == FEWEST_POINTS
        beside = {"centre", *(SHARES if few else ())}
        for item in study["results"]["correlations"]:
            if item["y"] not in beside:
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
