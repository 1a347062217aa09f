"""Paired comparisons: a published example, scipy, Cohen's tables, and what can't be told."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.paired import Comparison, compare, stability

Array = npt.NDArray[np.float64]

# Student, "The probable error of a mean", Biometrika 6, 1908, section IX: additional hours of sleep
# gained by ten patients with two isomers of hyoscyamine (as later read, of hyoscine).
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

SAME = "all differences are the same, which leaves no spread to judge them by"
TOO_FEW = "fewer than 2 pairs are complete"
BY_T = ("ci", "t", "t_p", "effect", "detectable")

hundredths = st.integers(-1000, 1000).map(lambda count: count / 100)
pairs = st.lists(st.tuples(hundredths, hundredths), min_size=2, max_size=60)


def sample(seed: int, n: int, shift: float) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    original = rng.normal(90, 3, n)
    return original, original + rng.normal(shift, 1, n)


def with_effect(n: int, effect: float = 0.0) -> tuple[Array, Array]:
    """Pairs whose differences have the standard deviation 1 and the mean `effect`."""
    differences = stats.zscore(np.arange(float(n)), ddof=1) + effect
    return np.zeros(n), differences


def assert_sound(found: Comparison) -> None:
    """No NaN, and a reason for all that is missing and for nothing else."""
    fields = {name: getattr(found, name) for name in found.__slots__}
    numbers = [value for value in fields.values() if isinstance(value, float)]
    assert all(math.isfinite(number) for number in numbers)
    missing = {name for name, value in fields.items() if value is None}
    assert missing == set(found.reasons)


def test_students_sleep_data() -> None:
    found = compare(FIRST, SECOND)
    # As R prints t.test(extra ~ group, data = sleep, paired = TRUE), with the sign turned.
    assert found.mean == pytest.approx(1.58)
    assert found.t == pytest.approx(4.0621, abs=5e-5)
    assert found.t_p == pytest.approx(0.002833, abs=5e-7)
    assert found.ci == pytest.approx((0.7001142, 2.4598858), abs=5e-8)
    # One difference is 0 and all others are positive: by the 2⁹ signs p = 2 / 512.
    assert (found.w, found.w_p) == pytest.approx((0, 2 / 512))
    assert found.effect == pytest.approx(4.0621 / math.sqrt(10), abs=2e-5)
    assert (found.n, found.n_incomplete, found.verdict) == (10, 0, "higher")
    assert_sound(found)


def test_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, deviation 1, error 1/√3, t = 2√3; with 2 degrees of freedom
    # p = 1 − t / √(2 + t²) = 1 − √(12/14). All signs agree: p of Wilcoxon's test is 2/8.
    found = compare([10.0, 20.0, 30.0], [11.0, 22.0, 33.0])
    assert (found.mean, found.effect) == (2, 2)
    assert found.t == pytest.approx(2 * math.sqrt(3))
    assert found.t_p == pytest.approx(1 - math.sqrt(12 / 14))
    assert found.w_p == pytest.approx(0.25)
    assert found.verdict == "not shown to differ"
    assert compare([10.0, 20.0, 30.0], [11.0, 22.0, 33.0], alpha=0.1).verdict == "higher"
    assert compare([11.0, 22.0, 33.0], [10.0, 20.0, 30.0], alpha=0.1).verdict == "lower"


@pytest.mark.parametrize("n", [2, 5, 20, 70])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_as_scipy(n: int, confidence: float) -> None:
    original, adapted = sample(n, n, 0.3)
    found = compare(original, adapted, confidence=confidence)
    t = stats.ttest_rel(adapted, original)
    interval = t.confidence_interval(confidence)
    w = stats.wilcoxon(adapted, original)
    assert (found.t, found.t_p) == pytest.approx((t.statistic, t.pvalue), rel=1e-8)
    assert found.ci == pytest.approx((interval.low, interval.high), rel=1e-8)
    assert (found.w, found.w_p) == pytest.approx((w.statistic, w.pvalue))


def test_differences_that_are_equal_but_for_rounding_are_ties() -> None:
    original = np.array([0.1, 0.2, 0.3, 0.7, 5.0])
    adapted = np.array([0.2, 0.3, 0.4, 0.6, 5.2])  # differences ±0.1, but not to the last bit
    assert len(set((adapted - original).tolist())) > 3
    # The rank of ±0.1 is 2.5, four times, that of 0.2 is 5; the negative one has 2.5.
    found = compare(original, adapted)
    assert found.w == 2.5
    # Of the 32 choices of positive ones, five have a sum of ranks up to 2.5: p = 2 · 5/32.
    assert found.w_p == pytest.approx(10 / 32)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9).filter(any))
def test_wilcoxons_p_with_ties_and_zeros_by_every_choice_of_signs(steps: list[int]) -> None:
    found = compare(np.zeros(len(steps)), np.array(steps) / 10)
    moved = np.array([step for step in steps if step])
    ranks = stats.rankdata(np.abs(moved))
    w = min(ranks[moved > 0].sum(), ranks[moved < 0].sum())
    sums = [sum(chosen) for chosen in itertools.product(*((0, rank) for rank in ranks))]
    assert found.w == w
    assert found.w_p == pytest.approx(min(1, 2 * np.mean([total <= w for total in sums])))


# How large a difference could have been shown


@pytest.mark.parametrize(
    ("n", "effect", "alpha"), [(199, 0.2, 0.05), (34, 0.5, 0.05), (15, 0.8, 0.05), (51, 0.5, 0.01)]
)
def test_the_pairs_that_an_effect_needs(n: int, effect: float, alpha: float) -> None:
    # The numbers of pairs for 80 % power, two-sided, as given by G*Power and R's pwr.t.test.
    enough = compare(*with_effect(n), alpha=alpha).detectable
    one_less = compare(*with_effect(n - 1), alpha=alpha).detectable
    assert enough is not None
    assert one_less is not None
    assert enough <= effect < one_less


@pytest.mark.parametrize("n", [3, 10, 40])
def test_the_detectable_difference_is_shown_with_the_power_it_says(n: int) -> None:
    detectable = compare(*with_effect(n)).detectable
    assert detectable is not None
    rng = np.random.default_rng(n)
    samples = rng.normal(detectable, 1, (20_000, n))
    result = stats.ttest_1samp(samples, 0, axis=1)
    shown = np.mean((result.pvalue < 0.05) & (result.statistic > 0))
    assert shown == pytest.approx(0.8, abs=0.012)


def test_the_detectable_difference_depends_on_the_spread_alone() -> None:
    base = compare(*with_effect(12)).detectable
    assert base is not None
    assert compare(*with_effect(12, effect=7)).detectable == pytest.approx(base)
    original, adapted = with_effect(12)
    assert compare(original, 5 * adapted).detectable == pytest.approx(5 * base)


# Invariances


@settings(deadline=None)
@given(pairs)
def test_whatever_the_pairs_the_result_is_sound(rows: list[tuple[float, float]]) -> None:
    original, adapted = (np.array(column) for column in zip(*rows, strict=True))
    found = compare(original, adapted)
    assert_sound(found)
    differences = np.round(adapted - original, 2)
    assert found.mean == pytest.approx(differences.mean(), abs=1e-9)
    assert (found.verdict is None) == bool(np.ptp(differences) == 0)
    if found.t_p is not None:
        significant = stats.ttest_1samp(differences, 0).pvalue < 0.05
        assert (found.verdict in ("higher", "lower")) == significant
        assert found.ci is not None
        assert (found.ci[0] > 0 or found.ci[1] < 0) == significant


@settings(deadline=None)
@given(pairs)
def test_exchanging_the_two_turns_the_sign_only(rows: list[tuple[float, float]]) -> None:
    original, adapted = zip(*rows, strict=True)
    one, other = compare(original, adapted), compare(adapted, original)
    assert one.mean == pytest.approx(-(other.mean or 0))
    assert one.t_p == pytest.approx(other.t_p)
    assert one.w_p == pytest.approx(other.w_p)
    assert one.detectable == pytest.approx(other.detectable)
    turned = {"higher": "lower", "lower": "higher"}
    assert one.verdict == turned.get(str(other.verdict), other.verdict)


@settings(deadline=None)
@given(pairs, st.sampled_from([1e-12, 0.01, 3.0, 1e12]))
def test_scaling_changes_no_test(rows: list[tuple[float, float]], scale: float) -> None:
    original, adapted = (np.array(column) for column in zip(*rows, strict=True))
    plain, scaled = compare(original, adapted), compare(original * scale, adapted * scale)
    assert (scaled.verdict, scaled.reasons) == (plain.verdict, plain.reasons)
    assert scaled.w_p == pytest.approx(plain.w_p)
    if plain.t_p is not None:
        assert scaled.t_p == pytest.approx(plain.t_p, rel=1e-6)
        assert scaled.effect == pytest.approx(plain.effect, rel=1e-6, abs=1e-9)
    assert scaled.mean == pytest.approx((plain.mean or 0) * scale, rel=1e-6, abs=1e-9 * scale)


# What can't be told


def test_no_pairs() -> None:
    found = compare([], [])
    assert (found.n, found.verdict) == (0, None)
    assert found.reasons["mean"] == found.reasons["w_p"] == "no pair is complete"
    assert found.reasons["verdict"] == TOO_FEW
    assert_sound(found)


def test_one_pair() -> None:
    found = compare([1.0], [3.0])
    assert (found.n, found.mean, found.w_p, found.verdict) == (1, 2, 1, None)
    assert found.reasons == dict.fromkeys((*BY_T, "verdict"), TOO_FEW)
    assert_sound(found)


def test_differences_that_are_all_the_same() -> None:
    found = compare([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
    assert found.mean == pytest.approx(0.1)
    assert found.reasons == dict.fromkeys((*BY_T, "verdict"), SAME)
    assert found.w_p == pytest.approx(0.25)
    assert_sound(found)


@pytest.mark.parametrize("values", [[0.0, 0.0], [3.7, 90.2]])
def test_differences_that_are_all_zero(values: list[float]) -> None:
    found = compare(values, values)
    assert (found.mean, found.verdict) == (0, None)
    assert found.reasons["w"] == found.reasons["w_p"] == "all differences are 0"
    assert found.reasons["verdict"] == SAME
    assert_sound(found)


def test_pairs_with_a_value_that_is_not_finite_are_left_out_and_counted() -> None:
    whole = compare(FIRST, SECOND)
    gaps = compare([*FIRST, math.nan, 1.0, math.inf], [*SECOND, 1.0, math.nan, math.inf])
    assert (gaps.n, gaps.n_incomplete) == (10, 3)
    assert (gaps.t, gaps.w_p, gaps.verdict) == (whole.t, whole.w_p, whole.verdict)


def test_what_compare_refuses() -> None:
    with pytest.raises(ValueError, match="the same length, not the shapes"):
        compare([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="must have one axis"):
        compare([[1.0]], [[1.0]])
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, not 1"):
        compare(FIRST, SECOND, confidence=1)
    with pytest.raises(ValueError, match=r"alpha must lie in 0\.001\.\.0\.5, not 0"):
        compare(FIRST, SECOND, alpha=0)


# Stability over seeds


def test_stability_by_hand() -> None:
    # 2, 4, 9 around 5: squares 9 + 1 + 16 = 26, over 2.
    found = stability([2.0, math.nan, 4.0, 9.0], [False, True, False, False])
    assert found.std == pytest.approx(math.sqrt(13))
    assert (found.range, found.n, found.n_runs, found.diverged) == (7, 3, 4, 0.25)
    assert found.reasons == {}


def test_the_value_of_a_run_that_diverged_does_not_count() -> None:
    found = stability([2.0, 1e9, 4.0], [0, 1, 0])
    assert (found.std, found.range) == pytest.approx((math.sqrt(2), 2))


@pytest.mark.parametrize(
    ("values", "diverged", "share"), [([5.0], [False], 0), ([5.0, 6.0], [True, True], 1)]
)
def test_fewer_than_two_runs(values: list[float], diverged: list[bool], share: float) -> None:
    found = stability(values, diverged)
    assert (found.std, found.range, found.diverged) == (None, None, share)
    assert found.reasons == dict.fromkeys(("std", "range"), "fewer than 2 runs did not diverge")


def test_no_runs() -> None:
    found = stability([], [])
    assert (found.n, found.n_runs, found.diverged) == (0, 0, None)
    assert found.reasons["diverged"] == "there are no runs"


def test_what_stability_refuses() -> None:
    with pytest.raises(ValueError, match="a run that did not diverge has no finite value"):
        stability([1.0, math.nan], [False, False])
    with pytest.raises(ValueError, match="the same length"):
        stability([1.0], [False, True])
