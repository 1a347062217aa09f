"""The training loop, one function that reads from top to bottom (torch).

Deterministic: all that is random in epoch e comes from generators seeded with (seed, e), so that a
run that was interrupted goes on exactly as it would have, and the same job on the same machine
gives the same curve. Within an epoch nothing is read back from the device.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from analysis.cells import Cell
from data.sources.base import EvalSet
from service.training.augment import Pixels, Preparation
from service.training.folder import write_whole
from service.training.images import Images
from service.training.networks import NetworkShape, build
from service.training.networks.cost import count
from service.training.recipes import DartsNetwork, Recipe, RecipeError

EVALUATION_BATCH = 1000

Record = dict[str, Any]
"""An epoch: ``epoch`` from 1, ``{"loss": nats, "accuracy": percent}`` by image set, ``seconds`` for
training and evaluation, ``images_per_s`` of training."""


class DivergedError(ArithmeticError):
    """The training loss is no longer a finite number; ``epoch`` is the first such."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"diverged at epoch {epoch}")
        self.epoch = epoch


@dataclass(frozen=True, slots=True)
class Machine:
    """What it runs on: the device, and of a CPU how many threads."""

    device: torch.device
    threads: int

    def precision(self, recipe: Recipe, space: str) -> torch.dtype:
        """The type that convolutions compute in.

        A CPU with instructions for bfloat16 gains by it in dense convolutions, and loses in the
        depthwise ones that genotypes are made of (docs/benchmarks.md).
        """
        if recipe.precision != "auto":
            return {"float32": torch.float32, "bfloat16": torch.bfloat16}[recipe.precision]
        if self.device.type == "cuda":
            has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            has_it = space == "nasbench201" and "avx512_bf16" in _cpu_flags()
        return torch.bfloat16 if has_it else torch.float32


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of a run besides its curve."""

    params_m: float
    flops_m: float
    precision: str


def train(
    cell: Cell,
    recipe: Recipe,
    images: Images,
    seed: int,
    machine: Machine,
    checkpoint: Path,
    *,
    mirrored: bool,
    started: Callable[[list[Record]], None],
    finished_epoch: Callable[[Record], None],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Figures:
    """Train a cell to the end of its recipe, from ``checkpoint`` on where there is one.

    Args:
        mirrored: whether a mirror image is of the same class.
        started: called once with the records of the epochs that the checkpoint holds.
        finished_epoch: called after each epoch, its checkpoint written.
        report: called now and then with training images done and in all.

    Raises:
        DivergedError: its epoch's record was handed on, the losses that aren't finite as None.
        RecipeError: the recipe trains no cells of this space, or not on images this small.
    """
    device = machine.device
    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)

    # data
    sets: dict[EvalSet, tuple[Tensor, Tensor]] = {
        name: (
            shrunk(torch.from_numpy(part.images).to(device), recipe.images.side),
            torch.from_numpy(part.labels).to(device),
        )
        for name, part in images.sets.items()
    }
    pictures, labels = sets.pop("train")
    n, channels, height, width = pictures.shape
    pixels = Pixels.of(recipe.augment, min(height, width), mirrored=mirrored)
    prepare = Preparation(images.mean, images.std, pixels, device)

    # network
    skeleton = recipe.skeleton(cell.space)
    auxiliary = skeleton.auxiliary if isinstance(skeleton, DartsNetwork) else 0.0
    drop_path = skeleton.drop_path if isinstance(skeleton, DartsNetwork) else 0.0
    torch.manual_seed(seed)
    try:
        shape = NetworkShape(
            channels=skeleton.channels,
            cells=skeleton.cells,
            classes=images.classes,
            image=(channels, height, width),
            stem="tiny-imagenet" if height > 48 else "small",
            auxiliary=auxiliary > 0,
        )
        network = build(cell, shape)
    except ValueError as error:  # as images that are too small for an auxiliary head
        raise RecipeError(f"recipe {recipe.name} can't train {cell.id} here: {error}") from error
    params_m, flops_m = count(network, shape.image)
    # torch's stubs lack the memory format
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    dtype = machine.precision(recipe, cell.space)

    def forward(batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is minimised, the cross-entropy in it, and the logits."""
        with torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            output = network(batch)
            logits, extra = output if isinstance(output, tuple) else (output, None)
            loss = objective = cross_entropy(logits, target)
            if extra is not None:
                objective = loss + auxiliary * cross_entropy(extra, target)
        return objective, loss, logits

    # optimiser
    sgd = recipe.optimiser
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=sgd.learning_rate,
        momentum=sgd.momentum,
        nesterov=sgd.nesterov,
        weight_decay=sgd.weight_decay,
    )

    # where an interrupted run goes on
    records: list[Record] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        records = state["records"]
    started(records)
    if records and records[-1]["train"]["loss"] is None:
        raise DivergedError(len(records))

    for epoch in range(len(records) + 1, recipe.epochs + 1):
        clock = time.perf_counter()
        generator = torch.Generator(device).manual_seed(_mixed(seed, epoch))
        torch.manual_seed(_mixed(seed, epoch, 1))  # drop-path draws from the global generator
        if drop_path:
            network.drop_path = drop_path * (epoch - 1) / recipe.epochs
        network.train()
        order = torch.randperm(n, generator=generator, device=device)
        total = torch.zeros((), dtype=torch.float64, device=device)
        right = torch.zeros((), dtype=torch.int64, device=device)
        batches = _batches(order, recipe.batch)
        for number, chosen in enumerate(batches):
            passed = epoch - 1 + (number / len(batches) if sgd.decay == "batch" else 0)
            rate = sgd.learning_rate * 0.5 * (1 + math.cos(math.pi * passed / recipe.epochs))
            for group in optimiser.param_groups:
                group["lr"] = rate
            target = labels[chosen]
            batch = prepare.augmented(pictures[chosen], generator)
            objective, loss, logits = forward(batch, target)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(objective)
            if sgd.clip:
                nn.utils.clip_grad_norm_(network.parameters(), sgd.clip)
            optimiser.step()
            total += loss.detach() * len(chosen)
            right += (logits.argmax(1) == target).sum()
            report((epoch - 1) * n + number * recipe.batch + len(chosen), recipe.epochs * n)
        train_loss = total.item() / n
        trained = time.perf_counter() - clock

        network.eval()
        record: Record = {
            "epoch": epoch,
            "train": {"loss": _finite(train_loss), "accuracy": 100 * right.item() / n},
        }
        for name, (others, truth) in sets.items():
            if name == "ori-test" and "x-test" in sets:
                continue  # the other two together, see below
            record[name] = _evaluate(forward, prepare, others, truth)
        if "ori-test" in sets and "x-test" in sets:
            sizes = {name: len(sets[name][1]) for name in ("x-valid", "x-test")}
            record["ori-test"] = _together(record, sizes)
        seconds = time.perf_counter() - clock
        record["seconds"] = {"train": round(trained, 4), "evaluate": round(seconds - trained, 4)}
        record["images_per_s"] = round(n / trained, 1)
        records.append(record)
        buffer = io.BytesIO()
        state = {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "records": records,
        }
        torch.save(state, buffer)
        write_whole(checkpoint, buffer.getbuffer())
        finished_epoch(record)
        if not math.isfinite(train_loss):
            raise DivergedError(epoch)

    return Figures(params_m, flops_m, str(dtype).removeprefix("torch."))


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """``order`` in batches, the last one smaller; one image alone, which has no statistics for
    batch normalisation, joins the batch before."""
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def shrunk(images: Tensor, side: int | None) -> Tensor:
    """uint8 (n, c, h, w), averaged over squares of pixels until no side is longer than ``side``."""
    longest = max(images.shape[2:])
    if side is None or longest <= side:
        return images
    square = math.ceil(longest / side)
    parts = [
        avg_pool2d(part.float(), square).round() for part in torch.split(images, EVALUATION_BATCH)
    ]
    return torch.cat([part.to(torch.uint8) for part in parts])


@torch.no_grad()
def _evaluate(
    forward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]],
    prepare: Preparation,
    images: Tensor,
    labels: Tensor,
) -> dict[str, float | None]:
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    right = torch.zeros((), dtype=torch.int64, device=images.device)
    for batch, target in zip(
        torch.split(images, EVALUATION_BATCH), torch.split(labels, EVALUATION_BATCH), strict=True
    ):
        _, loss, logits = forward(prepare.plain(batch), target)
        total += loss * len(target)
        right += (logits.argmax(1) == target).sum()
    return {
        "loss": _finite(total.item() / len(labels)),
        "accuracy": 100 * right.item() / len(labels),
    }


def _together(record: Record, sizes: dict[str, int]) -> dict[str, float | None]:
    """Loss and accuracy over several disjoint sets together."""
    whole = sum(sizes.values())
    merged: dict[str, float | None] = {}
    for measure in ("loss", "accuracy"):
        values = [(record[name][measure], size) for name, size in sizes.items()]
        known = all(value is not None for value, _ in values)
        merged[measure] = sum(value * size for value, size in values) / whole if known else None
    return merged


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mixed(*parts: int) -> int:
    """A seed from several numbers, each as good as independent of the others."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
