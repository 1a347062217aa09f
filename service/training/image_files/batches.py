"""Batches of raw pixels: CIFAR's python and binary archives, packed or not, and ImageNet16's.

Formats: https://www.cs.toronto.edu/~kriz/cifar.html. A python batch is a pickled dictionary with
``data``, uint8 (n, 3072), a row holding the red, green and blue planes, and ``labels`` (CIFAR-100:
``fine_labels``). A binary batch is records of one label byte (CIFAR-100: coarse and fine) and 3,072
pixels. ImageNet16 (Chrabaszcz, Loshchilov, Hutter, arXiv 1707.08819) has python batches of 768
pixels with labels 1..1000; ImageNet16-120 is the images of labels 1..120 (arXiv 2001.00326).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt

from service.training.image_files import pickles
from service.training.image_files.base import (
    Arrays,
    Dataset,
    Files,
    Found,
    ImagesError,
    Labels,
    Stored,
    check_count,
    checked_labels,
    read_bounded,
)

IMAGENET_CLASSES: Final = 1000
_MAX_IMAGENET_BATCH: Final = 160 << 20  # the largest has 98.4 MB of pixels
_MAX_MEMBERS: Final = 100
_OVERHEAD: Final = 200  # bytes of label and file name with an image; CIFAR-100 has 33
_SLACK: Final = 1 << 16

Flat = npt.NDArray[np.uint8]
Batch = tuple[str, bytes]
"""Where it lies, and what it holds."""


def label_bytes(files: Files) -> int:
    """Bytes ahead of the pixels in a binary record, of which the last is the label."""
    return 2 if files.label == "fine_label" else 1


def read_files(dataset: Dataset, found: Found) -> Stored:
    """The python or binary batches that lie in a folder."""

    def joined(paths: tuple[Path, ...], count: int) -> Arrays:
        limit = _limit(dataset, count // len(paths))
        batches = ((str(path), read_bounded(path, limit)) for path in paths)
        return _joined(dataset, batches, count, len(paths), found.format == "binary")

    n_train, n_test = dataset.stored
    return Stored(joined(found.train, n_train), joined(found.test, n_test))


def read_tar(dataset: Dataset, found: Found) -> Stored:
    """The batches in a tar archive, python or binary, which its members' names tell."""
    files = dataset.files
    n_train, n_test = dataset.stored
    counts = dict.fromkeys(files.train, n_train // len(files.train))
    counts |= dict.fromkeys(files.test, n_test // len(files.test))
    limits = {name: _limit(dataset, count) for name, count in counts.items()}
    held = _members(found, limits)
    for suffix in ("", ".bin"):
        if all(name + suffix in held for name in counts):
            break
    else:
        needed = ", ".join(counts)
        raise ImagesError(f"{found.path}: lacks some of {needed}, plain or with .bin")

    def joined(names: tuple[str, ...], count: int) -> Arrays:
        batches = ((f"{found.path}: {name}{suffix}", held.pop(name + suffix)) for name in names)
        return _joined(dataset, batches, count, len(names), bool(suffix))

    return Stored(joined(files.train, n_train), joined(files.test, n_test))


def read_imagenet16(dataset: Dataset, found: Found) -> Stored:
    """ImageNet16's batches, of which the images of the first classes are kept."""
    assert dataset.classes is not None
    assert dataset.image is not None
    classes, image = dataset.classes, dataset.image

    def kept(paths: tuple[Path, ...], expected: int) -> Arrays:
        parts: list[tuple[Flat, Labels]] = []
        for path in paths:
            data = read_bounded(path, _MAX_IMAGENET_BATCH)
            flat, labels = _python(str(path), data, prod(image), "labels", IMAGENET_CLASSES + 1)
            if not labels.all():
                raise ImagesError(f"{path}: a label is 0; allowed are 1 to {IMAGENET_CLASSES}")
            chosen = labels <= classes
            parts.append((flat[chosen], labels[chosen] - 1))
        labels = np.concatenate([part for _, part in parts])
        check_count(len(labels), expected, f"{found.path}: labels 1 to {classes}")
        return Arrays(np.concatenate([part for part, _ in parts]).reshape(-1, *image), labels)

    n_train, n_test = dataset.stored
    return Stored(kept(found.train, n_train), kept(found.test, n_test))


def _limit(dataset: Dataset, count: int) -> int:
    return count * (prod(dataset.image or ()) + _OVERHEAD) + _SLACK


def _joined(
    dataset: Dataset, batches: Iterator[Batch], count: int, n_batches: int, binary: bool
) -> Arrays:
    """Batches of equal size as one array."""
    assert dataset.classes is not None
    assert dataset.image is not None
    size, key = prod(dataset.image), f"{dataset.files.label}s"
    images = np.empty((count, size), np.uint8)
    labels = np.empty(count, np.int64)
    each, rest = divmod(count, n_batches)
    assert not rest
    for number, (where, data) in enumerate(batches):
        if binary:
            flat, own = _binary(where, data, size, label_bytes(dataset.files), dataset.classes)
        else:
            flat, own = _python(where, data, size, key, dataset.classes)
        check_count(len(own), each, where)
        images[number * each : (number + 1) * each] = flat
        labels[number * each : (number + 1) * each] = own
    return Arrays(images.reshape(-1, *dataset.image), labels)


def _python(where: str, data: bytes, size: int, key: str, classes: int) -> tuple[Flat, Labels]:
    try:
        batch = pickles.loads(data)
    except ImagesError as error:
        raise ImagesError(f"{where}: {error}") from error
    missing = [name for name in ("data", key) if name not in batch]
    if missing:
        has = ", ".join(sorted(batch)[:8])
        raise ImagesError(f"{where}: the batch has no {' and no '.join(missing)}; it has {has}")
    flat = batch["data"]
    if not isinstance(flat, np.ndarray) or flat.dtype != np.uint8 or flat.shape[1:] != (size,):
        raise ImagesError(f"{where}: data is no uint8 array of (images, {size})")
    labels = checked_labels(batch[key], classes, where)
    check_count(len(labels), len(flat), f"{where}: labels")
    return flat, labels


def _binary(where: str, data: bytes, size: int, ahead: int, classes: int) -> tuple[Flat, Labels]:
    record = ahead + size
    if len(data) % record:
        raise ImagesError(
            f"{where}: {len(data):,} bytes are no whole number of {record}-byte records"
        )
    table = np.frombuffer(data, np.uint8).reshape(-1, record)
    return table[:, ahead:], checked_labels(table[:, ahead - 1], classes, where)


def _members(found: Found, limits: dict[str, int]) -> dict[str, bytes]:
    """The members with these names, plain or with .bin, none larger than its limit."""
    # Unpacked in memory first, so that no header of the archive can ask for more than there is.
    whole = io.BytesIO(read_bounded(found.path, sum(limits.values()) + (1 << 20)))
    held: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=whole, mode="r:") as archive:
            for number, member in enumerate(archive):
                _check_member(found, member, number)
                name = PurePosixPath(member.name).name
                limit = limits.get(name.removesuffix(".bin"))
                if not member.isreg() or limit is None:
                    continue
                if name in held or member.size > limit:
                    problem = "is there twice" if name in held else f"has {member.size:,} bytes"
                    raise ImagesError(f"{found.path}: {name} {problem}")
                content = archive.extractfile(member)
                held[name] = content.read() if content else b""
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, ImagesError):
            raise
        raise ImagesError(f"{found.path}: a damaged tar archive ({error})") from error
    return held


def _check_member(found: Found, member: tarfile.TarInfo, number: int) -> None:
    path = PurePosixPath(member.name)
    if number >= _MAX_MEMBERS:
        raise ImagesError(f"{found.path}: has more than {_MAX_MEMBERS} members")
    if path.is_absolute() or ".." in path.parts:
        raise ImagesError(f"{found.path}: refused: the member {member.name[:100]!r} leads outside")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ImagesError(
            f"{found.path}: refused: {member.name[:100]!r} is no plain file or folder"
        )
