"""What metrics mean: words, contexts, precedence of sources, tiers of seeds, measures of curves."""

from __future__ import annotations

import bz2
import contextlib
import pickle
from itertools import accumulate
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from data.catalogue import ranges
from data.errors import QueryError
from data.library import Library
from data.metrics import Metric, parse_metric
from data.sources import recognise
from tests import official as made_official
from tests.conftest import NATS_BENCH, client_of, need
from tests.service.helpers import get, refused
from tests.store.sources import Made, run


def value(client: TestClient, metric: str, cell: int = 0, **context: Any) -> Any:
    asked = {"cell": cell, "fields": f"id,{metric}", **context}
    (row,) = get(client, "/cells", asked)["items"]
    return row[metric]


def spread(client: TestClient, metric: str, cell: int = 0, **context: Any) -> tuple[Any, Any, Any]:
    asked = {"cell": cell, "fields": f"id,{metric}", **context}
    (row,) = get(client, "/cells", asked)["items"]
    return row[metric], row[f"{metric}:n_seeds"], row[f"{metric}:std"]


# The official records, straight from their pickles.


@pytest.fixture(scope="module")
def official() -> dict[int, Any]:
    return {
        index: pickle.loads(
            bz2.decompress((need(NATS_BENCH) / f"{index:06d}.pickle.pbz2").read_bytes())
        )
        for index in (0, 11, 284)
    }


def trials(official: dict[int, Any], cell: int, schedule: int, dataset: str) -> list[Any]:
    results = official[cell][str(schedule)]["all_results"]
    return [results[held] for held in sorted(results) if held[0] == dataset]


WORDS = [
    # What each plain word is, by data set (DOMAIN.md, section 3).
    ("cifar10", "valid", "cifar10-valid", "x-valid"),
    ("cifar10", "test", "cifar10", "ori-test"),
    ("cifar10-valid", "valid", "cifar10-valid", "x-valid"),
    ("cifar10-valid", "test", "cifar10-valid", "ori-test"),
    ("cifar100", "valid", "cifar100", "x-valid"),
    ("cifar100", "test", "cifar100", "x-test"),
    ("cifar100", "valtest", "cifar100", "ori-test"),
    ("ImageNet16-120", "valid", "ImageNet16-120", "x-valid"),
    ("ImageNet16-120", "test", "ImageNet16-120", "x-test"),
    ("ImageNet16-120", "valtest", "ImageNet16-120", "ori-test"),
]


@pytest.mark.parametrize("cell", [0, 11, 284])
@pytest.mark.parametrize("schedule", [12, 200])
@pytest.mark.parametrize(("dataset", "word", "stored", "name"), WORDS)
def test_plain_words(
    records_client: TestClient,
    official: dict[int, Any],
    cell: int,
    schedule: int,
    dataset: str,
    word: str,
    stored: str,
    name: str,
) -> None:
    for kind, key in (("accuracy", "eval_acc1es"), ("loss", "eval_losses")):
        values = [
            trial[key][f"{name}@{schedule - 1}"]
            for trial in trials(official, cell, schedule, stored)
        ]
        metric = f"{word}_{kind}@{schedule}of{schedule}"
        found, seeds, std = spread(records_client, metric, cell, dataset=dataset)
        assert found == pytest.approx(mean(values), rel=1e-12)
        assert seeds == len(values)
        assert std == (pytest.approx(stdev(values), rel=1e-9) if len(values) > 1 else None)


def test_known_values_of_cell_284(records_client: TestClient) -> None:
    """DOMAIN.md, section 3."""
    for metric, dataset, expected in (
        ("valid_accuracy@12of200", "cifar10", 49.887),
        ("valid_accuracy@12of12", "cifar10", 72.876),
        ("valid_accuracy@final", "cifar10", 86.0467),
        ("test_accuracy@final", "cifar10", 88.79),
        ("test_accuracy@final", "cifar10-valid", 85.637),
        ("test_accuracy@12of12", "cifar10", 79.46),
        ("train_accuracy@final", "cifar10", 94.6893),
    ):
        digits = len(str(expected).partition(".")[2])
        found = value(records_client, metric, 284, dataset=dataset)
        assert found == pytest.approx(expected, abs=0.51 * 10**-digits), metric
    for seed, expected in ((777, 94.568), (888, 94.772), (999, 94.728)):
        found = value(records_client, "train_accuracy@200of200", 284, seed=seed)
        assert found == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("metric", ["valtest_accuracy@12of12", "valtest_loss@final"])
def test_cifar10_has_no_valtest(records_client: TestClient, metric: str) -> None:
    for dataset in ("cifar10", "cifar10-valid"):
        (error,) = refused(records_client, "/cells", {"metric": metric, "dataset": dataset})
        assert error["name"] == "metric"
        assert "valid_accuracy@{1..12}of12" in error["allowed"]
        assert "valid_accuracy@{1..200}of200" in error["allowed"]
        assert "valtest" not in error["allowed"]


def test_what_is_recorded_at_the_end_only(records_client: TestClient) -> None:
    """200 epochs on cifar100: x-valid and x-test at the last epoch, valtest at every one."""
    context = {"dataset": "cifar100"}
    assert value(records_client, "valtest_accuracy@7of200", 11, **context) > 0
    for word in ("valid", "test"):
        assert value(records_client, f"{word}_accuracy@200of200", 11, **context) > 0
        asked = {**context, "metric": f"{word}_accuracy@7of200"}
        (error,) = refused(records_client, "/cells", asked)
        assert f"{word}_accuracy@{{200}}of200" in error["allowed"]
        assert f"{word}_accuracy@{{1..12}}of12" in error["allowed"]


@pytest.mark.parametrize("cell", [0, 11, 284])
@pytest.mark.parametrize("schedule", [12, 200])
def test_measures_of_curves(
    records_client: TestClient, official: dict[int, Any], cell: int, schedule: int
) -> None:
    """Plain loops over the real curves of cifar10-valid, averaged over its seeds."""
    held = trials(official, cell, schedule, "cifar10-valid")
    accuracies = [[t["eval_acc1es"][f"x-valid@{e}"] for e in range(schedule)] for t in held]
    losses = [[t["train_losses"][e] for e in range(schedule)] for t in held]
    context = {"dataset": "cifar10-valid"}
    for upto in (1, 5, schedule):
        of = f"{upto}of{schedule}"
        for name, values in (
            (f"aulc@{of}", [sum(curve[:upto]) / upto for curve in accuracies]),
            (f"sotl@{of}", [sum(curve[:upto]) for curve in losses]),
            (f"sotl_e@{of}", [curve[upto - 1] for curve in losses]),
            (
                f"tse_ema@{of}",
                [
                    list(accumulate(curve[:upto], lambda a, b: 0.999 * a + b))[-1]
                    for curve in losses
                ],
            ),
        ):
            found, seeds, _ = spread(records_client, name, cell, **context)
            assert found == pytest.approx(mean(values), rel=1e-9), name
            assert seeds == len(values)
    for threshold in ("40", "60.5", "99.99"):
        first = [
            next((e for e, v in enumerate(curve, 1) if v >= float(threshold)), None)
            for curve in accuracies
        ]
        reached = [epoch for epoch in first if epoch is not None]
        found, seeds, _ = spread(
            records_client, f"epochs_to_{threshold}of{schedule}", cell, **context
        )
        # Never reached is censored, not the length of the schedule: then there is no mean.
        whole = len(reached) == len(first)
        assert found == (pytest.approx(mean(reached)) if whole else None)
        assert seeds == len(first)
        name = f"epochs_to_{threshold}of{schedule}:state"
        assert value(records_client, name, cell, **context) == ("observed" if whole else "censored")
    half = [
        next(e for e, v in enumerate(curve, 1) if v - curve[0] >= (curve[-1] - curve[0]) / 2)
        for curve in accuracies
    ]
    assert value(records_client, f"half_life_of{schedule}", cell, **context) == mean(half)


def test_thresholds_are_told_apart(records_client: TestClient) -> None:
    """Also those that differ in the sixth digit behind the point."""
    names = ["epochs_to_86.000001of200", "epochs_to_86.000002of200", "epochs_to_86of200"]
    (row,) = get(records_client, "/cells", {"cell": "284", "fields": ",".join(["id", *names])})[
        "items"
    ]
    assert [name for name in row if ":" not in name] == ["id", *names]


def test_measures_of_curves_need_the_curve(client: TestClient) -> None:
    for metric in ("aulc@final", "half_life_of200", "epochs_to_60of200", "sotl@12of200"):
        (error,) = refused(client, "/cells", {"metric": metric})
        assert (error["name"], error["value"]) == ("metric", metric)
        assert "valid_accuracy@{200}of200" in error["allowed"]


# Small tables of one's own.


def test_the_longest_schedule_is_final(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [[run(0, {12: 12.0})]], name="a"))
    client = client_of(fresh)
    assert value(client, "valid_accuracy@final") == 12.0
    fresh.import_source(
        Made(
            tmp_path,
            [[run(0, {200: 20.0}, schedule=200), run(0, {50: 5.0}, schedule=50, recipe="x")]],
            name="b",
        )
    )
    assert value(client, "valid_accuracy@final") == 20.0
    assert value(client, "valid_accuracy@12of12") == 12.0
    body = get(client, "/cells", {"limit": 1})
    assert body["context"]["sets"]["valid_accuracy@final"]["metric"] == "valid_accuracy@200of200"
    # A source without that schedule has no final value: 12 epochs never stand for 200.
    (error,) = refused(client, "/cells", {"source": "a", "metric": "valid_accuracy@final"})
    assert error["allowed"] == "recorded for dataset=cifar10, source=a: valid_accuracy@{12}of12"


def test_recipes_are_never_mixed(fresh: Library, tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text(
        "cell,dataset,split,schedule,seed,epoch,value,recipe\n"
        "0,cifar10,valid,12,777,12,11,nb201-12\n"
        "0,cifar10,valid,12,777,11,11,cutout\n"
        "0,cifar10,valid,12,777,12,33,cutout\n"
        "0,cifar10,valid,12,888,12,35,cutout\n"
        "0,cifar10,test,12,888,12,44,cutout\n"
    )
    fresh.import_source(recognise(table))
    client = client_of(fresh)
    assert spread(client, "valid_accuracy@12of12") == (11.0, 1, None)
    found = spread(client, "valid_accuracy@12of12", recipe="cutout")
    assert found == (34.0, 2, pytest.approx(stdev([33, 35])))
    (error,) = refused(client, "/cells", {"metric": "test_accuracy@12of12"})
    assert error["problem"] == "not recorded for cifar10, but held under recipe=cutout"
    assert value(client, "test_accuracy@final", recipe="cutout") == 44.0
    assert refused(client, "/cells", {"metric": "valid_accuracy@11of12"})
    (mean_curve,) = get(client, "/cells/0/curves", {"recipe": "cutout"})["items"]
    assert (mean_curve["epochs"], mean_curve["values"]) == ([11, 12], [11.0, 34.0])


def test_renderings_of_images_are_never_mixed(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(
        Made(
            tmp_path,
            [
                [
                    run(0, {12: 10.0}),
                    run(0, {12: 30.0}, images="jpeg"),
                    run(1, {12: 31.0}, images="jpeg"),
                    run(0, {12: 50.0}, images="jpeg", eval_set="ori-test", dataset="cifar10"),
                ]
            ],
        )
    )
    client = client_of(fresh)
    assert value(client, "valid_accuracy@final") == 10.0
    assert value(client, "valid_accuracy@final", cell=1) is None
    assert value(client, "valid_accuracy@final", images="jpeg") == 30.0
    (error,) = refused(client, "/cells", {"metric": "test_accuracy@final"})
    assert "held under recipe=nb201-12&images=jpeg" in error["problem"]


def test_a_default_metric_in_another_context_is_told(fresh: Library, tmp_path: Path) -> None:
    """The default fields hold a metric: where the context has none of it, that is said."""
    fresh.import_source(
        Made(tmp_path, [[run(0, {5: 1.0}, dataset="digits", schedule=5, recipe="small")]])
    )
    client = client_of(fresh)
    (error,) = refused(client, "/cells", {"dataset": "digits"})
    assert "held under recipe=small" in error["problem"]
    body = get(client, "/cells", {"dataset": "digits", "recipe": "small", "cell": "0"})
    assert body["items"][0]["valid_accuracy@final"] == 1.0
    assert body["items"][0]["params_m"] is None, "the benchmark has no network for digits"


def test_pooled_the_official_table_wins(fresh: Library, tmp_path: Path) -> None:
    """Value by value: where it holds nothing, others do. One origin a cell: test_origin.py."""
    other = [run(0, {6: 1.0, 12: 2.0}), run(1, {6: 3.0, 12: 4.0}), run(0, {12: 8.0}, seed=888)]
    fresh.import_source(Made(tmp_path, [other], name="other"))
    fresh.import_source(Made(tmp_path, [[run(0, {12: 50.0})]], name="truth", official=True))
    client = client_of(fresh)
    last = "valid_accuracy@12of12"
    pooled: dict[str, Any] = {"pooled": "true"}
    assert value(client, last, seed=777, **pooled) == 50.0
    assert value(client, "valid_accuracy@6of12", seed=777, **pooled) == 1.0
    assert value(client, last, cell=1, **pooled) == 4.0
    assert spread(client, last, **pooled)[:2] == (29.0, 2), "seed 888 is the other's"
    both: list[dict[str, Any]] = [{}, pooled]
    for named in both:
        assert value(client, last, source="other", seed=777, **named) == 2.0
        assert value(client, last, source="truth", **named) == 50.0
        assert value(client, last, source="truth", cell=1, **named) is None
    found = get(client, "/cells/0/curves", {"seed": "all", **pooled})["items"]
    assert [(item["seed"], item["epochs"], item["values"]) for item in found] == [
        (777, [6, 12], [1.0, 50.0]),
        (888, [12], [8.0]),
    ]
    assert found[0]["source"] == "truth, other"


def test_pooled_named_seeds_before_unnamed_ones_before_means(
    fresh: Library, tmp_path: Path
) -> None:
    named = [run(0, {12: 10.0}, seed=1), run(0, {12: 20.0}, seed=2)]
    unnamed = [
        run(index, {11: 30.0 + place, 12: 40.0 + place}, seed=None, replicate=f"curve {place}")
        for index in (0, 1)
        for place in range(3)
    ]
    means = [
        run(index, {10: 60.0, 11: 61.0, 12: 62.0}, seed=None, replicate="mean")
        for index in (0, 1, 2)
    ]
    for name, runs in (("means", means), ("unnamed", unnamed), ("named", named)):
        fresh.import_source(Made(tmp_path, [runs], name=name))
    client = client_of(fresh)
    last = "valid_accuracy@12of12"
    assert spread(client, last, 0) == (15.0, 2, pytest.approx(stdev([10, 20])))
    assert spread(client, last, 1) == (41.0, 3, pytest.approx(1.0))
    assert spread(client, last, 2) == (62.0, None, None), "of how many seeds, nobody says"
    # Tiers are chosen value by value: what the named seeds lack is not lost.
    assert spread(client, "valid_accuracy@11of12", 0) == (31.0, 3, pytest.approx(1.0))
    assert spread(client, "valid_accuracy@10of12", 0) == (60.0, None, None)
    (curve,) = get(client, "/cells/0/curves", {"pooled": "true"})["items"]
    assert (curve["epochs"], curve["values"]) == ([10, 11, 12], [60.0, 31.0, 15.0])
    assert curve["n_seeds"] == [None, 3, 2]
    assert curve["std"] == [None, pytest.approx(1.0), pytest.approx(stdev([10, 20]))]
    # A seed is a seed: nothing else stands for it.
    assert value(client, last, 0, seed=1) == 10.0
    assert value(client, last, 1, seed=1) is None
    assert value(client, last, 0, source="means") == 62.0


def test_a_curve_is_measured_on_the_best_tier_that_has_it_whole(
    fresh: Library, tmp_path: Path
) -> None:
    whole = {epoch: 50.0 + epoch for epoch in range(1, 13)}
    fresh.import_source(
        Made(tmp_path, [[run(0, {12: 90.0}, seed=1)],
                        [run(0, whole, seed=None, replicate="a")]])
    )  # fmt: skip
    client = client_of(fresh)
    assert value(client, "valid_accuracy@12of12") == 90.0
    assert spread(client, "aulc@12of12") == (pytest.approx(56.5), 1, None)
    assert spread(client, "epochs_to_55of12") == (5.0, 1, None)


def test_a_missing_epoch_leaves_a_measure_undefined(fresh: Library, tmp_path: Path) -> None:
    gap = {epoch: 50.0 for epoch in range(1, 13) if epoch != 4}
    whole = dict.fromkeys(range(1, 13), 60.0)
    fresh.import_source(Made(tmp_path, [[run(0, gap), run(1, whole), run(1, gap, seed=888)]]))
    client = client_of(fresh)
    assert value(client, "aulc@12of12") is None
    assert value(client, "aulc@3of12") == 50.0
    assert spread(client, "aulc@12of12", 1) == (60.0, 1, None)


def test_a_diverged_loss_is_null_not_nan(fresh: Library, tmp_path: Path) -> None:
    losses = {11: 1.5, 12: float("nan")}
    fresh.import_source(
        Made(tmp_path, [[run(0, losses, measure="loss"), run(1, {12: 2.0}, measure="loss")]])
    )
    client = client_of(fresh)
    assert value(client, "valid_loss@12of12") is None
    assert value(client, "valid_loss@12of12", 1) == 2.0
    for path in ("/cells/0", "/cells/0/curves?metric=valid_loss&seed=all", "/runs"):
        get(client, path)
    (item,) = get(client, "/correlations", {"x": "n_skip", "y": "valid_loss@12of12"})["items"]
    assert (item["n"], item["diverged"]) == (2, 1)


def test_an_official_run_that_diverged_ranks_its_cell_last(fresh: Library, tmp_path: Path) -> None:
    """As one that was trained here; the accuracy of a network without numbers isn't the cell's."""
    whole = made_official.benchmark((7, 8))
    trial = whole["arch2infos"][7]["200"]["all_results"]["cifar10-valid", 777]
    trial["train_losses"] |= dict.fromkeys(range(150, 200), float("nan"))
    trial["eval_acc1es"] |= {f"x-valid@{epoch}": 99.0 for epoch in range(150, 200)}
    fresh.import_source(recognise(made_official.pack(whole, "pbz2", tmp_path / "file")))
    client = client_of(fresh)
    asked = {"source": "nasbench201", "dataset": "cifar10-valid"}
    for metric in ("valid_accuracy@final", "valid_accuracy@151of200", "aulc@200of200"):
        found = [value(client, f"{metric}:state", cell, **asked) for cell in (7, 8)]
        assert found == ["diverged", "observed"]
        assert value(client, metric, 7, **asked) is None
    assert value(client, "valid_accuracy@150of200", 7, **asked) is not None
    assert value(client, "valid_accuracy@final", 7, seed=888, **asked) is not None
    (item,) = get(client, "/correlations", {"x": "n_skip", "y": "valid_accuracy@final", **asked})[
        "items"
    ]
    assert (item["n"], item["diverged"]) == (2, 1)


@pytest.mark.parametrize("seed", [0, 2**62])
def test_seeds_of_any_size(fresh: Library, tmp_path: Path, seed: int) -> None:
    fresh.import_source(Made(tmp_path, [[run(0, {12: 10.0}, seed=seed)]]))
    client = client_of(fresh)
    assert value(client, "valid_accuracy@final", seed=seed) == 10.0
    (item,) = get(client, "/runs", {"seed": seed})["items"]
    assert item["seed"] == seed


# The grammar.

LEVELS = st.sampled_from(["valid_accuracy", "train_loss", "aulc", "sotl", "sotl_e", "tse_ema"])


@given(
    LEVELS,
    st.integers(1, 99_999),
    st.integers(1, 99_999),
    st.sampled_from(["value", "std", "n_seeds", "state"]),
)
def test_names_are_read_back(measure: str, epoch: int, schedule: int, aspect: Any) -> None:
    metric = Metric(measure, min(epoch, schedule), max(epoch, schedule), aspect=aspect)
    assert parse_metric(str(metric)) == metric
    assert parse_metric(str(Metric(measure, aspect=aspect))) == Metric(measure, aspect=aspect)


@given(st.integers(0, 100_000_000), st.integers(1, 99_999))
def test_thresholds_are_read_back(millionths: int, schedule: int) -> None:
    threshold = float(f"{millionths / 1_000_000:.6f}")
    metric = Metric("epochs_to", None, schedule, threshold)
    assert parse_metric(f"epochs_to_{threshold:.6f}of{schedule}") == metric
    assert parse_metric(str(metric)) == metric


@given(st.text(max_size=40))
def test_any_text_is_a_metric_or_refused(text: str) -> None:
    with contextlib.suppress(QueryError):
        metric = parse_metric(text)
        assert parse_metric(str(metric)) == metric


@given(st.sets(st.integers(1, 300)))
def test_ranges_in_short(numbers: set[int]) -> None:
    found: list[int] = []
    for part in filter(None, ranges(numbers).split(", ")):
        low, _, high = part.partition("..")
        found += range(int(low), int(high or low) + 1)
    assert found == sorted(numbers)


def test_vectors_are_float64_of_all_cells(records: Library) -> None:
    from data.metrics import Context

    snapshot = records.snapshot
    resolved = snapshot.catalogue.resolve(parse_metric("train_loss@1of200"), Context())
    vector = snapshot.vectors.metric(resolved)
    assert vector.value.shape == (snapshot.frame.size,)
    assert np.flatnonzero(~np.isnan(vector.value)).tolist() == [0, 11, 284]
