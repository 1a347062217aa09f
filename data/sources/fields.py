"""Columns and words of a table: converted with a check, refused with the place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.sources.base import FloatArray, SourceError
from data.sources.mapping import Field

NOTHING: Final = -1
"""Stands for no text and for no seed."""

DATASETS: Final = ("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120")

_WORD: Final = re.compile(r"[A-Za-z0-9][\w.+-]*")
_TIME_SOURCES: Final = ("measured", "derived")

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RefusedError(ValueError):
    """What is wrong with one value, before it is known where it stands."""

    problem: str
    allowed: str


class Chunk:
    """Some rows of the file; turns fields into columns and tells where something is wrong."""

    def __init__(self, where: str, table: pa.Table, rows: IntArray) -> None:
        self._where = where
        self._table = table
        self._rows = rows

    def map(self, field: Field | None, convert: Callable[[str | None], int]) -> IntArray:
        """A column by its distinct texts; a field that isn't given is as if empty."""
        if field is None or field.column is None:
            try:
                one = convert(None if field is None else field.constant)
            except RefusedError as refusal:
                said = field.constant if field else None
                raise SourceError(
                    f"the mapping's {said!r} {refusal.problem}; allowed: {refusal.allowed}"
                ) from refusal
            return np.full(len(self._rows), one, np.int64)
        column = self._texts(field)
        whole = column.combine_chunks()
        encoded = whole.dictionary_encode(null_encoding="encode")
        places = encoded.indices.to_numpy(zero_copy_only=False)
        converted = np.empty(len(encoded.dictionary), np.int64)
        for place, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                converted[place] = convert(_renamed(text, field))
            except RefusedError as refusal:
                self._fail(places == place, field, refusal.problem, refusal.allowed)
        column_of_numbers: IntArray = converted[places]
        return column_of_numbers

    def numbers(self, field: Field | None) -> FloatArray:
        """A column of numbers in our unit, NaN where it is empty or not given."""
        if field is None:
            return np.full(len(self._rows), np.nan)
        if field.column is None:
            if not is_number(field.constant):
                raise SourceError(f"the mapping's {field.constant!r} is no number")
            return np.full(len(self._rows), float(field.constant or "nan"))
        column = self._table.column(field.column)
        try:
            values = pc.cast(column, pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            texts = column.to_pylist()
            bad = np.array([text is not None and not is_number(text) for text in texts])
            self._fail(bad, field, "is no number", "numbers")
        said_nan = pc.fill_null(pc.is_nan(values), pa.scalar(False))
        self.check(np.asarray(said_nan), field, "finite numbers, or nothing where none is known")
        raw: FloatArray = values.to_numpy()
        return raw if field.plain else raw * field.times + field.plus

    def check(self, wrong: Any, field: Field, allowed: str) -> None:
        """Refuses the first row where ``wrong`` holds."""
        if wrong.any():
            self._fail(wrong, field, "can't be taken", allowed)

    def _fail(self, wrong: Any, field: Field, problem: str, allowed: str) -> None:
        first = int(np.argmax(wrong))
        value = self._table.column(field.column)[first].as_py() if field.column else field.constant
        raise SourceError(
            f"{self._where} {self._rows[first]}, column {field.column!r}: "
            f"{str(value)[:120]!r} {problem}; allowed: {allowed}"
        )

    def _texts(self, field: Field) -> pa.ChunkedArray[Any]:
        column = self._table.column(field.column or "")
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        try:
            return pc.cast(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceError(
                f"{self._where.rsplit(',', 1)[0]}, column {field.column!r}: type {column.type} "
                "can't be read; allowed: texts and numbers"
            ) from error


def _renamed(text: str | None, field: Field) -> str | None:
    if text is None or not text.strip():
        return None
    text = text.strip()
    return field.prefix + (field.names or {}).get(text, text)


def is_number(text: object) -> bool:
    """Whether the text is a number as Python writes them."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def to_whole(text: str | None, field: Field, low: int, high: int) -> int:
    """A whole number in our unit, ``low`` to ``high``."""
    if text is None or not is_number(text):
        problem = "is empty" if text is None else "is no number"
        raise RefusedError(problem, f"whole numbers from {low} to {high}")
    number = float(text) * field.times + field.plus
    if not number.is_integer() or not low <= number <= high:
        raise RefusedError("is out of range", f"whole numbers from {low} to {high}")
    return int(number)


def to_seed(text: str | None) -> int:
    """A seed."""
    if text is None or not re.fullmatch(r"[0-9]{1,18}", text):
        raise RefusedError(
            "is no seed", "whole numbers from 0, 'mean', or nothing where it is unknown"
        )
    return int(text)


def to_dataset(text: str | None) -> str:
    """A data set's name, as the benchmark spells it."""
    word = to_word(text)
    known = {dataset.lower(): dataset for dataset in DATASETS}
    return known.get(word.lower(), word.lower())


def to_word(text: str | None) -> str:
    """A name of letters, digits and a few signs."""
    if text is None or len(text) > 64 or not _WORD.fullmatch(text):
        raise RefusedError("is no name", "letters, digits, and . _ + - inside, up to 64 characters")
    return text


def to_details(text: str | None) -> str | None:
    """A JSON object, as text; None for nothing."""
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RefusedError(f"is no JSON ({error})", "a JSON object, or nothing") from error
    if not isinstance(found, dict):
        raise RefusedError("is no JSON object", "a JSON object, or nothing")
    return text


def to_optional(text: str | None) -> str | None:
    """A short text, or none."""
    if text is not None and len(text) > 64:
        raise RefusedError("is too long", "up to 64 characters")
    return text


def to_one_of(text: str | None, allowed: tuple[str, ...]) -> str:
    """One of the allowed words."""
    if text is None or text not in allowed:
        raise RefusedError("is unknown" if text else "is empty", ", ".join(allowed))
    return text


def to_time_source(text: str | None) -> str | None:
    """Where times come from, or none."""
    return None if text is None else to_one_of(text, _TIME_SOURCES)
