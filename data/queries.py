"""From a question to rows and values: filters, order, pages, columns.

Filters are masks over the resident columns (:mod:`data.frame`), so that a different threshold at
every request costs microseconds. No name reaches SQL: columns come from the registry, metrics
through the catalogue.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from analysis.cells import Cell, CellError, parse_cell
from analysis.censoring import Codes
from analysis.spaces import published
from analysis.spaces.nasbench201 import EDGES, OPERATIONS
from data.catalogue import Resolved
from data.columns import COLUMNS, TEXT_FIELDS
from data.errors import QueryError, UnknownCellError, blame, nearest
from data.frame import Floats, Integers, Mask
from data.library import Snapshot
from data.metrics import GRAMMAR, WHOLE, Aspect, Context, Metric, parse_metric
from data.standing import fewest_and_most, never
from data.vectors import Given

Comparison = Literal[">=", "<=", "="]
Space = Literal["nasbench201", "darts", "all"]

DEFAULT_FIELDS = (
    "id",
    "arch",
    "space",
    "width",
    "depth",
    "params_m",
    "flops_m",
    "valid_accuracy@final",
)


@dataclass(frozen=True, slots=True)
class Bound:
    """``name comparison value`` for a column or a metric."""

    name: str
    comparison: Comparison
    value: float


@dataclass(frozen=True, slots=True)
class Filters:
    """Which cells. Cells without a value in a bounded column are never among them.

    ``space`` None means nasbench201, or any space where ``cells`` are named or cells with a name
    are asked for by their kind: widths of different spaces are not in the same unit.
    """

    space: Space | None = None
    connected: bool | None = None
    unique: str | None = None
    cells: tuple[str, ...] = ()
    named: tuple[published.Kind, ...] = ()
    operations: tuple[tuple[tuple[int, int], str], ...] = ()
    bounds: tuple[Bound, ...] = ()

    @property
    def searched(self) -> Space:
        """The space that is meant."""
        return self.space or ("all" if self.cells or self.named else "nasbench201")


_KINDS: dict[str, Literal["text", "integer"]] = {"state": "text", "n_seeds": "integer"}


@dataclass(frozen=True, slots=True)
class Field:
    """A resolved column: a text field, a topology or cost column, or a metric."""

    name: str
    resolved: Resolved | None = None

    @property
    def kind(self) -> Literal["text", "boolean", "integer", "number"]:
        """The type of its values."""
        if self.name in TEXT_FIELDS:
            return "text"
        if self.name == "connected":
            return "boolean"
        if self.resolved is not None:
            return _KINDS.get(self.resolved.metric.aspect, "number")
        return COLUMNS[self.name].kind


def parse_column(text: str, others: Iterable[str] = ()) -> str | Metric:
    """The name of a topology or cost column, or a metric.

    Raises:
        QueryError: neither; names the nearest ones, among ``others`` that the caller takes too.
    """
    if text in COLUMNS:
        return text
    if "@" in text or text.startswith(("epochs_to_", "half_life_of")):
        return parse_metric(text)
    more = tuple(others)
    hint = nearest(text, (*COLUMNS, *more))
    allowed = f"{hint} columns are {', '.join(COLUMNS)}; metrics are {GRAMMAR}".strip()
    if more:
        allowed += f"; or {', '.join(more)}"
    raise QueryError(text, "no such column", allowed)


class View:
    """A snapshot in a context: the values of columns, one after the other."""

    def __init__(self, snapshot: Snapshot, context: Context) -> None:
        self.snapshot = snapshot
        self.frame = snapshot.frame
        self.context = replace(context, dataset=snapshot.catalogue.dataset(context.dataset))
        self._masks: dict[Filters, Mask] = {}

    def field(self, text: str, *, texts: bool = False, others: Iterable[str] = ()) -> Field:
        """The field called ``text``; what is no number only where ``texts`` are asked for.

        ``others`` are names that the caller takes besides, to be told in an error.

        Raises:
            QueryError: no such column, or a metric that was not recorded.
        """
        if texts and (text in TEXT_FIELDS or text == "connected"):
            return Field(text)
        if texts and text not in COLUMNS and "@" not in text and nearest(text, TEXT_FIELDS):
            raise QueryError(text, "no such field", nearest(text, (*TEXT_FIELDS, *COLUMNS)))
        column = parse_column(text, others)
        if isinstance(column, str):
            return Field(column)
        if column.aspect == "state" and not texts:
            raise QueryError(text, "a state is no number", str(replace(column, aspect="value")))
        return Field(str(column), self.snapshot.catalogue.resolve(column, self.context))

    def numbers(self, field: Field) -> Floats:
        """float64 (cells,), NaN for null."""
        if field.resolved is None:
            return self.frame.column(field.name, self.context.dataset)
        aspect = field.resolved.metric.aspect
        if aspect == "state":
            raise TypeError(f"{field.name} is no number")
        return self.snapshot.vectors.metric(field.resolved).aspect(aspect)

    def places(self, field: Field) -> Floats:
        """The same where cells are ranked: see :mod:`data.standing`; infinite where diverged."""
        if field.resolved is None or field.resolved.metric.aspect != "value":
            return self.numbers(field)
        return self.snapshot.vectors.metric(field.resolved).place

    def codes(self, field: Field) -> Codes | None:
        """The standing of every cell, (cells,), None for what isn't a metric."""
        if field.resolved is None:
            return None
        return self.snapshot.vectors.metric(field.resolved).codes

    def never(self, field: Field) -> Mask:
        """The cells that would need more epochs than there are, (cells,)."""
        codes = self.codes(field)
        if codes is None or field.resolved is None:
            return np.zeros(self.frame.size, dtype=np.bool_)
        return never(field.resolved.metric, codes)

    def values(self, field: Field) -> Sequence[Any]:
        """Python values of all cells, None for null."""
        if field.resolved is not None:
            return self.snapshot.vectors.python(field.resolved, field.resolved.metric.aspect)
        return self.frame.values(field.name, self.context.dataset)

    def with_spread(self, fields: Iterable[Field]) -> list[Field]:
        """The fields, each metric followed by its number of seeds and std, for the mean.

        One that a cell can be too slow for is followed by its state, too.
        """
        result = []
        for field in fields:
            result.append(field)
            if field.resolved is None or field.resolved.metric.aspect != "value":
                continue
            aspects: list[Aspect] = ["n_seeds", "std"] if self.context.seed is None else []
            aspects += ["state"] if field.resolved.metric.measure in WHOLE else []
            for aspect in aspects:
                name = f"{field.name}:{aspect}"
                metric = replace(field.resolved.metric, aspect=aspect)
                result.append(Field(name, replace(field.resolved, metric=metric)))
        # One of these may have been asked for by name too; a table has each column once.
        return list({field.name: field for field in result}.values())

    def sources(self, resolved: Resolved, among: Mask | None = None) -> dict[str, int]:
        """How many cells each source gave the metric, ``among`` these, (cells,); most first."""
        return counted(self.snapshot.vectors.given(resolved), among)

    def seeds(self, resolved: Resolved, among: Mask | None = None) -> list[int] | None:
        """The fewest and most seeds of a cell ``among`` these, (cells,), or of all cells.

        None where that isn't known of any.
        """
        numbers = self.snapshot.vectors.metric(resolved).n_seeds
        return fewest_and_most(numbers if among is None else numbers[among])

    def mask(self, filters: Filters) -> Mask:
        """The cells that pass, (cells,), not to be written to.

        Raises:
            QueryError: a bound on an unknown column, an unknown cell.
        """
        known = self._masks.get(filters)
        if known is None:
            known = self._masks[filters] = self._mask(filters)
            known.setflags(write=False)
        return known

    def _mask(self, filters: Filters) -> Mask:
        frame = self.frame
        space = filters.searched
        mask = np.ones(frame.size, dtype=np.bool_) if space == "all" else frame.spaces[space].copy()
        if filters.connected is not None:
            mask &= frame.connected == filters.connected
        if filters.unique is not None:
            mask &= frame.classes[filters.unique] == np.arange(frame.size)
        if filters.cells:
            named = np.zeros(frame.size, dtype=np.bool_)
            with blame("cell"):
                for text in filters.cells:
                    named[find_row(self.snapshot, text)] = True
            mask &= named
        if filters.named:
            mask &= frame.named(filters.named)
        for edge, operation in filters.operations:
            mask &= frame.operations[:, EDGES.index(edge)] == OPERATIONS.index(operation)
        for bound in filters.bounds:
            with blame("min_metric" if bound.comparison == ">=" else "max_metric"):
                field = self.field(bound.name)
                values = self.numbers(field)
            # Comparisons with NaN are false: a cell without a value is never within a bound, but
            # for one that takes more epochs than there are.
            if bound.comparison == ">=":
                mask &= (values >= bound.value) | self.never(field)
            elif bound.comparison == "<=":
                mask &= values <= bound.value
            else:
                mask &= values == bound.value
        return mask

    def order(self, keys: Sequence[str]) -> Integers:
        """All cells in the order of ``keys`` (``-`` in front for falling), then by row.

        A metric goes by places; what is not recorded comes last in either direction.

        Raises:
            QueryError: an unknown column.
        """
        fields = [(self.field(key.removeprefix("-"), texts=True), key[:1] == "-") for key in keys]
        if not fields:
            return np.arange(self.frame.size)
        cache_key = (
            tuple((field.name, field.resolved, falling) for field, falling in fields),
            self.context.dataset,
        )
        return self.snapshot.vectors.order(cache_key, lambda: self._sort(fields))

    def _sort(self, fields: Sequence[tuple[Field, bool]]) -> Integers:
        levels: list[Floats] = []
        for field, falling in reversed(fields):
            if field.kind in ("text", "boolean"):
                values = self.values(field)
                texts = np.array([str(value) for value in values])
                column = np.unique(texts, return_inverse=True)[1].astype(np.float64)
                column[[value is None for value in values]] = np.nan
            else:
                column = self.places(field)
            levels.append(-column if falling else column)
        # lexsort is stable and puts NaN last, the last level first.
        return np.lexsort(levels).astype(np.int64)


def counted(given: Given, among: Mask | None = None) -> dict[str, int]:
    """How many cells each source gave, ``among`` these, (cells,); most first, none with 0."""
    counts = {
        name: int(np.count_nonzero(cells if among is None else cells & among))
        for name, cells in given.items()
    }
    kept = [(name, count) for name, count in counts.items() if count]
    return dict(sorted(kept, key=lambda pair: (-pair[1], pair[0])))


def resolve_cell(snapshot: Snapshot, text: str) -> tuple[int | None, Cell]:
    """The cell that ``text`` names, and its row where it is loaded.

    Raises:
        CellError: not a cell of any space.
        UnknownCellError: a genotype's hash that no loaded cell has.
    """
    frame = snapshot.frame
    row = frame.rows.get(text.strip())
    if row is None:
        try:
            cell = parse_cell(text)
        except CellError:
            if text.strip().lower().startswith("darts-") and len(text.strip()) == 18:
                raise UnknownCellError(
                    f"no cell {text.strip()} is loaded; a genotype's id is a hash, so give the "
                    "genotype itself"
                ) from None
            raise
        return frame.rows.get(cell.id), cell
    return row, parse_cell(frame.texts["arch"][row] or "")


def named_cell(snapshot: Snapshot, text: str) -> tuple[int | None, Cell]:
    """The same where a parameter names cells.

    Raises:
        QueryError: not a cell, or a genotype's hash that no loaded cell has; with what is allowed.
    """
    try:
        return resolve_cell(snapshot, text)
    except (CellError, UnknownCellError) as error:
        raise _not_a_cell(text, error) from error


def _not_a_cell(text: str, error: CellError | UnknownCellError) -> QueryError:
    allowed = "an id, a cell string, an official index, a published name or a genotype"
    if isinstance(error, UnknownCellError):
        return QueryError(text, str(error), allowed)
    place = "" if error.position is None else f" at position {error.position}"
    return QueryError(text, f"{error.problem}{place}", ", ".join(error.allowed) or allowed)


def find_row(snapshot: Snapshot, text: str) -> int:
    """The row of a loaded cell.

    Raises:
        QueryError: no cell, or one that isn't loaded.
    """
    known = snapshot.frame.rows.get(text)
    if known is not None:
        return known
    row, cell = named_cell(snapshot, text)
    if row is None:
        raise QueryError(text, f"{cell.id} is not loaded", "a cell that GET /cells lists")
    return row


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page, how many there are in all, and where the next one starts."""

    rows: Integers
    total: int
    cursor: str | None


def page(view: View, filters: Filters, sort: Sequence[str], limit: int, cursor: str | None) -> Page:
    """``limit`` cells in order, from behind the cell that ``cursor`` names.

    A cursor holds the last cell shown, so that pages neither repeat nor lose a cell when rows are
    added between two of them. It is of its query only, and of what the query's metrics mean: an
    import that gives ``@final`` another schedule ends it.

    Raises:
        QueryError: a bad filter, sort key or cursor.
    """
    order = view.order(sort)
    mask = view.mask(filters)
    start = 0
    names = (*(key.removeprefix("-") for key in sort), *(bound.name for bound in filters.bounds))
    read = [view.field(name, texts=True).resolved for name in names]
    meant = [(held.metric, held.curve) for held in read if held is not None]
    asked = repr((filters, tuple(sort), view.context, meant))
    digest = hashlib.sha256(asked.encode()).hexdigest()[:12]
    if cursor is not None:
        last = _read_cursor(cursor, digest)
        start = int(np.flatnonzero(order == view.frame.rows.get(last, -1))[:1].sum()) + 1
        if last not in view.frame.rows:
            raise _bad_cursor(cursor)
    ahead = order[start:]
    rows = ahead[mask[ahead]]
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        last_id = view.frame.texts["id"][int(shown[-1])]
        following = base64.urlsafe_b64encode(json.dumps([digest, last_id]).encode()).decode()
    return Page(shown, int(np.count_nonzero(mask)), following)


def _bad_cursor(cursor: str) -> QueryError:
    return QueryError(
        cursor,
        "not a cursor of this query",
        "the cursor of the next link, with the same filters, sort and context",
        "cursor",
    )


def _read_cursor(cursor: str, digest: str) -> str:
    try:
        held, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError):
        raise _bad_cursor(cursor) from None
    if held != digest or not isinstance(last, str):
        raise _bad_cursor(cursor)
    return last


def parse_metric_bound(text: str, comparison: Comparison) -> Bound:
    """``<metric>:<value>`` as a bound.

    Raises:
        QueryError: no value behind the last colon, or a metric that can't be parsed.
    """
    name, _, number = text.rpartition(":")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not name or not math.isfinite(value):
        raise QueryError(
            text, "not <metric>:<value> with a finite number", "valid_accuracy@final:70"
        )
    parse_metric(name)
    return Bound(name, comparison, value)
