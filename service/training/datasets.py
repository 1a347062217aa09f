"""What cells can be trained on, whether it is here, and how to get the rest.

Light: it looks at names and first bytes, decodes nothing, and imports neither torch nor Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from service.training.image_files import folders
from service.training.image_files.base import Dataset as Dataset
from service.training.image_files.base import Files, Found
from service.training.image_files.division import division_of
from service.training.image_files.finding import find

SYSTEM_PLACES: Final = (Path("/usr/share/datasets"),)
"""Where Debian's packages put data sets."""

_KRIZHEVSKY: Final = "https://www.cs.toronto.edu/~kriz/"
_BENCHMARK: Final = "https://github.com/D-X-Y/AutoDL-Projects"
_SPLITS: Final = f"{_BENCHMARK}/tree/main/configs/nas-benchmark"
_PARQUET: Final = "Hugging Face's Parquet: train*.parquet and test*.parquet"
_PUT: Final = "into the home's folder images, or one that CELLWISE_IMAGES names"

_CIFAR10: Final = Dataset(
    name="cifar10",
    title="CIFAR-10, trained on all 50,000 images",
    classes=10,
    image=(3, 32, 32),
    sizes={"train": 50_000, "ori-test": 10_000},
    origin="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    licence="none stated; the report is to be cited",
    how_to_get=f"put {_KRIZHEVSKY}cifar-10-python.tar.gz {_PUT}",
    formats=(
        "cifar-10-python.tar.gz or cifar-10-binary.tar.gz, or their files in a folder",
        f"{_PARQUET} with img and label in a folder cifar10",
    ),
    files=Files(
        formats=("python", "binary", "tar", "parquet"),
        folders=("cifar10", "cifar-10", "cifar-10-batches-py", "cifar-10-batches-bin"),
        archives=("cifar-10-python", "cifar-10-binary"),
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test=("test_batch",),
        split="cifar-split.txt",
    ),
    mean=(125.3, 123.0, 113.9),
    std=(63.0, 62.1, 66.7),
)
_CIFAR100: Final = Dataset(
    name="cifar100",
    title="CIFAR-100, the test images halved into x-valid and x-test",
    classes=100,
    image=(3, 32, 32),
    sizes={"train": 50_000, "x-valid": 5_000, "x-test": 5_000, "ori-test": 10_000},
    origin=_CIFAR10.origin,
    licence=_CIFAR10.licence,
    how_to_get=(
        f"put {_KRIZHEVSKY}cifar-100-python.tar.gz {_PUT}; for the benchmark's own halves, "
        f"cifar100-test-split.txt of {_SPLITS} beside it"
    ),
    formats=(
        "cifar-100-python.tar.gz or cifar-100-binary.tar.gz, or their files in a folder",
        f"{_PARQUET} with img and fine_label in a folder cifar100",
    ),
    files=Files(
        formats=("python", "binary", "tar", "parquet"),
        folders=("cifar100", "cifar-100", "cifar-100-python", "cifar-100-binary"),
        archives=("cifar-100-python", "cifar-100-binary"),
        train=("train",),
        test=("test",),
        label="fine_label",
        split="cifar100-test-split.txt",
    ),
    divided="test",
    mean=(129.3, 124.1, 112.4),
    std=(68.2, 65.4, 70.4),
)
_IMAGENET16: Final = Dataset(
    name="ImageNet16-120",
    title="ImageNet at 16x16 pixels, the first 120 classes",
    classes=120,
    image=(3, 16, 16),
    sizes={"train": 151_700, "x-valid": 3_000, "x-test": 3_000, "ori-test": 6_000},
    origin="Chrabaszcz, Loshchilov, Hutter, arXiv 1707.08819; Dong and Yang, arXiv 2001.00326",
    licence="ImageNet's terms of access: research that isn't commercial",
    how_to_get=(
        f"put the folder ImageNet16, to which the README of {_BENCHMARK} leads (or ImageNet's own "
        f"downsampled 16x16 batches), {_PUT}; for the benchmark's own halves, "
        f"imagenet-16-120-test-split.txt of {_SPLITS} beside it"
    ),
    formats=("train_data_batch_1 to train_data_batch_10 and val_data in a folder ImageNet16",),
    files=Files(
        formats=("imagenet16",),
        folders=("ImageNet16", "ImageNet16-120", "imagenet16"),
        train=tuple(f"train_data_batch_{number}" for number in range(1, 11)),
        test=("val_data",),
        split="imagenet-16-120-test-split.txt",
    ),
    divided="test",
    mean=(122.68, 116.66, 104.01),
    std=(63.22, 61.26, 65.09),
)
_FASHION: Final = Dataset(
    name="fashion-mnist",
    title="Fashion-MNIST: grey images of clothes",
    classes=10,
    image=(1, 28, 28),
    sizes={"train": 50_000, "x-valid": 10_000, "ori-test": 10_000},
    origin="Xiao, Rasul, Vollgraf, arXiv 1708.07747",
    licence="MIT",
    how_to_get=(
        "apt-get install dataset-fashion-mnist on Debian or Ubuntu; or put the four files of "
        "https://github.com/zalandoresearch/fashion-mnist in a folder fashion-mnist and this "
        f"{_PUT}"
    ),
    formats=(
        "train-images-idx3-ubyte and three more, with or without .gz, in a folder fashion-mnist",
        f"{_PARQUET} with image and label in a folder fashion-mnist",
    ),
    files=Files(
        formats=("idx", "parquet"),
        folders=("fashion-mnist", "fashion_mnist", "FashionMNIST"),
        train=("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        test=("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ),
    divided="train",
)
_DIGITS: Final = Dataset(
    name="digits",
    title="scikit-learn's digits: grey images of 8x8, for trials of a minute",
    classes=10,
    image=(1, 8, 8),
    sizes={"train": 1_079, "x-valid": 359, "ori-test": 359},
    origin="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (test set)",
    licence="CC BY 4.0; scikit-learn BSD-3-Clause",
    how_to_get="pip install scikit-learn",
    formats=("digits.csv.gz in the installed scikit-learn",),
    files=Files(formats=("scikit-learn",)),
    divided="all",
    mirrored=False,
)
_CIFAR10_VALID: Final = replace(
    _CIFAR10,
    name="cifar10-valid",
    title="CIFAR-10, trained on one half of the 50,000 images, the other half as x-valid",
    sizes={"train": 25_000, "x-valid": 25_000, "ori-test": 10_000},
    how_to_get=(
        f"{_CIFAR10.how_to_get}; for the benchmark's own halves, cifar-split.txt of {_SPLITS} "
        "beside it"
    ),
    divided="train",
)

DATASETS: Final[dict[str, Dataset]] = {
    dataset.name: dataset
    for dataset in (_CIFAR10, _CIFAR10_VALID, _CIFAR100, _IMAGENET16, _FASHION, _DIGITS)
}
"""The data sets that are known by name."""


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a data set's images are on this machine.

    Attributes:
        path: the file or folder that holds them.
        format: ``python``, ``binary``, ``tar``, ``imagenet16``, ``parquet``, ``idx``,
            ``scikit-learn`` or ``folders``.
        rendering: ``original``, ``jpeg`` where they were encoded anew, None where there are none.
        split: by what they are divided into sets: ``official``, ``seeded``, None likewise.
        detail: a sentence; where none were found, what was looked for, where, and what was wrong.
    """

    found: bool
    path: Path | None
    format: str | None
    rendering: str | None
    split: str | None
    detail: str


def places(home: Path, extra: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Where images are looked for, in this order: ``extra``, the home's folder, the system's."""
    return tuple(dict.fromkeys((*extra, home / "images", *SYSTEM_PLACES)))


def known(places: Sequence[Path]) -> list[str]:
    """The names of `DATASETS`, then of one's own data sets in these places, by name.

    One's own are folders ``<place>/<name>/train/<class>/`` with PNG or JPEG files.
    """
    return [*DATASETS, *sorted(_own(places))]


def _own(places: Sequence[Path]) -> dict[str, Path]:
    taken = {name.lower() for name in DATASETS}
    return {name: path for name, path in folders.own(places).items() if name not in taken}


def located(
    dataset: str | Dataset, places: Sequence[Path]
) -> tuple[Dataset | None, Found | None, str]:
    """What is known of a data set (nothing of one's own), its files, and a sentence about them."""
    about = DATASETS.get(dataset) if isinstance(dataset, str) else dataset
    where = ", ".join(map(str, places))
    if about is not None:
        found, faults = find(about, places)
        if found is None:
            looked = [] if about.files.formats == ("scikit-learn",) else [f"looked in {where}"]
            detail = "; ".join(["looked for " + "; or ".join(about.formats), *looked, *faults])
        elif found.rendering == "jpeg":
            detail = "JPEG re-encodings: close to the original images, not the same"
        else:
            detail = "the original images"
        return about, found, detail
    folder = _own(places).get(str(dataset))
    if folder is None:
        allowed = ", ".join(known(places))
        return None, None, f"no data set {dataset!r}; looked in {where}; there are {allowed}"
    found = Found("folders", folder, (folder,), ())
    return None, found, f"{len(folders.classes_of(folder))} folders of classes"


def status(dataset: str | Dataset, places: Sequence[Path]) -> Status:
    """Whether the images of a data set are in one of these places. Decodes none of them."""
    about, found, detail = located(dataset, places)
    if found is None:
        return Status(False, None, None, None, None, detail)
    split = division_of(about, found)
    return Status(True, found.path, found.format, found.rendering, split, detail)


def here(dataset: str, places: Sequence[Path]) -> tuple[str, str] | None:
    """Rendering and split of the images that a training here would be on; None without any."""
    there = status(dataset, places)
    if there.rendering is None or there.split is None:
        return None
    return there.rendering, there.split


def most_images(
    dataset: str | Dataset,
    images: Literal["test", "train"],
    *,
    train: int | None = None,
    evaluate: int | None = None,
) -> int | None:
    """How many images there can be to measure on, None where that isn't known without reading them.

    Exact for `DATASETS`; of one's own data sets only the limits are known.

    Args:
        images: those to train on, or those of ori-test.
        train, evaluate: limits, as `images.load` takes them.
    """
    about = DATASETS.get(dataset) if isinstance(dataset, str) else dataset
    limit = train if images == "train" else evaluate
    if about is None:
        return limit
    parts = ["train"] if images == "train" else ["ori-test"]
    if images == "test" and about.divided == "test":  # ori-test is both of them together
        parts = ["x-valid", "x-test"]
    sizes = [about.sizes[part] for part in parts]
    return sum(sizes if limit is None else (min(size, limit) for size in sizes))


def mirrored(name: str) -> bool:
    """Whether a mirror image is of the same class; taken to be so for images of one's own.

    Whether images are mirrored is the recipe's choice; this only keeps it from digits.
    """
    return DATASETS[name].mirrored if name in DATASETS else True
