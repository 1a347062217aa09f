"""The drop-in against the packages' own classes, number for number, on the same real records."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from analysis.client import Client
from analysis.nasbench import ArchResults, NASBench201API, NotRecordedError, ResultsCount, create
from analysis.nasbench.names import DATASETS, HPS, SETS
from tests.analysis.nasbench.conftest import CELLS
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def ours(excerpt: Client) -> Any:
    return create(excerpt, "tss", verbose=False)


@pytest.fixture(scope="module", params=["nas", "nats"])
def pair(request: pytest.FixtureRequest, excerpt: Client) -> tuple[Any, Any]:
    """One of the packages' classes, and what stands in its place."""
    theirs = request.getfixturevalue(request.param)
    if request.param == "nas":
        return theirs, NASBench201API(excerpt, verbose=False)
    return theirs, create(excerpt, "tss", verbose=False)


def trials(theirs: Any) -> Iterator[tuple[int, str, str, list[int]]]:
    for index in CELLS:
        for hp in HPS:
            for dataset in DATASETS:
                yield index, hp, dataset, theirs.arch2infos_dict[index][hp].dataset_seed[dataset]


def same(our: dict[str, Any], their: dict[str, Any], *, exact: bool) -> int:
    """Holds two dictionaries of numbers against each other; how many numbers were compared.

    Only the times of evaluations are None where the package has them, and a comment's words differ.
    """
    assert our.keys() == their.keys()
    compared = 0
    for name, value in their.items():
        if name == "comment" or re.match(r"(valid|test|valtest)-\w+-time|T-(x|ori)-", name):
            assert (our[name] is None) == (name != "comment"), name
            continue
        assert type(our[name]) in (float, int), name
        if exact and "time" not in name:
            assert our[name] == value, name
        else:
            assert our[name] == pytest.approx(value, rel=1e-12), name
        compared += 1
    return compared


# The numbers --------------------------------------------------------------------------------------


def test_more_info_of_every_epoch_and_seed(pair: tuple[Any, Any]) -> None:
    theirs, ours = pair
    compared = 0
    for index, hp, dataset, seeds in trials(theirs):
        for iepoch in (None, *range(int(hp))):
            for seed in (False, *seeds):
                their = theirs.get_more_info(index, dataset, iepoch, hp, seed)
                our = ours.get_more_info(index, dataset, iepoch, hp, seed)
                compared += same(our, their, exact=seed is not False)
    # By hand: 4 numbers of train and 2 of each other set. With 200 epochs and the last one asked
    # for twice, one other set at each epoch and the rest (0 to 2) at the last; three seeds and the
    # mean. With 12 epochs every set at each; one seed and the mean, of cifar10-valid two.
    long = 201 * 4 * 6 + 2 * (2 + 0 + 4 + 4)
    short = 13 * (8 * 3 + 6 * 2 + 10 * 2 + 10 * 2)
    assert compared == 3 * (4 * long + short)


def test_metrics_of_every_set(pair: tuple[Any, Any]) -> None:
    """``get_metrics`` of a cell; what the package has no number of is an error in both."""
    compared = 0
    for index, hp, dataset, seeds in trials(pair[0]):
        their, our = (api.query_meta_info_by_index(index, hp) for api in pair)
        for name in SETS[dataset].values():
            for iepoch in (None, 0, 5, 11, int(hp) // 2, int(hp) - 1):
                for seed in (False, *seeds):
                    asked = dataset, name, iepoch, seed
                    try:
                        expected = their.get_metrics(*asked)
                    except KeyError:
                        with pytest.raises(NotRecordedError, match="this server has"):
                            our.get_metrics(*asked)
                        continue
                    found = our.get_metrics(*asked)
                    if name != "train":
                        assert found.pop("cur_time") is found.pop("all_time") is None
                        del expected["cur_time"], expected["all_time"]
                    compared += same(found, expected, exact=False)
    assert compared > 3_000


def test_single_trainings(pair: tuple[Any, Any]) -> None:
    """Every attribute and method of ``ResultsCount``, whole curves among them."""
    theirs, ours = pair
    points = 0
    for index, hp, dataset, seeds in trials(theirs):
        of_dataset = ours.query_by_index(index, dataset, hp)
        assert list(of_dataset) == seeds
        for seed, their in theirs.query_by_index(index, dataset, hp).items():
            our = of_dataset[seed]
            assert isinstance(our, ResultsCount)
            for name in ("name", "seed", "epochs", "arch_config", "latency", "params", "flop"):
                assert getattr(our, name) == getattr(their, name), name
            for name in ("train_acc1es", "train_losses", "eval_acc1es", "eval_losses"):
                assert getattr(our, name) == getattr(their, name), name
                points += len(getattr(our, name))
            assert our.train_times == pytest.approx(dict(their.train_times), rel=1e-12)
            assert set(our.eval_names) == set(our.get_eval_set()) == set(their.get_eval_set())
            assert our.get_total_epoch() == their.get_total_epoch() == int(hp)
            assert our.get_latency() == their.get_latency()
            assert our.get_config(None) == their.get_config(None)
            assert our.get_config(len) == their.get_config(len)
            same(our.get_times(), their.get_times(), exact=False)
            for iepoch in (None, 0, int(hp) - 1):
                same(our.get_train(iepoch), their.get_train(iepoch), exact=False)
            valid = "x-valid" in their.get_eval_set()
            for name in ("x-valid", "valid") if valid else ("ori-test",):
                found, expected = our.get_eval(name), their.get_eval(name)
                assert {**expected, "cur_time": None, "all_time": None} == found
            for api in (our, their):
                with pytest.raises((ValueError, AssertionError), match=f"{hp}"):
                    api.get_train(int(hp))
    # As tests/real/test_official_packages.py counts them in the files themselves.
    assert points == 3 * 10_014


def test_costs(pair: tuple[Any, Any]) -> None:
    theirs, ours = pair
    for index, hp, dataset, _ in trials(theirs):
        their, our = (api.get_cost_info(index, dataset, hp) for api in pair)
        assert same(our, their, exact=False) == 5
        assert ours.get_latency(index, dataset, hp) == theirs.get_latency(index, dataset, hp)
        assert ours.get_net_config(index, dataset) == theirs.get_net_config(index, dataset)


def test_cells_as_a_whole(pair: tuple[Any, Any]) -> None:
    for index, hp, dataset, seeds in trials(pair[0]):
        their, our = (api.query_meta_info_by_index(index, hp) for api in pair)
        assert isinstance(our, ArchResults)
        for name in ("arch_index", "arch_str", "dataset_seed"):
            assert getattr(our, name) == getattr(their, name)
        assert our.get_dataset_names() == their.get_dataset_names()
        assert our.get_dataset_seeds(dataset) == their.get_dataset_seeds(dataset) == seeds
        assert our.get_total_epoch() == our.get_total_epoch(dataset) == their.get_total_epoch()
        assert our.arch_idx_str() == their.arch_idx_str()
        assert our.get_latency(dataset) == pytest.approx(their.get_latency(dataset))
        assert our.all_results.keys() == their.all_results.keys()
        assert our.query(dataset).keys() == their.query(dataset).keys()
        assert our.query(dataset, seeds[0]).seed == their.query(dataset, seeds[0]).seed


@pytest.mark.parametrize("hp", HPS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_best_cell(pair: tuple[Any, Any], dataset: str, hp: str) -> None:
    """On every set, by plain and official names, within limits that leave three to no cells."""
    theirs, ours = pair
    sets = {"train", "valid", *SETS[dataset].values()}
    if dataset != "cifar10-valid":  # which the package has no "test" of
        sets.add("test")
    for name in sorted(sets):
        for limits in ((None, None), (20.0, None), (None, 0.12), (12.0, 0.2), (1.0, None)):
            index, accuracy = theirs.find_best(dataset, name, *limits, hp)
            if index == -1:
                with pytest.raises(NotRecordedError, match="no cell within"):
                    ours.find_best(dataset, name, *limits, hp)
                continue
            found = ours.find_best(dataset, name, *limits, hp)
            assert found == (index, pytest.approx(accuracy, rel=1e-12))


# Chance, and the simulated clock ------------------------------------------------------------------


def test_a_random_seed_is_drawn_as_they_draw_it(pair: tuple[Any, Any]) -> None:
    theirs, ours = pair
    drawn = set()
    for number in range(20):
        random.seed(number)
        their = theirs.get_more_info(284, "cifar10", None, "200", is_random=True)
        random.seed(number)
        our = ours.get_more_info(284, "cifar10", None, "200", is_random=True)
        same(our, their, exact=True)
        drawn.add(our["test-accuracy"])
        random.seed(number)
        index = theirs.random()
        random.seed(number)
        assert ours.random() == index
    assert len(drawn) == 3


@pytest.mark.parametrize("hp", HPS)
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "ImageNet16-120"])
def test_the_simulated_clock(pair: tuple[Any, Any], dataset: str, hp: str) -> None:
    """As theirs but for the time of one evaluation, which the server doesn't hold."""
    theirs, ours = pair
    theirs.reset_time()
    ours.reset_time()
    trained = "cifar10-valid" if dataset == "cifar10" else dataset
    evaluations = 0.0
    for index in CELLS:
        random.seed(index)
        their = theirs.simulate_train_eval(index, dataset, hp=hp)
        random.seed(index)
        our = ours.simulate_train_eval(index, dataset, hp=hp, is_random=True)
        evaluation = theirs.get_more_info(index, trained, None, hp, False)["valid-per-time"]
        evaluations += evaluation
        assert our[:2] == (their[0], pytest.approx(their[1]))
        assert our[2] == pytest.approx(their[2] - evaluation, rel=1e-9)
        assert our[3] == ours.used_time == pytest.approx(theirs.used_time - evaluations, rel=1e-9)
        # By default the mean of the seeds, and nothing else than the clock remembers.
        mean = theirs.get_more_info(index, trained, None, hp, False)["valid-accuracy"]
        again = ours.simulate_train_eval(index, dataset, hp=hp, account_time=False)
        assert again[0] == pytest.approx(mean, rel=1e-12)
        assert again[3] == our[3]
        # What docs/drop_in.md says of how much is missing.
        assert evaluation / their[2] < (0.04 if hp == "12" else 0.003)
    ours.reset_time()
    assert ours.used_time == 0


def test_an_epoch_without_validation_is_not_simulated(nats: Any, ours: Any) -> None:
    """There the package answers with ori-test, which holds the test images."""
    cheat = nats.simulate_train_eval(284, "cifar100", iepoch=11, hp="200")[0]
    seeds = nats.arch2infos_dict[284]["200"].query("cifar100").values()
    assert cheat in [result.get_eval("ori-test", 11)["accuracy"] for result in seeds]
    with pytest.raises(NotRecordedError, match=r"x-valid accuracy after epoch 11.*epochs 200"):
        ours.simulate_train_eval(284, "cifar100", iepoch=11, hp="200")
    whole = ours.simulate_train_eval(284, "cifar10", iepoch=11, hp="200")
    assert whole[0] == pytest.approx(49.887, abs=5e-4)  # DOMAIN.md, section 3


# Cells and what is there --------------------------------------------------------------------------


def test_strings(nas: Any, nats: Any, ours: Any) -> None:
    assert len(ours) == len(nats) == 15_625
    assert list(ours) == nats.meta_archs == ours.meta_archs
    assert ours.archstr2index == nats.archstr2index
    for index in range(0, 15_625, 25):
        arch = nats[index]
        assert ours[index] == ours.arch(index) == nats.arch(index)
        assert ours.query_index_by_arch(arch) == ours.query_index_by_arch(np.int64(index)) == index
        assert ours.str2lists(arch) == nats.str2lists(arch)
        assert (ours.str2matrix(arch) == nats.str2matrix(arch)).all()
        other = ["avg_pool_3x3", "none", "nor_conv_3x3", "skip_connect", "nor_conv_1x1"]
        assert (ours.str2matrix(arch, other) == nas.str2matrix(arch, other)).all()
    assert [ours.get_unique_str(i) for i in range(15_625)] == [
        nats.get_unique_str(i) for i in range(15_625)
    ]


def test_what_there_is(nas: Any, nats: Any, ours: Any, excerpt: Client) -> None:
    assert ours.evaluated_indexes == nats.evaluated_indexes == set(CELLS)
    other = NASBench201API(excerpt, verbose=False)
    assert other.evaluated_indexes == nas.evaluated_indexes == list(CELLS)
    for dataset in DATASETS:
        for hp in (*HPS, 12, 200):
            assert ours.statistics(dataset, hp) == nats.statistics(dataset, hp)
    assert sorted(ours.avaliable_hps) == sorted(nats.avaliable_hps)
    for name in ("full_train_epochs", "full_epochs_in_paper", "is_size", "is_topology"):
        assert getattr(ours, name) == getattr(nats, name)
    assert ours.search_space_name == nats.search_space_name
    assert ours.fast_mode == nats.fast_mode


def test_every_method_takes_the_same_arguments_or_says_why_it_is_not_there(
    nas: Any, nats: Any, ours: Any, excerpt: Client
) -> None:
    page = (ROOT / "docs" / "drop_in.md").read_text()
    other = NASBench201API(excerpt, verbose=False)
    pairs = [(nas, other), (nats, ours)]
    pairs += [(t.query_by_index(0, hp="200"), o.query_by_index(0, hp="200")) for t, o in pairs]
    pairs += [(t.query("cifar10", 777), o.query("cifar10", 777)) for t, o in pairs[2:]]
    missing = set()
    for theirs, our in pairs:
        for name in (name for name in dir(theirs) if not name.startswith("_")):
            assert f"`{name}`" in page, name
            if not hasattr(our, name):
                with pytest.raises(AttributeError, match=f"has no {name} here: "):
                    getattr(our, name)
                missing.add(name)
            elif inspect.ismethod(getattr(theirs, name)):
                expected = inspect.signature(getattr(theirs, name)).parameters.values()
                given = inspect.signature(getattr(our, name)).parameters.values()
                asked = [p for p in given if p.kind is not p.KEYWORD_ONLY]
                assert [p.name for p in asked] == [p.name for p in expected], name
                for mine, its in zip(asked, expected, strict=True):
                    if (name, its.name) != ("get_more_info", "is_random"):
                        assert mine.default == its.default, (name, its.name)
    assert {"get_net_param", "arch2infos_dict", "net_state_dict"} <= missing
