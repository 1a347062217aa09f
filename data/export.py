"""The store's content as Parquet: for notebooks, snapshots and other homes.

One long table a source, in the layout that :mod:`data.sources` reads without a mapping, so that
``cellwise import`` takes it again; the cells with their columns; and where everything came from.
The value of an epoch that diverged is null there, as tables hold finite numbers only; the details
of a run that ended so name the epoch, and give the nulls back their meaning.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

from data.library import Snapshot
from data.progress import Report, silent
from data.sources.base import SourceError

ROWS_AT_ONCE = 100_000

_POINTS = """
SELECT cells.arch AS cell, runs.dataset, points.eval_set AS split, points.measure, runs.schedule,
       runs.seed, runs.replicate, runs.recipe, runs.images,
       runs.split AS division,
       runs.file_params_m AS params_m, runs.file_flops_m AS flops_m, runs.latency_s,
       runs.train_time_s, runs.time_source, runs.device, runs.details, points.epoch,
       CASE WHEN NOT isnan(points.value) THEN points.value END AS value
FROM (
    SELECT series.run, series.cell, curves.eval_set, curves.measure,
           unnest(grids.epochs)::INTEGER AS epoch, unnest(series."values") AS value
    FROM series JOIN curves USING (curve) JOIN grids USING (grid)
    WHERE series.run IN (SELECT run FROM runs JOIN sources USING (source) WHERE name = $name)
) AS points
JOIN runs USING (run)
JOIN cells ON cells.cell = points.cell
"""


def export(
    snapshot: Snapshot, folder: Path, names: Sequence[str] | None = None, report: Report = silent
) -> list[str]:
    """Write ``cells.parquet``, ``sources.json`` and one ``<source>.parquet`` each to ``folder``.

    The folder appears when everything is in it. Returns the names of the files.

    Raises:
        SourceError: the folder exists and isn't empty, or there is no such source.
    """
    known = {source.name: source for source in snapshot.sources}
    for name in names or ():
        if name not in known:
            raise SourceError(f"there is no source {name!r}; loaded: {', '.join(known) or 'none'}")
    chosen = [known[name] for name in names or known]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{folder} exists already: name a new folder")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _write(snapshot, "FROM cells ORDER BY cell", {}, partial / "cells.parquet")
        for done, source in enumerate(chosen):
            report("exporting", done, len(chosen))
            _write(snapshot, _POINTS, {"name": source.name}, partial / f"{source.name}.parquet")
        report("exporting", len(chosen), len(chosen))
        text = json.dumps([asdict(source) for source in chosen], indent=2, default=str)
        (partial / "sources.json").write_text(text + "\n")
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise SourceError(f"can't write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted(file.name for file in folder.iterdir())


def _write(snapshot: Snapshot, sql: str, parameters: dict[str, str], path: Path) -> None:
    with snapshot.state.read() as cursor:
        reader = cursor.sql(sql, params=parameters).to_arrow_reader(ROWS_AT_ONCE)
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
