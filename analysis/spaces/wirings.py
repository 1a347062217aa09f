"""The wirings of a DARTS-style cell, and their shape: what cells that were found are ranked among.

Two references, as "among the widest and shallowest" (Shu et al. 2020, arXiv 1909.09569) leaves open
among what:

* `distinct`: every wiring whose nodes each read two different nodes, each once (`wiring_table`);
* `paper`: what the sampler of the paper's code draws, each source uniform among the nodes before
  and repeats allowed, so that wirings have different probabilities (`drawn_shapes`).

In both every intermediate node is concatenated, so every node is live, and operations play no part.
"""

from collections import Counter
from functools import cache
from itertools import combinations, product
from typing import Literal

import numpy as np
import numpy.typing as npt

WiringSampler = Literal["distinct", "paper"]

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


@cache
def drawn_shapes(
    n_nodes: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every (width, depth) that the paper's sampler draws, and in how many of its ways.

    The two sources of node v are drawn one after the other, each from the v nodes before, so that
    there are 2²·3²·… equally likely ways: 14,400 for 4 nodes, 518,400 for 5. The numbers are exact:
    nodes are told by how far from an input they are alone, since nothing else bears on the shape.
    Arrays have one entry a shape, in ascending order, and are read-only.

    Raises:
        ValueError: as `wirings`.
    """
    _check(n_nodes)
    # (twice the width, how far each node is from an input, ascending): ways
    states: Counter[tuple[int, tuple[int, ...]]] = Counter({(0, (0, 0)): 1})
    for _ in range(n_nodes):
        grown: Counter[tuple[int, tuple[int, ...]]] = Counter()
        for (width, far), ways in states.items():
            for (one, first), (two, second) in product(Counter(far).items(), repeat=2):
                wider = width + (one == 0) + (two == 0)
                grown[wider, tuple(sorted((*far, max(one, two) + 1)))] += ways * first * second
        states = grown
    shapes: Counter[tuple[int, int]] = Counter()
    for (width, far), ways in states.items():
        shapes[width, far[-1] + 1] += ways
    ordered = sorted(shapes)
    widths = np.array([width / 2 for width, _ in ordered])
    depths = np.array([depth for _, depth in ordered], dtype=np.int64)
    counts = np.array([shapes[shape] for shape in ordered], dtype=np.int64)
    for array in (widths, depths, counts):
        array.setflags(write=False)
    return widths, depths, counts


def _check(n_nodes: int) -> None:
    if not 1 <= n_nodes <= MAX_NODES:
        raise ValueError(
            f"wirings of {n_nodes} nodes are not enumerated: allowed are 1..{MAX_NODES}, "
            "as their number grows with the square of a factorial"
        )
