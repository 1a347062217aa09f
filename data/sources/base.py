"""The contract between a file format and the store.

A *source* is one file or folder of results. Its module turns it into runs, one cell at a time, and
knows nothing of the database. The rules that every source keeps:

* **Bounded memory.** ``batches()`` is a generator; at no time does it hold more than a few hundred
  cells, however large the file is.
* **No code of the file runs.** Pickles go through :mod:`data.unpickle`.
* **Nothing is invented.** A value that the file lacks is left out; a set is never put in another's
  place; a seed is never filled in.
* **Errors are** :class:`SourceError`, with what was found, where, and what would be allowed. An
  error may come at any time, also after batches were handed on: the store rolls back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

EvalSet = Literal["train", "x-valid", "x-test", "ori-test"]
Measure = Literal["accuracy", "loss"]

EVAL_SETS: tuple[EvalSet, ...] = ("train", "x-valid", "x-test", "ori-test")
MEASURES: tuple[Measure, ...] = ("accuracy", "loss")

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``, in cells (or bytes where the number of cells is unknown)."""


class SourceError(ValueError):
    """The file can't be taken; the message says what was wrong with it and what is allowed."""


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of one image set along a run.

    ``epochs`` are 1-based and increasing; ``values`` has the same length: accuracies in percent
    (top-1), losses as mean cross-entropy in nats.
    """

    eval_set: EvalSet
    measure: Measure
    epochs: tuple[int, ...]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Run:
    """One training of one cell (or, where ``replicate`` says so, what a table tells of several).

    Attributes:
        cell: canonical cell string of its space.
        dataset: name as in DOMAIN.md's table of what was recorded (``cifar10-valid``, ...).
        schedule: planned epochs.
        seed: the seed, or None where the table doesn't name it.
        replicate: None for a run with a seed. ``mean`` where values are means over an unknown
            number of seeds; any other text tells unnamed seeds of one cell apart (``curve 0``).
        recipe: name of the training recipe (``nb201-200``).
        images: which rendering of the data set it was trained on (``original``, else named).
        params_m, flops_m: millions, as the file has them (the formula's values are the cell's own).
        latency_s: seconds for one batch of 256.
        train_time_s: seconds for the whole training.
        time_source: whether times were ``measured`` or ``derived``; None without times.
    """

    cell: str
    dataset: str
    schedule: int
    seed: int | None
    series: tuple[Series, ...]
    replicate: str | None = None
    recipe: str = ""
    images: str = "original"
    params_m: float | None = None
    flops_m: float | None = None
    latency_s: float | None = None
    train_time_s: float | None = None
    time_source: Literal["measured", "derived"] | None = None
    device: str | None = None


_RUN_FIELDS: list[pa.Field[Any]] = [
    pa.field("cell", pa.string()),
    pa.field("dataset", pa.string()),
    pa.field("schedule", pa.int32()),
    pa.field("seed", pa.int64()),
    pa.field("replicate", pa.string()),
    pa.field("recipe", pa.string()),
    pa.field("images", pa.string()),
    pa.field("params_m", pa.float64()),
    pa.field("flops_m", pa.float64()),
    pa.field("latency_s", pa.float64()),
    pa.field("train_time_s", pa.float64()),
    pa.field("time_source", pa.string()),
    pa.field("device", pa.string()),
]
RUN_SCHEMA = pa.schema(_RUN_FIELDS)
"""Columns of ``Batch.runs``: the fields of :class:`Run` but for its series."""

_SERIES_FIELDS: list[pa.Field[Any]] = [
    pa.field("run", pa.int32()),
    pa.field("eval_set", pa.string()),
    pa.field("measure", pa.string()),
    pa.field("epochs", pa.list_(pa.int16())),
    pa.field("values", pa.list_(pa.float64())),
]
SERIES_SCHEMA = pa.schema(_SERIES_FIELDS)
"""Columns of ``Batch.series``; ``run`` is the row in ``Batch.runs`` that the series belongs to."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some cells' runs as Arrow, ready to be written."""

    runs: pa.RecordBatch
    series: pa.RecordBatch


def encode(runs: Iterable[Run]) -> Batch:
    """Runs as one :class:`Batch`, in the given order."""
    run_rows = {name: [] for name in RUN_SCHEMA.names}  # type: dict[str, list[object]]
    series_rows = {name: [] for name in SERIES_SCHEMA.names}  # type: dict[str, list[object]]
    for number, run in enumerate(runs):
        for name, column in run_rows.items():
            column.append(getattr(run, name))
        for series in run.series:
            series_rows["run"].append(number)
            series_rows["eval_set"].append(series.eval_set)
            series_rows["measure"].append(series.measure)
            series_rows["epochs"].append(series.epochs)
            series_rows["values"].append(series.values)
    return Batch(
        pa.RecordBatch.from_pydict(run_rows, schema=RUN_SCHEMA),
        pa.RecordBatch.from_pydict(series_rows, schema=SERIES_SCHEMA),
    )


@dataclass(frozen=True, slots=True)
class Description:
    """Where a source's figures come from, as ``GET /sources`` tells it."""

    name: str
    title: str
    origin: str
    licence: str
    notes: tuple[str, ...] = field(default=())
    official: bool = False
    """True for NAS-Bench-201's and NATS-Bench's own files: where sources overlap, these win."""


class Source(Protocol):
    """A file or folder that was recognised by its content."""

    path: Path

    def describe(self) -> Description:
        """What this is and where it comes from; cheap, reads no results."""
        ...

    def files(self) -> list[Path]:
        """Every file that the result depends on, in a fixed order (for the checksum)."""
        ...

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """All runs, cell by cell in file order, about 100 to 500 cells a batch."""
        ...
