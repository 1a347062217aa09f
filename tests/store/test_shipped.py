"""What comes with Cellwise: once, then whatever is newer, and nothing of the user's is touched."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import typer

from analysis.cells import parse_cell
from data.content import checksum
from data.export import export
from data.importer import Outcome
from data.job_rows import NewJob
from data.jobs import JobStore
from data.library import Library
from data.shipped import LeftOut
from data.sources import recognise, shipped
from data.sources.base import SourceError
from data.sources.bundle import Shipped
from data.study_transfer import Imported, export_studies
from service import cli
from service.studies.checking import Checker
from service.training.recipes import builtin
from tests.conftest import ROOT, client_of, copied
from tests.service.helpers import get
from tests.service.lab import Lab
from tests.store.filed import ON, changed, held, measured
from tests.store.sources import Made, meaning, run

TABLE = """
[source]
name = "{name}"
title = "Trained by Cellwise itself"
origin = "a test"
licence = "MIT"
[run]
cell = {{ column = "cell" }}
dataset = {{ column = "dataset" }}
set = {{ column = "split" }}
measure = {{ column = "measure" }}
schedule = {{ column = "schedule" }}
seed = {{ column = "seed" }}
recipe = {{ column = "recipe" }}
images = {{ column = "images" }}
epoch = {{ column = "epoch" }}
[[value]]
column = "value"
"""
RUN = "reproduction:nb201-{:06}:digits:proxy@12:777"


@dataclass(frozen=True)
class Bundle:
    """What comes with a version."""

    folder: Path

    def take(self, library: Library) -> list[Outcome | Imported | LeftOut]:
        return library.load_default(checker=Checker, shipped=shipped(self.folder))


def made(
    home: Path, folder: Path, asked: Callable[[Lab], object], gain: float, names: dict[str, Any]
) -> Bundle:
    """Trains, measures and writes it as CONTRIBUTING.md says; ``names``: tables by their cells."""
    with closing(Library.open(home)) as library:
        lab = Lab(library)
        asked(lab)
        lab.work(gain=lambda _: gain, measured=measured)
        export(library.snapshot, folder / "out", ["local"])
        export_studies(library.store, folder / "reproduction-studies.parquet")
    rows = pq.read_table(folder / "out" / "local.parquet")
    for name, cells in names.items():
        chosen = [parse_cell(cell).arch for cell in cells]
        kept = rows.filter(pc.is_in(rows["cell"], pa.array(chosen)))
        pq.write_table(kept, folder / f"{name}.parquet")
        (folder / f"{name}.toml").write_text(TABLE.format(name=name))
    shutil.rmtree(folder / "out")
    return Bundle(folder)


VARIANTS = {"kind": "variants", "variants": [], **ON}
LANDSCAPE = {"kind": "landscape", "points": 3, **ON}


@pytest.fixture(scope="module")
def older(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Studies of the accuracies of cells 6111 and 284, and of the landscape of 6111."""

    def asked(lab: Lab) -> None:
        lab.post(**VARIANTS, cells=["6111", "284"])
        lab.post(**LANDSCAPE, cells=["6111"])

    home, folder = copied(empty_home, tmp_path_factory), tmp_path_factory.mktemp("older")
    return made(home, folder, asked, 0, {"reproduction": ["6111", "284"]})


def newly_asked(lab: Lab) -> None:
    lab.post(kind="smoothness", cells=["6111"], **ON)
    lab.post(**VARIANTS, cells=["6111", "11"])
    lab.post(**LANDSCAPE, cells=["6111"])


@pytest.fixture(scope="module")
def newer(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The landscape again, 11 in the place of 284, and smoothness; accuracies are 10 higher."""
    home, folder = copied(empty_home, tmp_path_factory), tmp_path_factory.mktemp("newer")
    return made(home, folder, newly_asked, 10, {"reproduction": ["6111", "11"]})


@pytest.fixture(scope="module")
def used_home(empty_home: Path, older: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that took the older ones, and then did something of its own.

    A job that waited, 1, was done by a run that came. Studies of the user's: 3 of two runs that
    came and job 6, which was trained here; 4 of the landscape that came and of job 7.
    """
    home = copied(empty_home, tmp_path_factory)
    with closing(Library.open(home)) as library:
        cell, recipe = parse_cell("6111"), builtin()["proxy"]
        text = recipe.model_dump_json()
        JobStore(library.store).add([NewJob(cell.arch, cell.id, "digits", "proxy", text, 777, 12)])
        tables, studies = older.take(library)
        assert tables == Outcome("reproduction", "imported", 2, 2, 2 * 12 * 6)
        assert isinstance(studies, Imported)
        assert (studies.new, studies.jobs) == (2, 3)
        lab = Lab(library)
        lab.queue.step()
        lab.post(**VARIANTS, cells=["6111", "284", "1"])
        lab.post(**LANDSCAPE, cells=["6111", "1"])
        lab.work(measured=measured)
        library.import_source(Made(home.parent, [[run(3, {12: 30.0})]], name="mine"))
    return home


@pytest.fixture
def used(used_home: Path, tmp_path: Path) -> Iterator[Library]:
    with closing(Library.open(Path(shutil.copytree(used_home, tmp_path / "used")))) as library:
        yield library


def own(library: Library) -> dict[str, set[Any]]:
    """Runs and sources of the user's."""
    return {
        kind: {row for row in rows if "reproduction" not in str(row)}
        for kind, rows in meaning(library).items()
    }


def answers(library: Library) -> list[Any]:
    """Everything that can be asked of jobs and studies; no question fails."""
    client = client_of(library)
    found: list[Any] = [get(client, "/jobs?limit=1000")]
    for item in get(client, "/studies?limit=200")["items"]:
        found.append(get(client, f"/studies/{item['id']}"))
        for form in ("csv", "parquet"):
            assert client.get(f"/studies/{item['id']}?format={form}").status_code == 200
    return found


def last_epoch(library: Library, name: str) -> float:
    body = get(client_of(library), f"/runs/{quote(name)}")
    (curve,) = [
        one for one in body["recorded"] if (one["set"], one["measure"]) == ("x-valid", "accuracy")
    ]
    return float(curve["values"][-1])


# --- this version's own -----------------------------------------------------------------------


def test_all_that_ships_is_taken_once(started_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(started_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        names = [source.name for source in library.snapshot.sources]
        assert names == ["hpo-bench", "local-bundle", "reproduction"]
        assert len(get(client_of(library), "/studies?limit=200")["items"]) > 0
        assert library.load_default() == []
        (file,) = [one.path for one in shipped() if not one.is_table]
        assert library.import_studies(file, Checker(library)).new == 0


def test_a_home_of_an_earlier_version_has_what_ships_or_takes_it(
    started_home: Path, tmp_path: Path
) -> None:
    """Its notes say that, but not which, it has; numbers of studies stay, and nothing is twice."""
    home = Path(shutil.copytree(started_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        before, jobs = meaning(library), get(client_of(library), "/jobs?limit=1000")["items"]
        with_earlier_notes(library, shipped())
        library.load_default(checker=Checker)
        assert meaning(library) == before
        assert len(get(client_of(library), "/jobs?limit=1000")["items"]) == len(jobs)
        assert library.load_default() == []


def with_earlier_notes(library: Library, ships: list[Shipped]) -> None:
    """Let a home be as an earlier version left it."""
    for one in ships:
        library.store.set_note(one.note, one.earlier_note)
    with library.store.write() as cursor:
        cursor.execute("DELETE FROM meta WHERE key LIKE 'rows of %'")


# --- newer content ----------------------------------------------------------------------------


def test_newer_content_takes_the_place_of_the_older(used: Library, newer: Bundle) -> None:
    mine = own(used)
    tables, studies = newer.take(used)
    assert tables == Outcome("reproduction", "replaced", 2, 2, 2 * 12 * 6)
    # Of four jobs the training of 6111 is job 1, which is the user's.
    assert studies == Imported("reproduction-studies.parquet", 2, 0, 3, renewed=1, gone=1)
    assert own(used) == mine
    assert newer.take(used) == []
    items = {item["id"]: item["kind"] for item in get(client_of(used), "/studies")["items"]}
    # 1 went, 2 is the landscape, 3 and 4 are the user's; no number means another study now.
    assert items == {2: "landscape", 3: "variants", 4: "landscape", 5: "smoothness", 6: "variants"}
    assert answers(used)
    assert last_epoch(used, RUN.format(6111)) == pytest.approx(last_epoch_of(newer, 6111))


def last_epoch_of(bundle: Bundle, index: int) -> float:
    rows = pq.read_table(bundle.folder / "reproduction.parquet").to_pylist()
    (value,) = [
        row["value"]
        for row in rows
        if (row["cell"], row["split"], row["measure"], row["epoch"])
        == (parse_cell(str(index)).arch, "x-valid", "accuracy", 12)
    ]
    return float(value)


def test_studies_of_the_user_s_stay_whole(used: Library, newer: Bundle) -> None:
    """Also by jobs that came: those that such studies are made of stay, with the newer content."""
    before = {number: get(client_of(used), f"/studies/{number}") for number in (3, 4)}
    newer.take(used)
    after = {number: get(client_of(used), f"/studies/{number}") for number in (3, 4)}
    for number, study in after.items():
        assert study["state"] == "done"
        assert [part["job"] for part in study["parts"]] == [
            part["job"] for part in before[number]["parts"]
        ]
    again, gone, trained = after[3]["parts"]
    assert again["run"] == before[3]["parts"][0]["run"]
    assert get(client_of(used), gone["job"])["run"] is None
    assert trained == before[3]["parts"][2]


def test_studies_of_the_user_s_find_their_runs_again_or_say_which_went(
    fresh: Library, older: Bundle, newer: Bundle, tmp_path: Path
) -> None:
    """Where only tables came, nothing but the run is known of a training."""
    for number, bundle in enumerate((older, newer)):
        folder = Path(shutil.copytree(bundle.folder, tmp_path / str(number)))
        (folder / "reproduction-studies.parquet").unlink()
    lab = Lab(fresh)
    assert len(Bundle(tmp_path / "0").take(fresh)) == 1
    lab.post(**VARIANTS, cells=["6111", "284", "1"])
    lab.work()
    before = lab.study()
    assert before["state"] == "done"
    assert len(Bundle(tmp_path / "1").take(fresh)) == 1
    again, gone, trained = lab.study()["parts"]
    assert [again["run"], trained] == [before["parts"][0]["run"], before["parts"][2]]
    assert (again["state"], gone["state"]) == ("done", "failed")
    assert gone["error"] == f"run {RUN.format(284)} was removed; ask for the study again"
    assert answers(fresh)
    lab.post(**VARIANTS, cells=["6111", "284", "1"])
    lab.work()
    assert [part["state"] for part in lab.study()["parts"]] == ["done"] * 3


def test_a_job_goes_on_naming_a_run_that_is_there_again(used: Library, newer: Bundle) -> None:
    assert get(client_of(used), "/jobs/1")["run"] == f"/runs/{quote(RUN.format(6111), safe='')}"
    newer.take(used)
    assert get(client_of(used), "/jobs/1")["run"] == f"/runs/{quote(RUN.format(6111), safe='')}"


def test_a_run_that_moved_is_found_where_it_is_now(
    used: Library, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home, folder = copied(empty_home, tmp_path_factory), tmp_path_factory.mktemp("moved")

    def asked(lab: Lab) -> None:
        newly_asked(lab)
        lab.post(**VARIANTS, cells=["284"])

    tables = {"reproduction": ["11"], "sample": ["6111", "284"]}
    made(home, folder, asked, 10, tables).take(used)
    runs = [part["run"] for part in get(client_of(used), "/studies/3")["parts"]]
    assert runs[:2] == [
        f"/runs/{quote(RUN.format(index).replace('reproduction', 'sample'), safe='')}"
        for index in (6111, 284)
    ]
    assert get(client_of(used), "/studies/3")["state"] == "done"
    assert "sample" in get(client_of(used), "/jobs/1")["run"]


def test_a_job_whose_run_went_says_so(
    used: Library, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home, folder = copied(empty_home, tmp_path_factory), tmp_path_factory.mktemp("without")

    def asked(lab: Lab) -> None:
        lab.post(**VARIANTS, cells=["11"])

    made(home, folder, asked, 10, {"reproduction": ["11"]}).take(used)
    assert get(client_of(used), "/jobs/1")["run"] is None
    assert answers(used)
    # The landscape that came is part of a study of the user's, so that its job stays.
    (landscape, _) = get(client_of(used), "/studies/4")["parts"]
    assert (landscape["state"], landscape["measured"]) == ("done", 3)


def test_what_was_resumed_is_the_user_s(used: Library, older: Bundle, newer: Bundle) -> None:
    """A job that came and failed, for one, was queued again here."""
    with used.store.read() as cursor:
        asked = "SELECT job FROM study_parts WHERE study = 1 ORDER BY part"
        found = cursor.execute(asked).fetchall()
    ((job,), *_) = found
    JobStore(used.store).update(job, state="queued", finished_at=None)
    newer.take(used)
    assert get(client_of(used), f"/jobs/{job}")["state"] == "queued"
    assert len(get(client_of(used), "/studies/1")["parts"]) == len(found)


def test_older_settings_of_a_recipe_are_in_no_newer_one_s_way(
    fresh: Library, older: Bundle, newer: Bundle, tmp_path: Path
) -> None:
    def other(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for job in row["jobs"]:
                recipe = builtin()["proxy"].model_copy(update={"batch": 65})
                job["settings"] = recipe.model_dump_json()

    folder = Path(shutil.copytree(older.folder, tmp_path / "otherwise"))
    changed(folder / "reproduction-studies.parquet", folder, other).rename(
        folder / "reproduction-studies.parquet"
    )
    fresh.load_default(shipped=shipped(folder))
    _, studies = newer.take(fresh)
    assert studies == Imported("reproduction-studies.parquet", 2, 0, 4, renewed=1, gone=1)


# --- homes of versions that didn't note contents ------------------------------------------------


def test_a_home_with_earlier_notes_takes_what_is_newer(
    used: Library, older: Bundle, newer: Bundle, tmp_path: Path
) -> None:
    ships = shipped(older.folder)
    with_earlier_notes(used, ships)
    folder = Path(shutil.copytree(newer.folder, tmp_path / "newer"))
    rows = pq.read_table(older.folder / "reproduction-studies.parquet").to_pylist()
    asked = ", ".join(row["created_at"].isoformat() for row in rows)
    content = checksum(ships[0].files())
    (folder / "earlier.toml").write_text(
        f'[tables]\nreproduction = ["{content}"]\n[studies]\nreproduction-studies = [{asked}]\n'
    )
    mine = own(used)
    tables, studies = Bundle(folder).take(used)
    assert tables == Outcome("reproduction", "replaced", 2, 2, 2 * 12 * 6)
    assert studies == Imported("reproduction-studies.parquet", 2, 0, 3, renewed=1, gone=1)
    assert own(used) == mine
    assert Bundle(folder).take(used) == []
    assert answers(used)


def test_where_the_earlier_studies_were_made_they_stay(
    empty_home: Path, older: Bundle, newer: Bundle, tmp_path: Path
) -> None:
    """Recognised by when they were asked for, they are the user's: trained right there."""
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        lab = Lab(library)
        lab.post(**VARIANTS, cells=["6111", "284"])
        lab.work()
        asked = get(lab.client, "/studies/1")["created_at"].rstrip("Z")
        folder = Path(shutil.copytree(newer.folder, tmp_path / "newer"))
        (folder / "earlier.toml").write_text(f"[studies]\nreproduction-studies = [{asked}]\n")
        with_earlier_notes(library, shipped(folder))
        before = get(lab.client, "/studies/1")
        Bundle(folder).take(library)
        assert get(lab.client, "/studies/1") == before


# --- what the user wants ------------------------------------------------------------------------


def test_removed_stays_removed(used: Library, newer: Bundle) -> None:
    used.remove_source("reproduction")
    before, rows = meaning(used), held(used)
    (studies,) = newer.take(used)
    assert isinstance(studies, LeftOut)
    assert "there is no run of" in studies.why
    assert (meaning(used), held(used)) == (before, rows)
    assert newer.take(used) == []
    assert answers(used)


@pytest.mark.parametrize("noted", [True, False], ids=["removed before", "never taken"])
def test_a_source_of_the_user_s_by_that_name_stays(
    fresh: Library, older: Bundle, newer: Bundle, tmp_path: Path, noted: bool
) -> None:
    if noted:
        older.take(fresh)
        fresh.remove_source("reproduction")
    fresh.import_source(Made(tmp_path, [[run(3, {12: 30.0})]], name="reproduction"))
    before = meaning(fresh)
    left, studies = newer.take(fresh)
    assert left == LeftOut("reproduction", "another source has this name here")
    assert isinstance(studies, LeftOut)
    assert meaning(fresh) == before
    assert newer.take(fresh) == []


def test_a_study_that_the_user_asked_for_first_stays_as_it_is(
    fresh: Library, older: Bundle, newer: Bundle
) -> None:
    lab = Lab(fresh)
    lab.post(**LANDSCAPE, cells=["6111"])
    lab.work(measured=lambda assignment: measured(assignment)[:1])
    before = get(lab.client, "/studies/1")
    for bundle in (older, newer):
        bundle.take(fresh)
        assert get(lab.client, "/studies/1") == before


# --- studies that can't be taken ----------------------------------------------------------------


def test_studies_whose_table_was_removed_are_left_out(fresh: Library, file: Path) -> None:
    """A home of a version without studies still opens, however many times."""
    ships = [Shipped("reproduction-studies", file)]
    (left,) = fresh.load_default(checker=Checker, shipped=ships)
    assert isinstance(left, LeftOut)
    assert held(fresh) == [[]] * 5
    assert fresh.load_default(checker=Checker, shipped=ships) == []


def test_studies_by_a_recipe_that_is_another_one_here_are_left_out(
    fresh: Library, file: Path, table: Path
) -> None:
    fresh.import_source(recognise(table, name="theirs"))
    cell, recipe = parse_cell("1"), builtin()["proxy"].model_copy(update={"batch": 65})
    new = NewJob(cell.arch, cell.id, "digits", "proxy", recipe.model_dump_json(), 1, 12)
    JobStore(fresh.store).add([new])
    ships = [Shipped("reproduction-studies", file)]
    (left,) = fresh.load_default(checker=Checker, shipped=ships)
    assert isinstance(left, LeftOut)
    assert "recipe proxy has other settings" in left.why
    assert [len(rows) for rows in held(fresh)] == [1, 0, 0, 0, 0]


def test_studies_are_checked_like_others(used: Library, newer: Bundle, tmp_path: Path) -> None:
    def damage(rows: list[dict[str, Any]]) -> None:
        rows[0]["kind"] = "landscape"

    folder = Path(shutil.copytree(newer.folder, tmp_path / "damaged"))
    (folder / "reproduction.parquet").unlink()
    (folder / "reproduction.toml").unlink()
    file = changed(folder / "reproduction-studies.parquet", folder, damage)
    file.rename(folder / "reproduction-studies.parquet")
    before = held(used)
    with pytest.raises(SourceError, match="study 1"):
        Bundle(folder).take(used)
    assert held(used) == before
    newer.take(used)


def test_the_command_says_what_is_damaged(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.parquet").write_text("no table")
    ships = shipped(tmp_path)
    monkeypatch.setattr("data.sources.bundle.shipped", lambda: ships)
    with pytest.raises(typer.Exit), cli.opened(home):
        pass
    assert "studies can't be loaded" in capsys.readouterr().err


# --- killed -------------------------------------------------------------------------------------

KILLED = """
import sys
from pathlib import Path
from data.library import Library
from data.sources import shipped
from service.studies.checking import Checker
library = Library.open(Path(sys.argv[1]))
print("open", flush=True)
library.load_default(lambda stage, *_: print(stage, flush=True), Checker,
                     shipped(Path(sys.argv[2])))
print("done", flush=True)
"""


@pytest.mark.parametrize("stage", ["open", "importing", "studies", "done"])
def test_a_home_whose_opening_is_killed_is_as_before_or_as_after(
    used_home: Path, newer: Bundle, tmp_path: Path, stage: str
) -> None:
    """kill -9 at the first word of a stage: tables and studies are each old or new as a whole."""
    home, whole = (Path(shutil.copytree(used_home, tmp_path / name)) for name in ("home", "whole"))
    with closing(Library.open(whole)) as library:
        states = [(meaning(library), held(library))]
        newer.take(library)
        states.append((meaning(library), held(library)))
    command = [sys.executable, "-c", KILLED, str(home), str(newer.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == stage:
                break
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
    with closing(Library.open(home)) as library:
        assert meaning(library) in [state[0] for state in states]
        studies = held(library)
        assert len(studies[3]) in [len(state[1][3]) for state in states]
        newer.take(library)
        assert (meaning(library), held(library)) == states[1]
        assert newer.take(library) == []
