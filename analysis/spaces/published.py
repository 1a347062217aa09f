"""The cells that have a name: those of the paper with the variants of its code, and others.

The paper is Shu, Wang and Cai, ICLR 2020, arXiv 1909.09569 (`paper`). Its variants come out of its
procedures, not of a list.
"""

from typing import Literal, NamedTuple

import numpy as np

from analysis.spaces import elsewhere, paper
from analysis.spaces.printed import Printed, pairs

Kind = Literal["published", "adapted", "random-connections", "random-operations", "elsewhere"]
KINDS: dict[Kind, str] = {
    "published": "the five cells from which the paper's claim was made",
    "adapted": "their forms by the paper's rule, every node reading both inputs (but one of ENAS')",
    "random-connections": "the paper's ten draws of other sources for each of the five",
    "random-operations": "the paper's ten draws of other operations for each of the five",
    "elsewhere": "cells found by searches that the claim was not made from",
}


class Known(NamedTuple):
    """A cell with a name.

    Attributes:
        kind: which of `KINDS` it is.
        source: where it was published.
        printed: its pairs in the order in which they were.
        parent: the name of the cell that it was made from.
    """

    kind: Kind
    source: str
    printed: Printed
    parent: str | None = None


FIVE = {
    "NASNet-A": Known(
        "published",
        "Zoph et al. 2018, arXiv 1707.07012",
        Printed(
            pairs("sep5@1 sep3@0 | sep5@0 sep3@0 | avg3@1 skip@0 | avg3@0 avg3@0 | sep3@1 skip@1"),
            (2, 3, 4, 5, 6),
            pairs("sep5@1 sep7@0 | max3@1 sep7@0 | avg3@1 sep5@0 | skip@3 avg3@2 | sep3@2 max3@1"),
            (4, 5, 6),
        ),
    ),
    "AmoebaNet-A": Known(
        "published",
        "Real et al. 2019, arXiv 1802.01548",
        Printed(
            pairs("avg3@0 max3@1 | sep3@0 sep5@2 | sep3@0 avg3@3 | sep3@1 skip@1 | skip@0 avg3@1"),
            (4, 5, 6),
            pairs("avg3@0 sep3@1 | max3@0 sep7@2 | sep7@0 avg3@1 | max3@0 max3@1 | 1x7@0 sep3@5"),
            (3, 4, 6),
        ),
    ),
    "ENAS": Known(
        "published",
        "Pham et al. 2018, arXiv 1802.03268",
        Printed(
            pairs("sep3@1 skip@1 | sep5@1 skip@0 | avg3@0 sep3@1 | sep3@0 avg3@1 | sep5@1 avg3@0"),
            (2, 3, 4, 5, 6),
            pairs("sep5@0 avg3@1 | sep3@1 avg3@1 | sep3@1 avg3@1 | sep5@4 avg3@1 | sep3@5 sep5@0"),
            (2, 3, 6),
        ),
    ),
    "DARTS-V2": Known(
        "published",
        "Liu et al. 2019, arXiv 1806.09055, second order",
        Printed(
            pairs("sep3@0 sep3@1 | sep3@0 sep3@1 | sep3@1 skip@0 | skip@0 dil3@2"),
            (2, 3, 4, 5),
            pairs("max3@0 max3@1 | skip@2 max3@1 | max3@0 skip@2 | skip@2 max3@1"),
            (2, 3, 4, 5),
        ),
    ),
    "SNAS-mild": Known(
        "published",
        "Xie et al. 2019, arXiv 1812.09926, mild constraint",
        Printed(
            pairs("sep3@0 sep3@1 | skip@0 dil3@1 | skip@0 skip@1 | skip@0 sep3@1"),
            (2, 3, 4, 5),
            pairs("max3@0 max3@1 | skip@2 max3@1 | max3@1 skip@2 | dil5@2 max3@0"),
            (2, 3, 4, 5),
        ),
    ),
}

_CODE = "Shu et al. 2020, arXiv 1909.09569, code"


def _adapted(name: str, parent: Known) -> Known:
    form = paper.adapted(parent.printed)
    source = f"{_CODE}, adapted form"
    if name == "DARTS-V2":
        source = "as the adapted forms of the other four; the code of Shu et al. 2020 has none"
    if name == "ENAS":
        # A slip of the published code: the skip connection of node 3 reads input 0, as sep5 does.
        slipped = list(form.normal)
        slipped[3] = ("skip_connect", 0)
        form = form._replace(normal=tuple(slipped))
    return Known("adapted", source, form, name)


def _drawn() -> dict[str, Known]:
    rng = np.random.RandomState()  # seeded anew, which costs a hundredth of making one
    found = {}
    for name, parent in FIVE.items():
        for seed in paper.SEEDS:
            rng.seed(seed)
            form = paper.random_connections(parent.printed, rng)
            source = f"{_CODE}, random connections, seed {seed}"
            found[f"{name}-conn{seed}"] = Known("random-connections", source, form, name)
        for seed in paper.SEEDS:
            rng.seed(seed)
            form = paper.random_operations(parent.printed, rng)
            source = f"{_CODE}, random operations, seed {seed}"
            found[f"{name}-ops{seed}"] = Known("random-operations", source, form, name)
    return found


ELSEWHERE = {
    name: Known("elsewhere", source, printed) for name, (source, printed) in elsewhere.FOUND.items()
}

CELLS: dict[str, Known] = {
    **FIVE,
    **{f"{name}-adapted": _adapted(name, parent) for name, parent in FIVE.items()},
    **ELSEWHERE,
    **_drawn(),
}
"""By name."""
