"""Which of two things more of a spread is due to: by scipy, by enumeration, by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis import shares, topology
from analysis.combinations import UndefinedError
from analysis.shares import (
    Cell,
    HardlyVaryError,
    Sample,
    of_a_space,
    of_two_samples,
    placed,
    varying,
)
from analysis.spaces import nasbench201

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws in each test, whichever run before it."""
    monkeypatch.setattr(f"{__name__}.RNG", np.random.default_rng(8))


def test_two_samples_by_their_variances() -> None:
    first, second = 2 * RNG.normal(size=30), RNG.normal(size=20)
    found = of_two_samples(Sample(first), Sample(second))
    a, b = first.var(ddof=1), second.var(ddof=1)
    assert found.value == pytest.approx((a - b) / (a + b))
    assert found.degrees == 19
    other = of_two_samples(Sample(second), Sample(first))
    assert (other.value, other.standard_error) == pytest.approx(
        (-found.value, found.standard_error)
    )


@pytest.mark.parametrize("draw", ["normal", "uniform", "laplace"])
def test_the_standard_error_is_the_spread_over_samples(draw: str) -> None:
    """Of Fisher's z; the formula for the normal distribution would do for that alone."""
    found = [of_two_samples(*map(Sample, getattr(RNG, draw)(size=(2, 40)))) for _ in range(500)]
    spread = np.arctanh([one.value for one in found]).std()
    errors = [one.standard_error / (1 - one.value**2) for one in found]
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)


def test_leaving_one_out_by_hand() -> None:
    """Variances without 0, 1, 2 and 5 in turn: 13/3, 19/3, 7 and 1."""
    log_variances = np.log([13 / 3, 19 / 3, 7, 1])
    error = np.sqrt(3 / 4 * ((log_variances - log_variances.mean()) ** 2).sum())
    found = of_two_samples(Sample([0, 1, 2, 5]), Sample([0, 1, 2, 5]))
    assert found.value == 0
    assert found.standard_error == pytest.approx(np.sqrt(2) * error / 2)


@pytest.mark.parametrize(
    ("first", "why"), [([1.0, 2.0, 3.0], "it takes 4"), ([2.0] * 9, "don't vary")]
)
def test_too_little_says_why(first: list[float], why: str) -> None:
    with pytest.raises(UndefinedError, match=why):
        of_two_samples(Sample(first), Sample(np.arange(9.0)))


def test_what_seeds_add_is_taken_off() -> None:
    """Equal spreads of cells, of which one kind is measured with noise; over many samples.

    What is not taken off shows as a spread of that kind: a share of (1.5 - 1) / (1.5 + 1).
    """
    corrected, as_they_are = [], []
    for _ in range(200):
        noisy = RNG.normal(size=(500, 1)) + RNG.normal(size=(500, 2))
        exact = Sample(RNG.normal(size=500))
        means, errors = noisy.mean(axis=1), noisy.var(axis=1, ddof=1) / 2
        corrected.append(of_two_samples(Sample(means, errors), exact))
        as_they_are.append(of_two_samples(Sample(means), exact).value)
    values = [one.value for one in corrected]
    assert np.mean(values) == pytest.approx(0, abs=0.02)
    assert np.mean(as_they_are) == pytest.approx(0.2, abs=0.02)
    spread = np.arctanh(values).std()
    told = [one.standard_error / (1 - one.value**2) for one in corrected]
    assert np.mean(told) == pytest.approx(spread, rel=0.15)


def test_leaving_one_out_takes_its_error_along() -> None:
    """By hand: 0, 1, 2 and 5 with errors 0.1, 0.2, 0.3 and 0.8; all their mean is 0.35."""
    errors = [0.1, 0.2, 0.3, 0.8]
    without = [13 / 3 - 1.3 / 3, 19 / 3 - 1.2 / 3, 7 - 1.1 / 3, 1 - 0.6 / 3]
    logs = np.log(without)
    error = np.sqrt(3 / 4 * ((logs - logs.mean()) ** 2).sum())
    found = of_two_samples(Sample([0, 1, 2, 5], errors), Sample([0, 1, 2, 5], errors))
    assert found.standard_error == pytest.approx(np.sqrt(2) * error / 2)
    exact = of_two_samples(Sample([0, 1, 2, 5], errors), Sample([0, 1, 2, 5]))
    of_means, of_values = 14 / 3 - 0.35, 14 / 3
    assert exact.value == pytest.approx((of_means - of_values) / (of_means + of_values))


def test_a_spread_that_seeds_explain_is_none() -> None:
    with pytest.raises(HardlyVaryError, match="hardly vary by more than their errors"):
        of_two_samples(Sample([0, 1, 2, 5], 1.0), Sample(np.arange(9.0)))


def crossed(by_wiring: float, by_operations: float) -> tuple[list[Cell], list[float]]:
    """Five wirings and forty operations, each twice, that add to the values by so much each."""
    cells = [
        Cell(3, f"w{w}", f"o{o}") for w, o, _ in itertools.product(range(5), range(40), range(2))
    ]
    of_w, of_o = RNG.normal(size=5), RNG.normal(size=40)
    values = [
        by_wiring * of_w[int(cell.wiring[1:])] + by_operations * of_o[int(cell.operations[1:])]
        for cell in cells
    ]
    return cells, values


def test_a_space_in_which_both_add_up() -> None:
    """Without interplay the two variances are those of the two effects."""
    cells, values = crossed(2, 1)
    of_w = {
        cell.wiring: value
        for cell, value in zip(cells, values, strict=True)
        if cell.operations == "o0"
    }
    of_o = {
        cell.operations: value
        for cell, value in zip(cells, values, strict=True)
        if cell.wiring == "w0"
    }
    a, b = (np.var(list(one.values()), ddof=1) for one in (of_w, of_o))
    found = of_a_space(cells, values)
    assert found.value == pytest.approx((a - b) / (a + b))
    assert found.degrees == 39
    assert of_a_space(cells, values) == found, "the same every time"


def test_numbers_of_edges_count_by_their_cells() -> None:
    """By hand: 12 cells of three edges, whose wirings vary by 2 (0 and 2) and operations by 2.7
    (thrice 0, thrice 3); 8 cells of two, whose wirings vary by 8 (0 and 4) and operations not."""
    of_o = [0.0, 0.0, 0.0, 3.0, 3.0, 3.0]
    three = {(w, o): 2.0 * w + of_o[o] for w in range(2) for o in range(6)}
    two = {(w, o): 4.0 * w for w in range(2) for o in range(4)}
    cells = [Cell(3, f"w{w}", f"o{o}") for w, o in three]
    cells += [Cell(2, f"w{w}", f"o{o}") for w, o in two]
    by_wiring, by_operations = 12 * 2 + 8 * 8, 12 * 2.7 + 8 * 0
    found = of_a_space(cells, [*three.values(), *two.values()])
    share = (by_wiring - by_operations) / (by_wiring + by_operations)
    assert found.value == pytest.approx(share)


def test_operations_or_wirings_alone() -> None:
    cells, values = crossed(0, 1)
    with pytest.raises(UndefinedError, match="don't vary"):
        of_a_space(cells, [1.0] * len(cells))
    noisy = np.array(values) + 0.001 * RNG.normal(size=len(values))
    assert of_a_space(cells, noisy).value == pytest.approx(-1, abs=0.01)
    one = [Cell(3, "w", cell.operations) for cell in cells]
    with pytest.raises(UndefinedError, match="several wirings and operations"):
        of_a_space(one, values)


def test_two_operations_tell_no_error() -> None:
    """Resampled, they are the same two, or one of them twice: hardly ever anything else."""
    cells = [Cell(3, wiring, operations) for wiring in "ab" for operations in "xy"]
    with pytest.raises(UndefinedError, match="2 multisets of operations; it takes 4"):
        of_a_space(cells, [1, 2, 3, 4.1])


def test_where_not_both_can_vary_nothing_counts() -> None:
    cells, values = crossed(1, 1)
    more = [Cell(1, "alone", f"o{number}") for number in range(20)]
    assert varying([*cells, *more]) == list(range(len(cells)))
    found = of_a_space([*cells, *more], [*values, *(100 * RNG.normal(size=20))])
    assert found == of_a_space(cells, values)


def connected() -> list[nasbench201.NasBench201Cell]:
    every = [nasbench201.from_index(index) for index in range(0, nasbench201.N_CELLS, 7)]
    return [cell for cell in every if topology.columns(cell)["width"] is not None]


def test_cells_of_the_benchmark_are_told_apart_by_what_computes() -> None:
    """Wirings of 1 to 6 live edges, nodes 1 and 2 exchanged where that makes no difference.

    By hand: 0→3; over one node; both of these; 0→1→2→3; both nodes, beside each other; and so on.
    """
    found: dict[int, set[str]] = {}
    for cell in connected():
        one = placed(cell)
        assert one.edges == topology.columns(cell)["n_edges"]
        found.setdefault(one.edges, set()).add(one.wiring)
    assert {edges: len(wirings) for edges, wirings in sorted(found.items())} == {
        1: 1,
        2: 1,
        3: 2,
        4: 4,
        5: 4,
        6: 1,
    }


def test_exchanged_nodes_are_the_same_wiring() -> None:
    over_first = nasbench201.parse(
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
    )
    over_second = nasbench201.parse(
        "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
    )
    assert placed(over_first) == placed(over_second)
    dead = nasbench201.parse(
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|none~2|"
    )
    assert placed(dead) == placed(over_first), "what is dead doesn't count"
    assert shares.FEWEST == 4
