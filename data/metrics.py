"""Names of measures along training: their grammar, and which recorded curve each one means.

A metric is ``<measure>@<epoch>of<schedule>`` (``valid_accuracy@12of200``), ``<measure>@final``,
``epochs_to_<threshold>of<schedule>`` or ``half_life_of<schedule>``; ``:std`` or ``:n_seeds`` behind
it asks for the spread over seeds or their number. What it means depends on the *context* (data set,
seed, source, recipe, images), and what can be answered on the *catalogue* of what is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from data.errors import QueryError, nearest

Aspect = Literal["value", "std", "n_seeds"]

SPLITS = ("train", "valid", "test", "valtest")
LEVELS = tuple(f"{split}_{measure}" for split in SPLITS for measure in ("accuracy", "loss"))
"""Measures that are read off a curve at one epoch."""

SUMMARIES: dict[str, str] = {
    "aulc": "valid_accuracy",
    "sotl": "train_loss",
    "sotl_e": "train_loss",
    "tse_ema": "train_loss",
}
"""Measures over the first epochs, with the curve that each one summarises."""

WHOLE: dict[str, str] = {"epochs_to": "valid_accuracy", "half_life": "valid_accuracy"}
"""Measures of a whole curve."""

MEANINGS: dict[str, tuple[str, str, str]] = {
    "train_accuracy": ("accuracy on the training images", "percent, top-1", "0..100"),
    "train_loss": ("mean cross-entropy over the epoch's training batches", "nats", ">= 0"),
    "valid_accuracy": ("accuracy on the validation images", "percent, top-1", "0..100"),
    "valid_loss": ("cross-entropy on the validation images", "nats", ">= 0"),
    "test_accuracy": ("accuracy on the test images", "percent, top-1", "0..100"),
    "test_loss": ("cross-entropy on the test images", "nats", ">= 0"),
    "valtest_accuracy": ("accuracy on validation and test images together", "percent", "0..100"),
    "valtest_loss": ("cross-entropy on validation and test images together", "nats", ">= 0"),
    "aulc": ("mean validation accuracy over the first epochs", "percent", "0..100"),
    "sotl": ("sum of training losses over the first epochs (Ru et al. 2021)", "nats", ">= 0"),
    "sotl_e": ("training loss of the last of these epochs (Ru et al. 2021)", "nats", ">= 0"),
    "tse_ema": ("sum of training losses, decayed by 0.999 (Ru et al. 2021)", "nats", ">= 0"),
    "epochs_to": ("first epoch with at least this validation accuracy", "epochs", ">= 1"),
    "half_life": ("first epoch with half of the rise in validation accuracy", "epochs", ">= 1"),
}

GRAMMAR = (
    "<measure>@<epoch>of<schedule> or <measure>@final, measures: "
    + ", ".join((*LEVELS, *SUMMARIES))
    + "; epochs_to_<accuracy>of<schedule>; half_life_of<schedule>;"
    " each also with :std or :n_seeds behind"
)

_AT = re.compile(r"([a-z_]+)@(?:(\d{1,5})of(\d{1,5})|final)", re.ASCII)
_EPOCHS_TO = re.compile(r"epochs_to_(\d{1,3}(?:\.\d{1,6})?)of(\d{1,5})", re.ASCII)
_HALF_LIFE = re.compile(r"half_life_of(\d{1,5})", re.ASCII)
_ASPECT = re.compile(r"(.*?):(std|n_seeds)")

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
class Metric:
    """A parsed metric. ``schedule`` is None for ``@final``; ``epoch`` for whole-curve measures."""

    measure: str
    epoch: int | None = None
    schedule: int | None = None
    threshold: float | None = None
    aspect: Aspect = "value"

    @property
    def final(self) -> bool:
        """Whether the schedule is left to what the data set has."""
        return self.schedule is None

    @property
    def curve_measure(self) -> str:
        """The curve that this metric is read off, as ``<split>_<accuracy|loss>``."""
        return SUMMARIES.get(self.measure) or WHOLE.get(self.measure) or self.measure

    def __str__(self) -> str:
        if self.measure == "epochs_to":
            threshold = f"{self.threshold:.6f}".rstrip("0").rstrip(".")
            name = f"epochs_to_{threshold}of{self.schedule}"
        elif self.measure == "half_life":
            name = f"half_life_of{self.schedule}"
        elif self.final:
            name = f"{self.measure}@final"
        else:
            name = f"{self.measure}@{self.epoch}of{self.schedule}"
        return name if self.aspect == "value" else f"{name}:{self.aspect}"


def parse_metric(text: str) -> Metric:
    """``text`` as a :class:`Metric`.

    Raises:
        QueryError: not of the grammar, or an epoch outside its schedule.
    """
    aspect: Aspect = "value"
    body = text
    if found := _ASPECT.fullmatch(text):
        body = found[1]
        aspect = "std" if found[2] == "std" else "n_seeds"
    if found := _AT.fullmatch(body):
        if found[1] not in LEVELS and found[1] not in SUMMARIES:
            raise QueryError(
                text,
                f"there is no measure {found[1]!r}",
                f"{nearest(found[1], (*LEVELS, *SUMMARIES))} {GRAMMAR}".strip(),
            )
        if found[2] is None:
            return Metric(found[1], aspect=aspect)
        epoch, schedule = int(found[2]), int(found[3])
        if not 1 <= epoch <= schedule:
            raise QueryError(
                text,
                f"epoch {epoch} lies outside a schedule of {schedule}",
                f"epochs 1 to {schedule}, counted from 1",
            )
        return Metric(found[1], epoch, schedule, aspect=aspect)
    if (found := _EPOCHS_TO.fullmatch(body)) and int(found[2]) > 0:
        threshold = float(found[1])
        if threshold > 100:
            raise QueryError(text, "an accuracy above 100 percent", "0 to 100")
        return Metric("epochs_to", None, int(found[2]), threshold, aspect)
    if (found := _HALF_LIFE.fullmatch(body)) and int(found[1]) > 0:
        return Metric("half_life", None, int(found[1]), aspect=aspect)
    raise QueryError(text, "this is no column and no metric", GRAMMAR)


@dataclass(frozen=True, slots=True)
class Context:
    """What a metric is asked for. ``recipe`` None means the benchmark's own, ``nb201-<schedule>``.

    ``seed`` None is the mean over the seeds there are. Runs on other renderings of a data set's
    images are never mixed: ``images`` names the one that is meant.
    """

    dataset: str = "cifar10"
    seed: int | None = None
    source: str | None = None
    recipe: str | None = None
    images: str = "original"


@dataclass(frozen=True, slots=True)
class Curve:
    """A kind of curve: one measure of one image set under one recipe."""

    number: int
    dataset: str
    schedule: int
    recipe: str
    images: str
    eval_set: str
    measure: str


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
            QueryError: not recorded there; names what is, and the recipe or images that hold it.
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
                f"recipe={entry.curve.recipe}"
                + (f"&images={entry.curve.images}" if entry.curve.images != "original" else "")
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
    return curve.recipe == recipe and curve.images == context.images


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers in short: ``1..12``, ``3, 8, 23``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{low}" if low == high else f"{low}..{high}" for low, high in runs)
