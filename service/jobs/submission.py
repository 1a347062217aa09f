"""What becomes of each training of a request: known, under way, to be resumed, or new."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from analysis.cells import Cell
from data import runs
from data.errors import QueryError
from data.jobs import JobStore, NewJob
from data.library import Snapshot
from service.jobs.requests import Request
from service.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of one cell and seed of a request.

    ``status`` is ``existing`` with a run, or with the job that measured; ``queued`` with a job
    (waiting or running), ``failed`` with a job that would fail again.
    """

    cell: str
    seed: int
    status: Literal["existing", "queued", "failed"]
    job: int | None
    run: str | None


@dataclass(slots=True)
class Decision:
    """What is to be done for a request.

    Attributes:
        answers: by (cell string, seed), those whose job or run there is.
        missing: trainings that need a job.
        resumed: numbers of jobs that have ended and are to go on.
    """

    request: Request
    answers: dict[tuple[str, int], Submitted] = field(default_factory=dict)
    missing: list[NewJob] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)

    @property
    def in_order(self) -> list[Submitted]:
        """One answer a cell and seed, once all that was missing has a job."""
        cells, seeds = self.request.cells, self.request.seeds
        return [self.answers[cell.arch, seed] for cell in cells for seed in seeds]


def require_same_recipe(recipe: Recipe, jobs: JobStore) -> None:
    """Let a recipe pass that is what its name stood for in earlier jobs, if there are any.

    Raises:
        QueryError: its settings are others.
    """
    settings = jobs.settings_of(recipe.name)
    if settings is not None and Recipe.model_validate_json(settings).digest != recipe.digest:
        raise QueryError(
            recipe.name,
            "jobs of this home were trained under this name with other settings, and runs of one "
            "recipe are compared with each other",
            "the recipe as it was, or the changed one under another name",
            "recipe",
        )


def decide(request: Request, jobs: JobStore, snapshot: Snapshot) -> Decision:
    """Look up each cell and seed; nothing is changed."""
    decision = Decision(request)
    cells = [cell.arch for cell in request.cells]
    known = {}
    if not request.force and request.measurement is None:
        known = runs.known(snapshot, cells, request.dataset, request.recipe.name, request.here)
    latest = jobs.latest(
        cells,
        request.dataset,
        request.recipe.name,
        request.seeds,
        _text(request),
    )
    answers, missing = decision.answers, decision.missing
    for cell in request.cells:
        for seed in request.seeds:
            key = (cell.arch, seed)
            job = latest.get(key)
            if key in known:
                number = job.number if job is not None and job.run == known[key] else None
                answers[key] = Submitted(cell.id, seed, "existing", number, known[key])
            elif job is None or (request.force and job.ended):
                missing.append(_new_job(cell, seed, request))
            elif job.state == "done" and job.measurement is not None:
                answers[key] = Submitted(cell.id, seed, "existing", job.number, job.run)
            elif job.state == "done":  # its run was removed
                missing.append(_new_job(cell, seed, request))
            elif job.diverged:
                answers[key] = Submitted(cell.id, seed, "failed", job.number, None)
            else:
                if job.ended:
                    decision.resumed.append(job.number)
                answers[key] = Submitted(cell.id, seed, "queued", job.number, None)
    return decision


def _new_job(cell: Cell, seed: int, request: Request) -> NewJob:
    return NewJob(
        cell=cell.arch,
        cell_id=cell.id,
        dataset=request.dataset,
        recipe=request.recipe.name,
        settings=request.recipe.model_dump_json(),
        seed=seed,
        priority=request.priority,
        forced=request.force,
        epochs=request.recipe.epochs,
        measurement=_text(request),
    )


def _text(request: Request) -> str | None:
    return None if request.measurement is None else request.measurement.model_dump_json()
