"""How much the gradient differs from mini-batch to mini-batch (torch).

The gradient variance at weights θ is E_i ‖g_i(θ) − ḡ(θ)‖², where g_i is the gradient of the mean
loss of mini-batch i, all parameters as one vector, and ḡ and E_i are means over the batches of a
fixed sample (Shu, Wang and Cai 2020, arXiv 1909.09569, section 4). The publication leaves open
whether i is a batch or an image, and whether the norm is squared. Here it is squared, and i is a
batch, of one image if wanted: values can only be compared at the same size of batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from service.training.measurements.landscape import displaced, row_of_weights
from service.training.measurements.problem import (
    Problem,
    Statistics,
    Weights,
    layer_groups,
    shuffled,
    weights_of,
)


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the gradients by some parameters: E_i ‖g_i − ḡ‖², and ‖ḡ‖²."""

    variance: float
    squared_mean: float


@dataclass(frozen=True, slots=True)
class GradientVariance:
    """The moments by all parameters and by each layer group, of which the former are the sums.

    Attributes:
        batches: how many mini-batches were drawn.
        batch: images in each.
    """

    total: Moments
    groups: dict[str, Moments]
    batches: int
    batch: int


def gradient_variance(
    problem: Problem, *, batch: int, batches: int, seed: int, statistics: Statistics = "batch"
) -> GradientVariance:
    """The gradient variance at the network's weights.

    The batches are drawn without replacement, by the seed and the number of images alone. Dead
    parameters have gradient zero.

    Raises:
        ValueError: fewer than two batches, more images than there are, or batches of one image that
            would be normalised by itself.
    """
    sample = _sample(len(problem.labels), batch, batches, seed)
    return _variance(problem, problem.logits(statistics), weights_of(problem.network), sample)


def variance_row(
    problem: Problem,
    plane: Sequence[Weights],
    xs: Sequence[float],
    y: float = 0.0,
    *,
    batch: int,
    batches: int,
    seed: int,
    statistics: Statistics = "batch",
) -> list[GradientVariance]:
    """The gradient variance at θ + x·δ + y·η for each x, everywhere on the same batches.

    Args:
        plane: [δ] or [δ, η], as for `loss_row`.

    Raises:
        ValueError: as `gradient_variance` and `loss_row`.
    """
    start = row_of_weights(weights_of(problem.network), plane, y)
    sample = _sample(len(problem.labels), batch, batches, seed)
    logits_of = problem.logits(statistics)
    return [_variance(problem, logits_of, displaced(start, plane[0], x), sample) for x in xs]


def _sample(n: int, batch: int, batches: int, seed: int) -> Tensor:
    """The images of each batch: indices (batches, batch), none twice."""
    if batch < 1 or batches < 2 or batch * batches > n:
        raise ValueError(
            f"{batches} batches of {batch} images; allowed: 2 or more batches of 1 or more, "
            f"together no more than the {n} images that there are"
        )
    return shuffled(n, seed)[: batch * batches].view(batches, batch)


def _variance(
    problem: Problem,
    logits_of: Callable[[Weights, Tensor], Tensor],
    weights: Weights,
    sample: Tensor,
) -> GradientVariance:
    """By Welford's update in float64, which never takes one large square from another."""
    device = problem.labels.device
    leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    groups = layer_groups(problem.network)
    sizes = [sum(weights[name].numel() for name in names) for names in groups.values()]

    def by_group(squares: Tensor) -> Tensor:
        return torch.stack([part.sum() for part in torch.split(squares, sizes)])

    mean = torch.zeros(sum(sizes), dtype=torch.float64, device=device)
    squares = torch.zeros(len(sizes), dtype=torch.float64, device=device)
    for count, chosen in enumerate(sample.to(device), 1):
        logits = logits_of(leaves, problem.prepare(problem.images[chosen]))
        loss = cross_entropy(logits, problem.labels[chosen])
        gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        off = torch.cat([gradient.flatten() for gradient in gradients]).double() - mean
        mean += off / count
        squares += by_group(off.square()) * ((count - 1) / count)
    variances = (squares / len(sample)).tolist()
    squared_means = by_group(mean.square()).tolist()
    batches, batch = sample.shape
    return GradientVariance(
        total=Moments(sum(variances), sum(squared_means)),
        groups={
            group: Moments(variance, squared_mean)
            for group, variance, squared_mean in zip(groups, variances, squared_means, strict=True)
        },
        batches=batches,
        batch=batch,
    )
