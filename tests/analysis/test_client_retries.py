"""What a client sends again, how often, and how long it waits before: over a scripted transport."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest

from analysis.client import Client, ClientError

Script = list[httpx2.Response | Exception]


class Scripted:
    """A server that answers what a test says, and a client of it whose pauses take no time."""

    def __init__(self, *answers: httpx2.Response | Exception, retries: int = 3) -> None:
        self.answers: Script = list(answers)
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []
        self.client = Client(
            "http://lab",
            transport=httpx2.MockTransport(self.answer),
            retries=retries,
            pause=self.pauses.append,
        )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(**body: Any) -> httpx2.Response:
    return httpx2.Response(200, json={"items": [], **body})


def problem(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"detail": f"it is {status}"}, headers=headers)


UNSENT = [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("silent")]
CUT_OFF = [
    httpx2.ReadError("reset"),
    httpx2.WriteError("reset"),
    httpx2.RemoteProtocolError("peer closed connection"),
]


@pytest.mark.parametrize("error", [*UNSENT, *CUT_OFF], ids=lambda error: type(error).__name__)
def test_a_read_that_got_no_answer_is_sent_again(error: Exception) -> None:
    server = Scripted(error, error, ok(status="ok"))
    assert server.client.get("/health")["status"] == "ok"
    assert len(server.requests) == 3
    assert len(server.pauses) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_is_sent_again_where_a_server_may_answer_soon(status: int) -> None:
    server = Scripted(problem(status), ok(status="ok"))
    assert server.client.get("/health")["status"] == "ok"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500, 501])
def test_a_refusal_is_not_asked_for_twice(status: int) -> None:
    server = Scripted(problem(status))
    with pytest.raises(ClientError, match=f"it is {status}") as error:
        server.client.get("/health")
    assert error.value.status == status
    assert server.pauses == []


def test_a_read_that_takes_too_long_would_take_as_long_again() -> None:
    server = Scripted(httpx2.ReadTimeout("timed out"))
    with pytest.raises(ClientError, match="no answer from http://lab: timed out") as error:
        server.client.get("/health")
    assert error.value.status is None


def test_pauses_grow() -> None:
    server = Scripted(*[problem(503)] * 9, retries=8)
    with pytest.raises(ClientError, match="it is 503") as error:
        server.client.get("/health")
    assert error.value.status == 503
    assert len(server.requests) == 9
    # Twice as long each time, up to half a minute, with up to a quarter of a second by chance.
    for pause, least in zip(server.pauses, [0.25, 0.5, 1, 2, 4, 8, 16, 30], strict=True):
        assert least <= pause <= least + 0.25


def test_no_answer_at_last_is_an_error() -> None:
    server = Scripted(*[httpx2.ConnectError("refused")] * 3, retries=2)
    with pytest.raises(ClientError, match="no answer from http://lab: refused") as error:
        server.client.get("/health")
    assert error.value.status is None
    assert len(server.requests) == 3


def test_retry_after_is_heeded() -> None:
    server = Scripted(problem(429, **{"Retry-After": "7"}), ok())
    server.client.get("/health")
    assert server.pauses == [7]


def test_retry_after_may_be_a_time() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=40), usegmt=True)
    server = Scripted(
        problem(503, **{"Retry-After": soon}), problem(503, **{"Retry-After": past}), ok()
    )
    server.client.get("/health")
    first, second = server.pauses
    assert 30 < first <= 40
    assert second == 0


def test_a_time_without_a_zone_is_greenwich_s() -> None:
    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=40)
    server = Scripted(problem(503, **{"Retry-After": format_datetime(soon)}), ok())
    assert format_datetime(soon).endswith("-0000")
    server.client.get("/health")
    assert 30 < server.pauses[0] <= 40


def test_what_is_no_time_is_as_good_as_none() -> None:
    server = Scripted(problem(503, **{"Retry-After": "soon"}), ok())
    server.client.get("/health")
    assert 0.25 <= server.pauses[0] <= 0.5


def test_who_asks_for_hours_is_not_waited_for() -> None:
    server = Scripted(problem(503, **{"Retry-After": "7200"}))
    with pytest.raises(ClientError, match="it is 503"):
        server.client.get("/health")
    assert server.pauses == []


Write = Callable[[Client], object]
ONCE: dict[str, Write] = {
    "cancel": lambda client: client.cancel(1),
    "resume": lambda client: client.resume(1),
    "cancel a study": lambda client: client.cancel_study(1),
    "resume a study": lambda client: client.resume_study(1),
    "train anew": lambda client: client.submit(6111, dataset="digits", recipe="p", force=True),
    "any other": lambda client: client.post("/jobs", {}),
}
REPEATABLE: dict[str, Write] = {
    "train": lambda client: client.submit(6111, dataset="digits", recipe="p"),
    "study": lambda client: client.submit_study("landscape", "6111"),
}


@pytest.mark.parametrize("write", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize("answer", [*CUT_OFF, problem(503), problem(429)], ids=repr)
def test_what_writes_is_not_sent_again_once_a_server_may_have_seen_it(
    write: Write, answer: httpx2.Response | Exception
) -> None:
    server = Scripted(answer)
    with pytest.raises(ClientError):
        write(server.client)
    assert len(server.requests) == 1


@pytest.mark.parametrize("write", [*ONCE.values(), *REPEATABLE.values()], ids=[*ONCE, *REPEATABLE])
@pytest.mark.parametrize("error", UNSENT, ids=repr)
def test_what_writes_is_sent_again_where_nobody_saw_it(write: Write, error: Exception) -> None:
    server = Scripted(error, ok())
    write(server.client)
    assert len(server.requests) == 2


@pytest.mark.parametrize("write", REPEATABLE.values(), ids=REPEATABLE)
@pytest.mark.parametrize("answer", [*CUT_OFF, problem(502)], ids=repr)
def test_what_makes_nothing_twice_is_sent_again(
    write: Write, answer: httpx2.Response | Exception
) -> None:
    server = Scripted(answer, ok())
    write(server.client)
    first, second = server.requests
    assert first.read() == second.read()


def test_a_page_in_the_middle_is_sent_again() -> None:
    server = Scripted(
        ok(items=[{"id": 2}], next="http://lab/jobs?before=2"),
        httpx2.ReadError("reset"),
        ok(items=[{"id": 1}], next=None),
    )
    assert [job["id"] for job in server.client.jobs()] == [2, 1]


def test_retries_are_not_negative() -> None:
    with pytest.raises(ValueError, match="retries is -1"):
        Client(retries=-1)
