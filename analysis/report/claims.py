"""What the paper claims, what was measured on each claim, and whether the one bears out the other.

Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based Neural Architecture Search",
ICLR 2020, arXiv 1909.09569. Pure: documents of studies and answers of the API in, claims out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.intervals import difference_interval

Verdict = Literal["supported", "not supported", "can't tell"]
Sign = Literal["positive", "negative"]
Ends = Sequence[float | None]
Item = Mapping[str, Any]

MARGIN = 1.0
"""Percentage points: accuracies that differ by less count as no different."""

ALPHA = 0.05

WIDE_AND_SHALLOW: dict[str, Sign] = {"width": "positive", "depth": "negative"}
"""Signs of correlations with what wide, shallow cells are claimed to have more of."""
_FALLS: dict[str, Sign] = {"width": "negative", "depth": "positive"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure that bears on a claim.

    Attributes:
        what: of what, in words.
        claimed: what the claim would have it be, in words.
        value: the figure with its interval, in words.
        n: cells, pairs or whatever it rests on.
    """

    what: str
    claimed: str
    value: str
    n: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with all that was measured on it."""

    title: str
    statement: str
    measurements: tuple[Measurement, ...]

    @property
    def verdict(self) -> Verdict:
        """Of all measurements together.

        Supported if at least half of them support it and none speaks against it, not supported if
        at least half speak against it and none supports it.
        """
        total = len(self.measurements)
        supporting, against = self.count("supported"), self.count("not supported")
        if total and not against and 2 * supporting >= total:
            return "supported"
        if total and not supporting and 2 * against >= total:
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


def correlation(what: str, item: Item, claimed: Sign) -> Measurement:
    """A coefficient of the API with its interval."""
    if item["coefficient"] is None:
        value = item["reason"] or "undefined"
    else:
        value = f"ρ = {item['coefficient']:+.2f}{_ends(item['ci'], '+.2f')}"
    return Measurement(what, f"ρ {claimed}", value, item["n"], judged(item["ci"], claimed))


def of_shape(
    where: str, items: Iterable[Item], measures: Mapping[str, str], *, rises: bool
) -> list[Measurement]:
    """Width and depth with each of ``measures`` (name → in words).

    ``rises``: wide and shallow cells are claimed to have more of it, else less.
    """
    found = {(item["x"], item["y"]): item for item in items}
    signs = WIDE_AND_SHALLOW if rises else _FALLS
    return [
        correlation(f"{where}: {x} with {words}", found[x, name], sign)
        for name, words in measures.items()
        for x, sign in signs.items()
        if (x, name) in found
    ]


def among_the_extremes(ranks: Sequence[Item]) -> list[Measurement]:
    """Widths and depths of cells against all wirings, together by Fisher's method.

    The p-value of a cell is the share of wirings of as many nodes that are as wide or wider (as
    shallow or shallower): what a cell drawn blindly would have.
    """
    from scipy import stats

    measured = []
    for column, words in (("width", "wide"), ("depth", "shallow")):
        shares = [share_as_extreme(item["ranks"][column]) for item in ranks]
        p = float(stats.combine_pvalues(shares, method="fisher").pvalue)
        verdict: Verdict = "supported" if p < ALPHA else "can't tell"
        told = ", ".join(f"{100 * share:.3g} %" for share in shares)
        measured.append(
            Measurement(
                f"all wirings: as {words} as the cell or more so",
                f"few, p < {ALPHA}",
                f"{told}; p = {p:.2g} (Fisher)",
                len(ranks),
                verdict,
            )
        )
    return measured


def share_as_extreme(rank: Item) -> float:
    """Share of all wirings that rank like the cell or before it, from a rank of ``GET /ranks``."""
    before = rank["rank"] - 1
    # The percentile counts those behind, and half of those that are equal.
    equal = 2 * (rank["of"] - before - rank["percentile"] * rank["of"] / 100)
    return float((before + equal) / rank["of"])


def connections_matter(
    components: Iterable[Item], measures: Mapping[str, str]
) -> list[Measurement]:
    """Variance between randomly connected cells against that between cells of random operations."""
    found = []
    for item in components:
        if item["measure"] not in measures:
            continue
        ratio, ends = item["ratio"], item["ratio_interval"]
        value = "undefined" if ratio is None else f"{ratio:.2f}{_ends(ends, '.2f')}"
        n = item["by_connections"]["n_cells"] + item["by_operations"]["n_cells"]
        found.append(
            Measurement(
                f"variance of {measures[item['measure']]}, connections / operations",
                "above 1",
                value,
                n,
                judged(ends, "positive", 1.0),
            )
        )
    return found


def not_by_operations(what: str, explained: Item) -> Measurement:
    """Share of the variance over a whole space that its cells' operations alone explain."""
    share = explained["eta_squared"]
    if share is None:
        return Measurement(what, "below 50 %", "undefined", explained["n"], "can't tell")
    verdict: Verdict = "supported" if share < 0.5 else "not supported"
    value = f"η² = {100 * share:.0f} % (all cells: no interval)"
    return Measurement(what, "below 50 %", value, explained["n"], verdict)


def no_better(original: str, compared: Item) -> Measurement:
    """Final accuracy of adapted cells against the originals; less than the margin is no better."""
    ends, mean = compared["ci"], compared["mean"]
    value = "undefined" if mean is None else f"{mean:+.2f} points{_ends(ends, '+.2f')}"
    verdict: Verdict = "can't tell"
    if ends is not None and ends[1] < MARGIN:
        verdict = "supported"
    elif ends is not None and ends[0] > 0:
        verdict = "not supported"
    return Measurement(
        f"{original}: adapted − original", f"below {MARGIN:+g} point", value, compared["n"], verdict
    )


def fades(what: str, early: Item, late: Item, between: Item) -> Measurement:
    """Whether a correlation with width is stronger early than at the end, on the same cells."""
    values = (early["coefficient"], late["coefficient"], between["coefficient"])
    if None in values or early["ci"] is None or late["ci"] is None:
        return Measurement(what, "early above final", "undefined", early["n"], "can't tell")
    ends = difference_interval(
        early["coefficient"], early["ci"], late["coefficient"], late["ci"], between["coefficient"]
    )
    value = (
        f"{early['coefficient']:+.2f} − {late['coefficient']:+.2f} = "
        f"{early['coefficient'] - late['coefficient']:+.2f}{_ends(ends, '+.2f')}"
    )
    return Measurement(what, "early above final", value, early["n"], judged(ends, "positive"))


def _ends(ends: Ends | None, form: str) -> str:
    if ends is None:
        return ""
    told = ("∞" if end is None else format(end, form) for end in ends)
    return f" [{', '.join(told)}]"
