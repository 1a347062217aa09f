"""``cellwise train``, ``recipes`` and ``datasets``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID, TextColumn, TimeRemainingColumn

from analysis.cells import cell_name
from service.cli import Home, Json, Url, bars, err, fail, home_folder, out, print_json
from service.cli_tables import NOTHING, show, table

if TYPE_CHECKING:
    from service.ask import Asked

ASK_EVERY_S = 0.3
WAITING = ("queued", "running")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(recipes)
    app.command()(datasets)


def train(
    cell: Annotated[
        list[str], typer.Argument(help="Id, string, official index, genotype or name.")
    ],
    dataset: Annotated[str, typer.Option(help="As `datasets` lists them.")] = "digits",
    recipe: Annotated[str, typer.Option(help="As `recipes` tells, or a TOML file.")] = "proxy",
    seed: Annotated[list[int] | None, typer.Option(help="Repeatable (default: 777).")] = None,
    priority: Annotated[int, typer.Option(help="Higher ones run first.")] = 0,
    force: Annotated[bool, typer.Option(help="Train even what is known.")] = False,
    home: Home = None,
    url: Url = None,
    json_: Json = False,
) -> None:
    """Train cells and wait for the result; what is known already isn't trained again.

    Without a server the training runs from here. Interrupted (Ctrl-C), the same command goes on
    after the last epoch.
    """
    if recipe.endswith(".toml"):
        recipe = _adopted(Path(recipe), home_folder(home), url)
    body = {
        "cells": cell,
        "dataset": dataset,
        "recipe": recipe,
        "seeds": seed or [777],
        "priority": priority,
        "force": force,
    }
    try:
        finished = asyncio.run(_train(home_folder(home), url, body))
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on after the last epoch")
    if json_:
        print_json({"items": finished})
    else:
        _show_finished(finished)
    if any(item["state"] != "done" for item in finished):
        raise typer.Exit(1)


def _adopted(path: Path, home: Path, url: str | None) -> str:
    """The name of a recipe that was given as a file, which the home keeps from now on."""
    from service.training.recipes import RecipeError, adopt

    if url is not None:
        fail(
            f"{path}: a file can't be handed to a server elsewhere; put it into its home's recipes"
        )
    try:
        return adopt(path, home).name
    except RecipeError as error:
        fail(str(error))


async def _train(home: Path, url: str | None, body: dict[str, Any]) -> list[dict[str, Any]]:
    from service.ask import asking

    async with asking(home, url, training=True) as client:
        items = (await client.send("POST", "/jobs", body)).json()["items"]
        with bars(TextColumn("{task.fields[told]}"), TimeRemainingColumn()) as progress:
            tasks = {
                item["job"]: progress.add_task(
                    f"{cell_name(item['cell'])} {item['seed']}", told=item["status"]
                )
                for item in items
                if item["status"] == "queued"
            }
            await _follow(client, tasks, progress)
        return [await _outcome(client, item) for item in items]


async def _follow(client: Asked, tasks: dict[str, TaskID], progress: Progress) -> None:
    left = dict(tasks)
    while left:
        for address, task in list(left.items()):
            job = (await client.get(address)).json()
            told = job["state"]
            if job["progress"] is not None:
                done = job["progress"]
                told = f"epoch {done['epoch']}/{done['epochs']}, {done['images_per_s']:,.0f} im/s"
                progress.update(task, completed=done["epoch"], total=done["epochs"])
            progress.update(task, told=told)
            if job["state"] not in WAITING:
                del left[address]
        if left:
            await asyncio.sleep(ASK_EVERY_S)


async def _outcome(client: Asked, item: dict[str, Any]) -> dict[str, Any]:
    """What became of one cell and seed, with its run's last values."""
    job = (await client.get(item["job"])).json() if item["job"] is not None else None
    address = item["run"] or (job["run"] if job is not None else None)
    run = (await client.get(address)).json() if address is not None else None
    return {
        "cell": item["cell"],
        "seed": item["seed"],
        "state": job["state"] if job is not None else "done",
        "trained": item["status"] == "queued",
        "error": job["error"] if job is not None else None,
        "run": run,
    }


def _show_finished(items: list[dict[str, Any]]) -> None:
    shown = table(("cell", "seed", "state", "epochs", "last values", "seconds"), boxed=True)
    for item in items:
        run = item["run"] or {}
        last = ", ".join(
            f"{entry['set']} {entry['values'][-1]:.2f} %"
            for entry in run.get("recorded", ())
            if entry["measure"] == "accuracy"
        )
        state = item["state"] if item["trained"] or not run else "known"
        seconds = run.get("train_time_s")
        shown.add_row(
            cell_name(item["cell"]),
            str(item["seed"]),
            state,
            str(run.get("schedule", NOTHING)),
            last or escape((item["error"] or NOTHING).splitlines()[0]),
            NOTHING if seconds is None else f"{seconds:,.1f}",
        )
    show(shown)
    for item in items:
        if item["run"]:
            out.print(f"run {escape(item['run']['id'])}", soft_wrap=True, highlight=False)


def recipes(home: Home = None, url: Url = None, json_: Json = False) -> None:
    """List how cells can be trained."""
    from service.ask import ask

    body = ask(home_folder(home), url, "/recipes").json()
    if json_:
        print_json(body)
        return
    shown = table(("recipe", "spaces", "epochs", "batch", "precision", "what"), boxed=True)
    for item in body["items"]:
        chosen = item["settings"]
        shown.add_row(
            item["name"],
            ", ".join(item["spaces"]),
            str(chosen["epochs"]),
            str(chosen["batch"]),
            chosen["precision"],
            escape(item["about"]),
        )
    show(shown)
    for fault in body["faults"].values():
        err.print("[yellow]left out:[/yellow]", escape(fault), soft_wrap=True)
    out.print("otherwise: NAME@precision=bfloat16, NAME@lr=0.25, NAME@precision=bfloat16@lr=0.25")
    out.print(f"recipes of your own: TOML files in {escape(body['own'])}", soft_wrap=True)


def datasets(home: Home = None, url: Url = None, json_: Json = False) -> None:
    """List what cells can be trained on, whether it is here, and how to get the rest."""
    from service.ask import ask

    body = ask(home_folder(home), url, "/datasets").json()
    if json_:
        print_json(body)
        return
    shown = table(("dataset", "classes", "images", "here", "where"), boxed=True)
    for item in body["items"]:
        images = ", ".join(f"{name} {count:,}" for name, count in item["sizes"].items())
        shown.add_row(
            item["name"],
            str(item["classes"] or NOTHING),
            images or NOTHING,
            f"yes ({item['rendering']})" if item["found"] else "no",
            escape(item["path"] or NOTHING),
        )
    show(shown)
    for item in body["items"]:
        if not item["found"] and item["how_to_get"]:
            out.print(f"[bold]{item['name']}[/bold]: {escape(item['how_to_get'])}", soft_wrap=True)
    out.print("looked for in: " + escape(", ".join(body["places"])), soft_wrap=True)
