"""Smoothness: how strongly the loss curves in the parameters of each layer group (torch).

The loss is smooth with constant L in a block of parameters where no eigenvalue of the block of its
Hessian is larger than L in magnitude (Shu, Wang and Cai 2020, arXiv 1909.09569, section 4, bound
this block-wise Lipschitz constant of the gradient). Measured is the largest at the weights, by
Lanczos iteration on products of the Hessian with vectors (Pearlmutter 1994, by double backward).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch.nn.functional import cross_entropy

from service.training.measurements.problem import Problem, Statistics, weights_of

NETWORK = "network"
"""What all parameters together are called beside the layer groups."""

_TOLERANCE = 1e-4  # relative; products are in float32
_BASIS = 10  # vectors; with scipy's 20, one eigenvalue that stands out takes twice the products

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Eigenvalue:
    """The eigenvalue λ of largest magnitude of a symmetric matrix H.

    Attributes:
        value: λ with its sign; None where none was found, or H has entries that are not finite.
        residual: ‖Hv − λv‖ / |λ| for the eigenvector v of norm 1; 0 where H is zero.
        products: how many products Hv were computed.
        converged: whether the iteration came to its tolerance, 1e-4 of |λ|.
        parameters: the order of H.
    """

    value: float | None
    residual: float | None
    products: int
    converged: bool
    parameters: int


def largest_eigenvalue(
    problem: Problem,
    names: Sequence[str],
    *,
    seed: int,
    statistics: Statistics = "running",
    restarts: int = 30,
) -> Eigenvalue:
    """The largest eigenvalue of the block of the loss' Hessian that belongs to some parameters.

    The memory that it takes follows the problem's batch, for an image several times that of
    training.

    Args:
        names: of the parameters, one at least.
        seed: for the vector at which the iteration starts.
        restarts: after how many rounds of up to 10 products it gives up.
    """
    hessian = _Hessian(problem, names, statistics)
    n = hessian.order
    rng = np.random.default_rng(seed)
    start = rng.standard_normal(n)
    first = hessian.times(start)
    if not np.isfinite(first).all():
        return Eigenvalue(None, None, hessian.products, False, n)
    # Zero matrices, which alone map a random vector to zero, and single numbers aren't for eigsh.
    if not first.any():
        return Eigenvalue(0.0, 0.0, hessian.products, True, n)
    if n == 1:
        return Eigenvalue(float(first[0] / start[0]), 0.0, hessian.products, True, n)
    operator = LinearOperator((n, n), matvec=hessian.times, dtype=np.float64)
    try:
        values, vectors = eigsh(
            operator,
            k=1,
            which="LM",
            v0=start,
            ncv=min(n, _BASIS),
            tol=_TOLERANCE,
            maxiter=restarts,
            rng=rng,
        )
    except ArpackNoConvergence:
        return Eigenvalue(None, None, hessian.products, False, n)
    value, vector = float(values[0]), vectors[:, 0]
    residual = float(np.linalg.norm(hessian.times(vector) - value * vector)) / abs(value)
    return Eigenvalue(value, residual, hessian.products, True, n)


class _Hessian:
    """The block of the Hessian of a problem's loss that belongs to some parameters.

    Attributes:
        order: the number of these parameters.
        products: how many have been computed.
    """

    def __init__(self, problem: Problem, names: Sequence[str], statistics: Statistics) -> None:
        self._problem = problem
        self._statistics = statistics
        self._logits_of = problem.logits(statistics)
        self._weights = weights_of(problem.network)
        self._leaves = [self._weights[name].detach().requires_grad_() for name in names]
        self._weights |= dict(zip(names, self._leaves, strict=True))
        self.order = sum(leaf.numel() for leaf in self._leaves)
        self.products = 0

    def times(self, vector: Vector) -> Vector:
        """The product with a vector (order,)."""
        self.products += 1
        device = self._problem.labels.device
        parts = torch.split(
            torch.tensor(vector, dtype=torch.float32, device=device),
            [leaf.numel() for leaf in self._leaves],
        )
        product = torch.zeros(self.order, dtype=torch.float64, device=device)
        for images, labels in self._problem.batches(self._statistics):
            loss = cross_entropy(self._logits_of(self._weights, images), labels)
            if not loss.requires_grad:  # all of the parameters are dead
                break
            gradients = torch.autograd.grad(
                loss, self._leaves, create_graph=True, materialize_grads=True
            )
            along = torch.stack(
                [
                    (gradient.flatten() * part).sum()
                    for gradient, part in zip(gradients, parts, strict=True)
                ]
            ).sum()
            second = torch.autograd.grad(along, self._leaves, materialize_grads=True)
            share = len(labels) / len(self._problem.labels)
            product += torch.cat([part.flatten() for part in second]).double() * share
        return product.cpu().numpy()
