"""Training against a plain PyTorch loop: same network, recipe, images and machine."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import torch

from analysis.cells import Cell, parse_cell
from benchmarks import plain
from benchmarks.results import BenchmarkError, Section, ratios
from benchmarks.work import REPOSITORY, Work, say
from service.training import datasets
from service.training.images import Images, ImagesError, load
from service.training.recipes import Recipe, builtin
from service.training.setting import Machine, set_up
from service.training.trainer import Record, train

SHARED = Path(os.environ.get("CELLWISE_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
CELLS = {
    "one of few convolutions (284)": "284",
    "the best one (6111)": "6111",
    "six 3×3 convolutions": "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
}
CPU_TARGET, GPU_TARGET = 1.7, 3.0
_CPU_IMAGES, _GPU_IMAGES = 512, 25_000


def run(work: Work) -> Section:
    """Images a second of the benchmark's skeleton, then accuracy of a short training."""
    section = Section("training", "Training")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = Machine(device, len(os.sched_getaffinity(0)))
    torch.set_num_threads(machine.threads)
    target = GPU_TARGET if device.type == "cuda" else CPU_TARGET
    count = _GPU_IMAGES if device.type == "cuda" else _CPU_IMAGES
    images = _images(count, 256)
    recipe = builtin()["nb201-12"].model_copy(update={"epochs": 1})
    rounds = work.repeats(3, 1)
    for name, text in CELLS.items():
        cell = parse_cell(text)
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(rounds + 1):  # the first warms up
            theirs += plain.train(cell, recipe, images, number, device).images_per_s
            ours.append(_trained(cell, recipe, images, number, machine)[-1]["images_per_s"])
            say(f"{name}: {ours[-1]:.0f} images/s, plainly {theirs[-1]:.0f}")
        section.add(f"{name}: Cellwise", "images/s", ours[1:])
        section.add(f"{name}: plain loop", "images/s", theirs[1:])
        section.add(
            f"{name}: Cellwise over plain loop",
            "×",
            ratios(ours[1:], theirs[1:]),
            target,
            "at least",
        )
    _accuracy(work, section, machine)
    section.method += [
        "The skeleton of NAS-Bench-201 (C = 16, N = 5), recipe `nb201-12` with batch 256, "
        f"{count:,} images of CIFAR-10, {machine.threads} threads, images a second of training; "
        "both in float32, in one process, taking turns.",
        "The plain loop (`benchmarks/plain.py`): a DataLoader in the process, flip, crop and "
        "normalisation image by image with numpy, contiguous float32, the loss read at each step. "
        "The network is the same module.",
    ]
    return section


def _accuracy(work: Work, section: Section, machine: Machine) -> None:
    """Does the speed cost accuracy? The same recipe by both, over seeds."""
    settings = {
        "epochs": 8 if not work.quick else 1,
        "network": builtin()["nb201-12"].network.model_validate(
            {"nasbench201": {"channels": 8, "cells": 1}}
        ),
        "batch": 64,
    }
    recipe = builtin()["nb201-12"].model_copy(update=settings)
    images = _images(4000, 2000)
    cell = parse_cell("6111")
    seeds = range(work.repeats(6, 1))
    ours = [_trained(cell, recipe, images, s, machine)[-1]["x-valid"]["accuracy"] for s in seeds]
    theirs = [plain.train(cell, recipe, images, s, machine.device).accuracy for s in seeds]
    section.add("accuracy of a short training, over seeds: Cellwise", "%", ours)
    section.add("accuracy of a short training, over seeds: plain loop", "%", theirs)
    if len(ours) > 1:
        gap = statistics.mean(ours) - statistics.mean(theirs)
        noise = (
            statistics.variance(ours) / len(ours) + statistics.variance(theirs) / len(theirs)
        ) ** 0.5
        section.text.append(
            f"Accuracy: Cellwise − plain loop = {gap:+.2f} points over {len(ours)} seeds each, "
            f"standard error {noise:.2f} (cell 6111, C = 8, N = 1, 8 epochs on 4,000 images)."
        )


def _trained(
    cell: Cell, recipe: Recipe, images: Images, seed: int, machine: Machine
) -> list[Record]:
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            set_up(cell, recipe, images, seed, machine, mirrored=True),
            recipe,
            seed,
            Path(folder) / "checkpoint.pt",
            started=lambda _: None,
            finished_epoch=records.append,
        )
    return records


def _images(train_images: int, evaluate: int) -> Images:
    try:
        return load(
            "cifar10-valid",
            datasets.places(REPOSITORY / "var", (SHARED,)),
            train=train_images,
            evaluate=evaluate,
        )
    except ImagesError as error:
        raise BenchmarkError(
            f"{error} (CELLWISE_SHARED_DATA names the folder that holds it)"
        ) from error
