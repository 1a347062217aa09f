"""What a network costs, as NAS-Bench-201 counts it (torch)."""

import copy

import torch
from torch import Tensor, nn

from service.training.networks.graph import CellGraph


def count(network: nn.Module, image: tuple[int, int, int]) -> tuple[float, float]:
    """Parameters and multiply-adds for one image (channels, height, width), both in millions.

    Parameters are all that are trained, an auxiliary head's included. Multiply-adds ("FLOPs" in the
    benchmark) are those of convolutions and linear layers, of these with the bias, in eval mode,
    so without the auxiliary head; pools, BN and sums count nothing. This is the count that gives
    7.78305 M for CIFAR-10 without any operation (Dong and Yang 2020, arXiv 2001.00326), dead edges
    counted although a network leaves them out. Nothing is computed and the network is not changed.
    """
    params = sum(p.numel() for p in network.parameters() if p.requires_grad)
    shadow = copy.deepcopy(network).to("meta").eval()
    flops = 0

    def add(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal flops
        if isinstance(layer, nn.Conv2d):
            flops += layer.weight[0].numel() * output.numel()
        elif isinstance(layer, nn.Linear):
            flops += layer.weight.numel() + layer.bias.numel()

    for module in shadow.modules():
        if isinstance(module, CellGraph):
            module.whole = True
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(add)
    with torch.no_grad():
        shadow(torch.empty(1, *image, device="meta"))
    return round(params / 1e6, 6), round(flops / 1e6, 6)
