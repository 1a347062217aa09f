"""Multisets of operations: against listing paths in the cells' own text."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.spaces.darts import NAMED, Genotype
from data import operations
from tests import raw
from tests.analysis.strategies import genotypes

Multiset = frozenset[tuple[str, int]]


def multiset(names: list[str]) -> Multiset:
    return frozenset(Counter(names).items())


def live_of(pairs: Any, concat: tuple[int, ...]) -> list[str]:
    """Operations on some way from an input to a concatenated node: all ways, tried one by one."""
    nodes = range(2, 2 + len(pairs) // 2)
    reading = {node: range(2 * node - 4, 2 * node - 2) for node in nodes}
    live: set[int] = set()
    for length in range(1, len(nodes) + 1):
        for way in combinations(nodes, length):
            if way[-1] not in concat:
                continue
            for chosen in product(*(reading[node] for node in way)):
                sources = [pairs[pair][1] for pair in chosen]
                if sources[0] in (0, 1) and sources[1:] == list(way[:-1]):
                    used = [pairs[pair][0] for pair in chosen]
                    live |= set(chosen) if "none" not in used else set()
    return [pairs[pair][0] for pair in live]


def both_parts(genotype: Genotype, *, live_only: bool) -> Multiset:
    parts = (
        (genotype.normal, genotype.normal_concat),
        (genotype.reduce, genotype.reduce_concat),
    )
    return multiset(
        [
            name
            for pairs, concat in parts
            for name in (live_of(pairs, concat) if live_only else [pair[0] for pair in pairs])
        ]
    )


def agree(codes: np.ndarray[Any, Any], expected: list[Any]) -> None:
    """Equal codes where what was expected is equal, and there alone."""
    pairs = set(zip(codes.tolist(), expected, strict=True))
    assert len(pairs) == len(set(codes.tolist())) == len(set(expected))


def test_multisets_of_the_whole_benchmark() -> None:
    strings = list(raw.strings())
    every = operations.multisets(strings, live_only=False)
    agree(every, [multiset(list(raw.operations(string))) for string in strings])
    live = operations.multisets(strings, live_only=True)
    agree(live, [multiset(list(raw.live_operations(string))) for string in strings])


@given(st.lists(genotypes, max_size=6))
@settings(max_examples=40, deadline=None)
def test_multisets_of_genotypes_are_those_of_both_parts(cells: list[Genotype]) -> None:
    cells = [*cells, *NAMED.values()]
    strings = [*raw.strings(), *(cell.arch for cell in cells)]
    for live_only in (False, True):
        codes = operations.multisets(strings, live_only=live_only)
        agree(codes[15_625:], [both_parts(cell, live_only=live_only) for cell in cells])
        assert not set(codes[15_625:]) & set(codes[:15_625]), "no two spaces share a multiset"


@given(genotypes)
def test_names_of_multisets_count_each_operation(cell: Genotype) -> None:
    for live_only in (False, True):
        name = operations.multiset_name(cell.arch, live_only=live_only)
        parts = [part.split("×") for part in name.split(" ")] if name != "nothing" else []
        told = frozenset((operation, int(count)) for count, operation in parts)
        assert told == both_parts(cell, live_only=live_only)


def test_a_disconnected_cell_has_nothing_live() -> None:
    arch = "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
    assert operations.multiset_name(arch, live_only=True) == "nothing"
    every = "3×none 1×nor_conv_1x1 1×nor_conv_3x3 1×skip_connect"
    assert operations.multiset_name(arch, live_only=False) == every
