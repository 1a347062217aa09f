"""What stands for the packages' ``ArchResults``: a cell under one schedule, on every data set."""

from __future__ import annotations

from typing import Any, ClassVar

from analysis.nasbench.names import DATASETS, NotRecordedError, Partial, as_hp, known
from analysis.nasbench.records import Records
from analysis.nasbench.results import NO_WEIGHTS, NOT_STORED, READ_ONLY, ResultsCount
from analysis.nasbench.trials import Trials
from analysis.spaces.nasbench201 import from_index


class ArchResults(Partial):
    """A cell under one schedule, on every data set; fetched as it is asked for."""

    _absent: ClassVar[dict[str, str]] = {
        "get_net_param": NO_WEIGHTS,
        "clear_params": NO_WEIGHTS,
        "clear_net_done": NO_WEIGHTS,
        "debug_test": "it is the package's own check of itself",
        **dict.fromkeys(("state_dict", "create_from_state_dict"), NOT_STORED),
        **dict.fromkeys(
            (
                "update",
                "reset_latency",
                "reset_pseudo_train_times",
                "reset_pseudo_eval_times",
                "load_state_dict",
            ),
            READ_ONLY,
        ),
    }

    def __init__(self, records: Records, index: int, hp: str | int) -> None:
        self._records = records
        self._hp = as_hp(hp)
        self.arch_index = index
        self.arch_str = from_index(index).arch

    def _on(self, dataset: str) -> Trials:
        return Trials(self._records, self.arch_index, dataset, self._hp)

    @property
    def dataset_seed(self) -> dict[str, list[int]]:
        """Seeds, rising, by data set; those that the cell was trained on."""
        every = {dataset: self._on(dataset) for dataset in DATASETS}
        return {dataset: trials.seeds for dataset, trials in every.items() if trials.trainings}

    @property
    def all_results(self) -> dict[tuple[str, int], ResultsCount]:
        """Every training, by data set and seed."""
        return {
            (dataset, seed): result
            for dataset in self.dataset_seed
            for seed, result in self._all(dataset).items()
        }

    def get_dataset_names(self) -> list[str]:
        """The data sets that the cell was trained on."""
        return list(self.dataset_seed)

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Seeds, rising."""
        return self._on(dataset).seeds

    def get_compute_costs(self, dataset: str) -> dict[str, float | None]:
        """FLOPs and parameters (millions, exact), latency and times (s, mean over seeds)."""
        return self._on(dataset).costs()

    def get_latency(self, dataset: str) -> float:
        """Mean latency in seconds for a batch of 256.

        Raises:
            NotRecordedError: not on the server.
        """
        trials = self._on(dataset)
        latency = trials.latency_s(None)
        if latency is None:
            raise NotRecordedError(f"latency of {trials}: not recorded")
        return latency

    def get_metrics(
        self,
        dataset: str,
        setname: str,
        iepoch: int | None = None,
        is_random: bool | int = False,
    ) -> dict[str, Any]:
        """Loss, accuracy and times on an image set by its official name.

        Args:
            dataset: as trained on.
            setname: train, x-valid, x-test or ori-test.
            iepoch: from 0; None is the last.
            is_random: False for the mean over seeds, True for any seed, or a seed.

        Raises:
            ValueError: an unknown name, or an epoch beyond the schedule.
            NotRecordedError: not on the server.
        """
        return self._on(dataset).metrics(setname, iepoch, is_random)

    def get_total_epoch(self, dataset: str | None = None) -> int:
        """Planned epochs, the same on each data set."""
        if dataset is not None:
            known("data set", dataset, DATASETS)
        return int(self._hp)

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """The training with this seed; without one, all of them by seed.

        Raises:
            NotRecordedError: no training has this seed.
        """
        if seed is None:
            return self._all(dataset)
        trials = self._on(dataset)
        trials.choose(seed)
        return ResultsCount(trials, seed)

    def _all(self, dataset: str) -> dict[int, ResultsCount]:
        trials = self._on(dataset)
        return {seed: ResultsCount(trials, seed) for seed in trials.seeds}

    def arch_idx_str(self) -> str:
        """The index in six digits."""
        return f"{self.arch_index:06d}"

    def show(self, is_print: bool = False) -> list[str]:
        """Lines for each data set: costs, then loss and accuracy at the end; printed if asked."""
        lines = [self.arch_str]
        for dataset in self.get_dataset_names():
            trials = self._on(dataset)
            lines += [_costs_line(trials), _metrics_line(trials)]
        if is_print:
            print("\n".join(lines))
        return lines

    def __repr__(self) -> str:
        return f"ArchResults(index={self.arch_index}, arch={self.arch_str}, hp={self._hp})"


def _costs_line(trials: Trials) -> str:
    costs = trials.costs()
    latency = costs["latency"]
    shown = "not recorded" if latency is None else f"{latency * 1000:.2f} ms"
    return (
        f"{trials.dataset:14s} {costs['flops']:.2f} MFLOPs, {costs['params']:.3f} M parameters, "
        f"latency {shown}, seeds {trials.seeds}"
    )


def _metrics_line(trials: Trials) -> str:
    parts = []
    for name in ("train", *trials.sets()):
        last = int(trials.hp) - 1
        loss, accuracy = (trials.value((name, m), last, None) for m in ("loss", "accuracy"))
        found = [] if loss is None else [f"loss {loss:.3f}"]
        found += [] if accuracy is None else [f"top-1 {accuracy:.2f} %"]
        parts += [f"{name}: {', '.join(found)}"] if found else []
    return f"{trials.dataset:14s} {'; '.join(parts)}"
