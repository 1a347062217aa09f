"""What can be asked: cells, curves, runs, correlations, groups, ranks, and what there is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, cast
from urllib.parse import quote

from analysis.client.answers import Items, Table
from analysis.client.calls import Calls
from analysis.client.parameters import Value, pairs
from analysis.client.shapes import (
    CellDocument,
    CellRanks,
    Columns,
    Contrast,
    Correlation,
    Curve,
    Dataset,
    EpochCorrelation,
    Recipe,
    Record,
    Run,
    RunDocument,
    Source,
    Variant,
)

Names: TypeAlias = str | Iterable[str]
"""A column or metric, or several."""
CellName: TypeAlias = str | int
"""An id, a cell string, an official index, a genotype or a published name."""

PAGE = 1000


class Reading(Calls):
    """Questions to a server.

    Filters and the context of metrics are keywords, named as parameters of the HTTP interface are
    (docs/api.md): ``min_width=3``, ``cell=["284", "ENAS"]``, ``op_03="skip_connect"``,
    ``min_metric={"valid_accuracy@final": 70}``, ``dataset="cifar100"``. None is as good as not
    given; an empty list or dictionary is a ``ValueError``. What the server doesn't know, it
    refuses: a :class:`~analysis.client.errors.ClientError` when the answer is used.
    """

    # Keywords beside filters take all that filters do: so a dictionary can be passed on as ``**``.

    def cells(
        self,
        *,
        fields: Value = None,
        metric: Value = None,
        sort: Value = None,
        limit: Value = None,
        **filters: Value,
    ) -> Table[Record]:
        """Cells by topology, cost and metrics; ``limit`` is at most 1000, without it all.

        >>> widest = client.cells(min_width=3, sort="-valid_accuracy@final", limit=2)
        >>> [(cell["id"], cell["depth"]) for cell in widest]
        [('nb201-006111', 3), ('nb201-009930', 3)]
        >>> len(client.cells(min_metric={"valid_accuracy@final": 91}))
        135
        """
        asked = {"fields": fields, "metric": metric, "sort": sort, "limit": limit, **filters}
        return Table(self, "/cells", pairs(asked), PAGE)

    def cell(self, cell: CellName, *, dataset: str | None = None) -> CellDocument:
        """One cell in full: topology, edges, and the runs there are; costs are of ``dataset``.

        >>> client.cell("DARTS-V2")["columns"]["width"]
        3.5

        Raises:
            ClientError: no answer, or a refusal.
        """
        return cast(
            "CellDocument", self.get(f"/cells/{_quoted(cell)}", pairs({"dataset": dataset}))
        )

    def curves(
        self,
        cell: CellName | Iterable[CellName],
        *,
        metric: Value = None,
        schedule: Value = None,
        seed: Value = None,
        **context: Value,
    ) -> Table[Curve]:
        """Learning curves of cells: their mean, that of one seed, or one for each (``"all"``).

        Metrics are measures without an epoch; cells are at most 1000. A data frame has a row an
        epoch.

        >>> for curve in client.curves(284, seed="all"):
        ...     print(curve["seed"], curve["epochs"], round(curve["values"][-1], 2))
        777 [200] 86.05
        888 [200] 86.02
        999 [200] 86.07
        """
        asked = {"cell": cell, "metric": metric, "schedule": schedule, "seed": seed, **context}
        return Table(self, "/curves", pairs(asked))

    def runs(self, *, limit: Value = None, **filters: Value) -> Table[Run]:
        """Single trainings, in the order of import.

        >>> len(client.runs(cell=284, dataset="cifar100"))
        3
        """
        return Table(self, "/runs", pairs({"limit": limit, **filters}), PAGE)

    def run(self, run: str) -> RunDocument:
        """One training with every recorded epoch, by its id or by its address in another answer.

        >>> client.run("hpo-bench:nb201-000284:cifar100:nb201-200:777")["recorded"][0]["epochs"]
        [200]

        Raises:
            ClientError: no answer, or a refusal.
        """
        address = run if run.startswith("/runs/") else f"/runs/{_quoted(run)}"
        return cast("RunDocument", self.get(address))

    def correlations(
        self,
        *,
        x: Names,
        y: Names,
        method: Value = None,
        control: Value = None,
        group_by: Value = None,
        comparable_by: Value = None,
        **filters: Value,
    ) -> Table[Correlation]:
        """Every x with every y, over the cells that have both.

        With ``comparable_by`` over those that ``group_by`` the same would compare.

        >>> for found in client.correlations(x=["width", "depth"], y="valid_accuracy@final"):
        ...     print(found["x"], round(found["coefficient"], 3), found["n"])
        width 0.239 15284
        depth 0.167 15284
        """
        asked = {"x": x, "y": y, "method": method, "control": control, "group_by": group_by}
        asked["comparable_by"] = comparable_by
        return Table(self, "/correlations", pairs({**asked, **filters}))

    def contrasts(
        self,
        *,
        x: Names,
        y: Names,
        method: Value = None,
        control: Value = None,
        group_by: Value = None,
        **filters: Value,
    ) -> Table[Contrast]:
        """One or two x with one or two y over the same cells, and what they differ by.

        >>> found = client.contrasts(
        ...     x=["width", "depth"], y="valid_accuracy@final", group_by="live_ops"
        ... )
        >>> [(one["x"], round(one["estimate"], 2), one["n_groups"]) for one in found]
        [(['width'], 0.22, 111), (['depth'], -0.17, 111), (['width', 'depth'], 0.4, 111)]
        """
        asked = {"x": x, "y": y, "method": method, "control": control, "group_by": group_by}
        return Table(self, "/correlations/contrasts", pairs({**asked, **filters}))

    def correlations_by_epoch(
        self,
        *,
        x: Names,
        y: str,
        schedule: Value = None,
        method: Value = None,
        control: Value = None,
        group_by: Value = None,
        same_cells: Value = None,
        min_epoch: Value = None,
        max_epoch: Value = None,
        **filters: Value,
    ) -> Table[EpochCorrelation]:
        """Every x with one measure, at every recorded epoch between two.

        Over the cells that have all of these epochs; with ``same_cells=False`` over those of each.

        >>> found = client.correlations_by_epoch(
        ...     x="width", y="valid_accuracy", dataset="cifar10-valid", recipe="proxy",
        ...     images="jpeg", source="local-bundle",
        ... )
        >>> [(one["epoch"], round(one["coefficient"], 2)) for one in found][:3]
        [(1, 0.21), (2, 0.37), (3, 0.36)]
        """
        asked = {"x": x, "y": y, "schedule": schedule, "method": method, "control": control}
        asked |= {"group_by": group_by, "same_cells": same_cells}
        shown = {"min_epoch": min_epoch, "max_epoch": max_epoch}
        return Table(self, "/correlations/by-epoch", pairs({**asked, **shown, **filters}))

    def groups(
        self, *, by: Value = None, metric: Value = None, bins: Value = None, **filters: Value
    ) -> Table[Record]:
        """Distribution of metrics by groups of cells; ``answer["explained"]`` has what these tell.

        >>> for group in client.groups(by="width", metric="valid_accuracy@final", depth=3):
        ...     print(group["width"], round(group["metrics"]["valid_accuracy@final"]["mean"], 2))
        1 83.44
        2 85.81
        3 85.86
        """
        asked = {"by": by, "metric": metric, "bins": bins, **filters}
        return Table(self, "/groups", pairs(asked))

    def ranks(
        self,
        cell: CellName | Iterable[CellName],
        *,
        metric: Value = None,
        sampler: Literal["distinct", "paper"] | None = None,
        **context: Value,
    ) -> Table[CellRanks]:
        """Where cells stand in their space; a data frame has a row a cell and column.

        >>> (darts,) = client.ranks("DARTS-V2")
        >>> darts["ranks"]["width"]["rank"], darts["ranks"]["width"]["of"]
        (2, 180)
        >>> (darts,) = client.ranks("DARTS-V2", sampler="paper")
        >>> darts["ranks"]["width"]["of"]
        14400
        """
        asked = {"cell": cell, "metric": metric, "sampler": sampler, **context}
        return Table(self, "/ranks", pairs(asked))

    def variants(
        self,
        cell: CellName,
        *,
        kind: Literal["random-connections", "random-operations", "adapted"] | None = None,
        count: int | None = None,
        sampler: Literal["uniform", "paper"] | None = None,
        seed: int | None = None,
        duplicates: bool | None = None,
    ) -> Items[Variant]:
        """Other cells made from one, with the ``arch`` to train; ``total`` counts all there are.

        >>> [cell["name"] for cell in client.variants("DARTS-V2", kind="adapted")]
        ['DARTS-V2-adapted']
        >>> [cell["name"] for cell in client.variants("DARTS-V2", sampler="paper", count=2)]
        ['DARTS-V2-conn1', 'DARTS-V2-conn2']
        """
        asked = {"cell": cell, "kind": kind, "count": count, "sampler": sampler, "seed": seed}
        return Items(self, "/variants", pairs({**asked, "duplicates": duplicates}))

    def columns(self) -> Columns:
        """Every column and measure, and which metrics are recorded for which data set.

        >>> [column["name"] for column in client.columns()["columns"]][:2]
        ['width', 'depth']

        Raises:
            ClientError: no answer, or a refusal.
        """
        return cast("Columns", self.get("/columns"))

    def sources(self) -> Items[Source]:
        """What is loaded; where sources overlap, the first one wins.

        >>> [source["name"] for source in client.sources()]
        ['hpo-bench', 'local-bundle', 'reproduction']
        """
        return Items(self, "/sources")

    def recipes(self) -> Items[Recipe]:
        """How cells can be trained.

        >>> [recipe["name"] for recipe in client.recipes() if "darts" in recipe["spaces"]]
        ['darts-600', 'darts-convergence', 'proxy']
        """
        return Items(self, "/recipes")

    def datasets(self) -> Items[Dataset]:
        """What cells can be trained on.

        >>> [data["name"] for data in client.datasets() if data["name"] == "digits"]
        ['digits']
        """
        return Items(self, "/datasets")


def _quoted(name: CellName) -> str:
    text = str(name)
    if not text:
        raise ValueError("an empty name")
    # In a path, one or two dots alone would be a place and no name.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
