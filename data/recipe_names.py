"""Names of recipes: a recipe's own, and what a variation of it has otherwise.

``nb201-12@precision=bfloat16@lr=0.05`` is ``nb201-12`` in another precision and at another learning
rate, a recipe of its own whose runs are pooled with none of ``nb201-12``. A name stands for one
training, so that it tells everything in which it differs from the recipe that it begins with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from pydantic_core import to_json

SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "batch": ("batch",),
    "decay": ("optimiser", "decay"),
    "precision": ("precision",),
    "lr": ("optimiser", "learning_rate"),
}
"""What a name may say, in the order in which it does, and where that stands in a recipe."""

CHANGED: Final[dict[str, dict[str, Any]]] = {
    "nb201-12": {"decay": "epoch"},
    "nb201-200": {"decay": "epoch"},
    "darts-600": {"batch": 60},
}
"""Recipes that come with Cellwise and had other settings in earlier versions: what is right."""

EXACT: Final = "float32"
"""The precision of a recipe whose name and settings tell of none."""

OPEN: Final = "auto"
"""The precision of recipes of earlier versions that left it to the device."""


def parted(name: str) -> tuple[str, dict[str, str]]:
    """The recipe that a name begins with, and what it says of others, in the order of `SETTINGS`.

    Raises:
        ValueError: something that no name says, or twice the same.
    """
    own, *parts = name.split("@")
    said: dict[str, str] = {}
    for part in parts:
        kind, _, value = part.partition("=")
        if kind not in SETTINGS or not value:
            raise ValueError(
                f"{part!r:.100} after @ varies no setting; allowed: "
                f"{', '.join(f'{kind}=…' for kind in SETTINGS)}"
            )
        if kind in said:
            raise ValueError(f"{kind} is named twice")
        said[kind] = value
    return own, {kind: said[kind] for kind in SETTINGS if kind in said}


def joined(own: str, said: Mapping[str, str]) -> str:
    """The one name of a variation, whatever the order in which it was asked for."""
    return "".join((own, *(f"@{kind}={said[kind]}" for kind in SETTINGS if kind in said)))


def as_trained(name: str, settings: Mapping[str, Any], precision: str | None) -> str:
    """The name that tells what a training of this or an earlier version was.

    Earlier versions had other settings under the names in `CHANGED`, and a precision that was left
    to the device. Such trainings keep what they were, under a name that says it; all others are
    called what they were called.

    Args:
        name: what it was called.
        settings: its recipe, as a run's ``details`` and a job keep it.
        precision: what it computed in; None where that isn't known, as before it began.
    """
    try:
        own, said = parted(name)
    except ValueError:  # of a table of one's own, whose recipes may be called anything
        return name
    for kind, right in CHANGED.get(own, {}).items():
        had = _at(settings, SETTINGS[kind])
        if had is not None and had != right:
            said.setdefault(kind, str(had))
    if settings.get("precision", OPEN) == OPEN and said.get("precision", OPEN) == OPEN:
        said.pop("precision", None)
        if (was := precision or OPEN) != EXACT:
            said["precision"] = was
    return joined(own, said)


def settled(name: str, settings: str, precision: str | None) -> tuple[str, str]:
    """A recipe's name (:func:`as_trained`), and its settings, JSON, as they tell of that training.

    A precision that was left open is in both, where it is known. What is right stays to the letter.
    """
    told = json.loads(settings)
    named = as_trained(name, told, precision)
    known = {"precision": precision} if told.get("precision") == OPEN and precision else {}
    if named == name and not known:
        return name, settings
    return named, _text(told | {"name": named} | known)


def as_named(name: str, settings: str) -> str:
    """The settings of an earlier version's recipe, JSON, as that of a name has them now.

    What is right stays to the letter.
    """
    told = json.loads(settings)
    own, said = parted(name)
    for kind, right in CHANGED.get(own, {}).items():
        value = said.get(kind, right)
        *outer, last = SETTINGS[kind]
        inner = _at(told, outer)
        if isinstance(inner, dict):
            inner[last] = int(value) if str(value).isdecimal() else value
    if told.get("precision") == OPEN:
        told["precision"] = said.get("precision", EXACT)
    told["name"] = name
    return settings if told == json.loads(settings) else _text(told)


def of_parts(asked: str, names: Collection[str]) -> str:
    """What a study is called that was asked for under a name, and whose trainings have ``names``.

    That is the one that they all have, at the rate that was asked for. Where nothing but precisions
    tells them apart, the study left it open; where they differ in more, it keeps its name.
    """
    try:
        own, said = parted(asked)
        told = [parted(name) for name in names]
    except ValueError:
        return asked
    rate = {"lr": said["lr"]} if "lr" in said else {}
    for open_ in ({}, {"precision": OPEN}):
        found = {joined(*_without(one, {"lr", *open_})) for one in told}
        if len(found) == 1:
            same, theirs = parted(found.pop())
            return joined(own, theirs | open_ | rate) if same == own else asked
    return asked


def of_study(settings: str, names: Collection[str]) -> str:
    """A study's settings, JSON, under the name that its trainings make it (:func:`of_parts`)."""
    told = json.loads(settings)
    asked = told.get("recipe")
    if not isinstance(asked, str) or (name := of_parts(asked, names)) == asked:
        return settings
    return _text(told | {"recipe": name})


def may_be(asked: str, name: str) -> bool:
    """Whether a training that was asked for under one name may be called the other now.

    It may be the same, or what an earlier version made of it: one in each of the settings that this
    had otherwise, and in the precision of a device.
    """
    try:
        (own, said), (other, told) = parted(asked), parted(name)
    except ValueError:
        return name == asked
    differ = {kind for kind in SETTINGS if said.get(kind) != told.get(kind)}
    changed = CHANGED.get(own, {}).keys()
    if own != other or (differ and not changed <= told.keys()):
        return False
    free = changed - said.keys()
    return differ <= (free | {"precision"} if said.get("precision", OPEN) == OPEN else free)


def _without(one: tuple[str, dict[str, str]], kinds: Collection[str]) -> tuple[str, dict[str, str]]:
    own, said = one
    return own, {kind: value for kind, value in said.items() if kind not in kinds}


def _at(settings: Mapping[str, Any], place: Iterable[str]) -> Any:
    found: Any = settings
    for key in place:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _text(settings: Mapping[str, Any]) -> str:
    """JSON as pydantic writes it: studies are found by their settings as text."""
    return to_json(settings).decode()
