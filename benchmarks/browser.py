"""Does the page stay fluid with every cell of the space on it?"""

from __future__ import annotations

import shutil
import time
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.processes import cellwise
from benchmarks.results import BenchmarkError, Section
from benchmarks.work import Work, say

FRAME_MS = 1000 / 60
_STEPS = 60

_SETTLED = """() => document.querySelector('canvas')
    && !document.querySelector('[aria-busy="true"]')"""
_WATCH = """() => {
    window.frames_ms = [];
    let last = performance.now();
    const turn = now => {
        window.frames_ms.push(now - last);
        last = now;
        requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
}"""
_FRAMES = "() => { const seen = window.frames_ms; window.frames_ms = []; return seen; }"


def run(work: Work) -> Section:
    """Times of loading, filtering, brushing and pointing, in Chromium without a GPU."""
    section = Section("browser", "The page")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise BenchmarkError("no chromium on this machine (apt-get install chromium)")
    measured: dict[str, list[float]] = {
        name: [] for name in ("load", "filter", "brushed", "brush", "point")
    }
    home = work.default_home()
    with (
        cellwise(home, work.log, "/health", program=work.serving()) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for number in range(work.repeats(9, 1) + 1):
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            once = _once(page, f"http://127.0.0.1:{server.port}/")
            page.close()
            if number:  # the first makes the bundle and starts what draws
                for name, values in once.items():
                    measured[name] += values
                say(f"page {number}: {once['load'][0]:.2f} s")
        browser.close()
    section.add("opening the page, until every chart is drawn", "s", measured["load"])
    section.add("a filter changed, until every chart and the table follow", "s", measured["filter"])
    section.add("brushing the scatter: time between frames", "ms", measured["brush"])
    section.add("a region brushed, until its cells are listed", "s", measured["brushed"])
    section.add("pointing at the scatter: time between frames", "ms", measured["point"])
    section.method += [
        "Chromium without a window and without a GPU, 1366 × 768, on the same cores as the server; "
        "the scatter shows 15,625 points (parameters against final accuracy of all cells).",
        f"Brushing and pointing: {_STEPS} moves of the mouse in a row, the time between two "
        f"animation frames read in the page; {FRAME_MS:.1f} ms is every frame of a 60 Hz screen.",
    ]
    return section


def _once(page: Page, url: str) -> dict[str, list[float]]:
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_function(_SETTLED)
    load = time.perf_counter() - began
    page.evaluate(_WATCH)
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    around: Any = canvas.bounding_box()
    left, top = around["x"] + 0.3 * around["width"], around["y"] + 0.1 * around["height"]
    page.mouse.move(left, top)
    page.mouse.down()
    page.evaluate(_FRAMES)
    for step in range(_STEPS):
        page.mouse.move(left + step * 3, top + step * 3)
    brush = page.evaluate(_FRAMES)
    page.mouse.up()
    began = time.perf_counter()
    page.wait_for_selector(".brushed tbody tr")
    brushed = time.perf_counter() - began
    page.evaluate(_FRAMES)
    for step in range(_STEPS):
        page.mouse.move(left - 60 + step * 4, top + 60 + step * 2)
    point = page.evaluate(_FRAMES)
    began = time.perf_counter()
    page.locator('[data-key="connected"]').select_option("true")
    page.wait_for_function("() => document.querySelector('[aria-busy=\"true\"]')")
    page.wait_for_function(_SETTLED)
    changed = time.perf_counter() - began
    return {
        "load": [load],
        "filter": [changed],
        "brushed": [brushed],
        "brush": brush,
        "point": point,
    }
