"""``python -m benchmarks``: measure, keep the results, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import http.client
import importlib
import shlex
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report, results
from benchmarks.results import BenchmarkError, Section, SkippedError, cores
from benchmarks.work import ALL_CELLS, REPOSITORY, Work, say

# readers comes before correlations, which uses the home that it fills.
BENCHMARKS = ("start", "pages", "readers", "correlations", "concurrency", "training", "browser")
"""Modules of this package, imported when they are asked for: what one needs, others do without."""
ASKED = ("gpu",)
"""Made only by name, on another machine than the rest, and kept apart from it."""
_QUICK_CELLS = 300


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add(
        "--only",
        action="append",
        choices=[*BENCHMARKS, *ASKED],
        help="measure only this (repeatable)",
    )
    add("--quick", action="store_true", help="few repeats and cells: a check, no measurement")
    add("--cells", type=int, help=f"cells of the official files, by default {ALL_CELLS:,}")
    add("--whole", action="store_true", help="every one-file form at full size: 7 minutes more")
    add("--work", type=Path, help="keep the inputs here and use them again; else a new folder")
    add("--results", type=Path, help="JSON of the figures, default benchmarks/results/cpu-Ncore")
    add("--out", type=Path, help="page to write, default docs/benchmarks.md (not with --quick)")
    return parser.parse_args()


def main() -> int:
    """Measure; the status is 1 where a benchmark could not be made, whatever the figures are."""
    options = arguments()
    folder = options.work or Path(tempfile.mkdtemp(prefix="cellwise-bench-"))
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    cells = options.cells or (_QUICK_CELLS if options.quick else ALL_CELLS)
    if not 1 <= cells <= ALL_CELLS:
        raise SystemExit(f"--cells is 1 to {ALL_CELLS:,}")
    work = Work(inputs.resolve(), cells, options.quick, options.whole)
    keep = folder if options.quick else REPOSITORY
    failed = False
    try:
        for known, stem, title in (
            (BENCHMARKS, f"cpu-{cores()}core", "benchmarks"),
            (ASKED, "gpu", "benchmarks_gpu"),
        ):
            names = [name for name in options.only or BENCHMARKS if name in known]
            kept = options.results or keep / "benchmarks" / "results" / f"{stem}.json"
            page = options.out or keep / "docs" / f"{title}.md"
            made = [_measure(name, work, kept) for name in names]
            failed |= not all(made)
            if made and (held := results.load(kept)):
                inside = kept.is_relative_to(REPOSITORY)
                shown = kept.relative_to(REPOSITORY) if inside else Path(kept.name)
                report.write(page, [held[name] for name in known if name in held], str(shown))
                say(f"results in {kept}, page in {page}")
    finally:
        if options.work is None:
            shutil.rmtree(inputs if options.quick else folder, ignore_errors=True)
    return int(failed)


def _measure(name: str, work: Work, kept: Path) -> bool:
    say(f"== {name}")
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", "benchmarks", *_shown_arguments()]),
        "quick": work.quick,
        "cells": work.cells,
        "machine": results.machine(),
    }
    started = time.perf_counter()
    try:
        section: Section = importlib.import_module(f"benchmarks.{name}").run(work)
    except SkippedError as reason:
        say(f"{name} is left out: {reason}")
        return True
    except (BenchmarkError, ModuleNotFoundError, OSError, http.client.HTTPException) as error:
        say(f"{name} could not be measured: {type(error).__name__}: {error}")
        return False
    section.about = {**about, "seconds": round(time.perf_counter() - started)}
    # Kept at once: a run that is broken off loses only the benchmark it was at.
    results.save(kept, {**results.load(kept), name: section})
    for figure in section.figures:
        if figure.met is not None:
            say(
                f"   {'met' if figure.met else 'MISSED':6} {figure.what}: "
                f"{report.number(figure.median)} {figure.unit}"
            )
    return True


def _shown_arguments() -> list[str]:
    """The arguments without paths of this machine."""
    shown = []
    rest = iter(sys.argv[1:])
    for argument in rest:
        if argument.split("=")[0] in ("--work", "--results", "--out"):
            if "=" not in argument:
                next(rest, None)
        else:
            shown.append(argument)
    return shown


if __name__ == "__main__":
    sys.exit(main())
