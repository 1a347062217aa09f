"""A finished report: as Markdown with a folder of figures, or as one HTML page."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.report.claims import Claim

_FORMS = (".html", ".md")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([a-z0-9-]+)\.svg\)")

_STYLE = """\
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #8886; padding: .25rem .6rem; text-align: left }
td { font-variant-numeric: tabular-nums }
figure { margin: 1.5rem 0 }
img { max-width: 100%; background: white }
figcaption { font-size: .9rem }
code { font-size: .9em }
"""


class OutputError(ValueError):
    """A report can't be written there; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    Attributes:
        title: of the page.
        text: Markdown, in which figures stand as ``![caption](NAME.svg)``.
        figures: SVG by name.
        claims: with their verdicts, in the paper's order.
    """

    title: str
    text: str
    figures: Mapping[str, str]
    claims: tuple[Claim, ...]

    def markdown(self, folder: str) -> str:
        """The text with the figures where they lie, ``folder`` seen from the text."""
        return _IMAGE.sub(rf"![\1]({folder}/\2.svg)", self.text)

    def html(self) -> str:
        """One page that holds everything."""
        from markdown_it import MarkdownIt

        body = MarkdownIt("commonmark", {"html": False}).enable("table").render(self.text)
        for name, svg in self.figures.items():
            data = base64.b64encode(svg.encode()).decode()
            body = body.replace(f'src="{name}.svg"', f'src="data:image/svg+xml;base64,{data}"')
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{html.escape(self.title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n"
            f"<body>\n{body}</body>\n</html>\n"
        )

    def write(self, path: Path, figures: Path | None = None) -> list[Path]:
        """Write it; what was written. HTML for ``.html``, else Markdown with a folder of figures.

        Raises:
            OSError: it can't be written.
            OutputError: a folder of figures for HTML, which has none.
        """
        folder = _folder(path, figures)
        if folder is None:
            path.write_text(self.html(), encoding="utf-8")
            return [path]
        folder.mkdir(exist_ok=True)
        for name, svg in self.figures.items():
            (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        place = Path(os.path.relpath(folder, path.parent)).as_posix()
        path.write_text(self.markdown(place), encoding="utf-8")
        return [path, *(folder / f"{name}.svg" for name in self.figures)]


def require_writable(path: Path, figures: Path | None = None) -> None:
    """Make the folders of a report, before the hours that it may take.

    Raises:
        OutputError: it is neither HTML nor Markdown, or there is no writing there.
    """
    if path.suffix not in _FORMS:
        raise OutputError(f"{path} is no report; allowed: files that end in {' or '.join(_FORMS)}")
    folder = _folder(path, figures)
    for place in (path.parent, folder):
        if place is None:
            continue
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{place} can't be made: {error.strerror}") from error
        if not os.access(place, os.W_OK):
            raise OutputError(f"{place} can't be written to")
    if path.is_dir():
        raise OutputError(f"{path} is a folder")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path} can't be written to")


def _folder(path: Path, figures: Path | None) -> Path | None:
    """Where the figures of a report go; None for a page, which holds them itself."""
    if path.suffix != ".html":
        return figures or path.with_name(f"{path.stem}-figures")
    if figures is not None:
        raise OutputError(f"{path} holds its figures itself; a folder of them goes with .md")
    return None
