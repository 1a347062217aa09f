"""Keeps the answers shown in the documentation true.

A Markdown file shows a call and, in the next block, its answer::

    ```console
    $ curl -s 'http://127.0.0.1:8000/cells?min_width=3&limit=1'
    ```
    ```json
    {"items": [...]}
    ```

Behind the call may stand ``| jq .items``, or ``| jq -c '.items[] | {x, y, n}'``: these fields of
each item, one a line. Or it shows a script, and what it prints::

    ```console
    $ python -m analysis.scripts.wide_and_shallow
    ```

    ```text
    cell         width  widest
    ```

``python -m analysis.scripts.examples README.md`` asks a server each call and tells which answers
differ; with ``--write`` it puts in what the server says.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2

from analysis.client import DEFAULT_URL

_EXAMPLE = re.compile(
    r"```console\n\$ curl -s 'http://127\.0\.0\.1:8000(?P<path>[^']*)'"
    r"(?P<items> \| jq \.items| \| jq -c '\.items\[\] \| \{(?P<fields>[\w, ]+)\}')?"
    r"\n```\n\n?"
    r"```json\n(?P<answer>.*?)```",
    re.DOTALL,
)

_SCRIPT = re.compile(
    r"```console\n\$ python -m (?P<call>analysis\.scripts\.[^\n]+)\n```\n\n"
    r"```text\n(?P<printed>.*?)```",
    re.DOTALL,
)

VOLATILE = frozenset({"imported_at", "version"})
"""Fields that differ from one server to the next."""

Ask = Callable[[str], Any]
"""The JSON answer to ``GET path``."""
Run = Callable[[str], str]
"""What a script with its arguments prints."""


@dataclass(frozen=True, slots=True)
class Example:
    """A call as the text shows it.

    Attributes:
        items: whether only the answer's items are shown.
        fields: which of each item, where not all; the items then stand a line each.
    """

    path: str
    items: bool
    fields: tuple[str, ...]
    shown: Any

    def answer(self, ask: Ask) -> Any:
        """What the text should show."""
        body = ask(self.path)
        items = body["items"] if self.items else body
        if not self.fields:
            return items
        return [{field: item.get(field) for field in self.fields} for item in items]

    def written(self, answer: Any) -> str:
        """An answer as the text shows it."""
        if not self.fields:
            return shortened(json.dumps(answer, indent=1, ensure_ascii=False))
        return "\n".join(json.dumps(item, separators=(",", ":")) for item in answer)


def examples(text: str) -> Iterator[Example]:
    """Every example of a Markdown text."""
    for found in _EXAMPLE.finditer(text):
        yield _example(found)


def _example(found: re.Match[str]) -> Example:
    fields = tuple((found["fields"] or "").replace(",", " ").split())
    lines = f"[{','.join(found['answer'].splitlines())}]" if fields else found["answer"]
    return Example(found["path"], found["items"] is not None, fields, json.loads(lines))


def same(shown: Any, answered: Any) -> bool:
    """Whether two answers are equal but for volatile fields and the last bits of numbers."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        return shown.keys() == answered.keys() and all(
            key in VOLATILE or same(shown[key], answered[key]) for key in shown
        )
    if isinstance(shown, list) and isinstance(answered, list):
        return len(shown) == len(answered) and all(map(same, shown, answered))
    if isinstance(shown, float) and isinstance(answered, float):
        return abs(shown - answered) <= 1e-9 * max(1.0, abs(shown))
    return bool(shown == answered)


def refreshed(text: str, ask: Ask) -> str:
    """``text`` with answers replaced by the server's, where these aren't the :func:`same`."""

    def replace(found: re.Match[str]) -> str:
        example = _example(found)
        answer = example.answer(ask)
        if same(example.shown, answer):
            return found[0]
        head = found[0][: found.start("answer") - found.start()]
        return f"{head}{example.written(answer)}\n```"

    return _EXAMPLE.sub(replace, text)


def scripts(text: str) -> dict[str, str]:
    """What every script that a Markdown text shows prints there, by its name and arguments."""
    return {found["call"]: found["printed"] for found in _SCRIPT.finditer(text)}


def printed_anew(text: str, run: Run) -> str:
    """``text`` with what scripts print replaced by what they print now."""

    def replace(found: re.Match[str]) -> str:
        head = found[0][: found.start("printed") - found.start()]
        return f"{head}{run(found['call'])}```"

    return _SCRIPT.sub(replace, text)


def shortened(text: str, width: int = 96) -> str:
    """Indented JSON with every object or list that fits on a line put on one."""
    lines = text.splitlines()
    for depth in range(max(len(line) - len(line.lstrip()) for line in lines), -1, -1):
        result: list[str] = []
        for line in lines:
            result.append(line)
            if line.strip().rstrip(",") in ("}", "]") and len(line) - len(line.lstrip()) == depth:
                start = next(
                    index
                    for index in range(len(result) - 2, -1, -1)
                    if len(result[index]) - len(result[index].lstrip()) == depth
                    and result[index].rstrip()[-1] in "{["
                )
                inner = " ".join(part.strip() for part in result[start + 1 : -1])
                joined = f"{result[start]}{inner}{line.strip()}"
                if len(joined) <= width:
                    result[start:] = [joined]
        lines = result
    return "\n".join(lines)


def main() -> None:
    """Check the given files, or bring them up to date."""
    parser = argparse.ArgumentParser(description="Check the answers shown in documentation.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--url", default=DEFAULT_URL, help="server to ask")
    parser.add_argument("--write", action="store_true", help="put in what the server says")
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/")
    try:
        with httpx2.Client(trust_env=False, timeout=60) as http:
            wrong = [_wrong(file, http, url, write=arguments.write) for file in arguments.files]
    except httpx2.HTTPError as error:
        sys.exit(f"no answer from {url}: {error}")
    sys.exit(1 if any(wrong) else 0)


def _wrong(file: Path, http: httpx2.Client, url: str, *, write: bool) -> int:
    """How many answers of a file aren't the server's; none once they are put in."""

    def ask(path: str) -> Any:
        # Refusals are shown too.
        text = http.get(url + path).text
        try:
            return json.loads(text.replace(url, DEFAULT_URL))
        except ValueError:
            sys.exit(f"{url}{path} isn't JSON: is that Cellwise?")

    def run(call: str) -> str:
        sys.argv = [*shlex.split(call), "--url", url]
        with redirect_stdout(StringIO()) as out:
            runpy.run_module(sys.argv[0], run_name="__main__")
        return out.getvalue()

    text = file.read_text()
    if write:
        file.write_text(printed_anew(refreshed(text, ask), run))
        return 0
    others = [
        f"GET {one.path} answers" for one in examples(text) if not same(one.shown, one.answer(ask))
    ]
    others += [f"{call} prints" for call, shown in scripts(text).items() if run(call) != shown]
    for other in others:
        print(f"{file}: {other} otherwise", file=sys.stderr)
    return len(others)


if __name__ == "__main__":
    main()
