"""What the scripts on the paper's claims share: options, studies, tables, verdicts, figures.

They ask a running server over HTTP and need nothing else but the client, pandas and scipy::

    pip install '.[pandas]' scipy

The claims are those of Shu, Wang and Cai, "Understanding Architectures Learnt by Cell-based Neural
Architecture Search", ICLR 2020, arXiv 1909.09569. ``cellwise report`` weighs all of them at once.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, NamedTuple

import pandas as pd

from analysis.client import DEFAULT_URL, Client, ClientError, Table
from analysis.client.parameters import Value
from analysis.report.text import interval
from analysis.spaces.published import FIVE

PUBLISHED = tuple(FIVE)
"""The cells that the paper is about (figure 1)."""
CELLS = (*PUBLISHED, *(f"{name}-adapted" for name in PUBLISHED))
"""These and their adapted forms."""

Sign = Literal["positive", "negative"]
Side = Literal["as claimed", "against", "undecided"]
"""On which side of zero an interval lies."""

MORE: dict[str, Sign] = {"width": "positive", "depth": "negative"}
"""Signs of ρ with what wide, shallow cells are claimed to have more of."""
LESS: dict[str, Sign] = {"width": "negative", "depth": "positive"}

HELD = {"group_by": "live_ops"}
"""Compares cells of the same operations on live edges: what differs is how these are placed."""
OF_HELD = "Among cells of the same operations on live edges (mean within groups, weighted by size):"

UNDECIDED = (
    "Undecided is not 'no effect': the interval holds zero, or there is none. Rows on the same "
    "networks are no independent votes, and no interval is corrected for their number."
)
FIRST_EPOCHS = (
    "aulc: mean validation accuracy of the first epochs; sotl: their summed training loss, less "
    "is faster."
)
LINE = 100
NAMES = 3
"""Cells that are named of a study."""
SIDES: tuple[Side, ...] = ("as claimed", "against", "undecided")
_ENDED = ("done", "failed")


class Answer(NamedTuple):
    """What a script prints, and its picture: the address without ending, and parameters."""

    lines: list[str]
    picture: str
    parameters: dict[str, Value]


class MissingError(LookupError):
    """The server lacks what a script needs; the message says what would make it."""


def options(about: str | None) -> argparse.ArgumentParser:
    """The options that all scripts have."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=DEFAULT_URL, help="server to ask (default: %(default)s)")
    parser.add_argument(
        "--figure",
        type=_figure,
        metavar="FILE",
        help="write the server's picture of it: FILE.svg or FILE.png (of several studies, of the "
        "first)",
    )
    return parser


def options_of_studies(about: str | None) -> argparse.ArgumentParser:
    """The same, and which study."""
    parser = options(about)
    parser.add_argument(
        "--study", type=int, metavar="N", help="ask study N alone (default: all of the kind)"
    )
    return parser


def _figure(text: str) -> Path:
    file = Path(text)
    if file.suffix not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"{text} ends neither in .svg nor in .png")
    return file


def run(
    parser: argparse.ArgumentParser, answer: Callable[[Client, argparse.Namespace], Answer]
) -> None:
    """Ask, print, write the figure; what goes wrong is told in a line."""
    asked = parser.parse_args()
    try:
        with Client(asked.url) as client:
            found = answer(client, asked)
            print("\n".join(found.lines))
            if asked.figure is not None:
                address = found.picture + asked.figure.suffix
                _write(asked.figure, client.picture(address, **found.parameters))
    except (ClientError, MissingError) as error:
        sys.exit(str(error))


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        sys.exit(f"the picture isn't written: {error}")


def studies(client: Client, number: int | None, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """Those of each kind that have ended, the oldest first; or the one with a number.

    ``wanted`` has, by kind, what ``cellwise study run`` takes to make one.

    Raises:
        MissingError: there is none of a kind; or the one is of another kind, or goes on.
        ClientError: no answer, or a refusal.
    """
    if number is not None:
        study = client.study(number)
        if study["kind"] not in wanted:
            raise MissingError(f"study {number} is of {study['kind']}, not {' or '.join(wanted)}")
        if study["state"] not in _ENDED:
            raise MissingError(f"study {number} is {study['state']}: it has no end result")
        return [dict(study)]
    ended = [one for one in client.studies() if one["state"] in _ENDED]
    for kind, cells in wanted.items():
        if all(one["kind"] != kind for one in ended):
            raise MissingError(
                f"{client.url} has no study of {kind} that has ended; this makes one:\n"
                f"cellwise study run {kind} {cells} --url {client.url}"
            )
    return [dict(client.study(one)) for one in reversed(ended) if one["kind"] in wanted]


def of_study(client: Client, study: Mapping[str, Any], sets: Iterable[str | None]) -> str:
    """What a study rests on: cells, images, recipes, schedules, seeds, how many trainings."""
    parts = study["parts"]
    # One training on each data set tells the images and schedule of the others.
    addresses = {part["dataset"]: part["run"] for part in parts if part["run"]}
    runs = [client.run(address) for address in addresses.values()]
    done = sum(part["state"] == "done" for part in parts)
    return prose(
        f"study {study['id']}: {study['kind']} of {_cells(parts)}, "
        f"{_each(addresses)} ({_each(sets)}; images: {_each(run['images'] for run in runs)}), "
        f"{_each(part['recipe'] for part in parts)}, {_each(run['schedule'] for run in runs)} "
        f"epochs, seed {_each(part['seed'] for part in parts)}; {done} of {len(parts)} parts "
        f"done, {sum(part['diverged'] for part in parts)} diverged"
    )


def _cells(parts: Iterable[Mapping[str, Any]]) -> str:
    """How many, and which; of variants, how many of each kind, whose operations may differ."""
    in_roles = {(part["role"], part["cell"]): part["name"] or part["cell"] for part in parts}
    roles = Counter(role for role, _ in in_roles)
    cells = {cell for _, cell in in_roles}  # of which one may be a variant of another
    told = [f"{n} {role}" for role, n in roles.items()]
    if len(roles) == 1:
        told = list(in_roles.values())[:NAMES]
        told += [f"{len(cells) - NAMES} more"] if len(cells) > NAMES else []
    return f"{len(cells)} cells ({', '.join(told)})"


def of_table(answer: Table[Any], metric: str) -> str:
    """What a metric of the tables rests on: set, images, recipe, schedule, seeds, sources."""
    of = answer.context["sets"][metric]
    epoch = f"epoch {of['epoch']}" if "epoch" in of else "each epoch"
    return prose(
        f"{of['dataset']} ({of['set']}; images: {of['images']}; split: {of['split']}), "
        f"{of['recipe']}, {epoch} of {of['schedule']}, "
        f"{_seeds(answer.context['seed'], of['n_seeds'])}, from {_origins(of['sources'])}"
    )


def _origins(given: Mapping[str, int]) -> str:
    """The sources, where there are several with how many cells each gave."""
    if len(given) < 2:
        return _each(given)
    return _each(f"{name} ({cells:,} cells)" for name, cells in given.items())


def _seeds(seed: object, counts: Sequence[int] | None) -> str:
    """Of which seeds, and how many a cell."""
    if seed != "mean" or counts is None:
        return f"seed {seed}"
    fewest, most = counts
    if most == 1:
        return "one seed"
    return f"mean over {most if fewest == most else f'{fewest}–{most}'} seeds"


def judged(
    items: Iterable[Mapping[str, Any]],
    signs: Mapping[str, Sign],
    words: Mapping[Side, str] | None = None,
    **labels: object,
) -> list[dict[str, Any]]:
    """A row a coefficient of the API: ``found`` in words, and what its interval ``says``."""
    rows = []
    for item in items:
        side = side_of(item, signs[item["x"]])
        says = side if words is None else words[side]
        counts = {"n": item["n"], "networks": item["n_distinct"]}
        row = {**labels, "space": item.get("space"), "measure": item["y"], **counts}
        rows.append({**row, "x": item["x"], "found": f"{_in_words(item)} {says}", "says": says})
    return rows


def side_of(item: Mapping[str, Any], claimed: Sign) -> Side:
    """Whether a coefficient's interval lies on the claimed side of zero, on the other, or on both.

    One of ±1 tells nothing: Fisher's interval has no length there, however few the cells.
    """
    if item["ci"] is None or abs(item["coefficient"]) == 1:
        return "undecided"
    low, high = item["ci"]
    if low > 0 or high < 0:
        return "as claimed" if (low > 0) == (claimed == "positive") else "against"
    return "undecided"


def _in_words(item: Mapping[str, Any]) -> str:
    if item["coefficient"] is None:
        return str(item["reason"] or "undefined")
    if abs(item["coefficient"]) == 1:
        return f"ρ = {item['coefficient']:+.0f}, without an interval"
    return f"ρ = {item['coefficient']:+.2f}{interval(item['ci'], '+.2f')}"


def first_epochs(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows on accuracy (``aulc``) and loss (``sotl``) of the first epochs, rate by rate."""
    return [
        row
        for at in study["results"]
        for measure, signs in ((f"aulc@{at['epoch']}", MORE), (f"sotl@{at['epoch']}", LESS))
        for row in judged(
            [item for item in at["correlations"] if item["y"] == measure],
            signs,
            study=study["id"],
            rate=at["learning_rate"],
        )
    ]


def side_by_side(rows: Iterable[Mapping[str, Any]]) -> str:
    """A table of judged coefficients, those of width beside those of depth.

    Where cells are copies of one another, it says how many different networks there are.
    """
    frame = pd.DataFrame(rows)
    if frame.empty:
        return "no coefficient is defined"
    frame = frame.drop(columns=["says", *(["space"] if frame["space"].nunique() < 2 else [])])
    counts = ["n", "networks"] if (frame["networks"] < frame["n"]).any() else ["n"]
    labels = [name for name in frame.columns if name not in ("found", "n", "networks")]
    # Within groups width may vary where depth doesn't, so that they rest on different cells.
    groups = frame.groupby([name for name in labels if name != "x"], dropna=False)
    for name in counts:
        frame[name] = groups[name].transform(
            lambda n: f"{n.min()}–{n.max()}" if n.nunique() > 1 else n
        )
    labels[labels.index("x") : labels.index("x")] = counts
    return text(frame.set_index(labels)["found"].unstack("x", sort=False).reset_index())


def counted(rows: Iterable[Mapping[str, Any]]) -> str:
    """How many of the judged coefficients say what."""
    count = Counter((row["x"], row["says"]) for row in rows)
    told = (
        f"{x}: {', '.join(f'{count[x, word]} {word}' for word in SIDES)}"
        for x in ("width", "depth")
    )
    return prose(f"By their 95 % intervals, coefficients of {'; of '.join(told)}. {UNDECIDED}")


def prose(sentences: str) -> str:
    """Text in lines that fit a page."""
    return fill(sentences, LINE, break_on_hyphens=False)


def text(frame: pd.DataFrame) -> str:
    """A data frame as lines, words to the left and numbers to the right."""
    columns = []
    for name, column in frame.items():
        told = [str(name), *map(str, column)]
        width = max(map(len, told))
        words = any(isinstance(value, str) for value in column)
        columns.append([one.ljust(width) if words else one.rjust(width) for one in told])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _each(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))
