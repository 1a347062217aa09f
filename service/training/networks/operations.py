"""The operations of both spaces as torch modules.

Every operation maps (n, C, h, w) to (n, C, ⌈h/stride⌉, ⌈w/stride⌉). No module works in place: an
identity hands on the very tensor that it got, and other edges read that tensor too. Batch
normalisation has torch's defaults (momentum 0.1, eps 1e-5, affine), and no convolution has a bias.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.dag import NONE


class ReluFirst(nn.Module):
    """ReLU, then `layers`; apart, so that operations that read one node can share its ReLU."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The layers' result for the positive part of `x`."""
        return cast(Tensor, self.layers(functional.relu(x)))


class _Halved(nn.Module):
    """The convolutions of `factorized_reduce`: (n, c_in, h, w) to (n, c_out, ⌈h/2⌉, ⌈w/2⌉).

    1×1 with stride 2, written as every second pixel with stride 1: with fewer than 8 channels, on
    CPUs with AVX2 and no more, the strided gradient of oneDNN 3.12 writes beyond its memory.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(c_in, c_out // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        shifted = x
        if height % 2 or width % 2:
            shifted = functional.pad(x, (0, width % 2, 0, height % 2))
        pixels = _every_second(x, 0), _every_second(shifted, 1)
        return torch.cat((self.even(pixels[0]), self.odd(pixels[1])), dim=1)


def _every_second(x: Tensor, first: int) -> Tensor:
    """Every second pixel of each side, of (n, c, h, w).

    Taken with the channels last, so that the gradient, zeros with these pixels in them, has them
    last as well; else what comes before reads it across memory.
    """
    return x.permute(0, 2, 3, 1)[:, first::2, first::2].permute(0, 3, 1, 2)


def factorized_reduce(c_in: int, c_out: int) -> ReluFirst:
    """ReLU, half of the channels from the even positions and half from the odd ones, BN.

    Liu et al. 2019, arXiv 1806.09055. Halves h and w, rounded up: where a side is odd, the odd
    positions are one fewer, and a zero takes the place.

    Raises:
        ValueError: an odd number of output channels.
    """
    if c_out % 2:
        raise ValueError(f"{c_out} channels from a factorized reduction; allowed: an even number")
    return ReluFirst(_Halved(c_in, c_out), nn.BatchNorm2d(c_out))


def relu_conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1) -> ReluFirst:
    """ReLU, convolution, BN; keeps h and w at stride 1."""
    return ReluFirst(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
    )


def _separable_bn(channels: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    """Depthwise and pointwise convolution, BN."""
    reach = dilation * (kernel // 2)
    depthwise = nn.Conv2d(
        channels, channels, kernel, stride, reach, dilation, groups=channels, bias=False
    )
    pointwise = nn.Conv2d(channels, channels, 1, bias=False)
    return [depthwise, pointwise, nn.BatchNorm2d(channels)]


def _separable(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda channels, stride: ReluFirst(
        *_separable_bn(channels, kernel, stride, dilation=1),
        nn.ReLU(),
        *_separable_bn(channels, kernel, 1, dilation=1),
    )


def _dilated(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda channels, stride: ReluFirst(*_separable_bn(channels, kernel, stride, dilation=2))


def _factorised(kernel: int) -> Callable[[int, int], nn.Module]:
    """A convolution along each row, then one along each column."""
    reach = kernel // 2
    return lambda channels, stride: ReluFirst(
        nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, reach), bias=False),
        nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (reach, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


def _conv(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda channels, stride: relu_conv_bn(channels, channels, kernel, stride)


def _avg_pool(channels: int, stride: int) -> nn.Module:
    return nn.AvgPool2d(3, stride, 1, count_include_pad=False)


def _max_pool(channels: int, stride: int) -> nn.Module:
    return nn.MaxPool2d(3, stride, 1)


def _skip(channels: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 else factorized_reduce(channels, channels)


class Zero(nn.Module):
    """`none`: zeros of the shape that another operation of this stride would give."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros in the type and memory format of `x`."""
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


_BUILDERS: dict[str, Callable[[int, int], nn.Module]] = {
    NONE: lambda _, stride: Zero(stride),
    "skip_connect": _skip,
    "avg_pool_3x3": _avg_pool,
    "max_pool_3x3": _max_pool,
    "nor_conv_1x1": _conv(1),
    "nor_conv_3x3": _conv(3),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "sep_conv_7x7": _separable(7),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
    "conv_3x1_1x3": _factorised(3),
    "conv_7x1_1x7": _factorised(7),
}

KEEPS_ZERO = frozenset({NONE, "skip_connect", "avg_pool_3x3", "max_pool_3x3"})
"""The operations that make zeros of zeros; the others end in BN, whose bias they add."""


def operation(name: str, channels: int, stride: int = 1) -> nn.Module:
    """One operation of either space, from `channels` to `channels`.

    Pools are 3×3 with padding 1, which an average does not count. `skip_connect` with stride 2 is
    `factorized_reduce`, hence needs an even number of channels.

    Raises:
        ValueError: an unknown name, or an odd number of channels where it must be even.
    """
    if name not in _BUILDERS:
        raise ValueError(f"no operation {name!r}; allowed: {', '.join(_BUILDERS)}")
    return _BUILDERS[name](channels, stride)
