"""Tiny networks of several kinds, trained for a few steps, with images to measure them on."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from analysis.cells import Cell
from analysis.spaces import nasbench201
from analysis.spaces.darts import NAMED, Genotype
from service.training.augment import Pixels, Preparation
from service.training.measurements.problem import Problem, Weights
from service.training.networks import CellNetwork, NetworkShape, build

DEAD_EDGE = "dead edge"
DISCONNECTED = "disconnected"
UNREACHED = "unreached"
SKIP = "skip alone"
LIVE = "all live"
GENOTYPE = "genotype"
HEADED = "auxiliary head"

CELLS: dict[str, Cell] = {
    LIVE: nasbench201.parse(
        "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    ),
    DEAD_EDGE: nasbench201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"),
    DISCONNECTED: nasbench201.parse("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
    UNREACHED: nasbench201.parse("|none~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"),
    SKIP: nasbench201.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"),
    GENOTYPE: Genotype(
        normal=(("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 0), ("none", 2)),
        normal_concat=(2, 3),
        reduce=(("avg_pool_3x3", 0), ("skip_connect", 1), ("dil_conv_3x3", 1), ("none", 0)),
        reduce_concat=(2, 3),
    ),
    HEADED: NAMED["SNAS-mild"],
}


def network(name: str, *, channels: int = 2, steps: int = 3) -> CellNetwork:
    """A network in train mode, weights, BN statistics and gradients as after some steps of SGD."""
    cell = CELLS[name]
    shape = NetworkShape(
        channels=channels,
        cells=3 if isinstance(cell, Genotype) else 1,
        classes=3,
        image=(1, 8, 8),
        auxiliary=name == HEADED,
    )
    torch.manual_seed(1)
    made: CellNetwork = build(cell, shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # lacks it
    optimiser = torch.optim.SGD(made.parameters(), lr=0.2)
    images, labels = pictures(64)
    for _ in range(steps):
        output = made(preparation().plain(images))
        loss = cross_entropy(output[0] if isinstance(output, tuple) else output, labels)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return made


def pictures(n: int) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 8, 8) and labels, noise that classes brighten a little."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (n,), generator=generator)
    noise = torch.randint(0, 200, (n, 1, 8, 8), generator=generator)
    return (noise + 20 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels


def preparation() -> Preparation:
    pixels = Pixels(padding=0, flip=False, cutout=0)
    return Preparation((120.0,), (60.0,), pixels, torch.device("cpu"))


def problem(measured: CellNetwork, *, n: int = 23, batch: int = 10) -> Problem:
    images, labels = pictures(n)
    return Problem(measured, images, labels, preparation().plain, batch)


def moved(network: CellNetwork, plane: list[Weights], steps: tuple[float, ...]) -> CellNetwork:
    """A copy whose weights were set number by number, in Python's arithmetic."""
    network = copy.deepcopy(network)
    for name, parameter in network.named_parameters():
        values = parameter.flatten().tolist()
        for direction, step in zip(plane, steps, strict=True):
            if name in direction:
                offsets = direction[name].flatten().tolist()
                values = [v + step * d for v, d in zip(values, offsets, strict=True)]
        parameter.data = torch.tensor(values).view(parameter.shape)
    return network


class Unchanged:
    """A context in which nothing of a network and of torch's random state may change."""

    def __init__(self, network: CellNetwork) -> None:
        self._network = network

    def _state(self) -> dict[str, Any]:
        network = self._network
        grads = {name: p.grad for name, p in network.named_parameters()}
        return copy.deepcopy(
            {
                "tensors": network.state_dict(),
                "grads": grads,
                "needs": [p.requires_grad for p in network.parameters()],
                "modes": [module.training for module in network.modules()],
                "drop_path": network.drop_path,
                "random": torch.get_rng_state(),
            }
        )

    def __enter__(self) -> None:
        self._before = self._state()

    def __exit__(self, *_: object) -> None:
        torch.testing.assert_close(self._state(), self._before, rtol=0, atol=0, equal_nan=True)
