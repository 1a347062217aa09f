"""Sources made up for a test, and what a library answers with all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from data.library import Library
from data.sources.base import Batch, Description, Progress, Run, Series, encode
from tests import raw


def run(
    index: int,
    values: dict[int, float],
    *,
    seed: int | None = 777,
    replicate: str | None = None,
    dataset: str = "cifar10-valid",
    eval_set: Any = "x-valid",
    measure: Any = "accuracy",
    schedule: int = 12,
    recipe: str | None = None,
    images: str = "original",
    split: str = "",
    details: str | None = None,
    cell: str | None = None,
) -> Run:
    """A run of a NAS-Bench-201 cell (or of ``cell``) with one curve, by epoch."""
    series = Series(eval_set, measure, list(values), list(values.values()))
    return Run(
        cell if cell is not None else raw.strings()[index],
        dataset,
        schedule,
        seed,
        (series,),
        replicate=replicate,
        recipe=f"nb201-{schedule}" if recipe is None else recipe,
        images=images,
        split=split,
        details=details,
    )


class Made:
    """A source of given runs, one batch a list; an exception among them is raised in its turn."""

    def __init__(
        self,
        path: Path,
        batches: Iterable[list[Run] | BaseException],
        *,
        name: str = "made",
        official: bool = False,
        content: str = "",
    ) -> None:
        self._batches = list(batches)
        self._description = Description(name, "made up", "a test", "none", (), official)
        self.path = path / f"{name}.bin"
        self.path.write_text(content or repr(self._batches))

    def describe(self) -> Description:
        return self._description

    def files(self) -> list[Path]:
        return [self.path]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        for done, batch in enumerate(self._batches):
            progress(done, len(self._batches))
            if isinstance(batch, BaseException):
                raise batch
            yield encode(batch)


def many(folder: Path) -> Made:
    """600 runs in 30 batches."""
    curves = [run(index, dict.fromkeys(range(1, 13), index / 10)) for index in range(600)]
    return Made(folder, [curves[start : start + 20] for start in range(0, 600, 20)], name="many")


TABLES = ("cells", "sources", "curves", "grids", "runs", "series", "recorded", "meta")


def everything(library: Library) -> dict[str, list[Any]]:
    """Every row of every table, in an order that doesn't depend on where rows lie."""
    found = {}
    with library.store.read() as cursor:
        for table in TABLES:
            # Cells are many and never change: how many, and a sum of their hashes.
            rows = "*" if table != "cells" else "count(*), sum(hash(cells))"
            found[table] = cursor.execute(f"SELECT {rows} FROM {table} ORDER BY ALL").fetchall()
    return found


def meaning(library: Library) -> dict[str, set[Any]]:
    """What is held, whatever numbers stand for it: runs with their curves, and sources."""
    with library.store.read() as cursor:
        curves = cursor.execute(
            """
            SELECT sources.name, cells.id, runs.id, runs.dataset, runs.schedule, runs.seed,
                   runs.replicate, runs.recipe, runs.images, runs.split, eval_set, measure, epochs,
                   series."values"
            FROM series JOIN curves USING (curve) JOIN grids USING (grid) JOIN runs USING (run)
            JOIN cells ON cells.cell = runs.cell JOIN sources ON sources.source = runs.source
            """
        ).fetchall()
        sources = cursor.execute("SELECT name, checksum, cells, runs, points FROM sources")
        held = sources.fetchall()
    return {
        "curves": {tuple(map(repr, row)) for row in curves},
        "sources": {tuple(map(repr, row)) for row in held},
    }
