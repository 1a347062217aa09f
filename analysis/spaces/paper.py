"""The procedures by which Shu, Wang and Cai made the variants that they trained.

"Understanding Architectures Learnt by Cell-based Neural Architecture Search", ICLR 2020, arXiv
1909.09569. Their published code (github.com/shuyao95/Understanding-NAS, `genotypes.py`) draws ten
variants of each kind of each cell by numpy's legacy generator, whose stream is frozen, seeded anew
with 1 to 10. All go through a cell in the order in which it was printed.
"""

import numpy as np

from analysis.spaces.printed import Pair, Pairs, Printed

SEARCHED_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The seven operations that DARTS searches among, `none` left out, in the order of its code."""

SEEDS = range(1, 11)
"""Those of the published variants."""

MAX_SEED = 2**32 - 1
"""The largest seed that the legacy generator takes."""


def random_connections(cell: Printed, rng: np.random.RandomState) -> Printed:
    """The same operations and `concat`, every source drawn anew among the states before its node.

    Operation by operation, a source for the normal and then one for the reduction cell; a state is
    added after every second operation, and sources may repeat. Where one of the two cells has more
    nodes, its further operations draw alone (none of the paper's has).
    """
    drawn: tuple[list[Pair], list[Pair]] = ([], [])
    for i in range(max(len(cell.normal), len(cell.reduce))):
        for pairs, found in zip((cell.normal, cell.reduce), drawn, strict=True):
            if i < len(pairs):
                found.append((pairs[i][0], int(rng.randint(2 + i // 2))))
    return cell._replace(normal=tuple(drawn[0]), reduce=tuple(drawn[1]))


def random_operations(cell: Printed, rng: np.random.RandomState) -> Printed:
    """The same wiring and `concat`, every operation drawn among `SEARCHED_OPERATIONS`.

    All of the normal cell's at once, then all of the reduction cell's.
    """

    def operated(pairs: Pairs) -> Pairs:
        drawn = rng.randint(len(SEARCHED_OPERATIONS), size=len(pairs))
        return tuple(
            (SEARCHED_OPERATIONS[number], source)
            for number, (_, source) in zip(drawn, pairs, strict=True)
        )

    normal = operated(cell.normal)
    return cell._replace(normal=normal, reduce=operated(cell.reduce))


def adapted(cell: Printed) -> Printed:
    """The same operations and `concat`, every node reading both inputs.

    The first operation of each node reads the input that the cell's first operation does, and the
    second the other; 0 and 1 where the first node reads not both inputs. That gives the published
    adapted cells of NASNet (1, 0), AmoebaNet, ENAS (but for a slip, see `published`) and SNAS.
    """

    def rewired(pairs: Pairs) -> Pairs:
        first = 1 if [source for _, source in pairs[:2]] == [1, 0] else 0
        return tuple(
            (operation, first if i % 2 == 0 else 1 - first)
            for i, (operation, _) in enumerate(pairs)
        )

    return cell._replace(normal=rewired(cell.normal), reduce=rewired(cell.reduce))
