"""Do wide, shallow cells learn faster at other learning rates too?

Correlates width and depth with accuracy and loss of the first epochs, rate by rate, over the cells
of every study of learning rates.

    python -m analysis.scripts.at_other_learning_rates --study 12 --figure rates.svg
"""

from __future__ import annotations

import argparse

from analysis.client import Client
from analysis.scripts.claim import (
    FIRST_EPOCHS,
    Answer,
    counted,
    first_epochs,
    of_study,
    options_of_studies,
    prose,
    run,
    side_by_side,
    studies,
)

RATES = {"lr-robustness": "DARTS-V2 --set variants=adapted,random-connections"}


def answer(client: Client, asked: argparse.Namespace) -> Answer:
    """Study by study, rate by rate."""
    found = studies(client, asked.study, RATES)
    rows, about = [], []
    for study in found:
        rows += first_epochs(study)
        about.append(of_study(client, study, [at["set"] for at in study["results"]]))
    return Answer(
        [
            *(side_by_side(rows), *about, counted(rows)),
            prose(
                f"{FIRST_EPOCHS} Where the cells of a study differ in their operations as well, it "
                "can't tell what is due to width and depth. Trainings that diverged are ranked "
                "last."
            ),
        ],
        f"/studies/{found[0]['id']}/plot",
        {"view": "shape"},
    )


def main() -> None:
    """Ask, print, draw."""
    run(options_of_studies(__doc__), answer)


if __name__ == "__main__":
    main()
