"""A progress bar for waiting, where rich is installed and someone looks on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from analysis.client.shapes import Record

Show = Callable[[Sequence[Record]], None]


@contextmanager
def bar(*, shown: bool) -> Iterator[Show]:
    """Yields what shows how jobs or studies are; silent where nothing can be drawn.

    It takes rich, and a terminal or a notebook that has ipywidgets.

    Rich and not tqdm: the command's bars are rich's, and it draws in notebooks as well.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError:
        yield lambda items: None
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Without ipywidgets, rich warns in a notebook.
    notebook = console.is_jupyter
    seen = find_spec("ipywidgets") is not None if notebook else console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not (shown and seen)) as drawn:
        task = drawn.add_task("waiting", total=None)

        def show(items: Sequence[Record]) -> None:
            done = sum(map(share, items))
            drawn.update(task, description=words(items), completed=done, total=len(items))

        yield show


def share(item: Record) -> float:
    """How much of a job or study is done, from 0 to 1."""
    if item["state"] == "done":
        return 1.0
    progress = item["progress"]
    if progress is None:
        return 0.0
    if "parts" in progress:
        return float(progress["ended"] / progress["parts"])
    done, of = progress["epoch"], progress["epochs"]
    # How much there is to measure is not known before the first measurement.
    return float((done + progress["measured"]) / (of + (progress["to_measure"] or 0)))


def words(items: Sequence[Record]) -> str:
    """How they are: one in detail, several by state."""
    if len(items) != 1:
        states = Counter(item["state"] for item in items)
        return ", ".join(f"{count} {state}" for state, count in states.items())
    (item,) = items
    progress = item["progress"]
    if progress is None:
        place = item.get("position")
        return item["state"] if place is None else f"{item['state']}, place {place}"
    if "parts" in progress:
        return f"{item['state']}, {progress['ended']} of {progress['parts']} parts"
    if progress["to_measure"] is not None:
        return f"{item['state']}, measured {progress['measured']} of {progress['to_measure']}"
    return f"{item['state']}, epoch {progress['epoch']} of {progress['epochs']}"
