"""What a pickle refers back to: its memo, frugal enough for a stream of gigabytes."""

from __future__ import annotations

import bisect
from typing import Any, Final

import numpy as np

from data.pickle_runs import Run
from data.stand_ins import Constant, StandInError

_KEY_TYPES: Final = frozenset((str, int))


class Memo:
    """What was memoised: single objects, and runs of strings as one tuple each.

    Objects live for two turns (a turn ends when streamed items were handed on, so that whatever
    was begun in one is complete in the next); then only constants stay.
    """

    def __init__(self) -> None:
        self._count = 0
        self._young: dict[int, Any] = {}
        self._middle: dict[int, Any] = {}
        self._old: dict[int, Any] = {}
        self._starts: list[int] = []
        self._runs: list[tuple[str, ...]] = []
        self._strings: dict[str, str] = {}

    def one(self, text: str) -> str:
        """The same string object for equal strings."""
        return self._strings.setdefault(text, text) if len(text) < 128 else text

    def append(self, value: Any) -> None:
        """Puts the value under the next index."""
        self._young[self._count] = value
        self._count += 1

    def put(self, index: int, value: Any) -> None:
        """Puts the value under this index."""
        self._young[index] = value
        self._count = max(self._count, index + 1)

    def put_run(self, run: Run) -> bool:
        """Whether the memo takes the run's keys as one: ascending, one after another."""
        start = self._count
        indexes = run.indexes()
        if indexes is not None:
            start = int(indexes[0])
            if start < self._count or (np.diff(indexes) != 1).any():
                return False
        self._starts.append(start)
        self._runs.append(run.keys)
        self._count = start + len(run.keys)
        return True

    def get(self, index: int) -> Any:
        """What is under this index.

        Raises:
            StandInError: nothing is, or it was forgotten.
        """
        if index in self._young:
            return self._young[index]
        for generation in (self._old, self._middle):
            if index in generation:
                return generation[index]
        run = bisect.bisect_right(self._starts, index) - 1
        if run >= 0 and index - self._starts[run] < len(self._runs[run]):
            return self._runs[run][index - self._starts[run]]
        raise StandInError(
            f"it refers to memo entry {index}, which is not there or was an object of an earlier "
            "item (between items only strings, numbers, globals and tuples of these may be shared)"
        )

    def turn(self) -> None:
        """Ends a turn: of the objects of the turn before last, only constants are kept."""
        kept = ((index, value) for index, value in self._middle.items() if is_constant(value))
        self._old.update(kept)
        self._middle, self._young = self._young, {}


def is_constant(value: Any) -> bool:
    """Whether a value is small and can't change, so that it may be shared over the whole file."""
    if isinstance(value, tuple):
        return len(value) <= 8 and all(type(v) is not tuple and is_constant(v) for v in value)
    return value is None or isinstance(value, (str, bytes, int, float, Constant))


def check_keys(keys: list[Any]) -> None:
    """Refuses keys that could be slow to hash: only strings, integers and flat tuples of them."""
    if _KEY_TYPES.issuperset(map(type, keys)):
        return
    for key in keys:
        parts = key if type(key) is tuple and len(key) <= 4 else (key,)
        if not _KEY_TYPES.issuperset(map(type, parts)):
            raise StandInError(
                f"a key or set member is a {type(key).__name__}; allowed are strings, integers "
                "and flat tuples of up to four of them"
            )
