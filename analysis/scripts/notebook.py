"""Runs the notebooks from top to bottom, and keeps what they show true.

    python -m analysis.scripts.notebook --url http://127.0.0.1:8000

tells which cells show something else than is saved; with ``--write`` it saves what they show. Texts
and tables are kept. Pictures are not: the server draws them, and they would be most of the file.
Run it against a server on a fresh home. Needs nbclient and ipykernel (extra ``dev``).
"""

from __future__ import annotations

import argparse
import os
import sys
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from traitlets.config import Config

from analysis.client import DEFAULT_URL

FOLDER = Path(__file__).parent.parent / "notebooks"
TEXTS = ("text/plain", "text/html")


def ran(notebook: NotebookNode, url: str) -> NotebookNode:
    """The notebook with what its cells show when the server is at ``url``, without pictures.

    Raises:
        CellExecutionError: a cell failed; the message has its trace.
    """
    fresh = deepcopy(notebook)
    with TemporaryDirectory() as folder:
        # Over TCP, whoever else is on this machine could listen in; ipykernel warns of it. Sockets
        # lie next to the connection file; by default in the current folder, where a run that is
        # killed would leave them.
        manager = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        config = Config({"KernelManager": manager})
        kernel = NotebookClient(fresh, kernel_name="python3", config=config)
        kernel.execute(env={**os.environ, "CELLWISE_URL": url})
    # What else is in there is the machine's: the version of Python, and when cells were run.
    fresh.metadata["language_info"] = {"name": "python"}
    for cell in fresh.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if "data" in output:
                shown = output["data"].items()
                output["data"] = {kind: text for kind, text in shown if kind in TEXTS}
    return fresh


def changed(saved: NotebookNode, fresh: NotebookNode) -> list[str]:
    """Ids of the cells that show something else."""
    return [
        before.id
        for before, after in zip(saved.cells, fresh.cells, strict=True)
        if before.get("outputs") != after.get("outputs")
    ]


def main() -> None:
    """Check every notebook, or save anew what it shows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=DEFAULT_URL, help="server to ask (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="save what the cells show")
    asked = parser.parse_args()
    wrong = False
    for file in sorted(FOLDER.glob("*.ipynb")):
        saved = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
        try:
            fresh = ran(saved, asked.url)
        except CellExecutionError as error:
            sys.exit(f"{file.name}: {error}")
        if asked.write:
            nbformat.write(fresh, file)  # type: ignore[no-untyped-call]
            continue
        for cell in changed(saved, fresh):
            print(f"{file.name}: cell {cell} shows something else", file=sys.stderr)
            wrong = True
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
