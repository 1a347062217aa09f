"""What answers look like, for the OpenAPI document; tests hold real answers against it.

Routes write their answers themselves (a page of cells has a budget of a millisecond); these models
describe them. Where the keys are the caller's own choice (fields, metrics), values are open.
Those of jobs and studies are in modules of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from analysis.spaces.published import Kind

Record = dict[str, Any]


class Answer(BaseModel):
    """Base of all: what stands here is there, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class SetOf(Answer):
    """What a metric or curve was read from."""

    metric: str | None = Field(default=None, description="the metric, with its schedule")
    dataset: str = Field(description="data set as recorded")
    set: str = Field(description="image set: train, x-valid, x-test or ori-test")
    schedule: int
    epoch: int | None = None
    recipe: str
    images: str
    split: str = Field(description="by what the images were divided: official, seeded, ...")
    sources: dict[str, int] = Field(description="of how many of the cells each source gave it")
    n_seeds: tuple[int, int] | None = Field(
        default=None,
        description="fewest and most seeds of a cell that the answer rests on; null where unknown",
    )


class ContextOf(Answer):
    """What an answer was computed from."""

    dataset: str
    seed: int | Literal["mean", "all"]
    source: str | None
    recipe: str | None = Field(description="null: the benchmark's own, nb201-<schedule>")
    images: str
    split: str | None = Field(description="null: the only one there is, of nb201-… the official")
    pooled: bool = Field(description="whether sources were joined; else one source a cell")
    space: str | None = None
    sets: dict[str, SetOf] = Field(description="by metric")


class CorrelationContext(ContextOf):
    """The context, and how it was correlated."""

    control: list[str]
    group_by: str | None
    confidence: float | None


class CorrelationsContext(CorrelationContext):
    """The context, and by what the cells are comparable that count."""

    comparable_by: str | None


class GroupContext(ContextOf):
    """The context, and which cells are in no group."""

    excluded: dict[str, int]


class CellPage(Answer):
    """A page of cells: the asked fields, metrics with `:n_seeds` and `:std` behind."""

    items: list[Record]
    total: int = Field(description="cells that pass the filters")
    next: str | None = Field(description="address of the next page")
    context: ContextOf


class EdgeOf(Answer):
    """An edge as it was written, and whether pruning keeps it."""

    cell: Literal["normal", "reduce"]
    source: int
    target: int
    operation: str
    live: bool


class Sameness(Answer):
    """A class of cells that count as the same."""

    representative: str
    size: int
    others: list[str] = Field(description="at most 100")


class RunOf(Answer):
    """A training."""

    id: str
    cell: str
    source: str
    dataset: str
    schedule: int
    seed: int | None
    replicate: str | None = Field(description="tells unnamed seeds apart; `mean` for means")
    recipe: str
    images: str
    split: str
    device: str | None
    file_params_m: float | None = Field(description="millions, as the source has it")
    file_flops_m: float | None = Field(description="millions, as the source has it")
    latency_s: float | None = Field(description="seconds for a batch of 256")
    train_time_s: float | None = Field(description="seconds for the whole training")
    time_source: Literal["measured", "derived"] | None


class RecordedCurve(Answer):
    """What was recorded of a run, in short."""

    set: str
    measure: Literal["accuracy", "loss"]
    epochs: int
    first_epoch: int
    last_epoch: int
    at: str = Field(description="the epochs: `3, 8`, `1..12, 200`")
    last_value: float | None


class RunOfCell(RunOf):
    """A training with what it recorded."""

    recorded: list[RecordedCurve]


class KnownOf(Answer):
    """What is known of a cell that has a name."""

    kind: Kind = Field(description="as `named` filters by")
    source: str = Field(description="where it was published")
    parent: str | None = Field(description="name of the cell that it was made from")


class CellDocument(Answer):
    """One cell in full."""

    id: str
    arch: str
    space: Literal["nasbench201", "darts"]
    name: str | None
    known: KnownOf | None
    connected: bool
    columns: dict[str, float | None]
    edges: list[EdgeOf]
    sameness: dict[str, Sameness]
    runs: list[RunOfCell]
    links: dict[str, str]
    context: dict[str, str]
    train: Record | None = Field(default=None, description="the request that would train it")


class CurveOf(Answer):
    """A learning curve; epochs count from 1."""

    cell: str
    metric: str
    dataset: str
    set: str
    schedule: int
    source: str
    seed: int | Literal["mean"] | None
    replicate: str | None = None
    epochs: list[int]
    values: list[float | None]
    std: list[float | None] | None = Field(default=None, description="over seeds, by epoch")
    n_seeds: list[float | None] | None = Field(default=None, description="by epoch")


class Curves(Answer):
    """Learning curves of a cell."""

    items: list[CurveOf]
    context: ContextOf


class RunPage(Answer):
    """A page of runs."""

    items: list[RunOf]
    total: int
    next: str | None


class WholeCurve(Answer):
    """A recorded curve with every value."""

    set: str
    measure: Literal["accuracy", "loss"]
    epochs: list[int]
    values: list[float | None]


class RunDocument(RunOf):
    """A run with everything that was recorded of it."""

    details: Record | None = Field(
        description="how it came about, where that is on record: the whole recipe, versions, images"
    )
    recorded: list[WholeCurve]
    links: dict[str, str]


class ReliabilityOf(Answer):
    """How much of a metric's spread over the cells is of the cells and not of seeds."""

    icc: float | None = Field(
        description="intraclass correlation of the values at hand: ICC(1, k) of means over seeds, "
        "ICC(1) where one seed was asked for"
    )
    icc_single: float | None = Field(description="ICC(1), of a single seed")
    seeds: float | None = Field(description="seeds a cell; n_0 where numbers differ")
    n: int = Field(description="cells whose number of seeds is known")
    reason: str | None = Field(description="why there is none, as `one seed`")


class ReliabilitiesOf(Answer):
    """Of both columns; null for one that no training has to do with."""

    x: ReliabilityOf | None
    y: ReliabilityOf | None


class CorrelationOf(Answer):
    """One coefficient with its evidence."""

    x: str
    y: str
    method: Literal["spearman", "kendall", "pearson"]
    coefficient: float | None
    p_value: float | None = Field(description="two-sided")
    p_method: Literal["exact", "permutation", "t", "normal", "groups"] | None
    ci: tuple[float, float] | None
    ci_method: Literal["fisher", "groups", "bootstrap", "none"]
    resampled: Literal["cells", "classes", "groups"] | None = Field(
        description="what the bootstrap drew"
    )
    n: int = Field(description="cells that the coefficient rests on")
    n_distinct: int = Field(description="networks among them that compute something different")
    n_effective: float | None = Field(
        description="independent cells that these are worth; null within groups, and for partial "
        "taus"
    )
    censored: int = Field(description="of the cells in n, those ranked last as too slow")
    diverged: int = Field(description="of the cells in n, those ranked last as diverged")
    excluded: dict[str, int] = Field(description="cells left out, by reason")
    reason: str | None = Field(description="why the coefficient is undefined")
    groups: int | None = None
    i_squared: float | None = Field(
        default=None, description="share of the spread between groups that is more than chance"
    )
    p_reason: str | None = None
    ci_reason: str | None = None
    i_squared_reason: str | None = None
    reliability: ReliabilitiesOf | None = Field(default=None, description="of metrics")
    disattenuated: float | None = Field(
        default=None, description="the coefficient without the noise of seeds"
    )
    disattenuated_reason: str | None = None


class Correlations(Answer):
    """Every x with every y."""

    items: list[CorrelationOf]
    context: CorrelationsContext


class EpochCorrelation(CorrelationOf):
    """A coefficient at one epoch."""

    epoch: int


class ByEpochContext(CorrelationContext):
    """The context, and whether all coefficients are over the same cells."""

    same_cells: bool


class CorrelationsByEpoch(Answer):
    """Every x at every recorded epoch."""

    items: list[EpochCorrelation]
    context: ByEpochContext


class OverTheSameCells(Answer):
    """How columns were correlated, which cells are in no contrast, and how reliable columns are."""

    method: Literal["spearman", "kendall", "pearson"]
    censored: int = Field(description="of the cells in n, those ranked last as too slow")
    diverged: int = Field(description="of the cells in n, those ranked last as diverged")
    excluded: dict[str, int] = Field(description="cells left out, by reason")
    reliability: dict[str, ReliabilityOf | None] = Field(
        description="of each column over these cells; null for one that no training has to do with"
    )


class ContrastContext(CorrelationContext, OverTheSameCells):
    """The context, and what all contrasts rest on."""


class ContrastOf(OverTheSameCells):
    """A coefficient, or the first less the second of `x`, of `y`, or of both."""

    x: list[str]
    y: list[str]
    estimate: float | None
    standard_error: float | None
    ci: tuple[float, float] | None
    resampled: Literal["cells", "classes", "groups"]
    n: int = Field(description="cells that all of them rest on")
    n_distinct: int = Field(description="networks among them that compute something different")
    n_groups: int | None = Field(description="null without `group_by`")
    reason: str | None = Field(description="why the estimate, or its interval, is undefined")


class Contrasts(Answer):
    """Coefficients over the same cells, and their differences."""

    items: list[ContrastOf]
    context: ContrastContext


class ExplainedOf(Answer):
    """The share of a metric's variance that a grouping explains; null with a reason."""

    eta_squared: float | None = Field(description="in these cells")
    omega_squared: float | None = Field(description="estimated with less bias; may lie below 0")
    f: float | None
    p: float | None = Field(description="of equal means in all groups; none where cells are copies")
    n: int
    n_distinct: int = Field(description="networks among the cells that compute something different")
    groups: int
    reasons: dict[str, str]


class Groups(Answer):
    """Groups: their keys, `cells`, and `metrics` with the distribution of each."""

    items: list[Record]
    explained: dict[str, ExplainedOf] = Field(description="what the groups explain of each metric")
    context: GroupContext


class RankOf(Answer):
    """Where one value stands; rank 1 is the widest, the shallowest, the best."""

    value: float | None
    order: Literal["falling", "rising"]
    among: str
    rank: int | None
    position: int | None = Field(description="rank in distinct values")
    positions: int | None = Field(description="how many distinct values there are")
    of: int | None
    percentile: float | None
    member: bool | None = Field(description="whether the cell is itself one of those it is among")
    reason: str | None


class CellRanks(Answer):
    """All ranks of one cell."""

    id: str
    name: str | None
    space: str
    ranks: dict[str, RankOf]


class Ranks(Answer):
    """Ranks of cells."""

    items: list[CellRanks]
    context: ContextOf


class Columns(Answer):
    """Every column and measure, and what is recorded."""

    columns: list[Record]
    fields: list[Record]
    measures: list[Record]
    metric_grammar: str
    sameness: list[Record]
    groupings: list[Record] = Field(description="what `by` and `group_by` take besides columns")
    recorded: list[Record]


class SourceOf(Answer):
    """A loaded source."""

    name: str
    title: str
    origin: str
    licence: str
    notes: list[str]
    official: bool = Field(description="where sources overlap, official ones win")
    file: str
    checksum: str = Field(description="SHA-256")
    imported_at: datetime
    cells: int
    runs: int
    points: int
    shipped: bool = Field(
        description="comes with Cellwise: a start with newer content of it takes that"
    )


class Sources(Answer):
    """What is loaded; the first one wins."""

    items: list[SourceOf]


class Health(Answer):
    """That the service answers."""

    status: Literal["ok"]
    version: str
    cells: int
    runs: int
    sources: list[str]


class VariantOf(Answer):
    """A cell as `GET /variants` shows it; rank 1 is the widest, the shallowest."""

    id: str
    arch: str = Field(description="its string or genotype, as `POST /jobs` takes it")
    space: Literal["nasbench201", "darts"]
    name: str | None
    width: float | None = Field(description="null where no path leads from input to output")
    depth: int | None
    nominal_width: float | None = Field(description="before pruning")
    nominal_depth: int | None
    reduce_width: float | None = Field(default=None, description="only of a genotype")
    reduce_depth: int | None = None
    reduce_nominal_width: float | None = None
    reduce_nominal_depth: int | None = None
    ranks: dict[str, RankOf] = Field(description="as `GET /ranks` has them")
    links: dict[str, str]


class Variants(Answer):
    """Variants of a cell."""

    cell: VariantOf = Field(description="the cell itself")
    kind: Literal["random-connections", "random-operations", "adapted"]
    sampler: Literal["uniform", "paper"]
    seed: int = Field(description="of the draws; with sampler=paper that of the first one")
    duplicates: bool = Field(description="whether repeats may be among them")
    total: int = Field(description="different variants that there are, the cell itself left out")
    items: list[VariantOf]
    reason: str | None = Field(description="why there are fewer than were asked for")
