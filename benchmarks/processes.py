"""Processes under measurement: servers on 127.0.0.1, commands with their memory."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import BLAS_THREADS, GIVEN_BLAS_THREADS
from benchmarks.results import BenchmarkError

HOST = "127.0.0.1"
_POLL_S = 0.002
_SAMPLE_S = 0.05


def executable(name: str) -> str:
    """A command of this environment.

    Raises:
        BenchmarkError: it isn't installed.
    """
    path = Path(sys.executable).parent / name
    if not path.is_file():
        raise BenchmarkError(f"{name} is missing: pip install -r requirements-bench.lock")
    return str(path)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that this run was started in, and ``extra``."""
    given = {name: value for name, value in os.environ.items() if name != BLAS_THREADS}
    if GIVEN_BLAS_THREADS is not None:
        given[BLAS_THREADS] = GIVEN_BLAS_THREADS
    return {**given, **(extra or {})}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Client:
    """One kept connection, with next to no overhead of its own."""

    def __init__(self, port: int, timeout: float = 120) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=timeout)

    def status(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # The server closes a connection that was idle for some seconds.
            self._connection.close()
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
        return answer.status, answer.read()

    def get(self, path: str) -> bytes:
        """The body of a GET.

        Raises:
            BenchmarkError: any status but 200.
        """
        status, body = self.status(path)
        if status != 200:
            raise BenchmarkError(f"{path}: {status} {body[:300]!r}")
        return body

    def seconds(self, path: str) -> float:
        """How long a GET takes, its body read."""
        started = time.perf_counter()
        self.get(path)
        return time.perf_counter() - started

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and how long it took from its start to its first 200."""

    port: int
    pid: int
    seconds: float

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A connection to it."""
        client = Client(self.port)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def serving(
    command: Sequence[str],
    port: int,
    path: str,
    log: Path,
    extra: Mapping[str, str] | None = None,
    limit_s: float = 120,
) -> Iterator[Server]:
    """Run a server; the time is from the process's start to the first 200 answer of ``path``.

    Raises:
        BenchmarkError: it ended, or gave no such answer within ``limit_s``.
    """
    with log.open("ab") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=errors,
            stderr=errors,
            env=environment(extra),
        )
        try:
            while not _answers(port, path):
                if process.poll() is not None or time.perf_counter() - started > limit_s:
                    raise BenchmarkError(
                        f"{command[0]} doesn't answer {path}:\n{log.read_text()[-1500:]}"
                    )
                time.sleep(_POLL_S)
            yield Server(port, process.pid, time.perf_counter() - started)
            if process.poll() is not None:
                raise BenchmarkError(f"{command[0]} ended with {process.returncode} in between")
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int, path: str) -> bool:
    client = Client(port)
    try:
        return client.status(path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


@contextmanager
def cellwise(
    home: Path,
    log: Path,
    path: str = "/health",
    extra: Mapping[str, str] | None = None,
    program: Path | None = None,
) -> Iterator[Server]:
    """``cellwise serve`` on a home, as an operator starts it; of this environment by default."""
    port = free_port()
    command = [str(program or executable("cellwise")), "serve", "--home", str(home)]
    command += ["--port", str(port)]
    with serving(command, port, path, log, extra) as server:
        yield server


def memory_mb(pid: int) -> dict[str, float]:
    """``VmRSS, RssAnon, RssFile, RssShmem, VmHWM`` of a process, in MB of 10^6 bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.findall(r"^(VmRSS|VmHWM|RssAnon|RssFile|RssShmem):\s+(\d+) kB", status, re.MULTILINE)
    return {name: int(size) * 1024 / 1e6 for name, size in found}


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended well."""

    output: str
    seconds: float
    peak_mb: float
    """The peaks of all its processes added up: at least what they held at one time."""


def measured(command: Sequence[str], folder: Path, limit_s: float = 1800) -> Finished:
    """Run a command to its end and watch the memory of its processes.

    Raises:
        BenchmarkError: it failed.
    """
    peaks: dict[int, float] = {}
    ended = threading.Event()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def watch() -> None:
        while not ended.wait(_SAMPLE_S):
            for pid in family(process.pid):
                with contextlib.suppress(OSError):
                    peaks[pid] = memory_mb(pid).get("VmHWM", peaks.get(pid, 0.0))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        output, errors = process.communicate(timeout=limit_s)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        ended.set()
        watcher.join()
    if process.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return Finished(output, time.perf_counter() - started, sum(peaks.values()))


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found
