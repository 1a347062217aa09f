"""The format of studies in files, and whether a file is of it: a Parquet file with a row a study.

A row holds what was asked, the parts, and the jobs that these refer to with all their records.
Numbers of jobs are those of the home that wrote the file, and tie parts to jobs. Ids of runs are
that home's too, and say only that there was a run: it is found again by its training, under
whatever id the home that reads the file has it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.cells import CellError, parse_cell
from data import job_rows, studies
from data.job_rows import ACTIVE, MOST_PRIORITY, RECORDS, STATES, Job, Records
from data.source_error import SourceError
from data.studies import Part

RECORD_FIELDS: dict[Records, str] = {
    "epochs": "epoch_records",
    "measurements": "measurement_records",
}
"""Fields of a job in the file that hold its records, each JSON."""


def _field(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field[Any]:
    return pa.field(name, kind, nullable=nullable)


_TEXTS = pa.list_(_field("element", pa.string()))
_PART = pa.struct(list(studies.SCHEMA))
_JOB = pa.struct([*job_rows.SCHEMA, *(_field(name, _TEXTS) for name in RECORD_FIELDS.values())])
SCHEMA = pa.schema(
    [
        _field("kind", pa.string()),
        _field("settings", pa.string()),
        _field("created_at", pa.timestamp("us")),
        _field("parts", pa.list_(_field("element", _PART))),
        _field("jobs", pa.list_(_field("element", _JOB))),
        _field("sha256", pa.string()),
    ],
    {"recipes": "as trained"},
)
"""Columns of the file; the last is of the others (:func:`digest`). Earlier versions, whose names of
recipes may have meant others, wrote nothing about these.

Checksums of pages don't cover their headers: a damaged one can move a column by a row.
"""


@dataclass(frozen=True, slots=True)
class FiledJob:
    """A job of a file, numbered as there, with its records from the first on, by kind."""

    job: Job
    records: dict[Records, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class FiledStudy:
    """A study of a file; ``settings`` are JSON, ``jobs`` by their number in the file.

    ``earlier``: whether the names of its recipes may be those of an earlier version.
    """

    kind: str
    settings: str
    created_at: datetime
    parts: list[Part]
    jobs: dict[int, FiledJob]
    earlier: bool


Cells = dict[str, tuple[str, str]]
"""Canonical string and id of what was read of a file so far; a genotype takes long to read."""

Training = tuple[str, str, str, int]
"""Cell (canonical string), data set, recipe, seed."""


def training(one: Job | Part) -> Training:
    """Which training a job is, or a part of a study."""
    return one.cell, one.dataset, one.recipe, one.seed


@contextmanager
def naming(path: Path, place: int, kind: str) -> Iterator[None]:
    """Let errors say of which study they are."""
    try:
        yield
    except SourceError as error:
        raise type(error)(f"{path.name}, study {place} ({kind}): {error}") from error


def digest(row: dict[str, Any]) -> str:
    """SHA-256 of a row's other columns, as hexadecimal digits."""
    others = {name: value for name, value in row.items() if name != "sha256"}
    return hashlib.sha256(orjson.dumps(others, option=orjson.OPT_SORT_KEYS)).hexdigest()


def table_of(row: dict[str, Any]) -> pa.Table:
    """A row without its digest, as it is written."""
    (kept,) = pa.Table.from_pylist([row | {"sha256": ""}], SCHEMA).to_pylist()
    return pa.Table.from_pylist([kept | {"sha256": digest(kept)}], SCHEMA)


def count(path: Path) -> int:
    """How many studies a file holds; 0 where it can't be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return 0


def read(path: Path) -> Iterator[FiledStudy]:
    """The studies of a file, one at a time.

    Raises:
        SourceError: says what is wrong with the file, and with which of its studies.
    """
    place = 0
    known: Cells = {}
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _require_columns(path, file.schema_arrow)
            said = file.schema_arrow.metadata or {}
            earlier = any(said.get(key) != told for key, told in SCHEMA.metadata.items())
            place = 1
            for batch in file.iter_batches(1, columns=SCHEMA.names):
                (row,) = batch.to_pylist()
                with naming(path, place, str(row["kind"])):
                    yield _study(row, known, earlier=earlier)
                place += 1
    except SourceError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        where = f"study {place} is damaged" if place else "no Parquet file that can be read"
        told = getattr(error, "strerror", None) or str(error)[:300]
        raise SourceError(f"{path}: {where} ({told})") from error


def _require_columns(path: Path, found: pa.Schema) -> None:
    faults = list(_differences("", pa.struct(list(found)), pa.struct(list(SCHEMA))))
    if faults:
        raise SourceError(f"{path} holds no studies: {'; '.join(faults[:5])}")


def _differences(name: str, found: pa.DataType, wanted: pa.DataType) -> Iterator[str]:
    """What keeps values of a type from being read as ones of another."""
    if isinstance(wanted, pa.StructType) and isinstance(found, pa.StructType):
        for field in wanted:
            place = f"{name}.{field.name}" if name else field.name
            index = found.get_field_index(field.name)
            if index < 0:
                yield f"{place} is missing"
            else:
                yield from _differences(place, found.field(index).type, field.type)
    elif isinstance(wanted, pa.ListType) and isinstance(found, pa.ListType):
        yield from _differences(name, found.value_type, wanted.value_type)
    elif found != wanted:
        shown = "list" if isinstance(wanted, pa.ListType) else str(wanted)
        yield f"{name} is {str(found)[:60]}, not {'struct' if '<' in shown else shown}"


def _study(row: dict[str, Any], known: Cells, *, earlier: bool) -> FiledStudy:
    if digest(row) != row["sha256"]:
        raise SourceError("it is damaged: its SHA-256 is another")
    for field in SCHEMA:
        _require_values(field.name, row[field.name], field)
    settings = _text("settings", row["settings"])
    jobs = {}
    for one in row["jobs"]:
        filed = _job(one, known)
        if filed.job.number in jobs:
            raise SourceError(f"job {filed.job.number} comes twice")
        jobs[filed.job.number] = filed
    parts = [Part(**{field.name: one[field.name] for field in _PART}) for one in row["parts"]]
    if not parts:
        raise SourceError("it has no parts")
    for part in parts:
        _check_part(part, jobs, known)
    alone = sorted(jobs.keys() - {part.job for part in parts})
    if alone:
        raise SourceError(f"job {alone[0]} belongs to none of its parts")
    return FiledStudy(row["kind"], settings, row["created_at"], parts, jobs, earlier)


def _require_values(place: str, value: Any, field: pa.Field[Any]) -> None:
    """Raises SourceError where a value is null that may not be."""
    if value is None:
        if not field.nullable:
            raise SourceError(f"{place} is null")
    elif isinstance(field.type, pa.ListType):
        for item in value:
            _require_values(place, item, field.type.value_field)
    elif isinstance(field.type, pa.StructType):
        for inner in field.type:
            _require_values(f"{place}.{inner.name}", value[inner.name], inner)


def _job(row: dict[str, Any], known: Cells) -> FiledJob:
    number = row["job"]
    where = f"job {number}"
    if row["state"] not in STATES:
        raise SourceError(f"{where}: unknown state {row['state']!r}; allowed: {_ENDED}")
    if row["state"] in ACTIVE:
        raise SourceError(f"{where} is {row['state']}: only what has ended is taken in")
    _require_cell(where, row["cell"], row["cell_id"], known)
    _require_seed(where, row["seed"])
    if row["epochs"] < 1:
        raise SourceError(f"{where}: {row['epochs']} epochs; allowed: 1 or more")
    if abs(row["priority"]) > MOST_PRIORITY:
        allowed = f"{-MOST_PRIORITY} … {MOST_PRIORITY}"
        raise SourceError(f"{where}: priority {row['priority']}; allowed: {allowed}")
    values = {name: row[name] for name in job_rows.SCHEMA.names if name != "job"}
    for name in ("settings", "measurement", "details"):
        if row[name] is not None:
            values[name] = _text(f"{where}, {name}", row[name])
    records = {kind: _numbered(where, kind, row[name]) for kind, name in RECORD_FIELDS.items()}
    epochs, measured = records["epochs"], records["measurements"]
    if len(epochs) > row["epochs"]:
        raise SourceError(f"{where}: {len(epochs)} epochs are recorded of {row['epochs']}")
    job = Job(
        number=number,
        **values,
        done_epochs=len(epochs),
        last=epochs[-1] if epochs else None,
        measured=len(measured),
        last_measured=measured[-1] if measured else None,
    )
    return FiledJob(job, records)


_ENDED = ", ".join(state for state in STATES if state not in ACTIVE)


def _numbered(where: str, kind: Records, texts: Iterable[str]) -> list[dict[str, Any]]:
    """Records that are numbered 1, 2, …"""
    _, column = RECORDS[kind]
    records = []
    for place, text in enumerate(texts, 1):
        record = _object(f"{where}, record {place} of {kind}", text)
        if type(record.get(column)) is not int or record[column] != place:
            raise SourceError(
                f"{where}, record {place} of {kind}: {column} is {record.get(column)!r:.100}"
            )
        records.append(record)
    return records


def _check_part(part: Part, jobs: dict[int, FiledJob], known: Cells) -> None:
    where = f"part {part.role} {part.cell_id:.100}"
    _require_cell(where, part.cell, part.cell_id, known)
    _require_seed(where, part.seed)
    if not (math.isfinite(part.learning_rate) and part.learning_rate > 0):
        raise SourceError(f"{where}: learning rate {part.learning_rate}; allowed: above 0, finite")
    if part.job is None:
        if part.run is None:
            raise SourceError(f"{where} has neither job nor run")
    elif part.job not in jobs:
        raise SourceError(f"{where} refers to job {part.job}, which isn't in the file")
    elif training(jobs[part.job].job) != training(part):
        raise SourceError(f"{where} refers to job {part.job}, which is another training")


def _require_cell(where: str, arch: str, cell_id: str, known: Cells) -> None:
    if arch not in known:
        try:
            cell = parse_cell(arch)
        except CellError as error:
            raise SourceError(f"{where}: unknown cell: {error}") from error
        known[arch] = cell.arch, cell.id
    if known[arch] != (arch, cell_id):
        raise SourceError(f"{where}: cell {arch:.200} with id {cell_id:.100} is {known[arch][1]}")


def _require_seed(where: str, seed: int) -> None:
    if not 0 <= seed < 2**31:
        raise SourceError(f"{where}: seed {seed}; allowed: 0 … {2**31 - 1}")


def _text(where: str, text: str) -> str:
    """The JSON object as it is kept: what was checked, not what might be read otherwise."""
    return orjson.dumps(_object(where, text)).decode()


def _object(where: str, text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
        orjson.dumps(value)  # what is nested too deeply for that, no answer could hold
    except (ValueError, TypeError) as error:
        raise SourceError(f"{where} is not JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise SourceError(f"{where} is no JSON object: {text[:100]}")
    return value
