"""What the studies of a scale could show, computed before any of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import stats

from analysis import topology
from analysis.cells import parse_cell
from analysis.report import plan
from analysis.report.claims import CLAIMS, SHAPE, Reading
from analysis.report.pairs import FEWEST_SEEDS, widened
from analysis.report.scale import Family, Scale
from analysis.report.searched import others
from analysis.report.text import count
from analysis.synthesis import Estimate, could_show

ALIKE = 0.8
"""Correlation of early with final accuracy, assumed for the difference of two coefficients."""
OF_TABLE, SHARES_OF_TABLE = Estimate(0, 0.01), Estimate(0, 0.15)
"""Over all of NAS-Bench-201: a coefficient within groups of live operations, and the shares of the
variance on Fisher's scale."""
RANKS = sqrt(1 / 12)
"""Standard deviation of a percentile, in units of the whole, of a wiring drawn blindly."""

Line = tuple[str, str, float | None, float | None]
"""Claim, sources, and the smallest effects that could be shown: the contrast's, width's alone."""


def expected(scale: Scale) -> list[Line]:
    """What each claim's evidence could show at 80 % power, at 5 %, one claim by itself.

    In the claim's unit, with sources that do not differ. The last claims' are in what their noise
    will be: standard deviations over seeds.
    """
    families = scale.families
    trained = [(family, family.wirings) for family in families]
    measured = [(family, family.measured) for family in families if family.measured]
    rates = [(family, family.wirings) for family in families if family.rate_seeds]
    searches = len(others())
    lines = [
        _ranks(searches),
        _shape("speed", trained, [OF_TABLE]),
        _shape("rates", rates, []),
    ]
    kinds = [(one.published + one.drawn, one.operations) for one in families if one.operations]
    spreads = [
        Estimate(0, sqrt(0.5 / (wirings - 1) + 0.5 / (operations - 1)), operations - 1)
        for wirings, operations in kinds
    ]
    told = f"{count(len(spreads), 'family', 'families')}, NAS-Bench-201"
    lines.append(_line("connections", told, [*spreads, SHARES_OF_TABLE], None, fishers=True))
    lines += [_shape("landscape", measured, []), _shape("gradients", measured, [])]
    seeds, datasets = len(scale.generalisation.seeds), len(scale.generalisation.datasets)
    error = sqrt(2 / seeds / datasets)
    cells = sum(map(widened, scale.generalisation.cells))
    gains = [Estimate(0, error)] * cells if seeds >= FEWEST_SEEDS else []
    lines.append(_line("generalisation", f"{count(cells, 'cell')}, in σ", gains, None))
    change = sqrt(2 * (1 - ALIKE))
    lines.append(_shape("fading", trained, [OF_TABLE], factor=change, fishers=False))
    return lines


def _shape(
    name: str,
    sources: Sequence[tuple[Family, int]],
    more: Sequence[Estimate],
    *,
    factor: float = 1.0,
    fishers: bool = True,
) -> Line:
    told = ", ".join(str(n) for _, n in sources)
    told = f"families of {told} wirings" if len(sources) > 1 else f"a family of {told} wirings"
    both, width = (
        [Estimate(0, factor * _error(family, n, reading), n - 2) for family, n in sources]
        for reading in SHAPE[:2]
    )
    if more:
        told += ", NAS-Bench-201"
    return _line(name, told, [*both, *more], [*width, *more], fishers=fishers)


def _error(family: Family, n: int, reading: Reading) -> float:
    """On Fisher's scale, of a coefficient near 0 over the first n wirings.

    For the contrast, half the difference of two that have one variable in common: the variance is
    (1 − r) / 2 of that, with r the correlation of width and depth.
    """
    shapes = [topology.columns(parse_cell(cell)) for cell in plan.wirings(family)[:n]]
    width, depth = ([float(one[of] or 0) for one in shapes] for of in ("width", "depth"))
    alike = float(stats.spearmanr(width, depth).statistic)
    return sqrt((1 - alike) / 2 / (n - 3)) if reading == "contrast" else sqrt(1 / (n - 3))


def _ranks(searches: int) -> Line:
    """Of percentiles that have no error of their own."""
    found = could_show([Estimate(0, 0)] * searches, tau=RANKS)
    return CLAIMS["ranks"].title, f"{searches} searches", found, found


def _line(
    name: str,
    told: str,
    first: Sequence[Estimate],
    second: Sequence[Estimate] | None,
    *,
    fishers: bool = False,
) -> Line:
    def shown(sources: Sequence[Estimate]) -> float | None:
        found = could_show(sources)
        return float(np.tanh(found)) if fishers and found is not None else found

    return CLAIMS[name].title, told, shown(first), None if second is None else shown(second)
