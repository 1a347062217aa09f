"""Operations of all cells as arrays: edge by edge, and as multisets that cells are grouped by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from analysis import topology
from analysis.cells import parse_cell
from analysis.spaces import nasbench201

Codes = npt.NDArray[np.int64]

NOTHING = "nothing"
"""What a multiset without an operation is called: that of a disconnected cell's live edges."""

_KEPT = 1 << 14
"""Cells whose multisets stay known, so that a genotype is parsed once for many frames."""


@cache
def by_edge() -> npt.NDArray[np.int8]:
    """Operation of each NAS-Bench-201 edge, (15625, 6): index in ``nasbench201.OPERATIONS``.

    Kept, since it never changes: a frame is made anew for each new genotype.
    """
    codes = {name: code for code, name in enumerate(nasbench201.OPERATIONS)}
    return np.array(
        [[codes[operation] for operation in cell.operations] for cell in nasbench201.all_cells()],
        dtype=np.int8,
    )


def multisets(archs: Sequence[str], *, live_only: bool) -> Codes:
    """A code for each cell's multiset of operations, (cells,); no two spaces share one.

    ``archs`` are the strings of all cells, those of NAS-Bench-201 first, in official order. A
    genotype's operations are those of its normal and its reduction cell together.
    """
    benchmark = _of_benchmark(live_only)
    keys: dict[tuple[str, ...], int] = {}
    first = int(benchmark.max()) + 1
    genotypes = [
        first + keys.setdefault(_all_and_live(arch)[live_only], len(keys))
        for arch in archs[len(benchmark) :]
    ]
    return np.concatenate([benchmark, np.array(genotypes, dtype=np.int64)])


@cache
def _of_benchmark(live_only: bool) -> Codes:
    """Sorted, a cell's six operations are its multiset, and the digits of a number that tells it.

    Where live edges alone count, a dead one is as good as ``none``.
    """
    written = by_edge()
    if live_only:
        live = np.array([nasbench201.live(cell) for cell in nasbench201.all_cells()])
        written = np.where(live, written, nasbench201.OPERATIONS.index("none"))
    digits = len(nasbench201.OPERATIONS) ** np.arange(written.shape[1])
    return np.sort(written, axis=1).astype(np.int64) @ digits


@lru_cache(maxsize=_KEPT)
def _all_and_live(arch: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A cell's operations and those on live edges, each sorted."""
    cell = parse_cell(arch)
    every, live = (sorted(topology.operations(cell, live_only=only)) for only in (False, True))
    return tuple(every), tuple(live)


def multiset_name(arch: str, *, live_only: bool) -> str:
    """A cell's multiset in words: ``2×nor_conv_3x3 1×skip_connect``."""
    counts = Counter(_all_and_live(arch)[live_only])
    return " ".join(f"{count}×{name}" for name, count in counts.items()) or NOTHING
