"""200 readers while an import writes: no error, no torn answer, nothing lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.processes import HOST, Server, cellwise, executable
from benchmarks.results import BenchmarkError, Section
from benchmarks.work import REPOSITORY, Work, say

READERS = 200
_MOST_EACH = 400
_LIMIT_S = 300
_SOURCE = "concurrent"
_PATHS = (
    "/runs?limit=1",
    "/runs?limit=3&source=hpo-bench",
    "/sources",
    "/cells?min_width=3&limit=20&sort=-valid_accuracy@final",
    "/correlations?x=width&y=valid_accuracy@final",
)


@dataclass(slots=True)
class Seen:
    """What all readers together saw."""

    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    during: int = 0


def run(work: Work) -> Section:
    """Import, replace, remove; all the while 200 readers."""
    section = Section("concurrency", "200 readers while an import writes")
    cells = (60, 30) if work.quick else (1_500, 750)
    files = [work.official("pth-legacy", count) for count in cells]
    home = work.copy_of(work.default_home(), "home-concurrent")
    (home / "done").unlink()
    with cellwise(home, work.log) as server, server.client() as client:
        before = json.loads(client.get("/runs?limit=1"))["total"]
        seen, steps = asyncio.run(_together(server, home, files, before))
        after = json.loads(client.get("/runs?limit=1"))["total"]
        after_cells = json.loads(client.get("/cells?min_width=3"))["total"]
    for path in files:
        work.discard(path)
    work.discard(home)
    if len(steps) != 3:
        raise BenchmarkError(f"the writer did not finish: {steps}")
    section.add("answers in all", "requests", [len(seen.latencies)])
    section.add("… of these, while something was being written", "requests", [seen.during])
    section.add("errors", "requests", [len(seen.errors)], 0)
    section.add("torn answers", "requests", [len(seen.torn)], 0)
    lost = abs(before - after) + abs(6_144 - after_cells)
    section.add("runs and cells lost or left over", "rows", [lost], 0)
    section.add("time of an answer, 200 readers at once", "ms", seen.latencies)
    for name, seconds, _ in steps:
        section.add(name, "s", [seconds])
    section.method += [
        f"{READERS} connections ask without a pause (httpx2, from one process on the same "
        "machine), while `cellwise import` hands the server an official file "
        f"of {cells[0]:,} cells, then another of {cells[1]:,} that replaces it, and "
        "`cellwise remove` takes it out again.",
        "*Torn*: a number of runs that is neither that before nor that after a step, a reader that "
        "sees an older state after a newer one, a list of sources that contradicts itself, or any "
        "change in what the import does not touch.",
    ]
    if seen.errors or seen.torn:
        section.method.append("First of them: " + "; ".join((seen.errors + seen.torn)[:3]))
    return section


async def _together(
    server: Server, home: Path, files: Sequence[Path], before: int
) -> tuple[Seen, list[tuple[str, float, int]]]:
    seen = Seen()
    totals = [before]
    """Run totals in the order in which they come to be."""
    steps: list[tuple[str, float, int]] = []
    stop = asyncio.Event()
    writing = asyncio.Event()
    started = time.perf_counter()
    observed: list[list[int]] = []

    async def reader(session: httpx2.AsyncClient, number: int) -> None:
        mine: list[int] = []
        observed.append(mine)
        for count in range(_MOST_EACH):
            if stop.is_set() or time.perf_counter() - started > _LIMIT_S:
                return
            path = _PATHS[(number + count) % len(_PATHS)]
            sent = time.perf_counter()
            busy = writing.is_set()
            try:
                answer = await session.get(path)
            except httpx2.HTTPError as error:
                seen.errors.append(f"{path}: {type(error).__name__}")
                continue
            seen.latencies.append(1e3 * (time.perf_counter() - sent))
            seen.during += busy and writing.is_set()
            if answer.status_code != 200:
                seen.errors.append(f"{path}: {answer.status_code}")
                continue
            problem = _torn(path, answer.json(), before, mine)
            if problem:
                seen.torn.append(problem)

    async def writer(session: httpx2.AsyncClient) -> None:
        await asyncio.sleep(1)
        imports = [["import", str(file), "--source", _SOURCE] for file in files]
        names = ("import", "replacement by another file", "removal")
        for name, arguments in zip(names, [*imports, ["remove", _SOURCE]], strict=True):
            begun = time.perf_counter()
            writing.set()
            await _command([*arguments, "--home", str(home)])
            writing.clear()
            took = time.perf_counter() - begun
            totals.append((await session.get("/runs?limit=1")).json()["total"])
            steps.append((f"{name} under this load", took, totals[-1]))
            say(f"{name}: {took:.1f} s, {len(seen.latencies):,} answers so far")
        await asyncio.sleep(1)
        stop.set()

    limits = httpx2.Limits(max_connections=READERS + 1)
    base = f"http://{HOST}:{server.port}"
    async with httpx2.AsyncClient(base_url=base, limits=limits, timeout=120) as session:
        await asyncio.gather(writer(session), *(reader(session, n) for n in range(READERS)))
    for mine in observed:
        place = 0
        for total in mine:
            if total not in totals[place:]:
                seen.torn.append(f"a reader saw {total} runs; the states have {totals}")
                break
            place = totals.index(total, place)
    return seen, steps


async def _command(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        executable("cellwise"),
        *arguments,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        raise BenchmarkError(f"cellwise {arguments[0]} failed: {errors.decode()[-1000:]}")


def _torn(path: str, body: dict[str, Any], before: int, totals: list[int]) -> str | None:
    """What is wrong with an answer by itself; run totals are kept for the order of states."""
    if path == _PATHS[0]:
        totals.append(body["total"])
    elif path == _PATHS[1] and (body["total"] != before or len(body["items"]) != 3):
        return f"{path}: {body['total']} runs"
    elif path == _PATHS[2]:
        by_name = {item["name"]: item for item in body["items"]}
        if by_name["hpo-bench"]["runs"] != before or not set(by_name) <= {"hpo-bench", _SOURCE}:
            return f"{path}: {sorted(by_name)}"
        totals.append(sum(item["runs"] for item in by_name.values()))
    elif path == _PATHS[3]:
        values = [item["valid_accuracy@final"] for item in body["items"]]
        if body["total"] != 6_144 or len(values) != 20 or values != sorted(values, reverse=True):
            return f"{path}: {body['total']} cells"
    elif path == _PATHS[4] and body["items"][0]["n"] != 15_284:
        return f"{path}: n = {body['items'][0]['n']}"
    return None
