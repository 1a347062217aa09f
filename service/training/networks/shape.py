"""What a network is besides its cell."""

from dataclasses import dataclass
from typing import Literal, get_args

Stem = Literal["small", "tiny-imagenet"]
STEMS: tuple[Stem, ...] = get_args(Stem)

MIN_GENOTYPE_CELLS = 3
"""Fewer, and a network of a genotype would reduce in its first cell, or lack a second reduction."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The skeleton into which a cell is put.

    Attributes:
        channels: C, those of the first stage; 16 in NAS-Bench-201, 36 in DARTS.
        cells: of NAS-Bench-201's skeleton the cells per stage, N (5); of DARTS' all cells (20).
        classes: number of logits.
        image: (channels, height, width) of one image.
        stem: ``small`` is a 3×3 convolution at full size. ``tiny-imagenet`` is the same convolution
            with stride 2, so that 64×64 images reach the cells at 32×32, for which both skeletons
            were made: the network keeps the parameters and the cost that it has on CIFAR, where
            cells at full size would cost four times as much.
        auxiliary: whether a second classifier, for training only, reads the features at two thirds
            of the depth. Genotypes only.

    Raises:
        ValueError: a number below 1, or a stem that is none of `STEMS`.
    """

    channels: int
    cells: int
    classes: int
    image: tuple[int, int, int]
    stem: Stem = "small"
    auxiliary: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "cells", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: 1 or more")
        if len(self.image) != 3 or min(self.image) < 1:
            allowed = "(channels, height, width), each 1 or more"
            raise ValueError(f"image is {self.image}; allowed: {allowed}")
        if self.stem not in STEMS:
            raise ValueError(f"no stem {self.stem!r}; allowed: {', '.join(STEMS)}")

    @property
    def stem_stride(self) -> int:
        """1 or 2: the stride at which the stem reads the image."""
        return 2 if self.stem == "tiny-imagenet" else 1
