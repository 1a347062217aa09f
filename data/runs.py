"""Single trainings: lists of them, one in full, and the curves of one cell."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import numpy.typing as npt

from data.catalogue import Resolved, ranges
from data.divergence import DIVERGED_AT
from data.epochs import curves_by_cell
from data.frame import python_values
from data.origin import of_one_source
from data.store import first_row

if TYPE_CHECKING:
    from data.library import Snapshot

FIELDS: dict[str, str] = {
    "id": "runs.id",
    "cell": "cells.id",
    "source": "sources.name",
    "dataset": "runs.dataset",
    "schedule": "runs.schedule",
    "seed": "runs.seed",
    "replicate": "runs.replicate",
    "recipe": "runs.recipe",
    "images": "runs.images",
    "split": "runs.split",
    "device": "runs.device",
    "file_params_m": "runs.file_params_m",
    "file_flops_m": "runs.file_flops_m",
    "latency_s": "runs.latency_s",
    "train_time_s": "runs.train_time_s",
    "time_source": "runs.time_source",
}
"""Fields of a run, with the expressions that read them.

``file_params_m`` and ``file_flops_m`` are what the source says; the published files are wrong for
some cells, so a cell's own ``params_m`` and ``flops_m`` come from the exact formula.
"""

_SELECT = (
    f"SELECT runs.run, {', '.join(FIELDS.values())} FROM runs "  # noqa: S608  (constants)
    "JOIN cells USING (cell) JOIN sources ON sources.source = runs.source"
)

_OWN = "images = 'original' AND split = 'official' AS own"
_THAT_WINS_LAST = (
    "FROM runs JOIN sources USING (source) "
    "WHERE runs.dataset = $dataset AND ($recipe IS NULL OR runs.recipe = $recipe) "
    "AND seed IS NOT NULL AND cell IN (SELECT unnest($rows::INTEGER[])) "
    "AND NOT contains(coalesce(runs.details, ''), $diverged) "
    "AND (own OR $images IS NULL OR images = $images AND split = $split) "
    "ORDER BY sources.official, own, sources.source DESC, run"
)
"""Trainings of cells on a data set, but for those that diverged; what a null is asked of is any."""

MOST_RUNS_OF_A_CELL = 10_000


@dataclass(frozen=True, slots=True)
class RunFilters:
    """Which runs; ``rows`` are cell numbers, None for all cells."""

    rows: npt.NDArray[np.int64] | None = None
    dataset: str | None = None
    schedule: int | None = None
    seed: int | None = None
    source: str | None = None
    recipe: str | None = None
    images: str | None = None
    split: str | None = None


def _where(filters: RunFilters) -> tuple[str, dict[str, Any]]:
    conditions, parameters = ["true"], {}
    if filters.rows is not None:
        conditions.append("runs.cell IN (SELECT unnest($rows::INTEGER[]))")
        parameters["rows"] = filters.rows.tolist()
    for name, column in (
        ("dataset", "runs.dataset"),
        ("schedule", "runs.schedule"),
        ("seed", "runs.seed"),
        ("source", "sources.name"),
        ("recipe", "runs.recipe"),
        ("images", "runs.images"),
        ("split", "runs.split"),
    ):
        value = getattr(filters, name)
        if value is not None:
            conditions.append(f"{column} = ${name}")
            parameters[name] = value
    return " AND ".join(conditions), parameters


def find(
    snapshot: Snapshot, filters: RunFilters, *, after: int = -1, limit: int
) -> tuple[list[dict[str, Any]], int, int | None]:
    """Runs in the order of import: records, how many match in all, and the last one's number.

    The last number is None where nothing follows; give it as ``after`` for the next page.
    """
    where, parameters = _where(filters)
    with snapshot.state.read() as cursor:
        counted = first_row(
            cursor,
            f"SELECT count(*) FROM runs JOIN sources ON sources.source = runs.source WHERE {where}",  # noqa: S608  (constants, values bound)
            parameters,
        )
    rows = _page(snapshot, filters, after, limit + 1)
    shown = rows[:limit]
    records = [dict(zip(FIELDS, row[1:], strict=True)) for row in shown]
    last = shown[-1][0] if len(rows) > limit else None
    return records, counted[0] if counted else 0, last


def parts(
    snapshot: Snapshot, filters: RunFilters, *, limit: int | None, size: int
) -> Iterator[list[tuple[Any, ...]]]:
    """All runs, or the first ``limit``, some at a time: a tuple of values for each field.

    The state is held for the length of one part only, so that a slow reader keeps nobody waiting.
    """
    after, left = -1, limit
    while left is None or left > 0:
        rows = _page(snapshot, filters, after, size if left is None else min(size, left))
        if not rows:
            return
        after = rows[-1][0]
        left = None if left is None else left - len(rows)
        yield list(zip(*rows, strict=True))[1:]


def _page(snapshot: Snapshot, filters: RunFilters, after: int, limit: int) -> list[tuple[Any, ...]]:
    where, parameters = _where(filters)
    with snapshot.state.read() as cursor:
        return cursor.execute(
            f"{_SELECT} WHERE {where} AND runs.run > $after ORDER BY runs.run LIMIT $limit",
            {**parameters, "after": after, "limit": limit},
        ).fetchall()


def one(snapshot: Snapshot, run_id: str) -> dict[str, Any] | None:
    """A run with everything that was recorded of it, or None.

    ``details`` is the object that came with it, null where nothing of the kind is on record.
    """
    with snapshot.state.read() as cursor:
        row = first_row(cursor, f"{_SELECT} WHERE runs.id = ?", [run_id])
        if row is None:
            return None
        details = first_row(cursor, "SELECT details FROM runs WHERE run = ?", [row[0]])
        series = cursor.execute(
            'SELECT eval_set, measure, epochs, series."values" FROM series '
            "JOIN curves USING (curve) JOIN grids USING (grid) WHERE run = ? "
            "ORDER BY eval_set, measure",
            [row[0]],
        ).fetchall()
    record = dict(zip(FIELDS, row[1:], strict=True))
    record["details"] = json.loads(details[0]) if details and details[0] is not None else None
    record["recorded"] = [
        {"set": eval_set, "measure": measure, "epochs": epochs, "values": values}
        for eval_set, measure, epochs, values in series
    ]
    return record


def existing(snapshot: Snapshot, run_ids: Sequence[str]) -> frozenset[str]:
    """Those of these runs that there are."""
    with snapshot.state.read() as cursor:
        found = cursor.execute(
            "SELECT id FROM runs WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(run_ids)]
        ).fetchall()
    return frozenset(run_id for (run_id,) in found)


def known(
    snapshot: Snapshot,
    cells: Collection[str],
    dataset: str,
    recipe: str,
    here: tuple[str, str] | None = None,
) -> dict[tuple[str, int], str]:
    """Runs of these cells (canonical strings) by (cell, seed): their ids, of the source that wins.

    One that diverged has nothing to give, and isn't among them. Those on the data set's original
    images and official split answer for it; beside them only runs on the images and the split of
    ``here``, or None: on whatever there is.
    """
    rows = {snapshot.frame.rows[cell]: cell for cell in cells if cell in snapshot.frame.rows}
    with snapshot.state.read() as cursor:
        return _known(cursor, rows, dataset, recipe, here)


def of_cells(
    cursor: duckdb.DuckDBPyConnection, cells: Collection[str], dataset: str, recipe: str
) -> dict[tuple[str, int], str]:
    """The same as :func:`known`, as a transaction sees it that still writes."""
    found = cursor.execute(
        "SELECT cell, arch FROM cells WHERE arch IN (SELECT unnest(?::VARCHAR[]))", [list(cells)]
    ).fetchall()
    return _known(cursor, dict(found), dataset, recipe, None)


def called(
    snapshot: Snapshot, cells: Collection[str], dataset: str
) -> dict[tuple[str, int], list[tuple[str, str | None]]]:
    """What the recipes of all runs of these cells (canonical strings) are called, by (cell, seed).

    Each with the details of its run, as text; none that diverged, and last the one that wins.
    """
    rows = {snapshot.frame.rows[cell]: cell for cell in cells if cell in snapshot.frame.rows}
    with snapshot.state.read() as cursor:
        found = cursor.execute(
            f"SELECT cell, seed, recipe, runs.details, {_OWN} {_THAT_WINS_LAST}",
            {"rows": list(rows), "dataset": dataset, "diverged": f'"{DIVERGED_AT}"'}
            | {"recipe": None, "images": None, "split": None},
        ).fetchall()
    named: dict[tuple[str, int], list[tuple[str, str | None]]] = {}
    for row, seed, recipe, details, _ in found:
        named.setdefault((rows[row], seed), []).append((recipe, details))
    return named


def _known(
    cursor: duckdb.DuckDBPyConnection,
    rows: Mapping[int, str],
    dataset: str,
    recipe: str,
    here: tuple[str, str] | None,
) -> dict[tuple[str, int], str]:
    images, split = here or (None, None)
    found = cursor.execute(
        f"SELECT cell, seed, runs.id, {_OWN} {_THAT_WINS_LAST}",
        {
            "dataset": dataset,
            "recipe": recipe,
            "rows": list(rows),
            "diverged": f'"{DIVERGED_AT}"',
            "images": images,
            "split": split,
        },
    ).fetchall()
    return {(rows[row], seed): run for row, seed, run, _ in found}


def of_cell(snapshot: Snapshot, row: int) -> list[dict[str, Any]]:
    """The runs of one cell, each with what it recorded (first and last epoch, last value)."""
    held = _page(snapshot, RunFilters(rows=np.array([row])), -1, MOST_RUNS_OF_A_CELL)
    records = [dict(zip(FIELDS, values[1:], strict=True)) for values in held]
    with snapshot.state.read() as cursor:
        series = cursor.execute(
            'SELECT runs.id, eval_set, measure, epochs, series."values"[-1] FROM series '
            "JOIN runs USING (run) JOIN curves USING (curve) JOIN grids USING (grid) "
            "WHERE series.cell = ? AND series.run IN (SELECT run FROM runs WHERE cell = ?) "
            "ORDER BY eval_set, measure",
            [row, row],
        ).fetchall()
    recorded: dict[str, list[dict[str, Any]]] = {}
    for run_id, eval_set, measure, epochs, last in series:
        recorded.setdefault(run_id, []).append(
            {
                "set": eval_set,
                "measure": measure,
                "epochs": len(epochs),
                "first_epoch": epochs[0],
                "last_epoch": epochs[-1],
                "at": ranges(epochs),
                "last_value": last,
            }
        )
    return [record | {"recorded": recorded.get(record["id"], [])} for record in records]


def mean_curve(snapshot: Snapshot, row: int, resolved: Resolved) -> dict[str, Any] | None:
    """The cell's mean over seeds by epoch, with std and number of seeds; None without a run.

    An epoch at which a seed had diverged has no mean.
    """
    rows = snapshot.reader.read(resolved, row, row + 1)
    if not resolved.context.pooled:
        rows = rows.where(of_one_source(rows, ~np.isnan(rows.values)))
    if not len(rows.cell):
        return None
    _, statistics, used = curves_by_cell(rows, np.nan)
    held = ~np.isnan(statistics.value[0])
    epochs = np.array(resolved.epochs)[held]
    return {
        "seed": "mean",
        "source": ", ".join(snapshot.reader.names[number] for number in rows.origins(used)),
        "epochs": epochs.tolist(),
        "values": statistics.value[0][held].tolist(),
        "std": python_values(statistics.std[0][held]),
        "n_seeds": python_values(statistics.n_seeds[0][held], whole=True),
    }


def seed_curves(snapshot: Snapshot, row: int, resolved: Resolved) -> list[dict[str, Any]]:
    """The cell's curves, one a seed, of the source that its mean is from; pooled, of all of them.

    ``replicate`` tells unnamed seeds apart, or says that the values are a table's own means.
    """
    context = resolved.context
    rows = snapshot.reader.read(resolved, row, row + 1)
    if not context.pooled:
        rows = rows.where(of_one_source(rows, ~np.isnan(rows.values)))
    with snapshot.state.read() as cursor:
        found = cursor.execute(
            'SELECT seed, replicate, sources.name, epochs, series."values" FROM series '
            "JOIN runs USING (run) JOIN grids USING (grid) "
            "JOIN sources ON sources.source = runs.source "
            "WHERE series.curve = $curve AND series.cell = $row "
            "AND ($name IS NULL OR sources.name = $name) "
            "AND ($seed IS NULL OR seed = $seed) "
            "AND ($pooled OR sources.source = $source AND $tier = "
            "CASE WHEN seed IS NOT NULL THEN 0 WHEN replicate = 'mean' THEN 2 ELSE 1 END) "
            "ORDER BY seed NULLS LAST, replicate, NOT sources.official, sources.source",
            {
                "curve": resolved.curve.number,
                "row": row,
                "name": context.source,
                "seed": context.seed,
                "pooled": context.pooled,
                "source": next(iter(rows.source.tolist()), None),
                "tier": next(iter(rows.tier.tolist()), None),
            },
        ).fetchall()
    merged: dict[tuple[int | None, str | None], tuple[list[str], dict[int, float]]] = {}
    for seed, replicate, source, epochs, values in found:
        sources, points = merged.setdefault((seed, replicate), ([], {}))
        new = {e: v for e, v in zip(epochs, values, strict=True) if e not in points}
        if new:
            sources.append(source)
            points.update(new)
    return [
        {
            "seed": seed,
            "replicate": replicate,
            "source": ", ".join(sources),
            "epochs": sorted(points),
            "values": [_finite(points[epoch]) for epoch in sorted(points)],
        }
        for (seed, replicate), (sources, points) in merged.items()
    ]


def _finite(value: float) -> float | None:
    """A value as it is kept, None at an epoch that diverged."""
    return value if math.isfinite(value) else None
