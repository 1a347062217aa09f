"""Do wide, shallow cells learn faster early on, and popular ones faster than random variants?

Correlates width and depth with validation accuracy epoch by epoch, over cells of NAS-Bench-201 (the
shipped sample, unless another context is given), as they are and among cells of the same operations
on live edges; and with accuracy and loss of the first epochs, over the cells of every study of
variants. Of a study that draws variants itself, tells where the original stands among those with
random connections.

    python -m analysis.scripts.faster_early --figure by-epoch.svg
    python -m analysis.scripts.faster_early --dataset cifar10 --recipe nb201-200 \\
        --images original --source nasbench201   # once a table with whole curves is imported
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy import stats

from analysis.cells import cell_name
from analysis.client import Client, Table
from analysis.scripts.claim import (
    FIRST_EPOCHS,
    HELD,
    MORE,
    OF_HELD,
    Answer,
    counted,
    first_epochs,
    judged,
    of_study,
    of_table,
    options_of_studies,
    prose,
    run,
    side_by_side,
    studies,
)

VARIANTS = {"variants": "DARTS-V2 --seed 777 --seed 888"}
CONTEXT = {
    "dataset": "cifar10-valid",
    "recipe": "proxy",
    "images": "jpeg",
    "source": "local-bundle",
}
MEASURE = "valid_accuracy"
MOST = 12
"""Epochs that are shown; all are counted."""


def answer(client: Client, asked: argparse.Namespace) -> Answer:
    """Epoch by epoch over the table, then study by study."""
    question: dict[str, Any] = {"x": ["width", "depth"], "y": MEASURE}
    question |= {name: getattr(asked, name) for name in CONTEXT}
    by_epoch = client.correlations_by_epoch(**question)
    held = client.correlations_by_epoch(**question, **HELD)
    rows, about = [], []
    for study in studies(client, asked.study, VARIANTS):
        rows += first_epochs(study)
        about.append(of_study(client, study, [at["set"] for at in study["results"]]))
        about += [line for at in study["results"] for line in among_variants(at)]
    return Answer(
        [
            *(
                *some_epochs(by_epoch),
                of_table(by_epoch, MEASURE),
                "",
                OF_HELD,
                *some_epochs(held),
                "",
            ),
            *(side_by_side(rows), *about, counted(rows)),
            prose(
                f"{FIRST_EPOCHS} What holds over a sample of cells need not hold over all, nor "
                "what holds early in a short schedule early in a long one."
            ),
        ],
        "/plots/correlations-by-epoch",
        question,
    )


def some_epochs(by_epoch: Table[Any]) -> tuple[str, str]:
    """Coefficients at ``MOST`` of the epochs, and how many of all of them say what."""
    table = judged(by_epoch, MORE)
    epochs = sorted({item["epoch"] for item in by_epoch})
    some = {epochs[at] for at in np.linspace(0, len(epochs) - 1, MOST, dtype=int)}
    shown = [row for item, row in zip(by_epoch, table, strict=True) if item["epoch"] in some]
    return side_by_side(shown), counted(table)


def among_variants(at: Mapping[str, Any]) -> Iterator[str]:
    """Where each original stands among its variants with random connections, by its rank."""
    measure = f"aulc@{at['epoch']}"
    found = {
        (cell["original"], cell["role"], cell["cell"]): cell["measures"][measure]
        for cell in at["cells"]
        if cell["measures"][measure]["rank"] is not None
    }
    for (original, role, _), own in found.items():
        others = [
            it["rank"] for key, it in found.items() if key[:2] == (original, "random-connections")
        ]
        if role != "original" or not others:
            continue
        faster, slower = (
            stats.mannwhitneyu([own["rank"]], others, alternative=side).pvalue
            for side in ("greater", "less")
        )
        has = f"{own['mean']:.2f} %" if own["state"] == "observed" else own["state"]
        says = "as claimed" if faster < 0.05 else "against" if slower < 0.05 else "undecided"
        yield prose(
            f"{cell_name(original)} has {measure} = {has}, more than "
            f"{sum(own['rank'] > other for other in others)} of its {len(others)} variants with "
            f"random connections: p = {faster:.2g} (Mann-Whitney, one-sided), {says}; one cell "
            f"beside {len(others)} gives no p below {1 / (1 + len(others)):.2g}"
        )


def main() -> None:
    """Ask in the context that is given, print, draw."""
    parser = options_of_studies(__doc__)
    for name, default in CONTEXT.items():
        about = f"{name} of the accuracies by epoch (default: %(default)s)"
        parser.add_argument(f"--{name}", default=default, help=about)
    run(parser, answer)


if __name__ == "__main__":
    main()
