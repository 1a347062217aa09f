"""``cellwise token``: makes, lists and removes tokens; a running server sees it at once."""

from __future__ import annotations

from typing import Annotated

import typer

from service import tokens
from service.cli import Home, Json, err, fail, home_folder, out, print_json
from service.cli_tables import show, table

Name = Annotated[str, typer.Argument(help="Whose or what for: letters, digits and . _ - inside.")]

commands = typer.Typer(
    name="token",
    help="Who may write: make, list and remove tokens.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.command()
def add(name: Name, home: Home = None) -> None:
    """Make a token and print it, this once. From the first one on, writing takes a token."""
    try:
        token = tokens.add(home_folder(home), name)
    except (tokens.TokenNameError, tokens.TokenFileError) as error:
        fail(str(error))
    err.print("Send it as `Authorization: Bearer TOKEN`. It can't be shown again:")
    out.print(token, soft_wrap=True, markup=False, highlight=False)


@commands.command("list")
def list_(home: Home = None, json_: Json = False) -> None:
    """List the tokens' names and when they were made."""
    try:
        found = tokens.known(home_folder(home))
    except tokens.TokenFileError as error:
        fail(str(error))
    if json_:
        print_json(
            {"items": [token.model_dump(mode="json", exclude={"sha256"}) for token in found]}
        )
        return
    shown = table(("name", "made"), boxed=True)
    for token in found:
        shown.add_row(token.name, f"{token.created:%Y-%m-%d %H:%M} {token.created.tzname()}")
    show(shown)


@commands.command()
def remove(name: Name, home: Home = None) -> None:
    """Remove a token: whoever has it may no longer write."""
    folder = home_folder(home)
    try:
        tokens.remove(folder, name)
        left = tokens.known(folder)
    except (tokens.TokenNameError, tokens.TokenFileError) as error:
        fail(str(error))
    out.print(f"{name}: removed")
    if not left:
        err.print("No token is left: every program on the server's machine may write.")
