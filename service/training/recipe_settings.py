"""The parts of a recipe: networks, optimiser, augmentation, images."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Named values and no others, none of them infinite or not a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NasBench201Network(Settings):
    """The skeleton for cells of NAS-Bench-201: three stages at C, 2C, 4C (arXiv 2001.00326)."""

    channels: int = Field(ge=1, le=512, description="C, channels of the first stage")
    cells: int = Field(ge=1, le=50, description="N, cells a stage")


class DartsNetwork(Settings):
    """The skeleton for DARTS-style cells, reductions at 1/3 and 2/3 of the cells."""

    channels: int = Field(ge=1, le=512, description="C, channels of a node in the first cells")
    cells: int = Field(ge=3, le=50, description="cells in all, the two reduction cells included")
    auxiliary: float = Field(
        default=0.0, ge=0.0, le=1.0, description="weight of the auxiliary head's loss; 0: no head"
    )
    drop_path: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="probability of dropping a path in the last epoch; grows linearly to that",
    )


class Networks(Settings):
    """A skeleton for each space that the recipe trains."""

    nasbench201: NasBench201Network | None = None
    darts: DartsNetwork | None = None


class Optimiser(Settings):
    """Stochastic gradient descent with momentum; the learning rate decays to 0 by a cosine."""

    learning_rate: float = Field(gt=0.0, le=100.0)
    decay: Literal["batch", "epoch"] = Field(
        default="batch", description="whether the rate follows the cosine by batch or by epoch"
    )
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0)
    clip: float = Field(default=0.0, ge=0.0, description="bound on the gradient's norm; 0: none")


class Augmentation(Settings):
    """What is done to training images; lengths are shares of an image's side."""

    crop: float = Field(
        default=0.0, ge=0.0, le=0.5, description="padding of the random crop; 0.125: 4 of 32 pixels"
    )
    flip: bool = Field(
        default=False, description="mirror half of the images, where a mirror image is of its class"
    )
    cutout: float = Field(
        default=0.0, ge=0.0, le=1.0, description="side of the square that is blanked; 0: none"
    )


class ImageSettings(Settings):
    """Fewer and smaller images, for a proxy of a full training; all of them as they are by default.

    Fewer: a seeded sample with all classes alike. Smaller: averaged over squares of as few whole
    pixels as bring the longer side to ``side`` or less.
    """

    train: int | None = Field(default=None, ge=1, description="at most so many to train on")
    evaluate: int | None = Field(default=None, ge=1, description="at most so many of other sets")
    side: int | None = Field(default=None, ge=4, description="at most so many pixels a side")
