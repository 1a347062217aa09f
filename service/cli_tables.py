"""What tables of answers have in common: figures, intervals, and what they were computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import HEAVY_HEAD, SIMPLE_HEAD
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Column, Table

from data.metrics import MEANINGS
from service.cli import out

Document = dict[str, Any]
"""A JSON object of an answer."""

NAMES = ("id", "cell", "best", "x", "y", "metric", "column", "kind", "role", "around", "within")
"""Columns of names, as one copies them into the next command; a table's first column is, too."""
LEAST = 8
"""Columns of a terminal that any other column keeps, as far as it fills them."""

NOTHING = "–"
BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 24

MARKS = (1, 4, 8, 12, 25, 50, 100, 200, 400)
"""Epochs of which a table tells, beside the first and the last."""
FEW = 8
"""So many epochs are all told of."""

SMALLEST_P = 1e-300
"""Below it a p-value is no longer told from 0 by the numbers of a computer."""


def table(heads: Iterable[str], title: str | None = None, *, boxed: bool = False) -> Table:
    """In a narrow terminal names stay whole, and figures take more lines rather than be cut."""
    made = Table(
        title=title,
        box=HEAVY_HEAD if boxed else SIMPLE_HEAD,
        pad_edge=boxed,
        collapse_padding=not boxed,
    )
    for head in heads:
        if not made.columns or head in NAMES:
            made.add_column(escape(head), no_wrap=True)
        else:
            made.add_column(escape(head), overflow="fold")
    return made


def show(made: Table) -> None:
    """Print a table; where a terminal hasn't even room for the names, it folds the lines itself."""
    between = 2 if made.box is SIMPLE_HEAD else 3
    least = sum(_least(column) + between for column in made.columns) + 1
    if least > out.width:
        made.width = least
    out.print(made, crop=False)


def _least(column: Column) -> int:
    whole = max(cell_len(str(text)) for text in (column.header, *column.cells))
    return whole if column.no_wrap else min(whole, LEAST)


def say(text: str) -> None:
    """A line, as long as it is."""
    out.print(escape(text), soft_wrap=True, highlight=False)


def figure(value: Any) -> str:
    """Any value of an answer."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):  # an interval
        return escape(f"[{', '.join(map(figure, value))}]")
    return escape(str(value))


def in_percent(metric: str) -> bool:
    """Whether a metric or measure is a percentage."""
    _, unit, _ = MEANINGS.get(metric.partition("@")[0], ("", "", ""))
    return unit.startswith("percent")


def measured(value: float | None, std: float | None = None, *, percent: bool) -> str:
    """A mean with its spread: two decimals of a percentage, four of what is small, as losses."""
    if value is None:
        return NOTHING
    decimals = 2 if percent or abs(value) >= 10 else 4
    spread = "" if std is None else f" ± {std:.{decimals}f}"
    return f"{value:.{decimals}f}{spread}"


def rounded(value: float | None) -> str:
    """A figure that stands beside others of its kind."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def coefficient(value: float | None, ends: Sequence[float] | None = None) -> str:
    """A coefficient with its interval."""
    if value is None:
        return NOTHING
    shown = "" if ends is None else f" {interval(ends, 'z.3f')}"
    return f"{value:z.3f}{shown}"


def interval(ends: Sequence[float] | None, form: str) -> str:
    """From one end to the other, each in this form."""
    return NOTHING if ends is None else escape(f"[{ends[0]:{form}}, {ends[1]:{form}}]")


def p_value(p: float | None) -> str:
    """A p-value; one that is too small for a number isn't 0."""
    if p is None:
        return NOTHING
    return f"<{SMALLEST_P:.0e}" if p < SMALLEST_P else f"{p:.2g}"


def counts(by_reason: dict[str, int]) -> str:
    """How many were left out, by reason."""
    return (
        escape("; ".join(f"{count:,} {reason}" for reason, count in by_reason.items())) or NOTHING
    )


def some_epochs(recorded: Iterable[int]) -> list[int]:
    """Of many epochs the first, the last, and a few between, closer to each other early on."""
    epochs = sorted(set(recorded))
    if len(epochs) <= FEW:
        return epochs
    return sorted({epochs[0], *(mark for mark in MARKS if mark in epochs), epochs[-1]})


def sparkline(values: Sequence[float | None]) -> str:
    """A curve as bars from its least to its largest value; nothing where there is no curve."""
    held = [value for value in values if value is not None]
    if len(held) < 2:
        return ""
    low, high = min(held), max(held)
    steps = min(len(values), MOST_BARS) - 1
    picked = [values[round(step * (len(values) - 1) / steps)] for step in range(steps + 1)]
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(" " if one is None else BARS[round((one - low) * scale)] for one in picked)


def filled(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Columns by head, without those that hold nothing."""
    return {head: texts for head, texts in columns.items() if set(texts) != {NOTHING}}


def say_context(context: dict[str, Any], spread: bool = False) -> None:
    """What each metric was read from, a line each; ``spread``: whether ± stands behind it."""
    over_seeds = " (± std over seeds)" if spread and context["seed"] == "mean" else ""
    pooled = ", pooled" if context["pooled"] else ""
    for name, of in context["sets"].items():
        epoch = of.get("epoch")
        epochs = (
            f"{of['schedule']} epochs" if epoch is None else f"epoch {epoch} of {of['schedule']}"
        )
        images = "" if of["images"] == "original" else f", images {of['images']}"
        images += "" if of["split"] == "official" else f", split {of['split']}"
        say(
            f"{name}: {of['dataset']}/{of['set']}, {epochs}, {of['recipe']}{images}, "
            f"seed {context['seed']}{over_seeds}, from {_origins(of['sources'])}{pooled}"
        )


def _origins(given: dict[str, int]) -> str:
    """The sources, where there are several with how many cells each gave."""
    if len(given) < 2:
        return next(iter(given), "no source")
    return ", ".join(f"{name} ({cells:,} cells)" for name, cells in given.items())
