"""What a client raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict


class Fault(TypedDict):
    """What is wrong with one parameter, in the server's words."""

    name: str
    value: str | None
    problem: str
    allowed: str


class ClientError(RuntimeError):
    """The server can't be reached, or refused; the message is its own.

    Attributes:
        status: of the answer, None where there was none.
        errors: each parameter that can't be taken, with what is allowed; empty for other refusals.
    """

    def __init__(
        self, message: str, status: int | None = None, errors: Sequence[Fault] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = list(errors)


# Below, items have a default because pickle makes an error from its message alone.


class TrainingError(ClientError):
    """What was waited for has ended, and not all of it well.

    Attributes:
        items: the jobs or studies that failed or were cancelled, as the server tells of them.
    """

    def __init__(self, message: str, items: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.items = list(items)


class StillRunningError(ClientError, TimeoutError):
    """The time to wait is over; what was waited for goes on.

    Attributes:
        items: the jobs or studies that have not ended.
    """

    def __init__(self, message: str, items: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.items = list(items)
