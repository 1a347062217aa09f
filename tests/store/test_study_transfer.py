"""Studies to a file and from it: what comes out again, what is found again, what is refused."""

from __future__ import annotations

import copy
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.cells import parse_cell
from data.export import export
from data.study_format import SCHEMA
from data.importer import Outcome
from data.job_rows import NewJob
from data.jobs import JobStore
from data.library import DEFAULTS, Library
from data.sources import bundled_studies, recognise
from data.sources.base import SourceError
from data.studies import StudyStore
from data.study_transfer import Imported, export_studies
from service.jobs.results import LOCAL
from service.studies.checking import Checker
from tests.conftest import client_of
from tests.service.helpers import get, is_problem
from tests.service.test_studies import Lab
from tests.store.sources import run

ON: dict[str, Any] = {"dataset": "digits", "recipe": "proxy"}
AT = {"epoch": 12, "set": "train", "images": 9}


def measured(assignment: Any) -> list[dict[str, Any]]:
    """Lines of what is measured: a bowl, as gradient variance too."""
    asked = assignment.measurement
    if asked is None:
        return []
    if asked.kind == "landscape":
        rows = [[1 + 0.1 * x * x + y * y / 3 for x in (-1, 0, 1)] for y in (-1, 0, 1)]
        rows[0][0] = None  # type: ignore[call-overload]
        return [
            {**AT, "row": at, "y": at - 1.0, "loss": row, "accuracy": [50.0] * 3}
            for at, row in enumerate(rows)
        ]
    if asked.kind == "gradient-variance":
        moments = {"variance": 0.1, "squared_mean": 1 / 3}
        return [{**AT, "epoch": epoch, **moments, "groups": {"stem": moments}} for epoch in (0, 12)]
    found = {"residual": 1e-6, "products": 12, "converged": True, "parameters": 44}
    return [{**AT, "group": "network", "eigenvalue": -8.0, **found}]


@pytest.fixture(scope="module")
def studied(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Studies of every kind: of jobs, shared and not, of a run that was there, diverged, cancelled.

    Not to be changed.
    """
    home = Path(shutil.copytree(empty_home, tmp_path_factory.mktemp("studied") / "home"))
    with closing(Library.open(home)) as library:
        library.add_run(run(284, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
        lab = Lab(library)
        lab.post(kind="landscape", cells=["6111", "DARTS-V2"], points=3, **ON)
        lab.post(kind="variants", cells=["6111", "284"], variants=[], seeds=[777, 1], **ON)
        lab.post(kind="lr-robustness", cells=["6111"], learning_rates=[0.05, 50], **ON)
        lab.post(kind="gradient-variance", cells=["6111"], at="ends", **ON)
        lab.post(kind="smoothness", cells=["6111"], **ON)
        lab.post(kind="generalisation", cells=["DARTS-V2"], datasets=["digits"], recipe="proxy")
        lab.work(measured=measured, failing=lambda a: a.recipe.optimiser.learning_rate == 50)
        lab.post(kind="variants", cells=["11"], count=1, **ON)
        lab.client.delete("/studies/7")
        yield library


@pytest.fixture(scope="module")
def file(studied: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "studies.parquet"
    assert export_studies(studied.store, path) == [1, 2, 3, 4, 5, 6, 7]
    return path


@pytest.fixture(scope="module")
def table(studied: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the studies' home, for other homes."""
    folder = tmp_path_factory.mktemp("table")
    export(studied.snapshot, folder / "out")
    return folder / "out" / "local.parquet"


@pytest.fixture
def other(fresh: Library, table: Path) -> Library:
    """Another home: with the runs, and with jobs and a study of its own, so that numbers differ."""
    fresh.import_source(recognise(table, name="theirs"))
    lab = Lab(fresh)
    lab.post(kind="smoothness", cells=["1"], **ON)
    lab.work(measured=measured)
    return fresh


def take(library: Library, path: Path) -> Imported:
    return library.import_studies(path, Checker(library))


def held(library: Library) -> list[Any]:
    """Every row that has to do with jobs and studies."""
    tables = ("jobs", "job_epochs", "job_measurements", "studies", "study_parts")
    with library.store.read() as cursor:
        return [cursor.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in tables]


def told(library: Library) -> list[Any]:
    """What the API answers of all studies and their jobs, without numbers and names of sources."""
    client = client_of(library)
    found = []
    for item in get(client, "/studies")["items"]:
        study = get(client, f"/studies/{item['id']}")
        jobs = [get(client, part["job"]) for part in study["parts"] if part["job"]]
        rows = client.get(f"/studies/{item['id']}?format=csv").text
        found.append(anonymous([item, study, jobs, rows]))
    return found


def anonymous(value: Any) -> Any:
    text = re.sub(r'"id": \d+', '"id": 0', json.dumps(value))
    text = re.sub(r"/(studies|jobs)/\d+", r"/\1/0", text)
    return json.loads(re.sub(r"/runs/[a-z]+%3A", "/runs/SOURCE%3A", text))


# --- there and back ---------------------------------------------------------------------------


def test_another_home_answers_the_same(studied: Library, other: Library, file: Path) -> None:
    here = told(other)
    done = take(other, file)
    jobs = get(client_of(studied), "/jobs?limit=1000")["items"]
    assert done == Imported("studies.parquet", 7, 0, len(jobs))
    assert told(other) == told(studied) + here
    numbers = [item["id"] for item in get(client_of(other), "/studies")["items"]]
    assert numbers == [8, 7, 6, 5, 4, 3, 2, 1]
    assert [job["id"] for job in get(client_of(other), "/jobs?limit=1000")["items"]] == list(
        range(len(jobs) + 1, 0, -1)
    )


def test_a_file_of_a_file_is_the_same(
    studied: Library, other: Library, file: Path, empty_home: Path, table: Path, tmp_path: Path
) -> None:
    take(other, file)
    export_studies(other.store, tmp_path / "again.parquet", [2, 3, 4, 5, 6, 7, 8])
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "third")))) as third:
        third.import_source(recognise(table, name="theirs"))
        take(third, tmp_path / "again.parquet")
        assert told(third) == told(studied)


def test_a_job_that_studies_share_comes_once(studied: Library, other: Library, file: Path) -> None:
    """6111 with seed 777 at the recipe's own rate is part of studies 2 and 3."""

    def shared(library: Library, first: int) -> set[int]:
        store = StudyStore(library.store)
        one, two = ({p.job for p in store.parts(n) if p.job} for n in (first, first + 1))
        return one & two

    take(other, file)
    assert len(shared(other, 3)) == len(shared(studied, 2)) == 1


def test_studies_that_are_there_stay_as_they_are(other: Library, file: Path) -> None:
    take(other, file)
    before = held(other)
    assert take(other, file) == Imported("studies.parquet", 0, 7, 0)
    assert held(other) == before


def test_some_studies_by_number(studied: Library, other: Library, tmp_path: Path) -> None:
    path = tmp_path / "new" / "two.parquet"
    assert export_studies(studied.store, path, [4, 1, 4]) == [1, 4]
    assert take(other, path) == Imported("two.parquet", 2, 0, 3)
    kinds = [item["kind"] for item in get(client_of(other), "/studies")["items"]]
    assert kinds == ["gradient-variance", "landscape", "smoothness"]


def test_a_training_that_is_done_here_is_taken_instead(
    studied: Library, fresh: Library, file: Path
) -> None:
    lab = Lab(fresh)
    fresh.add_run(run(284, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
    lab.post(kind="landscape", cells=["DARTS-V2"], points=3, **ON)
    lab.post(kind="variants", cells=["6111"], variants=[], **ON)
    lab.post(kind="landscape", cells=["6111"], points=5, **ON)
    lab.work(gain=lambda _: 10.0, measured=lambda _: [])
    done = take(fresh, file)
    study = lab.study(4)
    assert [part["job"] for part in study["parts"]] == ["/jobs/4", "/jobs/1"]
    assert [part["measured"] for part in study["parts"]] == [3, 0]
    assert lab.study(5)["parts"][0]["job"] == "/jobs/2"
    assert lab.study(6)["parts"][0]["job"] == "/jobs/2"
    assert done.jobs == len(get(client_of(studied), "/jobs?limit=1000")["items"]) - 2


def test_the_same_study_asked_for_here_is_the_one_that_came(other: Library, file: Path) -> None:
    take(other, file)
    lab = Lab(other)
    before = get(lab.client, "/jobs")["counts"]
    asked = lab.post(200, kind="landscape", cells=["6111", "DARTS-V2"], points=3, **ON)
    assert asked["id"] == 2
    assert get(lab.client, "/jobs")["counts"] == before


def test_an_empty_file(fresh: Library, other: Library, tmp_path: Path) -> None:
    with closing(Library.open(tmp_path / "new")) as empty:
        assert export_studies(empty.store, tmp_path / "none.parquet") == []
    assert take(other, tmp_path / "none.parquet") == Imported("none.parquet", 0, 0, 0)


# --- runs -------------------------------------------------------------------------------------


def test_runs_are_found_again_under_the_ids_they_have_here(other: Library, file: Path) -> None:
    take(other, file)
    parts = StudyStore(other.store).parts(3)
    known = "theirs:nb201-000284:digits:proxy@12:777"
    assert [(part.job, part.run) for part in parts if part.run] == [(None, known)]
    jobs = JobStore(other.store).page(["done"], 1000)
    assert {job.run.partition(":")[0] for job in jobs if job.run} == {"theirs", "local"}
    body = get(client_of(other), "/studies/3")
    (part,) = [part for part in body["parts"] if part["run"]]
    assert get(client_of(other), part["run"])["cell"] == "nb201-000284"


def test_a_job_whose_run_is_unknown_names_none(fresh: Library, file: Path) -> None:
    fresh.add_run(run(284, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
    take(fresh, file)
    assert {job.run for job in JobStore(fresh.store).page(["done"], 1000)} == {None}
    assert get(client_of(fresh), "/studies/2")["state"] == "done"


def test_a_run_that_nothing_can_stand_for(fresh: Library, file: Path) -> None:
    with pytest.raises(SourceError) as refused:
        take(fresh, file)
    for words in (
        "study 2 (variants)", "nb201-000284 on digits by proxy with seed 777", "import the table",
    ):  # fmt: skip
        assert words in str(refused.value)
    assert held(fresh) == [[]] * 5


def test_a_job_that_was_done_by_a_run_needs_it_too(
    studied: Library, fresh: Library, file: Path, tmp_path: Path
) -> None:
    def without_curve(rows: list[dict[str, Any]]) -> None:
        del rows[:2], rows[1:]
        rows[0]["jobs"][0]["epoch_records"] = []

    path = changed(file, tmp_path, without_curve)
    with pytest.raises(SourceError, match="import the table"):
        take(fresh, path)
    fresh.add_run(run(6111, {12: 55.5}, recipe="proxy", dataset="digits"), source=LOCAL)
    take(fresh, path)
    study = get(client_of(fresh), "/studies/1")
    assert (study["state"], study["parts"][0]["state"]) == ("done", "done")


# --- jobs that have no folder here ------------------------------------------------------------


def test_jobs_without_a_folder(other: Library, file: Path) -> None:
    take(other, file)
    lab = Lab(other)
    for job in get(lab.client, "/jobs?limit=1000")["items"][:-1]:
        where = f"/jobs/{job['id']}"
        answer = lab.client.get(f"{where}/log")
        assert (answer.status_code, answer.text) == (200, "")
        events = lab.client.get(f"{where}/events").text
        assert events.count("event: epoch") == len(get(lab.client, where)["epochs"])
        assert "event: end" in events
        is_problem(lab.client.delete(where), 409)
        if job["state"] != "cancelled":
            is_problem(lab.client.post(f"{where}/resume"), 409)
    (part, *_) = get(lab.client, "/studies/8")["parts"]
    assert part["state"] == "cancelled"
    assert lab.client.post("/studies/8/resume").status_code == 200
    lab.work()
    assert get(lab.client, "/studies/8")["state"] == "done"


def test_weights_that_stayed_elsewhere_are_trained_again(other: Library, file: Path) -> None:
    take(other, file)
    lab = Lab(other)
    lab.post(kind="landscape", cells=["6111"], points=5, **ON)
    lab.queue.step()
    (folder,) = lab.executor.started
    assert folder.assignment().weights is None


# --- what isn't written -----------------------------------------------------------------------


def test_studies_that_cannot_be_written(fresh: Library, tmp_path: Path) -> None:
    path = tmp_path / "studies.parquet"
    with pytest.raises(SourceError, match="no study 3; there are: none"):
        export_studies(fresh.store, path, [3])
    lab = Lab(fresh)
    lab.post(kind="smoothness", cells=["1"], **ON)
    lab.work(measured=measured)
    lab.post(kind="smoothness", cells=["2"], **ON)
    with pytest.raises(SourceError, match="no study 3; there are: 1, 2"):
        export_studies(fresh.store, path, [1, 3])
    for numbers in (None, [1, 2]):
        with pytest.raises(SourceError, match=r"study 2 has not ended \(see job 2\).*ended: 1$"):
            export_studies(fresh.store, path, numbers)
    assert export_studies(fresh.store, path, [1]) == [1]
    before = path.read_bytes()
    with pytest.raises(SourceError, match="exists already"):
        export_studies(fresh.store, path, [1])
    with pytest.raises(SourceError, match="can't write"):
        export_studies(fresh.store, path / "below", [1])
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.glob("*studies*")] == [path.name]


# --- what isn't taken -------------------------------------------------------------------------

Change = Callable[[list[dict[str, Any]]], None]


def changed(file: Path, folder: Path, change: Change) -> Path:
    """A copy of the file with other rows."""
    rows = pq.read_table(file).to_pylist()
    change(rows)
    path = folder / "changed.parquet"
    loose = pa.schema(list(nullable(pa.struct(list(SCHEMA)))))
    pq.write_table(pa.Table.from_pylist(rows, loose), path)
    return path


def nullable(kind: Any) -> Any:
    """The type with nulls allowed anywhere in it."""
    if isinstance(kind, pa.StructType):
        return pa.struct([pa.field(field.name, nullable(field.type)) for field in kind])
    return pa.list_(nullable(kind.value_type)) if isinstance(kind, pa.ListType) else kind


def refused(library: Library, path: Path) -> str:
    before = held(library)
    with pytest.raises(SourceError) as error:
        take(library, path)
    assert held(library) == before
    return str(error.value)


def of_study(name: str, value: Any, study: int = 1) -> Change:
    return lambda rows: rows[study - 1].update({name: value})


def of_setting(name: str, value: Any, study: int = 1) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        told = json.loads(rows[study - 1]["settings"]) | {name: value}
        rows[study - 1]["settings"] = json.dumps(told)

    return change


def of_part(name: str, value: Any, study: int = 1) -> Change:
    return lambda rows: rows[study - 1]["parts"][0].update({name: value})


def of_job(name: str, value: Any, study: int = 1) -> Change:
    return lambda rows: rows[study - 1]["jobs"][0].update({name: value})


def of_record(kind: str, name: str, value: Any, study: int = 1) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        records = rows[study - 1]["jobs"][0][f"{kind}_records"]
        records[1] = json.dumps(json.loads(records[1]) | {name: value})

    return change


def of_recipe(name: str, value: Any, study: int = 1) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        job = rows[study - 1]["jobs"][0]
        job["settings"] = json.dumps(json.loads(job["settings"]) | {name: value})

    return change


def drop_second_part(rows: list[dict[str, Any]]) -> None:
    rows[0]["parts"].pop()


def twice(rows: list[dict[str, Any]]) -> None:
    rows[0]["jobs"].append(copy.deepcopy(rows[0]["jobs"][0]))


def another_shared(rows: list[dict[str, Any]]) -> None:
    (job,) = [job for job in rows[2]["jobs"] if job["recipe"] == "proxy"]
    job["device"] = "another"


def without_a_side(rows: list[dict[str, Any]]) -> None:
    gone = rows[5]["parts"].pop()
    rows[5]["jobs"] = [job for job in rows[5]["jobs"] if job["job"] != gone["job"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_study("kind", "landskape"), "study 1 (landskape): its settings are of kind landscape"),
        (of_study("kind", None), "kind is null"),
        (of_study("settings", "{"), "settings is not JSON"),
        (of_study("settings", "[]"), "settings is no JSON object"),
        (of_study("settings", "{}"), "settings: Unable to extract tag"),
        (of_study("parts", []), "it has no parts"),
        (of_study("parts", None), "parts is null"),
        (of_study("jobs", []), "refers to job 1, which isn't in the file"),
        (of_setting("points", 5), "doesn't measure what the study asks for"),
        (of_setting("points", 4), "points: Value error, an even number"),
        (of_setting("seeds", [1]), "has seed 777, which the study has not"),
        (of_setting("dataset", "cifar10"), "is on digits, the study on cifar10"),
        (of_part("cell", "6111"), "with id nb201-006111 is nb201-006111"),
        (of_part("cell", "|none~0|"), "unknown cell"),
        (of_part("cell_id", "nb201-000284"), "with id nb201-000284 is nb201-006111"),
        (of_part("role", "adapted"), "no such role; it has original"),
        (of_part("seed", -1), "seed -1; allowed: 0"),
        (of_part("seed", 5), "is another training"),
        (of_part("learning_rate", 0.1), "has learning rate 0.1, its job 0.05"),
        (of_part("learning_rate", float("nan")), "learning rate nan; allowed"),
        (of_part("job", None), "has neither job nor run"),
        (of_part("job", 999), "refers to job 999, which isn't in the file"),
        (of_job("state", "lost"), "unknown state 'lost'; allowed: done, failed, cancelled"),
        (of_job("state", "running"), "job 1 is running: only what has ended"),
        (of_job("state", None), "jobs.state is null"),
        (of_job("cell", "284"), "is nb201-000284"),
        (of_job("settings", "{}"), "job 1, settings: name: Field required"),
        (of_job("measurement", "nothing"), "job 1, measurement is not JSON"),
        (of_job("measurement", "{}"), "job 1, measurement: Unable to extract tag"),
        (of_job("measurement", None), "doesn't measure what the study asks for"),
        (of_job("details", '{"a": NaN}'), "job 1, details is not JSON"),
        (of_job("epochs", 0), "0 epochs; allowed: 1 or more"),
        (of_job("epochs", 5), "12 epochs are recorded of 5"),
        (of_job("epochs", 13), "over 13 epochs, its settings by proxy over 12"),
        (of_job("recipe", "other"), "is another training"),
        (of_job("epoch_records", ['{"epoch": 1}', "{]"]), "record 2 of epochs is not JSON"),
        (of_job("epoch_records", [None]), "jobs.epoch_records is null"),
        (of_record("epoch", "epoch", 7), "record 2 of epochs: epoch is 7"),
        (of_record("epoch", "epoch", True), "record 2 of epochs: epoch is True"),
        (of_record("epoch", "train", {"loss": 1}), "epoch 2: train.accuracy: Field required"),
        (of_record("epoch", "train", 3), "epoch 2: train: Input should be"),
        (of_record("epoch", "x-valid", None), "epoch 2, x-valid: Input should be"),
        (of_record("epoch", "x-test", {"loss": 1, "accuracy": 1}), "epoch 2: other sets of images"),
        (of_record("epoch", "seconds", {}), "epoch 2: seconds.train: Field required"),
        (of_record("measurement", "number", 1), "record 2 of measurements: number is 1"),
        (of_record("measurement", "loss", [1.0]), "1 points where 3 were asked for"),
        (of_record("measurement", "loss", [1, "2", 3]), "loss.1: Input should be a valid number"),
        (of_record("measurement", "of", None), "measurement 2: of: Input should be"),
        (of_record("measurement", "set", "all"), "set: Input should be 'train'"),
        (of_record("measurement", "groups", None, 4), "groups: Input should be"),
        (of_record("measurement", "row", 0, 4), "measurement 2: y: Field required"),
        (of_record("epoch", "images_per_s", [], 5), "images_per_s: Input should be"),
        (of_recipe("batch", 65, 2), "recipe proxy has other settings than that of this name"),
        (of_recipe("batch", 0), "job 1, settings: batch: Input should be"),
        (of_recipe("name", "other"), "by proxy over 12 epochs, its settings by other"),
        (drop_second_part, "job 2 belongs to none of its parts"),
        (twice, "job 1 comes twice"),
        (another_shared, "study 3 (lr-robustness): job 3 is another one in a study before"),
        (without_a_side, "only the original is there"),
    ],
)
def test_files_that_say_what_cannot_be(
    change: Change, said: str, other: Library, file: Path, tmp_path: Path
) -> None:
    assert said in refused(other, changed(file, tmp_path, change))


def test_a_recipe_that_is_another_one_here(fresh: Library, file: Path) -> None:
    """Runs of one recipe are compared with each other."""
    cell = parse_cell("1")
    settings = json.loads(pq.read_table(file)["jobs"][0][0]["settings"].as_py())
    settings["batch"] = 65
    new = NewJob(cell.arch, cell.id, "digits", "proxy", json.dumps(settings), 1, 12)
    JobStore(fresh.store).add([new])
    assert "recipe proxy has other settings" in refused(fresh, file)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": pa.int32()}, "kind is missing; settings is missing; created_at is missing"),
        ({"created_at": pa.string()}, "created_at is string, not timestamp[us]"),
        ({"kind": pa.int64()}, "kind is int64, not string"),
        ({"parts": pa.string()}, "parts is string, not list"),
        ({"jobs": pa.list_(pa.string())}, "jobs is string, not struct"),
        (
            {"jobs": pa.list_(pa.struct([pa.field("job", pa.string())]))},
            "jobs.job is string, not int32",
        ),
    ],
)
def test_files_with_other_columns(
    columns: dict[str, pa.DataType], said: str, fresh: Library, tmp_path: Path
) -> None:
    fields = {} if "a" in columns else {field.name: field.type for field in SCHEMA}
    schema = pa.schema([pa.field(name, kind) for name, kind in (fields | columns).items()])
    pq.write_table(schema.empty_table(), tmp_path / "other.parquet")
    assert said in refused(fresh, tmp_path / "other.parquet")


def test_files_that_are_none(fresh: Library, file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    for number, text in enumerate((b"", b"PAR1", b"a,b\n1,2\n", content[:-9], content[500:])):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(text)
        assert "no Parquet file that can be read" in refused(fresh, path)
    for path in (tmp_path, tmp_path / "missing.parquet"):
        assert str(path) in refused(fresh, path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_tells_the_same(
    data: st.DataObject, other: Library, file: Path, tmp_path: Path
) -> None:
    """Whichever byte is another: pages have checksums."""
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    before = held(other)
    try:
        take(other, path)
    except SourceError:
        assert held(other) == before


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), value=values)
def test_whatever_a_record_says_no_answer_fails(
    seed: int, value: Any, empty_home: Path, file: Path, tmp_path: Path
) -> None:
    """Some value of some record or setting is another one: it is refused, or all is answered."""
    chance = random.Random(seed)

    def change(rows: list[dict[str, Any]]) -> None:
        del rows[1]  # needs a run
        row = chance.choice(rows)
        texts: list[tuple[Any, Any]] = [(row, "settings")]
        for job in row["jobs"]:
            texts += [(job, name) for name in ("settings", "measurement") if job[name]]
            for records in (job["epoch_records"], job["measurement_records"]):
                texts += [(records, place) for place in range(len(records))]
        holder, place = chance.choice(texts)
        told = json.loads(holder[place])
        deepest = inner = told
        while isinstance(inner, dict | list) and inner:
            deepest = inner
            places = list(inner) if isinstance(inner, dict) else range(len(inner))
            at = chance.choice(list(places))
            inner = inner[at]
            if chance.random() < 0.3:
                break
        deepest[at] = value
        holder[place] = json.dumps(told)

    path = changed(file, tmp_path, change)
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    with closing(Library.open(Path(shutil.copytree(empty_home, tmp_path / "home")))) as library:
        try:
            take(library, path)
        except SourceError:
            assert held(library) == [[]] * 5
            return
        with np.errstate(all="ignore"):
            assert len(told_of(library)) == 6


def told_of(library: Library) -> list[Any]:
    """As `told`, and every page that there is of jobs."""
    assert get(client_of(library), "/jobs?limit=1000")["items"]
    return told(library)


# --- what comes with Cellwise -----------------------------------------------------------------


def test_the_shipped_studies_are_loaded_once(empty_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    with closing(Library.open(home)) as library:
        *tables, studies = library.load_default()
        named = [table.name for table in tables if isinstance(table, Outcome)]
        assert named == ["hpo-bench", "local-bundle", "reproduction"]
        assert isinstance(studies, Imported)
        assert studies.new == len(get(client_of(library), "/studies?limit=200")["items"])
        assert studies.file == bundled_studies().name
        assert library.load_default() == []
        assert take(library, bundled_studies()).known == studies.new


def test_shipped_studies_whose_table_was_removed_are_left_out(
    fresh: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home of a version without studies still opens, however many times."""
    monkeypatch.setattr("data.sources.bundled_studies", lambda: file)
    for name in ("hpo-bench", "local-bundle", "reproduction"):
        fresh.store.set_note(DEFAULTS[name], name)
    assert fresh.load_default() == []
    assert held(fresh) == [[]] * 5
    assert fresh.load_default() == []
