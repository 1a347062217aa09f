"""When a call is sent again, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_exponential, wait_random

PASSING = frozenset({429, 502, 503, 504})
"""Statuses of a server, or a proxy before it, that may answer soon."""
LONGEST_PAUSE_S = 60.0
"""Who asks for a longer pause is not waited for."""

_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_CUT_OFF = (
    httpx2.ReadError,
    httpx2.WriteError,
    httpx2.CloseError,
    httpx2.RemoteProtocolError,
)
_BACKOFF = wait_exponential(multiplier=0.25, max=30.0) + wait_random(0.0, 0.25)


class Retries:
    """Sends calls again, at most ``most`` times each.

    Raises:
        ValueError: ``most`` is negative.
    """

    def __init__(self, most: int, pause: Callable[[float], None]) -> None:
        if most < 0:
            raise ValueError(f"retries is {most}; it must be 0 or more")
        self._most = most
        self._pause = pause

    def answer(self, once: Callable[[], httpx2.Response], *, repeatable: bool) -> httpx2.Response:
        """The last answer to a call; without ``repeatable``, it is sent again only if none saw it.

        Raises:
            httpx2.HTTPError: no answer came at last.
        """

        def again(state: RetryCallState) -> bool:
            assert state.outcome is not None
            error = state.outcome.exception()
            if error is not None:
                return isinstance(error, _UNSENT) or (repeatable and isinstance(error, _CUT_OFF))
            answer: httpx2.Response = state.outcome.result()
            return (
                repeatable
                and answer.status_code in PASSING
                and (asked_pause_s(answer) or 0.0) <= LONGEST_PAUSE_S
            )

        retrying = Retrying(
            stop=stop_after_attempt(self._most + 1),
            wait=_pause_s,
            retry=again,
            sleep=self._pause,
            retry_error_callback=_last,
        )
        return retrying(once)


def _last(state: RetryCallState) -> httpx2.Response:
    assert state.outcome is not None
    answer: httpx2.Response = state.outcome.result()
    return answer


def _pause_s(state: RetryCallState) -> float:
    assert state.outcome is not None
    if state.outcome.exception() is None:
        asked = asked_pause_s(state.outcome.result())
        if asked is not None:
            return asked
    return _BACKOFF(state)


def asked_pause_s(answer: httpx2.Response) -> float | None:
    """The seconds that ``Retry-After`` asks for, as a number or as a time; None without either."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
