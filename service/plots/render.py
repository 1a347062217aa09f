"""From a document to the bytes of a picture, by another process, and kept.

Altair and the renderer take some 150 MB and half a second to start: neither belongs in the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from analysis import diagram
from analysis.spaces import darts
from data import columns, metrics
from service.plots import processes
from service.plots.views import Form, Theme, checked

TIMEOUT_S = 60.0
KEPT, KEPT_BYTES = 200, 100_000_000
"""How many pictures a folder holds, and of how many bytes; those not seen for longest make room."""


class Picture:
    """The picture of a study or an answer, as ``folder`` keeps it or still to be drawn.

    Args:
        document: of the study, as ``GET /studies/{study}`` answers; or an answer with its ``kind``.
        view: one of :func:`service.plots.views.views_of`, or None for the first.
        form: what comes back; a diagram of a cell is drawn as ``png`` alone.
        folder: where pictures are kept by what they were drawn from; made if need be.
        theme: of the paper.

    Raises:
        QueryError: there is no such view of it.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        view: str | None,
        form: Form,
        *,
        folder: Path,
        theme: Theme = "light",
    ) -> None:
        view = checked(document["kind"], document.get("settings", {}), view)
        self._asked = orjson.dumps(
            {"document": document, "view": view, "form": form, "theme": theme},
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
        name = hashlib.sha256(_drawing() + self._asked).hexdigest()
        self._place = folder / f"{name}.{form}"

    def kept(self) -> bytes | None:
        """Its bytes, None where they are still to be drawn."""
        with contextlib.suppress(FileNotFoundError):
            picture = self._place.read_bytes()
            os.utime(self._place)
            return picture
        return None

    def drawn(self, timeout_s: float = TIMEOUT_S) -> bytes:
        """Its bytes, drawn now and kept.

        Raises:
            NothingToShowError: no results yet that the view shows.
            PlotError: it took longer than ``timeout_s``, or failed.
        """
        picture = processes.draw(self._asked, timeout_s)
        _keep(self._place, picture)
        return picture


@cache
def _drawing() -> bytes:
    """What tells this way of drawing from others: the code here, and the libraries' versions."""
    digest = hashlib.sha256()
    # Captions have their names and units from elsewhere.
    named = [Path(inspect.getfile(module)) for module in (darts, diagram, columns, metrics)]
    for module in (*sorted(Path(__file__).parent.glob("*.py")), *named):
        digest.update(module.read_bytes())
    for library in ("altair", "contourpy", "vl-convert-python"):
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.digest()


def _keep(place: Path, picture: bytes) -> None:
    folder = place.parent
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        file.write(picture)
    Path(file.name).replace(place)  # whole, or not there
    seen = []
    for kept in folder.glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # another request makes room too
            about = kept.stat()
            seen.append((about.st_mtime_ns, about.st_size, kept))
    room = KEPT_BYTES
    for number, (_, size, kept) in enumerate(sorted(seen, reverse=True)):
        room -= size
        if number and (number >= KEPT or room < 0):
            kept.unlink(missing_ok=True)
