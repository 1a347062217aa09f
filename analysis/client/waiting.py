"""Waiting for jobs or studies: asking how they are until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal, TypeAlias

from analysis.client.bars import bar
from analysis.client.calls import Calls
from analysis.client.errors import ClientError, StillRunningError, TrainingError
from analysis.client.retries import PASSING
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
        self._numbers = list(numbers)
        self._left = set(numbers)
        self._pause = pause

    def until_ended(self, *, progress: bool, timeout_s: float | None) -> list[Record]:
        """All of them whole, in the order of their numbers as given, once they have ended well.

        Raises:
            ClientError: no answer, which says how to wait again; or a refusal.
            KeyboardInterrupt: by Ctrl-C; says that they go on.
            StillRunningError: not all had ended after ``timeout_s`` seconds.
            TrainingError: all have ended, and some failed or were cancelled.
        """
        try:
            self._wait(progress, timeout_s)
            self._require_done()
            return [self._calls.get(f"/{self._kind}/{number}") for number in self._numbers]
        except (StillRunningError, TrainingError):
            raise
        except ClientError as error:
            if error.status is not None and error.status not in PASSING:
                raise
            raise ClientError(f"{error}; {self._once_it_answers()}", error.status) from error

    def _wait(self, progress: bool, timeout_s: float | None) -> None:
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

    def _look(self) -> None:
        """See how those are that had not ended, in as few pages of the list as they lie on."""
        left = sorted(self._left, reverse=True)
        while left:
            top = left[0]
            here = [number for number in left if number > top - MOST_A_PAGE[self._kind]]
            span = top - here[-1] + 1
            page = self._calls.get(
                f"/{self._kind}",
                [("before", str(top + 1)), ("limit", str(span))],
                holding="items",
            )
            found = {item["id"]: item for item in page["items"]}
            for number in here:
                # What isn't in the list isn't there: the server says so.
                address = f"/{self._kind}/{number}"
                self._seen[number] = found.get(number) or self._calls.get(address, holding="state")
            left = left[len(here) :]
        self._left = {number for number in self._left if self._seen[number]["state"] not in ENDED}

    def _items(self, numbers: Collection[int]) -> list[Record]:
        return [self._seen[number] for number in sorted(numbers) if number in self._seen]

    def _goes_on(self) -> str:
        left = sorted(self._left)
        names, again = self._again(left)
        cancel = "client.cancel_study" if self._kind == "studies" else "client.cancel"
        if len(left) == 1:
            return f"{names} goes on: {again} waits again, {cancel}({left[0]}) ends it"
        return f"{names} go on: {again} waits again, {cancel} ends each"

    def _once_it_answers(self) -> str:
        names, again = self._again(sorted(set(self._numbers)))
        return f"once it answers, {again} waits again for {names}"

    def _again(self, numbers: Sequence[int]) -> tuple[str, str]:
        """What they are called, and the call that waits for them."""
        named = [f"client.study({number})" for number in numbers]
        if self._kind == "jobs":
            named = list(map(str, numbers))
        if len(numbers) == 1:
            return f"{NOUNS[self._kind]} {numbers[0]}", f"client.wait({named[0]})"
        return (
            f"{self._kind} {', '.join(map(str, numbers))}",
            f"client.wait([{', '.join(named)}])",
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
