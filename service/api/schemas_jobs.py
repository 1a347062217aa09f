"""What answers of jobs, recipes and data sets look like, as :mod:`service.api.schemas` says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from service.api.schemas import Answer, Record


class Taken(Answer):
    """What became of one cell and seed."""

    cell: str
    seed: int
    status: Literal["existing", "queued", "failed"]
    job: str | None = Field(description="address of the job")
    run: str | None = Field(description="address of the run")


class JobsTaken(Answer):
    """What became of every cell and seed, in the order that was asked."""

    items: list[Taken]


class Progress(Answer):
    """How far a training is."""

    epoch: int = Field(description="epochs done")
    epochs: int = Field(description="epochs of the recipe")
    images_per_s: float | None = Field(description="of training, in the last epoch")
    seconds_left: float | None = Field(description="of training, judged by the last epoch")
    measured: int
    to_measure: int | None = Field(description="null before the first measurement")


class JobLinks(Answer):
    """Where to go on."""

    self: str
    cell: str
    events: str
    log: str


class JobOf(Answer):
    """A training job."""

    id: int
    cell: str
    name: str | None = Field(description="of a published cell or its adapted form, else null")
    arch: str
    dataset: str
    recipe: str
    seed: int
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    priority: int
    position: int | None = Field(description="1 is the next to run; null unless queued")
    measurement: Record | None = Field(description="what is measured on the network on the way")
    progress: Progress | None = Field(
        description="null before the first epoch or measurement is done"
    )
    device: str | None
    attempts: int = Field(description="how often a worker was started")
    error: str | None = Field(description="what went wrong, with the last lines of the log")
    run: str | None = Field(
        description="address of the run that it became, or that was there when its turn came"
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks


class JobDocument(JobOf):
    """A job with every epoch so far."""

    epochs: list[Record] = Field(
        description="loss and accuracy by image set, seconds, images a second"
    )
    measurements: list[Record] = Field(description="as docs/studies.md says, by kind")
    details: Record | None = Field(description="of a measurement: what it was done with")


class JobPage(Answer):
    """A page of jobs."""

    items: list[JobOf]
    counts: dict[str, int] = Field(description="all jobs by state")
    next: str | None


class RecipeOf(Answer):
    """A recipe."""

    name: str
    about: str
    spaces: list[str] = Field(description="whose cells it trains")
    settings: Record


class Recipes(Answer):
    """All recipes."""

    items: list[RecipeOf]
    faults: dict[str, str] = Field(description="files that can't be taken, and why, by name")
    own: str = Field(description="where recipes of one's own go")


class DatasetOf(Answer):
    """A data set, and whether its images are here."""

    name: str
    title: str
    classes: int | None
    image: list[int] | None = Field(description="channels, height, width")
    sizes: dict[str, int] = Field(description="images by set")
    origin: str | None
    licence: str | None
    how_to_get: str | None
    found: bool
    path: str | None
    format: str | None
    rendering: str | None
    split: str | None = Field(description="by what they are divided: official or seeded")
    detail: str


class Datasets(Answer):
    """All data sets."""

    items: list[DatasetOf]
    places: list[str] = Field(description="folders where images are looked for, in order")
