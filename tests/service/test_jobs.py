"""Training over HTTP: asking, following, cancelling, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from data.library import Library
from service.api import schemas_jobs
from service.api.app import create_app
from service.jobs.queue import Queue
from service.jobs.slots import Slot
from service.training.folder import Result
from tests.service.helpers import get, is_problem, strict
from tests.service.jobs.staged import EPOCHS, StagedExecutor, done, record

ASKED = {"cells": ["6111"], "dataset": "digits", "recipe": "proxy"}


class Server:
    """An app whose workers do what a test says."""

    def __init__(self, library: Library) -> None:
        self.executor = StagedExecutor()
        self.queue = Queue(library, self.executor, [Slot("cpu", None, 2)])
        app = create_app(library, queue=self.queue)
        self.client = TestClient(app, raise_server_exceptions=False)

    def post(self, **body: Any) -> httpx2.Response:
        return self.client.post("/jobs", json=ASKED | body)

    def finish(self, number: int) -> None:
        folder = self.queue.folders.of(number)
        for epoch in range(len(folder.epochs()[0]) + 1, EPOCHS + 1):
            folder.append_epoch(record(epoch))
        folder.write_result(done())
        self.executor.dies(number)
        self.queue.step()


@pytest.fixture
def server(fresh: Library) -> Server:
    return Server(fresh)


@pytest.fixture
def ran(server: Server) -> Server:
    """Job 1 is done, job 2 runs in its third epoch, job 3 waits."""
    server.post(cells=["6111", "284", "DARTS-V2"])
    server.queue.step()
    server.finish(1)
    for epoch in (1, 2):
        server.queue.folders.of(2).append_epoch(record(epoch))
    server.queue.step()
    return server


def test_cells_are_queued_and_then_known(server: Server) -> None:
    answer = server.post(cells=["6111", "DARTS-V2"], seeds=[777, 888])
    assert answer.status_code == 202
    items = strict(answer)["items"]
    schemas_jobs.JobsTaken.model_validate(strict(answer))
    assert [(item["seed"], item["status"], item["job"]) for item in items] == [
        (777, "queued", "/jobs/1"),
        (888, "queued", "/jobs/2"),
        (777, "queued", "/jobs/3"),
        (888, "queued", "/jobs/4"),
    ]
    assert items[0]["cell"] == "nb201-006111"
    assert items[2]["cell"].startswith("darts-")
    server.queue.step()
    server.finish(1)
    answer = server.post()
    assert answer.status_code == 200
    (item,) = strict(answer)["items"]
    assert (item["status"], item["job"]) == ("existing", "/jobs/1")
    run = get(server.client, item["run"])
    assert (run["cell"], run["recipe"], run["source"]) == ("nb201-006111", "proxy", "local")
    assert run["details"]["device"] == "a staged CPU"


def test_a_finished_run_answers_everywhere(server: Server) -> None:
    cells = [str(index) for index in range(0, 60, 10)]
    server.post(cells=cells)
    for number in range(1, len(cells) + 1):
        server.queue.step()
        server.finish(number)
    context = {"dataset": "digits", "recipe": "proxy"}
    metric = f"valid_accuracy@{EPOCHS}of{EPOCHS}"
    page = get(server.client, "/cells", context | {"fields": f"id,{metric}", "cell": "0"})
    assert page["items"][0][metric] == 29.0 + EPOCHS
    assert page["context"]["sets"][metric]["sources"] == {"local": 1}
    runs = get(server.client, "/runs", {"source": "local"})
    assert runs["total"] == len(cells)
    found = get(server.client, "/correlations", context | {"x": "width", "y": metric})
    assert found["items"][0]["n"] == len(cells) - 1  # one of them is disconnected
    curve = get(server.client, "/cells/0/curves", context | {"metric": "train_loss"})
    assert curve["items"][0]["values"] == [2 / epoch for epoch in range(1, EPOCHS + 1)]
    cell = get(server.client, "/cells/0")
    assert [run["source"] for run in cell["runs"]] == ["local"]
    names = {entry["recipe"] for entry in get(server.client, "/columns")["recorded"]}
    assert names == {"proxy"}


def test_the_request_that_a_cell_offers_is_taken(server: Server) -> None:
    text = (
        "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)], normal_concat=[2], "
        "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
    )
    offered = get(server.client, f"/cells/{text}")["train"]
    body = offered["body"] | {"dataset": "digits"}  # whose images are everywhere
    answer = server.client.request(offered["method"], offered["path"], json=body)
    assert answer.status_code == 202, answer.text


def test_a_page_of_jobs(ran: Server) -> None:
    page = get(ran.client, "/jobs")
    schemas_jobs.JobPage.model_validate(page)
    states = [(job["id"], job["state"], job["position"]) for job in page["items"]]
    assert states == [(3, "queued", 1), (2, "running", None), (1, "done", None)]
    assert page["counts"] == {"queued": 1, "running": 1, "done": 1, "failed": 0, "cancelled": 0}
    assert page["next"] is None
    only = get(ran.client, "/jobs", [("state", "queued"), ("state", "done")])
    assert [job["id"] for job in only["items"]] == [3, 1]
    first = get(ran.client, "/jobs", {"limit": 2})
    assert [job["id"] for job in first["items"]] == [3, 2]
    rest = get(ran.client, first["next"])
    assert [job["id"] for job in rest["items"]] == [1]


def test_one_job_tells_how_far_it_is(ran: Server) -> None:
    job = get(ran.client, "/jobs/2")
    schemas_jobs.JobDocument.model_validate(job)
    assert job["progress"] == {
        "epoch": 2,
        "epochs": EPOCHS,
        "images_per_s": 700.0,
        "seconds_left": 20.0,  # ten epochs of two seconds
        "measured": 0,
        "to_measure": None,
    }
    assert job["epochs"] == [record(1), record(2)]
    assert job["device"] == "cpu"
    assert get(ran.client, "/jobs/3")["progress"] is None
    finished = get(ran.client, "/jobs/1")
    assert finished["progress"]["seconds_left"] == 0
    assert get(ran.client, finished["run"])["seed"] == 777


def test_a_log_is_plain_text(ran: Server) -> None:
    ran.queue.folders.of(2).log_file.write_text("epoch 1\n")
    answer = ran.client.get("/jobs/2/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "epoch 1\n"
    assert ran.client.get("/jobs/3/log").text == ""


def test_a_job_that_became_known_while_it_waited_tells_its_run(server: Server) -> None:
    server.post()
    server.queue.step()
    server.queue.folders.of(1).append_epoch(record(1))
    server.queue.step()
    server.client.delete("/jobs/1")
    server.post(force=True)
    server.queue.step()
    server.client.post("/jobs/1/resume")
    server.finish(2)
    job = get(server.client, "/jobs/1")
    schemas_jobs.JobDocument.model_validate(job)
    assert (job["state"], job["run"], job["position"]) == (
        "done",
        get(server.client, "/jobs/2")["run"],
        None,
    )
    assert (job["progress"]["epoch"], job["progress"]["seconds_left"]) == (1, 0)
    *epochs, end = events(server.client.get("/jobs/1/events").text)
    assert [data for _, _, data in epochs] == [record(1)]
    assert (end[1], end[2]["state"], end[2]["run"]) == ("end", "done", job["run"])
    assert server.client.delete("/jobs/1").status_code == 409


def events(text: str) -> list[tuple[str, str, Any]]:
    """(id, event, data) of every event."""
    found = []
    for block in text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":")
        if fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


@pytest.mark.parametrize("seen", [0, 3, EPOCHS])
def test_events_go_on_behind_the_last_that_was_seen(ran: Server, seen: int) -> None:
    headers = {"Last-Event-ID": str(seen)} if seen else {}
    answer = ran.client.get("/jobs/1/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *epochs, end = events(answer.text)
    assert epochs == [(str(e), "epoch", record(e)) for e in range(seen + 1, EPOCHS + 1)]
    assert end[:2] == ("end", "end")
    assert (end[2]["state"], end[2]["id"]) == ("done", 1)


def test_who_saw_the_end_is_told_to_stop_asking(ran: Server) -> None:
    assert ran.client.get("/jobs/1/events", headers={"Last-Event-ID": "end"}).status_code == 204


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "99999999999999"])
def test_an_event_id_that_is_none_is_refused(ran: Server, seen: str) -> None:
    is_problem(ran.client.get("/jobs/1/events", headers={"Last-Event-ID": seen}), 422)


def test_cancel_and_resume(ran: Server) -> None:
    answer = ran.client.delete("/jobs/2")
    assert answer.status_code == 200
    assert strict(answer)["state"] == "cancelled"
    assert "cancelled" in is_problem(ran.client.delete("/jobs/2"), 409)["detail"]
    answer = ran.client.post("/jobs/2/resume")
    assert (strict(answer)["state"], strict(answer)["position"]) == ("queued", 1)
    assert "queued" in is_problem(ran.client.post("/jobs/2/resume"), 409)["detail"]
    is_problem(ran.client.post("/jobs/1/resume"), 409)
    is_problem(ran.client.delete("/jobs/1"), 409)


def test_a_failed_job_says_why(ran: Server) -> None:
    ran.queue.folders.of(2).write_result(Result(state="failed", error="diverged at epoch 3"))
    ran.queue.step()
    job = get(ran.client, "/jobs/2")
    assert (job["state"], job["error"], job["run"]) == ("failed", "diverged at epoch 3", None)
    *_, end = events(ran.client.get("/jobs/2/events").text)
    assert end[2]["error"] == "diverged at epoch 3"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"cells": []}, "cells"),
        ({"cells": "6111"}, "cells"),
        ({"cells": [6111]}, "cells.0"),
        ({"dataset": "mnist"}, "dataset"),
        ({"dataset": None}, "dataset"),
        ({"recipe": "prxy"}, "recipe"),
        ({"recipe": "nb201-12", "cells": ["DARTS-V2"]}, "cells"),
        ({"recipe": "darts-600"}, "cells"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [-1]}, "seeds.0"),
        ({"seeds": [1.5]}, "seeds.0"),
        ({"seeds": ["1"]}, "seeds.0"),
        ({"seeds": [True]}, "seeds.0"),
        ({"priority": 10_000}, "priority"),
        ({"force": "yes"}, "force"),
        ({"cell": "1"}, "cell"),
        ({"cells": [str(n) for n in range(200)], "seeds": list(range(200))}, "cells"),
        ({"dataset": "ImageNet16-120"}, "dataset"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    server: Server, body: dict[str, Any], name: str
) -> None:
    problem = is_problem(server.post(**body), 422, body)
    assert [error["name"] for error in problem["errors"]] == [name]
    assert problem["errors"][0]["allowed"]
    assert sum(server.queue.jobs.counts().values()) == 0


def test_a_malformed_cell_is_told_with_its_position(server: Server) -> None:
    problem = is_problem(server.post(cells=["6111", "|none~0|+|"]), 422)
    assert problem["type"] == "/problems/malformed-cell"
    assert sum(server.queue.jobs.counts().values()) == 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b'{"cells": NaN}'])
def test_a_body_that_is_no_json_object(server: Server, text: bytes) -> None:
    headers = {"content-type": "application/json"}
    is_problem(server.client.post("/jobs", content=text, headers=headers), 422)


@pytest.mark.parametrize("path", ["/jobs/77", "/jobs/77/log", "/jobs/77/events"])
def test_unknown_jobs(server: Server, path: str) -> None:
    assert "GET /jobs" in is_problem(server.client.get(path), 404)["detail"]


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/jobs/77"), ("POST", "/jobs/77/resume")])
def test_unknown_jobs_cannot_be_changed(server: Server, method: str, path: str) -> None:
    is_problem(server.client.request(method, path), 404)


@pytest.mark.parametrize("path", ["/jobs/0", "/jobs/x", "/jobs/-1", "/jobs/99999999999"])
def test_what_is_no_number_of_a_job(server: Server, path: str) -> None:
    problem = is_problem(server.client.get(path), 422)
    assert problem["errors"][0]["name"] == "job"


def test_recipes_are_told_in_full(server: Server) -> None:
    answer = get(server.client, "/recipes")
    schemas_jobs.Recipes.model_validate(answer)
    found = {item["name"]: item for item in answer["items"]}
    assert set(found) >= {"nb201-12", "nb201-200", "darts-convergence", "darts-600", "proxy"}
    assert found["nb201-12"]["settings"]["optimiser"]["learning_rate"] == 0.1
    folder = server.queue.home / "recipes"
    folder.mkdir()
    (folder / "bad.toml").write_text("epochs = 0")
    (folder / "mine.toml").write_text(
        "epochs = 3\nbatch = 8\n[network.darts]\nchannels = 2\ncells = 3\n"
        "[optimiser]\nlearning_rate = 0.1\n"
    )
    answer = get(server.client, "/recipes")
    assert "mine" in {item["name"] for item in answer["items"]}
    assert "epochs = 0" in answer["faults"]["bad"]
    assert server.post(cells=["ENAS"], recipe="mine").status_code == 202


def test_datasets_say_what_is_there(server: Server) -> None:
    answer = get(server.client, "/datasets")
    schemas_jobs.Datasets.model_validate(answer)
    found = {item["name"]: item for item in answer["items"]}
    assert found["digits"]["found"]
    assert found["digits"]["image"] == [1, 8, 8]
    assert not found["ImageNet16-120"]["found"]
    assert found["ImageNet16-120"]["how_to_get"]
    assert str(server.queue.home / "images") in answer["places"]


def test_what_a_table_has_needs_no_images(library: Library) -> None:
    client = TestClient(create_app(library), raise_server_exceptions=False)
    body = {"cells": ["1"], "dataset": "ImageNet16-120", "recipe": "nb201-200"}
    answer = client.post("/jobs", json=body | {"seeds": [777]})
    assert answer.status_code == 200, answer.text
    (item,) = strict(answer)["items"]
    assert (item["status"], item["job"]) == ("existing", None)
    assert get(client, item["run"])["seed"] == 777
    is_problem(client.post("/jobs", json=body | {"seeds": [777, 1]}), 422)


def test_every_method_of_an_address_is_allowed(server: Server) -> None:
    answer = server.client.put("/jobs", json={})
    is_problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST"


def test_jobs_are_counted_for_prometheus(ran: Server) -> None:
    text = ran.client.get("/metrics").text
    for state, count in (("queued", 1), ("running", 1), ("done", 1), ("failed", 0)):
        assert f'cellwise_jobs{{state="{state}"}} {count}.0' in text
