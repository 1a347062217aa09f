"""A cell as a directed acyclic graph: pruning, and sums over all of its paths.

Both search spaces map to this one form, so that pruning and the readings of paths are written once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

NONE = "none"
"""The operation that passes nothing on: an edge that carries it is no edge."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One operation, reading node `source` and adding its result to node `target`."""

    source: int
    target: int
    operation: str


@dataclass(frozen=True, slots=True)
class Dag:
    """A graph on the nodes 0..output, numbered so that every edge leads to a higher number.

    Two edges may join the same two nodes; they count twice in every reading.

    Raises:
        ValueError: an edge that leads backwards, into an input or past the output.
    """

    inputs: tuple[int, ...]
    output: int
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        for edge in self.edges:
            forward = 0 <= edge.source < edge.target <= self.output
            if not forward or edge.target in self.inputs:
                raise ValueError(f"{edge} does not lead forward to a node that can be written")


def live_edges(dag: Dag) -> tuple[bool, ...]:
    """Tell for each edge, in the order of `dag.edges`, whether it survives pruning.

    An edge is live when its operation is not `none` and it lies on a path from an input to the
    output made of such edges.
    """
    order = sorted((edge.target, edge.source) for edge in dag.edges if edge.operation != NONE)
    reached = set(dag.inputs)
    for target, source in order:
        if source in reached:
            reached.add(target)
    useful = {dag.output}
    for target, source in reversed(order):
        if target in useful:
            useful.add(source)
    return tuple(
        edge.operation != NONE and edge.source in reached and edge.target in useful
        for edge in dag.edges
    )


def without_none(dag: Dag) -> Dag:
    """The graph with its `none` edges dropped and its dead edges kept."""
    edges = tuple(edge for edge in dag.edges if edge.operation != NONE)
    return Dag(dag.inputs, dag.output, edges)


def prune(dag: Dag) -> Dag:
    """The graph with its live edges only; node numbers stay. Without any edge: disconnected."""
    kept = zip(dag.edges, live_edges(dag), strict=True)
    return Dag(dag.inputs, dag.output, tuple(edge for edge, live in kept if live))


class PathSums(NamedTuple):
    """What is known of a weight summed along each path from an input to the output."""

    n_paths: int
    total: int
    least: int
    most: int


def path_sums(dag: Dag, weight: Callable[[Edge], int]) -> PathSums | None:
    """Sum `weight` along every path from an input to the output, without listing the paths.

    Returns the number of paths with the total, the least and the greatest of their sums, or None
    where no path leads to the output. `none` edges are walked like any other: prune first.
    """
    sums = {node: PathSums(1, 0, 0, 0) for node in dag.inputs}
    for edge in sorted(dag.edges, key=lambda edge: (edge.target, edge.source)):
        before = sums.get(edge.source)
        if before is None:
            continue
        w = weight(edge)
        through = PathSums(
            before.n_paths, before.total + w * before.n_paths, before.least + w, before.most + w
        )
        known = sums.get(edge.target)
        sums[edge.target] = through if known is None else _both(known, through)
    return sums.get(dag.output)


def _both(a: PathSums, b: PathSums) -> PathSums:
    return PathSums(
        a.n_paths + b.n_paths, a.total + b.total, min(a.least, b.least), max(a.most, b.most)
    )
