"""Where images are found, what is said of them, and of those that aren't there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.training.datasets import DATASETS, known, mirrored, places, status
from tests.service.training import image_writers as write
from tests.service.training.image_writers import Drawn, drawn, put, scaled, tar, tree

Made = dict[str, Drawn]

CIFAR10 = scaled("cifar10")
CIFAR100 = scaled("cifar100")
FASHION = scaled("fashion-mnist")
HTML = b"<!DOCTYPE html><html>Not found</html>"


def test_the_benchmarks_sets_have_their_published_sizes() -> None:
    sizes = {name: dataset.sizes for name, dataset in DATASETS.items()}
    assert sizes["cifar10"] == {"train": 50000, "ori-test": 10000}
    assert sizes["cifar10-valid"] == {"train": 25000, "x-valid": 25000, "ori-test": 10000}
    assert sizes["cifar100"] == {
        "train": 50000,
        "x-valid": 5000,
        "x-test": 5000,
        "ori-test": 10000,
    }
    assert sizes["ImageNet16-120"] == {
        "train": 151700,
        "x-valid": 3000,
        "x-test": 3000,
        "ori-test": 6000,
    }
    assert sizes["fashion-mnist"] == {"train": 50000, "x-valid": 10000, "ori-test": 10000}
    assert sum(sizes["digits"].values()) == 1797


def test_the_extra_places_come_first_and_the_systems_last() -> None:
    found = places(Path("/home"), [Path("/a"), Path("/b"), Path("/a")])
    assert found == (Path("/a"), Path("/b"), Path("/home/images"), Path("/usr/share/datasets"))


def test_digits_are_not_mirrored_and_all_else_is() -> None:
    assert [name for name in (*DATASETS, "flowers") if not mirrored(name)] == ["digits"]


LAYOUTS: dict[str, tuple[str, str, Callable[[Made], dict[str, bytes]], str]] = {
    "batches": ("cifar10", "cifar-10-batches-py", lambda m: write.batches(CIFAR10, m), "python"),
    "binary": ("cifar10", "cifar-10-batches-bin", lambda m: write.binary(CIFAR10, m), "binary"),
    "archive": (
        "cifar10",
        "",
        lambda m: {"cifar-10-python.tar.gz": tar(write.batches(CIFAR10, m), "cifar-10-batches-py")},
        "tar",
    ),
    "unpacked by the browser": (
        "cifar10",
        "",
        lambda m: {
            "cifar-10-binary.tar.gz": tar(write.binary(CIFAR10, m), "x", packed=False),
        },
        "tar",
    ),
    "in one's folder": ("cifar10", "cifar10", lambda m: write.batches(CIFAR10, m), "python"),
    "nested": (
        "cifar10",
        "cifar10/cifar-10-batches-py",
        lambda m: write.batches(CIFAR10, m),
        "python",
    ),
    "cifar100": ("cifar100", "cifar-100-python", lambda m: write.batches(CIFAR100, m), "python"),
    "imagenet": (
        "ImageNet16-120",
        "ImageNet16",
        lambda m: write.imagenet16(scaled("ImageNet16-120"), m),
        "imagenet16",
    ),
    "idx": ("fashion-mnist", "fashion-mnist", lambda m: write.idx(FASHION, m), "idx"),
    "torchvision": (
        "fashion-mnist",
        "FashionMNIST/raw",
        lambda m: write.idx(FASHION, m, packed=True),
        "idx",
    ),
    "parquet": ("cifar100", "cifar100", lambda m: write.parquet(CIFAR100, m, shards=2), "parquet"),
    "a data set's clone": (
        "fashion-mnist",
        "fashion_mnist/fashion_mnist",
        lambda m: write.parquet(FASHION, m, column="image"),
        "parquet",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_found(layout: str, tmp_path: Path) -> None:
    name, folder, files, kind = LAYOUTS[layout]
    dataset = scaled(name)
    put(tmp_path / folder, files(drawn(dataset)))
    found = status(dataset, [tmp_path / "missing", tmp_path])
    assert (found.found, found.format, found.rendering) == (True, kind, "original"), found.detail
    assert found.path is not None
    assert found.path.is_relative_to(tmp_path / folder)


@pytest.mark.parametrize("layout", ["batches", "binary", "imagenet"])
def test_the_place_may_be_the_folder_itself(layout: str, tmp_path: Path) -> None:
    name, _, files, kind = LAYOUTS[layout]
    dataset = scaled(name)
    put(tmp_path, files(drawn(dataset)))
    assert status(dataset, [tmp_path]).format == kind


def test_jpegs_are_told_from_the_original(tmp_path: Path) -> None:
    put(tmp_path, write.parquet(CIFAR10, drawn(CIFAR10), kind="JPEG"))
    found = status(CIFAR10, [tmp_path])
    assert found.rendering == "jpeg"
    assert "not the same" in found.detail


def test_the_first_place_wins_and_in_it_what_keeps_the_order(tmp_path: Path) -> None:
    made = drawn(CIFAR10)
    both = put(tmp_path / "both" / "cifar10", write.parquet(CIFAR10, made)).parent
    put(both / "cifar-10-batches-py", write.batches(CIFAR10, made))
    other = put(tmp_path / "other" / "cifar10", write.parquet(CIFAR10, made)).parent
    assert status(CIFAR10, [both, other]).format == "python"
    assert status(CIFAR10, [other, both]).path == other / "cifar10"


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_what_is_missing_is_said_with_where_it_was_looked_for(name: str, tmp_path: Path) -> None:
    found = status(name, [tmp_path / "a", tmp_path / "b"])
    assert (found.found, found.path, found.format, found.rendering) == (False, None, None, None)
    assert f"looked in {tmp_path / 'a'}, {tmp_path / 'b'}" in found.detail
    for files in DATASETS[name].formats:
        assert files in found.detail


def test_digits_come_with_scikit_learn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found = status("digits", [tmp_path])
    assert (found.found, found.format) == (True, "scikit-learn")


FAULTS: dict[str, tuple[str, dict[str, bytes], str]] = {
    "a web page": ("cifar10", {"cifar-10-python.tar.gz": HTML}, "no tar archive"),
    "a broken gzip": ("cifar10", {"cifar-10-python.tar.gz": b"\x1f\x8b\x08bad"}, "unpacked"),
    "no pickles": (
        "cifar10",
        write.batches(CIFAR10, drawn(CIFAR10)) | {"test_batch": HTML},
        "pickle",
    ),
    "a batch short": ("cifar10", {"data_batch_1": b"\x80\x02}."}, "lacks data_batch_2"),
    "half a record": (
        "cifar10",
        write.binary(CIFAR10, drawn(CIFAR10)) | {"data_batch_3.bin": bytes(3072)},
        "3073-byte records",
    ),
    "an empty one": (
        "cifar10",
        write.binary(CIFAR10, drawn(CIFAR10)) | {"data_batch_3.bin": b""},
        "0 bytes",
    ),
    "no IDX": (
        "fashion-mnist",
        write.idx(FASHION, drawn(FASHION)) | {"t10k-labels-idx1-ubyte": HTML},
        "t10k-labels-idx1-ubyte: no IDX",
    ),
    "no Parquet": ("cifar10", {"train.parquet": HTML, "test.parquet": HTML}, "read as Parquet"),
    "another set's Parquet": (
        "cifar10",
        write.parquet(CIFAR100, drawn(CIFAR100)),
        "no integer column label",
    ),
    "another column": (
        "cifar10",
        write.parquet(CIFAR10, drawn(CIFAR10), column="picture"),
        "no column img or image; it has picture, label",
    ),
    "too few rows": (
        "cifar10",
        write.parquet(scaled("fashion-mnist"), drawn(FASHION)),
        "80 images where there should be 100",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_files_is_said(fault: str, tmp_path: Path) -> None:
    name, files, said = FAULTS[fault]
    put(tmp_path / name, files)
    found = status(scaled(name), [tmp_path])
    assert not found.found
    assert said in found.detail
    assert str(tmp_path / name) in found.detail


def test_good_files_are_found_behind_bad_ones(tmp_path: Path) -> None:
    put(tmp_path / "bad", {"cifar-10-python.tar.gz": HTML})
    put(tmp_path / "good", write.binary(CIFAR10, drawn(CIFAR10)))
    assert status(CIFAR10, [tmp_path / "bad", tmp_path / "good"]).path == tmp_path / "good"


def test_mnist_is_not_taken_for_fashion_mnist(tmp_path: Path) -> None:
    put(tmp_path / "mnist", write.idx(FASHION, drawn(FASHION)))
    assert not status(FASHION, [tmp_path, tmp_path / "mnist"]).found


def test_folders_of_classes_are_data_sets_of_ones_own(tmp_path: Path) -> None:
    cats = tree({"train/a": 1, "train/b": 1})
    put(tmp_path / "one" / "My Flowers_2", cats)
    put(tmp_path / "one" / "cifar10", cats)
    put(tmp_path / "one" / "ImageNet16_120", cats)
    put(tmp_path / "one" / "no images", {"train/a/readme.txt": b""})
    put(tmp_path / "one" / "only a test set", tree({"test/a": 1}))
    put(tmp_path / "one" / ".hidden", cats)
    put(tmp_path / "two" / "my-flowers-2", cats)
    put(tmp_path / "two" / "birds", {"train/x/1.JPG": b"", "train/y/2.jpeg": b""})
    there = [tmp_path / "one", tmp_path / "two", tmp_path / "missing"]
    assert known(there) == [*DATASETS, "birds", "my-flowers-2"]
    found = status("my-flowers-2", there)
    assert found.path == tmp_path / "one" / "My Flowers_2"
    assert (found.found, found.format, found.rendering) == (True, "folders", "original")
    assert found.detail == "2 folders of classes"


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path: Path) -> None:
    put(tmp_path / "birds", tree({"train/a": 1, "train/b": 1}))
    found = status("flowers", [tmp_path])
    assert not found.found
    assert "'flowers'" in found.detail
    assert "cifar10, cifar10-valid" in found.detail
    assert "birds" in found.detail


def test_looking_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from service.training import datasets\n"
        f"there = [Path({str(tmp_path)!r})]\n"
        "for name in datasets.known(there): datasets.status(name, there)\n"
        "print(sorted({'torch', 'PIL', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
