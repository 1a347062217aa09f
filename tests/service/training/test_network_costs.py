"""Parameters and multiply-adds of networks, against the benchmark's and published figures."""

from __future__ import annotations

import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from analysis.cells import Cell
from analysis.spaces import nasbench201
from analysis.spaces.darts import NAMED
from analysis.spaces.nasbench201 import NasBench201Cell
from service.training.networks import NetworkShape, build
from service.training.networks.cost import count
from tests.service.training.test_networks import ALL_NONE, DEAD_END, small

BENCHMARK = {"cifar10": (10, 32), "cifar100": (100, 32), "ImageNet16-120": (120, 16)}
"""Classes and side of the images of each of the benchmark's datasets."""


def benchmark_cost(cell: Cell, dataset: str) -> tuple[float, float]:
    classes, side = BENCHMARK[dataset]
    image = (3, side, side)
    with torch.device("meta"):
        network = build(cell, NetworkShape(16, 5, classes, image))
    return count(network, image)


@pytest.mark.parametrize("dataset", BENCHMARK)
def test_cost_is_the_benchmarks_for_a_sample_of_cells(dataset: str) -> None:
    for index in random.Random(dataset).sample(range(nasbench201.N_CELLS), 12):
        cell = nasbench201.from_index(index)
        assert benchmark_cost(cell, dataset) == nasbench201.cost(cell, dataset)


@pytest.mark.parametrize("dataset", BENCHMARK)
def test_cost_of_every_cell_follows_from_its_convolutions(dataset: str) -> None:
    base = benchmark_cost(ALL_NONE, dataset)
    one1x1 = benchmark_cost(NasBench201Cell(("nor_conv_1x1",) + ("none",) * 5), dataset)
    one3x3 = benchmark_cost(NasBench201Cell(("nor_conv_3x3",) + ("none",) * 5), dataset)
    for cell in nasbench201.all_cells():
        n1 = cell.operations.count("nor_conv_1x1")
        n3 = cell.operations.count("nor_conv_3x3")
        expected = nasbench201.cost(cell, dataset)
        for b, c1, c3, figure in zip(base, one1x1, one3x3, expected, strict=True):
            assert b + n1 * (c1 - b) + n3 * (c3 - b) == pytest.approx(figure, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "cifar10", "cifar100"),
    [
        ("NASNet-A", (4.29, 4.32), (4.42, 4.45)),
        ("AmoebaNet-A", (3.60, 3.60), (3.71, 3.71)),
        ("ENAS", (4.32, 4.32), (4.45, 4.45)),
        ("DARTS-V2", (3.83, 3.90), (3.95, 4.03)),
        ("SNAS-mild", (3.14, 3.19), (3.26, 3.31)),
    ],
)
def test_parameters_of_the_published_networks(
    name: str, cifar10: tuple[float, float], cifar100: tuple[float, float]
) -> None:
    """Shu et al. 2020, arXiv 1909.09569: original and adapted, auxiliary head included."""
    for classes, expected in ((10, cifar10), (100, cifar100)):
        for cell, figure in zip((NAMED[name], NAMED[f"{name}-adapted"]), expected, strict=True):
            shape = NetworkShape(36, 20, classes, (3, 32, 32), auxiliary=True)
            with torch.device("meta"):
                network = build(cell, shape)
            params = sum(p.numel() for p in network.parameters()) / 1e6
            assert params == pytest.approx(figure, abs=0.005)


@pytest.mark.parametrize(
    ("name", "params", "flops"),
    [
        # Chu et al. 2020, arXiv 1911.12126, in its published code
        ("GDAS", 3.36, 519),
        ("MdeNAS", 3.78, 599),
        ("P-DARTS", 3.43, 532),
        ("PC-DARTS-CIFAR", 3.63, 558),
        # each in its own publication
        ("SGAS-1", 3.80, None),
        ("SGAS-2", 4.09, None),
        ("NoisyDARTS", 3.25, None),
        ("SNAS-moderate", 2.8, None),
        ("XNAS", 3.8, None),
    ],
)
def test_size_of_networks_of_cells_that_were_found_elsewhere(
    name: str, params: float, flops: float | None
) -> None:
    """C = 36, 20 cells, without the auxiliary head; figures are rounded or cut."""
    image = (3, 32, 32)
    with torch.device("meta"):
        found = count(build(NAMED[name], NetworkShape(36, 20, 10, image)), image)
    assert found[0] == pytest.approx(params, abs=0.01 if params * 10 % 1 else 0.05)
    if flops is not None:
        assert found[1] == pytest.approx(flops, rel=0.003)


def test_multiply_adds_of_darts_are_those_that_torch_counts_without_the_auxiliary_head() -> None:
    image = (3, 32, 32)
    shapes = [NetworkShape(36, 20, 10, image, auxiliary=auxiliary) for auxiliary in (False, True)]
    with torch.device("meta"):
        plain, headed = (count(build(NAMED["DARTS-V2"], shape), image) for shape in shapes)
    assert plain[0] == pytest.approx(3.35, abs=0.005)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build(NAMED["DARTS-V2"], shapes[0]).eval()
        network(torch.empty(1, *image))
    # torch counts a multiplication and an addition each, and no bias of the linear layer.
    assert plain[1] == pytest.approx(counter.get_total_flops() / 2e6, abs=2e-5)
    assert headed[1] == plain[1]
    first, second, linear = 576 * 128 + 2 * 128, 4 * 128 * 768 + 2 * 768, 768 * 10 + 10
    assert headed[0] - plain[0] == pytest.approx((first + second + linear) / 1e6, abs=1e-9)


def test_counting_leaves_the_network_as_it_is() -> None:
    network = build(DEAD_END, small((3, 8, 8))).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    first = count(network, (3, 8, 8))
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert count(network, (3, 8, 8)) == first
    next(network.parameters()).requires_grad = False
    assert count(network, (3, 8, 8))[0] < first[0]
