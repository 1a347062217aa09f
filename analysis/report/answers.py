"""Correlations over the cells that a server holds; each answer has its call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from analysis.client import Client, ClientError, Parameters
from analysis.report.text import markdown, shown

_REFUSED = 422


@dataclass(frozen=True, slots=True)
class Answer:
    """Coefficients by (x, y), with the call that gave them."""

    call: str
    by_pair: dict[tuple[str, str], dict[str, Any]]

    def table(self, xs: Sequence[str], ys: Sequence[str]) -> str:
        """A row a y, a column an x; how many cells and different networks; how reliable y is."""
        rows = {y: [self.by_pair[x, y] for x in xs] for y in ys}
        return self._table(rows, xs, "y")

    def turned(self, xs: Sequence[str], ys: Sequence[str]) -> str:
        """A row an x, a column a y; how many cells and different networks; how reliable x is."""
        rows = {x: [self.by_pair[x, y] for y in ys] for x in xs}
        return self._table(rows, ys, "x")

    def _table(
        self, rows: Mapping[str, Sequence[dict[str, Any]]], columns: Sequence[str], of: str
    ) -> str:
        told = [
            [
                f"`{name}`",
                *(shown(item) for item in found),
                *(_range(item[n] for item in found) for n in ("n", "n_distinct")),
                _reliability(found, of),
            ]
            for name, found in rows.items()
        ]
        heads = ["", *(f"`{name}`" for name in columns), "n", "different", "reliability (ICC)"]
        return markdown(heads, told) + f"\n`{self.call}`\n"


def _range(counts: Iterable[int]) -> str:
    found = sorted(counts)
    return f"{found[0]:,}" + (f"–{found[-1]:,}" if found[-1] > found[0] else "")


def _reliability(items: Sequence[Mapping[str, Any]], of: str) -> str:
    """Of the x or y that coefficients share; over different cells it may differ."""
    found = [item["reliability"][of] for item in items if item.get("reliability")]
    told = [one["reason"] or f"{one['icc']:.3f}" for one in found if one is not None]
    return "–".join(sorted(set(told)))


def correlations(
    client: Client, xs: Iterable[str], ys: Iterable[str], *more: tuple[str, str]
) -> Answer:
    """Every x with every y.

    Raises:
        ClientError: the server can't be reached, or refused.
    """
    parameters = [*(("x", x) for x in xs), *(("y", y) for y in ys), *more]
    items = client.get("/correlations", parameters)["items"]
    call = f"GET /correlations?{urlencode(parameters, safe='@/:')}"
    return Answer(call, {(item["x"], item["y"]): item for item in items})


def recorded(client: Client, metrics: Iterable[str], *more: tuple[str, str]) -> list[str]:
    """Those metrics that the server has a value of."""
    found = []
    for metric in metrics:
        parameters: Parameters = [("fields", f"id,{metric}"), ("limit", "1"), *more]
        try:
            client.get("/cells", parameters)
        except ClientError as error:
            if error.status != _REFUSED:
                raise
        else:
            found.append(metric)
    return found
