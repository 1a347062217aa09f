"""What is recorded in the loaded sources, and which recorded curve a metric means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from data.errors import QueryError, nearest
from data.metrics import LEVELS, SPLITS, SUMMARIES, WHOLE, Context, Metric
from data.told_apart import BENCHMARK, OFFICIAL

# What the plain words mean, by data set (the public record of NAS-Bench-201): the stored data set
# and image set. A word that is missing here was never recorded for that data set.
_WORDS: dict[str, dict[str, tuple[str, str]]] = {
    "cifar10": {
        "train": ("cifar10", "train"),
        "valid": ("cifar10-valid", "x-valid"),
        "test": ("cifar10", "ori-test"),
    },
    "cifar10-valid": {
        "train": ("cifar10-valid", "train"),
        "valid": ("cifar10-valid", "x-valid"),
        "test": ("cifar10-valid", "ori-test"),
    },
}
for _dataset in ("cifar100", "ImageNet16-120"):
    _WORDS[_dataset] = {
        "train": (_dataset, "train"),
        "valid": (_dataset, "x-valid"),
        "test": (_dataset, "x-test"),
        "valtest": (_dataset, "ori-test"),
    }

BENCHMARK_DATASETS = tuple(_WORDS)


@dataclass(frozen=True, slots=True)
class Curve:
    """A kind of curve: one measure of one image set under one recipe, on one split."""

    number: int
    dataset: str
    schedule: int
    recipe: str
    images: str
    eval_set: str
    measure: str
    split: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one source holds of a kind of curve."""

    curve: Curve
    source: str
    epochs: frozenset[int]
    seeds: frozenset[int]
    cells: int
    runs: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """A metric in its context: the curve, the epochs that it needs, and who recorded them."""

    metric: Metric
    curve: Curve
    epochs: tuple[int, ...]
    sources: tuple[str, ...]
    context: Context


class Catalogue:
    """What is recorded in the loaded sources; decides which curve a metric means."""

    def __init__(self, recorded: Iterable[Recorded]) -> None:
        self.recorded = tuple(recorded)
        trained = {entry.curve.dataset for entry in self.recorded}
        self.datasets = (*BENCHMARK_DATASETS, *sorted(trained - set(BENCHMARK_DATASETS)))
        self.sources = tuple(sorted({entry.source for entry in self.recorded}))
        # Every request resolves its metrics; what is recorded doesn't change within a catalogue.
        self._resolve_once = lru_cache(maxsize=4096)(self._resolve)

    def dataset(self, name: str) -> str:
        """The data set's own spelling; case doesn't matter.

        Raises:
            QueryError: no benchmark data set, and nothing is loaded for it.
        """
        for dataset in self.datasets:
            if dataset.lower() == name.lower():
                return dataset
        raise QueryError(name, "unknown data set", ", ".join(self.datasets))

    def check_source(self, name: str | None) -> None:
        """Do nothing for None or a loaded source.

        Raises:
            QueryError: nothing of that name is loaded.
        """
        if name is not None and name not in self.sources:
            raise QueryError(name, "no such source", ", ".join(self.sources))

    def stored(self, dataset: str, split: str) -> tuple[str, str] | None:
        """The stored data set and image set of a plain word, or None where there is none."""
        if dataset in _WORDS:
            return _WORDS[dataset].get(split)
        return {
            "train": (dataset, "train"),
            "valid": (dataset, "x-valid"),
            "test": (dataset, "ori-test"),
        }.get(split)

    def _words(self, dataset: str) -> dict[tuple[str, str], str]:
        pairs = {split: self.stored(dataset, split) for split in SPLITS}
        return {stored: split for split, stored in pairs.items() if stored is not None}

    def _own(self, context: Context) -> list[tuple[str, Recorded]]:
        """The entries that this context reaches, each with its plain word."""
        words = self._words(context.dataset)
        return [
            (words[entry.curve.dataset, entry.curve.eval_set], entry)
            for entry in self.recorded
            if (entry.curve.dataset, entry.curve.eval_set) in words
            and (context.source is None or entry.source == context.source)
        ]

    def available(self, context: Context) -> dict[str, frozenset[int]]:
        """Recorded epochs by ``<split>_<measure>of<schedule>`` in this context."""
        found: dict[str, frozenset[int]] = {}
        for word, entry in self._own(context):
            if _matches(entry.curve, context):
                name = f"{word}_{entry.curve.measure}of{entry.curve.schedule}"
                found[name] = found.get(name, frozenset()) | entry.epochs
        return found

    def describe_available(self, context: Context) -> str:
        """The same in one line: ``valid_accuracy@{200}of200, ...``."""
        parts = []
        for name, epochs in sorted(self.available(context).items()):
            measure, schedule = name.rsplit("of", 1)
            parts.append(f"{measure}@{{{ranges(epochs)}}}of{schedule}")
        where = f"dataset={context.dataset}"
        if context.source is not None:
            where += f", source={context.source}"
        if context.recipe is not None:
            where += f", recipe={context.recipe}"
        if context.split is not None:
            where += f", split={context.split}"
        return f"recorded for {where}: " + (", ".join(parts) or "nothing")

    def final_schedule(self, context: Context) -> int | None:
        """The longest schedule that the data set has in this context."""
        schedules = [
            entry.curve.schedule
            for _, entry in self._own(replace(context, source=None))
            if _matches(entry.curve, context)
        ]
        return max(schedules, default=None)

    def curves(self, measure: str, schedule: int | None, context: Context) -> list[Recorded]:
        """The entries that hold ``<split>_<accuracy|loss>``, of one schedule where given."""
        split, _, kind = measure.partition("_")
        return [
            entry
            for word, entry in self._own(context)
            if word == split
            and entry.curve.measure == kind
            and (schedule is None or entry.curve.schedule == schedule)
            and _matches(entry.curve, context)
        ]

    def holds(self, measure: str, context: Context) -> bool:
        """Whether a data set has ``<split>_<accuracy|loss>`` at all, from whatever training."""
        split, _, kind = measure.partition("_")
        return any(
            word == split and entry.curve.measure == kind
            for word, entry in self._own(replace(context, source=None))
        )

    def resolve(self, metric: Metric, context: Context) -> Resolved:
        """The curve that ``metric`` means in ``context``, and the epochs that it needs.

        Raises:
            QueryError: not recorded there; names what is, and the recipe, images or split that hold
                it. Recorded for several splits, of which the context names none.
        """
        return self._resolve_once(metric, context)

    def resolve_curve(self, measure: str, schedule: int | None, context: Context) -> Resolved:
        """All recorded epochs of ``<split>_<accuracy|loss>``; the longest schedule for None.

        Raises:
            QueryError: no such measure, or nothing of it is recorded in this context.
        """
        if measure not in LEVELS:
            raise QueryError(
                measure,
                "no measure of single epochs",
                f"{nearest(measure, LEVELS)} {', '.join(LEVELS)}".strip(),
            )
        context = replace(context, dataset=self.dataset(context.dataset))
        if schedule is None:
            schedule = max(
                (entry.curve.schedule for entry in self.curves(measure, None, context)), default=0
            )
        entries = self.curves(measure, schedule, context)
        if not entries:
            raise self._not_recorded(Metric(measure, None, schedule or None), context)
        held = sorted(frozenset[int]().union(*(entry.epochs for entry in entries)))
        resolved = self.resolve(Metric(measure, held[-1], schedule), context)
        return replace(
            resolved,
            epochs=tuple(held),
            sources=tuple(sorted({entry.source for entry in entries})),
        )

    def _resolve(self, metric: Metric, context: Context) -> Resolved:
        context = replace(context, dataset=self.dataset(context.dataset))
        self.check_source(context.source)
        schedule = metric.schedule
        if schedule is None:
            schedule = self.final_schedule(context)
            if schedule is None:
                raise self._not_recorded(metric, context)
        entries = self.curves(metric.curve_measure, schedule, context)
        if metric.measure in LEVELS:
            epochs: tuple[int, ...] = (metric.epoch or schedule,)
        elif metric.measure == "sotl_e":
            epochs = (metric.epoch or schedule,)
        elif metric.measure in SUMMARIES:
            epochs = tuple(range(1, (metric.epoch or schedule) + 1))
        else:
            epochs = tuple(range(1, schedule + 1))
        # Single curves may be shorter than others of their kind: each epoch must be on record
        # somewhere; a cell that lacks one of them is left out and counted.
        held = frozenset[int]().union(*(entry.epochs for entry in entries))
        needed = epochs if metric.measure != "epochs_to" else epochs[:1]
        if not held.issuperset(needed):
            raise self._not_recorded(metric, context)
        splits = sorted({entry.curve.split for entry in entries})
        if len(splits) > 1:
            raise QueryError(
                str(metric),
                "recorded of trainings whose images were divided in different ways, which are "
                "never mixed",
                " or ".join(f"split={split}" for split in splits),
            )
        seeds = frozenset[int]().union(*(entry.seeds for entry in entries))
        if context.seed is not None and context.seed not in seeds:
            raise QueryError(
                str(context.seed),
                f"{metric} is not recorded for this seed",
                "mean" + "".join(f", {seed}" for seed in sorted(seeds)),
                "seed",
            )
        sources = tuple(
            sorted({entry.source for entry in entries if not entry.epochs.isdisjoint(epochs)})
        )
        return Resolved(
            replace(metric, epoch=metric.epoch or schedule, schedule=schedule)
            if metric.measure not in WHOLE
            else metric,
            entries[0].curve,
            epochs,
            sources,
            context,
        )

    def _not_recorded(self, metric: Metric, context: Context) -> QueryError:
        split, _, kind = metric.curve_measure.partition("_")
        elsewhere = sorted(
            {
                _address(entry.curve)
                for word, entry in self._own(context)
                if word == split
                and entry.curve.measure == kind
                and metric.schedule in (None, entry.curve.schedule)
                and not _matches(entry.curve, context)
            }
        )
        problem = f"not recorded for {context.dataset}"
        if context.dataset == "cifar10" and split == "train":
            problem += " (training on all 50,000 images; cifar10-valid trains on 25,000 of them)"
        if elsewhere:
            problem += ", but held under " + " or ".join(elsewhere)
        return QueryError(str(metric), problem, self.describe_available(context))


def _matches(curve: Curve, context: Context) -> bool:
    recipe = context.recipe or f"nb201-{curve.schedule}"
    if curve.recipe != recipe or curve.images != context.images:
        return False
    if context.split is None:
        return not curve.recipe.startswith(BENCHMARK) or curve.split == OFFICIAL
    return curve.split == context.split


def _address(curve: Curve) -> str:
    """Parameters that ask for the curve; a split that is meant anyway is left out."""
    parts = [f"recipe={curve.recipe}"]
    if curve.images != "original":
        parts.append(f"images={curve.images}")
    if curve.recipe.startswith(BENCHMARK) and curve.split != OFFICIAL:
        parts.append(f"split={curve.split}")
    return "&".join(parts)


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in short: ``1..12``, ``3, 8, 23``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{low}" if low == high else f"{low}..{high}" for low, high in runs)
