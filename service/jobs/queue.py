"""The queue: which job runs next, and what became of those that run.

The database is the record of jobs, their folders the record of what workers did; nothing else is
needed to go on, so that a service that dies at any moment finds its place again. One thread looks
at all of it a few times a second:

* lines of ``epochs.jsonl`` and ``measured.jsonl`` go into the database, each once, whatever was
  lost in between;
* a ``result.json`` ends a job, and its run is written in the same transaction;
* a worker that is gone without a result left a crash: the job is started again from its
  checkpoint, after a pause that doubles each time, unless it got nowhere several times in a row;
* a free slot takes the queued job of highest priority, the oldest first; one whose run is there by
  then, from another job or a table, is done without a worker.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data import runs
from data.divergence import DIVERGED_AT
from data.jobs import Job, JobStore
from data.library import Library
from data.sources.base import SourceError
from data.store import now
from data.told_apart import split_of
from service.jobs.changes import Changes
from service.jobs.crashes import Crashes, oom_kills, what_ended
from service.jobs.executors import Executor, ExecutorError
from service.jobs.folders import JobFolders
from service.jobs.requests import Request, require_images
from service.jobs.results import LOCAL, recipe_of, run_of
from service.jobs.slots import Slot
from service.jobs.submission import Submitted, decide, require_same_recipe
from service.training import datasets
from service.training.folder import Assignment, JobFolder, Result
from service.training.measure import read_measurement
from service.training.recipes import Recipe

LOOK_EVERY_S = 0.25
LOG_LINES = 20

KNOWN_AT_ONCE = 50
"""So many queued jobs whose runs are known end in one look, so that requests needn't wait long."""

BEGIN_WITHIN_S = 10.0
"""A worker that was just started may not hold its folder yet."""
STUMBLED_S = 5.0

log = logging.getLogger(__name__)


class JobStateError(RuntimeError):
    """The job isn't in a state in which that can be done; the message says in which it is."""


class Queue:
    """Jobs of one home. Methods may be called from any thread.

    Args:
        images: folders with images, besides the home's own.
        keep_weights: whether a network's weights stay in the folder of its job, for measurements.
    """

    def __init__(
        self,
        library: Library,
        executor: Executor,
        slots: list[Slot],
        images: tuple[Path, ...] = (),
        *,
        keep_weights: bool = True,
    ) -> None:
        self.jobs = JobStore(library.store)
        self.home = library.store.path.parent
        self.folders = JobFolders(self.home)
        self.slots = slots
        self.images = images
        self.keep_weights = keep_weights
        self.changes = Changes()
        self._library = library
        self._executor = executor
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._ending = False
        self._running: dict[int, _Running] = {}
        self._crashes = Crashes()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Take up what an earlier service left and work on; workers outlast the end of it."""
        self._take_up()
        self._ending = False
        thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending = True
            self._wake.set()
            thread.join()

    def _take_up(self) -> None:
        for job in self.jobs.active():
            if job.state == "running" and self.folders.own(job) is None:
                # Its folder was deleted, or is another's: whatever result is in it isn't the job's.
                self.jobs.update(job.number, state="queued")
            elif job.state == "running":
                slot = next((one for one in self.slots if one.name == job.device), None)
                place = _Running(slot or Slot(job.device or "gone", None, 1), time.monotonic())
                self._running[job.number] = place

    # --- what clients ask ---------------------------------------------------------------------

    def submit(self, request: Request) -> list[Submitted]:
        """Queue what is neither known nor queued already; one answer per cell and seed, in order.

        A job that was cancelled, or failed for a reason that may have passed, goes on. With
        ``force`` everything is trained anew that isn't waiting or running.

        Raises:
            QueryError: something is to be trained and its images are not on this machine, or the
                recipe's settings are others than those that its name stood for.
        """
        return self.submit_all([request])[0]

    def submit_all(self, wanted: Sequence[Request]) -> list[list[Submitted]]:
        """The same of several requests: all of them, or after an error none."""
        with self._lock:
            decisions = []
            for request in wanted:
                require_same_recipe(request.recipe, self.jobs)
                decision = decide(request, self.jobs, self._library.snapshot)
                if decision.missing:
                    require_images(request.dataset, datasets.places(self.home, self.images))
                decisions.append(decision)
            for decision in decisions:
                for number in decision.resumed:
                    self.resume(number)
                for job in self.jobs.add(decision.missing):
                    decision.answers[job.cell, job.seed] = Submitted(
                        job.cell_id, job.seed, "queued", job.number, None
                    )
        self._nudge()
        return [decision.in_order for decision in decisions]

    def cancel(self, number: int) -> Job:
        """Stop a job; what it has done is kept, see :meth:`resume`.

        Raises:
            UnknownJobError: there is no such job.
            JobStateError: it has ended.
        """
        with self._lock:
            job = self.jobs.get(number)
            if job.ended:
                raise JobStateError(f"job {number} is {job.state}; only queued and running end")
            folder = self.folders.of(number)
            folder.cancel()
            self._executor.stop(folder)
            self._running.pop(number, None)
            self.jobs.update(number, state="cancelled", finished_at=now())
        self._nudge()
        return self.jobs.get(number)

    def resume(self, number: int) -> Job:
        """Queue a job again that was cancelled or failed: it goes on after its last epoch.

        One that was begun in another home has no checkpoint here and is begun anew.

        Raises:
            UnknownJobError: there is no such job.
            JobStateError: it waits, runs or is done, or going on would only fail again.
        """
        with self._lock:
            job = self.jobs.get(number)
            if job.state not in ("cancelled", "failed"):
                raise JobStateError(
                    f"job {number} is {job.state}; only cancelled and failed resume"
                )
            if job.diverged:
                raise JobStateError(f"job {number} {job.error}; it would again")
            self._crashes.forget(number)
            if (folder := self.folders.own(job)) is not None:
                folder.result_file.unlink(missing_ok=True)
            self.jobs.update(number, state="queued", error=None, finished_at=None)
        self._nudge()
        return self.jobs.get(number)

    # --- the thread ---------------------------------------------------------------------------

    def _nudge(self) -> None:
        self._wake.set()
        self.changes.announce()

    def _run(self) -> None:
        while not self._ending:
            pause = LOOK_EVERY_S
            try:
                if self.step():
                    self.changes.announce()
            except Exception:
                # A full disk, a lost mount: whatever it is, a later look may find it mended.
                log.exception("the job queue stumbled")
                pause = STUMBLED_S
            self._wake.wait(pause)
            self._wake.clear()

    def step(self) -> bool:
        """Look once at everything that runs, and start what can start; whether anything changed.

        Raises:
            Exception: what went wrong with a job; the others were looked after all the same.
        """
        changed = False
        stumbled: list[Exception] = []
        with self._lock:
            running = list(self._running.items())
        for number, place in running:
            try:
                changed |= self._look_after(number, place)
            except Exception as error:
                error.add_note(f"job {number}")
                stumbled.append(error)
        with self._lock:
            changed |= self._fill_slots()
        if stumbled:
            raise stumbled[0]
        return changed

    def _look_after(self, number: int, place: _Running) -> bool:
        folder = self.folders.of(number)
        # Asked before the files are read: what a worker wrote before it ended is then there.
        alive = self._executor.alive(folder)
        result = folder.result()
        records, end = folder.epochs(place.offset)
        measured, measured_end = folder.measured(place.measured_offset)
        with self._lock:
            if self._running.get(number) is not place:
                return False  # cancelled meanwhile
            if records:
                self.jobs.take(number, records)
                place.offset = end
            if measured:
                self.jobs.take(number, measured, "measurements")
                place.measured_offset = measured_end
            if records or measured:
                self._crashes.forget(number)
            if result is not None:
                self._end(number, result)
            elif not alive and time.monotonic() >= place.patience:
                self._crashed(number, folder, what_ended(folder, place.oom_kills))
            else:
                return bool(records or measured)
            self._running.pop(number, None)
        return True

    def _end(self, number: int, result: Result) -> None:
        job = self.jobs.get(number)
        if result.state == "done":
            try:
                self._done(job, result)
            except SourceError as error:
                self.jobs.update(number, state="failed", error=str(error), finished_at=now())
            self.folders.of(number).checkpoint_file.unlink(missing_ok=True)
            if not self.keep_weights:
                self.folders.of(number).weights_file.unlink(missing_ok=True)
        elif result.retry:
            self._crashed(number, self.folders.of(number), result.error or "the worker failed")
        else:
            if DIVERGED_AT in result.details:
                self._diverged(job, result)
            else:
                self.jobs.update(number, state="failed", error=result.error, finished_at=now())

    def _done(self, job: Job, result: Result) -> None:
        """End a job with its run. One that measured leaves a run that was there as it is."""
        run = None
        if job.measurement is not None:
            self.jobs.update(job.number, details=json.dumps(result.details))
            run = self._known(job, recipe_of(job, result), _trained_on(result))
        records = self.jobs.records(job.number)
        if job.measurement is None or (run is None and len(records) == job.epochs):
            self._library.add_run(run_of(job, records, result), source=LOCAL, job=job.number)
        else:
            images = result.details["images"]["rendering"]
            self.jobs.end(
                job.number,
                result.details["precision"],
                state="done",
                run=run,
                images=images,
                error=None,
                finished_at=now(),
            )

    def _diverged(self, job: Job, result: Result) -> None:
        """Keep what came of it as a run, for statistics; the job has failed all the same.

        A run of this training that is there, and did not diverge, stays what it is.
        """
        if self._known(job, recipe_of(job, result), _trained_on(result)) is None:
            try:
                run = run_of(job, self.jobs.records(job.number), result)
                self._library.add_run(run, source=LOCAL)
            except SourceError as error:
                log.warning("what came of job %d can't be kept: %s", job.number, error)
        self.jobs.end(
            job.number,
            result.details["precision"],
            state="failed",
            error=result.error,
            finished_at=now(),
        )

    def _here(self, job: Job) -> tuple[str, str] | None:
        return datasets.here(job.dataset, datasets.places(self.home, self.images))

    def _known(self, job: Job, recipe: str, here: tuple[str, str] | None) -> str | None:
        """The run of this training on images and split of ``here``, or of an official table."""
        known = runs.known(self._library.snapshot, [job.cell], job.dataset, recipe, here)
        return known.get((job.cell, job.seed))

    def _crashed(self, number: int, folder: JobFolder, told: str) -> None:
        """Queue it again after a pause, or give up."""
        if self._crashes.again(number):
            folder.result_file.unlink(missing_ok=True)
            self.jobs.update(number, state="queued", error=told)
        else:
            error = f"{told}\n{folder.log_tail(LOG_LINES)}".strip()
            self.jobs.update(number, state="failed", error=error, finished_at=now())

    def _fill_slots(self) -> bool:
        free = list(self.slots)
        for place in self._running.values():
            if place.slot in free:
                free.remove(place.slot)
        if not free:
            return False
        now, started, ended = time.monotonic(), False, 0
        for job in self.jobs.queued():
            if not free or ended == KNOWN_AT_ONCE:
                break
            if self._crashes.pausing(job.number, now):
                continue
            if self.folders.taken(job):
                continue
            plain = job.measurement is None and not job.forced
            run = self._known(job, job.recipe, self._here(job)) if plain else None
            if run is not None:
                self._end_known(job, run)
                ended += 1
            else:
                self._start(job, free.pop(0))
                started = True
        return started or ended > 0

    def _end_known(self, job: Job, run: str) -> None:
        """End a job that waited while its training became known otherwise."""
        self.jobs.update(job.number, state="done", run=run, error=None, finished_at=now())
        self._crashes.forget(job.number)
        if (folder := self.folders.own(job)) is not None:
            folder.checkpoint_file.unlink(missing_ok=True)

    def _start(self, job: Job, slot: Slot) -> None:
        if self.folders.make_room(job):
            self.jobs.forget(job.number)
            job = self.jobs.get(job.number)
        folder = self.folders.of(job.number)
        recipe = Recipe.model_validate_json(job.settings)
        measurement = None if job.measurement is None else read_measurement(job.measurement)
        weights = None
        if measurement is not None and measurement.at == "end":
            weights = self.folders.weights(self.jobs.like(job))  # by just this training
        folder.create(
            Assignment(
                cell=job.cell,
                dataset=job.dataset,
                recipe=recipe,
                seed=job.seed,
                places=datasets.places(self.home, self.images),
                cache=self.home / "cache",
                device="cpu" if slot.gpu is None else "cuda",
                threads=slot.threads,
                measurement=measurement,
                weights=weights,
            )
        )
        # First the row, then the worker: one that was started and isn't known would be started
        # again, one that is known and wasn't started is found to be gone.
        self.jobs.update(
            job.number,
            state="running",
            device=slot.name,
            attempts=job.attempts + 1,
            started_at=job.started_at or now(),
        )
        try:
            if folder.result() is None:  # else it was done already, for a database that was lost
                self._executor.start(folder, slot)
        except ExecutorError as error:
            self._crashed(job.number, folder, str(error))
        else:
            self._running[job.number] = _Running(
                slot, time.monotonic() + BEGIN_WITHIN_S, oom_kills=oom_kills()
            )


@dataclass(slots=True)
class _Running:
    """A job with a worker: until ``patience`` it may seem gone, because it only begins."""

    slot: Slot
    patience: float
    offset: int = 0
    measured_offset: int = 0
    oom_kills: int | None = None


def _trained_on(result: Result) -> tuple[str, str]:
    """Rendering and split of the images."""
    return result.details["images"]["rendering"], split_of(json.dumps(result.details))
