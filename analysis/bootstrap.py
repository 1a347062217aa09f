"""Percentile bootstrap of correlation coefficients: rows, classes of copies or groups are drawn.

Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. What is drawn must be
independent: where rows are copies of each other, whole classes of them are, and where groups are a
sample, whole groups (Davison & Hinkley, "Bootstrap Methods and their Application" (1997), section
3.8, where drawing inside of the groups besides is found to be the worse). A row that is drawn takes
its values and controls along, and counts as often as it was drawn.

Percentiles of few groups lie too near to each other, as resamples spread by √((G − 1) / G) of what
they should and have no heavier tails for it: of G = 3, 5, 8 and 12 equal groups those for 95 % hold
the mean in 74, 84, 88 and 91 % of samples.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.coefficients import Method, by_group, partial_from_matrix
from analysis.rows import Copies
from analysis.strata import (
    NEARLY_CONSTANT,
    BoolArray,
    FloatArray,
    IntArray,
    Order,
    Strata,
    centred,
)

Resample = Literal["cells", "classes", "groups"]
"""What is drawn: rows and classes inside of each group, or groups."""

FEWEST_GROUPS = 10
"""Groups below which none are drawn."""
FEW_GROUPS = f"fewer than {FEWEST_GROUPS} groups, too few to be resampled"

_BLOCK = 1 << 18  # elements drawn at a time: bounds memory and stays in the cache


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn inside of each group: `codes` (n,) of the rows' units, numbered through the
    groups, None where each row is its own, and how many each group has, as `strata` of units."""

    codes: IntArray | None
    strata: Strata

    @classmethod
    def rows(cls, strata: Strata) -> "Units":
        """Each row by itself."""
        return cls(None, strata)

    @classmethod
    def classes(cls, copies: Copies, strata: Strata) -> "Units":
        """Rows of one class inside a group together."""
        group = np.repeat(np.arange(len(strata)), strata.sizes)
        pairs, codes = np.unique(group * copies.count + copies.codes, return_inverse=True)
        sizes = np.bincount(pairs // copies.count, minlength=len(strata))
        return cls(codes.ravel(), Strata(np.cumsum(sizes) - sizes, sizes))


def resample_rows(strata: Strata, resamples: int, seed: int) -> Iterator[IntArray]:
    """The rows of each resample, in blocks (b, n) of which there are `resamples` in all.

    Position i holds a uniformly drawn member of the group of row i. The draws depend on `seed`
    and the groups' sizes only.
    """
    rng = np.random.default_rng(seed)
    starts, sizes = (
        np.repeat(of_group, strata.sizes) for of_group in (strata.starts, strata.sizes)
    )
    per_block = max(1, _BLOCK // sizes.size)
    for done in range(0, resamples, per_block):
        uniform = rng.random((min(per_block, resamples - done), sizes.size))
        uniform *= sizes
        rows = uniform.astype(np.intp)
        rows += starts
        yield rows


def resample_counts(strata: Strata, resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each row is in each resample of `resample_rows`, in blocks (b, n)."""
    for rows in resample_rows(strata, resamples, seed):
        slots = rows + np.arange(len(rows))[:, np.newaxis] * rows.shape[1]
        counts = np.bincount(slots.ravel(), minlength=rows.size)
        yield counts.reshape(rows.shape).astype(np.float64)


def resampled_means(
    r: FloatArray, sizes: IntArray, used: BoolArray, resamples: int, seed: int
) -> FloatArray:
    """Σ n_g r_g / Σ n_g of each of `r` (e, g) over groups drawn from those `used` (e, g).

    `sizes` (g,) are the groups' n_g; (e, resamples). What uses the same groups has the same draws.
    """
    means = np.empty((len(r), resamples))
    patterns, members = np.unique(used, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(members.ravel() == number)
        weights = sizes[pattern]
        totals = (r[rows][:, pattern] * weights).T
        done = 0
        for counts in resample_counts(Strata.single(weights.size), resamples, seed):
            part = counts @ totals / (counts @ weights)[:, np.newaxis]
            means[rows, done : done + len(counts)] = part.T
            done += len(counts)
    return means


def resampled_coefficients(
    method: Method,
    x: FloatArray,
    ys: FloatArray,
    controls: FloatArray,
    strata: Strata,
    used: BoolArray,
    units: Units,
    resamples: int,
    seed: int,
) -> FloatArray:
    """Coefficients of `x` (n,) with each of `ys` (e, n) on resamples of `units`: (e, resamples).

    With `controls` (k, n) partial; over several groups the mean weighted by size over those in
    `used` (e, g) in which the resample has a coefficient; NaN where it has none in any. A resample
    of 15,000 rows takes about 0.2 ms for Pearson and Spearman, whose mid-ranks follow from how
    often each value was drawn, and some milliseconds for Kendall, which is scipy's each time.
    """
    of_block = _kendall_block(x, ys, controls, strata)
    if method != "kendall":
        of_block = _linear_block(method, x, ys, controls, strata)
    means = []
    for counts in resample_counts(units.strata, resamples, seed):
        weights = counts if units.codes is None else np.take(counts, units.codes, axis=1)
        sizes = strata.sums(weights)
        means.append(
            [
                _mean_over_groups(r, np.where(counted, sizes, 0.0))
                for r, counted in zip(of_block(weights), used, strict=True)
            ]
        )
    return np.concatenate(means, axis=1)


def percentile_interval(coefficients: FloatArray, confidence: float) -> tuple[float, float] | None:
    """The central `confidence` of resampled `coefficients` (resamples,), NaN left out.

    None where more than half of them are NaN.
    """
    defined = coefficients[~np.isnan(coefficients)]
    if 2 * defined.size < coefficients.size:
        return None
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _mean_over_groups(r: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of `r` (b, g), NaN left out, by `weights` (b, g): (b,)."""
    weights = np.where(np.isnan(r), 0, weights)
    total = weights.sum(axis=-1)
    mean = (weights * np.nan_to_num(r)).sum(axis=-1) / np.maximum(total, 1)
    return np.where(total > 0, mean, np.nan)


OfBlock = Callable[[FloatArray], Iterable[FloatArray]]
"""From the rows' weights in b resamples, (b, n), to the coefficients (b, g) of each of the ys."""


def _kendall_block(x: FloatArray, ys: FloatArray, controls: FloatArray, strata: Strata) -> OfBlock:
    def of_block(weights: FloatArray) -> Iterable[FloatArray]:
        return np.stack([one(sample) for sample in weights], axis=1)

    def one(weights: FloatArray) -> FloatArray:
        rows = np.repeat(np.arange(x.size), weights.astype(np.intp))
        sizes = strata.sums(weights).astype(np.intp)
        drawn = Strata(np.cumsum(sizes) - sizes, sizes)
        return by_group("kendall", x[rows], ys[:, rows], controls[:, rows], drawn).r

    return of_block


def _linear_block(
    method: Method, x: FloatArray, ys: FloatArray, controls: FloatArray, strata: Strata
) -> OfBlock:
    sample_x, *sample_controls = (_sampler(method, column, strata) for column in (x, *controls))
    sample_ys = [_sampler(method, y, strata) for y in ys]

    def of_block(weights: FloatArray) -> Iterable[FloatArray]:
        held = [sample_x(weights), *(sample(weights) for sample in sample_controls)]
        among = _cosines(held, held, strata)
        for sample in sample_ys:
            y = sample(weights)
            yield _coefficients(among, _cosines([y], [*held, y], strata)[..., 0, :])

    return of_block


def _coefficients(among: FloatArray, with_y: FloatArray) -> FloatArray:
    """Coefficients of x and y, (...), from the cosines among x and the controls, (..., q, q), and
    those of y with them and with itself, (..., q + 1)."""
    q = among.shape[-1]
    if q == 1:
        defined = (among[..., 0, 0] > 0) & (with_y[..., 1] > 0)
        return np.where(defined, np.clip(with_y[..., 0], -1, 1), np.nan)
    matrix = np.empty((*among.shape[:-2], q + 1, q + 1))
    order = np.array([0, *range(2, q + 1), 1])  # y goes between x and the controls
    matrix[..., order[:q, np.newaxis], order[:q]] = among
    matrix[..., 1, order] = matrix[..., order, 1] = with_y
    return partial_from_matrix(matrix)[0]


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A column in b resamples: `values` (b, n) less their weighted mean in the group, the same
    times the rows' weights, and norms (b, g), 0 where the values do not vary."""

    values: FloatArray
    weighted: FloatArray
    norms: FloatArray


def _sampler(
    method: Method, column: FloatArray, strata: Strata
) -> Callable[[FloatArray], _Sampled]:
    """A function from the weights (b, n) to the column's resamples, ranked anew inside each for
    Spearman."""
    if method == "spearman":
        order = Order.of(column, strata)

        def sample_ranks(weights: FloatArray) -> _Sampled:
            ranks = order.midranks(weights)
            weighted = weights * ranks
            return _Sampled(ranks, weighted, np.sqrt(strata.dots(weighted, ranks)))

        return sample_ranks
    means = strata.means(column)
    deviations, _ = centred(column[np.newaxis], strata)

    def sample_values(weights: FloatArray) -> _Sampled:
        sizes = np.maximum(strata.sums(weights), 1)
        shift = strata.sums(weights * deviations) / sizes
        values = deviations - (shift if len(strata) == 1 else strata.spread(shift))
        weighted = weights * values
        norms = np.sqrt(strata.dots(weighted, values))
        least = NEARLY_CONSTANT * np.maximum(np.abs(means + shift), np.abs(shift))
        return _Sampled(values, weighted, np.where(norms > least, norms, 0))

    return sample_values


def _cosines(a: list[_Sampled], b: list[_Sampled], strata: Strata) -> FloatArray:
    """Cosines (resamples, g, len(a), len(b)) of the columns in each group; 0 with a constant."""
    result = np.empty((*a[0].norms.shape, len(a), len(b)))
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            norms = left.norms * right.norms
            dots = strata.dots(left.weighted, right.values)
            result[..., i, j] = np.divide(dots, norms, out=np.zeros(norms.shape), where=norms > 0)
    return result
