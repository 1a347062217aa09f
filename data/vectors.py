"""Metrics of all cells in memory, kept from one state of the data to the next where they can be."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from analysis.censoring import Standing
from data.catalogue import Resolved
from data.curve_rows import CurveReader
from data.epochs import EpochStatistics
from data.frame import Integers, Mask, python_values
from data.metrics import Aspect
from data.origin import of_one_source
from data.standing import STATES, Placed, placed_by_cell

CELLS_AT_ONCE = 4096
"""Cells whose whole curves are read at a time, which bounds the memory of a read."""


class NotResidentError(Exception):
    """Something would have to be read or sorted first; see :func:`resident_only`."""


_mode = threading.local()


@contextmanager
def resident_only() -> Iterator[None]:
    """Let this thread use what is in memory, and raise :class:`NotResidentError` for the rest."""
    _mode.resident_only = True
    try:
        yield
    finally:
        _mode.resident_only = False


OrderKey = tuple[tuple[tuple[str, Resolved | None, bool], ...], str]
"""What an order goes by: (name, what it means where it is a metric, falling), and the data set."""


Given = dict[str, Mask]
"""By source, which cells it gave a value, (cells,)."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Something resident, with the kinds of curve that it was made from."""

    made: Any
    curves: frozenset[int]


class Vectors:
    """Metric vectors of one state of the data, kept while there is room (``limit`` bytes)."""

    def __init__(self, reader: CurveReader, size: int, limit: int = 96 << 20) -> None:
        self._reader = reader
        self._size = size
        self._limit = limit
        self._kept: OrderedDict[Any, _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self._computing: dict[Any, Lock] = {}  # one thread computes, others wait for its result

    def inherit(self, older: Vectors, changed: Set[int]) -> None:
        """Take over what an older state holds resident, where it holds in this one too.

        ``changed`` are the kinds of curve that differ. Cells that this state has in addition must
        have nothing in any other kind, and come last. Whoever reads ``older`` isn't disturbed.
        """
        added = self._size - older._size
        with older._lock:
            kept = list(older._kept.items())
        for key, entry in kept:
            if entry.curves.isdisjoint(changed) and not (added and key[0] in ("order", "state")):
                self._keep(key, _Kept(_longer(entry.made, added), entry.curves))

    def metric(self, resolved: Resolved) -> Placed:
        """The metric of all cells."""
        return self._metric_given(resolved)[0]

    def given(self, resolved: Resolved) -> Given:
        """Which cells' metric each source gave."""
        return self._metric_given(resolved)[1]

    def _metric_given(self, resolved: Resolved) -> tuple[Placed, Given]:
        found: tuple[Placed, Given] = self._get(
            ("metric", *_key(resolved)), [resolved], lambda: self._metric(resolved)
        )
        return found

    def python(self, resolved: Resolved, aspect: Aspect) -> list[Any]:
        """One aspect of a metric as Python values, None for null."""
        values: list[Any] = self._get(
            (aspect, *_key(resolved)),
            [resolved],
            lambda: _python(self.metric(resolved), aspect),
        )
        return values

    def order(self, key: OrderKey, make: Callable[[], Integers]) -> Integers:
        """An order of all cells that ``make`` computes, kept under ``key``."""
        read = [resolved for _, resolved, _ in key[0] if resolved is not None]
        order: Integers = self._get(("order", key), read, make)
        return order

    def curves(self, resolved: Resolved) -> EpochStatistics:
        """Every epoch of all cells."""
        return self._curves_given(resolved)[0]

    def curves_given(self, resolved: Resolved) -> Given:
        """Which cells' curves each source gave."""
        return self._curves_given(resolved)[1]

    def _curves_given(self, resolved: Resolved) -> tuple[EpochStatistics, Given]:
        found: tuple[EpochStatistics, Given] = self._get(
            ("curves", *_key(resolved)), [resolved], lambda: self._curves(resolved)
        )
        return found

    def _metric(self, resolved: Resolved) -> tuple[Placed, Given]:
        vector = Placed.empty(self._size)
        given: Given = {}
        step = self._size if len(resolved.epochs) == 1 else CELLS_AT_ONCE
        for low in range(0, self._size, step):
            rows = self._reader.read(resolved, low, low + step)
            cells, part, origins = placed_by_cell(resolved, rows)
            vector.put(cells, part)
            self._give(given, origins)
        return vector, given

    def _curves(self, resolved: Resolved) -> tuple[EpochStatistics, Given]:
        found = EpochStatistics.empty(self._size, len(resolved.epochs))
        given: Given = {}
        for low in range(0, self._size, CELLS_AT_ONCE):
            rows = self._reader.read(resolved, low, low + CELLS_AT_ONCE)
            if not resolved.context.pooled:
                rows = rows.where(of_one_source(rows, ~np.isnan(rows.values)))
            self._give(given, rows.origins(found.put(resolved, rows)))
        return found, given

    def _give(self, given: Given, origins: dict[int, Integers]) -> None:
        for number, cells in origins.items():
            name = self._reader.names[number]
            given.setdefault(name, np.zeros(self._size, np.bool_))[cells] = True

    def _get(self, key: Any, read: Sequence[Resolved], make: Callable[[], Any]) -> Any:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key].made
            if getattr(_mode, "resident_only", False):
                raise NotResidentError
            computing = self._computing.setdefault(key, Lock())
        with computing:
            with self._lock:
                if key in self._kept:
                    return self._kept[key].made
            made = make()
            with self._lock:
                self._computing.pop(key, None)
                self._keep(key, _Kept(made, frozenset(one.curve.number for one in read)))
            return made

    def _keep(self, key: Any, entry: _Kept) -> None:
        self._kept[key] = entry
        self._bytes += _size(entry.made)
        while self._bytes > self._limit and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(dropped.made)


def _longer(made: Any, added: int) -> Any:
    """The same with ``added`` cells more, which have nothing."""
    if not added:
        return made
    if isinstance(made, list):
        return [*made, *[None] * added]
    if isinstance(made, Placed | EpochStatistics):
        return made.longer(added)
    if isinstance(made, tuple):
        return tuple(_longer(part, added) for part in made)
    if isinstance(made, dict):
        return {name: _longer(part, added) for name, part in made.items()}
    nothing = False if made.dtype == np.bool_ else np.nan
    return np.concatenate([made, np.full((added, *made.shape[1:]), nothing)])


def _python(vector: Placed, aspect: Aspect) -> list[Any]:
    if aspect == "state":
        names = [STATES[standing] for standing in Standing]  # codes count from 0
        return [names[code] for code in vector.codes.tolist()]
    return python_values(vector.aspect(aspect), whole=aspect == "n_seeds")


def _key(resolved: Resolved) -> tuple[Any, ...]:
    return (
        resolved.metric.measure,
        resolved.metric.threshold,
        resolved.curve.number,
        resolved.epochs[0],
        resolved.epochs[-1],
        resolved.context.seed,
        resolved.context.source,
        resolved.context.pooled,
    )


def _size(kept: Any) -> int:
    if isinstance(kept, np.ndarray):
        return int(kept.nbytes)
    if isinstance(kept, Placed | EpochStatistics):
        return kept.nbytes
    if isinstance(kept, list):
        return 32 * len(kept)
    if isinstance(kept, tuple):
        return sum(map(_size, kept))
    if isinstance(kept, dict):
        return sum(map(_size, kept.values()))
    raise TypeError(type(kept).__name__)
