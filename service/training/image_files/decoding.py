"""PNG and JPEG to pixels."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from service.training.image_files.base import MAX_SET_BYTES, ImagesError, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE: Final = 1024
_CHANNELS: Final = {"L": 1, "RGB": 3}
_FAULTS: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)

Shape = tuple[int, int, int]


def shape_of(where: str, data: bytes) -> Shape:
    """Channels, height and width, from the header alone.

    Raises:
        ImagesError: no PNG or JPEG, neither grey nor RGB, or a side above `MAX_SIDE` pixels.
    """
    with _strict():
        return _shape(where, _opened(where, data, ("PNG", "JPEG")))


def decoded(
    encoded: Iterable[tuple[str, bytes]],
    count: int,
    shape: Shape,
    formats: tuple[str, ...] = ("PNG", "JPEG"),
) -> Pixels:
    """The pixels of ``count`` images of one shape.

    Args:
        encoded: where each one lies, and its file's bytes.
        formats: what they may be, as Pillow names it.

    Raises:
        ImagesError: one is damaged or of another format, size or mode; or there are too many for
            memory.
    """
    size = count * int(np.prod(shape))
    if size > MAX_SET_BYTES:
        raise ImagesError(
            f"{count:,} images of {shape[1]}x{shape[2]} take {size / 2**30:.0f} GiB, allowed are "
            f"{MAX_SET_BYTES >> 30}: train on fewer (images.train in the recipe) or smaller ones"
        )
    pixels = np.empty((count, *shape), np.uint8)
    with _strict():
        for number, (where, data) in enumerate(encoded):
            image = _opened(where, data, formats)
            found = _shape(where, image)
            if found != shape:
                raise ImagesError(f"{where}: {_told(found)} where the others are {_told(shape)}")
            try:
                values = np.asarray(image)
            except _FAULTS as error:
                raise ImagesError(f"{where}: a damaged image: {error}") from error
            pixels[number] = values.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
    return pixels


def stamp(paths: Iterable[Path]) -> str:
    """Names, sizes and times of files, and the decoder's version: what pixels may be kept under."""
    from PIL import __version__

    lines = [f"Pillow {__version__}"]
    for path in paths:
        about = path.stat()
        lines.append(f"{path.name} {about.st_size} {about.st_mtime_ns}")
    return "\n".join(lines)


class _strict(warnings.catch_warnings):  # noqa: N801 - reads as a statement
    """Makes an error of Pillow's warning of an image too large to be honest."""

    def __enter__(self) -> None:
        from PIL.Image import DecompressionBombWarning

        super().__enter__()
        warnings.simplefilter("error", DecompressionBombWarning)


def _opened(where: str, data: bytes, formats: tuple[str, ...]) -> Image:
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except (*_FAULTS, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        allowed = " or ".join(formats)
        raise ImagesError(
            f"{where}: can't be read as {allowed} ({type(error).__name__})"
        ) from error


def _shape(where: str, image: Image) -> Shape:
    if image.mode not in _CHANNELS:
        raise ImagesError(f"{where}: of mode {image.mode}; allowed are RGB and L (grey, 8 bits)")
    if max(image.size) > MAX_SIDE:
        raise ImagesError(f"{where}: {image.size} pixels; allowed are {MAX_SIDE} a side")
    return _CHANNELS[image.mode], image.height, image.width


def _told(shape: Shape) -> str:
    return f"{'grey' if shape[0] == 1 else 'RGB'} {shape[2]}x{shape[1]}"
