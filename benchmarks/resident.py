"""What the same page costs as a statement of DuckDB and from the resident columns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import duckdb

from benchmarks.results import BenchmarkError, Section
from benchmarks.work import Work, say
from data.library import Library
from data.metrics import Context
from data.queries import Bound, Field, Filters, View, page

METRIC = "valid_accuracy@final"
_LIMIT = 100
_FIELDS = ("id", "arch", "space", "width", "depth", "params_m", "flops_m", METRIC)

_SQL = f"""
SELECT id, arch, space, width, depth, params_m, flops_m, accuracy, n_seeds, std FROM pages
WHERE width >= ? AND accuracy >= ? ORDER BY accuracy DESC, cell LIMIT {_LIMIT}
"""


def add_to(section: Section, work: Work) -> None:
    """The two figures, and what follows from them, added to the section on pages."""
    with closing(Library.open(work.default_home())) as library:
        view = View(library.snapshot, Context())
        fields = view.with_spread([view.field(name, texts=True) for name in _FIELDS])

        def resident(width: int, threshold: float) -> list[tuple[Any, ...]]:
            bounds = (Bound("width", ">=", width), Bound(METRIC, ">=", threshold))
            shown = page(view, Filters(bounds=bounds), (f"-{METRIC}",), _LIMIT, None).rows.tolist()
            columns = [view.values(field) for field in fields]
            return [tuple(column[row] for column in columns) for row in shown]

        with _table(view, fields) as connection:

            def statement(width: int, threshold: float) -> list[tuple[Any, ...]]:
                return connection.execute(_SQL, [width, threshold]).fetchall()

            if resident(2, 85.0) != statement(2, 85.0):
                raise BenchmarkError("the statement and the resident columns give other cells")
            repeats = work.repeats(400, 40)
            by_sql, by_column = _milliseconds(statement, repeats), _milliseconds(resident, repeats)
    say(
        f"one page: DuckDB {statistics.median(by_sql):.2f} ms, resident columns "
        f"{statistics.median(by_column):.2f} ms"
    )
    sql = section.add("one page by a statement of DuckDB, one thread, no HTTP", "ms", by_sql)
    own = section.add("the same page from the resident columns, no HTTP", "ms", by_column)
    section.text.append(
        "**Why the cells are resident in memory.** A page needs 100 of 15,625 rows under a "
        "threshold that changes with every request. DuckDB plans and scans anew each time: "
        f"{sql.median:.2f} ms for the statement alone, on one thread, from a table in memory that "
        "holds the averaged metric already, where the real ones would join and average the runs "
        f"first. The resident columns answer in {own.median:.2f} ms "
        f"({sql.median / own.median:.0f} times less): a mask and an order that is kept. All "
        "columns of all cells are about 10 MB, so one process can afford them, and at "
        "many clients that difference is the number of requests that a core answers. The database "
        "stays the record: the columns are read from it once per state of the data."
    )


def _table(view: View, fields: list[Field]) -> duckdb.DuckDBPyConnection:
    """A DuckDB table of the same columns, as favourable as can be: in memory, averaged."""
    import pyarrow as pa

    names = ("id", "arch", "space", "width", "depth", "params_m", "flops_m", "accuracy")
    columns: dict[str, Any] = {"cell": list(range(view.frame.size))}
    for name, field in zip((*names, "n_seeds", "std"), fields, strict=True):
        columns[name] = view.values(field)
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.register("held", pa.table(columns))
    connection.execute("CREATE TABLE pages AS SELECT * FROM held WHERE space = 'nasbench201'")
    connection.unregister("held")
    return connection


def _milliseconds(answer: Callable[[int, float], Any], repeats: int) -> list[float]:
    took = []
    for number in range(repeats):
        width, threshold = number % 3 + 1, 60 + 30 * (number * 0.6180339887498949 % 1)
        started = time.perf_counter()
        answer(width, threshold)
        took.append(1e3 * (time.perf_counter() - started))
    return took
