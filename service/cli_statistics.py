"""``cellwise correlations``, ``correlations-by-epoch``, ``contrasts`` and ``groups``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from data.columns import GROUPINGS
from service.cli_query import Command
from service.cli_tables import (
    NOTHING,
    Document,
    coefficient,
    counts,
    figure,
    filled,
    in_percent,
    measured,
    p_value,
    rounded,
    say,
    say_context,
    show,
    some_epochs,
    sparkline,
    table,
)
from service.plots.coefficients import METHODS, intervals_by


def _show_correlations(body: Document) -> None:
    _show_coefficients(body["items"])
    _say_how(body)


def _show_by_epoch(body: Document) -> None:
    """Some of the epochs as rows, and all of them as a line of bars."""
    items = body["items"]
    recorded = sorted({item["epoch"] for item in items})
    epochs = some_epochs(recorded)
    _show_coefficients([item for item in items if item["epoch"] in epochs])
    for x, found in groupby(items, key=lambda item: item["x"]):
        curve = sparkline([item["coefficient"] for item in found])
        if curve:
            say(f"{x} over the epochs, least to most: {curve}")
    if len(epochs) < len(recorded):
        say(f"{len(epochs)} of {len(recorded)} epochs; all of them: --csv or --json")
    _say_how(body)


def _show_coefficients(items: Sequence[Document]) -> None:
    """A row each; columns that none of them fills are left out."""
    by_epoch = "epoch" in items[0]
    where = "epoch" if by_epoch else "y"
    more = filled(
        {
            "distinct": _unless_all(items, "n_distinct"),
            "worth": _unless_all(items, "n_effective"),
            "groups": [figure(item.get("groups")) for item in items],
            "I²": [_share(item.get("i_squared")) for item in items],
            "left out": [counts(item["excluded"]) for item in items],
            "ranked last": [_last(item) for item in items],
            "reliability": [_reliability(item) for item in items],
            "without noise": [coefficient(item.get("disattenuated")) for item in items],
            "why not": [_why_not(item) for item in items],
        }
    )
    shown = table(["x", where, METHODS[items[0]["method"]], "p", "n", *more])
    for place, (item, following) in enumerate(zip(items, [*items[1:], items[-1]], strict=True)):
        shown.add_row(
            figure(item["x"]),
            figure(item[where]),
            coefficient(item["coefficient"], item["ci"]),
            p_value(item["p_value"]),
            f"{item['n']:,}",
            *(texts[place] for texts in more.values()),
            end_section=by_epoch and item["x"] != following["x"],
        )
    show(shown)


def _last(found: Document) -> str:
    """How many cells have a place and no number."""
    told = [f"{found[what]:,} {what}" for what in ("censored", "diverged") if found[what]]
    return figure(", ".join(told) or None)


def _reliability(item: Document) -> str:
    """Of x and of y, or of each column, where they are of trainings."""
    found = item.get("reliability") or {}
    told = [
        f"{name} {one['reason'] if one['icc'] is None else format(one['icc'], 'z.3f')}"
        for name, one in found.items()
        if one is not None
    ]
    return figure(", ".join(told) or None)


def _unless_all(items: Sequence[Document], name: str) -> list[str]:
    """How many cells these are, told where they are fewer than n."""
    fewer = any(item[name] is not None and item[name] < item["n"] for item in items)
    return [f"{item[name]:,.0f}" if fewer and item[name] is not None else NOTHING for item in items]


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _why_not(item: Document) -> str:
    """Why the coefficient, or what should stand beside it, is undefined."""
    reasons = [item["reason"]]
    reasons += [
        f"no {what}: {item[name]}"
        for what, name in (
            ("p", "p_reason"),
            ("interval", "ci_reason"),
            ("I²", "i_squared_reason"),
        )
        if item.get(name) not in (None, item["reason"])
    ]
    return figure("; ".join(filter(None, reasons)) or None)


def _say_how(body: Document) -> None:
    context = body["context"]
    told = [_cells_of(context)]
    if "same_cells" in context:
        same = (
            "the same at each epoch" if context["same_cells"] else "other ones from epoch to epoch"
        )
        told[0] += f", {same}"
    if context.get("comparable_by") is not None:
        same = _called(context["comparable_by"])
        told[0] += f", those that can be compared within groups of equal {same}"
    if context["confidence"] is not None and any(item["ci"] for item in body["items"]):
        told.append(f"{100 * context['confidence']:g} % intervals, {intervals_by(body['items'])}")
    _say_held(context, told)


def _called(group_by: str) -> str:
    return GROUPINGS.get(group_by, group_by)


def _say_held(context: Document, told: list[str]) -> None:
    """What was held fixed, behind what is ``told`` already."""
    if context["control"]:
        told.append(f"{', '.join(context['control'])} held fixed")
    if context["group_by"] is not None:
        same = _called(context["group_by"])
        told.append(f"mean within groups of equal {same}, weighted by size")
    say("; ".join(told))
    say_context(context)


def _show_contrasts(body: Document) -> None:
    """A row each; what is compared stands as ``width − depth``."""
    items, context = body["items"], body["context"]
    more = filled({"why not": [figure(item["reason"]) for item in items]})
    shown = table(["x", "y", "estimate", "SE", *more])
    for place, item in enumerate(items):
        shown.add_row(
            figure(" − ".join(item["x"])),
            figure(" − ".join(item["y"])),
            coefficient(item["estimate"], item["ci"]),
            NOTHING if item["standard_error"] is None else f"{item['standard_error']:.3f}",
            *(texts[place] for texts in more.values()),
        )
    show(shown)
    one = items[0]
    cells = f"{one['n']:,} {_cells_of(context)}, {one['n_distinct']:,} of them distinct"
    groups = "" if one["n_groups"] is None else f", in {one['n_groups']:,} groups"
    how = intervals_by([one | {"ci_method": "bootstrap", "ci": True}])
    told = [
        f"all over the same {cells}{groups}",
        f"{METHODS[context['method']]} with {100 * context['confidence']:g} % intervals, {how}",
    ]
    if context["excluded"]:
        told.append(f"left out: {counts(context['excluded'])}")
    if context["censored"] or context["diverged"]:
        told.append(f"ranked last: {_last(context)}")
    if (reliable := _reliability(context)) != NOTHING:
        told.append(f"reliability: {reliable}")
    _say_held(context, told)


def _show_groups(body: Document) -> None:
    """A table a metric."""
    items, context = body["items"], body["context"]
    if not items:
        say("no cell is in a group")
    for metric in body["explained"] if items else ():
        keys = [name for name in items[0] if name not in ("cells", "metrics")]
        quartiles = ("min", "q1", "median", "q3", "max")
        behind = any(_last(item["metrics"][metric]) != NOTHING for item in items)
        lacking = any(item["cells"] != item["metrics"][metric]["n"] for item in items)
        heads = [
            *keys,
            "cells",
            *(["n"] if lacking else []),
            *(["last"] if behind else []),
            "mean ± std",
            *quartiles,
            "best",
        ]
        shown = table(heads, title=metric)
        for item in items:
            found = item["metrics"][metric]
            shown.add_row(
                *(figure(item[name]) for name in keys),
                f"{item['cells']:,}",
                *([f"{found['n']:,}"] if lacking else []),
                *([_last(found)] if behind else []),
                measured(found["mean"], found["std"], percent=in_percent(metric)),
                *(rounded(found[name]) for name in quartiles),
                figure(found["best"]),
            )
        show(shown)
        say(f"{metric}: {_explained(body['explained'][metric])}")
    left_out = f"; left out: {counts(context['excluded'])}" if context["excluded"] else ""
    say(_cells_of(context) + left_out)
    say_context(context)


def _explained(found: Document) -> str:
    """How much of the variance over the cells the groups explain, and why not more is told."""
    why_not = "; ".join(dict.fromkeys(found["reasons"].values()))
    if found["eta_squared"] is None:
        return f"what the groups explain is undefined: {why_not}"
    told = f"the groups explain η² {found['eta_squared']:.3f}"
    if found["omega_squared"] is not None:
        told += f", ω² {found['omega_squared']:z.3f}"
    told += " of the variance"
    if found["f"] is not None:
        told += f", F {found['f']:.4g}, p {p_value(found['p'])}"
    networks = f"networks {found['n_distinct']:,}, " if found["n_distinct"] < found["n"] else ""
    told += f" (cells {found['n']:,}, {networks}groups {found['groups']:,})"
    return f"{told}; no more: {why_not}" if why_not else told


def _cells_of(context: Document) -> str:
    space = "all spaces" if context["space"] == "all" else context["space"]
    return f"cells of {space} on {context['dataset']}"


COMMANDS = (
    Command(
        name="correlations",
        about="Correlate columns and metrics over the cells that have both.",
        example="cellwise correlations --x width,depth --y valid_accuracy@final",
        path="/correlations",
        query="service.api.routes.correlations:CorrelationsQuery",
        show=_show_correlations,
    ),
    Command(
        name="correlations-by-epoch",
        about="The same at every recorded epoch of a schedule: where does width tell most?",
        example="cellwise correlations-by-epoch --x width --y valid_accuracy --schedule 12",
        path="/correlations/by-epoch",
        query="service.api.routes.correlations:ByEpochQuery",
        show=_show_by_epoch,
    ),
    Command(
        name="contrasts",
        about="Differences of correlations over the same cells: does width tell more than depth?",
        example="cellwise contrasts --x width,depth --y valid_accuracy@final",
        path="/correlations/contrasts",
        query="service.api.routes.contrasts:ContrastsQuery",
        show=_show_contrasts,
    ),
    Command(
        name="groups",
        about="Group cells by columns: a metric's distribution and the best cell in each group.",
        example="cellwise groups --by width,depth --metric valid_accuracy@final",
        path="/groups",
        query="service.api.routes.groups:GroupsQuery",
        show=_show_groups,
    ),
)
