"""The process that trains: takes a job's folder, reports into it, opens no database.

Started by an executor (``python -m service.training.worker FOLDER`` does the same by hand). What is
printed, by whatever library, goes to the folder's log. torch is imported only once work begins, so
that an executor may import this module.
"""

from __future__ import annotations

import errno
import os
import platform
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from data.divergence import DIVERGED_AT
from service.training.folder import Assignment, Busy, JobFolder, Result

LIBRARIES = ("cellwise", "torch", "numpy")
CANCELLED = 130
"""Exit status of a worker that was told to stop; its folder can be taken up again."""


def main(path: str) -> None:
    """Do the job of a folder, or go on with it; nothing where another process does, or it's done.

    However it ends, ``result.json`` says so, unless the process was told to stop or killed.
    """
    folder = JobFolder(Path(path))
    try:
        with folder.held(), _logging(folder.log_file):
            if folder.result() is None and not folder.cancelled_file.exists():
                signal.signal(signal.SIGTERM, _stop)
                signal.signal(signal.SIGINT, _stop)
                folder.write_result(_outcome(folder))
    except Busy:
        return


def _stop(_number: int = 0, _frame: FrameType | None = None) -> None:
    # Not an exception, which a library may catch: the checkpoint is whole at any moment.
    say("told to stop")
    os._exit(CANCELLED)


def say(text: str) -> None:
    """A line of the log."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """Send what this process and its libraries print to the end of ``path``."""
    with path.open("a", buffering=1, encoding="utf-8", errors="replace") as log:
        kept = [os.dup(number) for number in (1, 2)]
        sys.stdout.flush()
        sys.stderr.flush()
        for number in (1, 2):  # libraries in C write here
            os.dup2(log.fileno(), number)
        try:
            with redirect_stdout(log), redirect_stderr(log):
                yield
        finally:
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)


def _outcome(folder: JobFolder) -> Result:
    """Train, and say in what way it ended."""
    try:
        return _train(folder, folder.assignment())
    except Exception as error:
        from service.training.images import ImagesError
        from service.training.measurements.measuring import MeasurementError
        from service.training.recipes import RecipeError

        traceback.print_exc()
        if isinstance(error, ImagesError | RecipeError | MeasurementError):
            return Result(state="failed", error=str(error))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _make_room(folder)
            return Result(state="failed", error=f"disk full: {error}", retry=True)
        if _out_of_memory(error):
            return Result(state="failed", error=f"out of memory: {_first_line(error)}", retry=True)
        return Result(
            state="failed", error=f"{type(error).__name__}: {_first_line(error)}", retry=True
        )


def _make_room(folder: JobFolder) -> None:
    """Remove what is half written, so that there is room to say what happened."""
    for part in folder.path.glob("*.part"):
        part.unlink(missing_ok=True)


def _out_of_memory(error: Exception) -> bool:
    # torch raises RuntimeError where the CPU has no more, a class of its own for a GPU.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def _train(folder: JobFolder, job: Assignment) -> Result:
    clock = time.perf_counter()
    # Read by CUDA's libraries when they start: without it, matrix products aren't repeatable.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from analysis.cells import parse_cell
    from service.training.datasets import mirrored
    from service.training.images import load
    from service.training.measurements.measuring import Measuring
    from service.training.setting import Machine, set_up
    from service.training.trainer import DivergedError, Record, save, train

    cell = parse_cell(job.cell)
    say(f"{cell.id} on {job.dataset} by {job.recipe.name}, seed {job.seed}, {job.device}")
    images = load(
        job.dataset,
        job.places,
        train=job.recipe.images.train,
        evaluate=job.recipe.images.evaluate,
        cache=job.cache,
    )
    say(", ".join(f"{name} {len(part.labels):,}" for name, part in images.sets.items()))
    setting = set_up(
        cell,
        job.recipe,
        images,
        job.seed,
        Machine(torch.device(job.device), job.threads),
        mirrored=mirrored(job.dataset),
    )
    measuring = None
    if job.measurement is not None:
        measuring = Measuring(job.measurement, setting, job.recipe.epochs, folder)

    def measure(epoch: int) -> None:
        if measuring is None:
            return
        for line in measuring.reached(epoch):
            say(f"measured {line['number']} of {line['of']}")
            if folder.cancelled_file.exists():  # a signal may have come to nothing
                _stop()

    def started(records: list[Record]) -> None:
        folder.restore_epochs(records)
        if records:
            say(f"goes on after epoch {len(records)}")
        measure(len(records))

    def finished(record: Record) -> None:
        folder.append_epoch(record)
        say(_told(record, job.recipe.epochs))
        if folder.cancelled_file.exists():
            _stop()
        measure(record["epoch"])

    diverged: DivergedError | None = None
    weights = None
    if job.weights is not None:
        weights = torch.load(job.weights, map_location=job.device, weights_only=True)
    if weights is not None and weights["images"] == images.checksum:
        say(f"trained before: {job.weights}")
        setting.network.load_state_dict(weights["network"])
        measure(job.recipe.epochs)
    else:
        try:
            train(
                setting,
                job.recipe,
                job.seed,
                folder.checkpoint_file,
                started=started,
                finished_epoch=finished,
            )
        except DivergedError as error:
            diverged = error
        else:
            weights = {"network": setting.network.state_dict(), "images": images.checksum}
            save(weights, folder.weights_file)
    how = "done" if diverged is None else f"failed: {diverged}"
    say(f"{how}, {time.perf_counter() - clock:.1f} s in this attempt")
    records, _ = folder.epochs()
    return Result(
        state="done" if diverged is None else "failed",
        error=None if diverged is None else str(diverged),
        details={
            **({} if diverged is None else {DIVERGED_AT: diverged.epoch}),
            "recipe": job.recipe.model_dump(mode="json", exclude_none=True),
            "precision": setting.precision,
            "params_m": setting.params_m,
            "flops_m": setting.flops_m,
            "device": device_name(job.device),
            "threads": job.threads,
            "machine": socket.gethostname(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in LIBRARIES},
            "images": {
                "rendering": images.rendering,
                "sizes": {name: len(part.labels) for name, part in images.sets.items()},
                "division": images.division,
                "split": images.split,
                "sha256": images.checksum,
            },
            "train_time_s": round(sum(record["seconds"]["train"] for record in records), 3),
            "evaluation_time_s": round(sum(record["seconds"]["evaluate"] for record in records), 3),
        },
    )


def _told(record: dict[str, Any], epochs: int) -> str:
    sets = ", ".join(
        f"{name} {values['accuracy']:.2f} %"
        for name, values in record.items()
        if isinstance(values, dict) and "accuracy" in values
    )
    return f"epoch {record['epoch']}/{epochs}: {sets}; {record['images_per_s']:,.0f} images/s"


def device_name(device: str) -> str:
    """What the device calls itself."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(names)
    except (OSError, StopIteration):
        return platform.processor() or "cpu"


if __name__ == "__main__":
    main(sys.argv[1])
