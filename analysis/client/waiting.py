"""Waiting for jobs or studies: asking how they are until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal, TypeAlias

from analysis.client.bars import bar
from analysis.client.calls import Calls
from analysis.client.errors import StillRunningError, TrainingError
from analysis.client.shapes import Record

Kind: TypeAlias = Literal["jobs", "studies"]

ENDED = frozenset({"done", "failed", "cancelled"})
MOST_A_PAGE: dict[Kind, int] = {"jobs": 1000, "studies": 200}
NOUNS: dict[Kind, str] = {"jobs": "job", "studies": "study"}
LONGEST_PAUSE_S = 2.0
MOST_TOLD = 3
"""How many faults an error quotes."""


class Waiting:
    """Waits for the jobs or studies of these numbers."""

    def __init__(
        self, calls: Calls, kind: Kind, numbers: Sequence[int], pause: Callable[[float], None]
    ) -> None:
        self._calls = calls
        self._kind: Kind = kind
        self._seen: dict[int, Record] = {}
        self._left = set(numbers)
        self._pause = pause

    def until_ended(self, *, progress: bool, timeout_s: float | None) -> None:
        """Return once all have ended well.

        Raises:
            ClientError: no answer, or a refusal.
            KeyboardInterrupt: by Ctrl-C; says that they go on.
            StillRunningError: not all had ended after ``timeout_s`` seconds.
            TrainingError: all have ended, and some failed or were cancelled.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            with bar(shown=progress) as show:
                for pause_s in _pauses():
                    self._look()
                    show(list(self._seen.values()))
                    if not self._left:
                        break
                    if deadline is not None:
                        pause_s = min(pause_s, deadline - time.monotonic())
                        if pause_s <= 0:
                            raise StillRunningError(self._goes_on(), self._items(self._left))
                    self._pause(pause_s)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._goes_on()) from None
        self._require_done()

    def _look(self) -> None:
        """See how those are that had not ended, in as few pages of the list as they lie on."""
        left = sorted(self._left, reverse=True)
        while left:
            top = left[0]
            here = [number for number in left if number > top - MOST_A_PAGE[self._kind]]
            span = top - here[-1] + 1
            page = self._calls.get(
                f"/{self._kind}", [("before", str(top + 1)), ("limit", str(span))]
            )
            found = {item["id"]: item for item in page["items"]}
            for number in here:
                # What isn't in the list isn't there: the server says so.
                address = f"/{self._kind}/{number}"
                self._seen[number] = found.get(number) or self._calls.get(address)
            left = left[len(here) :]
        self._left = {number for number in self._left if self._seen[number]["state"] not in ENDED}

    def _items(self, numbers: Collection[int]) -> list[Record]:
        return [self._seen[number] for number in sorted(numbers) if number in self._seen]

    def _goes_on(self) -> str:
        left = sorted(self._left)
        again = [
            f"client.study({number})" if self._kind == "studies" else str(number) for number in left
        ]
        cancel = "client.cancel_study" if self._kind == "studies" else "client.cancel"
        if len(left) == 1:
            noun = NOUNS[self._kind]
            return (
                f"{noun} {left[0]} goes on: client.wait({again[0]}) waits again, "
                f"{cancel}({left[0]}) ends it"
            )
        return (
            f"{self._kind} {', '.join(map(str, left))} go on: "
            f"client.wait([{', '.join(again)}]) waits again, {cancel} ends each"
        )

    def _require_done(self) -> None:
        bad = [item for _, item in sorted(self._seen.items()) if item["state"] != "done"]
        if not bad:
            return
        told = [self._fault(item) for item in bad[:MOST_TOLD]]
        if len(bad) > MOST_TOLD:
            told.append(f"and {len(bad) - MOST_TOLD} more")
        raise TrainingError("; ".join(told), bad)

    def _fault(self, item: Record) -> str:
        name = f"{NOUNS[self._kind]} {item['id']}"
        if item["state"] == "cancelled":
            resume = "resume" if self._kind == "jobs" else "resume_study"
            return f"{name} was cancelled; client.{resume}({item['id']}) goes on with it"
        if self._kind == "jobs":
            return f"{name} ({item['cell']}, seed {item['seed']}) failed: {item['error']}"
        parts = self._calls.get(f"/studies/{item['id']}")["parts"]
        errors = [
            f"{part['cell']}, seed {part['seed']}: {part['error']}"
            for part in parts
            if part["state"] == "failed" and not part["diverged"]
        ]
        more = f"; and {len(errors) - MOST_TOLD} more" if len(errors) > MOST_TOLD else ""
        return f"{name} failed: {'; '.join(errors[:MOST_TOLD])}{more}"


def _pauses() -> Iterator[float]:
    """Short at first, for what takes a moment."""
    pause_s = 0.1
    while True:
        yield pause_s
        pause_s = min(LONGEST_PAUSE_S, pause_s * 1.5)
