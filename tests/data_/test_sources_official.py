"""The official containers: every one gives the same runs, the file's own, and nothing else."""

from __future__ import annotations

import bz2
import copy
import json
import pickle
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.sources import nats_folder, recognise
from data.sources.base import SourceError
from data.sources.nats_folder import NatsFolder
from data.sources.one_file import OneFile
from tests import official
from tests.data_.reading import FOLDER, SIZE_SPACE, Points, needs_shared, points, read, runs

CELLS = (0, 3, 284, 15_624)


def expected(record: dict[str, Any]) -> Points:
    """A record's points, straight from what it holds."""
    found: Points = {}
    for key, state in record.items():
        schedule = {"12": 12, "less": 12, "200": 200, "full": 200}[key]
        for (dataset, seed), trial in state["all_results"].items():
            start = state["arch_str"], dataset, schedule, seed
            for measure, train, evaluated in (
                ("accuracy", "train_acc1es", "eval_acc1es"),
                ("loss", "train_losses", "eval_losses"),
            ):
                for epoch, value in trial[train].items():
                    found[*start, "train", measure, epoch + 1] = value
                for name, value in trial[evaluated].items():
                    eval_set, epoch = name.split("@")
                    found[*start, eval_set, measure, int(epoch) + 1] = value
    return found


def all_expected(indexes: tuple[int, ...]) -> Points:
    found: Points = {}
    for index in indexes:
        found.update(expected(official.record(index)))
    return found


@pytest.mark.parametrize("container", ["folder", "pbz2", "pth-legacy", "pth-zip"])
def test_every_container_gives_what_is_in_it(container: Any, tmp_path: Path) -> None:
    path = official.write(container, CELLS, tmp_path / "no telling name")
    source = recognise(path)
    batches = read(source)
    assert points(batches) == all_expected(CELLS)
    description = source.describe()
    assert description.name == "nasbench201"
    assert description.official
    found = runs(batches)
    assert {run["recipe"] for run in found} == {"nb201-12", "nb201-200"}
    assert [run["cell"] for run in found] == sorted(
        (run["cell"] for run in found), key=[official.strings()[i] for i in CELLS].index
    )


@pytest.mark.parametrize("container", ["pbz2", "pth-legacy", "pth-zip"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_one_file_as_the_plain_pickler_writes_it(
    container: Any, protocol: int, tmp_path: Path
) -> None:
    """Names, types and strings are shared between cells there, by reference."""
    whole = official.benchmark(range(12), official.PTH_KEYS)
    whole["arch2infos"] = OrderedDict(whole["arch2infos"])
    path = official.pack(whole, container, tmp_path / "file", protocol)
    assert points(read(recognise(path))) == all_expected(tuple(range(12)))


def test_an_unpacked_pickle(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(pickle.dumps(official.benchmark(CELLS), 4))
    assert points(read(recognise(tmp_path / "file"))) == all_expected(CELLS)


def test_the_generator_writes_what_the_plain_pickler_would() -> None:
    for keys, protocol in ((official.NATS_KEYS, 4), (official.PTH_KEYS, 2)):
        written = b"".join(official.opcodes(range(120), keys, protocol))
        read_back = pickle.loads(written)
        some = official.benchmark((0, 1, 99, 100, 119), keys)
        assert read_back.keys() == some.keys()
        assert read_back["evaluated_indexes"] == set(range(120))
        for index, record in some["arch2infos"].items():
            assert read_back["arch2infos"][index] == record


def test_more_cells_than_a_batch_and_than_the_pickler_writes_at_once(tmp_path: Path) -> None:
    path = official.write("pth-legacy", range(230), tmp_path / "file")
    batches = read(recognise(path))
    assert len(batches) == 3
    cells = [cell for batch in batches for cell in batch.runs.column("cell").to_pylist()]
    assert list(dict.fromkeys(cells)) == official.strings()[:230]


def test_figures_of_a_run(tmp_path: Path) -> None:
    path = official.write("folder", (0,), tmp_path / "folder")
    trial = official.record(0)["200"]["all_results"]["cifar100", 777]
    (run,) = (
        run
        for run in runs(read(recognise(path)))
        if (run["dataset"], run["seed"], run["schedule"]) == ("cifar100", 777, 200)
    )
    assert run["params_m"] == trial["params"]
    assert run["flops_m"] == trial["flop"]
    assert run["latency_s"] == trial["latency"][0]
    assert run["train_time_s"] == pytest.approx(sum(trial["train_times"].values()), rel=1e-12)
    assert run["time_source"] == "derived"
    assert run["images"] == "original"


def changed(change: Callable[[dict[Any, Any]], object], path: Path) -> Path:
    """A one-file benchmark of one cell, changed."""
    whole = copy.deepcopy(official.benchmark((7,)))
    change(whole)
    return official.pack(whole, "pbz2", path / "file")


def trial_of(whole: dict[Any, Any]) -> dict[str, Any]:
    trial: dict[str, Any] = whole["arch2infos"][7]["200"]["all_results"]["cifar10", 777]
    return trial


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w["arch2infos"][7]["12"].update(arch_str=w["meta_archs"][8]), "mislabelled"),
        (lambda w: w["arch2infos"][7]["200"].update(arch_index=8), "mislabelled"),
        (lambda w: w["arch2infos"].update({8: w["arch2infos"].pop(7)}), "mislabelled"),
        (lambda w: w["arch2infos"].update({20_000: {}}), "cell index 20000"),
        (lambda w: w["arch2infos"].update({"7": {}}), "cell index '7'"),
        (lambda w: w["arch2infos"].update({8: {}}), "cell 8: expected a record"),
        (lambda w: w["arch2infos"].update({8: [1]}), "cell 8: expected a record"),
        (lambda w: w["meta_archs"].reverse(), "meta_archs: index 0"),
        (lambda w: w["meta_archs"].pop(), "lists 15624 cells"),
        (lambda w: w.update(meta_archs=["64:64:64:64:64"]), "size search space"),
        (lambda w: w.pop("meta_archs"), "expected a dictionary with meta_archs"),
        (lambda w: w.update(arch2infos={}), "no cell in it"),
        (lambda w: w["arch2infos"][7].update({"90": {}}), "unknown schedule '90'"),
        (lambda w: trial_of(w).update(epochs=100), "has 100 epochs"),
        (lambda w: trial_of(w).update(train_acc1es=None), "train_acc1es should be a dict"),
        (lambda w: trial_of(w)["train_acc1es"].update({200: 1.0}), "keys other than the epochs"),
        (lambda w: trial_of(w)["eval_acc1es"].update({"x-valid@200": 1.0}), "'x-valid@200'"),
        (lambda w: trial_of(w)["eval_acc1es"].update({"valid@1": 1.0}), "'valid@1'"),
        (lambda w: trial_of(w)["eval_acc1es"].update({"ori-test@01": 1.0}), "twice"),
        (lambda w: trial_of(w)["eval_acc1es"].update({"ori-test@0": 101.0}), "epoch 1 is 101.0"),
        (lambda w: trial_of(w)["train_acc1es"].update({9: float("nan")}), "epoch 10 is nan"),
        (lambda w: trial_of(w)["train_acc1es"].update({9: "12"}), "epoch 10 is '12'"),
        (lambda w: trial_of(w)["train_losses"].update({9: -1.0}), "epoch 10 is -1.0"),
        (lambda w: trial_of(w)["train_losses"].update({9: None}), "epoch 10 is None"),
        (lambda w: trial_of(w).update(params=float("inf")), "params is no finite"),
        (lambda w: trial_of(w).update(latency=["fast"]), "latency: a value is no finite"),
        (
            lambda w: w["arch2infos"][7]["200"]["all_results"].update({("svhn", 777): {}}),
            "unknown trial",
        ),
    ],
)
def test_what_no_official_file_holds_is_refused(
    change: Callable[[dict[Any, Any]], object], message: str, tmp_path: Path
) -> None:
    path = changed(change, tmp_path)
    with pytest.raises(SourceError, match=message):
        read(recognise(path))


def test_what_is_not_recorded_is_left_out_and_never_guessed(tmp_path: Path) -> None:
    def change(whole: dict[Any, Any]) -> None:
        trial = trial_of(whole)
        trial.update(train_times=None, latency=None, params=None, eval_times={})
        trial["eval_acc1es"] = {"ori-test@199": 80.0, "ori-test@3": 20.0}
        trial["eval_losses"] = {}
        trial["train_losses"][4] = float("inf")

    found = runs(read(recognise(changed(change, tmp_path))))
    (run,) = (
        run
        for run in found
        if (run["dataset"], run["seed"], run["schedule"]) == ("cifar10", 777, 200)
    )
    assert run["series"]["ori-test", "accuracy"] == {4: 20.0, 200: 80.0}
    assert ("ori-test", "loss") not in run["series"]
    assert set(run["series"]["train", "loss"]) == set(range(1, 201))
    assert np.isnan(run["series"]["train", "loss"][5])
    assert run["details"] is None, "it went on"
    assert [run[k] for k in ("train_time_s", "latency_s", "params_m", "time_source")] == [None] * 4


@pytest.mark.parametrize("lost", [1, 150, 200])
@pytest.mark.parametrize("nothing", [float("nan"), float("inf")])
def test_a_run_that_diverged_has_no_values_from_there_on(
    lost: int, nothing: float, tmp_path: Path
) -> None:
    def change(whole: dict[Any, Any]) -> None:
        trial_of(whole)["train_losses"] |= dict.fromkeys(range(lost - 1, 200), nothing)

    found = {
        (run["dataset"], run["seed"], run["schedule"]): run
        for run in runs(read(recognise(changed(change, tmp_path))))
    }
    run = found.pop(("cifar10", 777, 200))
    assert json.loads(run["details"]) == {"diverged_at": lost}
    for curve in run["series"].values():
        assert [epoch for epoch, value in curve.items() if np.isnan(value)] == [
            epoch for epoch in curve if epoch >= lost
        ]
    assert {one["details"] for one in found.values()} == {None}


def test_a_cell_without_eval_accuracies_is_told_by_them_not_by_its_times(tmp_path: Path) -> None:
    """The files have ``eval_times`` of x-test for every epoch, its accuracies only for the last."""
    path = official.write("pbz2", (0,), tmp_path / "file")
    trial = official.record(0)["200"]["all_results"]["cifar100", 888]
    assert "x-test@10" in trial["eval_times"]
    found = points(read(recognise(path)))
    arch = official.strings()[0]
    assert (arch, "cifar100", 200, 888, "x-test", "accuracy", 11) not in found
    assert (arch, "cifar100", 200, 888, "x-test", "accuracy", 200) in found


def test_a_folder_is_decoded_in_order_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_folder, "_CELLS_PER_TASK", 3)
    path = official.write("folder", range(20), tmp_path / "folder")
    found: list[Any] = []
    source = NatsFolder(path, workers=2)
    thread = threading.Thread(target=lambda: found.extend(read(source)))
    thread.start()
    thread.join()
    assert len(found) == 7
    cells = list(dict.fromkeys(run["cell"] for run in runs(found)))
    assert cells == official.strings()[:20]
    assert source.files()[0].name == "meta.pickle.pbz2"
    assert len(source.files()) == 21
    assert "20 of 15,625 cells" in source.describe().notes[0]


def test_an_error_in_a_process_names_the_file_and_ends_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_folder, "_CELLS_PER_TASK", 2)
    path = official.write("folder", range(12), tmp_path / "folder")
    broken = path / "000003.pickle.pbz2"
    broken.write_bytes(broken.read_bytes()[:1000])
    generator = NatsFolder(path, workers=2).batches(lambda _done, _total: None)
    assert next(generator).runs.num_rows > 0
    with pytest.raises(SourceError, match=r"000003\.pickle\.pbz2: cut short"):
        next(generator)
    generator = NatsFolder(path, workers=2).batches(lambda _done, _total: None)
    next(generator)
    assert isinstance(generator, Generator)
    generator.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"hello", "no bzip2"),
        (bz2.compress(b""), "no pickle"),
        (bz2.compress(b"\x80\x04cos\nsystem\n."), "refused"),
        (bz2.compress(pickle.dumps([1], 4)), "expected a record"),
        (bz2.compress(b"\x00" * 50_000_000), "unpacks to more than 4 MB"),
        (bz2.compress(pickle.dumps(official.record(4), 4)), "mislabelled"),
    ],
)
def test_a_broken_record(content: bytes, message: str, tmp_path: Path) -> None:
    path = official.write("folder", (3,), tmp_path / "folder")
    (path / "000003.pickle.pbz2").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read(recognise(path))


def test_a_truncated_file(tmp_path: Path) -> None:
    for container in ("pbz2", "pth-legacy", "pth-zip"):
        path = official.write(container, range(9), tmp_path / container)
        data = path.read_bytes()
        for share in (0.2, 0.5, 0.9, 0.999):
            path.write_bytes(data[: int(len(data) * share)])
            with pytest.raises(SourceError):
                read(recognise(path))


def test_a_bomb_of_bzip2_is_refused_after_its_first_bytes(tmp_path: Path) -> None:
    """80 MB of opcodes that push nothing but None, in 60 bytes."""
    path = tmp_path / "file"
    path.write_bytes(bz2.compress(b"\x80\x04](" + b"N" * 80_000_000))
    with pytest.raises(SourceError, match="more than 4 MB"):
        read(recognise(path))


def test_a_torch_file_that_is_no_benchmark(tmp_path: Path) -> None:
    tensors = {"weight": [1.0, 2.0]}
    for container in ("pth-legacy", "pth-zip"):
        path = official.pack(tensors, container, tmp_path / container)
        with pytest.raises(SourceError, match=r"no file of the benchmark.*weight"):
            recognise(path)
    state = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."
    path = tmp_path / "zip"
    official.write_zip(path, [state])
    with pytest.raises(SourceError, match=r"torch\._utils\._rebuild_tensor_v2"):
        recognise(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data/0", b"1234")
    with pytest.raises(SourceError, match="tensors in it"):
        recognise(path)
    path.write_bytes(b"".join(official.torch_legacy([b"\x80\x02X\x01\x00\x00\x00aQ."])))
    with pytest.raises(SourceError, match="outside the file"):
        recognise(path)


@needs_shared
def test_the_real_records() -> None:
    source = recognise(FOLDER)
    assert isinstance(source, NatsFolder)
    found = points(read(source))
    wanted: Points = {}
    for index in (0, 11, 284):
        packed = (FOLDER / f"{index:06d}.pickle.pbz2").read_bytes()
        wanted.update(expected(pickle.loads(bz2.decompress(packed))))
    assert found == wanted


@needs_shared
def test_known_values_of_cell_284() -> None:
    """Domain facts: means over the seeds, as the benchmark's site and papers have them."""
    found = points(read(recognise(FOLDER)))
    arch = official.strings()[284]

    def mean(dataset: str, schedule: int, eval_set: str, epoch: int) -> float:
        chosen = [
            value
            for (cell, d, s, _, e, measure, t), value in found.items()
            if (cell, d, s, e, measure, t) == (arch, dataset, schedule, eval_set, "accuracy", epoch)
        ]
        return float(np.mean(chosen))

    assert mean("cifar10-valid", 200, "x-valid", 12) == pytest.approx(49.887, abs=5e-4)
    assert mean("cifar10-valid", 12, "x-valid", 12) == pytest.approx(72.876, abs=5e-4)
    assert mean("cifar10-valid", 200, "x-valid", 200) == pytest.approx(86.0467, abs=5e-5)
    assert mean("cifar10", 200, "ori-test", 200) == pytest.approx(88.79, abs=5e-3)
    assert mean("cifar10-valid", 200, "ori-test", 200) == pytest.approx(85.637, abs=5e-4)
    assert mean("cifar10", 12, "ori-test", 12) == pytest.approx(79.46, abs=5e-3)
    train = [found[arch, "cifar10", 200, s, "train", "accuracy", 200] for s in (777, 888, 999)]
    assert train == pytest.approx([94.568, 94.772, 94.728])


def shape(value: Any) -> Any:
    """Types, keys and their order."""
    if isinstance(value, dict):
        return type(value), [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)


@needs_shared
def test_generated_records_have_the_structure_of_the_real_ones() -> None:
    for index in (0, 284):
        packed = (FOLDER / f"{index:06d}.pickle.pbz2").read_bytes()
        assert shape(official.record(index)) == shape(pickle.loads(bz2.decompress(packed)))


@needs_shared
def test_the_size_space_is_recognised_and_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"size search space .*only the topology space"):
        recognise(SIZE_SPACE)
    meta = pickle.loads(bz2.decompress((SIZE_SPACE / "meta.pickle.pbz2").read_bytes()))
    meta["arch2infos"] = {0: {"01": {}, "12": {}, "90": {}}}
    with pytest.raises(SourceError, match="size search space"):
        recognise(official.pack(meta, "pbz2", tmp_path / "file"))


def test_one_file_is_told_before_its_records_are_read(tmp_path: Path) -> None:
    path = official.write("pbz2", CELLS, tmp_path / "file")
    assert isinstance(recognise(path), OneFile)
