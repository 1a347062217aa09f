"""What answers of studies look like, as :mod:`service.api.schemas` says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from service.api.schemas import Answer, Record


class StudyProgress(Answer):
    """How far a study is."""

    ended: int = Field(description="trainings and measurements that are done, failed or cancelled")
    parts: int


class StudyLinks(Answer):
    """Where to go on."""

    self: str
    table: str
    picture: str = Field(description="the first of the pictures")
    pictures: dict[str, str] = Field(description="by view")


class StudyOf(Answer):
    """A study."""

    id: int
    kind: Literal[
        "landscape",
        "gradient-variance",
        "smoothness",
        "variants",
        "lr-robustness",
        "generalisation",
    ]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    settings: Record = Field(description="as they were asked for, defaults filled in")
    progress: StudyProgress
    created_at: datetime
    links: StudyLinks


class StudyPart(Answer):
    """A training or measurement of a study."""

    cell: str
    name: str | None = Field(description="of a published cell or its adapted form, else null")
    role: Literal["original", "random-connections", "random-operations", "adapted"]
    original: str
    dataset: str
    recipe: str
    seed: int
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    diverged: bool = Field(description="the loss ceased to be a number: a result, not a fault")
    epochs: int = Field(description="recorded so far")
    measured: int
    to_measure: int | None = Field(description="null before the first measurement")
    error: str | None
    job: str | None
    run: str | None = Field(
        description="what it ended in; null before that, or where it was removed"
    )


class StudyDocument(StudyOf):
    """A study with its results so far."""

    parts: list[StudyPart]
    results: list[Record] | Record = Field(description="by kind, see docs/studies.md")


class StudyPage(Answer):
    """A page of studies."""

    items: list[StudyOf]
    next: str | None
