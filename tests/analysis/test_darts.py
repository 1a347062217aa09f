import ast
import hashlib
import json
import math
import random
import re
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import CellError
from analysis.spaces import darts
from analysis.spaces.darts import (
    NAMED,
    Genotype,
    Pairs,
    adapted,
    drawn_shapes,
    parse,
    wiring_table,
    wirings,
)
from tests.analysis.strategies import blanks, genotypes

DARTS_V2 = """
DARTS_V2 = Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),
 ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0),
 ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),
 ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),
 ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])
"""
SMALL = "Genotype(normal={}, normal_concat={}, reduce=[('none',0),('none',1)], reduce_concat=[2])"
TWO = "[('none', 0), ('none', 1)]"


def _genotype(pairs: Pairs, concat: tuple[int, ...]) -> Genotype:
    return Genotype(pairs, concat, pairs, concat)


def test_the_fields_notation_is_read() -> None:
    genotype = parse(DARTS_V2)
    assert genotype == NAMED["DARTS-V2"]
    assert genotype.name == "DARTS-V2"
    assert genotype.space == "darts"
    assert re.fullmatch(r"darts-[0-9a-f]{12}", genotype.id)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("DARTS_V2 =", ""),
        lambda text: text.replace("DARTS_V2 =", "").strip() + " DARTS_V2",
        lambda text: text.replace("[2, 3, 4, 5]", "range(2, 6)"),
        lambda text: text.replace("[2, 3, 4, 5]", "( 2,3,4, 5, )"),
        lambda text: text.replace("[2, 3, 4, 5]", "[5, 2, 4, 3]"),
        lambda text: text.replace("'", '"'),
        lambda text: text.replace("\n", "\r\n\t"),
        lambda text: text.replace(", 4, 5])", ", 4, 5], name='DARTS_V2',)"),
        lambda text: text.replace("('sep_conv_3x3', 1), ('skip_connect', 0)", "['skip_connect', 0],"
                                  "['sep_conv_3x3', 1, ]"),
    ],
)  # fmt: skip
def test_ways_of_writing_one_genotype_are_read_alike(edit) -> None:  # type: ignore[no-untyped-def]
    text = edit(DARTS_V2)
    assert text != DARTS_V2
    assert parse(text) == NAMED["DARTS-V2"]


@pytest.mark.parametrize("alias", ["conv7x1_1x7", "conv_7x1_1x7"])
def test_both_spellings_of_the_factorised_convolution(alias: str) -> None:
    genotype = parse(SMALL.format(f"[('{alias}', 0), ('none', 1)]", "[2]"))
    assert genotype.normal[0] == ("conv_7x1_1x7", 0)


def test_ids_do_not_change_between_releases() -> None:
    ids = {
        "NASNet-A": "darts-0829a8ae2d7f",
        "AmoebaNet-A": "darts-fd4e6daf23ef",
        "ENAS": "darts-d8e46962e801",
        "DARTS-V2": "darts-74c3ae1b2128",
        "SNAS-mild": "darts-c3e2bbc2f2e0",
        "NASNet-A-adapted": "darts-cd7d5b363f95",
        "AmoebaNet-A-adapted": "darts-0a9875c23f6a",
        "ENAS-adapted": "darts-ebc2418d11c6",
        "DARTS-V2-adapted": "darts-31ab09ac3e7d",
        "SNAS-mild-adapted": "darts-3910a7b0e2af",
        "PNASNet-5": "darts-afeb96a30c37",
        "DARTS-V1": "darts-d7e6378cb447",
        "NSGANet": "darts-8a422c0b51bd",
        "SNAS-moderate": "darts-b25bd0533d90",
        "P-DARTS": "darts-138383b1a04f",
        "MdeNAS": "darts-da27ee2d22ff",
        "XNAS": "darts-9960dc2b30b1",
        "PC-DARTS-CIFAR": "darts-d478dca8e7c4",
        "PC-DARTS-ImageNet": "darts-9f6e8c77e6d9",
        "GDAS": "darts-f3c04995f4d9",
        "SETN": "darts-9a95e1a46273",
        "SGAS-1": "darts-7af69c66ae9a",
        "SGAS-2": "darts-7c0c8540e907",
        "NoisyDARTS": "darts-07aaa716796a",
        "DrNAS-CIFAR": "darts-a8676df53d8a",
        "DrNAS-ImageNet": "darts-7dff16cf09f7",
    }
    assert {name: NAMED[name].id for name in ids} == ids
    every = "\n".join(f"{name} {cell.id}" for name, cell in sorted(NAMED.items()))
    assert hashlib.sha256(every.encode()).hexdigest() == (
        "6693f4fb1796646b69de13ec8099fb5431d803e9e2ac870d255923cedd289265"
    )


def _as_dict(genotype: Genotype) -> dict[str, object]:
    return {
        "normal": genotype.normal,
        "normal_concat": genotype.normal_concat,
        "reduce": genotype.reduce,
        "reduce_concat": genotype.reduce_concat,
    }


@given(genotypes, st.randoms(use_true_random=False), st.sampled_from(["", " ", "\n", "\t  "]))
def test_round_trip_in_any_order_and_with_any_blanks(
    genotype: Genotype, rng: random.Random, blank: str
) -> None:
    def shuffled(pairs: Pairs) -> list[tuple[str, int]]:
        nodes = [list(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
        return [pair for node in nodes for pair in rng.sample(node, 2)]

    fields = [
        ("normal", shuffled(genotype.normal)),
        ("normal_concat", rng.sample(genotype.normal_concat, len(genotype.normal_concat))),
        ("reduce", shuffled(genotype.reduce)),
        ("reduce_concat", rng.sample(genotype.reduce_concat, len(genotype.reduce_concat))),
    ]
    rng.shuffle(fields)
    text = f"Genotype({', '.join(f'{key}={value}' for key, value in fields)})"
    assert parse(blanks(text, "()[],=", [blank])) == genotype
    assert parse(json.dumps(dict(fields), indent=rng.choice([None, 2]))) == genotype
    assert parse(genotype.arch) == genotype


@given(genotypes)
def test_canonical_text_is_a_python_call_with_these_values(genotype: Genotype) -> None:
    call = ast.parse(genotype.arch, mode="eval").body
    assert isinstance(call, ast.Call)
    values = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert values == {key: list(value) for key, value in _as_dict(genotype).items()}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "at", "allowed"),
    [
        (SMALL.format("[('conv', 0), ('none', 1)]", "[2]"), "'conv'", "sep_conv_3x3"),
        (SMALL.format("[('none', 0), ('none', 2)]", "[2]"), "2)", "0..1"),
        (SMALL.format("[('none', 0)]", "[2]"), "[(", "two for each of 1..12 nodes"),
        (SMALL.format("[]", "[2]"), "[]", "two for each of 1..12 nodes"),
        (SMALL.format([("none", 0)] * 26, "[2]"), "[(", "two for each of 1..12 nodes"),
        (SMALL.format(TWO, "[3]"), "3]", "2..2, each at most once"),
        (SMALL.format(TWO, "[2, 1]"), "1],", "2..2, each at most once"),
        (SMALL.format(TWO, "[2,  2]"), " 2]", "2..2, each at most once"),
        (SMALL.format(TWO, "[]"), "[],", "2..2, each at most once"),
        (SMALL.format(TWO, "range(2, 2)"), "range", "2..2, each at most once"),
        (SMALL.format(TWO, "range(2, 4)"), "range", "2..2, each at most once"),
        (SMALL.format(TWO, "range(2, 10000000000)"), "10000000000", "0..99"),
        (SMALL.format(TWO, "[-1]"), "-", None),
        (SMALL.format(TWO, "[2.0]"), ".", None),
        (SMALL.format(TWO, "[True]"), "True", "a number"),
        (SMALL.format("[(0, 'none')]", "[2]"), "0,", "a name in quotes"),
        (SMALL.format("[['none', 0, 1]]", "[2]"), "1]", "]"),
        (SMALL.format("['none', 0]", "[2]"), "'none'", "("),
        ("Genotype(normal=[], normal=[])", "normal=[])", "reduce"),
        ("Genotype(normal=[])", ")", "normal_concat"),
        ("Genotype(foo=[])", "foo", "normal"),
        ("Genotype(__import__('os'))", "__import__", "normal"),
        ("{'normal': []}", "}", "reduce"),
        ("{'normal': [], 'foo': 1}", "'foo'", "reduce"),
        ("Genotype", "", "("),
        ("", "", "Genotype"),
        ("Genotype(normal='\x00')", "'\x00", "("),
        ("Genotype(normal=[('none", "'none", None),
        (DARTS_V2 + ";", ";", None),
        (DARTS_V2 + "+ 1", "+", None),
    ],
)
def test_a_fault_is_told_with_its_position_and_what_is_allowed(
    text: str, at: str, allowed: str | None
) -> None:
    with pytest.raises(CellError) as caught:
        parse(text)
    position = caught.value.position
    assert position is not None
    found = text[position:]
    assert found.startswith(at.strip()) if at else not found
    if allowed is not None:
        assert allowed in caught.value.allowed


def test_a_text_too_long_is_refused_unread() -> None:
    with pytest.raises(CellError, match="20,000 characters") as caught:
        parse("(" * 20_001)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["(" * 19_000, "Genotype(normal=" + "[" * 19_000, "-" * 19_000])
def test_nesting_cannot_exhaust_the_stack(text: str) -> None:
    with pytest.raises(CellError):
        parse(text)


@pytest.mark.parametrize(
    ("pairs", "concat", "message"),
    [
        ((), (2,), "0 pairs"),
        ((("none", 0),), (2,), "1 pairs"),
        ((("none", 0),) * 26, (2,), "26 pairs"),
        ((("none", 0), ("none", 2)), (2,), "2 is no node before node 2"),
        ((("none", 0), ("none", -1)), (2,), "-1 is no node"),
        ((("nor_conv_3x3", 0), ("none", 0)), (2,), "not an operation"),
        ((("none", 0), ("none", 0)), (), "empty"),
        ((("none", 0), ("none", 0)), (3,), "no intermediate node"),
        ((("none", 0), ("none", 0)), (2, 2), "named twice"),
    ],
)
def test_a_genotype_cannot_be_made_of_anything_else(
    pairs: Pairs, concat: tuple[int, ...], message: str
) -> None:
    with pytest.raises(CellError, match=message):
        _genotype(pairs, concat)


def test_twelve_nodes_are_the_most() -> None:
    pairs = tuple(("skip_connect", i // 2 + 1) for i in range(24))
    assert _genotype(pairs, (13,)).dag("normal").output == 14


def test_named_cells_are_distinct_and_know_their_name() -> None:
    assert {genotype.name for genotype in NAMED.values()} == set(NAMED)
    assert len({genotype.id for genotype in NAMED.values()}) == len(NAMED)
    assert {darts.name_of(genotype.id) for genotype in NAMED.values()} == set(NAMED)
    unnamed = _genotype((("none", 0), ("none", 0)), (2,))
    assert unnamed.name is None
    assert darts.name_of(unnamed.id) is None


@given(genotypes)
def test_adapted_cells_read_both_inputs_and_keep_the_rest(genotype: Genotype) -> None:
    variant = adapted(genotype)
    for part in darts.PARTS:
        before, concat = genotype.cell(part)
        after, kept_concat = variant.cell(part)
        assert [source for _, source in after] == [0, 1] * (len(before) // 2)
        assert kept_concat == concat
        for i in range(0, len(before), 2):
            pairs, rewired = before[i : i + 2], after[i : i + 2]
            assert [op for op, _ in pairs] == [op for op, _ in rewired]
    assert adapted(variant) == variant


@pytest.mark.parametrize(
    ("n_nodes", "count", "width", "depth", "pearson"),
    [(4, 180, (1.5, 4), (2, 5), -0.65), (5, 2700, (1.5, 5), (2, 6), -0.59)],
)
def test_wirings_have_the_known_ranges_and_correlation(
    n_nodes: int, count: int, width: tuple[float, float], depth: tuple[int, int], pearson: float
) -> None:
    widths, depths = wiring_table(n_nodes)
    assert len(set(wirings(n_nodes))) == len(widths) == len(depths) == count
    assert (widths.min(), widths.max()) == width
    assert (depths.min(), depths.max()) == depth
    assert round(float(np.corrcoef(widths, depths)[0, 1]), 2) == pearson


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 4])
def test_wiring_table_agrees_with_a_walk_along_every_path(n_nodes: int) -> None:
    def longest(sources: dict[int, tuple[int, int]], node: int) -> int:
        return 1 + max(longest(sources, s) if s >= 2 else 0 for s in sources[node])

    for wiring, width, depth in zip(wirings(n_nodes), *wiring_table(n_nodes), strict=True):
        sources = {2 + i: pair for i, pair in enumerate(wiring)}
        share = sum(Fraction(sum(s < 2 for s in pair), 2) for pair in wiring)
        assert width == share
        assert depth == 1 + max(longest(sources, node) for node in sources)


def test_the_named_cells_are_among_the_widest_and_shallowest() -> None:
    four_width, four_depth = wiring_table(4)
    five_width, five_depth = wiring_table(5)
    assert (four_width.max(), four_depth.min()) == (4, 2)  # SNAS-mild is 4 wide and 2 deep
    assert (five_width.max(), five_depth.min()) == (5, 2)  # NASNet-A and ENAS are 5 wide and 2 deep
    assert np.unique(four_width)[-2] == 3.5  # DARTS-V2 is 3.5 wide
    assert np.unique(four_depth)[1] == 3  # and 3 deep
    assert np.unique(five_width)[-3] == 4  # AmoebaNet-A is 4 wide
    assert np.median(five_depth) == 4  # and 4 deep


def test_the_wiring_table_is_shared_and_cannot_be_written() -> None:
    widths, depths = wiring_table(3)
    for array in (widths, depths):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("n_nodes", [1, 2, 3, 4])
def test_shapes_of_the_paper_s_sampler_agree_with_every_one_of_its_draws(n_nodes: int) -> None:
    counted: Counter[tuple[float, int]] = Counter()
    for sources in product(*(range(2 + i // 2) for i in range(2 * n_nodes))):
        far = [0, 0]
        for a, b in zip(sources[::2], sources[1::2], strict=True):
            far.append(1 + max(far[a], far[b]))
        counted[sum(source < 2 for source in sources) / 2, max(far) + 1] += 1
    found = [tuple(one) for one in zip(*map(list, drawn_shapes(n_nodes)), strict=True)]
    assert found == [(*shape, n) for shape, n in sorted(counted.items())]


@pytest.mark.parametrize(
    ("n_nodes", "ways"), [(4, 14_400), (5, 518_400), (6, math.factorial(7) ** 2)]
)
def test_the_paper_s_sampler_has_so_many_ways(n_nodes: int, ways: int) -> None:
    widths, depths, counts = drawn_shapes(n_nodes)
    assert counts.sum() == ways
    # Each of node v's two sources is an input with probability 2/v.
    assert (widths * counts).sum() / ways == pytest.approx(
        sum(2 / v for v in range(2, n_nodes + 2))
    )
    # Nodes that read inputs alone have 2² ways each; of a chain, v² − (v − 1)² from the third on.
    assert counts[depths == 2].sum() == 4**n_nodes
    deepest = 4 * math.prod(2 * v - 1 for v in range(3, n_nodes + 2))
    assert counts[depths == n_nodes + 1].sum() == deepest


def test_the_shapes_of_the_paper_s_sampler_cannot_be_written() -> None:
    for array in drawn_shapes(3):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("n_nodes", [-1, 0, 7, 100])
def test_more_nodes_than_can_be_enumerated_are_refused(n_nodes: int) -> None:
    for function in (wirings, wiring_table, drawn_shapes):
        with pytest.raises(ValueError, match=r"allowed are 1\.\.6"):
            function(n_nodes)


def test_six_nodes_are_enumerated() -> None:
    assert len(wiring_table(6)[0]) == 56_700
