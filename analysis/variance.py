"""One-way analysis of variance: what a grouping explains of the variance of values."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.strata import NEARLY_CONSTANT, FloatArray, Strata, centred

COPIES = "copies of one network are not independent"
"""Why means of groups aren't tested."""


@dataclass(frozen=True, slots=True)
class Explained:
    """The share of the variance of `n` values that a grouping into `groups` groups explains.

    `n_distinct` of the values are no copies of others.

    `eta_squared` = SSB / SST is the share in these values. `omega_squared` = (SSB − (a − 1) MSW) /
    (SST + MSW) estimates the share in the population with less bias, and may lie below 0 (Hays,
    "Statistics for Psychologists", 1963). `f` and `p` test whether the groups' means differ, which
    takes values that are independent: there are none where some are copies.
    `reasons` says, by name of the field, why one is None.
    """

    eta_squared: float | None
    omega_squared: float | None
    f: float | None
    p: float | None
    n: int
    n_distinct: int
    groups: int
    reasons: Mapping[str, str]


def explained(
    values: npt.ArrayLike, groups: npt.ArrayLike, classes: npt.ArrayLike | None = None
) -> Explained:
    """What the grouping by `groups` (n,), labels of any type that sorts, explains of `values` (n,).

    `classes` (n,), labels: values of one class are copies of each other. Without, each is its own.

    Raises ValueError on NaN, infinities and unequal lengths.
    """
    labels = np.asarray(groups)
    if labels.dtype.kind in "fc" and np.isnan(labels).any():
        raise ValueError("groups holds NaN")
    table = Groups.of(values, labels, "group")
    n = int(table.sizes.sum())
    n_distinct = n if classes is None else np.unique(np.asarray(classes)).size
    f, p, reasons = table.test()
    if n_distinct < n and f is not None:
        f = p = None
        reasons = dict.fromkeys(("f", "p"), COPIES)
    between, within = table.squares_between, table.squares_within
    eta = omega = None
    if between + within == 0:
        reasons["eta_squared"] = reasons["omega_squared"] = "the values do not vary"
    else:
        eta = between / (between + within)
        if table.degrees_within:
            error = within / table.degrees_within
            omega = (between - (len(table) - 1) * error) / (between + within + error)
        else:
            reasons["omega_squared"] = "no group has 2 values"
    return Explained(eta, omega, f, p, n, n_distinct, len(table), reasons)


@dataclass(frozen=True, slots=True)
class Groups:
    """What the analysis of variance needs of a groups.

    `sizes`, `means` and `squares`, each (a,): how many values a group has, their mean, and the sum
    Σ (y_ij − ȳ_i)², 0 where it is no more than rounding error. `name` is what messages call one.
    """

    sizes: FloatArray
    means: FloatArray
    squares: FloatArray
    name: str

    @classmethod
    def of(cls, values: npt.ArrayLike, labels: npt.NDArray[np.generic], name: str) -> "Groups":
        """The `values` (n,) by equal label (n,).

        Raises ValueError on NaN, infinities and unequal lengths.
        """
        column = np.asarray(values, dtype=np.float64)
        if column.ndim != 1 or column.shape != labels.shape:
            raise ValueError(
                "values and groups must have one axis and the same length,"
                f" not the shapes {column.shape} and {labels.shape}"
            )
        if not np.isfinite(column).all():
            raise ValueError("values holds NaN or infinities")
        if not column.size:
            return cls(np.empty(0), np.empty(0), np.empty(0), name)
        strata, order = Strata.sorting(labels)
        column = column[order]
        _, norms = centred(column, strata)
        return cls(strata.sizes.astype(np.float64), strata.means(column), norms**2, name)

    def __len__(self) -> int:
        return self.sizes.size

    @property
    def degrees_within(self) -> int:
        """N − a."""
        return int(self.sizes.sum()) - len(self)

    @property
    def squares_within(self) -> float:
        """SSW, summed over the groups."""
        return float(self.squares.sum())

    @property
    def squares_between(self) -> float:
        """SSB, 0 where it is no more than rounding error."""
        return float(squares_between(self.sizes, self.means)) if len(self) else 0.0

    def test(self) -> tuple[float | None, float | None, dict[str, str]]:
        """F = MSB / MSW, its p, and by these names why they are None."""
        from scipy import special

        if len(self) < 2:
            why = f"fewer than 2 {self.name}s have values"
        elif not self.degrees_within:
            why = f"no {self.name} has 2 values"
        elif not self.squares_within:
            why = f"the values do not vary within any {self.name}"
        else:
            degrees = len(self) - 1
            f = self.squares_between / degrees / (self.squares_within / self.degrees_within)
            return f, float(special.fdtrc(degrees, self.degrees_within, f)), {}
        return None, None, dict.fromkeys(("f", "p"), why)


def squares_between(sizes: FloatArray, means: FloatArray) -> FloatArray:
    """Σ n_i (ȳ_i − ȳ)² over the last axis, 0 where it is no more than rounding error."""
    mean = np.vecdot(sizes, means) / sizes.sum(axis=-1)
    squares = np.vecdot(sizes, (means - mean[..., np.newaxis]) ** 2)
    return np.where(squares > NEARLY_CONSTANT**2 * mean**2, squares, 0.0)
