"""The error that every reader of a cell raises."""

from collections.abc import Iterable

_EXCERPT = 80


class CellError(ValueError):
    """A text, or a set of values, that does not describe a cell.

    Attributes:
        problem: what is wrong, in one clause.
        text: the text as it came, in full.
        position: 0-based index into `text` of the character where reading failed; None when the
            fault is not at one place.
        allowed: what could stand there instead; empty when there is no short list.
    """

    def __init__(
        self,
        problem: str,
        text: str,
        position: int | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        self.problem = problem
        self.text = text
        self.position = position
        self.allowed = tuple(allowed)
        super().__init__(problem, text, position, self.allowed)

    def __str__(self) -> str:
        """One sentence with the problem, the place, what came and what is allowed."""
        excerpt = repr(_excerpt(self.text, self.position or 0))
        place = ": " if self.position is None else f" at position {self.position} of "
        message = self.problem + place + excerpt
        if self.allowed:
            message += f"; allowed: {', '.join(self.allowed)}"
        return message


def _excerpt(text: str, position: int) -> str:
    """The part of a long text around `position`, so that a message stays readable."""
    if len(text) <= _EXCERPT:
        return text
    start = max(0, min(position - _EXCERPT // 2, len(text) - _EXCERPT))
    end = start + _EXCERPT
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
