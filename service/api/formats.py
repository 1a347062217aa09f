"""Answers in the asked format: JSON, or all rows streamed as CSV, NDJSON, Parquet or Arrow."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import pyarrow as pa
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.api.params import Format

ROWS_AT_ONCE = 4096
_Q = re.compile(r"(?:^|;)\s*[qQ]=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")

MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}

FILES = tuple(media_type for form, media_type in MEDIA_TYPES.items() if form != "json")
"""Media types of the streamed formats."""

_ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
}

Kind = Literal["text", "boolean", "integer", "number"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer: Python values, None for null, of any length that rows index."""

    name: str
    kind: Kind
    values: Sequence[Any]


def json_response(body: Any, status: int = 200) -> Response:
    """``body`` as JSON; numpy scalars and arrays are taken, NaN becomes null."""
    return Response(
        orjson.dumps(
            body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
        ),
        status_code=status,
        media_type="application/json",
    )


def asked_format(request: Request, asked: Format | None) -> Format:
    """``format=`` if given, else the known type that ``Accept`` likes best, else JSON."""
    if asked is not None:
        return asked
    best: tuple[float, Format] = (0.0, "json")
    for entry in request.headers.get("accept", "").split(","):
        media, _, parameters = entry.partition(";")
        for name, media_type in MEDIA_TYPES.items():
            if media.strip().lower() == media_type.partition(";")[0]:
                best = max(best, (_quality(parameters), name), key=lambda pair: pair[0])
    return best[1]


def _quality(parameters: str) -> float:
    found = _Q.search(parameters)
    return float(found[1]) if found else 1.0


def items(columns: Sequence[Column], rows: Sequence[int]) -> list[dict[str, Any]]:
    """The rows as dictionaries."""
    names = [column.name for column in columns]
    picked = [[column.values[row] for row in rows] for column in columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*picked, strict=True)]


Part = Sequence[Sequence[Any]]
"""Some rows of an answer: a sequence of values for each column."""


def stream(
    columns: Sequence[Column], rows: Sequence[int], form: Format, name: str
) -> StreamingResponse:
    """All ``rows`` as a file called ``name`` with the format's ending, written as it is sent."""
    parts = (
        [[column.values[row] for row in rows[start : start + ROWS_AT_ONCE]] for column in columns]
        for start in range(0, len(rows), ROWS_AT_ONCE)
    )
    kinds: dict[str, Kind] = {column.name: column.kind for column in columns}
    return stream_parts(kinds, parts, form, name)


def stream_parts(
    kinds: Mapping[str, Kind], parts: Iterator[Part], form: Format, name: str
) -> StreamingResponse:
    """The same of columns by name, with their values coming part by part."""
    writer = {"csv": _csv, "ndjson": _ndjson, "parquet": _parquet, "arrow": _arrow}[form]
    return StreamingResponse(
        writer(kinds, parts), media_type=MEDIA_TYPES[form], headers=_named(name, form)
    )


def columns_of(records: Sequence[dict[str, Any]]) -> list[Column]:
    """Columns of flat records; whole numbers stay whole where all are."""
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = []
    for name in names:
        values = [record.get(name) for record in records]
        kinds = {type(value) for value in values if value is not None}
        kind: Kind = "text"
        if kinds == {bool}:
            kind = "boolean"
        elif kinds == {int}:
            kind = "integer"
        elif kinds and kinds <= {int, float}:
            kind = "number"
        else:
            values = [
                value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
                for value in values
            ]
        columns.append(Column(name, kind, values))
    return columns


def collection(
    request: Request,
    asked: Format | None,
    records: Sequence[dict[str, Any]],
    context: Any,
    name: str,
) -> Response:
    """A short collection: ``{"items", "context"}``, or its records in another format."""
    form = asked_format(request, asked)
    if form == "json":
        return json_response({"items": records, "context": context})
    if form == "ndjson":  # nested values stay as they are in JSON
        lines = b"".join(orjson.dumps(record) + b"\n" for record in records)
        return Response(lines, media_type=MEDIA_TYPES[form], headers=_named(name, form))
    return stream(columns_of(records), range(len(records)), form, name)


def _named(name: str, form: Format) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}.{form}"'}


def _schema(kinds: Mapping[str, Kind]) -> pa.Schema:
    fields: list[pa.Field[Any]] = [
        pa.field(name, _ARROW_TYPES[kind]) for name, kind in kinds.items()
    ]
    return pa.schema(fields)


def _batches(schema: pa.Schema, parts: Iterator[Part]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        arrays = [pa.array(values, field.type) for values, field in zip(part, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _ndjson(kinds: Mapping[str, Kind], parts: Iterator[Part]) -> Iterator[bytes]:
    for part in parts:
        rows = zip(*part, strict=True)
        yield b"".join(orjson.dumps(dict(zip(kinds, row, strict=True))) + b"\n" for row in rows)


class _Sink(io.RawIOBase):
    """Collects what a writer writes until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._parts.append(piece)
        self._position += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _csv(kinds: Mapping[str, Kind], parts: Iterator[Part]) -> Iterator[bytes]:
    from pyarrow import csv

    sink: Any = _Sink()
    schema = _schema(kinds)
    with csv.CSVWriter(sink, schema) as writer:
        for batch in _batches(schema, parts):
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _arrow(kinds: Mapping[str, Kind], parts: Iterator[Part]) -> Iterator[bytes]:
    sink = _Sink()
    schema = _schema(kinds)
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in _batches(schema, parts):
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def _parquet(kinds: Mapping[str, Kind], parts: Iterator[Part]) -> Iterator[bytes]:
    from pyarrow import parquet

    sink: Any = _Sink()
    schema = _schema(kinds)
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in _batches(schema, parts):
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()
