"""``cellwise jobs``: trainings and measurements, listed, followed, cancelled, gone on with."""

from __future__ import annotations

import asyncio
import csv
import inspect
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID, TextColumn, TimeRemainingColumn

from analysis.cells import cell_name
from service.cli import bars, fail, home_folder, print_json
from service.cli_query import (
    SPELLING,
    Given,
    chosen_format,
    general_options,
    options,
    pairs,
    parameter,
)
from service.cli_tables import NOTHING, Document, figure, say, show, table
from service.cli_training import ASK_EVERY_S, WAITING

if TYPE_CHECKING:
    from service.ask import Asked

IN_TERMINAL = {"limit": "20"}
"""Parameters of what is shown, where they aren't given."""
MOST = "1000"
"""Jobs of a page, as many as the API gives."""

_ABOUT = """List training jobs, or look at one, cancel it or go on with it.

Following, it works on them from here where no server does, as `train` does. Interrupted (Ctrl-C),
it leaves them running.

$ cellwise jobs --state failed --state cancelled

$ cellwise jobs 3 --follow"""

_NUMBER = Annotated[int | None, typer.Argument(help="Only this one, with its error or log.")]
_CANCEL = Annotated[bool, typer.Option("--cancel", help="Cancel it; what it has done is kept.")]
_RESUME = Annotated[bool, typer.Option("--resume", help="Go on with it.")]
_LOG = Annotated[bool, typer.Option("--log", help="Print what its workers printed, and no more.")]
_FOLLOW = Annotated[
    bool, typer.Option("--follow", "-f", help="Show it till it has ended; without NUMBER, all.")
]


def add_to(app: typer.Typer, *, read: bool = True) -> None:
    """Add the command; unless ``read``, without the options of its query model."""
    parameters = [
        parameter("number", _NUMBER, None),
        parameter("cancel", _CANCEL, False),
        parameter("resume", _RESUME, False),
        parameter("follow", _FOLLOW, False),
        parameter("log", _LOG, False),
    ]
    if read:
        from service.api.routes.jobs import JobsQuery

        parameters += options(JobsQuery, in_terminal=IN_TERMINAL)

    def command(**given: Any) -> None:
        _jobs(**given)

    signature = inspect.Signature([*parameters, *general_options()])
    command.__signature__ = signature  # type: ignore[attr-defined]
    app.command("jobs", help=_ABOUT, context_settings=SPELLING)(command)


def _jobs(
    *,
    number: int | None,
    cancel: bool,
    resume: bool,
    follow: bool,
    log: bool,
    home: Path | None,
    url: str | None,
    json_: bool,
    csv_: bool,
    **given: Any,
) -> None:
    form = chosen_format(json_, csv_, None)
    chosen = pairs(given)
    if number is None and (cancel or resume or log):
        fail("say which job: cellwise jobs NUMBER")
    if number is not None and chosen:
        fail(f"--{chosen[0][0]} chooses among jobs; without NUMBER, which is one of them")
    if cancel and resume:
        fail("either --cancel or --resume")
    if log and form is not None:
        fail(f"either --log, which is plain text, or --{form}")
    folder = home_folder(home)
    try:
        if number is None:
            if form is None:
                chosen = pairs(given, IN_TERMINAL)
            asyncio.run(_list(folder, url, chosen, follow, form))
        else:
            asyncio.run(_one(folder, url, number, cancel, resume, follow, log, form))
    except KeyboardInterrupt:
        fail("interrupted; what runs goes on")


async def _list(home: Path, url: str | None, chosen: Given, follow: bool, form: str | None) -> None:
    from service.ask import asking

    async with asking(home, url, training=follow) as client:
        if follow:
            await _until_all_ended(client)
        if form == "csv":
            _print_csv(await _all(client, chosen))
            return
        body = (await client.get("/jobs", chosen)).json()
    if form == "json":
        print_json(body)
    else:
        _show(body["items"])
        told = ", ".join(f"{count:,} {name}" for name, count in body["counts"].items())
        say(told or "no jobs yet: cellwise train CELL")


async def _all(client: Asked, chosen: Given) -> list[Document]:
    """Of every page; where ``limit`` is given, of the one that it is of."""
    if any(name == "limit" for name, _ in chosen):
        return list((await client.get("/jobs", chosen)).json()["items"])
    page: Document = (await client.get("/jobs", [*chosen, ("limit", MOST)])).json()
    items: list[Document] = page["items"]
    others = [pair for pair in chosen if pair[0] != "before"]
    while page["next"] is not None:
        before = ("before", str(items[-1]["id"]))
        page = (await client.get("/jobs", [*others, before, ("limit", MOST)])).json()
        items += page["items"]
    return items


async def _one(
    home: Path,
    url: str | None,
    number: int,
    cancel: bool,
    resume: bool,
    follow: bool,
    log: bool,
    form: str | None,
) -> None:
    from service.ask import asking

    async with asking(home, url, training=follow) as client:
        if cancel:
            await client.send("DELETE", f"/jobs/{number}")
        elif resume:
            await client.send("POST", f"/jobs/{number}/resume")
        if log:
            await _print_log(client, number, follow)
        elif follow:
            await _until_ended(client, number)
        document = (await client.get(f"/jobs/{number}")).json()
        text = (await client.get(f"/jobs/{number}/log")).text
    if form == "json":
        print_json(document)
    elif form == "csv":
        _print_csv([document])
    elif not log:
        _show([document])
        if told := document["error"] or text:
            say(told)
    if follow and document["state"] != "done":
        raise typer.Exit(1)


# --- following --------------------------------------------------------------------------------


async def _until_all_ended(client: Asked) -> None:
    """A bar for all that waits or runs, and one for each that runs."""
    ended_before: int | None = None
    with _progress() as progress:
        whole = progress.add_task("jobs", told="")
        tasks: dict[int, TaskID] = {}
        while True:
            body = (await client.get("/jobs", [("state", "running"), ("limit", MOST)])).json()
            left = sum(body["counts"].get(state, 0) for state in WAITING)
            ended = sum(body["counts"].values()) - left
            ended_before = ended if ended_before is None else ended_before
            done, total = ended - ended_before, ended - ended_before + left
            progress.update(whole, completed=done, total=total, told=f"{done:,}/{total:,} ended")
            if not left:
                return
            running = {job["id"]: job for job in body["items"]}
            for gone in tasks.keys() - running.keys():
                progress.remove_task(tasks.pop(gone))
            for number, job in running.items():
                if number not in tasks:
                    tasks[number] = progress.add_task(_name(job), total=None, told="")
                progress.update(tasks[number], **_how_far(job))
            await asyncio.sleep(ASK_EVERY_S)


async def _until_ended(client: Asked, number: int) -> None:
    with _progress() as progress:
        task = None
        while True:
            job = (await client.get(f"/jobs/{number}")).json()
            if job["state"] not in WAITING:
                return
            if task is None:
                task = progress.add_task(_name(job), total=None, told="")
            progress.update(task, **_how_far(job))
            await asyncio.sleep(ASK_EVERY_S)


async def _print_log(client: Asked, number: int, follow: bool) -> None:
    """What is printed so far; following, also what comes until the job has ended."""
    shown = 0
    while True:
        # The state first: of a job that has ended by then, the log is whole.
        state = (await client.get(f"/jobs/{number}")).json()["state"]
        text = (await client.get(f"/jobs/{number}/log")).text
        sys.stdout.write(text[shown:])
        sys.stdout.flush()
        shown = len(text)
        if not follow or state not in WAITING:
            return
        await asyncio.sleep(ASK_EVERY_S)


def _progress() -> Progress:
    return bars(TextColumn("{task.fields[told]}"), TimeRemainingColumn())


def _name(job: Document) -> str:
    return escape(f"{job['id']} {job['cell']} {job['dataset']} {job['recipe']} {job['seed']}")


def _how_far(job: Document) -> Document:
    """What a bar shows of a job that waits or runs."""
    done = job["progress"]
    if done is None:
        return {"told": job["state"]}
    if done["to_measure"] is not None:
        now, total = done["measured"], done["to_measure"]
        return {"completed": now, "total": total, "told": f"measured {now:,}/{total:,}"}
    rate = "" if done["images_per_s"] is None else f", {done['images_per_s']:,.0f} im/s"
    told = f"epoch {done['epoch']}/{done['epochs']}{rate}"
    return {"completed": done["epoch"], "total": done["epochs"], "told": told}


# --- showing ----------------------------------------------------------------------------------


def _show(items: list[Document]) -> None:
    if not items:
        return
    shown = table(("job", "cell", "dataset", "recipe", "seed", "state", "epoch", "device"))
    for item in items:
        place = f" ({item['position']})" if item["position"] is not None else ""
        shown.add_row(
            str(item["id"]),
            cell_name(item["cell"]),
            *(figure(item[name]) for name in ("dataset", "recipe", "seed")),
            item["state"] + place,
            _done(item["progress"]),
            figure(item["device"]),
        )
    show(shown)


def _done(progress: Document | None) -> str:
    if progress is None:
        return NOTHING
    if progress["to_measure"] is not None:
        return f"{progress['measured']:,}/{progress['to_measure']:,} measured"
    return f"{progress['epoch']}/{progress['epochs']}"


def _print_csv(items: list[Document]) -> None:
    """A row a job: what its JSON has, but for its links, with its progress in columns."""
    from service.api.schemas_jobs import JobOf
    from service.api.schemas_jobs import Progress as Done

    names = [name for name in JobOf.model_fields if name not in ("progress", "links")]
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow([*names, *Done.model_fields])
    for item in items:
        about = {name: item.get(name) for name in names}
        if about["measurement"] is not None:
            about["measurement"] = json.dumps(about["measurement"])
        done = item["progress"] or {}
        writer.writerow([*about.values(), *(done.get(name) for name in Done.model_fields)])
    sys.stdout.buffer.write(made.getvalue().encode())
