"""How the columns of a table of one's own become runs: the mapping, and those that are shipped.

A mapping is a TOML file (docs/sources.md has the reference). ``[source]`` says where the table
comes from, ``[run]`` what holds for every value, and each ``[[value]]`` names one column of values
and what is different there. What is said of a field is either a constant or a column.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from data.sources.base import SourceError

REQUIRED: Final[tuple[str, ...]] = ("cell", "dataset", "set", "schedule", "epoch")
TEXT_FIELDS: Final[tuple[str, ...]] = (
    "replicate",
    "recipe",
    "images",
    "division",
    "time_source",
    "device",
    "details",
)
FIGURES: Final = ("params_m", "flops_m", "latency_s", "train_time_s")
FIELDS: Final[tuple[str, ...]] = (*REQUIRED, "measure", "seed", *TEXT_FIELDS, *FIGURES)
"""Everything that can be said of a value, besides the value itself."""

_SOURCE_KEYS: Final = frozenset(("name", "title", "origin", "licence", "notes", "header"))
_COLUMN_KEYS: Final = frozenset(("column", "names", "prefix", "times", "plus"))


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field comes from.

    Attributes:
        constant: its text, the same in every row; or None.
        column: the column that holds it; or None.
        names: what the file's words mean in ours; a word that isn't there is taken as it is.
        prefix: put before the file's word.
        times, plus: a number x of the file is times · x + plus in our unit.
    """

    constant: str | None = None
    column: str | None = None
    names: Mapping[str, str] | None = None
    prefix: str = ""
    times: float = 1.0
    plus: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether numbers are taken as they are."""
        return self.times == 1.0 and self.plus == 0.0


@dataclass(frozen=True, slots=True)
class Value:
    """One column of values, with every field that applies to it."""

    value: Field
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A whole mapping; ``name`` is empty where the file's own stem is to be used."""

    name: str
    title: str
    origin: str
    licence: str
    notes: tuple[str, ...]
    header: tuple[str, ...]
    values: tuple[Value, ...]

    def columns(self) -> set[str]:
        """Every column that is read."""
        said = [field for value in self.values for field in (value.value, *value.fields.values())]
        return {field.column for field in said if field.column is not None}


def read_mapping(path: Path) -> TableMapping:
    """The mapping in a TOML file.

    Raises:
        SourceError: it can't be read, or says something unknown; with what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"mapping {path}: can't be read ({error})") from error
    return parse_mapping(text, f"mapping {path}")


def parse_mapping(text: str, where: str) -> TableMapping:
    """The mapping in this TOML text; ``where`` stands at the start of error messages.

    Raises:
        SourceError: see `read_mapping`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{where}: no valid TOML ({error})") from error
    _only(raw, ("source", "run", "value"), where)
    source, run, values = raw.get("source", {}), raw.get("run", {}), raw.get("value", [])
    if not isinstance(source, dict) or not isinstance(run, dict) or not isinstance(values, list):
        raise SourceError(f"{where}: expected [source], [run] and one or more [[value]]")
    _only(source, _SOURCE_KEYS, f"{where}, [source]")
    _only(run, FIELDS, f"{where}, [run]")
    if not values:
        raise SourceError(f"{where}: at least one [[value]] with its column is needed")
    return TableMapping(
        name=_text(source, "name", where),
        title=_text(source, "title", where),
        origin=_text(source, "origin", where),
        licence=_text(source, "licence", where),
        notes=_texts(source, "notes", where),
        header=_texts(source, "header", where),
        values=tuple(
            _value(entry, run, f"{where}, [[value]] {number}")
            for number, entry in enumerate(values, 1)
        ),
    )


def shipped_mapping(header: Iterable[str]) -> TableMapping | None:
    """The shipped mapping for a file with exactly these columns, if there is one."""
    columns = set(header)
    for entry in sorted(files("data.sources").joinpath("mappings").iterdir(), key=str):
        if entry.name.endswith(".toml"):
            mapping = parse_mapping(entry.read_text(encoding="utf-8"), entry.name)
            if set(mapping.header) == columns:
                return mapping
    return None


def plain_mapping(header: Iterable[str]) -> TableMapping:
    """The plain long layout: one value a row, in columns named as our fields.

    Raises:
        SourceError: a column is missing, or one is there that means nothing.
    """
    columns = list(header)
    if {"set", "split"} <= set(columns):
        raise SourceError("there are columns set and split, which mean the same: leave one out")
    known = {"set" if column == "split" else column: column for column in columns}
    needed = (*REQUIRED, "seed", "value")
    missing = ["split" if field == "set" else field for field in needed if field not in known]
    unknown = [column for field, column in known.items() if field not in (*FIELDS, "value")]
    if missing or unknown:
        raise SourceError(
            f"the columns are {', '.join(columns)[:300]}; "
            + (f"missing: {', '.join(missing)}; " if missing else "")
            + (f"unknown: {', '.join(unknown)[:300]}; " if unknown else "")
            + "needed without a mapping are cell, dataset, split, schedule, seed, epoch, value, "
            f"allowed are also measure, {', '.join((*TEXT_FIELDS, *FIGURES))}; any other layout "
            "takes a mapping (--mapping FILE.toml)"
        )
    fields = {field: Field(column=known[field]) for field in FIELDS if field in known}
    return TableMapping("", "", "", "", (), (), (Value(Field(column="value"), fields),))


def _value(entry: object, run: Mapping[str, Any], where: str) -> Value:
    if not isinstance(entry, dict) or not isinstance(entry.get("column"), str):
        raise SourceError(f"{where}: needs a column, as in column = 'accuracy'")
    _only(entry, (*FIELDS, *_COLUMN_KEYS), where)
    own = {key: said for key, said in entry.items() if key in FIELDS}
    column = {key: said for key, said in entry.items() if key in _COLUMN_KEYS}
    fields = {key: _field(said, f"{where}, {key}") for key, said in {**run, **own}.items()}
    missing = [field for field in REQUIRED if field not in fields]
    if missing:
        raise SourceError(f"{where}: {', '.join(missing)} must be given here or in [run]")
    return Value(_field(column, where), fields)


def _field(said: object, where: str) -> Field:
    if isinstance(said, str | int | float) and not isinstance(said, bool):
        return Field(constant=str(said))
    if not isinstance(said, dict) or not isinstance(said.get("column"), str):
        raise SourceError(f"{where}: expected a constant or {{ column = '...' }}")
    _only(said, _COLUMN_KEYS, where)
    names, prefix = said.get("names"), said.get("prefix", "")
    times, plus = said.get("times", 1.0), said.get("plus", 0.0)
    if names is not None and not (
        isinstance(names, dict) and all(isinstance(name, str) for name in names.values())
    ):
        raise SourceError(f"{where}: names must be a table of texts")
    if not isinstance(prefix, str) or not isinstance(times, int | float | bool | str):
        raise SourceError(f"{where}: prefix must be a text")
    if not all(type(number) in (int, float) for number in (times, plus)):
        raise SourceError(f"{where}: times and plus must be numbers")
    return Field(None, said["column"], names, prefix, float(times), float(plus))


def _only(table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    unknown = sorted(set(table) - set(allowed))
    if unknown:
        raise SourceError(
            f"{where}: unknown {', '.join(unknown)}; allowed: {', '.join(sorted(allowed))}"
        )


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise SourceError(f"{where}, [source]: {key} must be a text")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise SourceError(f"{where}, [source]: {key} must be a list of texts")
    return tuple(value)
