"""What ships with Cellwise: runs that it trained itself, on a sample of both spaces, and studies.

``local-bundle.parquet`` is an export of these runs, ``local-bundle.toml`` says what it is. How it
was made: :mod:`analysis.scripts.bundle` and docs/bundle.md. ``local-studies.parquet`` is an export
of studies (:mod:`data.study_files`), some of whose parts are runs of that table.
"""

from __future__ import annotations

from pathlib import Path

import data.bundle
from data.sources.base import Source
from data.sources.tabular import Tabular

NAME = "local-bundle"
STUDIES = "local-studies"


def bundled_table() -> Source:
    """The shipped table.

    Raises:
        SourceError: its files are damaged.
    """
    folder = _folder()
    return Tabular(folder / f"{NAME}.parquet", parquet=True, mapping=folder / f"{NAME}.toml")


def bundled_studies() -> Path:
    """The file of the shipped studies."""
    return _folder() / f"{STUDIES}.parquet"


def _folder() -> Path:
    (folder,) = data.bundle.__path__
    return Path(folder)
