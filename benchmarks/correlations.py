"""Correlations over HTTP, against scipy and numpy alone on arrays in memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats as st

from benchmarks.processes import Client, cellwise, memory_mb
from benchmarks.results import BenchmarkError, Section, ratios
from benchmarks.work import Work, say
from data.library import Library
from data.metrics import Context
from data.queries import View

Floats = npt.NDArray[np.float64]
METHODS: dict[str, Callable[[Floats, Floats], Any]] = {
    "spearman": st.spearmanr,
    "kendall": st.kendalltau,
    "pearson": st.pearsonr,
}
ONE = "/correlations?x=width&y=valid_accuracy@final&method="
BY_EPOCH = "/correlations/by-epoch?x=width&y=valid_accuracy&schedule=200&method="


def run(work: Work) -> Section:
    """One coefficient over all cells, then one an epoch."""
    section = Section("correlations", "Correlations")
    _one(work, section)
    _by_epoch(work, section)
    section.method += [
        "Cellwise's time is the whole answer over HTTP on a kept connection: coefficient, p-value, "
        "Fisher interval, what was left out and why, and the context. scipy's is one call for "
        "coefficient and p-value, on two arrays that hold the complete cells only. They take "
        "turns, and agree to 1e-9. numpy and scipy alone have one BLAS thread, which is fastest "
        "for them here; the server has what it sets itself.",
        "By epoch: width with the mean over seeds of the validation accuracy at each of 200 "
        f"epochs, on a generated official table of {work.cells:,} cells with every curve. scipy "
        "is called once a column; vectorised: numpy alone, on ranks of all columns by "
        "scipy.stats.rankdata, without p-values. *Cold* is the first such request of a new server "
        "(its files in the page cache), which reads and averages all curves.",
    ]
    return section


def _one(work: Work, section: Section) -> None:
    home = work.default_home()
    with closing(Library.open(home)) as library:
        view = View(library.snapshot, Context())
        x, y = (view.numbers(view.field(name)) for name in ("width", "valid_accuracy@final"))
        kept = view.frame.spaces["nasbench201"] & ~np.isnan(x) & ~np.isnan(y)
        x, y = x[kept], y[kept]
    with cellwise(home, work.log) as server, server.client() as client:
        _wait_for_scipy(client)
        idle = [1e3 * client.seconds("/health") for _ in range(work.repeats(200, 20))]
        for method, alone in METHODS.items():
            found = json.loads(client.get(ONE + method))["items"][0]
            expected = alone(x, y)
            if found["n"] != len(x) or abs(found["coefficient"] - expected.statistic) > 1e-9:
                raise BenchmarkError(f"{method}: Cellwise and scipy differ")
            ours, theirs = [], []
            for _ in range(work.repeats(200, 20)):
                ours.append(1e3 * client.seconds(ONE + method))
                theirs.append(1e3 * _timed(alone, x, y))
            mine = section.add(f"{method}, {len(x):,} cells: Cellwise over HTTP", "ms", ours, 50)
            other = section.add(f"{method}: scipy alone", "ms", theirs)
            ratio = ratios(_parts(ours), _parts(theirs))
            section.add(f"{method}: Cellwise over scipy", "×", ratio, 2)
            say(f"{method}: {mine.median:.2f} ms, scipy {other.median:.2f} ms")
        section.add("for comparison: `GET /health`, which computes nothing", "ms", idle)


def _by_epoch(work: Work, section: Section) -> None:
    home = work.full_home()
    x, curves = _curves(home)
    cold = []
    for number in range(work.repeats(3, 1)):
        with cellwise(home, work.log) as server, server.client() as client:
            _wait_for_scipy(client)
            cold.append(1e3 * client.seconds(BY_EPOCH + "spearman"))
            say(f"by epoch, cold {number + 1}: {cold[-1]:.0f} ms")
    with cellwise(home, work.log) as server, server.client() as client:
        _wait_for_scipy(client)
        for method, alone in METHODS.items():
            found = json.loads(client.get(BY_EPOCH + method))["items"]
            _check(found, [alone(x, column).statistic for column in curves.T], method)
            ours, columns, vectors = [], [], []
            for _ in range(work.repeats(15 if method != "kendall" else 5, 3)):
                ours.append(1e3 * client.seconds(BY_EPOCH + method))
                columns.append(1e3 * _timed(_column_by_column, alone, x, curves))
                vectors.append(1e3 * _timed(vectorised, method, x, curves))
            bound = 500 if method == "spearman" else None
            label = f"{method} by epoch"
            section.add(f"{label}, {len(x):,} cells × 200, warm: Cellwise", "ms", ours, bound)
            if method == "spearman":
                section.add(f"{label}, cold: Cellwise", "ms", cold, 500)
            section.add(f"{label}: scipy alone, column by column", "ms", columns)
            section.add(f"{label}, warm: Cellwise over scipy", "×", ratios(ours, columns), 2)
            if method != "kendall":
                section.add(f"{label}: vectorised numpy", "ms", vectors)
                over = ratios(ours, vectors)
                section.add(f"{label}, warm: Cellwise over vectorised numpy", "×", over, 2)
            say(f"{label}: {min(ours):.0f} ms, scipy {min(columns):.0f}, numpy {min(vectors):.0f}")
        memory = memory_mb(server.pid)
    held = f"memory of that server after this, {work.cells:,} cells with every curve"
    section.add(held, "MB", [memory["VmRSS"]], 300)
    section.add("… anonymous", "MB", [memory["RssAnon"]])


def vectorised(method: str, x: Floats, curves: Floats) -> Floats | None:
    """All coefficients at once with numpy; (epochs,), None for kendall, which has no such form."""
    if method == "kendall":
        return None
    if method == "spearman":
        x, curves = st.rankdata(x), st.rankdata(curves, axis=0)
    x, curves = x - x.mean(), curves - curves.mean(axis=0)
    result: Floats = x @ curves / np.sqrt((x @ x) * np.einsum("ij,ij->j", curves, curves))
    return result


def _curves(home: Path) -> tuple[Floats, Floats]:
    """Width and mean curves of the cells that have both, as arrays in memory."""
    with closing(Library.open(home)) as library:
        view = View(library.snapshot, Context())
        resolved = library.snapshot.catalogue.resolve_curve("valid_accuracy", 200, view.context)
        if len(resolved.epochs) != 200:
            raise BenchmarkError(f"{home} holds {len(resolved.epochs)} epochs, 200 expected")
        x = view.numbers(view.field("width"))
        curves = library.snapshot.vectors.curves(resolved).mean
        # The default table holds the last epoch only: cells without their whole curve are out.
        kept = view.frame.spaces["nasbench201"] & ~np.isnan(x) & ~np.isnan(curves).any(axis=1)
        return x[kept], np.ascontiguousarray(curves[kept])


def _check(found: list[dict[str, Any]], expected: list[float], method: str) -> None:
    """Cellwise must agree wherever it counts the same cells (the last epoch may have more)."""
    least = min(item["n"] for item in found)
    for item, coefficient in zip(found, expected, strict=True):
        if item["n"] == least and abs(item["coefficient"] - coefficient) > 1e-9:
            raise BenchmarkError(f"{method}, epoch {item['epoch']}: Cellwise and scipy differ")


def _column_by_column(call: Callable[[Floats, Floats], Any], x: Floats, curves: Floats) -> None:
    for column in curves.T:
        call(x, column)


def _timed(call: Callable[..., object], *arguments: Any) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def _wait_for_scipy(client: Client) -> None:
    """A server imports scipy a second after its start: it is warm from then on."""
    time.sleep(2)
    client.get(ONE + "spearman")


def _parts(values: list[float], parts: int = 10) -> list[float]:
    """Medians of consecutive parts: what a ratio is taken of, so that it has a spread."""
    return [float(np.median(part)) for part in np.array_split(values, parts)]
