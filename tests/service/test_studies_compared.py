"""Studies that compare cells: what comes of variants, learning rates and adapted forms."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from analysis.cells import parse_cell
from data.library import Library
from service.jobs.results import LOCAL
from tests import raw
from tests.service.helpers import get
from tests.service.jobs.staged import EPOCHS
from tests.service.lab import Lab
from tests.store.sources import run

CONVERGENCE: dict[str, Any] = {
    "kind": "variants",
    "cells": ["6111"],
    "dataset": "digits",
    "recipe": "proxy",
}


def test_measures_are_those_of_the_curves(lab: Lab) -> None:
    """Curves of a straight rise: 29 + e + gain percent after epoch e, training loss 2/e."""
    lab.post(**CONVERGENCE, count=2, seeds=[1, 2], epoch=4, threshold=33.5)
    gains = {1: 0.0, 2: 3.0}
    lab.work(lambda assignment: gains[assignment.seed])
    study = lab.study()
    assert study["state"] == "done"
    (result,) = study["results"]
    assert (result["learning_rate"], result["recipe"], result["epoch"]) == (0.05, "proxy", 4)
    assert result["set"] == "x-valid"
    (original,) = [row for row in result["cells"] if row["role"] == "original"]
    assert (original["cell"], original["width"], original["n"]) == ("nb201-006111", 3, 2)
    spread = 3 / np.sqrt(2)
    harmonic = 2 * (1 + 1 / 2 + 1 / 3 + 1 / 4)
    expected = {
        "accuracy@4": (33 + 1.5, spread),
        "accuracy@final": (41 + 1.5, spread),
        "aulc@4": (31.5 + 1.5, spread),
        "half_life": (7, 0),  # 30 to 41, half of it is passed after epoch 7
        "sotl@4": (harmonic, 0),
        "sotl_e@4": (0.5, 0),
        "tse_ema@4": (2 * sum(0.999 ** (4 - e) / e for e in range(1, 5)), 0),
        "epochs_to_33.5": (3.5, 3 / np.sqrt(2)),  # epoch 5 without the gain, 2 with it
    }
    assert original["measures"].keys() == expected.keys()
    for name, (mean, std) in expected.items():
        told = original["measures"][name]
        assert (told["n"], told["mean"], told["std"]) == (
            2, pytest.approx(mean), pytest.approx(std, abs=1e-9),
        ), name  # fmt: skip


def test_half_of_an_odd_schedule_is_rounded_up(lab: Lab, fresh: Library) -> None:
    """By default T is half of the schedule (docs/studies.md): 3 of 5 epochs."""
    recipe = (files("service.training") / "recipe_files" / "proxy.toml").read_text()
    folder = fresh.store.path.parent / "recipes"
    folder.mkdir()
    (folder / "five.toml").write_text(recipe.replace("epochs = 12", "epochs = 5"))
    curve = {epoch: 50.0 + epoch**2 for epoch in range(1, 6)}
    there = run(284, curve, dataset="cifar100", schedule=5, recipe="five")
    fresh.add_run(there, source=LOCAL)
    asked = {"cells": ["284"], "dataset": "cifar100", "recipe": "five", "seeds": [there.seed]}
    lab.post(200, kind="variants", variants=[], **asked)
    (result,) = lab.study()["results"]
    assert result["epoch"] == 3
    assert result["cells"][0]["measures"]["aulc@3"]["mean"] == pytest.approx(50 + (1 + 4 + 9) / 3)


def test_width_and_depth_are_correlated_with_each_measure(lab: Lab) -> None:
    lab.post(**CONVERGENCE, count=20, epoch=3)
    shift: dict[str, float] = {}

    def gain(assignment: Any) -> float:
        return shift.setdefault(assignment.cell, float(len(shift) * 7 % 11))

    lab.work(gain)
    (result,) = lab.study()["results"]
    rows = {row["cell"]: row for row in result["cells"]}.values()
    for item in result["correlations"]:
        pairs = [
            (row[item["x"]], row["measures"][item["y"]]["mean"])
            for row in rows
            if row[item["x"]] is not None
        ]
        x, y = zip(*pairs, strict=True)
        assert item["n"] == len(pairs)
        if len(set(x)) > 1 and len(set(y)) > 1:
            expected = stats.spearmanr(x, y)
            assert item["coefficient"] == pytest.approx(expected.statistic)
            assert item["p_value"] == pytest.approx(expected.pvalue)
        else:
            assert item["coefficient"] is None
            assert "is constant" in item["reason"]


def test_cells_that_are_one_network_are_told(lab: Lab) -> None:
    """A cell with other connections: 26 cells, some of which compute the same."""
    cell = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    asked = {"cells": [cell], "variants": ["random-connections"], "count": 25}
    lab.post(**(CONVERGENCE | asked))
    shift: dict[str, float] = {}
    lab.work(lambda assignment: shift.setdefault(assignment.cell, float(len(shift) * 7 % 11)))
    (result,) = lab.study()["results"]
    shaped = {int(row["cell"].removeprefix("nb201-")) for row in result["cells"] if row["width"]}
    networks = raw.networks(shaped)
    assert (len(shaped), networks) == (26, 21)
    told = [item for item in result["correlations"] if item["coefficient"] is not None]
    assert {item["y"] for item in told} >= {"accuracy@final"}
    for item in told:
        assert (item["n"], item["n_distinct"]) == (26, 21)
        if item["y"] != "accuracy@final":
            continue
        # Of 21 independent cells at most, by Bonett and Wright's variance.
        r = item["coefficient"]
        least = 2 * stats.norm.ppf(0.975) * ((1 + r**2 / 2) / (21 - 3)) ** 0.5
        assert np.diff(np.arctanh(item["ci"])) >= least * (1 - 1e-9)


def test_cells_of_two_spaces_are_not_correlated_together(lab: Lab) -> None:
    """Their widths are not in one unit."""
    cells = ["6111", "284", "1", "DARTS-V2", "SNAS-mild", "NASNet-A", "ENAS"]
    lab.post(**(CONVERGENCE | {"cells": cells, "variants": []}))
    lab.work()
    (result,) = lab.study()["results"]
    assert {(item["space"], item["n"]) for item in result["correlations"]} == {
        ("nasbench201", 3),
        ("darts", 4),
    }
    assert all(item["n_distinct"] == item["n"] for item in result["correlations"])


def test_what_varies_by_connections_alone_is_due_to_them(lab: Lab) -> None:
    """Gains by cell among the random connections, none among the random operations."""
    lab.post(**CONVERGENCE, count=4, seeds=[1, 2], epoch=2)
    parts = lab.study()["parts"]
    connected = sorted({p["cell"] for p in parts if p["role"] == "random-connections"})
    gains = {name: 2.0 * place for place, name in enumerate(connected)}  # 0, 2, 4, 6

    def gain(assignment: Any) -> float:
        noise = 0.5 if assignment.seed == 1 else -0.5
        return gains.get(parse_cell(assignment.cell).id, 0.0) + noise

    lab.work(gain)
    (result,) = lab.study()["results"]
    (found,) = [one for one in result["components"] if one["measure"] == "aulc@2"]
    # Between: variance of 0, 2, 4, 6 is 20/3, of which half of the variance over seeds is noise.
    assert found["seeds"] == pytest.approx(0.5)
    assert found["connections"] == pytest.approx(20 / 3 - 0.5 / 2)
    assert found["operations"] == 0
    assert found["shares"]["connections"] == pytest.approx(found["connections"] / (found["connections"] + 0.5))  # fmt: skip  # noqa: E501


def test_learning_rates_are_recipes_of_their_own(lab: Lab) -> None:
    lab.post(
        kind="lr-robustness",
        cells=["6111"],
        dataset="digits",
        recipe="proxy",
        learning_rates=[0.005, 0.05, 50],
        seeds=[1, 2],
    )
    lab.work(failing=lambda a: a.recipe.optimiser.learning_rate == 50 and a.seed == 2)
    study = lab.study()
    assert study["state"] == "done"  # that it diverged is a result
    assert {part["recipe"] for part in study["parts"]} == {"proxy", "proxy@lr=0.005", "proxy@lr=50.0"}  # fmt: skip  # noqa: E501
    told = [
        (one["learning_rate"], one["cells"][0]["n"], one["cells"][0]["stability"]["diverged"])
        for one in study["results"]
    ]
    assert told == [(0.005, 2, 0), (0.05, 2, 0), (50, 1, 0.5)]
    # The one at the recipe's own rate is the plain training, the others answer by their names.
    for recipe, n in (("proxy", 1), ("proxy@lr=0.005", 1)):
        answer = get(lab.client, "/cells", {"dataset": "digits", "recipe": recipe, "min_metric": "valid_accuracy@final:1"})  # fmt: skip  # noqa: E501
        assert answer["total"] == n


def test_a_training_that_diverged_is_ranked_last_and_counted(lab: Lab) -> None:
    """Cells of widths 1 to 3, of which the narrowest learns best and the widest diverges."""
    cells = ["8141", "284", "2631", "6111"]
    asked = CONVERGENCE | {"cells": cells, "variants": [], "epoch": 4, "threshold": 99}
    lab.post(**asked)
    order = [parse_cell(cell).arch for cell in cells]
    lab.work(gain=lambda a: -float(order.index(a.cell)), failing=lambda a: a.cell == order[-1])
    (result,) = lab.study()["results"]
    widths = [row["width"] for row in result["cells"]]
    found = {one["y"]: one for one in result["correlations"] if one["x"] == "width"}
    expected = stats.spearmanr(widths, [4, 3, 2, 1]).statistic
    for y, sign in (("aulc@4", 1), ("accuracy@final", 1)):
        told = found[y]
        assert (told["n"], told["censored"], told["diverged"], told["excluded"]) == (4, 0, 1, {})
        assert told["coefficient"] == pytest.approx(sign * expected)
    # The losses of the others are alike: the diverged one alone is larger.
    expected = stats.spearmanr(widths, [1, 1, 1, 2]).statistic
    assert found["sotl@4"]["coefficient"] == pytest.approx(expected)
    slow = found["epochs_to_99"]
    assert (slow["n"], slow["censored"], slow["diverged"]) == (4, 3, 1)
    assert slow["reason"] == "y is constant"


def test_a_seed_counts_until_it_diverges(lab: Lab) -> None:
    """Of two seeds one diverges after epoch 6; the other two cells learn worse, and alike."""
    cells = ["6111", "284", "2631"]
    asked = CONVERGENCE | {"cells": cells, "variants": [], "seeds": [1, 2]}
    lab.post(**asked, epoch=4, threshold=30)
    first = parse_cell(cells[0]).arch
    lab.work(
        gain=lambda a: 2.0 * a.seed if a.cell == first else 0.0,
        failing=lambda a: 6 if (a.cell, a.seed) == (first, 2) else 0,
    )
    (result,) = lab.study()["results"]
    lost, *others = result["cells"]
    assert (lost["n"], lost["diverged"], lost["stability"]["diverged"]) == (1, 1, 0.5)
    keys = ("n", "mean", "state", "rank")
    told = {name: tuple(one[key] for key in keys) for name, one in lost["measures"].items()}
    # 29 + e and 2 or 4 more after epoch e; until epoch 6 it is a training as any other.
    assert told["accuracy@4"] == (2, 36.0, "observed", 3)
    assert told["aulc@4"] == (2, 34.5, "observed", 3)
    assert told["epochs_to_30"] == (2, 1.0, "observed", 2)
    assert lost["measures"]["aulc@4"]["std"] == pytest.approx(np.sqrt(2))
    # After it, it is behind all others, whatever the other seed does.
    assert told["accuracy@final"] == (1, 43.0, "diverged", 1)
    assert told["half_life"][2:] == ("diverged", 3)
    assert [len(one["accuracy"]) for one in lost["curves"]] == [EPOCHS, 7]
    assert lost["curves"][1]["accuracy"][5:] == [39.0, None]
    for row in others:
        found = row["measures"]
        assert (found["aulc@4"]["rank"], found["accuracy@final"]["rank"]) == (1.5, 2.5)
        assert {one["state"] for one in found.values()} == {"observed"}


def test_what_a_cell_has_no_number_of_is_named(lab: Lab) -> None:
    """The narrowest learns best; one goes on, one is slow, one diverges."""
    asked = CONVERGENCE | {"cells": ["8141", "284", "2631"], "variants": [], "threshold": 40}
    lab.post(**asked)
    order = [parse_cell(cell).arch for cell in asked["cells"]]
    lab.work(gain=lambda a: -2.0 * order.index(a.cell), failing=lambda a: int(a.cell == order[-1]))
    (result,) = lab.study()["results"]
    told = [row["measures"]["epochs_to_40"] for row in result["cells"]]
    # Epoch 11 of 12; 39 % at the end; and one epoch of 27 %.
    assert [(one["mean"], one["state"], one["rank"]) for one in told] == [
        (11, "observed", 1),
        (None, "censored", 2.5),
        (None, "diverged", 2.5),
    ]
    ends = [row["measures"]["accuracy@final"]["rank"] for row in result["cells"]]
    assert ends == [3, 2, 1]
    losses = [row["measures"]["sotl@6"]["rank"] for row in result["cells"]]
    assert losses == [1.5, 1.5, 3]
    lab.post(**asked, seeds=[2])
    waiting = lab.study(2)["results"][0]["cells"][0]["measures"]
    assert [(one["state"], one["rank"]) for one in waiting.values()] == [
        ("not recorded", None)
    ] * len(waiting)


def test_ranks_are_among_the_cells_of_a_space(lab: Lab) -> None:
    asked = CONVERGENCE | {"cells": ["6111", "DARTS-V2", "284", "ENAS"], "variants": []}
    lab.post(**asked)
    gains = {parse_cell(cell).arch: place for place, cell in enumerate(asked["cells"])}
    lab.work(lambda a: gains[a.cell])
    (result,) = lab.study()["results"]
    assert [row["measures"]["accuracy@final"]["rank"] for row in result["cells"]] == [1, 1, 2, 2]


def test_adapted_cells_are_compared_in_pairs(lab: Lab) -> None:
    lab.post(
        kind="generalisation",
        cells=["DARTS-V2"],
        datasets=["digits"],
        recipe="proxy",
        seeds=[1, 2, 3, 4],
        confidence=0.9,
    )
    adapted = get(lab.client, "/cells/DARTS-V2-adapted")["id"]
    gains = {1: 1.0, 2: 2.0, 3: 5.0, 4: 1.0}
    lab.work(lambda a: gains[a.seed] if parse_cell(a.cell).id == adapted else 0.0)
    (found,) = lab.study()["results"]
    expected = stats.ttest_1samp([1.0, 2.0, 5.0, 1.0], 0)
    interval = expected.confidence_interval(0.9)
    assert 0.05 < expected.pvalue < 0.1, "at 90 % and not at 95 %"
    assert (found["n"], found["mean"]) == (4, 2.25)
    assert found["ci"] == pytest.approx([interval.low, interval.high])
    assert found["t_p"] == pytest.approx(expected.pvalue)
    assert found["verdict"] == "higher"
    assert [pair["adapted"] - pair["original"] for pair in found["pairs"]] == [1, 2, 5, 1]
    assert {pair["set"] for pair in found["pairs"]} == {"ori-test"}
    assert found["pairs"][0]["original"] == 40.0  # what the last epoch has on ori-test


def test_several_cells_are_compared_one_by_one_and_together(lab: Lab) -> None:
    lab.post(
        kind="generalisation",
        cells=["DARTS-V2", "ENAS"],
        datasets=["digits"],
        recipe="proxy",
        seeds=[1, 2],
    )
    gains = {"DARTS-V2-adapted": 2.0, "ENAS-adapted": 5.0}
    by_id = {get(lab.client, f"/cells/{name}")["id"]: gain for name, gain in gains.items()}
    lab.work(lambda a: by_id.get(parse_cell(a.cell).id, 0.0) + (a.seed == 2))
    darts, enas, together = lab.study()["results"]
    assert (darts["mean"], enas["mean"]) == (2.0, 5.0)
    # One pair a cell and data set: seeds of these aren't independent of each other.
    assert (together["original"], together["n"], together["mean"]) == ("all", 2, 3.5)
    assert "pairs" not in together
    assert [(pair["dataset"], pair["seed"]) for pair in enas["pairs"]] == [("digits", 1), ("digits", 2)]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("before", [EPOCHS - 1, 3])
def test_pairs_of_which_a_training_diverged_are_incomplete(lab: Lab, before: int) -> None:
    """Whenever it does, if only in the last epoch: a network without numbers has an accuracy all
    the same, which is not that of the cell."""
    cells = ["DARTS-V2", "ENAS"]
    asked: dict[str, Any] = {"datasets": ["digits"], "recipe": "proxy", "seeds": [1, 2, 3]}
    lab.post(kind="generalisation", cells=cells, **asked)
    adapted = {parse_cell(f"{name}-adapted").arch for name in cells}
    lost = {(parse_cell("DARTS-V2-adapted").arch, 2), *((parse_cell("ENAS").arch, n) for n in (1, 2, 3))}  # fmt: skip  # noqa: E501
    lab.work(
        lambda a: 3.0 * (a.cell in adapted),
        failing=lambda a: before * ((a.cell, a.seed) in lost),
        only=lambda a: a.seed != 3 or a.cell != parse_cell("DARTS-V2").arch,
    )
    darts, enas, together = lab.study()["results"]
    assert (darts["n"], darts["n_incomplete"], darts["mean"]) == (1, 2, 3.0)
    assert darts["excluded"] == {"diverged": 1, "no value": 1}
    assert [(pair["original"], pair["adapted"]) for pair in darts["pairs"]] == [
        (40.0, 43.0),
        (40.0, None),
        (None, 43.0),
    ]
    assert (enas["n"], enas["mean"], enas["excluded"]) == (0, None, {"diverged": 3})
    assert (together["n"], together["mean"], together["excluded"]) == (1, 3.0, {"diverged": 1})
    # Nor is it in the table, which has the epochs of before.
    table = pq.read_table(io.BytesIO(lab.client.get("/studies/1?format=parquet").content))
    of_enas = [row for row in table.to_pylist() if (row["role"], row["seed"]) == ("original", 1)]
    curve = [row["accuracy"] for row in of_enas if row["original"] == enas["original"]]
    assert curve == [*(30.0 + place for place in range(before)), None]
