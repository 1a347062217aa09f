"""The queue with jobs that measure: what is taken in, and what needn't be trained for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.cells import parse_cell
from data.errors import QueryError
from data.runs import one
from service.jobs.requests import Request, checked
from service.training.measure import GradientVariance, Landscape, Smoothness
from tests.service.jobs.staged import EPOCHS, Stage, done
from tests.service.training.image_writers import put, tree

LANDSCAPE = Landscape(points=3)


def line(number: int) -> dict[str, object]:
    return {"number": number, "of": 3, "epoch": EPOCHS, "row": number - 1, "loss": [1.0, None, 2.0]}


def test_a_measurement_takes_no_more_images_than_there_can_be(stage: Stage, tmp_path: Path) -> None:
    def asked(dataset: str, images: str, batches: int) -> Request:
        measurement = GradientVariance.model_validate(
            {"images": images, "batch": 50, "batches": batches}
        )
        cells, home = [parse_cell("1")], stage.queue.home
        return checked(
            cells, dataset, "proxy", [1], home=home, images=[tmp_path], measurement=measurement
        )

    put(tmp_path / "flowers", tree({"train/a": 1, "train/b": 1}))
    # Digits have 1,079 images to train on and 359 of ori-test; proxy takes up to 4,000 and 1,500
    # of a set, which is all that is known of one's own images and of cifar100's two halves.
    for dataset, images, most in (
        ("digits", "train", 1079),
        ("digits", "test", 359),
        ("flowers", "train", 4000),
        ("flowers", "test", 1500),
        ("cifar100", "test", 3000),
    ):
        assert asked(dataset, images, most // 50).measurement is not None
        batches = most // 50 + 1
        with pytest.raises(QueryError) as caught:
            asked(dataset, images, batches)
        assert (caught.value.name, caught.value.value) == ("batches", str(batches))
        assert f"take {batches * 50:,}, and the {images} images of {dataset}" in str(caught.value)
        assert f"are {most:,} at most" in str(caught.value)


def test_a_measurement_is_taken_in_and_leaves_its_run(stage: Stage) -> None:
    assert stage.submit(6111, measurement=LANDSCAPE) == [("queued", 1)]
    stage.queue.step()
    assignment = stage.queue.folders.of(1).assignment()
    assert (assignment.measurement, assignment.weights) == (LANDSCAPE, None)
    stage.works(1, *range(1, EPOCHS + 1))
    stage.queue.folders.of(1).append_measured(line(1))
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.done_epochs, job.measured, job.last_measured) == (EPOCHS, 1, line(1))
    for number in (2, 3):
        stage.queue.folders.of(1).append_measured(line(number))
    stage.finishes(1)
    stage.queue.step()
    job = stage.queue.jobs.get(1)
    assert (job.state, job.run) == ("done", "local:nb201-006111:digits:proxy@12:777")
    assert json.loads(job.details or "")["device"] == "a staged CPU"
    assert stage.queue.jobs.records(1, "measurements") == [line(1), line(2), line(3)]
    # The same again is known, another measurement isn't, and the training of all of them is.
    assert stage.submit(6111, measurement=LANDSCAPE) == [("existing", 1)]
    assert stage.submit(6111, measurement=Smoothness()) == [("queued", 2)]
    assert stage.submit(6111) == [("existing", None)]


def test_a_network_that_was_trained_is_measured_without_training_it_again(stage: Stage) -> None:
    stage.submit(6111)
    stage.queue.step()
    weights = stage.queue.folders.of(1).weights_file
    weights.write_bytes(b"weights")
    stage.finishes(1)
    stage.queue.step()
    run = stage.queue.jobs.get(1).run
    assert weights.exists()
    assert not stage.queue.folders.of(1).checkpoint_file.exists()
    stage.submit(6111, measurement=LANDSCAPE)
    stage.queue.step()
    assert stage.queue.folders.of(2).assignment().weights == weights
    stage.queue.folders.of(2).append_measured(line(1))
    stage.queue.folders.of(2).write_result(done())
    stage.executor.dies(2)
    stage.queue.step()
    job = stage.queue.jobs.get(2)
    assert (job.state, job.done_epochs, job.measured, job.run) == ("done", 0, 1, run)
    # What is due at earlier epochs can't be had from the weights of the last.
    stage.submit(6111, measurement=GradientVariance())
    stage.queue.step()
    assert stage.queue.folders.of(3).assignment().weights is None


def test_a_measurement_leaves_a_run_that_is_there_as_it_is(stage: Stage) -> None:
    stage.submit(6111)
    stage.queue.step()
    stage.finishes(1)
    stage.queue.step()
    run = stage.queue.jobs.get(1).run
    assert run is not None
    before = one(stage.library.snapshot, run)
    stage.submit(6111, measurement=LANDSCAPE)
    stage.queue.step()
    result = done()
    result.details["device"] = "another CPU"
    stage.works(2, *range(1, EPOCHS + 1))
    stage.queue.folders.of(2).write_result(result)
    stage.executor.dies(2)
    stage.queue.step()
    assert stage.queue.jobs.get(2).run == run
    assert one(stage.library.snapshot, run) == before
