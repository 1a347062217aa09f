"""Workers whose every move a test decides: what they write is what real ones write."""

from __future__ import annotations

from typing import Any

from analysis.cells import Cell, parse_cell
from data.library import Library
from service.jobs.executors import ExecutorError
from service.jobs.queue import Queue
from service.jobs.requests import checked
from service.jobs.slots import Slot
from service.training.folder import JobFolder, Result

EPOCHS = 12  # of recipe proxy
CPU = Slot("cpu", None, 1)


class StagedExecutor:
    """Starts nothing: a test writes into the folders and says who lives."""

    def __init__(self) -> None:
        self.started: list[JobFolder] = []
        self.living: set[int] = set()
        self.stopped: list[int] = []
        self.refusal: str | None = None

    def start(self, folder: JobFolder, slot: Slot) -> None:
        if self.refusal is not None:
            raise ExecutorError(self.refusal)
        self.started.append(folder)
        self.living.add(number(folder))

    def alive(self, folder: JobFolder) -> bool:
        return number(folder) in self.living

    def stop(self, folder: JobFolder) -> None:
        self.stopped.append(number(folder))
        self.living.discard(number(folder))

    @property
    def numbers(self) -> list[int]:
        """The jobs in the order in which they were started."""
        return [number(folder) for folder in self.started]

    def dies(self, job: int) -> None:
        """A worker ends, whatever it has written."""
        self.living.discard(job)


def number(folder: JobFolder) -> int:
    return int(folder.path.name)


def record(epoch: int) -> dict[str, Any]:
    """As a worker writes it; the figures follow from the epoch."""
    return {
        "epoch": epoch,
        "train": {"loss": 2 / epoch, "accuracy": 30.0 + epoch},
        "x-valid": {"loss": 2.1 / epoch, "accuracy": 29.0 + epoch},
        "ori-test": {"loss": 2.2 / epoch, "accuracy": 28.0 + epoch},
        "seconds": {"train": 1.5, "evaluate": 0.5},
        "images_per_s": 700.0,
    }


def done(epochs: int = EPOCHS) -> Result:
    """As a worker writes it last."""
    return Result(
        state="done",
        details={
            "recipe": {"name": "proxy"},
            "precision": "float32",
            "params_m": 0.02,
            "flops_m": 0.4,
            "device": "a staged CPU",
            "threads": 1,
            "machine": "here",
            "python": "3.11",
            "versions": {"torch": "2.13.0"},
            "images": {"rendering": "original", "sizes": {}, "split": "", "sha256": ""},
            "train_time_s": 1.5 * epochs,
            "evaluation_time_s": 0.5 * epochs,
        },
    )


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
