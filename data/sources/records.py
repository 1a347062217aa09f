"""The record of one cell in NAS-Bench-201's and NATS-Bench's own files, as runs.

A record is ``{'12': state, '200': state}`` (``less`` and ``full`` in the older files), a state has
``all_results: {(dataset, seed): trial}``. Epochs count from 0 there and from 1 here. What was
recorded is told by ``eval_acc1es``: ``eval_times`` exist where no accuracy does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np

from analysis.spaces.nasbench201 import all_cells
from data.divergence import DIVERGED_AT
from data.sources.base import (
    EVAL_SETS,
    Batch,
    EvalSet,
    IntArray,
    Measure,
    Run,
    Series,
    SourceError,
    encode,
)
from data.stand_ins import short

SCHEDULES: Final[Mapping[str, int]] = {"12": 12, "less": 12, "200": 200, "full": 200}
DATASETS: Final = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
UNWANTED: Final = frozenset(("eval_times", "train_acc5es"))
"""Dictionaries of a trial that aren't used; reading them takes half of the time."""

Keys = tuple[Any, ...]

_COMPLETE: Final = {schedule: tuple(range(schedule)) for schedule in SCHEDULES.values()}
_COMPLETE_EPOCHS: Final = {
    schedule: np.arange(1, schedule + 1, dtype=np.int16) for schedule in SCHEDULES.values()
}


@cache
def official_strings() -> tuple[str, ...]:
    """All 15,625 cell strings by official index."""
    return tuple(cell.arch for cell in all_cells())


def check_meta(meta: object) -> None:
    """Refuses a list of cell strings that isn't the official one.

    Raises:
        SourceError: with the first string that differs; the size space is named as such.
    """
    if not isinstance(meta, list) or not all(isinstance(arch, str) for arch in meta):
        raise SourceError("meta_archs is no list of cell strings")
    if meta and ":" in meta[0]:
        raise SourceError(
            f"this is the size search space of NATS-Bench (sss, first cell {meta[0][:40]!r}): "
            "only the topology space (tss) can be read"
        )
    official = official_strings()
    if len(meta) != len(official):
        raise SourceError(f"meta_archs lists {len(meta)} cells, expected {len(official)}")
    for index, (found, expected) in enumerate(zip(meta, official, strict=True)):
        if found != expected:
            raise SourceError(
                f"meta_archs: index {index} is {found[:120]!r}, in the official order it is "
                f"{expected!r}"
            )


def cell_runs(index: object, record: object) -> list[Run]:
    """Every run of one cell.

    Args:
        index: official index that the file gives the cell.
        record: the record as it was unpickled.

    Raises:
        SourceError: the record is not what an official file holds, or is another cell's.
    """
    official = official_strings()
    if type(index) is not int or not 0 <= index < len(official):
        raise SourceError(f"cell index {short(index)}: expected 0 to {len(official) - 1}")
    where = f"cell {index}"
    if not isinstance(record, dict) or not record:
        raise SourceError(f"{where}: expected a record with '12' and '200', or 'less' and 'full'")
    runs: list[Run] = []
    for key, state in record.items():
        if key not in SCHEDULES:
            allowed = ", ".join(SCHEDULES)
            raise SourceError(f"{where}: unknown schedule {short(key)}; allowed: {allowed}")
        arch, arch_index = (
            _get(state, "arch_str", str, where),
            _get(state, "arch_index", int, where),
        )
        if arch != official[index] or arch_index != index:
            raise SourceError(
                f"{where} is mislabelled: the record says it is {arch_index}, {arch[:120]!r}; "
                f"expected {official[index]!r}"
            )
        for trial_key, trial in _get(state, "all_results", dict, where).items():
            runs.append(_run(arch, SCHEDULES[key], trial_key, trial, f"{where}, schedule {key}"))
    return runs


def _run(arch: str, schedule: int, key: object, trial: object, where: str) -> Run:
    match key:
        case (str() as dataset, int() as seed) if dataset in DATASETS and 0 <= seed < 2**31:
            where = f"{where}, {dataset}, seed {seed}"
        case _:
            allowed = ", ".join(DATASETS)
            raise SourceError(
                f"{where}: unknown trial {short(key)}; allowed: one of {allowed}, and a seed"
            )
    if _get(trial, "epochs", int, where) != schedule:
        raise SourceError(f"{where}: the trial has {short(trial['epochs'])} epochs")  # type: ignore[index]
    series = [
        *_train(trial, schedule, where, "accuracy", "train_acc1es"),
        *_train(trial, schedule, where, "loss", "train_losses"),
        *_evaluated(trial, schedule, where, "accuracy", "eval_acc1es"),
        *_evaluated(trial, schedule, where, "loss", "eval_losses"),
    ]
    times = _get(trial, "train_times", dict, where, optional=True)
    latency = _get(trial, "latency", list, where, optional=True)
    complete = times is not None and len(times) == schedule
    return Run(
        cell=arch,
        dataset=dataset,
        schedule=schedule,
        seed=seed,
        series=tuple(series),
        recipe=f"nb201-{schedule}",
        params_m=_figure(trial, "params", where),
        flops_m=_figure(trial, "flop", where),
        latency_s=_sum(latency, f"{where}, latency") / len(latency) if latency else None,
        train_time_s=_sum(times.values(), f"{where}, train_times") if complete else None,
        time_source="derived" if complete or latency else None,
    )


def _train(trial: Any, schedule: int, where: str, measure: Measure, name: str) -> Iterator[Series]:
    points = _get(trial, name, dict, where)
    if points:
        if tuple(points) != _COMPLETE[schedule]:
            epochs = _train_epochs(tuple(points), schedule)
        else:
            epochs = _COMPLETE_EPOCHS[schedule]
        if epochs is None:
            raise SourceError(f"{where}: {name} has keys other than the epochs 0, 1, ... in order")
        yield Series("train", measure, epochs, points.values())


def _evaluated(
    trial: Any, schedule: int, where: str, measure: Measure, name: str
) -> Iterator[Series]:
    points = _get(trial, name, dict, where)
    plan = _evaluation_plan(tuple(points), schedule)
    if isinstance(plan, str):
        raise SourceError(f"{where}: {name} has the key {plan}; expected as in 'x-valid@11'")
    values = list(points.values())
    for eval_set, epochs, places in plan:
        chosen = values[places] if isinstance(places, slice) else [values[p] for p in places]
        yield Series(eval_set, measure, epochs, chosen)


@lru_cache(maxsize=256)
def _train_epochs(keys: Keys, schedule: int) -> IntArray | None:
    if not all(type(key) is int and 0 <= key < schedule for key in keys):
        return None
    epochs = np.array(keys, np.int16) + np.int16(1)
    return epochs if (np.diff(epochs) > 0).all() else None


@lru_cache(maxsize=1024)
def _evaluation_plan(
    keys: Keys, schedule: int
) -> list[tuple[EvalSet, IntArray, slice | list[int]]] | str:
    """Which places of the values are which set's, by epoch; or the key that can't be read."""
    found: dict[EvalSet, list[tuple[int, int]]] = {}
    for place, key in enumerate(keys):
        name, _, epoch = key.partition("@") if isinstance(key, str) else ("", "", "")
        eval_set = next((known for known in EVAL_SETS[1:] if known == name), None)
        if eval_set is None or not epoch.isdecimal() or not int(epoch[:6]) < schedule:
            return short(key)
        found.setdefault(eval_set, []).append((int(epoch) + 1, place))
    plan: list[tuple[EvalSet, IntArray, slice | list[int]]] = []
    for eval_set, points in found.items():
        points.sort()
        places = [place for _, place in points]
        epochs = np.array([epoch for epoch, _ in points], np.int16)
        if (np.diff(epochs) == 0).any():
            return short(f"{eval_set}@{int(epochs[0]) - 1} (twice)")
        joined = places == list(range(places[0], places[-1] + 1))
        plan.append((eval_set, epochs, slice(places[0], places[-1] + 1) if joined else places))
    return plan


def checked(runs: list[Run]) -> Batch:
    """These runs as a batch, every value checked.

    Of a loss that is no finite number NaN stands, which ranks behind all others. A run that has no
    other training loss from an epoch to the last diverged there, like one that was trained here:
    its details say so, and all its values are NaN from there on.

    Raises:
        SourceError: a value is no number, or an accuracy not within 0 to 100.
    """
    try:
        batch = encode(runs)
    except (TypeError, ValueError, OverflowError) as error:
        raise _first_fault(runs) from error
    lists: Any = batch.series.column("values")
    values = lists.flatten().to_numpy()
    if len(values) and values.min() >= 0 and values.max() <= 100:  # false for NaN
        return batch
    is_loss = np.repeat(
        np.asarray(batch.series.column("measure")) == "loss", np.diff(lists.offsets.to_numpy())
    )
    if not (is_loss & ~np.isfinite(values) | (values >= 0) & (is_loss | (values <= 100))).all():
        raise _first_fault(runs)
    return encode(map(_with_losses_lost, runs)) if not np.isfinite(values).all() else batch


def _with_losses_lost(run: Run) -> Run:
    lost = _lost_at(run)
    series = []
    for one in run.series:
        values = np.array(list(one.values), np.float64)
        gone = ~np.isfinite(values)
        if lost is not None:
            gone |= np.asarray(one.epochs) >= lost
        series.append(replace(one, values=np.where(gone, np.nan, values)))
    details = run.details if lost is None else json.dumps({DIVERGED_AT: lost})
    return replace(run, series=tuple(series), details=details)


def _lost_at(run: Run) -> int | None:
    """The epoch from which to the last no training loss is a finite number; None without one."""
    for one in run.series:
        if (one.eval_set, one.measure) == ("train", "loss"):
            finite = np.flatnonzero(np.isfinite(np.array(list(one.values), np.float64)))
            after = int(finite[-1]) + 1 if finite.size else 0
            return int(one.epochs[after]) if after < len(one.epochs) else None
    return None


def _first_fault(runs: list[Run]) -> SourceError:
    for run in runs:
        for one in run.series:
            high = math.inf if one.measure == "loss" else 100.0
            for epoch, value in zip(one.epochs, one.values, strict=True):
                number = isinstance(value, int | float)
                if number and (0 <= value <= high or (one.measure == "loss" and value != value)):
                    continue
                return SourceError(
                    f"cell {official_strings().index(run.cell)}, schedule {run.schedule}, "
                    f"{run.dataset}, seed {run.seed}: {one.eval_set} {one.measure} of epoch "
                    f"{epoch} is {short(value)}; allowed: "
                    + ("losses of 0 or more" if one.measure == "loss" else "0 to 100")
                )
    return SourceError("a value is no number")


def _get(table: Any, name: str, kind: type[Any], where: str, *, optional: bool = False) -> Any:
    value = table.get(name) if isinstance(table, dict) else None
    if value is None and optional:
        return None
    if type(value) is not kind:
        found = "no dictionary" if not isinstance(table, dict) else short(value)
        raise SourceError(f"{where}: {name} should be a {kind.__name__}, found {found}")
    return value


def _figure(trial: Any, name: str, where: str) -> float | None:
    value = trial.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise SourceError(f"{where}: {name} is no finite number, but {short(value)}")
    return float(value)


def _sum(values: Iterable[Any], where: str) -> float:
    try:
        total = float(sum(values))
    except (TypeError, ValueError, OverflowError):
        total = math.nan
    if not math.isfinite(total):
        raise SourceError(f"{where}: a value is no finite number")
    return total
