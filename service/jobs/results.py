"""From a worker's records to a run of the database."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from data.divergence import DIVERGED_AT
from data.jobs import Job
from data.recipe_names import as_trained
from data.sources.base import EVAL_SETS, MEASURES, Description, Run, Series
from service.training.folder import Result

LOCAL = Description(
    name="local",
    title="Trained here",
    origin="training jobs of this service",
    licence="the operator's own",
    notes=("each run holds its recipe, versions, device, images and measured times",),
)


def series_of(
    records: Sequence[dict[str, Any]], epochs: int | None = None, lost: int | None = None
) -> tuple[Series, ...]:
    """Curves from the records of epochs 1, 2, …; a loss that wasn't finite is NaN.

    Of a training that diverged at epoch ``lost`` every value is NaN from there on, to the last of
    the planned ``epochs``: what is recorded of a network without numbers says nothing of the cell.
    """
    grid = (
        [record["epoch"] for record in records]
        if lost is None
        else list(range(1, (epochs or lost) + 1))
    )
    known = [record for record in records if lost is None or record["epoch"] < lost]

    def values(name: str, measure: str) -> list[float]:
        found = [_number(record[name][measure]) for record in known]
        return found + [math.nan] * (len(grid) - len(found))

    return tuple(
        Series(name, measure, grid, values(name, measure))
        for name in EVAL_SETS
        if records and name in records[0]
        for measure in MEASURES
    )


def recipe_of(job: Job, result: Result) -> str:
    """What the recipe of a job is called whose training came to its end."""
    return as_trained(job.recipe, result.details["recipe"], result.details["precision"])


def run_of(job: Job, records: Sequence[dict[str, Any]], result: Result) -> Run:
    """The run that a finished job is, or one that diverged."""
    details = result.details
    return Run(
        cell=job.cell,
        dataset=job.dataset,
        schedule=job.epochs,
        seed=job.seed,
        series=series_of(records, job.epochs, details.get(DIVERGED_AT)),
        recipe=recipe_of(job, result),
        images=details["images"]["rendering"],
        params_m=details["params_m"],
        flops_m=details["flops_m"],
        train_time_s=details["train_time_s"],
        time_source="measured",
        device=details["device"],
        details=json.dumps(details),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
