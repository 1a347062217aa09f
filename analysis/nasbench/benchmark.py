"""What both packages' classes have in common."""

from __future__ import annotations

import math
import operator
import random
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar

from analysis.client import Client
from analysis.nasbench.arch_results import ArchResults
from analysis.nasbench.names import (
    HPS,
    SETS,
    TRAINED_ON,
    NotRecordedError,
    Partial,
    as_epoch,
    as_hp,
    as_set,
    known,
)
from analysis.nasbench.records import Records
from analysis.nasbench.results import NO_WEIGHTS, config
from analysis.nasbench.strings import str2lists, str2matrix
from analysis.nasbench.trials import Trials
from analysis.spaces.nasbench201 import all_cells, from_index, parse


class Benchmark(Partial):
    """All 15,625 cells of NAS-Bench-201 with what a server holds of their trainings.

    Every method names a cell by official index, by string, or by an object with a ``tostr``
    method. ``hp`` is ``'12'`` or ``'200'``, as text or number; epochs count from 0.

    Args:
        server: address of a Cellwise server, or a client of it, which is then the caller's to
            close.
        verbose: print a line for whatever is asked of the server.

    Raises:
        ValueError: no address; the message says what a file is good for.
    """

    _absent: ClassVar[dict[str, str]] = {
        "get_net_param": NO_WEIGHTS,
        "clear_params": NO_WEIGHTS,
        "arch2infos_dict": "query_meta_info_by_index(index, hp) has what it holds",
        "archive_dir": "results come from a server, not from a folder",
        "reset_archive_dir": "results come from a server, not from a folder",
        "reset_fast_mode": "results are fetched as they are asked for",
    }

    def __init__(self, server: str | Client, *, verbose: bool) -> None:
        client = server if isinstance(server, Client) else Client(_address(server))
        self.verbose = verbose
        self.filename = client.url
        self._records = Records(client, verbose=verbose)
        self.reset_time()

    @cached_property
    def meta_archs(self) -> list[str]:
        """The cell strings in official order."""
        return [cell.arch for cell in all_cells()]

    @cached_property
    def archstr2index(self) -> dict[str, int]:
        """Official index by cell string."""
        return {arch: index for index, arch in enumerate(self.meta_archs)}

    @property
    def avaliable_hps(self) -> list[str]:
        """The schedules that anything is recorded for (the name is the packages')."""
        held = {hp for _, hp in self._records.recorded}
        return [hp for hp in HPS if hp in held]

    @property
    def used_time(self) -> float:
        """Simulated seconds so far: see ``simulate_train_eval``."""
        return self._used_time

    def reset_time(self) -> None:
        """Start the simulated clock at 0."""
        self._used_time = 0.0

    def __len__(self) -> int:
        return len(self.meta_archs)

    def __getitem__(self, index: int) -> str:
        return self.meta_archs[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} architectures, server={self.filename})"

    def arch(self, index: int) -> str:
        """The string of a cell.

        Raises:
            CellError: a ValueError; no such index.
        """
        return from_index(operator.index(index)).arch

    def random(self) -> int:
        """Any index, from Python's generator: after ``random.seed``, the packages' own sequence."""
        return random.randint(0, len(self) - 1)  # noqa: S311 - as the packages choose

    def query_index_by_arch(self, arch: Any) -> int:
        """The official index of a cell.

        Raises:
            CellError: a ValueError; no cell of the space, where the packages answer -1.
            TypeError: neither a string, nor an index, nor an object with ``tostr``.
        """
        if hasattr(arch, "tostr"):
            arch = arch.tostr()
        if isinstance(arch, str):
            return parse(arch).index
        return from_index(operator.index(arch)).index

    def reload(self, archive_root: None = None, index: int | None = None) -> None:
        """Fetch everything anew from here on, as tables may have been imported since.

        Raises:
            ValueError: a folder is given.
        """
        if archive_root is not None:
            raise ValueError(f"archive_root={archive_root!r}: results come from a server")
        self._records.forget()

    def query_meta_info_by_index(self, arch_index: Any, hp: str | int = "12") -> ArchResults:
        """The cell under one schedule, on every data set."""
        return ArchResults(self._records, self.query_index_by_arch(arch_index), hp)

    def query_by_index(
        self, arch_index: Any, dataname: str | None = None, hp: str | int = "12"
    ) -> Any:
        """The same; with a data set, its trainings by seed.

        Raises:
            NotRecordedError: the cell has no training on it.
        """
        info = self.query_meta_info_by_index(arch_index, hp)
        if dataname is None:
            return info
        trials = self._trials(info.arch_index, dataname, hp)
        if not trials.trainings:
            raise trials.not_recorded("a training")
        return info.query(dataname)

    def query_info_str_by_arch(self, arch: Any, hp: str | int = "12") -> str:
        """The cell under one schedule, as text."""
        return "\n".join(self.query_meta_info_by_index(arch, hp).show())

    def query_by_arch(self, arch: Any, hp: str | int) -> str:
        """The cell under one schedule, as text."""
        return self.query_info_str_by_arch(arch, hp)

    def show(self, index: Any = -1) -> None:
        """Print a cell under both schedules.

        Raises:
            CellError: a ValueError; no index, as the default, for which the packages fail too.
        """
        for hp in HPS:
            print(f"{hp} epochs: {self.query_info_str_by_arch(index, hp)}")

    def get_net_config(self, index: Any, dataset: str) -> dict[str, Any]:
        """What the cell's network is built from."""
        return config(self.query_index_by_arch(index), known("data set", dataset, SETS))

    def get_cost_info(
        self, index: Any, dataset: str, hp: str | int = "12"
    ) -> dict[str, float | None]:
        """FLOPs and parameters (millions, exact), latency and times (s, mean over seeds)."""
        return self._trials(index, dataset, hp).costs()

    def get_latency(self, index: Any, dataset: str, hp: str | int = "12") -> float:
        """Mean latency in seconds for a batch of 256.

        Raises:
            NotRecordedError: not on the server.
        """
        return self.query_meta_info_by_index(index, hp).get_latency(dataset)

    def get_more_info(
        self,
        index: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        is_random: bool | int = False,
    ) -> dict[str, Any]:
        """Loss, accuracy and times on every image set, in one dictionary.

        Keys are ``<set>-loss``, ``-accuracy``, ``-per-time`` and ``-all-time`` for train, valid,
        test and valtest, in percent and seconds; a number that isn't recorded is left out. Times
        are None where unknown, as those of evaluations always are.

        Args:
            index: the cell.
            dataset: as trained on. On cifar10-valid, ``test`` is of a network of half the images.
            iepoch: from 0; None is the last.
            hp: schedule.
            is_random: False for the mean over seeds, True for any seed, or a seed.

        Raises:
            ValueError: an unknown name, or an epoch beyond the schedule.
            NotRecordedError: the server has no number of this epoch.
        """
        trials = self._trials(index, dataset, hp)
        epoch = as_epoch(iepoch, trials.hp)
        seed = trials.choose(is_random)
        info: dict[str, Any] = {}
        for word, eval_set in SETS[dataset].items():
            values = {m: trials.value((eval_set, m), epoch, seed) for m in ("loss", "accuracy")}
            held = {f"{word}-{m}": value for m, value in values.items() if value is not None}
            if held:
                info |= held | {f"{word}-per-time": None, f"{word}-all-time": None}
        if not info:
            raise trials.not_recorded(f"epoch {epoch} (from 0)")
        time = trials.seconds_per_epoch(seed)
        info["train-per-time"] = time
        info["train-all-time"] = None if time is None else time * (epoch + 1)
        return info

    def statistics(self, dataset: str, hp: str | int) -> dict[int, int]:
        """How many cells have how many seeds, among ``evaluated_indexes``."""
        table = self._records.table(known("data set", dataset, SETS), as_hp(hp))
        seeds = {
            index: sum(training.label[0] is not None for training in held.trainings)
            for index, held in table.items()
        }
        return dict(Counter(seeds.get(index, 0) for index in self._records.evaluated))

    str2lists = staticmethod(str2lists)
    str2matrix = staticmethod(str2matrix)

    def _trials(self, arch: Any, dataset: str, hp: str | int) -> Trials:
        return Trials(self._records, self.query_index_by_arch(arch), dataset, hp)

    def _best(
        self,
        dataset: str,
        metric_on_set: str,
        hp: str | int,
        limits: Iterable[tuple[str, float | None]],
    ) -> tuple[int, float]:
        if dataset == "cifar10" and metric_on_set == "valid":
            dataset = "cifar10-valid"
        words = SETS[known("data set", dataset, SETS)]
        eval_set = words.get(metric_on_set) or as_set(dataset, metric_on_set)
        word = next(word for word, name in words.items() if name == eval_set)
        given = [(column, most) for column, most in limits if most not in (None, math.inf)]
        best = self._records.best(dataset, word, as_hp(hp), given)
        if best is None:
            raise NotRecordedError(
                f"no cell within {given} has {word}_accuracy of {dataset} with hp {hp}"
            )
        return best

    def _simulated(
        self,
        arch: Any,
        dataset: str,
        iepoch: int | None,
        hp: str | int,
        account_time: bool,
        is_random: bool | int,
    ) -> tuple[float, float | None, float, float]:
        trained = TRAINED_ON[known("data set", dataset, TRAINED_ON)]
        trials = self._trials(arch, trained, hp)
        epoch = as_epoch(iepoch, trials.hp)
        seed = trials.choose(is_random)
        accuracy = trials.value(("x-valid", "accuracy"), epoch, seed)
        if accuracy is None:
            raise trials.not_recorded(f"x-valid accuracy after epoch {epoch} (from 0)")
        time = trials.seconds_per_epoch(seed)
        if time is None:
            raise NotRecordedError(f"training time of {trials}: not recorded")
        cost = time * (epoch + 1)
        if account_time:
            self._used_time += cost
        return accuracy, trials.latency_s(None), cost, self._used_time


def _address(server: object) -> str:
    if isinstance(server, str) and server.startswith(("http://", "https://")):
        return server
    raise ValueError(
        f"{server!r} is neither the address of a server, such as http://127.0.0.1:8000, nor a "
        "client of one; a file of the benchmark is first imported there: cellwise import PATH"
    )
