"""Images of one's own: ``<name>/train/<class>/*.png``, and ``valid`` and ``test`` likewise.

Classes are the names of the folders in ``train``, sorted. Images are PNG or JPEG, grey or RGB, all
of one size and mode.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from service.training.image_files.base import (
    Dataset,
    Found,
    ImagesError,
    Indices,
    Labels,
    Pixels,
    Stored,
    read_bounded,
)
from service.training.image_files.decoding import Shape, decoded, shape_of, stamp

_ENDINGS: Final = (".png", ".jpg", ".jpeg")
_MAX_FILE: Final = 64 << 20


def own(places: Sequence[Path]) -> dict[str, Path]:
    """Folders with folders of classes by the data set's name; the first place with a name wins.

    The name is the folder's in lower case, anything but letters and digits as a hyphen.
    """
    found: dict[str, Path] = {}
    for place in places:
        for folder in _subfolders(place):
            name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
            classes = _subfolders(folder / "train")
            if name and name not in found and any(any(_images(one)) for one in classes):
                found[name] = folder
    return found


def classes_of(folder: Path) -> tuple[str, ...]:
    """The names of the classes of a data set of one's own."""
    return tuple(sorted(one.name for one in _subfolders(folder / "train")))


def read(_: Dataset, found: Found) -> Stored:
    """Lists the files of every set; images are decoded when they are asked for.

    Raises:
        ImagesError: fewer than two classes, one without images, or one that ``train`` lacks.
    """
    classes = classes_of(found.path)
    if len(classes) < 2:
        raise ImagesError(f"{found.path / 'train'}: one folder a class, and two classes at least")
    train = _listed(found.path / "train", classes)
    with_images = train.paths[0]
    shape = shape_of(str(with_images), read_bounded(with_images, _MAX_FILE))
    others = {
        name: _listed(found.path / name, classes, shape) if (found.path / name).is_dir() else None
        for name in ("test", "valid")
    }
    return Stored(replace(train, shape=shape), others["test"], others["valid"])


@dataclass(frozen=True, slots=True)
class _Files:
    """See `service.training.image_files.base.Records`."""

    paths: tuple[Path, ...]
    labels: Labels
    shape: Shape

    def pixels(self, chosen: Indices) -> Pixels:
        paths = [self.paths[index] for index in chosen.tolist()]
        encoded = ((str(path), read_bounded(path, _MAX_FILE)) for path in paths)
        return decoded(encoded, len(paths), self.shape)

    def stamp(self) -> str:
        return stamp(self.paths)


def _listed(folder: Path, classes: Sequence[str], shape: Shape = (0, 0, 0)) -> _Files:
    """The images in the folders of classes, class by class, by name."""
    strange = sorted({one.name for one in _subfolders(folder)} - set(classes))
    if strange:
        raise ImagesError(f"{folder / strange[0]}: no such class in train")
    paths: list[Path] = []
    counts: list[int] = []
    for name in classes:
        own = sorted(_images(folder / name))
        if not own and folder.name == "train":
            raise ImagesError(f"{folder / name}: no images ({', '.join(_ENDINGS)})")
        paths += own
        counts.append(len(own))
    if not paths:
        raise ImagesError(f"{folder}: no images in folders of classes")
    return _Files(tuple(paths), np.repeat(np.arange(len(classes)), counts), shape)


def _images(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(_ENDINGS) and not entry.name.startswith("."):
                yield folder / entry.name


def _subfolders(folder: Path) -> list[Path]:
    """Folders in a folder by name; none where it can't be read or isn't one."""
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if one.is_dir() and not one.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]
