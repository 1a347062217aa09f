"""The results of studies as tables of the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from service.cli import out

Document = dict[str, Any]

FEWEST = 3
"""Cells, below which no correlation is defined."""


def show_list(items: Iterable[Document]) -> None:
    """Studies, one a row."""
    table = _table(("study", "kind"), ("dataset", "recipe", "state", "ended", "cells"))
    for item in items:
        asked, done = item["settings"], item["progress"]
        more = len(asked["cells"]) - 3
        cells = [*asked["cells"][:3], *([f"{more:,} more"] if more > 0 else [])]
        table.add_row(
            str(item["id"]),
            item["kind"],
            _datasets(asked),
            asked["recipe"],
            item["state"],
            f"{done['ended']:,}/{done['parts']:,}",
            escape(", ".join(cells)),
        )
    out.print(table)


def _datasets(asked: Document) -> str:
    return ", ".join(asked["datasets"] if "datasets" in asked else [asked["dataset"]])


def show_study(document: Document) -> None:
    """The results of a study so far, as its kind has them."""
    asked, done = document["settings"], document["progress"]
    say(
        f"study {document['id']}: {document['kind']} on {_datasets(asked)} by {asked['recipe']}, "
        f"{document['state']}, {done['ended']:,} of {done['parts']:,} parts ended"
    )
    if document["kind"] in ("landscape", "gradient-variance", "smoothness"):
        _show_measured(document["kind"], document["results"])
    elif document["kind"] == "generalisation":
        _show_generalisation(asked["confidence"], document["results"])
    else:
        for at_rate in document["results"]:
            _show_convergence(at_rate)
    errors = Counter(part["error"].splitlines()[0] for part in document["parts"] if part["error"])
    for error, count in errors.items():
        say(f"{count:,} of {done['parts']:,} parts: {error}")


def _show_measured(kind: str, results: Document) -> None:
    """A row a training; of figures by epoch, the first epoch's and the last one's."""
    names = list(dict.fromkeys(found["y"] for found in results["correlations"]))
    by_epoch = [name for name in names if "@" in name]
    if kind == "smoothness":
        names = by_epoch[-1:]
        heads = ["epoch", "network", "largest block"]
    else:
        ends = by_epoch[:1] + by_epoch[-1:]
        names = list(dict.fromkeys(ends + [name for name in names if name not in by_epoch]))
        heads = ["centre loss" if name == "centre" else name.replace("_", " ") for name in names]
    table = _table(("cell",), ("seed", "width", "depth", *heads))
    for item in results["cells"]:
        if kind == "smoothness":
            figures = _eigenvalues(item["blocks"])
        else:
            figures = [_figure(item["figures"].get(name)) for name in names]
        about = (item["cell"], str(item["seed"]), _figure(item["width"]), _figure(item["depth"]))
        table.add_row(*about, *figures)
    out.print(table)
    for images, name in dict.fromkeys((one["images"], one["set"]) for one in results["cells"]):
        if name is not None:
            say(f"on {images:,} images of {name}")
    _show_correlations([found for found in results["correlations"] if found["y"] in names])


def _eigenvalues(blocks: Sequence[Document]) -> list[str]:
    """Of the last epoch: the network's, and the largest in magnitude of a block."""
    last = {one["group"]: one for one in blocks if one["epoch"] == blocks[-1]["epoch"]}
    network = last.pop("network", None)
    found = [one for one in last.values() if one["eigenvalue"] is not None]
    largest = max(found, key=lambda one: abs(one["eigenvalue"]), default=None)
    return [
        str(blocks[-1]["epoch"]) if blocks else "–",
        "–" if network is None else _eigenvalue(network),
        "–" if largest is None else f"{largest['group']}: {_eigenvalue(largest)}",
    ]


def _eigenvalue(block: Document) -> str:
    if block["eigenvalue"] is None:
        return "–"
    doubt = "" if block["converged"] else ", not converged"
    return f"{block['eigenvalue']:.4g} (residual {block['residual']:.1g}{doubt})"


def _show_convergence(at_rate: Document) -> None:
    """The cells at one learning rate, each original above its variants."""
    cells, aulc = at_rate["cells"], f"aulc@{at_rate['epoch']}"
    say(
        f"\nlearning rate {at_rate['learning_rate']:g}, accuracy in percent on "
        f"{at_rate['set'] or 'a set not known yet'}"
    )
    heads = ("width", "depth", "n", aulc, "final accuracy", "diverged")
    table = _table(("cell", "role"), heads)
    for place, item in enumerate(cells, 1):
        table.add_row(
            item["cell"],
            item["role"],
            _figure(item["width"]),
            _figure(item["depth"]),
            f"{item['n']}/{item['trainings']}",
            _spread(item["measures"][aulc]),
            _spread(item["measures"]["accuracy@final"]),
            _percent(item["stability"]["diverged"]),
            end_section=place < len(cells) and cells[place]["original"] != item["original"],
        )
    out.print(table)
    _show_correlations(at_rate["correlations"])
    _show_components(at_rate["components"])


def _show_components(items: Sequence[Document]) -> None:
    table = _table(("variance of", "around"), ("connections", "operations", "seeds"))
    for item in items:
        if item["shares"] is not None:
            shares = (_percent(share) for share in item["shares"].values())
            table.add_row(item["measure"], item["original"], *shares)
    if table.rows:
        out.print(table)
    for item in items:
        if item["shares"] is None:
            say(f"{item['measure']} around {item['original']}: {item['reasons']['shares']}")


def _show_correlations(items: Sequence[Document]) -> None:
    """Spearman's coefficients with width and with depth, a row a measure within a space."""
    table = _table(("Spearman's ρ of", "within"), ("with width", "with depth", "cells"))
    rows: dict[tuple[str, str], dict[str, Document]] = {}
    for item in items:
        rows.setdefault((item["y"], item["space"]), {})[item["x"]] = item
    for row, found in rows.items():
        if any(one["coefficient"] is not None for one in found.values()):
            texts = (_coefficient(found[x]) for x in ("width", "depth"))
            table.add_row(*row, *texts, str(found["width"]["n"]))
    if table.rows:
        out.print(table)
    too_few = {item["space"]: item["n"] for item in items if item["n"] < FEWEST}
    for space, n in too_few.items():
        say(f"no ρ within {space}: {n} of the {FEWEST} cells that it takes")
    undefined: dict[str, list[str]] = {}
    for item in items:
        if item["coefficient"] is None and item["space"] not in too_few:
            why = f"with x = {item['x']} within {item['space']}: {item['reason']}"
            undefined.setdefault(why, []).append(item["y"])
    for why, measures in undefined.items():
        say(f"no ρ of y = {', '.join(measures)} {why}")


def _coefficient(found: Document) -> str:
    if found["coefficient"] is None:
        return "–"
    interval = "" if found["ci"] is None else f" {_interval(found['ci'])}"
    p = "" if found["p_value"] is None else f", p {found['p_value']:.2g}"
    return f"{found['coefficient']:+.2f}{interval}{p}"


def _show_generalisation(confidence: float, items: Sequence[Document]) -> None:
    heads = ("pairs", "adapted − original", f"{100 * confidence:g} % interval", "p", "adapted")
    table = _table(("original",), heads)
    for item in items:
        incomplete = f" ({item['n_incomplete']} incomplete)" if item["n_incomplete"] else ""
        table.add_row(
            item["original"],
            f"{item['n']}{incomplete}",
            "–" if item["mean"] is None else f"{item['mean']:+.2f}",
            _interval(item["ci"]),
            "–" if item["t_p"] is None else f"{item['t_p']:.2g}",
            item["verdict"],
        )
    out.print(table)
    say("differences in percentage points of accuracy, p by the paired t-test")
    for item in items:
        if "verdict" in item["reasons"]:
            say(f"{item['original']}: {item['reasons']['verdict']}")


def say(text: str) -> None:
    """A line, as long as it is."""
    out.print(escape(text), soft_wrap=True, highlight=False)


def _table(names: Iterable[str], figures: Iterable[str]) -> Table:
    """In a narrow terminal names stay whole, and figures take more lines rather than be cut."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for head in names:
        table.add_column(head, no_wrap=True)
    for head in figures:
        table.add_column(head, overflow="fold")
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _interval(ends: Sequence[float] | None) -> str:
    return "–" if ends is None else escape(f"[{ends[0]:+.2f}, {ends[1]:+.2f}]")


def _spread(measure: Document) -> str:
    if measure["mean"] is None:
        return "–"
    std = "" if measure["std"] is None else f" ± {measure['std']:.2f}"
    return f"{measure['mean']:.2f}{std}"
