"""The training loop: what it learns, records, repeats, resumes and refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from analysis.cells import parse_cell
from service.training.images import Images, ImageSet
from service.training.recipes import Recipe, RecipeError, builtin
from service.training.setting import Machine, set_up
from service.training.trainer import DivergedError, Record, train
from tests.service.training import made

CPU = Machine(torch.device("cpu"), 1)


class Interruption(BaseException):
    """Ends a training as a kill would: nothing in the loop handles it."""


class Trained:
    """A training and everything that it handed on."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        *,
        cell: str = made.NB201,
        images: Images | None = None,
        seed: int = 1,
        interrupt_after: int | None = None,
    ) -> None:
        self.records: list[Record] = []
        self.resumed_with: list[Record] = []
        self.checkpoint = folder / "checkpoint.pt"
        self._interrupt_after = interrupt_after
        self.setting = set_up(
            parse_cell(cell), recipe, images or made.images(), seed, CPU, mirrored=True
        )
        train(
            self.setting,
            recipe,
            seed,
            self.checkpoint,
            started=lambda records: self.resumed_with.extend(records),
            finished_epoch=self._finished,
        )

    def _finished(self, record: Record) -> None:
        self.records.append(record)
        if record["epoch"] == self._interrupt_after:
            raise Interruption


def timeless(records: list[Record]) -> list[dict[str, Any]]:
    """Records without what differs from one time to the next."""
    varying = ("seconds", "images_per_s")
    return [{k: v for k, v in record.items() if k not in varying} for record in records]


def test_it_learns(tmp_path: Path) -> None:
    trained = Trained(tmp_path, made.recipe(epochs=12, augment={}))
    first, last = trained.records[0], trained.records[-1]
    assert last["train"]["loss"] < first["train"]["loss"]
    assert last["x-valid"]["accuracy"] > 80  # a third is chance
    assert last["ori-test"]["accuracy"] > 80


def test_a_record_is_whole(tmp_path: Path) -> None:
    trained = Trained(tmp_path, made.recipe())
    assert [record["epoch"] for record in trained.records] == [1, 2]
    for record in trained.records:
        assert set(record) == {"epoch", "train", "x-valid", "ori-test", "seconds", "images_per_s"}
        for name in ("train", "x-valid", "ori-test"):
            assert record[name]["loss"] > 0
            assert 0 <= record[name]["accuracy"] <= 100
        assert record["seconds"]["train"] > 0
        assert record["images_per_s"] == pytest.approx(50 / record["seconds"]["train"], rel=0.05)


def test_the_same_job_gives_the_same_curve_and_another_seed_another(tmp_path: Path) -> None:
    runs = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        runs.append(timeless(Trained(folder, made.recipe(), seed=seed).records))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


DARTS = {
    "nasbench201": None,
    "darts": {"channels": 2, "cells": 3, "auxiliary": 0.4, "drop_path": 0.3},
}


@pytest.mark.parametrize(
    ("cell", "changes"),
    [
        (made.NB201, {}),
        (made.NB201, {"optimiser": {"learning_rate": 0.1, "decay": "epoch", "clip": 1.0}}),
        ("DARTS-V2", {"network": DARTS, "augment": {"crop": 0.125, "cutout": 0.5}}),
    ],
)
def test_a_resumed_run_is_the_run_that_was_never_interrupted(
    cell: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    recipe = made.recipe(epochs=3, **changes)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = Trained(tmp_path / "whole", recipe, cell=cell)
    parts: list[Record] = []
    for stop in (1, 2):
        with pytest.raises(Interruption):
            Trained(tmp_path / "parts", recipe, cell=cell, interrupt_after=stop)
    last = Trained(tmp_path / "parts", recipe, cell=cell)
    parts = last.resumed_with + last.records
    assert timeless(parts) == timeless(whole.records)
    states = [torch.load(run.checkpoint, weights_only=True)["network"] for run in (whole, last)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_a_finished_run_trains_no_further(tmp_path: Path) -> None:
    first = Trained(tmp_path, made.recipe())
    again = Trained(tmp_path, made.recipe())
    assert again.records == []
    assert again.resumed_with == first.records


def weights(folder: Path) -> torch.Tensor:
    network = torch.load(folder / "checkpoint.pt", weights_only=True)["network"]
    flat: torch.Tensor = network["classifier.weight"].double().flatten()
    return flat


@pytest.mark.parametrize("decay", ["batch", "epoch"])
def test_the_learning_rate_follows_the_cosine(decay: str, tmp_path: Path) -> None:
    """With a rate this small the gradient stays as it is, so that weights move by the rate.

    One batch an epoch, of all images: the rates are top · ½(1 + cos 0) = top in the first epoch
    and top · ½(1 + cos(π/2)) = top / 2 in the second.
    """
    moved = []
    for top in (1e-3, 2e-3):
        folder = tmp_path / str(top)
        folder.mkdir()
        sgd = {"learning_rate": top, "decay": decay, "momentum": 0.0}
        recipe = made.recipe(epochs=2, batch=50, optimiser=sgd, augment={})
        with pytest.raises(Interruption):
            Trained(folder, recipe, interrupt_after=1)
        steps = [weights(folder)]
        Trained(folder, recipe)
        moved.append([*steps, weights(folder)])
    slow, fast = moved
    first = fast[0] - slow[0]
    second = (fast[1] - slow[1]) - first
    assert (second @ first / (first @ first)).item() == pytest.approx(0.5, abs=0.03)


def rates(recipe: Recipe, folder: Path) -> list[list[float]]:
    """The learning rate of each step, by epoch, as torch's optimiser has it."""
    steps: list[float] = []

    def note(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        steps.extend(group["lr"] for group in optimiser.param_groups)

    hook = register_optimizer_step_pre_hook(note)
    try:
        Trained(folder, recipe)
    finally:
        hook.remove()
    a_time = len(steps) // recipe.epochs
    return [steps[start : start + a_time] for start in range(0, len(steps), a_time)]


def test_the_benchmarks_rate_moves_once_an_epoch(tmp_path: Path) -> None:
    """As the official code has it: 0.05 · (1 + cos(πe/T)) in every step of epoch e = 0 … T−1.

    Σ over the epochs is 0.05 · (T + 1), for the cosines add up to 1.
    """
    recipe = builtin()["nb201-12"]
    small = {"network": {"nasbench201": {"channels": 8, "cells": 1}}, "batch": 25}
    taken = rates(Recipe.model_validate(recipe.model_dump() | small), tmp_path)
    assert len(taken) == recipe.epochs
    for epoch, steps in enumerate(taken):
        assert steps == [pytest.approx(0.05 * (1 + math.cos(math.pi * epoch / recipe.epochs)))] * 2
    assert sum(steps[0] for steps in taken) == pytest.approx(0.65)


def test_gradients_are_clipped_to_the_recipe_s_norm(tmp_path: Path) -> None:
    """All parameters as one vector, in every step; 0 clips nothing."""
    norms: dict[float, list[float]] = {}
    for clip in (0.0, 1e-3):
        found = norms.setdefault(clip, [])

        def note(optimiser: torch.optim.Optimizer, *_: Any, found: list[float] = found) -> None:
            gradients = [p.grad for group in optimiser.param_groups for p in group["params"]]
            squares = [float((one.double() ** 2).sum()) for one in gradients if one is not None]
            found.append(math.sqrt(sum(squares)))

        hook = register_optimizer_step_pre_hook(note)
        try:
            folder = tmp_path / str(clip)
            folder.mkdir()
            sgd = {"learning_rate": 0.05, "clip": clip}
            Trained(folder, made.recipe(batch=25, optimiser=sgd))
        finally:
            hook.remove()
    assert len(norms[0.0]) == len(norms[1e-3]) == 4
    assert min(norms[0.0]) > 0.01
    assert norms[1e-3] == pytest.approx([1e-3] * 4, rel=1e-2)


def test_momentum_is_nesterov_s_where_the_recipe_says_so(tmp_path: Path) -> None:
    """After one step from rest Nesterov's has moved 1 + µ gradients, the plain one a gradient."""
    moved = {}
    for nesterov in (False, True):
        folders = [tmp_path / f"{nesterov} {rate}" for rate in (1e-9, 1e-3)]
        ends = []
        for folder, rate in zip(folders, (1e-9, 1e-3), strict=True):
            folder.mkdir()
            sgd = {"learning_rate": rate, "momentum": 0.9, "nesterov": nesterov}
            Trained(folder, made.recipe(epochs=1, batch=50, optimiser=sgd, augment={}))
            ends.append(weights(folder))
        moved[nesterov] = ends[1] - ends[0]
    along = moved[False] @ moved[True] / (moved[False] @ moved[False])
    assert along.item() == pytest.approx(1.9, abs=0.01)


def test_paths_are_dropped_more_by_the_epoch(tmp_path: Path) -> None:
    """Linearly, from none in the first to short of the recipe's at the end: p · (e − 1) / T."""
    dropped: list[float] = []

    class Watched(Trained):
        def _finished(self, record: Record) -> None:
            dropped.append(self.setting.network.drop_path)
            super()._finished(record)

    network = {"darts": {"channels": 2, "cells": 3, "drop_path": 0.4}}
    recipe = made.recipe(epochs=4, batch=50, network=network)
    Watched(tmp_path, recipe, cell="DARTS-V2", images=made.images(side=16))
    assert dropped == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_rate_by_batch_moves_with_every_step(tmp_path: Path) -> None:
    sgd = {"learning_rate": 0.1, "decay": "batch"}
    taken = rates(made.recipe(epochs=3, batch=25, optimiser=sgd), tmp_path)
    expected = [0.05 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert [rate for steps in taken for rate in steps] == pytest.approx(expected)


def test_divergence_ends_the_run_and_keeps_its_curve(tmp_path: Path) -> None:
    recipe = made.recipe(
        epochs=5, optimiser={"learning_rate": 100.0, "weight_decay": 1.0}, batch=2, augment={}
    )
    records: list[Record] = []
    setting = set_up(parse_cell(made.NB201), recipe, made.images(), 1, CPU, mirrored=False)
    with pytest.raises(DivergedError) as caught:
        train(
            setting,
            recipe,
            1,
            tmp_path / "checkpoint.pt",
            started=lambda _: None,
            finished_epoch=records.append,
        )
    assert records[-1]["epoch"] == caught.value.epoch
    assert records[-1]["train"]["loss"] is None
    assert all(record["train"]["loss"] is not None for record in records[:-1])
    assert str(caught.value) == f"diverged at epoch {caught.value.epoch}"
    with pytest.raises(DivergedError) as again:  # and says so again, without training further
        Trained(tmp_path, recipe)
    assert again.value.epoch == caught.value.epoch


def test_the_test_set_of_two_halves_is_both_together(tmp_path: Path) -> None:
    made_images = made.images(others=20)
    halves = made_images.sets["ori-test"]
    one = ImageSet(halves.images[:5], halves.labels[:5])
    other = ImageSet(halves.images[5:], halves.labels[5:])
    split = replace(
        made_images,
        sets={
            "train": made_images.sets["train"],
            "x-valid": one,
            "x-test": other,
            "ori-test": halves,
        },
    )
    for folder in ("whole", "halves"):
        (tmp_path / folder).mkdir()
    whole = Trained(tmp_path / "whole", made.recipe()).records[-1]["ori-test"]
    both = Trained(tmp_path / "halves", made.recipe(), images=split).records[-1]["ori-test"]
    assert both["accuracy"] == pytest.approx(whole["accuracy"])
    assert both["loss"] == pytest.approx(whole["loss"], rel=1e-5)


def test_a_last_batch_of_one_image_joins_the_one_before(tmp_path: Path) -> None:
    """Batch normalisation of a single value is undefined."""
    recipe = made.recipe(
        network={"darts": {"channels": 2, "cells": 3, "auxiliary": 0.4}}, batch=16, epochs=1
    )
    trained = Trained(tmp_path, recipe, cell="SNAS-mild", images=made.images(train=33))
    assert trained.records[0]["train"]["loss"] > 0


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_computes_in_the_precision_of_its_recipe(precision: str) -> None:
    """Whatever the device could do; and float32 is float32 on GPUs too, where torch shortens it."""
    recipe = made.recipe(precision=precision)
    torch.backends.cudnn.allow_tf32 = True  # as torch starts
    setting = set_up(parse_cell(made.NB201), recipe, made.images(), 1, CPU, mirrored=True)
    assert setting.precision == precision
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    images, labels = setting.sets["train"]
    _, _, logits = setting.forward(setting.prepare.plain(images), labels)
    assert str(logits.dtype) == f"torch.{precision}"


def test_tf32_is_for_gpus(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="tf32, which only GPUs do"):
        Trained(tmp_path, made.recipe(precision="tf32"))


def test_cells_of_the_other_space_are_refused(tmp_path: Path) -> None:
    recipe = made.recipe(network={"darts": {"channels": 2, "cells": 3}})
    with pytest.raises(RecipeError, match="nasbench201"):
        Trained(tmp_path, recipe)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_images_too_small_for_the_network_are_a_refusal(tmp_path: Path) -> None:
    """No crash: another attempt would not help."""
    recipe = made.recipe(network={"darts": {"channels": 2, "cells": 3, "auxiliary": 0.4}})
    with pytest.raises(RecipeError, match="can't train darts-"):
        Trained(tmp_path, recipe, cell="DARTS-V2", images=made.images(side=4))


def test_a_disconnected_cell_learns_nothing_but_trains(tmp_path: Path) -> None:
    nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    record = Trained(tmp_path, made.recipe(), cell=nothing).records[-1]
    labels = made.images().sets["x-valid"].labels
    shares = 100 * np.bincount(labels) / len(labels)
    assert any(record["x-valid"]["accuracy"] == pytest.approx(share) for share in shares)
