"""The worker as a process: what it leaves in its folder, however it ends."""

from __future__ import annotations

import errno
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.training import folder as folders
from service.training import worker
from service.training.folder import Assignment, JobFolder
from tests.service.training import made
from tests.service.training.test_trainer import timeless


def job(path: Path, **changes: Any) -> JobFolder:
    folder = JobFolder(path)
    settings: dict[str, Any] = {
        "cell": made.NB201,
        "dataset": "digits",
        "recipe": made.recipe(epochs=3, batch=64, images={"train": 200, "evaluate": 100}),
        "seed": 5,
        "places": (),
    }
    folder.create(Assignment.model_validate(settings | changes))
    return folder


def started(folder: JobFolder) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "service.training.worker", str(folder.path)])


def test_a_finished_job_tells_all(tmp_path: Path) -> None:
    folder = job(tmp_path / "1")
    assert started(folder).wait() == 0
    result = folder.result()
    assert result is not None
    assert result.state == "done", folder.log()
    records, _ = folder.epochs()
    assert [record["epoch"] for record in records] == [1, 2, 3]
    details = result.details
    assert details["recipe"]["name"] == "tiny"
    assert details["versions"]["torch"].startswith("2.13")
    assert details["images"]["sizes"] == {"train": 200, "x-valid": 100, "ori-test": 100}
    assert len(details["images"]["sha256"]) == 64
    assert details["precision"] in ("float32", "bfloat16")
    assert details["device"]
    assert details["threads"] == 1
    seconds = sum(record["seconds"]["train"] for record in records)
    assert details["train_time_s"] == pytest.approx(seconds, abs=1e-3)
    assert "epoch 3/3" in folder.log()


def test_a_finished_job_is_not_done_again(tmp_path: Path) -> None:
    folder = job(tmp_path / "1")
    folder.write_result(folders.Result(state="failed", error="diverged at epoch 1"))
    worker.main(str(folder.path))
    assert folder.epochs() == ([], 0)
    assert folder.log() == ""


def test_a_cancelled_job_is_not_begun(tmp_path: Path) -> None:
    folder = job(tmp_path / "1")
    folder.cancel()
    worker.main(str(folder.path))
    assert folder.result() is None
    assert folder.epochs() == ([], 0)


def test_a_second_worker_leaves_the_folder_to_the_first(tmp_path: Path) -> None:
    folder = job(tmp_path / "1")
    with folder.held():
        worker.main(str(folder.path))
    assert folder.result() is None


def test_killed_at_any_moment_it_completes_as_if_never_interrupted(tmp_path: Path) -> None:
    recipe = made.recipe(epochs=6, batch=64, images={"train": 400, "evaluate": 200})
    whole, killed = (job(tmp_path / name, recipe=recipe) for name in ("whole", "killed"))
    assert started(whole).wait() == 0
    took = sum(sum(record["seconds"].values()) for record in whole.epochs()[0])
    moments = random.Random(3)  # the same moments at every run of the tests
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        running = started(killed)
        seen = len(killed.epochs()[0])
        # Let it work for a random part of its time, counted from when it works at all.
        while running.poll() is None and not killed.busy():
            pass
        try:
            running.wait(moments.uniform(0.3, 1.0) * 2 + took * moments.random())
        except subprocess.TimeoutExpired:
            running.send_signal(how)
            assert running.wait() != 0
        records, _ = killed.epochs()
        assert [record["epoch"] for record in records] == list(range(1, len(records) + 1))
        assert len(records) >= seen
    while killed.result() is None:
        assert started(killed).wait() == 0
    assert killed.result() is not None
    assert timeless(killed.epochs()[0]) == timeless(whole.epochs()[0])


def test_a_diverged_run_says_at_which_epoch(tmp_path: Path) -> None:
    recipe = made.recipe(
        epochs=5,
        batch=4,
        optimiser={"learning_rate": 100.0, "weight_decay": 1.0},
        images={"train": 100, "evaluate": 50},
    )
    folder = job(tmp_path / "1", recipe=recipe)
    worker.main(str(folder.path))
    result = folder.result()
    assert result is not None
    records, _ = folder.epochs()
    assert result.state == "failed"
    assert result.error == f"diverged at epoch {records[-1]['epoch']}"
    assert not result.retry
    assert records[-1]["train"]["loss"] is None
    assert result.details["diverged_at"] == records[-1]["epoch"]
    assert result.details["images"]["rendering"]


def failing(error: BaseException) -> Any:
    def train(*_: Any, **__: Any) -> None:
        raise error

    return train


@pytest.mark.parametrize(
    ("error", "said", "retry"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk full", True),
        (MemoryError(), "out of memory", True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 TB"), "out of memory", True),
        (ValueError("something else"), "ValueError: something else", True),
    ],
)
def test_what_went_wrong_is_named(
    error: Exception, said: str, retry: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = job(tmp_path / "1")
    monkeypatch.setattr("service.training.trainer.train", failing(error))
    worker.main(str(folder.path))
    result = folder.result()
    assert result is not None
    assert result.state == "failed"
    assert said in (result.error or "")
    assert result.retry == retry
    assert "Traceback" in folder.log()


def test_a_full_disk_is_reported_from_the_file_system_itself(tmp_path: Path) -> None:
    """A disk of 100 kB: the checkpoint doesn't fit, the result does."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here (needs root)")
    try:
        wide = made.recipe(
            network={"nasbench201": {"channels": 16, "cells": 2}},
            images={"train": 50, "evaluate": 10},
        )
        folder = job(disk / "1", recipe=wide)
        assert started(folder).wait() == 0
        result = folder.result()
        assert result is not None
        assert result.state == "failed"
        assert (result.error or "").startswith("disk full")
        assert result.retry
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_missing_images_are_no_reason_to_try_again(tmp_path: Path) -> None:
    folder = job(tmp_path / "1", dataset="cifar100", places=(tmp_path,))
    worker.main(str(folder.path))
    result = folder.result()
    assert result is not None
    assert result.state == "failed"
    assert "cifar100" in (result.error or "")
    assert not result.retry


def test_torch_is_not_imported_before_work_begins() -> None:
    """The service imports this module to hand it to an executor."""
    code = "import sys, service.training.worker; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
