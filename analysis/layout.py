"""Where the nodes and edges of a small graph go on paper: layers from left to right.

The usual layered drawing (Sugiyama, Tagawa and Toda 1981), one sweep of it: a node's layer is its
longest distance from an input; an edge that passes a layer gets a lane there, so that it runs
beside the boxes and not behind them; in a layer, boxes and lanes are sorted by where they come
from.
"""

from dataclasses import dataclass
from statistics import fmean

from analysis.dag import Dag

ROW = 26
"""Height of the row that one in-edge has in its target's box."""
BOX_WIDTH = 132
LAYER_GAP = 92

_PADDING = 10
_LANE = 10
_ITEM_GAP = 18

Point = tuple[float, float]
_Item = tuple[str, int, int]  # ("node", its number, 0) or ("lane", number of the edge, layer)


@dataclass(frozen=True, slots=True)
class Box:
    """A node's rectangle: left edge, vertical centre and height (all are `BOX_WIDTH` wide)."""

    left: float
    middle: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The drawing, from (0, 0) to (`width`, `height`).

    `routes` holds a list of points per edge of the graph: it begins at the source's right side,
    runs level through each lane (two points) and ends at the left side of its row in the target.
    """

    width: float
    height: float
    boxes: dict[int, Box]
    routes: list[list[Point]]


def layout(dag: Dag) -> Layout:
    """Place every node up to the output and every edge, dead ones included."""
    layer = _layers(dag)
    middle = _middles(dag, layer)
    top = min(y - _height(dag, item) / 2 for item, y in middle.items())
    bottom = max(y + _height(dag, item) / 2 for item, y in middle.items())
    boxes = {
        node: Box(_left(at), middle["node", node, 0] - top, _height(dag, ("node", node, 0)))
        for node, at in layer.items()
    }
    routes = []
    for number, edge in enumerate(dag.edges):
        source, target = boxes[edge.source], boxes[edge.target]
        points = [(source.left + BOX_WIDTH, source.middle)]
        for at in range(layer[edge.source] + 1, layer[edge.target]):
            level = middle["lane", number, at] - top
            points += [(_left(at), level), (_left(at) + BOX_WIDTH, level)]
        rows = _in_edges(dag, edge.target)
        rows.sort(key=lambda row: _came_from(dag, layer, middle, row, layer[edge.target]))
        offset = rows.index(number) - (len(rows) - 1) / 2
        routes.append([*points, (target.left, target.middle + offset * ROW)])
    return Layout(_left(layer[dag.output]) + BOX_WIDTH, bottom - top, boxes, routes)


def _left(at: int) -> float:
    return at * (BOX_WIDTH + LAYER_GAP)


def _in_edges(dag: Dag, node: int) -> list[int]:
    return [number for number, edge in enumerate(dag.edges) if edge.target == node]


def _height(dag: Dag, item: _Item) -> float:
    kind, number, _ = item
    if kind == "lane":
        return _LANE
    return max(1, len(_in_edges(dag, number))) * ROW + _PADDING


def _layers(dag: Dag) -> dict[int, int]:
    """The layer of each node: inputs leftmost, the output alone and rightmost."""
    layer = dict.fromkeys(dag.inputs, 0)
    for node in range(dag.output):
        if node not in layer:
            before = (layer[dag.edges[number].source] for number in _in_edges(dag, node))
            layer[node] = 1 + max(before, default=0)
    layer[dag.output] = 1 + max(layer.values())
    return layer


def _middles(dag: Dag, layer: dict[int, int]) -> dict[_Item, float]:
    """The vertical centre of each box and lane, every layer being centred on 0."""
    middle: dict[_Item, float] = {}
    for at in range(layer[dag.output] + 1):
        origins: dict[_Item, list[float]] = {}
        for node in (node for node, its in layer.items() if its == at):
            rows = _in_edges(dag, node)
            came_from = [_came_from(dag, layer, middle, row, at) for row in rows]
            origins["node", node, 0] = came_from or [float(node)]
        for number, edge in enumerate(dag.edges):
            if layer[edge.source] < at < layer[edge.target]:
                origins["lane", number, at] = [_came_from(dag, layer, middle, number, at)]
        order = sorted(origins, key=lambda item: fmean(origins[item]))
        heights = [_height(dag, item) for item in order]
        y = -(sum(heights) + _ITEM_GAP * (len(order) - 1)) / 2
        for item, height in zip(order, heights, strict=True):
            middle[item] = y + height / 2
            y += height + _ITEM_GAP
    return middle


def _came_from(
    dag: Dag, layer: dict[int, int], middle: dict[_Item, float], number: int, at: int
) -> float:
    """The height at which an edge leaves the layer before `at`."""
    source = dag.edges[number].source
    if layer[source] == at - 1:
        return middle["node", source, 0]
    return middle["lane", number, at - 1]
