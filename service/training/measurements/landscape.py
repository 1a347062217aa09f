"""The loss landscape around a network's weights (torch).

Li, Xu, Taylor, Studer and Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018,
arXiv 1712.09913, section 4: the loss along one or two random directions, whose filters are
as long as those of the weights, so that landscapes of different networks can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from service.training.measurements.problem import Problem, Statistics, Weights, weights_of
from service.training.networks import CellNetwork


def directions(network: CellNetwork, dimensions: Literal[1, 2], seed: int) -> list[Weights]:
    """Random directions, each a step in those weights of a network that have two axes or more.

    Normally distributed, then every filter, which is what one index of the first axis selects, is
    rescaled to the Euclidean norm of the weights' filter. Biases and BN are left out: they stay as
    they are. The draws depend on the seed and the shapes alone, not on the device; the first of two
    directions is the one that would be drawn alone.
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            name: _filters_as_long_as(weight, torch.randn(weight.shape, generator=generator))
            for name, weight in weights_of(network).items()
            if weight.ndim >= 2
        }
        for _ in range(dimensions)
    ]


def _filters_as_long_as(weight: Tensor, drawn: Tensor) -> Tensor:
    """`drawn` (on the CPU) rescaled, on the device and in the memory format of `weight`."""
    wanted, norms = (tensor.cpu().flatten(1).norm(dim=1) for tensor in (weight, drawn))
    factors = (wanted / norms).view(-1, *[1] * (drawn.ndim - 1))
    return torch.empty_like(weight).copy_(drawn * factors)


def displaced(weights: Weights, direction: Weights, step: float) -> Weights:
    """θ + step·δ as new tensors; those that the direction lacks are handed on."""
    # Added to a clone, which keeps the strides: a sum's own can differ where an axis has length 1,
    # and convolutions choose by them how to compute, so that the last digits would differ.
    return {
        name: weight.clone().add_(direction[name], alpha=step) if name in direction else weight
        for name, weight in weights.items()
    }


def row_of_weights(weights: Weights, plane: Sequence[Weights], y: float) -> Weights:
    """θ + y·η, where the row at `y` of the plane of directions δ and η begins.

    Raises:
        ValueError: `y` other than 0 although there is no second direction.
    """
    if len(plane) > 1:
        return displaced(weights, plane[1], y)
    if y:
        raise ValueError(f"y is {y} on one direction; allowed: 0")
    return weights


@torch.no_grad()
def loss_row(
    problem: Problem,
    plane: Sequence[Weights],
    xs: Sequence[float],
    y: float = 0.0,
    statistics: Statistics = "running",
) -> tuple[list[float], list[float]]:
    """Mean losses, in nats, and accuracies, in percent, at θ + x·δ + y·η for each x.

    At the origin these are the figures of the network itself. Far out a loss may be infinite or not
    a number: it is returned as it is. The device is waited for once, at the end.

    Args:
        plane: [δ] or [δ, η], as `directions` draws them.

    Raises:
        ValueError: `y` other than 0 although there is no η.
    """
    start = row_of_weights(weights_of(problem.network), plane, y)
    logits_of = problem.logits(statistics)
    device = problem.labels.device
    losses = torch.zeros(len(xs), dtype=torch.float64, device=device)
    right = torch.zeros(len(xs), dtype=torch.int64, device=device)
    # Batches outside: each is prepared once, and weights cost little beside what is done with them.
    for images, labels in problem.batches(statistics):
        for i, x in enumerate(xs):
            logits = logits_of(displaced(start, plane[0], x), images)
            losses[i] += cross_entropy(logits, labels) * len(labels)
            right[i] += (logits.argmax(1) == labels).sum()
    n = len(problem.labels)
    return [loss / n for loss in losses.tolist()], [100 * count / n for count in right.tolist()]
