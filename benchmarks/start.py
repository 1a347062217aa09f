"""How soon does the server answer, and how much memory does it hold?"""

from __future__ import annotations

import importlib.util
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from benchmarks.processes import Client, Server, cellwise, memory_mb
from benchmarks.results import BenchmarkError, Section
from benchmarks.work import Work, say

FIRST = "/cells?min_width=3"
REQUESTS = 200
_AT_ONCE = 8

_TRAP = """
from pathlib import Path
Path(__file__).with_name("imported").touch()
raise ImportError("a server has no use for torch")
"""


def run(work: Work) -> Section:
    """Start times, then memory after start and after a mixed load."""
    section = Section("start", "Start and memory")
    home = work.default_home()
    program = work.serving()
    times = []
    for number in range(work.repeats(9, 2)):
        with cellwise(home, work.log, FIRST, program=program) as server:
            times.append(server.seconds)
        say(f"start {number + 1}: {times[-1]:.2f} s")
    section.add("process start to the first 200 of `GET /cells?min_width=3`", "s", times, 1.0)

    first = []
    for number in range(work.repeats(3, 1)):
        empty = work.folder / "home-empty"
        shutil.rmtree(empty, ignore_errors=True)
        with cellwise(empty, work.log, FIRST, program=program) as server:
            first.append(server.seconds)
        shutil.rmtree(empty)
        say(f"first start {number + 1}: {first[-1]:.2f} s")
    section.add("the same on an empty home, import of the default table included", "s", first, 5)

    _memory(work, home, section)
    section.method += [
        "The server runs in an environment of `requirements.lock` alone, as `make serve` makes it. "
        "Each start is a new process on the home of the default table (15,625 cells, 118,257 "
        "runs), files in the page cache; the answer is polled for every 2 ms.",
        f"Mixed load: {REQUESTS} requests, {_AT_ONCE} at a time: pages with filters and every "
        "format, single cells, curves, diagrams, groups, ranks, runs, correlations by all three "
        "methods, partial, within groups, by epoch, and with 999 bootstrap resamples.",
        "Memory is read from `/proc/PID/status` in MB of 10^6 bytes. The file-backed part "
        "(libraries) is shared between processes and given up under pressure.",
    ]
    return section


def _memory(work: Work, home: Path, section: Section) -> None:
    trap = work.folder / "trap" / "torch"
    trap.mkdir(parents=True, exist_ok=True)
    (trap / "__init__.py").write_text(_TRAP)
    marker = trap / "imported"
    marker.unlink(missing_ok=True)
    held: dict[str, list[dict[str, float]]] = {"after start": [], "after the mixed load": []}
    maps = ""
    for number in range(work.repeats(3, 1)):
        path = {"PYTHONPATH": str(trap.parent)}
        with cellwise(home, work.log, FIRST, path, work.serving()) as server:
            time.sleep(3)  # the server imports scipy a second after its start
            held["after start"].append(memory_mb(server.pid))
            mixed_load(server, REQUESTS)
            held["after the mixed load"].append(memory_mb(server.pid))
            maps = Path(f"/proc/{server.pid}/maps").read_text()
        say(f"memory {number + 1}: {held['after the mixed load'][-1]['VmRSS']:.0f} MB")
    for when, readings in held.items():
        bound = 300 if when == "after the mixed load" else None
        section.add(f"resident memory {when}", "MB", [r["VmRSS"] for r in readings], bound)
        section.add(f"… anonymous, {when}", "MB", [r["RssAnon"] for r in readings])
        section.add(f"… file-backed, {when}", "MB", [r["RssFile"] for r in readings])
    highest = [reading["VmHWM"] for reading in held["after the mixed load"]]
    section.add("highest resident memory up to then", "MB", highest, 300)
    libraries = {line.split()[-1] for line in maps.splitlines() if ".so" in line}
    if marker.exists() or any("torch" in library for library in libraries):
        raise BenchmarkError("the server imported torch")
    installed = "is" if importlib.util.find_spec("torch") else "isn't"
    section.method.append(
        f"torch is not in the process: none of the {len(libraries)} shared libraries in "
        "`/proc/PID/maps` is torch's, and a stand-in package `torch`, put first on the server's "
        "path and leaving a mark when imported, was never imported in the whole mixed load "
        f"(torch itself {installed} installed in this environment)."
    )


def mixed_load(server: Server, count: int) -> None:
    """Requests of every kind, several at a time; each must be answered 200."""
    paths = list(islice(cycle(mixed_paths()), count))

    def ask(share: list[str]) -> None:
        client = Client(server.port, timeout=400)
        for path in share:
            client.get(path)
        client.close()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(ask, [paths[number::_AT_ONCE] for number in range(_AT_ONCE)]))


def mixed_paths() -> list[str]:
    """The requests of the mixed load, which repeats them."""
    y = "y=valid_accuracy@final"
    paths = [
        f"/cells?min_width={1 + number % 3}&min_metric=valid_accuracy@final:{60 + number * 0.7}"
        "&sort=-valid_accuracy@final"
        for number in range(30)
    ]
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        paths += [
            f"/cells?dataset={dataset}&sort=-valid_accuracy@final,depth&limit=1000",
            f"/cells?dataset={dataset}&unique=official&op_03=skip_connect",
            f"/groups?by=width,depth&metric=valid_accuracy@final&dataset={dataset}",
            f"/correlations?x=depth&{y}&dataset={dataset}&ci=bootstrap",
            f"/correlations/by-epoch?x=width&y=valid_accuracy&dataset={dataset}",
        ]
    for form in ("csv", "ndjson", "parquet", "arrow"):
        paths.append(f"/cells?min_width=3&format={form}")
    for method in ("spearman", "kendall", "pearson"):
        paths += [
            f"/correlations?x=width&x=depth&x=n_paths&{y}&method={method}",
            f"/correlations?x=effective_width&{y}&method={method}&ci=none",
        ]
    paths += [
        f"/correlations?x=width&{y}&ci=bootstrap",
        f"/correlations?x=width&{y}&control=params_m",
        f"/correlations?x=width&{y}&group_by=live_ops",
    ]
    for index in (0, 284, 6111, 9930, 15_624):
        paths += [
            f"/cells/{index}",
            f"/cells/{index}/curves?seed=all",
            f"/cells/{index}/diagram.svg",
            f"/runs?cell={index}",
        ]
    return [
        *paths,
        "/ranks?cell=6111&cell=NASNet-A&cell=DARTS-V2",
        "/columns",
        "/sources",
        "/health",
        "/metrics",
        "/openapi.json",
    ]
