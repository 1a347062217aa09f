"""Summary figures of a loss landscape: the loss on a grid around trained weights.

Li, Xu, Taylor, Studer and Goldstein, "Visualizing the Loss Landscape of Neural Nets" (NeurIPS 2018,
arXiv 1712.09913) plot the loss along one or two random directions. Coordinates are multiples of
these directions, so curvature is in nats per squared multiple, and figures compare only between
landscapes made with the same normalisation of the directions and on the same images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

RISE = 1.0
"""How far above the centre's loss the level lies by default, in nats."""

_ROUNDING = 16 * float(np.finfo(np.float64).eps)


class Lowest(NamedTuple):
    """The lowest finite loss of a grid and its coordinates, one for each axis."""

    loss: float
    at: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Landscape:
    """What a loss landscape looks like around its centre, the trained weights.

    `reasons` says, by name of the field, why one is None; it holds nothing else.

    - `centre`: the loss at the centre.
    - `lowest`: the lowest finite loss and where; of several equal ones the first along the axes.
    - `curvature`: the second derivatives at the centre, in ascending order: one in 1-D, the
      eigenvalues of the Hessian in 2-D; `mean_curvature` is their mean.
    - `convex_share`: the share of `n_inner` points at which the Hessian has no eigenvalue below 0
      by more than rounding error. `n_inner` counts the points off the border whose own loss and
      whose neighbours', diagonal ones included, are finite.
    - `area_below`: the share of the grid's area, in 1-D of its length, where the loss lies below
      `level`.
    - `n_not_finite`: how many points have no finite loss.
    """

    centre: float | None
    lowest: Lowest | None
    curvature: tuple[float, ...] | None
    mean_curvature: float | None
    convex_share: float | None
    n_inner: int
    level: float | None
    area_below: float | None
    n_not_finite: int
    reasons: Mapping[str, str]


def summarise(
    axis: npt.ArrayLike, losses: npt.ArrayLike, *, level: float | None = None
) -> Landscape:
    """Summarise `losses`, (n,) or (n, n), over the coordinates `axis` (n,) of each axis.

    `axis` rises in equal steps and is symmetric about 0, the centre, so n is odd. NaN and
    infinities stand for a loss that was not finite. `level` is in the unit of the losses; by
    default it lies `RISE` above the loss at the centre.

    Hessians are those of the least-squares quadratic on the 3 or 3×3 points around a point. In 1-D
    that is the second difference over h², with step h; in 2-D ∂²/∂x² is the mean over three rows of
    the second differences over h², and ∂²/∂x∂y is (f₊₊ − f₊₋ − f₋₊ + f₋₋) / 4h².

    The area is that of the piecewise linear interpolant. In 2-D each square is cut by its diagonals
    into four triangles, whose common corner has the mean of the square's four losses: exact for a
    linear loss, and the same when the grid is turned or mirrored. A loss that is not finite counts
    as infinitely high.

    Raises ValueError if the axis is not as described, the shapes differ or `level` is not finite.
    """
    coordinates = _checked_axis(axis)
    grid = np.asarray(losses, dtype=np.float64)
    if grid.shape not in ((coordinates.size,), (coordinates.size,) * 2):
        raise ValueError(
            f"losses must have the shape (n,) or (n, n) with n = {coordinates.size} as the axis,"
            f" not {grid.shape}"
        )
    if level is not None and not np.isfinite(level):
        raise ValueError(f"level must be finite, not {level}")

    reasons: dict[str, str] = {}
    centre = _centre(grid)
    if centre is None:
        reasons["centre"] = "the loss at the centre is not finite"
        if level is None:
            reasons["level"] = reasons["area_below"] = (
                "the level is relative to the centre, whose loss is not finite"
            )
    elif level is None:
        level = centre + RISE
    lowest = _lowest(coordinates, grid)
    if lowest is None:
        reasons["lowest"] = "no loss is finite"

    step = float(coordinates[-1]) / (coordinates.size // 2)
    eigenvalues, tolerance = _eigenvalues(grid, step)
    curvature, mean_curvature = None, None
    at_centre = eigenvalues[(coordinates.size // 2 - 1,) * grid.ndim]
    if np.isnan(at_centre).any():
        reasons["curvature"] = reasons["mean_curvature"] = (
            "a loss at the centre or next to it is not finite"
        )
    else:
        curvature, mean_curvature = tuple(at_centre.tolist()), float(at_centre.mean())
    inner = ~np.isnan(eigenvalues[..., 0])
    n_inner = int(np.count_nonzero(inner))
    convex = eigenvalues[..., 0][inner] >= -tolerance[inner]
    if not n_inner:
        reasons["convex_share"] = "no point has a finite loss at itself and all its neighbours"
    return Landscape(
        centre=centre,
        lowest=lowest,
        curvature=curvature,
        mean_curvature=mean_curvature,
        convex_share=float(convex.mean()) if n_inner else None,
        n_inner=n_inner,
        level=level,
        area_below=None if level is None else _area_below(grid, level),
        n_not_finite=int(np.count_nonzero(~np.isfinite(grid))),
        reasons=reasons,
    )


def _checked_axis(axis: npt.ArrayLike) -> FloatArray:
    coordinates = np.asarray(axis, dtype=np.float64)
    if coordinates.ndim != 1 or coordinates.size < 3 or coordinates.size % 2 == 0:
        raise ValueError(
            "the axis must hold an odd number of coordinates, 3 or more,"
            f" not have the shape {coordinates.shape}"
        )
    end = coordinates[-1]
    even = np.linspace(-end, end, coordinates.size)
    if not 0 < end < np.inf or not np.allclose(coordinates, even, rtol=0, atol=1e-6 * end):
        raise ValueError("the axis must rise in equal steps and be symmetric about 0")
    return coordinates


def _centre(grid: FloatArray) -> float | None:
    loss = grid.flat[grid.size // 2]
    return float(loss) if np.isfinite(loss) else None


def _lowest(coordinates: FloatArray, grid: FloatArray) -> Lowest | None:
    finite = np.where(np.isfinite(grid), grid, np.inf)
    at = np.unravel_index(finite.argmin(), grid.shape)
    loss = float(finite[at])
    return Lowest(loss, tuple(coordinates[list(at)].tolist())) if loss < np.inf else None


def _eigenvalues(grid: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues (..., d), ascending, of the Hessians at the points off the border of a grid of d
    axes, and what rounding may have moved them by, (...); NaN where a neighbour is not finite.
    """
    windows = np.lib.stride_tricks.sliding_window_view(grid, (3,) * grid.ndim)
    axes = tuple(range(grid.ndim, 2 * grid.ndim))
    defined = np.isfinite(windows).all(axis=axes)
    usable = windows[defined]  # (points, 3) or (points, 3, 3)
    second, first = np.array([1.0, -2.0, 1.0]), np.array([-0.5, 0.0, 0.5])
    hessians = np.empty((len(usable), grid.ndim, grid.ndim))
    if grid.ndim == 1:
        hessians[:, 0, 0] = usable @ second
    else:
        hessians[:, 0, 0] = np.einsum("pij,i->p", usable, second) / 3
        hessians[:, 1, 1] = np.einsum("pij,j->p", usable, second) / 3
        hessians[:, 0, 1] = hessians[:, 1, 0] = np.einsum("pij,i,j->p", usable, first, first)
    eigenvalues = np.full((*defined.shape, grid.ndim), np.nan)
    eigenvalues[defined] = np.linalg.eigvalsh(hessians) / step**2
    tolerance = np.full(defined.shape, np.nan)
    tolerance[defined] = _ROUNDING * np.abs(usable).max(axis=tuple(range(1, usable.ndim)))
    return eigenvalues, tolerance / step**2


def _area_below(grid: FloatArray, level: float) -> float:
    """The share of the grid's length or area where its interpolant lies below `level`."""
    high = np.where(np.isfinite(grid), grid, np.inf)
    if grid.ndim == 1:
        corners = np.stack([high[:-1], high[1:]])
    else:
        around = np.stack([high[:-1, :-1], high[:-1, 1:], high[1:, 1:], high[1:, :-1]])
        middle = np.broadcast_to(around.mean(axis=0), around.shape)
        corners = np.stack([around, np.roll(around, 1, axis=0), middle])
    return float(_share_below(corners, level).mean())


def _share_below(corners: FloatArray, level: float) -> FloatArray:
    """Share of segments (2, ...) or triangles (3, ...) where the linear function with these values
    at the `corners` lies below `level`; an infinite corner leaves nothing of its part.

    Below the lowest corner is the simplex similar to the whole one that the level cuts off; above
    the middle corner of a triangle it is the rest that is similar.
    """
    corners = np.sort(corners, axis=0)
    low, high = corners[0], corners[-1]
    share = np.where(high < level, 1.0, 0.0)
    cut = (low < level) & (level <= high) & np.isfinite(high)
    lower, middle, upper = (corners[i][cut] for i in (0, len(corners) // 2, -1))
    if len(corners) == 2:
        share[cut] = (level - lower) / (upper - lower)
        return share
    below_middle = level <= middle
    apex = np.where(below_middle, lower, upper)
    other = np.where(below_middle, upper, lower)
    # Both quotients are lengths cut off the two edges that meet in the apex.
    part = (level - apex) / (other - apex) * ((level - apex) / (middle - apex))
    share[cut] = np.where(below_middle, part, 1 - part)
    return share
