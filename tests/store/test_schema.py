"""Databases of older versions: they open, hold what they held, and lose nothing when killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from analysis.spaces.darts import NAMED, Genotype
from data import cells_table, schema
from data.columns import SAMENESS
from data.jobs import JobStore
from data.library import Library
from data.sources.base import Description
from data.store import FILE_NAME, Store
from data.studies import StudyStore
from tests import raw
from tests.conftest import ROOT, client_of
from tests.service.helpers import get, refused
from tests.store.sources import run

SCHEMA_1 = Path(__file__).with_name("schema_1.sql").read_text()
"""The tables as version 1 made them, word for word."""

RUN = "INSERT INTO runs VALUES ({}, '{}:nb201-000000:digits:mine@3:{}', {}, 0, 'digits', 3, {}, "
RUN += "NULL, 'mine', 'original', 0.5, NULL, NULL, 9.5, 'measured', 'old gpu')"


def version_1(home: Path, *names: str) -> Path:
    """A home of version 1 with sources of these names, a run of one curve each."""
    with duckdb.connect(str(home / FILE_NAME)) as connection:
        connection.execute(SCHEMA_1)
        connection.execute("INSERT INTO curves VALUES (0, 'digits', 3, 'mine', 'original', 'x-valid', 'accuracy')")  # fmt: skip  # noqa: E501
        connection.execute("INSERT INTO grids VALUES (0, [1, 3])")
        for number, name in enumerate(names):
            connection.execute(
                "INSERT INTO sources VALUES (?, ?, 't', 'o', 'l', [], false, 'f', 'c', now(), 1, 1, 2)",  # noqa: E501
                [number, name],
            )
            connection.execute(RUN.format(number, name, number, number, number))
            connection.execute("INSERT INTO series VALUES (0, 0, ?, 0, [10.0, 20.5])", [number])
            connection.execute("INSERT INTO recorded VALUES (?, 0, [0], [?], 1, 1)", [number] * 2)
    return home


def tables(home: Path) -> dict[str, list[Any]]:
    """All tables with their columns, read by DuckDB alone."""
    with duckdb.connect(str(home / FILE_NAME), read_only=True) as connection:
        found = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    columns: dict[str, list[Any]] = {}
    for table, *column in found:
        columns.setdefault(table, []).append(column)
    return columns


def version(home: Path) -> list[Any]:
    with duckdb.connect(str(home / FILE_NAME), read_only=True) as connection:
        return connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchall()


def test_an_old_database_gets_the_tables_of_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    version_1(tmp_path / "old", "mine")
    for name in ("old", "new"):
        Store.open(tmp_path / name).close()
        assert version(tmp_path / name) == [(str(schema.VERSION),)]
    assert tables(tmp_path / "old") == tables(tmp_path / "new")


def test_what_it_held_is_still_answered(tmp_path: Path) -> None:
    with closing(Library.open(version_1(tmp_path, "mine"))) as library:
        found = get(client_of(library), "/runs/mine:nb201-000000:digits:mine@3:0")
        assert (found["cell"], found["device"], found["train_time_s"]) == (
            "nb201-000000",
            "old gpu",
            9.5,
        )
        (recorded,) = found["recorded"]
        assert (recorded["epochs"], recorded["values"]) == ([1, 3], [10.0, 20.5])
        assert JobStore(library.store).page([], 10) == []
    with closing(Library.open(tmp_path)) as library:
        assert [source.name for source in library.snapshot.sources] == ["mine"]


def test_a_table_that_was_imported_as_local_makes_room(tmp_path: Path) -> None:
    """``local`` is what is trained here, from this version on; its runs would be mixed up."""
    home = version_1(tmp_path, "local-table", "local", "locally")
    with closing(Library.open(home)) as library:
        assert [source.name for source in library.snapshot.sources] == [
            "local-table",
            "local-table-2",
            "locally",
        ]
        library.add_run(
            run(0, {1: 1.0}, recipe="mine", dataset="digits"),
            source=Description("local", "t", "o", "l"),
        )
        ids = {one["id"] for one in get(client_of(library), "/runs")["items"]}
        assert ids == {
            "local-table:nb201-000000:digits:mine@3:0",
            "local-table-2:nb201-000000:digits:mine@3:1",
            "locally:nb201-000000:digits:mine@3:2",
            "local:nb201-000000:digits:mine@12:777",
        }


def test_jobs_of_version_2_are_as_they_were(tmp_path: Path) -> None:
    """The step from 1 to 2 is fixed: what it made is what version 2 was."""
    version_1(tmp_path, "mine")
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        schema.MIGRATIONS[1](connection)
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
        connection.execute(
            "INSERT INTO jobs VALUES (1, 'a', 'id', 'digits', 'proxy', '{}', NULL, 7, 0, 'queued', "
            "0, NULL, NULL, NULL, false, now(), NULL, NULL, 12)"
        )
    with Store.open(tmp_path) as store:
        (job,) = JobStore(store).page([], 10)
        assert (job.cell, job.seed, job.epochs, job.measurement) == ("a", 7, 12, None)


PAIRS = (("skip_connect", 0), ("sep_conv_3x3", 1))
UNNAMED = Genotype(PAIRS, (2,), PAIRS, (2,))


def version_3(home: Path, *, benchmark: int = 15_625) -> Path:
    """A home of version 3: NAS-Bench-201, a genotype, and ENAS from when it had no name yet.

    Cell 0 and both genotypes have a run. Columns are empty: what they hold is computed anew. Where
    nothing is asked of it, as many cells of the ``benchmark`` as are wanted will do.
    """
    version_1(home, "mine")
    ids = [f"nb201-{index:06d}" for index in range(benchmark)] + [UNNAMED.id, NAMED["ENAS"].id]
    archs = [*raw.strings()[:benchmark], UNNAMED.arch, NAMED["ENAS"].arch]
    held = pa.table({"cell": range(len(ids)), "id": ids, "arch": archs})
    with duckdb.connect(str(home / FILE_NAME)) as connection:
        schema.MIGRATIONS[1](connection)
        schema.MIGRATIONS[2](connection)
        connection.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
        connection.register("held", held)
        connection.execute(
            "INSERT INTO cells (cell, id, arch, space, connected, class_string, class_skip, "
            "class_official, class_live) SELECT cell, id, arch, 'old', true, 0, 0, 0, 0 FROM held"
        )
        for number, cell in enumerate((benchmark, benchmark + 1), start=1):
            connection.execute(
                "INSERT INTO runs SELECT $run, replace(id, 'nb201-000000', $id), source, $cell, "
                "* EXCLUDE (run, id, source, cell) FROM runs WHERE run = 0",
                {"run": number, "id": ids[cell], "cell": cell},
            )
            connection.execute("INSERT INTO series VALUES (0, ?, ?, 0, [1.0, 2.0])", [cell, number])
    return home


def test_cells_of_version_3_keep_their_rows_and_get_columns_and_names(tmp_path: Path) -> None:
    home = version_3(tmp_path)
    query = "SELECT run, id, cell, seed, recipe, device FROM runs ORDER BY run"
    with duckdb.connect(str(home / FILE_NAME), read_only=True) as connection:
        runs = connection.execute(query).fetchall()
        series = connection.execute("FROM series ORDER BY run").fetchall()
    with closing(Library.open(home)) as library:
        with library.store.read() as cursor:
            assert cursor.execute(query).fetchall() == runs
            assert cursor.execute("FROM series ORDER BY run").fetchall() == series
        client = client_of(library)
        for cell, name, number in ((UNNAMED, None, 15_625), (NAMED["ENAS"], "ENAS", 15_626)):
            found = get(client, f"/cells/{cell.id}")
            assert (found["name"], found["runs"][0]["seed"]) == (name, 0)
            assert library.snapshot.frame.rows[cell.id] == number
        frame = library.snapshot.frame
        later = [name for name in NAMED if name != "ENAS"]
        assert [frame.rows[name] for name in later] == [*range(15_627, frame.size)]
        found = get(client, "/cells/284")["columns"]
        assert (found["width"], found["live_skip"], found["n_dead"]) == (1, 1, 2)


def test_a_name_that_means_another_cell_now_is_that_cell_s(tmp_path: Path) -> None:
    """Adapted cells were others in version 3; what was trained of these stays, without a name."""
    home = version_3(tmp_path, benchmark=3)
    with duckdb.connect(str(home / FILE_NAME)) as connection:
        connection.execute("UPDATE cells SET name = 'ENAS-adapted' WHERE id = ?", [UNNAMED.id])
    Store.open(home).close()
    with duckdb.connect(str(home / FILE_NAME), read_only=True) as connection:
        query = "SELECT cell, id, name FROM cells WHERE id = ? OR name = 'ENAS-adapted'"
        found = sorted(connection.execute(query, [UNNAMED.id]).fetchall())
        assert found[0] == (3, UNNAMED.id, None)
        assert [found[1][1:]] == [(NAMED["ENAS-adapted"].id, "ENAS-adapted")]
        assert connection.execute("SELECT cell FROM runs WHERE run = 1").fetchall() == [(3,)]


def test_a_table_made_anew_is_that_of_a_new_home(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    version_3(tmp_path / "old")
    made = []
    for name in ("old", "new"):
        with closing(Library.open(tmp_path / name)) as library, library.store.read() as cursor:
            # The number of a genotype's row differs, and so does its class, which is its own.
            made.append(
                cursor.execute(
                    "SELECT * EXCLUDE (cell) REPLACE ("
                    + ", ".join(f"cell - class_{one} AS class_{one}" for one in SAMENESS)
                    + ") FROM cells WHERE id <> ? ORDER BY id",
                    [UNNAMED.id],
                ).fetchall()
            )
    assert len(made[0]) == 15_625 + len(NAMED)
    assert made[0] == made[1]


def test_cells_of_version_5_get_their_class_of_function(tmp_path: Path) -> None:
    """A database as a version without that class left it, with a run of its own."""
    for name in ("old", "new"):
        Library.open(tmp_path / name).close()
    path = tmp_path / "old" / FILE_NAME
    with duckdb.connect(str(path)) as connection:
        runs = connection.execute("FROM runs ORDER BY run").fetchall()
        connection.execute("ALTER TABLE cells DROP COLUMN class_function")
        connection.execute("UPDATE meta SET value = '5' WHERE key = 'schema'")
    Library.open(tmp_path / "old").close()
    made = []
    for name in ("old", "new"):
        with duckdb.connect(str(tmp_path / name / FILE_NAME), read_only=True) as connection:
            made.append(connection.execute("FROM cells ORDER BY cell").fetchall())
            assert connection.execute("FROM runs ORDER BY run").fetchall() == runs
    assert made[0] == made[1]
    assert version(tmp_path / "old") == [(str(schema.VERSION),)]


def test_made_anew_twice_it_is_the_same(tmp_path: Path) -> None:
    with Store.open(version_3(tmp_path, benchmark=9)) as store, store.write() as cursor:
        before = cursor.execute("FROM cells ORDER BY cell").fetchall()
        cells_table.rebuild(cursor)
        assert cursor.execute("FROM cells ORDER BY cell").fetchall() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from data import schema
from data.store import Store
step = schema.MIGRATIONS[1]
def killed(cursor):
    step(cursor)
    os.kill(os.getpid(), signal.SIGKILL)
schema.MIGRATIONS[1] = killed
Store.open(Path(sys.argv[1]))
"""


def test_killed_in_the_middle_it_is_as_it_was(tmp_path: Path) -> None:
    before = tables(version_1(tmp_path, "mine", "local"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tables(tmp_path), version(tmp_path)) == (before, [("1",)])
    with closing(Library.open(tmp_path)) as library:
        assert len(library.snapshot.sources) == 2


KILLED_AFTER = """
import os, signal, sys
from pathlib import Path
from data.store import Store
Store.open(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_when_it_is_done_it_is_of_this_version(tmp_path: Path) -> None:
    """The file's log holds the change until it is folded in: it has to be readable from there."""
    home = version_3(tmp_path, benchmark=9)
    command = [sys.executable, "-c", KILLED_AFTER, str(home)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert version(home) == [(str(schema.VERSION),)]
    with Store.open(home) as store, store.read() as cursor:
        query = "SELECT cell, name, live_skip FROM cells WHERE cell IN (9, 10) ORDER BY cell"
        assert cursor.execute(query).fetchall() == [(9, None, 1), (10, "ENAS", 2)]


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables(version_1(tmp_path, "mine"))

    def fails(cursor: duckdb.DuckDBPyConnection) -> None:
        schema.create(cursor)

    monkeypatch.setitem(schema.MIGRATIONS, 1, fails)
    with pytest.raises(duckdb.Error):
        Store.open(tmp_path)
    assert (tables(tmp_path), version(tmp_path)) == (before, [("1",)])


def test_every_version_has_a_step() -> None:
    assert sorted(schema.MIGRATIONS) == list(range(1, schema.VERSION))


SEEDED = "x-valid is taken out of the training images by a seeded, stratified sample (no file); "
OFFICIAL = "x-valid is taken out of the training images by the benchmark's cifar-split.txt; "
LIMITS = "at most 4,000 images to train on, a seeded sample with all classes alike"


def detailed(split: str, recipe: str, decay: str, precision: str, setting: str = "auto") -> str:
    """What earlier versions kept of a run that they trained."""
    return json.dumps(
        {
            "recipe": {"name": recipe, "optimiser": {"decay": decay}, "precision": setting},
            "precision": precision,
            "images": {"rendering": "jpeg", "split": split + LIMITS},
        }
    )


def trained_before(home: Path) -> Path:
    """A table of the benchmark, and runs that were trained here under the same recipe's name."""
    with duckdb.connect(str(home / FILE_NAME)) as connection:
        connection.execute(SCHEMA_1)
        for step in (1, 2):
            schema.MIGRATIONS[step](connection)
        connection.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
        connection.execute("INSERT INTO grids VALUES (0, [12])")
        connection.execute(
            "INSERT INTO curves VALUES (0, 'cifar10-valid', 12, 'nb201-12', 'original', 'x-valid', "
            "'accuracy'), (1, 'cifar10-valid', 12, 'proxy', 'jpeg', 'x-valid', 'accuracy')"
        )
        for number, name in ((0, "table"), (1, "local")):
            connection.execute(
                "INSERT INTO sources VALUES (?, ?, 't', 'o', 'l', [], false, 'f', 'c', now(), 1, 1, 1)",  # noqa: E501
                [number, name],
            )
        own, other = "nb201-12", "proxy"
        runs = [
            # source, curve, recipe, images, seed, value, details
            (0, 0, own, "original", 777, 10.0, None),
            (1, 0, own, "original", 1, 20.0, detailed(SEEDED, own, "batch", "float32")),
            (1, 0, own, "original", 2, 30.0, detailed(OFFICIAL, own, "epoch", "float32")),
            (1, 0, own, "original", 3, 40.0, detailed(OFFICIAL, own, "epoch", "bfloat16")),
            (1, 1, other, "jpeg", 4, 50.0, detailed(SEEDED, other, "batch", "float32", "float32")),
        ]
        for number, (source, curve, recipe, images, seed, value, details) in enumerate(runs):
            named = f"{recipe}@12" if recipe == "proxy" else recipe
            tail = "" if images == "original" else f":{images}"
            run_id = f"{('table', 'local')[source]}:nb201-000000:cifar10-valid:{named}:{seed}{tail}"
            connection.execute(
                "INSERT INTO runs (run, id, source, cell, dataset, schedule, seed, recipe, images, "
                "details) VALUES (?, ?, ?, 0, 'cifar10-valid', 12, ?, ?, ?, ?)",
                [number, run_id, source, seed, recipe, images, details],
            )
            connection.execute(
                "INSERT INTO series VALUES (?, 0, ?, 0, [?])", [curve, number, value]
            )
        connection.execute(
            "INSERT INTO recorded VALUES (0, 0, [0], [777], 1, 1), (1, 0, [0], [1, 2, 3], 1, 3), "
            "(1, 1, [0], [4], 1, 1)"
        )
        connection.execute(
            "INSERT INTO jobs (job, cell, cell_id, dataset, recipe, settings, seed, priority, "
            "state, attempts, run, forced, created_at, epochs) VALUES (1, 'c', 'i', "
            "'cifar10-valid', 'proxy', '{}', 4, 0, 'done', 1, "
            "'local:nb201-000000:cifar10-valid:proxy@12:4:jpeg', false, now(), 12)"
        )
        connection.execute(
            "INSERT INTO jobs (job, cell, cell_id, dataset, recipe, settings, seed, priority, "
            "state, attempts, forced, created_at, epochs) VALUES (2, 'c', 'i', 'cifar10-valid', "
            "'nb201-12', ?, 5, 0, 'queued', 0, false, now(), 12)",
            [json.dumps({"name": "nb201-12", "optimiser": {"decay": "batch"}, "epochs": 12})],
        )
        connection.execute(
            "INSERT INTO studies VALUES (2, 'variants', ?, now())",
            ['{"recipe":"nb201-12","seeds":[5]}'],
        )
        connection.execute(
            "INSERT INTO study_parts (study, part, role, original, cell, cell_id, dataset, recipe, "
            "learning_rate, seed, job) VALUES (2, 0, 'original', 'i', 'c', 'i', 'cifar10-valid', "
            "'nb201-12', 0.05, 5, 2)"
        )
        connection.execute(
            "INSERT INTO study_parts (study, part, role, original, cell, cell_id, dataset, recipe, "
            "learning_rate, seed, run) VALUES (1, 0, 'original', 'i', 'c', 'i', 'cifar10-valid', "
            "'proxy', 0.05, 4, 'local:nb201-000000:cifar10-valid:proxy@12:4:jpeg')"
        )
    return home


def test_runs_are_told_by_their_split_and_by_the_recipe_that_they_had(tmp_path: Path) -> None:
    with closing(Library.open(trained_before(tmp_path))) as library:
        client = client_of(library)
        runs = get(client, "/runs")["items"]
        assert [(one["id"], one["recipe"], one["split"]) for one in runs] == [
            (f"{source}:nb201-000000:cifar10-valid:{named}", recipe, split)
            for source, named, recipe, split in (
                ("table", "nb201-12:777", "nb201-12", "official"),
                (
                    "local",
                    "nb201-12@decay=batch@12:1:seeded-split",
                    "nb201-12@decay=batch",
                    "seeded",
                ),
                ("local", "nb201-12:2", "nb201-12", "official"),
                (
                    "local",
                    "nb201-12@precision=bfloat16@12:3",
                    "nb201-12@precision=bfloat16",
                    "official",
                ),
                ("local", "proxy@12:4:jpeg:seeded-split", "proxy", "seeded"),
            )
        ]
        metric = "valid_accuracy@12of12"

        def value(**context: Any) -> Any:
            (row,) = get(client, "/cells", {"cell": 0, "fields": metric, **context})["items"]
            return row[metric]

        assert value() == 10.0
        assert value(seed=2) == 30.0
        assert value(recipe="nb201-12@decay=batch", split="seeded") == 20.0
        assert value(recipe="nb201-12@precision=bfloat16") == 40.0
        assert value(recipe="proxy", images="jpeg") == 50.0
        (error,) = refused(client, "/cells", {"metric": metric, "seed": 1})
        assert "777" in error["allowed"]
        renamed = "local:nb201-000000:cifar10-valid:proxy@12:4:jpeg:seeded-split"
        first, second = (JobStore(library.store).get(number) for number in (1, 2))
        assert (first.run, first.recipe) == (renamed, "proxy")
        # What was asked for of an earlier version goes on as what it is.
        own = "nb201-12@decay=batch@precision=auto"
        assert (second.recipe, json.loads(second.settings)["name"]) == (own, own)
        assert [part.recipe for part in StudyStore(library.store).parts(2)] == [own]
        study = StudyStore(library.store).get(2)
        assert study.settings == f'{{"recipe":"{own}","seeds":[5]}}'
        assert [part.run for part in StudyStore(library.store).parts(1)] == [renamed]
