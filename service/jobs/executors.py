"""Where workers run: on this machine or on a Slurm cluster, both through submitit.

The contract of an executor:

* ``start`` hands a folder over and comes back at once. The worker may begin much later, and may
  outlive this process.
* ``alive`` tells whether a worker has the folder or may still take it. It holds across restarts of
  the service: it reads the folder's lock, or asks the cluster, and trusts no memory of its own
  where it has none.
* ``stop`` tells the worker to end. It is no error where there is none. The folder stays as it is,
  so that another worker can go on.
* Two workers on one folder do no harm: the folder's lock lets the first one work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

from service.jobs.slots import Slot
from service.training.folder import JobFolder

FOREVER_MIN = 60 * 24 * 365
"""A year: a local worker has no time limit, but submitit wants one."""

_ASK_S = 30
SQUEUE_EVERY_S = 5.0


class ExecutorError(RuntimeError):
    """Workers can't be started; the message says why."""


class Executor(Protocol):
    """See the module's text."""

    def start(self, folder: JobFolder, slot: Slot) -> None:
        """Hand the folder to a worker.

        Raises:
            ExecutorError: none can be started.
        """
        ...

    def alive(self, folder: JobFolder) -> bool:
        """Whether a worker has the folder, or may still take it."""
        ...

    def stop(self, folder: JobFolder) -> None:
        """Tell the worker to end."""
        ...


class LocalExecutor:
    """Workers as processes of this machine."""

    def __init__(self) -> None:
        self._started: dict[Path, Any] = {}

    def start(self, folder: JobFolder, slot: Slot) -> None:
        """See :class:`Executor`."""
        import submitit

        from service.training import worker

        # Asking lets the system forget the processes that ended, cancelled ones among them.
        self._started = {path: job for path, job in self._started.items() if not job.done()}
        executor = submitit.LocalExecutor(folder=folder.submission)
        executor.update_parameters(
            timeout_min=FOREVER_MIN,
            stderr_to_stdout=True,
            gpus_per_node=0 if slot.gpu is None else 1,
            visible_gpus=() if slot.gpu is None else (slot.gpu,),
        )
        try:
            self._started[folder.path] = executor.submit(worker.main, str(folder.path))
        except OSError as error:
            raise ExecutorError(f"no worker can be started: {error}") from error

    def alive(self, folder: JobFolder) -> bool:
        """See :class:`Executor`."""
        job = self._started.get(folder.path)
        if job is not None:
            if not job.done():
                return True
            del self._started[folder.path]
        return folder.busy()

    def stop(self, folder: JobFolder) -> None:
        """See :class:`Executor`."""
        job = self._started.get(folder.path)
        if job is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(job.job_id), signal.SIGTERM)  # submitit passes it on to the worker
        elif folder.busy():
            worker = folder.worker()
            if worker is not None and worker[0] == socket.gethostname():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker[1], signal.SIGTERM)


class SlurmExecutor:
    """Workers as jobs of a Slurm cluster, which shares the home's file system.

    ``parameters`` are submitit's: ``{"slurm_partition": "gpu", "gpus_per_node": 1}``.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        for program in ("sbatch", "squeue", "scancel"):
            if shutil.which(program) is None:
                raise ExecutorError(f"Slurm's {program} isn't on this machine's PATH")
        self._parameters = parameters
        self._listed: set[str] = set()
        self._listed_at = -SQUEUE_EVERY_S

    def start(self, folder: JobFolder, slot: Slot) -> None:
        """See :class:`Executor`."""
        import submitit

        from service.training import worker

        executor = submitit.AutoExecutor(folder=folder.submission, cluster="slurm")
        try:
            executor.update_parameters(
                **{"timeout_min": 60 * 24, "name": "cellwise", **self._parameters}
            )
            job = executor.submit(worker.main, str(folder.path))
        except (NameError, ValueError, TypeError) as error:
            raise ExecutorError(f"CELLWISE_SLURM: {error}") from error
        except Exception as error:  # submitit raises its own kinds for what sbatch answers
            raise ExecutorError(f"Slurm took no job: {error}") from error
        self._number_file(folder).write_text(str(job.job_id))
        self._listed.add(str(job.job_id))

    def alive(self, folder: JobFolder) -> bool:
        """See :class:`Executor`."""
        try:
            number = self._number_file(folder).read_text()
        except FileNotFoundError:
            return False
        if time.monotonic() - self._listed_at > SQUEUE_EVERY_S:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                # No answer is no news: what was listed is still taken to be there.
                answer = _slurm("squeue", "--noheader", "--format=%i", "--me")
                self._listed = set(answer.split())
            self._listed_at = time.monotonic()
        return number in self._listed

    def stop(self, folder: JobFolder) -> None:
        """See :class:`Executor`."""
        with contextlib.suppress(FileNotFoundError, subprocess.SubprocessError):
            _slurm("scancel", self._number_file(folder).read_text())

    @staticmethod
    def _number_file(folder: JobFolder) -> Path:
        return folder.submission / "slurm-job"


def _slurm(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)  # noqa: S603
    return answer.stdout
