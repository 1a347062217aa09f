"""Genotypes as they were printed: pairs in the order of the publication, which a genotype forgets.

The two pairs of a node are a sum, so that a cell is the same in either order. Procedures that go
through a cell operation by operation, as those of `paper`, depend on the order all the same.
"""

from typing import NamedTuple

Pair = tuple[str, int]
"""(operation, source)."""
Pairs = tuple[Pair, ...]
"""Two per intermediate node, node 2 first."""

_SHORT = {
    "avg3": "avg_pool_3x3",
    "max3": "max_pool_3x3",
    "skip": "skip_connect",
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "sep7": "sep_conv_7x7",
    "dil3": "dil_conv_3x3",
    "dil5": "dil_conv_5x5",
    "1x3": "conv_3x1_1x3",
    "1x7": "conv_7x1_1x7",
}


class Printed(NamedTuple):
    """The fields of a genotype."""

    normal: Pairs
    normal_concat: tuple[int, ...]
    reduce: Pairs
    reduce_concat: tuple[int, ...]


def pairs(short: str) -> Pairs:
    """Pairs written `operation@source`, two per node, nodes parted by bars."""
    written = (pair.split("@") for pair in short.replace("|", " ").split())
    return tuple((_SHORT[operation], int(source)) for operation, source in written)
