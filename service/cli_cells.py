"""``cellwise cells``, ``curves``, ``ranks`` and ``runs``."""

from __future__ import annotations

from typing import Any

from service.cli_query import Command
from service.cli_tables import (
    NOTHING,
    Document,
    figure,
    filled,
    in_percent,
    measured,
    say,
    say_context,
    show,
    some_epochs,
    sparkline,
    table,
)


def _show_cells(body: Document) -> None:
    items = body["items"]
    if not items:
        say("no cell passes these filters")
        return
    beside = (":n_seeds", ":std", ":state")
    names = [
        name
        for name in items[0]
        if not (name.endswith(beside) and name.rpartition(":")[0] in items[0])
    ]
    shown = table(names, boxed=True)
    for item in items:
        shown.add_row(*(_value(item, name) for name in names))
    show(shown)
    say_context(body["context"], spread=True)
    say(f"{len(items):,} of {body['total']:,} cells")


def _value(item: Document, name: str) -> str:
    std = item.get(f"{name}:std")
    if item[name] is None and (state := item.get(f"{name}:state")) is not None:
        return str(state)
    return (
        figure(item[name]) if std is None else measured(item[name], std, percent=in_percent(name))
    )


def _show_curves(body: Document) -> None:
    """A row a curve, with some of its epochs."""
    items = body["items"]
    if not items:
        say("none of these cells has such a curve")
        return
    recorded = sorted({epoch for item in items for epoch in item["epochs"]})
    epochs = some_epochs(recorded)
    several = len({item["metric"] for item in items}) > 1
    curved = len(recorded) > 1
    heads = ["cell", *(["metric"] if several else []), "seed", *map(str, epochs)]
    shown = table([*heads, *(["curve"] if curved else [])])
    for item in items:
        about = [item["cell"], *([item["metric"]] if several else []), _seed(item)]
        values = dict(zip(item["epochs"], item["values"], strict=True))
        spread = dict(zip(item["epochs"], item.get("std") or (), strict=False))
        points = (
            measured(values.get(epoch), spread.get(epoch), percent=in_percent(item["metric"]))
            for epoch in epochs
        )
        bars = [sparkline(item["values"])] if curved else []
        shown.add_row(*about, *points, *bars)
    show(shown)
    say_context(body["context"], spread=True)
    if len(epochs) < len(recorded):
        say(f"{len(epochs)} of {len(recorded)} epochs; all of them: --csv or --json")


def _seed(item: Document) -> str:
    seed, replicate = item["seed"], item.get("replicate")
    return figure(seed if seed is not None else replicate)


def _show_ranks(body: Document) -> None:
    """A row a cell and column."""
    shown = table(("cell", "column", "value", "rank", "distinct value", "percentile"))
    for item in body["items"]:
        ranks = item["ranks"]
        for place, (name, rank) in enumerate(ranks.items(), 1):
            shown.add_row(
                _name(item),
                name,
                figure(rank["value"]),
                _of(rank["rank"], rank["of"]),
                _of(rank["position"], rank["positions"]),
                NOTHING if rank["percentile"] is None else f"{rank['percentile']:.1f}",
                end_section=place == len(ranks),
            )
    show(shown)
    among = {rank["among"]: None for item in body["items"] for rank in item["ranks"].values()}
    say(f"rank 1 is the widest, the shallowest, the best, among {'; '.join(among)}")
    for item in body["items"]:
        for name, rank in item["ranks"].items():
            if rank["reason"] is not None:
                what = "no rank of " if rank["rank"] is None else ""
                say(f"{what}{_name(item)} by {name}: {rank['reason']}")
    say_context(body["context"])


def _name(item: Document) -> str:
    return str(item["name"] or item["id"])


def _of(place: int | None, among: int | None) -> str:
    return NOTHING if place is None else f"{place:,} of {among:,}"


def _show_runs(body: Document) -> None:
    items: list[dict[str, Any]] = body["items"]
    if not items:
        say("no run passes these filters")
        return
    heads = {"cell": "cell", "dataset": "dataset", "recipe": "recipe", "schedule": "epochs"}
    columns = {head: [figure(item[name]) for item in items] for name, head in heads.items()}
    columns["seed"] = [_seed(item) for item in items]
    columns |= {name: [figure(item[name]) for item in items] for name in ("source", "device")}
    if any(item["images"] != "original" for item in items):
        columns["images"] = [figure(item["images"]) for item in items]
    columns["seconds"] = [_seconds(item) for item in items]
    columns = filled(columns)
    shown = table(columns)
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*row)
    show(shown)
    say(f"{len(items):,} of {body['total']:,} runs; seconds of training")


def _seconds(item: Document) -> str:
    seconds = item["train_time_s"]
    return NOTHING if seconds is None else f"{seconds:,.1f} ({item['time_source']})"


COMMANDS = (
    Command(
        name="cells",
        about="List cells by topology, cost and metrics.",
        example="cellwise cells --min-width 3 --sort=-valid_accuracy@final --limit 5",
        path="/cells",
        query="service.api.routes.cells:CellsQuery",
        show=_show_cells,
        in_terminal={"fields": "id,width,depth,params_m,flops_m,valid_accuracy@final"},
    ),
    Command(
        name="curves",
        about="Learning curves of cells, as means over seeds or by seed.",
        example="cellwise curves 6111 284 --metric valid_accuracy --seed all",
        path="/curves",
        query="service.api.routes.cells:CurvesOfCellsQuery",
        show=_show_curves,
        takes_cells=True,
    ),
    Command(
        name="ranks",
        about="Where cells stand in their space: rank 1 is the widest, the shallowest, the best.",
        example="cellwise ranks NASNet-A DARTS-V2 6111",
        path="/ranks",
        query="service.api.routes.groups:RanksQuery",
        show=_show_ranks,
        takes_cells=True,
    ),
    Command(
        name="runs",
        about="List single trainings, as recorded.",
        example="cellwise runs --cell 6111 --dataset cifar100",
        path="/runs",
        query="service.api.routes.runs:RunsQuery",
        show=_show_runs,
    ),
)
