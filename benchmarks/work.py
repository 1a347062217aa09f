"""The folder of a run: inputs that are made once, and how large everything is."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import executable, measured
from benchmarks.results import BenchmarkError

ALL_CELLS = 15_625
REPOSITORY = Path(__file__).resolve().parent.parent

_MB_PER_CELL = {"folder": 0.1, "pbz2": 0.1, "pth-legacy": 0.4, "pth-zip": 0.4}
_FREE_MB = 3_000
"""What a database of all cells and its growth during an import need besides."""


def say(message: str) -> None:
    """One line of progress on standard error."""
    print(f"{time.strftime('%H:%M:%S')}  {message}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Work:
    """Where a run keeps its inputs, and its scale.

    Attributes:
        folder: inputs; those found in it are used again.
        cells: cells of the official files.
        quick: a few repeats only: shows that everything works, measures nothing.
        whole: every one-file form with all cells, where a share of them would show the same.
    """

    folder: Path
    cells: int
    quick: bool
    whole: bool = False

    def repeats(self, full: int, quick: int) -> int:
        """How often to repeat at this scale."""
        return quick if self.quick else full

    @property
    def log(self) -> Path:
        """What the servers print."""
        return self.folder / "servers.log"

    @property
    def full_size(self) -> bool:
        """Whether the official files hold all cells."""
        return self.cells == ALL_CELLS

    def serving(self) -> Path:
        """The command in an environment that holds what serving needs and no more.

        As ``make serve`` makes it: the development environment has pandas, which pyarrow imports
        where it finds it.
        """
        folder = self.folder / "serving"
        if not (folder / "done").exists():
            say("making an environment as for serving")
            shutil.rmtree(folder, ignore_errors=True)
            measured([sys.executable, "-m", "venv", str(folder)], self.folder)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            measured([*pip, "--requirement", str(REPOSITORY / "requirements.lock")], self.folder)
            measured([*pip, "--no-deps", "--editable", str(REPOSITORY)], self.folder)
            (folder / "done").touch()
        return folder / "bin" / "cellwise"

    def default_home(self) -> Path:
        """A home that holds the default table."""
        home = self.folder / "home-default"
        if not (home / "done").exists():
            say("making a home with the default table")
            shutil.rmtree(home, ignore_errors=True)
            measured([executable("cellwise"), "sources", "--home", str(home)], self.folder)
            (home / "done").touch()
        return home

    def copy_of(self, home: Path, name: str) -> Path:
        """A copy of a home that may be changed."""
        copy = self.folder / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*.sock", "server.json"))
        return copy

    def official(self, container: str, cells: int) -> Path:
        """A generated official file, or folder, of this many cells.

        Raises:
            BenchmarkError: the disk is too full for it.
        """
        path = self.folder / f"{container}-{cells}"
        done = path.with_name(f"{path.name}.done")
        if not done.exists():
            needed = _MB_PER_CELL[container] * cells + _FREE_MB
            free = shutil.disk_usage(self.folder).free / 1e6
            if free < needed:
                raise BenchmarkError(f"{self.folder} has {free:,.0f} MB free, {needed:,.0f} needed")
            self.discard(path)
            say(f"generating {container}, {cells:,} cells")
            command = [sys.executable, "-m", "tests.official", "--container", container]
            measured([*command, "--cells", str(cells), str(path)], REPOSITORY)
            done.touch()
        return path

    def full_home(self) -> Path:
        """A home that holds the default table and an official one with every curve."""
        home = self.folder / f"home-official-{self.cells}"
        if not (home / "done").exists():
            path = self.official("pth-legacy", self.cells)
            say(f"importing {path.name}")
            self.copy_of(self.default_home(), home.name)
            (home / "done").unlink()
            command = [executable("cellwise"), "import", str(path), "--home", str(home)]
            measured(command, self.folder)
            self.discard(path)
            (home / "done").touch()
        return home

    def discard(self, path: Path) -> None:
        """Delete an input that isn't needed any more."""
        path.with_name(f"{path.name}.done").unlink(missing_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
