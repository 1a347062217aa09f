"""Whether the records of a job that came in a file are such as workers write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from data.source_error import SourceError
from data.sources.base import EVAL_SETS, EvalSet
from service.studies.outcomes import VALIDATION
from service.training.measure import (
    AnyMeasurement,
    GradientVariance,
    Landscape,
    Smoothness,
    due,
)

Number = float | None
"""None where it wasn't finite."""


class _Record(BaseModel):
    """What is read of a record; there may be more in it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Figures(_Record):
    loss: Number
    accuracy: Number


class _Seconds(_Record):
    train: float
    evaluate: float


class _Epoch(_Record):
    train: _Figures
    seconds: _Seconds
    images_per_s: float


class _Line(_Record):
    of: int
    epoch: int
    set: EvalSet
    images: int


class _Losses(_Line):
    y: float
    loss: list[Number]
    accuracy: list[Number]


class _Moments(_Record):
    variance: Number
    squared_mean: Number


class _Variance(_Line, _Moments):
    groups: dict[str, _Moments]


class _Variances(_Line):
    y: float
    variance: list[Number]
    squared_mean: list[Number]


class _Eigenvalue(_Line):
    group: str
    eigenvalue: Number
    residual: Number
    products: int
    converged: bool
    parameters: int


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what pydantic refuses into a SourceError that says where it is."""
    try:
        yield
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise SourceError(": ".join(filter(None, (where, place, fault["msg"])))) from None


def check_epochs(where: str, records: list[dict[str, Any]]) -> None:
    """Let the records of epochs 1, 2, … pass.

    Raises:
        SourceError: says what is wrong with which.
    """
    for record in records:
        here = f"{where}, epoch {record['epoch']}"
        with reading(here):
            _Epoch.model_validate(record)
        sets = _sets(record)
        for name in sets:
            with reading(f"{here}, {name}"):
                _Figures.model_validate(record[name])
        if not sets & set(VALIDATION):
            raise SourceError(f"{here}: none of {', '.join(VALIDATION)}")
        if sets != _sets(records[0]):
            raise SourceError(f"{here}: other sets of images than at epoch 1")


def check_lines(
    where: str, asked: AnyMeasurement | None, epochs: int, lines: list[dict[str, Any]]
) -> None:
    """Let measurements 1, 2, … of a training over ``epochs`` pass.

    Raises:
        SourceError: says what is wrong with which, or that there are more than were asked for.
    """
    for line in lines:
        _check_line(f"{where}, measurement {line['number']}", asked, line)
    most = 0 if asked is None else _most(asked, epochs, len({line.get("group") for line in lines}))
    if len(lines) > most:
        raise SourceError(f"{where}: {len(lines)} measurements where {most} were asked for")


def _most(asked: AnyMeasurement, epochs: int, groups: int) -> int:
    """How many lines a measurement has at its end."""
    if isinstance(asked, Landscape):
        return asked.rows
    times = len(due(asked.at, epochs))
    return times * groups if isinstance(asked, Smoothness) else times + (asked.plane or 0)


def _sets(record: dict[str, Any]) -> set[EvalSet]:
    return {name for name in EVAL_SETS if name in record}


def _check_line(where: str, asked: AnyMeasurement | None, line: dict[str, Any]) -> None:
    if asked is None:
        raise SourceError(f"{where}: nothing is to be measured")
    with reading(where):
        if isinstance(asked, Landscape):
            row = _Losses.model_validate(line)
            _require_points(where, asked.points, row.loss, row.accuracy)
        elif isinstance(asked, GradientVariance) and "row" in line:
            points = _Variances.model_validate(line)
            _require_points(where, asked.plane or 0, points.variance, points.squared_mean)
        elif isinstance(asked, GradientVariance):
            _Variance.model_validate(line)
        else:
            _Eigenvalue.model_validate(line)


def _require_points(where: str, points: int, *rows: list[Number]) -> None:
    for row in rows:
        if len(row) != points:
            raise SourceError(f"{where}: {len(row)} points where {points} were asked for")
