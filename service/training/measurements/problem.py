"""What is measured: the loss over labelled images as a function of a network's weights (torch)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from service.training.networks import CellNetwork
from service.training.networks.nasbench201 import NasBench201Network
from service.training.samples import in_turn

Statistics = Literal["batch", "running"]
"""What batch normalisation normalises with: the statistics of the batch at hand, as in training, or
those gathered in training, as in evaluation."""

Weights = dict[str, Tensor]
"""Values of parameters, BN's included, by name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The mean cross-entropy of a network's logits over labelled images.

    An auxiliary head plays no part, and no path is dropped. Neither the network nor torch's random
    state is changed.

    Attributes:
        network: in float32.
        images: uint8 (n, c, h, w), on the network's device.
        labels: int64 (n,), likewise.
        prepare: from a batch of such images to what the network reads.
        batch: images that are computed at a time.
    """

    network: CellNetwork
    images: Tensor
    labels: Tensor
    prepare: Callable[[Tensor], Tensor]
    batch: int

    def sample(self, count: int, seed: int) -> Problem:
        """The same on `count` of the images, or on all where there are no more.

        All classes alike, in every batch too. Which they are depends on the labels and the seed
        alone, and a smaller sample is part of a larger.
        """
        dealt = in_turn(self.labels.cpu().numpy(), "measured", str(seed))
        chosen = torch.from_numpy(dealt[:count]).to(self.labels.device)
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def batches(self, statistics: Statistics) -> Iterator[tuple[Tensor, Tensor]]:
        """Prepared images and labels of each batch, the last one smaller.

        Where batches are normalised by themselves, one image left over joins the batch before.
        """
        sizes = [len(part) for part in torch.split(self.labels, self.batch)]
        if statistics == "batch" and len(sizes) > 1 and sizes[-1] == 1:
            sizes[-2:] = [sizes[-2] + 1]
        for images, labels in zip(
            torch.split(self.images, sizes), torch.split(self.labels, sizes), strict=True
        ):
            yield self.prepare(images), labels

    def logits(self, statistics: Statistics) -> Callable[[Weights, Tensor], Tensor]:
        """The function from weights and prepared images to logits (n, classes).

        Weights that are not given are the network's, as they are now. It raises ValueError for a
        single image that would be normalised by itself.
        """
        network = copy.deepcopy(self.network).eval()  # what BN gathers goes with the copy
        if statistics == "batch":
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.train()

        def function(weights: Weights, images: Tensor) -> Tensor:
            if statistics == "batch" and len(images) == 1:
                raise ValueError(
                    "batch statistics of 1 image; allowed: 2 or more images a batch, "
                    "or running statistics"
                )
            return cast(Tensor, functional_call(network, weights, (images,)))

        return function


def weights_of(network: CellNetwork) -> Weights:
    """What is measured: the network's own tensors, detached, in the order of `layer_groups`."""
    parameters = dict(network.named_parameters())
    groups = layer_groups(network).values()
    return {name: parameters[name].detach() for names in groups for name in names}


def shuffled(n: int, seed: int) -> Tensor:
    """0..n-1 in an order that depends on `n` and `seed` alone, on the CPU."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def layer_groups(network: CellNetwork) -> dict[str, list[str]]:
    """The names of the parameters of each group of layers, in the order of computation.

    The groups are ``stem``, ``cell 1``, ``cell 2`` and so on, whose kind does not matter, in
    NAS-Bench-201's skeleton ``reduction 1`` and ``reduction 2`` between its stages, and
    ``classifier``, with the last BN where there is one. Cells without parameters are left out, and
    so is the auxiliary head. Every other parameter is in one group.
    """
    names = [name for name, _ in network.named_parameters()]
    groups: dict[str, list[str]] = {}
    for group, prefix in _layers(network):
        if found := [name for name in names if name.startswith(f"{prefix}.")]:
            groups.setdefault(group, []).extend(found)
    return groups


def _layers(network: CellNetwork) -> Iterator[tuple[str, str]]:
    """Groups and the names of the modules that belong to them."""
    yield "stem", "stem"
    if isinstance(network, NasBench201Network):
        cell = 0
        for stage, cells in enumerate(network.stages):
            if stage:
                yield f"reduction {stage}", f"reductions.{stage}"
            for place in range(len(cast(nn.ModuleList, cells))):
                cell += 1
                yield f"cell {cell}", f"stages.{stage}.{place}"
        yield "classifier", "last"
    else:
        for place in range(len(cast(nn.ModuleList, network.cells))):
            yield f"cell {place + 1}", f"cells.{place}"
    yield "classifier", "classifier"
