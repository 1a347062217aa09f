"""The libraries that draw the page's charts, as one JavaScript module.

They come out of ``vl-convert-python``, which carries them for its own drawing: the page needs no
internet, and what it draws with is what files are drawn with.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

TIMEOUT_S = 60.0
EXPORTED = "export { vegaEmbed };"

_MAKING = threading.Lock()


def bundle(folder: Path) -> Path:
    """The file with the module that exports ``vegaEmbed``, made where ``folder`` lacks it.

    It is made by a process of its own: the compiler in it takes some 60 MB, once a version.

    Raises:
        RuntimeError: it couldn't be made; the message says why.
    """
    place = folder / f"charts-{version('vl-convert-python')}.js"
    with _MAKING:
        if not place.exists():
            _make(place)
    return place


def _make(place: Path) -> None:
    # -P: not from the folder that the server was started in, whatever lies there.
    command = [sys.executable, "-P", "-m", "service.web.bundle"]
    try:
        made = subprocess.run(  # noqa: S603  (the command is fixed)
            command, capture_output=True, timeout=TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace")[-500:]
        raise RuntimeError(f"no JavaScript from vl-convert: {said}") from None
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no JavaScript from vl-convert within {TIMEOUT_S:g} s") from None
    place.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=place.parent, prefix=".", delete=False) as file:
        file.write(made.stdout)
    Path(file.name).replace(place)  # whole, or not there
    for old in place.parent.glob("charts-*.js"):
        if old != place:
            old.unlink(missing_ok=True)


def main() -> None:
    """Write the module to standard output."""
    import altair
    import vl_convert

    spoken = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    sys.stdout.write(vl_convert.javascript_bundle(EXPORTED, spoken))


if __name__ == "__main__":
    main()
