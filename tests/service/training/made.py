"""Small trainings: images that can be learnt in seconds, recipes that take no time."""

from __future__ import annotations

from typing import Any

import numpy as np

from data.sources.base import EvalSet
from service.training.images import Images, ImageSet
from service.training.recipes import Recipe

NB201 = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


def recipe(**changes: Any) -> Recipe:
    """A recipe of two epochs on a network that is next to nothing."""
    settings: dict[str, Any] = {
        "name": "tiny",
        "epochs": 2,
        "batch": 16,
        "network": {
            "nasbench201": {"channels": 4, "cells": 1},
            "darts": {"channels": 2, "cells": 3},
        },
        "optimiser": {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        "augment": {"crop": 0.125, "flip": True},
    }
    return Recipe.model_validate(settings | changes)


def images(*, side: int = 8, classes: int = 3, train: int = 50, others: int = 20) -> Images:
    """Classes told apart by their brightness, with noise."""
    rng = np.random.default_rng(0)

    def part(count: int) -> ImageSet:
        labels = rng.integers(0, classes, count)
        noise = rng.integers(0, 60, (count, 1, side, side))
        pictures = noise + (labels * (180 // classes))[:, None, None, None]
        return ImageSet(pictures.astype(np.uint8), labels.astype(np.int64))

    sets: dict[EvalSet, ImageSet] = {
        "train": part(train),
        "x-valid": part(others),
        "ori-test": part(others),
    }
    return Images(
        dataset="made",
        rendering="original",
        classes=classes,
        mean=(100.0,),
        std=(60.0,),
        sets=sets,
        division="official",
        split="made",
        checksum="0" * 64,
    )
