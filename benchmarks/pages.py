"""Pages of filtered, sorted cells, against Datasette on the same table in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import resident
from benchmarks.load import CLIENTS, HIGHEST, LOWEST, Round, Target, generator, load
from benchmarks.processes import HOST, Client, cellwise, executable, free_port, serving
from benchmarks.results import BenchmarkError, Section, ratios
from benchmarks.work import Work, say

LIMIT = 100
METRIC = "valid_accuracy@final"
OURS = f"/cells?min_width=%d&min_metric={METRIC}:%.4f&sort=-{METRIC}&limit={LIMIT}"  # as a printf
_THEIRS = (
    "/cells/cells.json?width__gte=%d&valid_accuracy__gte=%.4f"
    f"&_sort_desc=valid_accuracy&_size={LIMIT}&_shape=objects"
)
_THREADS = (1, 2, 3)
_DEFAULT_ROUNDS = 2
"""Of the variant that takes seconds an answer, as many rounds, each longer."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run and ask Datasette."""

    name: str
    about: str
    settings: tuple[str, ...]
    query: str


DEFAULT = Variant("default", "as it comes", (), "")
COUNTED = Variant(
    "no facets",
    "no facets and no suggestions of facets, the total counted as in Cellwise's answer",
    ("suggest_facets", "off", "allow_facet", "off"),
    "&_nofacet=1&_nosuggest=1",
)
LEAN = Variant("lean", "the same without a total", COUNTED.settings, COUNTED.query + "&_nocount=1")


def run(work: Work) -> Section:
    """Both servers, by turns, under the same load."""
    section = Section("pages", "Pages of filtered, sorted cells")
    with ExitStack() as stack:
        ours = stack.enter_context(cellwise(work.default_home(), work.log))
        database = work.folder / "cells.db"
        with ours.client() as client:
            rows = make_sqlite(client, database)
        threads = _best_threads(work, database)
        targets = [Target("cellwise", ours.port, OURS)]
        for variant in (DEFAULT, COUNTED, LEAN):
            settings = variant.settings
            if variant is not DEFAULT:
                settings = (*settings, "num_sql_threads", str(threads))
            port = stack.enter_context(_datasette(work, database, settings)).port
            targets.append(Target(variant.name, port, _THEIRS + variant.query))
        checked = check_same(targets)
        rounds = _rounds(work, targets)
    _figures(section, targets, rounds)
    section.method += [
        f"{LIMIT} cells with `min_width` and a least validation accuracy, best first; the width "
        f"1, 2, 3 in turn and another threshold between {LOWEST:g} and {HIGHEST:g} at every "
        f"request, {CLIENTS} connections, load by {generator()}. It shares the machine's cores "
        "with the server, one process of each at work at a time.",
        f"Datasette serves the same {rows:,} rows, the same columns, from an immutable SQLite "
        "file with an index on (valid_accuracy descending, width), analysed. `default` is "
        f"Datasette {DEFAULT.about}, which looks for facets to suggest at every request; "
        f"`no facets`: {COUNTED.about}; `lean`: {LEAN.about}. "
        f"`num_sql_threads` is {threads} in the last two, the fastest of "
        f"{', '.join(map(str, _THREADS))} in a short trial. The targets are held against both: "
        "`no facets` gives the same answer as Cellwise, `lean` is its fastest and lacks the total.",
        f"Before: both gave the same cells and values for {checked} thresholds.",
    ]
    resident.add_to(section, work)
    return section


def make_sqlite(client: Client, path: Path) -> int:
    """Datasette's table, from what Cellwise itself answers; returns the number of rows."""
    lines = client.get("/cells?format=ndjson").splitlines()
    items: list[dict[str, Any]] = [json.loads(line) for line in lines]
    names = [name.replace(METRIC, "valid_accuracy").replace(":", "_") for name in items[0]]
    kinds = ["TEXT" if name in ("id", "arch", "space") else "REAL" for name in names]
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = ", ".join(
            f"{name} {kind}" + (" PRIMARY KEY" if name == "id" else "")
            for name, kind in zip(names, kinds, strict=True)
        )
        connection.execute(f"CREATE TABLE cells ({columns})")
        marks = ", ".join("?" * len(names))
        connection.executemany(
            f"INSERT INTO cells VALUES ({marks})", [tuple(item.values()) for item in items]
        )
        connection.execute("CREATE INDEX by_accuracy ON cells (valid_accuracy DESC, width)")
        connection.execute("ANALYZE")
    return len(items)


def _datasette(work: Work, database: Path, settings: Sequence[str]) -> Any:
    port = free_port()
    command = [executable("datasette"), "serve", "-i", str(database), "-h", HOST, "-p", str(port)]
    for name, value in zip(settings[::2], settings[1::2], strict=True):
        command += ["--setting", name, value]
    return serving(command, port, "/-/versions.json", work.log)


def _best_threads(work: Work, database: Path) -> int:
    found = {}
    for threads in _THREADS:
        settings = (*LEAN.settings, "num_sql_threads", str(threads))
        with _datasette(work, database, settings) as server:
            target = Target("trial", server.port, _THEIRS + LEAN.query)
            load(target, 1, 0, work.folder)
            found[threads] = load(target, work.repeats(3, 1), 5_000, work.folder).per_second
        say(f"datasette with {threads} SQL threads: {found[threads]:.0f}/s")
    return max(found, key=lambda threads: found[threads])


def check_same(targets: Sequence[Target]) -> int:
    """Cellwise, first of the targets, and each variant must give the same cells.

    Raises:
        BenchmarkError: they don't.
    """
    checked = 12
    for target in targets[1:]:
        for count in range(checked):
            answers = []
            for one in (targets[0], target):
                client = Client(one.port)
                answers.append(json.loads(client.get(one.path(count))))
                client.close()
            mine, other = answers
            held = [(item["id"], item[METRIC], item["width"]) for item in mine["items"]]
            rows = [(r["id"], r["valid_accuracy"], r["width"]) for r in other["rows"]]
            total = other.get("filtered_table_rows_count")
            # Equal accuracies may stand in another order, and the page may end among them.
            last = held[-1][1] if len(held) == LIMIT else -1.0
            same = {row for row in held if row[1] > last} == {row for row in rows if row[1] > last}
            values = [row[1] for row in held] == [row[1] for row in rows]
            if not (same and values and total in (None, mine["total"])):
                raise BenchmarkError(f"{target.name} and Cellwise differ at {target.path(count)}")
    return checked


def _rounds(work: Work, targets: Sequence[Target]) -> dict[str, list[Round]]:
    seconds = work.repeats(5, 1)
    rounds: dict[str, list[Round]] = {target.name: [] for target in targets}
    for target in targets:
        load(target, work.repeats(3, 1), 0, work.folder)
    for number in range(1, 1 + work.repeats(5, 2)):
        for target in targets:
            slow = target.name == DEFAULT.name
            if slow and number > _DEFAULT_ROUNDS:
                continue
            duration = work.repeats(15, 8) if slow else seconds
            done = load(target, duration, number * 100_003, work.folder)
            if done.errors or not done.requests:
                raise BenchmarkError(
                    f"{target.name}: {done.errors} errors, {done.requests} answers"
                )
            rounds[target.name].append(done)
        shown = ", ".join(f"{name} {held[-1].per_second:.0f}/s" for name, held in rounds.items())
        say(f"pages, round {number}: {shown}")
    return rounds


def _figures(section: Section, targets: Sequence[Target], rounds: dict[str, list[Round]]) -> None:
    ours = rounds[targets[0].name]
    for name, held in rounds.items():
        shown = "Cellwise" if name == "cellwise" else f"Datasette, {name}"
        section.add(f"{shown}: requests", "1/s", [one.per_second for one in held])
        section.add(f"{shown}: p50", "ms", [one.p50 for one in held])
        section.add(f"{shown}: p99", "ms", [one.p99 for one in held])
    for variant in (LEAN, COUNTED, DEFAULT):
        theirs = rounds[variant.name]
        mine = ours[: len(theirs)]
        quoted = variant is not DEFAULT
        section.add(
            f"requests, Cellwise over Datasette {variant.name}",
            "×",
            ratios([one.per_second for one in mine], [one.per_second for one in theirs]),
            6.0 if quoted else None,
            "at least",
        )
        section.add(
            f"p99, Cellwise over Datasette {variant.name}",
            "×",
            ratios([one.p99 for one in mine], [one.p99 for one in theirs]),
            1 / 3 if quoted else None,
        )
