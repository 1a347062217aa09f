"""What stands for the packages' ``ResultsCount``: one training of a cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from analysis.nasbench.names import CLASSES, NotRecordedError, Partial, as_epoch
from analysis.nasbench.trials import Trials
from analysis.spaces.nasbench201 import from_index

NO_WEIGHTS = "the server holds no trained weights"
NOT_STORED = "the server has the results, not the packages' dictionaries of them"
READ_ONLY = "what the server holds can't be changed from here"


def config(index: int, dataset: str) -> dict[str, Any]:
    """What the network of a cell is built from; the skeleton is the same for all."""
    return {
        "name": "infer.tiny",
        "C": 16,
        "N": 5,
        "arch_str": from_index(index).arch,
        "num_classes": CLASSES[dataset],
    }


class ResultsCount(Partial):
    """One training of a cell; its curves are fetched with the first epoch but the last.

    As in the packages, epochs count from 0, ``seed`` is a text of four digits and the dictionaries
    of evaluations have keys such as ``x-valid@11``. ``eval_times`` is empty and the times of
    evaluations are None, as for an official file without them: the server keeps none.
    """

    _absent: ClassVar[dict[str, str]] = {
        "get_net_param": NO_WEIGHTS,
        "net_state_dict": NO_WEIGHTS,
        "train_acc5es": "the server holds top-1 accuracies only",
        **dict.fromkeys(("state_dict", "create_from_state_dict"), NOT_STORED),
        **dict.fromkeys(
            (
                "update_train_info",
                "update_latency",
                "update_eval",
                "update_OLD_eval",
                "reset_eval",
                "reset_pseudo_train_times",
                "reset_pseudo_eval_times",
                "load_state_dict",
            ),
            READ_ONLY,
        ),
    }

    def __init__(self, trials: Trials, seed: int) -> None:
        self._trials = trials
        self._seed = seed
        self.name = trials.dataset
        self.seed = f"{seed:04d}"
        self.epochs = int(trials.hp)
        self.eval_times: dict[str, float] = {}
        costs = trials.costs(seed)
        self.params, self.flop = costs["params"], costs["flops"]

    @property
    def arch_config(self) -> dict[str, Any]:
        """The cell string and the skeleton."""
        built = config(self._trials.index, self.name)
        names = {"C": "channel", "N": "num_cells", "num_classes": "class_num"}
        return {names.get(key, key): value for key, value in built.items() if key != "name"}

    @property
    def latency(self) -> list[float] | None:
        """Seconds for a batch of 256, in a list."""
        latency = self._trials.latency_s(self._seed)
        return None if latency is None else [latency]

    @property
    def train_times(self) -> dict[int, float] | None:
        """Seconds by epoch."""
        time = self._trials.seconds_per_epoch(self._seed)
        return None if time is None else dict.fromkeys(range(self.epochs), time)

    @property
    def train_acc1es(self) -> dict[int, float]:
        """Training accuracy in percent by epoch."""
        return self._trials.curve(("train", "accuracy"), self._seed)

    @property
    def train_losses(self) -> dict[int, float]:
        """Training loss by epoch."""
        return self._trials.curve(("train", "loss"), self._seed)

    @property
    def eval_names(self) -> list[str]:
        """The image sets that were evaluated."""
        return self._trials.sets()

    @property
    def eval_acc1es(self) -> dict[str, float]:
        """Accuracy in percent by ``<set>@<epoch>``."""
        return self._evaluated("accuracy")

    @property
    def eval_losses(self) -> dict[str, float]:
        """Loss by ``<set>@<epoch>``."""
        return self._evaluated("loss")

    def _evaluated(self, measure: str) -> dict[str, float]:
        return {
            f"{name}@{epoch}": value
            for name in self.eval_names
            for epoch, value in self._trials.curve((name, measure), self._seed).items()
        }

    def get_total_epoch(self) -> int:
        """Planned epochs."""
        return self.epochs

    def get_latency(self) -> float:
        """Seconds for a batch of 256.

        Raises:
            NotRecordedError: where the packages answer -1.
        """
        latency = self._trials.latency_s(self._seed)
        if latency is None:
            raise NotRecordedError(f"latency of {self._trials}, seed {self._seed}: not recorded")
        return latency

    def get_times(self) -> dict[str, float | None]:
        """``T-train@epoch``, ``T-train@total``, and the same of each set evaluated: None."""
        return self._trials.times(self._seed)

    def get_eval_set(self) -> list[str]:
        """The image sets that were evaluated."""
        return self.eval_names

    def judge_valid(self, iepoch: int) -> None:
        """Do nothing for an epoch of the schedule.

        Raises:
            ValueError: beyond it.
        """
        as_epoch(iepoch, self._trials.hp)

    def get_train(self, iepoch: int | None = None) -> dict[str, Any]:
        """Loss, accuracy and times on the training set; None is the last epoch.

        Raises:
            NotRecordedError: not on the server.
        """
        return self._trials.seed_metrics("train", iepoch, self._seed)

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        """Loss and accuracy on an image set by its official name; ``valid`` is ``x-valid``.

        Raises:
            NotRecordedError: not on the server, as x-test before the last of 200 epochs.
        """
        return self._trials.seed_metrics(name, iepoch, self._seed)

    def get_config(self, str2structure: Callable[[str], Any] | None) -> dict[str, Any]:
        """What the network is built from; with a function, its ``genotype`` for the string."""
        built = config(self._trials.index, self.name)
        if str2structure is not None:
            built["genotype"] = str2structure(built.pop("arch_str"))
        return built

    def __repr__(self) -> str:
        return f"ResultsCount({self._trials}, seed={self.seed})"
