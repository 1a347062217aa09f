"""What the studies of a scale could show, computed before any of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import stats

from analysis import topology
from analysis.cells import parse_cell
from analysis.report import plan
from analysis.report.claims import CLAIMS, Reading
from analysis.report.pairs import FEWEST_SEEDS, widened
from analysis.report.scale import Family, Scale
from analysis.report.searched import others
from analysis.report.text import count
from analysis.synthesis import could_show

ALIKE = 0.8
"""Correlation of early with final accuracy, assumed for the difference of two coefficients."""
TABLE_ERROR, SHARES_ERROR = 0.01, 0.15
"""Standard errors over all of NAS-Bench-201: of a coefficient within groups of live operations, and
of the shares of the variance on Fisher's scale."""
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
        _line("ranks", f"{searches} searches", [RANKS] * searches, [RANKS] * searches, tau=True),
        _shape("speed", trained, [TABLE_ERROR]),
        _shape("rates", rates, []),
    ]
    spreads = [
        sqrt(0.5 / (family.published + family.drawn - 1) + 0.5 / (family.operations - 1))
        for family in families
        if family.operations
    ]
    told = f"{count(len(spreads), 'family', 'families')}, NAS-Bench-201"
    lines.append(_line("connections", told, [*spreads, SHARES_ERROR], None, fishers=True))
    lines += [_shape("landscape", measured, []), _shape("gradients", measured, [])]
    seeds, datasets = len(scale.generalisation.seeds), len(scale.generalisation.datasets)
    error = sqrt(2 / seeds / datasets)
    cells = sum(map(widened, scale.generalisation.cells))
    errors = [error] * cells if seeds >= FEWEST_SEEDS else []
    lines.append(_line("generalisation", f"{count(cells, 'cell')}, in σ", errors, None))
    change = sqrt(2 * (1 - ALIKE))
    lines.append(_shape("fading", trained, [TABLE_ERROR], factor=change, fishers=False))
    return lines


def _shape(
    name: str,
    sources: Sequence[tuple[Family, int]],
    more: Sequence[float],
    *,
    factor: float = 1.0,
    fishers: bool = True,
) -> Line:
    told = ", ".join(str(n) for _, n in sources)
    told = f"families of {told} wirings" if len(sources) > 1 else f"a family of {told} wirings"
    both = [factor * _error(family, n, "contrast") for family, n in sources]
    width = [factor * _error(family, n, "width") for family, n in sources]
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


def _line(
    name: str,
    told: str,
    first: Sequence[float],
    second: Sequence[float] | None,
    *,
    tau: bool = False,
    fishers: bool = False,
) -> Line:
    def shown(errors: Sequence[float]) -> float | None:
        found = could_show([0.0] * len(errors), tau=errors[0]) if tau else could_show(errors)
        return float(np.tanh(found)) if fishers and found is not None else found

    both = shown(first)
    return CLAIMS[name].title, told, both, None if second is None else shown(second)
