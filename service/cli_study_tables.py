"""The results of studies as tables of the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.markup import escape

from analysis.cells import cell_name, parse_cell
from analysis.report.text import of_pairs
from service.cli_tables import NOTHING, Document, interval, measured, rounded, say, show, table

FEWEST = 3
"""Cells, below which no correlation is defined."""


def show_list(items: Iterable[Document]) -> None:
    """Studies, one a row."""
    shown = table(("study", "kind", "dataset", "recipe", "state", "ended", "cells"))
    for item in items:
        asked, done = item["settings"], item["progress"]
        more = len(asked["cells"]) - 3
        cells = [cell_name(parse_cell(cell).id) for cell in asked["cells"][:3]]
        cells += [f"{more:,} more"] if more > 0 else []
        shown.add_row(
            str(item["id"]),
            item["kind"],
            _datasets(asked),
            asked["recipe"],
            item["state"],
            f"{done['ended']:,}/{done['parts']:,}",
            escape(", ".join(cells)),
        )
    show(shown)


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
    shown = table(("cell", "seed", "width", "depth", *heads))
    for item in results["cells"]:
        if kind == "smoothness":
            figures = _eigenvalues(item["blocks"])
        else:
            figures = [rounded(item["figures"].get(name)) for name in names]
        shape = (rounded(item["width"]), rounded(item["depth"]))
        shown.add_row(cell_name(item["cell"]), str(item["seed"]), *shape, *figures)
    show(shown)
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
        str(blocks[-1]["epoch"]) if blocks else NOTHING,
        NOTHING if network is None else _eigenvalue(network),
        NOTHING if largest is None else f"{largest['group']}: {_eigenvalue(largest)}",
    ]


def _eigenvalue(block: Document) -> str:
    if block["eigenvalue"] is None:
        return NOTHING
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
    shown = table(("cell", "role", *heads))
    for place, item in enumerate(cells, 1):
        shown.add_row(
            cell_name(item["cell"]),
            item["role"],
            rounded(item["width"]),
            rounded(item["depth"]),
            f"{item['n']}/{item['trainings']}",
            _mean(item["measures"][aulc]),
            _mean(item["measures"]["accuracy@final"]),
            _percent(item["stability"]["diverged"]),
            end_section=place < len(cells) and cells[place]["original"] != item["original"],
        )
    show(shown)
    _show_correlations(at_rate["correlations"])
    _show_components(at_rate["components"])


def _show_components(items: Sequence[Document]) -> None:
    shown = table(("variance of", "around", "connections", "operations", "seeds"))
    for item in items:
        if item["shares"] is not None:
            shares = (_percent(share) for share in item["shares"].values())
            shown.add_row(item["measure"], cell_name(item["original"]), *shares)
    if shown.rows:
        show(shown)
    for item in items:
        if item["shares"] is None:
            around = cell_name(item["original"])
            say(f"{item['measure']} around {around}: {item['reasons']['shares']}")


def _show_correlations(items: Sequence[Document]) -> None:
    """Spearman's coefficients with width and with depth, a row a measure within a space."""
    shown = table(("Spearman's ρ of", "within", "with width", "with depth", "cells"))
    rows: dict[tuple[str, str], dict[str, Document]] = {}
    for item in items:
        rows.setdefault((item["y"], item["space"]), {})[item["x"]] = item
    for row, found in rows.items():
        if any(one["coefficient"] is not None for one in found.values()):
            texts = (_coefficient(found[x]) for x in ("width", "depth"))
            shown.add_row(*row, *texts, _cells(found["width"]))
    if shown.rows:
        show(shown)
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


def _cells(found: Document) -> str:
    """How many, how many of them are different networks, and how many are ranked last."""
    told = [str(found["n"])]
    if found["n_distinct"] < found["n"]:
        told.append(f"{found['n_distinct']} distinct")
    told += [f"{found[what]} {what}" for what in ("censored", "diverged") if found[what]]
    return ", ".join(told)


def _coefficient(found: Document) -> str:
    if found["coefficient"] is None:
        return NOTHING
    ends = "" if found["ci"] is None else f" {interval(found['ci'], '+.2f')}"
    p = "" if found["p_value"] is None else f", p {found['p_value']:.2g}"
    return f"{found['coefficient']:+.2f}{ends}{p}"


def _show_generalisation(confidence: float, items: Sequence[Document]) -> None:
    heads = ("pairs", "adapted − original", f"{100 * confidence:g} % interval", "p", "adapted")
    shown = table(("original", *heads))
    for item in items:
        shown.add_row(
            cell_name(item["original"]),
            of_pairs(item),
            NOTHING if item["mean"] is None else f"{item['mean']:+.2f}",
            interval(item["ci"], "+.2f"),
            NOTHING if item["t_p"] is None else f"{item['t_p']:.2g}",
            item["verdict"] or NOTHING,
        )
    show(shown)
    say("differences in percentage points of accuracy, p by the paired t-test")
    for item in items:
        if "verdict" in item["reasons"]:
            say(f"{cell_name(item['original'])}: {item['reasons']['verdict']}")


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f} %"


def _mean(measure: Document) -> str:
    return measured(measure["mean"], measure["std"], percent=True)
