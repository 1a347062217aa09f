"""Runs: stretches of a pickle that are equally long (key, float) pairs, one after another.

``{0: 29.3, 1: 45.4, ...}`` and ``{'x-valid@10': 51.7, 'x-valid@11': 53.2, ...}`` are nearly all
there is in the benchmark's files. One regular expression finds where such a stretch ends, and numpy
reads it as an array of records, at a tenth of the cost of going through it opcode by opcode.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

_MIN_PAIRS: Final = 2
_MAX_TEXT: Final = 64
_INT_PAIR: Final = 11
_INT_RUN: Final = re.compile(rb"(?:K.G........){%d,}+" % _MIN_PAIRS, re.DOTALL)
_INDEX_SIZE: Final = {b"\x94": 0, b"q": 1, b"r": 4}
"""What follows the opcodes MEMOIZE, BINPUT and LONG_BINPUT."""


class Run(NamedTuple):
    """A stretch of pairs.

    Attributes:
        keys: integers or texts.
        buffer: the bytes that the run is in.
        start, end: where it starts and ends there.
        value: where, in a pair, the float is.
        index: where, in a pair, the key's memo index is, and its size; size 0 if it isn't given.
    """

    keys: tuple[Any, ...]
    buffer: bytes
    start: int
    end: int
    value: int
    index: tuple[int, int] = (0, 0)

    def values(self) -> list[float]:
        """The floats."""
        floats: list[float] = self._column(self.value, ">f8").tolist()
        return floats

    def indexes(self) -> Any:
        """The keys' memo indexes as an array; None where they aren't given."""
        place, size = self.index
        return self._column(place, f"<u{size}").astype(np.int64) if size else None

    def _column(self, place: int, kind: str) -> Any:
        count = len(self.keys)
        stride = (self.end - self.start) // count
        return np.ndarray((count,), kind, self.buffer, self.start + place, (stride,))


def int_run(buffer: bytes, start: int) -> Run | None:
    """The run of (integer below 256, float) that starts here; None if it is short."""
    found = _INT_RUN.match(buffer, start)
    if found is None:
        return None
    end = found.end()
    return Run(tuple(buffer[start + 1 : end : _INT_PAIR]), buffer, start, end, 3)


def text_run(buffer: bytes, start: int, text: int, size: int) -> Run | None:
    """The run of (text, float) that starts here; None if it is short or not ASCII.

    Args:
        buffer: bytes of the pickle.
        start: where the first text's opcode is.
        text: where the text itself is.
        size: its length in bytes, which is that of every text of the run.
    """
    after = text + size
    memo = buffer[after : after + 1]
    if not 0 < size < _MAX_TEXT or memo not in _INDEX_SIZE:
        return None
    found = _pattern(buffer[start:text], size, memo).match(buffer, start)
    if found is None:
        return None
    end = found.end()
    index = _INDEX_SIZE[memo]
    stride = after - start + 1 + index + 9
    column = np.ndarray(((end - start) // stride,), f"V{size}", buffer, text, (stride,))
    keys = _split(column.tobytes(), size)
    if keys is None:
        return None
    return Run(keys, buffer, start, end, stride - 8, (after + 1 - start, index))


@lru_cache(maxsize=256)
def _pattern(head: bytes, size: int, memo: bytes) -> re.Pattern[bytes]:
    """Two pairs or more: a text of this size, its memo opcode, a float."""
    pair = re.escape(head) + b"." * size + memo + b"." * _INDEX_SIZE[memo] + b"G........"
    return re.compile(b"(?:%b){%d,}+" % (pair, _MIN_PAIRS), re.DOTALL)


@lru_cache(maxsize=4096)
def _split(text: bytes, size: int) -> tuple[str, ...] | None:
    if not text.isascii():
        return None
    whole = text.decode("ascii")
    return tuple(whole[start : start + size] for start in range(0, len(whole), size))
