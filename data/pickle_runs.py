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
_MAX_PAIRS: Final = 512
"""Longer ones are several runs, so that what is no run after all is never gone through for long."""

_LENGTHS: Final = 3
_MAX_TEXT: Final = 64
_INT_PAIR: Final = 11
_INT_RUN: Final = re.compile(b"(?:K.G........){%d,%d}+" % (_MIN_PAIRS, _MAX_PAIRS), re.DOTALL)
_FLOAT: Final = np.dtype(">f8")
_INDEX_SIZE: Final = {b"\x94": 0, b"q": 1, b"r": 4}
"""What follows the opcodes MEMOIZE, BINPUT and LONG_BINPUT."""

_TEXTS: Final = [np.dtype(f"V{size}") for size in range(_MAX_TEXT + _LENGTHS)]


class Part(NamedTuple):
    """``pairs`` of ``stride`` bytes each, from ``start`` on."""

    start: int
    pairs: int
    stride: int


class Run(NamedTuple):
    """A stretch of pairs.

    Attributes:
        keys: integers or texts.
        buffer: the bytes that the run is in.
        end: where it ends there.
        parts: its pairs, those of equal length in one part.
        memo: bytes of a memo index before each pair's float; 0 where it isn't given.
    """

    keys: tuple[Any, ...]
    buffer: bytes
    end: int
    parts: tuple[Part, ...]
    memo: int = 0

    def values(self) -> list[float]:
        """The floats, which end each pair."""
        floats: list[float] = []
        for start, pairs, stride in self.parts:
            at = start + stride - 8
            floats += np.ndarray((pairs,), _FLOAT, self.buffer, at, (stride,)).tolist()
        return floats

    def indexes(self) -> Any:
        """The keys' memo indexes as an array; None where they aren't given."""
        if not self.memo:
            return None
        kind = np.dtype(f"<u{self.memo}")
        columns = [
            np.ndarray((pairs,), kind, self.buffer, start + stride - 9 - self.memo, (stride,))
            for start, pairs, stride in self.parts
        ]
        return np.concatenate(columns).astype(np.int64)


def int_run(buffer: bytes, start: int) -> Run | None:
    """The run of (integer below 256, float) that starts here; None if it is short."""
    found = _INT_RUN.match(buffer, start)
    if found is None:
        return None
    keys = tuple(buffer[start + 1 : found.end() : _INT_PAIR])
    return Run(keys, buffer, found.end(), (Part(start, len(keys), _INT_PAIR),))


def text_run(buffer: bytes, start: int, text: int, size: int) -> Run | None:
    """The run of (text, float) that starts here; None if it is short or not ASCII.

    The texts may get longer on the way, as from ``x-valid@9`` to ``x-valid@10``.

    Args:
        buffer: bytes of the pickle.
        start: where the first text's opcode is.
        text: where the text itself is.
        size: its length in bytes.
    """
    memo = buffer[text + size : text + size + 1]
    if not 0 < size < _MAX_TEXT or memo not in _INDEX_SIZE:
        return None
    found = _pattern(buffer[start:text], memo).match(buffer, start)
    if found is None:
        return None
    head = text - start
    parts, texts = [], []
    for longer in range(_LENGTHS):
        low, high = found.span(longer + 1)
        if low < high:
            stride = head + size + longer + 1 + _INDEX_SIZE[memo] + 9
            part = Part(low, (high - low) // stride, stride)
            parts.append(part)
            kind = _TEXTS[size + longer]
            column = np.ndarray((part.pairs,), kind, buffer, low + head, (stride,))
            texts.append(column.tobytes())
    keys = _split(tuple(texts), tuple(part.pairs for part in parts))
    if keys is None:
        return None
    return Run(keys, buffer, found.end(), tuple(parts), _INDEX_SIZE[memo])


@lru_cache(maxsize=256)
def _pattern(head: bytes, memo: bytes) -> re.Pattern[bytes]:
    """Two pairs or more of this size, then some of one and of two bytes more.

    A pair is a text, its memo opcode, and a float; ``head`` is the text's opcode and its length.
    """
    groups = []
    for longer in range(_LENGTHS):
        size = head[1] + longer
        start = re.escape(head[:1] + bytes([size]) + head[2:])
        pair = start + b"." * size + memo + b"." * _INDEX_SIZE[memo] + b"G........"
        groups.append(b"((?:%b){%d,%d}+)" % (pair, 0 if longer else _MIN_PAIRS, _MAX_PAIRS))
    return re.compile(b"".join(groups), re.DOTALL)


@lru_cache(maxsize=4096)
def _split(texts: tuple[bytes, ...], counts: tuple[int, ...]) -> tuple[str, ...] | None:
    """The single texts, of those that stand end to end in each part."""
    if not all(text.isascii() for text in texts):
        return None
    keys: list[str] = []
    for text, count in zip(texts, counts, strict=True):
        whole, size = text.decode("ascii"), len(text) // count
        keys += [whole[start : start + size] for start in range(0, len(whole), size)]
    return tuple(keys)
