"""A service with studies whose workers are staged, for tests of whatever has studies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

from data.library import Library
from service.api import schemas_studies
from service.api.app import create_app
from service.jobs.queue import Queue
from service.jobs.slots import Slot
from tests.service.helpers import get
from tests.service.jobs.staged import EPOCHS, StagedExecutor, done, number, record


class Lab:
    """A service whose workers do as a function of their assignment says."""

    def __init__(self, library: Library) -> None:
        self.executor = StagedExecutor()
        self.queue = Queue(library, self.executor, [Slot("cpu", None, 1)] * 500)
        self.client = TestClient(create_app(library, queue=self.queue), client=("127.0.0.1", 5))

    def post(self, status: int = 202, **body: Any) -> dict[str, Any]:
        answer = self.client.post("/studies", json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def study(self, of: int = 1) -> dict[str, Any]:
        document: dict[str, Any] = get(self.client, f"/studies/{of}")
        schemas_studies.StudyDocument.model_validate(document)
        return document

    def work(
        self,
        gain: Callable[[Any], float] = lambda _: 0.0,
        measured: Callable[[Any], list[dict[str, Any]]] = lambda _: [],
        failing: Callable[[Any], int] = lambda _: 0,
        only: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        """Every worker trains to the end; ``gain`` is added to the accuracies of all epochs.

        ``failing`` says how many epochs one has before it diverges, 0 of one that doesn't, whose
        accuracy of the next is recorded all the same; ``only``, which work at all.
        """
        self.queue.step()
        for folder in list(self.executor.started):
            assignment = folder.assignment()
            if folder.result() is not None or not only(assignment):
                continue
            last = int(failing(assignment))
            for epoch in range(1, (last + 1 if last else EPOCHS) + 1):
                told = record(epoch)
                for name in ("x-valid", "ori-test"):
                    told[name]["accuracy"] += gain(assignment)
                if last and epoch > last:
                    told["train"]["loss"] = None
                folder.append_epoch(told)
            lines = measured(assignment)
            for place, line in enumerate(lines, 1):
                folder.append_measured({"number": place, "of": len(lines), **line})
            result = done()
            if last:
                error = f"diverged at epoch {last + 1}"
                result = result.model_copy(
                    update={"state": "failed", "error": error, "details": {}}
                )
            folder.write_result(result)
            self.executor.dies(number(folder))
        self.queue.step()
