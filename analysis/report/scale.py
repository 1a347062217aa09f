"""How large the experiments are: everything that tells a first look from the paper's own scale."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from analysis.spaces.darts import NAMED
from analysis.spaces.published import FIVE

DEFAULT = "proxy"

Seeds = Annotated[tuple[int, ...], Field(min_length=1)]


class ScaleError(ValueError):
    """A scale that isn't there or can't be taken; the message says why."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Family(_Settings):
    """A cell and variants of it that differ in their connections alone."""

    cell: str = Field(description="one of the named cells")
    variants: int = Field(ge=4, le=1000, description="randomly connected variants")
    draw: int = Field(ge=0, description="seed of the draws")


class Operations(_Settings):
    """Randomly connected variants beside variants with other operations."""

    seeds: Seeds = Field(description="two or more, to tell cells from seeds")


class Landscape(_Settings):
    """The loss over the plane of two random directions."""

    points: int = Field(ge=3, description="a side; odd")
    sample: int | None = Field(default=None, ge=1, description="test images; none: all")


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

    datasets: Annotated[tuple[str, ...], Field(min_length=1)]
    recipe: str
    seeds: Seeds


class Scale(_Settings):
    """One scale, as its TOML file says it.

    Attributes:
        name: as ``--scale`` takes it.
        limits: what can't be told at this scale, as a paragraph of the report.
        learning_rate: of what isn't done at several; one of ``learning_rates``.
    """

    name: str
    about: str
    limits: str = ""
    dataset: str
    recipe: str
    seeds: Seeds
    learning_rates: Annotated[tuple[float, ...], Field(min_length=1)]
    learning_rate: float
    family: Family
    operations: Operations
    landscape: Landscape
    gradients: Gradients
    smoothness: Smoothness
    generalisation: Generalisation

    @model_validator(mode="after")
    def _fits(self) -> Scale:
        if self.learning_rate not in self.learning_rates:
            raise ValueError(f"learning_rate {self.learning_rate:g} isn't among learning_rates")
        if self.family.cell not in NAMED:
            known = f"{', '.join(FIVE)} or another cell with a name"
            raise ValueError(f"family.cell {self.family.cell}; allowed: {known}")
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
