"""Training and studies: asking for them, waiting for them, ending them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from typing import Any, Literal, SupportsIndex, TypeAlias, cast, overload

from analysis.client.answers import Items, Rows
from analysis.client.parameters import pairs
from analysis.client.reading import PAGE, CellName, Reading
from analysis.client.shapes import Job, JobDocument, Record, State, Study, StudyDocument, Taken
from analysis.client.waiting import Kind, Waiting

JobName: TypeAlias = int | Job
"""A job, or its number."""
StudyName: TypeAlias = int | Study
"""A study, or its number."""


class Client(Reading):
    """A server: what it knows, and what it is asked to train.

    :class:`~analysis.client.calls.Calls` has the arguments and what is sent again,
    :class:`~analysis.client.reading.Reading` how filters are given.

    >>> with Client("http://127.0.0.1:8000", retries=5) as server:
    ...     server.get("/health")["status"]
    'ok'
    """

    def submit(
        self,
        cells: CellName | Iterable[CellName],
        *,
        dataset: str,
        recipe: str,
        seeds: SupportsIndex | Iterable[SupportsIndex] = 777,
        priority: int = 0,
        force: bool = False,
    ) -> list[Taken]:
        """Have cells trained, each with every seed; what is known already is not trained again.

        The same request twice makes no second job, so that it is sent again where no answer came;
        not with ``force``, which trains anew.

        Raises:
            ClientError: no answer, or a refusal.
        """
        body = {
            "cells": _cells(cells),
            "dataset": dataset,
            "recipe": recipe,
            "seeds": [index(seed) for seed in (seeds if isinstance(seeds, Iterable) else [seeds])],
            "priority": priority,
            "force": force,
        }
        return cast(
            "list[Taken]", self.post("/jobs", body, repeatable=not force, holding="items")["items"]
        )

    def jobs(
        self, *, state: State | Iterable[State] | None = None, limit: int | None = None
    ) -> Items[Job]:
        """Training jobs, the latest first; ``answer["counts"]`` counts all by state.

        >>> list(client.jobs(state=["queued", "running"]))
        []
        """
        return Items(self, "/jobs", pairs({"state": state, "limit": limit}), PAGE)

    def job(self, job: JobName | str) -> JobDocument:
        """A job with every epoch so far, by its number or by its address in another answer.

        Raises:
            ClientError: no answer, or a refusal.
        """
        address = job if isinstance(job, str) else f"/jobs/{_number(job)}"
        return cast("JobDocument", self.get(address))

    def cancel(self, job: JobName) -> Job:
        """End a job; what it has done is kept, and :meth:`resume` goes on after its last epoch.

        Raises:
            ClientError: no answer, or a refusal (409: it has ended).
        """
        return cast("Job", self.delete(f"/jobs/{_number(job)}"))

    def resume(self, job: JobName) -> Job:
        """Go on with a job that was cancelled or failed.

        Raises:
            ClientError: no answer, or a refusal (409: it is under way, done, or would fail again).
        """
        return cast("Job", self.post(f"/jobs/{_number(job)}/resume"))

    def submit_study(
        self, kind: str, cells: CellName | Iterable[CellName], **settings: Any
    ) -> Study:
        """Have cells studied: ``kind`` and settings are those of docs/studies.md.

        The same study twice is one study, so that it is sent again where no answer came.

        Raises:
            ClientError: no answer, or a refusal.
        """
        body = {"kind": kind, "cells": _cells(cells), **settings}
        return cast("Study", self.post("/studies", body, repeatable=True))

    def studies(self) -> Items[Study]:
        """Studies, the latest first.

        >>> {study["kind"] for study in client.studies()} >= {"landscape", "smoothness"}
        True
        """
        return Items(self, "/studies", page=200)

    def study(self, study: StudyName) -> StudyDocument:
        """A study with its results so far.

        >>> client.study(1)["state"]
        'done'

        Raises:
            ClientError: no answer, or a refusal.
        """
        return cast("StudyDocument", self.get(f"/studies/{_number(study)}"))

    def study_rows(self, study: StudyName) -> Rows:
        """The results of a study as one long table.

        >>> "cell" in client.study_rows(1).to_pandas().columns
        True
        """
        return Rows(self, f"/studies/{_number(study)}")

    def cancel_study(self, study: StudyName) -> Study:
        """End the jobs of a study; what is done is kept.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return cast("Study", self.delete(f"/studies/{_number(study)}"))

    def resume_study(self, study: StudyName) -> Study:
        """Go on with the jobs of a study that were cancelled or failed.

        Raises:
            ClientError: no answer, or a refusal.
        """
        return cast("Study", self.post(f"/studies/{_number(study)}/resume"))

    @overload
    def wait(
        self, what: Study, *, progress: bool = ..., timeout_s: float | None = ...
    ) -> StudyDocument: ...
    @overload
    def wait(
        self, what: JobName, *, progress: bool = ..., timeout_s: float | None = ...
    ) -> JobDocument: ...
    @overload
    def wait(
        self, what: Iterable[Study], *, progress: bool = ..., timeout_s: float | None = ...
    ) -> list[StudyDocument]: ...
    @overload
    def wait(
        self,
        what: Iterable[int | Job | Taken],
        *,
        progress: bool = ...,
        timeout_s: float | None = ...,
    ) -> list[JobDocument]: ...
    def wait(self, what: Any, *, progress: bool = True, timeout_s: float | None = None) -> Any:
        """Wait until a job or study, or every one of several, has ended; returns them whole.

        ``what`` is a job or its number, a study, several jobs or studies, or what :meth:`submit`
        answered, of which those that need no training are left out. It asks every other second or
        so, which goes through every proxy; ``retries=8`` outlasts a minute without the server. The
        bar needs rich, and a terminal, or a notebook with ipywidgets; without, nothing is shown.
        Whatever ends the waiting (Ctrl-C, an error, the end of the script), what was waited for
        goes on.

        Raises:
            ClientError: no answer, or a refusal.
            StillRunningError: not all had ended after ``timeout_s`` seconds; a ``TimeoutError``.
            TrainingError: all have ended, and some failed or were cancelled; says why.
            TypeError: jobs and studies at once, or what is neither.
        """
        one = isinstance(what, Mapping) or not isinstance(what, Iterable)
        kind, numbers = _targets([what] if one else what)
        waiting = Waiting(self, kind, numbers, self._pause)
        documents = waiting.until_ended(progress=progress, timeout_s=timeout_s)
        return documents[0] if one else documents


def _cells(cells: CellName | Iterable[CellName]) -> list[str]:
    if isinstance(cells, str) or not isinstance(cells, Iterable):
        return [str(cells)]
    return [str(cell) for cell in cells]


def _number(what: SupportsIndex | Mapping[str, Any]) -> int:
    if not isinstance(what, Mapping):
        return index(what)
    if "id" not in what:
        raise TypeError(f"{dict(what)!r:.200} is no job or study: it has no id")
    return int(what["id"])


def _targets(what: Iterable[int | Record]) -> tuple[Kind, list[int]]:
    """The numbers of jobs, or else of studies.

    Raises:
        TypeError: of both, or something else.
    """
    found: list[tuple[str, int]] = []
    for one in what:
        if isinstance(one, Mapping) and "status" in one:  # as POST /jobs answers
            if one["job"] is not None:
                found.append(("jobs", int(one["job"].rpartition("/")[2])))
        else:
            study = isinstance(one, Mapping) and "kind" in one
            found.append(("studies" if study else "jobs", _number(one)))
    kinds = {kind for kind, _ in found} or {"jobs"}
    if len(kinds) > 1:
        raise TypeError("jobs and studies at once: wait for the ones, then for the others")
    return cast("Literal['jobs', 'studies']", kinds.pop()), [number for _, number in found]
