"""Images: every format gives what was written; limits, what is kept, and images of one's own."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.training.datasets import SYSTEM_PLACES, Dataset
from service.training.images import Images, ImagesError, ImageSet, load
from tests.conftest import SHARED_DATA, need
from tests.service.training import image_writers as write
from tests.service.training.image_writers import (
    Array,
    Drawn,
    Files,
    drawn,
    encoded,
    put,
    scaled,
    tar,
    there,
    tree,
)

Made = dict[str, Drawn]

CIFAR10, VALID, CIFAR100 = scaled("cifar10"), scaled("cifar10-valid"), scaled("cifar100")
IMAGENET, FASHION = scaled("ImageNet16-120"), scaled("fashion-mnist")

# Every format: the data set, its folder, and how its files are written.
FORMATS: dict[str, tuple[Dataset, Callable[[Made], Files]]] = {
    "python 2 batches": (CIFAR10, lambda m: write.batches(CIFAR10, m)),
    "python 3 batches": (CIFAR10, lambda m: write.batches(CIFAR10, m, write.python3)),
    "python batches, fine labels": (CIFAR100, lambda m: write.batches(CIFAR100, m)),
    "binary batches": (CIFAR10, lambda m: write.binary(CIFAR10, m)),
    "binary batches, fine labels": (CIFAR100, lambda m: write.binary(CIFAR100, m)),
    "python archive": (
        CIFAR100,
        lambda m: {"cifar-100-python.tar.gz": tar(write.batches(CIFAR100, m), "cifar-100-python")},
    ),
    "binary archive": (
        CIFAR10,
        lambda m: {"cifar-10-binary.tar.gz": tar(write.binary(CIFAR10, m), "b", packed=False)},
    ),
    "ImageNet16": (IMAGENET, lambda m: write.imagenet16(IMAGENET, m)),
    "IDX": (FASHION, lambda m: write.idx(FASHION, m)),
    "IDX, packed": (FASHION, lambda m: write.idx(FASHION, m, packed=True)),
    "Parquet": (CIFAR10, lambda m: write.parquet(CIFAR10, m, shards=3)),
    "Parquet, fine labels": (CIFAR100, lambda m: write.parquet(CIFAR100, m)),
    "Parquet, grey": (FASHION, lambda m: write.parquet(FASHION, m, column="image")),
}


def loaded(name: str, tmp_path: Path, **limits: int | None) -> tuple[Images, Made]:
    dataset, files = FORMATS[name]
    made = drawn(dataset)
    return load(dataset, there(dataset, files(made), tmp_path), **limits), made  # type: ignore[arg-type]


def pairs(*parts: ImageSet | Drawn) -> set[tuple[bytes, int]]:
    """Images with their labels, without their order."""
    return {
        (image.tobytes(), int(label))
        for part in parts
        for image, label in zip(part.images, part.labels, strict=True)
    }


def same(left: Images, right: Images) -> bool:
    return left.checksum == right.checksum and left.split == right.split


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_what_was_written(name: str, tmp_path: Path) -> None:
    images, made = loaded(name, tmp_path)
    dataset, _ = FORMATS[name]
    assert {key: len(part.labels) for key, part in images.sets.items()} == dataset.sizes
    for part in images.sets.values():
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert part.images.shape == (len(part.labels), *(dataset.image or ()))
        assert part.images.flags.c_contiguous
        assert part.images.flags.writeable
    held = [images.sets[key] for key in ("train", "x-valid") if key in images.sets]
    if dataset.divided == "test":
        assert pairs(images.sets["train"]) == pairs(made["train"])
        assert pairs(images.sets["x-valid"], images.sets["x-test"]) == pairs(made["test"])
    else:
        assert pairs(*held) == pairs(made["train"])
    assert pairs(images.sets["ori-test"]) == pairs(made["test"])
    assert (images.dataset, images.classes) == (dataset.name, dataset.classes)
    assert images.rendering == "original"


@pytest.mark.parametrize("name", ["python 2 batches", "binary archive", "Parquet"])
def test_a_set_that_is_not_divided_keeps_its_order(name: str, tmp_path: Path) -> None:
    images, made = loaded(name, tmp_path)
    for key, part in (("train", made["train"]), ("ori-test", made["test"])):
        assert np.array_equal(images.sets[key].images, part.images)  # type: ignore[index]
        assert np.array_equal(images.sets[key].labels, part.labels)  # type: ignore[index]


def test_jpegs_are_decoded_and_named(tmp_path: Path) -> None:
    made = drawn(CIFAR10)
    smooth = np.linspace(0, 255, 32).astype(np.uint8)
    made["train"].images[:] = smooth
    images = load(
        CIFAR10, there(CIFAR10, write.parquet(CIFAR10, made, kind="JPEG"), tmp_path), evaluate=1
    )
    assert images.rendering == "jpeg"
    error = images.sets["train"].images.astype(int) - made["train"].images
    assert np.abs(error).max() < 12


def test_the_benchmarks_means_are_those_it_lays_down(tmp_path: Path) -> None:
    images, _ = loaded("binary batches", tmp_path)
    assert images.mean == (125.3, 123.0, 113.9)
    assert images.std == (63.0, 62.1, 66.7)


def test_other_means_are_those_of_the_training_images(tmp_path: Path) -> None:
    images, _ = loaded("IDX", tmp_path, train=40)
    pixels = images.sets["train"].images.astype(np.float64)
    assert images.mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-12)
    assert images.std == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-12)


def test_the_checksum_is_over_pixels_and_labels_in_order(tmp_path: Path) -> None:
    images, _ = loaded("python batches, fine labels", tmp_path)
    digest = hashlib.sha256()
    for key in ("train", "x-valid", "x-test", "ori-test"):
        part = images.sets[key]
        digest.update(part.images.tobytes() + part.labels.astype("<i8").tobytes())
    assert images.checksum == digest.hexdigest()


# Limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["binary batches", "Parquet", "IDX", "ImageNet16"])
def test_limits_take_a_sample_with_all_classes_alike(name: str, tmp_path: Path) -> None:
    whole, _ = loaded(name, tmp_path)
    dataset, _ = FORMATS[name]
    images = load(dataset, [tmp_path], train=25, evaluate=7)
    assert list(images.sets) == list(whole.sets)
    for key, part in images.sets.items():
        together = key == "ori-test" and "x-test" in images.sets
        assert len(part.labels) == (25 if key == "train" else 14 if together else 7)
        assert pairs(part) < pairs(whole.sets[key])
        if not together:
            counts = np.bincount(part.labels, minlength=dataset.classes or 0)
            assert counts.max() - counts.min() <= 1
    assert "at most 25 images to train on and at most 7 images of each other set" in images.split


def test_a_sample_depends_on_its_own_limit_alone(tmp_path: Path) -> None:
    loaded("Parquet", tmp_path)
    one = load(CIFAR10, [tmp_path], train=20)
    other = load(CIFAR10, [tmp_path], train=20, evaluate=5, cache=tmp_path / "cache")
    assert np.array_equal(one.sets["train"].images, other.sets["train"].images)
    larger = load(CIFAR10, [tmp_path], train=30)
    assert pairs(one.sets["train"]) < pairs(larger.sets["train"])


def test_a_limit_above_what_there_is_takes_all(tmp_path: Path) -> None:
    whole, _ = loaded("IDX", tmp_path)
    assert load(FASHION, [tmp_path], train=10**9, evaluate=10**9).checksum == whole.checksum


@pytest.mark.parametrize("limits", [{"train": 0}, {"evaluate": -1}])
def test_a_limit_of_nothing_is_refused(limits: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="allowed are 1 and more"):
        loaded("IDX", tmp_path, **limits)


def test_only_what_is_needed_is_decoded(tmp_path: Path) -> None:
    files = write.parquet(CIFAR10, drawn(CIFAR10))
    where = there(CIFAR10, files, tmp_path)
    chosen = load(CIFAR10, where, train=10).sets["train"]
    broken = drawn(CIFAR10)
    kept = pairs(chosen)
    rows = [
        image if (image.tobytes(), int(label)) in kept else np.zeros((3, 5, 5), np.uint8)
        for image, label in zip(broken["train"].images, broken["train"].labels, strict=True)
    ]
    object.__setattr__(broken["train"], "images", rows)
    put(where[0] / "cifar10", write.parquet(CIFAR10, broken))
    assert pairs(load(CIFAR10, where, train=10).sets["train"]) == kept
    with pytest.raises(ImagesError, match="RGB 5x5 where the others are RGB 32x32"):
        load(CIFAR10, where)


# Cache ---------------------------------------------------------------------------------------


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "images").glob("*"))


def test_decoded_pixels_are_kept_for_the_next_time(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, _ = loaded("Parquet", tmp_path)
    assert same(load(CIFAR10, [tmp_path], cache=cache), first)
    assert [path.name[:-20] for path in kept(cache)] == ["cifar10-test-", "cifar10-train-"]
    # Other pixels of the same size and time: they are not read again.
    for path in (tmp_path / "cifar10").iterdir():
        about, content = path.stat(), bytearray(path.read_bytes())
        place = content.index(b"IDAT")
        content[place + 40] ^= 255
        path.write_bytes(content)
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert same(load(CIFAR10, [tmp_path], cache=cache), first)
    assert same(load(VALID, [tmp_path], cache=cache), load(VALID, [tmp_path], cache=cache))
    assert len(kept(cache)) == 2


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "replaced", "pickled"])
def test_a_damaged_cache_is_made_anew(damage: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, _ = loaded("Parquet", tmp_path)
    load(CIFAR10, [tmp_path], cache=cache)
    good = [path.read_bytes() for path in kept(cache)]
    for path in kept(cache):
        content = bytearray(path.read_bytes())
        content[5000] ^= 1
        array = io.BytesIO()
        np.save(array, np.zeros(3) if damage == "replaced" else np.array([{}]), allow_pickle=True)
        path.write_bytes(
            {"flipped": bytes(content), "cut": bytes(content[:4000]), "emptied": b""}.get(
                damage, array.getvalue()
            )
        )
    assert same(load(CIFAR10, [tmp_path], cache=cache), first)
    assert [path.read_bytes() for path in kept(cache)] == good


def test_what_was_kept_of_other_files_is_replaced(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    loaded("Parquet", tmp_path, train=None)
    load(CIFAR10, [tmp_path], cache=cache)
    before = kept(cache)
    for path in (tmp_path / "cifar10").iterdir():
        path.unlink()
    put(tmp_path / "cifar10", write.parquet(CIFAR10, drawn(CIFAR10, seed=1)))
    images = load(CIFAR10, [tmp_path], cache=cache)
    assert pairs(images.sets["train"]) == pairs(drawn(CIFAR10, seed=1)["train"])
    assert len(kept(cache)) == 2
    assert not set(before) & set(kept(cache))


def test_a_sample_is_taken_from_what_is_kept_but_not_kept_itself(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    loaded("Parquet", tmp_path)
    sample = load(CIFAR10, [tmp_path], train=10, evaluate=10, cache=cache)
    assert not kept(cache)
    load(CIFAR10, [tmp_path], cache=cache)
    assert same(load(CIFAR10, [tmp_path], train=10, evaluate=10, cache=cache), sample)


def test_without_room_for_a_cache_images_are_read_all_the_same(tmp_path: Path) -> None:
    first, _ = loaded("Parquet", tmp_path)
    put(tmp_path, {"cache": b"a file"})
    assert same(load(CIFAR10, [tmp_path], cache=tmp_path / "cache"), first)


# Images of one's own -------------------------------------------------------------------------


def own(tmp_path: Path, files: Files, **limits: int) -> Images:
    put(tmp_path / "Flowers", files)
    return load("flowers", [tmp_path], **limits)  # type: ignore[arg-type]


def test_ones_own_folders_are_read(tmp_path: Path) -> None:
    files = tree({"train/rose": 30, "train/iris": 20, "test/iris": 3, "test/rose": 4})
    images = own(tmp_path, files | {"train/rose/.DS_Store": b"", "train/notes.txt": b""})
    assert (images.dataset, images.classes, images.rendering) == ("flowers", 2, "original")
    sizes = {key: np.bincount(part.labels).tolist() for key, part in images.sets.items()}
    assert sizes == {"train": [18, 27], "x-valid": [2, 3], "ori-test": [3, 4]}
    assert images.sets["train"].images.shape == (45, 3, 6, 6)
    assert images.split == "x-valid is a seeded, stratified tenth of the folder train"
    for folder, label in (("test/iris", 0), ("test/rose", 1)):
        part = images.sets["ori-test"]
        written = {content for name, content in files.items() if name.startswith(folder)}
        assert {encoded(image) for image in part.images[part.labels == label]} == written


def test_a_folder_valid_is_taken_as_it_is(tmp_path: Path) -> None:
    files = tree({"train/a": 5, "train/b": 5, "valid/a": 2, "valid/b": 3}, channels=1)
    images = own(tmp_path, files)
    assert {key: part.images.shape for key, part in images.sets.items()} == {
        "train": (10, 1, 6, 6),
        "x-valid": (5, 1, 6, 6),
    }
    assert images.split == "x-valid is the folder valid"


def test_ones_own_images_are_kept_decoded(tmp_path: Path) -> None:
    first = own(tmp_path, tree({"train/a": 12, "train/b": 12}))
    for _ in range(2):
        assert same(load("flowers", [tmp_path], cache=tmp_path / "cache"), first)
    assert [path.name[:-20] for path in kept(tmp_path / "cache")] == ["flowers-train-"]


def test_a_channel_that_never_changes_can_be_divided_by(tmp_path: Path) -> None:
    black = encoded(np.zeros((3, 4, 4), np.uint8))
    images = own(tmp_path, {"train/a/1.png": black, "train/b/1.png": black, "train/b/2.png": black})
    assert (images.mean, images.std) == ((0.0,) * 3, (1.0,) * 3)


# Real images ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> Images:
    pytest.importorskip("sklearn")
    return load("digits", [])


def test_digits_are_scikit_learns(digits: Images) -> None:
    bundle = pytest.importorskip("sklearn.datasets").load_digits()
    exact: Array = bundle.images * 255 / 16
    rounded = np.floor(exact + 0.5).astype(np.uint8).reshape(-1, 1, 8, 8)
    assert pairs(*digits.sets.values()) == pairs(Drawn(rounded, bundle.target))
    sizes = {key: len(part.labels) for key, part in digits.sets.items()}
    assert sizes == {"train": 1079, "x-valid": 359, "ori-test": 359}
    shares = [
        np.bincount(part.labels) / np.bincount(bundle.target) for part in digits.sets.values()
    ]
    for share, meant in zip(shares, (0.6, 0.2, 0.2), strict=True):
        assert np.abs(share - meant).max() < 0.006
    values = digits.sets["train"].images
    assert np.unique(values).tolist()[:3] == [0, 16, 32]
    assert values.max() == 255


def test_digits_are_divided_the_same_on_every_machine(digits: Images) -> None:
    assert digits.checksum.startswith(DIGITS)


# Fixed for all time: a run keeps it to say what it was trained on.
DIGITS = "d08317ada735"


def test_real_cifar10_in_parquet() -> None:
    need(SHARED_DATA / "cifar10" / "train.parquet")
    images = load("cifar10-valid", [SHARED_DATA], train=200, evaluate=100)
    assert images.rendering == "jpeg"
    sizes = {key: np.bincount(part.labels).tolist() for key, part in images.sets.items()}
    assert sizes == {"train": [20] * 10, "x-valid": [10] * 10, "ori-test": [10] * 10}
    pixels = images.sets["train"].images.astype(np.float64)
    # The published means and deviations, from 200 images.
    assert pixels.mean(axis=(0, 2, 3)) == pytest.approx(images.mean, abs=8)
    assert pixels.std(axis=(0, 2, 3)) == pytest.approx(images.std, abs=8)
    assert "isn't beside the images" in images.split


def test_real_fashion_mnist() -> None:
    if not (SYSTEM_PLACES[0] / "fashion-mnist").exists():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    images = load("fashion-mnist", SYSTEM_PLACES)
    sizes = {key: np.bincount(part.labels).tolist() for key, part in images.sets.items()}
    assert sizes == {"train": [5000] * 10, "x-valid": [1000] * 10, "ori-test": [1000] * 10}
    # Of all 60,000 training images the mean is 0.2860 and the deviation 0.3530 (of 1).
    assert images.mean[0] / 255 == pytest.approx(0.2860, abs=1e-3)
    assert images.std[0] / 255 == pytest.approx(0.3530, abs=1e-3)
    # The test set begins with an ankle boot, a pullover and two pairs of trousers.
    assert images.sets["ori-test"].labels[:4].tolist() == [9, 2, 1, 1]
