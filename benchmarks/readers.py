"""Official files: our readers against the official loaders, in time and memory."""

from __future__ import annotations

import bz2
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import measured
from benchmarks.results import BenchmarkError, Section, cores, ratios
from benchmarks.work import ALL_CELLS, REPOSITORY, Work, say

_PARTS = 3
_SHARES = {"pth-legacy": 1, "pbz2": 3, "pth-zip": 5}
"""Of the one-file forms, which one code reads, the largest has all cells, the others a share."""


@dataclass(frozen=True, slots=True)
class Read:
    """What one reader did."""

    found: dict[str, Any]
    seconds: float
    peak_mb: float


def run(work: Work) -> Section:
    """The folder side by side, then the one-file forms."""
    section = Section("readers", "Official files")
    _folder(work, section)
    for container, share in _SHARES.items():
        cells = work.cells if work.whole else max(1, work.cells // share)
        _one_file(work, section, container, cells)
    _official_files(work, section)
    section.method += [
        f"Files in the official format are generated at {work.cells:,} of {ALL_CELLS:,} cells, "
        "every curve of every seed as the official tables have them; random figures, so that "
        "compression and sizes resemble the real files' but aren't theirs.",
        f"The folder is read in {_PARTS} parts by turns (every {_PARTS}rd cell each, together all "
        "of it), each reader in a process of its own whose start is not counted: "
        "`nats_bench.create(path, 'tss', fast_mode=True)` and `reload` of every cell, which holds "
        "both schedules, each dropped once read, so that its memory stays bounded (a query would "
        "load the same and copy it besides, which takes as long again); ours turns every curve "
        f"into Arrow, in one process a core ({cores()} here). nats_bench uses one core.",
        "Import: what `cellwise import` does to an existing home, the checksum over the files and "
        "the writing of every curve included; *reading* is its part in the source. Peak memory is "
        "the sum of the peaks of all processes of a reader, an upper bound.",
        "All one-file forms are read by the same code behind different containers. The legacy "
        "`.pth` has all cells; unless `--whole` is given, the others have a share of them, which "
        "is named. What a cell costs does not depend on how many there are.",
    ]
    return section


def _read(kind: str, *paths: Path) -> Read:
    command = [sys.executable, "-m", "benchmarks.reading", kind, *map(str, paths)]
    done = measured(command, REPOSITORY)
    found = json.loads(done.output.splitlines()[-1])
    return Read(found, found["seconds"], done.peak_mb)


def _folder(work: Work, section: Section) -> None:
    folder = work.official("folder", work.cells)
    ours, theirs = [], []
    for number in range(_PARTS):
        part = _part(work, folder, number)
        theirs.append(_read("nats-folder", part))
        ours.append(_read("ours", part))
        work.discard(part)
        say(
            f"folder, part {number + 1} of {_PARTS}: {ours[-1].seconds:.1f} s, nats_bench "
            f"{theirs[-1].seconds:.1f} s"
        )
    for name, reads in (("our reader", ours), ("nats_bench, fast mode", theirs)):
        per_cell = [1e3 * _PARTS * read.seconds / work.cells for read in reads]
        section.add(f"folder: {name}", "ms a cell", per_cell)
        whole = sum(read.seconds for read in reads)
        section.add(f"folder, all {work.cells:,} cells: {name}", "s", [whole])
        section.add(f"folder: {name}, peak memory", "MB", [read.peak_mb for read in reads])
    seconds = ([read.seconds for read in ours], [read.seconds for read in theirs])
    section.add("folder: our reader over nats_bench", "×", ratios(*seconds), 0.6)
    section.add("folder: bzip2 alone, one core", "ms a cell", _decompression(folder))

    home = work.folder / f"home-official-{work.cells}"
    work.copy_of(work.default_home(), home.name)
    (home / "done").unlink()
    imported = _read("import", folder, home)
    (home / "done").touch()
    _imported(section, "folder", work.cells, imported)
    work.discard(folder)


def _part(work: Work, folder: Path, number: int) -> Path:
    """Every third record, by links, as a folder of its own."""
    part = work.folder / f"part-{number}"
    work.discard(part)
    part.mkdir()
    records = sorted(file for file in folder.iterdir() if file.name[0].isdigit())
    for file in (folder / "meta.pickle.pbz2", *records[number::_PARTS]):
        (part / file.name).symlink_to(file)
    return part


def _decompression(folder: Path) -> list[float]:
    """bzip2 alone: ms a cell, in several batches of cells spread over the folder."""
    records = sorted(file for file in folder.iterdir() if file.name[0].isdigit())
    packed = [file.read_bytes() for file in records[:: max(1, len(records) // 250)]]
    took = []
    for start in range(0, len(packed), 50):
        batch = packed[start : start + 50]
        started = time.perf_counter()
        for data in batch:
            bz2.decompress(data)
        took.append(1e3 * (time.perf_counter() - started) / len(batch))
    return took


def _imported(section: Section, name: str, cells: int, read: Read) -> None:
    if read.found["cells"] != cells:
        raise BenchmarkError(f"{name}: {read.found['cells']} of {cells} cells were imported")
    label = f"{name}, {cells:,} cells"
    say(f"{label}: import {read.seconds:.1f} s, {read.peak_mb:.0f} MB")
    section.add(f"{label}: whole import", "s", [read.seconds])
    section.add(f"{label}: … of that, reading", "s", [read.found["reading"]])
    section.add(f"{label}: peak memory of the import", "MB", [read.peak_mb], 2_000)


def _one_file(work: Work, section: Section, container: str, cells: int) -> None:
    path = work.official(container, cells)
    home = work.copy_of(work.default_home(), "home-import")
    (home / "done").unlink()
    size = path.stat().st_size / 1e6
    names = {"pbz2": ".pickle.pbz2", "pth-legacy": ".pth (legacy)", "pth-zip": ".pth (zip)"}
    _imported(section, f"{names[container]} of {size:,.0f} MB", cells, _read("import", path, home))
    work.discard(home)
    work.discard(path)


def _official_files(work: Work, section: Section) -> None:
    """The official loaders at two sizes that fit, and the line through these at full size."""
    sizes = (20, 60) if work.quick else (300, 1_000)
    for kind, container, name in (
        ("nats-file", "pbz2", "nats_bench, .pickle.pbz2"),
        ("nb201-file", "pth-legacy", "nas_201_api, .pth (legacy)"),
    ):
        reads = []
        for cells in sizes:
            path = work.official(container, cells)
            reads.append(_read(kind, path))
            work.discard(path)
            if reads[-1].found["cells"] != cells:
                raise BenchmarkError(f"{kind} read {reads[-1].found['cells']} of {cells} cells")
        small, large = reads
        per_cell = (large.peak_mb - small.peak_mb) / (sizes[1] - sizes[0])
        say(f"{name}: {per_cell:.2f} MB a cell")
        seconds = 1e3 * large.seconds / sizes[1]
        section.add(f"{name}: official loader, {sizes[1]:,} cells", "ms a cell", [seconds])
        section.add(f"{name}: official loader, memory", "MB a cell", [per_cell])
        full = (small.peak_mb + per_cell * (ALL_CELLS - sizes[0])) / 1e3
        section.add(f"{name}: the same at {ALL_CELLS:,} cells, extrapolated", "GB", [full])
    section.method.append(
        f"The official loaders of the one-file forms were run at {sizes[0]:,} and {sizes[1]:,} "
        "cells; their memory at full size is the straight line through the two, **extrapolated, "
        "not measured**. `nas_201_api` gets a stand-in for `torch.load` that unpickles the legacy "
        "container by Python's own unpickler, as torch does."
    )
