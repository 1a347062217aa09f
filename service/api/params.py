"""Query parameters: strict models, and the OpenAPI entries that describe them.

A route reads its parameters with :func:`read`. Unknown names, repeated single parameters, NaN and
infinities are errors that name the nearest valid choice. The filters come from the registry of
columns, so that a new column is a new filter.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_origin

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    create_model,
)

from analysis.spaces.nasbench201 import EDGES, OPERATIONS
from analysis.spaces.published import KINDS, Kind
from analysis.spaces.wirings import WiringSampler
from data.columns import COLUMNS, GROUPINGS, SAMENESS
from data.errors import QueryError, blame, nearest
from data.metrics import Context
from data.queries import Bound, Filters, parse_metric_bound
from service.api.errors import UNKNOWN, ParameterError, ParameterProblem

Model = TypeVar("Model", bound="Query")

Format = Literal["json", "csv", "ndjson", "parquet", "arrow"]


Reference = Annotated[
    WiringSampler,
    Field(
        description="the wirings that genotypes are ranked among: `distinct`, all with two "
        "different sources a node; `paper`, as the code of Shu et al. (2020) draws them, where "
        "sources repeat",
        examples=["paper"],
    ),
]
"""By which sampler genotypes are ranked."""


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character")
    return text


Text = Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_no_nul)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_nul)]

GROUPINGS_TOLD = ", or ".join(f"`{name}` for equal {what}" for name, what in GROUPINGS.items())
"""What cells can be grouped by besides columns, for descriptions of parameters."""


def _some_name(text: str) -> str:
    if not any(part.strip() for part in text.split(",")):
        raise ValueError("no name stands in it")
    return text


Names = Annotated[tuple[Annotated[Text, AfterValidator(_some_name)], ...], Field(max_length=200)]
"""Names in repeated parameters, in comma-separated ones, or both: see :func:`split_names`."""

MOST_NAMES = 200
"""How many names one parameter may hold in all."""


class Query(BaseModel):
    """Base of all parameter models."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ContextQuery(Query):
    """What a metric is asked for."""

    dataset: Name = Field(
        "cifar10", description="data set, in any case", examples=["cifar100", "ImageNet16-120"]
    )
    seed: Literal["mean"] | Annotated[int, Field(ge=0, le=2**62)] = Field(
        "mean", description="`mean` over the seeds there are, or one seed", examples=["mean", 777]
    )
    source: Name | None = Field(
        None,
        description="read this source only, instead of the best of all for each cell",
        examples=["hpo-bench"],
    )
    pooled: bool = Field(
        False, description="all sources as one, each seed once, instead of one source a cell"
    )
    recipe: Name | None = Field(
        None, description="training recipe; the benchmark's own by default", examples=["nb201-200"]
    )
    images: Name = Field("original", description="which rendering of the data set's images")
    split: Name | None = Field(
        None,
        description="by what the images were divided: `official` or `seeded`; the only one that "
        "is recorded by default, of the benchmark's own recipes the official one",
        examples=["official"],
    )

    def context(self) -> Context:
        """As the data layer takes it."""
        return Context(
            dataset=self.dataset,
            seed=self.seed if isinstance(self.seed, int) else None,
            source=self.source,
            recipe=self.recipe,
            images=self.images,
            split=self.split,
            pooled=self.pooled,
        )


_OPERATION: Any = Literal[OPERATIONS]
_FILTERS: dict[str, Any] = {
    "space": (
        Literal["nasbench201", "darts", "all"] | None,
        Field(
            None,
            description="search space; nasbench201 unless `cell` names cells, since widths of "
            "different spaces are in different units",
        ),
    ),
    "connected": (
        bool | None,
        Field(None, description="whether a path leads from input to output", examples=["true"]),
    ),
    "unique": (
        Literal[tuple(SAMENESS)] | None,
        Field(
            None,
            description="one cell, the lowest index, per class of sameness: "
            + "; ".join(f"`{name}`: {text}" for name, text in SAMENESS.items()),
        ),
    ),
    "cell": (
        Annotated[tuple[Text, ...], Field(max_length=1000)],
        Field((), description="only these cells (repeatable): id, string, index or name"),
    ),
    "named": (
        Annotated[tuple[Kind, ...], Field(max_length=len(KINDS))],
        Field(
            (),
            description="only cells with a name of these kinds (repeatable): "
            + "; ".join(f"`{kind}`, {text}" for kind, text in KINDS.items()),
            examples=[["published", "elsewhere"]],
        ),
    ),
    "min_metric": (
        Names,
        Field(
            (),
            description="`<metric>:<value>` (repeatable)",
            examples=[["valid_accuracy@final:90"]],
        ),
    ),
    "max_metric": (Names, Field((), description="`<metric>:<value>` (repeatable)")),
}
for _source, _target in EDGES:
    _FILTERS[f"op_{_source}{_target}"] = (
        _OPERATION | None,
        Field(None, description=f"operation on the NAS-Bench-201 edge {_source}→{_target}"),
    )
for _column in COLUMNS.values():
    _about = f"{_column.meaning} ({_column.unit})"
    _FILTERS[f"min_{_column.name}"] = (
        FiniteFloat | None,
        Field(None, description=f"at least: {_about}"),
    )
    _FILTERS[f"max_{_column.name}"] = (
        FiniteFloat | None,
        Field(None, description=f"at most: {_about}"),
    )
    _FILTERS[_column.name] = (FiniteFloat | None, Field(None, description=f"equal to: {_about}"))

_BOUNDS = tuple(
    (f"{prefix}{name}", name, comparison)
    for name in COLUMNS
    for prefix, comparison in (("min_", ">="), ("max_", "<="), ("", "="))
)
_EDGE_FILTERS = tuple((f"op_{source}{target}", (source, target)) for source, target in EDGES)


class _CellsBase(ContextQuery):
    def filters(self) -> Filters:
        """As the data layer takes them."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        bounds: list[Bound] = [
            Bound(name, comparison, given[parameter])  # type: ignore[arg-type]
            for parameter, name, comparison in _BOUNDS
            if given.get(parameter) is not None
        ]
        for parameter, comparison in (("min_metric", ">="), ("max_metric", "<=")):
            for text in given.get(parameter, ()):
                with blame(parameter):
                    bounds.append(parse_metric_bound(text, comparison))  # type: ignore[arg-type]
        return Filters(
            space=given.get("space"),
            connected=given.get("connected"),
            unique=given.get("unique"),
            cells=given.get("cell", ()),
            named=given.get("named", ()),
            operations=tuple(
                (edge, given[parameter])
                for parameter, edge in _EDGE_FILTERS
                if given.get(parameter) is not None
            ),
            bounds=tuple(bounds),
        )


CellFilters: type[_CellsBase] = create_model("CellFilters", __base__=_CellsBase, **_FILTERS)
"""The filters that every collection takes, with the context of metrics."""


def split_names(values: tuple[str, ...], most: int = MOST_NAMES) -> list[str]:
    """``a,b`` and repeated parameters alike, in order, blanks cut.

    Raises:
        QueryError: more than ``most``.
    """
    names = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if len(names) > most:
        raise QueryError(",".join(names)[:200], f"{len(names)} names", f"at most {most} names")
    return names


def _repeatable(model: type[Query]) -> frozenset[str]:
    return frozenset(
        name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple
    )


_REPEATABLE: dict[type[Query], frozenset[str]] = {}


def read(model: type[Model], request: Request) -> Model:
    """The request's query parameters as ``model``.

    Raises:
        ParameterError: every parameter that can't be taken, each with what is allowed.
    """
    repeatable = _REPEATABLE.setdefault(model, _repeatable(model))
    values: dict[str, Any] = {}
    errors: list[ParameterProblem] = []
    for name, value in request.query_params.multi_items():
        if name not in model.model_fields:
            errors.append(_unknown(model, name, value))
        elif name in repeatable:
            values.setdefault(name, []).append(value)
        elif name in values:
            errors.append(
                ParameterProblem(name=name, value=value, problem="given twice", allowed="one value")
            )
        else:
            values[name] = value
    if not errors:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            errors.extend(_explain(model, error))
    raise ParameterError(errors)


def _unknown(model: type[Query], name: str, value: str) -> ParameterProblem:
    names = list(model.model_fields)
    allowed = nearest(name, names) or ", ".join(
        other for other in names if not other.startswith(("min_", "max_", "op_"))
    )
    allowed = allowed or "no parameters here"
    return ParameterProblem(name=name, value=value, problem=UNKNOWN, allowed=allowed)


def _explain(model: type[Query], error: ValidationError) -> list[ParameterProblem]:
    found: dict[str, ParameterProblem] = {}
    for entry in error.errors():
        name = str(entry["loc"][0])
        value = entry["input"]
        found.setdefault(
            name,
            ParameterProblem(
                name=name,
                value=value if isinstance(value, str) else None,
                problem=_problem(entry["type"], entry["msg"], value),
                allowed=_allowed(model, name),
            ),
        )
    return list(found.values())


def _problem(kind: str, message: str, value: Any) -> str:
    if kind in ("float_parsing", "float_type"):
        return "not a number"
    if kind == "finite_number":
        return "not a finite number"
    if kind == "missing":
        return "missing"
    if kind == "too_long" and isinstance(value, list):
        return f"{len(value):,} values"
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


@cache
def _properties(model: type[Query]) -> dict[str, Any]:
    properties: dict[str, Any] = model.model_json_schema()["properties"]
    return properties


def _allowed(model: type[Query], name: str) -> str:
    schema = _properties(model)[name]
    parts: list[str] = []
    for option in schema.get("anyOf", [schema]):
        choices = option.get("items", {}).get("enum")
        if choices is not None:  # several of which may be given
            parts.extend(map(str, choices))
        elif "enum" in option:
            parts.extend(map(str, option["enum"]))
        elif "const" in option:
            parts.append(str(option["const"]))
        elif option.get("type") in ("integer", "number"):
            low, high = option.get("minimum"), option.get("maximum")
            bounds = f" from {low}" if low is not None else ""
            bounds += f" to {high}" if high is not None else ""
            parts.append(
                ("a whole number" if option["type"] == "integer" else "a finite number") + bounds
            )
        elif option.get("type") == "boolean":
            parts.append("true, false")
        elif option.get("type") == "array":
            parts.append(f"at most {option.get('maxItems')} values")
        elif option.get("type") == "string":
            parts.append("text")
    return ", ".join(dict.fromkeys(parts))


def openapi_parameters(model: type[Query]) -> list[dict[str, Any]]:
    """The model's fields as OpenAPI query parameters."""
    schema = model.model_json_schema()
    parameters = []
    for name, field in schema["properties"].items():
        body = {key: value for key, value in field.items() if key not in ("title", "description")}
        options = [option for option in body.get("anyOf", ()) if option != {"type": "null"}]
        if len(options) == 1:
            body = {
                **options[0],
                **{k: v for k, v in body.items() if k not in ("anyOf", "default")},
            }
        elif options:
            body["anyOf"] = options
        if body.get("default", 0) in (None, ()):
            del body["default"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": field.get("description", ""),
                "schema": body,
            }
        )
    return parameters
