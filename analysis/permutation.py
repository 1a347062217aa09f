"""p-values of coefficients over few rows, from the orders that the rows could have come in.

If x has nothing to do with y, any order of x beside y was as likely as the one that was seen: p is
the share of orders whose coefficient is at least as far from 0 (Fisher, "The Design of
Experiments", 1935, section 21; Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses",
2005, section 3.3). So three rows with ρ = 1 have p = 2 / 3! = 1/3, where the t distribution says 0.

All orders are gone through up to `ENUMERATED` rows; from there `DRAWS` are drawn and the seen one
counts as one more, which keeps the test's error what it says: p = (1 + #) / (1 + DRAWS) (Phipson &
Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics and
Molecular Biology 9, 2010). Kendall's tau without ties has scipy's exact distribution.

With controls what is permuted are residuals, from which the controls are taken out again (Freedman
& Lane, "A nonstochastic interpretation of reported significance levels", Journal of Business &
Economic Statistics 1, 1983): an approximation, be all orders gone through or not.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations

import numpy as np

from analysis.coefficients import Coefficients, Method
from analysis.strata import FloatArray, IntArray

FEW = 30
"""Rows up to which p comes from orders; above, t and the normal distribution are good."""
ENUMERATED = 8
"""Rows up to which all orders are gone through: 8! = 40,320."""
DRAWS = 9_999
"""Orders that are drawn where there are too many for all."""

_AT_ONCE = 2_000
_SLACK = 1e-9  # of the largest value that there can be: what counts as equal to the one seen


def permutation_p(
    method: Method, x: FloatArray, ys: FloatArray, found: Coefficients
) -> tuple[FloatArray, list[bool]]:
    """Two-sided p of `x` (n,) with each of `ys` (e, n), n ≤ `FEW`, (e,), and whether each is exact.

    NaN where the coefficient is undefined, and for partial taus.
    """
    p = np.full(len(ys), np.nan)
    exact = np.full(len(ys), x.size <= ENUMERATED and not found.n_controls[0])
    if found.compared is None and found.p is None:
        return p, exact.tolist()
    defined = np.flatnonzero(~np.isnan(found.r[:, 0]))
    if method == "kendall":
        untied = [at for at in defined if _distinct(x) and _distinct(ys[at])]
        for at in untied:
            p[at], exact[at] = _exact_tau_p(x, ys[at]), True
        rest = np.setdiff1d(defined, untied)
        if rest.size:
            p[rest] = _share(_pair_sums(x, ys[rest]), x.size)
    elif found.compared is not None and defined.size:
        side = found.compared
        p[defined] = _share(_cosines(side.x, side.ys[defined], side.basis), x.size)
    return p, exact.tolist()


def smallest_p(x: FloatArray) -> float:
    """The least p that a permutation of `x` (n,) could give: that of |r| = 1.

    Of the n! orders as many as its ties allow give the same, and at most as many the opposite.
    """
    from scipy import special

    _, ties = np.unique(x, return_counts=True)
    same = special.gammaln(ties + 1).sum() - special.gammaln(x.size + 1)
    return float(min(1.0, 2 * np.exp(same)))


def _distinct(values: FloatArray) -> bool:
    return np.unique(values).size == values.size


def _exact_tau_p(x: FloatArray, y: FloatArray) -> float:
    from scipy import stats

    return float(stats.kendalltau(x, y, method="exact").pvalue)


@lru_cache(maxsize=8)
def _orders(n: int) -> IntArray:
    """The orders of n rows, (orders, n), the one seen first, where they are few enough or drawn."""
    if n <= ENUMERATED:
        return np.array(list(permutations(range(n))), dtype=np.intp)
    drawn = np.random.default_rng(n).permuted(np.tile(np.arange(n), (DRAWS, 1)), axis=1)
    return np.concatenate([np.arange(n)[np.newaxis], drawn])


def _share(blocks: Iterator[FloatArray], n: int) -> FloatArray:
    """Share of the orders whose value is at least as far from 0 as that of the first, (e,).

    `blocks` hold values (orders, e) that lie in [−1, 1].
    """
    reached: FloatArray | None = None
    seen: FloatArray = np.empty(0)
    for values in blocks:
        sizes = np.abs(values)
        if reached is None:
            seen, reached = sizes[0] - _SLACK, np.zeros(sizes.shape[1])
        reached += np.count_nonzero(sizes >= seen, axis=0)
    assert reached is not None
    return reached / len(_orders(n))


def _cosines(x: FloatArray, ys: FloatArray, basis: FloatArray) -> Iterator[FloatArray]:
    """Pearson's coefficient of each order of `x` (n,) with `ys` (e, n), the `basis` taken out."""
    ys = ys - ys.mean(axis=1, keepdims=True)
    ys /= np.linalg.norm(ys, axis=1, keepdims=True)
    x = x - x.mean()
    x /= np.linalg.norm(x)
    orders = _orders(x.size)
    for start in range(0, len(orders), _AT_ONCE):
        drawn = x[orders[start : start + _AT_ONCE]]
        if len(basis):
            drawn -= (drawn @ basis.T) @ basis
            norms = np.linalg.norm(drawn, axis=1, keepdims=True)
            np.divide(drawn, norms, out=drawn, where=norms > _SLACK)
        yield drawn @ ys.T


def _pair_sums(x: FloatArray, ys: FloatArray) -> Iterator[FloatArray]:
    """Concordant less discordant pairs, as a share of all, of each order of `x` with `ys`.

    Tau-b is that over a root that no order changes.
    """
    from scipy.stats import rankdata

    first, second = np.triu_indices(x.size, 1)
    # Of ranks, whose differences can't overflow.
    x, ys = rankdata(x), rankdata(ys, axis=1)
    of_ys = np.sign(ys[:, first] - ys[:, second]).T / first.size
    orders = _orders(x.size)
    for start in range(0, len(orders), _AT_ONCE):
        drawn = x[orders[start : start + _AT_ONCE]]
        yield np.sign(drawn[:, first] - drawn[:, second]) @ of_ys
