"""Networks: their values against formulas written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from analysis.cells import Cell
from analysis.spaces import darts, nasbench201
from analysis.spaces.darts import NAMED, Genotype
from analysis.spaces.nasbench201 import NasBench201Cell
from service.training.networks import CellNetwork, NetworkShape, build
from service.training.networks.cost import count
from service.training.networks.darts import AuxiliaryHead
from service.training.networks.graph import CellGraph
from service.training.networks.operations import operation
from tests.analysis.strategies import genotypes, nasbench201_cells

IMAGES = [(3, 32, 32), (3, 16, 16), (1, 28, 28), (1, 8, 8), (3, 64, 64), (2, 11, 6)]

ALL_NONE = NasBench201Cell(("none",) * 6)
SKIP_ONLY = nasbench201.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
UNREACHED = nasbench201.parse("|none~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|")
"""Disconnected, although a convolution leads to the output."""
DEAD_END = nasbench201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|")
NO_PATH = Genotype(
    normal=(("none", 0), ("none", 1), ("skip_connect", 2), ("sep_conv_3x3", 2)),
    normal_concat=(2, 3),
    reduce=(("none", 0), ("none", 1), ("max_pool_3x3", 2), ("none", 0)),
    reduce_concat=(3,),
)
CELLS: dict[str, Cell] = {
    "284": nasbench201.from_index(284),
    "6111": nasbench201.from_index(6111),
    "all none": ALL_NONE,
    "skip only": SKIP_ONLY,
    "unreached": UNREACHED,
    "dead end": DEAD_END,
    "AmoebaNet-A": NAMED["AmoebaNet-A"],
    "SNAS-mild": NAMED["SNAS-mild"],
    "no path": NO_PATH,
}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def small(image: tuple[int, int, int], **changed: Any) -> NetworkShape:
    shape = NetworkShape(channels=2, cells=3, classes=5, image=image)
    return replace(shape, **({"stem": "tiny-imagenet"} if image[1] == 64 else {}) | changed)


def logits_of(output: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


# values


@given(nasbench201_cells, st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_nasbench201_cell_is_the_sum_written_out(cell: NasBench201Cell, training: bool) -> None:
    graph = CellGraph(cell.dag().edges, 1, (3,), 3).train(training)
    a, b, c, d, e, f = graph.edges
    x = torch.randn(4, 3, 5, 5)
    before = x.clone()
    for bias in (p for name, p in graph.named_parameters() if name.endswith("bias")):
        torch.nn.init.normal_(bias)
    with torch.no_grad():
        (found,) = graph((x,), None)
        one = a(x)
        two = b(x) + c(one)
        expected = d(x) + e(one) + f(two)
    torch.testing.assert_close(found, expected)
    assert torch.equal(x, before)


@given(genotypes, st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_nodes_of_a_genotype_are_its_pairs_summed(genotype: Genotype, reduces: bool) -> None:
    part: darts.Part = "reduce" if reduces else "normal"
    pairs, concat = genotype.cell(part)
    edges = [edge for edge in genotype.dag(part).edges if edge.operation != darts.CONCAT]
    graph = CellGraph(edges, 2, concat, 4, stride=2 if reduces else 1).eval()
    values: list[Tensor] = [torch.randn(2, 4, 7, 6), torch.randn(2, 4, 7, 6)]
    with torch.no_grad():
        found = graph(values, None)
        for node in range(len(pairs) // 2):
            (_, first), (_, second) = pairs[2 * node : 2 * node + 2]
            left, right = graph.edges[2 * node : 2 * node + 2]
            values.append(left(values[first]) + right(values[second]))
    for value, node in zip(found, concat, strict=True):
        torch.testing.assert_close(value, values[node])


def test_a_convolution_that_no_input_reaches_adds_its_bias() -> None:
    graph = CellGraph(UNREACHED.dag().edges, 1, (3,), 2).train()
    bias = next(p for name, p in graph.named_parameters() if name.endswith("bias"))
    torch.nn.init.constant_(bias, 0.7)
    (found,) = graph((torch.randn(3, 2, 4, 4),), None)
    torch.testing.assert_close(found, torch.full((3, 2, 4, 4), 0.7))


def test_a_dead_end_has_parameters_but_no_gradient() -> None:
    network = build(DEAD_END, small((3, 8, 8)))
    torch.autograd.backward(logits_of(network(torch.randn(4, 3, 8, 8))).sum())
    idle = sum(p.numel() for p in network.parameters() if p.grad is None)
    assert idle == 3 * sum(9 * c * c + 2 * c for c in (2, 4, 8))


def test_a_cell_that_only_skips_changes_nothing_however_often_it_comes() -> None:
    one, five = (build(SKIP_ONLY, small((3, 8, 8), cells=n)).eval() for n in (1, 5))
    five.load_state_dict(one.state_dict())
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(one(x), five(x))


@pytest.mark.parametrize(
    "cell", [ALL_NONE, UNREACHED, NO_PATH], ids=["all none", "unreached", "genotype"]
)
def test_logits_of_a_disconnected_cell_are_the_same_for_every_image(cell: Cell) -> None:
    network = build(cell, small((3, 8, 8)))
    logits = logits_of(network(torch.randn(4, 3, 8, 8)))
    torch.testing.assert_close(logits, logits[:1].expand(4, -1))


# operations


@pytest.mark.parametrize("name", sorted({*darts.OPERATIONS, *nasbench201.OPERATIONS}))
@pytest.mark.parametrize("size", [(8, 8), (7, 4), (1, 3)])
def test_operations_round_halves_up(name: str, size: tuple[int, int]) -> None:
    x = torch.randn(3, 4, *size, requires_grad=True)
    for stride in (1, 2):
        out = operation(name, 4, stride)(x)
        assert out.shape == (3, 4, -(-size[0] // stride), -(-size[1] // stride))
        assert out.isfinite().all()
        if name == "none":
            assert not out.any()
        else:
            out.sum().backward()


C = 3


@pytest.mark.parametrize(
    ("name", "params", "rows", "columns"),
    [
        ("nor_conv_1x1", C * C + 2 * C, {0}, {0}),
        ("nor_conv_3x3", 9 * C * C + 2 * C, {-1, 0, 1}, {-1, 0, 1}),
        ("sep_conv_3x3", 2 * (9 * C + C * C + 2 * C), set(range(-2, 3)), set(range(-2, 3))),
        ("sep_conv_5x5", 2 * (25 * C + C * C + 2 * C), set(range(-4, 5)), set(range(-4, 5))),
        ("sep_conv_7x7", 2 * (49 * C + C * C + 2 * C), set(range(-6, 7)), set(range(-6, 7))),
        ("dil_conv_3x3", 9 * C + C * C + 2 * C, {-2, 0, 2}, {-2, 0, 2}),
        ("dil_conv_5x5", 25 * C + C * C + 2 * C, {-4, -2, 0, 2, 4}, {-4, -2, 0, 2, 4}),
        ("conv_3x1_1x3", 6 * C * C + 2 * C, {-1, 0, 1}, {-1, 0, 1}),
        ("conv_7x1_1x7", 14 * C * C + 2 * C, set(range(-3, 4)), set(range(-3, 4))),
        ("avg_pool_3x3", 0, {-1, 0, 1}, {-1, 0, 1}),
        ("skip_connect", 0, {0}, {0}),
    ],
)
def test_operations_read_what_their_name_says(
    name: str, params: int, rows: set[int], columns: set[int]
) -> None:
    layer = operation(name, C).eval()
    assert sum(p.numel() for p in layer.parameters()) == params
    with torch.no_grad():
        for weight in layer.parameters():
            weight.abs_()  # so that no ReLU hides a position
    x = torch.rand(1, C, 17, 17).requires_grad_()
    layer(x)[0, 0, 8, 8].backward()
    assert x.grad is not None
    read = x.grad[0].abs().sum(0).nonzero() - 8
    assert {(int(r), int(c)) for r, c in read} == {(r, c) for r in rows for c in columns}


def test_convolution_of_the_benchmark_is_relu_convolution_norm() -> None:
    layer = operation("nor_conv_3x3", C)
    kernel, scale, bias = layer.parameters()
    torch.nn.init.normal_(scale)
    torch.nn.init.normal_(bias)
    x = torch.randn(4, C, 5, 5)
    raw = functional.conv2d(x.clamp(min=0), kernel, padding=1)
    mean = raw.mean((0, 2, 3), keepdim=True)
    spread = raw.var((0, 2, 3), correction=0, keepdim=True).add(1e-5).sqrt()
    expected = (raw - mean) / spread * scale.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_pools_do_not_count_padding() -> None:
    x = torch.arange(-16.0, 0.0).view(1, 1, 4, 4)
    for stride in (1, 2):
        corner = slice(0, 1), slice(0, 1), 0, 0
        assert operation("avg_pool_3x3", 1, stride)(x)[corner] == (-16 - 15 - 12 - 11) / 4
        assert operation("max_pool_3x3", 1, stride)(x)[corner] == -11


def test_a_factorized_skip_reads_even_and_odd_positions() -> None:
    layer = operation("skip_connect", 2, 2).eval()
    for weight in layer.parameters():
        torch.nn.init.ones_(weight)
    *_, bias = layer.parameters()
    torch.nn.init.zeros_(bias)
    x = torch.zeros(1, 2, 5, 5)
    x[0, 0, 2, 4], x[0, 0, 3, 3], x[0, 0, 2, 3], x[0, 0, 0, 0] = 1, 2, 5, -1
    even, odd = layer(x)[0].round()
    assert even.nonzero().tolist() == [[1, 2]]
    assert odd.nonzero().tolist() == [[1, 1]]
    assert (even[1, 2], odd[1, 1]) == (1, 2)


@pytest.mark.parametrize("channels", [2, 4, 8])
@pytest.mark.parametrize("side", [7, 8])
def test_a_factorized_skip_is_two_convolutions_of_stride_2(channels: int, side: int) -> None:
    """Forward and backward, against double precision, which oneDNN has no part in."""
    layer = operation("skip_connect", channels, 2).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # lacks it
    halves = list(layer.parameters())[:2]
    x = torch.randn(4, channels, side, side).contiguous(memory_format=torch.channels_last)
    exact_x = x.double().requires_grad_()
    exact = [half.detach().double().requires_grad_() for half in halves]
    shifted = functional.pad(exact_x.relu(), (0, side % 2, 0, side % 2))[:, :, 1:, 1:]
    parts = (
        functional.conv2d(exact_x.relu(), exact[0], stride=2),
        functional.conv2d(shifted, exact[1], stride=2),
    )
    wanted = functional.batch_norm(torch.cat(parts, 1), None, None, training=True)
    found = layer(x.requires_grad_())
    weights = torch.randn_like(found)
    torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-5)
    grads = torch.autograd.grad((found * weights).sum(), [x, *halves])
    exact_grads = torch.autograd.grad((wanted * weights).sum(), [exact_x, *exact])
    for grad, other in zip(grads, exact_grads, strict=True):
        torch.testing.assert_close(grad, other.float(), rtol=1e-3, atol=1e-4)


# networks


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_trains_on_every_image(name: str, image: tuple[int, int, int]) -> None:
    network = build(CELLS[name], small(image))
    logits = logits_of(network(torch.randn(2, *image)))
    assert logits.shape == (2, 5)
    torch.autograd.backward(functional.cross_entropy(logits, torch.tensor([1, 4])))
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@given(genotypes, st.sampled_from([(1, 8, 8), (1, 7, 10)]), st.integers(3, 5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_random_genotypes_train(
    genotype: Genotype, image: tuple[int, int, int], cells: int, auxiliary: bool
) -> None:
    network = build(genotype, small(image, cells=cells, auxiliary=auxiliary))
    network.drop_path = 0.3
    output = network(torch.randn(2, *image))
    both = output if isinstance(output, tuple) else (output,)
    assert len(both) == 1 + auxiliary
    assert all(logits.shape == (2, 5) for logits in both)
    sum(logits.sum() for logits in both).backward()
    network.eval()
    with torch.no_grad():
        assert network(torch.randn(2, *image)).shape == (2, 5)


def test_the_stem_for_larger_images_costs_what_it_does_on_small_ones() -> None:
    for cell in (CELLS["6111"], CELLS["SNAS-mild"]):
        network = build(cell, small((3, 64, 64)))
        halved = count(network, (3, 64, 64))
        assert halved == count(build(cell, small((3, 32, 32))), (3, 32, 32))


def test_the_auxiliary_head_is_that_of_cifar_on_8x8_features() -> None:
    head = AuxiliaryHead(6, 5, (8, 8)).eval()
    first, *norm1, second, scale2, bias2, weight, bias = head.parameters()
    x = torch.randn(2, 6, 8, 8)
    y = functional.avg_pool2d(x.clamp(min=0), 5, 3)
    assert y.shape[2:] == (2, 2)
    unit = 1 / (1 + 1e-5) ** 0.5  # what BN does before it has seen anything
    y = (functional.conv2d(y, first) * unit).clamp(min=0)
    y = (functional.conv2d(y, second) * unit).clamp(min=0)
    assert [p.shape[0] for p in (first, *norm1, second, scale2, bias2)] == [128] * 3 + [768] * 3
    torch.testing.assert_close(head(x), functional.linear(y.flatten(1), weight, bias))


@pytest.mark.parametrize("size", [(2, 2), (3, 4), (7, 7), (16, 16), (5, 12)])
def test_the_auxiliary_head_reads_to_the_edges_of_other_sizes(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size).requires_grad_()
    AuxiliaryHead(3, 5, size).eval()(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum((0, 1)).all()


def test_only_training_gives_auxiliary_logits() -> None:
    network = build(CELLS["SNAS-mild"], small((3, 32, 32), auxiliary=True))
    x = torch.randn(2, 3, 32, 32)
    logits, auxiliary = network.train()(x)
    assert logits.shape == auxiliary.shape == (2, 5)
    assert network.eval()(x).shape == (2, 5)


@pytest.mark.parametrize(
    ("cell", "changed", "message"),
    [
        (ALL_NONE, {"channels": 0}, "channels is 0; allowed: 1 or more"),
        (ALL_NONE, {"cells": 0}, "cells is 0; allowed: 1 or more"),
        (ALL_NONE, {"classes": -1}, "classes is -1; allowed: 1 or more"),
        (ALL_NONE, {"image": (3, 0, 8)}, "image is .*; allowed: .channels, height, width., each 1"),
        (ALL_NONE, {"stem": "large"}, "no stem 'large'; allowed: small, tiny-imagenet"),
        (ALL_NONE, {"auxiliary": True}, "no auxiliary head in NAS-Bench-201"),
        (NO_PATH, {"cells": 2}, "2 cells for a genotype; allowed: 3 or more"),
        (NO_PATH, {"auxiliary": True, "image": (3, 9, 4)}, "9×4 .*allowed: 5 pixels or more a"),
        (
            NO_PATH,
            {"auxiliary": True, "image": (3, 8, 8), "stem": "tiny-imagenet"},
            "8×8 .*allowed: 9 pixels or more a side",
        ),
    ],
)
def test_impossible_shapes_are_refused(cell: Cell, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(cell, replace(small((3, 8, 8)), **changed))


def test_the_smallest_images_for_the_auxiliary_head_pass() -> None:
    build(NO_PATH, small((3, 5, 5), auxiliary=True))
    build(NO_PATH, small((3, 9, 9), auxiliary=True, stem="tiny-imagenet"))


def test_unknown_operations_and_odd_reductions_are_refused() -> None:
    with pytest.raises(ValueError, match="no operation 'conv'; allowed: none, skip_connect"):
        operation("conv", 2)
    with pytest.raises(ValueError, match=r"3 channels .*allowed: an even number"):
        operation("skip_connect", 3, 2)
    with pytest.raises(ValueError, match="1×5; allowed: 2 or more"):
        AuxiliaryHead(3, 5, (1, 5))


# drop-path


def in_training(network: CellNetwork, x: Tensor) -> Tensor:
    torch.manual_seed(1)
    return logits_of(network.train()(x))


@pytest.mark.parametrize("name", ["284", "SNAS-mild"])
def test_drop_path_changes_training_alone_and_only_above_zero(name: str) -> None:
    network = build(CELLS[name], small((3, 8, 8)))
    x = torch.randn(4, 3, 8, 8)
    assert network.drop_path == 0.0
    trained, evaluated = in_training(network, x), network.eval()(x)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    network.drop_path = 0.0
    assert torch.equal(in_training(network, x), trained)
    network.drop_path = 0.5
    assert network.drop_path == 0.5
    dropped = in_training(network, x)
    assert not torch.equal(dropped, trained)
    assert torch.equal(in_training(network, x), dropped)
    network.load_state_dict(state)
    assert torch.equal(network.eval()(x), evaluated)


@pytest.mark.parametrize("probability", [-0.1, 1.0, float("nan")])
def test_drop_path_is_a_probability_below_one(probability: float) -> None:
    network = build(SKIP_ONLY, small((3, 8, 8)))
    with pytest.raises(ValueError, match=r"drop_path is .*; allowed: 0 or more, less than 1"):
        network.drop_path = probability


def test_a_path_is_dropped_per_image_and_keeps_its_scale() -> None:
    pool = nasbench201.parse("|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|")
    (out,) = CellGraph(pool.dag().edges, 1, (3,), 2)(
        (torch.ones(4000, 2, 3, 3),), torch.tensor(0.8)
    )
    first = out[:, 0, 0, 0]
    assert torch.equal(out, first.view(-1, 1, 1, 1).expand_as(out))
    assert set(first.tolist()) == {0.0, 1.25}
    assert first.mean() == pytest.approx(1, abs=0.03)  # standard error 0.008


def test_edges_are_dropped_apart_and_identities_never() -> None:
    cell = nasbench201.parse(
        "|skip_connect~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|avg_pool_3x3~1|skip_connect~2|"
    )
    (out,) = CellGraph(cell.dag().edges, 1, (3,), 1)((torch.ones(400, 1, 2, 2),), torch.tensor(0.5))
    assert set(out.flatten().tolist()) == {1.0, 3.0, 5.0}


# how it is computed


@pytest.mark.parametrize("name", ["6111", "AmoebaNet-A", "no path"])
def test_channels_last_and_bfloat16_give_the_same_but_for_rounding(name: str) -> None:
    network = build(CELLS[name], small((3, 16, 16))).eval()
    x = torch.randn(2, 3, 16, 16)
    plain = network(x)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # lacks it
    x = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(x), plain)
    network.drop_path = 0.2
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(network(x).float(), plain, rtol=0.1, atol=0.1)
        logits = logits_of(network.train()(x))
    assert logits.dtype == torch.bfloat16
    torch.autograd.backward(logits.float().sum())


@pytest.mark.parametrize("name", ["6111", "AmoebaNet-A", "SNAS-mild"])
def test_gradients_are_the_slopes_of_the_loss(name: str) -> None:
    """Of every tensor of parameters, along a drawn direction, against differences of the loss."""
    network = build(CELLS[name], small((3, 8, 8), channels=4)).double()
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)

    def loss() -> Tensor:
        return logits_of(network(x)).square().mean()

    torch.autograd.backward(loss())
    step = 1e-6
    for parameter in network.parameters():
        if parameter.grad is None:
            continue
        direction = torch.randn_like(parameter)
        ends = []
        with torch.no_grad():
            for move in (step, -2 * step, step):
                parameter.add_(direction, alpha=move)
                ends.append(loss().item())
        slope = (ends[0] - ends[1]) / (2 * step)
        along = float((parameter.grad * direction).sum())
        assert along == pytest.approx(slope, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ["6111", "AmoebaNet-A", "SNAS-mild"])
def test_what_batch_normalisation_gets_back_lies_channels_last(name: str) -> None:
    """Also where it is a slice of what a cell puts out; read elsewhere it takes several times as
    long."""
    network = build(CELLS[name], small((3, 16, 16), channels=4))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # lacks it
    got = []

    def look(_module: torch.nn.Module, gradients: Any) -> None:
        (gradient,) = gradients
        got.append(gradient.is_contiguous(memory_format=torch.channels_last))

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_full_backward_pre_hook(look)
    x = torch.randn(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    torch.autograd.backward(logits_of(network(x)).square().sum())
    assert got
    assert all(got)


@pytest.mark.parametrize("name", ["6111", "AmoebaNet-A", "no path"])
def test_a_network_compiles_whole_and_once_for_all_probabilities(name: str) -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    network = build(CELLS[name], small((3, 8, 8), auxiliary=name == "no path", channels=4))
    compiled = torch.compile(network, backend=backend, fullgraph=True)
    x = torch.randn(4, 3, 8, 8)
    for probability in (0.1, 0.2, 0.3):
        network.drop_path = probability
        torch.manual_seed(1)
        found = logits_of(compiled(x))
        torch.testing.assert_close(found, in_training(network, x))
    assert len(graphs) == 1
