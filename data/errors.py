"""What is wrong with a question, told so that it can be mended."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QueryError(ValueError):
    """A value that can't be taken.

    Attributes:
        value: what came.
        problem: what is wrong with it.
        allowed: what would be taken instead.
        name: the parameter that held it, where known.
    """

    def __init__(self, value: str, problem: str, allowed: str, name: str | None = None) -> None:
        super().__init__(f"{value!r}: {problem}; allowed: {allowed}")
        self.value = value
        self.problem = problem
        self.allowed = allowed
        self.name = name


class blame:  # noqa: N801  (reads as a statement)
    """Names the parameter in whatever :class:`QueryError` is raised inside."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, QueryError) and error.name is None:
            error.name = self._name


class UnknownCellError(LookupError):
    """An id of the right form that no loaded cell has (a genotype can't be told from its hash)."""


def nearest(value: str, options: Iterable[str], count: int = 3) -> str:
    """``did you mean ...?`` with the options most like ``value``, or nothing."""
    close = difflib.get_close_matches(value, list(options), n=count, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else ""
