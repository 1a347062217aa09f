"""Seeded samples of labelled images, every class as often as any other."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]


def stratified(labels: Labels, count: int, *key: str) -> Indices:
    """Ascending indices of ``count`` images, all where there are no more.

    The numbers of two classes differ by at most one, unless a class has too few. The choice depends
    on the labels, ``count`` and ``key`` alone: for one key, a smaller sample is part of a larger.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    return np.sort(in_turn(labels, *key)[:count])


def in_turn(labels: Labels, *key: str) -> Indices:
    """All images, dealt out class by class: one of each at random, then a second of each.

    However many are taken from the front, classes are as even as they can be; so they are in any
    stretch of it, as a batch, until the smallest class is used up.
    """
    order, rank = dealt(labels, *key)
    return order[np.argsort(rank, kind="stable")]


def dealt(labels: Labels, *key: str) -> tuple[Indices, Indices]:
    """All images in a random order, by ``key``, and the place of each among those of its class.

    The places, from 0, are in the order of the shuffled images.
    """
    digest = hashlib.sha256("\0".join(key).encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
    order = rng.permutation(len(labels))
    shuffled = labels[order]
    by_class = np.argsort(shuffled, kind="stable")
    starts = np.searchsorted(shuffled[by_class], shuffled[by_class])
    rank = np.empty(len(labels), dtype=np.int64)
    rank[by_class] = np.arange(len(labels)) - starts
    return order, rank
