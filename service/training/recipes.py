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
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from data.errors import nearest
from data.recipe_names import EXACT, OPEN, SETTINGS, joined, parted
from service.training.recipe_settings import (
    Augmentation,
    DartsNetwork,
    ImageSettings,
    NasBench201Network,
    Networks,
    Optimiser,
    Settings,
)

FOLDER = "recipes"
"""Where a home keeps recipes of one's own."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SPOKEN = {"lr": "learning rate"}
_NUMBERS: dict[str, Callable[[str], int | float]] = {"batch": int, "lr": float}
_PRECISIONS = "allowed: float32, tf32, bfloat16"
_NO_OPEN = (
    'precision "auto" would leave it to the device, and a recipe is the same on all of them; '
    f"{_PRECISIONS}"
)


class RecipeError(ValueError):
    """A recipe that isn't there, can't be read, or doesn't train what was asked."""


class Recipe(Settings):
    """How a cell is trained."""

    name: str
    about: str = ""
    epochs: int = Field(ge=1, le=10_000)
    batch: int = Field(ge=2, le=65_536)
    network: Networks
    optimiser: Optimiser
    augment: Augmentation = Augmentation()
    images: ImageSettings = ImageSettings()
    precision: Literal["float32", "tf32", "bfloat16", "auto"] = Field(
        default=EXACT,
        description="of convolutions and products of matrices; tf32 needs a GPU. auto only in jobs "
        "of earlier versions, which left it to the device",
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

    def varied(self, setting: str, value: Any) -> Recipe:
        """The same with one setting otherwise, under a name that says so: ``proxy@lr=0.25``.

        Args:
            setting: one of `data.recipe_names.SETTINGS`.
            value: what it is to be; this recipe itself where it is already.

        Raises:
            RecipeError: the value can't be taken, or the name tells of this setting already.
        """
        own, said = _parted(self.name)
        *place, last = SETTINGS[setting]
        settings = self.model_dump()
        inner = settings
        for part in place:
            inner = inner[part]
        if value == inner[last]:
            return self
        if setting in said:
            raise RecipeError(
                f"recipe {self.name} names its {_SPOKEN.get(setting, setting)} already: "
                "ask with the recipe itself"
            )
        inner[last] = value
        settings["name"] = joined(own, {**said, setting: str(value)})
        try:
            return Recipe(**settings)
        except ValidationError as error:
            faults = "; ".join(_faults(error))
            raise RecipeError(f"recipe {settings['name']:.100}: {faults}") from None

    def at_rate(self, rate: float) -> Recipe:
        """The same at another learning rate; raises as `varied`."""
        return self.varied("lr", float(rate))

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
    if recipe.precision == OPEN:
        raise RecipeError(f"{where}: {_NO_OPEN}")
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
        elif place == "precision":
            yield f"precision = {fault['input']!r}; {_PRECISIONS}"
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


def rate_of(name: str) -> tuple[str, float | None]:
    """A recipe's name without the learning rate that it names, and that: ``proxy@lr=0.25``.

    Raises:
        RecipeError: what it names is no number, or no setting.
    """
    own, said = _parted(name)
    rate = said.pop("lr", None)
    return joined(own, said), None if rate is None else float(_read(name, "lr", rate))


def _parted(name: str) -> tuple[str, dict[str, str]]:
    try:
        return parted(name)
    except ValueError as error:
        raise RecipeError(f"recipe {name:.100}: {error}") from None


def _read(name: str, setting: str, text: str) -> str | int | float:
    try:
        return _NUMBERS[setting](text) if setting in _NUMBERS else text
    except ValueError:
        said = _SPOKEN.get(setting, setting)
        raise RecipeError(f"recipe {name:.100}: {text!r:.100} is no {said}") from None


def find(name: str, home: Path) -> Recipe:
    """The recipe of that name, or of a variation: ``NAME@precision=bfloat16@lr=0.25``.

    Variations have one name each, whatever the order in which they are asked for. Never a path:
    names come from clients on other machines.

    Raises:
        RecipeError: there is none, its file can't be taken, or it can't be varied like that.
    """
    recipes, faults = available(home)
    own = name.partition("@")[0]
    if own in faults and own not in recipes:
        raise RecipeError(faults[own])
    if own not in recipes:
        raise RecipeError(
            f"no recipe {name!r}; {_hint(own, recipes)}, and one's own as TOML files in "
            f"{home / FOLDER}"
        )
    recipe = recipes[own]
    for setting, text in _parted(name)[1].items():
        if text == OPEN:
            raise RecipeError(f"recipe {name:.100}: {_NO_OPEN}")
        recipe = recipe.varied(setting, _read(name, setting, text))
    return recipe
