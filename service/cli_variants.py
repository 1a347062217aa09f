"""``cellwise variants``: other connections or operations for a cell, with width, depth and rank."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from service.cli import Home, Json, Url, fail, home_folder, out, print_json
from service.cli_tables import NOTHING, show, table


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(variants)


def variants(
    cell: Annotated[str, typer.Argument(help="Id, string, official index, genotype or name.")],
    kind: Annotated[
        str, typer.Option(help="random-connections, random-operations or adapted.")
    ] = "random-connections",
    count: Annotated[int, typer.Option(help="How many, as far as there are so many.")] = 10,
    sampler: Annotated[
        str,
        typer.Option(help="uniform; or paper: one a seed from --seed on, as Shu et al. drew them."),
    ] = "uniform",
    seed: Annotated[
        int | None, typer.Option(help="Of the draws: 0 by default, 1 with --sampler paper.")
    ] = None,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Draws as they come, repeats among them.")
    ] = False,
    arch: Annotated[
        bool, typer.Option("--arch", help="Print cell strings alone, one a line, to train or copy.")
    ] = False,
    home: Home = None,
    url: Url = None,
    json_: Json = False,
) -> None:
    """Make variants of a cell, with width, depth and where these rank; nothing is trained.

    For example: cellwise variants DARTS-V2 --kind adapted --arch

    The paper's own: cellwise variants DARTS-V2 --kind random-operations --sampler paper
    """
    from service.ask import ask

    if arch and json_:
        fail("either --arch or --json, which has the cell strings too")
    parameters = [
        ("cell", cell),
        ("kind", kind),
        ("count", str(count)),
        ("sampler", sampler),
        *(() if seed is None else (("seed", str(seed)),)),
        ("duplicates", str(duplicates).lower()),
    ]
    body = ask(home_folder(home), url, "/variants", parameters).json()
    if json_:
        print_json(body)
    elif arch:
        for item in body["items"]:
            out.print(item["arch"], soft_wrap=True, markup=False, highlight=False)
    else:
        _show(body)


def _show(body: dict[str, Any]) -> None:
    """The cell itself first, for comparison."""
    parts = {"": ""} | ({"reduce_": "reduce "} if body["cell"]["space"] == "darts" else {})
    heads = [f"{head}{name}" for head in parts.values() for name in ("width", "depth", "nominal")]
    shown = table(("variant", *heads), boxed=True)
    for item in (body["cell"], *body["items"]):
        shape = [text for prefix in parts for text in _shape(item, prefix)]
        shown.add_row(item["name"] or item["id"], *shape, end_section=item is body["cell"])
    show(shown)
    among = {rank["among"]: None for rank in body["cell"]["ranks"].values()}
    out.print(f"in brackets: rank among {', '.join(among)}", soft_wrap=True, highlight=False)
    seeds = f"seed {body['seed']}"
    if body["sampler"] == "paper" and len(body["items"]) > 1:
        seeds = f"seeds {body['seed']} to {body['seed'] + len(body['items']) - 1}"
    told = f"{len(body['items'])} of {body['total']:,} variants, {body['sampler']}, {seeds}"
    reason = f": {body['reason']}" if body["reason"] is not None else ""
    out.print(escape(told + reason), soft_wrap=True, highlight=False)


def _shape(item: dict[str, Any], prefix: str) -> tuple[str, str, str]:
    """Width and depth, each with its rank, and both before pruning."""
    width, depth = (_ranked(item["ranks"][f"{prefix}{name}"]) for name in ("width", "depth"))
    nominal = (item[f"{prefix}nominal_{name}"] for name in ("width", "depth"))
    return width, depth, "/".join(NOTHING if value is None else f"{value:g}" for value in nominal)


def _ranked(rank: dict[str, Any]) -> str:
    if rank["value"] is None:
        return NOTHING
    place = NOTHING if rank["rank"] is None else f"{rank['rank']:,}"
    return f"{rank['value']:g} ({place})"
