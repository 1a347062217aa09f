"""What ``cellwise`` starts: the command line, or what to install where its packages are missing."""

from __future__ import annotations

import sys


def main() -> None:
    """The command; ends with one line where only the client is installed."""
    try:
        from service.cli import main as command

        # Some of the command's imports come later than its own.
        command()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("analysis", "data", "service"):
            raise
        sys.exit(
            f"cellwise: {missing} is not installed; the command and the server need more than the "
            "Python client does: pip install 'cellwise[server]'"
        )
