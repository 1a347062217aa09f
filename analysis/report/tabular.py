"""What the cells of NAS-Bench-201 say of the claims: one source, whatever the server has of it.

That is the official table where the 12-epoch schedule is loaded, else the sample that comes with
Cellwise, whose trainings are like those of the families.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from analysis import shares
from analysis.cells import parse_cell
from analysis.combinations import UndefinedError
from analysis.report.answers import recorded
from analysis.report.claims import HEADLINE, ONE, Reading, Source
from analysis.report.material import Material
from analysis.spaces.nasbench201 import N_CELLS, NasBench201Cell
from analysis.synthesis import Estimate
from analysis.topology import edges

Filters = tuple[tuple[str, str], ...]

EARLY, FINAL = "valid_accuracy@12of12", "valid_accuracy@200of200"
SAMPLE_EARLY, SAMPLE_FINAL = "aulc@6of12", "valid_accuracy@12of12"
SAMPLED: Filters = (
    ("dataset", "cifar10-valid"),
    ("recipe", "proxy"),
    ("images", "jpeg"),
    ("source", "local-bundle"),
)
CHOSEN = "valid_accuracy@3of200"
"""One seed of cells that optimisers chose for their accuracy."""

CONNECTED: Filters = (("min_width", "1"),)
HELD: Filters = (("group_by", "live_ops"),)
RESAMPLES: Filters = (("resamples", "299"),)
"""Enough for standard errors, which then err by 4 % themselves."""
AS_IT_IS = "whatever the operations"

_SIDES: dict[tuple[str, ...], tuple[Reading, float]] = {
    ("width", "depth"): ("contrast", 0.5),
    ("width",): ("width", 1),
    ("depth",): ("depth", -1),
}
"""By the columns that are compared: the reading, and what the answer counts in it."""


def official(material: Material) -> bool:
    """Whether the server has the official 12-epoch schedule, and so nearly all cells early.

    Some cells that somebody trained by it are no table, and stand in for none.
    """
    if not recorded(material.client, [EARLY]):
        return False
    asked = [("fields", "id"), ("limit", "1"), ("min_metric", f"{EARLY}:0")]
    return bool(material.client.get("/cells", asked)["total"] > N_CELLS / 2)


def speed(material: Material) -> Iterator[Source]:
    """Early accuracy; as it is, beside it."""
    if official(material):
        yield _source(material, [EARLY], HELD, HEADLINE)
        yield _source(material, [EARLY], (), AS_IT_IS)
    elif _sampled(material):
        yield _source(material, [SAMPLE_EARLY], (*HELD, *SAMPLED), HEADLINE)
        yield _source(material, [SAMPLE_EARLY], SAMPLED, AS_IT_IS)


def fading(material: Material) -> Iterator[Source]:
    """Early less final accuracy, over the cells that have both.

    Beside it, as it is, and from epoch 3 of the 200-epoch schedule on.
    """
    if official(material) and recorded(material.client, [FINAL]):
        yield _source(material, [EARLY, FINAL], HELD, HEADLINE)
        yield _source(material, [EARLY, FINAL], (), AS_IT_IS)
        if recorded(material.client, [CHOSEN]):
            group = "from epoch 3 of 200 on: one seed, of cells that optimisers chose"
            yield _source(material, [CHOSEN, FINAL], HELD, group)
    elif _sampled(material):
        both = [SAMPLE_EARLY, SAMPLE_FINAL]
        yield _source(material, both, (*HELD, *SAMPLED), HEADLINE)
        yield _source(material, both, SAMPLED, AS_IT_IS)


def connections(material: Material) -> Iterator[Source]:
    """Wirings given operations against operations given the wiring, by number of live edges.

    Of the whole space alone: the sample has one cell, if any, of most wirings with most operations,
    so that what lies between these can't be told from where an operation sits.
    """
    if official(material):
        yield _shares(material)


def call(ys: Sequence[str], more: Filters) -> str:
    """The call that compares what width and depth tell of ``ys``."""
    return f"GET /correlations/contrasts?{urlencode(_parameters(ys, more), safe='@,')}"


def _sampled(material: Material) -> bool:
    return bool(recorded(material.client, [SAMPLE_EARLY], *SAMPLED))


def _parameters(ys: Sequence[str], more: Filters) -> list[tuple[str, str]]:
    return [("x", "width"), ("x", "depth"), *(("y", y) for y in ys), *CONNECTED, *RESAMPLES, *more]


def _named(answer: Mapping[str, Any]) -> str:
    """The table, and what the server has its values from."""
    sets = answer["context"]["sets"].values()
    names = dict.fromkeys(name for held in sets for name in held["sources"])
    return f"NAS-Bench-201 ({', '.join(names)})"


def _source(material: Material, ys: Sequence[str], more: Filters, group: str) -> Source:
    answer = material.client.get("/correlations/contrasts", _parameters(ys, more))
    estimates: dict[Reading, Estimate] = {}
    reasons: dict[str, None] = {}
    used: list[Mapping[str, Any]] = []
    for item in answer["items"]:
        if list(item["y"]) != list(ys):
            continue
        used.append(item)
        reading, factor = _SIDES[tuple(item["x"])]
        if item["standard_error"] is None:
            reasons[item["reason"]] = None
            continue
        estimates[reading] = Estimate(
            factor * item["estimate"],
            abs(factor) * item["standard_error"],
            max(1, (item["n_groups"] or item["n_distinct"]) - 1),
        )
    n, distinct = used[0]["n"], used[0]["n_distinct"]
    return Source(_named(answer), n, estimates, distinct, "; ".join(reasons), group)


def _shares(material: Material) -> Source:
    fields = ("fields", f"arch,{EARLY}")
    name = _named(material.client.get("/cells", [fields, ("limit", "1")]))
    parameters = [fields, ("limit", "1000"), *CONNECTED]
    found = [
        (cell, row[EARLY])
        for row in material.client.items("/cells", parameters)
        if row[EARLY] is not None and isinstance(cell := parse_cell(row["arch"]), NasBench201Cell)
    ]
    cells = [shares.placed(cell) for cell, _ in found]
    used = shares.varying(cells)
    distinct = len({tuple(edge for edge in edges(found[at][0]) if edge.live) for at in used})
    try:
        share = shares.of_a_space(cells, [value for _, value in found])
    except UndefinedError as error:
        return Source(name, len(used), {}, distinct, str(error))
    return Source(name, len(used), {ONE[0]: share}, distinct)
