from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings

from analysis.cells import Cell, parse_cell
from analysis.dag import Dag, Edge, live_edges, path_sums, prune
from analysis.spaces import nasbench201
from analysis.spaces.darts import NAMED, Genotype
from analysis.spaces.nasbench201 import NasBench201Cell, all_cells
from analysis.topology import COLUMNS, CellEdge, columns, edges, graphs
from tests.analysis.strategies import cells, genotypes, nasbench201_cells

Path = tuple[int, ...]
LIVE = ("live_conv3x3", "live_conv1x1", "live_skip", "live_pool")
COUNTS = ("n_edges", "n_conv3x3", "n_conv1x1", "n_skip", "n_pool", "n_none", *LIVE, "n_dead")


# The oracle: list every path as numbers of edges, and read everything off the list.


def _paths(cell: list[CellEdge], inputs: set[int], output: int) -> list[Path]:
    def walk(node: int) -> Iterator[Path]:
        if node == output:
            yield ()
        for number, edge in enumerate(cell):
            if edge.source == node and edge.operation != "none":
                for rest in walk(edge.target):
                    yield (number, *rest)

    return [path for node in inputs for path in walk(node)]


def _expected_paths(cell: list[CellEdge], paths: list[Path]) -> dict[str, object]:
    lengths = [len(path) for path in paths]
    convolutions = [sum("conv" in cell[number].operation for number in path) for path in paths]
    effective_depth = Fraction(sum(convolutions), len(paths))
    n_convolved = sum(count > 0 for count in convolutions)
    return {
        "depth": max(lengths),
        "nominal_depth": max(lengths),
        "min_path": min(lengths),
        "mean_path": float(Fraction(sum(lengths), len(lengths))),
        "n_paths": len(paths),
        "conv_depth": max(convolutions),
        "effective_depth": float(effective_depth),
        "effective_width": float(n_convolved / effective_depth) if effective_depth else None,
    }


def _share(cell: list[CellEdge], numbers: set[int], node: int, inputs: set[int]) -> Fraction:
    sources = [cell[number].source for number in numbers if cell[number].target == node]
    return Fraction(sum(source in inputs for source in sources), max(1, len(sources)))


def _written(cell: list[CellEdge]) -> set[int]:
    return {number for number, edge in enumerate(cell) if edge.operation != "none"}


def _expected_genotype(cell: list[CellEdge], output: int) -> dict[str, object]:
    inputs = {0, 1}
    paths = _paths(cell, inputs, output)
    live = {number for path in paths for number in path}
    expected: dict[str, object] = {
        "n_edges": sum(cell[number].operation != "concat" for number in live)
    }
    if paths:
        nodes = range(2, output)
        width = float(sum(_share(cell, live, node, inputs) for node in nodes))
        nominal = float(sum(_share(cell, _written(cell), node, inputs) for node in nodes))
        expected |= {"width": width, "node_width": width, "nominal_width": nominal}
        expected |= _expected_paths(cell, paths)
    return expected


def _expected_nasbench201(cell: NasBench201Cell) -> dict[str, object]:
    written = edges(cell)
    paths = _paths(written, {0}, 3)
    live = {number for path in paths for number in path}
    operations = Counter(cell.operations)
    working = Counter(cell.operations[number] for number in live)
    expected: dict[str, object] = dict.fromkeys(COLUMNS) | {
        "n_edges": len(live),
        "live_conv3x3": working["nor_conv_3x3"],
        "live_conv1x1": working["nor_conv_1x1"],
        "live_skip": working["skip_connect"],
        "live_pool": working["avg_pool_3x3"],
        "n_dead": len(_written(written) - live),
        "n_conv3x3": operations["nor_conv_3x3"],
        "n_conv1x1": operations["nor_conv_1x1"],
        "n_skip": operations["skip_connect"],
        "n_pool": operations["avg_pool_3x3"],
        "n_none": operations["none"],
    }
    if paths:
        one, two, three = (_share(written, live, node, {0}) for node in (1, 2, 3))
        expected |= _expected_paths(written, paths) | {
            "width": sum(written[number].source == 0 for number in live),
            "nominal_width": sum(written[number].source == 0 for number in _written(written)),
            "node_width": float(one + two),
            "node_width_with_output": float(one + two + three),
        }
    return expected


def test_columns_of_the_whole_benchmark_agree_with_listing_every_path() -> None:
    for cell in all_cells():
        assert columns(cell) == _expected_nasbench201(cell)


@given(nasbench201_cells)
def test_live_edges_of_the_benchmark_are_those_on_a_path(cell: NasBench201Cell) -> None:
    written = edges(cell)
    live = {number for path in _paths(written, {0}, 3) for number in path}
    assert [edge.live for edge in written] == [number in live for number in range(6)]


@given(genotypes)
@settings(max_examples=300)
def test_genotype_columns_agree_with_listing_every_path(genotype: Genotype) -> None:
    normal = [edge for edge in edges(genotype) if edge.part == "normal"]
    reduce = [edge for edge in edges(genotype) if edge.part == "reduce"]
    operations = [operation for operation, _ in genotype.normal]
    paths = _paths(normal, {0, 1}, len(genotype.normal) // 2 + 2)
    live = {number for path in paths for number in path}
    working = [normal[number].operation for number in live if number < len(operations)]
    of_reduce = _expected_genotype(reduce, len(genotype.reduce) // 2 + 2)
    expected = (
        dict.fromkeys(COLUMNS)
        | _expected_genotype(normal, len(genotype.normal) // 2 + 2)
        | {
            f"reduce_{key}": of_reduce.get(key)
            for key in ("width", "depth", "nominal_width", "nominal_depth")
        }
        | {
            "n_skip": operations.count("skip_connect"),
            "n_pool": operations.count("avg_pool_3x3") + operations.count("max_pool_3x3"),
            "n_none": operations.count("none"),
            "live_skip": working.count("skip_connect"),
            "live_pool": working.count("avg_pool_3x3") + working.count("max_pool_3x3"),
            "n_dead": len(operations) - operations.count("none") - len(working),
        }
    )
    assert columns(genotype) == expected


@given(genotypes)
def test_live_edges_of_a_genotype_are_those_on_a_path(genotype: Genotype) -> None:
    for part, dag in graphs(genotype).items():
        written = [edge for edge in edges(genotype) if edge.part == part]
        live = {number for path in _paths(written, {0, 1}, dag.output) for number in path}
        assert [edge.live for edge in written] == [n in live for n in range(len(written))]


@given(cells)
def test_columns_have_the_same_keys_in_both_spaces(cell: Cell) -> None:
    assert tuple(columns(cell)) == COLUMNS


@given(cells)
def test_a_disconnected_cell_has_counts_and_nothing_else(cell: Cell) -> None:
    values = columns(cell)
    of_paths = [values[key] for key in COLUMNS if key not in COUNTS and "reduce" not in key]
    if values["n_edges"] == 0:
        written = [edge for edge in edges(cell) if edge.part == "normal"]
        there = sum(edge.operation not in ("none", "concat") for edge in written)
        assert not any(values[key] for key in LIVE)
        assert values["n_dead"] == there
        assert of_paths == [None] * len(of_paths)
        assert not any(edge.live for edge in edges(cell) if edge.part == "normal")
    else:
        assert values["width"] is not None
        assert 0 not in (values["width"], values["depth"], values["n_paths"])


@given(cells)
def test_pruning_once_is_enough_and_changes_no_path(cell: Cell) -> None:
    for dag in graphs(cell).values():
        pruned = prune(dag)
        assert prune(pruned) == pruned
        assert all(live_edges(pruned))


# Whole spaces and published values


def test_width_and_depth_of_the_whole_benchmark() -> None:
    counts = Counter((columns(cell)["width"], columns(cell)["depth"]) for cell in all_cells())
    assert counts == {
        (None, None): 341,
        (1, 1): 1364,
        (1, 2): 928,
        (1, 3): 320,
        (2, 2): 3968,
        (2, 3): 2560,
        (3, 2): 1024,
        (3, 3): 5120,
    }


def test_dead_operations_of_the_whole_benchmark() -> None:
    """Counted outside of this project: 5,840 of the 15,284 connected cells have one or more."""
    values = [columns(cell) for cell in all_cells()]
    connected = [v for v in values if v["width"] is not None]
    assert (len(connected), sum(v["n_dead"] != 0 for v in connected)) == (15_284, 5_840)


def test_other_readings_of_the_whole_benchmark_stay_in_their_ranges() -> None:
    values = [columns(cell) for cell in all_cells()]
    assert {v["node_width"] for v in values} == {None, 0, 1, 1.5, 2}
    assert {v["n_paths"] for v in values} == {None, 1, 2, 3, 4}
    assert {v["conv_depth"] for v in values} == {None, 0, 1, 2, 3}
    assert {v["min_path"] for v in values} == {None, 1, 2, 3}
    assert all(v["depth"] == v["nominal_depth"] for v in values)
    assert all(
        (v["effective_width"] is None) == (v["effective_depth"] in (None, 0)) for v in values
    )


@pytest.mark.parametrize(
    ("name", "width", "depth", "reduce_width", "reduce_depth"),
    [
        ("NASNet-A", 5, 2, 3.5, 3),
        ("AmoebaNet-A", 4, 4, 4, 3),
        ("ENAS", 5, 2, 4, 4),
        ("DARTS-V2", 3.5, 3, 2.5, 3),
        ("SNAS-mild", 4, 2, 2.5, 3),
    ],
)
def test_the_published_labels_of_the_named_cells(
    name: str, width: float, depth: int, reduce_width: float, reduce_depth: int
) -> None:
    values = columns(NAMED[name])
    assert (values["width"], values["depth"]) == (width, depth)
    assert (values["nominal_width"], values["nominal_depth"]) == (width, depth)
    assert (values["reduce_nominal_width"], values["reduce_nominal_depth"]) == (
        reduce_width,
        reduce_depth,
    )


@pytest.mark.parametrize("name", ["NASNet-A", "AmoebaNet-A", "ENAS", "DARTS-V2", "SNAS-mild"])
def test_an_adapted_cell_is_nominally_as_wide_and_shallow_as_can_be(name: str) -> None:
    genotype = NAMED[f"{name}-adapted"]
    values = columns(genotype)
    assert values["nominal_width"] == len(genotype.normal) / 2
    assert values["nominal_depth"] == 2


def test_the_adapted_amoebanet_loses_two_nodes_to_pruning() -> None:
    values = columns(NAMED["AmoebaNet-A-adapted"])
    assert (values["nominal_width"], values["nominal_depth"]) == (5, 2)
    assert (values["width"], values["depth"], values["n_edges"]) == (3, 2, 6)


# Worked by hand


def test_a_cell_worked_by_hand() -> None:
    # Paths: 0→3 (skip), 0→1→3 (conv, pool), 0→1→2→3 (conv, conv, skip); 0→2 is none.
    cell = parse_cell(
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|skip_connect~2|"
    )
    assert columns(cell) == dict.fromkeys(COLUMNS) | {
        "width": 2,
        "depth": 3,
        "node_width": 1,
        "node_width_with_output": pytest.approx(4 / 3),
        "conv_depth": 2,
        "n_paths": 3,
        "mean_path": 2,
        "min_path": 1,
        "effective_depth": 1,
        "effective_width": 2,
        "n_edges": 5,
        "n_conv3x3": 1,
        "n_conv1x1": 1,
        "n_skip": 2,
        "n_pool": 1,
        "n_none": 1,
        "live_conv3x3": 1,
        "live_conv1x1": 1,
        "live_skip": 2,
        "live_pool": 1,
        "n_dead": 0,
        "nominal_width": 2,
        "nominal_depth": 3,
    }


def test_dead_edges_are_told_and_count_in_the_nominal_width_alone() -> None:
    # Nothing leaves node 2, so its two convolutions are dead.
    cell = parse_cell(
        "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
    )
    assert [edge.live for edge in edges(cell)] == [False, False, False, True, False, False]
    values = columns(cell)
    assert (values["width"], values["nominal_width"]) == (1, 2)
    assert (values["depth"], values["n_edges"], values["n_conv3x3"]) == (1, 1, 2)
    assert (values["effective_depth"], values["effective_width"]) == (0, None)
    assert (values["live_conv3x3"], values["live_conv1x1"], values["live_skip"]) == (0, 0, 1)
    assert values["n_dead"] == 3


def test_a_pair_that_names_the_same_source_twice_counts_twice() -> None:
    pairs = (("sep_conv_3x3", 0), ("skip_connect", 0), ("max_pool_3x3", 2), ("dil_conv_3x3", 2))
    values = columns(Genotype(pairs, (3,), pairs, (3,)))
    assert (values["width"], values["depth"], values["n_paths"], values["n_edges"]) == (1, 3, 4, 4)
    assert values["effective_depth"] == 1  # 1 + 2 + 0 + 1 convolutions on four paths
    assert values["effective_width"] == 3


def test_none_edges_are_no_edges_in_a_genotype() -> None:
    # Node 2 sums one live pair on an input: its share is 1 of 1. Node 3 has no live pair.
    pairs = (("sep_conv_3x3", 0), ("none", 1), ("none", 2), ("none", 0))
    values = columns(Genotype(pairs, (2, 3), pairs, (2, 3)))
    assert (values["width"], values["depth"], values["n_edges"], values["n_none"]) == (1, 2, 1, 3)


def test_a_genotype_of_nones_is_disconnected() -> None:
    pairs = (("none", 0), ("none", 1))
    values = columns(Genotype(pairs, (2,), pairs, (2,)))
    assert (values["width"], values["depth"], values["nominal_width"]) == (None, None, None)
    assert values["reduce_width"] is None
    assert (values["n_edges"], values["n_none"]) == (0, 2)


def test_the_longest_chain_of_the_largest_genotype() -> None:
    pairs = tuple(("skip_connect", 1 + i // 2) for i in range(24))
    values = columns(Genotype(pairs, (13,), pairs, (13,)))
    assert (values["depth"], values["n_paths"], values["width"]) == (13, 2**12, 1)


def test_the_dead_operations_of_the_adapted_amoebanet() -> None:
    # By hand (docs/concepts.md): nodes 2 and 3 are dead, and so are avg@0 max@1 | sep@0 sep@1.
    values = columns(NAMED["AmoebaNet-A-adapted"])
    assert (values["n_dead"], values["n_pool"], values["live_pool"]) == (4, 4, 2)
    assert (values["n_skip"], values["live_skip"]) == (2, 2)
    assert (values["live_conv3x3"], values["live_conv1x1"]) == (None, None)


def test_edges_name_their_cell_and_include_the_concatenation() -> None:
    written = edges(NAMED["DARTS-V2"])
    assert Counter(edge.part for edge in written) == {"normal": 12, "reduce": 12}
    assert written[7] == CellEdge("normal", 2, 5, "dil_conv_3x3", live=True)
    assert written[8] == CellEdge("normal", 2, 6, "concat", live=True)
    order = [(edge.source, edge.target) for edge in edges(nasbench201.from_index(0))]
    assert order == list(nasbench201.EDGES)


# The graph itself


@pytest.mark.parametrize("edge", [(1, 1), (2, 1), (-1, 2), (0, 4), (0, 1)])
def test_a_graph_refuses_edges_that_do_not_lead_forward(edge: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not lead forward"):
        Dag((0, 1), 3, (Edge(*edge, "skip_connect"),))


def test_sums_over_paths() -> None:
    dag = Dag((0,), 2, (Edge(0, 1, "a"), Edge(0, 1, "b"), Edge(1, 2, "b"), Edge(0, 2, "b")))
    assert path_sums(dag, lambda edge: edge.operation == "b") == (3, 4, 1, 2)
    assert path_sums(Dag((0,), 2, (Edge(0, 1, "a"),)), lambda edge: 1) is None
