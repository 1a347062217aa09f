"""The columns to correlate, checked and laid out: each column one contiguous row of an array."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.strata import BoolArray, FloatArray, IntArray, Strata

_SAFE_EXPONENT = 400  # squares and their sums stay within float64's range of 2 ** ±1023

_MOST = 1 << 20
"""Labels below it are counted one by one, in 8 MB at most."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Which rows are copies: `codes` (n,) of their classes, all of 0..`count` − 1, and the `first`
    row of each, (count,)."""

    codes: IntArray
    first: IntArray

    @classmethod
    def of(cls, labels: npt.NDArray[np.generic]) -> "Copies":
        """Rows of equal label are copies."""
        if labels.size and labels.dtype.kind == "i" and 0 <= labels.min() <= labels.max() < _MOST:
            # Small whole numbers are told apart without sorting, which takes most of the time else.
            there = np.bincount(labels) > 0
            codes = (np.cumsum(there) - 1)[labels]
            first = np.empty(np.count_nonzero(there), np.intp)
            first[codes[::-1]] = np.arange(labels.size)[::-1]  # the last one written stays
            return cls(codes, first)
        _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
        return cls(codes.ravel(), first)

    @property
    def count(self) -> int:
        """How many classes there are: rows that are distinct."""
        return self.first.size

    @property
    def any(self) -> bool:
        """Whether any row is a copy."""
        return self.count < self.codes.size


@dataclass(frozen=True, slots=True)
class Observations:
    """`x` (n,), `ys` (e, n), `controls` (k, n), group `labels` (n,) or None without groups, and
    `classes` (n,) of rows that are copies."""

    x: FloatArray
    ys: FloatArray
    controls: FloatArray
    labels: npt.NDArray[np.generic] | None
    classes: npt.NDArray[np.generic]

    @classmethod
    def checked(
        cls,
        x: npt.ArrayLike,
        ys: npt.ArrayLike,
        controls: Sequence[npt.ArrayLike],
        groups: npt.ArrayLike | None,
        classes: npt.ArrayLike | None,
    ) -> "Observations":
        """Rows of `x` (n,), the columns of `ys` (n, e) and `controls`, each (n,).

        Without `classes` no row is a copy.

        Only `ys` may hold NaN. Raises ValueError on other NaN, infinities and wrong shapes.
        """
        own = _finite("x", x)
        columns = np.asarray(ys, dtype=np.float64)
        if columns.ndim != 2:
            raise ValueError(f"ys must be an array of (rows, columns), not of {columns.ndim} axes")
        if np.isinf(columns).any():
            raise ValueError("y holds infinities")
        held = [_finite("a control", control) for control in controls]
        labels = None if groups is None else _labels("groups", groups)
        alike = np.arange(own.size) if classes is None else _labels("classes", classes)
        lengths = {own.size, len(columns), alike.size, *map(len, held)} | (
            set() if labels is None else {labels.size}
        )
        if len(lengths) > 1:
            names = "x, y, controls, groups and classes"
            raise ValueError(f"{names} differ in length: {sorted(lengths)}")
        stacked = np.stack(held) if held else np.empty((0, own.size))
        return cls(own, np.ascontiguousarray(columns.T), stacked, labels, alike)

    def of(self, columns: list[int]) -> "Observations":
        """The rows with these of the ys alone."""
        return Observations(self.x, self.ys[columns], self.controls, self.labels, self.classes)

    def by_pattern(self) -> list[tuple[list[int], BoolArray]]:
        """The ys that are recorded (not NaN) in the same rows, and these rows (n,)."""
        recorded = ~np.isnan(self.ys)
        if recorded.all():
            return [(list(range(len(recorded))), np.ones(self.x.shape, np.bool_))]
        patterns: dict[bytes, list[int]] = {}
        for column, pattern in enumerate(np.packbits(recorded, axis=1)):
            patterns.setdefault(pattern.tobytes(), []).append(column)
        return [(columns, recorded[columns[0]]) for columns in patterns.values()]

    def taking(self, rows: IntArray) -> "Observations":
        """The given rows, in that order."""
        labels = None if self.labels is None else self.labels[rows]
        ys, controls = (np.take(array, rows, axis=1) for array in (self.ys, self.controls))
        return Observations(self.x[rows], ys, controls, labels, self.classes[rows])

    def stratified(self) -> tuple["Observations", Strata, IntArray]:
        """The rows sorted by group, the groups, and which row each was, (n,)."""
        if self.labels is None:
            return self, Strata.single(self.x.size), np.arange(self.x.size)
        strata, order = Strata.sorting(self.labels)
        return self.taking(order), strata, order

    def scaled(self) -> "Observations":
        """The columns, times a power of two where their squares would leave float64's range."""
        x = _scaled(self.x[np.newaxis])[0]
        return Observations(x, _scaled(self.ys), _scaled(self.controls), self.labels, self.classes)


def _scaled(rows: FloatArray) -> FloatArray:
    _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0, keepdims=True))
    extreme = np.abs(exponents) > _SAFE_EXPONENT
    return np.ldexp(rows, np.where(extreme, -exponents, 0)) if extreme.any() else rows


def _finite(name: str, values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, not {array.ndim}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinities")
    return array


def _labels(name: str, values: npt.ArrayLike) -> npt.NDArray[np.generic]:
    labels: npt.NDArray[np.generic] = np.asarray(values)
    if labels.ndim != 1:
        raise ValueError(f"{name} must have one axis, not {labels.ndim}")
    if labels.dtype.kind in "fc" and np.isnan(labels).any():
        raise ValueError(f"{name} holds NaN")
    return labels
