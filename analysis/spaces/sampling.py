"""A sample of NAS-Bench-201 that covers every shape and mix of operations."""

import random
from collections import Counter, defaultdict

from analysis import topology
from analysis.spaces import nasbench201
from analysis.spaces.nasbench201 import NasBench201Cell

Shape = tuple[int, int]
"""(width, depth)."""


def stratified(count: int, seed: int) -> list[NasBench201Cell]:
    """``count`` connected cells, as evenly over the (width, depth) as there are different cells.

    Cells count as different when their networks compute different functions: dead edges cut away,
    then the benchmark's own notion of sameness. One cell stands for each such class, so that a
    narrow shape, of which there are few, gives up its share to the others. Within a shape, cells
    are taken so that every multiset of operations is used as often as any other, as far as the
    shape has it. The order is shuffled: any beginning of the list is a sample of the whole.

    Raises:
        ValueError: more cells than there are different ones, or a negative number.
    """
    rng = random.Random(seed)  # noqa: S311  (a sample, no secret)
    by_shape = _different_cells(rng)
    available = sum(map(len, by_shape.values()))
    if not 0 <= count <= available:
        raise ValueError(f"{count} cells; allowed: 0 to {available}, the different connected cells")
    shares = _shares({shape: len(cells) for shape, cells in by_shape.items()}, count)
    used: Counter[tuple[str, ...]] = Counter()
    chosen: list[NasBench201Cell] = []
    while any(shares.values()):
        for shape in sorted(shares):
            if shares[shape]:
                cells = by_shape[shape]
                place = min(range(len(cells)), key=lambda i: used[_operations(cells[i])])
                cell = cells.pop(place)
                used[_operations(cell)] += 1
                chosen.append(cell)
                shares[shape] -= 1
    rng.shuffle(chosen)
    return chosen


def _different_cells(rng: random.Random) -> dict[Shape, list[NasBench201Cell]]:
    """By shape, one random member of each class of cells that compute the same, in random order."""
    cells = list(nasbench201.all_cells())
    rng.shuffle(cells)
    by_shape: dict[Shape, list[NasBench201Cell]] = defaultdict(list)
    seen: set[str] = set()
    for cell in cells:
        readings = topology.columns(cell)
        width, depth = readings["width"], readings["depth"]
        live = nasbench201.parse(nasbench201.classes(cell)["live"])
        function = nasbench201.classes(live)["official"]
        if width is None or depth is None or function in seen:
            continue
        seen.add(function)
        by_shape[int(width), int(depth)].append(cell)
    return dict(by_shape)


def _shares(sizes: dict[Shape, int], count: int) -> dict[Shape, int]:
    """``count`` shared out evenly, none more than its size."""
    shares = dict.fromkeys(sizes, 0)
    for _ in range(count):
        open_shapes = [shape for shape in sorted(sizes) if shares[shape] < sizes[shape]]
        shares[min(open_shapes, key=lambda shape: shares[shape])] += 1
    return shares


def _operations(cell: NasBench201Cell) -> tuple[str, ...]:
    return tuple(sorted(cell.operations))
