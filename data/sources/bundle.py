"""What ships with Cellwise: tables, and studies that are made of their runs.

The table that every home starts with comes in a package (:mod:`data.sources.hpo_bench`); runs that
Cellwise trained itself, and studies of them, lie in ``data/bundle/``: a Parquet file with a
``.toml`` beside it, which says what it is, is a table, one without holds studies
(:mod:`data.study_transfer`). CONTRIBUTING.md says how they are made.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import data.bundle
from data.sources.base import Source
from data.sources.hpo_bench import NAME, HpoBench, packaged_table
from data.sources.tabular import Tabular

_EARLIER = "earlier.toml"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A table, or a file of studies.

    Attributes:
        name: of the source that the table is; the file's stem for studies.
        path: the file, or the package's folder.
        mapping: what the columns of the table's file are.
    """

    name: str
    path: Path
    mapping: Path | None = None

    @property
    def is_table(self) -> bool:
        """Whether it is a table, not studies."""
        return self.mapping is not None or self.name == NAME

    @property
    def note(self) -> str:
        """Under which a home notes what of it was taken."""
        return "default table" if self.name == NAME else f"default {self.name}"

    @property
    def earlier_note(self) -> str:
        """What versions wrote there that didn't note the content."""
        return self.name

    def files(self) -> list[Path]:
        """All that the content consists of, in the order of :meth:`Source.files`."""
        if self.name == NAME:
            return HpoBench(self.path).files()
        return [self.path, *([self.mapping] if self.mapping else [])]

    def table(self) -> Source:
        """The table.

        Raises:
            SourceError: its files are damaged.
        """
        if self.name == NAME:
            return HpoBench(self.path)
        return Tabular(self.path, parquet=True, mapping=self.mapping)

    def earlier_tables(self) -> frozenset[str]:
        """Checksums of this table as it came with versions that didn't note the content."""
        return frozenset(self._earlier("tables"))

    def earlier_studies(self) -> list[datetime]:
        """When the studies were asked for that came with such versions; UTC."""
        return list(self._earlier("studies"))

    def _earlier(self, kind: str) -> list[Any]:
        folder = Path(data.bundle.__path__[0]) if self.name == NAME else self.path.parent
        try:
            text = (folder / _EARLIER).read_text()
        except FileNotFoundError:
            return []
        held: list[Any] = tomllib.loads(text).get(kind, {}).get(self.name, [])
        return held


def shipped(folder: Path | None = None) -> list[Shipped]:
    """All that ships, tables first.

    Args:
        folder: another one than that of this version, without the packaged table.

    Raises:
        SourceError: the packaged table is missing.
    """
    packaged = [Shipped(NAME, packaged_table())] if folder is None else []
    (place,) = data.bundle.__path__ if folder is None else (folder,)
    files = sorted(Path(place).glob("*.parquet"))
    beside = {file: file.with_suffix(".toml") for file in files}
    tables = [Shipped(file.stem, file, beside[file]) for file in files if beside[file].is_file()]
    studies = [Shipped(file.stem, file) for file in files if not beside[file].is_file()]
    return [*packaged, *tables, *studies]
