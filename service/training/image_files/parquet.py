"""Parquet in the layout of Hugging Face's image data sets.

A column ``img`` or ``image``, struct{bytes, path}, each image a PNG or JPEG file, and an integer
column of labels. A set may lie in several files (``train-00000-of-00002.parquet``, ...).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from service.training.image_files.base import (
    Dataset,
    Found,
    ImagesError,
    Indices,
    Labels,
    Pixels,
    Stored,
    check_count,
    checked_labels,
)
from service.training.image_files.decoding import decoded, stamp

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_JPEG: Final = b"\xff\xd8\xff"
_IMAGE_OVERHEAD: Final = 4096  # bytes of an encoded image beyond twice its pixels


def check(dataset: Dataset, train: tuple[Path, ...], test: tuple[Path, ...]) -> str:
    """The rendering, told by the first image, of files that have the right columns and counts.

    Raises:
        ImagesError: they haven't.
    """
    for paths, expected in zip((train, test), dataset.stored, strict=True):
        rows = 0
        for path in paths:
            with _opened(path) as file:
                _columns(dataset, path, file)
                rows += file.metadata.num_rows
        check_count(rows, expected, ", ".join(map(str, paths)))
    return "jpeg" if _first(dataset, train[0]).startswith(_JPEG) else "original"


def read(dataset: Dataset, found: Found) -> Stored:
    """The labels; images are decoded when they are asked for."""

    def records(paths: tuple[Path, ...], expected: int) -> _Encoded:
        encoded = _Encoded(dataset, paths, found.rendering == "jpeg")
        check_count(len(encoded.labels), expected, ", ".join(map(str, paths)))
        return encoded

    n_train, n_test = dataset.stored
    return Stored(records(found.train, n_train), records(found.test, n_test))


def _first(dataset: Dataset, path: Path) -> bytes:
    """The bytes of the first image, without reading many more."""
    with _opened(path, buffer_size=1 << 16) as file:
        image, _ = _columns(dataset, path, file)
        for batch in file.iter_batches(1, row_groups=[0], columns=[f"{image}.bytes"]):
            found = (batch.to_pylist()[0][image] or {}).get("bytes")
            break
        else:
            found = None
    if found is None:
        raise ImagesError(f"{path}: the first row has no bytes of the image (only its path?)")
    return bytes(found)


class _Encoded:
    """See `service.training.image_files.base.Records`."""

    def __init__(self, dataset: Dataset, paths: tuple[Path, ...], jpeg: bool = False) -> None:
        self._dataset = dataset
        self._paths = paths
        self._formats = ("JPEG",) if jpeg else ("PNG",)
        self._labels: Labels | None = None

    @property
    def labels(self) -> Labels:
        if self._labels is None:
            self._labels = np.concatenate([self._labels_of(path) for path in self._paths])
        return self._labels

    def _labels_of(self, path: Path) -> Labels:
        assert self._dataset.classes is not None
        with _opened(path) as file:
            _, name = _columns(self._dataset, path, file)
            column = file.read(columns=[name]).column(name)
        if column.null_count:
            raise ImagesError(f"{path}: {column.null_count} images have no {name}")
        return checked_labels(column.to_numpy(), self._dataset.classes, path)

    def pixels(self, chosen: Indices) -> Pixels:
        assert self._dataset.image is not None
        order = np.argsort(chosen)
        ascending = decoded(
            self.rows(chosen[order]), len(chosen), self._dataset.image, self._formats
        )
        pixels = np.empty_like(ascending)
        pixels[order] = ascending
        return pixels

    def stamp(self) -> str:
        return stamp(self._paths)

    def rows(self, ascending: Indices) -> Iterator[tuple[str, bytes]]:
        """Where each of these images lies, and its file's bytes."""
        start = 0
        for path in self._paths:
            with _opened(path) as file:
                image, _ = _columns(self._dataset, path, file)
                for group in range(file.num_row_groups):
                    end = start + file.metadata.row_group(group).num_rows
                    own = ascending[np.searchsorted(ascending, start) :]
                    own = own[: np.searchsorted(own, end)] - start
                    if len(own):
                        yield from self._group(path, file, group, image, own)
                    start = end

    def _group(
        self, path: Path, file: ParquetFile, group: int, image: str, own: Indices
    ) -> Iterator[tuple[str, bytes]]:
        about = file.metadata.row_group(group)
        largest = 2 * int(np.prod(self._dataset.image or ())) + _IMAGE_OVERHEAD
        if about.total_byte_size > about.num_rows * largest:
            raise ImagesError(f"{path}: row group {group} declares {about.total_byte_size:,} bytes")
        from pyarrow.compute import struct_field

        table = file.read_row_group(group, columns=[f"{image}.bytes"])
        values = struct_field(table.column(image), "bytes").take(own)
        for row, value in zip(own.tolist(), values.to_pylist(), strict=True):
            where = f"{path}: row {row:,} of group {group}"
            if value is None:
                raise ImagesError(f"{where}: no bytes of the image (only its path?)")
            yield where, value


@contextmanager
def _opened(path: Path, buffer_size: int = 0) -> Iterator[ParquetFile]:
    """The file; whatever goes wrong with it is an error that names it."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, buffer_size=buffer_size) as file:
            yield file
    except ImagesError:
        raise
    # A damaged name in it is a UnicodeDecodeError, hence ValueError.
    except (ArrowException, OSError, ValueError, LookupError) as error:
        raise ImagesError(f"{path}: can't be read as Parquet: {error}") from error


def _columns(dataset: Dataset, path: Path, file: ParquetFile) -> tuple[str, str]:
    """The names of the columns with the images and with their labels."""
    from pyarrow import binary, types

    schema = file.schema_arrow
    label = dataset.files.label
    for image in ("img", "image"):
        if image in schema.names:
            break
    else:
        raise ImagesError(f"{path}: no column img or image; it has {', '.join(schema.names)}")
    kind = schema.field(image).type
    if not types.is_struct(kind) or "bytes" not in {part.name for part in kind}:
        raise ImagesError(f"{path}: {image} is {kind}, no struct with the bytes of an image file")
    if not types.is_binary(kind.field("bytes").type):
        raise ImagesError(f"{path}: {image}.bytes is {kind.field('bytes').type}, not {binary()}")
    if label not in schema.names or not types.is_integer(schema.field(label).type):
        raise ImagesError(
            f"{path}: no integer column {label}; its columns are {', '.join(schema.names)}"
        )
    return image, label
