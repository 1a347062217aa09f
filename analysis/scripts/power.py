"""What the evidence of a scale could show of each claim, before any of it is made.

    python -m analysis.scripts.power --scale evidence

Asks no server. What is assumed is in docs/verdicts.md.
"""

from __future__ import annotations

import argparse
import sys

from analysis.report.power import expected
from analysis.report.scale import DEFAULT, Scale, ScaleError, find, names
from analysis.report.text import markdown, number

HEAD = ("claim", "sources", "could be shown", "of width alone")


def table(scale: Scale) -> str:
    """A line a claim, as Markdown."""
    return markdown(
        HEAD,
        [
            [title, told, number(both, ".2f"), number(width, ".2f")]
            for title, told, both, width in expected(scale)
        ],
    )


def main() -> None:
    """Print the table of a scale."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scale", default=DEFAULT, help=f"{', '.join(names())}, or a TOML file (%(default)s)"
    )
    try:
        print(table(find(parser.parse_args().scale)), end="")
    except ScaleError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
