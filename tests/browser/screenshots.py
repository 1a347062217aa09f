"""``python -m tests.browser.screenshots``: the pictures of the page in docs/img/page, made anew.

They are of a server that was just started, so that anyone sees the same.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM, Watched
from tests.browser.test_explore import drag
from tests.conftest import ROOT
from tests.service.processes import serving

FOLDER = ROOT / "docs" / "img" / "page"
WIDTH = 1366
PROXY = "dataset=cifar10-valid&recipe=proxy&images=jpeg&schedule=12&measure=valid_accuracy"

VIEWS: dict[str, tuple[str, int]] = {
    "explore": ("#/", 1250),
    "brushed": (f"#/?{PROXY}&early=8", 1900),
    "cell": (f"#/cell/nb201-002510?{PROXY}", 1100),
    "named": ("#/named", 1400),
    "jobs": ("#/jobs", 800),
    "job": ("#/jobs/163", 800),
    "studies": ("#/studies", 700),
    "study": ("#/studies/21", 1300),
    "sources": ("#/sources", 600),
}
"""By the picture's name: the view, and how much of it is shown in pixels from the top."""

Theme = Literal["light", "dark"]


def main() -> int:
    """Write every picture; the exit status."""
    if CHROMIUM is None:
        sys.stderr.write("no chromium on this machine (apt-get install chromium)\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="cellwise-seen-"))
    with serving(home) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in VIEWS:
            _take(browser, server.url, name, "light")
        for name in ("explore", "named"):
            _take(browser, server.url, name, "dark")
        browser.close()
    shutil.rmtree(home)
    return 0


def _take(browser: Browser, url: str, name: str, theme: Theme) -> None:
    link, height = VIEWS[name]
    context = browser.new_context(
        viewport={"width": WIDTH, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    watched = Watched(context.new_page(), url)
    page = watched.open(link)
    if name == "brushed":
        drag(page, (0.5, 0.2), (0.7, 0.5))
        page.wait_for_selector(".brushed tbody tr")
        watched.settled()
    ending = "" if theme == "light" else f"-{theme}"
    taken = Image.open(io.BytesIO(page.screenshot()))
    # A palette of 256 colours is enough for charts and text, and a third of the bytes.
    taken.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        FOLDER / f"{name}{ending}.png", optimize=True
    )
    watched.check()
    context.close()


if __name__ == "__main__":
    sys.exit(main())
