"""Studies found, asked for and waited for, on a server of which every answer is known."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from analysis.cells import parse_cell
from analysis.client import Client, ClientError
from analysis.report.asking import MissingError, completed, find, finished

PLAN: dict[str, dict[str, Any]] = {
    "first": {"kind": "landscape", "cells": ["ENAS"], "sample": None, "recipe": "proxy"},
    "second": {"kind": "smoothness", "cells": ["ENAS"], "recipe": "proxy"},
}


class Server:
    """Keeps studies; one that was asked for has ended after so many looks at it."""

    def __init__(self, looks: int = 2) -> None:
        self.looks = looks
        self.studies: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def add(self, body: dict[str, Any], ended: int, state: str) -> dict[str, Any]:
        number = len(self.studies) + 1
        study = {
            "id": number,
            "kind": body["kind"],
            "state": state,
            "settings": body,
            "progress": {"ended": ended, "parts": self.looks},
            "links": {"self": f"/studies/{number}"},
            "parts": [{"cell": parse_cell(cell).id} for cell in body["cells"]],
        }
        self.studies.append(study)
        return study

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            body = json.loads(request.content)
            self.asked.append(body)
            same = next((one for one in self.studies if one["settings"] == body), None)
            if same is None:
                same = self.add(body, 0, "running")
            elif same["state"] == "cancelled":
                same |= {"state": "running", "progress": {"ended": 0, "parts": self.looks}}
            return httpx2.Response(202, json=same)
        if request.url.path == "/studies":
            for study in self.studies:
                progress = study["progress"]
                if study["state"] == "running":
                    progress["ended"] += 1
                if progress["ended"] == progress["parts"]:
                    study["state"] = "done" if study["state"] == "running" else study["state"]
            return httpx2.Response(200, json={"items": self.studies[::-1], "next": None})
        number = int(request.url.path.rpartition("/")[2])
        return httpx2.Response(200, json=self.studies[number - 1] | {"results": number})

    def client(self) -> Client:
        return Client(transport=httpx2.MockTransport(self))


def test_what_is_missing_is_asked_for_and_waited_for() -> None:
    server = Server(looks=3)
    told: list[tuple[int, int, str]] = []
    pauses: list[float] = []
    documents = completed(server.client(), PLAN, lambda *how: told.append(how), pause=pauses.append)
    assert [body["kind"] for body in server.asked] == ["landscape", "smoothness"]
    assert {name: document["results"] for name, document in documents.items()} == {
        "first": 1,
        "second": 2,
    }
    assert told[0] == (0, 6, "first, 2 studies left")
    assert told[-1] == (6, 6, "")
    assert len(pauses) == 3


def test_what_is_complete_is_asked_for_no_second_time() -> None:
    server = Server()
    for body in PLAN.values():
        server.add(body, server.looks, "done")
    assert completed(server.client(), PLAN, lambda *_: None).keys() == PLAN.keys()
    assert finished(server.client(), PLAN).keys() == PLAN.keys()
    assert not server.asked


def test_what_was_cancelled_goes_on() -> None:
    server = Server()
    server.add(PLAN["first"], server.looks, "done")
    server.add(PLAN["second"], server.looks, "cancelled")
    completed(server.client(), PLAN, lambda *_: None, pause=lambda _: None)
    assert [body["kind"] for body in server.asked] == ["smoothness"]


def test_other_settings_are_another_study() -> None:
    server = Server()
    server.add(PLAN["first"] | {"sample": 100}, server.looks, "done")
    server.add(PLAN["second"], server.looks, "done")
    assert find(server.client(), PLAN).keys() == {"second"}
    with pytest.raises(MissingError, match="at their end: first"):
        finished(server.client(), PLAN)


def test_a_study_of_what_a_name_meant_before_is_made_anew() -> None:
    server = Server()
    for body in PLAN.values():
        server.add(body, server.looks, "done")
    server.studies[0]["parts"] = [{"cell": parse_cell("ENAS-adapted").id}]
    with pytest.raises(MissingError, match=r"at their end: first$"):
        finished(server.client(), PLAN)
    completed(server.client(), PLAN, lambda *_: None, pause=lambda _: None)
    assert server.asked == [PLAN["first"]]


def test_a_study_of_pairs_is_of_both() -> None:
    """ENAS, and its adapted form, which is named as the paper has it."""
    asked = {"pairs": {"kind": "generalisation", "cells": ["ENAS"]}}
    server = Server()
    study = server.add(asked["pairs"], server.looks, "done")
    with pytest.raises(MissingError, match="at their end: pairs"):
        finished(server.client(), asked)
    study["parts"].append({"cell": parse_cell("ENAS-adapted").id})
    assert finished(server.client(), asked).keys() == {"pairs"}


def test_a_study_that_runs_is_not_finished() -> None:
    server = Server(looks=9)
    for body in PLAN.values():
        server.add(body, 1, "running")
    with pytest.raises(MissingError, match="first, second"):
        finished(server.client(), PLAN)


def test_the_latest_of_equal_studies_counts() -> None:
    server = Server()
    server.add(PLAN["first"], 0, "cancelled")
    server.add(PLAN["first"], server.looks, "done")
    assert find(server.client(), {"first": PLAN["first"]})["first"]["id"] == 2


def test_a_study_that_is_cancelled_meanwhile_is_no_report() -> None:
    server = Server()
    server.add(PLAN["first"], server.looks, "done")
    running = server.add(PLAN["second"], 0, "running")

    def cancel(_: float) -> None:
        running["state"], running["progress"]["ended"] = "cancelled", server.looks

    with pytest.raises(MissingError, match="cancelled meanwhile: second"):
        completed(server.client(), PLAN, lambda *_: None, pause=cancel)
    with pytest.raises(MissingError, match="at their end: second"):
        finished(server.client(), PLAN)


def test_a_refusal_ends_it() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            return httpx2.Response(401, json={"detail": "a token is needed to write"})
        return httpx2.Response(200, json={"items": [], "next": None})

    client = Client(transport=httpx2.MockTransport(refuse))
    with pytest.raises(ClientError, match="a token is needed"):
        completed(client, PLAN, lambda *_: None)
