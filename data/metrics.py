"""Names of measures along training, and what they are asked for.

A metric is ``<measure>@<epoch>of<schedule>`` (``valid_accuracy@12of200``), ``<measure>@final``,
``epochs_to_<threshold>of<schedule>`` or ``half_life_of<schedule>``; ``:std`` or ``:n_seeds`` behind
it asks for the spread over seeds or their number, ``:state`` for why there is no value. What it
means depends on the *context* (data set, seed, source, recipe, images), and what can be answered on
the *catalogue* of what is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from data.errors import QueryError, nearest

Numeric = Literal["value", "std", "n_seeds"]
Aspect = Numeric | Literal["state"]

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
    " each also with :std, :n_seeds or :state behind"
)

_AT = re.compile(r"([a-z_]+)@(?:(\d{1,5})of(\d{1,5})|final)", re.ASCII)
_EPOCHS_TO = re.compile(r"epochs_to_(\d{1,3}(?:\.\d{1,6})?)of(\d{1,5})", re.ASCII)
_HALF_LIFE = re.compile(r"half_life_of(\d{1,5})", re.ASCII)
_ASPECT = re.compile(r"(.*?):(std|n_seeds|state)")
_ASPECTS: dict[str, Aspect] = {"std": "std", "n_seeds": "n_seeds", "state": "state"}


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
        elif self.epoch is None:
            name = self.measure
        else:
            name = f"{self.measure}@{self.epoch}of{self.schedule}"
        return name if self.aspect == "value" else f"{name}:{self.aspect}"


def lower_is_better(metric: Metric) -> bool:
    """Whether the best cell is the one with the smallest value."""
    if metric.measure in LEVELS:
        return metric.measure.endswith("_loss")
    return metric.measure != "aulc"


def parse_metric(text: str) -> Metric:
    """``text`` as a :class:`Metric`.

    Raises:
        QueryError: not of the grammar, or an epoch outside its schedule.
    """
    aspect: Aspect = "value"
    body = text
    if found := _ASPECT.fullmatch(text):
        body = found[1]
        aspect = _ASPECTS[found[2]]
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
    images, or on images that were divided in another way, are never mixed: ``images`` and ``split``
    name those that are meant; ``split`` None is the only one there is, for the benchmark's own
    recipes the official one. A cell's value comes from one
    source, unless ``pooled`` (:mod:`data.origin`).
    """

    dataset: str = "cifar10"
    seed: int | None = None
    source: str | None = None
    recipe: str | None = None
    images: str = "original"
    split: str | None = None
    pooled: bool = False
