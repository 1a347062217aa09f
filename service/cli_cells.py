"""``cellwise cells``: the filters of ``GET /cells`` as options, read from the API's own model."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer
from rich.table import Table

from service.api.routes.cells import CellsQuery
from service.ask import ask
from service.cli import Home, Json, Url, fail, home_folder, out

_OUTPUT = ("fields", "metric", "sort", "limit", "cursor", "format")
_TERMINAL_FIELDS = "id,width,depth,params_m,flops_m,valid_accuracy@final"


def add_to(app: typer.Typer) -> None:
    """Add the command; option names take ``_`` and ``-`` alike."""
    settings = {"token_normalize_func": lambda name: name.replace("_", "-")}
    app.command("cells", context_settings=settings)(_command())


def _command() -> Any:
    def command(**given: Any) -> None:
        _cells(**given)

    command.__doc__ = """List cells: the filters of GET /cells, as a table or in a file format.

    For example: cellwise cells --min-width 3 --sort=-valid_accuracy@final --limit 5
    """
    signature = inspect.Signature([*_query_options(), *_own_options()])
    command.__signature__ = signature  # type: ignore[attr-defined]
    return command


def _query_options() -> list[inspect.Parameter]:
    options = []
    for name, field in CellsQuery.model_fields.items():
        kind: Any = list[str] if get_origin(field.annotation) is tuple else str
        option = typer.Option(
            f"--{name.replace('_', '-')}",
            help=field.description,
            rich_help_panel="Output" if name in _OUTPUT else "Filters and context",
        )
        options.append(_parameter(name, Annotated[kind | None, option], None))
    return options


def _own_options() -> list[inspect.Parameter]:
    csv = typer.Option("--csv", help="Print CSV, all cells.", rich_help_panel="Output")
    output = typer.Option(help="Write to this file.", rich_help_panel="Output")
    return [
        _parameter("home", Home, None),
        _parameter("url", Url, None),
        _parameter("json_", Json, False),
        _parameter("csv_", Annotated[bool, csv], False),
        _parameter("output", Annotated[Path | None, output], None),
    ]


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _cells(
    *,
    home: Path | None,
    url: str | None,
    json_: bool,
    csv_: bool,
    output: Path | None,
    **given: Any,
) -> None:
    form = "json" if json_ else "csv" if csv_ else given["format"]
    given["format"] = form
    if form is None and not given["fields"]:
        given["fields"] = [_TERMINAL_FIELDS]
    parameters = [
        (name, value)
        for name, values in given.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    if output is not None and form is None:
        fail("--output needs a --format: json, csv, ndjson, parquet or arrow")
    if form in ("parquet", "arrow") and output is None and sys.stdout.isatty():
        fail(f"{form} is binary: name a file with --output")
    answer = ask(home_folder(home), url, "/cells", parameters)
    if output is not None:
        output.write_bytes(answer.content)
    elif form is not None:
        sys.stdout.buffer.write(answer.content)
    else:
        _show(answer.json())


def _show(body: dict[str, Any]) -> None:
    items = body["items"]
    if not items:
        out.print("no cell passes these filters")
        return
    names = [name for name in items[0] if not name.endswith((":n_seeds", ":std"))]
    table = Table(*names)
    for item in items:
        table.add_row(*(_shown(item, name) for name in names))
    out.print(table)
    described = body["context"]["sets"]
    for name, resolved in described.items():
        out.print(
            f"{name}: {resolved['dataset']}/{resolved['set']}, epoch {resolved['epoch']} of "
            f"{resolved['schedule']}, {resolved['recipe']}, seed {body['context']['seed']} "
            f"(± std over seeds), from {', '.join(resolved['sources'])}",
            soft_wrap=True,
            highlight=False,
        )
    out.print(f"{len(items):,} of {body['total']:,} cells", highlight=False)


def _shown(item: dict[str, Any], name: str) -> str:
    value = item[name]
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    std = item.get(f"{name}:std")
    return text if std is None else f"{value:.2f} ± {std:.2f}"
