"""The sources of a claim as a forest plot: each estimate with its interval, the mean below."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from analysis.combinations import on_fishers_scale
from analysis.report.claims import HEADLINE, Claim, Source, Unit
from analysis.synthesis import join

LABELS, PLOT, NUMBERS, LINE = 300, 360, 60, 22
"""Widths of the three columns and height of a line, in pixels."""

_HEAD, _FOOT, _PAD = 30, 44, 12
_TICKS = (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20)
"""Distances between ticks to choose from."""


def forest(claim: Claim) -> str | None:
    """SVG of the sources that the verdict rests on; None where no source has an estimate.

    Intervals are of 95 %, by each source's own standard error. The band within which an effect
    counts as none is shaded.
    """
    reading, unit = claim.asked.readings[0], claim.asked.unit
    found = [s for s in claim.sources if s.group == HEADLINE and reading in s.estimates]
    if not found:
        return None
    rows = [(source.name, source.estimates[reading].value, _own(claim, source)) for source in found]
    mean = claim.headline
    spans = [end for _, value, interval in rows for end in (interval or (value, value))]
    if mean.interval is not None:
        spans += mean.interval
    low, high = _bounds(min(spans), max(spans), unit)
    return "\n".join(_drawn(claim, rows, low, high))


def _own(claim: Claim, source: Source) -> tuple[float, float] | None:
    """The interval of one source by itself."""
    one = source.estimates[claim.asked.readings[0]]
    fishers = claim.asked.unit.on_fishers_scale
    mean = join([on_fishers_scale(one, source.n) if fishers else one])
    if mean is None:
        return None
    ends = mean.interval()
    return (float(np.tanh(ends[0])), float(np.tanh(ends[1]))) if fishers else ends


def _bounds(low: float, high: float, unit: Unit) -> tuple[float, float]:
    """Around zero and all that is shown; no further than a coefficient can go."""
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.05 * ((high - low) or 1.0)
    low, high = low - margin, high + margin
    return (max(low, -1.05), min(high, 1.05)) if unit.on_fishers_scale else (low, high)


def _drawn(
    claim: Claim,
    rows: list[tuple[str, float, tuple[float, float] | None]],
    low: float,
    high: float,
) -> Iterator[str]:
    unit, mean = claim.asked.unit, claim.headline
    height = _HEAD + LINE * (len(rows) + 1) + _FOOT
    width = LABELS + PLOT + NUMBERS + 2 * _PAD

    def x(value: float) -> str:
        place = LABELS + _PAD + PLOT * (min(max(value, low), high) - low) / (high - low)
        return f"{place:.1f}"

    bottom = _HEAD + LINE * (len(rows) + 1)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">'
    )
    yield f"<title>{escape(claim.title)}</title>"
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    yield f'<text x="{_PAD}" y="18" font-weight="bold">{escape(claim.title)}</text>'
    if claim.band is not None:
        left, right = x(-claim.band if claim.asked.predicts == "effect" else low), x(claim.band)
        yield (
            f'<rect x="{left}" y="{_HEAD}" width="{float(right) - float(left):.1f}" '
            f'height="{bottom - _HEAD}" fill="#d0d7de" opacity="0.5"/>'
        )
    yield f'<line x1="{x(0)}" y1="{_HEAD}" x2="{x(0)}" y2="{bottom}" stroke="#57606a"/>'
    for place, (name, value, interval) in enumerate(rows):
        y = _HEAD + LINE * place + LINE / 2
        yield f'<text x="{_PAD}" y="{y + 4:g}">{escape(name)}</text>'
        if interval is not None:
            yield (
                f'<line x1="{x(interval[0])}" y1="{y:g}" x2="{x(interval[1])}" y2="{y:g}" '
                'stroke="#0969da" stroke-width="1.5"/>'
            )
        yield f'<circle cx="{x(value)}" cy="{y:g}" r="4" fill="#0969da"/>'
        yield _number(f"{value:{unit.form}}", y)
    y = _HEAD + LINE * len(rows) + LINE / 2
    yield f'<text x="{_PAD}" y="{y + 4:g}" font-weight="bold">together: {claim.verdict}</text>'
    if mean.mean is not None and mean.interval is not None:
        left, right = (x(end) for end in mean.interval)
        points = f"{left},{y:g} {x(mean.mean)},{y - 7:g} {right},{y:g} {x(mean.mean)},{y + 7:g}"
        yield f'<polygon points="{points}" fill="#1f2328"/>'
        yield _number(f"{mean.mean:{unit.form}}", y)
    for tick in _ticks(low, high):
        yield (
            f'<text x="{x(tick)}" y="{bottom + 16}" text-anchor="middle" fill="#57606a">'
            f"{tick:{unit.form}}</text>"
        )
    middle = LABELS + _PAD + PLOT / 2
    yield (
        f'<text x="{middle:g}" y="{bottom + 34}" text-anchor="middle">{escape(unit.name)}, '
        f"positive as {'claimed' if claim.asked.predicts == 'effect' else 'a gain'}</text>"
    )
    yield "</svg>"


def _number(text: str, y: float) -> str:
    place = LABELS + PLOT + NUMBERS + _PAD
    return f'<text x="{place}" y="{y + 4:g}" text-anchor="end">{text}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, zero among them, at most eight."""
    step = next((one for one in _TICKS if (high - low) / one <= 8), high - low)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [number * step for number in range(first, last + 1)]
