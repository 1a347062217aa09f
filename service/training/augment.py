"""Augmentation of a batch on its device, image by image (torch).

Random draws come from a generator that the caller seeds, all of a batch at once: nothing waits for
the device. Images are uint8 or floating, (n, c, h, w).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from service.training.recipe_settings import Augmentation


@dataclass(frozen=True, slots=True)
class Pixels:
    """An :class:`Augmentation` for images of one size: lengths in pixels."""

    padding: int
    flip: bool
    cutout: int

    @classmethod
    def of(cls, augmentation: Augmentation, side: int, *, mirrored: bool) -> Pixels:
        """For images ``side`` pixels high; ``mirrored``: whether mirror images keep their class.

        Shares of a side are rounded to whole pixels: 0.125 is 4 of 32, 2 of 16 and 1 of 8.
        """
        return cls(
            padding=round(augmentation.crop * side),
            flip=augmentation.flip and mirrored,
            cutout=round(augmentation.cutout * side),
        )


def crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """A random window of each image after ``padding`` zeros on every side.

    Offsets are uniform on 0..2·padding in each direction, drawn for each image on its own.
    """
    if not padding:
        return images
    n, channels, height, width = images.shape
    device = images.device
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    offsets = torch.randint(0, 2 * padding + 1, (2, n), generator=generator, device=device)
    rows = offsets[0, :, None] + torch.arange(height, device=device)
    columns = offsets[1, :, None] + torch.arange(width, device=device)
    which = torch.arange(n, device=device)
    # Indexing with all but the channels puts these last: (n, h, w, c), which is channels-last.
    picked = padded[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability one half."""
    chosen = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A square of zeros around a random pixel of each image, cut off at the border.

    The centre is uniform over all pixels, so that squares at the border are smaller (DeVries and
    Taylor 2017, arXiv 1708.04552). Applied after normalisation: zero is the mean.
    """
    if not side:
        return images
    n, _, height, width = images.shape
    device = images.device
    centre_y = torch.randint(0, height, (n, 1), generator=generator, device=device)
    centre_x = torch.randint(0, width, (n, 1), generator=generator, device=device)
    rows = _within(torch.arange(height, device=device), centre_y, side)
    columns = _within(torch.arange(width, device=device), centre_x, side)
    blank = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(blank, 0)


def _within(positions: Tensor, centre: Tensor, side: int) -> Tensor:
    start = centre - side // 2
    return (positions >= start) & (positions < start + side)


class Preparation:
    """From stored bytes to what a network reads: augmented where asked, normalised, channels-last.

    Args:
        mean, std: by channel, of 255.
        pixels: what is done to training images.
    """

    def __init__(
        self,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        pixels: Pixels,
        device: torch.device,
    ) -> None:
        self._mean = torch.tensor(mean, device=device).view(1, -1, 1, 1)
        self._scale = 1 / torch.tensor(std, device=device).view(1, -1, 1, 1)
        self._pixels = pixels

    def plain(self, images: Tensor) -> Tensor:
        """uint8 (n, c, h, w) → float32, normalised."""
        normal = (images.float() - self._mean) * self._scale
        return normal.contiguous(memory_format=torch.channels_last)

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The same with flip, crop and cutout.

        As in the benchmark, the crop pads with black pixels, before normalisation, and the cutout
        blanks to zero, after it.
        """
        if self._pixels.flip:
            images = flip(images, generator)
        images = crop(images, self._pixels.padding, generator)
        return cutout(self.plain(images), self._pixels.cutout, generator)
