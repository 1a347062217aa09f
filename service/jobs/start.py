"""A queue as the settings want it."""

from __future__ import annotations

from data.library import Library
from service.jobs.executors import Executor, LocalExecutor, SlurmExecutor
from service.jobs.queue import Queue
from service.jobs.slots import Slot, local_slots
from service.settings import Settings


def make_queue(library: Library, settings: Settings) -> Queue:
    """The queue of a library's home, not started yet.

    Raises:
        ExecutorError: ``CELLWISE_EXECUTOR`` is ``slurm`` and this machine has none.
    """
    executor: Executor
    if settings.executor == "slurm":
        executor = SlurmExecutor(settings.slurm)
        gpu = 0 if settings.slurm.get("gpus_per_node") else None
        threads = settings.cpu_threads or settings.slurm.get("cpus_per_task", 1)
        slots = [Slot("slurm", gpu, threads)] * settings.slurm_jobs
    else:
        executor = LocalExecutor()
        slots = local_slots(settings.cpu_slots, settings.cpu_threads, settings.slots_per_gpu)
    return Queue(library, executor, slots, settings.images, keep_weights=settings.keep_weights)
