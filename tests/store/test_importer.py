"""Imports: all or nothing, once, and in place of what they replace."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.spaces import darts
from data.importer import Outcome
from data.library import Library
from data.sources.base import Run, SourceError
from tests import raw
from tests.conftest import NATS_BENCH, ROOT, client_of
from tests.service.helpers import get
from tests.store.sources import Made, everything, many, meaning, run

METRIC = "valid_accuracy@12of12"


def cells(library: Library, **parameters: Any) -> dict[str, Any]:
    asked = {"fields": f"id,{METRIC}", "min_metric": f"{METRIC}:0", **parameters}
    body = get(client_of(library), "/cells", asked)
    return {row["id"]: row for row in body["items"]}


def test_the_same_content_again_changes_nothing(fresh: Library, tmp_path: Path) -> None:
    source = Made(tmp_path, [[run(0, {12: 50.0})], [run(1, {12: 60.0})]])
    assert fresh.import_source(source) == Outcome("made", "imported", 2, 2, 2)
    before = everything(fresh)
    state = fresh.snapshot
    assert fresh.import_source(source) == Outcome("made", "unchanged", 2, 2, 2)
    assert everything(fresh) == before
    assert fresh.snapshot is state


def test_newer_content_replaces(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [[run(0, {12: 50.0}), run(1, {11: 1.0, 12: 60.0})]]))
    outcome = fresh.import_source(Made(tmp_path, [[run(2, {12: 70.0}), run(0, {12: 51.0})]]))
    assert outcome == Outcome("made", "replaced", 2, 2, 2)
    assert {cell: row[METRIC] for cell, row in cells(fresh).items()} == {
        "nb201-000000": 51.0,
        "nb201-000002": 70.0,
    }
    held = everything(fresh)
    assert len(held["sources"]) == 1
    assert len(held["runs"]) == len(held["series"]) == 2
    assert get(client_of(fresh), "/runs")["total"] == 2
    assert [e["epochs"] for e in get(client_of(fresh), "/columns")["recorded"]] == ["12", "12"]


def test_what_replaces_a_source_keeps_its_place(fresh: Library, tmp_path: Path) -> None:
    """Of two tables that hold the same, the one imported first wins, also after an update."""
    fresh.import_source(Made(tmp_path, [[run(0, {12: 1.0})]], name="first"))
    fresh.import_source(Made(tmp_path, [[run(0, {12: 2.0})]], name="second"))
    assert cells(fresh)["nb201-000000"][METRIC] == 1.0
    fresh.import_source(Made(tmp_path, [[run(0, {12: 3.0})]], name="first"))
    assert cells(fresh)["nb201-000000"][METRIC] == 3.0
    assert [source.name for source in fresh.snapshot.sources] == ["first", "second"]


def test_removing(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [[run(0, {12: 1.0})]], name="kept"))
    before = meaning(fresh)
    fresh.import_source(Made(tmp_path, [[run(0, {12: 2.0})], [run(3, {1: 2.0})]], name="gone"))
    fresh.remove_source("gone")
    assert meaning(fresh) == before
    assert [source.name for source in fresh.snapshot.sources] == ["kept"]
    with pytest.raises(SourceError, match="no source 'gone'"):
        fresh.remove_source("gone")


GOOD = [run(0, {12: 50.0}), run(1, {1: 10.0, 12: 60.0})]
UNKNOWN = darts.parse(
    "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2], "
    "reduce=[('skip_connect', 0), ('sep_conv_3x3', 1)], reduce_concat=[2])"
)
BROKEN: dict[str, list[list[Run] | BaseException]] = {
    "raises": [GOOD, [run(2, {12: 1.0})], RuntimeError("disk gone")],
    "raises a source's error": [GOOD, SourceError("bad record")],
    "is interrupted": [GOOD, KeyboardInterrupt()],
    "accuracy above 100": [GOOD, [run(2, {12: 100.5})]],
    "accuracy below 0": [GOOD, [run(2, {12: -0.1})]],
    "accuracy is nan": [GOOD, [run(2, {12: float("nan")})]],
    "accuracy is infinite": [GOOD, [run(2, {12: float("inf")})]],
    "loss below 0": [GOOD, [run(2, {12: -1.0}, measure="loss")]],
    "loss is infinite": [GOOD, [run(2, {12: float("inf")}, measure="loss")]],
    "epoch 0": [GOOD, [run(2, {0: 1.0})]],
    "epoch beyond the schedule": [GOOD, [run(2, {13: 1.0})]],
    "epochs fall": [GOOD, [run(2, {3: 1.0, 2: 1.0})]],
    "the same run twice": [GOOD, [run(0, {12: 50.0})]],
    "the same run twice in a batch": [[run(2, {1: 1.0}), run(2, {12: 50.0})]],
    "neither seed nor replicate": [GOOD, [run(2, {12: 1.0}, seed=None)]],
    "both seed and replicate": [GOOD, [run(2, {12: 1.0}, replicate="x")]],
    "no cell": [GOOD, [run(2, {12: 1.0}, cell="|foo|")]],
    "no results": [],
    "no results in batches": [[], []],
    "a new genotype before the error": [
        [run(0, {12: 1.0}, cell=UNKNOWN.arch)],
        SourceError("bad record"),
    ],
}


@pytest.mark.parametrize("again", [False, True], ids=["a new source", "in place of another"])
@pytest.mark.parametrize("what", BROKEN)
def test_an_import_that_fails_leaves_all_as_it_was(
    fresh: Library, tmp_path: Path, what: str, again: bool
) -> None:
    old = Made(tmp_path, [[run(5, {12: 40.0})]], name="made" if again else "other", content="old")
    fresh.import_source(old)
    before, state = everything(fresh), fresh.snapshot
    with pytest.raises((SourceError, RuntimeError, KeyboardInterrupt)) as raised:
        fresh.import_source(Made(tmp_path, BROKEN[what]))
    assert everything(fresh) == before
    assert fresh.snapshot is state
    if "raises" not in what and what != "is interrupted":
        assert isinstance(raised.value, SourceError)
    # And the next one goes well.
    assert fresh.import_source(Made(tmp_path, [GOOD], name="next")).runs == 2


@pytest.mark.parametrize(
    ("bad", "parts"),
    [
        (run(284, {11: 50.0, 12: 100.5}), ["|skip_connect~0|", "x-valid", "100.5", "epoch 12"]),
        (run(284, {14: 50.0}), ["|skip_connect~0|", "epoch 14", "1 to the schedule"]),
        (run(284, {12: 1.0}, seed=None), ["|skip_connect~0|", "seed", "replicate"]),
    ],
)
def test_a_message_names_the_place(
    fresh: Library, tmp_path: Path, bad: Run, parts: list[str]
) -> None:
    with pytest.raises(SourceError) as raised:
        fresh.import_source(Made(tmp_path, [[*GOOD, bad]]))
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    "name",
    ["cells", "sources", "a/b", "../x", "", " ", "a b", ".hidden", "x\0", "a" * 65, "é?", "-x"],
)
def test_names_that_a_source_can_t_have(fresh: Library, tmp_path: Path, name: str) -> None:
    """Names stand in addresses and name the files of an export."""
    source = Made(tmp_path, [GOOD])
    object.__setattr__(source._description, "name", name)
    with pytest.raises(SourceError, match="can't name a source"):
        fresh.import_source(source)
    assert fresh.snapshot.sources == []


def test_schedules_of_one_recipe_are_different_runs(fresh: Library, tmp_path: Path) -> None:
    """A run is told by its cell, data set, schedule, seed, recipe and images."""
    runs = [
        run(0, {schedule: value}, schedule=schedule, recipe="mine", images=images, seed=seed)
        for schedule, value in ((5, 10.0), (9, 20.0))
        for images in ("original", "small")
        for seed in (1, 2)
    ]
    assert fresh.import_source(Made(tmp_path, [runs])).runs == 8
    with fresh.store.read() as cursor:
        assert cursor.execute("SELECT count(DISTINCT id) FROM runs").fetchall() == [(8,)]


def test_a_recipe_that_isn_t_named_can_be_asked_for(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [[run(0, {7: 30.0}, schedule=7, recipe="")]]))
    client = client_of(fresh)
    answer = client.get("/cells?metric=valid_accuracy@7of7&fields=id")
    assert "held under recipe=unstated" in answer.json()["detail"]
    asked = {"metric": "valid_accuracy@7of7", "recipe": "unstated", "cell": "0", "fields": "id"}
    (row,) = get(client, "/cells", asked)["items"]
    assert row["valid_accuracy@7of7"] == 30.0


def test_new_genotypes_become_cells(fresh: Library, tmp_path: Path) -> None:
    source = Made(
        tmp_path, [[run(0, {12: 50.0}, cell=UNKNOWN.arch, dataset="cifar10", eval_set="ori-test")]]
    )
    fresh.import_source(source)
    client = client_of(fresh)
    (row,) = get(
        client,
        "/cells",
        {"space": "darts", "min_metric": "test_accuracy@12of12:1", "fields": "id,name,width,depth"},
    )["items"]
    assert (row["id"], row["name"]) == (UNKNOWN.id, None)
    # One node that reads both inputs: width 1, depth 2.
    assert (row["width"], row["depth"]) == (1, 2)
    assert get(client, f"/cells/{UNKNOWN.id}")["runs"][0]["source"] == "made"


def test_two_homes_know_nothing_of_each_other(tmp_path: Path) -> None:
    with closing(Library.open(tmp_path / "a")) as a, closing(Library.open(tmp_path / "b")) as b:
        a.import_source(Made(tmp_path, [GOOD]))
        assert b.snapshot.sources == []
        b.import_source(Made(tmp_path, [[run(9, {12: 9.0})]]))
        assert set(cells(a)) == {"nb201-000000", "nb201-000001"}
        assert set(cells(b)) == {"nb201-000009"}


def test_a_home_is_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    with closing(Library.open(tmp_path / "home")) as opened:
        opened.import_source(Made(tmp_path, [GOOD]))
        before, shown = everything(opened), cells(opened)
    with closing(Library.open(tmp_path / "home")) as opened:
        assert everything(opened) == before
        assert cells(opened) == shown


def test_readers_see_the_old_state_or_the_new_one(fresh: Library, tmp_path: Path) -> None:
    """Never a mixture, and no error, while tables with new epochs and cells come and go.

    Every state has one value in all cells, at its own epochs: whatever an answer holds must be of
    one state, also where it is read in parts.
    """

    def state(number: int) -> Made:
        value, epochs = 10.0 + number, sorted({*range(1, 13)} - {2 + number % 3})
        extra = darts.Genotype(
            (("skip_connect", 0), ("sep_conv_3x3", 1)) * (1 + number),
            tuple(range(2, 3 + number)),
            (("skip_connect", 0), ("sep_conv_3x3", 1)),
            (2,),
        )
        runs = [run(index, dict.fromkeys(epochs, value)) for index in range(40)]
        runs += [run(0, dict.fromkeys(epochs, value), cell=extra.arch)]
        return Made(tmp_path, [runs[:20], runs[20:]], content=str(number))

    fresh.import_source(state(0))
    done = threading.Event()
    failures: list[str] = []

    def read() -> None:
        client = client_of(fresh)
        while not done.is_set():
            values: set[float] = set()
            for path in (
                f"/cells?fields=id,{METRIC}&metric=valid_accuracy@6of12"
                f"&min_metric={METRIC}:0&limit=1000&space=all",
                "/correlations/by-epoch?x=width&y=valid_accuracy&ci=none",
                "/cells/3/curves",
                "/cells/3",
                "/runs?limit=1000",
                "/groups?by=space&space=all",
            ):
                answer = client.get(path)
                if answer.status_code != 200:
                    failures.append(f"{path}: {answer.status_code} {answer.text[:200]}")
                    return
                body = answer.json()
                if path.startswith("/cells?"):
                    for row in body["items"]:
                        values |= {row[METRIC], row["valid_accuracy@6of12"]}
                    if len(values) > 1 or len(body["items"]) != 41:
                        failures.append(f"{path}: {values}, {len(body['items'])} cells")
                if path == "/cells/3/curves":
                    (item,) = body["items"]
                    if len(set(item["values"])) != 1:
                        failures.append(f"{path}: {item}")
                if path.startswith("/runs") and len(body["items"]) != body["total"]:
                    failures.append(f"{path}: {len(body['items'])} of {body['total']}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 9):
        assert fresh.import_source(state(number)).status == "replaced"
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_a_snapshot_is_one_state_for_ever(fresh: Library, tmp_path: Path) -> None:
    fresh.import_source(Made(tmp_path, [GOOD]))
    old = fresh.snapshot
    fresh.import_source(Made(tmp_path, [[run(2, {11: 70.0, 12: 70.0})]]))
    from data.metrics import Context, parse_metric

    resolved = old.catalogue.resolve(parse_metric(METRIC), Context())
    assert np.flatnonzero(~np.isnan(old.vectors.metric(resolved).value)).tolist() == [0, 1]
    with old.state.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM runs").fetchall() == [(2,)]


def test_a_failed_statement_doesn_t_end_a_snapshot(fresh: Library) -> None:
    import duckdb

    state = fresh.snapshot.state
    with pytest.raises(duckdb.Error), state.read() as cursor:
        cursor.execute("SELECT 'x'::INTEGER")
    with state.read() as cursor:
        assert cursor.execute("SELECT count(*) FROM cells").fetchall() == [(raw.CELLS,)]


KILLED = """
import sys
from pathlib import Path
from data import writer
from data.library import Library
from tests.store.sources import many
writer.FLUSH_VALUES = 500
library = Library.open(Path(sys.argv[1]))
print("open", flush=True)
library.import_source(many(Path(sys.argv[2])), lambda stage, *_: print(stage, flush=True))
print("done", flush=True)
"""


@pytest.mark.parametrize("lines", [1, 3, 10, 24, 31, 32])
def test_a_killed_import_leaves_all_as_it_was(empty_home: Path, tmp_path: Path, lines: int) -> None:
    """kill -9 after so many reports; 32 is the last one, about the time of the commit."""
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as opened:
        opened.import_source(Made(tmp_path, [GOOD]))
        before = meaning(opened)
    command = [sys.executable, "-c", KILLED, str(home), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line.strip())
            if len(seen) == lines:
                break
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
    assert seen == ["open", "checking", *["importing"] * 30][:lines]
    with closing(Library.open(home)) as opened:
        after = meaning(opened)
        # After the last report the commit may be faster than the signal: then all of it is there.
        whole = lines == 32 and len(opened.snapshot.sources) == 2
        assert after == before or whole
        outcome = opened.import_source(many(tmp_path))
        assert outcome.status == ("unchanged" if whole else "imported")
        assert (outcome.runs, outcome.points) == (600, 7200)
        assert before["curves"] < meaning(opened)["curves"]


def test_official_records_are_imported_whole(records: Library) -> None:
    source = {source.name: source for source in records.snapshot.sources}["nasbench201"]
    assert (source.cells, source.official) == (3, True)
    assert source.file == NATS_BENCH.name
