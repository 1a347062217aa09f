"""The load generator: wrk where it is installed, else a small asyncio client.

Both keep ``clients`` connections busy, each sending its next request when it has the answer to the
last one, and give every request a threshold of its own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.processes import HOST
from benchmarks.results import BenchmarkError

CLIENTS = 16
LOWEST, HIGHEST = 60.0, 90.0
"""Thresholds of valid accuracy, in percent."""
_GOLDEN = 0.6180339887498949
_MOST_REQUESTS = 200_000

_LUA = """
local count = 0
function init(arguments) count = tonumber(arguments[1]) end
function request()
  count = count + 1
  local width = count % 3 + 1
  local threshold = LOWEST + (count * GOLDEN % 1) * (HIGHEST - LOWEST)
  return wrk.format("GET", string.format("TEMPLATE", width, threshold))
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of load on one server; latencies in ms."""

    per_second: float
    p50: float
    p99: float
    errors: int
    requests: int


@dataclass(frozen=True, slots=True)
class Target:
    """What is loaded: a printf template of the path, taking a width and a threshold."""

    name: str
    port: int
    template: str

    def path(self, count: int) -> str:
        """The path of the request number ``count``."""
        threshold = LOWEST + (count * _GOLDEN % 1) * (HIGHEST - LOWEST)
        return self.template % (count % 3 + 1, threshold)


def generator() -> str:
    """Which load generator is used."""
    if shutil.which("wrk") is None:
        return "an asyncio client with httpx2 (wrk isn't installed), which itself bounds the rate"
    shown = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    first = (shown.stdout + shown.stderr).splitlines()[0]
    return f"{' '.join(first.split()[:2])}, one thread"


def load(target: Target, seconds: float, first: int, folder: Path) -> Round:
    """Load a server for some seconds; requests are numbered from ``first``.

    Raises:
        BenchmarkError: the generator failed.
    """
    if shutil.which("wrk") is None:
        return asyncio.run(_asyncio(target, seconds, first))
    script = folder / f"{target.name}.lua"
    text = _LUA.replace("TEMPLATE", target.template).replace("GOLDEN", repr(_GOLDEN))
    script.write_text(text.replace("LOWEST", str(LOWEST)).replace("HIGHEST", str(HIGHEST)))
    command = [
        "wrk",
        "-t1",
        f"-c{CLIENTS}",
        f"-d{seconds:g}s",
        "--timeout",
        "60s",
        "-s",
        str(script),
    ]
    command += [f"http://{HOST}:{target.port}/", "--", str(first)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    if run.returncode != 0 or not found:
        raise BenchmarkError(f"wrk failed: {run.stdout[-500:]} {run.stderr[-500:]}")
    held = json.loads(found[0].removeprefix("RESULT "))
    rate = held["requests"] / held["seconds"]
    return Round(rate, held["p50"], held["p99"], held["errors"], held["requests"])


async def _asyncio(target: Target, seconds: float, first: int) -> Round:
    latencies: list[float] = []
    errors = 0
    count = first
    started = time.perf_counter()

    async def client(session: httpx2.AsyncClient) -> None:
        nonlocal count, errors
        while time.perf_counter() - started < seconds and count - first < _MOST_REQUESTS:
            count += 1
            sent = time.perf_counter()
            try:
                answer = await session.get(target.path(count))
                errors += answer.status_code != 200
            except httpx2.HTTPError:
                errors += 1
            latencies.append(1e3 * (time.perf_counter() - sent))

    limits = httpx2.Limits(max_connections=CLIENTS)
    base = f"http://{HOST}:{target.port}"
    async with httpx2.AsyncClient(base_url=base, limits=limits, timeout=60) as session:
        await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
    took = time.perf_counter() - started
    latencies.sort()
    p50, p99 = (latencies[int(part * (len(latencies) - 1))] for part in (0.5, 0.99))
    return Round(len(latencies) / took, p50, p99, errors, len(latencies))
