"""Runs: stretches of a pickle that are equally long (key, float) pairs, one after another.

``{0: 29.3, 1: 45.4, ...}`` and ``{'x-valid@10': 51.7, 'x-valid@11': 53.2, ...}`` are nearly all
there is in the benchmark's files. One regular expression finds where such a stretch ends, and numpy
reads it as an array of records, at a tenth of the cost of going through it opcode by opcode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

_MIN_PAIRS: Final = 4
_MAX_TEXT: Final = 64

_MEMO_OPS: Final[Mapping[bytes, tuple[str | None, int]]] = {
    b"\x94": (None, 0),
    b"q": ("u1", 1),
    b"r": ("<u4", 4),
}
_INT_ROW: Final = np.dtype([("op", "V1"), ("key", "u1"), ("g", "V1"), ("value", ">f8")])
_INT_RUN: Final = re.compile(rb"(?:K.G........)++", re.DOTALL)


class Run(NamedTuple):
    """A stretch of pairs.

    Attributes:
        keys: integers or texts.
        rows: ``value`` is the floats; ``index``, where the pickle gives it, each key's memo index.
        end: where the stretch ends in the buffer.
    """

    keys: tuple[Any, ...]
    rows: Any
    end: int


def int_run(buffer: bytes, start: int) -> Run | None:
    """The run of (integer below 256, float) that starts here; None if it is short."""
    if buffer[start + 2 : start + 3] != b"G" or buffer[start + 11 : start + 12] != b"K":
        return None
    found = _INT_RUN.match(buffer, start)
    count = (found.end() - start) // _INT_ROW.itemsize if found else 0
    if found is None or count < _MIN_PAIRS:
        return None
    rows = np.frombuffer(buffer, _INT_ROW, count, start)
    return Run(tuple(rows["key"].tobytes()), rows, found.end())


def text_run(buffer: bytes, start: int, text: int, size: int) -> Run | None:
    """The run of (text, float) that starts here; None if it is short or not ASCII.

    Args:
        buffer: bytes of the pickle.
        start: where the first text's opcode is.
        text: where the text itself is.
        size: its length in bytes, which is that of every text of the run.
    """
    memo = buffer[text + size : text + size + 1]
    if not 0 < size < _MAX_TEXT or memo not in _MEMO_OPS:
        return None
    value = text + size + 1 + _MEMO_OPS[memo][1]
    if buffer[value : value + 1] != b"G":
        return None
    pattern, row = _text_row(buffer[start:text], size, memo)
    found = pattern.match(buffer, start)
    count = (found.end() - start) // row.itemsize if found else 0
    if found is None or count < _MIN_PAIRS:
        return None
    rows = np.frombuffer(buffer, row, count, start)
    keys = _split(rows["key"].tobytes(), size)
    return None if keys is None else Run(keys, rows, found.end())


@lru_cache(maxsize=4096)
def _split(text: bytes, size: int) -> tuple[str, ...] | None:
    if not text.isascii():
        return None
    whole = text.decode("ascii")
    return tuple(whole[start : start + size] for start in range(0, len(whole), size))


@lru_cache(maxsize=256)
def _text_row(head: bytes, size: int, memo: bytes) -> tuple[re.Pattern[bytes], np.dtype[Any]]:
    """The pattern and the row of a run: text of this size, its memo opcode, a float."""
    index, width = _MEMO_OPS[memo]
    row = rb"(?:%b%b%b%bG........)++" % (re.escape(head), b"." * size, memo, b"." * width)
    fields = [("head", f"V{len(head)}"), ("key", f"V{size}"), ("memo", "V1")]
    fields += [("index", index)] if index else []
    return re.compile(row, re.DOTALL), np.dtype([*fields, ("g", "V1"), ("value", ">f8")])


