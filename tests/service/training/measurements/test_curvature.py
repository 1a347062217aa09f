"""Curvature against whole Hessians in double precision and numpy's eigenvalues."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from service.training.measurements.curvature import largest_eigenvalue
from service.training.measurements.problem import (
    Problem,
    Statistics,
    layer_groups,
    weights_of,
)
from tests.service.training.measurements import made

Matrix = npt.NDArray[np.float64]


def exact(problem: Problem, names: list[str], statistics: Statistics) -> Matrix:
    """The block of the Hessian of the mean loss, all images as one batch."""
    network = copy.deepcopy(problem.network).double().train(statistics == "batch")
    network.drop_path = 0.0
    values = dict(network.named_parameters())
    sizes = [values[name].numel() for name in names]
    images = problem.prepare(problem.images).double()

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = torch.split(vector, sizes)
        weights = {n: p.view(values[n].shape) for n, p in zip(names, parts, strict=True)}
        output = functional_call(network, weights, (images,))
        return cross_entropy(output[0] if isinstance(output, tuple) else output, problem.labels)

    at = torch.cat([values[name].detach().flatten() for name in names])
    return np.asarray(hessian(loss, at))  # type: ignore[no-untyped-call]  # lacks them


def largest(matrix: Matrix) -> float:
    eigenvalues = np.linalg.eigvalsh(matrix)
    return float(eigenvalues[np.abs(eigenvalues).argmax()])


@pytest.mark.parametrize(
    ("name", "statistics"),
    [(made.DEAD_EDGE, "running"), (made.UNREACHED, "running"), (made.LIVE, "batch")],
)
def test_every_block_and_the_network_against_the_whole_hessian(
    name: str, statistics: Statistics
) -> None:
    network = made.network(name, channels=1)
    problem = made.problem(network, n=6)
    with made.Unchanged(network):
        found = [
            largest_eigenvalue(problem, names, seed=0, statistics=statistics)
            for names in (*layer_groups(network).values(), list(weights_of(network)))
        ]
    whole = exact(problem, list(weights_of(network)), statistics)
    *groups, all_together = found
    ends = np.cumsum([0, *(group.parameters for group in groups)])
    assert ends[-1] == all_together.parameters == len(whole)
    blocks = [whole[start:end, start:end] for start, end in pairwise(ends)]
    for eigenvalue, block in zip(found, [*blocks, whole], strict=True):
        assert eigenvalue.value == pytest.approx(largest(block), rel=1e-3, abs=1e-9)
        assert eigenvalue.converged
        assert eigenvalue.residual is not None
        assert eigenvalue.residual < 1e-3


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_an_auxiliary_head_and_drop_path_play_no_part(statistics: Statistics) -> None:
    network = made.network(made.HEADED)
    network.drop_path = 0.5
    problem = made.problem(network, n=6)
    classifier = layer_groups(network)["classifier"]
    with made.Unchanged(network):
        found = largest_eigenvalue(problem, classifier, seed=0, statistics=statistics)
    expected = largest(exact(problem, classifier, statistics))
    assert found.value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("group", ["stem", "cell 1", "cell 2"])
def test_batches_add_up_to_the_loss_over_all_images(group: str) -> None:
    network = made.network(made.GENOTYPE)
    names = layer_groups(network)[group]
    found = largest_eigenvalue(made.problem(network, n=11, batch=4), names, seed=0)
    expected = exact(made.problem(network, n=11), names, "running")
    assert found.value == pytest.approx(largest(expected), rel=1e-3)


def test_the_same_seed_gives_the_same_to_the_last_digit() -> None:
    network = made.network(made.DISCONNECTED)
    problem = made.problem(network)
    names = layer_groups(network)["classifier"]
    first, again, other = (largest_eigenvalue(problem, names, seed=seed) for seed in (2, 2, 3))
    assert first == again
    assert first != other
    assert first.value == pytest.approx(other.value, rel=1e-4)


def test_a_dead_block_is_flat() -> None:
    network = made.network(made.DISCONNECTED)
    problem = made.problem(network)
    groups = layer_groups(network)
    for group in ("stem", "cell 1"):
        found = largest_eigenvalue(problem, groups[group], seed=0)
        assert (found.value, found.residual, found.products) == (0.0, 0.0, 1)
        assert found.converged


def test_one_parameter() -> None:
    """A single number is a 1×1 block: the second derivative of the loss by it."""
    network = made.network(made.LIVE, channels=1)
    problem = made.problem(network, n=6)
    found = largest_eigenvalue(problem, ["stem.1.bias"], seed=0)
    expected = exact(problem, ["stem.1.bias"], "running").item()
    assert expected != 0
    assert found.value == pytest.approx(expected, rel=1e-3)
    assert (found.residual, found.products, found.converged) == (0.0, 1, True)
    assert found.parameters == 1


def test_weights_that_are_not_finite_have_no_eigenvalue() -> None:
    network = made.network(made.LIVE, steps=0)
    with torch.no_grad():
        dict(network.named_parameters())["stem.0.weight"].fill_(float("nan"))
    found = largest_eigenvalue(made.problem(network), layer_groups(network)["classifier"], seed=0)
    assert (found.value, found.residual, found.converged) == (None, None, False)


def test_an_iteration_that_gave_up_has_no_value() -> None:
    network = made.network(made.DEAD_EDGE, steps=0)
    problem = made.problem(network, n=10)
    names = layer_groups(network)["reduction 2"]
    found = largest_eigenvalue(problem, names, seed=0, restarts=1)
    assert (found.value, found.residual, found.converged) == (None, None, False)
    whole = largest_eigenvalue(problem, names, seed=0)
    assert whole.converged
    assert 10 <= found.products < whole.products
