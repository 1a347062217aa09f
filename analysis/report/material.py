"""What the sections of the report are made from, and the figures that they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis.client import Client, ClientError, Parameters
from analysis.report import plan
from analysis.report.asking import Document
from analysis.report.scale import Scale

_NOTHING_TO_SHOW = 409


@dataclass(frozen=True, slots=True)
class Material:
    """A server with the finished studies of a plan.

    Attributes:
        documents: by the plan's names.
        figures: SVG by name, of those that were asked for.
    """

    client: Client
    scale: Scale
    documents: dict[str, Document]
    figures: dict[str, str] = field(default_factory=dict)

    def figure(self, name: str, path: str, parameters: Parameters, caption: str) -> str:
        """A picture of the server's as Markdown, or why there is none.

        Raises:
            ClientError: the server can't be reached, or refused.
        """
        try:
            self.figures[name] = self.client.text(path, parameters)
        except ClientError as error:
            if error.status != _NOTHING_TO_SHOW:
                raise
            return f"*No picture: {error}.*\n"
        return f"![{caption}]({name}.svg)\n"

    def picture(self, study: str, view: str, caption: str) -> str:
        """A view of a study."""
        document = self.documents[study]
        name = f"{study.replace(' ', '-')}-{view}".lower()
        return self.figure(name, f"{document['links']['self']}/plot.svg", [("view", view)], caption)

    def at(self, study: str, learning_rate: float | None = None) -> dict[str, Any]:
        """The results of a convergence study at a learning rate, by default the scale's."""
        wanted = self.scale.learning_rate if learning_rate is None else learning_rate
        results = self.documents[study]["results"]
        return dict(next(one for one in results if one["learning_rate"] == wanted))

    @property
    def half(self) -> int:
        """T of the measures over the first T epochs."""
        return int(self.at(plan.named(plan.CONVERGENCE, self.scale.family.cell))["epoch"])
