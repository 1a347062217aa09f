"""Each of the four verdicts, Holm's correction, and the error rates that the docs state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.synthesis import Estimate, Mean, join
from analysis.verdicts import ALPHA, Question, Word, holm, judge


def mean(value: float, error: float) -> Mean:
    found = join([Estimate(value, error)])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "error", "effect", "no_gain"),
    [
        (0.5, 0.1, "supported", "contradicted"),
        (-0.5, 0.1, "contradicted", "supported"),
        (0.0, 0.02, "negligible", "supported"),
        (0.05, 0.01, "negligible", "negligible"),
        (-0.05, 0.01, "negligible", "supported"),
        (0.1, 0.1, "inconclusive", "inconclusive"),
        (-0.02, 0.3, "inconclusive", "inconclusive"),
    ],
)
def test_each_verdict(value: float, error: float, effect: Word, no_gain: Word) -> None:
    (one,) = judge([Question(mean(value, error), 0.1)])
    assert one.word == effect
    (one,) = judge([Question(mean(value, error), 0.1, "no gain")])
    assert one.word == no_gain


@pytest.mark.parametrize(
    ("reach", "word"), [(1.90, "inconclusive"), (1.95, "inconclusive"), (1.97, "negligible")]
)
def test_none_is_shown_where_the_interval_lies_within_the_band(reach: float, word: Word) -> None:
    """Of 95 %, which reaches 1.96 standard errors to each side; and p is twice the tail."""
    for asked in (
        Question(mean(0.0, 0.1 / reach), 0.1),
        Question(mean(0.0, 0.1 / reach), 0.1, "no gain"),
    ):
        (one,) = judge([asked])
        shown = "supported" if word == "negligible" and asked.predicts == "no gain" else word
        assert one.word == shown
        assert one.p_none == pytest.approx(2 * stats.norm.sf(reach))


def test_without_a_mean_it_is_inconclusive() -> None:
    (one,) = judge([Question(None, 0.1)])
    assert (one.word, one.p_effect, one.p_none) == ("inconclusive", 1, 1)


def test_holm_by_hand() -> None:
    """0.01 · 4, 0.015 · 3, 0.03 · 2, 0.04 · 1, each at least what came before."""
    assert holm([0.03, 0.01, 0.04, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1, 1]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_and_bonferroni_s(p: list[float]) -> None:
    found = holm(p)
    assert all(a <= b <= min(1, a * len(p)) + 1e-12 for a, b in zip(p, found, strict=True))
    assert min(found) == pytest.approx(min(1, min(p) * len(p)))


def test_what_one_claim_alone_would_show_many_together_may_not() -> None:
    asked = [Question(mean(0.22, 0.1), 0.1)] + [Question(mean(0.0, 0.1), 0.1)] * 7
    assert asked[0].p_effect < ALPHA
    assert {one.word for one in judge(asked)} == {"inconclusive"}


CLAIMS, TRIALS = 8, 300
MOST = stats.binom.ppf(0.999, TRIALS, ALPHA) / TRIALS
"""Of a rate that is at most `ALPHA`, what a simulation may show."""

ERRORS = {
    "a table beside families": [0.012, 0.16, 0.3, 0.3, 0.3, 0.3],
    "families": [0.16, 0.3, 0.3, 0.3, 0.3],
    "one family": [0.15],
    "large tables": [0.012, 0.02, 0.02, 0.03, 0.03],
}
SEVERAL = [design for design, errors in ERRORS.items() if len(errors) > 1]
"""Those whose sources may differ."""


def simulated(
    effect: float, tau: float, errors: list[float], wrong: Callable[[Word], bool]
) -> float:
    """How often any claim gets a verdict that is wrong; half of them share their sources."""
    rng = np.random.default_rng(3)
    spread = np.sqrt(np.square(errors) + tau**2)
    found = 0
    for _ in range(TRIALS):
        shared = rng.normal(size=len(errors))
        asked = []
        for number in range(CLAIMS):
            own = rng.normal(size=len(errors))
            noise = 0.8 * shared + 0.6 * own if number % 2 else own
            y = effect + spread * noise
            asked.append(
                Question(join([Estimate(*one) for one in zip(y, errors, strict=True)]), 0.1)
            )
        found += any(wrong(one.word) for one in judge(asked))
    return found / TRIALS


CASES = [*((design, 0.0) for design in ERRORS), *((design, 0.1) for design in SEVERAL)]


@pytest.mark.parametrize(("design", "tau"), CASES)
def test_claims_without_effect_are_called_supported_or_contradicted_as_rarely_as_stated(
    design: str, tau: float
) -> None:
    rate = simulated(0, tau, ERRORS[design], lambda word: word in ("supported", "contradicted"))
    assert rate <= MOST


@pytest.mark.parametrize(("design", "tau"), CASES)
def test_effects_at_the_band_s_end_are_called_negligible_as_rarely_as_stated(
    design: str, tau: float
) -> None:
    rate = simulated(0.1, tau, ERRORS[design], lambda word: word == "negligible")
    assert rate <= MOST


def of_gains(gain: float, tau: float, wrong: Callable[[Word], bool]) -> float:
    """The same of claim 7: six cells, two data sets, three seeds, in true deviations over seeds.

    The deviation that is its band, and that its errors rest on, is estimated from the trainings
    themselves, pooled, as in the report.
    """
    rng = np.random.default_rng(5)
    cells, datasets, seeds = 6, 2, 3
    found = 0
    for _ in range(TRIALS):
        before, after = rng.normal(size=(2, cells, datasets, seeds))
        after += gain + tau * rng.normal(size=(cells, 1, 1))
        noise = float(np.sqrt(np.var([before, after], axis=-1, ddof=1).mean()))
        error = noise * np.sqrt(2 / seeds / datasets)
        gains = (after - before).mean(axis=(1, 2))
        joined = join([Estimate(float(value), error) for value in gains])
        (one,) = judge([Question(joined, noise, "no gain")])
        found += wrong(one.word)
    return found / TRIALS


@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_a_gain_is_told_where_there_is_none_as_rarely_as_stated(tau: float) -> None:
    assert of_gains(0, tau, lambda word: word in ("contradicted", "negligible")) <= MOST


@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_gains_that_count_are_called_none_as_rarely_as_stated(tau: float) -> None:
    assert of_gains(1, tau, lambda word: word in ("supported", "negligible")) <= MOST


def test_what_is_stated_is_no_idle_promise() -> None:
    """With sources as precise as large tables, effects show, and so does that there is none."""
    errors = ERRORS["large tables"]
    assert simulated(0.3, 0.02, errors, lambda word: word == "supported") > 0.95
    assert simulated(0.0, 0.0, errors, lambda word: word == "negligible") > 0.95
    assert of_gains(2, 0.0, lambda word: word == "contradicted") > 0.95
    assert of_gains(-1, 0.0, lambda word: word == "supported") > 0.95
