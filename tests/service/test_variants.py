"""Variants over HTTP and from the command line, by DOMAIN.md, sections 2 and 6, and by counting."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from analysis.cells import parse_cell
from analysis.spaces.darts import NAMED
from service import cli, cli_variants
from service.api import schemas
from tests.service.helpers import get, refused

cli_variants.add_to(cli.app)

SIX_NODES = "Genotype(normal={0}, normal_concat=[7], reduce={0}, reduce_concat=[7])".format(
    [("skip_connect", source) for source in (0, 1) * 6]
)
DISCONNECTED = "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"


def variants(client: TestClient, **asked: Any) -> dict[str, Any]:
    return dict(get(client, "/variants", asked))


@pytest.mark.parametrize(
    ("cell", "nominal", "pruned", "place"),
    [
        ("NASNet-A", (5, 2), (5, 2), 1),
        ("AmoebaNet-A", (5, 2), (3, 2), 702),  # nodes 2 and 3 are dead
        ("DARTS-V2", (4, 2), (4, 2), 1),
    ],
)
def test_adapted_cells(
    client: TestClient, cell: str, nominal: tuple[int, int], pruned: tuple[int, int], place: int
) -> None:
    body = variants(client, cell=cell, kind="adapted")
    (item,) = body["items"]
    assert item["name"] == f"{cell}-adapted"
    assert (item["nominal_width"], item["nominal_depth"]) == nominal
    assert (item["width"], item["depth"]) == pruned
    assert (item["ranks"]["width"]["rank"], item["ranks"]["depth"]["rank"]) == (place, 1)
    assert (body["cell"]["name"], body["kind"], body["total"]) == (cell, "adapted", 1)
    assert body["reason"] == "there is 1 in all"


def test_an_adapted_cell_is_its_own(client: TestClient) -> None:
    body = variants(client, cell="ENAS-adapted", kind="adapted")
    assert (body["items"], body["total"]) == ([], 0)
    assert body["reason"] == "every node of the cell reads both inputs already"


@pytest.mark.parametrize(
    ("kind", "short"), [("random-connections", "conn"), ("random-operations", "ops")]
)
def test_the_paper_s_sampler_draws_its_own_variants(
    client: TestClient, kind: str, short: str
) -> None:
    body = variants(client, cell="SNAS-mild", kind=kind, sampler="paper")
    assert [item["name"] for item in body["items"]] == [
        f"SNAS-mild-{short}{n}" for n in range(1, 11)
    ]
    assert (body["sampler"], body["seed"], body["duplicates"]) == ("paper", 1, True)
    assert body["reason"] is None
    third = variants(client, cell="SNAS-mild", kind=kind, sampler="paper", seed=3, count=1)
    assert third["items"] == body["items"][2:3]
    # Its canonical text is the same cell, whatever the order in which it was published.
    text = parse_cell("SNAS-mild").arch
    assert variants(client, cell=text, kind=kind, sampler="paper") == body


def test_the_paper_s_sampler_goes_on_beyond_the_paper(client: TestClient) -> None:
    body = variants(client, cell=SIX_NODES, sampler="paper", seed=2**32 - 2, count=2)
    assert [item["name"] for item in body["items"]] == [None, None]
    schemas.Variants.model_validate_json(json.dumps(body), strict=True)


@pytest.mark.parametrize("kind", ["random-connections", "random-operations"])
@pytest.mark.parametrize("cell", ["AmoebaNet-A", "6111", DISCONNECTED])
def test_shapes_and_ranks_are_those_of_the_other_calls(
    client: TestClient, cell: str, kind: str
) -> None:
    body = variants(client, cell=cell, kind=kind, count=6, seed=3)
    assert len(body["items"]) == 6
    assert body["reason"] is None
    for item in (body["cell"], *body["items"]):
        document = get(client, item["links"]["self"])
        assert (document["id"], document["arch"]) == (item["id"], item["arch"])
        shape = {name: value for name, value in item.items() if name.endswith(("width", "depth"))}
        assert shape == {name: document["columns"][name] for name in shape}
        assert len(shape) == (8 if item["space"] == "darts" else 4)
        (ranked,) = get(client, "/ranks", {"cell": item["arch"]})["items"]
        assert item["ranks"] == ranked["ranks"]


def test_connections_keep_the_operations(client: TestClient) -> None:
    body = variants(client, cell="6111", count=1000)
    assert body["kind"] == "random-connections"
    wanted = Counter(nor_conv_3x3=4, nor_conv_1x1=1, skip_connect=1)
    for item in body["items"]:
        assert Counter(op for op, _ in edges(item["arch"])) == wanted
    ids = {item["id"] for item in body["items"]}
    assert len(ids) == len(body["items"]) == body["total"] == 29  # 6!/4! arrangements, less one
    assert "nb201-006111" not in ids
    assert body["reason"] == "there are 29 in all"


def edges(arch: str) -> list[tuple[str, str]]:
    """(operation, source) of a NAS-Bench-201 string."""
    tokens = arch.replace("+", "").strip("|").split("|")
    return [(op, source) for op, _, source in (token.partition("~") for token in tokens if token)]


def test_operations_keep_the_genotype_s_wiring(client: TestClient) -> None:
    original = NAMED["DARTS-V2"]
    for item in variants(client, cell="DARTS-V2", kind="random-operations")["items"]:
        variant: Any = parse_cell(item["arch"])
        assert [s for _, s in variant.normal] == [s for _, s in original.normal]
        assert [s for _, s in variant.reduce] == [s for _, s in original.reduce]
        assert (item["width"], item["depth"], item["reduce_width"]) == (3.5, 3, 2.5)


def test_a_node_that_reads_one_source_twice_can_be_narrower_than_any_wiring(
    client: TestClient,
) -> None:
    # Only node 2 reads an input, and each node the one before alone.
    chain = [("skip_connect", source) for source in (0, 0, 2, 2, 3, 3, 4, 4)]
    text = f"Genotype(normal={chain}, normal_concat=[5], reduce={chain}, reduce_concat=[5])"
    shown = variants(client, cell=text, count=1)["cell"]
    assert (shown["width"], shown["depth"]) == (1, 5)
    rank = shown["ranks"]["width"]
    assert (rank["rank"], rank["of"], rank["percentile"]) == (181, 180, 0)


def test_the_same_draws_and_more_of_them(client: TestClient) -> None:
    five = variants(client, cell="DARTS-V2", count=5, seed=8)
    nine = variants(client, cell="DARTS-V2", count=9, seed=8)
    assert nine["items"][:5] == five["items"]
    assert variants(client, cell="darts-74c3ae1b2128", count=5, seed=8) == five
    assert variants(client, cell="DARTS-V2", count=5, seed=9)["items"] != five["items"]


def test_draws_with_duplicates(client: TestClient) -> None:
    body = variants(client, cell="6111", count=200, duplicates="true")
    assert len(body["items"]) == 200
    assert len({item["id"] for item in body["items"]}) == 30
    assert (body["duplicates"], body["total"], body["reason"]) == (True, 29, None)


def test_more_variants_than_64_bits_can_tell(client: TestClient) -> None:
    body = variants(client, cell=SIX_NODES, kind="random-operations", count=1)
    assert body["total"] == 49**12 - 1
    schemas.Variants.model_validate_json(json.dumps(body), strict=True)


def test_a_disconnected_variant_has_no_width(client: TestClient) -> None:
    body = variants(client, cell=DISCONNECTED, count=1000)
    assert (body["cell"]["width"], body["cell"]["depth"]) == (None, None)
    assert body["cell"]["ranks"]["width"]["reason"] == "the cell has no value"
    assert body["total"] == 720 // 6 - 1
    for item in body["items"]:
        assert (item["width"] is None) == (item["depth"] is None)


@pytest.mark.parametrize(
    ("cell", "kind", "total", "reason"),
    [
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            "adapted",
            0,
            "the cell itself is the widest and shallowest",
        ),
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            "adapted",
            4,
            "the cell itself is one of the 5 widest and shallowest",
        ),
        (
            "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "adapted",
            0,
            "no arrangement of these operations connects input and output",
        ),
        (
            "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "random-operations",
            0,
            "the cell is the only one of its kind",
        ),
    ],
)
def test_why_there_are_fewer(
    client: TestClient, cell: str, kind: str, total: int, reason: str
) -> None:
    body = variants(client, cell=cell, kind=kind)
    assert (len(body["items"]), body["total"], body["reason"]) == (total, total, reason)


@pytest.mark.parametrize("cell", ["6111", "DARTS-V2", SIX_NODES, DISCONNECTED])
def test_answers_fit_their_description(client: TestClient, cell: str) -> None:
    answer = client.get("/variants", params={"cell": cell, "kind": "random-operations"})
    schemas.Variants.model_validate_json(answer.content, strict=True)


@pytest.mark.parametrize(
    ("asked", "name", "hint"),
    [
        ({}, "cell", "text"),
        ({"cell": "foo"}, "cell", "official index"),
        ({"cell": "15625"}, "cell", "0..15624"),
        ({"cell": "darts-0123456789ab"}, "cell", "genotype"),
        ({"cell": "1", "kind": "random"}, "kind", "random-connections"),
        ({"cell": "1", "count": "0"}, "count", "from 1 to 1000"),
        ({"cell": "1", "count": "1001"}, "count", "from 1 to 1000"),
        ({"cell": "1", "seed": "-1"}, "seed", "from 0"),
        ({"cell": "1", "duplicates": "2"}, "duplicates", "true, false"),
        ({"cell": "1", "counts": "2"}, "counts", "count"),
        ({"cell": "1", "sampler": "authors"}, "sampler", "uniform"),
        ({"cell": "1", "sampler": "paper"}, "sampler", "genotype"),
        ({"cell": "ENAS", "sampler": "paper", "kind": "adapted"}, "kind", "random-connections"),
        ({"cell": "ENAS", "sampler": "paper", "seed": "4294967290"}, "seed", "0 to 4294967286"),
    ],
)
def test_what_is_refused(client: TestClient, asked: dict[str, str], name: str, hint: str) -> None:
    (error,) = refused(client, "/variants", asked)
    assert error["name"] == name
    assert hint in error["allowed"]


@pytest.fixture(scope="module")
def cli_home(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(default_home, tmp_path_factory.mktemp("cli") / "home"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CELLWISE_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(cli.out, "width", 120)
    monkeypatch.chdir(tmp_path)


def run(home: Path, *arguments: object) -> Result:
    words = ["variants", "--home", str(home), *map(str, arguments)]
    return CliRunner().invoke(cli.app, words)


def ok(home: Path, *arguments: object) -> str:
    done = run(home, *arguments)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_the_table_of_the_command(cli_home: Path) -> None:
    text = ok(cli_home, "AmoebaNet-A", "--kind", "adapted")
    (own,) = (line for line in text.splitlines() if line.startswith("│ AmoebaNet-A "))
    (adapted,) = (line for line in text.splitlines() if "AmoebaNet-A-adapted" in line)
    assert "4 (22)" in own
    assert [part.strip() for part in adapted.split("│")[2:5]] == ["3 (702)", "2 (1)", "5/2"]
    assert "rank among 2,700 wirings of 5 nodes" in text
    assert "1 of 1 variants, uniform, seed 0: there is 1 in all" in text


def test_a_table_without_widths(cli_home: Path) -> None:
    text = ok(cli_home, DISCONNECTED, "--count", 2, "--seed", 4)
    (own,) = (line for line in text.splitlines() if parse_cell(DISCONNECTED).id in line)
    assert [part.strip() for part in own.split("│")[2:5]] == ["–", "–", "–/–"]
    assert "reduce" not in text


def test_cell_strings_can_be_copied(cli_home: Path, client: TestClient) -> None:
    asked = ("DARTS-V2", "--kind", "random-operations", "--count", 3, "--seed", 5)
    items = variants(client, cell="DARTS-V2", kind="random-operations", count=3, seed=5)["items"]
    assert ok(cli_home, *asked, "--arch").splitlines() == [item["arch"] for item in items]
    assert json.loads(ok(cli_home, *asked, "--json"))["items"] == items


def test_the_paper_s_own_from_the_command(cli_home: Path) -> None:
    text = ok(cli_home, "ENAS", "--kind", "random-operations", "--sampler", "paper")
    assert all(f"ENAS-ops{seed} " in text for seed in range(1, 11))
    assert "variants, paper, seeds 1 to 10" in text
    one = ok(cli_home, "ENAS", "--sampler", "paper", "--seed", 7, "--count", 1, "--arch")
    assert one.strip() == parse_cell("ENAS-conn7").arch


def test_duplicates_from_the_command(cli_home: Path) -> None:
    asked = ("6111", "--count", 60, "--arch")
    assert len(ok(cli_home, *asked).splitlines()) == 29
    assert len(ok(cli_home, *asked, "--duplicates").splitlines()) == 60


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("6111", "--kind", "random"), "random-connections"),
        (("6111", "--count", "0"), "from 1 to 1000"),
        (("foo",), "cell 'foo': not a cell"),
        (("6111", "--arch", "--json"), "either --arch or --json"),
    ],
)
def test_errors_of_the_command(cli_home: Path, arguments: tuple[str, ...], told: str) -> None:
    done = run(cli_home, *arguments)
    assert done.exit_code == 1
    assert told in done.stderr
