"""How large the experiments are: everything that tells a first look from the paper's own scale."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from analysis.spaces.darts import NAMED, adapted
from analysis.spaces.published import FIVE

DEFAULT = "evidence"

FEWEST_WIRINGS = 6
"""Of a family: with fewer, no correlation can be told from chance."""


def _named(cell: str) -> str:
    if cell not in NAMED:
        raise ValueError(f"cell {cell}; allowed: {', '.join(FIVE)} or another cell with a name")
    return cell


def _to_adapt(cell: str) -> str:
    if adapted(NAMED[cell]) == NAMED[cell]:
        raise ValueError(f"cell {cell}; allowed: cells that aren't adapted already")
    return cell


Named = Annotated[str, AfterValidator(_named)]
"""A cell that the report, too, can tell from its id alone."""

Seeds = Annotated[tuple[int, ...], Field(min_length=1)]


class ScaleError(ValueError):
    """A scale that isn't there or can't be taken; the message says why."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Family(_Settings):
    """A cell and others that differ from it in their connections alone, or in their operations.

    Its wirings are the cell, its adapted form, the first ``published`` of the paper's own random
    connections (``NAME-conn1`` …) and ``drawn`` more; its operations likewise (``NAME-ops1`` …).
    """

    cell: Named = Field(description="one of the named cells")
    adapted: bool = Field(default=True, description="its adapted form too")
    published: int = Field(default=0, ge=0, le=10, description="the paper's random connections")
    drawn: int = Field(default=0, ge=0, le=1000, description="further random connections")
    draw: int = Field(default=1, ge=0, description="seed of what is drawn")
    seeds: Seeds = Field(description="of the trainings at the one learning rate")
    rate_seeds: tuple[int, ...] = Field(default=(), description="at the other rates; none: not")
    measured: int = Field(default=0, ge=0, description="of how many wirings, the first ones")
    published_operations: int = Field(default=0, ge=0, le=10, description="the paper's own")
    drawn_operations: int = Field(default=0, ge=0, le=1000, description="further ones")
    operation_seeds: tuple[int, ...] = Field(
        default=(), description="of both kinds of variants; two or more tell cells from seeds"
    )

    @property
    def wirings(self) -> int:
        """How many cells it has that differ in their connections alone."""
        return 1 + self.adapted + self.published + self.drawn

    @property
    def operations(self) -> int:
        """How many variants with other operations it has."""
        return self.published_operations + self.drawn_operations

    @model_validator(mode="after")
    def _fits(self) -> Family:
        if self.wirings < FEWEST_WIRINGS:
            raise ValueError(f"{self.wirings} wirings; allowed: {FEWEST_WIRINGS} and more")
        if self.measured > self.wirings:
            raise ValueError(f"measured {self.measured} of {self.wirings} wirings")
        if bool(self.operations) != bool(self.operation_seeds):
            raise ValueError("operations and operation_seeds go together")
        return self


class Landscape(_Settings):
    """The loss over planes of two random directions each."""

    points: int = Field(ge=3, description="a side; odd")
    sample: int | None = Field(default=None, ge=1, description="test images; none: all")
    planes: int = Field(default=1, ge=1, le=100, description="over which curvature is averaged")


class Gradients(_Settings):
    """Gradient variance, by epoch and over the landscape's plane."""

    batch: int = Field(ge=1)
    batches: int = Field(ge=2)
    plane: int = Field(ge=3, description="points a side; odd")
    plane_batches: int = Field(ge=2)


class Smoothness(_Settings):
    """Largest eigenvalues of the Hessian."""

    at: Literal["end", "ends"] = Field(default="ends", description="before training too, or after")
    sample: int = Field(ge=1, description="training images")


class Generalisation(_Settings):
    """Named cells against their adapted forms."""

    cells: Annotated[tuple[Annotated[Named, AfterValidator(_to_adapt)], ...], Field(min_length=1)]
    datasets: Annotated[tuple[str, ...], Field(min_length=1)]
    recipe: str
    seeds: Seeds


class Scale(_Settings):
    """One scale, as its TOML file says it.

    Attributes:
        name: as ``--scale`` takes it.
        limits: what can't be told at this scale, as a paragraph of the report.
        learning_rate: of what isn't done at several; one of ``learning_rates``.
        families: the first is looked at more closely than the others: its landscapes are whole
            pictures, and it has gradients by epoch and eigenvalues.
    """

    name: str
    about: str
    limits: str = ""
    dataset: str
    recipe: str
    learning_rates: Annotated[tuple[float, ...], Field(min_length=1)]
    learning_rate: float
    families: Annotated[tuple[Family, ...], Field(min_length=1)]
    landscape: Landscape
    gradients: Gradients
    smoothness: Smoothness
    generalisation: Generalisation

    @property
    def family(self) -> Family:
        """The one that is looked at most closely."""
        return self.families[0]

    @property
    def other_rates(self) -> tuple[float, ...]:
        """The learning rates but for the one at which most is done."""
        return tuple(rate for rate in self.learning_rates if rate != self.learning_rate)

    @model_validator(mode="after")
    def _fits(self) -> Scale:
        if self.learning_rate not in self.learning_rates:
            raise ValueError(f"learning_rate {self.learning_rate:g} isn't among learning_rates")
        cells = [family.cell for family in self.families]
        if len(set(cells)) < len(cells):
            raise ValueError(f"families of one cell: {', '.join(cells)}; allowed: one each")
        if not self.family.measured:
            raise ValueError("the first family has to be measured")
        return self


@cache
def names() -> tuple[str, ...]:
    """The scales that come with Cellwise."""
    folder = files("analysis.report") / "scales"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()))


def find(name: str) -> Scale:
    """The scale of that name, or of the TOML file at that path.

    Raises:
        ScaleError: there is none, or it can't be taken.
    """
    try:
        if name in names():
            text = (files("analysis.report") / "scales" / f"{name}.toml").read_text("utf-8")
        elif name.endswith(".toml"):
            text = Path(name).read_text("utf-8")
        else:
            raise ScaleError(f"no scale {name!r}; allowed: {', '.join(names())}, or a TOML file")
        return Scale.model_validate(tomllib.loads(text) | {"name": name})
    except OSError as error:
        raise ScaleError(f"{name}: {error.strerror}") from error
    except ValidationError as error:
        told = (f"{'.'.join(map(str, one['loc']))} {one['msg']}" for one in error.errors())
        raise ScaleError(f"{name}: {'; '.join(told).strip()}") from error
    except ValueError as error:
        if isinstance(error, ScaleError):
            raise
        raise ScaleError(f"{name} is not TOML: {error}") from error
