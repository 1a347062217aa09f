"""One reader at work in a process of its own: ``python -m benchmarks.reading KIND PATH ...``.

``ours``: our source, every batch consumed. ``import``: what ``cellwise import`` does, in a home.
``nats-folder``, ``nats-file`` and ``nb201-file``: the official loaders. Prints one line of JSON.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

from data.library import Library
from data.sources import recognise
from data.sources.base import Batch, Description, Progress, Source


class Timed:
    """A source whose batches are timed: reading apart from writing."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.path = source.path
        self.seconds = 0.0

    def describe(self) -> Description:
        return self._source.describe()

    def files(self) -> list[Path]:
        return self._source.files()

    def batches(self, progress: Progress) -> Iterator[Batch]:
        batches = self._source.batches(progress)
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch


def ours(path: Path) -> dict[str, Any]:
    """Every batch of our reader, and how much was in it."""
    source = recognise(path)
    runs = values = 0
    for batch in source.batches(lambda _done, _total: None):
        runs += batch.runs.num_rows
        column: Any = batch.series.column("values")
        values += len(column.flatten())
    return {"runs": runs, "values": values}


def whole_import(path: Path, home: Path) -> dict[str, Any]:
    """The import into an existing home, as the command does it without a server."""
    with closing(Library.open(home)) as library:
        source = Timed(recognise(path))
        outcome = library.import_source(source)
        return {"reading": source.seconds, "cells": outcome.cells, "values": outcome.points}


def nats_folder(path: Path) -> dict[str, Any]:
    """Every cell by NATS-Bench in fast mode, each forgotten once read.

    ``reload`` is what its queries do first to a cell that they haven't met. The queries themselves
    copy the whole record each time, which takes as long again and is no reading.
    """
    import nats_bench

    api = nats_bench.create(str(path), "tss", fast_mode=True, verbose=False)
    indexes = sorted(int(file.name[:6]) for file in path.iterdir() if file.name[0].isdigit())
    trials = 0
    for index in indexes:
        api.reload(str(path), index)
        for held in api.arch2infos_dict[index].values():
            trials += len(held.get_dataset_seeds("cifar10"))
        # It would keep every cell: let go of it, so that the memory stays bounded.
        api.arch2infos_dict.clear()
        api.evaluated_indexes.clear()
    return {"cells": len(indexes), "trials": trials}


def nats_file(path: Path) -> dict[str, Any]:
    """The whole file by NATS-Bench."""
    import nats_bench

    api = nats_bench.create(str(path), "tss", fast_mode=False, verbose=False)
    return {"cells": len(api.evaluated_indexes)}


def nb201_file(path: Path) -> dict[str, Any]:
    """The whole file by NAS-Bench-201's package.

    It asks torch for nothing but ``torch.load``, which for this container unpickles five pickles
    in a row with Python's own unpickler: a stand-in does that, so that torch needn't be there.
    """
    torch = ModuleType("torch")

    def load(file: str, map_location: str) -> object:
        with Path(file).open("rb") as stream:
            held = [pickle.load(stream) for _ in range(5)]
        return held[3]

    torch.__dict__["load"] = load
    sys.modules["torch"] = torch
    from nas_201_api import NASBench201API

    api = NASBench201API(str(path), verbose=False)
    return {"cells": len(api.evaluated_indexes)}


READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "ours": ours,
    "import": whole_import,
    "nats-folder": nats_folder,
    "nats-file": nats_file,
    "nb201-file": nb201_file,
}


def main() -> None:
    """The command line."""
    kind, *paths = sys.argv[1:]
    started = time.perf_counter()
    found = READERS[kind](*map(Path, paths))
    print(json.dumps({**found, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
