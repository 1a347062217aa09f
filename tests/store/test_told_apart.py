"""What is not the same training is not the same run: splits, and recipes of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.library import Library
from data.sources import recognise
from data.told_apart import recipe_of, split_of
from service.jobs.results import LOCAL
from tests.conftest import client_of
from tests.service.helpers import get, refused
from tests.store.sources import Made, run

LAST = "valid_accuracy@12of12"
HOW = "x-valid is taken out of the training images "
LIMITS = "; at most 4,000 images to train on, a seeded sample with all classes alike"


def value(library: Library, **context: Any) -> Any:
    asked = {"cell": 0, "fields": LAST, **context}
    (row,) = get(client_of(library), "/cells", asked)["items"]
    return row[LAST]


def test_the_benchmark_s_recipe_is_on_the_official_split(fresh: Library, tmp_path: Path) -> None:
    """Whoever divided CIFAR-10 here asks for it by name, and never has the two together."""
    fresh.add_run(run(0, {12: 20.0}, split="seeded"), source=LOCAL)
    client = client_of(fresh)
    (error,) = refused(client, "/cells", {"metric": LAST})
    assert (
        error["problem"] == "not recorded for cifar10, but held under recipe=nb201-12&split=seeded"
    )
    assert value(fresh, split="seeded") == 20.0
    fresh.import_source(Made(tmp_path, [[run(0, {12: 10.0}, seed=888)]]))
    assert value(fresh) == 10.0
    assert value(fresh, pooled=True) == 10.0
    assert value(fresh, split="seeded", pooled=True) == 20.0
    body = get(client, "/cells", {"metric": LAST, "split": "seeded"})
    assert body["context"]["split"] == body["context"]["sets"][LAST]["split"] == "seeded"
    assert [one["split"] for one in get(client, "/runs", {"split": "seeded"})["items"]] == [
        "seeded"
    ]
    kinds = {(one["split"], one["cells"]) for one in get(client, "/columns")["recorded"]}
    assert kinds == {("official", 1), ("seeded", 1)}
    curve = {"split": "seeded", "metric": "valid_accuracy"}
    (found,) = get(client, "/cells/0/curves", curve)["items"]
    assert found["values"] == [20.0]


def test_of_other_recipes_the_only_split_is_meant(fresh: Library, tmp_path: Path) -> None:
    own: dict[str, Any] = {"recipe": "proxy", "images": "jpeg"}
    fresh.add_run(run(0, {12: 20.0}, split="seeded", **own), source=LOCAL)
    assert value(fresh, **own) == 20.0
    fresh.import_source(Made(tmp_path, [[run(0, {12: 10.0}, seed=888, **own)]]))
    (error,) = refused(client_of(fresh), "/cells", {"metric": LAST, **own})
    assert error["allowed"] == "split=official or split=seeded"
    assert "divided in different ways" in error["problem"]
    assert value(fresh, split="seeded", **own) == 20.0
    assert value(fresh, split="official", **own) == 10.0
    (error,) = refused(client_of(fresh), "/cells", {"metric": LAST, "split": "thirds", **own})
    assert "held under recipe=proxy&images=jpeg" in error["problem"]


def test_runs_of_two_splits_are_two_runs(fresh: Library) -> None:
    for split, accuracy in (("seeded", 20.0), ("official", 30.0), ("seeded", 40.0)):
        fresh.add_run(run(0, {12: accuracy}, split=split), source=LOCAL)
    ids = [one["id"] for one in get(client_of(fresh), "/runs")["items"]]
    assert sorted(ids) == [
        "local:nb201-000000:cifar10-valid:nb201-12:777",
        "local:nb201-000000:cifar10-valid:nb201-12:777:seeded-split",
    ]
    assert (value(fresh), value(fresh, split="seeded")) == (30.0, 40.0)


def test_tables_name_the_division(fresh: Library, tmp_path: Path) -> None:
    """The column ``split`` of a table is the set of images."""
    table = tmp_path / "own.csv"
    table.write_text(
        "cell,dataset,split,schedule,seed,epoch,value,division\n"
        "0,cifar10,valid,12,777,12,11,seeded\n"
        "0,cifar10,valid,12,777,12,33,\n"
    )
    fresh.import_source(recognise(table))
    assert (value(fresh), value(fresh, split="seeded")) == (33.0, 11.0)


def told(split: str | None, **more: Any) -> str:
    return json.dumps({"images": {"rendering": "jpeg", "split": split, **more}})


@pytest.mark.parametrize(
    ("details", "split"),
    [
        (None, "official"),
        ("{}", "official"),
        (json.dumps({"images": 3}), "official"),
        ('"no object"', "official"),
        ("[1]", "official"),
        (told(None), "official"),
        (told(HOW + "by a seeded, stratified sample"), "seeded"),
        (told(HOW + "by a seeded, stratified sample (the file isn't there)" + LIMITS), "seeded"),
        (told("x-valid and ori-test are seeded, stratified samples of all images"), "seeded"),
        (told("x-valid is a seeded, stratified tenth of the folder train"), "seeded"),
        (told("x-valid is the folder valid"), "official"),
        (told(HOW + "by the benchmark's cifar-split.txt"), "official"),
        (told(HOW + "by the benchmark's cifar-split.txt" + LIMITS), "official"),
        (told("trained on all training images; ori-test is the original test set"), "official"),
        (told("trained on all training images; ori-test is the original test set" + LIMITS),
         "official"),
        (told("by the benchmark's file", division="seeded"), "seeded"),
        (told("seeded", division="official"), "official"),
    ],
)  # fmt: skip
def test_what_details_say_of_the_split(details: str | None, split: str) -> None:
    """As trainings of this version and of earlier ones write them."""
    assert split_of(details) == split


def settings(decay: str, setting: str, precision: str) -> str:
    recipe = {"optimiser": {"decay": decay}, "precision": setting}
    return json.dumps({"recipe": recipe, "precision": precision})


@pytest.mark.parametrize(
    ("name", "details", "named"),
    [
        ("nb201-12", None, "nb201-12"),
        ("nb201-12", "{}", "nb201-12"),
        ("nb201-12", settings("epoch", "float32", "float32"), "nb201-12"),
        ("nb201-12", settings("epoch", "auto", "float32"), "nb201-12"),
        ("nb201-12", settings("batch", "auto", "float32"), "nb201-12@decay=batch"),
        ("nb201-200", settings("epoch", "auto", "bfloat16"), "nb201-200@precision=bfloat16"),
        (
            "nb201-200",
            settings("batch", "auto", "bfloat16"),
            "nb201-200@decay=batch@precision=bfloat16",
        ),
        (
            "nb201-12@precision=bfloat16",
            settings("epoch", "bfloat16", "bfloat16"),
            "nb201-12@precision=bfloat16",
        ),
        ("proxy", settings("batch", "float32", "float32"), "proxy"),
        ("mine", settings("batch", "bfloat16", "bfloat16"), "mine"),
        ("mine", settings("batch", "auto", "bfloat16"), "mine@precision=bfloat16"),
        (
            "nb201-12@lr=0.05",
            settings("batch", "auto", "bfloat16"),
            "nb201-12@decay=batch@precision=bfloat16@lr=0.05",
        ),
    ],
)
def test_a_name_stands_for_one_training(name: str, details: str | None, named: str) -> None:
    assert recipe_of(name, details) == named


def test_runs_of_earlier_versions_come_in_under_what_they_were(
    fresh: Library, tmp_path: Path
) -> None:
    """An export of a home of an earlier version, imported here."""
    old = settings("batch", "auto", "bfloat16")
    fresh.import_source(Made(tmp_path, [[run(0, {12: 10.0}, details=old)]]))
    (error,) = refused(client_of(fresh), "/cells", {"metric": LAST})
    named = "nb201-12@decay=batch@precision=bfloat16"
    assert f"held under recipe={named}" in error["problem"]
    assert value(fresh, recipe=named) == 10.0
