"""Our readers against the benchmark's own packages, number for number, on the same files.

``nats_bench`` reads the folder and the one-file form itself. ``nas_201_api`` needs torch to load a
file but takes what is in it as a dictionary, so that torch is stood for by an empty module. Where
the packages differ from us, a test says how, and why we do otherwise.
"""

from __future__ import annotations

import bz2
import copy
import importlib
import pickle
import random
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats_bench
import numpy as np
import pytest

from analysis.cells import CellError, parse_cell
from data.sources import recognise
from tests import official
from tests.data_.reading import FOLDER, Points, needs_shared, points, read, runs

CELLS = (0, 11, 284)
DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
SETS = ("train", "x-valid", "x-test", "ori-test")
Ask = Callable[[int, str, str, int], Any]
"""The packages' record of one trial: of a cell's index, schedule, data set and seed."""


@pytest.fixture(scope="module")
def nas_201_api() -> Any:
    """The package, with an empty module in torch's place unless torch is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", sys.modules.get("torch", types.ModuleType("torch")))
        yield importlib.import_module("nas_201_api")


@pytest.fixture(scope="module")
def records() -> dict[int, Any]:
    """The real records where they are, generated ones of the same structure elsewhere."""
    if not FOLDER.is_dir():
        return {index: official.record(index) for index in CELLS}
    packed = {index: (FOLDER / f"{index:06d}.pickle.pbz2").read_bytes() for index in CELLS}
    return {index: pickle.loads(bz2.decompress(data)) for index, data in packed.items()}


@pytest.fixture(scope="module")
def whole(records: dict[int, Any]) -> dict[str, Any]:
    return {**official.benchmark(()), "arch2infos": records, "evaluated_indexes": set(CELLS)}


def old_names(whole: dict[str, Any]) -> dict[str, Any]:
    """The same as NAS-Bench-201's own files call it."""
    renamed = {
        index: {"less": record["12"], "full": record["200"]}
        for index, record in whole["arch2infos"].items()
    }
    return {**whole, "arch2infos": renamed}


def compare(found: Points, ask: Ask) -> int:
    """Asks the package for everything it could have; both must know the same, and no more."""
    compared = 0
    for index in CELLS:
        arch = official.strings()[index]
        for schedule in (12, 200):
            trials = {(key[1], key[3]) for key in found if (key[0], key[2]) == (arch, schedule)}
            for dataset, seed in trials:
                trial = ask(index, str(schedule), dataset, seed)
                for eval_set in SETS:
                    for epoch in range(schedule):
                        try:
                            theirs = (
                                trial.get_train(epoch)
                                if eval_set == "train"
                                else trial.get_eval(eval_set, epoch)
                            )
                        except (KeyError, ValueError):
                            theirs = {}
                        for measure in ("accuracy", "loss"):
                            key = arch, dataset, schedule, seed, eval_set, measure, epoch + 1
                            assert found.get(key) == theirs.get(measure), key
                            compared += key in found
    return compared


def test_nats_bench_on_the_folder(records: dict[int, Any], tmp_path: Path) -> None:
    path = official.write("folder", (), tmp_path / "folder")
    for index, record in records.items():
        packed = bz2.compress(pickle.dumps(record, 4))
        (path / f"{index:06d}.pickle.pbz2").write_bytes(packed)
    api = nats_bench.create(str(path), "tss", fast_mode=True, verbose=False)
    found = points(read(recognise(path)))

    def ask(index: int, schedule: str, dataset: str, seed: int) -> Any:
        api._prepare_info(index)
        return api.arch2infos_dict[index][schedule].query(dataset, seed)

    assert compare(found, ask) == len(found) > 25_000


@needs_shared
def test_nats_bench_on_the_real_folder() -> None:
    api = nats_bench.create(str(FOLDER), "tss", fast_mode=True, verbose=False)
    found = points(read(recognise(FOLDER)))
    for index in CELLS:
        api._prepare_info(index)
    compared = compare(found, lambda i, hp, d, s: api.arch2infos_dict[i][hp].query(d, s))
    assert compared == len(found) == 3 * 10_014


def test_nats_bench_on_one_file(whole: dict[str, Any], tmp_path: Path) -> None:
    path = official.pack(whole, "pbz2", tmp_path / "NATS-tss.pickle.pbz2")
    api = nats_bench.create(str(path), "tss", fast_mode=False, verbose=False)
    found = points(read(recognise(path)))
    compared = compare(found, lambda i, hp, d, s: api.arch2infos_dict[i][hp].query(d, s))
    assert compared == len(found)


@pytest.mark.parametrize("container", ["pth-legacy", "pth-zip"])
def test_nas_bench_201_on_what_is_in_the_file(
    container: Any, nas_201_api: Any, whole: dict[str, Any], tmp_path: Path
) -> None:
    content = old_names(whole)
    api = nas_201_api.NASBench201API(content, verbose=False)
    found = points(read(recognise(official.pack(content, container, tmp_path / "file"))))
    compared = compare(found, lambda i, hp, d, s: api.query_by_index(i, d, hp)[s])
    assert compared == len(found)


def test_means_and_seeds_as_the_packages_query_them(
    nas_201_api: Any, whole: dict[str, Any], tmp_path: Path
) -> None:
    """``get_more_info``: one seed, and the mean over all of them; at epochs where both exist."""
    path = official.pack(whole, "pbz2", tmp_path / "file")
    found = points(read(recognise(path)))
    nats = nats_bench.create(str(path), "tss", fast_mode=False, verbose=False)
    nas = nas_201_api.NASBench201API(old_names(whole), verbose=False)
    both = {"train": "train", "valid": "x-valid", "test": "x-test", "valtest": "ori-test"}
    words = {
        "cifar10-valid": {"train": "train", "valid": "x-valid", "test": "ori-test"},
        "cifar10": {"train": "train", "test": "ori-test"},
        "cifar100": both,
        "ImageNet16-120": both,
    }
    for api in (nats, nas):
        for index in CELLS:
            arch = official.strings()[index]
            for schedule, epochs in ((12, (1, 6, 12)), (200, (1, 12, 100, 200))):
                for dataset, names in words.items():
                    seeds = {k[3] for k in found if k[:3] == (arch, dataset, schedule)}
                    for epoch in epochs:
                        for seed in (*seeds, False):
                            info = api.get_more_info(
                                index, dataset, epoch - 1, str(schedule), is_random=seed
                            )
                            for name, eval_set in names.items():
                                for measure in ("accuracy", "loss"):
                                    ours = [
                                        found.get(
                                            (arch, dataset, schedule, s, eval_set, measure, epoch)
                                        )
                                        for s in (seeds if seed is False else [seed])
                                    ]
                                    theirs = info.get(f"{name}-{measure}")
                                    if theirs is None:
                                        assert ours == [None] * len(ours)
                                    else:
                                        mean = np.mean(np.array(ours, np.float64))
                                        assert theirs == pytest.approx(mean, rel=1e-12)


def test_costs_and_times(whole: dict[str, Any], tmp_path: Path) -> None:
    path = official.pack(whole, "pbz2", tmp_path / "file")
    api = nats_bench.create(str(path), "tss", fast_mode=False, verbose=False)
    for run in runs(read(recognise(path))):
        index = official.strings().index(run["cell"])
        trial = api.arch2infos_dict[index][str(run["schedule"])].query(run["dataset"], run["seed"])
        assert run["params_m"] == trial.params
        assert run["flops_m"] == trial.flop
        assert run["latency_s"] == trial.get_latency()
        assert run["train_time_s"] == pytest.approx(trial.get_times()["T-train@total"], rel=1e-12)


# Where the packages differ ------------------------------------------------------------------------


def test_they_pick_a_random_seed_and_the_short_schedule_unless_told(whole: dict[str, Any]) -> None:
    """Asked plainly, they answer another number each time. Our runs name seed and schedule."""
    api = nats_bench.create(copy.deepcopy(whole), "tss", verbose=False)
    random.seed(0)
    answers = {api.get_more_info(284, "cifar10", hp="200")["test-accuracy"] for _ in range(50)}
    assert len(answers) == 3
    twelve = api.get_more_info(284, "cifar10")["test-accuracy"]
    assert (
        twelve
        == whole["arch2infos"][284]["12"]["all_results"]["cifar10", 111]["eval_acc1es"][
            "ori-test@11"
        ]
    )


def test_they_put_valtest_in_the_place_of_valid(whole: dict[str, Any], tmp_path: Path) -> None:
    """``simulate_train_eval`` at epoch 12 of 200 on cifar100: x-valid is not recorded there.

    It answers ori-test, which holds the test images, as the validation accuracy. We have no such
    point: what is not recorded is not there.
    """
    api = nats_bench.create(copy.deepcopy(whole), "tss", verbose=False)
    answer = api.simulate_train_eval(284, "cifar100", iepoch=11, hp="200")[0]
    trials = whole["arch2infos"][284]["200"]["all_results"]
    seeds = (777, 888, 999)
    assert answer in [trials["cifar100", s]["eval_acc1es"]["ori-test@11"] for s in seeds]
    found = points(read(recognise(official.pack(whole, "pbz2", tmp_path / "file"))))
    arch = official.strings()[284]
    for seed in seeds:
        assert (arch, "cifar100", 200, seed, "x-valid", "accuracy", 12) not in found
        assert (arch, "cifar100", 200, seed, "ori-test", "accuracy", 12) in found


def test_their_times_promise_accuracies_that_are_not_there(
    whole: dict[str, Any], tmp_path: Path
) -> None:
    """``eval_times`` has x-test of every epoch; asking for its accuracy is a bare KeyError.

    ``get_more_info`` swallows it and leaves the name out. We go by the accuracies alone.
    """
    api = nats_bench.create(copy.deepcopy(whole), "tss", verbose=False)
    trial = api.arch2infos_dict[284]["200"].query("cifar100", 777)
    assert "x-test@11" in trial.eval_times
    with pytest.raises(KeyError):
        trial.get_eval("x-test", 11)
    info = api.get_more_info(284, "cifar100", iepoch=11, hp="200", is_random=777)
    assert "test-accuracy" not in info
    found = points(read(recognise(official.pack(whole, "pbz2", tmp_path / "file"))))
    epochs = {
        key[6]
        for key in found
        if key[:5] == (official.strings()[284], "cifar100", 200, 777, "x-test")
    }
    assert epochs == {200}


def test_they_call_two_sets_the_test_of_cifar10(whole: dict[str, Any], tmp_path: Path) -> None:
    """``test-accuracy`` of cifar10-valid is a network of half of the images; of cifar10, of all.

    Both are there, under one name. In our runs they are different data sets, and CIFAR-10's test
    accuracy is always the latter.
    """
    api = nats_bench.create(copy.deepcopy(whole), "tss", verbose=False)
    half, full = (
        api.get_more_info(284, dataset, hp="200", is_random=777)["test-accuracy"]
        for dataset in ("cifar10-valid", "cifar10")
    )
    assert half != full
    found = points(read(recognise(official.pack(whole, "pbz2", tmp_path / "file"))))
    end = 200, 777, "ori-test", "accuracy", 200
    assert found[official.strings()[284], "cifar10-valid", *end] == half
    assert found[official.strings()[284], "cifar10", *end] == full


def test_they_average_wrong_params(nas_201_api: Any, whole: dict[str, Any], tmp_path: Path) -> None:
    """204 cells have wrong params on seeds other than 888.

    nas_201_api averages them in, nats_bench (from 1.6) takes seed 888's instead. We hand on each
    run's own, and the store serves the formula's value beside it.
    """
    changed = copy.deepcopy(whole)
    trials = changed["arch2infos"][284]["200"]["all_results"]
    right = float(trials["cifar10", 888]["params"])
    trials["cifar10", 777]["params"] = np.float64(9.0)
    seeds = [seed for dataset, seed in trials if dataset == "cifar10"]
    mean = (9.0 + right * (len(seeds) - 1)) / len(seeds)
    nas = nas_201_api.NASBench201API(old_names(changed), verbose=False)
    nats = nats_bench.create(copy.deepcopy(changed), "tss", verbose=False)
    assert nas.get_cost_info(284, "cifar10", hp="200")["params"] == pytest.approx(mean)
    assert nats.get_cost_info(284, "cifar10", hp="200")["params"] == right
    path = official.pack(changed, "pbz2", tmp_path / "file")
    ours = {
        run["seed"]: run["params_m"]
        for run in runs(read(recognise(path)))
        if (run["cell"], run["dataset"], run["schedule"])
        == (official.strings()[284], "cifar10", 200)
    }
    assert ours == {**dict.fromkeys(seeds, right), 777: 9.0}


def test_they_answer_minus_one(nas_201_api: Any, whole: dict[str, Any], tmp_path: Path) -> None:
    """An unknown cell has index -1, and a latency that isn't known is -1 second. Ours are not."""
    changed = copy.deepcopy(whole)
    trial = changed["arch2infos"][284]["200"]["all_results"]["cifar10", 777]
    trial["latency"], trial["train_times"] = None, None
    nas = nas_201_api.NASBench201API(old_names(changed), verbose=False)
    nats = nats_bench.create(copy.deepcopy(changed), "tss", verbose=False)
    for api in (nas, nats):
        assert api.query_index_by_arch("|nor_conv_5x5~0|") == -1
    with pytest.raises(CellError):
        parse_cell("|nor_conv_5x5~0|")
    assert nats.arch2infos_dict[284]["200"].query("cifar10", 777).get_latency() == -1
    path = official.pack(changed, "pbz2", tmp_path / "file")
    (run,) = (
        run
        for run in runs(read(recognise(path)))
        if (run["cell"], run["dataset"], run["schedule"], run["seed"])
        == (official.strings()[284], "cifar10", 200, 777)
    )
    assert run["latency_s"] is None
    assert run["train_time_s"] is None
    assert run["time_source"] is None
