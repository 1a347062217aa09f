"""The scripts and the notebook on the paper's claims, against a server on a fresh home.

Numbers are worked out again by scipy from what the server answers of single cells.
"""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import nbformat
import numpy as np
import pandas as pd
import pytest
import typer
from scipy import stats
from starlette.testclient import TestClient
from typer.testing import CliRunner

from analysis.cells import cell_name
from analysis.client import Client
from analysis.report import plan
from analysis.report.asking import find
from analysis.report.scale import DEFAULT
from analysis.report.scale import find as find_scale
from analysis.scripts import (
    at_other_learning_rates,
    claim,
    examples,
    faster_early,
    lower_gradient_variance,
    no_better_in_the_end,
    notebook,
    smoother_loss,
    wide_and_shallow,
)
from service import cli_studies
from tests import raw
from tests.conftest import ROOT, copied
from tests.service.processes import Server, environment, serving

SCRIPTS = (
    wide_and_shallow,
    faster_early,
    smoother_loss,
    lower_gradient_variance,
    at_other_learning_rates,
    no_better_in_the_end,
)
PAGE = (ROOT / "docs" / "scripts.md").read_text()
SAMPLE = faster_early.CONTEXT
SCALE = find_scale(DEFAULT)

COMMANDS = typer.Typer()
cli_studies.add_to(COMMANDS)

Run = Callable[..., str]
Printed = Callable[[ModuleType], str]


def name(script: ModuleType) -> str:
    return script.__name__.rpartition(".")[2]


@pytest.fixture(scope="module")
def server(started_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(copied(started_home, tmp_path_factory)) as started:
        yield started


@pytest.fixture(scope="module")
def asking(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def run(server: Server) -> Run:
    """What a script prints."""

    def ran(script: ModuleType, *arguments: object) -> str:
        line = [name(script), "--url", server.url, *map(str, arguments)]
        with patch.object(sys, "argv", line), redirect_stdout(StringIO()) as out:
            script.main()
        return out.getvalue()

    return ran


@pytest.fixture(scope="module")
def printed(run: Run) -> Printed:
    """What a script prints without further arguments."""
    return functools.cache(run)


@pytest.fixture(scope="module")
def shipped(asking: Client) -> dict[str, int]:
    """Numbers of the studies that ship, by their names in the plan of the report."""
    return {name: study["id"] for name, study in find(asking, plan.studies(SCALE)).items()}


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_the_page_shows_what_is_printed(script: ModuleType, printed: Printed) -> None:
    assert printed(script) == examples.scripts(PAGE)[script.__name__]


def test_what_a_script_prints_is_put_into_a_page() -> None:
    wrong = PAGE.replace("NASNet-A     5 ", "NASNet-A     6 ")
    assert wrong != PAGE
    assert examples.printed_anew(wrong, examples.scripts(PAGE).__getitem__) == PAGE


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_the_figure_is_a_picture(
    script: ModuleType, run: Run, shipped: dict[str, int], tmp_path: Path
) -> None:
    # The first study that smoother_loss shows has contours of many cells, which take seconds.
    study = ["--study", shipped["smoothness DARTS-V2"]] if script is smoother_loss else []
    run(script, *study, "--figure", tmp_path / "figure.svg")
    drawn = ElementTree.parse(tmp_path / "figure.svg").getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawn.findall(".//{*}path")) > 10


def test_a_figure_may_be_a_png(run: Run, tmp_path: Path) -> None:
    run(wide_and_shallow, "--figure", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_published_cells_rank_as_is_known(printed: Printed) -> None:
    """Labels of figure 1 of the paper, and places among all wirings, which can be counted."""
    told = [re.split(r"  +", line) for line in printed(wide_and_shallow).splitlines()]
    for line in (
        ("NASNet-A", "5", "1 of 2,700", "0.037 %", "2", "1 of 2,700", "0.037 %"),
        ("AmoebaNet-A", "4", "22 of 2,700", "6.33 %", "4", "434 of 2,700", "67 %"),
        ("ENAS", "5", "1 of 2,700", "0.037 %", "2", "1 of 2,700", "0.037 %"),
        ("DARTS-V2", "3.5", "2 of 180", "7.22 %", "3", "2 of 180", "35.6 %"),
        ("SNAS-mild", "4", "1 of 180", "0.556 %", "2", "1 of 180", "0.556 %"),
    ):
        assert list(line) in told


def test_shares_have_exact_intervals_and_no_test_where_the_claim_was_made_from_them(
    printed: Printed,
) -> None:
    told = printed(wide_and_shallow)
    # Of 5 of 5, Clopper and Pearson's interval starts at 0.025^(1/5).
    assert f"5 of 5 are in the widest tenth: 100 % ({100 * 0.025**0.2:.0f} %, 100 %)\n" in told
    assert "3 of 5 are in the shallowest tenth: 60 % (15 %, 95 %)\n" in told
    assert "they can't test it" in " ".join(told.split())
    assert "p =" not in told


def found(rho: float, n: float, *, positive: bool) -> str:
    """A coefficient as it should be told, with Bonett and Wright's interval."""
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = np.tanh([np.arctanh(rho) - reach, np.arctanh(rho) + reach])
    says = "undecided"
    if low * high > 0:
        says = "as claimed" if (low > 0) == positive else "against"
    return f"ρ = {rho:+.2f} ({low:+.2f}, {high:+.2f}) {says}"


def row(out: str, *start: str) -> list[str]:
    """The fields of the one line that starts so."""
    lines = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    (fields,) = [line for line in lines if line[: len(start)] == list(start)]
    return fields[len(start) :]


def test_early_correlations_are_scipys(printed: Printed, asking: Client) -> None:
    out = printed(faster_early)
    for epoch in (1, 6, 12):
        metric = f"valid_accuracy@{epoch}of12"
        frame = asking.cells(
            fields=["arch", "width", "depth", metric],
            connected=True,
            min_metric={metric: 0},
            **SAMPLE,
        ).to_pandas()
        assert len(frame) == 400
        networks = [computed()[arch] for arch in frame["arch"]]
        told = row(out, metric, "400", f"{len(set(networks))}")
        for x, coefficient, positive in zip(("width", "depth"), told, (True, False), strict=True):
            rho = stats.spearmanr(frame[x].astype(float), frame[metric]).statistic
            worth = worth_of(frame[x].astype(float), frame[metric], networks)
            assert coefficient == found(rho, worth, positive=positive)


def held(frame: pd.DataFrame, x: str, metric: str) -> tuple[float, int, int]:
    """Spearman within groups of the same live operations, by scipy; their cells and networks."""
    frame = frame.assign(
        live=[" ".join(sorted(raw.live_operations(arch))) for arch in frame["arch"]],
        x=frame[x].astype(float),
    )
    total, cells, networks = 0.0, 0, set()
    for _, group in frame.groupby("live"):
        if len(group) >= 3 and group["x"].nunique() > 1 and group[metric].nunique() > 1:
            total += len(group) * stats.spearmanr(group["x"], group[metric]).statistic
            cells += len(group)
            networks |= {computed()[arch] for arch in group["arch"]}
    return total / cells, cells, len(networks)


def test_live_operations_are_held(printed: Printed, asking: Client) -> None:
    asked = [(faster_early, f"valid_accuracy@{epoch}of12", SAMPLE, ()) for epoch in (1, 12)] + [
        (no_better_in_the_end, "valid_accuracy@final", {"dataset": dataset}, (dataset,))
        for dataset in ("cifar10", "ImageNet16-120")
    ]
    for script, metric, of, start in asked:
        frame = asking.cells(
            fields=["arch", "width", "depth", metric],
            connected=True,
            min_metric={metric: 0},
            **of,
        ).to_pandas()
        (width, *wide), (depth, *deep) = (held(frame, x, metric) for x in ("width", "depth"))
        counts = [
            f"{few}–{many}" if few < many else f"{many}"
            for few, many in zip(deep, wide, strict=True)
        ]
        # Where no cell is a copy, networks need no column.
        told = row(printed(script), *start, metric, *dict.fromkeys(counts))
        assert [one.split("(")[0] for one in told] == [f"ρ = {width:+.2f} ", f"ρ = {depth:+.2f} "]


def test_first_epochs_are_correlated_over_the_cells_of_a_study(
    printed: Printed, asking: Client, shipped: dict[str, int]
) -> None:
    number = shipped["convergence DARTS-V2"]
    curves = asking.study_rows(number).to_pandas()
    early = curves[curves["epoch"] <= 6].groupby(["cell", "width"])["accuracy"].mean()
    rho = stats.spearmanr(early.index.get_level_values("width"), early).statistic
    out = printed(faster_early)
    assert row(out, str(number), "0.025", "aulc@6", "42")[0] == found(rho, 42, positive=True)
    assert "variants of 42 cells" in " ".join(out.split())


def test_a_cell_is_compared_with_its_variants() -> None:
    cells = [
        {
            "original": "6111",
            "role": "random-connections" if at else "original",
            "cell": str(at),
            "measures": {"aulc@6": {"mean": 50.0 - at, "rank": 13.0 - at, "state": "observed"}},
        }
        for at in range(13)
    ]
    (line,) = faster_early.among_variants({"epoch": 6, "cells": cells})
    told = line.replace("\n", " ")
    assert "= 50.00 %, more than 12 of its 12 variants" in told
    # Of 13 equally likely places, one is as high.
    assert f"p = {1 / 13:.2g} (Mann-Whitney, one-sided), undecided" in told


def test_a_variant_that_diverged_is_behind() -> None:
    """Of four variants one is faster, two are slower, and one has lost a seed early on."""
    told = {"6111": 40.0, "284": 41.0, "2631": 39.0, "8141": 38.0, "11": 45.0}
    states = {"11": "diverged"}

    def of(cell: str, mean: float, rank: float) -> dict[str, Any]:
        found = {"mean": mean, "rank": rank, "state": states.get(cell, "observed")}
        role = "original" if cell == "6111" else "random-connections"
        return {"original": "6111", "role": role, "cell": cell, "measures": {"aulc@6": found}}

    rows = [of(*one, rank) for one, rank in zip(told.items(), [4, 5, 3, 2, 1], strict=True)]
    (line,) = faster_early.among_variants({"epoch": 6, "cells": rows})
    # Of five equally likely places, two are as high.
    assert "aulc@6 = 40.00 %, more than 3 of its 4 variants" in line.replace("\n", " ")
    assert "p = 0.4 (Mann-Whitney, one-sided)" in line.replace("\n", " ")
    states["6111"] = "diverged"
    rows = [of(*one, rank) for one, rank in zip(told.items(), [1, 5, 4, 3, 2], strict=True)]
    (line,) = faster_early.among_variants({"epoch": 6, "cells": rows})
    assert "aulc@6 = diverged, more than 0 of its 4 variants" in line.replace("\n", " ")


def test_measured_correlations_are_scipys(
    printed: Printed, asking: Client, shipped: dict[str, int]
) -> None:
    by_epoch, hessian, rates = (
        shipped[f"{what} DARTS-V2"] for what in ("gradients", "smoothness", "rates")
    )
    variance = asking.study_rows(by_epoch).to_pandas()
    variance = variance.query("group == 'network' and epoch == 12")
    eigenvalues = asking.study_rows(hessian).to_pandas().query("group == 'network'")
    losses = asking.study_rows(rates).to_pandas().query("epoch <= 6 and learning_rate == 0.25")
    summed = losses.groupby(["width", "depth", "cell", "seed"], as_index=False)["train_loss"].sum()
    summed = summed.groupby(["width", "depth", "cell"], as_index=False)["train_loss"].mean()
    for script, start, frame, column in (
        (lower_gradient_variance, (by_epoch, "variance@12", 32), variance, "variance"),
        (smoother_loss, (hessian, "network@12", 32), eigenvalues, "eigenvalue"),
        (at_other_learning_rates, (rates, "0.25", "sotl@6", 42), summed, "train_loss"),
    ):
        assert len(frame) == start[-1]
        width, depth = (
            stats.spearmanr(frame[x].astype(float), frame[column]).statistic
            for x in ("width", "depth")
        )
        assert row(printed(script), *map(str, start)) == [
            found(width, len(frame), positive=False),
            found(depth, len(frame), positive=True),
        ]


def test_of_few_points_curvature_alone_is_told(printed: Printed, shipped: dict[str, int]) -> None:
    """Nine around the centre: what share of a plane is convex or low, they can't tell."""
    out = printed(smoother_loss)
    told = {
        name: {
            line.split()[1]
            for line in out.splitlines()
            if re.match(rf" *{shipped[name]}  [a-z]", line)
        }
        for name in plan.planes(SCALE, SCALE.family)
    }
    whole, *near = told.values()
    assert whole == {"mean_curvature", "convex_share", "area_below"}
    assert near == [{"mean_curvature"}] * 3


def test_pairs_are_compared_as_scipy_does(
    printed: Printed, asking: Client, shipped: dict[str, int]
) -> None:
    number = shipped["generalisation"]
    results = asking.get(f"/studies/{number}")["results"]
    pairs = pd.DataFrame(
        {"cell": cell_name(one["original"]), **pair}
        for one in results
        for pair in one.get("pairs", ())
    )
    pairs["difference"] = pairs["adapted"] - pairs["original"]
    out = printed(no_better_in_the_end)
    of_all = pairs.groupby(["cell", "dataset"])["difference"].mean()
    for cell, differences in (*pairs.groupby("cell")["difference"], ("all", of_all)):
        test = stats.ttest_1samp(differences, 0)
        low, high = test.confidence_interval()
        told = [f"{differences.mean():+.2f} ({low:+.2f}, {high:+.2f})", f"{test.pvalue:.2g}"]
        assert row(out, str(number), cell, str(len(differences)))[:2] == told
    assert f"the interval of the mean ends at {high:+.2f} (intervals of 95 %)" in out


def test_final_correlations_are_scipys(printed: Printed, asking: Client) -> None:
    out = printed(no_better_in_the_end)
    metric = "valid_accuracy@final"
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        frame = asking.cells(
            fields=["arch", "width", "depth", metric], connected=True, dataset=dataset
        ).to_pandas()
        assert len(frame) == 15_284
        networks = [computed()[arch] for arch in frame["arch"]]
        for x, told in zip(
            ("width", "depth"), row(out, dataset, metric, "15284", "4929"), strict=True
        ):
            rho = stats.spearmanr(frame[x].astype(float), frame[metric]).statistic
            worth = worth_of(frame[x].astype(float), frame[metric], networks)
            assert told == found(rho, worth, positive=True).replace("as claimed", "rises")


@functools.cache
def computed() -> dict[str, str]:
    """By cell string, what the cell makes of some numbers: copies of a network the same."""
    return dict(zip(raw.strings(), map(str, raw.outputs()), strict=True))


def worth_of(x: pd.Series, y: pd.Series, networks: list[str]) -> float:
    """How many independent rows these are worth, where copies of a network were drawn together.

    n over the cluster-robust variance of the mean influence on the coefficient, as a multiple of
    that of independent rows.
    """
    u, v = (stats.zscore(stats.rankdata(column)) for column in (x, y))
    influence = u * v - np.mean(u * v) * (u**2 + v**2) / 2
    sums = pd.Series(influence).groupby(networks).sum()
    n, classes = len(influence), len(sums)
    clustered = classes / (classes - 1) * (sums**2).sum()
    alone = n / (n - 1) * (influence**2).sum()
    return float(min(n * alone / clustered, classes))


def test_one_study_may_be_asked_for(run: Run, printed: Printed, shipped: dict[str, int]) -> None:
    of_one = re.compile(r"^study (\d+):", re.MULTILINE)
    assert len(of_one.findall(printed(faster_early))) > 1
    number = shipped["convergence NASNet-A"]
    out = run(faster_early, "--study", number)
    assert of_one.findall(out) == [str(number)]
    told = " ".join(out.split())
    assert "12 cells (NASNet-A, NASNet-A-adapted, NASNet-A-conn1, 9 more), cifar10-valid" in told
    assert {line.split()[0] for line in out.splitlines() if " aulc@6 " in line} == {str(number)}


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (
            smoother_loss,
            ["--study", "gradients DARTS-V2"],
            r"study \d+ is of gradient-variance, not landscape or smoothness",
        ),
        (smoother_loss, ["--study", "99"], "there is no study 99"),
        (faster_early, ["--recipe", "mine"], "not recorded for cifar10-valid, but held under re"),
        (wide_and_shallow, ["--figure", "nowhere/x.svg"], "the picture isn't written: .*nowhere"),
    ],
)
def test_what_cannot_be_had_is_told(
    script: ModuleType, arguments: list[str], message: str, run: Run, shipped: dict[str, int]
) -> None:
    with pytest.raises(SystemExit, match=message):
        run(script, *(shipped.get(argument, argument) for argument in arguments))


def test_other_pictures_are_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(wide_and_shallow, "--figure", "ranks.pdf")
    assert "ranks.pdf ends neither in .svg nor in .png" in capsys.readouterr().err


@pytest.mark.parametrize("script", SCRIPTS[1:], ids=name)
def test_a_server_without_studies_is_told_how_to_make_one(
    script: ModuleType,
    run: Run,
    client: TestClient,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command is taken by the command line, as far as there is such a recipe."""
    made = functools.partial(Client, transport=client._transport)
    monkeypatch.setattr(claim, "Client", made)
    arguments = []
    if script is faster_early:  # the table's own accuracies, as this server has no sample
        arguments = ["--recipe", "nb201-200", "--images", "original", "--source", "hpo-bench"]
    with pytest.raises(SystemExit) as stopped:
        run(script, *arguments)
    why, command = str(stopped.value).split("\n")
    assert re.fullmatch(r"http\S+ has no study of [a-z-]+ that has ended; this makes one:", why)
    program, *words = shlex.split(command)
    assert program == "cellwise"
    done = CliRunner().invoke(COMMANDS, [*words, "--recipe", "none"])
    assert done.exit_code == 1, done.output
    # Cells, kind and settings are looked at first.
    assert "no recipe 'none'" in " ".join(done.output.split())
    with pytest.raises(SystemExit, match=r"study 1 is (cancelled: it has no|of variants, not)"):
        run(script, *arguments, "--study", 1)


def test_studies_of_two_spaces_are_told_apart() -> None:
    counts = {"n": 9, "n_distinct": 9}
    item = {"x": "width", "y": "half_life", "ci": [0.1, 0.9], **counts, "reason": None}
    rows = claim.judged(
        [
            {**item, "space": "darts", "coefficient": 0.5},
            {**item, "space": "nasbench201", "coefficient": -1.0, "ci": [-1.0, -1.0]},
        ],
        claim.MORE,
    )
    assert claim.side_by_side(rows).splitlines() == [
        "space        measure    n  width",
        "darts        half_life  9  ρ = +0.50 (+0.10, +0.90) as claimed",
        # Fisher's interval has no length there, however few the cells.
        "nasbench201  half_life  9  ρ = -1, without an interval undecided",
    ]
    assert claim.side_by_side([]) == "no coefficient is defined"


def test_help_needs_the_client_pandas_and_scipy_alone() -> None:
    absent = ("altair", "duckdb", "fastapi", "orjson", "pydantic", "rich", "sklearn", "typer")
    modules = ", ".join(script.__name__ for script in SCRIPTS)
    code = f"import sys\nsys.modules |= dict.fromkeys({absent})\nimport {modules}\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}{smoother_loss.__name__}.main()", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for word in ("largest eigenvalue", "--url", "--figure FILE", "--study N"):
        assert word in done.stdout
    assert done.stderr == ""


def test_the_notebook_shows_what_is_saved(server: Server, tmp_path: Path) -> None:
    """From top to bottom; its pictures are drawn and left out."""
    done = subprocess.run(
        [sys.executable, "-m", "analysis.scripts.notebook", "--url", server.url],
        cwd=ROOT,
        env=environment(IPYTHONDIR=str(tmp_path), JUPYTER_RUNTIME_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_kernel_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    """In the current folder they would stay where a run is killed."""
    here = tmp_path / "here"
    here.mkdir()
    program = (
        "import nbformat\nfrom analysis.scripts.notebook import ran\n"
        "cell = nbformat.v4.new_code_cell('import os; print(os.listdir())')\n"
        "fresh = ran(nbformat.v4.new_notebook(cells=[cell]), 'http://127.0.0.1:9')\n"
        "print(fresh.cells[0].outputs[0].text, end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=here,
        env=environment(IPYTHONDIR=str(tmp_path), PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_saved_notebook_is_compared_cell_by_cell() -> None:
    (file,) = notebook.FOLDER.glob("*.ipynb")
    assert file.stat().st_size < 300_000
    saved = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    shown = [one for one in saved.cells if one.cell_type == "code" and one.outputs]
    assert len(shown) >= 15
    kinds = {kind for one in shown for output in one.outputs for kind in output.data}
    assert kinds == {"text/plain", "text/html"}
    other = deepcopy(saved)
    (ranks,) = [one for one in other.cells if one.id == "ranks"]
    (output,) = ranks.outputs
    assert "96.44" in output.data["text/plain"]
    output.data["text/plain"] = output.data["text/plain"].replace("96.44", "96.45")
    assert notebook.changed(saved, saved) == []
    assert notebook.changed(saved, other) == ["ranks"]


# --- what the documentation shows -------------------------------------------------------------


def test_shown_answers_are_put_right(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a refusal is shown."""
    page = tmp_path / "api.md"
    text = (ROOT / "docs" / "api.md").read_text()
    assert '"status": 422' in text
    page.write_text(text.replace('"status": 422', '"status": 400'))

    def run(*more: str, url: str = server.url) -> int | str | None:
        monkeypatch.setattr("sys.argv", ["examples", str(page), "--url", url, *more])
        with pytest.raises(SystemExit) as ended:
            examples.main()
        return ended.value.code

    assert run() == 1
    assert "isn't JSON: is that Cellwise?" in str(run(url=f"{server.url}/page/app.js?"))
    assert run("--write") == 0
    when = r'"imported_at": "[^"]*"'
    assert re.sub(when, "", page.read_text()) == re.sub(when, "", text)
    assert run() == 0
