"""NAS-Bench-201: strings, official order, notions of sameness and cost.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
ICLR 2020, arXiv 2001.00326. A cell has the nodes 0 (input), 1, 2 and 3 (output, a sum) and six
edges, each with one of five operations: 5^6 = 15,625 cells.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import product

from analysis.dag import NONE, Dag, Edge, live_edges
from analysis.errors import CellError

SPACE = "nasbench201"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) in the order in which a cell string lists them."""
N_CELLS = len(OPERATIONS) ** len(EDGES)

_OUTPUT = 3
_NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
_TOKEN = re.compile(r"[|+~]|[^\s|+~]+")


@dataclass(frozen=True, slots=True)
class NasBench201Cell:
    """One cell of the space: six operations in the order of `EDGES`.

    Raises:
        CellError: not six operations, or a name that is none of `OPERATIONS`.
    """

    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.operations) != len(EDGES):
            problem = f"{len(self.operations)} operations where a cell has {len(EDGES)} edges"
            raise CellError(problem, repr(self.operations))
        for operation in self.operations:
            if operation not in OPERATIONS:
                raise _unknown(operation, repr(self.operations), None)

    @property
    def space(self) -> str:
        """The name of the search space."""
        return SPACE

    @property
    def name(self) -> None:
        """None: no cell of this space has a name of its own."""

    @property
    def index(self) -> int:
        """The official index, 0..15,624 (see `all_cells`)."""
        return _indices()[self]

    @property
    def id(self) -> str:
        """`nb201-` and the official index in six digits."""
        return f"nb201-{self.index:06d}"

    @property
    def arch(self) -> str:
        """The cell string, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        return _format(self.operations)

    def dag(self) -> Dag:
        """The cell as a graph, its edges in the order of `EDGES`, `none` edges included."""
        edges = zip(EDGES, self.operations, strict=True)
        return Dag((0,), _OUTPUT, tuple(Edge(s, t, operation) for (s, t), operation in edges))


def parse(text: str) -> NasBench201Cell:
    """Read a cell string; blanks and the order of edges inside a node's group do not matter.

    Raises:
        CellError: with the position of the first character that cannot be read, and what could
            stand there.
    """
    tokens = [(match.group(), match.start()) for match in _TOKEN.finditer(text)]
    tokens.append(("", len(text)))
    place = iter(tokens)

    def expect(symbol: str) -> None:
        found, position = next(place)
        if found != symbol:
            problem = f"{_shown(found)} instead of {_shown(symbol)}"
            raise CellError(problem, text, position)

    operations: dict[tuple[int, int], str] = {}
    for target in range(1, _OUTPUT + 1):
        if target > 1:
            expect("+")
        expect("|")
        missing = {str(source): source for source in range(target)}
        while missing:
            operation, position = next(place)
            if operation not in OPERATIONS:
                raise _unknown(operation, text, position)
            expect("~")
            source, position = next(place)
            if source not in missing:
                problem = f"{_shown(source)} is not a source that node {target} still lacks"
                raise CellError(problem, text, position, missing)
            expect("|")
            operations[missing.pop(source), target] = operation
    expect("")
    return NasBench201Cell(tuple(operations[edge] for edge in EDGES))


def _unknown(operation: str, text: str, position: int | None) -> CellError:
    return CellError(f"{_shown(operation)} is not an operation", text, position, OPERATIONS)


def _shown(token: str) -> str:
    return repr(token) if token else "the end of the text"


def _format(operations: tuple[str, ...]) -> str:
    a, b, c, d, e, f = operations
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def all_cells() -> list[NasBench201Cell]:
    """All 15,625 cells in official order: `all_cells()[i]` has index i.

    The order of the benchmark's files: the product of the per-node choices, shuffled by Python's
    generator from seed 88. Joined by newlines the strings have the SHA-256 83abc799…f356d84.
    """
    return list(_official_order())


def from_index(index: int) -> NasBench201Cell:
    """The cell with this official index.

    Raises:
        CellError: outside 0..15,624.
    """
    if not 0 <= index < N_CELLS:
        raise CellError("no such official index", str(index), None, (f"0..{N_CELLS - 1}",))
    return _official_order()[index]


@cache
def _official_order() -> tuple[NasBench201Cell, ...]:
    cells = [NasBench201Cell(choice) for choice in product(OPERATIONS, repeat=len(EDGES))]
    random.Random(88).shuffle(cells)  # noqa: S311 - the official order, not a secret
    return tuple(cells)


@cache
def _indices() -> dict[NasBench201Cell, int]:
    return {cell: index for index, cell in enumerate(_official_order())}


def from_naslib(choices: tuple[int, ...]) -> NasBench201Cell:
    """The cell that NASLib writes as six operation numbers in its own order of edges.

    NASLib goes through the edges by source, and numbers the operations skip, none, 3×3, 1×1, pool:
    (4, 0, 3, 1, 4, 3) is official index 2631.

    Raises:
        CellError: not six numbers in 0..4.
    """
    if len(choices) != len(EDGES) or not set(choices) <= set(range(len(OPERATIONS))):
        raise CellError("not a NASLib cell", repr(choices), None, ("six numbers in 0..4",))
    by_edge = dict(zip(_NASLIB_EDGES, choices, strict=True))
    return NasBench201Cell(tuple(_NASLIB_OPERATIONS[by_edge[edge]] for edge in EDGES))


NOTIONS = ("string", "skip", "official", "live", "function")
"""Of when two cells are the same."""


def classes(cell: NasBench201Cell) -> dict[str, str]:
    """The cell's key under each notion of sameness: two cells are the same when keys are equal.

    * `string`: the cell string itself; 15,625 classes.
    * `skip`: skip connections folded away, the terms of a sum in any order; 12,751 classes.
    * `official`: skips and zeros folded, the unique string of the benchmark's own package; 6,466
      classes. It folds a zero only as the term of a sum, so that "zero + zero" is still a sum.
    * `live`: the string with every dead edge written as `none`; 9,445 classes, of which one is
      that of all 341 disconnected cells.
    * `function`: what live edges compute, skips folded and sums of sums written as one sum, the
      terms in any order; 4,930 classes, of which one is that of the disconnected cells.

    The counts of `skip` and `official` are those of Dong and Yang 2020.
    """
    return {
        "string": cell.arch,
        "skip": _expression(cell, fold_zero=False),
        "official": _expression(cell, fold_zero=True),
        "live": _live_string(cell),
        "function": _function(cell),
    }


def _expression(cell: NasBench201Cell, *, fold_zero: bool) -> str:
    """The output written out as nested sums of operations on the input `0`; `#` is a zero."""
    sums = ["0"]
    terms: list[str] = []
    for (source, target), operation in zip(EDGES, cell.operations, strict=True):
        read = sums[source]
        if fold_zero and (operation == NONE or read == "#"):
            terms.append("#")
        elif operation == "skip_connect":
            terms.append(read)
        else:
            terms.append(f"({read})@{operation}")
        if len(terms) == target:
            sums.append("+".join(sorted(terms)))
            terms = []
    return sums[_OUTPUT]


def _function(cell: NasBench201Cell) -> str:
    """The output as a sum of operations on sums, of the input `0`; empty where disconnected."""
    terms: list[list[str]] = [["0"], [], [], []]
    for (source, target), operation, alive in zip(EDGES, cell.operations, live(cell), strict=True):
        if alive and operation == "skip_connect":
            terms[target] += terms[source]
        elif alive:
            terms[target].append(f"({'+'.join(sorted(terms[source]))})@{operation}")
    return "+".join(sorted(terms[_OUTPUT]))


def live(cell: NasBench201Cell) -> tuple[bool, ...]:
    """Tell for each edge, in the order of `EDGES`, whether it survives pruning."""
    return _live_by_pattern(tuple(operation == NONE for operation in cell.operations))


def _live_string(cell: NasBench201Cell) -> str:
    kept = zip(cell.operations, live(cell), strict=True)
    return _format(tuple(operation if alive else NONE for operation, alive in kept))


@cache
def _live_by_pattern(is_none: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which of the six edges are live depends only on which are `none`: 64 patterns."""
    return live_edges(
        NasBench201Cell(tuple(NONE if gone else "skip_connect" for gone in is_none)).dag()
    )


_COSTS = {
    "cifar10": (0.073306, 7.78305, 1.0),
    "cifar100": (0.079156, 7.7889, 1.0),
    "ImageNet16-120": (0.080456, 1.9534, 0.25),
}
"""Per dataset: million parameters and FLOPs without any operation, and the share of FLOPs that an
operation costs on its images (16×16 has a quarter of the positions of 32×32)."""


def cost(cell: NasBench201Cell, dataset: str) -> tuple[float, float]:
    """Parameters and multiply-adds ("FLOPs" in the benchmark) of the trained network, in millions.

    Exact for the benchmark's skeleton (C = 16, N = 5): only the convolutions of a cell cost
    anything, dead ones included, as they are built all the same. `cifar10-valid` is `cifar10`.

    Raises:
        ValueError: a dataset that the benchmark does not have.
    """
    known = _COSTS.get("cifar10" if dataset == "cifar10-valid" else dataset)
    if known is None:
        raise ValueError(
            f"no cost known for dataset {dataset!r}; allowed: cifar10-valid, {', '.join(_COSTS)}"
        )
    params, flops, share = known
    n1 = cell.operations.count("nor_conv_1x1")
    n3 = cell.operations.count("nor_conv_3x3")
    return (
        round(params + 0.028 * n1 + 0.24304 * n3, 6),
        round(flops + share * (3.93216 * n1 + 35.38944 * n3), 6),
    )
