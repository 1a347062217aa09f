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

import operator
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.source_error import SourceError as SourceError

EvalSet = Literal["train", "x-valid", "x-test", "ori-test"]
Measure = Literal["accuracy", "loss"]

EVAL_SETS: tuple[EvalSet, ...] = ("train", "x-valid", "x-test", "ori-test")
MEASURES: tuple[Measure, ...] = ("accuracy", "loss")

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.float64]

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``, in cells (or bytes where the number of cells is unknown)."""


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of one image set along a run.

    ``epochs`` are 1-based and increasing; ``values`` has the same length: accuracies in percent
    (top-1), losses as mean cross-entropy in nats.
    """

    eval_set: EvalSet
    measure: Measure
    epochs: Sequence[int] | IntArray
    values: Collection[float] | FloatArray


@dataclass(frozen=True, slots=True)
class Run:
    """One training of one cell (or, where ``replicate`` says so, what a table tells of several).

    Attributes:
        cell: canonical cell string of its space.
        dataset: name as in the benchmark's own files (``cifar10-valid``, ...).
        schedule: planned epochs.
        seed: the seed, or None where the table doesn't name it.
        replicate: None for a run with a seed. ``mean`` where values are means over an unknown
            number of seeds; any other text tells unnamed seeds of one cell apart (``curve 0``).
        recipe: name of the training recipe (``nb201-200``).
        images: which rendering of the data set it was trained on (``original``, else named).
        split: by what the images were divided into sets (:mod:`data.told_apart`): ``official``,
            ``seeded``, or another word; empty for what ``details`` say, else official.
        params_m, flops_m: millions, as the file has them (the formula's values are the cell's own).
        latency_s: seconds for one batch of 256.
        train_time_s: seconds for the whole training.
        time_source: whether times were ``measured`` or ``derived``; None without times.
        device: what it was trained on.
        details: JSON object with whatever else was recorded of how it came about (all settings of
            the recipe, versions, split, ...); None where the source has nothing of the kind.
    """

    cell: str
    dataset: str
    schedule: int
    seed: int | None
    series: tuple[Series, ...]
    replicate: str | None = None
    recipe: str = ""
    images: str = "original"
    split: str = ""
    params_m: float | None = None
    flops_m: float | None = None
    latency_s: float | None = None
    train_time_s: float | None = None
    time_source: Literal["measured", "derived"] | None = None
    device: str | None = None
    details: str | None = None


_RUN_FIELDS: list[pa.Field[Any]] = [
    pa.field("cell", pa.string()),
    pa.field("dataset", pa.string()),
    pa.field("schedule", pa.int32()),
    pa.field("seed", pa.int64()),
    pa.field("replicate", pa.string()),
    pa.field("recipe", pa.string()),
    pa.field("images", pa.string()),
    pa.field("split", pa.string()),
    pa.field("params_m", pa.float64()),
    pa.field("flops_m", pa.float64()),
    pa.field("latency_s", pa.float64()),
    pa.field("train_time_s", pa.float64()),
    pa.field("time_source", pa.string()),
    pa.field("device", pa.string()),
    pa.field("details", pa.string()),
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


def pack_series(
    run: Sequence[int] | IntArray,
    eval_set: Sequence[str] | pa.Array[Any],
    measure: Sequence[str] | pa.Array[Any],
    lengths: Sequence[int] | IntArray,
    epochs: IntArray,
    values: FloatArray,
) -> pa.RecordBatch:
    """Series as `Batch.series`: their points end to end, ``lengths`` of them each."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    starts = pa.array(offsets, pa.int32())
    columns: list[pa.Array[Any]] = [
        pa.array(run, pa.int32()),
        eval_set if isinstance(eval_set, pa.Array) else pa.array(eval_set, pa.string()),
        measure if isinstance(measure, pa.Array) else pa.array(measure, pa.string()),
        pa.ListArray.from_arrays(starts, pa.array(epochs, pa.int16())),
        pa.ListArray.from_arrays(starts, pa.array(values, pa.float64())),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SERIES_SCHEMA)


def encode(runs: Iterable[Run]) -> Batch:
    """Runs as one :class:`Batch`, in the given order."""
    runs = list(runs)
    fields = operator.attrgetter(*RUN_SCHEMA.names)
    columns = list(zip(*map(fields, runs), strict=True)) or [()] * len(RUN_SCHEMA.names)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, RUN_SCHEMA, strict=True)]
    series = [(number, one) for number, run in enumerate(runs) for one in run.series]
    epochs = [np.asarray(one.epochs, np.int16) for _, one in series]
    values = array("d")  # unlike numpy, it takes neither None nor text for a number
    for _, one in series:
        values.extend(array("d", list(one.values)))
    return Batch(
        pa.RecordBatch.from_arrays(arrays, schema=RUN_SCHEMA),
        pack_series(
            [number for number, _ in series],
            [one.eval_set for _, one in series],
            [one.measure for _, one in series],
            [len(one) for one in epochs],
            np.concatenate([np.zeros(0, np.int16), *epochs]),
            np.frombuffer(values) if values else np.zeros(0),
        ),
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
