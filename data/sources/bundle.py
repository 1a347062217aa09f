"""The table that ships with Cellwise: runs that it trained itself, on a sample of both spaces.

``local-bundle.parquet`` is an export of these runs, ``local-bundle.toml`` says what it is. How it
was made: :mod:`analysis.scripts.bundle` and docs/bundle.md.
"""

from __future__ import annotations

from pathlib import Path

import data.bundle
from data.sources.base import Source
from data.sources.tabular import Tabular

NAME = "local-bundle"


def bundled_table() -> Source:
    """The shipped table.

    Raises:
        SourceError: its files are damaged.
    """
    (folder,) = data.bundle.__path__
    return Tabular(
        Path(folder) / f"{NAME}.parquet", parquet=True, mapping=Path(folder) / f"{NAME}.toml"
    )
