"""Workers and services that die, and what can't be done: nothing is lost, and nothing twice."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pytest

from data import runs
from data.library import Library
from service.jobs import queue as queues
from service.jobs.crashes import FIRST_PAUSE_S, MOST_CRASHES
from service.jobs.queue import JobStateError, Queue
from service.training.folder import Result
from tests.service.jobs.staged import CPU, EPOCHS, Stage, done, record


def test_a_worker_that_dies_is_followed_by_another(stage: Stage, patient: list[float]) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1, 2, 3)
    stage.executor.dies(1)
    stage.queue.step()
    assert stage.state(1) == "running"  # it might only be beginning
    patient[0] += queues.BEGIN_WITHIN_S
    stage.queue.step()
    assert stage.state(1) == "queued"
    assert stage.queue.jobs.get(1).done_epochs == 3
    stage.queue.step()
    assert stage.executor.numbers == [1]  # after a pause
    patient[0] += FIRST_PAUSE_S
    stage.queue.step()
    assert stage.executor.numbers == [1, 1]
    stage.finishes(1)
    stage.queue.step()
    assert stage.state(1) == "done"
    assert stage.queue.jobs.get(1).attempts == 2


def crash(stage: Stage, patient: list[float], job: int = 1) -> None:
    stage.executor.dies(job)
    patient[0] += queues.BEGIN_WITHIN_S
    stage.queue.step()


def test_a_folder_that_was_deleted_is_a_crash_and_made_anew(
    stage: Stage, patient: list[float]
) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1, 2)
    stage.queue.step()
    folder = stage.queue.folders.of(1)
    shutil.rmtree(folder.path)
    crash(stage, patient)
    job = stage.queue.jobs.get(1)
    assert (job.state, job.error) == ("queued", f"its folder {folder.path} was deleted")
    patient[0] += FIRST_PAUSE_S
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.attempts, job.done_epochs) == ("running", 1, 0)
    stage.finishes(1)
    stage.queue.step()
    assert stage.state(1) == "done"


def test_crashes_without_an_epoch_gained_come_to_an_end(stage: Stage, patient: list[float]) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.queue.folders.of(1).log_file.write_text("the last words")
    pauses = []
    for _ in range(MOST_CRASHES - 1):
        crash(stage, patient)
        assert stage.state(1) == "queued"
        begun = patient[0]
        while stage.state(1) == "queued":
            patient[0] += 0.5
            stage.queue.step()
        pauses.append(patient[0] - begun)
    assert pauses == [1.0, 2.0, 4.0]
    crash(stage, patient)
    job = stage.queue.jobs.get(1)
    assert job.state == "failed"
    assert "killed" in (job.error or "")
    assert (job.error or "").endswith("the last words")


def test_crashes_that_gain_epochs_never_end_a_job(stage: Stage, patient: list[float]) -> None:
    stage.submit(1)
    stage.queue.step()
    for epoch in range(1, EPOCHS):
        stage.works(1, epoch)
        crash(stage, patient)
        patient[0] += 60
        stage.queue.step()
        assert stage.state(1) == "running"
    stage.finishes(1)
    stage.queue.step()
    assert stage.state(1) == "done"
    assert stage.queue.jobs.get(1).attempts == EPOCHS


def test_an_error_that_may_pass_is_tried_again_and_told(stage: Stage, patient: list[float]) -> None:
    stage.submit(1)
    for _ in range(MOST_CRASHES):
        patient[0] += 60
        stage.queue.step()
        stage.queue.folders.of(1).write_result(
            Result(state="failed", error="disk full: no space", retry=True)
        )
        stage.executor.dies(1)
        stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert job.state == "failed"
    assert (job.error or "").startswith("disk full: no space")
    assert stage.submit(1) == [("queued", 1)]  # somebody made room and asks again
    patient[0] += 60
    stage.queue.step()
    stage.finishes(1)
    stage.queue.step()
    assert stage.state(1) == "done"


def test_divergence_is_final_and_keeps_the_curve(stage: Stage) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1)
    lost = record(2) | {"train": {"loss": None, "accuracy": 10.0}}
    stage.queue.folders.of(1).append_epoch(lost)
    stage.queue.folders.of(1).write_result(Result(state="failed", error="diverged at epoch 2"))
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.error, job.run) == ("failed", "diverged at epoch 2", None)
    assert stage.queue.jobs.records(1) == [record(1), lost]
    assert stage.submit(1) == [("failed", 1)]
    with pytest.raises(JobStateError, match="would again"):
        stage.queue.resume(1)
    assert stage.submit(1, force=True) == [("queued", 2)]


def test_an_executor_that_refuses_is_asked_again_later(stage: Stage, patient: list[float]) -> None:
    stage.executor.refusal = "no more processes"
    stage.submit(1)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.error) == ("queued", "no more processes")
    stage.executor.refusal = None
    patient[0] += 60
    stage.queue.step()
    assert stage.state(1) == "running"


def test_a_new_service_goes_on_where_the_old_one_was_killed(fresh: Library) -> None:
    """Whatever was written when: the new queue knows nothing but files and rows."""
    first = Stage(fresh, slots=3)
    first.submit(1, 2, 3, 4)
    first.queue.step()
    first.works(1, 1, 2)
    first.queue.step()
    first.works(1, 3)  # read by nobody yet
    first.finishes(2)  # ended, its end read by nobody yet
    second = Stage(fresh, slots=3)
    second.executor.living = {1}  # the third worker died with the machine
    with second.queue.working():
        pass
    second.queue.step()
    assert second.state(1) == "running"
    assert second.queue.jobs.get(1).done_epochs == 3
    assert second.state(2) == "done"
    assert second.queue.jobs.get(2).done_epochs == EPOCHS
    assert second.state(3) in ("queued", "running")
    second.finishes(1)
    second.queue.step()
    assert second.state(1) == "done"


@pytest.mark.parametrize("seed", range(3))
def test_services_killed_at_random_moments_lose_and_repeat_nothing(
    seed: int, fresh: Library, patient: list[float]
) -> None:
    """At each moment the old queue is dropped, which is what a kill leaves: rows and files."""
    rng = random.Random(seed)
    stage = Stage(fresh, slots=2)
    stage.submit(1, 2, 3)
    workers = stage.executor
    for _ in range(2000):
        if stage.queue.jobs.counts()["done"] == 3:
            break
        for job in sorted(workers.living):
            written = len(stage.queue.folders.of(job).epochs()[0])
            chance = rng.random()
            if chance < 0.1:
                workers.dies(job)
            elif chance < 0.7 and written < EPOCHS:
                stage.works(job, written + 1)
            elif written == EPOCHS:
                stage.finishes(job)
        if rng.random() < 0.3:
            queue = Queue(fresh, workers, [CPU] * 2)
            with queue.working():
                pass
            stage.queue = queue
        patient[0] += rng.random() * 5
        stage.queue.step()
    assert stage.queue.jobs.counts()["done"] == 3
    for job in (1, 2, 3):
        assert stage.queue.jobs.records(job) == [record(e) for e in range(1, EPOCHS + 1)]
    (source,) = fresh.snapshot.sources
    assert (source.name, source.runs, source.cells) == ("local", 3, 3)


def test_a_job_that_can_not_be_read_keeps_no_other_waiting(fresh: Library) -> None:
    stage = Stage(fresh, slots=2)
    stage.submit(1, 2, 3)
    stage.queue.step()
    stage.queue.folders.of(1).epochs_file.write_text("no JSON\n")
    stage.finishes(2)
    with pytest.raises(ValueError, match="Expecting value"):
        stage.queue.step()
    assert stage.state(2) == "done"
    assert stage.state(3) == "running"
    stage.queue.folders.of(1).epochs_file.unlink()
    stage.finishes(1)
    stage.queue.step()
    assert stage.state(1) == "done"


def test_what_could_not_be_written_once_is_written_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(stage.queue.jobs, "take", full)
        with pytest.raises(OSError, match="full"):
            stage.queue.step()
    stage.works(1, 3)
    stage.queue.step()
    assert stage.queue.jobs.records(1) == [record(1), record(2), record(3)]


def full(*_: object) -> None:
    raise OSError("the disk is full")


def test_what_diverged_is_a_run_for_statistics(stage: Stage) -> None:
    """Known to be worse than all others from its epoch on, and no answer to who asks for a run."""
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1)
    lost = record(2) | {"train": {"loss": None, "accuracy": 10.0}}
    stage.queue.folders.of(1).append_epoch(lost)
    details = done().details | {"diverged_at": 2}
    stage.queue.folders.of(1).write_result(
        Result(state="failed", error="diverged at epoch 2", details=details)
    )
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.run) == ("failed", None)
    assert stage.submit(1) == [("failed", 1)]
    snapshot = stage.library.snapshot
    ((run,), total, _) = runs.find(snapshot, runs.RunFilters(), limit=10)
    assert total == 1
    whole = runs.one(snapshot, run["id"])
    assert whole is not None
    assert whole["details"]["diverged_at"] == 2
    for curve in whole["recorded"]:
        assert curve["epochs"] == list(range(1, EPOCHS + 1))
        known = record(1)[curve["set"]][curve["measure"]]
        np.testing.assert_equal(curve["values"], [known, *[np.nan] * (EPOCHS - 1)])


def test_a_run_that_is_there_outlives_a_forced_training_that_diverges(stage: Stage) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.works(1, *range(1, EPOCHS + 1))
    stage.finishes(1)
    stage.queue.step()
    (before,), _, _ = runs.find(stage.library.snapshot, runs.RunFilters(), limit=10)
    stage.submit(1, force=True)
    stage.queue.step()
    stage.queue.folders.of(2).append_epoch(record(1) | {"train": {"loss": None, "accuracy": 10.0}})
    details = done().details | {"diverged_at": 1}
    stage.queue.folders.of(2).write_result(
        Result(state="failed", error="diverged at epoch 1", details=details)
    )
    stage.queue.step()
    assert stage.queue.jobs.get(2).state == "failed"
    (after,), _, _ = runs.find(stage.library.snapshot, runs.RunFilters(), limit=10)
    assert after == before
    assert stage.submit(1) == [("existing", None)]
