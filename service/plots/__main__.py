"""Draws a picture: JSON with ``document``, ``view`` and ``format`` in, bytes out."""

from __future__ import annotations

import sys

import orjson

from service.plots.drawing import picture
from service.plots.render import NOTHING
from service.plots.views import NothingToShowError


def main() -> int:
    """Read standard input, write standard output; the exit status."""
    asked = orjson.loads(sys.stdin.buffer.read())
    try:
        drawn = picture(asked["document"], asked["view"], asked["format"])
    except NothingToShowError as error:
        sys.stderr.write(str(error))
        return NOTHING
    sys.stdout.buffer.write(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
