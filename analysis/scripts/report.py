"""The paper's claims, measured: asks a server for the studies, writes the report.

Nothing but HTTP is used. What the server lacks it makes first, which takes as long as the scale
says (2½ hours on two cores for ``proxy``, nothing for ``evidence``, which ships with Cellwise); it
may be stopped and started again::

    python -m analysis.scripts.report docs/reproduction.md --figures docs/studies

``cellwise report`` does the same, and without a server too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from analysis.client import DEFAULT_URL, Client, ClientError
from analysis.report.asking import MissingError
from analysis.report.document import OutputError, require_writable
from analysis.report.following import report_of
from analysis.report.scale import DEFAULT, ScaleError, find, names


def main() -> None:
    """Make the studies that are missing, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="FILE.html or FILE.md")
    parser.add_argument("--url", default=DEFAULT_URL, help="server to ask")
    parser.add_argument(
        "--scale", default=DEFAULT, help=f"{', '.join(names())}, or a TOML file (%(default)s)"
    )
    parser.add_argument("--figures", type=Path, help="for Markdown: where figures go")
    parser.add_argument("--as-is", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    try:
        require_writable(arguments.output, arguments.figures)
        with Client(arguments.url) as client:
            made = report_of(
                client,
                find(arguments.scale),
                as_is=arguments.as_is,
                console=Console(stderr=True),
            )
        made.write(arguments.output, arguments.figures)
    except (ClientError, MissingError, OSError, OutputError, ScaleError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
