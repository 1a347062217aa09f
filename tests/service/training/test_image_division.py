"""Division into sets: by the benchmark's split files, and with all classes alike without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.training.datasets import Dataset, most_images
from service.training.image_files.division import held_out
from service.training.images import ImagesError, ImageSet, load
from tests.service.training import image_writers as write
from tests.service.training.image_writers import (
    Drawn,
    Files,
    drawn,
    put,
    there,
)
from tests.service.training.test_images import (
    CIFAR100,
    FORMATS,
    IMAGENET,
    VALID,
    Made,
    loaded,
    same,
)


def indices_of(part: ImageSet, made: Drawn) -> list[int]:
    where = {image.tobytes(): index for index, image in enumerate(made.images)}
    return [where[image.tobytes()] for image in part.images]


HALVES: dict[str, tuple[Dataset, Callable[[Made], Files], tuple[str, str], str]] = {
    "cifar10-valid": (
        VALID,
        lambda m: write.batches(VALID, m),
        ("train", "x-valid"),
        "cifar-split.txt",
    ),
    "cifar100": (
        CIFAR100,
        lambda m: write.binary(CIFAR100, m),
        ("x-valid", "x-test"),
        "cifar100-test-split.txt",
    ),
    "ImageNet16-120": (
        IMAGENET,
        lambda m: write.imagenet16(IMAGENET, m),
        ("x-valid", "x-test"),
        "imagenet-16-120-test-split.txt",
    ),
}


def split_content(names: tuple[str, str], parts: list[list[int]], form: str) -> bytes:
    keys = ["train", "valid"] if names[0] == "train" else ["xvalid", "xtest"]
    values: list[Any] = [list(map(str, part)) if form != "bare" else part for part in parts]
    return json.dumps(
        {
            key: value if form == "bare" else ["int", value]
            for key, value in zip(keys, values, strict=True)
        }
    ).encode()


@pytest.mark.parametrize("form", ["official", "bare"])
@pytest.mark.parametrize("place", ["beside", "above"])
@pytest.mark.parametrize("name", HALVES)
def test_the_benchmarks_split_file_decides(
    name: str, place: str, form: str, tmp_path: Path
) -> None:
    dataset, files, names, file = HALVES[name]
    made = drawn(dataset)
    divided = made["train" if names[0] == "train" else "test"]
    order = np.random.default_rng(5).permutation(len(divided.labels)).tolist()
    size = dataset.sizes[names[0]]
    parts = [order[:size], order[size:]]
    where = there(dataset, files(made), tmp_path)
    folder = where[0] if place == "above" else where[0] / dataset.files.folders[0]
    put(folder, {file: split_content(names, parts, form)})
    images = load(dataset, where)
    for key, part in zip(names, parts, strict=True):
        assert indices_of(images.sets[key], divided) == sorted(part)  # type: ignore[index]
    assert f"by the benchmark's {file}" in images.split


def test_a_split_file_is_not_applied_to_another_order(tmp_path: Path) -> None:
    made = drawn(VALID)
    where = there(VALID, write.parquet(VALID, made), tmp_path)
    without = load(VALID, where)
    put(where[0] / "cifar10", {"cifar-split.txt": b"whatever"})
    images = load(VALID, where)
    assert images.checksum == without.checksum
    assert "cifar-split.txt counts in the order of the original archives" in images.split
    assert "isn't beside the images" in without.split


EVEN, ODD = list(range(0, 100, 2)), list(range(1, 100, 2))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "keys train and valid"),
        (json.dumps({"train": EVEN}).encode(), "keys train and valid"),
        (json.dumps({"train": EVEN, "valid": "all"}).encode(), "valid is no list"),
        (json.dumps({"train": EVEN, "valid": ODD[:-1]}).encode(), "49 images, expected are 50"),
        (json.dumps({"train": EVEN, "valid": EVEN}).encode(), "twice, missing or beyond, at 0"),
        (json.dumps({"train": EVEN, "valid": [*ODD[:-1], 100]}).encode(), "beyond, at 100"),
        (json.dumps({"train": EVEN, "valid": [*ODD[:-1], -1]}).encode(), "has '-1'"),
        (json.dumps({"train": EVEN, "valid": [*ODD[:-1], 1.5]}).encode(), "has '1.5'"),
        (json.dumps({"train": EVEN, "valid": [*ODD[:-1], True]}).encode(), "has 'True'"),
        (json.dumps({"train": EVEN, "valid": [*ODD[:-1], "²"]}).encode(), "has '²'"),
        (json.dumps({"train": EVEN, "valid": ["int", ODD, 3]}).encode(), "has 'int'"),
    ],
)
def test_a_split_file_that_divides_nothing_is_refused(
    content: bytes, said: str, tmp_path: Path
) -> None:
    where = there(VALID, write.binary(VALID, drawn(VALID)), tmp_path)
    put(where[0] / "cifar10", {"cifar-split.txt": content})
    with pytest.raises(ImagesError) as caught:
        load(VALID, where)
    assert said in str(caught.value)
    assert "cifar-split.txt" in str(caught.value)


@pytest.mark.parametrize("name", HALVES)
def test_without_a_split_file_the_halves_have_all_classes_alike(name: str, tmp_path: Path) -> None:
    dataset, files, names, file = HALVES[name]
    made = drawn(dataset)
    images = load(dataset, there(dataset, files(made), tmp_path))
    for key in names:
        counts = np.bincount(images.sets[key].labels, minlength=dataset.classes or 0)  # type: ignore[index]
        assert counts.max() - counts.min() <= 1
    assert f"{file} isn't beside" in images.split
    again = load(dataset, [tmp_path])
    assert same(images, again)


@pytest.mark.parametrize("limit", [None, 70])
def test_the_original_test_set_stays_both_halves(limit: int | None, tmp_path: Path) -> None:
    images, _ = loaded("python batches, fine labels", tmp_path, evaluate=limit)
    halves = [images.sets["x-valid"], images.sets["x-test"]]
    whole = images.sets["ori-test"]
    assert [len(part.labels) for part in halves] == [limit or 100] * 2
    assert np.array_equal(whole.images, np.concatenate([part.images for part in halves]))
    assert np.array_equal(whole.labels, np.concatenate([part.labels for part in halves]))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("limits", [{}, {"train": 25, "evaluate": 7}])
def test_how_many_there_are_to_measure_on_is_known_without_reading(
    name: str, limits: dict[str, int], tmp_path: Path
) -> None:
    images, _ = loaded(name, tmp_path, **limits)
    dataset, _ = FORMATS[name]
    assert most_images(dataset, "train", **limits) == len(images.sets["train"].labels)
    assert most_images(dataset, "test", **limits) == len(images.sets["ori-test"].labels)


def test_of_images_of_ones_own_only_the_limits_are_known() -> None:
    assert most_images("flowers", "train") is None
    assert most_images("flowers", "train", train=9, evaluate=5) == 9
    assert most_images("flowers", "test", train=9, evaluate=5) == 5


label_lists = st.lists(st.integers(0, 6), min_size=1, max_size=120)


@given(label_lists, st.integers(0, 120), st.text(max_size=5))
def test_holding_out_divides(labels: list[int], count: int, key: str) -> None:
    count = min(count, len(labels))
    rest, out = held_out(np.array(labels, np.int64), count, key)
    assert len(out) == count
    assert sorted([*rest, *out]) == list(range(len(labels)))
    assert (np.diff(rest) > 0).all()
    assert (np.diff(out) > 0).all()


@given(st.integers(2, 8), st.integers(1, 30), st.data())
def test_holding_out_takes_alike_from_classes_alike(
    classes: int, each: int, data: st.DataObject
) -> None:
    labels = np.repeat(np.arange(classes), each)
    _, out = held_out(labels, data.draw(st.integers(0, len(labels))), "k")
    counts = np.bincount(labels[out], minlength=classes)
    assert counts.max() - counts.min() <= 1


def test_holding_out_takes_the_same_share_of_every_class() -> None:
    labels = np.repeat([0, 1, 2, 3], [900, 90, 10, 1])
    _, out = held_out(labels, 100, "k")
    assert np.bincount(labels[out], minlength=4).tolist() == [90, 9, 1, 0]
