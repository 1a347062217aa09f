"""Where a cell stands by a measure of its trainings: worked out by hand, seed by seed."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from analysis.censoring import Standing
from data.studies import Part
from service.studies.outcomes import Outcome
from service.studies.places import Measure, Place, of_cell, ranks

NAN, INF = np.nan, np.inf
EPOCHS = 4


def trained(curve: list[float], *, state: str = "done", **more: Any) -> Outcome:
    """A training whose accuracies are also, turned round, its losses."""
    part = Part("original", "a", "a", "a", "digits", "proxy", 0.1, 1, None, None)
    return Outcome(
        part,
        state,  # type: ignore[arg-type]
        epochs=EPOCHS,
        accuracy=np.array(curve, np.float64),
        train_loss=100 - np.array(curve, np.float64),
        **more,
    )


def lost(curve: list[float]) -> Outcome:
    """A training that diverged after the epochs of ``curve``."""
    return trained([*curve, NAN], state="failed", diverged=True)


def to_50(accuracy: Any, _: Any) -> float:
    reached = np.flatnonzero(accuracy[0] >= 50)
    return float(reached[0] + 1) if reached.size else NAN


def mean_of_two(accuracy: Any, _: Any) -> float:
    return float(accuracy[0, :2].mean()) if accuracy.shape[1] >= 2 else NAN


def last(accuracy: Any, _: Any) -> float:
    return float(accuracy[0, -1]) if accuracy.shape[1] == EPOCHS else NAN


def two_losses(_: Any, losses: Any) -> float:
    return float(losses[0, :2].sum()) if losses.shape[1] >= 2 else NAN


MEASURES: dict[str, Measure] = {
    "epochs_to_50": to_50,
    "half_life": to_50,  # any that counts epochs
    "aulc@2": mean_of_two,
    "accuracy@final": last,
    "sotl@2": two_losses,
}

FAST, SLOW = [30.0, 60, 70, 80], [10.0, 20, 30, 40]


@pytest.mark.parametrize(
    ("name", "group", "place", "standing"),
    [
        ("epochs_to_50", [trained(FAST)], 2, Standing.OBSERVED),
        # Four epochs and never there: the fifth, or later.
        ("epochs_to_50", [trained(SLOW)], 5, Standing.CENSORED),
        ("half_life", [trained(SLOW)], 5, Standing.CENSORED),
        # Of several seeds the least that their mean can be, whichever comes first.
        ("epochs_to_50", [trained(FAST), trained(SLOW)], 3.5, Standing.CENSORED),
        ("epochs_to_50", [trained(SLOW), trained(FAST)], 3.5, Standing.CENSORED),
        ("epochs_to_50", [trained(FAST), trained([60.0] * 4)], 1.5, Standing.OBSERVED),
        # Of one that has no whole curve, or isn't done, nothing is known; of the other it is.
        ("epochs_to_50", [trained(SLOW[:3])], None, Standing.NOT_RECORDED),
        ("epochs_to_50", [trained([10, NAN, 30, 40])], None, Standing.NOT_RECORDED),
        ("epochs_to_50", [trained(SLOW, state="running")], None, Standing.NOT_RECORDED),
        ("epochs_to_50", [trained(FAST), trained(SLOW[:3])], 2, Standing.OBSERVED),
        # What diverged never got there either, unless it did before.
        ("epochs_to_50", [lost([10.0, 20])], 5, Standing.DIVERGED),
        ("epochs_to_50", [lost([10.0, 20]), trained(FAST)], 3.5, Standing.DIVERGED),
        ("epochs_to_50", [lost([30.0, 60])], 2, Standing.OBSERVED),
        # A measure that isn't a number of epochs: behind all others, accuracies low, losses high.
        ("aulc@2", [trained(FAST)], 45, Standing.OBSERVED),
        ("aulc@2", [lost([10.0])], -INF, Standing.DIVERGED),
        ("aulc@2", [lost([10.0]), trained(FAST)], -INF, Standing.DIVERGED),
        ("aulc@2", [lost([10.0, 20])], 15, Standing.OBSERVED),
        ("accuracy@final", [trained(FAST), trained(SLOW)], 60, Standing.OBSERVED),
        ("accuracy@final", [lost([10.0, 20, 30])], -INF, Standing.DIVERGED),
        ("accuracy@final", [trained(SLOW[:3])], None, Standing.NOT_RECORDED),
        ("sotl@2", [trained(FAST)], 70 + 40, Standing.OBSERVED),
        ("sotl@2", [lost([10.0])], INF, Standing.DIVERGED),
    ],
)
def test_the_place_of_a_cell(
    name: str, group: list[Outcome], place: float | None, standing: Standing
) -> None:
    assert of_cell(name, MEASURES[name], group, EPOCHS) == Place(place, standing)


def test_equal_means_tie_in_whatever_order_they_were_summed() -> None:
    seeds = [28.8, 35.333333333333336, 30.666666666666668]
    orders = [list(order) for order in permutations(seeds)]
    assert len({np.mean(order) for order in orders}) > 1
    places = {
        str(order): of_cell("accuracy@final", last, [trained([one] * 4) for one in order], EPOCHS)
        for order in orders
    }
    assert set(ranks(places).values()) == {3.5}
