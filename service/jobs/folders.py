"""Which folder a job has: those of a home by number, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from data.jobs import Job
from service.training.folder import JobFolder


class JobFolders:
    """The folders of one home's jobs.

    A number alone doesn't say that a folder is a job's: jobs come from other homes without their
    folders, and folders outlast a database that was replaced.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "jobs"

    def of(self, number: int) -> JobFolder:
        """The folder that a job of this number has once it was started."""
        return JobFolder(self._path / f"{number:06d}")

    def own(self, job: Job) -> JobFolder | None:
        """The job's folder, None where it has none: it wasn't started here, or that was deleted."""
        folder = self.of(job.number)
        return folder if folder.is_of(job) else None

    def taken(self, job: Job) -> bool:
        """Whether a worker has the job's folder that is to end before another one starts."""
        folder = self.of(job.number)
        if not folder.busy():
            return False
        if folder.is_of(job):
            return job.attempts > 0  # told to end; else left by a database that was lost, and found
        folder.cancel()  # another job's, of which this home knows nothing
        return True

    def make_room(self, job: Job) -> bool:
        """Set another job's folder of this number aside; whether the job is to be begun anew.

        That is so too where there is no folder: what is recorded of the job was done elsewhere, or
        its checkpoint was deleted, and one curve is of one training.
        """
        folder = self.of(job.number)
        if folder.is_of(job):
            return False
        folder.set_aside()
        return True

    def weights(self, jobs: Iterable[Job]) -> Path | None:
        """The weights of the first of these jobs that were kept, None where none were."""
        for job in jobs:
            folder = self.own(job)
            if folder is not None and folder.weights_file.exists():
                return folder.weights_file
        return None
