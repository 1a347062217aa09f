"""Small image files at the true layout of each format, written without Cellwise's readers."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from service.training.datasets import DATASETS, Dataset

Array = npt.NDArray[Any]
Files = dict[str, bytes]

SIZES = {
    "cifar10": {"train": 100, "ori-test": 30},
    "cifar10-valid": {"train": 50, "x-valid": 50, "ori-test": 30},
    "cifar100": {"train": 300, "x-valid": 100, "x-test": 100, "ori-test": 200},
    "ImageNet16-120": {"train": 480, "x-valid": 120, "x-test": 120, "ori-test": 240},
    "fashion-mnist": {"train": 60, "x-valid": 20, "ori-test": 30},
}


def scaled(name: str) -> Dataset:
    """A data set of far fewer images."""
    return replace(DATASETS[name], sizes=SIZES[name])


@dataclass(frozen=True)
class Drawn:
    """Images as (n, c, h, w), no two of a set alike, and labels."""

    images: Array
    labels: Array


def drawn(dataset: Dataset, seed: int = 0) -> dict[str, Drawn]:
    """Random training and test images; every class equally often, or nearly so."""
    assert dataset.image is not None
    assert dataset.classes is not None
    rng = np.random.default_rng(seed)
    made = {}
    for name, count in zip(("train", "test"), dataset.stored, strict=True):
        images = rng.integers(0, 256, (count, *dataset.image)).astype(np.uint8)
        made[name] = Drawn(images, rng.permutation(np.arange(count) % dataset.classes))
    return made


def python2(batch: Mapping[str, Any]) -> bytes:
    """A dictionary as Python 2's cPickle wrote it in protocol 2, arrays and lists of text alike."""
    return b"\x80\x02}q\x01(" + b"".join(_old(k) + _old(v) for k, v in batch.items()) + b"u."


def _old(value: Any) -> bytes:
    match value:
        case str():
            raw = value.encode("latin1")
            return b"U" + bytes([len(raw)]) + raw
        case bytes():
            return b"T" + struct.pack("<i", len(value)) + value
        case int():
            return b"M" + struct.pack("<H", value) if value > 255 else b"K" + bytes([value])
        case list():
            return b"](" + b"".join(map(_old, value)) + b"e"
    assert isinstance(value, np.ndarray)
    shape = b"".join(b"J" + struct.pack("<i", size) for size in value.shape)
    code = value.dtype.str
    dtype = b"cnumpy\ndtype\n" + _old(code[1:]) + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + _old(code[0]) + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    return b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + (
        b"(K\x01(" + shape + b"t" + dtype + b"\x89" + _old(value.tobytes()) + b"tb"
    )


def python3(batch: Mapping[str, Any]) -> bytes:
    return pickle.dumps({key.encode(): value for key, value in batch.items()}, protocol=4)


def batches(
    dataset: Dataset, made: dict[str, Drawn], dump: Callable[[Mapping[str, Any]], bytes] = python2
) -> dict[str, bytes]:
    """CIFAR's python batches by file name."""
    files = {}
    for names, part in (
        (dataset.files.train, made["train"]),
        (dataset.files.test, made["test"]),
    ):
        for name, chosen in zip(
            names, np.split(np.arange(len(part.labels)), len(names)), strict=True
        ):
            labels = part.labels[chosen].tolist()
            content = {
                "batch_label": f"{name} of {len(names)}",
                **(
                    {"labels": labels}
                    if dataset.files.label == "label"
                    else {"coarse_labels": [label // 5 for label in labels], "fine_labels": labels}
                ),
                "data": part.images[chosen].reshape(len(chosen), -1),
                "filenames": [f"image_s_{index:06d}.png" for index in chosen],
            }
            files[name] = dump(content)
    return files


def binary(dataset: Dataset, made: dict[str, Drawn]) -> dict[str, bytes]:
    """CIFAR's binary batches by file name."""
    files = {}
    for names, part in (
        (dataset.files.train, made["train"]),
        (dataset.files.test, made["test"]),
    ):
        for name, chosen in zip(
            names, np.split(np.arange(len(part.labels)), len(names)), strict=True
        ):
            records = b""
            for index in chosen:
                label = int(part.labels[index])
                coarse = b"" if dataset.files.label == "label" else bytes([label // 5])
                records += coarse + bytes([label]) + part.images[index].tobytes()
            files[f"{name}.bin"] = records
    return files


def imagenet16(dataset: Dataset, made: dict[str, Drawn]) -> dict[str, bytes]:
    """ImageNet16's batches by file name, with images of classes beyond the 120 among the others."""
    rng = np.random.default_rng(1)
    files = {}
    for names, part in (
        (dataset.files.train, made["train"]),
        (dataset.files.test, made["test"]),
    ):
        for name, chosen in zip(
            names, np.split(np.arange(len(part.labels)), len(names)), strict=True
        ):
            flat = part.images[chosen].reshape(len(chosen), -1)
            places = np.sort(rng.integers(0, len(chosen) + 1, 7))
            strange = rng.integers(0, 256, (7, flat.shape[1])).astype(np.uint8)
            labels = np.insert(part.labels[chosen] + 1, places, rng.integers(121, 1001, 7))
            files[name] = python2(
                {
                    "data": np.insert(flat, places, strange, axis=0),
                    "labels": labels.tolist(),
                    "mean": flat.mean(axis=0),
                }
            )
    return files


def idx(dataset: Dataset, made: dict[str, Drawn], *, packed: bool = False) -> dict[str, bytes]:
    """The four IDX files by name."""
    files = {}
    for names, part in (
        (dataset.files.train, made["train"]),
        (dataset.files.test, made["test"]),
    ):
        n, _, height, width = part.images.shape
        images = struct.pack(">4I", 0x803, n, height, width) + part.images.tobytes()
        labels = struct.pack(">2I", 0x801, n) + part.labels.astype(np.uint8).tobytes()
        for name, content in zip(names, (images, labels), strict=True):
            files[f"{name}.gz" if packed else name] = gzip.compress(content) if packed else content
    return files


def encoded(image: Array, kind: str = "PNG") -> bytes:
    """One image (c, h, w) as a file."""
    buffer = io.BytesIO()
    values = np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(values[:, :, 0] if image.shape[0] == 1 else values).save(buffer, kind)
    return buffer.getvalue()


def parquet(
    dataset: Dataset,
    made: dict[str, Drawn],
    *,
    column: str = "img",
    kind: str = "PNG",
    shards: int = 1,
) -> dict[str, bytes]:
    """Hugging Face's files by name, in row groups of seven."""
    files = {}
    for name, part in made.items():
        for shard, chosen in enumerate(np.array_split(np.arange(len(part.labels)), shards)):
            labels = part.labels[chosen]
            rows = [{"bytes": encoded(part.images[i], kind), "path": None} for i in chosen]
            kinds = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            columns = {column: pa.array(rows, kinds), dataset.files.label: pa.array(labels)}
            if dataset.files.label == "fine_label":
                columns["coarse_label"] = pa.array(labels // 5)
            buffer = io.BytesIO()
            pq.write_table(pa.table(columns), buffer, row_group_size=7)
            files[f"{name}-{shard:05d}-of-{shards:05d}.parquet"] = buffer.getvalue()
    return files


def tar(files: Mapping[str, bytes], folder: str, *, packed: bool = True) -> bytes:
    """A tar archive with these files in a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w") as archive:
        archive.addfile(directory(folder))
        for name, content in {"readme.html": b"<html>", **files}.items():
            add(archive, f"{folder}/{name}", content)
    return buffer.getvalue()


def directory(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Writes the files into a folder; gives the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def there(dataset: Dataset, files: Files, tmp_path: Path) -> list[Path]:
    """The places, with the files in a folder of the data set's name."""
    put(tmp_path / dataset.files.folders[0], files)
    return [tmp_path]


def tree(counts: Mapping[str, int], *, side: int = 6, channels: int = 3, seed: int = 0) -> Any:
    """PNG files of one's own by name: ``{"train/cat": 5}`` becomes ``train/cat/00.png``, ..."""
    rng = np.random.default_rng(seed)
    return {
        f"{folder}/{number:02d}.png": encoded(
            rng.integers(0, 256, (channels, side, side)).astype(np.uint8)
        )
        for folder, count in counts.items()
        for number in range(count)
    }
