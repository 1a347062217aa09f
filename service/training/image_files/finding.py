"""Tells which files of a data set lie where, by their names and first bytes; cheap."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Final

from service.training.image_files import digits, parquet
from service.training.image_files.base import GZIP, Dataset, Format, Found, ImagesError, head
from service.training.image_files.batches import label_bytes
from service.training.image_files.idx import MAGIC

_ARCHIVE_ENDINGS: Final = (".tar.gz", ".tgz", ".tar")
_PARQUET_FOLDERS: Final = ("", "data", "plain_text")
_PART: Final = re.compile(r"(train|test)(-\d+-of-\d+)?\.parquet")


def find(dataset: Dataset, places: Sequence[Path]) -> tuple[Found | None, tuple[str, ...]]:
    """The first files that will do, and what is wrong with those that were passed over.

    The first place that has any wins; in one place, a format that keeps the original pixels and
    their order goes before one that doesn't.
    """
    faults: list[str] = []
    if "scikit-learn" in dataset.files.formats:
        path = digits.packaged()
        return (Found("scikit-learn", path, (path,), ()) if path else None), ()
    for place in places:
        for kind in dataset.files.formats:
            for folder in _folders(dataset, place):
                try:
                    found = _FINDERS[kind](dataset, folder)
                except ImagesError as error:
                    faults.append(str(error))
                except OSError as error:
                    faults.append(f"{error.filename or folder}: {error.strerror}")
                else:
                    if found is not None:
                        return found, tuple(faults)
    return None, tuple(dict.fromkeys(faults))


def _folders(dataset: Dataset, place: Path) -> Iterator[Path]:
    """Where in a place the files may lie: in it, in a folder of a customary name, and in one of
    these again."""
    yield place
    for name in dataset.files.folders:
        yield place / name
        for inner in dataset.files.folders:
            yield place / name / inner


def _batches(dataset: Dataset, folder: Path, kind: Format, suffix: str = "") -> Found | None:
    """The folder's batches, all of them plain files, or None if it has none."""
    files = dataset.files
    names = [f"{name}{suffix}" for name in (*files.train, *files.test)]
    missing = [name for name in names if not (folder / name).is_file()]
    if len(missing) == len(names):
        return None
    if missing:
        raise ImagesError(f"{folder}: lacks {', '.join(missing)} beside other batches")
    paths = tuple(folder / name for name in names)
    count = len(files.train)
    return Found(kind, folder, paths[:count], paths[count:])


def _python(dataset: Dataset, folder: Path) -> Found | None:
    return _pickled(dataset, folder, "python")


def _imagenet16(dataset: Dataset, folder: Path) -> Found | None:
    return _pickled(dataset, folder, "imagenet16")


def _pickled(dataset: Dataset, folder: Path, kind: Format) -> Found | None:
    found = _batches(dataset, folder, kind)
    for path in (*found.train, *found.test) if found else ():
        if not re.match(rb"\x80[\x02-\x05]", head(path, 2)):
            raise ImagesError(f"{path}: no pickle of protocol 2 to 5, as a batch is")
    return found


def _binary(dataset: Dataset, folder: Path) -> Found | None:
    found = _batches(dataset, folder, "binary", ".bin")
    record = label_bytes(dataset.files) + prod(dataset.image or ())
    for path in (*found.train, *found.test) if found else ():
        size = path.stat().st_size
        if not size or size % record:
            raise ImagesError(
                f"{path}: {size:,} bytes are no whole number of {record}-byte records"
            )
    return found


def _tar(dataset: Dataset, folder: Path) -> Found | None:
    for name in dataset.files.archives:
        for ending in _ARCHIVE_ENDINGS:
            path = folder / f"{name}{ending}"
            if path.is_file():
                if _start(path, 262)[257:262] != b"ustar":
                    raise ImagesError(f"{path}: no tar archive, packed with gzip or not")
                return Found("tar", path, (path,), (path,))
    return None


def _start(path: Path, size: int) -> bytes:
    """The first bytes of what a file holds, unpacked where it is packed."""
    if head(path, 2) != GZIP:
        return head(path, size)
    try:
        with gzip.open(path) as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise ImagesError(f"{path}: can't be unpacked: {error}") from error


def _idx(dataset: Dataset, folder: Path) -> Found | None:
    # MNIST's files have the same names and sizes: only the folder tells.
    if folder.name not in dataset.files.folders:
        return None
    for inner in (folder, folder / "raw"):
        paths = []
        for name in (*dataset.files.train, *dataset.files.test):
            there = [inner / f"{name}{ending}" for ending in ("", ".gz")]
            paths += [path for path in there if path.is_file()][:1]
        if len(paths) == 4:
            for path in paths:
                if _start(path, 4) not in MAGIC.values():
                    raise ImagesError(f"{path}: no IDX file of uint8")
            return Found("idx", inner, tuple(paths[:2]), tuple(paths[2:]))
    return None


def _parquet(dataset: Dataset, folder: Path) -> Found | None:
    for name in (*_PARQUET_FOLDERS, folder.name):
        inner = folder / name
        parts: dict[str, list[Path]] = {"train": [], "test": []}
        for path in sorted(inner.glob("*.parquet")):
            if match := _PART.fullmatch(path.name):
                parts[match[1]].append(path)
        train, test = tuple(parts["train"]), tuple(parts["test"])
        if train and test:
            return Found("parquet", inner, train, test, parquet.check(dataset, train, test))
    return None


_FINDERS: Final[dict[Format, Callable[[Dataset, Path], Found | None]]] = {
    "python": _python,
    "binary": _binary,
    "tar": _tar,
    "imagenet16": _imagenet16,
    "idx": _idx,
    "parquet": _parquet,
}
