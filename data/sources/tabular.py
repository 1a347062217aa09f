"""CSV and Parquet files, read in batches by a column mapping."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from data.sources.base import Batch, Description, Progress, SourceError
from data.sources.grouping import Spool, group
from data.sources.mapping import (
    TableMapping,
    plain_mapping,
    read_mapping,
    shipped_mapping,
)
from data.sources.points import PointReader

_BLOCK: Final = 4 << 20
_ROWS: Final = 65_536


class Tabular:
    """One CSV or Parquet file.

    Args:
        path: the file.
        parquet: whether it is Parquet, else CSV with a header line.
        name: the source's name, where not the mapping's or the file's stem.
        mapping: a TOML file that says what the columns mean; without one, a shipped mapping for
            just these columns or the plain long layout.

    Raises:
        SourceError: the header can't be read, or no mapping fits.
    """

    def __init__(
        self, path: Path, *, parquet: bool, name: str | None = None, mapping: Path | None = None
    ) -> None:
        self.path = path
        self._parquet = parquet
        self._mapping_path = mapping
        header = self._header()
        twice = sorted({column for column in header if header.count(column) > 1})
        if twice:
            raise SourceError(f"{path}: columns with the same name: {', '.join(twice)[:200]}")
        if mapping is not None:
            self._mapping = read_mapping(mapping)
        else:
            self._mapping = shipped_mapping(header) or _plain(path, header)
        missing = sorted(self._mapping.columns() - set(header))
        if missing:
            raise SourceError(
                f"{path}: the mapping needs {', '.join(missing)}; the columns are "
                f"{', '.join(header)[:500]}"
            )
        self._name = name or self._mapping.name or _slug(path.stem)

    def describe(self) -> Description:
        """See :class:`~data.sources.base.Source`."""
        mapping = self._mapping
        notes = list(mapping.notes)
        if any("recipe" not in value.fields for value in mapping.values):
            notes.append("no recipe is named: taken as the benchmark's own (nb201-<schedule>)")
        return Description(
            name=self._name,
            title=mapping.title or f"Table {self.path.name}",
            origin=mapping.origin or f"file {self.path.name}",
            licence=mapping.licence or "not stated",
            notes=tuple(notes),
        )

    def files(self) -> list[Path]:
        """See :class:`~data.sources.base.Source`; a mapping of one's own belongs to them."""
        return [self.path, *([self._mapping_path] if self._mapping_path else [])]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """See :class:`~data.sources.base.Source`; progress is in bytes of the file."""
        where = f"{self.path.name}, {'row' if self._parquet else 'line'}"
        reader = PointReader(self._mapping, where)
        size = self.path.stat().st_size
        try:
            with Spool(self._expected() * len(self._mapping.values)) as spool:
                for table, first, done in self._tables():
                    rows = np.arange(first, first + table.num_rows, dtype=np.int64)
                    for points in reader.read(table, rows):
                        spool.add(points)
                    progress(int(done * size * 0.8), size)
                for points in spool.buckets():
                    yield from group(points, reader.codes, where)
        except pa.ArrowException as error:
            raise SourceError(f"{self.path}: damaged ({str(error)[:300]})") from error
        progress(size, size)

    def _header(self) -> list[str]:
        try:
            if self._parquet:
                return list(pa.parquet.read_schema(self.path).names)
            with self._open_csv() as stream:
                return list(stream.schema.names)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise SourceError(
                f"{self.path}: no {'Parquet file' if self._parquet else 'CSV with a header'} "
                f"that can be read ({str(error)[:300]})"
            ) from error

    def _tables(self) -> Iterator[tuple[pa.Table, int, float]]:
        """Chunks with the number of their first row, and how much of the file was read."""
        wanted = sorted(self._mapping.columns())
        if self._parquet:
            with pa.parquet.ParquetFile(self.path) as file:
                total = max(1, file.metadata.num_rows)
                row = 1
                for batch in file.iter_batches(_ROWS, columns=wanted):
                    yield pa.Table.from_batches([batch]), row, row / total
                    row += batch.num_rows
            return
        size = self.path.stat().st_size
        with self._open_csv(wanted) as stream:
            row, done = 2, 0
            for batch in stream:
                done += _BLOCK
                yield pa.Table.from_batches([batch]), row, min(1.0, done / size)
                row += batch.num_rows

    def _open_csv(self, wanted: list[str] | None = None) -> pyarrow.csv.CSVStreamingReader:
        """Every column as text, as only so can a bad value be told; empty is null."""
        types = {column: pa.string() for column in wanted or ()}
        problems: list[str] = []

        def refuse(row: Any) -> Literal["skip", "error"]:
            line = "" if row.number is None else f", line {row.number}"
            problems.append(
                f"{self.path.name}{line}: {row.actual_columns} fields where the header has "
                f"{row.expected_columns}: {row.text[:100]!r}"
            )
            return "error"

        try:
            return pyarrow.csv.open_csv(
                self.path,
                pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
                pyarrow.csv.ParseOptions(invalid_row_handler=refuse),
                pyarrow.csv.ConvertOptions(
                    column_types=types,
                    include_columns=wanted,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            raise SourceError(problems[0] if problems else f"{self.path}: {error}") from error

    def _expected(self) -> int:
        """About how many rows there are."""
        if self._parquet:
            return int(pa.parquet.read_metadata(self.path).num_rows)
        with self.path.open("rb") as file:
            start = file.read(1 << 16)
        return int(self.path.stat().st_size / max(1, len(start)) * max(1, start.count(b"\n")))


def _plain(path: Path, header: list[str]) -> TableMapping:
    try:
        return plain_mapping(header)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "table"
