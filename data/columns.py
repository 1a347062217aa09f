"""The one registry of what can be asked of a cell: columns by name, and what each means.

Filters, sorting, ``fields``, correlations, groups, the ``cells`` table, ``GET /columns`` and the
docs all read this list; a new column is added here and computed in :mod:`analysis.topology`.
Measures along training, which are columns too, are in :mod:`data.metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["integer", "number"]

DARTS_ONLY = ("darts",)
NASBENCH_ONLY = ("nasbench201",)
BOTH = ("nasbench201", "darts")


@dataclass(frozen=True, slots=True)
class Column:
    """A numeric property of a cell.

    ``kind`` is ``integer`` where only whole numbers occur. ``group`` is ``topology`` for what
    follows from the wiring, ``operations`` for counts, ``cost`` for what depends on the data set
    too, ``identity`` for the official index. Null always has a cause that ``null_when`` names.
    """

    name: str
    meaning: str
    unit: str
    kind: Kind
    group: Literal["topology", "operations", "cost", "identity"]
    origin: str
    spaces: tuple[str, ...] = BOTH
    null_when: str | None = "disconnected"


_SHU = "Shu, Wang, Cai 2020 (arXiv 1909.09569)"
_TENAS = "as counted by TE-NAS (arXiv 2102.11535, appendix C)"
_CHEN = "Chen et al. 2022 (arXiv 2205.05662, definition 4.1)"
_PATHS = "paths of the pruned cell"
_COUNT = "operations of the cell, dead edges included"
_LIVE = "operations of the pruned cell"

_COLUMNS = (
    Column(
        "width",
        "live edges out of the input (nasbench201); share of in-edges that come from an input, "
        "summed over intermediate nodes (darts)",
        "edges; channels of one node",
        "number",
        "topology",
        f"{_SHU}; nasbench201 {_TENAS}",
    ),
    Column(
        "depth",
        "live edges on the longest path from input to output",
        "edges",
        "integer",
        "topology",
        _SHU,
    ),
    Column(
        "node_width",
        "the darts reading of width on a nasbench201 cell: share of live in-edges from node 0, "
        "summed over nodes 1 and 2",
        "channels of one node",
        "number",
        "topology",
        _SHU,
    ),
    Column(
        "node_width_with_output",
        "node_width with the output node's share added",
        "channels of one node",
        "number",
        "topology",
        _SHU,
        NASBENCH_ONLY,
    ),
    Column(
        "conv_depth", "most convolutions on one path", "operations", "integer", "topology", _PATHS
    ),
    Column("n_paths", "paths from input to output", "paths", "integer", "topology", _PATHS),
    Column("mean_path", "mean length of a path", "edges", "number", "topology", _PATHS),
    Column("min_path", "length of the shortest path", "edges", "integer", "topology", _PATHS),
    Column(
        "effective_width",
        "paths with a convolution, over effective_depth",
        "paths",
        "number",
        "topology",
        _CHEN,
        BOTH,
        "no convolution on any path",
    ),
    Column(
        "effective_depth",
        "mean number of convolutions on a path",
        "operations",
        "number",
        "topology",
        _CHEN,
    ),
    Column("n_edges", "live edges", "edges", "integer", "topology", "pruned cell", BOTH, None),
    Column(
        "nominal_width",
        "width before pruning",
        "edges; channels of one node",
        "number",
        "topology",
        _SHU,
    ),
    Column("nominal_depth", "depth before pruning", "edges", "integer", "topology", _SHU),
    Column(
        "reduce_width",
        "width of the reduction cell",
        "channels of one node",
        "number",
        "topology",
        _SHU,
        DARTS_ONLY,
    ),
    Column(
        "reduce_depth",
        "depth of the reduction cell",
        "edges",
        "integer",
        "topology",
        _SHU,
        DARTS_ONLY,
    ),
    Column(
        "reduce_nominal_width",
        "width of the reduction cell before pruning",
        "channels of one node",
        "number",
        "topology",
        _SHU,
        DARTS_ONLY,
    ),
    Column(
        "reduce_nominal_depth",
        "depth of the reduction cell before pruning",
        "edges",
        "integer",
        "topology",
        _SHU,
        DARTS_ONLY,
    ),
    Column(
        "n_conv3x3",
        "3×3 convolutions",
        "edges",
        "integer",
        "operations",
        _COUNT,
        NASBENCH_ONLY,
        None,
    ),
    Column(
        "n_conv1x1",
        "1×1 convolutions",
        "edges",
        "integer",
        "operations",
        _COUNT,
        NASBENCH_ONLY,
        None,
    ),
    Column("n_skip", "identity edges", "edges", "integer", "operations", _COUNT, null_when=None),
    Column("n_pool", "pooling edges", "edges", "integer", "operations", _COUNT, null_when=None),
    Column(
        "n_none",
        "edges without operation",
        "edges",
        "integer",
        "operations",
        _COUNT,
        null_when=None,
    ),
    Column(
        "live_conv3x3",
        "3×3 convolutions on live edges",
        "edges",
        "integer",
        "operations",
        _LIVE,
        NASBENCH_ONLY,
        None,
    ),
    Column(
        "live_conv1x1",
        "1×1 convolutions on live edges",
        "edges",
        "integer",
        "operations",
        _LIVE,
        NASBENCH_ONLY,
        None,
    ),
    Column(
        "live_skip",
        "identity edges that are live",
        "edges",
        "integer",
        "operations",
        _LIVE,
        null_when=None,
    ),
    Column(
        "live_pool",
        "pooling edges that are live",
        "edges",
        "integer",
        "operations",
        _LIVE,
        null_when=None,
    ),
    Column(
        "n_dead",
        "operations on dead edges, none not counted",
        "edges",
        "integer",
        "operations",
        "operations of the cell that the pruned cell lacks",
        null_when=None,
    ),
    Column(
        "params_m",
        "parameters of the benchmark's network with this cell, dead edges included",
        "millions",
        "number",
        "cost",
        "exact formula for NAS-Bench-201's skeleton, by data set",
        NASBENCH_ONLY,
        "no benchmark network for this data set",
    ),
    Column(
        "flops_m",
        "multiply-adds of one image through that network",
        "millions",
        "number",
        "cost",
        "exact formula for NAS-Bench-201's skeleton, by data set",
        NASBENCH_ONLY,
        "no benchmark network for this data set",
    ),
    Column(
        "official_index",
        "place in NAS-Bench-201's official order",
        "0..15624",
        "integer",
        "identity",
        "NAS-Bench-201 (Dong & Yang 2020, arXiv 2001.00326)",
        NASBENCH_ONLY,
        None,
    ),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _COLUMNS}
"""Every numeric column of a cell, in the order in which tables show them."""

STORED = tuple(name for name, column in COLUMNS.items() if column.group != "cost")
"""The columns that the database holds; cost depends on the data set and is computed on reading."""

TEXT_FIELDS: dict[str, str] = {
    "id": "the cell's id: nb201-<official index> or darts-<hash of the genotype>",
    "arch": "the cell's canonical string",
    "space": "search space: nasbench201 or darts",
    "name": "published name, for the named cells of space darts",
}
"""Fields of a cell that are text: for ``fields=`` and sorting, not for statistics."""

GROUPINGS: dict[str, str] = {
    "live_ops": "operations on live edges",
    "ops": "operations, those on dead edges counted",
}
"""What cells can be grouped by besides columns: equal multisets of these. A genotype's are those of
its normal and its reduction cell together. Where only the connections are to differ between cells,
it's ``live_ops`` that has to be held: an operation on a dead edge does nothing.
"""

SAMENESS: dict[str, str] = {
    "string": "every cell string on its own",
    "skip": "equal once skip connections are folded",
    "official": "equal once skip connections and zeros are folded (the official unique string)",
    "live": "equal once dead edges are cut",
    "function": "equal in what they compute: dead edges cut, skip connections and sums folded",
}
"""The notions of sameness that ``unique=`` takes."""
