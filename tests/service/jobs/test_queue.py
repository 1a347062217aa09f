"""The queue, step by step, with workers whose every move the test decides."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from analysis.cells import parse_cell
from analysis.spaces import nasbench201
from data.errors import QueryError
from data.jobs import UnknownJobError
from data.library import Library
from data.runs import one
from service.jobs import queue as queues
from service.jobs.queue import JobStateError
from service.jobs.requests import Request
from service.jobs.results import LOCAL
from service.training.measure import GradientVariance
from service.training.recipes import builtin
from tests.service.jobs.staged import EPOCHS, Stage, done, record
from tests.store.sources import run as run_of


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
