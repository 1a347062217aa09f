"""Recipes: everything that decides how a cell is trained, as data.

A recipe is a TOML file (docs/training.md has the reference). Those that come with Cellwise lie in
``recipe_files/``; one's own lie in ``<home>/recipes/``. A run stores its recipe whole, so that a
figure can be traced to the settings that made it whatever becomes of the file.

Free of torch: the server lists and checks recipes.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.errors import nearest

FOLDER = "recipes"
"""Where a home keeps recipes of one's own."""

_AT_RATE = "@lr="
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class RecipeError(ValueError):
    """A recipe that isn't there, can't be read, or doesn't train what was asked."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NasBench201Network(_Settings):
    """The skeleton for cells of NAS-Bench-201: three stages at C, 2C, 4C (arXiv 2001.00326)."""

    channels: int = Field(ge=1, le=512, description="C, channels of the first stage")
    cells: int = Field(ge=1, le=50, description="N, cells a stage")


class DartsNetwork(_Settings):
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


class Networks(_Settings):
    """A skeleton for each space that the recipe trains."""

    nasbench201: NasBench201Network | None = None
    darts: DartsNetwork | None = None


class Optimiser(_Settings):
    """Stochastic gradient descent with momentum; the learning rate decays to 0 by a cosine."""

    learning_rate: float = Field(gt=0.0, le=100.0)
    decay: Literal["batch", "epoch"] = Field(
        default="batch", description="whether the rate follows the cosine by batch or by epoch"
    )
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0)
    clip: float = Field(default=0.0, ge=0.0, description="bound on the gradient's norm; 0: none")


class Augmentation(_Settings):
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


class ImageSettings(_Settings):
    """Fewer and smaller images, for a proxy of a full training; all of them as they are by default.

    Fewer: a seeded sample with all classes alike. Smaller: averaged over squares of as few whole
    pixels as bring the longer side to ``side`` or less.
    """

    train: int | None = Field(default=None, ge=1, description="at most so many to train on")
    evaluate: int | None = Field(default=None, ge=1, description="at most so many of other sets")
    side: int | None = Field(default=None, ge=4, description="at most so many pixels a side")


class Recipe(_Settings):
    """How a cell is trained."""

    name: str
    about: str = ""
    epochs: int = Field(ge=1, le=10_000)
    batch: int = Field(ge=2, le=65_536)
    network: Networks
    optimiser: Optimiser
    augment: Augmentation = Augmentation()
    images: ImageSettings = ImageSettings()
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="of convolutions; auto: bfloat16 where the device computes in it",
    )

    @property
    def spaces(self) -> tuple[str, ...]:
        """The spaces whose cells it trains."""
        given = {"nasbench201": self.network.nasbench201, "darts": self.network.darts}
        return tuple(space for space, network in given.items() if network is not None)

    @property
    def digest(self) -> str:
        """SHA-256 of everything but name and description: what tells two recipes apart."""
        text = self.model_dump_json(exclude={"name", "about"})
        return hashlib.sha256(text.encode()).hexdigest()

    def at_rate(self, rate: float) -> Recipe:
        """The same at another learning rate, under a name of its own: ``proxy@lr=0.25``.

        Raises:
            RecipeError: the rate is out of range, or this is another recipe at a rate already.
        """
        if rate == self.optimiser.learning_rate:
            return self
        if _AT_RATE in self.name:
            raise RecipeError(
                f"recipe {self.name} names its rate already: ask with the recipe itself"
            )
        settings = self.model_dump()
        settings["optimiser"]["learning_rate"] = rate
        settings["name"] = f"{self.name}{_AT_RATE}{float(rate)!r}"
        try:
            return Recipe(**settings)
        except ValidationError as error:
            raise RecipeError(f"recipe {settings['name']}: {'; '.join(_faults(error))}") from None

    def skeleton(self, space: str) -> NasBench201Network | DartsNetwork:
        """The skeleton for cells of ``space``.

        Raises:
            RecipeError: it trains none of them.
        """
        network = {"nasbench201": self.network.nasbench201, "darts": self.network.darts}[space]
        if network is None:
            raise RecipeError(
                f"recipe {self.name} trains no cells of space {space}; it trains those of "
                f"{', '.join(self.spaces)}"
            )
        return network


def read_recipe(text: str, name: str, where: str) -> Recipe:
    """A recipe from TOML.

    Raises:
        RecipeError: says in which file which setting can't be taken, and why.
    """
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where} is not TOML: {error}") from None
    if "name" in settings:
        raise RecipeError(f"{where}: a recipe is named by its file; leave `name` out")
    try:
        recipe = Recipe(name=name, **settings)
    except ValidationError as error:
        raise RecipeError(f"{where}: {'; '.join(_faults(error))}") from None
    if not recipe.spaces:
        raise RecipeError(
            f"{where} trains nothing: give [network.nasbench201], [network.darts] or both"
        )
    return recipe


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        place = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            allowed = _settings_at(fault["loc"][:-1])
            yield f"{place} is no setting; {_hint(fault['loc'][-1], allowed)}"
        elif fault["type"] == "missing":
            yield f"{place} is missing"
        else:
            yield f"{place} = {fault['input']!r}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def _hint(name: object, allowed: Iterable[str]) -> str:
    return " ".join((nearest(str(name), allowed), f"allowed: {', '.join(allowed)}")).strip()


def _settings_at(place: tuple[int | str, ...]) -> tuple[str, ...]:
    model: type[BaseModel] = Recipe
    for part in place:
        annotation: Any = model.model_fields[str(part)].annotation
        kinds = getattr(annotation, "__args__", (annotation,))
        model = next(kind for kind in kinds if kind is not type(None))
    return tuple(name for name in model.model_fields if name != "name")


@cache
def builtin() -> dict[str, Recipe]:
    """The recipes that come with Cellwise, by name."""
    folder = files("service.training") / "recipe_files"
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            name = entry.name.removesuffix(".toml")
            found[name] = read_recipe(entry.read_text("utf-8"), name, entry.name)
    return found


def read_file(path: Path) -> Recipe:
    """A recipe of one's own, named by its file.

    Raises:
        RecipeError: it can't be read, its settings can't be taken, or its name is a built-in one's.
    """
    name = path.name.removesuffix(".toml")
    if not _NAME.fullmatch(name):
        raise RecipeError(
            f"{path}: {name!r} can't name a recipe; allowed: lower-case letters, digits and . _ -"
        )
    if name in builtin():
        raise RecipeError(f"{path}: {name} is a recipe of Cellwise's own; choose another file name")
    try:
        return read_recipe(path.read_text("utf-8"), name, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} can't be read: {error}") from None


def available(home: Path) -> tuple[dict[str, Recipe], dict[str, str]]:
    """The recipes that can be used in a home, and what is wrong with files that can't, by name."""
    recipes, faults = dict(builtin()), {}
    for path in sorted((home / FOLDER).glob("*.toml")):
        try:
            recipe = read_file(path)
        except RecipeError as error:
            faults[path.name.removesuffix(".toml")] = str(error)
        else:
            recipes[recipe.name] = recipe
    return recipes, faults


def adopt(path: Path, home: Path) -> Recipe:
    """Take a recipe's file into a home, so that it can be asked for by its name.

    Raises:
        RecipeError: it can't be taken, or the home has another one of that name.
    """
    recipe = read_file(path)
    own = home / FOLDER / path.name
    if own.exists():
        if read_file(own).digest != recipe.digest:
            raise RecipeError(f"{own} is another recipe; choose another file name than {path.name}")
        return recipe
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"{own} can't be written: {error}") from error
    return recipe


def parted(name: str) -> tuple[str, float | None]:
    """A recipe's name without the learning rate that it names, and that: ``proxy@lr=0.25``.

    Raises:
        RecipeError: what it names is no number.
    """
    own, at, rate = name.partition(_AT_RATE)
    try:
        return own, float(rate) if at else None
    except ValueError:
        raise RecipeError(f"recipe {name:.100}: {rate!r:.100} is no learning rate") from None


def find(name: str, home: Path) -> Recipe:
    """The recipe of that name; ``NAME@lr=0.25`` is the recipe NAME at another learning rate.

    Never a path: names come from clients on other machines.

    Raises:
        RecipeError: there is none, or its file can't be taken.
    """
    recipes, faults = available(home)
    own, rate = parted(name)
    if own in recipes:
        return recipes[own] if rate is None else recipes[own].at_rate(rate)
    if own in faults:
        raise RecipeError(faults[own])
    raise RecipeError(
        f"no recipe {name!r}; {_hint(name, recipes)}, and one's own as TOML files in "
        f"{home / FOLDER}"
    )
