"""``cellwise report``: the paper's claims, measured, on one page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import Home, Url, err, fail, home_folder, out

if TYPE_CHECKING:
    from analysis.client import Client
    from analysis.report.document import Report
    from analysis.report.scale import Scale


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    output: Annotated[
        Path, typer.Argument(help="FILE.html, one page; or FILE.md, with a folder of figures.")
    ] = Path("report.html"),
    scale: Annotated[
        str | None,
        typer.Option(
            help="digits (a first look), proxy (one parent), evidence (five; the default, it "
            "ships), paper (GPUs), or a TOML file."
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="For Markdown: folder of the figures (FILE-figures).")
    ] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Train nothing; fail where a study is missing.")
    ] = False,
    home: Home = None,
    url: Url = None,
) -> None:
    """Test every claim of the paper, and write one report with figures.

    Studies that the server lacks are made first, which takes as long as the scale says; what is
    there is taken as it is. Interrupted (Ctrl-C), the same command goes on where it was.
    """
    from analysis.client import ClientError
    from analysis.report.asking import MissingError
    from analysis.report.document import OutputError, require_writable
    from analysis.report.scale import DEFAULT, ScaleError, find

    try:
        require_writable(output, figures)
        chosen = find(scale or DEFAULT)
        made = asyncio.run(_made(home_folder(home), url, chosen, as_is))
        written = made.write(output, figures)
    except (ClientError, OutputError, ScaleError) as error:
        fail(str(error))
    except MissingError as error:
        fail(f"{error}. Without --as-is they are made.")
    except OSError as error:
        fail(f"{error.filename or output} can't be written: {error.strerror}")
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on where it was")
    for number, claim in enumerate(made.claims, 1):
        out.print(f"{number}. {claim.title}: {claim.verdict}")
    out.print(str(written[0]), soft_wrap=True)


async def _made(home: Path, url: str | None, scale: Scale, as_is: bool) -> Report:
    from anyio import to_thread

    from service.ask import asking

    async with asking(home, url, training=not as_is) as asked:
        # The report asks one thing after the other; on a thread, so that the loop can answer.
        return await to_thread.run_sync(_make, asked.client(), scale, as_is)


def _make(client: Client, scale: Scale, as_is: bool) -> Report:
    from analysis.report.following import report_of

    return report_of(client, scale, as_is=as_is, console=err)
