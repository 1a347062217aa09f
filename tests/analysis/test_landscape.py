"""Figures of loss landscapes: closed forms, an integration by brute force, and invariances."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.landscape import Landscape, summarise

Array = npt.NDArray[np.float64]

AXIS = np.linspace(-1, 1, 21)
NOT_AT_CENTRE = "a loss at the centre or next to it is not finite"
RELATIVE = "the level is relative to the centre, whose loss is not finite"

eighths = st.integers(-800, 800).map(lambda count: count / 8)  # their sums are exact


def on_grid(loss: Callable[[Array, Array], Array]) -> Array:
    return loss(*np.meshgrid(AXIS, AXIS, indexing="ij"))


def grids() -> st.SearchStrategy[Array]:
    """Losses on 3 to 7 points along one or two axes."""
    shapes = st.sampled_from([(3,), (5,), (7,), (3, 3), (5, 5)])
    return shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=eighths))


def axis_of(grid: Array) -> Array:
    return np.linspace(-1, 1, len(grid))


def assert_sound(found: Landscape) -> None:
    """No NaN, and a reason for all that is missing and for nothing else."""
    fields = dataclasses.asdict(found)
    assert {name for name, value in fields.items() if value is None} == set(found.reasons)
    numbers = (value for value in fields.values() if isinstance(value, float))
    assert all(math.isfinite(number) for number in numbers)


# Curvature and convexity


def test_a_parabola() -> None:
    found = summarise(AXIS, 1 + 0.5 * AXIS + 3 * AXIS**2)
    assert found.centre == pytest.approx(1)
    assert found.curvature == pytest.approx((6,))
    assert found.mean_curvature == pytest.approx(6)
    assert (found.convex_share, found.n_inner) == (1, 19)
    assert found.lowest is not None
    assert found.lowest.at == pytest.approx((-0.1,))  # the vertex, −0.5/6, lies nearest to it
    assert found.lowest.loss == pytest.approx(0.98)  # 1 − 0.05 + 0.03
    assert_sound(found)


def test_a_bowl_has_the_eigenvalues_of_its_hessian() -> None:
    # Hessian [[4, 2], [2, 1]] + I = [[5, 2], [2, 2]]: trace 7, determinant 6, eigenvalues 1 and 6.
    found = summarise(AXIS, on_grid(lambda x, y: 2 + x - y + (5 * x**2 + 4 * x * y + 2 * y**2) / 2))
    assert found.curvature == pytest.approx((1, 6))
    assert found.mean_curvature == pytest.approx(3.5)
    assert (found.convex_share, found.n_inner) == (1, 19 * 19)
    assert found.centre == pytest.approx(2)
    assert_sound(found)


def test_a_saddle_is_convex_nowhere() -> None:
    found = summarise(AXIS, on_grid(lambda x, y: x * y))  # Hessian [[0, 1], [1, 0]]
    assert found.curvature == pytest.approx((-1, 1))
    assert found.mean_curvature == pytest.approx(0, abs=1e-12)
    assert found.convex_share == 0
    assert found.lowest is not None
    assert found.lowest == (-1, (-1, 1))


@pytest.mark.parametrize("offset", [0.0, 0.3, 1000.0])
def test_a_plane_is_flat_and_so_convex_in_spite_of_rounding(offset: float) -> None:
    found = summarise(AXIS, on_grid(lambda x, y: offset + 0.1 * x + 0.7 * y))
    assert found.curvature == pytest.approx((0, 0), abs=1e-9)
    assert found.convex_share == 1


def test_a_cone() -> None:
    # On a row of the 3 points around the centre the second difference is 2h, on the rows beside it
    # 2(√2 − 1)h; their mean over h² is 2(2√2 − 1) / 3h, and the mixed difference is 0.
    found = summarise(AXIS, on_grid(np.hypot))
    expected = 2 * (2 * math.sqrt(2) - 1) / (3 * 0.1)
    assert found.curvature == pytest.approx((expected, expected))


def test_the_share_of_convex_points_of_a_cubic() -> None:
    # The second difference of x³ over h² is exactly 6x: not below 0 at 10 of the 19 inner points.
    found = summarise(AXIS, AXIS**3)
    assert found.convex_share == pytest.approx(10 / 19)


def test_hessians_are_those_of_a_least_squares_fit() -> None:
    axis = np.array([-0.5, 0, 0.5])
    x, y = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    losses = np.random.default_rng(0).normal(size=9)
    terms = np.stack([np.ones(9), x, y, x**2 / 2, x * y, y**2 / 2], axis=1)
    *_, xx, xy, yy = np.linalg.lstsq(terms, losses)[0]
    expected = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    assert summarise(axis, losses.reshape(3, 3)).curvature == pytest.approx(tuple(expected))


@settings(deadline=None)
@given(grids(), st.floats(-100, 100))
def test_a_constant_changes_neither_curvature_nor_convexity(grid: Array, constant: float) -> None:
    plain, raised = summarise(axis_of(grid), grid), summarise(axis_of(grid), grid + constant)
    assert raised.curvature == pytest.approx(plain.curvature, abs=1e-8)
    assert raised.convex_share == plain.convex_share


@settings(deadline=None)
@given(grids(), st.sampled_from([0.125, 3.0, 1024.0]))
def test_curvature_is_in_the_unit_of_the_losses(grid: Array, scale: float) -> None:
    axis = axis_of(grid)
    plain, scaled = summarise(axis, grid, level=1), summarise(axis, grid * scale, level=scale)
    assert plain.curvature is not None
    expected = tuple(value * scale for value in plain.curvature)
    assert scaled.curvature == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)
    assert scaled.convex_share == plain.convex_share
    assert scaled.area_below == pytest.approx(plain.area_below, abs=1e-9)


@settings(deadline=None)
@given(grids())
def test_curvature_goes_with_the_square_of_the_axis(grid: Array) -> None:
    plain, stretched = summarise(axis_of(grid), grid), summarise(4 * axis_of(grid), grid)
    assert plain.curvature is not None
    assert stretched.curvature == pytest.approx(tuple(value / 16 for value in plain.curvature))
    assert stretched.area_below == plain.area_below


@settings(deadline=None)
@given(grids())
def test_turning_or_mirroring_the_grid_changes_no_figure(grid: Array) -> None:
    found = summarise(axis_of(grid), grid)
    for turned in (np.flip(grid), np.flip(grid, axis=0), grid.T):
        other = summarise(axis_of(grid), turned)
        assert other.curvature == pytest.approx(found.curvature, abs=1e-9)
        assert other.convex_share == found.convex_share
        assert other.area_below == pytest.approx(found.area_below, abs=1e-12)


# Area


@pytest.mark.parametrize(
    ("level", "share"), [(-2, 0), (-1, 0), (-0.33, 0.335), (0, 0.5), (0.47, 0.735), (1, 1), (2, 1)]
)
def test_the_length_below_a_level_is_exact(level: float, share: float) -> None:
    # The loss x lies below the level over level + 1 of a length of 2.
    assert summarise(AXIS, AXIS, level=level).area_below == pytest.approx(share)
    assert summarise(AXIS, on_grid(lambda x, y: x), level=level).area_below == pytest.approx(share)


@pytest.mark.parametrize(
    ("level", "share"),
    [(-3, 0), (-1.46, 1.54**2 / 16), (0.5, 0.625), (2.3, 1 - 0.7**2 / 16), (3, 1)],
)
def test_the_area_below_a_tilted_plane_is_exact(level: float, share: float) -> None:
    # x + 2y < l on [−1, 1]²: for −3 < l ≤ −1 a corner with sides 3 + l and (3 + l)/2, of area
    # (3 + l)²/4, over 4; for −1 ≤ l ≤ 1 a trapezium whose mean side along y is 1 + l/2, over 2; for
    # l ≥ 1 the whole less a corner of sides 3 − l and (3 − l)/2.
    found = summarise(AXIS, on_grid(lambda x, y: x + 2 * y), level=level)
    assert found.area_below == pytest.approx(share)


def test_a_disc() -> None:
    found = summarise(AXIS, on_grid(lambda x, y: 7 + 4 * (x**2 + y**2)))
    assert found.level == 8  # one nat above the centre: a radius of ½
    assert found.area_below == pytest.approx(math.pi * 0.25 / 4, rel=0.02)


def test_a_loss_at_the_level_is_not_below_it() -> None:
    assert summarise(AXIS, np.full((21, 21), 2.0), level=2).area_below == 0
    assert summarise(AXIS, np.full(21, 2.0), level=2).area_below == 0


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 3), elements=st.integers(-5, 5).map(float)), st.integers(-5, 5))
def test_the_area_is_that_of_the_documented_interpolant(grid: Array, level: float) -> None:
    # By counting points of a fine lattice, each given the loss of its triangle's plane.
    steps = (np.arange(40) + 0.5) / 40
    u, v = np.meshgrid(steps, steps, indexing="ij")
    below = 0
    for i, j in np.ndindex(2, 2):
        a, b, c, d = grid[i, j], grid[i + 1, j], grid[i, j + 1], grid[i + 1, j + 1]
        middle = (a + b + c + d) / 4
        # In the triangle on the side u = 0 the loss runs along v from a to c, and with u to the
        # middle: a + (c − a) v + (2 middle − a − c) u. The other three sides are alike.
        loss = np.select(
            [(u <= v) & (u <= 1 - v), (u >= v) & (u >= 1 - v), (v <= u) & (v <= 1 - u)],
            [
                a + (c - a) * v + (2 * middle - a - c) * u,
                b + (d - b) * v + (2 * middle - b - d) * (1 - u),
                a + (b - a) * u + (2 * middle - a - b) * v,
            ],
            c + (d - c) * u + (2 * middle - c - d) * (1 - v),
        )
        below += int(np.count_nonzero(loss < level - 1e-9))
    found = summarise([-1, 0, 1], grid, level=level)
    assert found.area_below == pytest.approx(below / (4 * 1600), abs=0.04)


# Losses that are not finite


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_corner_that_is_not_finite_costs_what_touches_it(lost: float) -> None:
    grid = on_grid(lambda x, y: x**2 + y**2)
    grid[0, 0] = lost
    found = summarise(AXIS, grid, level=10)
    assert found.n_not_finite == 1
    assert found.n_inner == 19 * 19 - 1
    assert found.area_below == pytest.approx(1 - 1 / 400)  # all but one square
    assert found.curvature == pytest.approx((2, 2))
    assert found.lowest == (0, (0, 0))
    assert_sound(found)


def test_a_segment_that_ends_at_infinity_lies_above_the_level() -> None:
    losses = np.zeros(21)
    losses[[0, 5]] = np.nan
    assert summarise(AXIS, losses).area_below == pytest.approx(17 / 20)


def test_no_curvature_beside_a_loss_that_is_not_finite() -> None:
    grid = on_grid(lambda x, y: x**2 + y**2)
    grid[11, 11] = np.inf
    found = summarise(AXIS, grid)
    assert found.centre == 0
    assert found.reasons == {"curvature": NOT_AT_CENTRE, "mean_curvature": NOT_AT_CENTRE}
    assert found.convex_share == 1
    assert found.n_inner == 19 * 19 - 9
    assert_sound(found)


def test_a_centre_that_is_not_finite() -> None:
    losses = AXIS**2
    losses[10] = np.nan
    found = summarise(AXIS, losses)
    assert (found.centre, found.level, found.area_below) == (None, None, None)
    assert found.reasons["centre"] == "the loss at the centre is not finite"
    assert (found.reasons["level"], found.reasons["area_below"]) == (RELATIVE, RELATIVE)
    assert_sound(found)
    assert summarise(AXIS, losses, level=2).area_below == pytest.approx(18 / 20)


@pytest.mark.parametrize("shape", [(3,), (3, 3)])
def test_no_loss_is_finite(shape: tuple[int, ...]) -> None:
    found = summarise([-1, 0, 1], np.full(shape, np.nan))
    assert found.n_not_finite == math.prod(shape)
    assert found.reasons["lowest"] == "no loss is finite"
    expected = "no point has a finite loss at itself and all its neighbours"
    assert found.reasons["convex_share"] == expected
    assert_sound(found)


@settings(deadline=None)
@given(grids(), st.data())
def test_whatever_is_lost_the_figures_are_sound(grid: Array, data: st.DataObject) -> None:
    lost = data.draw(hnp.arrays(np.bool_, grid.shape))
    found = summarise(axis_of(grid), np.where(lost, np.nan, grid))
    assert_sound(found)
    assert found.n_not_finite == np.count_nonzero(lost)
    if not lost.all():
        assert found.lowest is not None
        assert found.lowest.loss == grid[~lost].min()


# What is refused


@pytest.mark.parametrize(
    "axis", [[0.0], [-1.0, 1.0], [[-1.0, 0.0, 1.0]], [-1.0, -0.5, 0.5, 1.0], []]
)
def test_an_axis_of_the_wrong_shape_is_refused(axis: npt.ArrayLike) -> None:
    with pytest.raises(ValueError, match="the axis must hold an odd number of coordinates"):
        summarise(axis, np.zeros(3))


@pytest.mark.parametrize(
    "axis", [[-1, 0, 2], [-1, 0.1, 1], [1, 0, -1], [0, 0, 0], [0, 1, 2], [-1, math.nan, 1]]
)
def test_an_uneven_axis_is_refused(axis: list[float]) -> None:
    with pytest.raises(ValueError, match="rise in equal steps and be symmetric about 0"):
        summarise(axis, np.zeros(3))


@pytest.mark.parametrize("shape", [(5,), (3, 5), (5, 3), (3, 3, 3), ()])
def test_losses_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(n,\) or \(n, n\) with n = 3 as the axis"):
        summarise([-1, 0, 1], np.zeros(shape))


def test_a_level_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="level must be finite, not inf"):
        summarise(AXIS, AXIS, level=math.inf)
