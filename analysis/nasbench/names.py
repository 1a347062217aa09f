"""The benchmark's own words: data sets, schedules, image sets, epochs; and what isn't here."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
HPS = ("12", "200")
"""Schedules, as texts: the official "hp", the number of epochs that a network is trained for."""
CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
SETS = {
    "cifar10-valid": {"train": "train", "valid": "x-valid", "test": "ori-test"},
    "cifar10": {"train": "train", "test": "ori-test"},
    "cifar100": {"train": "train", "valid": "x-valid", "test": "x-test", "valtest": "ori-test"},
    "ImageNet16-120": {
        "train": "train",
        "valid": "x-valid",
        "test": "x-test",
        "valtest": "ori-test",
    },
}
"""By data set: the plain word of each image set in metrics, and the set's official name."""

TRAINED_ON = {
    "cifar10": "cifar10-valid",
    "cifar100": "cifar100",
    "ImageNet16-120": "ImageNet16-120",
}
"""What ``simulate_train_eval`` trains on: of CIFAR-10, the half that leaves a validation set."""


class NotRecordedError(ValueError):
    """The server has no such number; the message says what it has instead."""


def known(kind: str, value: object, allowed: Iterable[str]) -> str:
    """``value`` where it is one of the allowed texts.

    Raises:
        ValueError: it is none; the message names them.
    """
    names = tuple(allowed)
    if isinstance(value, str) and value in names:
        return value
    raise ValueError(f"unknown {kind} {value!r}; allowed: {', '.join(names)}")


def as_hp(hp: str | int) -> str:
    """``'12'`` or ``'200'``, also from the number.

    Raises:
        ValueError: another one.
    """
    return known("hp", str(hp), HPS)


def as_epoch(iepoch: int | None, hp: str) -> int:
    """An epoch from 0; None is the last one.

    Raises:
        ValueError: beyond the schedule.
    """
    last = int(hp) - 1
    epoch = last if iepoch is None else operator.index(iepoch)
    if not 0 <= epoch <= last:
        raise ValueError(f"iepoch {iepoch} is out of range; allowed: 0 to {last} for hp {hp}")
    return epoch


def as_set(dataset: str, name: str) -> str:
    """The official name of an image set; ``valid`` is ``x-valid``, as in the packages.

    Raises:
        ValueError: the data set has no such set.
    """
    sets = SETS[dataset]
    if name == "valid" and name in sets:
        return sets[name]
    return known(f"set of {dataset}", name, sets.values())


class Partial:
    """Base of what stands for an official class: says of an attribute why it isn't there."""

    _absent: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:  # for type checkers, what isn't defined isn't there

        def __getattr__(self, name: str) -> object:
            kind = type(self).__name__
            if name in self._absent:
                raise AttributeError(f"{kind} has no {name} here: {self._absent[name]}")
            raise AttributeError(f"{kind} has no attribute {name!r}")
