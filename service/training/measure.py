"""What can be measured on a network, as data: which figures, at which epochs, on how many images.

Free of torch: the server checks what is asked; :mod:`service.training.measurements` does it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

At = Literal["end", "ends", "every-epoch"]
"""When it is measured: after the last epoch, before the first and after the last, or before the
first and after each."""


def due(at: At, epochs: int) -> list[int]:
    """The epochs at which it is measured, of a training over ``epochs``; 0 is before it."""
    every = range(epochs + 1)
    return {"end": [every[-1]], "ends": [0, every[-1]], "every-epoch": list(every)}[at]


_AT = "end: after the last epoch; ends: before the first too; every-epoch: after each too"
_IMAGES = "which images, never augmented; test: ori-test, or x-valid"


class _Measurement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    images: Literal["test", "train"] = Field(default="test", description=_IMAGES)
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="of directions, batches and start vectors"
    )


def _odd(points: int) -> int:
    if points % 2 == 0:
        raise ValueError("an even number of points has none at the centre")
    return points


class Landscape(_Measurement):
    """Loss and accuracy around trained weights, along filter-normalised random directions.

    Li et al. 2018, arXiv 1712.09913; defined in docs/studies.md.
    """

    kind: Literal["landscape"] = "landscape"
    at: Literal["end"] = Field(default="end", description="after the last epoch")
    dimensions: Literal[1, 2] = Field(default=2, description="how many random directions")
    points: int = Field(default=21, ge=3, le=501, description="a side of the grid; odd")
    reach: float = Field(default=1.0, gt=0, le=100, description="the grid spans −reach … reach")
    sample: int | None = Field(
        default=None, ge=1, description="at most so many images, all classes alike; null: all"
    )

    @property
    def rows(self) -> int:
        """How many rows its grid has, each measured at once."""
        return self.points if self.dimensions == 2 else 1

    _centred = field_validator("points")(_odd)


class GradientVariance(_Measurement):
    """E_i ‖g_i − ḡ‖² over the gradients g_i of mini-batches (docs/studies.md).

    With ``plane``, over the plane of a landscape too, after the last epoch.
    """

    kind: Literal["gradient-variance"] = "gradient-variance"
    at: At = Field(default="every-epoch", description=_AT)
    images: Literal["test", "train"] = Field(default="train", description=_IMAGES)
    batch: int = Field(default=64, ge=1, le=65_536, description="images a batch")
    batches: int = Field(default=16, ge=2, le=10_000, description="of one fixed sample")
    statistics: Literal["batch", "running"] = Field(
        default="batch", description="what batch normalisation uses; batch: as training does"
    )
    plane: int | None = Field(
        default=None, ge=3, le=501, description="points a side of a grid over the plane; odd"
    )
    reach: float = Field(default=1.0, gt=0, le=100, description="of the plane")

    @property
    def needed(self) -> int:
        """How many images its batches take, none of them twice."""
        return self.batch * self.batches

    @field_validator("plane")
    @classmethod
    def _centred(cls, points: int | None) -> int | None:
        return None if points is None else _odd(points)


class Smoothness(_Measurement):
    """The Hessian's eigenvalue of largest magnitude, by block and for the whole network."""

    kind: Literal["smoothness"] = "smoothness"
    at: At = Field(default="end", description=_AT)
    images: Literal["test", "train"] = Field(default="train", description=_IMAGES)
    sample: int = Field(default=512, ge=1, description="at most so many images, all classes alike")
    statistics: Literal["batch", "running"] = Field(
        default="running", description="what batch normalisation uses; running: as evaluation does"
    )


AnyMeasurement = Landscape | GradientVariance | Smoothness
Measurement = Annotated[AnyMeasurement, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[AnyMeasurement] = TypeAdapter(Measurement)


def read_measurement(text: str) -> AnyMeasurement:
    """What ``model_dump_json`` wrote."""
    return _ADAPTER.validate_json(text)
