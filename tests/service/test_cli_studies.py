"""Studies from the terminal: run to their end without a server, and told by kind."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from scipy import stats
from starlette.testclient import TestClient

from analysis.cells import parse_cell
from analysis.spaces.darts import NAMED
from analysis.spaces.variants import variants
from data.library import Library
from service import cli, cli_studies, cli_study_tables
from service.api.app import create_app
from service.jobs.slots import Slot
from service.studies.kinds import KINDS
from service.training import folder as folders
from service.training.folder import Assignment, JobFolder
from tests import raw
from tests.service.commands import Commands, unset_settings
from tests.service.jobs.staged import EPOCHS, StagedExecutor, done, number, record
from tests.service.processes import cellwise, serving

RECIPE = """
epochs = 4
batch = 64
[network.nasbench201]
channels = 4
cells = 1
[optimiser]
learning_rate = 0.05
[images]
train = 200
evaluate = 100
"""
LANDSCAPE = ("landscape", "6111", "--recipe", "quick", "--set", "points=3", "--set", "sample=50")

app = typer.Typer()
cli_studies.add_to(app)


@pytest.fixture(scope="module")
def studied(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a landscape that was run from the terminal."""
    home = with_recipe(default_home, tmp_path_factory.mktemp("studied") / "home")
    done = cellwise("study", "run", *LANDSCAPE, "--home", home)
    assert done.returncode == 0, done.stderr
    assert "study 1: landscape on digits by quick, done, 1 of 1 parts ended" in done.stdout
    return home


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setenv("CELLWISE_CPU_THREADS", "1")
    monkeypatch.setattr(cli.out, "width", 160)


def with_recipe(default_home: Path, home: Path) -> Path:
    shutil.copytree(default_home, home)
    (home / "recipes").mkdir()
    (home / "recipes" / "quick.toml").write_text(RECIPE)
    return home


commands = Commands(app, "study")
run, ok, failed = commands.run, commands.ok, commands.failed


def rows(text: str, start: str) -> list[list[str]]:
    """The cells of the table rows that begin with ``start``: two spaces part columns."""
    lines = [line.strip() for line in text.splitlines()]
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in lines
        if line.startswith(start)
    ]


# --- a real study -----------------------------------------------------------------------------


def test_a_study_is_shown_as_a_table_as_json_and_as_csv(studied: Path) -> None:
    document = json.loads(ok("show", 1, "--home", studied, "--json"))
    settings = document["settings"]
    assert (settings["points"], settings["sample"], settings["seeds"]) == (3, 50, [777])
    (cell,) = document["results"]["cells"]
    text = ok("show", 1, "--csv", "--home", studied)
    points = list(csv.DictReader(io.StringIO(text)))
    losses = [loss for row in cell["loss"] for loss in row]
    assert [float(point["loss"]) for point in points] == pytest.approx(losses)
    text = ok("show", 1, "--home", studied)
    assert "on 50 images of ori-test" in text
    (row,) = rows(text, "nb201-006111")
    assert row[:4] == ["nb201-006111", "777", "3", "3"]
    assert float(row[4]) == pytest.approx(cell["loss"][1][1], rel=1e-3), "the centre's loss"
    assert "either" in failed("show", 1, "--csv", "--json", "--home", studied)


def test_studies_are_listed(studied: Path) -> None:
    (row,) = rows(ok("list", "--home", studied), "1")
    assert row == ["1", "landscape", "digits", "quick", "done", "1/1", "nb201-006111"]
    (item,) = json.loads(ok("list", "--home", studied, "--json"))["items"]
    assert item["progress"] == {"ended": 1, "parts": 1}


def test_cells_are_listed_by_what_is_short(studied: Path) -> None:
    (item,) = json.loads(ok("list", "--home", studied, "--json"))["items"]
    drawn = variants(NAMED["DARTS-V2"], "random-connections", 2, 0)
    genotypes = [cell.arch for cell in drawn]
    item["settings"]["cells"] = ["DARTS-V2", *genotypes, "6111"]
    with cli.out.capture() as shown:
        cli_study_tables.show_list([item])
    ids = ", ".join(cell.id for cell in drawn)
    assert rows(shown.get(), "1")[0][-1] == f"DARTS-V2, {ids}, 1 more"


def test_the_same_study_is_not_run_again(studied: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        'kind = "landscape"\ncells = ["6111"]\ndataset = "digits"\nrecipe = "quick"\n'
        "points = 3\nsample = 50\n"
    )
    for arguments in (("run", *LANDSCAPE), ("run", "--settings", file), ("resume", 1)):
        document = json.loads(ok(*arguments, "--home", studied, "--json"))
        assert (document["id"], document["parts"][0]["job"]) == (1, "/jobs/1")


def test_a_server_is_asked_where_one_runs(studied: Path) -> None:
    with serving(studied):
        assert "study 1: landscape" in ok("run", *LANDSCAPE, "--home", studied)


# --- as files ---------------------------------------------------------------------------------


def shown(home: Path) -> Any:
    """Study 1 with the curves and figures of its jobs, without addresses."""
    document = json.loads(ok("show", 1, "--home", home, "--json"))
    for part in document["parts"]:
        del part["job"], part["run"]
    return document


def test_studies_go_to_another_home(studied: Path, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "[my] studies.parquet"
    assert ok("export", file, "--home", studied) == f"{file}: 1 studies\n"
    told = ok("import", file, "--home", home)
    assert told == "[my] studies.parquet: 1 studies new, 0 known already, 1 jobs\n"
    assert shown(home) == shown(studied)
    again = json.loads(ok("import", file, "--home", home, "--json"))
    assert again == {"file": file.name, "new": 0, "known": 1, "jobs": 0, "renewed": 0, "gone": 0}
    assert "exists already" in failed("export", file, "--home", studied)
    assert "there is no study 7; there are: 1" in failed(
        "export", tmp_path / "x", "--study", 7, "--home", studied
    )
    assert f"{tmp_path / 'none'} does not exist" in failed(
        "import", tmp_path / "none", "--home", home
    )
    (tmp_path / "table.csv").write_text("a,b\n")
    assert "no Parquet file" in failed("import", tmp_path / "table.csv", "--home", home)


@pytest.mark.parametrize("name", ["a" * 300, "loop", "loop/b"])
def test_paths_that_cannot_be_looked_at(name: str, studied: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    path = tmp_path / name
    for command in ("export", "import"):
        said = failed(command, path, "--home", studied)
        assert f"{path}" in said
        assert any(words in said for words in ("can't write", "can't be read", "exists already"))


def test_servers_write_and_take_studies(studied: Path, home: Path, tmp_path: Path) -> None:
    """What came in is there at once; what can't be done is said by the command."""
    file = tmp_path / "studies.parquet"
    with serving(studied):
        assert "1 studies" in ok("export", file, "--study", 1, "--home", studied)
        assert "exists already" in failed("export", file, "--home", studied)
    with serving(home) as server:
        assert server.get("/studies")["items"] == []
        assert "1 studies new" in ok("import", file, "--home", home)
        (item,) = server.get("/studies")["items"]
        assert (item["id"], item["state"]) == (1, "done")
        assert server.get("/jobs")["counts"]["done"] == 1
        assert len(server.get("/jobs/1")["measurements"]) == 3
        assert "1 known already" in ok("import", file, "--home", home)
        file.write_bytes(file.read_bytes()[:-100])
        assert "no Parquet file" in failed("import", file, "--home", home)


# --- studies by workers that only write -------------------------------------------------------


class Instant(StagedExecutor):
    """Workers that end where they begin: epochs as staged, and what a test says beside."""

    def __init__(self) -> None:
        super().__init__()
        self.gain: Callable[[Assignment], float] = lambda _: 0
        self.measured: Callable[[Assignment], list[dict[str, Any]]] = lambda _: []
        self.error: Callable[[Assignment], str | None] = lambda _: None

    def start(self, folder: JobFolder, slot: Slot) -> None:
        super().start(folder, slot)
        assignment = folder.assignment()
        error = self.error(assignment)
        diverged = error is not None and error.startswith("diverged at epoch")
        last = int(str(error).split()[-1]) if diverged else EPOCHS
        for epoch in range(1, last + 1):
            told = record(epoch)
            for name in ("x-valid", "ori-test"):
                told[name]["accuracy"] += self.gain(assignment)
            if diverged and epoch == last:
                told["train"]["loss"] = None
            folder.append_epoch(told)
        lines = self.measured(assignment)
        for place, line in enumerate(lines, 1):
            about = {"epoch": EPOCHS, "set": "train", "images": 9}
            folder.append_measured({"number": place, "of": len(lines), **about, **line})
        folder.write_result(
            done() if error is None else folders.Result(state="failed", error=error)
        )
        self.dies(number(folder))


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Instant:
    executor = Instant()
    monkeypatch.setattr("service.jobs.start.LocalExecutor", lambda: executor)
    monkeypatch.setenv("CELLWISE_CPU_SLOTS", "50")
    return executor


def test_a_cancelled_study_goes_on(home: Path, workers: Instant) -> None:
    body = {"kind": "variants", "cells": ["6111"], "dataset": "digits", "recipe": "proxy"}
    with closing(Library.open(home)) as library:
        client = TestClient(create_app(library), client=("127.0.0.1", 5))
        assert client.post("/studies", json=body | {"variants": []}).status_code == 202
    for text in (ok("cancel", 1, "--home", home), ok("list", "--home", home)):
        (row,) = rows(text, "1")
        assert row == ["1", "variants", "digits", "proxy", "cancelled", "1/1", "nb201-006111"]
    assert "study 1: variants on digits by proxy, done" in ok("resume", 1, "--home", home)
    assert workers.numbers == [1]


def test_landscapes(home: Path, workers: Instant) -> None:
    """Bowls 1 + k (3x² + y²), whose mean curvature is 4k, of cells by published width."""
    cells = ["DARTS-V2", "AmoebaNet-A", "NASNet-A", "284"]
    steepness = {parse_cell(cell).arch: place for place, cell in enumerate(cells, 1)}

    def bowl(assignment: Assignment) -> list[dict[str, Any]]:
        k, axis = steepness[assignment.cell], (-1, 0, 1)
        return [
            {"row": row, "y": y, "loss": [1 + k * (3 * x * x + y * y) for x in axis]}
            | {"accuracy": [50.0] * 3}
            for row, y in enumerate(axis)
        ]

    workers.measured = bowl
    text = ok("run", "landscape", *cells, "--set", "points=3", "--home", home)
    shown = ["DARTS-V2", "AmoebaNet-A", "NASNet-A", "nb201-000284"]
    assert [row[:6] for cell in shown for row in rows(text, f"{cell} ")] == [
        ["DARTS-V2", "777", "3.5", "3", "1", "4"],
        ["AmoebaNet-A", "777", "4", "4", "1", "8"],
        ["NASNet-A", "777", "5", "2", "1", "12"],
        ["nb201-000284", "777", "1", "2", "1", "16"],
    ]
    (row,) = rows(text, "mean_curvature")
    assert row[1] == "darts"
    assert row[2].startswith("+1.00"), "the wider, the steeper"
    assert row[3].startswith("-0.50"), "1 − 6 (1 + 1 + 4) / (3 · 8), from ranks 2, 3, 1 and 1, 2, 3"
    assert row[4] == "3"
    assert "no ρ of y = centre, convex_share with x = width within darts: y is constant" in text
    assert "no ρ within nasbench201: 1 of the 3 cells that it takes" in text


def test_gradient_variance(home: Path, workers: Instant) -> None:
    """3 before training and one more an epoch; 1, 2 and 6 in each row of the plane."""

    def lines(_: Assignment) -> list[dict[str, Any]]:
        by_epoch = [
            {"epoch": e, "variance": 3.0 + e, "squared_mean": 1.0, "groups": {}}
            for e in range(EPOCHS + 1)
        ]
        row = {"variance": [1.0, 2.0, 6.0], "squared_mean": [0.0] * 3}
        return [*by_epoch, *({"row": place, "y": place - 1.0} | row for place in range(3))]

    workers.measured = lines
    text = ok("run", "gradient-variance", "6111", "--set", "plane=3", "--home", home)
    (heads,) = rows(text, "cell ")
    assert heads[4:] == ["variance@0", "variance@12", "plane mean"]
    (row,) = rows(text, "nb201-006111")
    assert row[1:] == ["777", "3", "3", "3", "15", "3"]


def test_smoothness(home: Path, workers: Instant) -> None:
    found = {"residual": 1e-06, "products": 12, "parameters": 44}
    values = {"stem": (2.0, True), "cell 1": (-5.0, True), "cell 2": (None, False)}
    workers.measured = lambda _: [
        {"group": group, "eigenvalue": value, "converged": converged, **found}
        for group, (value, converged) in (values | {"network": (-8.0, False)}).items()
    ]
    text = ok("run", "smoothness", "6111", "--home", home)
    (row,) = rows(text, "nb201-006111")
    assert row[4:] == [
        str(EPOCHS),
        "-8 (residual 1e-06, not converged)",
        "cell 1: -5 (residual 1e-06)",
    ]


def test_variants(home: Path, workers: Instant) -> None:
    """Accuracy 29 + e percent after epoch e, 3 more with seed 2: over epochs 1..4, 31.5 and 34.5.

    With the same two values for every cell all the variance is between seeds.
    """
    workers.gain = lambda assignment: 3 * (assignment.seed == 2)
    arguments = ("--set", "count=2", "--set", "epoch=4", "--seed", 1, "--seed", 2, "--home", home)
    text = ok("run", "variants", "284", *arguments)
    assert "learning rate 0.05, accuracy in percent on x-valid" in text
    shown = rows(text, "nb201-")
    assert shown[0] == [
        "nb201-000284", "original", "1", "2", "2/2", "33.00 ± 2.12", "42.50 ± 2.12", "0 %",
    ]  # fmt: skip
    assert [row[1] for row in shown[1:]] == ["random-connections"] * 2 + ["random-operations"] * 2
    (shares,) = rows(text, "aulc@4")
    assert shares == ["aulc@4", "nb201-000284", "0 %", "0 %", "100 %"]
    assert "sotl@4 around nb201-000284: the values do not vary" in text
    assert "sotl@4, sotl_e@4, tse_ema@4 with x = width within nasbench201: y is constant" in text


def test_learning_rates(home: Path, workers: Instant) -> None:
    def error(assignment: Assignment) -> str | None:
        rate = assignment.recipe.optimiser.learning_rate
        return "diverged at epoch 3" if rate == 50 and assignment.seed == 2 else None

    workers.error = error
    arguments = ("--set", "learning_rates=0.005,50", "--seed", 1, "--seed", 2, "--home", home)
    text = ok("run", "lr-robustness", "6111", *arguments)
    assert [row[3:] for row in rows(text, "nb201-")] == [
        ["3", "2/2", "32.50 ± 0.00", "41.00 ± 0.00", "0 %"],
        ["3", "1/2", "32.50", "41.00", "50 %"],
    ]
    assert text.index("learning rate 0.005,") < text.index("learning rate 50,")
    assert "1 of 4 parts: diverged at epoch 3" in text


def test_cells_that_are_one_network_are_counted(home: Path, workers: Instant) -> None:
    alike = raw.live_strings()
    twin = next(index for index, live in enumerate(alike) if live == alike[284] and index != 284)
    workers.gain = lambda assignment: 2.0 * assignment.cell.count("conv")
    arguments = ("--set", "learning_rates=0.05", "--home", home)
    text = ok("run", "lr-robustness", "284", str(twin), "6111", "11", *arguments)
    (row,) = rows(text, "accuracy@final")
    assert row[-1] == "4, 3 distinct"


def test_generalisation(home: Path, workers: Instant) -> None:
    adapted = parse_cell("DARTS-V2-adapted").arch
    gains = {1: 1.0, 2: 2.0, 3: 4.0, 4: 2.0}
    workers.gain = lambda one: gains[one.seed] if one.cell == adapted else 0.0
    seeds = [option for seed in gains for option in ("--seed", seed)]
    level = ("--set", "confidence=0.9")
    text = ok("run", "generalisation", "DARTS-V2", *seeds, *level, "--home", home)
    expected = stats.ttest_1samp(list(gains.values()), 0)
    low, high = expected.confidence_interval(0.9)
    assert "90 % interval" in text
    assert "incomplete" not in text
    (row,) = rows(text, "DARTS-V2 ")
    assert row[1:] == [
        "4", "+2.25", f"[{low:+.2f}, {high:+.2f}]", f"{expected.pvalue:.2g}", "higher",
    ]  # fmt: skip


def test_pairs_that_are_incomplete_are_told(home: Path, workers: Instant) -> None:
    adapted = parse_cell("DARTS-V2-adapted").arch
    workers.gain = lambda one: 2.0 * (one.cell == adapted)
    last = f"diverged at epoch {EPOCHS}"
    workers.error = lambda one: last if (one.cell, one.seed) == (adapted, 2) else None
    seeds = ("--seed", 1, "--seed", 2)
    text = ok("run", "generalisation", "DARTS-V2", *seeds, "--home", home)
    (row,) = rows(text, "DARTS-V2 ")
    assert row[1:3] == ["1 (1 incomplete: 1 diverged)", "+2.00"]


def test_a_study_that_failed_ends_the_command_with_1(home: Path, workers: Instant) -> None:
    workers.error = lambda _: "too few images of [train]"
    done = run("run", "smoothness", "6111", "--home", home)
    assert done.exit_code == 1
    assert "failed, 1 of 1 parts ended" in done.stdout
    assert "1 of 1 parts: too few images of [train]" in done.stdout


# --- what can't be done -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "landskape", "6111"), "unknown kind landskape; did you mean landscape?"),
        (("run", "zzz", "6111"), "allowed: landscape, gradient-variance"),
        (("run", "landscape"), "say what to study"),
        (("run", "landscape", "zzz"), "cells 'zzz': not a cell"),
        (("run", "landscape", "6111", "--recipe", "quik"), "did you mean quick"),
        (("run", "landscape", "6111", "--set", "pionts=3"), "did you mean points?"),
        (("run", "landscape", "6111", "--set", "zzz=3"), "allowed: priority, images, seed"),
        (("run", "landscape", "6111", "--set", "cells=284"), "no setting cells"),
        (("run", "landscape", "6111", "--set", "points"), "allowed: NAME=VALUE"),
        (("run", "landscape", "6111", "--set", "points=4"), "a side of the grid; odd"),
        (("run", "landscape", "6111", "--set", "reach=1e999"), "input should be a valid number"),
        (("run", "landscape", "6111", "--set", "reach=NaN"), "input should be a valid number"),
        (
            ("run", "variants", "6111", "--set", "variants=adapted,zzz"),
            "variants.1 'zzz': input should",
        ),
        (("run", "lr-robustness", "6111", "--set", "learning_rates=1,0"), "learning_rates.1"),
        (
            ("run", "landscape", "6111", "--dataset", "digits", "--dataset", "cifar10"),
            "on one dataset; came: digits, cifar10",
        ),
        (("run", "landscape", "--settings", "x.toml"), "holds the whole study"),
        (("run", "--settings", "[x].toml"), "[x].toml: No such file"),
        (("kinds", "zzz"), "unknown kind zzz"),
        (("show", 9), "there is no study 9"),
        (("cancel", 9), "there is no study 9"),
        (("resume", 9), "there is no study 9"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: tuple[object, ...], said: str, studied: Path
) -> None:
    home = () if arguments[0] == "kinds" else ("--home", studied)
    assert said in failed(*arguments, *home)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind =", "is not TOML"),
        ("points = 3", "kind: field required"),
        (
            'kind = "landscape"\npoints = 2020-01-01',
            "points '2020-01-01': input should be a valid integer",
        ),
        ('kind = "landscape"\nreach = nan', "reach 'nan': input should be a valid number"),
    ],
)
def test_files_that_hold_no_study(text: str, said: str, studied: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text)
    assert said in failed("run", "--settings", file, "--home", studied)


# --- what can be asked for --------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_listed_with_their_settings(kind: str) -> None:
    assert kind in ok("kinds")
    assert kind in ok("run", "--help")
    fields = KINDS[kind].model_fields
    settings = fields.keys() - {"kind", "cells", "dataset", "datasets", "recipe", "seeds"}
    if kind == "landscape":
        settings -= {"at"}  # the end and nothing else
    boxed = [line.split("│")[1:-1] for line in ok("kinds", kind).splitlines() if "│" in line]
    told = " ".join(cell.strip() for row in boxed for cell in row)
    assert {row[0].strip() for row in boxed} - {""} == settings
    for name in settings:
        default = fields[name].default
        values = default if isinstance(default, tuple) else [default]
        assert all(str("null" if value is None else value) in told for value in values), name


def test_what_a_setting_takes() -> None:
    text = ok("kinds", "gradient-variance")
    for part in ("end, ends, every-epoch", "integer, ≥ 2, ≤ 10,000", "or null", "number, > 0"):
        assert part in text
