"""IDX files, as Fashion-MNIST (and MNIST) come in, packed with gzip or not.

Big-endian: a magic number (0x0803 for images, 0x0801 for labels: uint8 with three dimensions or
one), the size of each dimension as uint32, then the values. https://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from service.training.image_files.base import (
    Arrays,
    Dataset,
    Found,
    ImagesError,
    Stored,
    checked_labels,
    read_bounded,
)

MAGIC: Final = {3: b"\x00\x00\x08\x03", 1: b"\x00\x00\x08\x01"}
"""The first bytes of a file of uint8 by the number of dimensions."""


def read(dataset: Dataset, found: Found) -> Stored:
    """Images and labels, two files a set."""
    n_train, n_test = dataset.stored
    return Stored(_set(dataset, found.train, n_train), _set(dataset, found.test, n_test))


def _set(dataset: Dataset, paths: tuple[Path, ...], count: int) -> Arrays:
    assert dataset.classes is not None
    assert dataset.image is not None
    images, labels = paths
    _, height, width = dataset.image
    return Arrays(
        _values(images, (count, height, width)).reshape(-1, *dataset.image),
        checked_labels(_values(labels, (count,)), dataset.classes, labels),
    )


def _values(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    start = MAGIC[len(shape)] + struct.pack(f">{len(shape)}I", *shape)
    size = int(np.prod(shape))
    data = read_bounded(path, len(start) + size)
    if data[: len(start)] != start:
        raise ImagesError(
            f"{path}: no IDX file of uint8 {shape}: it starts with "
            f"{data[: len(start)].hex(' ', 4)}, expected is {start.hex(' ', 4)}"
        )
    if len(data) != len(start) + size:
        raise ImagesError(f"{path}: cut short: {len(data) - len(start):,} of {size:,} values")
    return np.frombuffer(data, np.uint8, offset=len(start)).reshape(shape)
