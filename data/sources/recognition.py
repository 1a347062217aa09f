"""Tells what a path holds."""

from __future__ import annotations

from pathlib import Path

from data.sources.base import Source, SourceError
from data.sources.hpo_bench import HpoBench, is_hpo_bench


def recognise(path: Path, *, name: str | None = None, mapping: Path | None = None) -> Source:
    """The source that this file or folder is.

    Raises:
        SourceError: nothing that can be read.
    """
    if path.is_dir() and is_hpo_bench(path):
        return HpoBench(path, name)
    raise SourceError(f"{path}: not known")
