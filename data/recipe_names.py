"""Names of recipes: a recipe's own, and what a variation of it has otherwise.

``nb201-12@precision=bfloat16@lr=0.05`` is ``nb201-12`` in another precision and at another learning
rate, a recipe of its own whose runs are pooled with none of ``nb201-12``. A name stands for one
training, so that it tells everything in which it differs from the recipe that it begins with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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


def _at(settings: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    found: Any = settings
    for key in place:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
