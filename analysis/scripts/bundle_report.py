"""What the shipped sample of proxy trainings says: asks a server, writes Markdown.

How its ranking agrees with the benchmark's own trainings, and what width and depth have to do
with its early and final accuracy. Needs a server with the benchmark's tables (docs/sources.md)::

    python -m analysis.scripts.bundle_report --url http://127.0.0.1:8000 > docs/bundle.md
"""

from __future__ import annotations

import argparse
import sys

from scipy import stats

from analysis.client import DEFAULT_URL, Client, ClientError
from analysis.report.answers import correlations
from analysis.report.benchmark import SHAPES
from analysis.report.tabular import SAMPLED
from analysis.report.text import markdown, number
from analysis.scripts.bundle import CELLS, VARIANTS, VARIED, drawn

EPOCHS = (1, 3, 6, 12)
LIVE = ("live_conv3x3", "live_conv1x1", "live_skip", "live_pool")
FINAL = "valid_accuracy@12of12"
TABLE = {
    "12-epoch schedule, validation": ("valid_accuracy@12of12", "nb201-12"),
    "200 epochs, validation": ("valid_accuracy@200of200", "nb201-200"),
    "200 epochs, test": ("test_accuracy@200of200", "nb201-200"),
}

INTRODUCTION = f"""# The bundled sample

A fresh server holds, besides the benchmark's table, runs that Cellwise trained itself: source
`local-bundle`, recipe `proxy`, on CIFAR-10. It shows what a fresh training gives, answers
questions that the packaged table can't (it has every epoch's curve, and genotypes), and measures
how far minutes on two cores can be trusted. Written by `python -m analysis.scripts.bundle_report`
from a server that had the benchmark's tables imported besides.

**What is trained.** {CELLS} cells of NAS-Bench-201, drawn as evenly over (width, depth) as there
are different cells, so that narrow shapes, of which there are few (at most four of width and depth
1), give up their share; within a shape every mix of operations as often as any other
(`analysis/spaces/sampling.py`); a tenth of them with a second seed. The cells of NASNet,
AmoebaNet, ENAS, DARTS and SNAS, a form of each in which every node reads both inputs (by another
rule than the paper's, so that they are not the named `…-adapted`), and {VARIANTS} randomly
connected variants each of {" and ".join(VARIED)}.

**How.** C = 8, one cell a stage (genotypes: five cells), 12 epochs of batch 64 on 4,000 images
averaged down to 16×16 pixels, float32, one thread; 1,500 validation and 1,500 test images, so that
an accuracy has a standard error of about 1.3 points from the images alone. The CIFAR-10 at hand
was a JPEG encoding of the images (`images=jpeg`), without the benchmark's split: half of the
training images, by a seed, are `x-valid`. Each run has its recipe, versions, device and measured
times: `GET /runs/{{id}}`.

**To make it anew,** or go on with it: `python -m analysis.scripts.bundle` asks a server for every
training that it lacks, and may be stopped at any time.
"""


def main() -> None:
    """Ask, and write to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=DEFAULT_URL, help="server to ask")
    try:
        with Client(parser.parse_args().url) as server:
            print(INTRODUCTION)
            print(_state(server))
            print(_agreement(server))
            print(_shapes(server))
            print(_named(server))
    except ClientError as error:
        sys.exit(str(error))


def _state(server: Client) -> str:
    runs = server.get("/runs", [("source", "local-bundle"), ("limit", "1000")])
    planned = len(list(drawn()))
    hours = sum(run["train_time_s"] for run in runs["items"]) / 3600
    cells = {run["cell"] for run in runs["items"]}
    of_table = sum(cell.startswith("nb201") for cell in cells)
    return (
        f"**State.** The sample holds {runs['total']} of {planned} trainings: {of_table} cells of "
        f"NAS-Bench-201 and {len(cells) - of_table} genotypes,\n"
        f"{hours:.1f} core hours of training.\n"
    )


def _accuracies(server: Client, metric: str, *context: tuple[str, str]) -> dict[str, float]:
    """Mean over seeds of every cell of NAS-Bench-201 that has it."""
    parameters = [*context, ("fields", f"id,{metric}"), ("min_metric", f"{metric}:0")]
    items = server.items("/cells", [*parameters, ("limit", "1000")])
    return {item["id"]: item[metric] for item in items}


def _agreement(server: Client) -> str:
    proxy = {
        epoch: _accuracies(server, f"valid_accuracy@{epoch}of12", *SAMPLED) for epoch in EPOCHS
    }
    rows = []
    for name, (metric, recipe) in TABLE.items():
        table = _accuracies(server, metric, ("dataset", "cifar10"), ("recipe", recipe))
        row = [name]
        for epoch in EPOCHS:
            cells = sorted(proxy[epoch].keys() & table.keys())
            pairs = [proxy[epoch][cell] for cell in cells], [table[cell] for cell in cells]
            row.append(f"{stats.spearmanr(*pairs).statistic:+.3f}")
        rows.append([*row, str(len(cells))])
    head = ["Spearman, of the benchmark's", *(f"proxy, epoch {epoch}" for epoch in EPOCHS), "cells"]
    return (
        "## How the proxy ranks cells\n\n"
        "Rank correlation of the proxy's validation accuracy with the benchmark's own trainings\n"
        "of the same cells, CIFAR-10.\n\n" + markdown(head, rows)
    )


def _shapes(server: Client) -> str:
    ys = [f"valid_accuracy@{epoch}of12" for epoch in EPOCHS]
    answer = correlations(server, SHAPES, ys, *SAMPLED)
    text = (
        "## Width and depth\n\n"
        "Spearman with the validation accuracy of NAS-Bench-201's cells after so many of 12\n"
        "epochs, with Fisher's 95 % interval. Shapes are drawn as evenly as there are different\n"
        "cells, unlike in the whole space: these coefficients are the sample's, not the\n"
        "space's.\n\n"
    )
    text += answer.table(SHAPES, ys)
    shown = ("width", "depth"), (ys[1], ys[-1])
    held = [("control", name) for name in LIVE]
    text += (
        "\nWith the numbers of live operations of each kind held fixed (partial correlation):\n\n"
    )
    text += correlations(server, *shown, *SAMPLED, *held).table(*shown)
    text += (
        "\nThe mean within groups of the\n"
        "[same operations on live edges](concepts.md#the-same-operations-those-that-work),\n"
        "with the 95 % interval from the variance between groups:\n\n"
    )
    return text + correlations(server, *shown, *SAMPLED, ("group_by", "live_ops")).table(*shown)


def _named(server: Client) -> str:
    metrics = [f"valid_accuracy@{epoch}of12" for epoch in EPOCHS]
    fields = ["id", "name", "width", "depth", *metrics, "test_accuracy@12of12"]
    page = server.get(
        "/cells",
        [
            *SAMPLED,
            ("space", "darts"),
            ("fields", ",".join(fields)),
            ("min_metric", f"{FINAL}:0"),
            ("sort", f"-{FINAL}"),
            ("limit", "1000"),
        ],
    )
    rows = [
        [item["name"] or item["id"], *(number(item[f]) for f in fields[2:])]
        for item in page["items"]
    ]
    text = "## Genotypes\n\n"
    text += "The five cells, the forms that read both inputs, and the variants.\n\n"
    text += markdown(
        ["cell", "width", "depth", *(f"`{m}`" for m in (*metrics, "test_accuracy@12of12"))], rows
    )
    xs = ("width", "depth")
    answer = correlations(server, xs, (metrics[1], metrics[-1]), *SAMPLED, ("space", "darts"))
    text += (
        "\nSpearman over these. Variants of one parent are no independent cells, and cells of\n"
        "several parents differ in operations too; the intervals take them as independent.\n\n"
    )
    return text + answer.table(xs, (metrics[1], metrics[-1]))


if __name__ == "__main__":
    main()
