"""Commands that ask the API: options are read from the call's own query model, so that none lacks.

A command shows its answer as tables, or hands it on in a format that the API has. What a parameter
may be is for the API to say.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from service.cli import Home, Json, Url, fail, home_folder
from service.cli_tables import Document

if TYPE_CHECKING:
    from service.api.params import Query

Given = list[tuple[str, str]]

OUTPUT = "Output"
PANELS = (None, "Context", OUTPUT, "Cells", "Operations on edges", "Columns of cells")
"""In the order of ``--help``. The call's own parameters have none and come first."""

CELL = typer.Argument(help="Id, string, official index, genotype or name.", show_default=False)
SPELLING = {"token_normalize_func": lambda name: name.replace("_", "-")}
"""For the names of options, that they take ``_`` and ``-`` alike."""

_OF_OUTPUT = ("format", "limit", "cursor", "before")
_IN_OTHER_WORDS = {"format": "print the answer in this format"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that asks one call of the API.

    Attributes:
        path: of the call.
        query: where the model of its parameters is, as ``module:name``.
        show: prints the JSON answer as tables.
        takes_cells: whether cells are given as arguments, without the name of an option.
        in_terminal: parameters of what is shown, where they aren't given.
    """

    name: str
    about: str
    example: str
    path: str
    query: str
    show: Callable[[Document], None]
    takes_cells: bool = False
    in_terminal: Mapping[str, str] = field(default_factory=dict)

    def add_to(self, app: typer.Typer, *, read: bool = True) -> None:
        """Add it; unless ``read``, without the options of its query model, to be listed only."""

        def command(**given: Any) -> None:
            self._run(**given)

        parameters: list[inspect.Parameter] = []
        if self.takes_cells:
            parameters.append(parameter("cell", Annotated[list[str], CELL], ...))
        if read:
            model = resolve_name(self.query)
            without = ("cell",) if self.takes_cells else ()
            parameters += options(model, without=without, in_terminal=self.in_terminal)
        parameters += [*general_options(), _output_option()]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        text = f"{self.about}\n\n$ {self.example}"
        app.command(self.name, help=text, context_settings=SPELLING)(command)

    def _run(
        self,
        *,
        home: Path | None,
        url: str | None,
        json_: bool,
        csv_: bool,
        output: Path | None,
        cell: Sequence[str] | None = None,
        **given: Any,
    ) -> None:
        form = chosen_format(json_, csv_, given.pop("format", None))
        if output is not None and form is None:
            fail("--output needs a --format: json, csv, ndjson, parquet or arrow")
        if form in ("parquet", "arrow") and output is None and sys.stdout.isatty():
            fail(f"{form} is binary: name a file with --output")
        parameters = pairs(given, self.in_terminal if form is None else {}) + pairs({"cell": cell})
        asked = _answer(home_folder(home), url, self.path, parameters, form or "json")
        content = asyncio.run(asked)
        if form is not None:
            _hand_on(content, form, output)
        else:
            import orjson

            self.show(orjson.loads(content))


def add_all(
    app: typer.Typer, commands: Iterable[Command], asked: Container[str] | None = None
) -> None:
    """Add commands, those that are ``asked`` with all options (None: all of them)."""
    for command in commands:
        command.add_to(app, read=asked is None or command.name in asked)


# --- options ----------------------------------------------------------------------------------


def options(
    model: type[Query], *, without: Container[str] = (), in_terminal: Mapping[str, str] = {}
) -> list[inspect.Parameter]:
    """The fields of a query model as options, by panel, those that are needed first."""
    from service.api.params import openapi_parameters

    made = []
    for described in openapi_parameters(model):
        name, required = described["name"], described["required"]
        if name in without:
            continue
        panel = _panel(name)
        option = typer.Option(
            f"--{name.replace('_', '-')}",
            help=_help(described, in_terminal.get(name)),
            rich_help_panel=panel,
        )
        kind: Any = list[str] if described["schema"].get("type") == "array" else str
        kind = kind if required else kind | None
        order = (PANELS.index(panel), not required)
        made.append((order, parameter(name, Annotated[kind, option], ... if required else None)))
    return [one for _, one in sorted(made, key=lambda pair: pair[0])]


def general_options() -> list[inspect.Parameter]:
    """Whom to ask, and in which form to print."""
    csv = typer.Option("--csv", help="Print CSV, all rows.")
    return [
        parameter("home", Home, None),
        parameter("url", Url, None),
        parameter("json_", Json, False),
        parameter("csv_", Annotated[bool, csv], False),
    ]


def _output_option() -> inspect.Parameter:
    option = typer.Option(help="Write to this file.", rich_help_panel=OUTPUT)
    return parameter("output", Annotated[Path | None, option], None)


def parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """A parameter of a command's function; ``...`` is no default."""
    default = inspect.Parameter.empty if default is ... else default
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _panel(name: str) -> str | None:
    from data.columns import COLUMNS
    from service.api.params import CellFilters, ContextQuery

    if name in _OF_OUTPUT:
        return OUTPUT
    if name in ContextQuery.model_fields:
        return "Context"
    if name not in CellFilters.model_fields:
        return None
    if name.startswith("op_"):
        return "Operations on edges"
    column = name.removeprefix("min_").removeprefix("max_") in COLUMNS
    return "Columns of cells" if column else "Cells"


def _help(described: Document, in_terminal: str | None) -> str:
    """The API's description, and in brackets what is allowed and what holds otherwise."""
    schema = described["schema"]
    allowed = schema.get("enum") or schema.get("items", {}).get("enum", ())
    if schema.get("type") == "boolean":
        allowed = ("true", "false")
    default = schema.get("default")
    if isinstance(default, list | tuple):
        default = ",".join(default)
    notes = [", ".join(allowed)] if allowed else []
    notes += [f"default: {default}"] if default not in (None, "") else []
    notes += [f"in the terminal: {in_terminal}"] if in_terminal is not None else []
    text: str = _IN_OTHER_WORDS.get(described["name"]) or described["description"]
    return escape(f"{text} ({'; '.join(notes)})" if notes else text)


# --- asking and handing on --------------------------------------------------------------------


def chosen_format(json_: bool, csv_: bool, other: str | None) -> str | None:
    """The one format that was asked for; None: what is shown in the terminal."""
    chosen = [*(["json"] if json_ else []), *(["csv"] if csv_ else []), *([other] if other else [])]
    if len(chosen) > 1:
        fail("one of --json, --csv and --format")
    return chosen[0] if chosen else None


def pairs(given: Mapping[str, Any], otherwise: Mapping[str, str] = {}) -> Given:
    """What was given, as parameters of a call; ``otherwise`` where it wasn't."""
    chosen = {name: one for name, one in given.items() if one not in (None, [])}
    return [
        (name, value)
        for name, values in {**otherwise, **chosen}.items()
        for value in (values if isinstance(values, list) else [values])
    ]


async def _answer(home: Path, url: str | None, path: str, parameters: Given, form: str) -> bytes:
    from service.ask import asking

    async with asking(home, url) as client:
        return (await client.get(path, [*parameters, ("format", form)])).content


def _hand_on(content: bytes, form: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content + (b"\n" if form == "json" else b""))
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        fail(f"{output} can't be written: {error.strerror}")
