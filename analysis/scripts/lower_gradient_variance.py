"""Do the gradients of wide, shallow cells vary less from mini-batch to mini-batch?

Correlates width and depth with gradient variance at the first, the middle and the last epoch that
was measured (0 is before training), and with its mean over the plane around trained weights, over
the cells of every study of gradient variance.

    python -m analysis.scripts.lower_gradient_variance --study 1 --figure gradients.svg
"""

from __future__ import annotations

import argparse

from analysis.client import Client
from analysis.scripts.claim import (
    CELLS,
    LESS,
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

GRADIENTS = {"gradient-variance": " ".join(CELLS)}
PLANE = "plane_mean"


def answer(client: Client, asked: argparse.Namespace) -> Answer:
    """Study by study."""
    found = studies(client, asked.study, GRADIENTS)
    rows, about = [], []
    for study in found:
        items, settings = study["results"]["correlations"], study["settings"]
        epochs = list(dict.fromkeys(item["y"] for item in items if item["y"] != PLANE))
        kept = {PLANE, *epochs[:1], *epochs[len(epochs) // 2 :][:1], *epochs[-1:]}
        rows += judged([one for one in items if one["y"] in kept], LESS, study=study["id"])
        batches = f"{settings['batches']} batches of {settings['batch']} images"
        sets = [f"{batches} of {cell['set']}" for cell in study["results"]["cells"] if cell["set"]]
        about.append(of_study(client, study, sets))
    return Answer(
        [
            *(side_by_side(rows), *about, counted(rows)),
            prose(
                "Values compare at one size of batch only, and depend on the scale of the weights. "
                "That gradients vary less does not say that training is faster for it."
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
