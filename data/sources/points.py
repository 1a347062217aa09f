"""Turns rows of a table into points: one number of one run, every field checked.

A point's texts are kept as numbers into :class:`Codes`, so that a point takes about 110 bytes and
sorting is quick. What is wrong is told with the row, the column, the value and what is allowed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analysis.cells import CellError, parse_cell
from data.divergence import DIVERGED_AT
from data.sources.base import EVAL_SETS, MEASURES
from data.sources.fields import (
    NOTHING,
    Chunk,
    IntArray,
    RefusedError,
    to_dataset,
    to_details,
    to_one_of,
    to_optional,
    to_seed,
    to_time_source,
    to_whole,
    to_word,
)
from data.sources.mapping import FIGURES, Field, TableMapping, Value

RUN_KEYS: Final = ("cell", "dataset", "schedule", "seed", "replicate", "recipe", "images", "split")
MAX_EPOCHS: Final = 32_000
"""The store keeps epochs in 16 bits."""

_WORDS: Final = {
    ("cifar10", "valid"): ("cifar10-valid", "x-valid"),
    ("cifar10-valid", "valid"): ("cifar10-valid", "x-valid"),
    ("cifar10", "test"): ("cifar10", "ori-test"),
    **{
        (dataset, word): (dataset, eval_set)
        for dataset in ("cifar100", "ImageNet16-120")
        for word, eval_set in (("valid", "x-valid"), ("test", "x-test"), ("valtest", "ori-test"))
    },
}
_BENCHMARK_SCHEDULES: Final = (12, 200)


class Codes:
    """Numbers for texts, in the order of their first use."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        """The text's number; `NOTHING` for None."""
        if text is None:
            return NOTHING
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]

    def column(self, numbers: IntArray) -> pa.Array[Any]:
        """The texts of these numbers."""
        known = pa.array([*self.texts, None], pa.string())
        places = np.where(numbers == NOTHING, len(self.texts), numbers)
        return known.take(pa.array(places, pa.int64()))


class PointReader:
    """Reads chunk after chunk of one table by one mapping.

    Args:
        mapping: what the columns mean.
        where: what a row is called in messages, as in ``results.csv, line``.
    """

    def __init__(self, mapping: TableMapping, where: str) -> None:
        self._mapping = mapping
        self._where = where
        self.codes = Codes()
        self._cells: dict[str, str] = {}

    def read(self, table: pa.Table, rows: IntArray) -> list[pa.Table]:
        """Points of each column of values.

        Args:
            table: some rows, with at least the mapping's columns.
            rows: their numbers in the file.

        Raises:
            SourceError: a value that can't be taken.
        """
        return [self._points(value, table, rows) for value in self._mapping.values]

    def _points(self, value: Value, table: pa.Table, rows: IntArray) -> pa.Table:
        column = table.column(value.value.column or "")
        fields = value.fields
        if column.null_count:
            recorded = pc.or_(pc.is_valid(column), _diverged(fields.get("details"), table))
            table, rows = table.filter(recorded), rows[recorded.to_numpy()]
        chunk = Chunk(self._where, table, rows)
        number = self.codes.number
        points: dict[str, Any] = {"row": rows}
        points["cell"] = chunk.map(fields["cell"], lambda text: number(self._cell(text)))
        points["schedule"] = chunk.map(
            fields["schedule"], lambda text: to_whole(text, fields["schedule"], 1, MAX_EPOCHS)
        )
        points["epoch"] = chunk.map(
            fields["epoch"], lambda text: to_whole(text, fields["epoch"], 1, MAX_EPOCHS)
        )
        chunk.check(
            points["epoch"] > points["schedule"], fields["epoch"], "at most the schedule's epochs"
        )
        points["dataset"], points["set"] = self._sets(fields, chunk)
        measure = fields.get("measure", Field(constant="accuracy"))
        points["measure"] = chunk.map(measure, lambda text: number(to_one_of(text, MEASURES)))
        points["value"] = chunk.numbers(value.value)
        is_loss = points["measure"] == number("loss")
        finite = np.isfinite(points["value"])
        lost = table.column(value.value.column or "").is_null().to_numpy()
        chunk.check(~finite & ~lost, value.value, "finite numbers")
        high = np.where(is_loss, np.inf, 100.0)
        chunk.check(
            (points["value"] < 0) | (points["value"] > high),
            value.value,
            "accuracies in percent, 0 to 100, and losses of 0 or more",
        )
        points["seed"], points["replicate"] = self._seeds(fields, chunk)
        points["recipe"] = self._recipes(fields, chunk, points)
        images = fields.get("images", Field(constant="original"))
        points["images"] = chunk.map(images, lambda text: number(to_word(text)))
        # Tables call the sets themselves their split.
        points["split"] = chunk.map(
            fields.get("division"), lambda text: number(to_word(text) if text else "")
        )
        points["time_source"] = chunk.map(
            fields.get("time_source"), lambda text: number(to_time_source(text))
        )
        points["device"] = chunk.map(fields.get("device"), lambda text: number(to_optional(text)))
        points["details"] = chunk.map(fields.get("details"), lambda text: number(to_details(text)))
        for name in FIGURES:
            points[name] = chunk.numbers(fields.get(name))
            wrong = np.isinf(points[name]) | (points[name] < 0)
            chunk.check(wrong, fields.get(name, Field()), "finite numbers of 0 or more")
        return pa.table(points)

    def _cell(self, text: str | None) -> str:
        if text is None:
            raise RefusedError("is empty", "a cell's string, id or official index")
        if text not in self._cells:
            try:
                arch = parse_cell(text).arch
            except CellError as error:
                raise RefusedError(
                    f"is no cell ({error})", "a cell's string, id or index"
                ) from error
            if len(self._cells) > 1 << 16:
                self._cells.clear()
            self._cells[text] = arch
        return self._cells[text]

    def _sets(self, fields: Any, chunk: Chunk) -> tuple[IntArray, IntArray]:
        number, texts = self.codes.number, self.codes.texts
        datasets = chunk.map(fields["dataset"], lambda text: number(to_dataset(text)))
        sets = chunk.map(fields["set"], lambda text: number(to_word(text)))
        resolved = np.empty((2, len(datasets)), np.int64)
        for dataset, word in np.unique(np.stack([datasets, sets]), axis=1).T:
            here = (datasets == dataset) & (sets == word)
            pair = texts[dataset], texts[word]
            if pair[1] not in EVAL_SETS and pair not in _WORDS:
                known = [key[1] for key in _WORDS if key[0] == pair[0]]
                chunk.check(
                    here, fields["set"], f"{', '.join((*EVAL_SETS, *known))} (for {pair[0]})"
                )
            pair = _WORDS.get(pair, pair)
            resolved[0, here], resolved[1, here] = number(pair[0]), number(pair[1])
        return resolved[0], resolved[1]

    def _seeds(self, fields: Any, chunk: Chunk) -> tuple[IntArray, IntArray]:
        number = self.codes.number
        seed = fields.get("seed")
        seeds = chunk.map(seed, lambda text: NOTHING if text in (None, "mean") else to_seed(text))
        named = chunk.map(seed, lambda text: number(text if text == "mean" else None))
        replicate = fields.get("replicate")
        replicates = chunk.map(replicate, lambda text: number(to_optional(text)))
        both = (replicates != NOTHING) & (seeds != NOTHING)
        chunk.check(both, replicate or Field(), "a replicate only where there is no seed")
        replicates = np.where(replicates == NOTHING, named, replicates)
        nameless = (replicates == NOTHING) & (seeds == NOTHING)
        return seeds, np.where(nameless, number("unnamed"), replicates)

    def _recipes(self, fields: Any, chunk: Chunk, points: dict[str, Any]) -> IntArray:
        number, texts = self.codes.number, self.codes.texts
        recipes = chunk.map(fields.get("recipe"), lambda text: number(to_optional(text)))
        missing = recipes == NOTHING
        for cell, schedule in _pairs(points["cell"], points["schedule"], missing):
            benchmark = texts[cell].startswith("|") and schedule in _BENCHMARK_SCHEDULES
            here = missing & (points["cell"] == cell) & (points["schedule"] == schedule)
            recipes[here] = number(f"nb201-{schedule}" if benchmark else "")
        return recipes


def _pairs(left: IntArray, right: IntArray, where: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    both = np.unique(np.stack([left[where], right[where]]), axis=1)
    return [(int(a), int(b)) for a, b in both.T]


def _diverged(details: Field | None, table: pa.Table) -> Any:
    """The rows of runs that diverged: they have no value from that epoch on, and aren't lacking."""
    if details is None or details.column is None:
        return pa.array(np.zeros(len(table), np.bool_))
    texts = table.column(details.column).combine_chunks().cast(pa.string())
    found: Any = pc.match_substring(texts, f'"{DIVERGED_AT}"')
    return found.fill_null(False)
