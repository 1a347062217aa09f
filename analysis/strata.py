"""Groups of rows as contiguous slices, and centring and ranking inside them.

A column is held as one contiguous row of an array, ``(..., n)``, with the members of a group next
to each other, so that a sum per group is one `numpy.add.reduceat`. Without groups all rows are one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

NEARLY_CONSTANT = 2 * float(np.finfo(np.float64).eps) ** 0.75
"""A column with ‖v − v̄‖ ≤ this · |v̄| differs from a constant by no more than rounding error.

Twice the bound from which on `scipy.stats.pearsonr` warns that its result may be inaccurate.
"""


@dataclass(frozen=True, slots=True)
class Strata:
    """`starts` (g,): where each group begins; `sizes` (g,): how many rows it has, at least one."""

    starts: IntArray
    sizes: IntArray

    @classmethod
    def single(cls, n: int) -> "Strata":
        """All n rows in one group."""
        return cls(np.zeros(1, np.intp), np.full(1, n, np.intp))

    @classmethod
    def sorting(cls, labels: npt.NDArray[np.generic]) -> tuple["Strata", IntArray]:
        """Groups of equal label, in the labels' order, and the row order that makes them so."""
        _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        starts = np.cumsum(sizes) - sizes
        return cls(starts, sizes), np.argsort(codes.ravel(), kind="stable")

    def __len__(self) -> int:
        return self.sizes.size

    def slices(self) -> list[slice]:
        """The rows of each group."""
        pairs = zip(self.starts.tolist(), self.sizes.tolist(), strict=True)
        return [slice(start, start + size) for start, size in pairs]

    def spread(self, per_group: FloatArray) -> FloatArray:
        """(..., g) → (..., n): each group's value on each of its rows."""
        return np.repeat(per_group, self.sizes, axis=-1)

    def dots(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Inner products per group of (..., n) with (..., n): (..., g)."""
        if len(self) == 1:
            whole: FloatArray = np.vecdot(a, b)[..., np.newaxis]
            return whole
        return np.add.reduceat(a * b, self.starts, axis=-1)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum per group of (..., n): (..., g)."""
        if len(self) == 1:
            return np.asarray(values.sum(axis=-1, keepdims=True))
        return np.add.reduceat(values, self.starts, axis=-1)

    def means(self, values: FloatArray) -> FloatArray:
        """Mean per group of (..., n): (..., g)."""
        if len(self) == 1:
            return np.asarray(values.mean(axis=-1, keepdims=True))
        return self.sums(values) / self.sizes


def centred(values: FloatArray, strata: Strata) -> tuple[FloatArray, FloatArray]:
    """`values` (..., n) less their group's mean, and the norm of that in each group, (..., g).

    The norm is set to 0 where the values vary by no more than rounding error.
    """
    means = strata.means(values)
    deviations = values - (means if len(strata) == 1 else strata.spread(means))
    norms = np.sqrt(strata.dots(deviations, deviations))
    return deviations, np.where(norms > NEARLY_CONSTANT * np.abs(means), norms, 0)


def levels(values: FloatArray, strata: Strata) -> tuple[IntArray, int]:
    """Dense order of each of `values` (n,) inside its group, and the number of levels in all.

    Levels are numbered from 0 on through the groups, so a level belongs to one group.
    """
    distinct, dense = np.unique(values, return_inverse=True)
    if len(strata) == 1:
        return dense, distinct.size
    group = np.repeat(np.arange(len(strata)), strata.sizes)
    pairs, dense = np.unique(group * distinct.size + dense, return_inverse=True)
    return dense, pairs.size


@dataclass(frozen=True, slots=True)
class Order:
    """The order of values inside their groups, from which the mid-ranks of weighted samples follow.

    `level` (n,) is the dense order, numbered through the groups (`levels`); `rows` (n,) are sorted
    by it, and `first` (l,) says where each level begins among them.
    """

    strata: Strata
    level: IntArray
    rows: IntArray
    first: IntArray

    @classmethod
    def of(cls, values: FloatArray, strata: Strata) -> "Order":
        """The order of `values` (n,)."""
        level, n_levels = levels(values, strata)
        rows = np.argsort(level, kind="stable")
        return cls(strata, level, rows, np.searchsorted(level[rows], np.arange(n_levels)))

    def midranks(self, weights: FloatArray) -> FloatArray:
        """Mid-ranks inside the group, less their mean, of b samples that hold each row as often as
        `weights` (b, n) say: (b, n), exact multiples of ½ where these are whole.

        No sorting: a level's mid-rank follows from how many members it and those below it have.
        """
        counts = np.take(weights, self.rows, axis=1)
        if self.first.size < self.rows.size:
            counts = np.add.reduceat(counts, self.first, axis=1)
        return _ranks(self.level, counts, self.strata.sums(weights), self.strata)


def ranked(values: FloatArray, strata: Strata) -> FloatArray:
    """Mid-ranks of each row of `values` (m, n) inside the group, less their mean: (m, n)."""
    ranks = np.empty(values.shape)
    for row, out in zip(values, ranks, strict=True):
        level, n_levels = levels(row, strata)
        counts = np.bincount(level, minlength=n_levels)[np.newaxis].astype(np.float64)
        out[:] = _ranks(level, counts, strata.sizes[np.newaxis].astype(np.float64), strata)[0]
    return ranks


def _ranks(level: IntArray, counts: FloatArray, sizes: FloatArray, strata: Strata) -> FloatArray:
    """Centred mid-ranks (b, n) from how many members each level, (b, l), and group, (b, g), has."""
    of_levels = np.cumsum(counts, axis=1) - (counts - 1) / 2
    ranks: FloatArray = np.take(of_levels, level, axis=1)
    centre = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    ranks -= centre if len(strata) == 1 else strata.spread(centre)
    return ranks
