"""Random variants of a genotype: the same cell with other connections, or with other operations.

Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based Neural Architecture Search",
ICLR 2020, arXiv 1909.09569, compare the learnt cells with such variants. The third kind, the
adapted variant, is `darts.adapted`.
"""

import random

from analysis.spaces.darts import Genotype, Pairs

SEARCHED_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The seven operations that DARTS searches among, `none` left out."""


def random_connections(genotype: Genotype, rng: random.Random) -> Genotype:
    """A variant with the same operations and `concat` and every source drawn anew.

    Each source is uniform among the nodes before its own, repeats allowed; the normal cell is drawn
    first.
    """

    def cell(pairs: Pairs) -> Pairs:
        return tuple((op, rng.randrange(2 + i // 2)) for i, (op, _) in enumerate(pairs))

    normal, reduce = cell(genotype.normal), cell(genotype.reduce)
    return Genotype(normal, genotype.normal_concat, reduce, genotype.reduce_concat)


def random_operations(genotype: Genotype, rng: random.Random) -> Genotype:
    """A variant with the same wiring and every operation drawn among `SEARCHED_OPERATIONS`.

    The normal cell is drawn first.
    """

    def cell(pairs: Pairs) -> Pairs:
        return tuple((rng.choice(SEARCHED_OPERATIONS), source) for _, source in pairs)

    normal, reduce = cell(genotype.normal), cell(genotype.reduce)
    return Genotype(normal, genotype.normal_concat, reduce, genotype.reduce_concat)
