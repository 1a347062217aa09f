"""Which content files have: what tells a newer table from an older one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from data.progress import Report, silent


def checksum(files: Sequence[Path], report: Report = silent) -> str:
    """SHA-256 over the files, of several also over names and sizes, in their order.

    Raises:
        OSError: one can't be read.
    """
    total = sum(file.stat().st_size for file in files)
    digest = hashlib.sha256()
    done = 0
    for file in files:
        if len(files) > 1:
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
                done += len(block)
                report("checking", done, total)
    return digest.hexdigest()
