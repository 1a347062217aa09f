"""Trainable networks of the cells of both spaces (torch)."""

from analysis.cells import Cell
from analysis.spaces.nasbench201 import NasBench201Cell
from service.training.networks.darts import DartsNetwork
from service.training.networks.graph import CellNetwork
from service.training.networks.nasbench201 import NasBench201Network
from service.training.networks.shape import NetworkShape

__all__ = ["CellNetwork", "NetworkShape", "build"]


def build(cell: Cell, shape: NetworkShape) -> CellNetwork:
    """The network of a cell, with weights drawn from torch's global generator.

    A cell of NAS-Bench-201 goes into the benchmark's skeleton, a genotype into the evaluation
    network of DARTS. Images (n, c, h, w) give logits (n, classes); with an auxiliary head, in train
    mode, (logits, auxiliary logits). Cells without a path from input to output are built and
    trained too: their logits depend on biases alone. An auxiliary head in train mode needs batches
    of two images or more, since BN has one value per image and channel there.

    Raises:
        ValueError: a shape that this space's skeleton cannot have.
    """
    if isinstance(cell, NasBench201Cell):
        return NasBench201Network(cell, shape)
    return DartsNetwork(cell, shape)
