"""Correlation and partial correlation coefficients of many columns with one, group by group.

Columns are rows of an array, ``(e, n)``, sorted by group (see `analysis.strata`). What Pearson's,
Spearman's and Kendall's coefficients are is scipy's business: without groups and controls these
are `scipy.stats.pearsonr`, `spearmanr` and `kendalltau` (tau-b).
"""

from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations
from typing import Literal

import numpy as np

from analysis.strata import BoolArray, FloatArray, IntArray, Strata, centred, ranked

Method = Literal["spearman", "kendall", "pearson"]

COLLINEAR = 1e-10
"""A column is explained by others if at most this share of its norm is left beside them."""
_COLLINEAR_SQUARED = 1e-12  # the same on squared norms, which rounding keeps from being smaller
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
_BLOCK = 16  # columns worked on at a time: enough to vectorise, few enough for the cache


@dataclass(frozen=True, slots=True)
class Compared:
    """What Pearson's formula was applied to, the rows being one group: `x` (n,) and `ys` (e, n),
    values or mid-ranks, less what the controls explain; `basis` (k, n) spans the controls."""

    x: FloatArray
    ys: FloatArray
    basis: FloatArray


class State(IntEnum):
    """Whether a group has a coefficient, and why not."""

    DEFINED = 0
    TOO_FEW = 1
    X_CONSTANT = 2
    Y_CONSTANT = 3
    X_EXPLAINED = 4
    Y_EXPLAINED = 5


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Coefficients of e columns in g groups.

    `r` (e, g): the coefficients, NaN where undefined; `state` (e, g): `State` codes;
    `n_controls` (g,): how many linearly independent controls vary in the group;
    `compared`: what was correlated, if there is one group and the method isn't Kendall's;
    `p` (e,): two-sided p of Kendall's tau without controls by the normal distribution, as scipy's,
    if there is one group.
    """

    r: FloatArray
    state: IntArray
    n_controls: IntArray
    compared: "Compared | None" = None
    p: FloatArray | None = None

    def mean(self, weights: FloatArray) -> FloatArray:
        """Σ weights · r of each column, (e,), for `weights` (e, g) that are 0 where r is NaN."""
        mean = np.where(weights > 0, weights * self.r, 0).sum(axis=1)
        return mean if self.r.shape[1] == 1 else _snapped(mean)


def by_group(
    method: Method, x: FloatArray, ys: FloatArray, controls: FloatArray, strata: Strata
) -> Coefficients:
    """Coefficients of `x` (n,) with each of `ys` (e, n) inside each group, all values finite.

    With `controls` (k, n) they are partial. For Pearson that is the correlation of what
    least-squares fits on [1, controls] leave of x and y, for Spearman the same on mid-ranks, for
    Kendall see `partial_from_matrix`. A control that is constant in a group or a linear function
    of others changes nothing there and isn't counted. A group needs 3 rows, and one more for each
    control counted.
    """
    if method == "kendall":
        return _kendall(x, ys, controls, strata)
    return _linear(method, x, ys, controls, strata)


def partial_from_matrix(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Partial coefficients from correlation matrices (..., 2 + k, 2 + k) of x, y and k controls.

    Returns the coefficient of x and y with the controls held fixed, (...), NaN where the controls
    explain x or y, and the shares of x's and y's variance that the controls leave, (..., 2).
    Inverting the matrix gives the same, r = −P_xy / √(P_xx P_yy); the Schur complement also bears
    controls that depend on each other. For tau-b it is Kendall's partial tau (Kendall, "Partial
    rank correlation", Biometrika 32, 1942, for one control).
    """
    outer, cross, inner = matrix[..., :2, :2], matrix[..., :2, 2:], matrix[..., 2:, 2:]
    inverse = np.linalg.pinv(inner, rcond=_COLLINEAR_SQUARED, hermitian=True)
    remainder = outer - cross @ inverse @ np.swapaxes(cross, -1, -2)
    left = np.stack([remainder[..., 0, 0], remainder[..., 1, 1]], axis=-1)
    defined = (left > _COLLINEAR_SQUARED).all(axis=-1)
    scale = np.sqrt(np.where(defined, left.prod(axis=-1), 1.0))
    return np.where(defined, np.clip(remainder[..., 0, 1] / scale, -1, 1), np.nan), left


def _linear(
    method: Method, x: FloatArray, ys: FloatArray, controls: FloatArray, strata: Strata
) -> Coefficients:
    """Pearson's coefficients of the columns, or of their mid-ranks."""

    def scale(rows: FloatArray) -> FloatArray:
        return ranked(rows, strata) if method == "spearman" else rows

    spaces = _control_spaces(scale(controls), strata)
    n_controls = np.array([len(space.basis) for space in spaces], dtype=np.intp)
    x_side = _Side.of(scale(x[np.newaxis]), spaces, strata)
    r = np.full((len(ys), len(strata)), np.nan)
    state = np.empty(r.shape, np.intp)
    alone = len(strata) == 1
    compared = np.empty(ys.shape if alone else (0, 0))
    for start in range(0, len(ys), _BLOCK):
        block = slice(start, start + _BLOCK)
        y_side = _Side.of(scale(ys[block]), spaces, strata)
        state[block] = np.select(
            [
                strata.sizes < 3 + n_controls,
                ~x_side.varies,
                ~y_side.varies,
                x_side.explained,
                y_side.explained,
            ],
            list(State)[1:],
            State.DEFINED,
        )
        defined = state[block] == State.DEFINED
        r[block] = _pearson(x_side.values, y_side.values, defined, strata)
        if alone:
            compared[block] = y_side.values
    # A perfect order gives 1 only up to rounding, and p is infinitely steep there.
    both = Compared(x_side.values[0], compared, spaces[0].basis) if alone else None
    return Coefficients(_snapped(r), state, n_controls, both)


def _snapped(r: FloatArray) -> FloatArray:
    """`r`, but ±1 where it misses that by no more than rounding error."""
    snapped: FloatArray = np.where(np.abs(r) > 1 - _ROUNDING, np.sign(r), r)
    return snapped


def _pearson(x: FloatArray, ys: FloatArray, defined: BoolArray, strata: Strata) -> FloatArray:
    """Coefficients of `x` (1, n) with `ys` (e, n) per group, NaN unless `defined`, both (e, g)."""
    r = np.full(defined.shape, np.nan)
    if len(strata) == 1:
        rows = defined[:, 0]
        if rows.any():
            from scipy import stats

            r[rows, 0] = stats.pearsonr(x, ys[rows], axis=1).statistic
        return r
    norm_x, norm_y = np.sqrt(strata.dots(x, x)), np.sqrt(strata.dots(ys, ys))
    np.divide(strata.dots(x, ys), norm_x, out=r, where=defined)
    np.divide(r, norm_y, out=r, where=defined)
    return np.clip(r, -1, 1, out=r)


@dataclass(frozen=True, slots=True)
class _Space:
    """What the controls span in one group: an orthonormal `basis` (k, size) and the norm of the
    rounding error that each of its vectors carries, `noise` (k,)."""

    basis: FloatArray
    noise: FloatArray


def _control_spaces(controls: FloatArray, strata: Strata) -> list[_Space]:
    """The space of the controls (k, n), less their mean, in each group."""
    if not len(controls):
        return [_Space(np.empty((0, 0)), np.empty(0))] * len(strata)
    deviations, all_norms = centred(controls, strata)
    rounding = _rounding(controls, strata)
    spaces = []
    for group, rows in enumerate(strata.slices()):
        varying = all_norms[:, group] > 0
        own, norms = deviations[varying, rows], all_norms[varying, group]
        basis, lengths = np.empty((0, own.shape[1])), np.empty(0)
        if varying.any():
            _, lengths, basis = np.linalg.svd(own / norms[:, np.newaxis], full_matrices=False)
        independent = lengths > COLLINEAR
        noise = np.linalg.norm(rounding[varying, group] / norms) * np.sqrt(own.shape[1])
        spaces.append(_Space(basis[independent], noise / lengths[independent]))
    return spaces


@dataclass(frozen=True, slots=True)
class _Side:
    """Columns ready to correlate: `values` (m, n), less what the controls explain if there are
    any; where they vary, (m, g), and where the controls explain them completely, (m, g)."""

    values: FloatArray
    varies: BoolArray
    explained: BoolArray

    @classmethod
    def of(cls, rows: FloatArray, spaces: list[_Space], strata: Strata) -> "_Side":
        deviations, norms = centred(rows, strata)
        explained = np.zeros(norms.shape, np.bool_)
        if not any(len(space.basis) for space in spaces):
            return cls(rows if len(strata) == 1 else deviations, norms > 0, explained)
        rounding = _rounding(rows, strata)
        for group, (members, space) in enumerate(zip(strata.slices(), spaces, strict=True)):
            own = deviations[:, members]
            shares = own @ space.basis.T
            own -= shares @ space.basis
            noise = rounding[:, group] * np.sqrt(own.shape[1]) + np.abs(shares) @ space.noise
            bound = COLLINEAR * norms[:, group] + noise
            explained[:, group] = np.linalg.norm(own, axis=1) <= bound
        return cls(deviations, norms > 0, explained)


def _rounding(rows: FloatArray, strata: Strata) -> FloatArray:
    """By how much rounding may have moved the values of each row (m, n) in each group: (m, g)."""
    return _ROUNDING * np.maximum.reduceat(np.abs(rows), strata.starts, axis=1)


def _kendall(x: FloatArray, ys: FloatArray, controls: FloatArray, strata: Strata) -> Coefficients:
    r = np.full((len(ys), len(strata)), np.nan)
    state = np.full(r.shape, State.DEFINED, dtype=np.intp)
    n_controls = np.zeros(len(strata), dtype=np.intp)
    p = np.full(len(ys), np.nan)
    for group, rows in enumerate(strata.slices()):
        held = [control[rows] for control in controls if _varies(control[rows])]
        taus = _tau_matrix([x[rows], *held])
        if held:
            n_controls[group] = np.linalg.matrix_rank(
                taus[1:, 1:], rtol=_COLLINEAR_SQUARED, hermitian=True
            )
        if strata.sizes[group] < 3 + n_controls[group]:
            state[:, group] = State.TOO_FEW
            continue
        if not _varies(x[rows]):
            state[:, group] = State.X_CONSTANT
            continue
        for column, y in enumerate(ys[:, rows]):
            if not _varies(y):
                state[column, group] = State.Y_CONSTANT
                continue
            pairs = [_tau(y, other) for other in (x[rows], *held)]
            r[column, group], p[column] = pairs[0]
            if held:
                with_y = np.array([tau for tau, _ in pairs])
                r[column, group], state[column, group] = _partial_tau(taus, with_y)
    known = p if len(strata) == 1 and not n_controls[0] else None
    return Coefficients(_snapped(r), state, n_controls, p=known)


def _partial_tau(taus: FloatArray, with_y: FloatArray) -> tuple[float, State]:
    """Partial tau-b of x and y from the taus among x and the controls, and those of y with them."""
    size = len(with_y) + 1
    matrix = np.ones((size, size))
    others = [0, *range(2, size)]
    matrix[np.ix_(others, others)] = taus
    matrix[1, others] = matrix[others, 1] = with_y
    coefficient, left = partial_from_matrix(matrix)
    if left[0] <= _COLLINEAR_SQUARED:
        return np.nan, State.X_EXPLAINED
    return float(coefficient), State.DEFINED if left[1] > _COLLINEAR_SQUARED else State.Y_EXPLAINED


def _tau_matrix(columns: list[FloatArray]) -> FloatArray:
    """Tau-b of each pair of the columns, (q, q)."""
    matrix = np.eye(len(columns))
    for i, j in combinations(range(len(columns)), 2):
        matrix[i, j] = matrix[j, i] = _tau(columns[i], columns[j])[0]
    return matrix


def _tau(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Tau-b, and from four rows on its p-value by the normal distribution, as scipy's."""
    from scipy import stats

    result = stats.kendalltau(a, b, method="asymptotic" if a.size > 3 else "auto")
    return float(result.statistic), float(result.pvalue)


def _varies(values: FloatArray) -> bool:
    return bool((values != values[0]).any())
