"""Augmentation, image by image, against windows cut by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.training.augment import Pixels, Preparation, crop, cutout, flip
from service.training.recipe_settings import Augmentation
from service.training.setting import shrunk

CPU = torch.device("cpu")


def numbered(n: int, channels: int, side: int) -> torch.Tensor:
    """Images all of whose pixels differ, none of them zero."""
    count = n * channels * side * side
    return (torch.arange(count, dtype=torch.int32) + 1).view(n, channels, side, side)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    seed=st.integers(0, 2**31),
    padding=st.integers(1, 3),
    side=st.integers(4, 9),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=30, deadline=None)
def test_a_crop_is_a_window_of_the_padded_image(
    seed: int, padding: int, side: int, channels: int
) -> None:
    images = numbered(5, channels, side)
    cropped = crop(images, padding, generator(seed))
    assert cropped.shape == images.shape
    padded = torch.zeros(5, channels, side + 2 * padding, side + 2 * padding, dtype=images.dtype)
    padded[:, :, padding:-padding, padding:-padding] = images
    for image, whole in zip(cropped, padded, strict=True):
        windows = [
            whole[:, y : y + side, x : x + side]
            for y in range(2 * padding + 1)
            for x in range(2 * padding + 1)
        ]
        assert sum(torch.equal(image, window) for window in windows) == 1


def test_each_image_has_an_offset_of_its_own_and_all_come_up() -> None:
    images = numbered(1, 1, 4).repeat(4000, 1, 1, 1)
    cropped = crop(images, 2, generator(0))
    different = {tuple(image.flatten().tolist()) for image in cropped}
    assert len(different) == 25
    untouched = (cropped == images).flatten(1).all(1).double().mean().item()
    assert abs(untouched - 1 / 25) < 4 * math.sqrt(1 / 25 / 4000)


def test_no_padding_leaves_the_images_alone() -> None:
    images = numbered(3, 3, 5)
    assert torch.equal(crop(images, 0, generator(1)), images)
    assert torch.equal(cutout(images, 0, generator(1)), images)


def test_a_flip_mirrors_half_of_the_images() -> None:
    images = numbered(2000, 1, 4)
    flipped = flip(images, generator(3))
    same = (flipped == images).flatten(1).all(1)
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert abs(same.double().mean().item() - 0.5) < 4 * 0.5 / math.sqrt(2000)


@given(seed=st.integers(0, 2**31), side=st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_a_cutout_is_one_rectangle_within_the_square(seed: int, side: int) -> None:
    images = torch.ones(20, 2, 8, 8)
    for image in cutout(images, side, generator(seed)):
        assert torch.equal(image[0], image[1])
        rows = (image[0] == 0).any(1).nonzero().flatten()
        columns = (image[0] == 0).any(0).nonzero().flatten()
        assert 1 <= len(rows) <= side
        assert 1 <= len(columns) <= side
        blank = image[0, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (blank == 0).all()
        assert (image[0] == 0).sum() == blank.numel()
        for ends in (rows, columns):  # smaller only where it is cut off at the border
            assert len(ends) == side or ends[0] == 0 or ends[-1] == 7


def test_shares_of_a_side_become_pixels() -> None:
    augmentation = Augmentation(crop=0.125, flip=True, cutout=0.5)
    for side, padding, square in ((32, 4, 16), (16, 2, 8), (8, 1, 4), (28, 4, 14)):
        pixels = Pixels.of(augmentation, side, mirrored=True)
        assert pixels == Pixels(padding, True, square)
    assert not Pixels.of(augmentation, 8, mirrored=False).flip


def test_preparation_normalises_by_channel() -> None:
    images = torch.randint(0, 256, (4, 3, 6, 6), dtype=torch.uint8)
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)
    prepared = Preparation(mean, std, Pixels(0, False, 0), CPU).plain(images)
    for channel in range(3):
        expected = (images[:, channel].double() - mean[channel]) / std[channel]
        torch.testing.assert_close(prepared[:, channel].double(), expected, rtol=1e-6, atol=1e-6)
    assert prepared.is_contiguous(memory_format=torch.channels_last)


def test_a_crop_pads_with_black() -> None:
    """As in the benchmark, where the picture is padded before it is normalised."""
    images = torch.full((50, 1, 4, 4), 200, dtype=torch.uint8)
    prepare = Preparation((100.0,), (50.0,), Pixels(2, False, 0), CPU)
    values = set(prepare.augmented(images, generator(0)).flatten().tolist())
    assert values == {2.0, -2.0}  # (200 - 100) / 50 and (0 - 100) / 50


@pytest.mark.parametrize(
    ("side", "most", "expected"),
    [(32, 16, 16), (28, 16, 14), (8, 16, 8), (16, 16, 16), (33, 16, 11)],
)
def test_images_shrink_to_means_of_squares(side: int, most: int, expected: int) -> None:
    images = torch.randint(0, 256, (3, 2, side, side), dtype=torch.uint8)
    small = shrunk(images, most)
    assert small.shape == (3, 2, expected, expected)
    square = side // expected
    by_hand = images[1, 1, :square, :square].double().mean().round().item()
    assert small[1, 1, 0, 0].item() == by_hand
    assert torch.equal(shrunk(images, None), images)
