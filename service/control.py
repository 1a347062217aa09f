"""How a command reaches the server that holds its home: a Unix socket, beside the database.

DuckDB lets one process have the file. A command that finds it taken hands its work to the holder:
one JSON line with the command, answered by JSON lines of progress and a last one with the outcome.
Whoever may open the socket (the home's owner) may command; nothing of it is reachable by network.
"""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any

from data.library import Library
from data.progress import Report, Stage
from data.sources.base import SourceError

ADDRESS_FILE = "server.json"
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux


class ControlError(RuntimeError):
    """The server refused a command or broke off; the message is its own."""


class NoServerError(LookupError):
    """No server answers for this home."""


def execute(library: Library, command: dict[str, Any], report: Report) -> dict[str, Any]:
    """Do what a command says; the same for the holder of the database and for its server.

    Raises:
        SourceError: it can't be done; nothing was changed.
    """
    # Imported here, since a server that starts has no use for them yet.
    from data.export import export
    from data.sources import recognise
    from data.study_transfer import export_studies
    from service.studies.checking import Checker

    kind = command.get("command")
    if kind == "import":
        mapping = command.get("mapping")
        source = recognise(
            Path(command["path"]),
            name=command.get("name"),
            mapping=Path(mapping) if mapping else None,
        )
        return asdict(library.import_source(source, report))
    if kind == "remove":
        library.remove_source(command["name"])
        return {"removed": command["name"]}
    if kind == "export":
        files = export(
            library.snapshot, Path(command["path"]), command.get("names") or None, report
        )
        return {"files": files}
    if kind == "export-studies":
        path = Path(command["path"])
        numbers = export_studies(
            library.store,
            path,
            command.get("numbers") or None,
            unfinished=bool(command.get("unfinished")),
        )
        return {"file": path.name, "studies": numbers}
    if kind == "import-studies":
        return asdict(library.import_studies(Path(command["path"]), Checker(library)))
    raise SourceError(f"unknown command {kind!r}")


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        def report(stage: Stage, done: int, total: int) -> None:
            self._say({"stage": stage, "done": done, "total": total})

        line = self.rfile.readline(1 << 20)
        if not line:
            return
        try:
            outcome = execute(self.server.library, json.loads(line), report)
        except SourceError as error:
            self._say({"error": str(error)})
        except ConnectionError:
            return  # the command was interrupted: its transaction is rolled back
        except Exception as error:  # whatever it is, the command must hear of it
            self._say({"error": f"the server failed: {type(error).__name__}: {error}"})
            raise
        else:
            self._say({"outcome": outcome})

    def _say(self, message: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(message).encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, address: str, library: Library) -> None:
        self.library = library
        super().__init__(address, _Handler)


@contextmanager
def serving(home: Path, library: Library, url: str) -> Iterator[None]:
    """Take commands for ``home`` while the context lasts, and say where in ``server.json``."""
    address_file = home / ADDRESS_FILE
    folder = None
    path = str(home.resolve() / "control.sock")
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        folder = tempfile.TemporaryDirectory(prefix="cellwise-")
        path = str(Path(folder.name) / "control.sock")
    Path(path).unlink(missing_ok=True)  # of a server that was killed
    previous = os.umask(0o177)
    try:
        server = _Server(path, library)
    finally:
        os.umask(previous)
    thread = threading.Thread(target=server.serve_forever, name="control", daemon=True)
    thread.start()
    try:
        temporary = address_file.with_suffix(".tmp")
        temporary.write_text(json.dumps({"pid": os.getpid(), "url": url, "socket": path}))
        temporary.replace(address_file)
        yield
    finally:
        server.shutdown()
        server.server_close()
        Path(path).unlink(missing_ok=True)
        address_file.unlink(missing_ok=True)
        if folder is not None:
            folder.cleanup()


def _connect(home: Path) -> tuple[socket, dict[str, Any]]:
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        about: dict[str, Any] = json.loads((home / ADDRESS_FILE).read_text())
        connection.connect(about["socket"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        connection.close()
        raise NoServerError(f"no server answers for {home}") from error
    return connection, about


def server_url(home: Path) -> str | None:
    """The address of the server that holds ``home``, or None where none answers."""
    try:
        connection, about = _connect(home)
    except NoServerError:
        return None
    connection.close()
    return str(about["url"])


def hand_over(
    home: Path, command: dict[str, Any], report: Callable[[Stage, int, int], None]
) -> dict[str, Any]:
    """Let the server of ``home`` do it; returns the outcome.

    Raises:
        NoServerError: none answers.
        ControlError: it couldn't; the message says why.
    """
    connection, _ = _connect(home)
    with (
        contextlib.suppress(ConnectionError),
        connection,
        connection.makefile("rwb") as stream,
    ):
        stream.write(json.dumps(command).encode() + b"\n")
        stream.flush()
        for line in stream:
            message = json.loads(line)
            if "outcome" in message:
                outcome: dict[str, Any] = message["outcome"]
                return outcome
            if "error" in message:
                raise ControlError(message["error"])
            report(message["stage"], message["done"], message["total"])
    raise ControlError(
        "the server broke off; see its log. Run this again: what was not finished left nothing"
    )
