"""What must hold of every curve, whatever its source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.divergence import diverged_at
from data.sources.base import Batch, SourceError


def lists(batch: pa.RecordBatch, name: str) -> pa.ListArray[Any]:
    """A column of lists, typed as such."""
    column: Any = batch.column(name)
    typed: pa.ListArray[Any] = column
    return typed


def check_series(batch: Batch) -> None:
    """Do nothing where every curve can be taken.

    Accuracies lie in 0..100, losses are not negative (NaN stands for a diverged epoch, of an
    accuracy only where the run says that it diverged), there are as many values as epochs, and
    epochs are increasing within 1..schedule.

    Raises:
        SourceError: names the cell, the measure and the value.
    """
    series = batch.series
    lengths = lists(series, "values").value_lengths()
    owner = pc.list_parent_indices(lists(series, "values")).to_numpy()
    values = lists(series, "values").flatten().to_numpy(zero_copy_only=False)
    epochs = lists(series, "epochs").flatten().to_numpy(zero_copy_only=False)
    if not lengths.equals(lists(series, "epochs").value_lengths()):
        raise SourceError("a curve has another number of values than of epochs")
    accuracy = np.array([name == "accuracy" for name in series.column("measure").to_pylist()])
    accuracy = accuracy[owner]
    runs = series.column("run").to_numpy()
    lost = np.array([diverged_at(text) is not None for text in _details(batch)], np.bool_)
    bad = np.where(accuracy, ~((values >= 0) & (values <= 100)), values < 0) | np.isinf(values)
    bad &= ~(np.isnan(values) & lost[runs][owner])
    schedules = batch.runs.column("schedule").to_numpy()[runs][owner]
    bad_epoch = (epochs < 1) | (epochs > schedules)
    bad_epoch[1:] |= (np.diff(epochs) <= 0) & (np.diff(owner) == 0)
    for wrong, what, allowed in (
        (bad, "a value", "accuracies 0 to 100, losses from 0"),
        (bad_epoch, "an epoch", "epochs from 1 to the schedule, increasing"),
    ):
        if wrong.any():
            point = int(np.flatnonzero(wrong)[0])
            row = int(owner[point])
            cell = batch.runs.column("cell")[int(runs[row])].as_py()
            raise SourceError(
                f"{cell}: {what} is out of range in {series.column('eval_set')[row].as_py()} "
                f"{series.column('measure')[row].as_py()}: {values[point]} at epoch "
                f"{epochs[point]}; allowed: {allowed}"
            )


def _details(batch: Batch) -> list[str | None]:
    texts: list[str | None] = batch.runs.column("details").to_pylist()
    return texts
