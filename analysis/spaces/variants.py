"""Variants of a cell: the same with other connections, with other operations, or adapted.

Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based Neural Architecture Search",
ICLR 2020, arXiv 1909.09569, compare the learnt cells, which are DARTS-style, with such variants. A
cell of NAS-Bench-201 has one operation on each edge and no sources to draw; its variants are the
analogue:

* `random-connections`: a genotype's sources drawn anew, or a NAS-Bench-201 cell's six operations
  arranged otherwise, so that the multiset of operations is kept;
* `random-operations`: the operations drawn anew where the wiring is kept (in NAS-Bench-201: the
  edges that are `none` stay so, and the others take any of the other four operations);
* `adapted`: every node of a genotype reads both inputs (`darts.adapted`), or a NAS-Bench-201 cell's
  operations are arranged to be as wide and, that given, as shallow as can be, for which there may
  be several ways.
"""

import math
import random
from collections.abc import Iterator
from itertools import chain, islice, permutations, product
from typing import Literal

import numpy as np

from analysis import topology
from analysis.cells import Cell
from analysis.dag import NONE
from analysis.spaces import nasbench201, paper
from analysis.spaces.darts import PARTS, Genotype, Pair, Pairs, adapted, printed
from analysis.spaces.nasbench201 import NasBench201Cell
from analysis.spaces.paper import SEARCHED_OPERATIONS

Kind = Literal["random-connections", "random-operations", "adapted"]
RANDOM: tuple[Kind, Kind] = ("random-connections", "random-operations")
KINDS: tuple[Kind, ...] = (*RANDOM, "adapted")

VariantSampler = Literal["uniform", "paper"]
"""`uniform`: as many different variants as are asked for from one seed (`variants`); `paper`: one
variant a seed, by the procedure of the published code (`paper_variants`)."""

MOST = 5_000
"""How many different variants may be asked for at once."""

_ENUMERATED = 2 * MOST
"""Up to so many variants, all are listed and shuffled; beyond, most draws give a new one."""

_COMPUTING = tuple(operation for operation in nasbench201.OPERATIONS if operation != NONE)


def variants(
    cell: Cell, kind: Kind, count: int | None, seed: int, *, duplicates: bool = False
) -> list[Cell]:
    """`count` variants of the cell, all there are where these are fewer or `count` is None.

    No two are equal and none is the cell itself. They come in the order of repeated draws that
    leave out what came before: a genotype's sources or operations are uniform and independent, so
    that forms which more draws lead to tend to come early; those of NAS-Bench-201 are all equally
    likely. The same arguments give the same variants, and a larger `count` begins with those of a
    smaller one.

    With `duplicates` exactly `count` draws are given as they come, the cell itself and repeats
    among them. Adapted forms are not drawn: `duplicates` changes nothing about them.

    Raises:
        ValueError: more than `MOST` different variants, draws with duplicates without a `count`,
            or a negative one.
    """
    if count is not None and count < 0:
        raise ValueError(f"{count} variants; allowed: 0 and more")
    rng = random.Random(seed)  # noqa: S311  (a sample, no secret)
    if duplicates and kind != "adapted":
        if count is None:
            raise ValueError("draws with duplicates have no end: say how many")
        return list(islice(_draws(cell, kind, rng), count))
    total = how_many(cell, kind)
    wanted = total if count is None else min(count, total)
    if wanted > MOST:
        raise ValueError(f"{wanted:,} of {total:,} variants; allowed: at most {MOST:,} at once")
    # Decided by the total alone, since a larger count has to begin like a smaller one.
    each = _draws(cell, kind, rng) if total > _ENUMERATED else _shuffled(cell, kind, rng)
    found: dict[Cell, None] = {}
    while len(found) < wanted:
        variant = next(each)
        if variant != cell:
            found.setdefault(variant)
    return list(found)


def paper_variants(cell: Genotype, kind: Kind, count: int, seed: int) -> list[Genotype]:
    """The variants that the paper's code draws with the seeds `seed` to `seed + count - 1`.

    One a seed, as it comes: repeats and the cell itself may be among them. Operations are gone
    through in the order in which the cell was published, in canonical order if it has no name. Of
    the five cells of the paper, seeds 1 to 10 give its own variants (`paper`).

    Raises:
        ValueError: adapted forms, which aren't drawn; a negative number; or seeds beyond those of
            numpy's legacy generator.
    """
    if kind == "adapted":
        raise ValueError("adapted forms are not drawn")
    last = seed + count - 1
    if count < 0 or seed < 0 or last > paper.MAX_SEED:
        raise ValueError(f"seeds {seed} to {last}; allowed: 0 to {paper.MAX_SEED}")
    draw = paper.random_connections if kind == "random-connections" else paper.random_operations
    order = printed(cell)
    seeds = range(seed, seed + count)
    return [Genotype(*draw(order, np.random.RandomState(one))) for one in seeds]


def how_many(cell: Cell, kind: Kind) -> int:
    """How many different variants there are, the cell itself left out."""
    if kind == "adapted":
        return len(set(adapted_forms(cell)) - {cell})
    if isinstance(cell, NasBench201Cell):
        return len(_outcomes(cell, kind)) - 1
    # The two pairs of a node are a sum: their order tells no two apart.
    different = (len({tuple(sorted(two)) for two in choices}) for choices in _choices(cell, kind))
    operations = {operation for operation, _ in (*cell.normal, *cell.reduce)}
    itself = kind == "random-connections" or operations <= set(SEARCHED_OPERATIONS)
    return math.prod(different) - itself


def adapted_forms(cell: Cell) -> list[Cell]:
    """The adapted forms of the cell, which may itself be one of them: a genotype has exactly one.

    A NAS-Bench-201 cell has none where no arrangement of its operations connects input and output.
    """
    if isinstance(cell, Genotype):
        return [adapted(cell)]
    shapes = [(form, topology.columns(form)) for form in _outcomes(cell, "random-connections")]
    ranked = [
        ((-columns["width"], columns["depth"]), form)
        for form, columns in shapes
        if columns["width"] is not None and columns["depth"] is not None
    ]
    best = min((shape for shape, _ in ranked), default=None)
    return [form for shape, form in ranked if shape == best]


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


def _draws(cell: Cell, kind: Kind, rng: random.Random) -> Iterator[Cell]:
    """Draws without end."""
    if isinstance(cell, NasBench201Cell):
        outcomes = _outcomes(cell, kind)
        while True:
            yield rng.choice(outcomes)
    draw = random_connections if kind == "random-connections" else random_operations
    while True:
        yield draw(cell, rng)


def _shuffled(cell: Cell, kind: Kind, rng: random.Random) -> Iterator[Cell]:
    """Every outcome of a draw in random order, a form as often as there are ways to draw it.

    First appearances are then in the same order, in distribution, as in draws without end.
    """
    if kind == "adapted":
        forms = adapted_forms(cell)
        rng.shuffle(forms)
        yield from forms
    elif isinstance(cell, NasBench201Cell):
        outcomes = _outcomes(cell, kind)
        rng.shuffle(outcomes)
        yield from outcomes
    else:
        nodes = list(product(*_choices(cell, kind)))
        rng.shuffle(nodes)
        n_normal = len(cell.normal) // 2
        for chosen in nodes:
            normal = tuple(chain.from_iterable(chosen[:n_normal]))
            reduce = tuple(chain.from_iterable(chosen[n_normal:]))
            yield Genotype(normal, cell.normal_concat, reduce, cell.reduce_concat)


def _outcomes(cell: NasBench201Cell, kind: Kind) -> list[NasBench201Cell]:
    """Every cell that a draw may give, the cell itself among them, each once."""
    if kind == "random-operations":
        choices = (_COMPUTING if op != NONE else (NONE,) for op in cell.operations)
        return [NasBench201Cell(operations) for operations in product(*choices)]
    # Sorted, since the order of a set of texts changes from one process to the next.
    arrangements = sorted(set(permutations(cell.operations)))
    return [NasBench201Cell(operations) for operations in arrangements]


def _choices(genotype: Genotype, kind: Kind) -> list[list[tuple[Pair, Pair]]]:
    """By intermediate node, the normal cell's first: every equally likely draw of its two pairs."""
    choices = []
    for part in PARTS:
        pairs, _ = genotype.cell(part)
        for i in range(0, len(pairs), 2):
            (first, a), (second, b) = pairs[i : i + 2]
            if kind == "random-connections":
                sources = product(range(2 + i // 2), repeat=2)
                choices.append([((first, s), (second, t)) for s, t in sources])
            else:
                operations = product(SEARCHED_OPERATIONS, repeat=2)
                choices.append([((p, a), (q, b)) for p, q in operations])
    return choices
