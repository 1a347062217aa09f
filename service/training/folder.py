"""A job's folder: what a worker gets and what it reports, on any file system it shares.

The service writes ``job.json`` and starts a worker; the worker never opens the database. It writes

    log.txt          everything that it prints, over all its attempts
    epochs.jsonl     a line an epoch, only ever appended to
    measured.jsonl   a line a measurement, likewise, where one was asked for
    weights.pt       the network's state at the end of its training
    checkpoint.pt    the state after the last epoch, replaced by renaming
    result.json      how it ended, written last, by renaming

and holds a lock on ``lock`` for as long as it lives, which the system lets go of whatever way it
dies. After an epoch the checkpoint is written first and holds every line so far, so that a line
that was lost, or half written, is written again; a line that stands there is never written twice.

Free of torch: the service reads these folders.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from data.recipe_names import OPEN
from service.training.measure import Measurement, read_measurement
from service.training.recipes import Recipe

if TYPE_CHECKING:
    from data.job_rows import Job


class Assignment(BaseModel):
    """``job.json``: what a worker is to do.

    Attributes:
        cell: canonical cell string.
        places: where images are looked for.
        device: ``cpu``, ``cuda:0``, ..., as torch names it.
        threads: of a CPU.
        measurement: what is measured on the network on the way.
        weights: a ``weights.pt`` of just this training, to measure without training again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: str
    dataset: str
    recipe: Recipe
    seed: int
    places: tuple[Path, ...]
    cache: Path | None = None
    device: str = "cpu"
    threads: int = 1
    measurement: Measurement | None = None
    weights: Path | None = None


class Result(BaseModel):
    """``result.json``: how it ended.

    Attributes:
        error: what went wrong, in a sentence, where it failed.
        retry: whether another attempt could do better.
        details: what the figures were made with: versions, device, images, times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["done", "failed"]
    error: str | None = None
    retry: bool = False
    details: dict[str, Any] = {}


class Busy(RuntimeError):  # noqa: N818  (a state, not a fault)
    """Another process works on this folder."""


class JobFolder:
    """Names and reads every file of one job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.assignment_file = path / "job.json"
        self.epochs_file = path / "epochs.jsonl"
        self.measured_file = path / "measured.jsonl"
        self.checkpoint_file = path / "checkpoint.pt"
        self.weights_file = path / "weights.pt"
        self.result_file = path / "result.json"
        self.log_file = path / "log.txt"
        self.lock_file = path / "lock"
        self.cancelled_file = path / "cancelled"
        self.submission = path / "submission"

    def create(self, assignment: Assignment) -> None:
        """Make the folder, or give it another assignment (a retry on another device)."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.assignment_file, assignment.model_dump_json(indent=1).encode())
        self.cancelled_file.unlink(missing_ok=True)

    def cancel(self) -> None:
        """Ask whatever worker has the folder, or is yet to take it, to leave it alone."""
        if self.path.is_dir():
            self.cancelled_file.touch()

    def assignment(self) -> Assignment:
        """What is to be done."""
        return Assignment.model_validate_json(self.assignment_file.read_bytes())

    def is_of(self, job: Job) -> bool:
        """Whether it was made for just the training and measurement of this job.

        One that left the precision open is, once it has ended, in that which the worker found.
        """
        try:
            given = self.assignment()
        except (FileNotFoundError, ValueError):
            return False
        recipe, result = given.recipe, self.result()
        asked = Recipe.model_validate_json(job.settings)
        found = None if result is None else result.details.get("precision")
        if recipe.precision == OPEN != asked.precision and found is not None:
            recipe = recipe.model_copy(update={"precision": found})
        return (given.cell, given.dataset, recipe.digest, given.seed, given.measurement) == (
            job.cell,
            job.dataset,
            asked.digest,
            job.seed,
            None if job.measurement is None else read_measurement(job.measurement),
        )

    def set_aside(self) -> None:
        """Make room for another job's: the folder, if there is one, gets the name ``000001.1``."""
        if self.path.is_dir():
            names = (self.path.with_name(f"{self.path.name}.{place}") for place in count(1))
            self.path.rename(next(path for path in names if not path.exists()))

    def result(self) -> Result | None:
        """How it ended, None as long as it hasn't."""
        try:
            return Result.model_validate_json(self.result_file.read_bytes())
        except FileNotFoundError:
            return None

    def write_result(self, result: Result) -> None:
        """Say how it ended: nothing is written after that."""
        write_whole(self.result_file, result.model_dump_json(indent=1).encode())

    def epochs(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The complete lines from byte ``offset`` on, and the offset behind them."""
        return _lines(self.epochs_file, offset)

    def measured(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The same of measurements."""
        return _lines(self.measured_file, offset)

    def restore_epochs(self, records: list[dict[str, Any]]) -> None:
        """Bring ``epochs.jsonl`` up to ``records``: cut off a torn line, append what is missing."""
        for record in records[len(_mended(self.epochs_file)) :]:
            self.append_epoch(record)

    def restore_measured(self) -> list[dict[str, Any]]:
        """What was measured so far; a torn line is cut off."""
        return _mended(self.measured_file)

    def append_epoch(self, record: dict[str, Any]) -> None:
        """Append a line; whoever reads it finds the checkpoint that it belongs to."""
        _append(self.epochs_file, record)

    def append_measured(self, record: dict[str, Any]) -> None:
        """Append a line."""
        _append(self.measured_file, record)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        return "\n".join(self.log().splitlines()[-lines:])

    def log(self) -> str:
        """The whole log; what is no UTF-8 is replaced."""
        try:
            return self.log_file.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    @contextmanager
    def held(self, patience_s: float = 2.0) -> Iterator[None]:
        """Be the one process that works on this folder.

        ``patience_s`` outlasts :meth:`busy`, which takes the lock for a moment to see.

        Raises:
            Busy: another one does.
        """
        deadline = time.monotonic() + patience_s
        with self.lock_file.open("ab") as stream:
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise Busy(f"another process works on {self.path}") from None
                    time.sleep(0.02)
            stream.truncate(0)
            stream.write(f"{socket.gethostname()} {os.getpid()}\n".encode())
            stream.flush()
            yield

    def busy(self) -> bool:
        """Whether a worker lives that holds this folder."""
        try:
            with self.lock_file.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def worker(self) -> tuple[str, int] | None:
        """Machine and process number of the last worker, None where there was none."""
        try:
            machine, number = self.lock_file.read_text().split()
            return machine, int(number)
        except (FileNotFoundError, ValueError):
            return None


def _lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            text = stream.read()
    except FileNotFoundError:
        return [], offset
    end = text.rfind(b"\n") + 1
    return [json.loads(line) for line in text[:end].splitlines()], offset + end


def _mended(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, which ends with the last complete one from now on."""
    lines, end = _lines(path)
    with path.open("ab") as stream:
        stream.truncate(end)
    return lines


def _append(path: Path, record: dict[str, Any]) -> None:
    with path.open("ab") as stream:
        stream.write(json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n")


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that it is there whole or, after a crash, as it was."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
