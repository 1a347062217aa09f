"""Training on a GPU: against the benchmark's records, against a plain loop, and interrupted.

One command, ``python -m benchmarks --only gpu``. It takes under eight minutes wherever 16 epochs
do, those of speed and of the interrupted training: what is held against the records is trained as
far as there is time. Where there is no GPU it says so; ``--quick`` shows on a CPU that it works.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from analysis.cells import parse_cell
from benchmarks import official, plain
from benchmarks.results import BenchmarkError, Section, SkippedError, ratios
from benchmarks.training import GPU_TARGET, SHARED
from benchmarks.work import REPOSITORY, Work, say
from service.training import datasets
from service.training.images import Images, ImagesError, load
from service.training.recipes import Recipe, builtin
from service.training.setting import Machine, set_up
from service.training.trainer import Record, train

_SEED = 777
_SPEED_CELL = "6111"
_WITHIN_S = 450
"""No epoch of the comparison begins that, going by those before, wouldn't end by then."""


def run(work: Work) -> Section:
    """The comparison, images a second, and how far a resumed training is from a whole one."""
    started = time.monotonic()
    if not torch.cuda.is_available() and not work.quick:
        raise SkippedError("torch sees no GPU; --quick shows on the CPU that it works")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = Machine(device, len(os.sched_getaffinity(0)))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    recipe = builtin()[official.RECIPE]
    if work.quick:
        recipe = _small(recipe)
    images = _images(work)
    section = Section("gpu", f"Training on {name}")
    _speed(work, section, recipe, images, machine)
    _resumed(section, recipe, images, machine)
    _held(section, recipe, images, machine, started)
    section.method += [
        f"`{recipe.name}` in {recipe.precision}, {len(images.sets['train'].labels):,} images of "
        f"{images.dataset} ({images.rendering}), seed {_SEED}; {images.split}.",
        "The plain loop (`benchmarks/plain.py`) is that of the section on training.",
    ]
    return section


def _small(recipe: Recipe) -> Recipe:
    network = recipe.network.model_validate({"nasbench201": {"channels": 8, "cells": 1}})
    return recipe.model_copy(update={"epochs": 2, "network": network, "batch": 32})


def _images(work: Work) -> Images:
    """CIFAR-10 where it is, else the digits that come with scikit-learn."""
    places = datasets.places(REPOSITORY / "var", (SHARED,))
    few = 64 if work.quick else None
    try:
        return load(official.DATASET, places, train=few, evaluate=few)
    except ImagesError as error:
        say(f"trains on digits instead: {error}")
        return load("digits", places, train=few, evaluate=few)


def _speed(work: Work, section: Section, recipe: Recipe, images: Images, machine: Machine) -> None:
    """Images a second of one epoch, ours and plainly in turn; in float32 and in bfloat16."""
    name = "284" if work.quick else _SPEED_CELL
    cell = parse_cell(name)
    once = recipe.model_copy(update={"epochs": 1})
    short = once.varied("precision", "bfloat16")
    ours: list[float] = []
    theirs: list[float] = []
    faster: list[float] = []
    for number in range(work.repeats(3, 1) + 1):  # the first warms up
        theirs += plain.train(cell, once, images, number, machine.device).images_per_s
        ours.append(_records(name, once, images, machine)[-1]["images_per_s"])
        faster.append(_records(name, short, images, machine)[-1]["images_per_s"])
        say(f"{ours[-1]:.0f} images/s, bfloat16 {faster[-1]:.0f}, plainly {theirs[-1]:.0f}")
    section.add(f"cell {name}: Cellwise, float32", "images/s", ours[1:])
    section.add(f"cell {name}: Cellwise, bfloat16", "images/s", faster[1:])
    section.add(f"cell {name}: plain loop, float32", "images/s", theirs[1:])
    target = GPU_TARGET if machine.device.type == "cuda" else None
    what = f"cell {name}: Cellwise over plain loop, float32"
    section.add(what, "×", ratios(ours[1:], theirs[1:]), target, "at least")


class _InterruptedError(Exception):
    """Ends a training as a kill would."""


def _resumed(section: Section, recipe: Recipe, images: Images, machine: Machine) -> None:
    """Two epochs at once, and the same interrupted after the first."""
    two = recipe.model_copy(update={"epochs": 2})
    whole = _records("284", two, images, machine)
    with tempfile.TemporaryDirectory() as folder:
        parts = _records(
            "284", two, images, machine, Path(folder), enough=lambda one: int(one["epoch"]) == 1
        )
        parts += _records("284", two, images, machine, Path(folder))
    gaps = [
        abs(one[part][measure] - other[part][measure])
        for one, other in zip(whole, parts, strict=True)
        for part, measure in official.MEASURES
        if part in one
    ]
    section.add("an interrupted training: largest difference of any figure", "", [max(gaps)])
    section.text.append(
        "A training that was interrupted after its first epoch and went on is "
        + ("the one that wasn't, to the last bit." if max(gaps) == 0 else "not bit-equal to it.")
    )


def _held(
    section: Section, recipe: Recipe, images: Images, machine: Machine, started: float
) -> None:
    """The three official cells, as far as there is time, beside their records where there are."""
    ours: dict[official.Trained, official.Curves] = {}
    epoch_s = 0.0

    def late(record: Record) -> bool:
        nonlocal epoch_s
        epoch_s = max(epoch_s, float(sum(record["seconds"].values())))
        return time.monotonic() - started + epoch_s > _WITHIN_S

    for cell in official.CELLS:
        clock = time.monotonic()
        if clock - started + epoch_s > _WITHIN_S:
            section.text.append(f"There was no time for cell {cell}.")
            continue
        records = _records(cell, recipe, images, machine, enough=late)
        epochs = len(records)
        section.add(f"cell {cell}: {epochs} epochs", "s", [time.monotonic() - clock])
        if epochs < recipe.epochs:
            section.text.append(f"There was no time for cell {cell} after epoch {epochs}.")
        say(f"cell {cell}: {records[-1]['x-valid']['accuracy']:.2f} % of x-valid")
        ours[cell, _SEED] = official.curves_of(records)
    if images.dataset != official.DATASET:
        section.text.append(
            f"Not held against the benchmark's records, which are of {official.DATASET}: this "
            f"machine has {images.dataset} alone."
        )
    if images.dataset != official.DATASET or not ours:
        return
    try:
        known = official.official(SHARED / official.FILES)
    except BenchmarkError as error:
        section.text.append(f"Not held against the benchmark's records: {error}.")
        return
    points = official.compare(ours, known)
    section.text.append("\n".join(official.told(points)))


def _records(
    cell: str,
    recipe: Recipe,
    images: Images,
    machine: Machine,
    folder: Path | None = None,
    *,
    enough: Callable[[Record], bool] = lambda _: False,
) -> list[Record]:
    """The epochs that were trained, till it is ``enough``; with a folder it goes on from there."""
    records: list[Record] = []

    def finished(record: Record) -> None:
        records.append(record)
        if enough(record):
            raise _InterruptedError

    mirrored = datasets.mirrored(images.dataset)
    with tempfile.TemporaryDirectory() as own, suppress(_InterruptedError):
        train(
            set_up(parse_cell(cell), recipe, images, _SEED, machine, mirrored=mirrored),
            recipe,
            _SEED,
            (folder or Path(own)) / "checkpoint.pt",
            started=lambda _: None,
            finished_epoch=finished,
        )
    return records
