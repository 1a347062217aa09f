"""The classes that stand for ``nas_201_api.NASBench201API`` and ``nats_bench``'s topology space.

They differ in the order and names of some arguments, as the packages do; what they answer is
described at `analysis.nasbench.benchmark.Benchmark`.
"""

from __future__ import annotations

from typing import Any

from analysis.client import Client
from analysis.nasbench.benchmark import Benchmark
from analysis.nasbench.names import known
from analysis.spaces.nasbench201 import classes, from_index

TOPOLOGY = ("tss", "topology")
SIZE = ("sss", "size")


class NASBench201API(Benchmark):
    """In the place of ``nas_201_api.NASBench201API``: an address instead of a file."""

    def __init__(self, file_path_or_dict: str | Client, verbose: bool = True) -> None:
        super().__init__(file_path_or_dict, verbose=verbose)

    @property
    def evaluated_indexes(self) -> list[int]:
        """Indices of the cells that were trained, rising."""
        return list(self._records.evaluated)

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        FLOP_max: float | None = None,  # noqa: N803 - the package's names
        Param_max: float | None = None,  # noqa: N803
        hp: str | int = "12",
    ) -> tuple[int, float]:
        """Index and accuracy (mean over seeds) of the best cell within the limits, in millions.

        Only cells that hold this accuracy are looked at. ``metric_on_set`` is train, valid or test,
        or a set's official name; valid of cifar10 is cifar10-valid's.

        Raises:
            ValueError: an unknown name.
            NotRecordedError: no cell is within the limits, where the package answers (-1, None);
                or no cell has this accuracy.
        """
        limits = (("flops_m", FLOP_max), ("params_m", Param_max))
        return self._best(dataset, metric_on_set, hp, limits)

    def simulate_train_eval(
        self,
        arch: Any,
        dataset: str,
        hp: str | int = "12",
        account_time: bool = True,
        *,
        is_random: bool | int = False,
    ) -> tuple[float, float | None, float, float]:
        """As if trained: validation accuracy, latency, seconds, and the simulated clock after it.

        The seconds are those of training; the server keeps none of evaluations. The accuracy is
        the mean over seeds unless ``is_random`` says otherwise; cifar10 trains on cifar10-valid.

        Raises:
            ValueError: an unknown name.
            NotRecordedError: accuracy or training time are not on the server.
        """
        return self._simulated(arch, dataset, None, hp, account_time, is_random)


class NATStopology(Benchmark):
    """In the place of ``nats_bench``'s class of the topology space: see `create`."""

    search_space_name = "topology"
    is_topology = True
    is_size = False
    full_train_epochs = 200
    full_epochs_in_paper = 200

    def __init__(
        self, file_path_or_dict: str | Client, fast_mode: bool = False, verbose: bool = True
    ) -> None:
        super().__init__(file_path_or_dict, verbose=verbose)
        self.fast_mode = fast_mode

    @property
    def evaluated_indexes(self) -> set[int]:
        """Indices of the cells that were trained."""
        return set(self._records.evaluated)

    def get_unique_str(self, arch: Any) -> str:
        """A text that is the same for cells that compute the same, skips and zeros folded away."""
        return classes(from_index(self.query_index_by_arch(arch)))["official"]

    def get_more_info(
        self,
        index: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        is_random: bool | int = False,
    ) -> dict[str, Any]:
        """As of the base class; of CIFAR-10 with a ``comment`` on what was trained on."""
        info = super().get_more_info(index, dataset, iepoch, hp, is_random)
        trained = {"cifar10-valid": "half of the", "cifar10": "all 50,000"}.get(dataset)
        if trained is not None:
            info["comment"] = f"trained on {trained} training images of CIFAR-10 for {hp} epochs"
        return info

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str | int = "12",
        enforce_all: bool | None = None,
    ) -> tuple[int, float]:
        """Index and accuracy (mean over seeds) of the best cell within the limits, in millions.

        All cells that hold this accuracy are looked at, however many were asked for before.
        ``metric_on_set`` is train, valid or test, or a set's official name; valid of cifar10 is
        cifar10-valid's.

        Raises:
            ValueError: an unknown name, or ``enforce_all=False``.
            NotRecordedError: no cell is within the limits, where the package answers (-1, None);
                or no cell has this accuracy.
        """
        if enforce_all is False and self.fast_mode:
            raise ValueError("enforce_all=False: the server always looks at all cells")
        limits = (("flops_m", flop_max), ("params_m", param_max))
        return self._best(dataset, metric_on_set, hp, limits)

    def simulate_train_eval(
        self,
        arch: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        account_time: bool = True,
        *,
        is_random: bool | int = False,
    ) -> tuple[float, float | None, float, float]:
        """As if trained: validation accuracy, latency, seconds, and the simulated clock after it.

        The seconds are those of training; the server keeps none of evaluations. The accuracy is
        the mean over seeds unless ``is_random`` says otherwise; cifar10 trains on cifar10-valid.

        Raises:
            ValueError: an unknown name, or an epoch beyond the schedule.
            NotRecordedError: accuracy or training time are not on the server. Where x-valid wasn't
                evaluated, the package answers with a set that holds the test images.
        """
        return self._simulated(arch, dataset, iepoch, hp, account_time, is_random)


def create(
    file_path_or_dict: str | Client,
    search_space: str,
    fast_mode: bool = False,
    verbose: bool = True,
) -> NATStopology:
    """In the place of ``nats_bench.create``: an address instead of a file.

    Args:
        file_path_or_dict: address of a Cellwise server, or a client of it.
        search_space: ``tss`` or ``topology``.
        fast_mode: kept as an attribute; whatever it is, results are fetched as they are asked for.
        verbose: print a line for whatever is asked of the server.

    Raises:
        ValueError: the size space, which the server doesn't hold, or an unknown one; no address.
    """
    if search_space in SIZE:
        raise ValueError(
            f"search space {search_space!r}: the server holds the topology space alone"
        )
    known("search space", search_space, TOPOLOGY)
    return NATStopology(file_path_or_dict, fast_mode, verbose)
