"""A job's folder: lines that were torn, locks of workers that died, files that are whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.job_rows import Job, NewJob
from data.jobs import JobStore
from data.store import Store
from service.training.folder import Assignment, Busy, JobFolder, Result
from tests.service.training import made


def record(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "train": {"loss": 1 / epoch, "accuracy": 50.0}}


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    made_folder = JobFolder(tmp_path / "000001")
    made_folder.create(assignment())
    return made_folder


def assignment() -> Assignment:
    return Assignment(
        cell=made.NB201, dataset="digits", recipe=made.recipe(), seed=3, places=(Path("/images"),)
    )


def test_an_assignment_comes_back_as_it_was(folder: JobFolder) -> None:
    assert folder.assignment() == assignment()


def test_a_folder_without_results_says_so(folder: JobFolder) -> None:
    assert folder.result() is None
    assert folder.epochs() == ([], 0)
    assert folder.log() == ""
    assert not folder.busy()
    assert folder.worker() is None


def test_lines_are_read_on_from_where_one_stopped(folder: JobFolder) -> None:
    folder.append_epoch(record(1))
    first, offset = folder.epochs()
    folder.append_epoch(record(2))
    folder.append_epoch(record(3))
    second, end = folder.epochs(offset)
    assert first + second == [record(1), record(2), record(3)]
    assert folder.epochs(end) == ([], end)


@given(torn=st.integers(0, 200), written=st.integers(0, 4), in_checkpoint=st.integers(0, 4))
def test_whatever_was_torn_each_line_stands_there_once(
    torn: int, written: int, in_checkpoint: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The checkpoint is written before the line, so it holds as many epochs or one more."""
    in_checkpoint = max(in_checkpoint, written)
    folder = JobFolder(tmp_path_factory.mktemp("jobs") / "1")
    folder.create(assignment())
    for epoch in range(1, written + 1):
        folder.append_epoch(record(epoch))
    size = folder.epochs_file.stat().st_size if written else 0
    if size:
        os.truncate(folder.epochs_file, max(0, size - torn))
    # A reader that comes in between sees whole lines only.
    seen, _ = folder.epochs()
    assert seen == [record(epoch) for epoch in range(1, len(seen) + 1)]
    whole = [record(epoch) for epoch in range(1, in_checkpoint + 1)]
    folder.restore_epochs(whole)
    assert folder.epochs()[0] == whole


def test_results_come_back(folder: JobFolder) -> None:
    result = Result(state="failed", error="diverged at epoch 3")
    folder.write_result(result)
    assert folder.result() == result
    assert not list(folder.path.glob("*.part"))


def test_one_worker_at_a_time(folder: JobFolder) -> None:
    with folder.held():
        assert folder.busy()
        with pytest.raises(Busy), folder.held(patience_s=0):
            pass
        worker = folder.worker()
        assert worker is not None
        assert worker[1] == os.getpid()
    assert not folder.busy()
    with folder.held(patience_s=0):
        pass


def test_the_lock_goes_with_a_worker_that_is_killed(folder: JobFolder) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from pathlib import Path\n"
            "from service.training.folder import JobFolder\n"
            "with JobFolder(Path(sys.argv[1])).held():\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()\n",
            str(folder.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    assert folder.busy()
    worker = folder.worker()
    assert worker is not None
    assert worker[1] == holder.pid
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert not folder.busy()


def test_a_cancelled_folder_is_free_again_with_a_new_assignment(folder: JobFolder) -> None:
    folder.cancel()
    assert folder.cancelled_file.exists()
    folder.create(assignment())
    assert not folder.cancelled_file.exists()


def test_the_end_of_the_log(folder: JobFolder) -> None:
    folder.log_file.write_bytes(b"one\ntwo\n\xff three\n")
    assert folder.log_tail(2) == "two\n\ufffd three"


def job(folder: JobFolder, precision: str, **changes: Any) -> Job:
    """A job of the folder's training, by its recipe in this precision."""
    assigned = assignment()
    recipe = assigned.recipe.model_copy(update={"name": "another", "precision": precision})
    new = NewJob(
        assigned.cell,
        "an id",
        assigned.dataset,
        recipe.name,
        recipe.model_dump_json(),
        assigned.seed,
        recipe.epochs,
    )
    with Store.open(folder.path.with_name("home")) as store:
        (queued,) = JobStore(store).add([replace(new, **changes)])
    return queued


@pytest.mark.parametrize(
    ("given", "ended", "asked", "expected"),
    [
        ("float32", None, "float32", True),
        ("float32", None, "bfloat16", False),
        # left to the device: the job says so too, until it has ended, ...
        ("auto", None, "auto", True),
        ("auto", {"precision": "bfloat16"}, "auto", True),
        # ... and then what the worker found,
        ("auto", {"precision": "bfloat16"}, "bfloat16", True),
        ("auto", {"precision": "float32"}, "float32", True),
        ("auto", {"precision": "bfloat16"}, "float32", False),
        # which isn't known before, nor of one that never began
        ("auto", None, "bfloat16", False),
        ("auto", {}, "bfloat16", False),
        ("auto", {}, "auto", True),
        # what was asked for isn't what a device may choose
        ("bfloat16", None, "auto", False),
        ("bfloat16", {"precision": "bfloat16"}, "auto", False),
        ("bfloat16", {"precision": "float32"}, "float32", False),
    ],
)
def test_whose_a_folder_is_by_the_precision(
    given: str, ended: dict[str, Any] | None, asked: str, expected: bool, folder: JobFolder
) -> None:
    recipe = assignment().recipe.model_copy(update={"precision": given})
    folder.create(assignment().model_copy(update={"recipe": recipe}))
    if ended is not None:
        folder.write_result(Result(state="failed", error="ended", details=ended))
    assert folder.is_of(job(folder, asked)) is expected


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": made.NB201.replace("nor_conv_3x3", "avg_pool_3x3")},
        {"dataset": "fashion-mnist"},
        {"seed": 4},
        {"measurement": '{"kind":"landscape"}'},
    ],
)
def test_a_folder_of_another_training_is_no_job_s(
    changes: dict[str, Any], folder: JobFolder
) -> None:
    precision = assignment().recipe.precision
    assert folder.is_of(job(folder, precision))
    assert not folder.is_of(job(folder, precision, **changes))
