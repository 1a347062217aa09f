"""From a document to the bytes of a picture, by another process, and kept.

Altair and the renderer take some 150 MB and half a second to start: neither belongs in the server.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from service.plots import processes
from service.plots.views import Form, Theme, checked

TIMEOUT_S = 60.0
KEPT = 200
"""How many pictures a folder holds; the oldest make room."""


def render(
    document: Mapping[str, Any],
    view: str | None,
    form: Form,
    *,
    folder: Path,
    theme: Theme = "light",
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """The picture of a study or an answer, drawn or as ``folder`` keeps it.

    Args:
        document: of the study, as ``GET /studies/{study}`` answers; or an answer with its ``kind``.
        view: one of :func:`service.plots.views.views_of`, or None for the first.
        form: what comes back; a diagram of a cell is drawn as ``png`` alone.
        folder: where pictures are kept by what they were drawn from; made if need be.
        theme: of the paper.
        timeout_s: how long the drawing may take.

    Raises:
        QueryError: there is no such view of it.
        NothingToShowError: no results yet that the view shows.
        PlotError: it took too long, or failed.
    """
    view = checked(document["kind"], document.get("settings", {}), view)
    asked = orjson.dumps(
        {"document": document, "view": view, "form": form, "theme": theme},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    place = folder / f"{hashlib.sha256(_drawing() + asked).hexdigest()}.{form}"
    with contextlib.suppress(FileNotFoundError):
        return place.read_bytes()
    picture = processes.draw(asked, timeout_s)
    _keep(place, picture)
    return picture


@cache
def _drawing() -> bytes:
    """What tells this way of drawing from others: the code here, and the libraries' versions."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
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
    times = {}
    for kept in folder.glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # another request makes room too
            times[kept] = kept.stat().st_mtime_ns
    for old in sorted(times, key=times.__getitem__)[:-KEPT]:
        old.unlink(missing_ok=True)
