"""Studies of files are called what was trained: some names meant other recipes in earlier versions.

The rule is that of a database of an earlier version (:mod:`data.schema_recipes`). There a job names
its run by an id; here the run is found by its training, of which the file has the name of then.
"""

from __future__ import annotations

from dataclasses import replace

from data import runs
from data.job_rows import Job
from data.library import Snapshot
from data.recipe_names import of_study, settled
from data.studies import Part
from data.study_format import FiledJob, FiledStudy
from data.told_apart import left_open, name_before, recipe_of_job

Found = tuple[str, str | None]
"""What the recipe of a run is called here, and the run's details."""


def named(study: FiledStudy, snapshot: Snapshot) -> FiledStudy:
    """The study with names of this version for its jobs, its parts and itself.

    What has these already stays as it is. Settings may hold anything, and are checked afterwards.
    """
    there = _Runs(study, snapshot)
    jobs = {number: _job(filed, there) for number, filed in study.jobs.items()}
    parts = []
    for part in study.parts:
        name = part.recipe
        if part.job is not None:
            name = jobs[part.job].job.recipe
        elif study.earlier and (run := _taken(part.recipe, there.of(part))) is not None:
            name = run[0]
        parts.append(replace(part, recipe=name))
    settings = of_study(study.settings, {part.recipe for part in parts})
    return replace(study, settings=settings, parts=parts, jobs=jobs)


class _Runs:
    """The runs of a study's trainings, whatever their recipe; read when one is asked for."""

    def __init__(self, study: FiledStudy, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._cells: dict[str, set[str]] = {}
        for part in study.parts:  # which every job has one of
            self._cells.setdefault(part.dataset, set()).add(part.cell)
        self._found: dict[str, dict[tuple[str, int], list[Found]]] = {}

    def of(self, one: Job | Part) -> list[Found]:
        """Those of this cell on this data set with this seed; the one that wins last."""
        if one.dataset not in self._found:
            cells = self._cells[one.dataset]
            self._found[one.dataset] = runs.called(self._snapshot, cells, one.dataset)
        return self._found[one.dataset].get((one.cell, one.seed), [])


def _job(filed: FiledJob, there: _Runs) -> FiledJob:
    job = filed.job
    if settled(job.recipe, job.settings, None) == (job.recipe, job.settings):
        return filed
    run = None
    if job.took_a_run:
        run = _taken(job.recipe, there.of(job))
    elif job.state == "done" and job.measurement is None:
        run = _made(job, there.of(job))
    name, settings = recipe_of_job(job.recipe, job.settings, job.details, run, took=job.took_a_run)
    return replace(filed, job=replace(job, recipe=name, settings=settings))


def _taken(name: str, there: list[Found]) -> Found | None:
    """The run that answered for a recipe's name in an earlier version."""
    return next((run for run in reversed(there) if name_before(*run) == name), None)


def _made(job: Job, there: list[Found]) -> Found | None:
    """The run that a job became which left its precision open; None where several may be it."""
    found = [
        run
        for run in there
        if left_open(run[1])
        and recipe_of_job(job.recipe, job.settings, None, run, took=False)[0] == run[0]
    ]
    return found[-1] if len({name for name, _ in found}) == 1 else None
