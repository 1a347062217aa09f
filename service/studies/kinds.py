"""What can be studied, as data: the bodies of ``POST /studies``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from analysis.spaces.variants import Kind as Variants
from data.job_rows import MOST_PRIORITY
from service.training import measure
from service.training.measure import AnyMeasurement

RATES = (0.0025, 0.025, 0.25)
"""The learning rates of Shu, Wang and Cai 2020 (arXiv 1909.09569)."""

MOST_CELLS = 1000

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...], Field(min_length=1, max_length=1000)
]
Rates = Annotated[
    tuple[Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)], ...], Field(max_length=20)
]


class _Study(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_CELLS)] = Field(
        description="id, string, official index, genotype or name", examples=[["DARTS-V2"]]
    )
    recipe: Name = Field(description="as GET /recipes lists them", examples=["proxy"])
    seeds: Seeds = Field((777,), description="one training of each cell for each")
    priority: Annotated[int, Field(ge=-MOST_PRIORITY, le=MOST_PRIORITY)] = Field(
        0, description="higher ones run first"
    )


class _OnOneDataset(_Study):
    dataset: Name = Field(description="as GET /datasets lists them", examples=["digits"])


class _Measuring(_OnOneDataset):
    """A study that measures something on each trained network."""

    def measurement(self) -> AnyMeasurement:
        """What is measured."""
        kind = next(
            base
            for base in (measure.Landscape, measure.GradientVariance, measure.Smoothness)
            if isinstance(self, base)
        )
        return kind(**{name: getattr(self, name) for name in kind.model_fields})


class LandscapeStudy(measure.Landscape, _Measuring):
    """The loss around trained weights."""


class GradientVarianceStudy(measure.GradientVariance, _Measuring):
    """How much gradients differ from mini-batch to mini-batch, as training goes on."""


class SmoothnessStudy(measure.Smoothness, _Measuring):
    """The largest eigenvalue of the Hessian, by block."""


class _Compared(_Study):
    variants: Annotated[tuple[Variants, ...], Field(max_length=3)] = Field(
        description="kinds of variants to compare with: random-connections, random-operations, "
        "adapted"
    )
    count: Annotated[int, Field(ge=1, le=MOST_CELLS)] = Field(
        12, description="variants of each cell and kind"
    )
    draw: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(0, description="seed of the draws")


class _Convergence(_Compared, _OnOneDataset):
    learning_rates: Rates = Field(description="each trains everything anew; none: the recipe's own")
    epoch: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="T of the measures over the first T epochs; null: half of the schedule"
    )
    threshold: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="percent, for the epochs that an accuracy takes"
    )


class VariantsStudy(_Convergence):
    """How fast cells converge beside their variants, and what that is due to."""

    kind: Literal["variants"]
    variants: Annotated[tuple[Variants, ...], Field(max_length=3)] = Field(
        ("random-connections", "random-operations"),
        description=_Compared.model_fields["variants"].description,
    )
    learning_rates: Rates = Field(
        (), description=_Convergence.model_fields["learning_rates"].description
    )


class LearningRateStudy(_Convergence):
    """How cells, and variants if asked for, bear other learning rates."""

    kind: Literal["lr-robustness"]
    variants: Annotated[tuple[Variants, ...], Field(max_length=3)] = Field(
        (), description=_Compared.model_fields["variants"].description
    )
    learning_rates: Rates = Field(
        RATES, description=_Convergence.model_fields["learning_rates"].description
    )


class GeneralisationStudy(_Study):
    """Whether adapted cells end up more accurate than the originals."""

    kind: Literal["generalisation"]
    datasets: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)] = Field(
        description="as GET /datasets lists them", examples=[["digits", "fashion-mnist"]]
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="of the intervals; the tests are at 1 − confidence"
    )


Measuring = LandscapeStudy | GradientVarianceStudy | SmoothnessStudy
Convergence = VariantsStudy | LearningRateStudy
AnyStudy = Measuring | Convergence | GeneralisationStudy

KINDS: dict[str, type[AnyStudy]] = {
    "landscape": LandscapeStudy,
    "gradient-variance": GradientVarianceStudy,
    "smoothness": SmoothnessStudy,
    "variants": VariantsStudy,
    "lr-robustness": LearningRateStudy,
    "generalisation": GeneralisationStudy,
}


class StudyRequest(RootModel[Annotated[AnyStudy, Field(discriminator="kind")]]):
    """Body of ``POST /studies``: what ``kind`` says is studied."""


def read_study(text: str) -> AnyStudy:
    """What ``model_dump_json`` wrote."""
    return StudyRequest.model_validate_json(text).root
