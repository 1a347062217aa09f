"""What a training, or a measurement, works on: a cell's network and images, on a device (torch)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy

from analysis.cells import Cell
from data.sources.base import EvalSet
from service.training.augment import Pixels, Preparation
from service.training.images import Images
from service.training.networks import CellNetwork, NetworkShape, build
from service.training.networks.cost import count
from service.training.recipes import DartsNetwork, Recipe, RecipeError

AT_ONCE = 1000
"""Images a batch where no gradient is taken."""


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
class Setting:
    """A network and its images on one device.

    Attributes:
        network: float32, channels last; training changes it.
        sets: by name, uint8 images (n, c, h, w) and int64 labels (n,).
        prepare: from uint8 images to what the network takes.
        dtype: what convolutions compute in.
        auxiliary: weight of the auxiliary head's loss; 0: there is none.
        drop_path: probability of dropping a path in the last epoch.
        params_m, flops_m: of the network, in millions.
    """

    network: CellNetwork
    sets: dict[EvalSet, tuple[Tensor, Tensor]]
    prepare: Preparation
    device: torch.device
    dtype: torch.dtype
    auxiliary: float
    drop_path: float
    params_m: float
    flops_m: float

    @property
    def precision(self) -> str:
        """The name of ``dtype``."""
        return str(self.dtype).removeprefix("torch.")

    def forward(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is minimised, the cross-entropy in it, and the logits."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            output = self.network(batch)
            logits, extra = output if isinstance(output, tuple) else (output, None)
            loss = objective = cross_entropy(logits, target)
            if extra is not None:
                objective = loss + self.auxiliary * cross_entropy(extra, target)
        return objective, loss, logits


def set_up(
    cell: Cell, recipe: Recipe, images: Images, seed: int, machine: Machine, *, mirrored: bool
) -> Setting:
    """The network as training begins with it, its weights drawn from ``seed``.

    Args:
        mirrored: whether a mirror image is of the same class.

    Raises:
        RecipeError: the recipe trains no cells of this space, or not on images this small.
    """
    device = machine.device
    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    sets: dict[EvalSet, tuple[Tensor, Tensor]] = {
        name: (
            shrunk(torch.from_numpy(part.images).to(device), recipe.images.side),
            torch.from_numpy(part.labels).to(device),
        )
        for name, part in images.sets.items()
    }
    _, channels, height, width = sets["train"][0].shape
    pixels = Pixels.of(recipe.augment, min(height, width), mirrored=mirrored)
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
    return Setting(
        # torch's stubs lack the memory format
        network=network.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        sets=sets,
        prepare=Preparation(images.mean, images.std, pixels, device),
        device=device,
        dtype=machine.precision(recipe, cell.space),
        auxiliary=auxiliary,
        drop_path=drop_path,
        params_m=params_m,
        flops_m=flops_m,
    )


def shrunk(images: Tensor, side: int | None) -> Tensor:
    """uint8 (n, c, h, w), averaged over squares of pixels until no side is longer than ``side``."""
    longest = max(images.shape[2:])
    if side is None or longest <= side:
        return images
    square = math.ceil(longest / side)
    parts = [avg_pool2d(part.float(), square).round() for part in torch.split(images, AT_ONCE)]
    return torch.cat([part.to(torch.uint8) for part in parts])


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
