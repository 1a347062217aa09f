"""One contract, both executors: real workers here, and a Slurm of small programs."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.jobs.executors import Executor, ExecutorError, LocalExecutor, SlurmExecutor
from service.jobs.slots import Slot, local_slots
from service.training.folder import JobFolder
from tests.service.training.test_worker import job

CPU = Slot("cpu", None, 1)


@pytest.fixture(params=["local", "slurm"])
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "local":
        return LocalExecutor()
    request.getfixturevalue("slurm")
    return SlurmExecutor({"timeout_min": 5})


def same_kind(executor: Executor) -> Executor:
    """As a restarted service makes it: without any memory."""
    return LocalExecutor() if isinstance(executor, LocalExecutor) else SlurmExecutor({})


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_a_job_is_alive_until_its_worker_has_ended(executor: Executor, tmp_path: Path) -> None:
    folder = job(tmp_path / "000001")
    assert not executor.alive(folder)
    executor.start(folder, CPU)
    assert executor.alive(folder)
    wait_until(lambda: not executor.alive(folder))
    result = folder.result()
    assert result is not None
    assert result.state == "done", folder.log()


def test_a_new_service_sees_who_lives_and_can_stop_them(executor: Executor, tmp_path: Path) -> None:
    folder = job(tmp_path / "000001", seed=6)
    executor.start(folder, CPU)
    wait_until(folder.busy)
    restarted = same_kind(executor)
    assert restarted.alive(folder)
    restarted.stop(folder)
    wait_until(lambda: not folder.busy())
    wait_until(lambda: not (restarted.alive(folder) or executor.alive(folder)))
    restarted.stop(folder)  # nothing is there any more: no error


def test_stopping_nothing_is_no_error(executor: Executor, tmp_path: Path) -> None:
    executor.stop(JobFolder(tmp_path / "000009"))


def test_parameters_reach_slurm(slurm: Path, tmp_path: Path) -> None:
    executor = SlurmExecutor({"slurm_partition": "gpu", "gpus_per_node": 1, "timeout_min": 90})
    executor.start(job(tmp_path / "000001"), CPU)
    options = (slurm / "options").read_text()
    assert "--partition=gpu" in options
    assert "--gpus-per-node=1" in options
    assert "--time=90" in options
    executor.stop(JobFolder(tmp_path / "000001"))


def test_what_slurm_refuses_is_told(slurm: Path, tmp_path: Path) -> None:
    (slurm / "closed").touch()
    with pytest.raises(ExecutorError, match="Invalid partition"):
        SlurmExecutor({}).start(job(tmp_path / "000001"), CPU)


def test_a_parameter_that_submitit_lacks_is_named(slurm: Path, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"CELLWISE_SLURM.*partitoin"):
        SlurmExecutor({"slurm_partitoin": "gpu"}).start(job(tmp_path / "000001"), CPU)


def test_a_machine_without_slurm_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExecutorError, match="sbatch"):
        SlurmExecutor({})


def gpus(count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    lines = "".join(f"echo 'GPU {n}: NVIDIA H100 (UUID: GPU-{n})'\n" for n in range(count))
    program.write_text(f"#!/bin/sh\n{lines}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_slots_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cores = len(os.sched_getaffinity(0))
    assert local_slots(None, None, 1) == [Slot("cpu", None, cores)]
    assert local_slots(2, None, 1) == [Slot("cpu", None, max(1, cores // 2))] * 2
    assert local_slots(2, 3, 1) == [Slot("cpu", None, 3)] * 2
    assert local_slots(0, None, 1) == []


def test_each_gpu_is_a_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(2, tmp_path, monkeypatch)
    found = local_slots(None, None, 2)
    assert sorted(slot.name for slot in found) == ["gpu 0", "gpu 0", "gpu 1", "gpu 1"]
    assert {slot.gpu for slot in found} == {0, 1}
    assert [slot.name for slot in local_slots(1, 4, 1)] == ["gpu 0", "gpu 1", "cpu"]


def test_a_driver_that_fails_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(0, tmp_path, monkeypatch)
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert [slot.name for slot in local_slots(None, 1, 1)] == ["cpu"]
