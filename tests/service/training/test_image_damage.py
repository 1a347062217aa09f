"""Image files that are damaged, wrong or made to do harm: each is refused, by name."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.training.datasets import Dataset
from service.training.image_files import pickles
from service.training.image_files.decoding import decoded
from service.training.images import ImagesError, load
from tests.service.training import image_writers as write
from tests.service.training.image_writers import (
    Files,
    drawn,
    encoded,
    put,
    scaled,
    tar,
    there,
    tree,
)

CIFAR10, CIFAR100 = scaled("cifar10"), scaled("cifar100")
IMAGENET, FASHION = scaled("ImageNet16-120"), scaled("fashion-mnist")


def last_label(files: Files, name: str, value: int) -> Files:
    """IDX files with another last label."""
    return files | {name: files[name][:-1] + bytes([value])}


def cifar10(**changes: Any) -> bytes:
    """A batch of ten images, some parts of it changed; None leaves one out."""
    batch = {"labels": [0] * 20, "data": np.zeros((20, 3072), np.uint8)} | changes
    return write.python2({key: value for key, value in batch.items() if value is not None})


B10, N10 = write.batches(CIFAR10, drawn(CIFAR10)), write.binary(CIFAR10, drawn(CIFAR10))
B100, NET = write.batches(CIFAR100, drawn(CIFAR100)), write.imagenet16(IMAGENET, drawn(IMAGENET))
IDX = write.idx(FASHION, drawn(FASHION))
PACKED = write.idx(FASHION, drawn(FASHION), packed=True)
TRAIN_IMAGES, TRAIN_LABELS = FASHION.files.train
ONE = "data_batch_2"

DAMAGE: dict[str, tuple[Dataset, Files, str]] = {
    "pickle cut short": (CIFAR10, B10 | {ONE: B10[ONE][:40000]}, f"{ONE}: the pickle is damaged"),
    "pickle of a list": (CIFAR10, B10 | {ONE: b"\x80\x02]."}, f"{ONE}: the pickle holds no dict"),
    "pickle without data": (CIFAR10, B10 | {ONE: cifar10(data=None)}, "no data; it has labels"),
    "pickle without labels": (CIFAR10, B10 | {ONE: cifar10(labels=None)}, "no labels; it has data"),
    "CIFAR-100 for 10": (
        CIFAR10,
        B10 | {ONE: cifar10(labels=None, fine_labels=[0])},
        "no labels; it has data, fine",
    ),
    "label too large": (CIFAR10, B10 | {ONE: cifar10(labels=[10] * 20)}, "label 10; allowed are 0"),
    "labels of text": (CIFAR10, B10 | {ONE: cifar10(labels=["a"] * 20)}, "no list of integers"),
    "labels in lists": (CIFAR10, B10 | {ONE: cifar10(labels=[[1], [2, 3]])}, "no list of integers"),
    "a label short": (CIFAR10, B10 | {ONE: cifar10(labels=[0] * 19)}, "19 images where"),
    "images short": (
        CIFAR10,
        B10 | {ONE: cifar10(labels=[0] * 9, data=np.zeros((9, 3072), np.uint8))},
        f"{ONE}: 9 images where there should be 20",
    ),
    "another width": (
        CIFAR10,
        B10 | {ONE: cifar10(data=np.zeros((20, 768), np.uint8))},
        f"{ONE}: data is no uint8 array of (images, 3072)",
    ),
    "another type": (
        CIFAR10,
        B10 | {ONE: cifar10(data=np.zeros((20, 3072), np.int8))},
        "no uint8 array",
    ),
    "pickle too large": (CIFAR10, B10 | {ONE: B10[ONE] + bytes(10**6)}, "more than the"),
    "binary label": (
        CIFAR10,
        N10 | {f"{ONE}.bin": b"\x0a" + N10[f"{ONE}.bin"][1:]},
        f"{ONE}.bin: image 0 has label 10; allowed are 0 to 9",
    ),
    "binary records short": (
        CIFAR10,
        N10 | {f"{ONE}.bin": N10[f"{ONE}.bin"][:-3073]},
        f"{ONE}.bin: 19 images where there should be 20",
    ),
    "ImageNet's label 0": (
        IMAGENET,
        NET | {"val_data": write.python2({"data": np.zeros((1, 768), np.uint8), "labels": [0]})},
        "val_data: a label is 0; allowed are 1 to 1000",
    ),
    "ImageNet's label 1001": (
        IMAGENET,
        NET | {"val_data": write.python2({"data": np.zeros((1, 768), np.uint8), "labels": [1001]})},
        "label 1001",
    ),
    "ImageNet's images short": (
        IMAGENET,
        NET | {"train_data_batch_7": NET["train_data_batch_8"][:0] + NET["val_data"]},
        "labels 1 to 120: ",
    ),
    "IDX cut short": (
        FASHION,
        IDX | {TRAIN_IMAGES: IDX[TRAIN_IMAGES][:-1]},
        "images-idx3-ubyte: cut",
    ),
    "IDX too long": (
        FASHION,
        IDX | {TRAIN_LABELS: IDX[TRAIN_LABELS] + b"\0"},
        "labels-idx1-ubyte: h",
    ),
    "IDX of other sizes": (
        FASHION,
        IDX | {TRAIN_IMAGES: IDX[TRAIN_IMAGES].replace(b"\0\0\0\x1c", b"\0\0\0\x20", 1)},
        "images-idx3-ubyte: no IDX file of uint8 (80, 28, 28)",
    ),
    "IDX label": (FASHION, last_label(IDX, TRAIN_LABELS, 10), "image 79 has label 10"),
    "gzip cut short": (
        FASHION,
        PACKED | {f"{TRAIN_IMAGES}.gz": PACKED[f"{TRAIN_IMAGES}.gz"][:9000]},
        "images-idx3-ubyte.gz: can't be read",
    ),
    "gzip damaged": (
        FASHION,
        PACKED | {f"{TRAIN_IMAGES}.gz": PACKED[f"{TRAIN_IMAGES}.gz"][:-8] + bytes(8)},
        "images-idx3-ubyte.gz: can't be read",
    ),
    "gzip bomb": (
        FASHION,
        PACKED | {f"{TRAIN_LABELS}.gz": gzip.compress(IDX[TRAIN_LABELS] + bytes(10**7))},
        "labels-idx1-ubyte.gz: holds more than the 88 bytes",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_with_its_file(name: str, tmp_path: Path) -> None:
    dataset, files, said = DAMAGE[name]
    where = there(dataset, files, tmp_path)
    with pytest.raises(ImagesError) as caught:
        load(dataset, where)
    assert said in str(caught.value)
    assert str(tmp_path / dataset.files.folders[0]) in str(caught.value)


def test_images_that_are_not_there_are_said_with_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ImagesError) as caught:
        load("ImageNet16-120", [tmp_path])
    for said in ("ImageNet16-120", str(tmp_path), "train_data_batch_1", "to get it"):
        assert said in str(caught.value)
    with pytest.raises(ImagesError, match=r"no data set 'nothing'.*there are cifar10"):
        load("nothing", [tmp_path])


class Command:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_no_pickle_is_run(protocol: int, tmp_path: Path) -> None:
    batch = {"data": np.zeros((20, 3072), np.uint8), "labels": Command(tmp_path / "ran")}
    files = B10 | {ONE: pickle.dumps(batch, protocol)}
    with pytest.raises(ImagesError, match=r"refused: the pickle asks for '\w+\.mkdir'; allowed"):
        load(CIFAR10, there(CIFAR10, files, tmp_path))
    assert not (tmp_path / "ran").exists()


NEST = b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 60
"""A tuple of tuples that share their halves: 2^60 leaves to hash."""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (NEST + b"}h\x00K\x01s.", "a key of type tuple"),
        (b"\x80\x02(U\x01ai__main__\nx\n.", "opcode INST"),
        (b"\x80\x02Pid\n.", "opcode PERSID"),
        (b"\x80\x02S'\\u'\n.", "opcode STRING"),
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"\x80\x02cnumpy\nndarray\nK\x00\x85\x81.", "opcode NEWOBJ"),
        (b"\x80\x02cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.", "other than an array"),
        (b"\x80\x02cnumpy\nndarray\nK\x05\x85R.", "other than an array"),
        (b"\x80\x02U\x03abcK\x00\x85R.", "other than an array"),
        (b"\x80\x02K\x01K\x02b.", "damaged"),
        (b"\x80\x02j\xff\xff\xff\x7f.", "damaged"),
        (b"\x80\x02T\xff\xff\xff\x7fabc.", "damaged"),
        (b"\x80\x02K\x01.", "no dictionary"),
        (b"\x80\x02}K\x01e.", "damaged"),
        (b"\x80\x02u.", "damaged"),
        (b"\x80\x02\x87.", "too few values"),
        (b"\x80\x02]U\x01aU\x01bs.", "no dictionary"),
        (b"\x80\x02}U\x01aa.", "no list"),
        (b"\x80\x02}}.", "damaged"),
        (b"", "damaged"),
    ],
)
def test_pickles_of_anything_else_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(ImagesError, match=said):
        pickles.loads(data)


def test_a_large_place_in_the_memo_takes_no_memory() -> None:
    assert pickles.loads(b"\x80\x02}r\xff\xff\xff\x7f.") == {}


numbers = st.sampled_from(["u1", "<i4", ">i8", "<f8", "<f4"])


@given(st.sampled_from([2, 3, 4]), numbers, st.booleans(), st.lists(st.integers(-9, 9)))
def test_arrays_come_out_of_a_pickle_as_they_went_in(
    protocol: int, code: str, fortran: bool, labels: list[int]
) -> None:
    array = np.arange(24).reshape(4, 6).astype(code)
    array = np.asfortranarray(array) if fortran else array
    batch = {b"data": array, "labels": labels, "mean": array[0], "text": "é", "none": (None, 1.5)}
    found = pickles.loads(pickle.dumps(batch, protocol))
    assert list(found) == ["data", "labels", "mean", "text", "none"]
    assert np.array_equal(found.pop("data"), array)
    assert np.array_equal(found.pop("mean"), array[0])
    assert found == {"labels": labels, "text": "é", "none": (None, 1.5)}


SMALL = {
    "old": write.python2({"labels": [1, 2], "data": np.zeros((2, 5), np.uint8), "f": ["a"]}),
    "new": pickle.dumps({"labels": [1, 2], "data": np.zeros((2, 5), np.uint8)}, 4),
}


@settings(max_examples=300)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_a_changed_pickle_is_read_or_refused(name: str, data: st.DataObject) -> None:
    content = bytearray(SMALL[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImagesError):
        assert isinstance(pickles.loads(bytes(content)), dict)


def archive(**strange: Any) -> bytes:
    """CIFAR-10's archive with one more member."""
    buffer = io.BytesIO(tar(B10, "cifar-10-batches-py", packed=False))
    with tarfile.open(fileobj=buffer, mode="a") as opened:
        info = tarfile.TarInfo(strange["name"])
        info.type = strange.get("type", tarfile.REGTYPE)
        info.linkname = strange.get("link", "")
        content = strange.get("content", b"")
        info.size = len(content)
        opened.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1)


def many() -> bytes:
    return tar(B10 | {f"{number}": b"" for number in range(100)}, "x")


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "leads up": (lambda: archive(name="x/../../data_batch_1"), "leads outside"),
    "is absolute": (lambda: archive(name="/etc/data_batch_1"), "leads outside"),
    "a symbolic link": (
        lambda: archive(name="x/extra", type=tarfile.SYMTYPE, link="/etc/passwd"),
        "no plain file or folder",
    ),
    "a hard link": (
        lambda: archive(name="x/extra", type=tarfile.LNKTYPE, link="/etc/passwd"),
        "no plain file or folder",
    ),
    "a device": (lambda: archive(name="x/extra", type=tarfile.CHRTYPE), "no plain file or folder"),
    "a batch twice": (lambda: archive(name="y/data_batch_1"), "data_batch_1 is there twice"),
    "a batch too large": (
        lambda: tar(B10 | {"test_batch": bytes(200_000)}, "x"),
        "test_batch has 200,000 bytes",
    ),
    "a batch missing": (
        lambda: tar({name: content for name, content in B10.items() if name != ONE}, "x"),
        "lacks some of data_batch_1, data_batch_2",
    ),
    "too many members": (many, "more than 100 members"),
    "a bomb": (lambda: archive(name="x/extra", content=bytes(10**7)), "holds more than the"),
    "cut short": (lambda: gzip.compress(tar(B10, "x", packed=False)[:250_000]), "damaged tar"),
    "cut short as packed": (lambda: tar(B10, "x")[:50_000], "can't be read"),
    "a damaged batch": (lambda: tar(B10 | {ONE: B10[ONE][:5000]}, "x"), f": {ONE}: the pickle is"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_not_as_it_should_be_is_refused(name: str, tmp_path: Path) -> None:
    content, said = ARCHIVES[name]
    put(tmp_path, {"cifar-10-python.tar.gz": content()})
    with pytest.raises(ImagesError) as caught:
        load(CIFAR10, [tmp_path])
    assert said in str(caught.value)
    assert "cifar-10-python.tar.gz" in str(caught.value)


@pytest.mark.parametrize("label", [10, -1])
def test_labels_in_parquet_are_checked(label: int, tmp_path: Path) -> None:
    made = drawn(CIFAR10)
    made["train"].labels[12] = label
    where = there(CIFAR10, write.parquet(CIFAR10, made), tmp_path)
    with pytest.raises(ImagesError, match=f"image 12 has label {label}; allowed are 0 to 9"):
        load(CIFAR10, where)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_changed_parquet_file_is_read_or_refused(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("changed")
    small = replace(CIFAR10, sizes={"train": 9, "ori-test": 2})
    files = write.parquet(small, drawn(small), kind=kind)
    name = "train-00000-of-00001.parquet"
    content = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    where = there(small, files | {name: bytes(content)}, tmp_path)
    try:
        load(small, where)
    except ImagesError as error:
        assert name in str(error)  # noqa: PT017 - it needn't be raised


GOOD = tree({"train/a": 4, "train/b": 4, "test/a": 2})
RGBA = io.BytesIO()
Image.new("RGBA", (6, 6)).save(RGBA, "PNG")

OWN: dict[str, tuple[Files, str]] = {
    "one class": (tree({"train/a": 3}), "train: one folder a class, and two"),
    "an empty class": (GOOD | {"train/c/readme.txt": b""}, "train/c: no images"),
    "a class of the test set alone": (GOOD | tree({"test/z": 1}), "test/z: no such class"),
    "an empty test set": (
        tree({"train/a": 2, "train/b": 2}) | {"test/a/no.txt": b""},
        "test: no images",
    ),
    "another size": (
        GOOD | tree({"train/b": 1}, side=7),
        "train/b/00.png: RGB 7x7 where the others",
    ),
    "another mode": (GOOD | tree({"test/a": 1}, channels=1), "test/a/00.png: grey 6x6 where"),
    "transparency": (GOOD | {"train/b/02.png": RGBA.getvalue()}, "train/b/02.png: of mode RGBA"),
    "no image": (GOOD | {"train/b/02.png": b"GIF89a"}, "train/b/02.png: can't be read as PNG"),
    "cut short": (
        GOOD | {"train/b/02.png": GOOD["train/b/02.png"][:90]},
        "train/b/02.png: a damaged",
    ),
    "a first one that is no image": (GOOD | {"train/a/00.png": b""}, "train/a/00.png: can't"),
    "too large": (
        GOOD | {"train/a/00.png": encoded(np.zeros((1, 1, 1025), np.uint8))},
        "train/a/00.png: (1025, 1) pixels; allowed are 1024 a side",
    ),
    "a bomb": (
        GOOD | {"train/a/00.png": encoded(np.zeros((1, 10_000, 9_000), np.uint8))},
        "train/a/00.png: can't be read as PNG or JPEG (DecompressionBombWarning)",
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_what_is_wrong_with_ones_own_images_is_named(name: str, tmp_path: Path) -> None:
    files, said = OWN[name]
    with pytest.raises(ImagesError) as caught:
        load("flowers", [put(tmp_path / "flowers", files).parent])
    assert said in str(caught.value)


def test_more_images_than_memory_should_hold_are_refused() -> None:
    with pytest.raises(ImagesError, match=r"1,000,000 images of 224x224 take 140 GiB, allowed"):
        decoded(iter(()), 10**6, (3, 224, 224))
