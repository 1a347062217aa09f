"""A cell drawn as a stand-alone SVG: `python -m analysis.diagram CELL > cell.svg`.

Nodes stand left to right on a light panel of their own, so that the drawing reads the same on a
light and on a dark page. Each node shows the operations that it sums, one row per in-edge, in the
colour of the edge that ends there; what pruning drops is dashed and faint.
"""

import sys
from xml.etree.ElementTree import Element, SubElement, tostring

from analysis.cells import Cell, CellError, parse_cell
from analysis.dag import Dag
from analysis.layout import BOX_WIDTH, ROW, Box, Layout, Point, layout
from analysis.spaces.darts import CONCAT, Part
from analysis.topology import CellEdge, Columns, Value, columns, edges, graphs

COLOURS = {
    "none": "#6b7280",
    "skip_connect": "#3f6212",
    "nor_conv_1x1": "#7c3aed",
    "nor_conv_3x3": "#1d4ed8",
    "avg_pool_3x3": "#c2410c",
    "max_pool_3x3": "#b91c1c",
    "sep_conv_3x3": "#1d4ed8",
    "sep_conv_5x5": "#0e7490",
    "sep_conv_7x7": "#4338ca",
    "dil_conv_3x3": "#a21caf",
    "dil_conv_5x5": "#be185d",
    "conv_3x1_1x3": "#9f1239",
    "conv_7x1_1x7": "#854d0e",
    CONCAT: "#64748b",
}
"""One colour per operation, each dark enough for white text on it (WCAG AA, 4.5:1)."""

LABELS = {
    "none": "none",
    "skip_connect": "skip",
    "nor_conv_1x1": "conv 1×1",
    "nor_conv_3x3": "conv 3×3",
    "avg_pool_3x3": "avg pool 3×3",
    "max_pool_3x3": "max pool 3×3",
    "sep_conv_3x3": "sep conv 3×3",
    "sep_conv_5x5": "sep conv 5×5",
    "sep_conv_7x7": "sep conv 7×7",
    "dil_conv_3x3": "dil conv 3×3",
    "dil_conv_5x5": "dil conv 5×5",
    "conv_3x1_1x3": "3×1, 1×3",
    "conv_7x1_1x7": "7×1, 1×7",
    CONCAT: "concat",
}

_INK = "#1e293b"
_SOFT = "#475569"
_PANEL = "#ffffff"
_BOX = "#f1f5f9"
_LINE = "#cbd5e1"
_MARGIN = 24
_HEADER = 56
_CAPTION = 34
_NOTE = 26
_MIN_WIDTH = 460
_PILL = 94
_DASH = "5 4"
_FAINT = "0.45"
_NOTE_TEXT = "Dashed and faint: dead, no part of any path from input to output"


def svg(cell: Cell) -> str:
    """Draw the cell, a genotype's normal cell above its reduction cell.

    Returns a complete SVG document, without an XML declaration so that it may also stand inside
    HTML. It holds one `path` of class `edge live` or `edge dead` per edge of `topology.edges`, in
    that order, with `data-part`, `data-source`, `data-target` and `data-operation`; and a title and
    a description in words for screen readers.
    """
    values = columns(cell)
    all_edges = edges(cell)
    panels = [(part, dag, layout(dag)) for part, dag in graphs(cell).items()]
    has_dead = any(not edge.live for edge in all_edges)
    width = max([_MIN_WIDTH, *(placed.width for _, _, placed in panels)]) + 2 * _MARGIN
    height = _HEADER + sum(_CAPTION + placed.height + _MARGIN for _, _, placed in panels)
    root = _root(cell, values, all_edges, width, height + (_NOTE if has_dead else 0))
    y: float = _HEADER
    for part, dag, placed in panels:
        _text(root, _caption(cell, part, values), _MARGIN, y + 14, fill=_INK, weight="600")
        shift = f"translate({_number((width - placed.width) / 2)} {_number(y + _CAPTION)})"
        group = SubElement(root, "g", {"class": part, "transform": shift})
        _draw(group, dag, placed, [edge for edge in all_edges if edge.part == part])
        y += _CAPTION + placed.height + _MARGIN
    if has_dead:
        _text(root, _NOTE_TEXT, _MARGIN, y + 4, fill=_SOFT, size="12")
    return tostring(root, encoding="unicode")


def _root(
    cell: Cell, values: Columns, all_edges: list[CellEdge], width: float, height: float
) -> Element:
    """The document with its panel, heading, title and description."""
    heading = cell.name or cell.id
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_number(width)} {_number(height)}",
            "width": _number(width),
            "height": _number(height),
            "role": "img",
            "aria-labelledby": f"{cell.id}-title {cell.id}-desc",
            "font-family": "system-ui, 'DejaVu Sans', Arial, sans-serif",
            "font-size": "13",
        },
    )
    SubElement(
        root, "title", {"id": f"{cell.id}-title"}
    ).text = f"{heading}: {_shape(values, 'normal')}"
    description = " ".join(
        f"{_caption(cell, part, values)}. {_in_words(dag, all_edges, part)}"
        for part, dag in graphs(cell).items()
    )
    SubElement(root, "desc", {"id": f"{cell.id}-desc"}).text = description
    SubElement(
        root,
        "rect",
        {
            "x": "0.5",
            "y": "0.5",
            "width": _number(width - 1),
            "height": _number(height - 1),
            "rx": "10",
            "fill": _PANEL,
            "stroke": _LINE,
        },
    )
    _text(root, heading, _MARGIN, 34, fill=_INK, weight="700", size="18")
    if cell.name:
        _text(root, cell.id, width - _MARGIN, 34, fill=_SOFT, anchor="end", size="12")
    return root


def _caption(cell: Cell, part: Part, values: Columns) -> str:
    shape = _shape(values, part)
    if len(graphs(cell)) == 1:
        return shape[0].upper() + shape[1:]
    return f"{'Normal' if part == 'normal' else 'Reduction'} cell: {shape}"


def _shape(values: Columns, part: Part) -> str:
    """Width and depth in words, with the width before pruning where that differs."""
    prefix = "" if part == "normal" else "reduce_"
    width, depth = values[f"{prefix}width"], values[f"{prefix}depth"]
    nominal = values[f"{prefix}nominal_width"]
    if width is None:
        return "disconnected, width and depth undefined"
    before = "" if nominal == width else f" ({_value(nominal)} before pruning)"
    return f"width {_value(width)}{before}, depth {_value(depth)}"


def _in_words(dag: Dag, all_edges: list[CellEdge], part: Part) -> str:
    def name(node: int) -> str:
        kind = "input" if node in dag.inputs else "node"
        return "the output" if node == dag.output else f"{kind} {node}"

    return (
        "; ".join(
            f"{LABELS[edge.operation]} from {name(edge.source)} to {name(edge.target)}"
            + ("" if edge.live else " (dead)")
            for edge in all_edges
            if edge.part == part
        )
        + "."
    )


def _draw(group: Element, dag: Dag, placed: Layout, written: list[CellEdge]) -> None:
    used = {node for edge in written if edge.live for node in (edge.source, edge.target)}
    for edge, route in zip(written, placed.routes, strict=True):
        _edge(group, edge, route)
    for node, box in placed.boxes.items():
        _node(group, dag, node, box, faint=node not in used and node not in dag.inputs)
    for edge, route in zip(written, placed.routes, strict=True):
        if edge.operation != CONCAT:
            _pill(group, edge, route[-1])


def _edge(group: Element, edge: CellEdge, route: list[Point]) -> None:
    """A smooth line through the route: level inside lanes, curved between them."""
    x, y = route[0]
    steps = [f"M{_number(x)} {_number(y)}"]
    for i, (to_x, to_y) in enumerate(route[1:]):
        if i % 2:
            steps.append(f"L{_number(to_x)} {_number(to_y)}")
        else:
            half = _number((x + to_x) / 2)
            bend = f"C{half} {_number(y)} {half} {_number(to_y)}"
            steps.append(f"{bend} {_number(to_x)} {_number(to_y)}")
        x, y = to_x, to_y
    attributes = {
        "class": f"edge {'live' if edge.live else 'dead'}",
        "d": " ".join(steps),
        "fill": "none",
        "stroke": COLOURS[edge.operation],
        "stroke-width": "2",
        "data-part": edge.part,
        "data-source": str(edge.source),
        "data-target": str(edge.target),
        "data-operation": edge.operation,
    }
    if not edge.live:
        attributes |= {"stroke-dasharray": _DASH, "opacity": _FAINT}
    SubElement(group, "path", attributes)


def _node(group: Element, dag: Dag, node: int, box: Box, *, faint: bool) -> None:
    attributes = {
        "class": "node",
        "x": _number(box.left),
        "y": _number(box.middle - box.height / 2),
        "width": str(BOX_WIDTH),
        "height": _number(box.height),
        "rx": "8",
        "fill": _BOX,
        "stroke": _LINE,
    }
    if faint:
        attributes["stroke-dasharray"] = _DASH
    SubElement(group, "rect", attributes)
    centre = box.left + BOX_WIDTH / 2
    beside = box.left + (BOX_WIDTH + _PILL) / 2 + 2  # the middle of what the pills leave free
    fill = _SOFT if faint else _INK
    concatenates = any(edge.operation == CONCAT and edge.target == node for edge in dag.edges)
    if node in dag.inputs:
        label, x = f"input {node}", centre
    elif concatenates:
        label, x = "concat → output", centre
    else:
        label, x = str(node), beside
        if node == dag.output:
            _text(group, "output", x, box.middle + 18, fill=fill, anchor="middle", size="9")
    _text(group, label, x, box.middle + 5, fill=fill, anchor="middle", weight="600")


def _pill(group: Element, edge: CellEdge, end: Point) -> None:
    """The operation's name in its row of the target's box, where the edge ends."""
    x, y = end
    colour = COLOURS[edge.operation]
    attributes = {
        "x": _number(x + 4),
        "y": _number(y - ROW / 2 + 3),
        "width": str(_PILL),
        "height": str(ROW - 6),
        "rx": "10",
        "fill": colour if edge.live else _PANEL,
        "stroke": colour,
    }
    if not edge.live:
        attributes["stroke-dasharray"] = _DASH
    SubElement(group, "rect", attributes)
    label, fill = LABELS[edge.operation], _PANEL if edge.live else _SOFT
    _text(group, label, x + 4 + _PILL / 2, y + 4, fill=fill, anchor="middle", size="12")


def _text(
    parent: Element,
    content: str,
    x: float,
    y: float,
    *,
    fill: str,
    size: str = "13",
    weight: str = "400",
    anchor: str = "start",
) -> None:
    attributes = {
        "x": _number(x),
        "y": _number(y),
        "fill": fill,
        "font-size": size,
        "font-weight": weight,
        "text-anchor": anchor,
    }
    SubElement(parent, "text", attributes).text = content


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _value(value: Value) -> str:
    return "undefined" if value is None else f"{value:g}"


def main(arguments: list[str]) -> int:
    """Write the drawing of the one cell that is named to standard output."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m analysis.diagram CELL > cell.svg\n")
        return 2
    try:
        drawing = svg(parse_cell(arguments[0]))
    except CellError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(drawing + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
