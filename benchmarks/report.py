"""docs/benchmarks.md, written from the results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.results import Figure, Section

_HEAD = """# Benchmarks

Written by `make bench` (`python -m benchmarks`) from `{results}`; don't edit by hand.
Everything that is compared ran side by side in one run, on one machine, over 127.0.0.1. *Spread* is
the least and greatest of `n` repeats, from 20 repeats on the 5th and 95th percentile; the median is
what a target is held against. Ratios are taken round by round, so that both sides met the same
conditions. Absolute times are this machine's; the ratios are what carries over.
"""


def write(path: Path, sections: list[Section], results: str) -> None:
    """Write the page."""
    lines = [*_HEAD.format(results=results).splitlines(), "", *_summary(sections)]
    for section in sections:
        lines += ["", f"## {section.title}", "", *_section(section)]
    lines += ["", "## Machine and versions", "", *_machines(sections)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _summary(sections: list[Section]) -> Iterator[str]:
    held = [(s, f) for s in sections for f in s.figures if f.met is not None]
    missed = [(section, figure) for section, figure in held if not figure.met]
    if held:
        yield f"**{len(held) - len(missed)} of {len(held)} targets are met.**"
    if missed:
        yield ""
        yield "Missed:"
        yield ""
        for section, figure in missed:
            yield (
                f"- {section.title}: {figure.what}: {number(figure.median)} {figure.unit}, "
                f"target {_target(figure)}"
            )


def _section(section: Section) -> Iterator[str]:
    if section.about.get("quick"):
        yield "*A quick run: it shows that the benchmark works, and measures nothing.*"
        yield ""
    yield "| what | median | spread | n | target | |"
    yield "|---|---:|---:|---:|---:|---|"
    for figure in section.figures:
        spread = f"{number(figure.low)} – {number(figure.high)}" if figure.n > 1 else ""
        verdict = {None: "", True: "met", False: "**missed**"}[figure.met]
        yield (
            f"| {figure.what} | {number(figure.median)} {figure.unit} | {spread} | {figure.n:,} "
            f"| {_target(figure)} | {verdict} |"
        )
    yield ""
    for line in section.method:
        yield f"- {line}"
    for paragraph in section.text:
        yield ""
        yield paragraph
    about = section.about
    yield ""
    yield (
        f"{about['date']}, {about['seconds']} s, `{about['command']}`, on {about['machine']['cpu']}"
        f", {about['machine']['cores']} cores, load before {about['machine']['load_before']}."
    )


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'≤' if figure.sense == 'at most' else '≥'} {number(figure.target)}"


def number(value: float) -> str:
    """Three digits, whole numbers whole, thousands apart."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _machines(sections: list[Section]) -> Iterator[str]:
    """Each machine and set of versions once, with the sections that ran on it."""
    shown: dict[str, list[str]] = {}
    for section in sections:
        machine = section.about["machine"]
        versions = ", ".join(f"{name} {held}" for name, held in machine["versions"].items())
        text = (
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB of memory; "
            f"{versions}."
        )
        shown.setdefault(text, []).append(section.title)
    for text, titles in shown.items():
        yield text if len(shown) == 1 else f"- {', '.join(titles)}: {text}"
