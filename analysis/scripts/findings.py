"""What the tables say of width, depth and convergence: asks a server, writes Markdown.

Every number is one HTTP call away; each table names its call. Run it against a server that has the
tables of the real results imported (docs/sources.md)::

    python -m analysis.scripts.findings --url http://127.0.0.1:8000 > docs/findings.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from analysis.client import DEFAULT_URL, Client, ClientError
from analysis.report.answers import correlations
from analysis.report.benchmark import SHAPES
from analysis.report.plan import PUBLISHED
from analysis.report.text import markdown

EARLY = ("valid_accuracy@3of200", "valid_accuracy@8of200", "valid_accuracy@23of200")
SHORT = "valid_accuracy@12of12"
FINAL = ("valid_accuracy@200of200", "test_accuracy@200of200")

HELD = ("group_by", "live_ops")
"""What is held where cells of the same operations are compared."""

RESAMPLES, OF_GROUPS = 300, 1_999
"""Of classes of copies, and of groups, which cost little, for the interval of a difference."""


def compared(server: Client, x: str, early: str, late: str, *asked: tuple[str, str]) -> str:
    """How a coefficient differs from early to late over the same cells, in a line."""
    resamples = OF_GROUPS if "group_by" in dict(asked) else RESAMPLES
    parameters = [("x", x), ("y", early), ("y", late), *asked, ("resamples", str(resamples))]
    items = server.get("/correlations/contrasts", parameters)["items"]
    difference = next(item for item in items if item["y"] == [early, late])
    low, high = difference["ci"]
    says = "a difference" if low > 0 or high < 0 else "no difference shown"
    both = (one for y in (early, late) for one in items if one["y"] == [y])
    first, last = (f"{one['estimate']:+.3f}" for one in both)
    return (
        f"* `{x}`, `{early}` less `{late}`: {first} less {last} is "
        f"{difference['estimate']:+.3f} ({low:+.3f}, {high:+.3f}), {says}; "
        f"{difference['n']:,} cells"
    )


def report(server: Client) -> Iterable[str]:
    """The report, part by part."""
    sources = server.get("/sources")["items"]
    yield "# Findings on the tables\n"
    yield (
        "Written by `python -m analysis.scripts.findings` from a server's answers; nothing here "
        "is typed by hand. Coefficients are Spearman's with 95 % intervals: by Fisher's z (Bonett "
        "& Wright 2000) for as many independent cells as copies of a network leave, within groups "
        "from the variance between these ([statistics](statistics.md)). *n* counts cells, "
        "*different* the networks among them that aren't copies. No interval is corrected for "
        "their number. Width and depth are of connected NAS-Bench-201 cells. Values are means over "
        "the seeds there are: one at epochs 3, 8 and 23, and after 12 epochs on CIFAR-100 and "
        "ImageNet16-120. What was loaded:\n"
    )
    yield markdown(
        ["source", "cells", "values", "what"],
        [[f"`{s['name']}`", f"{s['cells']:,}", f"{s['points']:,}", s["title"]] for s in sources],
    )
    yield from shape_against_accuracy(server)
    yield from within_operations(server)
    yield from other_datasets(server)
    yield from early_against_final(server)
    yield from by_shape(server)
    yield from named_cells(server)


def shape_against_accuracy(server: Client) -> Iterable[str]:
    """Width and depth against accuracy along training."""
    ys = [*EARLY, SHORT, *FINAL]
    everything = correlations(server, SHAPES, ys)
    yield "\n## Does width go with early accuracy? With final accuracy?\n"
    yield "CIFAR-10, every cell that has the value:\n"
    yield everything.table(SHAPES, ys)
    same = correlations(server, SHAPES, ys, ("min_metric", f"{EARLY[0]}:0"))
    yield (
        "\nThe points at epochs 3, 8 and 23 were logged for cells that optimisers chose, so rows "
        "above rest on different cells. On the same cells throughout, those with a value at "
        "epoch 3 (later epochs keep the better ones of these):\n"
    )
    yield same.table(SHAPES, ys)
    yield "\nEarly less late, over the cells that have both (`GET /correlations/contrasts`):\n"
    for x in ("width", "depth"):
        for early, late in ((EARLY[0], FINAL[0]), (EARLY[0], FINAL[1]), (SHORT, FINAL[0])):
            yield compared(server, x, early, late)
    partial = correlations(server, ("width", "depth"), ys, ("control", "params_m"))
    yield "\nHolding the number of parameters fixed (partial correlation):\n"
    yield partial.table(("width", "depth"), ys)
    shape = correlations(server, ("width",), ys, ("control", "depth"))
    yield "\nWidth, holding depth fixed:\n"
    yield shape.table(("width",), ys)


def within_operations(server: Client) -> Iterable[str]:
    """The same among cells of equal operations, by either meaning of that."""
    yield "\n## Among cells of the same operations\n"
    for about, asked in (
        (
            "The mean of the coefficients inside groups with the same multiset of operations on "
            "*live* edges, so that only how those that work are connected differs "
            "([why these](concepts.md#the-same-operations-those-that-work)):",
            [HELD],
        ),
        (
            "With operations on dead edges counted too, so that cells of a group differ in how "
            "many of theirs work:",
            [("group_by", "ops")],
        ),
        (
            "The same among cells without a dead operation, where both mean the same:",
            [("group_by", "ops"), ("n_dead", "0")],
        ),
    ):
        yield from early_and_late(server, about, asked)


def early_and_late(server: Client, about: str, asked: Sequence[tuple[str, str]]) -> Iterable[str]:
    """Width and depth along training, early compared with late."""
    ys = [*EARLY, SHORT, *FINAL]
    answer = correlations(server, ("width", "depth"), ys, *asked)
    yield f"\n{about}\n"
    yield answer.table(("width", "depth"), ys)
    yield "\nEarly less late, over the cells that have both; those with epoch 3 were chosen:\n"
    for x in ("width", "depth"):
        for early in (SHORT, EARLY[0]):
            yield compared(server, x, early, FINAL[0], *asked)


def other_datasets(server: Client) -> Iterable[str]:
    """CIFAR-100 and ImageNet16-120."""
    yield "\n## CIFAR-100 and ImageNet16-120\n"
    for dataset in ("cifar100", "ImageNet16-120"):
        ys = [
            *(f"valtest_accuracy@{epoch}of200" for epoch in (3, 8, 23)),
            "valid_accuracy@12of12",
            "valid_accuracy@200of200",
            "test_accuracy@200of200",
        ]
        told = f"{dataset} (at epochs 3, 8 and 23 validation and test images together)"
        for about, asked in ((told, []), (f"{dataset}, the same operations on live edges", [HELD])):
            answer = correlations(server, ("width", "depth"), ys, ("dataset", dataset), *asked)
            yield f"\n{about}:\n"
            yield answer.table(("width", "depth"), ys)


def early_against_final(server: Client) -> Iterable[str]:
    """How well early accuracy tells final accuracy."""
    xs = [*EARLY, SHORT]
    yield "\n## Does early accuracy tell final accuracy?\n"
    yield "Reliability is that of the early accuracy.\n"
    yield correlations(server, xs, FINAL, ("connected", "true")).turned(xs, FINAL)
    yield "\nAmong connected cells of the same operations on live edges:\n"
    yield correlations(server, xs, FINAL[:1], HELD, ("connected", "true")).turned(xs, FINAL[:1])


def by_shape(server: Client) -> Iterable[str]:
    """Accuracy by width and depth."""
    parameters = [("by", "width,depth"), ("metric", SHORT), ("metric", FINAL[0])]
    groups = server.get("/groups", parameters)["items"]
    yield "\n## Accuracy by width and depth\n"
    yield markdown(
        ["width", "depth", "cells", f"`{SHORT}` median", f"`{FINAL[0]}` median", "best", "cell"],
        [
            [
                f"{group['width']}",
                f"{group['depth']}",
                f"{group['cells']:,}",
                f"{group['metrics'][SHORT]['median']:.2f}",
                f"{group['metrics'][FINAL[0]]['median']:.2f}",
                f"{group['metrics'][FINAL[0]]['max']:.2f}",
                f"`{group['metrics'][FINAL[0]]['best']}`",
            ]
            for group in groups
        ],
    )
    yield f"\n`GET /groups?{urlencode(parameters, safe='@,')}`\n"


def named_cells(server: Client) -> Iterable[str]:
    """Where the published cells stand."""
    parameters = [("cell", name) for name in PUBLISHED]
    items = server.get("/ranks", parameters)["items"]
    yield "\n## Are the published cells among the widest and shallowest?\n"
    rows = []
    for item in items:
        width, depth = item["ranks"]["width"], item["ranks"]["depth"]
        rows.append(
            [
                item["name"],
                f"{width['value']:g}",
                f"{width['rank']:,} of {width['of']:,} ({width['position']}. highest of "
                f"{width['positions']} values)",
                f"{depth['value']:g}",
                f"{depth['rank']:,} of {depth['of']:,} ({depth['position']}. lowest of "
                f"{depth['positions']} values)",
            ]
        )
    yield markdown(["cell", "width", "widest", "depth", "shallowest"], rows)
    yield (
        "\nThe claim was made from these five, so that they don't test it; NASNet-A, AmoebaNet-A "
        "and ENAS have nodes that read one source twice, which none of these wirings has.\n"
    )
    yield f"\n`GET /ranks?{urlencode(parameters)}`\n"


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description="What the tables say of width and depth.")
    parser.add_argument("--url", default=DEFAULT_URL, help="server to ask")
    try:
        with Client(parser.parse_args().url) as client:
            for part in report(client):
                print(part)
    except ClientError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
