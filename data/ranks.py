"""Where cells stand in their space: "among the widest and shallowest", made exact.

A NAS-Bench-201 cell is ranked among all connected cells of its space; a DARTS-style cell, by the
wiring of its normal and of its reduction cell, among those of as many nodes that a sampler gives
(Shu, Wang, Cai 2020, arXiv 1909.09569): all with two distinct sources each, or the draws of the
paper's own sampler, which lets sources repeat. Both are enumerated (:mod:`analysis.spaces.wirings`)
and concatenate every node, whatever the cell concatenates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from analysis import topology
from analysis.cells import Cell
from analysis.spaces.darts import Genotype, Part
from analysis.spaces.wirings import WiringSampler, drawn_shapes, wiring_table
from data.evidence import last
from data.frame import Floats, Frame, Mask
from data.groups import is_lower_better
from data.queries import Field, View, named_cell

WIDE_FIRST = "falling"
SHALLOW_FIRST = "rising"


@dataclass(frozen=True, slots=True)
class Rank:
    """Where one value stands.

    Attributes:
        value: the cell's own value, or None with a ``reason``; one that is too slow for a metric,
            or diverged, has a rank all the same.
        order: ``falling`` where the largest value is first, ``rising`` where the smallest is.
        rank: 1 + how many stand strictly before it.
        position: the same counted in distinct values: 2 is the second-highest width there is.
        positions: how many distinct values there are.
        of: how many it is ranked among (``among`` says which).
        percentile: percent of these that stand behind it, half of the equal ones counted.
        member: whether it is itself one of these.
    """

    value: float | None
    order: str
    among: str
    rank: int | None = None
    position: int | None = None
    positions: int | None = None
    of: int | None = None
    percentile: float | None = None
    member: bool | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CellRanks:
    """All ranks of one cell by column."""

    cell: Cell
    ranks: dict[str, Rank]


def rank_among(
    value: float | None,
    population: npt.ArrayLike,
    order: str,
    among: str,
    *,
    member: bool = True,
    counts: npt.ArrayLike | None = None,
) -> Rank:
    """``value`` among ``population`` (n,) without NaN; the value need not be one of them.

    ``counts`` (n,) says how often each of these is there, once by default.
    """
    if value is None:
        return Rank(None, order, among, reason="the cell has no value")
    values = np.asarray(population, dtype=np.float64)
    times = np.ones(len(values), dtype=np.int64) if counts is None else np.asarray(counts)
    ahead = values > value if order == WIDE_FIRST else values < value
    before = int(times[ahead].sum())
    equal = int(times[values == value].sum())
    size = int(times.sum())
    return Rank(
        value,
        order,
        among,
        rank=before + 1,
        position=len(np.unique(values[ahead])) + 1,
        positions=len(np.unique(values)),
        of=size,
        percentile=100 * (size - before - equal / 2) / size if size else None,
        member=member,
    )


def ranks(
    view: View, cells: Sequence[str], metrics: Sequence[str], sampler: WiringSampler = "distinct"
) -> list[CellRanks]:
    """The ranks of ``cells`` by width, depth and each metric; genotypes among a sampler's wirings.

    Raises:
        QueryError: not a cell, or a metric that was not recorded.
    """
    fields = [view.field(name) for name in metrics]
    found = []
    for text in cells:
        row, cell = named_cell(view.snapshot, text)
        shape = shape_ranks(view.frame, cell, sampler)
        by_metric = {field.name: _metric_rank(view, field, cell.space, row) for field in fields}
        found.append(CellRanks(cell, shape | by_metric))
    return found


def compared(frame: Frame, found: Iterable[CellRanks]) -> Mask:
    """The cells, (cells,), that those of ``found`` are ranked among by a metric."""
    spaces = {one.cell.space for one in found}
    return np.asarray(np.any([frame.spaces[space] for space in spaces], axis=0))


def shape_ranks(frame: Frame, cell: Cell, sampler: WiringSampler = "distinct") -> dict[str, Rank]:
    """The ranks of one cell, loaded or not, by width and depth; a genotype's reduction cell too."""
    if isinstance(cell, Genotype):
        return _wiring_ranks(cell, sampler)
    return _space_ranks(frame, frame.rows.get(cell.id))


def _space_ranks(frame: Frame, row: int | None) -> dict[str, Rank]:
    population = frame.spaces["nasbench201"] & frame.connected
    among = f"{int(np.count_nonzero(population)):,} connected cells of nasbench201"
    result = {}
    for name, order in (("width", WIDE_FIRST), ("depth", SHALLOW_FIRST)):
        column = frame.numbers[name]
        result[name] = rank_among(_value(column, row), column[population], order, among)
    return result


def _wiring_ranks(cell: Genotype, sampler: WiringSampler) -> dict[str, Rank]:
    values = topology.columns(cell)
    result = {}
    prefixes: dict[Part, str] = {"normal": "", "reduce": "reduce_"}
    for part, prefix in prefixes.items():
        nodes = len(cell.cell(part)[0]) // 2
        member = _is_drawn(cell, part, sampler)
        for name, place, order in (("width", 0, WIDE_FIRST), ("depth", 1, SHALLOW_FIRST)):
            rank = _wiring_rank(values[prefix + name], nodes, place, order, sampler, member)
            result[prefix + name] = rank
    return result


def _is_drawn(cell: Genotype, part: Part, sampler: WiringSampler) -> bool:
    """Whether the wiring is one of the sampler's: all nodes concatenated, and distinct sources."""
    pairs, concat = cell.cell(part)
    sources = [source for _, source in pairs]
    repeated = any(one == two for one, two in zip(sources[::2], sources[1::2], strict=True))
    return len(concat) == len(pairs) // 2 and not (repeated and sampler == "distinct")


@lru_cache(maxsize=1024)
def _wiring_rank(
    value: float | None, nodes: int, place: int, order: str, sampler: WiringSampler, member: bool
) -> Rank:
    """Kept, since the many variants of a cell have few different widths and depths."""
    try:
        if sampler == "paper":
            *shapes, counts = drawn_shapes(nodes)
            among = f"{counts.sum():,} equally likely draws of {nodes} nodes' sources with repeats"
            return rank_among(value, shapes[place], order, among, member=member, counts=counts)
        population = wiring_table(nodes)[place]
    except ValueError as error:
        return Rank(value, order, f"wirings of {nodes} nodes", reason=str(error))
    among = f"{len(population):,} wirings of {nodes} nodes with two distinct sources"
    return rank_among(value, population, order, among, member=member)


def _metric_rank(view: View, field: Field, space: str, row: int | None) -> Rank:
    """Among the cells that have a place: the slow and the diverged are last, without a value."""
    places, inside = view.places(field), view.frame.spaces[space]
    population = places[inside & ~np.isnan(places)]
    told = "".join(
        f", {count:,} {what}"
        for count, what in zip(last(view, [field], inside), ("censored", "diverged"), strict=True)
        if count
    )
    among = f"{len(population):,} cells of {space} with a value{told}"
    order = SHALLOW_FIRST if is_lower_better(field) else WIDE_FIRST
    found = rank_among(_value(places, row), population, order, among)
    value = _value(view.numbers(field), row)
    if found.value is None or value is not None:
        return found
    end = population.min() if order == WIDE_FIRST else population.max()
    where = "among the last" if found.value == end else "by the least that it can be"
    return replace(found, value=None, reason=f"no value, ranked {where}")


def _value(column: Floats, row: int | None) -> float | None:
    if row is None or np.isnan(column[row]):
        return None
    return float(column[row])
