"""What answers of fixed shape hold; docs/api.md and ``/docs`` of a server say more of each.

Times are texts in ISO 8601. Where keys are the caller's own choice (fields, metrics), it is a
:data:`Record`.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Record: TypeAlias = dict[str, Any]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Space = Literal["nasbench201", "darts"]
Method = Literal["spearman", "kendall", "pearson"]
Resampled = Literal["cells", "classes", "groups"]


class Reliability(TypedDict):
    """Intraclass correlation of a metric over the cells; ``reason`` says why there is none."""

    icc: float | None
    icc_single: float | None
    seeds: float | None
    n: int
    reason: str | None


class Correlation(TypedDict):
    """One coefficient with its evidence; ``reason`` says why one is undefined."""

    x: str
    y: str
    method: Method
    coefficient: float | None
    p_value: float | None
    p_method: Literal["exact", "permutation", "t", "normal", "groups"] | None
    ci: list[float] | None
    ci_method: Literal["fisher", "groups", "bootstrap", "none"]
    resampled: Resampled | None
    n: int
    n_distinct: int
    n_effective: float | None
    censored: int
    diverged: int
    excluded: dict[str, int]
    reason: str | None
    groups: NotRequired[int]
    i_squared: NotRequired[float | None]
    p_reason: NotRequired[str]
    ci_reason: NotRequired[str]
    i_squared_reason: NotRequired[str]
    reliability: NotRequired[dict[str, Reliability | None]]
    disattenuated: NotRequired[float | None]
    disattenuated_reason: NotRequired[str]


class EpochCorrelation(Correlation):
    """A coefficient at one epoch."""

    epoch: int


class Contrast(TypedDict):
    """A coefficient, or the first less the second of ``x``, of ``y``, or of both."""

    x: list[str]
    y: list[str]
    estimate: float | None
    standard_error: float | None
    ci: list[float] | None
    resampled: Resampled
    n: int
    n_distinct: int
    n_groups: int | None
    reason: str | None
    method: Method
    censored: int
    diverged: int
    excluded: dict[str, int]
    reliability: dict[str, Reliability | None]


class Curve(TypedDict):
    """A learning curve; epochs count from 1."""

    cell: str
    metric: str
    dataset: str
    set: str
    schedule: int
    source: str
    seed: int | Literal["mean"] | None
    replicate: NotRequired[str | None]
    epochs: list[int]
    values: list[float | None]
    std: NotRequired[list[float | None]]
    n_seeds: NotRequired[list[float | None]]


class Rank(TypedDict):
    """Where one value stands; rank 1 is the widest, the shallowest, the best."""

    value: float | None
    order: Literal["falling", "rising"]
    among: str
    rank: int | None
    position: int | None
    positions: int | None
    of: int | None
    percentile: float | None
    member: bool | None
    reason: str | None


class CellRanks(TypedDict):
    """All ranks of one cell, by column and metric."""

    id: str
    name: str | None
    space: Space
    ranks: dict[str, Rank]


class Edge(TypedDict):
    """An edge as it was written, and whether pruning keeps it."""

    cell: Literal["normal", "reduce"]
    source: int
    target: int
    operation: str
    live: bool


class Run(TypedDict):
    """A training; times in seconds, parameters and FLOPs in millions."""

    id: str
    cell: str
    source: str
    dataset: str
    schedule: int
    seed: int | None
    replicate: str | None
    recipe: str
    images: str
    split: str
    device: str | None
    file_params_m: float | None
    file_flops_m: float | None
    latency_s: float | None
    train_time_s: float | None
    time_source: Literal["measured", "derived"] | None


class RunOfCell(Run):
    """A training with what it recorded, in short."""

    recorded: list[Record]


class RunDocument(Run):
    """A training with every recorded epoch and how it came about."""

    details: Record | None
    recorded: list[Record]
    links: dict[str, str]


class Known(TypedDict):
    """What is known of a cell that has a name."""

    kind: str
    source: str
    parent: str | None


class CellDocument(TypedDict):
    """One cell in full; ``train`` is the request that would train it."""

    id: str
    arch: str
    space: Space
    name: str | None
    known: Known | None
    connected: bool
    columns: dict[str, float | None]
    edges: list[Edge]
    sameness: dict[str, Record]
    runs: list[RunOfCell]
    links: dict[str, str]
    context: dict[str, str]
    train: NotRequired[Record]


class Variant(TypedDict):
    """A cell and where its width and depth rank."""

    id: str
    arch: str
    space: Space
    name: str | None
    width: float | None
    depth: int | None
    nominal_width: float | None
    nominal_depth: int | None
    reduce_width: NotRequired[float | None]
    reduce_depth: NotRequired[int | None]
    reduce_nominal_width: NotRequired[float | None]
    reduce_nominal_depth: NotRequired[int | None]
    ranks: dict[str, Rank]
    links: dict[str, str]


class Columns(TypedDict):
    """Every column and measure, and what is recorded."""

    columns: list[Record]
    fields: list[Record]
    measures: list[Record]
    metric_grammar: str
    sameness: list[Record]
    groupings: list[Record]
    recorded: list[Record]


class Source(TypedDict):
    """A loaded source."""

    name: str
    title: str
    origin: str
    licence: str
    notes: list[str]
    official: bool
    file: str
    checksum: str
    imported_at: str
    cells: int
    runs: int
    points: int
    shipped: bool


class Recipe(TypedDict):
    """How cells can be trained."""

    name: str
    about: str
    spaces: list[Space]
    settings: Record


class Dataset(TypedDict):
    """What cells can be trained on, and whether its images are on the server's machine."""

    name: str
    title: str
    classes: int | None
    image: list[int] | None
    sizes: dict[str, int]
    origin: str | None
    licence: str | None
    how_to_get: str | None
    found: bool
    path: str | None
    format: str | None
    rendering: str | None
    split: str | None
    detail: str


class Taken(TypedDict):
    """What became of one cell and seed; ``job`` and ``run`` are addresses."""

    cell: str
    seed: int
    status: Literal["existing", "queued", "failed"]
    job: str | None
    run: str | None


class JobProgress(TypedDict):
    """How far a job is."""

    epoch: int
    epochs: int
    images_per_s: float | None
    seconds_left: float | None
    measured: int
    to_measure: int | None


class Job(TypedDict):
    """A training job; ``run`` is the address of what it became."""

    id: int
    cell: str
    name: str | None
    arch: str
    dataset: str
    recipe: str
    seed: int
    state: State
    priority: int
    position: int | None
    measurement: Record | None
    progress: JobProgress | None
    device: str | None
    attempts: int
    error: str | None
    run: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    links: dict[str, str]


class JobDocument(Job):
    """A job with every epoch so far."""

    epochs: list[Record]
    measurements: list[Record]
    details: Record | None


class StudyProgress(TypedDict):
    """How far a study is: parts that have ended, of how many."""

    ended: int
    parts: int


class Study(TypedDict):
    """An experiment made of trainings and measurements."""

    id: int
    kind: str
    state: State
    settings: Record
    progress: StudyProgress
    created_at: str
    links: dict[str, str]


class StudyPart(TypedDict):
    """A training or measurement of a study."""

    cell: str
    name: str | None
    role: str
    original: str
    dataset: str
    recipe: str
    seed: int
    state: State
    diverged: bool
    epochs: int
    measured: int
    to_measure: int | None
    error: str | None
    job: str | None
    run: str | None


class StudyDocument(Study):
    """A study with its results so far, by kind as docs/studies.md says."""

    parts: list[StudyPart]
    results: list[Record] | Record
