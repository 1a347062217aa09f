"""Exports: what is written, and that an import of it gives equal answers."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data.export import export
from data.library import Library
from data.sources import recognise
from data.sources.base import SourceError
from tests import raw
from tests.conftest import client_of
from tests.service.helpers import get
from tests.store.sources import Made, run


def curves(library: Library, source: str) -> set[Any]:
    with library.store.read() as cursor:
        return set(
            cursor.execute(
                """
                SELECT cells.arch, runs.dataset, runs.schedule, runs.seed, runs.replicate,
                       runs.recipe, runs.images, eval_set, measure, epochs::VARCHAR,
                       series."values"::VARCHAR
                FROM series JOIN curves USING (curve) JOIN grids USING (grid)
                JOIN runs USING (run) JOIN cells ON cells.cell = runs.cell
                JOIN sources ON sources.source = runs.source WHERE sources.name = ?
                """,
                [source],
            ).fetchall()
        )


ANSWERS = [
    "/cells?cell=0&cell=11&cell=284&metric=aulc@200of200&metric=train_loss@12of12",
    "/cells/284/curves?seed=all&metric=valid_accuracy,test_accuracy",
    "/correlations/by-epoch?x=n_skip&y=valid_accuracy&schedule=12&ci=none",
    "/groups?by=connected&metric=test_accuracy@final:n_seeds,test_accuracy@final",
]


def test_an_import_of_an_export_gives_equal_answers(
    records: Library, fresh: Library, tmp_path: Path
) -> None:
    """The official records, every curve of them, and the whole default table."""
    files = export(records.snapshot, tmp_path / "out")
    assert files == ["cells.parquet", "hpo-bench.parquet", "nasbench201.parquet", "sources.json"]
    for name in ("hpo-bench", "nasbench201"):
        fresh.import_source(recognise(tmp_path / "out" / f"{name}.parquet", name=name))
        assert curves(fresh, name) == curves(records, name)
    old, new = client_of(records), client_of(fresh)
    for question in ANSWERS:
        assert _told(get(new, question)) == _told(get(old, question)), question


def _told(body: Any) -> Any:
    """An answer without where it came from: what is official isn't so when it comes back."""
    text = json.dumps(body["items"])
    items: list[dict[str, Any]] = json.loads(text)
    for item in items:
        item.pop("source", None)
    return items


def test_every_kind_of_run_comes_back(fresh: Library, empty_home: Path, tmp_path: Path) -> None:
    runs = [
        run(0, {3: 1.25, 12: 50.0}),
        run(0, {12: 51.0}, seed=888),
        run(1, {12: 1 / 3}, seed=None, replicate="curve 1"),
        run(1, {12: 2 / 3}, seed=None, replicate="mean"),
        run(2, {5: 2.5e-17}, measure="loss", schedule=5, recipe="mine", images="jpeg"),
        run(3, {5: 9.0}, schedule=5, recipe=""),
        run(4, {12: 9.0}, dataset="digits", eval_set="train"),
    ]
    fresh.import_source(Made(tmp_path, [runs]))
    export(fresh.snapshot, tmp_path / "out")
    home = Path(shutil.copytree(empty_home, tmp_path / "other"))
    with closing(Library.open(home)) as other:
        other.import_source(recognise(tmp_path / "out" / "made.parquet"))
        assert curves(other, "made") == curves(fresh, "made")
        assert len(curves(other, "made")) == len(runs)


def test_cells_and_sources(records: Library, tmp_path: Path) -> None:
    export(records.snapshot, tmp_path / "out", ["nasbench201"])
    table = pq.read_table(tmp_path / "out" / "cells.parquet")
    assert table.num_rows == raw.CELLS
    spaces, widths = table["space"].to_pylist(), table["width"].to_pylist()
    assert list(zip(spaces, widths, strict=True)).count(("nasbench201", 3.0)) == 6144
    (source,) = json.loads((tmp_path / "out" / "sources.json").read_text())
    assert (source["name"], source["official"]) == ("nasbench201", True)
    assert not (tmp_path / "out" / "hpo-bench.parquet").exists()


def test_folders_that_can_t_be(records: Library, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    (tmp_path / "file").write_text("kept")
    for folder in ("full", "file"):
        with pytest.raises(SourceError, match="exists already"):
            export(records.snapshot, tmp_path / folder)
    with pytest.raises(SourceError, match="no source 'x'; loaded: nasbench201, hpo-bench"):
        export(records.snapshot, tmp_path / "new", ["x"])
    with pytest.raises(SourceError, match="can't write"):
        export(records.snapshot, tmp_path / "file" / "below", ["nasbench201"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_an_empty_folder_is_taken(records: Library, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert "nasbench201.parquet" in export(records.snapshot, tmp_path / "out", ["nasbench201"])


def test_a_home_without_sources(fresh: Library, tmp_path: Path) -> None:
    assert export(fresh.snapshot, tmp_path / "out") == ["cells.parquet", "sources.json"]
