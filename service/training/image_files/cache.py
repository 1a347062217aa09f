"""Decoded pixels kept for the next time, as ``<folder>/images/<name>-<key>.npy``.

The key is that of the files that were decoded; what was kept of earlier ones is removed. A file is
written whole or not at all, has the SHA-256 of its pixels behind them, and is made anew when that
doesn't agree.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from service.training.image_files.base import Indices, Pixels, Records

_DIGEST: Final = 32
_KEY: Final = 16


def pixels_of(records: Records, chosen: Indices, cache: Path | None, name: str) -> Pixels:
    """The chosen images, from the cache where it has them.

    All that are stored are decoded and kept only where all of them are chosen.

    Raises:
        ImagesError: one of them is damaged or isn't what it should be.
    """
    stamp = records.stamp() if cache is not None else None
    if cache is None or stamp is None:
        return records.pixels(chosen)
    key = hashlib.sha256(stamp.encode()).hexdigest()[:_KEY]
    path = cache / "images" / f"{name}-{key}.npy"
    whole = _read(path, len(records.labels))
    if whole is None:
        if len(chosen) < len(records.labels):
            return records.pixels(chosen)
        whole = records.pixels(np.arange(len(records.labels)))
        with contextlib.suppress(OSError):  # a full disk or a read-only home: train all the same
            _write(path, whole, name)
    return whole[chosen]


def _read(path: Path, count: int) -> Pixels | None:
    try:
        with path.open("rb") as file:
            pixels = np.load(file, allow_pickle=False)
            digest = file.read(_DIGEST + 1)
    except (OSError, ValueError, EOFError, MemoryError):
        return None
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
        return None
    if len(pixels) != count or not pixels.flags.c_contiguous:
        return None
    if hashlib.sha256(pixels.data).digest() != digest:
        return None
    return pixels


def _write(path: Path, pixels: Pixels, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f"{name}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, pixels)
            file.write(hashlib.sha256(pixels.data).digest())
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
        for old in path.parent.glob(f"{name}-{'[0-9a-f]' * _KEY}.npy"):
            if old != path:
                old.unlink(missing_ok=True)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
