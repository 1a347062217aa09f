"""What a worker measures at the epochs that were asked for, one line after the other (torch)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import torch

from data.sources.base import EvalSet
from service.training.folder import JobFolder
from service.training.measure import (
    AnyMeasurement,
    GradientVariance,
    Landscape,
    Smoothness,
    due,
)
from service.training.measurements.curvature import NETWORK, largest_eigenvalue
from service.training.measurements.gradients import Moments, gradient_variance, variance_row
from service.training.measurements.landscape import directions, loss_row
from service.training.measurements.problem import Problem, Weights, layer_groups, weights_of
from service.training.setting import AT_ONCE, Setting

Line = dict[str, Any]
Step = Callable[[], Line]

_DIFFERENTIATED = 250
"""Images a batch where a graph of the gradient is kept, which takes several times the memory."""


class MeasurementError(ValueError):
    """It can't be measured on these images; the message says what would do."""


class Measuring:
    """One measurement of one training.

    Lines go to the folder as they are made, so that a worker that takes the folder up again goes on
    behind the last one. Each has ``number`` (from 1), ``of``, ``epoch``, ``set`` and ``images``
    (how many), and what was measured; what isn't finite is None.

    Raises:
        MeasurementError: the images are too few.
    """

    def __init__(
        self, asked: AnyMeasurement, setting: Setting, epochs: int, folder: JobFolder
    ) -> None:
        self._asked = asked
        self._setting = setting
        self._epochs = epochs
        self._folder = folder
        self._set: EvalSet = "train"
        if asked.images == "test":
            self._set = "ori-test" if "ori-test" in setting.sets else "x-valid"
        images, labels = setting.sets[self._set]
        batch = _DIFFERENTIATED if isinstance(asked, Smoothness) else AT_ONCE
        problem = Problem(setting.network, images, labels, setting.prepare.plain, batch)
        if not isinstance(asked, GradientVariance):
            if asked.sample is not None:
                problem = problem.sample(asked.sample, asked.seed)
        elif asked.needed > len(labels):
            raise MeasurementError(
                f"{asked.batches} batches of {asked.batch} images of {self._set}, which has "
                f"{len(labels):,}; allowed: fewer or smaller batches"
            )
        self._problem = problem
        self._due = due(asked.at, epochs)
        self._of = sum(len(self._steps(epoch)) for epoch in self._due)

    def reached(self, epoch: int) -> Iterator[Line]:
        """Measure what is due at ``epoch`` and isn't in the folder; the network is as after it."""
        if epoch not in self._due:
            return
        lines = self._folder.restore_measured()
        held = sum(line["epoch"] == epoch for line in lines)
        about = {"epoch": epoch, "set": self._set, "images": self._n_images}
        for number, step in enumerate(self._steps(epoch)[held:], len(lines) + 1):
            # Where a GPU shortens the factors of convolutions, second derivatives are too coarse.
            with torch.backends.cudnn.flags(allow_tf32=False):
                found = step()
            line = _tellable({"number": number, "of": self._of, **about, **found})
            self._folder.append_measured(line)
            yield line

    @property
    def _n_images(self) -> int:
        if isinstance(self._asked, GradientVariance):
            return self._asked.needed
        return len(self._problem.labels)

    def _steps(self, epoch: int) -> list[Step]:
        """What is to be done at an epoch: each makes one line."""
        asked = self._asked
        if isinstance(asked, Smoothness):
            groups = layer_groups(self._problem.network)
            groups |= {NETWORK: list(weights_of(self._problem.network))}
            return [partial(self._eigenvalue, asked, *item) for item in groups.items()]
        if isinstance(asked, GradientVariance):
            steps: list[Step] = [partial(self._variance, asked)]
            if asked.plane is not None and epoch == self._epochs:
                axis = grid(asked.plane, asked.reach)
                steps += [partial(self._variance_row, asked, axis, *row) for row in enumerate(axis)]
            return steps
        axis = grid(asked.points, asked.reach)
        rows = axis if asked.rows > 1 else [0.0]
        return [partial(self._loss_row, asked, axis, *row) for row in enumerate(rows)]

    @cached_property
    def _plane(self) -> list[Weights]:
        """Only asked for after the last epoch, when the weights stay as they are."""
        dimensions = self._asked.dimensions if isinstance(self._asked, Landscape) else 2
        return directions(self._problem.network, dimensions, self._asked.seed)

    def _loss_row(self, asked: Landscape, axis: list[float], row: int, y: float) -> Line:
        losses, accuracies = loss_row(self._problem, self._plane, axis, y)
        return {"row": row, "y": y, "loss": losses, "accuracy": accuracies}

    def _variance(self, asked: GradientVariance) -> Line:
        found = gradient_variance(
            self._problem,
            batch=asked.batch,
            batches=asked.batches,
            seed=asked.seed,
            statistics=asked.statistics,
        )
        groups = {name: _moments(moments) for name, moments in found.groups.items()}
        return _moments(found.total) | {"groups": groups}

    def _variance_row(self, asked: GradientVariance, axis: list[float], row: int, y: float) -> Line:
        found = variance_row(
            self._problem,
            self._plane,
            axis,
            y,
            batch=asked.batch,
            batches=asked.batches,
            seed=asked.seed,
            statistics=asked.statistics,
        )
        return {
            "row": row,
            "y": y,
            "variance": [one.total.variance for one in found],
            "squared_mean": [one.total.squared_mean for one in found],
        }

    def _eigenvalue(self, asked: Smoothness, group: str, names: list[str]) -> Line:
        found = largest_eigenvalue(
            self._problem, names, seed=asked.seed, statistics=asked.statistics
        )
        return {
            "group": group,
            "eigenvalue": found.value,
            "residual": found.residual,
            "products": found.products,
            "converged": found.converged,
            "parameters": found.parameters,
        }


def grid(points: int, reach: float) -> list[float]:
    """Coordinates of an axis: evenly from −reach to reach, 0 exactly in the middle."""
    half = points // 2
    return [reach * step / half for step in range(-half, half + 1)]


def _moments(moments: Moments) -> Line:
    return {"variance": moments.variance, "squared_mean": moments.squared_mean}


def _tellable(value: Any) -> Any:
    """The same with None for numbers that JSON lacks."""
    if isinstance(value, dict):
        return {name: _tellable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_tellable(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
