"""The official benchmark in one file: ``.pth`` in both of torch's containers, and ``.pickle.pbz2``.

A file of 15,625 cells unpickles to some 28 GB at once. So the dictionary of records is streamed:
each cell is turned into runs as soon as its record is complete, and forgotten. torch isn't needed,
as these files hold no tensors.
"""

from __future__ import annotations

import bz2
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Literal

from data.sources.base import Batch, Description, Progress, Run, SourceError
from data.sources.official import NAME, official_description
from data.sources.records import UNWANTED, cell_runs, check_meta, checked
from data.unpickle import Machine, Read

Container = Literal["torch-legacy", "torch-zip", "bz2", "pickle"]

TORCH_MAGIC: Final = 0x1950A86A20F9469CFC6C
_TORCH_VERSION: Final = 1001
_CELLS_PER_BATCH: Final = 100
_ITEMS: Final = "arch2infos"
_TITLES: Final[dict[Container, str]] = {
    "torch-legacy": "NAS-Bench-201 (.pth)",
    "torch-zip": "NAS-Bench-201 (.pth)",
    "bz2": "NATS-Bench, topology space (one file)",
    "pickle": "NATS-Bench, topology space (one file, unpacked)",
}


class OneFile:
    """One official file.

    Args:
        path: the file.
        container: how the pickle is packed.
        name: the source's name.
    """

    def __init__(self, path: Path, container: Container, name: str | None = None) -> None:
        self.path = path
        self._container = container
        self._name = name or NAME
        with self._records() as (records, _):
            next(records, None)

    def describe(self) -> Description:
        """See :class:`~data.sources.base.Source`."""
        return official_description(self._name, _TITLES[self._container])

    def files(self) -> list[Path]:
        """See :class:`~data.sources.base.Source`."""
        return [self.path]

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """See :class:`~data.sources.base.Source`; progress is in bytes of the file."""
        size = self.path.stat().st_size
        runs: list[Run] = []
        cells = 0
        with self._records() as (records, file):
            for index, record in records:
                runs += cell_runs(index, record)
                cells += 1
                if cells % _CELLS_PER_BATCH == 0:
                    yield checked(runs)
                    runs.clear()
                    progress(file.tell(), size)
            if not cells:
                raise SourceError("no cell in it")
            if runs:
                yield checked(runs)
        progress(size, size)

    @contextmanager
    def _records(self) -> Iterator[tuple[Iterator[tuple[object, object]], IO[bytes]]]:
        """Every (index, record), and the file whose position tells how far it was read.

        Raises:
            SourceError: naming the file, whatever is wrong with it.
        """
        try:
            with self.path.open("rb") as file:
                if self._container == "bz2":
                    with bz2.BZ2File(file) as unpacked:
                        yield _read(unpacked.read, self._container), file
                elif self._container == "torch-zip":
                    archive = zipfile.ZipFile(file)
                    with archive, archive.open(pickle_member(archive)) as member:
                        yield _read(member.read, self._container), file
                else:
                    yield _read(file.read, self._container), file
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            raise SourceError(f"{self.path}: damaged or cut short ({error})") from error
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from error


def pickle_member(archive: zipfile.ZipFile) -> str:
    """The member ``<folder>/data.pkl`` of a file by torch ≥ 1.6; tensors beside it are refused.

    Raises:
        SourceError: there is none, or there are tensors.
    """
    names = archive.namelist()
    found = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(found) != 1:
        raise SourceError("a zip archive, but none that torch wrote (no data.pkl in it)")
    if any("/data/" in name for name in names):
        raise SourceError("a PyTorch file with tensors in it, which no file of the benchmark has")
    return found[0]


def _read(read: Read, container: Container) -> Iterator[tuple[object, object]]:
    """Every (index, record); then what is around them is checked."""
    machine = Machine(read, skip=UNWANTED)
    if container == "torch-legacy":
        if machine.load() != TORCH_MAGIC or machine.load() != _TORCH_VERSION:
            raise SourceError("a PyTorch file of an unknown version; expected 1001")
        if not isinstance(machine.load(), dict):
            raise SourceError("a damaged PyTorch file: no system information")
    whole = yield from machine.load_items(_ITEMS, _check_start)
    _check_whole(whole)
    if container == "torch-legacy" and machine.load() != []:
        raise SourceError("a PyTorch file with tensors in it, which no file of the benchmark has")
    if not machine.at_end():
        raise SourceError(f"more bytes follow the pickle, from byte {machine.position} on")


def _check_start(before: dict[object, object]) -> None:
    """Tells another search space before its records are read; official files start with these."""
    if "meta_archs" in before:
        check_meta(before["meta_archs"])


def _check_whole(whole: object) -> None:
    """Refuses an object that isn't the benchmark's.

    Raises:
        SourceError: with the keys that it has and those that it should have.
    """
    if not isinstance(whole, dict) or not {"meta_archs", _ITEMS} <= whole.keys():
        found = ", ".join(map(str, list(whole)[:8])) if isinstance(whole, dict) else ""
        raise SourceError(
            f"no file of the benchmark: it holds a {type(whole).__name__}"
            + (f" with the keys {found[:200]}" if found else "")
            + "; expected a dictionary with meta_archs, arch2infos and evaluated_indexes"
        )
    check_meta(whole["meta_archs"])
    if not isinstance(whole[_ITEMS], dict):
        raise SourceError("only the list of cells, without their records: give the whole folder")
