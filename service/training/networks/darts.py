"""The network in which genotypes are evaluated on small images (torch).

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, arXiv 1806.09055,
section 3 and appendix A.2: a stem of 3C channels, then cells, of which those at one and two thirds
of the depth halve the image and double the channels.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from analysis.spaces.darts import CONCAT, INPUTS, Genotype, Part
from service.training.networks.graph import CellGraph, CellNetwork, stem
from service.training.networks.operations import factorized_reduce, relu_conv_bn
from service.training.networks.shape import MIN_GENOTYPE_CELLS, NetworkShape

_STEM_MULTIPLIER = 3


class DartsCell(nn.Module):
    """A normal or reduction cell with the layers that bring both inputs to C channels.

    Args:
        genotype: where the cell is taken from.
        part: `normal`, or `reduce`, whose edges from the inputs have stride 2.
        c_before, c_last: channels of the outputs of the last cell but one and of the last.
        channels: C, of each node; the output has C for each node in `concat`.
        after_reduction: whether the last cell was a reduction, so that the one before it gave
            images of twice the size.
    """

    def __init__(
        self,
        genotype: Genotype,
        part: Part,
        c_before: int,
        c_last: int,
        channels: int,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        _, concat = genotype.cell(part)
        self.c_out = len(concat) * channels
        self.preprocess = nn.ModuleList(
            (
                factorized_reduce(c_before, channels)
                if after_reduction
                else relu_conv_bn(c_before, channels, 1),
                relu_conv_bn(c_last, channels, 1),
            )
        )
        edges = [edge for edge in genotype.dag(part).edges if edge.operation != CONCAT]
        stride = 2 if part == "reduce" else 1
        self.graph = CellGraph(edges, len(INPUTS), concat, channels, stride)

    def forward(self, before: Tensor, last: Tensor, keep: Tensor | None) -> Tensor:
        """The outputs of the two cells before to this one's: (n, c_out, ⌈h/stride⌉, ⌈w/stride⌉)."""
        inputs = [
            layer(x) if node in self.graph.reads else None
            for node, (layer, x) in enumerate(zip(self.preprocess, (before, last), strict=True))
        ]
        outputs = self.graph(inputs, keep)
        for value in outputs:
            if value.requires_grad:
                value.register_hook(_gathered)
        return torch.cat(outputs, dim=1)


def _gathered(gradient: Tensor) -> Tensor:
    """A node's gradient (n, C, h, w), a slice of that of all nodes, its channels side by side.

    Read in place, the slice takes batch normalisation two to five times as long on CPUs.
    """
    return gradient.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


class AuxiliaryHead(nn.Module):
    """A second classifier for training: (n, c, h, w) to (n, classes), h and w as in `size`.

    An average pool to 2×2, then convolutions to 128 and 768 channels and a linear layer. On 8×8
    features, those of CIFAR, it pools 5×5 windows with stride 3, as DARTS does; on other sizes, the
    same share of a side, with the windows flush to the edges.

    Raises:
        ValueError: a side below 2.
    """

    def __init__(self, channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        if min(size) < 2:
            raise ValueError(f"features of {size[0]}×{size[1]}; allowed: 2 or more a side")
        windows = [min(side - 1, math.ceil(side * 5 / 8)) for side in size]
        strides = [side - window for side, window in zip(size, windows, strict=True)]
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d((windows[0], windows[1]), (strides[0], strides[1])),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Features to logits, see the class."""
        return cast(Tensor, self.classifier(self.features(x).flatten(1)))


class DartsNetwork(CellNetwork):
    """A genotype in the evaluation network of DARTS; weights as torch initialises them.

    Raises:
        ValueError: fewer than three cells, or an image too small for the auxiliary head.
    """

    def __init__(self, genotype: Genotype, shape: NetworkShape) -> None:
        super().__init__()
        if shape.cells < MIN_GENOTYPE_CELLS:
            raise ValueError(
                f"{shape.cells} cells for a genotype; allowed: {MIN_GENOTYPE_CELLS} or more"
            )
        before = last = _STEM_MULTIPLIER * shape.channels
        self.stem = stem(shape.image[0], last, shape.stem_stride)
        self.cells = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        self.auxiliary_after = 2 * shape.cells // 3
        reductions = (shape.cells // 3, self.auxiliary_after)
        channels = shape.channels
        for i in range(shape.cells):
            part: Part = "reduce" if i in reductions else "normal"
            if part == "reduce":
                channels *= 2
            cell = DartsCell(genotype, part, before, last, channels, i - 1 in reductions)
            self.cells.append(cell)
            before, last = last, cell.c_out
            if shape.auxiliary and i == self.auxiliary_after:
                self.auxiliary = AuxiliaryHead(last, shape.classes, _auxiliary_size(shape))
        self.classifier = nn.Linear(last, shape.classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Images (n, c, h, w) to logits (n, classes).

        With an auxiliary head, in train mode: (logits, the head's logits).
        """
        keep = self.kept()
        auxiliary: Tensor | None = None
        before = last = self.stem(x)
        for i, cell in enumerate(self.cells):
            before, last = last, cell(before, last, keep)
            if self.training and self.auxiliary is not None and i == self.auxiliary_after:
                auxiliary = self.auxiliary(last)
        logits = cast(Tensor, self.classifier(last.mean((2, 3))))
        return logits if auxiliary is None else (logits, auxiliary)


def _auxiliary_size(shape: NetworkShape) -> tuple[int, int]:
    """Height and width of what the auxiliary head reads: two reductions after the stem."""
    factor = 4 * shape.stem_stride
    height, width = (math.ceil(side / factor) for side in shape.image[1:])
    if min(height, width) < 2:
        raise ValueError(
            f"images of {shape.image[1]}×{shape.image[2]} are too small for the auxiliary head; "
            f"allowed: {factor + 1} pixels or more a side"
        )
    return height, width
