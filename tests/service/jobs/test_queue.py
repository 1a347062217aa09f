"""The queue, step by step, with workers whose every move the test decides."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from analysis.cells import Cell, parse_cell
from analysis.spaces import nasbench201
from data.errors import QueryError
from data.jobs import UnknownJobError
from data.library import Library
from data.runs import one
from service.jobs import queue as queues
from service.jobs.crashes import FIRST_PAUSE_S, MOST_CRASHES
from service.jobs.queue import JobStateError, Queue
from service.jobs.requests import Request, checked
from service.jobs.results import LOCAL
from service.jobs.slots import Slot
from service.training.folder import Result
from service.training.measure import GradientVariance, Landscape, Smoothness
from service.training.recipes import builtin
from tests.service.jobs.staged import EPOCHS, StagedExecutor, done, record
from tests.service.training.image_writers import put, tree
from tests.store.sources import run as run_of

CPU = Slot("cpu", None, 1)


class Stage:
    """A queue over a library, with staged workers and a clock that stands still."""

    def __init__(self, library: Library, slots: int = 1) -> None:
        self.library = library
        self.executor = StagedExecutor()
        self.queue = Queue(library, self.executor, [CPU] * slots)

    def submit(self, *cells: int | str | Cell, **more: object) -> list[tuple[str, int | None]]:
        parsed = [c if not isinstance(c, int | str) else parse_cell(str(c)) for c in cells]
        settings = {"dataset": "digits", "recipe": "proxy", "seeds": [777]} | more
        request = checked(parsed, home=self.queue.home, images=(), **settings)  # type: ignore[arg-type]
        return [(item.status, item.job) for item in self.queue.submit(request)]

    def works(self, job: int, *epochs: int) -> None:
        """The worker of a job writes these epochs."""
        for epoch in epochs:
            self.queue.folders.of(job).append_epoch(record(epoch))

    def finishes(self, job: int) -> None:
        """The worker of a job does all of it."""
        have = len(self.queue.folders.of(job).epochs()[0])
        self.works(job, *range(have + 1, EPOCHS + 1))
        self.queue.folders.of(job).write_result(done())
        self.executor.dies(job)

    def state(self, job: int) -> str:
        return self.queue.jobs.get(job).state


@pytest.fixture
def stage(fresh: Library) -> Stage:
    return Stage(fresh)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of the queue's that the test moves."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_job_becomes_a_run(stage: Stage) -> None:
    assert stage.submit(6111) == [("queued", 1)]
    stage.queue.step()
    assert stage.state(1) == "running"
    assert stage.executor.numbers == [1]
    assignment = stage.queue.folders.of(1).assignment()
    assert parse_cell(assignment.cell).id == "nb201-006111"
    assert (assignment.dataset, assignment.seed) == ("digits", 777)
    assert assignment.recipe == builtin()["proxy"]
    stage.works(1, 1, 2)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.done_epochs, job.last) == (2, record(2))
    stage.finishes(1)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.done_epochs, job.error) == ("done", EPOCHS, None)
    assert job.run is not None
    run = one(stage.library.snapshot, job.run)
    assert run is not None
    assert (run["source"], run["recipe"], run["seed"]) == ("local", "proxy", 777)
    assert (run["device"], run["time_source"]) == ("a staged CPU", "measured")
    assert run["details"]["versions"] == {"torch": "2.13.0"}
    curves = {(c["set"], c["measure"]): c for c in run["recorded"]}
    assert curves["x-valid", "accuracy"]["epochs"] == list(range(1, EPOCHS + 1))
    assert curves["x-valid", "accuracy"]["values"] == [29.0 + e for e in range(1, EPOCHS + 1)]
    assert curves["train", "loss"]["values"] == [2 / e for e in range(1, EPOCHS + 1)]
    assert not stage.queue.folders.of(1).checkpoint_file.exists()


def test_the_same_request_twice_is_one_job(stage: Stage) -> None:
    assert stage.submit(1, 2) == [("queued", 1), ("queued", 2)]
    assert stage.submit(1, 2) == [("queued", 1), ("queued", 2)]
    stage.queue.step()
    assert stage.submit(1) == [("queued", 1)]
    stage.finishes(1)
    stage.queue.step()
    assert stage.submit(1) == [("existing", 1)]
    assert stage.submit(1, seeds=[777, 888]) == [("existing", 1), ("queued", 3)]
    assert sum(stage.queue.jobs.counts().values()) == 3


def test_cells_that_are_named_twice_are_trained_once(stage: Stage) -> None:
    arch = nasbench201.from_index(6111).arch
    assert stage.submit(6111, arch, seeds=[1, 1]) == [("queued", 1)]


def test_force_trains_anew_what_has_ended_and_the_new_run_takes_its_place(stage: Stage) -> None:
    stage.submit(1)
    stage.queue.step()
    assert stage.submit(1, force=True) == [("queued", 1)]  # it runs: no second one beside it
    stage.finishes(1)
    stage.queue.step()
    assert stage.submit(1, force=True) == [("queued", 2)]
    stage.queue.step()
    stage.finishes(2)
    stage.queue.step()
    assert stage.queue.jobs.get(2).run == stage.queue.jobs.get(1).run
    assert stage.library.snapshot.sources[0].runs == 1


def test_what_a_table_has_is_not_trained(library: Library, home: Path) -> None:
    with closing(Library.open(home)) as opened:
        stage = Stage(opened)
        cell = nasbench201.from_index(6111)
        request = Request((cell,), "cifar10-valid", builtin()["nb201-200"], (777,))
        found = stage.queue.submit(request)
    assert [(item.status, item.job) for item in found] == [("existing", None)]
    assert found[0].run == "hpo-bench:nb201-006111:cifar10-valid:nb201-200:777"


def test_the_next_job_is_the_oldest_of_the_highest_priority(fresh: Library) -> None:
    stage = Stage(fresh, slots=2)
    stage.submit(1, 2)
    stage.submit(3, priority=5)
    stage.submit(4, priority=-1)
    stage.submit(5, priority=5)
    assert stage.queue.jobs.positions() == {3: 1, 5: 2, 1: 3, 2: 4, 4: 5}
    stage.queue.step()
    assert stage.executor.numbers == [3, 5]
    for job in (3, 5, 1, 2, 4):
        stage.finishes(job)
        stage.queue.step()
        assert len(stage.executor.living) <= 2
    assert stage.executor.numbers == [3, 5, 1, 2, 4]
    assert stage.queue.jobs.counts()["done"] == 5


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


def test_a_cancelled_job_goes_on_where_it_was(stage: Stage) -> None:
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1, 2)
    stage.queue.step()
    assert stage.queue.cancel(1).state == "cancelled"
    assert stage.executor.stopped == [1]
    assert stage.queue.folders.of(1).cancelled_file.exists()
    stage.queue.step()
    assert stage.executor.numbers == [1]
    with pytest.raises(JobStateError, match="cancelled"):
        stage.queue.cancel(1)
    assert stage.queue.resume(1).state == "queued"
    stage.queue.step()
    assert not stage.queue.folders.of(1).cancelled_file.exists()
    assert stage.queue.jobs.get(1).done_epochs == 2
    stage.finishes(1)
    stage.queue.step()
    assert stage.state(1) == "done"
    with pytest.raises(JobStateError, match="done"):
        stage.queue.cancel(1)
    with pytest.raises(JobStateError, match="done"):
        stage.queue.resume(1)


def test_a_cancelled_slot_is_free_for_the_next(stage: Stage) -> None:
    stage.submit(1, 2)
    stage.queue.step()
    stage.queue.cancel(1)
    stage.queue.step()
    assert stage.executor.numbers == [1, 2]


def test_a_queued_job_can_be_cancelled(stage: Stage) -> None:
    stage.submit(1)
    assert stage.queue.cancel(1).state == "cancelled"
    stage.queue.step()
    assert stage.executor.numbers == []
    assert stage.submit(1) == [("queued", 1)]  # asking again goes on with it


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


def test_unknown_jobs_are_named(stage: Stage) -> None:
    for ask in (stage.queue.cancel, stage.queue.resume):
        with pytest.raises(UnknownJobError, match="77"):
            ask(77)


def test_one_name_stands_for_one_recipe(stage: Stage) -> None:
    stage.submit(1)
    changed = builtin()["proxy"].model_copy(update={"epochs": 13})
    request = Request((parse_cell("2"),), "digits", changed, (1,))
    with pytest.raises(QueryError, match="another name"):
        stage.queue.submit(request)


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


def test_what_became_known_while_it_waited_is_not_trained_again(stage: Stage) -> None:
    """A measurement at every epoch trains as well, and its run is that of the plain training."""
    stage.submit(6111, measurement=GradientVariance())
    assert stage.submit(6111, 284) == [("queued", 2), ("queued", 3)]
    stage.queue.step()
    stage.finishes(1)
    assert stage.queue.step()
    job = stage.queue.jobs.get(2)
    assert (job.state, job.run) == ("done", "local:nb201-006111:digits:proxy@12:777")
    assert (job.attempts, job.started_at, job.done_epochs) == (0, None, 0)
    assert job.finished_at is not None
    assert stage.executor.numbers == [1, 3]  # it took no slot
    assert stage.submit(6111) == [("existing", 2)]


def test_of_two_that_are_the_same_one_is_trained(stage: Stage) -> None:
    """Even one that had begun ends once its training is known, unless it was to be done anew."""
    stage.submit(1)
    stage.queue.step()
    stage.works(1, 1, 2)
    stage.queue.step()
    stage.queue.folders.of(1).checkpoint_file.write_bytes(b"after epoch 2")
    stage.queue.cancel(1)
    assert stage.submit(1, force=True) == [("queued", 2)]
    stage.queue.step()
    stage.queue.resume(1)
    stage.finishes(2)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.run) == ("done", stage.queue.jobs.get(2).run)
    assert stage.queue.jobs.records(1) == [record(1), record(2)]
    assert not stage.queue.folders.of(1).checkpoint_file.exists()
    assert stage.executor.numbers == [1, 2]
    assert stage.submit(1, force=True) == [("queued", 3)]
    stage.queue.step()
    assert stage.executor.numbers == [1, 2, 3]


def test_many_that_became_known_end_some_at_a_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients aren't kept waiting for all of them."""
    monkeypatch.setattr(queues, "KNOWN_AT_ONCE", 2)
    cells = [str(index) for index in range(3)]
    stage.submit(9)
    stage.submit(*cells)
    stage.submit(8)
    stage.queue.step()
    for cell in cells:
        known = run_of(int(cell), {12: 50.0}, dataset="digits", recipe="proxy")
        stage.library.add_run(known, source=LOCAL)
    stage.finishes(1)
    stage.queue.step()
    assert [stage.state(job) for job in (2, 3, 4, 5)] == ["done", "done", "queued", "queued"]
    stage.queue.step()
    assert [stage.state(job) for job in (2, 3, 4, 5)] == ["done", "done", "done", "running"]


def test_a_measurement_takes_no_more_images_than_there_can_be(stage: Stage, tmp_path: Path) -> None:
    def asked(dataset: str, images: str, batches: int) -> Request:
        measurement = GradientVariance.model_validate(
            {"images": images, "batch": 50, "batches": batches}
        )
        cells, home = [parse_cell("1")], stage.queue.home
        return checked(
            cells, dataset, "proxy", [1], home=home, images=[tmp_path], measurement=measurement
        )

    put(tmp_path / "flowers", tree({"train/a": 1, "train/b": 1}))
    # Digits have 1,079 images to train on and 359 of ori-test; proxy takes up to 4,000 and 1,500
    # of a set, which is all that is known of one's own images and of cifar100's two halves.
    for dataset, images, most in (
        ("digits", "train", 1079),
        ("digits", "test", 359),
        ("flowers", "train", 4000),
        ("flowers", "test", 1500),
        ("cifar100", "test", 3000),
    ):
        assert asked(dataset, images, most // 50).measurement is not None
        batches = most // 50 + 1
        with pytest.raises(QueryError) as caught:
            asked(dataset, images, batches)
        assert (caught.value.name, caught.value.value) == ("batches", str(batches))
        assert f"take {batches * 50:,}, and the {images} images of {dataset}" in str(caught.value)
        assert f"are {most:,} at most" in str(caught.value)


def test_genotypes_are_trained_and_found_afterwards(stage: Stage) -> None:
    text = (
        "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2], "
        "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
    )
    cell = parse_cell(text)
    stage.submit(cell)
    stage.queue.step()
    stage.finishes(1)
    stage.queue.step()
    snapshot = stage.library.snapshot
    assert snapshot.frame.rows[cell.id] == snapshot.frame.rows[cell.arch]
    assert stage.submit(cell) == [("existing", 1)]


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


LANDSCAPE = Landscape(points=3)


def line(number: int) -> dict[str, object]:
    return {"number": number, "of": 3, "epoch": EPOCHS, "row": number - 1, "loss": [1.0, None, 2.0]}


def test_a_measurement_is_taken_in_and_leaves_its_run(stage: Stage) -> None:
    assert stage.submit(6111, measurement=LANDSCAPE) == [("queued", 1)]
    stage.queue.step()
    assignment = stage.queue.folders.of(1).assignment()
    assert (assignment.measurement, assignment.weights) == (LANDSCAPE, None)
    stage.works(1, *range(1, EPOCHS + 1))
    stage.queue.folders.of(1).append_measured(line(1))
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.done_epochs, job.measured, job.last_measured) == (EPOCHS, 1, line(1))
    for number in (2, 3):
        stage.queue.folders.of(1).append_measured(line(number))
    stage.finishes(1)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.run) == ("done", "local:nb201-006111:digits:proxy@12:777")
    assert json.loads(job.details or "")["device"] == "a staged CPU"
    assert stage.queue.jobs.records(1, "measurements") == [line(1), line(2), line(3)]
    # The same again is known, another measurement isn't, and the training of all of them is.
    assert stage.submit(6111, measurement=LANDSCAPE) == [("existing", 1)]
    assert stage.submit(6111, measurement=Smoothness()) == [("queued", 2)]
    assert stage.submit(6111) == [("existing", None)]


def test_a_network_that_was_trained_is_measured_without_training_it_again(stage: Stage) -> None:
    stage.submit(6111)
    stage.queue.step()
    weights = stage.queue.folders.of(1).weights_file
    weights.write_bytes(b"weights")
    stage.finishes(1)
    stage.queue.step()
    run = stage.queue.jobs.get(1).run
    assert weights.exists()
    assert not stage.queue.folders.of(1).checkpoint_file.exists()
    stage.submit(6111, measurement=LANDSCAPE)
    stage.queue.step()
    assert stage.queue.folders.of(2).assignment().weights == weights
    stage.queue.folders.of(2).append_measured(line(1))
    stage.queue.folders.of(2).write_result(done())
    stage.executor.dies(2)
    stage.queue.step()
    job = stage.queue.jobs.get(2)
    assert (job.state, job.done_epochs, job.measured, job.run) == ("done", 0, 1, run)
    # What is due at earlier epochs can't be had from the weights of the last.
    stage.submit(6111, measurement=GradientVariance())
    stage.queue.step()
    assert stage.queue.folders.of(3).assignment().weights is None


def test_a_measurement_leaves_a_run_that_is_there_as_it_is(stage: Stage) -> None:
    stage.submit(6111)
    stage.queue.step()
    stage.finishes(1)
    stage.queue.step()
    run = stage.queue.jobs.get(1).run
    assert run is not None
    before = one(stage.library.snapshot, run)
    stage.submit(6111, measurement=LANDSCAPE)
    stage.queue.step()
    result = done()
    result.details["device"] = "another CPU"
    stage.works(2, *range(1, EPOCHS + 1))
    stage.queue.folders.of(2).write_result(result)
    stage.executor.dies(2)
    stage.queue.step()
    assert stage.queue.jobs.get(2).run == run
    assert one(stage.library.snapshot, run) == before


def test_weights_are_kept_only_if_the_operator_wants(fresh: Library) -> None:
    stage = Stage(fresh)
    stage.queue.keep_weights = False
    stage.submit(6111)
    stage.queue.step()
    stage.queue.folders.of(1).weights_file.write_bytes(b"weights")
    stage.finishes(1)
    stage.queue.step()
    assert not stage.queue.folders.of(1).weights_file.exists()


def test_a_training_that_is_done_is_a_run_whatever_was_lost_of_its_curve(stage: Stage) -> None:
    """Only what was measured without training has no run of its own."""
    stage.submit(6111)
    stage.queue.step()
    stage.works(1, *range(1, EPOCHS))
    stage.queue.folders.of(1).write_result(done())
    stage.executor.dies(1)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.run) == ("done", "local:nb201-006111:digits:proxy@12:777")
