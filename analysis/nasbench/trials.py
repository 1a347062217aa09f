"""One cell on one data set under one schedule: the numbers behind every answer of the classes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from analysis.nasbench.names import SETS, NotRecordedError, as_epoch, as_hp, as_set, known
from analysis.nasbench.records import Kind, Label, Records, Trainings, mean
from analysis.spaces.nasbench201 import cost, from_index


class Trials:
    """The trainings of a cell on a data set; nothing is fetched before it is asked for.

    Args:
        records: what the server holds.
        index: official index of the cell.
        dataset: as trained on.
        hp: schedule, ``'12'`` or ``'200'``.

    Raises:
        ValueError: an unknown data set or schedule.
    """

    def __init__(self, records: Records, index: int, dataset: str, hp: str | int) -> None:
        self._records = records
        self.index = index
        self.dataset = known("data set", dataset, SETS)
        self.hp = as_hp(hp)

    @property
    def trainings(self) -> Trainings:
        """One per seed, unnamed ones behind."""
        return self._records.held(self.index, self.dataset, self.hp).trainings

    @property
    def seeds(self) -> list[int]:
        """The named seeds, rising."""
        labels = (training.label for training in self.trainings)
        return [seed for seed, _ in labels if seed is not None]

    def choose(self, is_random: bool | int) -> int | None:
        """The seed that ``is_random`` means: any for True, None (the mean) for False.

        Raises:
            NotRecordedError: no training has this seed, or none has a named one.
        """
        if is_random is False:
            return None
        seeds = self.seeds
        if is_random is True and seeds:
            return random.choice(seeds)  # noqa: S311 - as the packages choose
        if is_random not in seeds:
            asked = "a random seed" if is_random is True else f"seed {is_random!r}"
            raise NotRecordedError(f"{asked} of {self}: not recorded; seeds: {seeds or 'none'}")
        return is_random

    def value(self, kind: Kind, iepoch: int, seed: int | None) -> float | None:
        """A seed's accuracy or loss after an epoch (from 0), or the mean over seeds; or None."""
        last = iepoch == int(self.hp) - 1
        if last and seed is None:
            return self._records.held(self.index, self.dataset, self.hp).means.get(kind)
        values = self._final(kind) if last else self._at(kind, iepoch)
        return mean(values) if seed is None else values.get((seed, None))

    def curve(self, kind: Kind, seed: int) -> dict[int, float]:
        """A seed's values by epoch, those that were recorded."""
        curves = self._records.curves(self.index, self.dataset, self.hp)
        values = curves.get(((seed, None), kind), ())
        return {epoch: value for epoch, value in enumerate(values) if not math.isnan(value)}

    def seconds_per_epoch(self, seed: int | None) -> float | None:
        """Training time of an epoch, every one its share of the whole; None where not recorded."""
        times = {t.label: t.train_time_s for t in self.trainings if t.train_time_s is not None}
        total = mean(times) if seed is None else times.get((seed, None))
        return None if total is None else total / int(self.hp)

    def latency_s(self, seed: int | None) -> float | None:
        """Seconds for a batch of 256; None where not recorded."""
        found = {t.label: t.latency_s for t in self.trainings if t.latency_s is not None}
        return mean(found) if seed is None else found.get((seed, None))

    def sets(self) -> list[str]:
        """The image sets, but for ``train``, that any of the trainings evaluated at its end."""
        held = {eval_set for training in self.trainings for eval_set, _ in training.final}
        return [name for name in SETS[self.dataset].values() if name != "train" and name in held]

    def metrics(self, name: str, iepoch: int | None, is_random: bool | int) -> dict[str, Any]:
        """``iepoch``, ``loss``, ``accuracy``, ``cur_time`` and ``all_time`` on an image set.

        Raises:
            ValueError: an unknown set, or an epoch beyond the schedule.
            NotRecordedError: neither loss nor accuracy is there.
        """
        return self.seed_metrics(name, iepoch, self.choose(is_random))

    def seed_metrics(self, name: str, iepoch: int | None, seed: int | None) -> dict[str, Any]:
        """The same with the seed chosen; None is the mean."""
        eval_set, epoch = as_set(self.dataset, name), as_epoch(iepoch, self.hp)
        loss, accuracy = (self.value((eval_set, m), epoch, seed) for m in ("loss", "accuracy"))
        if loss is None and accuracy is None:
            raise self.not_recorded(f"{eval_set} after epoch {epoch} (from 0)")
        time = self.seconds_per_epoch(seed) if eval_set == "train" else None
        return {
            "iepoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "cur_time": time,
            "all_time": None if time is None else time * (epoch + 1),
        }

    def costs(self, seed: int | None = None) -> dict[str, float | None]:
        """FLOPs and parameters in millions by formula, latency and times in seconds, or None."""
        params, flops = cost(from_index(self.index), self.dataset)
        return {
            "flops": flops,
            "params": params,
            "latency": self.latency_s(seed),
            **self.times(seed),
        }

    def times(self, seed: int | None) -> dict[str, float | None]:
        """``T-<set>@epoch`` and ``T-<set>@total``; those of evaluations are None."""
        time = self.seconds_per_epoch(seed)
        found = {
            "T-train@epoch": time,
            "T-train@total": None if time is None else time * int(self.hp),
        }
        for name in self.sets():
            found |= {f"T-{name}@epoch": None, f"T-{name}@total": None}
        return found

    def not_recorded(self, what: str) -> NotRecordedError:
        """That something is missing, and what this server has of the data set."""
        return self._records.not_recorded(f"{what} of {self}", self.dataset)

    def __str__(self) -> str:
        return f"cell {self.index} on {self.dataset} with hp {self.hp}"

    def _final(self, kind: Kind) -> Mapping[Label, float]:
        return {t.label: t.final[kind] for t in self.trainings if kind in t.final}

    def _at(self, kind: Kind, iepoch: int) -> Mapping[Label, float]:
        curves = self._records.curves(self.index, self.dataset, self.hp)
        found = {label: curve[iepoch] for (label, of), curve in curves.items() if of == kind}
        return {label: value for label, value in found.items() if not math.isnan(value)}
