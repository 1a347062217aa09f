"""Images in memory, divided into the sets that the benchmark names.

What is trained and evaluated on is that of NAS-Bench-201 (arXiv 2001.00326, table 2): ``cifar10``
trains on all of the original training images and ``cifar10-valid`` on one half, with the other as
x-valid; of ``cifar100`` and ``ImageNet16-120`` the original test images are halved into x-valid and
x-test, and ori-test is both together. Other data sets hold out x-valid from the training images.

Where the benchmark's split file lies beside the images, or in the folder above, and these are in
the original order, it decides; else a sample does that is stratified, and seeded by the data set's
name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np

from data.sources.base import EVAL_SETS, EvalSet
from service.training.datasets import Dataset, located
from service.training.image_files import batches, digits, folders, idx, parquet
from service.training.image_files.base import (
    ORDERED,
    Format,
    Found,
    Indices,
    Labels,
    Pixels,
    Records,
    Stored,
)
from service.training.image_files.base import ImagesError as ImagesError
from service.training.image_files.cache import pixels_of
from service.training.image_files.division import (
    division_of,
    held_out,
    split_file,
    split_file_beside,
)
from service.training.samples import stratified

_READERS: Final[dict[Format, Callable[[Dataset, Found], Stored]]] = {
    "python": batches.read_files,
    "binary": batches.read_files,
    "tar": batches.read_tar,
    "imagenet16": batches.read_imagenet16,
    "idx": idx.read,
    "parquet": parquet.read,
    "scikit-learn": digits.read,
    "folders": folders.read,
}


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One set.

    Attributes:
        images: uint8 (n, channels, height, width), C-contiguous.
        labels: int64 (n,), from 0.
    """

    images: Pixels
    labels: Labels


@dataclass(frozen=True, slots=True)
class Images:
    """A data set, ready to be trained on.

    Attributes:
        rendering: ``original``, or ``jpeg`` where the images were encoded anew.
        mean, std: of each channel, of 255. Those of the benchmark for its data sets, else those of
            the training images; where a channel never changes, its std is 1.
        division: by what the sets were made, ``official`` or ``seeded``.
        split: how, a sentence.
        checksum: SHA-256 over the pixels, then the labels (8 bytes each, little-endian), of one set
            after another in the order of `EVAL_SETS`.
    """

    dataset: str
    rendering: str
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sets: dict[EvalSet, ImageSet]
    division: str
    split: str
    checksum: str


Division = dict[EvalSet, tuple[Records, Indices]]
"""For each set the records it is from and which of them it has; ori-test is left out where it is
x-valid and x-test together."""


def load(
    dataset: str | Dataset,
    places: Sequence[Path],
    *,
    train: int | None = None,
    evaluate: int | None = None,
    cache: Path | None = None,
) -> Images:
    """Reads a data set.

    Args:
        dataset: its name, or a description of one that `DATASETS` doesn't have.
        places: where it is looked for.
        train: at most so many images to train on: a sample with all classes alike, which depends on
            the data set, the set and this number alone.
        evaluate: at most so many of each other set, likewise; where ori-test is x-valid and x-test
            together, it stays so.
        cache: a folder to keep decoded pixels in.

    Raises:
        ImagesError: the images aren't there (with where it looked and how to get them), are damaged
            or aren't what they should be; or a limit is below 1.
    """
    for limit in (train, evaluate):
        if limit is not None and limit < 1:
            raise ImagesError(f"a limit of {limit} images; allowed are 1 and more, or None")
    about, found, detail = located(dataset, places)
    if found is None:
        how = f"; to get it: {about.how_to_get}" if about else ""
        raise ImagesError(f"{about.name if about else dataset}: {detail}{how}")
    name = about.name if about else str(dataset)
    if about is None:
        classes = len(folders.classes_of(found.path))
        about = Dataset(name, name, classes, None, {}, "", "", "", ())
    stored = _READERS[found.format](about, found)
    division, split = _divided(about, stored, found)
    for key, (records, chosen) in division.items():
        limit = train if key == "train" else evaluate
        if limit is not None:
            fewer = stratified(records.labels[chosen], limit, name, key)
            division[key] = records, chosen[fewer]
    # cifar10 and cifar10-valid share what is kept.
    sets = _decoded((*about.files.folders, name)[0], stored, division, cache)
    mean, std = (about.mean, about.std) if about.mean and about.std else moments(sets["train"])
    return Images(
        dataset=name,
        rendering=found.rendering,
        classes=about.classes or 0,
        mean=mean,
        std=std,
        sets=sets,
        division=division_of(about, found),
        split=split + _limits_told(train, evaluate),
        checksum=checksum(sets),
    )


def _divided(about: Dataset, stored: Stored, found: Found) -> tuple[Division, str]:
    """Which images are in which set, and a sentence about it."""
    train, test = stored.train, stored.test
    name, sizes = about.name, about.sizes
    division: Division = {"train": (train, np.arange(len(train.labels)))}
    if test is not None:
        division["ori-test"] = test, np.arange(len(test.labels))
    if about.divided == "all":
        rest, out = held_out(train.labels, sizes["ori-test"], name, "ori-test")
        own, valid = held_out(train.labels[rest], sizes["x-valid"], name, "x-valid")
        division = {
            "train": (train, rest[own]),
            "x-valid": (train, rest[valid]),
            "ori-test": (train, out),
        }
        return division, "x-valid and ori-test are seeded, stratified samples of all images"
    if about.divided == "train":
        (own, valid), how = _halves(about, found, train.labels, ("train", "x-valid"))
        division |= {"train": (train, own), "x-valid": (train, valid)}
        return division, f"x-valid is taken out of the training images {how}"
    if about.divided == "test" and test is not None:
        (valid, last), how = _halves(about, found, test.labels, ("x-valid", "x-test"))
        del division["ori-test"]
        division |= {"x-valid": (test, valid), "x-test": (test, last)}
        return division, f"the original test images are divided into x-valid and x-test {how}"
    if found.format != "folders":
        return division, "trained on all training images; ori-test is the original test set"
    if stored.valid is not None:
        division["x-valid"] = stored.valid, np.arange(len(stored.valid.labels))
        return division, "x-valid is the folder valid"
    own, valid = held_out(train.labels, max(1, len(train.labels) // 10), name, "x-valid")
    division |= {"train": (train, own), "x-valid": (train, valid)}
    return division, "x-valid is a seeded, stratified tenth of the folder train"


def _halves(
    about: Dataset, found: Found, labels: Labels, names: tuple[EvalSet, EvalSet]
) -> tuple[tuple[Indices, ...], str]:
    """The indices of the two sets, and by what they were told apart."""
    sizes = about.sizes[names[0]], about.sizes[names[1]]
    file, there = about.files.split, split_file_beside(about, found)
    if there is not None and found.format in ORDERED:
        keys = ("train", "valid") if about.divided == "train" else ("xvalid", "xtest")
        return split_file(there, keys, sizes), f"by the benchmark's {file}"
    how = "by a seeded, stratified sample"
    if there is not None:
        how += f" ({file} counts in the order of the original archives, which these files lack)"
    elif file:
        how += f" (the benchmark's {file} isn't beside the images)"
    rest, out = held_out(labels, about.sizes["x-valid"], about.name, "x-valid")
    return ((rest, out) if names[0] == "train" else (out, rest)), how


def _decoded(
    name: str, stored: Stored, division: Division, cache: Path | None
) -> dict[EvalSet, ImageSet]:
    """The sets, those from the same records being slices of one array."""
    found: dict[EvalSet, ImageSet] = {}
    for kind, records in (("train", stored.train), ("test", stored.test), ("valid", stored.valid)):
        if records is None:
            continue
        parts = {key: chosen for key, (own, chosen) in division.items() if own is records}
        together = np.concatenate([parts[key] for key in EVAL_SETS if key in parts])
        # torch takes no arrays that it may not write to.
        pixels = np.require(pixels_of(records, together, cache, f"{name}-{kind}"), None, ["C", "W"])
        labels = records.labels[together]
        start = 0
        for key in EVAL_SETS:
            if key in parts:
                end = start + len(parts[key])
                found[key] = ImageSet(pixels[start:end], labels[start:end])
                start = end
        if "x-test" in parts:
            found["ori-test"] = ImageSet(pixels, labels)
    return {key: found[key] for key in EVAL_SETS if key in found}


def moments(part: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of 255.

    From counts of the 256 values, hence exact but for the last rounding.
    """
    n, channels, height, width = part.images.shape
    pixels = n * height * width
    means, stds = [], []
    for channel in range(channels):
        counts = np.zeros(256, np.int64)
        for start in range(0, n, 4096):
            values = part.images[start : start + 4096, channel]
            counts += np.bincount(values.ravel(), minlength=256)
        total = sum(value * count for value, count in enumerate(counts.tolist()))
        squares = sum(value**2 * count for value, count in enumerate(counts.tolist()))
        variance = Fraction(squares, pixels) - Fraction(total, pixels) ** 2
        means.append(total / pixels)
        stds.append(sqrt(variance) if variance else 1.0)
    return tuple(means), tuple(stds)


def checksum(sets: dict[EvalSet, ImageSet]) -> str:
    """See `Images`."""
    digest = hashlib.sha256()
    for key in EVAL_SETS:
        if key in sets:
            digest.update(sets[key].images.data)
            digest.update(sets[key].labels.astype("<i8").data)
    return digest.hexdigest()


def _limits_told(train: int | None, evaluate: int | None) -> str:
    told = [
        f"at most {limit:,} images {what}"
        for limit, what in ((train, "to train on"), (evaluate, "of each other set"))
        if limit is not None
    ]
    return f"; {' and '.join(told)}, a seeded sample with all classes alike" if told else ""
