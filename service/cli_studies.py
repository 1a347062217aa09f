"""``cellwise study``: experiments of many trainings, followed to their end and summed up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID, TextColumn

from analysis.cells import cell_name
from service.cli import (
    Home,
    Json,
    Url,
    bars,
    carry_out,
    existing_path,
    fail,
    home_folder,
    out,
    print_json,
)
from service.cli_study_settings import allowed, from_file, given, on, settings_of
from service.cli_study_tables import show_list, show_study
from service.cli_tables import Document, say, table
from service.cli_tables import show as show_table
from service.cli_training import ASK_EVERY_S

if TYPE_CHECKING:
    from service.ask import Asked

Number = Annotated[int, typer.Argument(help="Number of the study, as `study list` has it.")]

commands = typer.Typer(
    name="study",
    help="Study cells: landscapes, gradients, variants, learning rates, generalisation.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.command()
def run(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="landscape, gradient-variance, smoothness, variants, lr-robustness or "
            "generalisation."
        ),
    ] = None,
    cell: Annotated[
        list[str] | None, typer.Argument(help="Id, string, official index, genotype or name.")
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            help="As `datasets` lists them; repeatable for generalisation (default: digits)."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="As `recipes` lists them (default: proxy).")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeatable (default: 777).")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the kind, as points=31 or learning_rates=0.0025,0.25 (repeatable).",
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="A TOML file that holds the whole study instead.")
    ] = None,
    home: Home = None,
    url: Url = None,
    json_: Json = False,
) -> None:
    """Study cells and wait for the results; what is known already isn't trained again.

    `cellwise study kinds KIND` lists a kind's settings. Without a server the study runs from here.
    Interrupted (Ctrl-C), the same command goes on where it was.
    """
    if settings is not None:
        if any((kind, cell, dataset, recipe, seed, set_)):
            fail("--settings holds the whole study; give no kind, cells or settings beside it")
        body = from_file(settings)
    elif kind is None or not cell:
        fail("say what to study: cellwise study run KIND CELL..., or --settings FILE")
    else:
        body = {"kind": kind, "cells": cell, "recipe": recipe or "proxy", "seeds": seed or [777]}
        body |= on(kind, dataset or ["digits"]) | given(kind, set_ or [])
    _wait(home, url, json_, lambda client: client.send("POST", "/studies", body))


@commands.command()
def resume(number: Number, home: Home = None, url: Url = None, json_: Json = False) -> None:
    """Go on with what was cancelled or failed, and wait for the results."""
    _wait(home, url, json_, lambda client: client.send("POST", f"/studies/{number}/resume"))


@commands.command()
def cancel(number: Number, home: Home = None, url: Url = None, json_: Json = False) -> None:
    """Cancel what waits or runs, also where another study waits for it; what is done is kept."""
    from service.ask import asking

    async def once() -> Document:
        async with asking(home_folder(home), url) as client:
            return dict((await client.send("DELETE", f"/studies/{number}")).json())

    summary = asyncio.run(once())
    if json_:
        print_json(summary)
    else:
        show_list([summary])


@commands.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="At most so many, the latest first.")] = 20,
    home: Home = None,
    url: Url = None,
    json_: Json = False,
) -> None:
    """List studies and how far they are."""
    from service.ask import ask

    body = ask(home_folder(home), url, "/studies", [("limit", str(limit))]).json()
    if json_:
        print_json(body)
    elif body["items"]:
        show_list(body["items"])
    else:
        out.print("no studies yet: cellwise study run KIND CELL")


@commands.command()
def show(
    number: Number,
    csv_: Annotated[bool, typer.Option("--csv", help="Print every number, as CSV.")] = False,
    home: Home = None,
    url: Url = None,
    json_: Json = False,
) -> None:
    """Show the results of a study, as far as there are any."""
    from service.ask import ask

    if csv_ and json_:
        fail("either --csv or --json")
    parameters = [("format", "csv")] if csv_ else []
    answer = ask(home_folder(home), url, f"/studies/{number}", parameters)
    if csv_:
        sys.stdout.buffer.write(answer.content)
    elif json_:
        print_json(answer.json())
    else:
        show_study(answer.json())


@commands.command()
def kinds(
    kind: Annotated[str | None, typer.Argument(help="Only this kind, with its settings.")] = None,
) -> None:
    """List what can be studied, or a kind's settings with their defaults."""
    from service.studies.kinds import KINDS

    if kind is None:
        shown = table(("kind", "what"), boxed=True)
        for name, model in KINDS.items():
            shown.add_row(name, model.__doc__)
        show_table(shown)
        out.print("the settings of one: cellwise study kinds KIND")
        return
    shown = table(("setting", "default", "allowed", "meaning"), boxed=True)
    for name, schema in settings_of(kind).items():
        default = schema["default"]
        if isinstance(default, list):
            default = ", ".join(map(str, default)) or "none"
        text = "null" if default is None else str(default)
        shown.add_row(name, text, allowed(schema), schema.get("description", ""))
    show_table(shown)
    say(f"cellwise study run {kind} CELL --set NAME=VALUE; several values are parted by commas")


@commands.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new Parquet file.")],
    study: Annotated[
        list[int] | None, typer.Option(help="Only this study (repeatable); all by default.")
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished",
            help="Those that go on too: what hasn't ended is cancelled in the file, to be resumed.",
        ),
    ] = False,
    home: Home = None,
) -> None:
    """Write studies that have ended to a file, which `study import` takes into another home."""
    outcome = carry_out(
        home_folder(home),
        {
            "command": "export-studies",
            "path": str(file.absolute()),
            "numbers": study,
            "unfinished": unfinished,
        },
    )
    out.print(f"{escape(str(file))}: {len(outcome['studies']):,} studies", soft_wrap=True)


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `study export` wrote.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Take in the studies of a file; those that are there already stay as they are."""
    outcome = carry_out(
        home_folder(home), {"command": "import-studies", "path": existing_path(file)}
    )
    if json_:
        print_json(outcome)
    else:
        out.print(
            f"{escape(outcome['file'])}: {outcome['new']:,} studies new, "
            f"{outcome['known']:,} known already, {outcome['jobs']:,} jobs",
            soft_wrap=True,
        )


# --- following a study ------------------------------------------------------------------------


def _wait(
    home: Path | None, url: str | None, json_: bool, start: Callable[[Asked], Awaitable[Any]]
) -> None:
    """Show the study that ``start`` is answered with, once it has ended."""
    try:
        document = asyncio.run(_ended(home_folder(home), url, start))
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on where it was")
    if json_:
        print_json(document)
    else:
        show_study(document)
    if document["state"] != "done":
        raise typer.Exit(1)


async def _ended(home: Path, url: str | None, start: Callable[[Asked], Awaitable[Any]]) -> Document:
    from service.ask import asking

    async with asking(home, url, training=True) as client:
        summary = (await start(client)).json()
        with bars(TextColumn("{task.fields[told]}")) as progress:
            await _follow(client, summary, progress)
        return dict((await client.get(summary["links"]["self"])).json())


async def _follow(client: Asked, summary: Document, progress: Progress) -> None:
    """A bar for the study and one for each part that runs."""
    parts = (await client.get(summary["links"]["self"])).json()["parts"]
    names = {
        part["job"]: f"{cell_name(part['cell'])} {part['recipe']} {part['seed']}" for part in parts
    }
    whole = progress.add_task(f"study {summary['id']}", told="")
    alone = [("before", str(summary["id"] + 1)), ("limit", "1")]
    tasks: dict[str, TaskID] = {}
    while True:
        done = summary["progress"]
        told = f"{done['ended']}/{done['parts']} ended"
        progress.update(whole, completed=done["ended"], total=done["parts"], told=told)
        if done["ended"] == done["parts"]:
            return
        await asyncio.sleep(ASK_EVERY_S)
        answer = await client.get("/jobs", [("state", "running"), ("limit", "1000")])
        running = {job["links"]["self"]: job for job in answer.json()["items"]}
        running = {address: job for address, job in running.items() if address in names}
        # A study's state is read from the jobs of all its parts, which for thousands takes most of
        # a second: asked for only when it may have changed.
        if not running or running.keys() != tasks.keys():
            summary = (await client.get("/studies", alone)).json()["items"][0]
        for gone in tasks.keys() - running.keys():
            progress.remove_task(tasks.pop(gone))
        for address, job in running.items():
            if address not in tasks:
                tasks[address] = progress.add_task(names[address], total=None, told="starts")
            if job["progress"] is not None:
                progress.update(tasks[address], **_part_told(job["progress"]))


def _part_told(done: Document) -> Document:
    if done["to_measure"] is not None:
        now, total, what = done["measured"], done["to_measure"], "measured"
    else:
        now, total, what = done["epoch"], done["epochs"], "epoch"
    return {"completed": now, "total": total, "told": f"{what} {now}/{total}"}
