"""Files of studies: what is refused of them, and that what is taken can be told."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
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
from data.job_rows import NewJob
from data.jobs import JobStore
from data.library import Library
from data.sources import recognise
from data.sources.base import SourceError
from data.study_format import SCHEMA, read
from data.study_transfer import RecipeConflictError
from tests.conftest import client_of, copied
from tests.service.helpers import get
from tests.service.lab import Lab
from tests.store.filed import ON, Change, changed, held, take, told


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


def of_run_part(name: str, value: Any) -> Change:
    """A part of study 2 that is a run alone, and the recipe of which no job says."""

    def change(rows: list[dict[str, Any]]) -> None:
        (part,) = [part for part in rows[1]["parts"] if part["job"] is None]
        part[name] = value

    return change


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


def one_line_more(study: int) -> Change:
    """Another measurement, as good as the last one."""

    def change(rows: list[dict[str, Any]]) -> None:
        records = rows[study - 1]["jobs"][0]["measurement_records"]
        last = json.loads(records[-1])
        records.append(json.dumps(last | {"number": last["number"] + 1}))

    return change


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
        (of_part("learning_rate", 0.1), "has learning rate 0.1, proxy has 0.05"),
        (of_part("original", "nb201-000284"), "has nb201-000284 as its original"),
        (of_part("original", parse_cell("DARTS-V2").id), "nb201-006111 has darts-"),
        (of_setting("recipe", "other"), "is by proxy, the study by other"),
        (of_setting("recipe", "proxy@lr=x"), "recipe proxy@lr=x: 'x' is no learning rate"),
        (of_setting("recipe", "proxy@lr=0.1"), "has learning rate 0.05, which the study has not"),
        (of_setting("learning_rates", [0.05], 3), "learning rate 50.0, which the study has not"),
        (of_setting("learning_rates", [], 3), "learning rate 50.0, which the study has not"),
        (of_run_part("recipe", "other"), "is by other, the study by proxy"),
        (of_run_part("recipe", "proxy@lr=0.1"), "rate 0.05, proxy@lr=0.1 has 0.1"),
        (of_run_part("recipe", "proxy@lr=0.05"), "rate 0.05, which the study has not"),
        (of_run_part("learning_rate", 0.1), "has learning rate 0.1, proxy has 0.05"),
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
        (of_job("priority", -1001), "job 1: priority -1001; allowed: -1000 … 1000"),
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
        (one_line_more(1), "job 1: 4 measurements where 3 were asked for"),
        (one_line_more(4), "3 measurements where 2 were asked for"),
        (one_line_more(5), "2 measurements where 1 were asked for"),
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
    change: Change, said: str, refusing: Library, file: Path, tmp_path: Path
) -> None:
    assert said in refused(refusing, changed(file, tmp_path, change))


def test_a_study_has_no_more_parts_than_can_be_asked_for(
    refusing: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.studies.checking.MOST_PARTS", 1)
    assert "study 1 (landscape): 2 parts; allowed: up to 1" in refused(refusing, file)


def test_a_recipe_that_is_another_one_here(fresh: Library, file: Path) -> None:
    """Runs of one recipe are compared with each other."""
    cell = parse_cell("1")
    settings = json.loads(pq.read_table(file)["jobs"][0][0]["settings"].as_py())
    settings["batch"] = 65
    new = NewJob(cell.arch, cell.id, "digits", "proxy", json.dumps(settings), 1, 12)
    JobStore(fresh.store).add([new])
    with pytest.raises(RecipeConflictError, match="recipe proxy has other settings"):
        take(fresh, file)
    assert [len(rows) for rows in held(fresh)] == [1, 0, 0, 0, 0]


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
    for number, text in enumerate((b"", b"PAR1", b"a,b\n1,2\n", content[:-9])):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(text)
        assert "no Parquet file that can be read" in refused(fresh, path)
    for path in (tmp_path, tmp_path / "missing.parquet"):
        assert str(path) in refused(fresh, path)


@pytest.mark.parametrize("study", range(1, 8))
def test_the_study_that_is_damaged_is_named(
    study: int, refusing: Library, file: Path, tmp_path: Path
) -> None:
    """Each has pages of its own."""
    content = bytearray(file.read_bytes())
    column = pq.ParquetFile(file).metadata.row_group(study - 1).column(1)
    assert column.path_in_schema == "settings"
    begin = column.dictionary_page_offset or column.data_page_offset
    content[begin + column.total_compressed_size - 1] ^= 1
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    assert f"study {study} is damaged" in refused(refusing, path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_tells_the_same(
    data: st.DataObject, file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whichever byte is another: pages have checksums."""
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(content)
    try:
        found = list(read(path))
    except SourceError:
        return
    assert found == list(read(file))


def test_numbers_that_no_answer_can_hold(other: Library, file: Path, tmp_path: Path) -> None:
    """What is kept of a file is what was read of it."""
    many = "1" + 30 * "0"
    take(other, changed(file, tmp_path, of_job("details", f'{{"images": {many}, "a": [1, 1]}}')))
    details = get(client_of(other), "/jobs/2")["details"]
    assert details == {"images": 1e30, "a": [1, 1]}


def otherwise_written(rows: list[dict[str, Any]]) -> None:
    """The same settings and measurements: spaces, order, defaults, whole numbers as such."""
    for row in rows:
        told_ = json.loads(row["settings"]) | {"priority": 0}
        row["settings"] = json.dumps(dict(reversed(told_.items())), indent=1)
        for job in row["jobs"]:
            for name in ("settings", "measurement"):
                if job[name] is not None:
                    job[name] = json.dumps(json.loads(job[name]), indent=1, sort_keys=True)


def test_a_study_is_recognised_however_it_is_written(
    other: Library, file: Path, tmp_path: Path
) -> None:
    take(other, changed(file, tmp_path, otherwise_written))
    before = held(other)
    assert take(other, file).known == 7
    assert held(other) == before
    lab = Lab(other)
    jobs = get(lab.client, "/jobs")["counts"]
    assert lab.post(200, kind="landscape", cells=["6111", "DARTS-V2"], points=3, **ON)["id"] == 2
    assert lab.post(200, kind="smoothness", cells=["6111"], **ON)["id"] == 6
    assert get(lab.client, "/jobs")["counts"] == jobs


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def with_runs(empty_home: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the runs of the file. Not to be opened: tests take copies."""
    home = copied(empty_home, tmp_path_factory)
    with closing(Library.open(home)) as library:
        library.import_source(recognise(table, name="theirs"))
    return home


class Untaken:
    """A library with the runs of the file and no more, made anew when one has taken something."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self._made = 0
        self._open: Library | None = None

    def library(self) -> Library:
        if self._open is None or held(self._open) != [[]] * 5:
            self.close()
            self._made += 1
            home = shutil.copytree(self._home, self._folder / f"home-{self._made}")
            self._open = Library.open(Path(home))
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


@pytest.fixture
def untaken(with_runs: Path, tmp_path: Path) -> Iterator[Untaken]:
    with closing(Untaken(with_runs, tmp_path)) as made:
        yield made


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), value=values)
def test_whatever_a_record_says_no_answer_fails(
    seed: int, value: Any, untaken: Untaken, file: Path, tmp_path: Path
) -> None:
    """Some value of some record or setting is another one: it is refused, or all is answered."""
    chance = random.Random(seed)

    def change(rows: list[dict[str, Any]]) -> None:
        row = chance.choice(rows)
        texts: list[tuple[Any, Any]] = [(row, "settings")]
        for job in row["jobs"]:
            names = ("settings", "measurement", "details")
            texts += [(job, name) for name in names if job[name]]
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
    library = untaken.library()
    try:
        take(library, path)
    except SourceError:
        assert held(library) == [[]] * 5
        return
    with np.errstate(all="ignore"):
        assert len(told_of(library)) == 7


def told_of(library: Library) -> list[Any]:
    """As `told`, and every page that there is of jobs."""
    assert get(client_of(library), "/jobs?limit=1000")["items"]
    return told(library)
