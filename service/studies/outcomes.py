"""What came of the parts of a study so far: states, curves, measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import topology
from analysis.cells import parse_cell
from data import runs
from data.jobs import Job, JobStore, State
from data.library import Snapshot
from data.sources.base import EvalSet
from data.studies import Part

FloatArray = npt.NDArray[np.float64]

Curves = dict[tuple[str, str], FloatArray]
"""By set of images and measure, (epochs,)."""

VALIDATION: tuple[EvalSet, ...] = ("x-valid", "ori-test")
"""The set that stands for validation: the first of these that was recorded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One part as it stands.

    Attributes:
        state: of its job; ``done`` where the run was there before.
        epochs: planned; 0 as long as that isn't known.
        set: which images ``accuracy`` is of, None before the first epoch.
        accuracy: percent by epoch, from the first on, NaN where it wasn't recorded and from the
            epoch on at which the training diverged.
        test_accuracy: the last epoch's on ``ori-test``, NaN where there is none.
        train_loss: nats by epoch.
        measurements: as the worker wrote them.
        diverged: whether its loss ceased to be a number: a result, not a fault.
        run: public id of what it ended in; None before that, or where that was removed.
    """

    part: Part
    state: State
    error: str | None = None
    epochs: int = 0
    set: EvalSet | None = None
    accuracy: FloatArray = field(default_factory=lambda: np.empty(0))
    test_accuracy: float = float("nan")
    train_loss: FloatArray = field(default_factory=lambda: np.empty(0))
    measurements: list[dict[str, Any]] = field(default_factory=list)
    diverged: bool = False
    run: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self.state not in ("queued", "running")

    @property
    def final(self) -> float:
        """Accuracy after the last planned epoch, NaN before that or without it."""
        finished = self.epochs and len(self.accuracy) == self.epochs
        return float(self.accuracy[-1]) if finished else float("nan")


def outcomes(parts: Sequence[Part], jobs: JobStore, snapshot: Snapshot) -> list[Outcome]:
    """What came of each part, in their order."""
    numbers = sorted({part.job for part in parts if part.job is not None})
    epochs = jobs.records_of(numbers)
    measured = jobs.records_of(numbers, "measurements")
    told = []
    for one, job in _with_jobs(parts, jobs, snapshot):
        if job is None or job.took_a_run:
            told.append(_of_run(one, snapshot))
        else:
            told.append(_of_job(one, job, epochs[job.number], measured[job.number]))
    return told


def states(parts: Sequence[Part], jobs: JobStore, snapshot: Snapshot) -> list[Outcome]:
    """The same without curves and measurements, which take the longest to read."""
    return [one for one, _ in _with_jobs(parts, jobs, snapshot)]


def _with_jobs(
    parts: Sequence[Part], jobs: JobStore, snapshot: Snapshot
) -> list[tuple[Outcome, Job | None]]:
    found = jobs.some([part.job for part in parts if part.job is not None])
    there = runs.existing(snapshot, [part.run for part in parts if part.run is not None])
    told = []
    for part in parts:
        job = found.get(part.job) if part.job is not None else None
        if job is not None and not (job.took_a_run and job.run is None):
            outcome = Outcome(
                part, job.state, job.error, job.epochs, diverged=job.diverged, run=job.run
            )
        elif job is None and part.run in there:
            outcome = Outcome(part, "done", run=part.run)
        else:
            which = f"run {part.run}" if job is None else f"the run of job {job.number}"
            why = f"{which} was removed; ask for the study again"
            outcome = Outcome(part, "failed", why)
        told.append((outcome, job))
    return told


def _of_job(
    stands: Outcome, job: Job, records: list[dict[str, Any]], measured: list[dict[str, Any]]
) -> Outcome:
    curves: Curves = {}
    for name in ("train", *VALIDATION):
        if records and name in records[0]:
            for measure in ("accuracy", "loss"):
                curves[name, measure] = np.array(
                    [record[name][measure] for record in records], np.float64
                )
    return replace(_with_curves(stands, job.epochs, curves), measurements=measured)


def _of_run(stands: Outcome, snapshot: Snapshot) -> Outcome:
    run = runs.one(snapshot, stands.run) if stands.run is not None else None
    if run is None:
        return stands
    epochs = int(run["schedule"])
    curves: Curves = {}
    for one in run["recorded"]:
        curve = np.full(epochs, np.nan)
        curve[np.array(one["epochs"]) - 1] = one["values"]
        curves[one["set"], one["measure"]] = curve
    return _with_curves(stands, epochs, curves)


def _with_curves(stands: Outcome, epochs: int, curves: Curves) -> Outcome:
    nothing = np.empty(0)
    if stands.diverged:  # what is recorded of a network without numbers says nothing of the cell
        known = np.logical_and.accumulate(np.isfinite(curves.get(("train", "loss"), nothing)))
        for curve in curves.values():
            curve[np.count_nonzero(known) :] = np.nan
    valid = next((name for name in VALIDATION if (name, "accuracy") in curves), None)
    test = curves.get(("ori-test", "accuracy"), nothing)
    return replace(
        stands,
        epochs=epochs,
        set=valid,
        accuracy=curves[valid, "accuracy"] if valid is not None else nothing,
        test_accuracy=float(test[-1]) if len(test) == epochs and epochs else float("nan"),
        train_loss=curves.get(("train", "loss"), nothing),
    )


def state_of(told: Iterable[Outcome]) -> State:
    """The state of a study: a run that diverged is done, as far as the study goes."""
    states = {"done" if one.diverged else one.state for one in told}
    if states & {"queued", "running"}:
        return "queued" if states == {"queued"} else "running"
    if "failed" in states:
        return "failed"
    return "cancelled" if "cancelled" in states else "done"


def shape(arch: str) -> dict[str, Any]:
    """Space, width and depth of a cell; these two are None where it is disconnected."""
    cell = parse_cell(arch)
    columns = topology.columns(cell)
    return {"space": cell.space, "width": columns["width"], "depth": columns["depth"]}


def number(value: float) -> float | None:
    """A number for JSON, None where it isn't finite."""
    return float(value) if np.isfinite(value) else None


def plain(value: Any) -> Any:
    """Dataclasses and named tuples, at any depth, as dictionaries."""
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
