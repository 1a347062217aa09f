"""Dividing stored images into sets: by the benchmark's split files, or seeded and stratified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from data.told_apart import OFFICIAL, SEEDED
from service.training.image_files.base import (
    ORDERED,
    Dataset,
    Found,
    ImagesError,
    Indices,
    Labels,
    read_bounded,
)
from service.training.samples import dealt

_MAX_SPLIT_FILE: Final = 16 << 20


def held_out(labels: Labels, count: int, *key: str) -> tuple[Indices, Indices]:
    """Divides images into the rest and ``count`` that are held out; either one ascending.

    Each class gives as large a share as any other (its seats by Webster's method), so that no
    small class is used up. What is held out depends on the labels, ``count`` and ``key`` alone.
    """
    order, rank = dealt(labels, *key)
    place = (rank + 0.5) / np.bincount(labels)[labels[order]]
    chosen = order[np.argsort(place, kind="stable")]
    return np.sort(chosen[count:]), np.sort(chosen[:count])


def split_file_beside(about: Dataset, found: Found) -> Path | None:
    """The benchmark's split file beside the images, or in the folder above; None without one."""
    folder = found.path if found.path.is_dir() else found.path.parent
    name = about.files.split
    there = [path / name for path in (folder, folder.parent) if name and (path / name).is_file()]
    return there[0] if there else None


def division_of(about: Dataset | None, found: Found) -> str:
    """By what found images are divided: ``official`` or ``seeded`` (:mod:`data.told_apart`).

    ``about`` is None for images of one's own, which are not divided where a folder ``valid`` is.
    """
    if found.format == "folders":
        return OFFICIAL if (found.path / "valid").is_dir() else SEEDED
    if about is None or about.divided is None:
        return OFFICIAL
    by_file = found.format in ORDERED and split_file_beside(about, found) is not None
    return OFFICIAL if by_file else SEEDED


def split_file(path: Path, names: tuple[str, str], sizes: tuple[int, int]) -> tuple[Indices, ...]:
    """The two sets of one of the benchmark's split files, ascending.

    JSON: ``{"train": ["int", ["0", "5", ...]], "valid": ...}``. Numbers may be text or not, and
    the lists may stand without the type's name.

    Args:
        path: the file.
        names: the keys of the two sets.
        sizes: how many images either has.

    Raises:
        ImagesError: damaged, or the sets aren't a partition of the images in these sizes.
    """
    try:
        content = json.loads(read_bounded(path, _MAX_SPLIT_FILE))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ImagesError):
            raise
        raise ImagesError(f"{path}: is no JSON: {error}") from error
    if not isinstance(content, dict) or not set(names) <= set(content):
        raise ImagesError(f"{path}: no object with the keys {' and '.join(names)}")
    parts = [_indices(path, name, content[name]) for name in names]
    for name, part, size in zip(names, parts, sizes, strict=True):
        if len(part) != size:
            raise ImagesError(f"{path}: {name} has {len(part):,} images, expected are {size:,}")
    together = np.sort(np.concatenate(parts))
    wrong = together != np.arange(sum(sizes))
    if wrong.any():
        raise ImagesError(
            f"{path}: {' and '.join(names)} don't divide the images 0 to {sum(sizes) - 1:,}: one "
            f"is there twice, missing or beyond, at {together[np.argmax(wrong)]}"
        )
    return tuple(np.sort(part) for part in parts)


def _indices(path: Path, name: str, value: Any) -> Indices:
    match value:
        case ["int", list(values)]:
            pass
        case list(values):
            pass
        case _:
            raise ImagesError(f"{path}: {name} is no list of numbers")
    numbers = []
    for one in values:
        text = str(one) if isinstance(one, str) or type(one) is int else ""
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise ImagesError(f"{path}: {name} has {str(one)[:40]!r} where a number should be")
        numbers.append(int(text))
    return np.array(numbers, np.int64)
