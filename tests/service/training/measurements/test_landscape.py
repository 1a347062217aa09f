"""The loss landscape against weights set one by one and the network evaluated as it stands."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from service.training.measurements.landscape import directions, loss_row
from service.training.measurements.problem import layer_groups
from service.training.networks import CellNetwork
from tests.service.training.measurements import made

XS = [-1.0, -0.3, 0.0, 0.5, 2.0]


def evaluated(network: CellNetwork, n: int, batch: int) -> tuple[float, float]:
    """Loss and accuracy (percent) in eval mode, batch by batch."""
    images, labels = made.pictures(n)
    prepare = made.preparation().plain
    loss, right = 0.0, 0
    network.eval()
    with torch.no_grad():
        for start in range(0, n, batch):
            target = labels[start : start + batch]
            logits = network(prepare(images[start : start + batch]))
            loss += (cross_entropy(logits, target) * len(target)).item()
            right += sum(int(row.argmax() == t) for row, t in zip(logits, target, strict=True))
    return loss / n, 100 * right / n


@pytest.mark.parametrize("name", [made.LIVE, made.DEAD_EDGE, made.GENOTYPE, made.HEADED])
def test_a_row_is_the_loss_of_networks_with_these_weights(name: str) -> None:
    network = made.network(name)
    problem = made.problem(network, n=23, batch=10)
    with made.Unchanged(network):
        plane = directions(network, 2, seed=0)
        losses, accuracies = loss_row(problem, plane, XS, -0.5)
    for x, loss, accuracy in zip(XS, losses, accuracies, strict=True):
        expected = evaluated(made.moved(network, plane, (x, -0.5)), 23, 10)
        assert (loss, accuracy) == pytest.approx(expected, rel=1e-4)
    assert len(set(losses)) == len(XS)


@pytest.mark.parametrize("name", list(made.CELLS))
def test_the_centre_is_the_evaluation_to_the_last_digit(name: str) -> None:
    network = made.network(name)
    problem = made.problem(network, n=23, batch=10)
    for plane in (directions(network, 1, seed=0), directions(network, 2, seed=0)):
        (loss, _), (accuracy, _) = loss_row(problem, plane, [0.0, 1.0])
        assert (loss, accuracy) == evaluated(copy.deepcopy(network), 23, 10)


def test_every_filter_is_as_long_as_the_weights() -> None:
    network = made.network(made.GENOTYPE)
    (direction,) = directions(network, 1, seed=0)
    parameters = dict(network.named_parameters())
    filters = 0
    for name, offsets in direction.items():
        for weights, drawn in zip(parameters[name], offsets, strict=True):
            length = math.sqrt(sum(value**2 for value in weights.flatten().tolist()))
            found = math.sqrt(sum(value**2 for value in drawn.flatten().tolist()))
            assert found == pytest.approx(length, rel=1e-5)
            filters += 1
    # those of convolutions and the linear layer: what has one axis is left out
    assert set(direction) == {name for name, p in parameters.items() if p.dim() > 1}
    assert filters == sum(len(p) for p in parameters.values() if p.dim() > 1)


def test_directions_are_normal_draws() -> None:
    """A filter of one direction, its length divided out, has normal coordinates: their kurtosis.

    Uniform draws have 1.8; of n normal ones the standard error is √(24/n), here 0.07.
    """
    network = made.network(made.DEAD_EDGE, channels=8, steps=0)
    (direction,) = directions(network, 1, seed=0)
    drawn = direction["reductions.2.convolutions.1.layers.0.weight"].flatten(1).double()
    scaled = (drawn / drawn.square().mean(1, keepdim=True).sqrt()).flatten()
    assert scaled.numel() == 32 * 32 * 9
    assert scaled.mean() == pytest.approx(0, abs=0.05)
    assert scaled.pow(4).mean() == pytest.approx(3, abs=0.2)


def test_directions_depend_on_the_seed_alone() -> None:
    network = made.network(made.HEADED)
    torch.manual_seed(1)
    first = directions(network, 2, seed=5)
    torch.manual_seed(2)
    again = directions(network, 2, seed=5)
    other = directions(network, 2, seed=6)
    (alone,) = directions(network, 1, seed=5)
    for name, offsets in first[0].items():
        assert torch.equal(offsets, again[0][name])
        assert torch.equal(offsets, alone[name])
        assert not torch.equal(offsets, other[0][name])
        assert not torch.equal(offsets, first[1][name])
        assert torch.equal(first[1][name], again[1][name])
    grouped = {name for names in layer_groups(network).values() for name in names}
    assert set(first[0]) <= grouped  # none of the auxiliary head


def test_memory_format_changes_no_direction() -> None:
    network = made.network(made.GENOTYPE)
    (direction,) = directions(network, 1, seed=5)
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # lacks it
    for name, offsets in directions(plain, 1, seed=5)[0].items():
        assert torch.equal(offsets, direction[name])


def test_batch_statistics_leave_the_running_ones_and_change_the_loss() -> None:
    network = made.network(made.LIVE)
    problem = made.problem(network, n=20, batch=10)
    plane = directions(network, 1, seed=0)
    with made.Unchanged(network):
        (found, _), _ = loss_row(problem, plane, [0.0, 0.1], statistics="batch")
    copied = copy.deepcopy(network).train()
    images, labels = made.pictures(20)
    prepared = made.preparation().plain(images)
    with torch.no_grad():
        halves = [
            cross_entropy(copied(prepared[part]), labels[part]).item()
            for part in (slice(10), slice(10, 20))
        ]
    assert found == pytest.approx(sum(halves) / 2, rel=1e-6)
    assert found != pytest.approx(evaluated(copied, 20, 10)[0], rel=1e-3)


def test_a_disconnected_cell_has_a_flat_landscape_but_for_the_classifier() -> None:
    network = made.network(made.DISCONNECTED)
    plane = directions(network, 1, seed=0)
    elsewhere = {name: d for name, d in plane[0].items() if not name.startswith("classifier")}
    problem = made.problem(network)
    losses, _ = loss_row(problem, [elsewhere], XS)
    assert set(losses) == {evaluated(network, 23, 10)[0]}


def test_losses_that_are_not_finite_come_back_as_they_are() -> None:
    network = made.network(made.LIVE)
    plane = directions(network, 1, seed=0)
    losses, accuracies = loss_row(made.problem(network), plane, [0.0, 1e30, 0.5])
    assert math.isfinite(losses[0])
    assert not math.isfinite(losses[1])
    assert math.isfinite(losses[2])
    assert len(accuracies) == 3


def test_a_row_off_a_single_direction_is_refused() -> None:
    network = made.network(made.LIVE, steps=0)
    with pytest.raises(ValueError, match=r"y is 0.5 on one direction; allowed: 0"):
        loss_row(made.problem(network), directions(network, 1, seed=0), [0.0], 0.5)
