"""What the readers of image files share: a data set's description, records, bounded reading."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""Images as (n, channels, height, width)."""
Labels = npt.NDArray[np.int64]
"""Classes of n images, from 0."""
Indices = npt.NDArray[np.int64]

Format = Literal[
    "python", "binary", "tar", "imagenet16", "parquet", "idx", "scikit-learn", "folders"
]
ORDERED: Final[frozenset[Format]] = frozenset(("python", "binary", "tar", "imagenet16"))
"""Those that have the images in the order that the benchmark's split files count in."""

GZIP: Final = b"\x1f\x8b"
MAX_SET_BYTES: Final = 8 << 30
"""Most bytes of decoded pixels in one set."""


class ImagesError(ValueError):
    """Images that aren't there, are damaged, or aren't what they should be."""


@dataclass(frozen=True, slots=True)
class Files:
    """Under which names the images of a data set are looked for.

    Attributes:
        formats: in the order of preference.
        folders: customary names of the folder that holds them.
        archives: names of tar archives without ``.tar.gz``.
        train, test: names of the files of either set, in their order.
        label: column of the labels in Parquet; in pickles the key is this with an s.
        split: name of the benchmark's split file.
    """

    formats: tuple[Format, ...]
    folders: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    label: str = "label"
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that cells can be trained on.

    Attributes:
        image: channels, height, width.
        sizes: images by set: train, x-valid, x-test, ori-test.
        how_to_get: what to do where the images are missing.
        formats: what files are looked for, in words.
        files: the same for the readers.
        divided: which stored images are divided: those for training into train and x-valid, those
            for testing into x-valid and x-test, or the only ones there are.
        mirrored: whether a mirror image is of the same class.
        mean, std: of each channel, of 255, where they are laid down.
    """

    name: str
    title: str
    classes: int | None
    image: tuple[int, int, int] | None
    sizes: dict[str, int]
    origin: str
    licence: str
    how_to_get: str
    formats: tuple[str, ...]
    files: Files = field(default=Files(()), repr=False)
    divided: Literal["train", "test", "all"] | None = None
    mirrored: bool = True
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def stored(self) -> tuple[int, int]:
        """How many images the files have for training and for testing."""
        if self.divided == "all":
            return sum(self.sizes.values()), 0
        held_out = self.sizes["x-valid"] if self.divided == "train" else 0
        return self.sizes["train"] + held_out, self.sizes["ori-test"]


@dataclass(frozen=True, slots=True)
class Found:
    """Files that were found, told by their names and first bytes.

    Attributes:
        path: the file or folder that holds them.
        rendering: ``original``, or ``jpeg`` where they were encoded anew.
    """

    format: Format
    path: Path
    train: tuple[Path, ...]
    test: tuple[Path, ...]
    rendering: str = "original"


class Records(Protocol):
    """Labelled images as they are stored, perhaps still encoded."""

    @property
    def labels(self) -> Labels:
        """The class of each."""
        ...

    def pixels(self, chosen: Indices) -> Pixels:
        """The chosen images in the chosen order.

        Raises:
            ImagesError: one of them is damaged or isn't what it should be.
        """
        ...

    def stamp(self) -> str | None:
        """What changes with the files; None where decoding costs nothing worth keeping."""
        ...


@dataclass(frozen=True, slots=True)
class Arrays:
    """Records that need no decoding."""

    images: Pixels
    labels: Labels

    def pixels(self, chosen: Indices) -> Pixels:
        """See `Records`."""
        return self.images[chosen]

    def stamp(self) -> None:
        """See `Records`."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The records of a data set by what its files say they are for."""

    train: Records
    test: Records | None = None
    valid: Records | None = None


def head(path: Path, size: int = 512) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(size)


def read_bounded(path: Path, limit: int) -> bytes:
    """What a file holds, unpacked if it is packed with gzip, which its first bytes tell.

    Raises:
        ImagesError: more than ``limit`` bytes, or damaged.
    """
    try:
        packed = head(path, 2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            data = bytes(file.read(limit + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise ImagesError(f"{path}: can't be read: {error}") from error
    if len(data) > limit:
        raise ImagesError(f"{path}: holds more than the {limit:,} bytes that are allowed")
    return data


def checked_labels(labels: npt.ArrayLike, classes: int, where: object) -> Labels:
    """Labels as int64.

    Raises:
        ImagesError: no list of integers, or one is outside 0..``classes`` - 1.
    """
    try:
        array = np.asarray(labels)
    except ValueError:
        array = np.empty(0, object)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ImagesError(f"{where}: the labels are no list of integers")
    wrong = (array < 0) | (array >= classes)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ImagesError(
            f"{where}: image {first:,} has label {array[first]}; allowed are 0 to {classes - 1}"
        )
    return array.astype(np.int64)


def check_count(found: int, expected: int, where: object) -> None:
    """Raises `ImagesError` unless the numbers of images agree."""
    if found != expected:
        raise ImagesError(f"{where}: {found:,} images where there should be {expected:,}")
