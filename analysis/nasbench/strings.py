"""Cell strings as lists and as arrays, as the packages write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.nasbench.names import known
from analysis.spaces.nasbench201 import EDGES, OPERATIONS, parse


def str2lists(arch_str: str) -> list[tuple[tuple[str, int], ...]]:
    """For each node but the input, its (operation, source) pairs.

    Raises:
        CellError: a ValueError; no cell of the space.
    """
    pairs = list(zip(EDGES, parse(arch_str).operations, strict=True))
    return [
        tuple((operation, source) for (source, target), operation in pairs if target == node)
        for node in (1, 2, 3)
    ]


def str2matrix(arch_str: str, search_space: Sequence[str] = OPERATIONS) -> Any:
    """The cell as a 4×4 array: row target, column source, the operation's place in the list.

    Raises:
        CellError: a ValueError; no cell of the space.
        ValueError: an operation that ``search_space`` lacks.
    """
    import numpy as np  # here alone: nothing else needs it

    matrix = np.zeros((4, 4))
    for (source, target), operation in zip(EDGES, parse(arch_str).operations, strict=True):
        matrix[target, source] = list(search_space).index(
            known("operation", operation, search_space)
        )
    return matrix
