"""Helpers of the tests of sources: where real data is, and runs as plain values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from data.sources.base import RUN_SCHEMA, SERIES_SCHEMA, Batch, Source

SHARED = Path(
    os.environ.get("CELLWISE_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
TABLES = SHARED / "tables"
FOLDER = SHARED / "nats-bench" / "NATS-tss-v1_0-3ffb9-simple"
SIZE_SPACE = SHARED / "nats-bench" / "NATS-sss-v1_0-50262-simple"

needs_shared = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the real data is not at {SHARED} (CELLWISE_SHARED_DATA)"
)

Points = dict[tuple[Any, ...], float]
"""(cell, dataset, schedule, seed or replicate, set, measure, epoch) → value."""


def read(source: Source) -> list[Batch]:
    """All batches, each checked for form, with progress that must grow and end at its total."""
    seen: list[tuple[int, int]] = []
    batches = list(source.batches(lambda done, total: seen.append((done, total))))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    for batch in batches:
        assert batch.runs.schema == RUN_SCHEMA
        assert batch.series.schema == SERIES_SCHEMA
        batch.runs.validate(full=True)
        batch.series.validate(full=True)
    return batches


def runs(batches: Iterable[Batch]) -> list[dict[str, Any]]:
    """Every run, with its series under ``series``."""
    found: list[dict[str, Any]] = []
    for batch in batches:
        rows: list[dict[str, Any]] = batch.runs.to_pylist()
        for row in rows:
            row["series"] = {}
        for one in batch.series.to_pylist():
            key = one["eval_set"], one["measure"]
            assert key not in rows[one["run"]]["series"]
            assert one["epochs"] == sorted(set(one["epochs"]))
            points = dict(zip(one["epochs"], one["values"], strict=True))
            rows[one["run"]]["series"][key] = points
        found += rows
    return found


def points(batches: Iterable[Batch]) -> Points:
    """Every point; none may be there twice."""
    found: Points = {}
    for run in runs(batches):
        who = run["seed"] if run["seed"] is not None else run["replicate"]
        for (eval_set, measure), curve in run["series"].items():
            for epoch, value in curve.items():
                key = run["cell"], run["dataset"], run["schedule"], who, eval_set, measure, epoch
                assert key not in found
                found[key] = value
    return found
