"""Where names stand in a panel: inside its frame, off one another and off the marks.

Lengths are pixels from the top left corner; boxes are arrays (n, 4): left, top, right, bottom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
import numpy.typing as npt

from analysis.spaces.darts import NAMED
from service.plots.captions import Records
from service.plots.scales import Ends

FloatArray = npt.NDArray[np.float64]

FONT_SIZE = 11
LINE = 13
"""Pixels from one name to the next below it."""

_NARROW, _SMALL, _CAPITAL, _WIDE, _HEIGHT = 0.34, 0.59, 0.78, 1.02, 1.12
"""Of the font size: widths of kinds of characters, at most, and the height of them all."""

_GAP = 9.0
"""From the centre of a point to its name."""

_SHIFTS: FloatArray = np.array(
    sorted(
        (
            (side * across * _GAP, up * FONT_SIZE / 2)
            for across in (1, 2, 4, 7)
            for up in range(-18, 19)
            for side in (1, -1)
        ),
        key=lambda shift: np.hypot(*shift),
    )
)
"""From a point to where its name may begin or end, the nearest first."""

_TRIES = 8
"""To place all names of a panel."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A panel: its size, and the ends of its two linear scales."""

    width: float
    height: float
    x: Ends
    y: Ends

    def pixels(self, points: FloatArray) -> FloatArray:
        """Of values (n, 2)."""
        return (points - self._origin) / self._unit

    def values(self, pixels: FloatArray) -> FloatArray:
        """The inverse."""
        return pixels * self._unit + self._origin

    def holds(self, boxes: FloatArray) -> npt.NDArray[np.bool_]:
        """Which boxes lie inside, with a pixel beside them."""
        left, top, right, bottom = boxes.T
        inside = (left > 1) & (top > 1) & (right < self.width - 1) & (bottom < self.height - 1)
        return np.asarray(inside, np.bool_)

    @property
    def _origin(self) -> FloatArray:
        return np.array([self.x[0], self.y[1]])

    @property
    def _unit(self) -> FloatArray:
        return np.array(
            [(self.x[1] - self.x[0]) / self.width, (self.y[0] - self.y[1]) / self.height]
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands: the end of it that is next to its point, and which end that is.

    ``led``: it stands so far off that a line has to lead to it.
    """

    x: float
    y: float
    align: Literal["left", "right"]
    led: bool


def size(text: str, font_size: float = FONT_SIZE) -> tuple[float, float]:
    """Width and height of a text at most."""
    return sum(map(_wide, text)) * font_size, _HEIGHT * font_size


def _wide(character: str) -> float:
    if character in "fijlrtI -.,:/()":
        return _NARROW
    if character in "mwMW%@":
        return _WIDE
    return _CAPITAL if character.isupper() else _SMALL


def boxes(centres: FloatArray, width: float, height: float) -> FloatArray:
    """Of one size about points (n, 2)."""
    half = np.array([width, height]) / 2
    return np.hstack([centres - half, centres + half])


def meet(some: FloatArray, others: FloatArray) -> npt.NDArray[np.bool_]:
    """Which of some boxes overlap with which others (n, m)."""
    left, top, right, bottom = (edge[:, None] for edge in some.T)
    found = (left < others[:, 2]) & (others[:, 0] < right)
    found &= (top < others[:, 3]) & (others[:, 1] < bottom)
    return np.asarray(found, np.bool_)


def worth_naming(rows: Records, most: int) -> Records:
    """Of more rows than can have their names, those of published cells, if there are any."""
    if len(rows) <= most:
        return rows
    return [row for row in rows if row["name"] in NAMED] or rows


def left_out(data: Mapping[str, Records]) -> list[str]:
    """A note where originals have points but no name, in ``points`` and ``names`` of panels."""
    there, written = (
        sum(
            len({row["name"] for row in rows if row.get("role", "original") == "original"})
            for of, rows in data.items()
            if of.startswith(what)
        )
        for what in ("points", "names")
    )
    return ["names without room are left out"] if written < there else []


def placed(
    texts: Sequence[str], points: FloatArray, marks: FloatArray, frame: Frame
) -> list[Place | None]:
    """A place for the name of each point, the nearest that is free; None where there is none.

    Those that found none choose first in the next of several tries.

    Args:
        points: (n, 2), where the named points are.
        marks: boxes of what no name and no leader may hide.
    """
    order = list(range(len(texts)))
    best: dict[int, Place] = {}
    for _ in range(_TRIES):
        taken, places = marks, dict[int, Place]()
        for at in order:
            if (found := _nearest(texts[at], points[at], taken, frame)) is not None:
                places[at], used = found
                taken = np.vstack([taken, used])
        best = max(best, places, key=len)
        order.sort(key=places.__contains__)
        if len(places) in (0, len(texts)):
            break
    return [best.get(at) for at in range(len(texts))]


def spread(places: Sequence[float], apart: float, ends: Ends) -> list[float]:
    """Ascending places moved apart by as little as can be, between two ends that have the room.

    Those that collide are centred on their mean, as isotonic regression has it.
    """
    blocks: list[list[float]] = []
    for number, place in enumerate(places):
        blocks.append([place - number * apart])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    low, high = ends[0], ends[1] - (len(places) - 1) * apart
    level = [min(max(fmean(block), low), high) for block in blocks for _ in block]
    return [at + number * apart for number, at in enumerate(level)]


def _nearest(
    text: str, point: FloatArray, taken: FloatArray, frame: Frame
) -> tuple[Place, FloatArray] | None:
    """The place, and the boxes of the name and of its leader."""
    width, height = size(text)
    ends = point + _SHIFTS
    sides = np.sign(_SHIFTS[:, 0])
    names = boxes(ends + np.outer(sides, [width / 2, 0]), width, height)
    inside = np.flatnonzero(frame.holds(names))
    for at in inside[~meet(names[inside], taken).any(1)]:
        led = bool(np.hypot(*_SHIFTS[at]) > _GAP)
        leader = _leader(point, ends[at]) if led else np.empty((0, 4))
        if not meet(leader, taken).any():
            x, y = ends[at].tolist()
            place = Place(x, y, "left" if sides[at] > 0 else "right", led)
            return place, np.vstack([names[at], leader])
    return None


def _leader(point: FloatArray, end: FloatArray) -> FloatArray:
    """Boxes along a leader, from beside its own point to the name."""
    length = float(np.hypot(*(end - point)))
    along = np.arange(_GAP, length, 3.0)[:, None] / length
    return boxes(point + along * (end - point), 3, 3)
