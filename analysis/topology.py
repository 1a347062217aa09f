"""How wide and deep a cell is, in every reading of these words, and the counts beside them.

Width and depth are those of Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based
Neural Architecture Search", ICLR 2020, arXiv 1909.09569, carried over to NAS-Bench-201 as TE-NAS
(arXiv 2102.11535, appendix C) counts them. All readings but the nominal ones are taken after
pruning: `none` edges go first, then every edge on no path from an input to the output.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress

from analysis.cells import Cell
from analysis.dag import NONE, Dag, Edge, live_edges, path_sums, prune, without_none
from analysis.spaces.darts import CONCAT, Genotype, Part
from analysis.spaces.nasbench201 import NasBench201Cell, live

Value = int | float | None
Columns = dict[str, Value]

COLUMNS = (
    "width",
    "depth",
    "node_width",
    "node_width_with_output",
    "conv_depth",
    "n_paths",
    "mean_path",
    "min_path",
    "effective_width",
    "effective_depth",
    "n_edges",
    "n_conv3x3",
    "n_conv1x1",
    "n_skip",
    "n_pool",
    "n_none",
    "live_conv3x3",
    "live_conv1x1",
    "live_skip",
    "live_pool",
    "n_dead",
    "nominal_width",
    "nominal_depth",
    "reduce_width",
    "reduce_depth",
    "reduce_nominal_width",
    "reduce_nominal_depth",
)
"""The keys of `columns`, in order, for either space."""


@dataclass(frozen=True, slots=True)
class CellEdge:
    """One edge of a cell as it was written, and whether pruning keeps it.

    `part` is `normal` or `reduce`; a cell of NAS-Bench-201 is all `normal`. Intermediate nodes of a
    genotype reach the output by edges with the operation `concat`.
    """

    part: Part
    source: int
    target: int
    operation: str
    live: bool


def graphs(cell: Cell) -> dict[Part, Dag]:
    """The graphs that a cell is made of: one for NAS-Bench-201, two for a genotype."""
    if isinstance(cell, NasBench201Cell):
        return {"normal": cell.dag()}
    return {"normal": cell.dag("normal"), "reduce": cell.dag("reduce")}


def edges(cell: Cell) -> list[CellEdge]:
    """Every edge of the cell, `none` edges included, in the order in which the cell names them."""
    return [
        CellEdge(part, edge.source, edge.target, edge.operation, live)
        for part, dag in graphs(cell).items()
        for edge, live in zip(dag.edges, live_edges(dag), strict=True)
    ]


def operations(cell: Cell, *, live_only: bool) -> list[str]:
    """The operations of the cell in the order in which it names them, both parts of a genotype.

    With `live_only` those on live edges; else those of all edges, `none` among them. What cells of
    one such multiset differ in is how their operations are connected.
    """
    return [
        edge.operation
        for edge in edges(cell)
        if edge.operation != CONCAT and (edge.live or not live_only)
    ]


def columns(cell: Cell) -> Columns:
    """Every topology column of the cell, keyed by `COLUMNS`; None where one is undefined.

    Unless a key says otherwise it is about the pruned normal cell (for NAS-Bench-201: the cell).

    * `width`: NAS-Bench-201: live edges out of the input, 1..3. Genotype: the sum over intermediate
      nodes of the share of their live in-edges that come from an input, in units of one node's
      channels.
    * `depth`: edges on the longest path from an input to the output (a genotype's concatenation is
      the last of them); `min_path`, `mean_path`: the same of the shortest path and on average over
      all paths; `n_paths`: how many there are, parallel edges making different paths.
    * `node_width`: the shares of the inputs summed over the intermediate nodes, which for a
      genotype is `width`; `node_width_with_output` adds the output's share (NAS-Bench-201 only: a
      genotype's output sums nothing).
    * `conv_depth`: most convolutions on one path. Any operation with a convolution counts once,
      also a separable one.
    * `effective_depth`, `effective_width`: Chen et al. 2022, arXiv 2205.05662, definition 4.1. With
      P paths and d_p convolutions on path p: depth Σ d_p / P, and width the number of paths with a
      convolution over that depth, undefined where the depth is 0.
    * `n_edges`: live operations, 0..6 for NAS-Bench-201; concatenation is none.
    * `n_conv3x3`, `n_conv1x1` (NAS-Bench-201 only), `n_skip`, `n_pool`, `n_none`: operations over
      all edges, dead ones included, as these are built and cost parameters like any other.
    * `live_conv3x3`, `live_conv1x1` (NAS-Bench-201 only), `live_skip`, `live_pool`: the same over
      live edges; `n_dead`: operations on dead edges, `none` not counted. Together they are all
      operations but `none`. In a disconnected cell no edge is live, so that the former are 0 and
      `n_dead` is the number of operations: these are counts, not measures of a path.
    * `nominal_width`, `nominal_depth`: as `width` and `depth`, before dead edges are cut; `none`
      edges do not count. A dead edge is on no path to the output, so that the nominal depth always
      equals the depth; it stands beside the width for completeness.
    * `reduce_…`: the same of the reduction cell (genotypes only).

    Where no path leads from an input to the output, everything but the counts is None.
    """
    if isinstance(cell, NasBench201Cell):
        return _nasbench201_columns(cell)
    return _genotype_columns(cell)


def is_convolution(edge: Edge) -> bool:
    """Whether the edge's operation holds a convolution, of whatever kind."""
    return "conv" in edge.operation


def input_edges(dag: Dag) -> int:
    """Number of edges out of an input: the width of a NAS-Bench-201 cell."""
    return sum(edge.source in dag.inputs for edge in dag.edges)


def input_shares(dag: Dag, nodes: Iterable[int]) -> float:
    """Sum over `nodes` of the share of their in-edges that come from an input; 0 without any.

    Over all intermediate nodes this is the width of a DARTS-style cell.
    """
    total = 0.0
    for node in nodes:
        from_input = [edge.source in dag.inputs for edge in dag.edges if edge.target == node]
        total += sum(from_input) / len(from_input) if from_input else 0.0
    return total


def _intermediate(dag: Dag) -> range:
    return range(len(dag.inputs), dag.output)


def _path_columns(pruned: Dag) -> Columns:
    """The columns that speak of paths, by the same rule in both spaces; empty if there is none."""
    lengths = path_sums(pruned, lambda edge: 1)
    convolutions = path_sums(pruned, is_convolution)
    if lengths is None or convolutions is None:
        return {}
    others = tuple(edge for edge in pruned.edges if not is_convolution(edge))
    without = path_sums(Dag(pruned.inputs, pruned.output, others), is_convolution)
    n_convolved = lengths.n_paths - (without.n_paths if without else 0)
    total = convolutions.total
    return {
        "depth": lengths.most,
        "nominal_depth": lengths.most,
        "conv_depth": convolutions.most,
        "n_paths": lengths.n_paths,
        "mean_path": lengths.total / lengths.n_paths,
        "min_path": lengths.least,
        "effective_depth": total / lengths.n_paths,
        "effective_width": n_convolved * lengths.n_paths / total if total else None,
    }


def _nasbench201_columns(cell: NasBench201Cell) -> Columns:
    kept = tuple(compress(cell.operations, live(cell)))
    n_none = cell.operations.count(NONE)
    return _nasbench201_shape(tuple(map(_representative, cell.operations))) | {
        "n_conv3x3": cell.operations.count("nor_conv_3x3"),
        "n_conv1x1": cell.operations.count("nor_conv_1x1"),
        "n_skip": cell.operations.count("skip_connect"),
        "n_pool": cell.operations.count("avg_pool_3x3"),
        "n_none": n_none,
        "live_conv3x3": kept.count("nor_conv_3x3"),
        "live_conv1x1": kept.count("nor_conv_1x1"),
        "live_skip": kept.count("skip_connect"),
        "live_pool": kept.count("avg_pool_3x3"),
        "n_dead": len(cell.operations) - n_none - len(kept),
    }


def _representative(operation: str) -> str:
    """The operation that stands for all that no reading of paths tells from this one."""
    if operation == NONE:
        return NONE
    return "nor_conv_3x3" if "conv" in operation else "skip_connect"


@lru_cache(maxsize=3**6)
def _nasbench201_shape(representatives: tuple[str, ...]) -> Columns:
    """Every column but the operation counts, which depend on more than `representatives`."""
    dag = NasBench201Cell(representatives).dag()
    pruned = prune(dag)
    shape: Columns = dict.fromkeys(COLUMNS) | {"n_edges": len(pruned.edges)}
    if pruned.edges:
        shape |= _path_columns(pruned) | {
            "width": input_edges(pruned),
            "node_width": input_shares(pruned, _intermediate(pruned)),
            "node_width_with_output": input_shares(pruned, (*_intermediate(pruned), pruned.output)),
            "nominal_width": input_edges(without_none(dag)),
        }
    return shape


def _genotype_columns(cell: Genotype) -> Columns:
    dag = cell.dag("normal")
    written = [edge.operation for edge in dag.edges if edge.operation != CONCAT]
    kept = [edge.operation for edge in prune(dag).edges if edge.operation != CONCAT]
    n_none = written.count(NONE)
    normal = _genotype_shape(dag)
    reduce = _genotype_shape(cell.dag("reduce"))
    of_reduce = ("width", "depth", "nominal_width", "nominal_depth")
    return (
        dict.fromkeys(COLUMNS)
        | normal
        | {f"reduce_{key}": reduce.get(key) for key in of_reduce}
        | {
            "n_skip": written.count("skip_connect"),
            "n_pool": _pools(written),
            "n_none": n_none,
            "live_skip": kept.count("skip_connect"),
            "live_pool": _pools(kept),
            "n_dead": len(written) - n_none - len(kept),
        }
    )


def _pools(names: list[str]) -> int:
    return sum("pool" in name for name in names)


def _genotype_shape(dag: Dag) -> Columns:
    pruned = prune(dag)
    n_edges = sum(edge.operation != CONCAT for edge in pruned.edges)
    if not pruned.edges:
        return {"n_edges": n_edges}
    width = input_shares(pruned, _intermediate(pruned))
    return _path_columns(pruned) | {
        "width": width,
        "node_width": width,
        "nominal_width": input_shares(without_none(dag), _intermediate(dag)),
        "n_edges": n_edges,
    }
