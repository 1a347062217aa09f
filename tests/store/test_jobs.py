"""Jobs: queued at once, found again, changed one by one, each epoch taken once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.job_rows import RECORDS, Records, State
from data.jobs import Job, JobStore, NewJob, UnknownJobError
from data.store import Store

SETTINGS = '{"epochs": 12}'


def new(cell: str = "a", seed: Any = 1, **fields: Any) -> NewJob:
    about: dict[str, Any] = {
        "dataset": "digits",
        "recipe": "proxy",
        "settings": SETTINGS,
        "epochs": 12,
    }
    return NewJob(cell=cell, cell_id=f"id-{cell}", seed=seed, **(about | fields))


def record(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "train": {"loss": 1 / epoch, "accuracy": None}, "note": "läuft 'x'"}


def line(number: int) -> dict[str, Any]:
    return {"number": number, "loss": [1 / number, None]}


Made = Callable[[int], dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def jobs(store: Store) -> JobStore:
    return JobStore(store)


def test_jobs_are_numbered_in_the_order_of_the_request(jobs: JobStore) -> None:
    assert jobs.add([]) == []
    added = jobs.add([new("a"), new("b", priority=3, forced=True), new("a", seed=2)])
    assert [job.number for job in added] == [1, 2, 3]
    assert [job.number for job in jobs.add([new("c")])] == [4]
    assert [jobs.get(job.number) for job in added] == added
    job = jobs.get(2)
    assert (job.cell, job.cell_id, job.dataset, job.recipe) == ("b", "id-b", "digits", "proxy")
    assert (job.settings, job.seed, job.priority, job.forced) == (SETTINGS, 1, 3, True)
    assert (job.state, job.attempts, job.epochs, job.ended) == ("queued", 0, 12, False)
    assert (job.images, job.device, job.error, job.run) == (None, None, None, None)
    assert (job.started_at, job.finished_at, job.done_epochs, job.last) == (None, None, 0, None)


def test_jobs_are_there_when_the_database_is_opened_again(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        jobs = JobStore(store)
        jobs.add([new("a"), new("b")])
        jobs.update(2, state="running", device="gpu 0", attempts=1)
        jobs.take(2, [record(1)])
        jobs.take(2, [line(1)], "measurements")
        before = jobs.page([], 10)
    with Store.open(tmp_path) as store:
        assert JobStore(store).page([], 10) == before
        assert [job.number for job in JobStore(store).add([new("c")])] == [3]


def test_an_addition_that_fails_adds_nothing(jobs: JobStore) -> None:
    with pytest.raises((duckdb.Error, TypeError, ValueError)):
        jobs.add([new("a"), new("b", seed="x")])
    assert jobs.page([], 10) == []


def test_pages_put_together(jobs: JobStore) -> None:
    jobs.add([new(str(number)) for number in range(25)])
    for number in range(1, 26, 3):
        jobs.update(number, state="done")
    whole = jobs.page([], 100)
    assert [job.number for job in whole] == list(range(25, 0, -1))
    found: list[Job] = []
    while page := jobs.page([], 4, found[-1].number if found else None):
        assert len(page) <= 4
        found += page
    assert found == whole
    assert [job.number for job in jobs.page(["done"], 3, 20)] == [19, 16, 13]
    assert [job.number for job in jobs.page(["done", "queued"], 2)] == [25, 24]
    assert jobs.page(["failed"], 10) == []
    assert jobs.counts() == {"queued": 16, "running": 0, "done": 9, "failed": 0, "cancelled": 0}


def test_the_running_order(jobs: JobStore) -> None:
    """The highest priority first; of equal ones the one that came first."""
    priorities = [0, 5, -1, 5, 0, 5, 1]
    jobs.add([new(str(number), priority=p) for number, p in enumerate(priorities)])
    assert [job.number for job in jobs.queued()] == [2, 4, 6, 7, 1, 5, 3]
    jobs.update(4, state="running")
    jobs.update(7, state="cancelled")
    jobs.update(3, priority=9)
    assert [job.number for job in jobs.queued()] == [3, 2, 6, 1, 5]
    assert jobs.positions() == {3: 1, 2: 2, 6: 3, 1: 4, 5: 5}
    assert [job.number for job in jobs.active()] == [1, 2, 3, 4, 5, 6]


def test_jobs_may_be_started_while_going_through_them(jobs: JobStore) -> None:
    """Also where there are more than are read at a time; one that is started isn't met again."""
    jobs.add([new(str(number)) for number in range(120)])
    met = []
    for job in jobs.queued():
        met.append(job.number)
        jobs.update(job.number, state="running")
        if job.number == 1:
            jobs.update(119, state="cancelled")
    assert met == [*range(1, 119), 120]


def test_an_update_changes_what_it_names(jobs: JobStore) -> None:
    jobs.add([new("a"), new("b")])
    other, before = jobs.get(1), jobs.get(2)
    changes: dict[str, Any] = {"state": "failed", "error": 'it\'s "bad"; --\n' * 200, "attempts": 2}
    jobs.update(2, **changes)
    assert jobs.get(2) == replace(before, **changes)
    assert jobs.get(2).ended
    jobs.update(2, error=None, state="queued")
    assert jobs.get(2) == replace(before, attempts=2)
    assert jobs.get(1) == other
    assert [job.number for job in jobs.page([], 10)] == [2, 1]


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_job_that_isn_t_there(jobs: JobStore, number: int) -> None:
    jobs.add([new("a"), new("b")])
    for ask in (
        lambda: jobs.get(number),
        lambda: jobs.update(number, state="done"),
        lambda: jobs.take(number, [record(1)]),
    ):
        with pytest.raises(UnknownJobError, match=f"there is no job {number}"):
            ask()
    assert jobs.records(number) == []


def test_the_latest_job_of_a_training_is_found(jobs: JobStore) -> None:
    jobs.add([new("a"), new("a", seed=2), new("a", dataset="other"), new("a", recipe="long")])

    def find(cell: str, seed: int, measurement: str | None = None) -> Job | None:
        return jobs.latest([cell], "digits", "proxy", [seed], measurement).get((cell, seed))

    assert find("b", 1) is None
    assert find("a", 3) is None
    states: tuple[State, ...] = ("queued", "running", "done", "failed", "cancelled")
    for state in states:
        jobs.update(1, state=state)
        found = find("a", 1)
        assert found is not None
        assert (found.number, found.state) == (1, state)
    jobs.add([new("a", forced=True)])
    found = find("a", 1)
    assert found is not None
    assert found.number == 5
    latest = jobs.latest(["a", "b"], "digits", "proxy", [1, 2, 3])
    assert {key: job.number for key, job in latest.items()} == {("a", 1): 5, ("a", 2): 2}
    assert find("a", 1, '{"kind": "smoothness"}') is None
    jobs.add([new("a", measurement='{"kind": "smoothness"}')])
    measuring = find("a", 1, '{"kind": "smoothness"}')
    assert measuring is not None
    assert (measuring.number, find("a", 1)) == (6, found)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_job_under_way_is_found_before_later_ones(jobs: JobStore, state: State) -> None:
    jobs.add([new("a"), new("a"), new("a")])
    jobs.update(2, state=state)
    for number in (1, 3):
        jobs.update(number, state="done")
    assert jobs.latest(["a"], "digits", "proxy", [1])["a", 1].number == 2


def test_what_is_forgotten_of_a_job(jobs: JobStore) -> None:
    jobs.add([new("a"), new("a")])
    before = jobs.get(1)
    for number in (1, 2):
        jobs.update(
            number, attempts=3, device="cpu", images="original", started_at=before.created_at
        )
        jobs.take(number, [{"epoch": 1}])
        jobs.take(number, [{"number": 1}], "measurements")
    other = jobs.get(2)
    jobs.forget(1)
    assert (jobs.get(1), jobs.get(2)) == (before, other)
    with pytest.raises(UnknownJobError):
        jobs.forget(3)


def test_jobs_of_the_same_training_are_those_that_are_done(jobs: JobStore) -> None:
    jobs.add([new("a"), new("a", measurement="{}"), new("a"), new("a", seed=2), new("b")])
    for number in (1, 2, 4, 5):
        jobs.update(number, state="done")
    assert jobs.like(jobs.get(3)) == [jobs.get(2), jobs.get(1)]
    assert jobs.like(jobs.get(1)) == [jobs.get(2)]


def test_settings_of_a_recipe(jobs: JobStore) -> None:
    assert jobs.settings_of("proxy") is None
    jobs.add([new("a", settings="old"), new("a", settings="new"), new("a", recipe="x")])
    assert jobs.settings_of("proxy") == "new"
    assert jobs.recipes() == {"proxy": "new", "x": jobs.get(3).settings}


BOTH = pytest.mark.parametrize(
    ("kind", "made"), [("epochs", record), ("measurements", line)], ids=["epochs", "measurements"]
)


@BOTH
def test_each_record_is_taken_once(jobs: JobStore, kind: Records, made: Made) -> None:
    jobs.add([new("a"), new("b")])
    number = RECORDS[kind][1]
    jobs.take(1, [made(2), made(1)], kind)
    jobs.take(1, [{number: 1, "other": 1}, made(2), made(3), {number: 3, "other": 2}], kind)
    jobs.take(1, [], kind)
    jobs.take(1, [{number: 1, "other": 1}], kind)
    assert jobs.records(1, kind) == [made(1), made(2), made(3)]
    assert jobs.records(2, kind) == []
    job, other = jobs.get(1), jobs.get(2)
    told = {
        "epochs": (job.done_epochs, job.last, other.done_epochs, other.last),
        "measurements": (job.measured, job.last_measured, other.measured, other.last_measured),
    }
    assert told.pop(kind) == (3, made(3), 0, None)
    assert told.popitem()[1] == (0, None, 0, None)


@BOTH
@pytest.mark.parametrize("numbers", [[5], [4, 6], [5, 6]])
def test_none_can_be_left_out(
    jobs: JobStore, numbers: list[int], kind: Records, made: Made
) -> None:
    jobs.add([new("a")])
    jobs.take(1, [made(number) for number in (1, 2, 3)], kind)
    with pytest.raises(ValueError, match=r"job 1: (epoch|number) \d came before \d"):
        jobs.take(1, [made(number) for number in numbers], kind)
    assert jobs.records(1, kind) == [made(number) for number in (1, 2, 3)]


@BOTH
def test_a_record_that_is_no_json_is_refused(jobs: JobStore, kind: Records, made: Made) -> None:
    jobs.add([new("a")])
    with pytest.raises(ValueError, match="not JSON compliant"):
        jobs.take(1, [made(1), made(2) | {"loss": float("nan")}], kind)
    assert jobs.records(1, kind) == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), min_size=1, max_size=6
    )
)
def test_whatever_is_told_again_the_epochs_are_the_same(
    jobs: JobStore, parts: list[list[int]]
) -> None:
    """Parts of a file, read from any place up to any other: a prefix of the file is there."""
    (job,) = jobs.add([new()])
    done = 0
    for low, high in parts:
        told = [record(epoch) for epoch in range(low + 1, high + 1)]
        if low > done and told:
            with pytest.raises(ValueError, match="came before"):
                jobs.take(job.number, told)
        else:
            jobs.take(job.number, told)
            done = max([done, *(one["epoch"] for one in told)])
        assert jobs.records(job.number) == [record(epoch) for epoch in range(1, done + 1)]
        assert jobs.get(job.number).done_epochs == done


def test_states_that_are_being_read_don_t_keep_changes_from_the_file(store: Store) -> None:
    """Whoever reads an old state for long costs no memory, and checkpoints go through."""
    jobs = JobStore(store)
    jobs.add([new(str(number)) for number in range(300)])
    pinned = store.pin()
    for number in range(1, 301):
        jobs.update(number, state="done", error="x" * 1000)
    store.checkpoint()
    with store.read() as cursor:
        used = cursor.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
    assert used[0][0] < 16 << 20
    with pinned.read() as cursor:
        assert cursor.execute("SELECT DISTINCT state FROM jobs").fetchall() == [("queued",)]
    assert jobs.counts()["done"] == 300


def test_threads_add_and_change_side_by_side(jobs: JobStore) -> None:
    """Nobody's number is given twice, and readers see a job whole."""
    failures: list[str] = []
    done = threading.Event()

    def work(name: str) -> None:
        chance = random.Random(name)
        for _ in range(6):
            added = jobs.add([new(name, seed) for seed in range(chance.randint(1, 3))])
            for job in added:
                jobs.take(job.number, [record(1), record(2)])
                jobs.update(job.number, state="done", run=f"run {job.number}")

    def read() -> None:
        while not done.is_set():
            for job in jobs.page([], 100):
                if (job.state == "done") != (job.run == f"run {job.number}"):
                    failures.append(f"{job.number} is {job.state} with {job.run}")
                if job.done_epochs not in ((2,) if job.state == "done" else (0, 2)):
                    failures.append(f"{job.number} is {job.state} with {job.done_epochs} epochs")

    reader = threading.Thread(target=read)
    workers = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in (reader, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    reader.join()
    assert failures == []
    numbers = sorted(job.number for job in jobs.page([], 1000))
    assert numbers == list(range(1, len(numbers) + 1))
    assert jobs.counts()["done"] == len(numbers)
