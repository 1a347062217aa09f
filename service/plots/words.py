"""What is said of columns, contexts and filters: in plain words, with units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.columns import COLUMNS, GROUPINGS, SAMENESS
from data.metrics import LEVELS, MEANINGS, SUMMARIES, Metric, parse_metric
from data.told_apart import OFFICIAL
from service.plots.coefficients import signed

if TYPE_CHECKING:  # it brings the database along
    from data.queries import Filters

SETS = {
    "train": "training images",
    "x-valid": "validation images (x-valid)",
    "x-test": "test images (x-test)",
    "ori-test": "test images (ori-test)",
}
"""Sets of images in plain words."""

_SPLITS = {
    "train": "training",
    "valid": "validation",
    "test": "test",
    "valtest": "validation and test",
}
_MEASURES = {
    **{
        f"{split}_{what}": f"{word} {what}"
        for split, word in _SPLITS.items()
        for what in ("accuracy", "loss")
    },
    "aulc": "mean validation accuracy",
    "sotl": "sum of training losses",
    "sotl_e": "last training loss",
    "tse_ema": "decayed sum of training losses",
    "half_life": "epochs to half of the rise in validation accuracy",
}
_COLUMNS = {
    "params_m": "parameters",
    "flops_m": "multiply-adds",
    "n_conv3x3": "3×3 convolutions",
    "n_conv1x1": "1×1 convolutions",
    "n_skip": "skip connections",
    "n_pool": "pooling operations",
    "n_none": "none operations",
    "live_conv3x3": "live 3×3 convolutions",
    "live_conv1x1": "live 1×1 convolutions",
    "live_skip": "live skip connections",
    "live_pool": "live pooling operations",
    "n_dead": "operations on dead edges",
    "n_edges": "live edges",
    "n_paths": "paths",
}
_COMPARED = {">=": "≥", "<=": "≤", "=": "="}
_MOST_NAMED = 8

Context = Mapping[str, Any]
"""Of an answer, as the API has it."""


def measure(name: str) -> str:
    """A measure along training, without an epoch: ``validation accuracy``."""
    return _MEASURES.get(name, name.replace("_", " "))


def unit(name: str) -> str:
    """Of such a measure: ``percent``, ``nats`` or ``epochs``."""
    return MEANINGS[name][1].partition(",")[0]


def column(name: str, context: Context) -> str:
    """A column or metric: ``validation accuracy, epoch 200 of 200``."""
    if name in COLUMNS:
        return _COLUMNS.get(name, name.replace("_", " "))
    # The context knows which schedule the last epoch is of.
    metric = parse_metric(context["sets"][name]["metric"])
    told = _read(metric)
    if metric.aspect == "std":
        return f"standard deviation over seeds of {told}"
    return f"seeds of {told}" if metric.aspect == "n_seeds" else told


def _read(metric: Metric) -> str:
    epochs = f"{metric.epoch} of {metric.schedule}"
    if metric.measure in LEVELS:
        return f"{measure(metric.measure)}, epoch {epochs}"
    if metric.measure in SUMMARIES:
        return f"{measure(metric.measure)}, first {epochs} epochs"
    if metric.measure == "epochs_to":
        return f"epochs to {metric.threshold:g} % validation accuracy, of {metric.schedule}"
    return f"{measure(metric.measure)}, of {metric.schedule}"


def grouping(name: str, context: Context) -> str:
    """What cells of a group have in common: ``operations on live edges``, a column, a metric."""
    if name in GROUPINGS:
        return GROUPINGS[name]
    return name if name in ("space", "connected") else column(name, context)


def axis(name: str, context: Context) -> str:
    """The same with its unit, as an axis has it."""
    if name in COLUMNS:
        units = COLUMNS[name].unit.split("; ")
        space = context.get("space")
        if space in ("nasbench201", "darts"):  # widths are in units of their own
            units = units[:1] if space == "nasbench201" else units[-1:]
        told = "; ".join(units)
        return f"{column(name, context)}{f' ({told})' if told != column(name, context) else ''}"
    metric = parse_metric(context["sets"][name]["metric"])
    told = "seeds" if metric.aspect == "n_seeds" else unit(metric.measure)
    return f"{column(name, context)} ({told})"


def tick(value: Any, digits: int = 4) -> str:
    """A number of so many digits, an interval, or a word, as a label."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "–".join(tick(end, digits) for end in value)
    if isinstance(value, (int, float)):
        return f"{value:.{digits}g}".replace("-", "−")
    return str(value)


def seeds(context: Context, held: Mapping[str, Any]) -> str:
    """Which seeds what was read of one curve is of, and how many; whether sources were joined."""
    told = _seeds(context, held)
    return f"{told}, sources pooled" if context["pooled"] else told


def _seeds(context: Context, held: Mapping[str, Any]) -> str:
    seed = context["seed"]
    if seed == "mean" and (counts := held.get("n_seeds")):
        fewest, most = counts
        if most == 1:
            return "one seed"
        return f"mean over {most if fewest == most else f'{fewest}–{most}'} seeds"
    return {"mean": "mean over seeds", "all": "all seeds"}.get(seed, f"seed {seed}")


def noise(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """How reliable x and y are, or why that isn't known; several x by name."""
    several = len({item["x"] for item in items}) > 1
    found: dict[str, list[Mapping[str, Any]]] = {}
    for side in ("x", "y"):
        for item in items:
            one = item["reliability"][side] if item.get("reliability") else None
            if one is not None:
                found.setdefault(item["x"] if several and side == "x" else side, []).append(one)
    told = [f"{name} {_reliable(sides)}" for name, sides in found.items()]
    return [f"reliability (intraclass correlation): {', '.join(told)}"] if told else []


def _reliable(found: Sequence[Mapping[str, Any]]) -> str:
    known = [one["icc"] for one in found if one["icc"] is not None]
    if not known:
        return " or ".join(dict.fromkeys(one["reason"] for one in found))
    return "–".join(dict.fromkeys(f"{value:z.2f}" for value in (min(known), max(known))))


def without_noise(found: Mapping[str, Any]) -> list[str]:
    """A coefficient without the noise of seeds, or why there is none; nothing without seeds."""
    if not any((found.get("reliability") or {}).values()):
        return []
    if found["disattenuated"] is None:
        return [f"no coefficient without the noise of seeds: {found['disattenuated_reason']}"]
    return [f"without the noise of seeds {signed(found['disattenuated'])}"]


def sources(context: Context) -> list[str]:
    """What an answer's metrics were read from, a sentence for each different curve."""
    if not context["sets"]:  # costs depend on it
        return [f"data set: {context['dataset']}"]
    told: dict[str, list[str]] = {}
    for name, held in context["sets"].items():
        told.setdefault(f"{source(held)}; {seeds(context, held)}", []).append(name)
    if len(told) == 1:
        return list(told)
    return [f"{', '.join(names)}: {text}" for text, names in told.items()]


def source(held: Mapping[str, Any]) -> str:
    """Data set, images, schedule, recipe and sources of one curve."""
    images = f"{held['images']} images{_split(held)}"
    return (
        f"{held['dataset']}, {SETS[held['set']]}, {images}; schedule of "
        f"{held['schedule']} epochs, recipe {held['recipe']}; {origins(held['sources'])}"
    )


def _split(held: Mapping[str, Any]) -> str:
    """By what the images were divided, where not as the data set's own files have it."""
    return "" if held["split"] == OFFICIAL else f" on a {held['split']} split"


def origins(given: Mapping[str, int]) -> str:
    """The sources, where there are several with how many cells each gave."""
    if len(given) < 2:
        return f"sources: {next(iter(given), 'none')}"
    told = [f"{name} ({counted(cells, 'cell')})" for name, cells in given.items()]
    return f"sources: {', '.join(told)}"


def cells(count: str, context: Context, filters: Iterable[str]) -> str:
    """``n = 6,144 cells of nasbench201 with width ≥ 3``."""
    space = "both spaces" if context["space"] == "all" else context["space"]
    told = ", ".join(filters)
    return f"n = {count} cells of {space}{f' with {told}' if told else ''}"


def networks(items: Iterable[Mapping[str, Any]]) -> str:
    """How many different networks the cells of coefficients are, where some are copies."""
    found = list(items)
    if all(item["n_distinct"] == item["n"] for item in found):
        return ""
    counts = sorted(item["n_distinct"] for item in found)
    ends = dict.fromkeys(f"{count:,}" for count in (counts[0], counts[-1]))
    return f", {'–'.join(ends)} different networks"


def counted(n: int, one: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{n:,} {one}{'' if n == 1 else 's'}"


def part_of(n: int, there: int) -> str:
    """``400 of 15,284``, where not all have a value; else how many there are."""
    return f"{there:,}" if n == there else f"{n:,} of {there:,}"


def sentence(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def population(
    count: str, context: Context, filters: Iterable[str], left_out: Mapping[str, int]
) -> str:
    """How many cells of which kind, and how many were left out."""
    return "; ".join((cells(count, context, filters), *excluded(left_out)))


def excluded(counts: Mapping[str, int]) -> list[str]:
    """How many cells were left out, and why."""
    if not counts:
        return []
    return ["left out: " + ", ".join(f"{count:,} ({why})" for why, count in counts.items())]


def filters(asked: Filters) -> list[str]:
    """Every filter that is set."""
    told = [
        f"{bound.name} {_COMPARED[bound.comparison]} {bound.value:.10g}" for bound in asked.bounds
    ]
    told += [
        f"operation {source}→{target} = {operation}"
        for (source, target), operation in asked.operations
    ]
    if asked.connected is not None:
        told.append("connected" if asked.connected else "disconnected")
    if asked.unique is not None:
        told.append(f"one cell a class ({SAMENESS[asked.unique]})")
    if asked.cells:
        few = len(asked.cells) <= _MOST_NAMED and all(len(cell) <= 40 for cell in asked.cells)
        told.append(
            f"a name among {', '.join(asked.cells)}" if few else f"{len(asked.cells)} given names"
        )
    return told
