"""p-values of coefficients over few rows, from the orders that the rows could have come in.

If x has nothing to do with y, any order of x beside y was as likely as the one that was seen: p is
the share of orders whose coefficient is at least as far from 0 (Fisher, "The Design of
Experiments", 1935, section 21; Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses",
2005, section 3.3). So three rows with ρ = 1 have p = 2 / 3! = 1/3, where the t distribution says 0.

Rows that are copies of each other are not as likely in any order: alike in y too, they stand or
move together. What can be exchanged are whole classes of copies, each for one of its own size, the
rows inside keeping their order (whole-block exchangeability; Winkler, Webster, Vidaurre, Nichols &
Smith, "Multi-level block permutation", NeuroImage 123, 2015). Single rows are classes of size one.

All orders are gone through up to `ENUMERATED` of them; else `DRAWS` are drawn and the seen one
counts as one more, which keeps the test's error what it says: p = (1 + #) / (1 + DRAWS) (Phipson &
Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics and
Molecular Biology 9, 2010). Kendall's tau without ties has scipy's exact distribution.

With controls what is permuted are residuals, from which the controls are taken out again (Freedman
& Lane, "A nonstochastic interpretation of reported significance levels", Journal of Business &
Economic Statistics 1, 1983): an approximation, be all orders gone through or not.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations, product
from math import factorial, prod

import numpy as np

from analysis.coefficients import Coefficients, Method
from analysis.rows import Copies
from analysis.strata import FloatArray, IntArray

FEW = 30
"""Rows up to which p comes from orders; above, t and the normal distribution are good."""
ENUMERATED = factorial(8)
"""Orders up to which all are gone through: those of eight rows."""
DRAWS = 9_999
"""Orders that are drawn where there are too many for all."""

_AT_ONCE = 2_000
_SLACK = 1e-9  # of the largest value that there can be: what counts as equal to the one seen


def permutation_p(
    method: Method, x: FloatArray, ys: FloatArray, found: Coefficients, copies: Copies
) -> tuple[FloatArray, list[bool]]:
    """Two-sided p of `x` (n,) with each of `ys` (e, n), n ≤ `FEW`, (e,), and whether each is exact.

    `copies` are the classes of the rows. NaN where the coefficient is undefined, and for partial
    taus.
    """
    p = np.full(len(ys), np.nan)
    as_they_come = np.argsort(np.argsort(copies.first))  # whatever the classes are called
    orders, every = _orders(tuple(as_they_come[copies.codes].tolist()))
    exact = np.full(len(ys), every and not found.n_controls[0])
    if found.compared is None and found.p is None:
        return p, exact.tolist()
    defined = np.flatnonzero(~np.isnan(found.r[:, 0]))
    if method == "kendall":
        plain = not copies.any and _distinct(x)
        untied = [at for at in defined if plain and _distinct(ys[at])]
        for at in untied:
            p[at], exact[at] = _exact_tau_p(x, ys[at]), True
        rest = np.setdiff1d(defined, untied)
        if rest.size:
            p[rest] = _share(_pair_sums(x, ys[rest], orders), len(orders))
    elif found.compared is not None and defined.size:
        side = found.compared
        p[defined] = _share(_cosines(side.x, side.ys[defined], side.basis, orders), len(orders))
    return p, exact.tolist()


def no_less(method: Method, x: FloatArray, copies: Copies, p: FloatArray) -> FloatArray:
    """`p` (e,) of coefficients with `x` (n,), none of them less than orders of the classes give.

    As many orders as the ties of x allow leave it as it is. As many turn it round where it, or its
    ranks, is its own mirror image among the classes of each size, and give just the opposite
    coefficient. At |r| = 1 no other order reaches as far.
    """
    from scipy import special
    from scipy.stats import rankdata

    same = 0.0
    for alike in _by_size(x, copies):
        _, ties = np.unique(alike, return_counts=True)
        same += special.gammaln(ties + 1).sum() - special.gammaln(alike.size + 1)
    least = float(np.exp(same))
    if (p < 2 * least).any():
        scores = x if method == "pearson" else rankdata(x)
        ends = scores.min() + scores.max()
        sides = [np.sort(alike) for alike in _by_size(scores, copies)]
        if all(np.allclose(one + one[::-1], ends, rtol=_SLACK) for one in sides):
            least *= 2
    return np.maximum(p, min(1.0, least))


def _by_size(x: FloatArray, copies: Copies) -> list[FloatArray]:
    """The values of classes that can be exchanged, those of one size together."""
    sizes, first = np.bincount(copies.codes), x[copies.first]
    return [first[sizes == size] for size in np.unique(sizes)]


def _distinct(values: FloatArray) -> bool:
    return np.unique(values).size == values.size


def _exact_tau_p(x: FloatArray, y: FloatArray) -> float:
    from scipy import stats

    return float(stats.kendalltau(x, y, method="exact").pvalue)


@lru_cache(maxsize=8)
def _orders(codes: tuple[int, ...]) -> tuple[IntArray, bool]:
    """The orders of n rows that exchange classes of one size, (orders, n), the one seen first.

    `codes` (n,) are the classes. All orders, where they are few enough, or drawn ones; last, which.
    """
    rows, sizes = np.array(codes), np.bincount(codes)
    blocks = [
        np.array([np.flatnonzero(rows == code) for code in np.flatnonzero(sizes == size)])
        for size in np.unique(sizes)
    ]
    every = prod(factorial(len(block)) for block in blocks) <= ENUMERATED
    if every:
        each = product(*(list(permutations(range(len(block)))) for block in blocks))
        chosen = [np.array(places) for places in zip(*each, strict=True)]
    else:
        rng = np.random.default_rng(len(codes))
        seen = [np.arange(len(block))[np.newaxis] for block in blocks]
        chosen = [
            np.concatenate([one, rng.permuted(np.tile(one, (DRAWS, 1)), axis=1)]) for one in seen
        ]
    orders = np.empty((len(chosen[0]), len(codes)), np.intp)
    for block, places in zip(blocks, chosen, strict=True):
        orders[:, block.ravel()] = block[places].reshape(len(orders), -1)
    return orders, every


def _share(blocks: Iterator[FloatArray], n_orders: int) -> FloatArray:
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
    return reached / n_orders


def _cosines(
    x: FloatArray, ys: FloatArray, basis: FloatArray, orders: IntArray
) -> Iterator[FloatArray]:
    """Pearson's coefficient of each order of `x` (n,) with `ys` (e, n), the `basis` taken out."""
    ys = ys - ys.mean(axis=1, keepdims=True)
    ys /= np.linalg.norm(ys, axis=1, keepdims=True)
    x = x - x.mean()
    x /= np.linalg.norm(x)
    for start in range(0, len(orders), _AT_ONCE):
        drawn = x[orders[start : start + _AT_ONCE]]
        if len(basis):
            drawn -= (drawn @ basis.T) @ basis
            norms = np.linalg.norm(drawn, axis=1, keepdims=True)
            np.divide(drawn, norms, out=drawn, where=norms > _SLACK)
        yield drawn @ ys.T


def _pair_sums(x: FloatArray, ys: FloatArray, orders: IntArray) -> Iterator[FloatArray]:
    """Concordant less discordant pairs, as a share of all, of each order of `x` with `ys`.

    Tau-b is that over a root that no order changes.
    """
    from scipy.stats import rankdata

    first, second = np.triu_indices(x.size, 1)
    # Of ranks, whose differences can't overflow.
    x, ys = rankdata(x), rankdata(ys, axis=1)
    of_ys = np.sign(ys[:, first] - ys[:, second]).T / first.size
    for start in range(0, len(orders), _AT_ONCE):
        drawn = x[orders[start : start + _AT_ONCE]]
        yield np.sign(drawn[:, first] - drawn[:, second]) @ of_ys
