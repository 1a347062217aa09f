"""What the networks of both spaces share: a cell computed edge by edge, and drop-path (torch)."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from analysis.dag import NONE, Edge
from service.training.networks.operations import KEEPS_ZERO, ReluFirst, Zero, operation

Terms = tuple[tuple[int, int], ...]
"""The summands of a node: (place of the edge among the cell's edges, its source)."""


class CellGraph(nn.Module):
    """The edges of a cell, each a module; a node is the sum of the edges that lead to it.

    Every edge is built, so that dead ones count as parameters, as in the benchmarks. Computed are
    the edges from which a path leads to an output. The others change nothing: their parameters get
    no gradient (None, where the benchmarks' code has zeros), and SGD leaves those as they are. An
    edge that no input reaches is computed if it ends in batch normalisation, for it adds a bias.

    Args:
        edges: between nodes, each from a lower number to a higher.
        inputs: number of input nodes, which are 0..inputs-1.
        outputs: the nodes whose values are wanted.
        channels: of every node.
        stride: of the edges that leave an input; all others have stride 1.

    Attributes:
        whole: False; when True, dead edges are computed as well, so that their cost can be counted.
    """

    def __init__(
        self,
        edges: Sequence[Edge],
        inputs: int,
        outputs: Sequence[int],
        channels: int,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            operation(edge.operation, channels, stride if edge.source < inputs else 1)
            for edge in edges
        )
        self.zero = Zero(stride)
        self.outputs = tuple(outputs)
        self.whole = False
        self._inputs = range(inputs)
        self._plan = _plan(edges, inputs, _useful(edges, outputs))
        self._whole_plan = _plan(edges, inputs, range(len(edges)))
        read = {source for terms in self._plan for _, source in terms if source < inputs}
        self._read = frozenset(read or {inputs - 1})  # one at least: zeros take its shape
        self._droppable = frozenset(
            i for i, edge in enumerate(self.edges) if not isinstance(edge, nn.Identity)
        )
        self._paths = sum(i in self._droppable for terms in self._plan for i, _ in terms)

    @property
    def reads(self) -> Collection[int]:
        """The input nodes whose values `forward` needs."""
        return self._inputs if self.whole else self._read

    def forward(self, inputs: Sequence[Tensor | None], keep: Tensor | None) -> list[Tensor]:
        """The values of the output nodes, each (n, channels, ⌈h/stride⌉, ⌈w/stride⌉).

        Args:
            inputs: (n, channels, h, w) each; may be None where `reads` lacks the node.
            keep: the probability, a scalar, with which an edge is kept, drawn for each image anew;
                what is kept is divided by it. None keeps all. Identities are never dropped
                (Larsson et al. 2017, arXiv 1605.07648, as DARTS applies it).
        """
        reference = next(value for value in inputs if value is not None)
        masks = None if keep is None else iter(self._masks(reference, keep))
        values = list(inputs)
        positive: dict[int, Tensor] = {}
        for terms in self._whole_plan if self.whole else self._plan:
            total: Tensor | None = None
            for i, source in terms:
                value = values[source]
                if value is None:
                    value = self.zero(reference)
                edge = self.edges[i]
                if isinstance(edge, ReluFirst):
                    if source not in positive:
                        positive[source] = torch.relu(value)
                    term = edge.layers(positive[source])
                else:
                    term = edge(value)
                if masks is not None and i in self._droppable:
                    term = term * next(masks).to(term.dtype) / keep
                total = term if total is None else total + term
            values.append(total)
        found = (values[node] for node in self.outputs)
        return [self.zero(reference) if value is None else value for value in found]

    def _masks(self, like: Tensor, keep: Tensor) -> tuple[Tensor, ...]:
        """For each path that can be dropped, which images keep it: booleans, (n, 1, 1, 1)."""
        drawn = torch.rand(self._paths, len(like), 1, 1, 1, device=like.device)
        return (drawn < keep).unbind()


def _useful(edges: Sequence[Edge], outputs: Collection[int]) -> set[int]:
    """The places of the edges from which edges that are not `none` lead to an output."""
    useful = set()
    leading = set(outputs)
    for i, edge in sorted(enumerate(edges), key=lambda item: -item[1].target):
        if edge.operation != NONE and edge.target in leading:
            useful.add(i)
            leading.add(edge.source)
    return useful


def _plan(edges: Sequence[Edge], inputs: int, wanted: Collection[int]) -> tuple[Terms, ...]:
    """The terms of each node after the inputs, those left out that can only be zero."""
    filled = set(range(inputs))
    plan: list[Terms] = []
    for node in range(inputs, 1 + max(edge.target for edge in edges)):
        terms = tuple(
            (i, edge.source)
            for i, edge in enumerate(edges)
            if i in wanted
            and edge.target == node
            and edge.operation != NONE
            and (edge.source in filled or edge.operation not in KEEPS_ZERO)
        )
        if terms:
            filled.add(node)
        plan.append(terms)
    return tuple(plan)


class CellNetwork(nn.Module):
    """A network of cells, whose probability of dropping a path can be set between epochs."""

    keep: Tensor

    def __init__(self) -> None:
        super().__init__()
        # A tensor, so that a compiled network is not compiled anew for each value.
        self.register_buffer("keep", torch.ones(()), persistent=False)
        self._drop_path = 0.0
        self._drops = False

    @property
    def drop_path(self) -> float:
        """The probability that training drops a path of an image; 0 at first.

        Setting it raises ValueError outside 0 ≤ p < 1. In eval mode nothing is dropped.
        """
        return self._drop_path

    @drop_path.setter
    def drop_path(self, probability: float) -> None:
        if not 0 <= probability < 1:
            raise ValueError(f"drop_path is {probability}; allowed: 0 or more, less than 1")
        self._drop_path = probability
        self._drops = probability > 0
        self.keep.fill_(1 - probability)

    def kept(self) -> Tensor | None:
        """What cells take as `keep`: None where nothing is dropped."""
        return self.keep if self.training and self._drops else None


def stem(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    """The 3×3 convolution and BN before the first cell."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out))
