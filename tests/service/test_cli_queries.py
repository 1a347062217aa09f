"""Commands that ask the API: its answers whole, as tables, and with all its parameters."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from scipy import stats
from starlette.testclient import TestClient
from typer.testing import CliRunner

from service import cli, cli_cells, cli_query, cli_statistics
from service.api.routes.jobs import JobsQuery
from service.cli_query import Command
from tests import raw
from tests.conftest import NATS_BENCH, ROOT, need
from tests.service.commands import Commands, rows, unset_settings
from tests.service.processes import cellwise, environment, serving

COMMANDS = {command.name: command for command in (*cli_cells.COMMANDS, *cli_statistics.COMMANDS)}
GENERAL = {"--home", "--url", "--json", "--csv", "--help"}

app = typer.Typer()
cli_query.add_all(app, COMMANDS.values())


@pytest.fixture(scope="module")
def held(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the default table, and a server that commands ask."""
    home = Path(shutil.copytree(default_home, tmp_path_factory.mktemp("held") / "home"))
    with serving(home):
        yield home


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setattr(cli.out, "width", 240)
    monkeypatch.chdir(tmp_path)


commands = Commands(app)
run, ok, failed = commands.run, commands.ok, commands.failed


# --- the API's own answers --------------------------------------------------------------------

SAME = [
    ("cells --min-width 3 --limit 2", "/cells?min_width=3&limit=2"),
    (
        "cells --fields id,width --metric valid_accuracy@final --op-03 none --max-depth 2",
        "/cells?fields=id,width&metric=valid_accuracy@final&op_03=none&max_depth=2",
    ),
    ("curves 284 --seed all --dataset cifar100", "/curves?cell=284&seed=all&dataset=cifar100"),
    ("ranks DARTS-V2 6111 --metric width", "/ranks?cell=DARTS-V2&cell=6111&metric=width"),
    ("runs --cell 284 --dataset cifar100", "/runs?cell=284&dataset=cifar100"),
    (
        "correlations --x width --x depth,params_m --y valid_accuracy@final --control flops_m",
        "/correlations?x=width&x=depth,params_m&y=valid_accuracy@final&control=flops_m",
    ),
    (
        "correlations --x depth --y valid_accuracy@final --comparable-by live_ops",
        "/correlations?x=depth&y=valid_accuracy@final&comparable_by=live_ops",
    ),
    (
        "correlations-by-epoch --x width --y valid_accuracy --method kendall",
        "/correlations/by-epoch?x=width&y=valid_accuracy&method=kendall",
    ),
    (
        "contrasts --x width,depth --y n_skip --group-by live_ops --resamples 100",
        "/correlations/contrasts?x=width,depth&y=n_skip&group_by=live_ops&resamples=100",
    ),
    ("groups --by width --bins 2 --connected true", "/groups?by=width&bins=2&connected=true"),
]


@pytest.mark.parametrize(("command", "path"), SAME)
@pytest.mark.parametrize("form", ["json", "csv", "ndjson"])
def test_answers_are_the_api_s(
    command: str, path: str, form: str, held: Path, client: TestClient
) -> None:
    text = ok(*command.split(), "--home", held, "--format", form)
    expected = client.get(f"http://localhost{path}&format={form}")
    assert expected.status_code == 200, expected.text
    if form == "json":
        # The address of the next page repeats the question, which the command asks in its order.
        told, meant = json.loads(text), expected.json()
        assert (told.pop("next", None) is None) == (meant.pop("next", None) is None)
        assert told == meant
    else:
        assert text.encode() == expected.content
    if form != "ndjson":
        assert ok(*command.split(), "--home", held, f"--{form}") == text


def test_every_command_is_among_them() -> None:
    assert {command.split()[0] for command, _ in SAME} == COMMANDS.keys()


def test_without_a_server_the_same_is_answered(held: Path, home: Path) -> None:
    command = ("correlations", "--x", "width", "--y", "valid_accuracy@final")
    url = json.loads((held / "server.json").read_text())["url"]
    for form in ((), ("--json",)):
        assert ok(*command, *form, "--home", home) == ok(*command, *form, "--url", url)


def test_answers_as_files(held: Path, tmp_path: Path) -> None:
    file = tmp_path / "cells.parquet"
    ok("cells", "--home", held, "--format", "parquet", "--output", file, "--connected", "false")
    assert pq.read_table(file).num_rows == 341
    file = tmp_path / "groups.json"
    assert ok("groups", "--home", held, "--json", "--output", file) == ""
    assert len(json.loads(file.read_bytes())["items"]) == 7


# --- curves of several cells ------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "csv", "ndjson", "parquet", "arrow"])
def test_curves_of_several_cells_follow_each_other(form: str, held: Path, tmp_path: Path) -> None:
    """As the answers for each do, in one table."""

    def asked(*cells: str) -> Any:
        file = tmp_path / f"curves.{form}"
        given = ("--seed", "all", "--format", form, "--output", file, "--home", held)
        ok("curves", *cells, *given)
        if form == "json":
            return json.loads(file.read_bytes())["items"]
        if form == "ndjson":
            return [json.loads(line) for line in file.read_bytes().splitlines()]
        if form == "csv":
            return list(csv.DictReader(io.StringIO(file.read_text())))
        if form == "parquet":
            return pq.read_table(file).to_pylist()
        return pa.ipc.open_stream(file.read_bytes()).read_all().to_pylist()

    both = asked("284", "6111")
    assert both == asked("284") + asked("6111")
    assert [item["cell"] for item in both] == ["nb201-000284"] * 3 + ["nb201-006111"] * 3


def test_a_genotype_s_brackets_reach_the_api(held: Path) -> None:
    cell = raw.strings()[284]
    assert ok("curves", cell, "--home", held) == ok("curves", "284", "--home", held)


# --- tables -----------------------------------------------------------------------------------


def test_cells(held: Path) -> None:
    """The best cell of the table, as published."""
    text = ok("cells", "--home", held, "--sort=-valid_accuracy@final", "--limit", 1)
    assert rows(text)[1] == [
        "nb201-006111", "3", "3", "1.07347", "153.273", "91.61 ± 0.17",
    ]  # fmt: skip
    assert (
        "valid_accuracy@final: cifar10-valid/x-valid, epoch 200 of 200, nb201-200, "
        "seed mean (± std over seeds), from hpo-bench\n1 of 15,625 cells\n"
    ) in text
    assert "± std" not in ok("cells", "--home", held, "--limit", 1, "--seed", 777)
    assert "no cell passes" in ok("cells", "--home", held, "--width", "2.25")


def test_curves(held: Path) -> None:
    """Cell 284 has 86.0467 % at the end of 200 epochs, the mean over its seeds."""
    text = ok("curves", 284, 6111, "--home", held)
    first, second = rows(text)[1:3]
    assert first == ["nb201-000284", "mean", "86.05 ± 0.02"]
    assert second == ["nb201-006111", "mean", "91.61 ± 0.17"]
    assert "cifar10-valid/x-valid, 200 epochs, nb201-200, seed mean (± std over seeds)" in text
    seeds = rows(ok("curves", 284, "--seed", "all", "--home", held))[1:4]
    assert [row[1:] for row in seeds] == [["777", "86.05"], ["888", "86.02"], ["999", "86.07"]]
    assert "none of these cells has such a curve" in ok("curves", "NASNet-A", "--home", held)


@pytest.fixture(scope="module")
def curved(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with curves made up: e / 4 at epoch e of 200, and ten of 12 epochs by width.

    Of the latter the wide ones are better up to epoch 4, and worse from then on.
    """
    folder = tmp_path_factory.mktemp("curved")
    home = Path(shutil.copytree(default_home, folder / "home"))
    lines = ["cell,dataset,split,schedule,seed,epoch,value"]
    lines += [f"284,cifar10,train,200,777,{epoch},{epoch / 4}" for epoch in range(1, 201)]
    lines += [
        f"{cell},cifar10-valid,x-valid,12,777,{epoch},{50 + (width if epoch <= 4 else -width)}"
        for cell, width in widths().items()
        for epoch in range(1, 13)
    ]
    (folder / "made.csv").write_text("\n".join(lines) + "\n")
    Commands(cli.app).ok("import", folder / "made.csv", "--source", "made", "--home", home)
    with serving(home):
        yield home


def widths() -> dict[int, int]:
    """Of ten connected cells, by index."""
    found = {cell: raw.columns()["width"][cell] for cell in range(20)}
    return {cell: int(width) for cell, width in found.items() if width == width}


def test_long_curves_are_told_by_some_epochs_and_drawn(curved: Path) -> None:
    text = ok("curves", 284, "--metric", "train_accuracy", "--home", curved)
    heads, row, *_ = rows(text)
    assert heads[2:-1] == ["1", "4", "8", "12", "25", "50", "100", "200"]
    assert row[2:-1] == [
        "0.25", "1.00", "2.00", "3.00", "6.25", "12.50", "25.00", "50.00",
    ]  # fmt: skip
    assert (row[-1][0], row[-1][-1]) == ("▁", "█")
    assert list(row[-1]) == sorted(row[-1])
    assert "8 of 200 epochs; all of them: --csv or --json" in text
    whole = ok("curves", 284, "--metric", "train_accuracy", "--csv", "--home", curved)
    assert len(whole.splitlines()) == 1 + 200


def test_correlations_by_epoch(curved: Path) -> None:
    """ρ is 1 up to epoch 4 and −1 from then on."""
    made = ("--source", "made", "--schedule", 12, "--home", curved)
    text = ok("correlations-by-epoch", "--x", "width", "--y", "valid_accuracy", *made)
    heads, *shown = rows(text)
    assert heads[:5] == ["x", "epoch", "Spearman's ρ", "p", "n"]
    n = str(len(widths()))
    assert [(row[1], row[2].split()[0]) for row in shown[:4]] == [
        ("1", "1.000"), ("4", "1.000"), ("8", "-1.000"), ("12", "-1.000"),
    ]  # fmt: skip
    assert all(n in row for row in shown[:4])
    assert "width over the epochs, least to most: ████▁▁▁▁▁▁▁▁\n" in text
    assert (
        "valid_accuracy: cifar10-valid/x-valid, 12 epochs, nb201-12, seed mean, from made" in text
    )


def test_published_curves(home: Path) -> None:
    """Cell 284 after epoch 12 of 200, and at the end of 12 epochs."""
    Commands(cli.app).ok("import", need(NATS_BENCH), "--home", home)
    for schedule, value in ((200, "49.89"), (12, "72.88")):
        heads, row, *_ = rows(ok("curves", 284, "--schedule", schedule, "--home", home))
        shown = dict(zip(heads, row, strict=True))
        assert shown["12"].split()[0] == value
    command = ("curves", 284, "--metric", "train_loss", "--seed", 777, "--home", home)
    (item,) = json.loads(ok(*command, "--json"))["items"]
    row = rows(ok(*command))[1]
    losses = dict(zip(item["epochs"], item["values"], strict=True))
    assert row[2:4] == [f"{losses[epoch]:.4f}" for epoch in (1, 4)], "a loss is no percentage"


def test_ranks(held: Path) -> None:
    """Among 180 and 2,700 wirings, as Shu et al. 2020 have them."""
    text = ok("ranks", "SNAS-mild", "DARTS-V2", "NASNet-A", 6111, "--home", held)
    shown = {(row[0], row[1]): row[2:] for row in rows(text)}
    assert shown["SNAS-mild", "width"][:2] == ["4", "1 of 180"]
    assert shown["SNAS-mild", "depth"][:2] == ["2", "1 of 180"]
    assert shown["DARTS-V2", "width"][0] == "3.5"
    assert shown["DARTS-V2", "width"][2].startswith("2 of ")
    assert shown["DARTS-V2", "depth"][2].startswith("2 of ")
    assert shown["NASNet-A", "width"][1] == "1 of 2,700"
    assert shown["nb201-006111", "width"][:3] == ["3", "1 of 15,284", "1 of 3"]
    assert "180 wirings of 4 nodes with two distinct sources" in text
    text = ok("ranks", "NASNet-A", "--metric", "valid_accuracy@final", "--home", held)
    assert "no rank of NASNet-A by valid_accuracy@final: the cell has no value" in text


def test_a_cell_that_never_got_there_has_a_rank_and_no_value(curved: Path) -> None:
    """The widest reach 53 % at once; cell 11, of width 2, never does."""
    reached = sum(width == 3 for width in widths().values())
    metric = "epochs_to_53of12"
    asked = ("ranks", 11, "--metric", metric, "--dataset", "cifar10-valid", "--home", curved)
    text = ok(*asked)
    (row,) = [row for row in rows(text) if metric in row]
    assert row[-4:-2] == ["–", f"{reached + 1} of {len(widths())}"]
    assert f"nb201-000011 by {metric}: no value, ranked among the last" in text
    assert "no rank" not in text


def test_runs(held: Path) -> None:
    text = ok("runs", "--cell", 6111, "--dataset", "cifar100", "--limit", 2, "--home", held)
    assert rows(text)[1:3] == [
        ["nb201-006111", "cifar100", "nb201-200", "200", seed, "hpo-bench", "5,759.5 (derived)"]
        for seed in ("777", "888")
    ]
    assert "2 of 3 runs" in text
    assert "no run passes" in ok("runs", "--schedule", 7, "--home", held)


def test_groups(held: Path) -> None:
    """The counts of the space, and in the widest and deepest group its best cell."""
    text = ok("groups", "--home", held)
    shown = rows(text)
    counts = {(row[0], row[1]): row[2] for row in shown if row[0] in ("1", "2", "3")}
    assert counts == {
        ("1", "1"): "1,364", ("1", "2"): "928", ("1", "3"): "320", ("2", "2"): "3,968",
        ("2", "3"): "2,560", ("3", "2"): "1,024", ("3", "3"): "5,120",
    }  # fmt: skip
    (best,) = [row for row in shown if row[:2] == ["3", "3"]]
    assert best[-2:] == ["91.61", "nb201-006111"]
    assert "left out: 341 disconnected" in text
    body = json.loads(ok("groups", "--json", "--home", held))
    found = body["explained"]["valid_accuracy@final"]
    assert f"η² {found['eta_squared']:.3f}, ω² {found['omega_squared']:.3f}" in text
    text = ok("groups", "--by", "width", "--width", 3, "--seed", 999, "--home", held)
    thrice = [len(seeds) == 3 for seeds in raw.accuracies("cifar10")]
    n = sum(thrice[cell] and width == 3 for cell, width in enumerate(raw.columns()["width"]))
    heads, row, *_ = rows(text)
    assert (heads[:3], row[:3]) == (["width", "cells", "n"], ["3", "6,144", f"{n:,}"])
    assert "no more: fewer than 2 groups have values" in text
    text = ok("groups", "--cell", 284, "--home", held)
    assert "explain is undefined: fewer than 2 groups have values; the values do not vary" in text
    assert "cells of all spaces on cifar10" in text


def test_groups_without_a_cell(held: Path) -> None:
    text = ok("groups", "--width", 2.25, "--home", held)
    assert "no cell is in a group" in text


def test_correlations(held: Path) -> None:
    """Coefficient and p-value by scipy from the table; the interval as in JSON."""
    table = csv.DictReader(
        io.StringIO(ok("cells", "--fields", "depth,valid_accuracy@final", "--csv", "--home", held))
    )
    connected = [one for one in table if one["depth"]]
    names = ("depth", "valid_accuracy@final")
    depth, accuracy = ([float(one[name]) for one in connected] for name in names)
    expected = stats.spearmanr(depth, accuracy)
    command = ("correlations", "--x", "width,depth", "--y", "valid_accuracy@final", "--home", held)
    text = ok(*command)
    (row,) = [row for row in rows(text) if row[0] == "depth"]
    (_, item) = json.loads(ok(*command, "--json"))["items"]
    low, high = item["ci"]
    assert row == [
        "depth",
        "valid_accuracy@final",
        f"{expected.statistic:.3f} [{low:.3f}, {high:.3f}]",
        f"{item['p_value']:.2g}",
        "15,284",
        f"{raw.networks(range(15_625)) - 1:,}",  # without that of the disconnected cells
        f"{item['n_effective']:.0f}",
        "341 disconnected",
        f"y {item['reliability']['y']['icc']:.3f}",
        f"{item['disattenuated']:.3f}",
    ]
    assert item["p_value"] > expected.pvalue
    told = "95 % intervals, Fisher's, copies of a network taken as dependent"
    assert f"cells of nasbench201 on cifar10; {told}" in text


def test_p_values_too_small_for_a_number_are_not_0(held: Path) -> None:
    text = ok("correlations", "--x", "params_m", "--y", "flops_m", "--home", held)
    assert rows(text)[1][3] == "<1e-300"


def test_how_a_correlation_was_made_is_said(held: Path) -> None:
    given = ("--y", "valid_accuracy@final", "--home", held)
    text = ok("correlations", "--x", "n_paths", "--group-by", "width", "--ci", "none", *given)
    assert "mean within groups of equal width, weighted by size" in text
    assert "interval" not in text
    assert "groups" in rows(text)[0]
    text = ok("correlations", "--x", "width", "--control", "params_m", "--confidence", 0.9, *given)
    assert "90 % intervals, Fisher's, copies of a network taken as dependent; params_m" in text
    text = ok("correlations", "--x", "width", "--group-by", "live_ops", *given)
    assert "95 % intervals, from the variance between groups" in text
    assert "I²" in rows(text)[0]


def test_contrasts(held: Path) -> None:
    command = ("contrasts", "--x", "width,depth", "--y", "valid_accuracy@final", "--home", held)
    text = ok(*command, "--group-by", "live_ops")
    body = json.loads(ok(*command, "--group-by", "live_ops", "--json"))
    items = body["items"]
    low, high = items[2]["ci"]
    assert rows(text)[3] == [
        "width − depth",
        "valid_accuracy@final",
        f"{items[2]['estimate']:.3f} [{low:.3f}, {high:.3f}]",
        f"{items[2]['standard_error']:.3f}",
    ]
    groups = raw.compared("live_ops", "width", "depth")
    kept = [cell for group in groups for cell in group]
    n, distinct = len(kept), raw.networks(kept)
    assert f"the same {n:,} cells of nasbench201 on cifar10, {distinct:,} of them distinct" in text
    assert f"in {len(groups)} groups; Spearman's ρ with 95 % intervals, groups resampled" in text
    assert "mean within groups of equal operations on live edges" in text
    reliable = body["context"]["reliability"]["valid_accuracy@final"]["icc"]
    assert f"reliability: valid_accuracy@final {reliable:.3f}" in text
    assert "x is constant" in ok(*command, "--width", 3)


def test_undefined_coefficients_say_why(held: Path) -> None:
    given = ("--x", "width", "--y", "valid_accuracy@final", "--width", 3)
    heads, row, *_ = rows(ok("correlations", *given, "--home", held))
    shown = dict(zip(heads, row, strict=True))
    assert (shown["Spearman's ρ"], shown["p"], shown["n"]) == ("–", "–", "6,144")
    assert shown["why not"] == "x is constant"


# --- options ----------------------------------------------------------------------------------


def options_of(text: str) -> set[str]:
    """What a command's help offers."""
    return set(re.findall(r"^│[ *]+(?:-\w, )?(--[a-z0-9-]+)", text, re.MULTILINE))


def shown_as_option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_every_parameter_is_an_option(command: Command) -> None:
    text = ok(command.name, "--help")
    fields = {shown_as_option(name) for name in resolve_name(command.query).model_fields}
    if command.takes_cells:
        fields -= {"--cell"}
        assert "cell..." in text
    assert options_of(text) == fields | GENERAL | {"--output"}
    assert f"$ {command.example}" in text


def test_every_parameter_of_jobs_is_an_option() -> None:
    fields = {shown_as_option(name) for name in JobsQuery.model_fields}
    own = {"--cancel", "--resume", "--follow", "--log"}
    assert options_of(cellwise("jobs", "--help").stdout) == fields | GENERAL | own


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_examples_work(command: Command, curved: Path) -> None:
    _, *arguments = command.example.split()
    assert rows(ok(*arguments, "--home", curved))


def test_help_has_the_important_first() -> None:
    text = ok("correlations", "--help")
    panels = re.findall(r"^╭─ (.*?) ─", text, re.MULTILINE)
    assert panels == [
        "Options", "Context", "Output", "Cells", "Operations on edges", "Columns of cells",
    ]  # fmt: skip
    assert list(re.findall(r"^│ +\*? +(--[xy]|--method) ", text, re.MULTILINE)) == [
        "--x", "--y", "--method",
    ]  # fmt: skip
    shown = " ".join(text.replace("│", " ").split())
    assert "kendall is tau-b (spearman, kendall, pearson; default: spearman)" in shown


@pytest.mark.parametrize("spelling", ["--min-width", "--min_width"])
def test_dashes_and_underscores_are_alike(spelling: str, held: Path) -> None:
    assert json.loads(ok("cells", "--home", held, spelling, "3", "--json"))["total"] == 6144


# --- what can't be done -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cells --min-width x", "min_width 'x': not a number"),
        ("cells --metric test_accuracy@final", "valid_accuracy@{200}of200"),
        ("correlations --x widht --y depth", "did you mean width"),
        ("correlations-by-epoch --x width --y test_accuracy", "not recorded"),
        ("groups --by zzz", "by 'zzz': "),
        ("curves zzz", "cell 'zzz': not a cell"),
        ("curves 6111 284 zzz", "cell 'zzz': not a cell"),
        ("ranks 6111 zzz", "cell 'zzz': not a cell"),
        ("runs --seed one", "seed 'one': "),
        ("cells --csv --json", "one of --json, --csv and --format"),
        ("cells --csv --format csv", "one of --json, --csv and --format"),
        ("cells --format xml", "format 'xml': "),
        ("curves 6111 284 --format xml", "format 'xml': "),
        ("cells --output x", "--output needs a --format"),
        ("cells --csv --output no/x", "no/x can't be written: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said(command: str, said: str, held: Path) -> None:
    assert said in failed(*command.split(), "--home", held)


def test_an_empty_address_is_not_that_of_the_home_s_server(held: Path) -> None:
    said = failed("cells", "--url", "", "--home", held)
    assert "--url is empty; allowed: an address such as http://127.0.0.1:8000" in said


def test_what_makes_no_address_is_told(held: Path) -> None:
    cells = [one for index in range(5000) for one in ("--cell", f"nb201-{index:06}")]
    for command in (("cells", *cells), ("curves", "x" * 70_000)):
        said = failed(*command, "--home", held)
        assert "makes no address" in said
        assert "too long; ask for fewer at once, or by id" in said


def test_a_token_that_is_none_is_told_unseen(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLWISE_TOKEN", "cw_sec\nret")
    said = failed("cells", "--home", held)
    assert "CELLWISE_TOKEN holds a blank, a line break" in said
    assert "cw_" not in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cells --min-widht 3", "--min-width"),
        ("correlations --y depth", "--x"),
        ("curves", "Missing argument"),
    ],
)
def test_usage_is_explained(command: str, said: str) -> None:
    done = run(*command.split())
    assert done.exit_code == 2
    assert said in done.stderr


# --- as a process -----------------------------------------------------------------------------


def test_tables_that_go_into_a_pipe_are_whole(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody says how wide they may be."""
    meaning = "in-edges that come from an input, summed over"
    for columns in ("", "60"):
        done = cellwise("topology", "284", env={"COLUMNS": columns})
        assert done.returncode == 0, done.stderr
        assert (meaning in done.stdout) == (columns == "")
    # Other tables are printed alike: here where a page is as wide as in a pipe.
    monkeypatch.setattr(cli.out, "width", cli.WHOLE)
    fields = ("--cell", "6111", "--fields", "id,arch,valid_accuracy@final")
    assert raw.strings()[6111] in ok("cells", *fields, "--home", held)
    sources = ("sources", "--home", str(held))
    body = json.loads(CliRunner().invoke(cli.app, [*sources, "--json"]).stdout)
    assert body["items"][0]["title"] in CliRunner().invoke(cli.app, sources).stdout


NARROW = (
    "groups --by width",
    "cells --limit 2",
    "correlations --x width,depth --y valid_accuracy@final",
    "ranks DARTS-V2 --metric valid_accuracy@final",
    "runs --limit 2",
    "curves 284 --seed all",
)


@pytest.mark.parametrize("width", [60, 40, 10])
@pytest.mark.parametrize("command", NARROW)
def test_in_a_narrow_terminal_no_column_is_lost(
    command: str, width: int, held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures take more lines, names stay whole."""
    arguments = (*command.split(), "--home", held)
    wide = ok(*arguments)
    monkeypatch.setattr(cli.out, "width", width)
    narrow = ok(*arguments)
    assert "…" not in narrow
    for name in re.findall(r"nb201-\d{6}|DARTS-V2|valid_accuracy@final  ", wide):
        assert name in narrow
    # Sign for sign all is there, wherever lines are parted.
    signs = "┃│┏━┳┓┡╇┩└─┴┘"
    told, meant = (
        sorted("".join(text.split()).translate(dict.fromkeys(map(ord, signs))))
        for text in (narrow, wide)
    )
    assert told == meant


def test_an_output_that_lacks_signs_gets_all_else() -> None:
    ascii_alone = {"PYTHONIOENCODING": "ascii"}
    shown = cellwise("topology", "284", env=ascii_alone)
    assert shown.returncode == 0, shown.stderr
    assert "dead edges: 0?2 skip_connect" in shown.stdout
    told = cellwise("study", "kinds", "landscape", env=ascii_alone)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_is_binary_goes_into_a_pipe(form: str, held: Path) -> None:
    command = ["cells", "--limit", "2", "--fields", "id", "--format", form, "--home", str(held)]
    content = io.BytesIO(CliRunner().invoke(app, command).stdout_bytes)
    table = pq.read_table(content) if form == "parquet" else pa.ipc.open_stream(content).read_all()
    assert table.to_pydict() == {"id": ["nb201-000000", "nb201-000001"]}


def test_commands_are_listed_without_the_api() -> None:
    """Its import would be most of the time that ``--help`` takes."""
    code = (
        "import sys\nfrom service.cli import main\ntry:\n    main()\n"
        "finally:\n    print('fastapi' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for name in COMMANDS:
        assert f" {name} " in done.stdout
    assert done.stdout.rstrip().endswith("False")


def test_a_mistyped_command_is_known() -> None:
    assert "'correlations'" in cellwise("corelations").stderr
