"""The loss as a function of weights: which parameters count, and what normalises."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cells import Cell
from service.training.measurements.problem import (
    Problem,
    Statistics,
    layer_groups,
    weights_of,
)
from service.training.networks import CellNetwork, NetworkShape, build
from tests.analysis.strategies import cells
from tests.service.training.measurements import made


def test_groups_of_the_benchmarks_skeleton() -> None:
    groups = layer_groups(build(made.CELLS[made.LIVE], NetworkShape(2, 2, 3, (1, 8, 8))))
    assert list(groups) == [
        "stem",
        "cell 1",
        "cell 2",
        "reduction 1",
        "cell 3",
        "cell 4",
        "reduction 2",
        "cell 5",
        "cell 6",
        "classifier",
    ]
    assert groups["stem"] == ["stem.0.weight", "stem.1.weight", "stem.1.bias"]
    assert groups["classifier"] == [
        "last.0.weight",
        "last.0.bias",
        "classifier.weight",
        "classifier.bias",
    ]
    assert all(name.startswith("stages.1.1.") for name in groups["cell 4"])
    assert "reductions.2.shortcut.1.weight" in groups["reduction 2"]


def test_groups_of_a_genotypes_network_lack_the_auxiliary_head() -> None:
    network = made.network(made.HEADED, steps=0)
    groups = layer_groups(network)
    assert list(groups) == ["stem", "cell 1", "cell 2", "cell 3", "classifier"]
    assert groups["classifier"] == ["classifier.weight", "classifier.bias"]
    assert "cells.2.preprocess.0.layers.1.weight" in groups["cell 3"]
    assert not [name for name in weights_of(network) if "auxiliary" in name]


def test_cells_without_parameters_are_no_group() -> None:
    groups = layer_groups(made.network(made.SKIP, steps=0))
    assert list(groups) == ["stem", "reduction 1", "reduction 2", "classifier"]


@given(cell=cells, deeper=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_every_parameter_is_in_one_group(cell: Cell, deeper: int) -> None:
    with torch.device("meta"):
        network = build(cell, NetworkShape(2, 3 + deeper, 3, (1, 8, 8)))
    grouped = [name for names in layer_groups(network).values() for name in names]
    assert sorted(grouped) == sorted(name for name, _ in network.named_parameters())
    assert list(weights_of(network)) == grouped


def logits_in_training(network: CellNetwork, n: int) -> torch.Tensor:
    network.drop_path = 0.0
    output = network.train()(made.preparation().plain(made.pictures(n)[0]))
    logits: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return logits.detach()


@pytest.mark.parametrize("name", [made.LIVE, made.GENOTYPE, made.HEADED])
def test_batch_statistics_are_those_of_train_mode(name: str) -> None:
    network = made.network(name)
    network.drop_path = 0.5
    problem = made.problem(network, n=10, batch=10)
    ((images, _),) = problem.batches("batch")
    with made.Unchanged(network):
        found = problem.logits("batch")(weights_of(network), images).detach()
    assert torch.equal(found, logits_in_training(network, 10))


@pytest.mark.parametrize("name", [made.LIVE, made.GENOTYPE, made.HEADED])
def test_running_statistics_are_those_of_eval_mode(name: str) -> None:
    network = made.network(name)
    problem = made.problem(network, n=10, batch=10)
    ((images, _),) = problem.batches("running")
    with made.Unchanged(network):
        found = problem.logits("running")({}, images).detach()
    assert torch.equal(found, network.eval()(images).detach())


def test_given_weights_take_the_place_of_the_networks() -> None:
    network = made.network(made.LIVE)
    problem = made.problem(network)
    zeros = {"classifier.weight": torch.zeros(3, 8), "classifier.bias": torch.arange(3.0)}
    (images, _), *_ = problem.batches("running")
    with made.Unchanged(network):
        logits = problem.logits("running")(zeros, images)
    assert logits.tolist() == [[0.0, 1.0, 2.0]] * 10


@pytest.mark.parametrize(
    ("n", "batch", "running", "by_batch"),
    [
        (23, 10, [10, 10, 3], [10, 10, 3]),
        (21, 10, [10, 10, 1], [10, 11]),
        (1, 10, [1], [1]),
        (3, 3, [3], [3]),
    ],
)
def test_one_image_left_over_is_not_normalised_by_itself(
    n: int, batch: int, running: list[int], by_batch: list[int]
) -> None:
    problem = made.problem(made.network(made.LIVE, steps=0), n=n, batch=batch)
    prepared = made.preparation().plain(problem.images)
    expected: dict[Statistics, list[int]] = {"running": running, "batch": by_batch}
    for statistics, sizes in expected.items():
        batches = list(problem.batches(statistics))
        assert [len(labels) for _, labels in batches] == sizes
        assert torch.equal(torch.cat([images for images, _ in batches]), prepared)
        assert torch.equal(torch.cat([labels for _, labels in batches]), problem.labels)


def test_a_single_image_has_no_statistics() -> None:
    network = made.network(made.LIVE, steps=0)
    problem = made.problem(network, n=1)
    ((image, _),) = problem.batches("batch")
    assert problem.logits("running")({}, image).shape == (1, 3)
    with pytest.raises(ValueError, match="batch statistics of 1 image; allowed: 2 or more images"):
        problem.logits("batch")({}, image)


def test_a_sample_is_some_of_the_images_with_their_labels() -> None:
    problem = made.problem(made.network(made.LIVE, steps=0), n=40)
    sample = problem.sample(15, seed=3)
    known = {(i.numpy().tobytes(), int(t)) for i, t in zip(*made.pictures(40), strict=True)}
    found = [
        (i.numpy().tobytes(), int(t)) for i, t in zip(sample.images, sample.labels, strict=True)
    ]
    assert len(known) == 40  # no two images are alike
    assert len(set(found)) == 15
    assert set(found) <= known
    assert torch.equal(problem.sample(15, seed=3).images, sample.images)
    assert not torch.equal(problem.sample(15, seed=4).images, sample.images)
    for count in (40, 100):
        everything = problem.sample(count, seed=3)
        assert sorted(everything.images.tolist()) == sorted(problem.images.tolist())


@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    share=st.floats(0.1, 1),
    seed=st.integers(0, 2**31 - 1),
    batch=st.integers(1, 12),
)
@settings(max_examples=50, deadline=None)
def test_a_sample_has_all_classes_alike_and_so_has_every_batch(
    counts: list[int], share: float, seed: int, batch: int
) -> None:
    """Stored class by class, as folders of images are; counts by hand, none of numpy's."""
    labels = [label for label, many in enumerate(counts) for _ in range(many)]
    images = torch.arange(len(labels)).view(-1, 1, 1, 1)
    network = made.network(made.SKIP, steps=0)
    problem = Problem(network, images, torch.tensor(labels), lambda part: part, batch)
    size = max(1, round(share * len(labels)))
    sample = problem.sample(size, seed)
    assert [labels[i] for i in sample.images.flatten().tolist()] == sample.labels.tolist()
    taken = [sample.labels.tolist().count(label) for label in range(len(counts))]
    assert sum(taken) == size
    left = [n for n, there in zip(taken, counts, strict=True) if n < there]
    assert not left or max(taken) <= min(left) + 1
    whole_rounds = min(counts) * len(counts)
    for number, (_, part) in enumerate(sample.batches("running")):
        if (number + 1) * batch <= min(size, whole_rounds):
            each = [part.tolist().count(label) for label in range(len(counts))]
            assert max(each) <= min(each) + 2  # a batch may begin and end within a round
