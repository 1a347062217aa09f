"""How topology goes with accuracy: at one metric, and epoch by epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field as Parameter

from analysis.correlation import Interval
from analysis.reliability import Reliability
from data.by_epoch import Epochs, by_epoch
from data.columns import GROUPINGS
from data.correlations import Options, Result, correlations
from data.errors import blame
from data.evidence import icc
from data.queries import Field, View, counted
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import FILES, collection
from service.api.params import (
    GROUPINGS_TOLD,
    CellFilters,
    Format,
    Name,
    Names,
    read,
    split_names,
)

router = APIRouter(tags=["statistics"])

MOST_COLUMNS = 40
MOST_BY_EPOCH = 10


Method = Annotated[
    Literal["spearman", "kendall", "pearson"], Parameter(description="kendall is tau-b")
]


class Correlating(CellFilters):  # type: ignore[misc,valid-type]
    """How to correlate, and which cells: parameters of several calls."""

    method: Method = "spearman"
    control: Names = Parameter(
        (),
        description="hold this column fixed: partial correlation (repeatable)",
        examples=[["params_m"]],
    )
    group_by: Name | None = Parameter(
        None,
        description="mean of the coefficients inside groups of equal value, weighted by their "
        f"size: any column, or {GROUPINGS_TOLD}",
        examples=["live_ops"],
    )
    resample: Literal["cells", "classes", "groups"] | None = Parameter(
        None,
        description="what the bootstrap draws: whole groups (with `group_by` the default), or "
        "inside of each group whole classes of cells that are one network (else the default), or "
        "single cells",
    )
    confidence: Annotated[float, Parameter(gt=0, lt=1)] = Parameter(
        0.95, description="confidence of the interval"
    )
    resamples: Annotated[int, Parameter(ge=100, le=10_000)] = Parameter(
        999, description="bootstrap resamples"
    )
    bootstrap_seed: Annotated[int, Parameter(ge=0, le=2**31)] = Parameter(
        0, description="seed of the bootstrap: the same one gives the same interval"
    )

    def correlating(self, ci: Interval) -> Options:
        """As the data layer takes them."""
        return Options(
            method=self.method,
            controls=tuple(split_names(self.control)),
            group_by=self.group_by,
            ci=ci,
            resample=self.resample,
            confidence=self.confidence,
            resamples=self.resamples,
            bootstrap_seed=self.bootstrap_seed,
        )


class _CorrelationBase(Correlating):
    ci: Interval = Parameter(
        "fisher",
        description="confidence interval: `fisher`, on the scale of Fisher's z, within groups from "
        "the variance between them",
    )

    def options(self) -> Options:
        """As the data layer takes them."""
        return self.correlating(self.ci)


class CorrelationsQuery(_CorrelationBase):
    """Parameters of ``GET /correlations``."""

    comparable_by: Name | None = Parameter(
        None,
        description="over the cells that `group_by` this would compare: those of groups in which x "
        "and y vary, of three cells at least",
        examples=["live_ops"],
    )
    x: Names = Parameter(
        ...,
        min_length=1,
        max_length=MOST_COLUMNS,
        description="columns or metrics (repeatable)",
        examples=[["width", "depth"]],
    )
    y: Names = Parameter(
        ...,
        min_length=1,
        max_length=MOST_COLUMNS,
        description="columns or metrics (repeatable)",
        examples=[["valid_accuracy@final"]],
    )
    format: Format | None = Parameter(None, description="instead of the Accept header")

    def options(self) -> Options:
        """As the data layer takes them."""
        return replace(super().options(), comparable_by=self.comparable_by)


class ByEpoch(_CorrelationBase):
    """What is correlated epoch by epoch, as an answer and as a picture."""

    x: Names = Parameter(
        ...,
        min_length=1,
        max_length=MOST_BY_EPOCH,
        description="columns or metrics (repeatable)",
        examples=[["width"]],
    )
    y: Name = Parameter(..., description="a measure without an epoch", examples=["valid_accuracy"])
    schedule: Annotated[int, Parameter(ge=1, le=99_999)] | None = Parameter(
        None, description="planned epochs; the longest recorded by default", examples=[200]
    )
    same_cells: bool = Parameter(
        True,
        description="over the cells that have all of these epochs; false: over those that each "
        "epoch has, other ones from epoch to epoch",
    )
    min_epoch: Annotated[int, Parameter(ge=1, le=99_999)] | None = Parameter(
        None, description="the first epoch that is shown", examples=[3]
    )
    max_epoch: Annotated[int, Parameter(ge=1, le=99_999)] | None = Parameter(
        None, description="the last one"
    )

    def epochs(self) -> Epochs:
        """As the data layer takes them."""
        return Epochs(self.min_epoch, self.max_epoch, self.same_cells)


class ByEpochQuery(ByEpoch):
    """Parameters of ``GET /correlations/by-epoch``."""

    format: Format | None = Parameter(None, description="instead of the Accept header")


def describe(view: View, result: Result) -> dict[str, Any]:
    """One coefficient as the contract shows it."""
    found, told = result.correlation, result.evidence
    described: dict[str, Any] = {
        "x": result.x.name,
        "y": result.y.name,
        "method": found.method,
        "coefficient": found.coefficient,
        "p_value": found.p_value,
        "p_method": found.p_method,
        "ci": list(found.ci) if found.ci is not None else None,
        "ci_method": found.ci_method,
        "resampled": found.resampled,
        "n": found.n,
        "n_distinct": found.n_distinct,
        "n_effective": found.n_effective,
        "censored": told.censored,
        "diverged": told.diverged,
        "excluded": result.excluded,
        "reason": found.reason,
    }
    if found.n_groups is not None:
        described |= {"groups": found.n_groups, "i_squared": found.i_squared}
    reasons = {
        "p_reason": found.p_reason,
        "ci_reason": found.ci_reason,
        "i_squared_reason": found.i_squared_reason,
    }
    if told.of_metrics:
        described["reliability"] = {
            "x": reliability(view, told.x),
            "y": reliability(view, told.y),
        }
        described["disattenuated"] = told.disattenuated
        reasons["disattenuated_reason"] = told.why_not
    return described | {name: reason for name, reason in reasons.items() if reason is not None}


def group_fields(view: View, query: Correlating, parameter: str = "group_by") -> list[Field]:
    """The column that cells are grouped by, if it is one."""
    name = getattr(query, parameter)
    if name is None or name in GROUPINGS:
        return []
    with blame(parameter):
        return [view.field(name, others=GROUPINGS)]


def reliability(view: View, found: Reliability | None) -> dict[str, Any] | None:
    """How reliable a metric is, as the contract shows it; None for a column."""
    if found is None:
        return None
    return {
        "icc": icc(view, found),
        "icc_single": found.single,
        "seeds": found.seeds,
        "n": found.n,
        "reason": found.reason,
    }


def _context(query: _CorrelationBase) -> dict[str, Any]:
    return {
        "control": split_names(query.control),
        "group_by": query.group_by,
        "confidence": query.confidence if query.ci != "none" else None,
    }


@router.get(
    "/correlations",
    summary="Correlate columns and metrics over the cells that have both",
)
@describes(CorrelationsQuery, schemas.Correlations, *FILES)
def correlate(request: Request) -> Response:
    """Every x with every y. A coefficient that is undefined is null with its reason."""
    query: Any = read(CorrelationsQuery, request)
    view = deps.view(request, query)
    filters = query.filters()
    with blame("x"):
        xs = split_names(query.x, MOST_COLUMNS)
    with blame("y"):
        ys = split_names(query.y, MOST_COLUMNS)
    fields: list[Field] = []
    for parameter, names in (("x", xs), ("y", ys), ("control", split_names(query.control))):
        with blame(parameter):
            fields += [view.field(name) for name in names]
    fields += group_fields(view, query) + group_fields(view, query, "comparable_by")
    results = correlations(view, filters, xs, ys, query.options())
    cells = np.logical_or.reduce([result.cells for result in results])
    context = deps.describe_context(view, fields, filters, cells) | _context(query)
    context["comparable_by"] = query.comparable_by
    return collection(
        request,
        query.format,
        [describe(view, result) for result in results],
        context,
        "correlations",
    )


@router.get(
    "/correlations/by-epoch",
    summary="The same at every recorded epoch of a schedule",
)
@describes(ByEpochQuery, schemas.CorrelationsByEpoch, *FILES)
def correlate_by_epoch(request: Request) -> Response:
    """One coefficient an epoch: where in training does width stop to tell anything?"""
    query: Any = read(ByEpochQuery, request)
    records, context = each_epoch(request, query)
    return collection(request, query.format, records, context, "correlations-by-epoch")


def each_epoch(request: Request, query: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One coefficient an epoch and x, and what they are of."""
    view = deps.view(request, query)
    filters = query.filters()
    fields: list[Field] = []
    with blame("x"):
        xs = split_names(query.x, MOST_BY_EPOCH)
        fields += [view.field(name) for name in xs]
    with blame("control"):
        fields += [view.field(name) for name in split_names(query.control)]
    fields += group_fields(view, query)
    with blame("y"):
        resolved = view.snapshot.catalogue.resolve_curve(query.y, query.schedule, view.context)
    epochs = query.epochs()
    records: list[dict[str, Any]] = []
    seeds: list[int] = []
    cells = np.zeros(view.frame.size, np.bool_)
    for entry in by_epoch(view, filters, xs, resolved, query.options(), epochs):
        records.append({"epoch": entry.epoch, **describe(view, entry.result)})
        seeds += entry.seeds or []
        cells |= entry.result.cells
    context = deps.describe_context(view, fields, filters, cells) | _context(query)
    context["same_cells"] = query.same_cells
    given = counted(view.snapshot.vectors.curves_given(resolved), view.mask(filters))
    curve = deps.describe_set(resolved, [min(seeds), max(seeds)] if seeds else None, given)
    del curve["epoch"], curve["metric"]
    context["sets"][query.y] = curve
    return records, context
