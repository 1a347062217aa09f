"""Differences of correlations: does width tell more early than late, or more than depth does?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field as Parameter

from analysis.contrast import Contrast
from data.contrasts import over_the_same_cells
from data.correlations import Options
from data.errors import QueryError, blame
from data.queries import Field
from service.api import deps, schemas
from service.api.documentation import describes
from service.api.formats import FILES, collection
from service.api.params import Format, Names, read, split_names
from service.api.routes.correlations import Correlating, group_fields, reliability

router = APIRouter(tags=["statistics"])

_MOST = 2


class ContrastsQuery(Correlating):
    """Parameters of ``GET /correlations/contrasts``."""

    x: Names = Parameter(
        ...,
        min_length=1,
        max_length=_MOST,
        description="one or two columns or metrics",
        examples=[["width", "depth"]],
    )
    y: Names = Parameter(
        ...,
        min_length=1,
        max_length=_MOST,
        description="one or two columns or metrics; two of `x` or of `y` at least",
        examples=[["valid_accuracy@final"]],
    )
    format: Format | None = Parameter(None, description="instead of the Accept header")

    def options(self) -> Options:
        """As the data layer takes them."""
        return self.correlating("bootstrap")


@router.get(
    "/correlations/contrasts",
    summary="Differences of correlations over the same cells",
)
@describes(ContrastsQuery, schemas.Contrasts, *FILES)
def contrast(request: Request) -> Response:
    """Each coefficient and each difference, all over the same cells and from the same resamples."""
    query: Any = read(ContrastsQuery, request)
    view = deps.view(request, query)
    filters = query.filters()
    names: dict[str, list[str]] = {}
    fields: list[Field] = []
    for parameter, given in (("x", query.x), ("y", query.y), ("control", query.control)):
        with blame(parameter):
            most = {} if parameter == "control" else {"most": _MOST}
            names[parameter] = split_names(given, **most)
            fields += [view.field(name) for name in names[parameter]]
    xs, ys = names["x"], names["y"]
    if len(xs) * len(ys) < _MOST:
        raise QueryError(
            ",".join(xs), "one x and one y have no difference", "two of x or of y", "x"
        )
    fields += group_fields(view, query)
    found = over_the_same_cells(view, filters, xs, ys, query.options())
    shared = {
        "method": query.method,
        "censored": found.censored,
        "diverged": found.diverged,
        "excluded": found.excluded,
        "reliability": {name: reliability(view, one) for name, one in found.reliability.items()},
    }
    context = deps.describe_context(view, fields, filters, found.cells) | {
        "control": names["control"],
        "group_by": query.group_by,
        "confidence": query.confidence,
        **shared,
    }
    # A file has no context, so that each row says what all rest on.
    records = [_describe(item, xs, ys) | shared for item in found.items]
    return collection(request, query.format, records, context, "contrasts")


def _describe(found: Contrast, xs: list[str], ys: list[str]) -> dict[str, Any]:
    return {
        "x": [xs[place] for place in found.x],
        "y": [ys[place] for place in found.y],
        "estimate": found.estimate,
        "standard_error": found.standard_error,
        "ci": list(found.ci) if found.ci is not None else None,
        "resampled": found.resampled,
        "n": found.n,
        "n_distinct": found.n_distinct,
        "n_groups": found.n_groups,
        "reason": found.reason,
    }
