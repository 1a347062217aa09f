"""The space of NASNet, AmoebaNet, ENAS, DARTS and SNAS: genotypes, named cells, variants, wirings.

A cell reads the outputs of the two cells before it (nodes 0 and 1); each intermediate node 2, 3, …
is the sum of two operations, each on an earlier node; the output concatenates the nodes named in
`concat`. A genotype is a normal and a reduction cell. The notation is that of Liu, Simonyan and
Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, arXiv 1806.09055.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from analysis.dag import NONE, Dag, Edge
from analysis.errors import CellError
from analysis.spaces import paper, published
from analysis.spaces.genotype_text import CellText, read_genotype
from analysis.spaces.printed import Pair, Pairs, Printed
from analysis.spaces.wirings import drawn_shapes, wiring_table, wirings

__all__ = [
    "ALIASES",
    "CONCAT",
    "INPUTS",
    "MAX_NODES",
    "NAMED",
    "OPERATIONS",
    "PARTS",
    "SPACE",
    "Genotype",
    "Pair",
    "Pairs",
    "Part",
    "adapted",
    "drawn_shapes",
    "known",
    "name_of",
    "named",
    "parse",
    "printed",
    "wiring_table",
    "wirings",
]

SPACE = "darts"
OPERATIONS = (
    NONE,
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
)
ALIASES = {"conv7x1_1x7": "conv_7x1_1x7"}
CONCAT = "concat"
"""The operation of an edge from an intermediate node to the output."""
INPUTS = (0, 1)
MAX_NODES = 12

Part = Literal["normal", "reduce"]
PARTS: tuple[Part, Part] = ("normal", "reduce")


@dataclass(frozen=True, slots=True)
class Genotype:
    """A normal and a reduction cell in canonical form.

    The two pairs of a node are a sum and `concat` is a set, so their order says nothing: pairs are
    kept sorted by source and operation, `concat` ascending, and genotypes that differ in order
    alone are equal.

    Raises:
        CellError: an odd number of pairs, not 1..12 nodes, an unknown operation, a source that is
            no earlier node, or a `concat` that is empty, repeats a node or names no such node.
    """

    normal: Pairs
    normal_concat: tuple[int, ...]
    reduce: Pairs
    reduce_concat: tuple[int, ...]

    def __post_init__(self) -> None:
        for part in PARTS:
            pairs, concat = self.cell(part)
            fault = _first_fault(part, pairs, concat)
            if fault is not None:
                raise CellError(fault.problem, repr(self), None, fault.allowed)
            object.__setattr__(self, part, _sorted_pairs(pairs))
            object.__setattr__(self, f"{part}_concat", tuple(sorted(concat)))

    @property
    def space(self) -> str:
        """The name of the search space."""
        return SPACE

    @property
    def arch(self) -> str:
        """The canonical text, in the field's notation."""
        return (
            f"Genotype(normal={list(self.normal)}, normal_concat={list(self.normal_concat)}, "
            f"reduce={list(self.reduce)}, reduce_concat={list(self.reduce_concat)})"
        )

    @property
    def id(self) -> str:
        """`darts-` and the first 12 hexadecimal digits of the SHA-256 of `arch`."""
        return f"darts-{hashlib.sha256(self.arch.encode()).hexdigest()[:12]}"

    @property
    def name(self) -> str | None:
        """The name under which the field knows the cell, as in `NAMED`."""
        return _names().get(self)

    def cell(self, part: Part) -> tuple[Pairs, tuple[int, ...]]:
        """The pairs and the concatenated nodes of the normal or the reduction cell."""
        if part == "normal":
            return self.normal, self.normal_concat
        return self.reduce, self.reduce_concat

    def dag(self, part: Part) -> Dag:
        """One of the cells as a graph: its pairs in order, then an edge per concatenated node."""
        pairs, concat = self.cell(part)
        output = len(pairs) // 2 + 2
        edges = [Edge(source, 2 + i // 2, operation) for i, (operation, source) in enumerate(pairs)]
        edges += [Edge(node, output, CONCAT) for node in concat]
        return Dag(INPUTS, output, tuple(edges))


class _Fault(NamedTuple):
    problem: str
    allowed: tuple[str, ...]
    pair: int | None = None  # which pair is at fault, and which half of it
    half: int = 0
    concat: int | None = None  # or which item of concat, 0 where there is none


def _first_fault(part: Part, pairs: Sequence[Pair], concat: Sequence[int]) -> _Fault | None:
    """The first thing that keeps these values from being a cell."""
    n_nodes = len(pairs) // 2
    if len(pairs) % 2 or not 1 <= n_nodes <= MAX_NODES:
        allowed = (f"two for each of 1..{MAX_NODES} nodes",)
        return _Fault(f"{part} has {len(pairs)} pairs", allowed)
    for i, (operation, source) in enumerate(pairs):
        node = 2 + i // 2
        if operation not in OPERATIONS:
            return _Fault(f"{operation!r} is not an operation", OPERATIONS, pair=i)
        if not 0 <= source < node:
            problem = f"{source} is no node before node {node} of {part}"
            return _Fault(problem, (f"0..{node - 1}",), pair=i, half=1)
    allowed = (f"2..{n_nodes + 1}, each at most once",)
    if not concat:
        return _Fault(f"{part}_concat is empty", allowed, concat=0)
    for i, node in enumerate(concat):
        if not 2 <= node < n_nodes + 2:
            return _Fault(f"{node} is no intermediate node of {part}", allowed, concat=i)
        if node in concat[:i]:
            return _Fault(f"{node} is named twice in {part}_concat", allowed, concat=i)
    return None


def _sorted_pairs(pairs: Iterable[Pair]) -> Pairs:
    ordered = []
    each = iter(pairs)
    for two in zip(each, each, strict=True):
        ordered += sorted(two, key=lambda pair: (pair[1], pair[0]))
    return tuple(ordered)


def parse(text: str) -> Genotype:
    """Read a genotype in the field's notation or as JSON (see `genotype_text`), evaluating nothing.

    Raises:
        CellError: with the position of the first thing that does not fit, and what would.
    """
    written = read_genotype(text)
    normal, normal_concat = _checked(text, "normal", written.normal)
    reduce, reduce_concat = _checked(text, "reduce", written.reduce)
    return Genotype(normal, normal_concat, reduce, reduce_concat)


def _checked(text: str, part: Part, written: CellText) -> tuple[Pairs, tuple[int, ...]]:
    """The values of one cell, or an error that knows where in the text the fault stands."""
    pairs = tuple(
        (ALIASES.get(operation.value, operation.value), source.value)
        for operation, source in written.pairs
    )
    concat = tuple(number.value for number in written.concat)
    fault = _first_fault(part, pairs, concat)
    if fault is None:
        return pairs, concat
    if fault.pair is not None:
        position = written.pairs[fault.pair][fault.half].position
    elif fault.concat is None:
        position = written.pairs_position
    else:
        position = written.concat[fault.concat].position if concat else written.concat_position
    raise CellError(fault.problem, text, position, fault.allowed)


NAMED: dict[str, Genotype] = {
    name: Genotype(*known.printed) for name, known in published.CELLS.items()
}
"""Every cell that has a name (`published`), the five of the paper first."""


def known(genotype: Genotype) -> published.Known | None:
    """What is known of a cell that has a name."""
    name = genotype.name
    return None if name is None else published.CELLS[name]


def printed(genotype: Genotype) -> Printed:
    """The cell as it was published; in canonical order where it has no name."""
    found = known(genotype)
    if found is not None:
        return found.printed
    return Printed(genotype.normal, genotype.normal_concat, genotype.reduce, genotype.reduce_concat)


def adapted(genotype: Genotype) -> Genotype:
    """The variant in which every node reads both inputs, hence the widest and shallowest there is.

    Operations and `concat` are kept, so nodes outside `concat` go dead. Applies to both cells. Of
    the five cells of Shu et al. 2020 (arXiv 1909.09569), and of what differs from them in sources
    alone, it is the published one, of others that which the same rule gives (`paper.adapted`); an
    adapted cell is its own.
    """
    found = known(genotype)
    name = genotype.name
    if found is not None and found.kind == "adapted":
        return genotype
    if found is not None and found.kind == "random-connections":
        name = found.parent
    return NAMED.get(f"{name}-adapted") or Genotype(*paper.adapted(printed(genotype)))


def named(text: str) -> Genotype | None:
    """The cell of this name or id, in either case, `_` for `-`; none where none has it."""
    return _by_name().get(text.casefold().replace("_", "-"))


def name_of(cell_id: str) -> str | None:
    """The name in `NAMED` of the cell with this id; none where it has none."""
    found = _by_name().get(cell_id)
    return None if found is None else found.name


@cache
def _names() -> dict[Genotype, str]:
    return {genotype: name for name, genotype in NAMED.items()}


@cache
def _by_name() -> dict[str, Genotype]:
    ids = {genotype.id: genotype for genotype in NAMED.values()}
    return ids | {name.casefold(): genotype for name, genotype in NAMED.items()}
