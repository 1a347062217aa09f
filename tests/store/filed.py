"""Studies for files, and files of studies that say something else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.library import Library
from data.study_format import SCHEMA, digest
from data.study_transfer import Imported
from service.studies.checking import Checker
from tests.conftest import client_of
from tests.service.helpers import get

ON: dict[str, Any] = {"dataset": "digits", "recipe": "proxy"}
AT = {"epoch": 12, "set": "train", "images": 9}


def measured(assignment: Any) -> list[dict[str, Any]]:
    """Lines of what is measured: a bowl, as gradient variance too."""
    asked = assignment.measurement
    if asked is None:
        return []
    if asked.kind == "landscape":
        rows = [[1 + 0.1 * x * x + y * y / 3 for x in (-1, 0, 1)] for y in (-1, 0, 1)]
        rows[0][0] = None  # type: ignore[call-overload]
        return [
            {**AT, "row": at, "y": at - 1.0, "loss": row, "accuracy": [50.0] * 3}
            for at, row in enumerate(rows)
        ]
    if asked.kind == "gradient-variance":
        moments = {"variance": 0.1, "squared_mean": 1 / 3}
        return [{**AT, "epoch": epoch, **moments, "groups": {"stem": moments}} for epoch in (0, 12)]
    found = {"residual": 1e-6, "products": 12, "converged": True, "parameters": 44}
    return [{**AT, "group": "network", "eigenvalue": -8.0, **found}]


def take(library: Library, path: Path) -> Imported:
    return library.import_studies(path, Checker(library))


def held(library: Library) -> list[Any]:
    """Every row that has to do with jobs and studies."""
    tables = ("jobs", "job_epochs", "job_measurements", "studies", "study_parts")
    with library.store.read() as cursor:
        return [cursor.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in tables]


def told(library: Library) -> list[Any]:
    """What the API answers of all studies and their jobs, without numbers and names of sources."""
    client = client_of(library)
    found = []
    for item in get(client, "/studies")["items"]:
        study = get(client, f"/studies/{item['id']}")
        jobs = [get(client, part["job"]) for part in study["parts"] if part["job"]]
        rows = client.get(f"/studies/{item['id']}?format=csv").text
        found.append(anonymous([item, study, jobs, rows]))
    return found


def anonymous(value: Any) -> Any:
    text = re.sub(r'"id": \d+', '"id": 0', json.dumps(value))
    text = re.sub(r"/(studies|jobs)/\d+", r"/\1/0", text)
    return json.loads(re.sub(r"/runs/[a-z]+%3A", "/runs/SOURCE%3A", text))


Change = Callable[[list[dict[str, Any]]], None]


def changed(file: Path, folder: Path, change: Change) -> Path:
    """A copy of the file with other rows."""
    rows = pq.read_table(file).to_pylist()
    change(rows)
    path = folder / "changed.parquet"
    loose = pa.schema(list(nullable(pa.struct(list(SCHEMA)))))
    told = pa.Table.from_pylist(rows, loose).to_pylist()
    signed = [row | {"sha256": digest(row)} for row in told]
    pq.write_table(pa.Table.from_pylist(signed, loose), path)
    return path


def nullable(kind: Any) -> Any:
    """The type with nulls allowed anywhere in it."""
    if isinstance(kind, pa.StructType):
        return pa.struct([pa.field(field.name, nullable(field.type)) for field in kind])
    return pa.list_(nullable(kind.value_type)) if isinstance(kind, pa.ListType) else kind
