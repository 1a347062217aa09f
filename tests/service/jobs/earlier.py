"""Jobs as an earlier version left them: by a recipe that left its precision to the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.divergence import DIVERGED_AT
from data.job_rows import Job, NewJob
from data.jobs import JobStore
from service.training.folder import Result
from service.training.recipes import Recipe, find
from tests import raw
from tests.service.jobs.staged import done

WAITING = "nb201-12@decay=batch@precision=auto"
"""What a job of an earlier version by ``nb201-12`` is called as long as it hasn't ended."""


def settings(name: str, **changes: Any) -> str:
    """The settings that a recipe of this name had in an earlier version, as a job kept them."""
    told = find(name.replace("@precision=auto", ""), Path("nowhere")).model_dump()
    told |= {"name": name, "precision": "auto"}
    told["optimiser"]["decay"] = "batch"
    return Recipe.model_validate(told | changes).model_dump_json()


def queue(jobs: JobStore, *, measurement: str | None = None, cell: int = 6111) -> Job:
    """A job of an earlier version that waits."""
    (job,) = jobs.add(
        [
            NewJob(
                raw.strings()[cell],
                f"nb201-{cell:06}",
                "digits",
                WAITING,
                settings(WAITING),
                777,
                12,
                measurement=measurement,
            )
        ]
    )
    return job


def ended(job: Job, precision: str, *, diverged: int | None = None) -> Result:
    """As the worker of such a job writes it last."""
    result = done()
    told: dict[str, Any] = {
        "recipe": Recipe.model_validate_json(job.settings).model_dump(mode="json"),
        "precision": precision,
    }
    if diverged is not None:
        result = result.model_copy(
            update={"state": "failed", "error": f"diverged at epoch {diverged}"}
        )
        told[DIVERGED_AT] = diverged
    return result.model_copy(update={"details": result.details | told})
