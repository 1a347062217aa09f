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
from data.recipe_names import EXACT, OPEN
from data.sources.base import EvalSet
from service.training.augment import Pixels, Preparation
from service.training.images import Images
from service.training.networks import CellNetwork, NetworkShape, build
from service.training.networks.cost import count
from service.training.recipe_settings import DartsNetwork
from service.training.recipes import Recipe, RecipeError

AT_ONCE = 1000
"""Images a batch where no gradient is taken."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What it runs on: the device, and of a CPU how many threads."""

    device: torch.device
    threads: int

    def precision(self, recipe: Recipe, space: str) -> str:
        """What convolutions compute in: what the recipe says.

        Jobs of earlier versions may leave it open. For these it is bfloat16 where a GPU has it, and
        on CPUs with instructions for it for the dense convolutions of NAS-Bench-201.

        Raises:
            RecipeError: this device can't.
        """
        if recipe.precision == "tf32" and self.device.type != "cuda":
            raise RecipeError(f"recipe {recipe.name} computes in tf32, which only GPUs do")
        if recipe.precision != OPEN:
            return recipe.precision
        if self.device.type == "cuda":
            has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            has_it = space == "nasbench201" and "avx512_bf16" in _cpu_flags()
        return "bfloat16" if has_it else EXACT


@dataclass(frozen=True, slots=True)
class Setting:
    """A network and its images on one device.

    Attributes:
        network: float32, channels last; training changes it.
        sets: by name, uint8 images (n, c, h, w) and int64 labels (n,).
        prepare: from uint8 images to what the network takes.
        precision: what convolutions compute in: float32, tf32 or bfloat16.
        auxiliary: weight of the auxiliary head's loss; 0: there is none.
        drop_path: probability of dropping a path in the last epoch.
        params_m, flops_m: of the network, in millions.
    """

    network: CellNetwork
    sets: dict[EvalSet, tuple[Tensor, Tensor]]
    prepare: Preparation
    device: torch.device
    precision: str
    auxiliary: float
    drop_path: float
    params_m: float
    flops_m: float

    def forward(self, batch: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is minimised, the cross-entropy in it, and the logits."""
        short = self.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=short):
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
    # Nothing here reads memory before it is written; filling it first takes 7 % of a training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    precision = machine.precision(recipe, cell.space)
    # By default torch shortens the factors of convolutions on GPUs even where float32 is asked for.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
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
        precision=precision,
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
