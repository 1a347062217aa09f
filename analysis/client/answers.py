"""Answers that hold many rows: items page by page, and all rows as a data frame."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import httpx2

from analysis.client.calls import Calls
from analysis.client.errors import ClientError
from analysis.client.parameters import Parameters

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Item = TypeVar("Item")

ARROW = "application/vnd.apache.arrow.stream"


class Answer:
    """The answer to a call that was not made yet."""

    def __init__(self, calls: Calls, path: str, parameters: Parameters = ()) -> None:
        self._calls = calls
        self._path = path
        self._parameters = list(parameters)

    @property
    def url(self) -> str:
        """The call behind it, as a browser or curl takes it."""
        # Not by httpx2.URL, which refuses what is too long: that is told when it is asked for.
        asked = f"?{httpx2.QueryParams([*self._parameters])}" if self._parameters else ""
        return f"{self._calls.url}{self._path}{asked}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


class Rows(Answer):
    """All rows of an answer at once, in their types, as a table or data frame."""

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow table.

        >>> client.cells(width=1, fields=["id", "depth"]).to_arrow().column_names
        ['id', 'depth']

        Raises:
            ClientError: no answer, a refusal, or a broken table.
            ImportError: pyarrow is not installed.
        """
        return self._read(_needed("pyarrow", "arrow"))

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas data frame.

        Whole numbers and truth values are of pandas' nullable types: with and without missing ones,
        a column has the same type, and what is missing is ``pandas.NA``. A missing number is NaN.

        >>> client.cells(cell=[284, 10], fields=["id", "depth"], sort="depth").to_pandas()
                     id  depth
        0  nb201-000284      2
        1  nb201-000010   <NA>

        Raises:
            ClientError: no answer, a refusal, or a broken table.
            ImportError: pandas or pyarrow is not installed.
        """
        pd = _needed("pandas", "pandas")
        pa = _needed("pyarrow", "pandas")
        types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pandas.DataFrame = self._read(pa).to_pandas(types_mapper=types.get)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A polars data frame.

        >>> client.cells(width=1, fields=["id", "depth"]).to_polars().schema
        Schema([('id', String), ('depth', Int64)])

        Raises:
            ClientError: no answer, a refusal, or a broken table.
            ImportError: polars is not installed.
        """
        pl = _needed("polars", "polars")
        stream = self._stream()
        try:
            frame: polars.DataFrame = pl.read_ipc_stream(io.BytesIO(stream))
        except pl.exceptions.PolarsError as error:
            raise self._broken(error) from error
        return frame

    def _read(self, pa: Any) -> pyarrow.Table:
        stream = self._stream()
        try:
            table: pyarrow.Table = pa.ipc.open_stream(stream).read_all()
        except (pa.ArrowException, OSError) as error:
            raise self._broken(error) from error
        return table

    def _broken(self, error: Exception) -> ClientError:
        return ClientError(f"GET {self._path}: the table that came can't be read: {error}", 200)

    def _stream(self) -> bytes:
        return self._calls.content(self._path, [*self._parameters, ("format", "arrow")], ARROW)


class Items(Answer, Generic[Item]):
    """The items of an answer; nothing is asked for before they are used, and pages as they come.

    It is one answer: what was read of the first page is not asked for again.
    """

    def __init__(
        self, calls: Calls, path: str, parameters: Parameters = (), page: int | None = None
    ) -> None:
        if any(name == "format" for name, _ in parameters):
            raise ValueError(
                "format: an answer is iterated, or turned by to_arrow, to_pandas or to_polars; "
                "client.text and client.content give the server's own files"
            )
        super().__init__(calls, path, parameters)
        # To the server, a limit is the size of a page. Here it is how many items there are.
        limits = [text for name, text in parameters if name == "limit"]
        self._limited = bool(limits)
        self._asked = [*parameters]
        if page is not None and not limits:
            self._asked.append(("limit", str(page)))

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The server's answer whole; of several pages, the first.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return cast("dict[str, Any]", self._calls.get(self._path, self._asked, holding="items"))

    @property
    def context(self) -> dict[str, Any]:
        """What was computed from which set, schedule, recipe and seeds; empty where none is told.

        >>> client.cells().context["sets"]["valid_accuracy@final"]["set"]
        'x-valid'

        Raises:
            ClientError: no answer, or a refusal.
        """
        return dict(self.answer.get("context", {}))

    @property
    def total(self) -> int | None:
        """How many there are in all, as the server counts them; None where it doesn't.

        >>> client.cells(min_width=3, limit=5).total
        6144

        Raises:
            ClientError: no answer, or a refusal.
        """
        return self.answer.get("total")

    def __len__(self) -> int:
        """How many items iterating gives.

        Raises:
            ClientError: no answer, or a refusal.
            TypeError: the answer has several pages, and the server doesn't count them.
        """
        items = self.answer["items"]
        if self._limited or self.answer.get("next") is None:
            return len(items)
        if self.total is None:
            raise TypeError("the server doesn't say how many there are: count while iterating")
        return self.total

    def __bool__(self) -> bool:
        return bool(self.answer["items"])

    def __iter__(self) -> Iterator[Item]:
        if self._limited:
            yield from self.answer["items"]
        else:
            yield from cast("Iterator[Item]", self._calls.onwards(self.answer))


class Table(Items[Item], Rows):
    """The items of an answer, which is also to be had as a data frame.

    Where items are nested, a frame has a row for each of their parts (an epoch of a curve, a rank
    of a cell), and lists in it are JSON text.
    """


def _needed(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ImportError(
            f"{module} is not installed: pip install 'cellwise[{extra}]'", name=module
        ) from None
