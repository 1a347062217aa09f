"""How fast cells converge beside their variants: measures, their spread, and what explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from analysis import components, convergence, paired
from analysis.cells import classes, parse_cell
from analysis.censoring import Standing, beyond
from analysis.correlation import correlate
from data.standing import STATES
from data.studies import Part
from service.studies.kinds import Convergence, GeneralisationStudy
from service.studies.outcomes import Outcome, number, plain, shape
from service.studies.places import NOWHERE, Measure, Place, numbers, of_cell, ranks
from service.studies.planning import ORIGINAL

ALL = "all"
"""What a comparison over all originals is named by."""

Measures = dict[str, Measure]
"""By name."""


def results(asked: Convergence, told: Sequence[Outcome]) -> list[dict[str, Any]]:
    """For each learning rate: cells with their measures, correlations, components."""
    rates = sorted({one.part.learning_rate for one in told})
    return [
        _at_rate(asked, rate, [o for o in told if o.part.learning_rate == rate]) for rate in rates
    ]


def _at_rate(asked: Convergence, rate: float, told: list[Outcome]) -> dict[str, Any]:
    epochs = max(one.epochs for one in told)
    upto = min(asked.epoch or -(-epochs // 2), epochs) if epochs else 1
    measures = _measures(upto, epochs, asked.threshold)
    rows = []
    values: dict[str, dict[tuple[str, str, str], list[float]]] = {name: {} for name in measures}
    places: dict[str, dict[str, Place]] = {}
    for key, group in _by_cell(told).items():
        found = {name: numbers(measure, group, epochs) for name, measure in measures.items()}
        row = _cell(key, group, found)
        rows.append(row)
        # A cell that comes twice counts once.
        places[row["cell"]] = {
            name: of_cell(name, measure, group, epochs) for name, measure in measures.items()
        }
        for name, known in found.items():
            values[name][key] = known
    _rank(rows, places)
    return {
        "learning_rate": rate,
        "recipe": told[0].part.recipe,
        "epoch": upto,
        "set": next((one.set for one in told if one.set is not None), None),
        "cells": rows,
        "correlations": correlations(list({row["cell"]: row for row in rows}.values()), places),
        "components": _components(asked, values),
    }


def _measures(upto: int, epochs: int, threshold: float | None) -> Measures:
    """Those of docs/concepts.md, of one run; accuracies are of validation."""
    measures: Measures = {
        f"accuracy@{upto}": lambda a, _: float(a[0, upto - 1]) if a.shape[1] >= upto else np.nan,
        "accuracy@final": lambda a, _: float(a[0, -1]) if a.shape[1] == epochs else np.nan,
        f"aulc@{upto}": lambda a, _: float(convergence.aulc(a, upto)[0]),
        "half_life": lambda a, _: (
            float(convergence.half_life(a)[0]) if a.shape[1] == epochs else np.nan
        ),
        f"sotl@{upto}": lambda _, losses: float(convergence.sotl(losses, upto)[0]),
        f"sotl_e@{upto}": lambda _, losses: float(convergence.sotl_e(losses, upto)[0]),
        f"tse_ema@{upto}": lambda _, losses: float(convergence.tse_ema(losses, upto)[0]),
    }
    if threshold is not None:
        measures[f"epochs_to_{threshold:g}"] = lambda a, _: float(
            convergence.epochs_to(a, threshold).epochs[0]
        )
    return measures


def _by_cell(told: Iterable[Outcome]) -> dict[tuple[str, str, str], list[Outcome]]:
    """By (original, role, cell), in the study's order."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for one in told:
        groups.setdefault((one.part.original, one.part.role, one.part.cell), []).append(one)
    return groups


def _cell(
    key: tuple[str, str, str], group: list[Outcome], found: Mapping[str, list[float]]
) -> dict[str, Any]:
    """A row of the answer; ``found`` has by measure the numbers of the trainings that have one."""
    original, role, arch = key
    return {
        "cell": group[0].part.cell_id,
        "arch": arch,
        "role": role,
        "original": original,
        **shape(arch),
        "trainings": len(group),
        "n": sum(one.state == "done" for one in group),
        "diverged": sum(one.diverged for one in group),
        "stability": _stability(group),
        "measures": {
            name: {
                "n": len(values),
                "mean": float(np.mean(values)) if values else None,
                "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            }
            for name, values in found.items()
        },
        "curves": [
            {
                "seed": one.part.seed,
                "accuracy": [number(value) for value in one.accuracy],
                "train_loss": [number(value) for value in one.train_loss],
            }
            for one in group
            if len(one.accuracy) or len(one.train_loss)
        ],
    }


def _rank(rows: Iterable[dict[str, Any]], places: Mapping[str, Mapping[str, Place]]) -> None:
    """Add to the measures of each row where its cell stands among those of its space."""
    spaces = {row["cell"]: row["space"] for row in rows}
    ranked = {
        (space, name): ranks({cell: places[cell][name] for cell in spaces if spaces[cell] == space})
        for space in set(spaces.values())
        for name in next(iter(places.values()))
    }
    for row in rows:
        for name, found in row["measures"].items():
            found["state"] = STATES[places[row["cell"]][name].standing]
            found["rank"] = ranked[row["space"], name][row["cell"]]


def _stability(group: list[Outcome]) -> dict[str, Any]:
    """Spread of the final accuracy over seeds, and the share that diverged, of what has ended."""
    ended = [one for one in group if one.diverged or np.isfinite(one.final)]
    found = paired.stability([one.final for one in ended], [one.diverged for one in ended])
    return dict(plain(found))


def correlations(
    rows: Sequence[dict[str, Any]], places: Mapping[str, Mapping[str, Place]]
) -> list[dict[str, Any]]:
    """Spearman's, of width and depth with each measure, with Fisher's 95 % interval,
    which ±1 lacks, and p from the orders of up to 30 cells (docs/statistics.md).

    ``rows`` have a row a cell, ``places`` those of each cell by measure. Within a space: the widths
    of two spaces are not in one unit. Cells that are one network are copies.
    """
    networks = {row["cell"]: classes(parse_cell(row["arch"]))["function"] for row in rows}
    found = []
    for space in dict.fromkeys(row["space"] for row in rows):
        inside = [row for row in rows if row["space"] == space]
        for name in dict.fromkeys(name for row in inside for name in places[row["cell"]]):
            for x in ("width", "depth"):
                shaped = [
                    (row[x], places[row["cell"]].get(name, NOWHERE), networks[row["cell"]])
                    for row in inside
                    if row[x] is not None
                ]
                found.append({"space": space, "x": x, "y": name} | _spearman(shaped))
    return found


def _spearman(shaped: Sequence[tuple[float, Place, str]]) -> dict[str, Any]:
    """The coefficient over the cells that have a place, how many are ranked last, and left out.

    ``shaped`` have what a cell's x, y and network are.
    """
    complete = [one for one in shaped if one[1].place is not None]
    x = np.array([one for one, _, _ in complete], np.float64)
    y = np.array([one.place for _, one, _ in complete], np.float64)
    networks = [one for _, _, one in complete]
    found = correlate(x, beyond(y), method="spearman", classes=networks)
    last = Counter(one.standing for _, one, _ in complete)
    left_out = Counter(one.standing for _, one, _ in shaped if one.place is None)
    return {
        "method": found.method,
        "coefficient": found.coefficient,
        "p_value": found.p_value,
        "ci": found.ci,
        "n": found.n,
        "n_distinct": found.n_distinct,
        "censored": last[Standing.CENSORED],
        "diverged": last[Standing.DIVERGED],
        "excluded": {
            why: left_out[standing]
            for why, standing in (
                ("diverged", Standing.DIVERGED),
                ("no value", Standing.NOT_RECORDED),
            )
            if left_out[standing]
        },
        "reason": found.reason,
    }


def _components(
    asked: Convergence, values: dict[str, dict[tuple[str, str, str], list[float]]]
) -> list[dict[str, Any]]:
    """For each original and measure, where both kinds of random variants were trained."""
    if not {"random-connections", "random-operations"} <= set(asked.variants):
        return []
    found = []
    for measure, cells in values.items():
        for original in dict.fromkeys(key[0] for key in cells):
            kinds = [
                [known for key, known in cells.items() if key[:2] == (original, kind)]
                for kind in ("random-connections", "random-operations")
            ]
            told = plain(components.components(kinds[0], kinds[1]))
            found.append({"original": original, "measure": measure, **told})
    return found


def _over_seeds(
    found: dict[tuple[str, int], dict[str, float]],
) -> dict[str, dict[str, float]]:
    """By data set, the means over the seeds of which both sides are known."""
    complete: dict[str, list[dict[str, float]]] = {dataset: [] for dataset, _ in found}
    for (dataset, _), sides in found.items():
        if np.isfinite([*sides.values()]).all():
            complete[dataset].append(sides)
    return {
        dataset: {
            side: float(np.mean([sides[side] for sides in known])) if known else np.nan
            for side in ("original", "adapted")
        }
        for dataset, known in complete.items()
    }


def _excluded(
    found: Mapping[tuple[str, int], Mapping[str, float]], lost: Collection[tuple[str, int]]
) -> dict[str, int]:
    """How many pairs are incomplete, by reason; ``lost`` are those of which a training diverged."""
    reasons = Counter(
        "diverged" if pair in lost else "no value"
        for pair, sides in found.items()
        if not np.isfinite([*sides.values()]).all()
    )
    return dict(sorted(reasons.items()))


def generalisation(asked: GeneralisationStudy, told: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Adapted − original: for each original over data sets and seeds, and for all together.

    Seeds of one cell and data set share what these contribute: all together, they are one pair.
    A pair of which a training diverged, or has no accuracy, is left out and counted.
    """
    pairs: dict[str, dict[tuple[str, int], dict[str, float]]] = {}
    lost: dict[str, set[tuple[str, int]]] = {}
    sets: dict[str, str | None] = {}
    for one in told:
        part: Part = one.part
        sides = pairs.setdefault(part.original, {}).setdefault((part.dataset, part.seed), {})
        if one.diverged:
            lost.setdefault(part.original, set()).add((part.dataset, part.seed))
        tested = bool(np.isfinite(one.test_accuracy))
        sides["original" if part.role == ORIGINAL else "adapted"] = (
            one.test_accuracy if tested else one.final
        )
        sets.setdefault(part.dataset, None)
        if tested or np.isfinite(one.final):
            sets[part.dataset] = "ori-test" if tested else one.set
    alpha = round(1 - asked.confidence, 12)
    groups: dict[str, dict[tuple[str, int], dict[str, float]]] = dict(pairs)
    if len(groups) > 1:
        groups[ALL] = {
            (f"{original} {dataset}", 0): sides
            for original, found in pairs.items()
            for dataset, sides in _over_seeds(found).items()
        }
        lost[ALL] = {
            (f"{original} {dataset}", 0)
            for original in pairs
            for dataset, _ in lost.get(original, ())
        }
    answers = []
    for original, found in groups.items():
        before = np.array([sides["original"] for sides in found.values()])
        after = np.array([sides["adapted"] for sides in found.values()])
        compared = paired.compare(before, after, confidence=asked.confidence, alpha=alpha)
        excluded = _excluded(found, lost.get(original, ()))
        answers.append({"original": original, **plain(compared), "excluded": excluded})
        if original != ALL:
            answers[-1]["pairs"] = [
                {
                    "dataset": dataset,
                    "set": sets[dataset],
                    "seed": seed,
                    "original": number(sides["original"]),
                    "adapted": number(sides["adapted"]),
                }
                for (dataset, seed), sides in found.items()
            ]
    return answers
