"""Rows that are copies: what they are worth, by hand and by simulation."""

from itertools import permutations, product
from math import factorial

import numpy as np
import pytest
from scipy import stats

from analysis.coefficients import Method
from analysis.correlation import correlate, correlate_columns
from analysis.permutation import FEW
from tests.analysis.test_correlation import SCIPY, linear_methods, methods, sample


@methods
def test_without_copies_nothing_changes(method: Method) -> None:
    x, y, *_ = sample(1, 60)
    result = correlate(x, y, method=method, classes=np.arange(60) * 7)
    assert result == correlate(x, y, method=method)
    assert (result.n, result.n_distinct, result.n_effective) == (60, 60, 60)


@methods
def test_rows_written_out_twice_are_worth_one_each(method: Method) -> None:
    """The design effect of classes of m equal rows is about m."""
    x, y, *_ = sample(2, 200, tied=False)
    twice = np.tile(np.arange(200), 4)
    result = correlate(x[twice], y[twice], method=method, classes=twice)
    assert (result.n, result.n_distinct) == (800, 200)
    assert result.n_effective == pytest.approx(200, rel=0.01)
    once = correlate(x, y, method=method)
    assert result.coefficient == pytest.approx(once.coefficient, abs=0.01)
    assert result.ci == pytest.approx(once.ci, abs=0.01)
    assert correlate(x[twice], y[twice], method=method).ci != pytest.approx(once.ci, abs=0.01)


def test_a_few_large_classes_are_worth_less_than_their_number() -> None:
    """Kish: with weights m the effective number is (Σ m)² / Σ m², where x and y are shared."""
    rng = np.random.default_rng(3)
    sizes = np.repeat([1, 60], [300, 10])
    classes = np.repeat(np.arange(310), sizes)
    x, y = rng.normal(size=(2, 310))[:, classes]
    result = correlate(x, y, method="pearson", classes=classes)
    kish = sizes.sum() ** 2 / (sizes**2).sum()
    assert result.n_effective is not None
    assert 0.4 * kish < result.n_effective < 2.5 * kish < result.n_distinct


@linear_methods
def test_copies_are_never_worth_more_than_their_classes(method: Method) -> None:
    """Were "copies" as different as any rows, the formula alone would give as many as rows."""
    x, y, *_ = sample(6, 400, tied=False)
    result = correlate(x, y, method=method, classes=np.arange(400) // 2)
    assert (result.n_distinct, result.n_effective) == (200, 200)


@pytest.mark.parametrize("method", ["spearman", "kendall"])
def test_what_ranks_alike_is_worth_as_much(method: Method) -> None:
    x, y, *_ = sample(7, 40, tied=False)
    copies = np.repeat(np.arange(40), np.arange(40) % 7 + 1)
    found = correlate(x[copies], y[copies], method=method, classes=copies)
    stretched = correlate(np.exp(2 * x[copies]), y[copies] ** 3, method=method, classes=copies)
    assert found.n_effective is not None
    assert found.n_effective < 39
    assert found.n_effective == pytest.approx(stretched.n_effective)
    assert found.p_value == pytest.approx(stretched.p_value)


def test_kendall_s_p_is_of_what_copies_are_worth() -> None:
    """By hand: artanh of it over the root of 0.437 / (n − 4), by the normal distribution."""
    x, y, *_ = sample(8, 40, tied=False)
    twice = np.repeat(np.arange(40), 2)
    result = correlate(x[twice], y[twice], method="kendall", classes=twice)
    assert result.coefficient is not None
    assert result.n_effective is not None
    z = np.arctanh(abs(result.coefficient)) / np.sqrt(0.437 / (result.n_effective - 4))
    assert result.p_value == pytest.approx(2 * stats.norm.sf(z))
    assert result.p_method == "normal"


@methods
def test_a_perfect_order_of_copies_is_that_of_their_classes(method: Method) -> None:
    """Ten rows that are five: two of 5! orders are as extreme."""
    twice = np.repeat(np.arange(5.0), 2)
    result = correlate(twice, twice, method=method, classes=twice)
    assert result.coefficient == pytest.approx(1)
    assert result.p_value == pytest.approx(2 / factorial(5))


@methods
@pytest.mark.parametrize("sizes", [(2, 1, 1), (2, 2, 1), (2, 2, 2), (3, 2, 1), (11, 11, 11)])
def test_three_networks_are_no_evidence(method: Method, sizes: tuple[int, ...]) -> None:
    """Of six orders two are as extreme: p is 1/3 or more, however many copies there are."""
    classes = np.repeat(np.arange(3), sizes)
    for x in permutations((1.0, 2, 3)):
        for y in (np.arange(classes.size), classes + 0.1 * np.arange(classes.size)):
            result = correlate(np.array(x)[classes], y, method=method, classes=classes)
            assert result.n_distinct == 3
            if sum(sizes) <= FEW:
                assert result.p_value is not None
            assert result.p_value is None or result.p_value >= 1 / 3


@methods
def test_of_few_rows_whole_classes_of_one_size_are_exchanged(method: Method) -> None:
    """By enumeration, one call of scipy each: 3! orders of pairs, 4! of single rows."""
    rng = np.random.default_rng(5)
    classes = np.array([0, 0, 1, 2, 2, 3, 4, 5, 5, 6])
    x, y = rng.integers(0, 6, 7)[classes].astype(float), rng.normal(size=10).round(1)
    result = correlate(x, y, method=method, classes=classes)
    pairs, single = [(0, 1), (3, 4), (7, 8)], [(2,), (5,), (6,), (9,)]
    found = []
    for first, second in product(permutations(pairs), permutations(single)):
        order = np.empty(10, int)
        for old, new in zip([*pairs, *single], [*first, *second], strict=True):
            order[list(old)] = new
        found.append(abs(SCIPY[method](x[order], y).statistic))
    assert len(found) == 144
    assert result.p_value == pytest.approx(np.mean(np.array(found) >= found[0] - 1e-9))
    assert result.p_method == "exact"


@methods
@pytest.mark.parametrize("sizes", [[1] * 20, [2, 1] * 8])
def test_what_classes_are_called_makes_no_difference(method: Method, sizes: list[int]) -> None:
    """Where orders are drawn, too: they are the same ones."""
    rng = np.random.default_rng(7)
    classes = np.repeat(np.arange(len(sizes)), sizes)
    x, y = rng.normal(size=len(sizes))[classes], rng.normal(size=classes.size).round(1)
    names = rng.permutation(len(sizes))[classes]
    texts = np.array([f"network {name}" for name in names])
    found, *others = (
        correlate(x, y, method=method, classes=one) for one in (classes, names, -names, texts)
    )
    assert others == [found] * 3
    if sizes[0] == 1:
        assert found == correlate(x, y, method=method)


@methods
def test_unrelated_networks_are_called_related_one_time_in_twenty(method: Method) -> None:
    """Eight networks in twelve cells, whose accuracies differ by network more than by seed."""
    rng = np.random.default_rng(2)
    classes = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7])
    x = rng.normal(size=8)[classes]
    ys = rng.normal(size=(8, 800))[classes] + 0.1 * rng.normal(size=(12, 800))
    p = [one.p_value for one in correlate_columns(x, ys, method=method, classes=classes)]
    assert 0.03 <= np.mean([value is not None and value <= 0.05 for value in p]) <= 0.07


@linear_methods
def test_classes_that_reach_over_groups_are_drawn_in_each_by_itself(method: Method) -> None:
    """As those that are called otherwise in each group, and so reach over none."""
    x, y, *_ = sample(9, 40, tied=False)
    apart = np.arange(40) // 2
    shared, alone = (
        correlate(
            x, y, method=method, groups=np.arange(40) // 10, classes=classes,
            ci="bootstrap", resample="classes", resamples=100,
        )
        for classes in (apart % 5, apart)
    )  # fmt: skip
    assert shared.ci == alone.ci is not None
    assert (shared.n_distinct, alone.n_distinct) == (5, 20)


def test_copies_alone_have_neither_p_nor_interval() -> None:
    x, y, *_ = sample(4, 40, tied=False)
    result = correlate(x, y, classes=["one"] * 20 + ["other"] * 20)
    assert (result.n, result.n_distinct) == (40, 2)
    assert result.p_reason == "copies aside there are too few rows"
    assert result.ci_reason == "Fisher's interval needs 4 rows, copies aside, or more"


def test_within_groups_copies_are_counted_where_a_group_counts() -> None:
    x = [1, 2, 3, 3, 1, 1, 1, 1]
    y = [1, 3, 2, 2, 1, 2, 3, 4]
    result = correlate(x, y, groups=list("aaaabbbb"), classes=[0, 1, 2, 2, 3, 4, 5, 6])
    assert (result.n, result.n_distinct) == (4, 3)


@linear_methods
def test_interval_and_bootstrap_of_classes_hold_what_single_rows_miss(method: Method) -> None:
    """Classes of 1 to 12 rows that share x and nearly all of y; there is no correlation."""
    rng = np.random.default_rng(5)
    held = {"fisher": 0, "classes": 0, "cells": 0}
    trials = 120
    for _ in range(trials):
        classes = np.repeat(np.arange(70), rng.integers(1, 13, 70))
        x, y = rng.normal(size=(2, 70))[:, classes]
        y = y + 0.2 * rng.normal(size=y.size)
        for what in held:
            if what == "fisher":
                found = correlate(x, y, method=method, classes=classes)
            else:
                found = correlate(
                    x, y, method=method, classes=classes, ci="bootstrap", resample=what,  # type: ignore[arg-type]
                    resamples=200,
                )  # fmt: skip
                assert found.resampled == what
            held[what] += bool(found.ci and found.ci[0] <= 0 <= found.ci[1])
    assert held["fisher"] / trials >= 0.90
    assert held["classes"] / trials >= 0.87
    assert held["cells"] / trials < 0.75


@methods
@pytest.mark.parametrize("values", [[0.0, 1, 2], [0.0, 1, 5], [0.0, 0, 3], [2.0, 0, 1]])
@pytest.mark.parametrize("sizes", [[12, 12, 12], [10, 10, 11], [10, 11, 12]])
def test_a_perfect_order_of_classes_by_enumeration(
    method: Method, values: list[float], sizes: list[int]
) -> None:
    """p is the share of orders of classes of one size with |r| = 1, above 30 rows too."""
    classes = np.repeat([0, 1, 2], sizes)
    x = np.repeat(values, sizes)
    orders = [order for order in permutations(range(3)) if [sizes[one] for one in order] == sizes]
    as_far = 0
    for order in orders:
        moved = np.repeat([values[one] for one in order], sizes)
        r = correlate(moved, x, method=method, ci="none").coefficient
        as_far += r is not None and abs(r) > 1 - 1e-9
    result = correlate(x, x, method=method, classes=classes)
    assert result.p_value == pytest.approx(as_far / len(orders))
    assert result.p_method == "exact"
