"""The network that NAS-Bench-201 trained for each cell (torch).

Dong and Yang 2020, arXiv 2001.00326, section 2: a 3×3 convolution; three stages of N cells at C, 2C
and 4C channels, parted by residual blocks of stride 2; BN, ReLU, global average pool, linear.
"""

from typing import cast

from torch import Tensor, nn

from analysis.spaces.nasbench201 import NasBench201Cell
from service.training.networks.graph import CellGraph, CellNetwork, stem
from service.training.networks.operations import relu_conv_bn
from service.training.networks.shape import NetworkShape

_STAGES = 3


class ResidualReduction(nn.Module):
    """(n, c, h, w) to (n, 2c, ⌈h/2⌉, ⌈w/2⌉): two ReLU-conv3×3-BN beside 2×2 average pool, conv1×1.

    Where a side is odd, the pool's last window is what is left of the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            relu_conv_bn(channels, 2 * channels, 3, stride=2),
            relu_conv_bn(2 * channels, 2 * channels, 3),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both branches."""
        return cast(Tensor, self.shortcut(x) + self.convolutions(x))


class NasBench201Network(CellNetwork):
    """A cell of NAS-Bench-201 in the benchmark's skeleton; weights as torch initialises them.

    Raises:
        ValueError: an auxiliary head, which this skeleton lacks.
    """

    def __init__(self, cell: NasBench201Cell, shape: NetworkShape) -> None:
        super().__init__()
        if shape.auxiliary:
            raise ValueError("no auxiliary head in NAS-Bench-201's skeleton; allowed: False")
        dag = cell.dag()
        self.stem = stem(shape.image[0], shape.channels, shape.stem_stride)
        self.stages = nn.ModuleList()
        self.reductions = nn.ModuleList()
        for stage in range(_STAGES):
            channels = shape.channels * 2**stage
            self.reductions.append(ResidualReduction(channels // 2) if stage else nn.Identity())
            self.stages.append(
                nn.ModuleList(
                    CellGraph(dag.edges, len(dag.inputs), (dag.output,), channels)
                    for _ in range(shape.cells)
                )
            )
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Linear(channels, shape.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) to logits (n, classes)."""
        keep = self.kept()
        x = self.stem(x)
        for reduction, cells in zip(self.reductions, self.stages, strict=True):
            x = reduction(x)
            for cell in cast(nn.ModuleList, cells):
                (x,) = cell((x,), keep)
        return cast(Tensor, self.classifier(self.last(x).mean((2, 3))))
