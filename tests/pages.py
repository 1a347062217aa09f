"""``python -m tests.pages``: README, docs and notebook with what programs say now.

A server on a fresh home gives the answers, what scripts print and the pictures of the page. One
with the tables of real results besides (docs/sources.md) gives the reproduction, the findings and
the page on the bundled sample. What a person wrote around it stays, and is to be read again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser import screenshots
from tests.conftest import ROOT, TABLES
from tests.service.processes import CELLWISE, environment, serving

DOCS = ROOT / "docs"
README = ROOT / "README.md"
REPRODUCTION, FIGURES = DOCS / "reproduction.md", DOCS / "studies"
WITH_ANSWERS = (README, DOCS / "tour.md", DOCS / "api.md", DOCS / "scripts.md")
CLAIMS = re.compile(r"^\| claim \|.*\n\| ---.*\n(?:\| \d\. .*\n)+", re.MULTILINE)
"""The table of claims, of README and reproduction."""


def main() -> int:
    """Write all of it; the exit status."""
    if not TABLES.exists():
        sys.stderr.write(f"no tables of real results at {TABLES} (CELLWISE_SHARED_DATA)\n")
        return 1
    with _fresh() as url:
        _run("analysis.scripts.examples", *WITH_ANSWERS, "--write", "--url", url)
        _run("analysis.scripts.notebook", "--write", "--url", url)
    with _fresh(*sorted(TABLES.iterdir())) as url:
        shutil.rmtree(FIGURES, ignore_errors=True)
        _run("analysis.scripts.report", REPRODUCTION, "--figures", FIGURES, "--url", url)
        for script, page in (("findings", "findings.md"), ("bundle_report", "bundle.md")):
            (DOCS / page).write_text(_run(f"analysis.scripts.{script}", "--url", url))
    claims = CLAIMS.search(REPRODUCTION.read_text())
    assert claims is not None
    README.write_text(CLAIMS.sub(lambda _: claims[0], README.read_text()))
    return screenshots.main()


@contextmanager
def _fresh(*tables: Path) -> Iterator[str]:
    """The address of a server on a home of its own with these tables."""
    with tempfile.TemporaryDirectory(prefix="cellwise-pages-") as home:
        for table in tables:
            line = [*CELLWISE, "import", str(table), "--home", home]
            subprocess.run(line, cwd=ROOT, env=environment(), check=True)
        with serving(Path(home)) as server:
            yield server.url


def _run(module: str, *arguments: object) -> str:
    """A program that has to end well; what it printed."""
    sys.stderr.write(f"{module}\n")
    line = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
