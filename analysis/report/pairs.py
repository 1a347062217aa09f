"""What cells beside their adapted forms say of the claim that these generalise no better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import topology
from analysis.cells import cell_name, parse_cell
from analysis.report.asking import Document
from analysis.report.claims import HEADLINE, ONE, Source
from analysis.report.text import left_out
from analysis.spaces.variants import adapted_forms
from analysis.synthesis import Estimate

NARROWER = "cells whose normal cell isn't made wider"
"""What pairs are shown as whose adapted form has no wider normal cell, once dead edges are cut."""

FEWEST_SEEDS = 3
"""Of both cells on each data set: with fewer, a gain can't be told from chance."""

Values = dict[str, dict[str, list[float]]]
"""By data set and side, the accuracies of the seeds that both sides have."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How far trainings of one cell on one data set lie apart by their seed.

    Attributes:
        deviation: pooled over cells and data sets, in percentage points.
        degrees: of freedom that it rests on.
    """

    deviation: float
    degrees: int


def noise(document: Document) -> Noise | None:
    """The deviation over seeds, by which gains are told from chance; None with one seed, or none
    that makes a difference."""
    squares, degrees = 0.0, 0
    for one in _originals(document):
        for sides in _values(one).values():
            for found in filter(None, sides.values()):
                squares += float(np.square(np.array(found) - np.mean(found)).sum())
                degrees += len(found) - 1
    return Noise(float(np.sqrt(squares / degrees)), degrees) if degrees and squares else None


def sources(document: Document, found: Noise | None) -> Iterable[Source]:
    """One for each cell: the mean gain over data sets, each the mean over seeds.

    The standard error is that of the seeds; how gains differ between cells is the join's to say.
    """
    for one in _originals(document):
        by_dataset = _values(one)
        cell = cell_name(one["original"])
        n = sum(len(sides["original"]) for sides in by_dataset.values())
        name = cell + left_out(len(one["pairs"]) - n, "pair")
        group = HEADLINE if widened(cell) else NARROWER
        if not n:
            yield Source(name, 0, {}, reason="no pair is complete", group=group)
            continue
        known = [sides for sides in by_dataset.values() if sides["original"]]
        gains = [float(np.mean(s["adapted"]) - np.mean(s["original"])) for s in known]
        fewest = min(len(sides["original"]) for sides in by_dataset.values())
        if found is None or fewest < FEWEST_SEEDS:
            why = f"{np.mean(gains):+.2f}, but {_without_error(fewest)}"
            yield Source(name, n, {}, reason=why, group=group)
            continue
        variance = np.mean([2 / len(s["original"]) for s in known]) / len(gains)
        error = found.deviation * float(np.sqrt(variance))
        estimate = Estimate(float(np.mean(gains)), error, found.degrees)
        yield Source(name, n, {ONE[0]: estimate}, group=group)


def _without_error(fewest: int) -> str:
    """Why a gain has none, by the fewest seeds of a data set."""
    if fewest == 1:
        return "one seed tells no error"
    if fewest < FEWEST_SEEDS:
        return f"{fewest or 'no'} seeds on a data set tell no error, {FEWEST_SEEDS} would"
    return "seeds that all end alike tell no error"


def widened(name: str) -> bool:
    """Whether adapting a cell makes its normal cell wider, dead edges cut."""
    cell = parse_cell(name)
    before, after = (topology.columns(one)["width"] for one in (cell, adapted_forms(cell)[0]))
    return before is not None and after is not None and after > before


def _originals(document: Document) -> list[Mapping[str, Any]]:
    return [one for one in document["results"] if "pairs" in one]


def _values(one: Mapping[str, Any]) -> Values:
    found: Values = {}
    for pair in one["pairs"]:
        sides = found.setdefault(pair["dataset"], {"original": [], "adapted": []})
        if None in (pair["original"], pair["adapted"]):
            continue
        for side, values in sides.items():
            values.append(pair[side])
    return found
