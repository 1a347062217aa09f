"""Training by the client: what it asks for, and how it waits; no pause takes any time."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
import rich.console

from analysis.client import Client, ClientError, StillRunningError, TrainingError
from data.library import Library
from service.training.folder import Result
from tests.analysis.test_client_answers import Counting
from tests.service.jobs.staged import EPOCHS, record
from tests.service.test_jobs import Server

ASKED: dict[str, Any] = {"dataset": "digits", "recipe": "proxy"}


class Lab:
    """A client of a server whose workers take a step of a script in each of its pauses."""

    def __init__(self, library: Library) -> None:
        self.server = Server(library)
        self.steps: Iterator[Callable[[], object]] = iter(())
        self.pauses: list[float] = []
        self.calls = Counting(self.server.client._transport)
        self.client = Client(transport=self.calls, pause=self.pause, retries=0)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        next(self.steps)()

    def then(self, *steps: Callable[[], object]) -> None:
        self.steps = iter(steps)

    def start(self) -> None:
        self.server.queue.step()

    def finish(self, *numbers: int) -> Callable[[], None]:
        def step() -> None:
            for number in numbers:
                self.server.queue.step()
                self.server.finish(number)

        return step

    def epoch(self, number: int, epoch: int) -> Callable[[], None]:
        def step() -> None:
            self.server.queue.folders.of(number).append_epoch(record(epoch))
            self.server.queue.step()

        return step

    def fail(self, number: int, error: str = "diverged at epoch 1") -> Callable[[], None]:
        def step() -> None:
            folder = self.server.queue.folders.of(number)
            folder.write_result(Result(state="failed", error=error))
            self.server.executor.dies(number)
            self.server.queue.step()

        return step


@pytest.fixture
def lab(fresh: Library) -> Lab:
    return Lab(fresh)


def test_cells_are_submitted_once(lab: Lab) -> None:
    taken = lab.client.submit([6111, "284"], **ASKED, seeds=[777, 888], priority=3)
    assert [(one["cell"], one["seed"], one["status"], one["job"]) for one in taken] == [
        ("nb201-006111", 777, "queued", "/jobs/1"),
        ("nb201-006111", 888, "queued", "/jobs/2"),
        ("nb201-000284", 777, "queued", "/jobs/3"),
        ("nb201-000284", 888, "queued", "/jobs/4"),
    ]
    assert lab.client.submit("284", **ASKED, seeds=np.array([888]))[0]["job"] == "/jobs/4"
    assert [job["priority"] for job in lab.client.jobs()] == [3] * 4
    assert lab.client.job("/jobs/2") == lab.client.job(2) == lab.client.job(lab.client.job(2))


def test_what_cannot_be_trained_is_refused(lab: Lab) -> None:
    with pytest.raises(ClientError, match="did you mean proxy") as refused:
        lab.client.submit(6111, dataset="digits", recipe="proxi")
    assert [fault["name"] for fault in refused.value.errors] == ["recipe"]
    with pytest.raises(ClientError, match="cells") as refused:
        lab.client.submit([], **ASKED)
    assert refused.value.status == 422


def test_a_job_is_waited_for(lab: Lab) -> None:
    (taken,) = lab.client.submit(6111, **ASKED)
    lab.then(lab.start, lab.epoch(1, 1), lab.finish(1))
    job = lab.client.wait(1)
    assert (job["state"], len(job["epochs"]), job["run"]) == ("done", EPOCHS, lab_run())
    assert lab.pauses == pytest.approx([0.1, 0.15, 0.225])
    assert lab.client.wait([taken]) == [job]
    assert lab.client.wait(job) == job
    assert lab.client.run(job["run"] or "")["source"] == "local"


def lab_run() -> str:
    return f"/runs/local%3Anb201-006111%3Adigits%3Aproxy%40{EPOCHS}%3A777"


def test_pauses_end_at_two_seconds(lab: Lab) -> None:
    lab.client.submit(6111, **ASKED)
    lab.then(*[lambda: None] * 20, lab.finish(1))
    lab.client.wait(1)
    assert lab.pauses == sorted(lab.pauses)
    assert lab.pauses[-1] == 2


def test_several_are_waited_for_in_one_question_a_look(lab: Lab) -> None:
    lab.client.submit(range(5), **ASKED)
    lab.calls.asked.clear()
    lab.then(lab.finish(1, 2), lab.finish(3, 4, 5))
    jobs = lab.client.wait([5, 1, 3, 2, 4, 4])
    assert [job["id"] for job in jobs] == [5, 1, 3, 2, 4, 4]
    assert {job["state"] for job in jobs} == {"done"}
    looks, documents = lab.calls.asked[:3], lab.calls.asked[3:]
    assert [url.removeprefix(lab.client.url) for url in looks] == [
        "/jobs?before=6&limit=5",
        "/jobs?before=6&limit=5",
        "/jobs?before=6&limit=3",
    ]
    assert len(documents) == 6


def test_what_is_known_is_not_waited_for(lab: Lab) -> None:
    assert lab.client.wait([]) == []
    lab.client.submit(6111, **ASKED)
    lab.finish(1)()
    taken = lab.client.submit([6111, 284], **ASKED)
    assert [one["status"] for one in taken] == ["existing", "queued"]
    lab.then(lab.finish(2))
    assert [job["id"] for job in lab.client.wait(taken)] == [1, 2]


def test_a_run_of_a_table_has_no_job_to_wait_for(library: Library) -> None:
    client = Lab(library).client
    taken = client.submit(284, dataset="cifar100", recipe="nb201-200", seeds=777)
    assert [(one["status"], one["job"]) for one in taken] == [("existing", None)]
    assert client.wait(taken) == []


def test_a_failed_job_is_an_error_with_its_words(lab: Lab) -> None:
    lab.client.submit([6111, 284], **ASKED)
    lab.then(lab.start, lab.fail(1), lab.finish(2))
    with pytest.raises(TrainingError) as failed:
        lab.client.wait([1, 2])
    assert str(failed.value) == "job 1 (nb201-006111, seed 777) failed: diverged at epoch 1"
    assert [job["id"] for job in failed.value.items] == [1]
    assert lab.client.job(2)["state"] == "done"
    again = lab.client.submit(6111, **ASKED)
    assert again[0]["status"] == "failed"
    with pytest.raises(TrainingError, match="diverged at epoch 1"):
        lab.client.wait(again)


def test_a_cancelled_job_is_an_error_that_says_how_to_go_on(lab: Lab) -> None:
    lab.client.submit(range(5), **ASKED)
    for job in range(1, 6):
        assert lab.client.cancel(job)["state"] == "cancelled"
    with pytest.raises(TrainingError) as ended:
        lab.client.wait(range(1, 6))
    assert str(ended.value).startswith("job 1 was cancelled; client.resume(1) goes on with it; ")
    assert str(ended.value).endswith(
        "job 3 was cancelled; client.resume(3) goes on with it; and 2 more"
    )
    assert len(ended.value.items) == 5
    with pytest.raises(ClientError, match="cancelled") as refused:
        lab.client.cancel(1)
    assert refused.value.status == 409
    assert lab.client.resume(1)["state"] == "queued"
    lab.then(lab.finish(1))
    assert lab.client.wait(1)["state"] == "done"


def test_the_time_to_wait_ends(lab: Lab) -> None:
    lab.client.submit([6111, 284], **ASKED)
    with pytest.raises(TimeoutError, match=r"^job 2 goes on: client.wait\(2\) waits again") as late:
        lab.client.wait(2, timeout_s=0)
    assert isinstance(late.value, StillRunningError)
    assert [job["state"] for job in late.value.items] == ["queued"]
    with pytest.raises(ClientError, match=r"^jobs 1, 2 go on: client.wait\(\[1, 2\]\) waits again"):
        lab.client.wait([1, 2], timeout_s=0)
    assert lab.pauses == []


def test_a_pause_ends_with_the_time_to_wait(lab: Lab) -> None:
    lab.client.submit(6111, **ASKED)
    lab.then(lab.finish(1))
    lab.client.wait(1, timeout_s=0.05)
    assert 0 < lab.pauses[0] <= 0.05


def test_ctrl_c_leaves_the_job_and_says_how_to_come_back(lab: Lab) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    lab.client.submit(6111, **ASKED)
    lab.then(lab.start, interrupt)
    with pytest.raises(KeyboardInterrupt) as stopped:
        lab.client.wait(1)
    assert str(stopped.value) == (
        "job 1 goes on: client.wait(1) waits again, client.cancel(1) ends it"
    )
    assert lab.client.job(1)["state"] == "running"


def test_what_is_not_there_is_said(lab: Lab) -> None:
    with pytest.raises(ClientError, match="there is no job 7") as refused:
        lab.client.wait(7)
    assert refused.value.status == 404
    with pytest.raises(TypeError):
        lab.client.wait(3.5)  # type: ignore[call-overload]
    nothing: list[Any] = [{"name": 1}, [{"name": 1}]]
    for what in nothing:
        with pytest.raises(TypeError, match=r"^\{'name': 1\} is no job or study"):
            lab.client.wait(what)
    with pytest.raises(TypeError, match="is no job or study"):
        lab.client.cancel({"name": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_where_the_server_dies_it_is_said_how_to_wait_again(lab: Lab, looks: int) -> None:
    """Also where all have ended, but for the documents."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    lab.client.submit([6111, 284], **ASKED)
    lab.calls.asked.clear()
    if looks == 2:
        lab.finish(1, 2)()
    whole = lab.calls._transport
    dead = httpx2.MockTransport(answer)

    class Dying(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            alive = len(lab.calls.asked) <= looks
            return (whole if alive else dead).handle_request(request)

    lab.calls._transport = Dying()
    lab.then(lab.start)
    with pytest.raises(ClientError, match=r"no answer from .*: refused; ") as died:
        lab.client.wait([2, 1])
    assert str(died.value).endswith(
        "; once it answers, client.wait([1, 2]) waits again for jobs 1, 2"
    )
    assert died.value.status is None


def test_jobs_far_apart_are_on_pages_of_their_own() -> None:
    """A page is asked for no more jobs than the server gives."""
    limits: list[int] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = request.url.params
        if "limit" not in asked:
            return httpx2.Response(200, json={"id": int(request.url.path.rpartition("/")[2])})
        limits.append(int(asked["limit"]))
        before = int(asked["before"])
        numbers = range(before - limits[-1], before)
        items = [{"id": n, "state": "done", "progress": None} for n in reversed(numbers)]
        return httpx2.Response(200, json={"items": items, "next": None})

    client = Client(transport=httpx2.MockTransport(answer))
    assert [job["id"] for job in client.wait([1, 1001, 2])] == [1, 1001, 2]
    assert limits == [1000, 1]


STUDY: dict[str, Any] = {**ASKED, "variants": []}


def test_a_study_is_waited_for(lab: Lab) -> None:
    study = lab.client.submit_study("variants", [6111, "DARTS-V2"], **STUDY)
    assert (study["id"], study["state"]) == (1, "queued")
    assert lab.client.submit_study("variants", [6111, "DARTS-V2"], **STUDY)["id"] == 1
    lab.then(lab.finish(1), lab.finish(2))
    document = lab.client.wait(study)
    assert document == lab.client.study(1)
    assert [part["state"] for part in document["parts"]] == ["done", "done"]
    assert document["results"]
    assert lab.client.wait([study]) == [document]
    assert [one["id"] for one in lab.client.studies()] == [1]


def test_a_study_that_ends_badly_is_an_error(lab: Lab) -> None:
    study = lab.client.submit_study("variants", 6111, **STUDY)
    with pytest.raises(
        StillRunningError, match=r"study 1 goes on: client.wait\(client.study\(1\)\)"
    ):
        lab.client.wait(study, timeout_s=0)
    assert lab.client.cancel_study(1)["state"] == "cancelled"
    with pytest.raises(TrainingError, match=r"study 1 was cancelled; client.resume_study\(1\)"):
        lab.client.wait(study)
    assert lab.client.resume_study(study)["state"] == "queued"
    lab.start()
    lab.fail(1, "no images left")()
    with pytest.raises(TrainingError, match="study 1 failed: nb201-006111, seed 777: no images"):
        lab.client.wait(study)


def test_what_diverges_is_a_result_and_no_failure(lab: Lab) -> None:
    """A study of learning rates fails for what else went wrong, and tells of that."""
    settings = {**ASKED, "learning_rates": [0.025, 25]}
    study = lab.client.submit_study("lr-robustness", 6111, **settings)
    lab.start()
    lab.fail(1, "no images left")()
    lab.fail(2, "diverged at epoch 3")()
    with pytest.raises(TrainingError) as failed:
        lab.client.wait(study)
    assert str(failed.value) == "study 1 failed: nb201-006111, seed 777: no images left"


def test_jobs_and_studies_are_not_waited_for_at_once(lab: Lab) -> None:
    lab.client.submit(284, **ASKED)
    study = lab.client.submit_study("variants", 6111, **STUDY)
    both: list[Any] = [1, study]
    with pytest.raises(TypeError, match="jobs and studies at once"):
        lab.client.wait(both)


def shown(lab: Lab, capsys: pytest.CaptureFixture[str], *, progress: bool = True) -> str:
    lab.client.submit(6111, **ASKED)
    lab.then(lab.start, lab.epoch(1, 1), lab.finish(1))
    lab.client.wait(1, progress=progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_bar_is_shown_where_someone_looks_on(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "done, epoch 12 of 12" in shown(lab, capsys)


def test_no_bar_is_shown_where_none_is_wanted(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(lab, capsys, progress=False) == ""


def test_no_bar_is_shown_where_nobody_looks_on(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(lab, capsys) == ""


def test_in_a_notebook_without_ipywidgets_it_waits_in_silence(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There rich would warn, which is an error here."""
    notebook = functools.partial(rich.console.Console, force_jupyter=True)
    monkeypatch.setattr(rich.console, "Console", notebook)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(lab, capsys) == ""


def test_without_rich_it_waits_in_silence(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(lab, capsys) == ""
