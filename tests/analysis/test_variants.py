import math
import random
from collections import Counter
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cells import Cell
from analysis.spaces import darts, nasbench201
from analysis.spaces.darts import NAMED, Genotype, Pairs, adapted
from analysis.spaces.nasbench201 import EDGES, NasBench201Cell, from_index
from analysis.spaces.paper import SEARCHED_OPERATIONS
from analysis.spaces.variants import (
    KINDS,
    MOST,
    RANDOM,
    Kind,
    adapted_forms,
    how_many,
    random_connections,
    random_operations,
    variants,
)
from tests.analysis.strategies import cells, genotypes, nasbench201_cells

kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 2**62)

operations = st.sampled_from(darts.OPERATIONS)


@st.composite
def _small(draw: st.DrawFn) -> Genotype:
    """At most three nodes in all, so that all variants can be listed."""
    parts = []
    for n_nodes in draw(st.sampled_from([(1, 1), (1, 2), (2, 1)])):
        sources = [draw(st.integers(0, 1 + i // 2)) for i in range(2 * n_nodes)]
        parts.append(tuple((draw(operations), source) for source in sources))
    return Genotype(parts[0], (2,), parts[1], (2,))


small_genotypes = _small()


def _both(pairs: Pairs) -> Genotype:
    return Genotype(pairs, (2,), pairs, (2,))


def _rewired(genotype: Genotype) -> set[Cell]:
    """Every genotype with these operations, by going through all sources of all pairs."""
    pairs = genotype.normal + genotype.reduce
    n_normal = len(genotype.normal)
    places = [i if i < n_normal else i - n_normal for i in range(len(pairs))]
    found: set[Cell] = set()
    for sources in product(*(range(2 + place // 2) for place in places)):
        chosen = tuple((op, source) for (op, _), source in zip(pairs, sources, strict=True))
        found.add(
            Genotype(
                chosen[:n_normal], genotype.normal_concat, chosen[n_normal:], genotype.reduce_concat
            )
        )
    return found


def _shape(cell: NasBench201Cell) -> tuple[int, int] | None:
    """Width and depth, read off the four paths there are."""
    present = {edge for edge, op in zip(EDGES, cell.operations, strict=True) if op != "none"}
    paths = [((0, 3),), ((0, 1), (1, 3)), ((0, 2), (2, 3)), ((0, 1), (1, 2), (2, 3))]
    live = [path for path in paths if present.issuperset(path)]
    if not live:
        return None
    return len({path[0] for path in live}), max(map(len, live))


@given(genotypes, st.integers(0, 2**32))
def test_random_connections_keep_operations_and_concat(genotype: Genotype, seed: int) -> None:
    variant = random_connections(genotype, random.Random(seed))
    assert variant == random_connections(genotype, random.Random(seed))
    for part in darts.PARTS:
        before, concat = genotype.cell(part)
        after, kept_concat = variant.cell(part)
        assert kept_concat == concat
        for i in range(0, len(before), 2):
            operations = [sorted(op for op, _ in pairs[i : i + 2]) for pairs in (before, after)]
            assert operations[0] == operations[1]


@given(genotypes, st.integers(0, 2**32))
def test_random_operations_keep_the_wiring(genotype: Genotype, seed: int) -> None:
    variant = random_operations(genotype, random.Random(seed))
    assert variant == random_operations(genotype, random.Random(seed))
    for part in darts.PARTS:
        before, concat = genotype.cell(part)
        after, kept_concat = variant.cell(part)
        assert kept_concat == concat
        assert [source for _, source in after] == [source for _, source in before]
        assert {op for op, _ in after} <= set(SEARCHED_OPERATIONS)


def test_random_draws_are_uniform() -> None:
    # Of four nodes node 5 chooses among 5 sources; 2,000 draws of its 2 pairs give 800 of each,
    # with a standard deviation of 25.
    rng = random.Random(0)
    original = NAMED["DARTS-V2"]
    wired = [random_connections(original, rng) for _ in range(2000)]
    sources = [source for genotype in wired for _, source in genotype.normal[6:]]
    assert all(abs(count - 800) < 125 for count in np.bincount(sources, minlength=5))
    operated = [random_operations(original, rng) for _ in range(1000)]
    drawn = [operation for genotype in operated for operation, _ in genotype.reduce]
    counts = [drawn.count(operation) for operation in SEARCHED_OPERATIONS]
    assert sum(counts) == 8000
    assert all(abs(count - 8000 / 7) < 160 for count in counts)


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        # By node: equal operations on k sources give k(k+1)/2 pairs, different ones k².
        ("DARTS-V2", "random-connections", (3 * 6 * 16 * 25) * (3 * 9 * 16 * 25) - 1),
        ("SNAS-mild", "random-connections", (3 * 9 * 10 * 25) * (3 * 9 * 16 * 25) - 1),
        # Two different sources take 7² pairs of operations, twice the same one 7·8/2.
        ("DARTS-V2", "random-operations", 49**8 - 1),
        ("ENAS", "random-operations", (28 * 49**4) * (49 * 28**2 * 49**2) - 1),
        # The cell has operations that are not searched, so that it is none of these itself.
        ("AmoebaNet-A", "random-operations", 49**9 * 28),
        ("AmoebaNet-A-adapted", "random-operations", 49**10),
        ("AmoebaNet-A", "adapted", 1),
        ("AmoebaNet-A-adapted", "adapted", 0),
    ],
)
def test_variants_of_the_published_cells_are_counted(name: str, kind: Kind, count: int) -> None:
    assert how_many(NAMED[name], kind) == count


@settings(max_examples=30)
@given(small_genotypes, seeds)
def test_all_connections_are_found(genotype: Genotype, seed: int) -> None:
    found = variants(genotype, "random-connections", None, seed)
    assert len(found) == how_many(genotype, "random-connections")
    assert len(set(found)) == len(found)
    assert set(found) == _rewired(genotype) - {genotype}
    more = variants(genotype, "random-connections", len(found) + 1, seed)
    assert more == found, "more than there are"


@pytest.mark.parametrize("other", ["skip_connect", "none", "sep_conv_7x7"])
@pytest.mark.parametrize("source", [0, 1])
def test_all_operations_are_found(other: str, source: int) -> None:
    genotype = _both(((other, source), ("sep_conv_3x3", 1)))
    found = variants(genotype, "random-operations", None, 0)
    pairs = list(product(SEARCHED_OPERATIONS, repeat=2))
    nodes = [((one, source), (two, 1)) for one, two in pairs]
    wanted = {Genotype(normal, (2,), reduce, (2,)) for normal, reduce in product(nodes, repeat=2)}
    assert set(found) == wanted - {genotype}
    assert len(found) == how_many(genotype, "random-operations") == len(wanted - {genotype})
    assert len(wanted) == (49**2 if source == 0 else 28**2)


@given(nasbench201_cells, seeds)
def test_all_arrangements_of_a_nasbench201_cell(cell: NasBench201Cell, seed: int) -> None:
    found = variants(cell, "random-connections", None, seed)
    wanted = {NasBench201Cell(order) for order in permutations(cell.operations)}
    assert set(found) == wanted - {cell}
    repeats = math.prod(math.factorial(n) for n in Counter(cell.operations).values())
    assert len(found) == how_many(cell, "random-connections") == 720 // repeats - 1


@settings(max_examples=20)
@given(nasbench201_cells, seeds)
def test_all_operations_of_a_nasbench201_cell(cell: NasBench201Cell, seed: int) -> None:
    found = variants(cell, "random-operations", None, seed)
    empty = [operation == "none" for operation in cell.operations]
    for variant in found:
        assert isinstance(variant, NasBench201Cell)
        assert [operation == "none" for operation in variant.operations] == empty
    assert len({*found, cell}) == len(found) + 1 == 4 ** empty.count(False)
    assert how_many(cell, "random-operations") == len(found)


@given(nasbench201_cells, seeds)
def test_adapted_nasbench201_cells_are_the_widest_then_shallowest(
    cell: NasBench201Cell, seed: int
) -> None:
    shapes = {
        (-shape[0], shape[1]): shape
        for order in set(permutations(cell.operations))
        if (shape := _shape(NasBench201Cell(order))) is not None
    }
    forms = adapted_forms(cell)
    wanted = {
        NasBench201Cell(order)
        for order in permutations(cell.operations)
        if shapes and _shape(NasBench201Cell(order)) == shapes[min(shapes)]
    }
    assert set(forms) == wanted
    assert len(forms) == len(wanted)
    found = variants(cell, "adapted", None, seed)
    assert set(found) == wanted - {cell}
    assert how_many(cell, "adapted") == len(found)


@pytest.mark.parametrize(
    ("edges", "where"),
    [
        (5, {(1, 2)}),  # all inputs are read, and no path has three edges
        (1, set(EDGES) - {(0, 3)}),  # the only way is the direct one
    ],
)
def test_where_an_adapted_nasbench201_cell_has_no_operation(
    edges: int, where: set[tuple[int, int]]
) -> None:
    cell = NasBench201Cell(("nor_conv_3x3",) * edges + ("none",) * (6 - edges))
    (form,) = adapted_forms(cell)
    assert isinstance(form, NasBench201Cell)
    empty = {edge for edge, op in zip(EDGES, form.operations, strict=True) if op == "none"}
    assert empty == where
    assert variants(form, "adapted", None, 0) == []


def test_a_cell_without_operations_has_no_variant() -> None:
    cell = NasBench201Cell(("none",) * 6)
    assert adapted_forms(cell) == []
    for kind in KINDS:
        assert how_many(cell, kind) == 0
        assert variants(cell, kind, 10, 0) == []


@given(genotypes, seeds)
def test_the_adapted_genotype_is_one(genotype: Genotype, seed: int) -> None:
    form = adapted(genotype)
    assert adapted_forms(genotype) == [form]
    assert variants(genotype, "adapted", 10, seed) == ([] if form == genotype else [form])
    assert variants(form, "adapted", 10, seed, duplicates=True) == []


@settings(max_examples=50)
@given(cells, kinds, seeds, st.integers(0, 12), st.integers(0, 12), st.booleans())
def test_a_larger_count_begins_with_a_smaller_one(
    cell: Cell, kind: Kind, seed: int, fewer: int, more: int, duplicates: bool
) -> None:
    found = variants(cell, kind, fewer + more, seed, duplicates=duplicates)
    assert variants(cell, kind, fewer, seed, duplicates=duplicates) == found[:fewer]
    if duplicates and kind != "adapted":
        assert len(found) == fewer + more
    else:
        assert len(found) == min(fewer + more, how_many(cell, kind))
        assert len({*found, cell}) == len(found) + 1


@pytest.mark.parametrize("kind", RANDOM)
def test_different_ones_are_the_draws_without_what_came_before(kind: Kind) -> None:
    # Few enough forms that many of the draws repeat: 48,599 and 614,655.
    short = (("sep_conv_3x3", 0), ("sep_conv_3x3", 0))
    long = short * 4 if kind == "random-connections" else short * 2
    cell = Genotype(short * 2, (2,), long, (2,))
    draws = variants(cell, kind, 4000, 5, duplicates=True)
    different = [draw for draw in dict.fromkeys(draws) if draw != cell]
    assert len(different) < len(draws)
    assert variants(cell, kind, len(different), 5) == different


def test_draws_are_those_of_the_paper_s_variants() -> None:
    rng = random.Random(3)
    cell = NAMED["DARTS-V2"]
    assert variants(cell, "random-connections", 5, 3) == [
        random_connections(cell, rng) for _ in range(5)
    ]
    rng = random.Random(3)
    assert variants(cell, "random-operations", 5, 3) == [
        random_operations(cell, rng) for _ in range(5)
    ]


def test_listed_forms_come_as_often_as_they_would_be_drawn() -> None:
    # Of 16 draws of sources 4 give the cell itself; of the other 12, each reading of twice one
    # input in both parts is 1, in one part 2.
    cell = _both((("skip_connect", 0), ("skip_connect", 1)))
    first = Counter(variants(cell, "random-connections", 1, seed)[0] for seed in range(2400))
    assert len(first) == 8
    for variant, n in first.items():
        assert isinstance(variant, Genotype)
        twice = sum({s for _, s in variant.cell(part)[0]} != {0, 1} for part in darts.PARTS)
        assert abs(n - 2400 * 2 ** (2 - twice) / 12) < 90  # five standard deviations


def test_draws_with_duplicates_hold_all_there_is() -> None:
    cell = _both((("skip_connect", 0), ("skip_connect", 1)))
    draws = variants(cell, "random-connections", 400, 0, duplicates=True)
    assert len(draws) == 400
    assert set(draws) == _rewired(cell)
    one = NasBench201Cell(("skip_connect", *["none"] * 5))
    draws = variants(one, "random-operations", 100, 0, duplicates=True)
    assert {draw.arch.split("~")[0] for draw in draws} == {
        f"|{operation}" for operation in nasbench201.OPERATIONS if operation != "none"
    }


def test_draws_do_not_change_between_releases() -> None:
    found = {kind: [c.id for c in variants(from_index(284), kind, 3, 7)] for kind in KINDS}
    assert found == {
        "random-connections": ["nb201-010341", "nb201-010503", "nb201-005637"],
        "random-operations": ["nb201-011952", "nb201-011990", "nb201-006916"],
        "adapted": ["nb201-004227", "nb201-010341", "nb201-000045"],
    }


@pytest.mark.parametrize("count", [None, MOST + 1])
def test_too_many_at_once_are_refused_with_their_number(count: int | None) -> None:
    with pytest.raises(ValueError, match="of 77,759,999 variants; allowed: at most 5,000"):
        variants(NAMED["DARTS-V2"], "random-connections", count, 0)


@pytest.mark.parametrize("duplicates", [False, True])
def test_a_negative_count_is_refused(duplicates: bool) -> None:
    with pytest.raises(ValueError, match="-1 variants; allowed: 0 and more"):
        variants(from_index(0), "random-operations", -1, 0, duplicates=duplicates)


def test_draws_with_duplicates_need_a_count() -> None:
    with pytest.raises(ValueError, match="no end: say how many"):
        variants(from_index(0), "random-operations", None, 0, duplicates=True)
