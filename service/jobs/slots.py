"""Devices that train, and how many jobs each takes at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

_ASK_S = 20


@dataclass(frozen=True, slots=True)
class Slot:
    """Room for one job.

    Attributes:
        name: what answers call the device: ``cpu``, ``gpu 0``, ``slurm``.
        gpu: number of the GPU, None for a CPU or where the cluster chooses.
        threads: of a CPU.
    """

    name: str
    gpu: int | None
    threads: int


def local_slots(cpu_slots: int | None, cpu_threads: int | None, slots_per_gpu: int) -> list[Slot]:
    """The slots of this machine.

    Each GPU takes ``slots_per_gpu`` jobs. ``cpu_slots`` is one by default, and none where there is
    a GPU, beside which a CPU would keep a job for days; the CPU's cores are shared out evenly
    unless ``cpu_threads`` says how many each gets.
    """
    gpus = count_gpus()
    on_cpu = (0 if gpus else 1) if cpu_slots is None else cpu_slots
    cores = len(os.sched_getaffinity(0))
    threads = cpu_threads or max(1, cores // max(1, on_cpu))
    slots = [Slot(f"gpu {gpu}", gpu, 1) for _ in range(slots_per_gpu) for gpu in range(gpus)]
    return slots + [Slot("cpu", None, threads)] * on_cpu


def count_gpus() -> int:
    """How many NVIDIA GPUs the driver shows; 0 without a driver.

    Not by torch, which the service doesn't import.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        answer = subprocess.run(  # noqa: S603  (a program of the system, no arguments of a user)
            [program, "--list-gpus"], capture_output=True, text=True, timeout=_ASK_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())
