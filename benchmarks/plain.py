"""The loop that people write first: DataLoader, a transform an image, nothing else (torch)."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from analysis.cells import Cell
from service.training.images import Images, ImageSet
from service.training.networks import NetworkShape, build
from service.training.recipe_settings import NasBench201Network
from service.training.recipes import Recipe


class _Pictures(Dataset[tuple[Tensor, int]]):
    """One image at a time: mirrored, cropped and normalised, as torchvision's transforms do it."""

    def __init__(self, part: ImageSet, images: Images, *, padding: int, flip: bool) -> None:
        self._part = part
        self._mean = np.array(images.mean, np.float32)[:, None, None]
        self._std = np.array(images.std, np.float32)[:, None, None]
        self._padding = padding
        self._flip = flip

    def __len__(self) -> int:
        return len(self._part.labels)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        picture = self._part.images[number]
        if self._flip and random.random() < 0.5:
            picture = picture[:, :, ::-1]
        if self._padding:
            pad, side = self._padding, picture.shape[1]
            picture = np.pad(picture, ((0, 0), (pad, pad), (pad, pad)))
            y, x = random.randint(0, 2 * pad), random.randint(0, 2 * pad)
            picture = picture[:, y : y + side, x : x + side]
        normal = (picture.astype(np.float32) - self._mean) / self._std
        return torch.from_numpy(normal), int(self._part.labels[number])


@dataclass(frozen=True, slots=True)
class Plain:
    """What the plain loop did: images a second of training by epoch, accuracy in the end."""

    images_per_s: list[float]
    accuracy: float


def train(cell: Cell, recipe: Recipe, images: Images, seed: int, device: torch.device) -> Plain:
    """The recipe for a cell of NAS-Bench-201, trained plainly; evaluated on x-valid at the end."""
    torch.manual_seed(seed)
    random.seed(seed)
    skeleton = recipe.skeleton(cell.space)
    assert isinstance(skeleton, NasBench201Network)
    _, channels, height, width = images.sets["train"].images.shape
    shape = NetworkShape(
        skeleton.channels, skeleton.cells, images.classes, (channels, height, width)
    )
    network = build(cell, shape).to(device)
    sgd = recipe.optimiser
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=sgd.learning_rate,
        momentum=sgd.momentum,
        nesterov=sgd.nesterov,
        weight_decay=sgd.weight_decay,
    )
    padding = round(recipe.augment.crop * height)
    loader = DataLoader(
        _Pictures(images.sets["train"], images, padding=padding, flip=recipe.augment.flip),
        batch_size=recipe.batch,
        shuffle=True,
    )
    speeds = []
    for epoch in range(recipe.epochs):
        network.train()
        started = time.perf_counter()
        for number, (pictures, labels) in enumerate(loader):
            share = number / len(loader) if sgd.decay == "batch" else 0
            passed = (epoch + share) / recipe.epochs
            for group in optimiser.param_groups:
                group["lr"] = sgd.learning_rate * 0.5 * (1 + math.cos(math.pi * passed))
            optimiser.zero_grad()
            loss = cross_entropy(network(pictures.to(device)), labels.to(device))
            torch.autograd.backward(loss)
            optimiser.step()
            loss.item()  # printed, as loops do
        speeds.append(len(images.sets["train"].labels) / (time.perf_counter() - started))
    network.eval()
    right = 0
    with torch.no_grad():
        for pictures, labels in DataLoader(
            _Pictures(images.sets["x-valid"], images, padding=0, flip=False), batch_size=500
        ):
            right += int((network(pictures.to(device)).argmax(1).cpu() == labels).sum())
    return Plain(speeds, 100 * right / len(images.sets["x-valid"].labels))
