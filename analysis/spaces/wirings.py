"""All wirings of a DARTS-style cell whose nodes each read two distinct nodes, and their shape.

Against these Shu et al. 2020 (arXiv 1909.09569) rank the cells that were found: every intermediate
node is concatenated, so every node is live, and operations play no part.
"""

from functools import cache
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

MAX_NODES = 6

Wiring = tuple[tuple[int, int], ...]
"""The two sources of each intermediate node, node 2 first, the smaller source first."""


def wirings(n_nodes: int) -> list[Wiring]:
    """Every wiring of a cell with `n_nodes` intermediate nodes: 180 for 4, 2,700 for 5.

    Raises:
        ValueError: not 1..6 nodes; there are 1,587,600 wirings of 7 nodes already, and 57 million
            of 8.
    """
    _check(n_nodes)
    return list(product(*(combinations(range(2 + node), 2) for node in range(n_nodes))))


@cache
def wiring_table(n_nodes: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Width (in units of one node's channels) and depth of every wiring, in the order of `wirings`.

    Width is the sum over the nodes of the share of their two edges that come from an input; depth
    is the number of edges on the longest path, the one to the output included. Both arrays have one
    entry per wiring and are read-only, as they are shared between calls.

    Raises:
        ValueError: as `wirings`.
    """
    _check(n_nodes)
    width = np.zeros(1)
    longest = np.zeros((1, 2), dtype=np.int64)  # (wiring, node): edges from an input to the node
    for node in range(n_nodes):
        pairs = np.array(list(combinations(range(2 + node), 2)))
        width = np.add.outer(width, (pairs < 2).mean(axis=1)).reshape(-1)
        reached = longest[:, pairs].max(axis=2).reshape(-1, 1) + 1
        longest = np.hstack([longest.repeat(len(pairs), axis=0), reached])
    depth = longest.max(axis=1) + 1
    width.setflags(write=False)
    depth.setflags(write=False)
    return width, depth


def _check(n_nodes: int) -> None:
    if not 1 <= n_nodes <= MAX_NODES:
        raise ValueError(
            f"wirings of {n_nodes} nodes are not enumerated: allowed are 1..{MAX_NODES}, "
            "as their number grows with the square of a factorial"
        )
