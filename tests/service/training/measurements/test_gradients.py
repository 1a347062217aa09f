"""Gradient variance against gradients one by one and numpy's variance."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from analysis.cells import Cell
from service.training.measurements.gradients import (
    GradientVariance,
    Moments,
    gradient_variance,
    variance_row,
)
from service.training.measurements.landscape import directions
from service.training.measurements.problem import Statistics, layer_groups
from service.training.networks import CellNetwork, NetworkShape, build
from tests.analysis.strategies import cells
from tests.service.training.measurements import made

Gradients = npt.NDArray[np.float64]


def moments(gradients: Gradients) -> tuple[float, float]:
    """Of (batches, parameters): the sum over parameters of their variances, and ‖ḡ‖²."""
    return float(np.var(gradients, axis=0).sum()), float((gradients.mean(axis=0) ** 2).sum())


def as_pair(found: Moments) -> tuple[float, float]:
    return found.variance, found.squared_mean


def compare(found: GradientVariance, network: CellNetwork, gradients: dict[str, Gradients]) -> None:
    """Each group's moments and the total's, against gradients (batches, …) by parameter."""
    flat = {name: g.reshape(len(g), -1) for name, g in gradients.items()}
    for group, names in layer_groups(network).items():
        joined = np.concatenate([flat[name] for name in names], axis=1)
        assert as_pair(found.groups[group]) == pytest.approx(moments(joined), rel=1e-3, abs=1e-12)
    together = np.concatenate([g for n, g in flat.items() if "auxiliary" not in n], axis=1)
    assert as_pair(found.total) == pytest.approx(moments(together), rel=1e-3)
    assert list(found.groups) == list(layer_groups(network))


@pytest.mark.parametrize("name", list(made.CELLS))
def test_batches_of_one_give_the_variance_over_images(name: str) -> None:
    """Against torch's vectorised gradients, in double precision."""
    network = made.network(name)
    problem = made.problem(network, n=12)
    with made.Unchanged(network):
        found = gradient_variance(problem, batch=1, batches=12, seed=0, statistics="running")
    double = copy.deepcopy(network).double().eval()
    weights = {n: p.detach() for n, p in double.named_parameters()}

    def loss(
        weights: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor
    ) -> torch.Tensor:
        logits: torch.Tensor = functional_call(double, weights, (image[None],))
        return cross_entropy(logits, label[None])

    images = problem.prepare(problem.images).double()
    gradients = vmap(grad(loss), (None, 0, 0))(weights, images, problem.labels)
    compare(found, network, {n: g.numpy() for n, g in gradients.items()})
    assert (found.batches, found.batch) == (12, 1)


@pytest.mark.parametrize("statistics", ["batch", "running"])
@pytest.mark.parametrize("name", [made.DEAD_EDGE, made.GENOTYPE, made.HEADED, made.UNREACHED])
def test_batches_against_one_backward_pass_each(name: str, statistics: Statistics) -> None:
    """All images are drawn; which of them go together is read from what is prepared."""
    network = made.network(name)
    network.drop_path = 0.5
    problem = made.problem(network, n=20)
    prepared = []

    def prepare(images: torch.Tensor) -> torch.Tensor:
        prepared.append(images)
        return problem.prepare(images)

    with made.Unchanged(network):
        found = gradient_variance(
            replace(problem, prepare=prepare), batch=5, batches=4, seed=0, statistics=statistics
        )
    pictures = [picture.numpy().tobytes() for picture in problem.images]
    places = [[pictures.index(i.numpy().tobytes()) for i in images] for images in prepared]
    assert [len(batch) for batch in places] == [5] * 4
    assert sorted(place for batch in places for place in batch) == list(range(20))

    alone = copy.deepcopy(network).double().train(statistics == "batch")
    alone.drop_path = 0.0
    gradients: dict[str, list[Gradients]] = {n: [] for n, _ in alone.named_parameters()}
    for batch in places:
        output = alone(problem.prepare(problem.images[batch]).double())
        logits = output[0] if isinstance(output, tuple) else output
        alone.zero_grad()
        torch.autograd.backward(cross_entropy(logits, problem.labels[batch]))
        for n, p in alone.named_parameters():
            gradients[n].append((torch.zeros_like(p) if p.grad is None else p.grad).numpy().copy())
    compare(found, network, {n: np.stack(g) for n, g in gradients.items()})


def test_a_disconnected_network_varies_by_its_labels_alone() -> None:
    """Before training it reads zeros from its cells, so that its logits are the classifier's bias;
    the gradient by that is p minus the one-hot label, and all others are zero."""
    network = made.network(made.DISCONNECTED, steps=0)
    with torch.no_grad():
        network.get_parameter("classifier.bias").copy_(torch.tensor([0.5, 0.0, -1.0]))
    problem = made.problem(network, n=12)
    found = gradient_variance(problem, batch=1, batches=12, seed=3, statistics="running")
    exponentials = np.exp([0.5, 0.0, -1.0])
    gradients = exponentials / exponentials.sum() - np.eye(3)[problem.labels.numpy()]
    assert as_pair(found.total) == pytest.approx(moments(gradients), rel=1e-5)
    assert found.groups.pop("classifier") == found.total
    assert {as_pair(others) for others in found.groups.values()} == {(0.0, 0.0)}


def test_equal_gradients_have_no_variance_at_all() -> None:
    """Where it was a difference of squares, it would be what their rounding leaves."""
    problem = made.problem(made.network(made.DISCONNECTED), n=12)
    same = replace(problem, labels=torch.zeros(12, dtype=torch.int64))
    found = gradient_variance(same, batch=1, batches=12, seed=0, statistics="running")
    assert found.total.variance == 0
    assert found.total.squared_mean > 0.1


@given(cell=cells, seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_the_groups_add_up_whatever_the_cell(cell: Cell, seed: int) -> None:
    torch.manual_seed(0)
    network = build(cell, NetworkShape(2, 3, 3, (1, 8, 8)))
    found = gradient_variance(made.problem(network, n=12), batch=4, batches=3, seed=seed)
    groups = np.array([as_pair(of_group) for of_group in found.groups.values()])
    assert (groups >= 0).all()
    assert as_pair(found.total) == pytest.approx(groups.sum(axis=0).tolist())


def test_the_sample_depends_on_the_seed_alone() -> None:
    problem = made.problem(made.network(made.LIVE), n=20)
    torch.manual_seed(1)
    first = gradient_variance(problem, batch=4, batches=3, seed=0)
    torch.manual_seed(2)
    assert gradient_variance(problem, batch=4, batches=3, seed=0) == first
    assert gradient_variance(problem, batch=4, batches=3, seed=1) != first


@given(n=st.integers(2, 12), batch=st.integers(0, 7), batches=st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_no_image_is_drawn_twice(n: int, batch: int, batches: int) -> None:
    network = made.network(made.DISCONNECTED, steps=0)
    problem = made.problem(network, n=n)
    drawn: list[bytes] = []

    def prepare(images: torch.Tensor) -> torch.Tensor:
        drawn.extend(image.numpy().tobytes() for image in images)
        return problem.prepare(images)

    watched = replace(problem, prepare=prepare)
    if batch >= 1 and batches >= 2 and batch * batches <= n:
        gradient_variance(watched, batch=batch, batches=batches, seed=n, statistics="running")
        assert len(set(drawn)) == len(drawn) == batch * batches
    else:
        allowed = f"allowed: 2 or more batches of 1 or more, together no more than the {n} images"
        with pytest.raises(ValueError, match=f"{batches} batches of {batch} images; {allowed}"):
            gradient_variance(watched, batch=batch, batches=batches, seed=n, statistics="running")
        assert not drawn


def test_a_batch_of_one_has_no_statistics_of_its_own() -> None:
    problem = made.problem(made.network(made.LIVE, steps=0))
    with pytest.raises(ValueError, match="batch statistics of 1 image; allowed: 2 or more images"):
        gradient_variance(problem, batch=1, batches=4, seed=0)


def test_a_row_is_the_variance_of_networks_with_these_weights() -> None:
    network = made.network(made.GENOTYPE)
    problem = made.problem(network, n=12)
    plane = directions(network, 2, seed=0)
    with made.Unchanged(network):
        row = variance_row(problem, plane, [-0.5, 0.0, 1.0], 0.3, batch=4, batches=3, seed=2)
    for x, found in zip((-0.5, 0.0, 1.0), row, strict=True):
        there = replace(problem, network=made.moved(network, plane, (x, 0.3)))
        expected = gradient_variance(there, batch=4, batches=3, seed=2)
        for group, figures in expected.groups.items():
            assert as_pair(found.groups[group]) == pytest.approx(as_pair(figures), rel=1e-3)
        assert as_pair(found.total) == pytest.approx(as_pair(expected.total), rel=1e-3)
    (centre,) = variance_row(problem, plane, [0.0], batch=4, batches=3, seed=2)
    assert centre == gradient_variance(problem, batch=4, batches=3, seed=2)


def test_a_row_off_a_single_direction_is_refused() -> None:
    network = made.network(made.LIVE, steps=0)
    plane = directions(network, 1, seed=0)
    with pytest.raises(ValueError, match=r"y is 0.5 on one direction; allowed: 0"):
        variance_row(made.problem(network), plane, [0.0], 0.5, batch=4, batches=3, seed=0)
