"""What ships with Cellwise: runs that it trained itself, and studies that are made of them.

``local-bundle.parquet`` holds runs on a sample of both spaces (:mod:`analysis.scripts.bundle`,
docs/bundle.md), ``reproduction.parquet`` those of the report at scale ``proxy``
(:mod:`analysis.report`, docs/reproduction.md); a ``.toml`` beside each says what it is.
``reproduction-studies.parquet`` holds that report's studies (:mod:`data.study_transfer`), whose
trainings are runs of both.
"""

from __future__ import annotations

from pathlib import Path

import data.bundle
from data.sources.base import Source
from data.sources.tabular import Tabular


def bundled_table(name: str) -> Source:
    """One of the shipped tables.

    Raises:
        SourceError: its files are damaged.
    """
    folder = _folder()
    return Tabular(folder / f"{name}.parquet", parquet=True, mapping=folder / f"{name}.toml")


def bundled_studies(name: str) -> Path:
    """The file of shipped studies."""
    return _folder() / f"{name}.parquet"


def _folder() -> Path:
    (folder,) = data.bundle.__path__
    return Path(folder)
