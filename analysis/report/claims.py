"""What the paper claims, what was measured on each claim, and whether the one bears out the other.

Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based Neural Architecture Search",
ICLR 2020, arXiv 1909.09569. Pure: documents of studies and answers of the API in, claims out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.intervals import difference_interval
from analysis.report.text import interval

Verdict = Literal["supported", "not supported", "can't tell"]
Sign = Literal["positive", "negative"]
Ends = Sequence[float | None]
Item = Mapping[str, Any]

MARGIN = 1.0
"""Percentage points: accuracies that differ by less count as no different."""

ALPHA = 0.05
"""Level of the tests; intervals are of 1 − ALPHA."""

WIDE_AND_SHALLOW: dict[str, Sign] = {"width": "positive", "depth": "negative"}
"""Signs of correlations with what wide, shallow cells are claimed to have more of."""
_LESS: dict[str, Sign] = {"width": "negative", "depth": "positive"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure that bears on a claim.

    Attributes:
        what: of what, in words.
        claimed: what the claim would have it be, in words.
        value: the figure with its interval, in words.
        n: cells, pairs or whatever it rests on.
        primary: whether the claim's verdict rests on it, which never depends on what was found.
    """

    what: str
    claimed: str
    value: str
    n: int
    verdict: Verdict
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with all that was measured on it."""

    title: str
    statement: str
    measurements: tuple[Measurement, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the primary measurements together.

        Supported if all of them support it; not supported if none does and at least one speaks
        against it.
        """
        found = [one.verdict for one in self.measurements if one.primary]
        if found and set(found) == {"supported"}:
            return "supported"
        if "not supported" in found and "supported" not in found:
            return "not supported"
        return "can't tell"

    def count(self, verdict: Verdict) -> int:
        """How many measurements say so."""
        return sum(one.verdict == verdict for one in self.measurements)


def judged(ends: Ends | None, claimed: Sign, zero: float = 0.0) -> Verdict:
    """Whether an interval lies on the claimed side of ``zero``, on the other, or on both."""
    if ends is None:
        return "can't tell"
    low, high = ends
    above, below = low is not None and low > zero, high is not None and high < zero
    if above or below:
        return "supported" if above == (claimed == "positive") else "not supported"
    return "can't tell"


def correlation(what: str, item: Item, claimed: Sign, *, primary: bool = False) -> Measurement:
    """A coefficient of the API with its interval.

    One of ±1 tells nothing: Fisher's interval has no length there, however few the cells.
    """
    coefficient, ends = item["coefficient"], item["ci"]
    if coefficient is None:
        value = item["reason"] or "undefined"
    elif abs(coefficient) == 1:
        value, ends = f"ρ = {coefficient:+.0f}, without an interval", None
    else:
        value = f"ρ = {coefficient:+.2f}{interval(ends, '+.2f')}"
    return Measurement(what, f"ρ {claimed}", value, item["n"], judged(ends, claimed), primary)


def of_shape(
    where: str,
    items: Iterable[Item],
    measures: Mapping[str, str],
    *,
    rises: bool,
    primary: bool = False,
) -> list[Measurement]:
    """Width and depth with each of ``measures`` (name → in words).

    ``rises``: wide and shallow cells are claimed to have more of it, else less.
    """
    found = {(item["x"], item["y"]): item for item in items}
    signs = WIDE_AND_SHALLOW if rises else _LESS
    return [
        correlation(f"{where}: {x} with {words}", found[x, name], sign, primary=primary)
        for name, words in measures.items()
        for x, sign in signs.items()
        if (x, name) in found
    ]


def among_the_extremes(ranks: Sequence[Item]) -> list[Measurement]:
    """Whether most of the cells are wider, and shallower, than wirings drawn blindly.

    The p-value of a cell is the share of wirings of as many nodes that are as wide or wider (as
    shallow or shallower). That most cells, u = n // 2 + 1 of n, are more extreme is tested by
    combining the n − u + 1 largest by Fisher's method (Benjamini and Heller, "Screening for partial
    conjunction hypotheses", Biometrics 64, 2008, section 2).
    """
    measured = []
    most = len(ranks) // 2 + 1
    for column, words in (("width", "wide"), ("depth", "shallow")):
        found = [item["ranks"][column] for item in ranks]
        shares = [share_as_extreme(rank) for rank in found]
        p = _partial_conjunction(shares, most)
        verdict: Verdict = "can't tell"
        if p < ALPHA:
            verdict = "supported"
        elif _partial_conjunction([share_no_more_extreme(rank) for rank in found], most) < ALPHA:
            verdict = "not supported"
        told = ", ".join(f"{100 * share:.3g} %" for share in shares)
        measured.append(
            Measurement(
                f"wirings that are as {words} as each cell or more so",
                f"few for most cells, p < {ALPHA}",
                f"{told}; p = {p:.2g}",
                len(ranks),
                verdict,
                primary=True,
            )
        )
    return measured


def share_as_extreme(rank: Item) -> float:
    """Share of all wirings that rank like the cell or before it, from a rank of ``GET /ranks``."""
    before, equal = _before_and_equal(rank)
    return float((before + equal) / rank["of"])


def share_no_more_extreme(rank: Item) -> float:
    """Share of all wirings that rank like the cell or after it."""
    before, _ = _before_and_equal(rank)
    return float((rank["of"] - before) / rank["of"])


def _before_and_equal(rank: Item) -> tuple[float, float]:
    before = rank["rank"] - 1
    # The percentile counts those behind, and half of those that are equal.
    return before, 2 * (rank["of"] - before - rank["percentile"] * rank["of"] / 100)


def _partial_conjunction(p_values: Sequence[float], least: int) -> float:
    """p of "fewer than ``least`` of the hypotheses are false"."""
    from scipy import stats

    largest = sorted(p_values)[least - 1 :]
    return float(stats.combine_pvalues(largest, method="fisher").pvalue)


def connections_matter(
    components: Iterable[Item], measures: Mapping[str, str], primary: str
) -> list[Measurement]:
    """Variance between randomly connected cells against that between cells of random operations.

    Judged by Brown and Forsythe's test of equal spread, which is defined where a component is 0.
    ``primary`` names the measure on which the claim rests.
    """
    measured = []
    for item in components:
        if item["measure"] not in measures:
            continue
        by_connections, by_operations, p = item["connections"], item["operations"], item["p"]
        verdict: Verdict = "can't tell"
        if p is not None and p < ALPHA and by_connections != by_operations:
            verdict = "supported" if by_connections > by_operations else "not supported"
        measured.append(
            Measurement(
                f"fresh: variance of {measures[item['measure']]}, connections / operations",
                "above 1",
                _ratio(item),
                item["by_connections"]["n_cells"] + item["by_operations"]["n_cells"],
                verdict,
                primary=item["measure"] == primary,
            )
        )
    return measured


def _ratio(item: Item) -> str:
    if item["connections"] is None or item["operations"] is None or item["p"] is None:
        return "undefined"
    unbounded = item["ratio"] is None and item["connections"] > 0
    told = "∞" if unbounded else "undefined" if item["ratio"] is None else f"{item['ratio']:.2f}"
    return f"{told}{interval(item['ratio_interval'], '.2f')}, p = {item['p']:.2g}"


def not_by_operations(what: str, explained: Item, *, primary: bool = False) -> Measurement:
    """Share of the variance over a whole space that its cells' operations alone explain.

    Half or more speaks against the claim. Less doesn't speak for it: the rest is chance as well as
    connections.
    """
    share = explained["eta_squared"]
    if share is None:
        return Measurement(what, "below 50 %", "undefined", explained["n"], "can't tell", primary)
    verdict: Verdict = "not supported" if share >= 0.5 else "can't tell"
    value = f"η² = {100 * share:.0f} %, without an interval"
    return Measurement(what, "below 50 %", value, explained["n"], verdict, primary)


def no_better(original: str, compared: Item, *, primary: bool = False) -> Measurement:
    """Final accuracy of adapted cells against the originals; less than the margin is no better."""
    ends, mean = compared["ci"], compared["mean"]
    value = "undefined" if mean is None else f"{mean:+.2f} points{interval(ends, '+.2f')}"
    return Measurement(
        f"{original}: adapted − original",
        f"below {MARGIN:+g} point",
        value,
        compared["n"],
        judged(ends, "negative", MARGIN),
        primary,
    )


def fades(
    what: str, early: Item, late: Item, between: Item, *, primary: bool = False
) -> Measurement:
    """Whether a correlation with width is stronger early than at the end, on the same cells.

    It can only fade where it is positive early.
    """
    coefficients = [item["coefficient"] for item in (early, late, between)]
    known = None not in coefficients and None not in (early["ci"], late["ci"])
    if not known or 1 in map(abs, coefficients[:2]):
        return Measurement(
            what, "early above final", "undefined", early["n"], "can't tell", primary
        )
    first, last, shared = coefficients
    ends = difference_interval(first, early["ci"], last, late["ci"], shared)
    value = f"{first:+.2f} − {last:+.2f} = {first - last:+.2f}{interval(ends, '+.2f')}"
    verdict = judged(ends, "positive")
    if verdict == "supported" and judged(early["ci"], "positive") != "supported":
        verdict = "can't tell"
    return Measurement(what, "early above final", value, early["n"], verdict, primary)
