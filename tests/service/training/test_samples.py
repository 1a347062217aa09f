"""Seeded, stratified samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.training.samples import Labels, stratified

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(
    lambda labels: np.array(labels, dtype=np.int64)
)


@given(LABELS, st.integers(0, 250))
def test_classes_come_as_evenly_as_they_can(labels: Labels, count: int) -> None:
    chosen = stratified(labels, count, "a", "b")
    assert len(chosen) == min(count, len(labels))
    assert (np.diff(chosen) > 0).all()
    taken = np.bincount(labels[chosen], minlength=5)
    there = np.bincount(labels, minlength=5)
    not_used_up = taken[taken < there]
    if len(not_used_up):
        assert taken.max() <= not_used_up.min() + 1


@given(LABELS, st.integers(0, 200), st.integers(0, 200))
def test_a_smaller_sample_is_part_of_a_larger(labels: Labels, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert set(stratified(labels, small, "k")) <= set(stratified(labels, large, "k"))


def test_the_key_decides_and_nothing_else() -> None:
    labels = np.arange(1000, dtype=np.int64) % 10
    first = stratified(labels, 100, "cifar10", "train")
    assert np.array_equal(first, stratified(labels, 100, "cifar10", "train"))
    assert not np.array_equal(first, stratified(labels, 100, "cifar10", "x-valid"))
    assert not np.array_equal(first, stratified(labels, 100, "cifar10t", "rain"))
    # Fixed for all time: runs under a recipe with a sample are compared across machines.
    assert first[:8].tolist() == GOLDEN


GOLDEN = [6, 8, 14, 25, 29, 43, 68, 86]
