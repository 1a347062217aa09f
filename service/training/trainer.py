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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from service.training.folder import write_whole
from service.training.recipes import Recipe
from service.training.setting import AT_ONCE, Setting

Record = dict[str, Any]
"""An epoch: ``epoch`` from 1, ``{"loss": nats, "accuracy": percent}`` by image set, ``seconds`` for
training and evaluation, ``images_per_s`` of training."""


class DivergedError(ArithmeticError):
    """The training loss is no longer a finite number; ``epoch`` is the first such."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"diverged at epoch {epoch}")
        self.epoch = epoch


def train(
    setting: Setting,
    recipe: Recipe,
    seed: int,
    checkpoint: Path,
    *,
    started: Callable[[list[Record]], None],
    finished_epoch: Callable[[Record], None],
) -> None:
    """Train to the end of a recipe, from ``checkpoint`` on where there is one.

    Both callbacks find the network as it is then, and may look at it but not change it.

    Args:
        setting: as :func:`service.training.setting.set_up` gives it for this recipe and seed.
        started: called once with the records of the epochs that the checkpoint holds.
        finished_epoch: called after each epoch, its checkpoint written.

    Raises:
        DivergedError: its epoch's record was handed on, the losses that aren't finite as None.
    """
    device, network, prepare = setting.device, setting.network, setting.prepare
    sets = {name: part for name, part in setting.sets.items() if name != "train"}
    pictures, labels = setting.sets["train"]
    n = len(labels)

    # optimiser
    sgd = recipe.optimiser
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=sgd.learning_rate,
        momentum=sgd.momentum,
        nesterov=sgd.nesterov,
        weight_decay=sgd.weight_decay,
        fused=True,
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
        if setting.drop_path:
            network.drop_path = setting.drop_path * (epoch - 1) / recipe.epochs
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
            objective, loss, logits = setting.forward(batch, target)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(objective)
            if sgd.clip:
                nn.utils.clip_grad_norm_(network.parameters(), sgd.clip)
            optimiser.step()
            total += loss.detach() * len(chosen)
            right += (logits.argmax(1) == target).sum()
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
            record[name] = _evaluate(setting, others, truth)
        if "ori-test" in sets and "x-test" in sets:
            sizes = {name: len(sets[name][1]) for name in ("x-valid", "x-test")}
            record["ori-test"] = _together(record, sizes)
        seconds = time.perf_counter() - clock
        record["seconds"] = {"train": round(trained, 4), "evaluate": round(seconds - trained, 4)}
        record["images_per_s"] = round(n / trained, 1)
        records.append(record)
        state = {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "records": records,
        }
        save(state, checkpoint)
        finished_epoch(record)
        if not math.isfinite(train_loss):
            raise DivergedError(epoch)


def save(state: dict[str, Any], path: Path) -> None:
    """Write tensors so that the file is there whole or, after a crash, as it was."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getbuffer())


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """``order`` in batches, the last one smaller; one image alone, which has no statistics for
    batch normalisation, joins the batch before."""
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


@torch.no_grad()
def _evaluate(setting: Setting, images: Tensor, labels: Tensor) -> dict[str, float | None]:
    total = torch.zeros((), dtype=torch.float64, device=images.device)
    right = torch.zeros((), dtype=torch.int64, device=images.device)
    for batch, target in zip(
        torch.split(images, AT_ONCE), torch.split(labels, AT_ONCE), strict=True
    ):
        _, loss, logits = setting.forward(setting.prepare.plain(batch), target)
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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mixed(*parts: int) -> int:
    """A seed from several numbers, each as good as independent of the others."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
