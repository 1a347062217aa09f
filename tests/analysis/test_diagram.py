import re
from xml.etree import ElementTree

import pytest
from hypothesis import given

from analysis.cells import Cell, parse_cell
from analysis.diagram import COLOURS, LABELS, main, svg
from analysis.layout import BOX_WIDTH, ROW, Box, Point, layout
from analysis.spaces import darts, nasbench201
from analysis.spaces.darts import CONCAT, NAMED, Genotype
from analysis.topology import edges, graphs
from tests.analysis.strategies import cells

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}
DEAD = "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


def _parse(cell: Cell) -> ElementTree.Element:
    return ElementTree.fromstring(svg(cell))


def _text(root: ElementTree.Element, path: str) -> str:
    found = root.find(path, NAMESPACE)
    assert found is not None
    assert found.text
    return found.text


def _words(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iterfind(".//svg:text", NAMESPACE)]


@given(cells)
def test_there_is_one_path_per_edge_and_dead_ones_are_marked(cell: Cell) -> None:
    root = _parse(cell)
    drawn = root.findall(".//svg:path", NAMESPACE)
    expected = edges(cell)
    assert [
        (
            path.get("data-part"),
            path.get("data-source"),
            path.get("data-target"),
            path.get("data-operation"),
            path.get("class"),
            path.get("stroke-dasharray") is None,
            path.get("stroke"),
        )
        for path in drawn
    ] == [
        (
            edge.part,
            str(edge.source),
            str(edge.target),
            edge.operation,
            "edge live" if edge.live else "edge dead",
            edge.live,
            COLOURS[edge.operation],
        )
        for edge in expected
    ]
    named = [LABELS[edge.operation] for edge in expected if edge.operation != CONCAT]
    words = _words(root)
    assert all(words.count(label) >= named.count(label) for label in named)
    assert any("dead" in word for word in words) == any(not edge.live for edge in expected)


@given(cells)
def test_everything_lies_on_the_panel(cell: Cell) -> None:
    root = _parse(cell)
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    for group in root.iterfind("svg:g", NAMESPACE):
        dx, dy = map(float, re.findall(r"-?[\d.]+", group.get("transform", "")))
        for box in group.iterfind("svg:rect", NAMESPACE):
            left, top, w, h = (float(box.get(key, "")) for key in ("x", "y", "width", "height"))
            assert 0 <= left + dx <= left + dx + w <= width
            assert 0 <= top + dy <= top + dy + h <= height


def test_the_title_and_the_description_say_what_is_drawn() -> None:
    root = _parse(parse_cell(DEAD))
    title, description = _text(root, "svg:title"), _text(root, "svg:desc")
    assert root.get("role") == "img"
    ids = [element.get("id") for element in root if element.get("id")]
    assert root.get("aria-labelledby", "").split() == ids
    assert len(ids) == 2
    assert title == f"{parse_cell(DEAD).id}: width 1 (2 before pruning), depth 1"
    assert "conv 3×3 from input 0 to node 2 (dead)" in description
    assert "skip from input 0 to the output;" in description


def test_a_genotype_is_drawn_with_its_name_its_id_and_both_cells() -> None:
    root = _parse(NAMED["AmoebaNet-A-adapted"])
    words = _words(root)
    assert [group.get("class") for group in root.iterfind("svg:g", NAMESPACE)] == [
        "normal",
        "reduce",
    ]
    assert "AmoebaNet-A-adapted" in words
    assert NAMED["AmoebaNet-A-adapted"].id in words
    assert "Normal cell: width 3 (5 before pruning), depth 2" in words
    assert "Reduction cell: width 3 (5 before pruning), depth 2" in words
    assert _text(root, "svg:title").startswith("AmoebaNet-A-adapted: width 3")


def test_a_disconnected_cell_says_so() -> None:
    none = nasbench201.NasBench201Cell(("none",) * 6)
    assert "Disconnected, width and depth undefined" in _words(_parse(none))


def test_every_operation_has_a_label_and_a_colour_that_white_text_stands_out_on() -> None:
    def luminance(colour: str) -> float:
        channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert set(COLOURS) == {*nasbench201.OPERATIONS, *darts.OPERATIONS, CONCAT}
    assert set(LABELS) == set(COLOURS)
    for colour in COLOURS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5
    for operations in (nasbench201.OPERATIONS, darts.OPERATIONS):
        assert len({COLOURS[operation] for operation in operations}) == len(operations)


@given(cells)
def test_boxes_do_not_overlap_and_edges_run_beside_them(cell: Cell) -> None:
    for dag in graphs(cell).values():
        placed = layout(dag)
        boxes = list(placed.boxes.items())
        for i, (_, one) in enumerate(boxes):
            assert 0 <= one.middle - one.height / 2 < one.middle + one.height / 2 <= placed.height
            for _, other in boxes[i + 1 :]:
                apart = abs(one.middle - other.middle) - (one.height + other.height) / 2
                assert one.left != other.left or apart > 0
        for edge, route in zip(dag.edges, placed.routes, strict=True):
            source, target = placed.boxes[edge.source], placed.boxes[edge.target]
            assert route[0] == (source.left + BOX_WIDTH, source.middle)
            assert route[-1][0] == target.left
            assert abs(route[-1][1] - target.middle) <= (target.height - ROW) / 2
            for entry, leaving in zip(route[1:-1:2], route[2:-1:2], strict=True):
                assert entry[1] == leaving[1]
                assert not any(_behind(box, entry) for box in placed.boxes.values())
        ends = [route[-1] for route in placed.routes]
        assert len(set(ends)) == len(ends)


def _behind(box: Box, entry: Point) -> bool:
    left, level = entry
    return box.left == left and abs(box.middle - level) <= box.height / 2


def test_edges_lead_from_left_to_right() -> None:
    for genotype in NAMED.values():
        for part in darts.PARTS:
            for route in layout(genotype.dag(part)).routes:
                across = [x for x, _ in route]
                assert across == sorted(across)


def test_the_largest_genotype_is_drawn() -> None:
    pairs = tuple(("conv_7x1_1x7", 1 + i // 2) for i in range(24))
    root = _parse(Genotype(pairs, (13,), pairs, tuple(range(2, 14))))
    assert len(root.findall(".//svg:path", NAMESPACE)) == 24 + 1 + 24 + 12


def test_the_command_writes_a_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["DARTS-V2"]) == 0
    assert capsys.readouterr().out == svg(NAMED["DARTS-V2"]) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"), [([], "usage"), (["a", "b"], "usage"), (["99999"], "0..15624")]
)
def test_the_command_says_what_it_needs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out
