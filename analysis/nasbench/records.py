"""What the server holds of the benchmark's trainings, fetched as it is needed and kept.

A few cells are asked for one by one: one request brings all that is known of a cell at the end of
its trainings, another one all curves on one data set under one schedule. Whoever goes on to more
cells than :data:`SINGLY` gets the ends of all 15,625 at once, data set by data set.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any, TypeAlias

from analysis.client import Client
from analysis.nasbench.names import DATASETS, HPS, SETS, NotRecordedError
from analysis.spaces.nasbench201 import N_CELLS

SINGLY = 100
"""Cells that are asked for one by one: as many take about as long as all of them at once."""
CURVES_KEPT = 4096
"""Cells' curves kept, each of one data set and schedule: at 38 KB for three seeds of 200 epochs."""
PAGE = ("limit", "1000")

Label = tuple[int | None, str | None]
"""Tells the trainings of a cell apart: the seed; where none is named, what the server calls it."""
Kind = tuple[str, str]
"""Image set by its official name, and ``accuracy`` or ``loss``."""
Curve: TypeAlias = "array[float]"
"""Value by epoch from 0, NaN where not recorded."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a cell: times in seconds, and its values after the last epoch.

    Where several sources hold it, each number is the first one's, the official table before others.
    """

    label: Label
    latency_s: float | None
    train_time_s: float | None
    final: dict[Kind, float]


Trainings = tuple[Training, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of a cell: its trainings, and means after the last epoch, each of one source."""

    trainings: Trainings = ()
    means: dict[Kind, float] = field(default_factory=dict)


def mean(values: Mapping[Label, float]) -> float | None:
    """The mean as the server takes it; None without a value.

    Over named seeds; where no seed is named, over the unnamed ones; else a table's own mean.
    """
    by_tier: dict[int, list[float]] = defaultdict(list)
    for label, value in values.items():
        by_tier[_tier(label)].append(value)
    best = by_tier[min(by_tier)] if by_tier else []
    return sum(best) / len(best) if best else None


def mean_of_one_source(values: Mapping[tuple[int, Label], float]) -> float:
    """The mean of the one source that the server chooses (docs/sources.md).

    ``values``, one or more, are by the source's place among all and the training's label.
    """
    held: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (place, label), value in values.items():
        held[_tier(label), place].append(value)

    def worth(candidate: tuple[int, int]) -> tuple[bool, int, int]:
        tier, place = candidate
        return len(held[candidate]) == 1 and tier < _MEANS, tier, place

    best = held[min(held, key=worth)]
    return math.fsum(best) / len(best)


_MEANS = 2  # the tier of tables' own means


def _tier(label: Label) -> int:
    seed, replicate = label
    return 0 if seed is not None else _MEANS if replicate == "mean" else 1


class Records:
    """The benchmark's trainings on one server.

    What was fetched is kept, also where the server has got other tables since: see `forget`.
    """

    def __init__(self, client: Client, *, verbose: bool) -> None:
        self._client = client
        self._verbose = verbose
        self.forget()

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy in another process fetches for itself.
        return partial(Records, verbose=self._verbose), (self._client,)

    def forget(self) -> None:
        """Fetch everything anew from here on."""
        for name in ("recorded", "evaluated", "_precedence"):
            self.__dict__.pop(name, None)
        self._cells: dict[int, dict[tuple[str, str], Held]] = {}
        self._tables: dict[tuple[str, str], dict[int, Held]] = {}
        self.curves = lru_cache(maxsize=CURVES_KEPT)(self._read_curves)

    @cached_property
    def recorded(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """By data set and schedule, what the server lists as recorded: measure, epochs, seeds."""
        found = defaultdict(list)
        for entry in self._get("/columns", holding="recorded"):
            place = entry["dataset"], str(entry["schedule"])
            split = entry["measure"].partition("_")[0]
            if _is_benchmark(entry) and split in SETS[place[0]]:
                found[place].append(entry)
        return found

    def not_recorded(self, what: str, dataset: str) -> NotRecordedError:
        """That something is missing, and what the server has of the data set."""
        held = [
            f"{entry['measure']} at epochs {entry['epochs']} (from 1) of {hp}"
            for (name, hp), entries in self.recorded.items()
            if name == dataset
            for entry in entries
        ]
        return NotRecordedError(
            f"{what}: not recorded; on {dataset} this server has, of one cell or more: "
            + ("; ".join(held) or "nothing")
        )

    @cached_property
    def evaluated(self) -> list[int]:
        """Official indices of the cells that were trained, rising."""
        entries = [entry for group in self.recorded.values() for entry in group]
        if any(entry["cells"] == N_CELLS for entry in entries):
            return list(range(N_CELLS))
        runs = (
            run for hp in HPS for run in self._items("/runs", [("recipe", f"nb201-{hp}"), PAGE])
        )
        return sorted({_index(run["cell"]) for run in runs if _is_benchmark(run)})

    def held(self, index: int, dataset: str, hp: str) -> Held:
        """A cell's trainings on a data set, named seeds first and rising; empty without any."""
        if (dataset, hp) in self._tables:
            return self._tables[dataset, hp].get(index, Held())
        if index not in self._cells and len(self._cells) < SINGLY:
            self._cells[index] = self._read_cell(index)
        if index in self._cells:
            return self._cells[index].get((dataset, hp), Held())
        return self.table(dataset, hp).get(index, Held())

    def table(self, dataset: str, hp: str) -> dict[int, Held]:
        """What is held of every cell that has any training, by official index."""
        if (dataset, hp) not in self._tables:
            self._tables[dataset, hp] = self._read_table(dataset, hp)
        return self._tables[dataset, hp]

    def best(
        self, dataset: str, word: str, hp: str, limits: Iterable[tuple[str, float]]
    ) -> tuple[int, float] | None:
        """Index and mean accuracy of the best cell, the lowest index where several are; or None.

        None is for limits that no cell is within.

        Args:
            dataset: as trained on.
            word: plain word of the image set.
            hp: schedule.
            limits: columns with the most that a cell may have of each.

        Raises:
            NotRecordedError: the server has no such accuracy of any cell.
        """
        if not any(
            entry["measure"] == f"{word}_accuracy" and _ends_at(entry, hp)
            for entry in self.recorded.get((dataset, hp), ())
        ):
            raise self.not_recorded(f"{word}_accuracy on {dataset} with hp {hp}", dataset)
        metric = f"{word}_accuracy@{hp}of{hp}"
        parameters = [
            ("dataset", dataset),
            ("fields", f"official_index,{metric}"),
            ("sort", f"-{metric},official_index"),
            ("limit", "1"),
            *((f"max_{column}", repr(float(most))) for column, most in limits),
        ]
        for cell in self._get("/cells", parameters, holding="items"):
            if cell[metric] is not None:
                return cell["official_index"], cell[metric]
        return None

    def _read_cell(self, index: int) -> dict[tuple[str, str], Held]:
        groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for run in self._get(f"/cells/{index}", holding="runs"):
            if _is_benchmark(run):
                groups[run["dataset"], str(run["schedule"])].append(run)
        return {place: self._merged(runs) for place, runs in groups.items()}

    def _read_table(self, dataset: str, hp: str) -> dict[int, Held]:
        here = [("dataset", dataset), PAGE]
        of_cell: dict[int, list[dict[str, Any]]] = defaultdict(list)
        recipe = f"nb201-{hp}"
        for run in self._items("/runs", [*here, ("schedule", hp), ("recipe", recipe)]):
            if _is_benchmark(run):
                of_cell[_index(run["cell"])].append(run)
        found = {index: self._merged(runs) for index, runs in of_cell.items()}
        seeds = {training.label[0] for held in found.values() for training in held.trainings}
        for seed in {None, *seeds}:
            fields = {
                f"{entry['measure']}@{hp}of{hp}": _kind(dataset, entry["measure"])
                for entry in self.recorded.get((dataset, hp), ())
                if _ends_at(entry, hp) and (seed is None or seed in entry["seeds"])
            }
            asked = ("seed", "mean" if seed is None else str(seed))
            names = ",".join(["official_index", *fields])
            for cell in self._items("/cells", [*here, asked, ("fields", names)]):
                held = found.get(cell["official_index"], Held())
                values = {
                    kind: cell[name] for name, kind in fields.items() if cell[name] is not None
                }
                if seed is None:
                    held.means.update(values)
                # What no seed is named for has the cell's mean: it counts only where no seed does.
                for training in held.trainings:
                    if training.label[0] == seed:
                        training.final.update(values)
        return found

    def _read_curves(self, index: int, dataset: str, hp: str) -> dict[tuple[Label, Kind], Curve]:
        measures = [entry["measure"] for entry in self.recorded.get((dataset, hp), ())]
        curves: dict[tuple[Label, Kind], Curve] = {}
        if not measures:
            return curves
        parameters = [("dataset", dataset), ("schedule", hp), ("seed", "all")]
        parameters += [("metric", measure) for measure in measures]
        for item in self._get(f"/cells/{index}/curves", parameters, holding="items"):
            curve = array("d", [math.nan]) * int(hp)
            for epoch, value in zip(item["epochs"], item["values"], strict=True):
                curve[epoch - 1] = value
            label = item["seed"], item["replicate"]
            curves[label, _kind(dataset, item["metric"])] = curve
        return curves

    def _merged(self, runs: list[dict[str, Any]]) -> Held:
        """One training per label: each number from the first source that has it; and the means."""
        found: dict[Label, dict[str, Any]] = {}
        values: dict[Kind, dict[tuple[int, Label], float]] = defaultdict(dict)
        for run in sorted(runs, key=lambda run: self._precedence[run["source"]]):
            place, label = self._precedence[run["source"]], (run["seed"], run["replicate"])
            merged = found.setdefault(label, {"final": {}})
            for name in ("latency_s", "train_time_s"):
                if merged.get(name) is None:
                    merged[name] = run[name]
            for curve in run.get("recorded", ()):
                if curve["last_epoch"] == run["schedule"] and curve["last_value"] is not None:
                    kind = curve["set"], curve["measure"]
                    merged["final"].setdefault(kind, curve["last_value"])
                    values[kind][place, label] = curve["last_value"]
        labels = sorted(found, key=lambda label: (label[0] is None, label[0] or 0, label[1] or ""))
        return Held(
            tuple(Training(label, **found[label]) for label in labels),
            {kind: mean_of_one_source(by_label) for kind, by_label in values.items()},
        )

    @cached_property
    def _precedence(self) -> dict[str, int]:
        sources = self._get("/sources", holding="items")
        return {source["name"]: place for place, source in enumerate(sources)}

    def _get(
        self, path: str, parameters: Iterable[tuple[str, str]] = (), *, holding: str
    ) -> list[dict[str, Any]]:
        """What an answer holds under this name."""
        self._say(path)
        found: list[dict[str, Any]] = self._client.get(path, list(parameters), holding=holding)[
            holding
        ]
        return found

    def _items(self, path: str, parameters: list[tuple[str, str]]) -> Iterable[dict[str, Any]]:
        self._say(f"{path}, all pages")
        return self._client.items(path, parameters)

    def _say(self, what: str) -> None:
        if self._verbose:
            print(f"asking the server for {what}")


def _is_benchmark(entry: Mapping[str, Any]) -> bool:
    """Whether a run, or what is recorded, is of the benchmark's data, recipes, images and split."""
    return (
        entry["dataset"] in DATASETS
        and str(entry["schedule"]) in HPS
        and entry["recipe"] == f"nb201-{entry['schedule']}"
        and entry["images"] == "original"
        and entry["split"] == "official"
    )


def _kind(dataset: str, measure: str) -> Kind:
    word, _, number = measure.partition("_")
    return SETS[dataset][word], number


def _ends_at(entry: Mapping[str, Any], hp: str) -> bool:
    """Whether the last of the recorded epochs (``1..12``, ``3, 8, 200``) is the schedule's end."""
    return re.split(r"\.\.|, ", entry["epochs"])[-1] == hp


def _index(cell_id: str) -> int:
    return int(cell_id.removeprefix("nb201-"))
