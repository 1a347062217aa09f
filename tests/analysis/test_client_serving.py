"""The client and a server as processes of their own: real trainings, closed servers, docs."""

from __future__ import annotations

import doctest
import functools
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from starlette.testclient import TestClient

import analysis.client
from analysis.client import (
    Client,
    ClientError,
    TrainingError,
    answers,
    calls,
    parameters,
    reading,
    training,
)
from data.library import Library
from service import tokens
from service.api.access import may_write
from service.api.app import create_app
from service.jobs.queue import Queue
from service.jobs.slots import Slot
from tests.conftest import ROOT
from tests.service.processes import Server, serving
from tests.service.test_cli_studies import Instant
from tests.service.test_training import RECIPE, with_recipe
from tests.service.training.made import NB201

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = [analysis.client, answers, calls, parameters, reading, training]


@pytest.fixture(scope="module")
def server(default_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two recipes that take seconds, one of which diverges."""
    home = with_recipe(default_home, tmp_path_factory.mktemp("serving") / "home")
    # A step multiplies the weights by -99.
    wild = RECIPE.replace("learning_rate = 0.05", "learning_rate = 100\nweight_decay = 1")
    assert wild != RECIPE
    (home / "recipes" / "wild.toml").write_text(wild)
    with serving(home) as started:
        yield started


def test_a_training_is_waited_for(server: Server) -> None:
    with Client(server.url) as client:
        taken = client.submit([NB201], dataset="digits", recipe="quick")
        jobs = client.wait(taken, progress=False, timeout_s=100)
        assert [(job["state"], len(job["epochs"])) for job in jobs] == [("done", 6)]
        context = {"dataset": "digits", "recipe": "quick"}
        frame = client.curves(NB201, metric="train_loss", **context).to_pandas()
        assert frame["epoch"].tolist() == list(range(1, 7))
        assert frame["value"].tolist() == [epoch["train"]["loss"] for epoch in jobs[0]["epochs"]]
        again = client.submit([NB201], dataset="digits", recipe="quick")
        assert [one["run"] for one in again] == [job["run"] for job in jobs]


def test_a_training_that_fails_is_an_error(server: Server) -> None:
    with Client(server.url) as client:
        taken = client.submit(6111, dataset="digits", recipe="wild")
        with pytest.raises(TrainingError, match=r"failed: diverged at epoch \d") as failed:
            client.wait(taken, progress=False, timeout_s=100)
        (job,) = failed.value.items
        assert (job["cell"], job["recipe"], job["state"]) == ("nb201-006111", "wild", "failed")


def test_as_many_cells_as_may_be_asked_for_fit_into_an_address(server: Server) -> None:
    with Client(server.url) as client:
        every = [f"nb201-{index:06}" for index in range(1000)]
        assert (
            client.cells(cell=every, fields="id", sort="official_index").to_polars()["id"].to_list()
            == every
        )


def test_a_closed_server_is_read_with_a_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELLWISE_TOKEN", raising=False)
    with closing(Library.open(home)) as library:
        transport = TestClient(create_app(library, read="token"))._transport
        token = tokens.add(home, "script")
        with pytest.raises(ClientError, match="Reading needs") as refused:
            len(Client(transport=transport).cells())
        assert refused.value.status == 401
        assert len(Client(token=token, transport=transport).cells(width=3)) == 6144
        monkeypatch.setenv("CELLWISE_TOKEN", token)
        assert Client(transport=transport).cells(width=3).to_polars().height == 6144


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of_docstrings_are_true(
    module: ModuleType, started_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the server were at its usual address."""
    made = functools.partial(Client, transport=started_client._transport)
    monkeypatch.setattr(analysis.client, "Client", made)
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert tests
    for test in tests:
        test.globs |= {"client": made(), "Client": made}
        told: list[str] = []
        doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append)
        assert "".join(told) == ""


def test_the_page_shows_what_happens(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its sessions, one after the other, on a home of their own.

    Its trainings end at once: that workers train is for the tests above.
    """
    text = (ROOT / "docs" / "client.md").read_text()
    sessions = re.findall(r"```pycon\n(.*?)```", text, re.DOTALL)
    assert len(sessions) >= 7
    monkeypatch.chdir(tmp_path)
    with closing(Library.open(home)) as library:
        queue = Queue(library, Instant(), [Slot("cpu", None, 1)])
        app = create_app(library, queue=queue)
        app.dependency_overrides[may_write] = lambda: None
        transport = TestClient(app)._transport
        made = functools.partial(Client, transport=transport)
        monkeypatch.setattr(analysis.client, "Client", made)
        told: list[str] = []
        page = doctest.DocTestParser().get_doctest("\n".join(sessions), {}, "page", None, None)
        with queue.working():
            doctest.DocTestRunner(optionflags=OPTIONS).run(page, out=told.append)
        assert "".join(told) == ""
