"""From a scale to a report, with a progress bar in between."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analysis.client import Client
from analysis.report.asking import completed, finished
from analysis.report.document import Report
from analysis.report.making import make
from analysis.report.material import Material
from analysis.report.plan import studies
from analysis.report.scale import Scale


def report_of(client: Client, scale: Scale, *, as_is: bool, console: Console) -> Report:
    """The report at a scale; what the server lacks of it is made first, unless ``as_is``.

    Raises:
        MissingError: ``as_is``, and a study is missing.
        ClientError: the server can't be reached, or refused.
    """
    plan = studies(scale)
    if as_is:
        return make(Material(client, scale, finished(client, plan)))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("studies", total=None)

        def told(done: int, total: int, text: str) -> None:
            progress.update(bar, completed=done, total=total, description=text or "studies")

        documents = completed(client, plan, told)
    return make(Material(client, scale, documents))
