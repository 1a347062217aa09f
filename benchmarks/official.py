"""Trainings by ``nb201-12`` held against the benchmark's own records, epoch by epoch.

``python -m benchmarks.official JOB…`` reads folders of jobs of the cells 0, 11 or 284 on
cifar10-valid, however far they are, prints the comparison and, with ``--out``, keeps it with the
curves as JSON. ``python -m benchmarks --only gpu`` trains them itself.

The records have two seeds of each cell. How far two seeds lie apart is taken from all three cells
together, epoch by epoch (three degrees of freedom): one more seed lies within mean ± t · s · √1.5
nineteen times in twenty.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from analysis.cells import parse_cell
from benchmarks.results import BenchmarkError
from data.sources import recognise
from data.sources.base import SourceError
from service.training.folder import JobFolder

CELLS = ("0", "11", "284")
DATASET, RECIPE, EPOCHS = "cifar10-valid", "nb201-12", 12
FILES = Path("nats-bench") / "NATS-tss-v1_0-3ffb9-simple"
MEASURES = (
    ("train", "loss"),
    ("train", "accuracy"),
    ("x-valid", "accuracy"),
    ("ori-test", "accuracy"),
)

Curve = Sequence[float]
Curves = dict[tuple[str, str], Curve]
"""By image set and measure, the values after epochs 1, 2, …"""
Trained = tuple[str, int]
"""What was trained: a cell, as `CELLS` has it, and a seed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of a training beside the official ones.

    Attributes:
        cell, seed: what was trained.
        what: image set and measure.
        ours: loss in nats or accuracy in percent.
        mean, low, high: of the official seeds.
        margin: how far from ``mean`` one more official seed would lie at most, 19 times in 20.
    """

    cell: str
    seed: int
    what: str
    epoch: int
    ours: float
    mean: float
    low: float
    high: float
    margin: float

    @property
    def within(self) -> bool:
        """Whether it could be one more official seed."""
        return abs(self.ours - self.mean) <= self.margin


def official(folder: Path) -> dict[str, list[Curves]]:
    """The curves of every seed of each cell, from the benchmark's files.

    Raises:
        BenchmarkError: they aren't there, or lack a cell.
    """
    names = {parse_cell(cell).arch: cell for cell in CELLS}
    found: dict[str, list[Curves]] = {cell: [] for cell in CELLS}
    try:
        for batch in recognise(folder).batches(lambda _done, _total: None):
            runs = batch.runs.to_pylist()
            curves: dict[int, Curves] = {}
            for series in batch.series.to_pylist():
                curves.setdefault(series["run"], {})[series["eval_set"], series["measure"]] = (
                    series["values"]
                )
            for number, run in enumerate(runs):
                wanted = (run["dataset"], run["schedule"]) == (DATASET, EPOCHS)
                if wanted and run["seed"] is not None and run["cell"] in names:
                    found[names[run["cell"]]].append(curves[number])
    except (SourceError, OSError) as error:
        raise BenchmarkError(f"the official records can't be read: {error}") from error
    if lacking := [cell for cell in CELLS if len(found[cell]) < 2]:
        raise BenchmarkError(f"{folder} lacks cells {', '.join(lacking)} with two seeds each")
    return found


def curves_of(records: Sequence[Mapping[str, Any]]) -> Curves:
    """From the records of a training's epochs, as far as it is."""
    return {(part, name): [record[part][name] for record in records] for part, name in MEASURES}


def compare(ours: Mapping[Trained, Curves], records: Mapping[str, list[Curves]]) -> list[Point]:
    """Every measure of each training after each epoch that there is."""
    points = []
    for what in MEASURES:
        margins = [_margin(records, what, epoch) for epoch in range(EPOCHS)]
        for (cell, seed), curves in ours.items():
            for epoch, value in enumerate(curves[what]):
                seeds = [curves[what][epoch] for curves in records[cell]]
                points.append(
                    Point(
                        cell,
                        seed,
                        " ".join(what),
                        epoch + 1,
                        value,
                        statistics.mean(seeds),
                        min(seeds),
                        max(seeds),
                        margins[epoch],
                    )
                )
    return points


def _margin(records: Mapping[str, list[Curves]], what: tuple[str, str], epoch: int) -> float:
    """Half of the interval in which one more seed lies with probability 0.95."""
    by_cell = [[curves[what][epoch] for curves in seeds] for seeds in records.values()]
    freedom = sum(len(values) - 1 for values in by_cell)
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in by_cell)
    spread = (squares / freedom) ** 0.5
    fewest = min(len(values) for values in by_cell)
    return float(student.ppf(0.975, freedom) * spread * (1 + 1 / fewest) ** 0.5)


def told(points: Sequence[Point]) -> list[str]:
    """A table: for each training and measure how many epochs lie within, and the last epoch."""
    lines = [
        "| cell | seed | what | epochs within the spread of seeds | last epoch | here | official seeds | difference |",  # noqa: E501
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    keys = dict.fromkeys((point.cell, point.seed, point.what) for point in points)
    for key in keys:
        some = [point for point in points if (point.cell, point.seed, point.what) == key]
        cell, seed, what = key
        last = some[-1]
        digits = 3 if what.endswith("loss") else 2
        lines.append(
            f"| {cell} | {seed} | {what} | {sum(point.within for point in some)} of {len(some)} "
            f"| {last.epoch} | {last.ours:.{digits}f} | {last.low:.{digits}f} – "
            f"{last.high:.{digits}f} | {last.ours - last.mean:+.{digits}f} |"
        )
    return lines


def main() -> int:
    """Compare the jobs that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.official", description=__doc__)
    parser.add_argument("jobs", nargs="+", type=Path, help="folders of jobs, as <home>/jobs/000001")
    parser.add_argument("--records", required=True, type=Path, help="the benchmark's folder")
    parser.add_argument("--out", type=Path, help="JSON to keep the curves and the comparison in")
    options = parser.parse_args()
    ours: dict[Trained, Curves] = {}
    kept: list[dict[str, Any]] = []
    for path in options.jobs:
        folder = JobFolder(path)
        job = folder.assignment()
        cell = next((name for name in CELLS if parse_cell(name).arch == job.cell), None)
        if cell is None or (job.dataset, job.recipe.name) != (DATASET, RECIPE):
            raise SystemExit(f"{path} is not of cells {', '.join(CELLS)} on {DATASET} by {RECIPE}")
        records, _ = folder.epochs()
        if records:
            ours[cell, job.seed] = curves_of(records)
        kept.append({"cell": cell, "seed": job.seed, "threads": job.threads, "epochs": records})
    try:
        points = compare(ours, official(options.records))
    except BenchmarkError as error:
        raise SystemExit(str(error)) from None
    for line in told(points):
        sys.stdout.write(f"{line}\n")
    if options.out:
        held = {"trained": kept, "points": [asdict(point) for point in points]}
        options.out.write_text(json.dumps(held, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
