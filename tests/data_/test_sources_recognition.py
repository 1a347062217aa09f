"""Files are told by their content; what can't be read is named."""

from __future__ import annotations

import bz2
import gzip
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.sources import packaged_table, recognise
from data.sources.base import SourceError
from data.sources.hpo_bench import HpoBench
from data.sources.mini_table import MiniTable
from data.sources.nats_folder import NatsFolder
from data.sources.one_file import OneFile
from data.sources.tabular import Tabular
from tests import official
from tests.data_.reading import TABLES, needs_shared

PLAIN = "cell,dataset,split,schedule,seed,epoch,value\n0,cifar10,train,12,777,1,50\n"


def test_each_format_under_a_name_that_tells_nothing(tmp_path: Path) -> None:
    expected = {
        "folder": NatsFolder,
        "pbz2": OneFile,
        "pth-legacy": OneFile,
        "pth-zip": OneFile,
    }
    for container, kind in expected.items():
        path = official.write(container, (0,), tmp_path / f"{container}.txt")  # type: ignore[arg-type]
        assert type(recognise(path)) is kind
    (tmp_path / "a.pth").write_text(PLAIN)
    assert type(recognise(tmp_path / "a.pth")) is Tabular
    shutil.copytree(packaged_table(), tmp_path / "pickles")
    assert type(recognise(tmp_path / "pickles")) is HpoBench
    table = pa.table({name: [] for name in PLAIN.splitlines()[0].split(",")})
    pq.write_table(table, tmp_path / "a.csv")
    assert type(recognise(tmp_path / "a.csv")) is Tabular


@needs_shared
def test_the_mini_table_by_its_content(tmp_path: Path) -> None:
    shutil.copy(TABLES / "mini-bench-arch-cell-accs.pd", tmp_path / "a.csv")
    assert type(recognise(tmp_path / "a.csv")) is MiniTable


def test_names(tmp_path: Path) -> None:
    (tmp_path / "My Results (2).csv").write_text(PLAIN)
    path = tmp_path / "My Results (2).csv"
    assert recognise(path).describe().name == "my-results-2"
    assert recognise(path, name="mine").describe().name == "mine"
    assert recognise(packaged_table()).describe().name == "hpo-bench"
    assert recognise(packaged_table(), name="other").describe().name == "other"


def test_a_mapping_is_for_tables_only(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("")
    with pytest.raises(SourceError, match="a mapping is for CSV and Parquet"):
        recognise(packaged_table(), mapping=tmp_path / "m.toml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html>\n<html><body>Too many downloads</body>", "a web page"),
        (b"\n  <html>,</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1,2\n", "Git LFS pointer"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "a gzip file: unpack it first"),
        (b"\xfd7zXZ\0\0\4", "an xz file"),
        (b"\x28\xb5\x2f\xfd1234", "a zstd file"),
        (b"\x7fELF\x02\x01\x01\0", "unknown format, it starts with 7f 45 4c 46"),
        (b"\x89PNG\r\n\x1a\n\0\0", "unknown format"),
        (b"\x80\x01}q\x00.", "unknown format"),
        (b"(dp0\nS'a'\np1\n.", "no CSV with a header"),
        (b"cos\nsystem\n(S'true'\ntR.", "no CSV with a header"),
        (b"PK\x05\x06 cut", "a damaged zip archive"),
        (b"PAR1....PAR1", "no Parquet file"),
        (b"BZh9 not really", "a damaged bzip2 file"),
        (bz2.compress(b"a,b\n1,2\n"), "a bzip2 file of something else"),
        (bz2.compress(b""), "a bzip2 file of something else"),
        (b"just a text without any header", "no CSV with a header"),
        ("a,b\n1,2\n".encode("utf-16"), "unknown format"),
        (pickle.dumps({"a": np.zeros(3)}, 4), "refused: the file asks for"),
        (pickle.dumps([1, 2], 4), "no file of the benchmark: it holds a list"),
        (b"a,a\n1,2\n", "columns with the same name: a"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as error:
        recognise(path)
    assert str(path) in str(error.value)


def test_paths_that_are_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        recognise(tmp_path / "nothing")
    with pytest.raises(SourceError, match=r"neither meta\.pickle\.pbz2 nor cifar10\.pkl"):
        recognise(tmp_path)
    official.write("folder", (), tmp_path / "empty")
    with pytest.raises(SourceError, match="no record of a cell"):
        recognise(tmp_path / "empty")


def test_parts_of_a_folder_point_to_the_folder(tmp_path: Path) -> None:
    folder = official.write("folder", (5,), tmp_path / "folder")
    with pytest.raises(SourceError, match="the record of one cell; give the folder"):
        recognise(folder / "000005.pickle.pbz2")
    with pytest.raises(SourceError, match="give the whole folder"):
        recognise(folder / "meta.pickle.pbz2")
    with pytest.raises(SourceError, match="give the folder that holds the three"):
        recognise(packaged_table() / "cifar10.pkl")


def test_a_zip_that_torch_did_not_write(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SourceError, match="none that torch wrote"):
        recognise(tmp_path / "a.pth")
