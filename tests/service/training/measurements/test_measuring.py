"""A worker that measures: each line once, wherever it was interrupted, and training as ever."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.training import worker
from service.training.folder import JobFolder
from service.training.measure import GradientVariance, Landscape, Smoothness
from tests.service.training.test_trainer import timeless
from tests.service.training.test_worker import job

EPOCHS = 3  # of the job
TEST_IMAGES = 100

LANDSCAPE = Landscape(points=5)
VARIANCE = GradientVariance(batch=10, batches=4, plane=3)
SMOOTHNESS = Smoothness(at="ends", sample=40)


def done(folder: JobFolder) -> list[dict[str, Any]]:
    worker.main(str(folder.path))
    result = folder.result()
    assert result is not None
    assert result.state == "done", folder.log()
    return folder.measured()[0]


def again(folder: JobFolder) -> list[dict[str, Any]]:
    """As after a kill: what is in the folder stays, and a worker takes it up."""
    folder.result_file.unlink()
    return done(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    folder = job(tmp_path_factory.mktemp("plain") / "1")
    assert done(folder) == []
    return folder


def test_a_landscape_is_made_row_by_row_around_the_trained_network(
    tmp_path: Path, plain: JobFolder
) -> None:
    folder = job(tmp_path / "1", measurement=LANDSCAPE)
    lines = done(folder)
    assert [(line["number"], line["of"], line["row"]) for line in lines] == [
        (row + 1, 5, row) for row in range(5)
    ]
    assert [line["y"] for line in lines] == [-1, -0.5, 0, 0.5, 1]
    assert {(line["epoch"], line["set"], line["images"]) for line in lines} == {
        (EPOCHS, "ori-test", TEST_IMAGES)
    }
    records, _ = folder.epochs()
    assert timeless(records) == timeless(plain.epochs()[0])
    last = records[-1]["ori-test"]
    assert lines[2]["loss"][2] == pytest.approx(last["loss"], rel=1e-4)  # in bfloat16, maybe
    assert lines[2]["accuracy"][2] == pytest.approx(last["accuracy"])
    assert len({value for line in lines for value in line["loss"]}) == 25


def test_one_direction_makes_one_row(tmp_path: Path, plain: JobFolder) -> None:
    asked = Landscape(points=7, dimensions=1, reach=0.5, sample=30, images="train")
    lines = done(job(tmp_path / "1", measurement=asked, weights=plain.weights_file))
    (line,) = lines
    assert (line["row"], line["y"], line["set"], line["images"]) == (0, 0, "train", 30)
    assert len(line["loss"]) == 7


def test_weights_that_were_kept_spare_the_training(tmp_path: Path, plain: JobFolder) -> None:
    trained = done(job(tmp_path / "1", measurement=LANDSCAPE))
    folder = job(tmp_path / "2", measurement=LANDSCAPE, weights=plain.weights_file)
    assert done(folder) == trained
    assert folder.epochs()[0] == []


def test_weights_of_other_images_are_not_taken(tmp_path: Path, plain: JobFolder) -> None:
    kept = torch.load(plain.weights_file, weights_only=True)
    other = tmp_path / "other.pt"
    torch.save(kept | {"images": "0" * 64}, other)
    folder = job(tmp_path / "1", measurement=LANDSCAPE, weights=other)
    assert len(done(folder)) == 5
    assert len(folder.epochs()[0]) == EPOCHS


def test_gradient_variance_is_measured_before_training_and_after_each_epoch(
    tmp_path: Path, plain: JobFolder
) -> None:
    folder = job(tmp_path / "1", measurement=VARIANCE)
    lines = done(folder)
    by_epoch, plane = lines[:-3], lines[-3:]
    assert [line["epoch"] for line in by_epoch] == [0, 1, 2, 3]
    for line in by_epoch:
        assert (line["set"], line["images"]) == ("train", 40)
        for name in ("variance", "squared_mean"):
            parts = sum(group[name] for group in line["groups"].values())
            assert line[name] == pytest.approx(parts)
    assert [(line["epoch"], line["row"]) for line in plane] == [(EPOCHS, row) for row in range(3)]
    assert plane[1]["variance"][1] == pytest.approx(by_epoch[-1]["variance"], rel=1e-5)
    # Looking at the network changes nothing about its training.
    assert timeless(folder.epochs()[0]) == timeless(plain.epochs()[0])


def test_smoothness_has_a_line_a_block(tmp_path: Path) -> None:
    lines = done(job(tmp_path / "1", measurement=SMOOTHNESS))
    groups = ["stem", "cell 1", "reduction 1", "cell 2", "reduction 2", "cell 3", "classifier"]
    assert [(line["epoch"], line["group"]) for line in lines] == [
        (epoch, group) for epoch in (0, EPOCHS) for group in (*groups, "network")
    ]
    assert all(line["converged"] and line["residual"] < 1e-3 for line in lines)
    for half in (lines[:8], lines[8:]):
        # The largest eigenvalue of the whole is no smaller than that of any block (Cauchy).
        largest = max(abs(line["eigenvalue"]) for line in half[:-1])
        assert abs(half[-1]["eigenvalue"]) >= largest * (1 - 1e-3)


@pytest.mark.parametrize(
    "asked", [LANDSCAPE, VARIANCE, SMOOTHNESS], ids=lambda asked: str(asked.kind)
)
def test_wherever_it_was_interrupted_it_ends_the_same(
    asked: Landscape | GradientVariance | Smoothness, tmp_path: Path
) -> None:
    folder = job(tmp_path / "1", measurement=asked)
    whole = done(folder)
    text = folder.measured_file.read_bytes()
    records = timeless(folder.epochs()[0])
    chance = random.Random(asked.kind)
    # Killed while the measurements of the last epoch were made: its checkpoint is there.
    first = next(place for place, line in enumerate(whole) if line["epoch"] == EPOCHS)
    start = sum(len(line) for line in text.splitlines(keepends=True)[:first])
    for cut in (start, len(text) - 1, chance.randrange(start, len(text))):
        folder.measured_file.write_bytes(text[:cut])
        assert again(folder) == whole
        assert folder.measured_file.read_bytes() == text
        assert timeless(folder.epochs()[0]) == records


def test_a_line_is_missing_only_where_the_network_still_is(tmp_path: Path) -> None:
    """Killed after the checkpoint of epoch 2 and before what is due then was measured."""
    folder = job(tmp_path / "1", measurement=VARIANCE)
    whole = done(folder)
    killed = job(tmp_path / "2", measurement=VARIANCE)
    append = JobFolder.append_measured

    def until_epoch_2(folder: JobFolder, record: dict[str, Any]) -> None:
        if record["epoch"] == 2:
            raise KeyboardInterrupt
        append(folder, record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobFolder, "append_measured", until_epoch_2)
        with pytest.raises(KeyboardInterrupt):
            worker.main(str(killed.path))
    assert [line["epoch"] for line in killed.measured()[0]] == [0, 1]
    assert done(killed) == whole


def test_too_few_images_are_no_reason_to_try_again(tmp_path: Path) -> None:
    folder = job(tmp_path / "1", measurement=GradientVariance(batch=64, batches=100))
    worker.main(str(folder.path))
    result = folder.result()
    assert result is not None
    assert (result.state, result.retry) == ("failed", False)
    assert "100 batches of 64 images of train, which has 200" in (result.error or "")
    assert folder.epochs()[0] == []


def test_what_is_no_number_is_told_as_none(tmp_path: Path, plain: JobFolder) -> None:
    kept = torch.load(plain.weights_file, weights_only=True)
    for name, value in kept["network"].items():
        if name.endswith("weight") and value.ndim == 4:
            value *= 1e12
    torch.save(kept, plain.path / "huge.pt")
    folder = job(tmp_path / "1", measurement=Landscape(points=3), weights=plain.path / "huge.pt")
    losses = [value for line in done(folder) for value in line["loss"]]
    assert None in losses
    assert all(value is None or np.isfinite(value) for value in losses)
