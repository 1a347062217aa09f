"""Whether a study of a file is one that this service can tell of: settings, recipes, records.

:mod:`data.study_format` reads the file and knows what parts and jobs are; what their settings and
records mean is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from analysis.cells import parse_cell
from data.study_format import FiledJob, FiledStudy
from data.job_rows import Job
from data.jobs import JobStore
from data.library import Library
from data.source_error import SourceError
from data.sources.base import EVAL_SETS, EvalSet
from data.studies import Part
from service.studies.kinds import AnyStudy, Convergence, GeneralisationStudy, Measuring, read_study
from service.studies.outcomes import VALIDATION
from service.studies.planning import ORIGINAL
from service.training.measure import AnyMeasurement, GradientVariance, Landscape, read_measurement
from service.training.recipes import Recipe, RecipeError, find

Number = float | None
"""None where it wasn't finite."""


class _Record(BaseModel):
    """What is read of a record; there may be more in it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Figures(_Record):
    loss: Number
    accuracy: Number


class _Seconds(_Record):
    train: float
    evaluate: float


class _Epoch(_Record):
    train: _Figures
    seconds: _Seconds
    images_per_s: float


class _Line(_Record):
    of: int
    epoch: int
    set: EvalSet
    images: int


class _Losses(_Line):
    y: float
    loss: list[Number]
    accuracy: list[Number]


class _Moments(_Record):
    variance: Number
    squared_mean: Number


class _Variance(_Line, _Moments):
    groups: dict[str, _Moments]


class _Variances(_Line):
    y: float
    variance: list[Number]
    squared_mean: list[Number]


class _Eigenvalue(_Line):
    group: str
    eigenvalue: Number
    residual: Number
    products: int
    converged: bool
    parameters: int


class Checker:
    """Called with each study of one file before it is taken into a library.

    A recipe must be what its name stands for: elsewhere in the file, among the library's jobs, and
    in its home.
    """

    def __init__(self, library: Library) -> None:
        self._jobs = JobStore(library.store)
        self._home = library.store.path.parent
        self._digests: dict[str, str] = {}

    def __call__(self, study: FiledStudy) -> None:
        """Let the study pass.

        Raises:
            SourceError: says what can't be taken.
        """
        with _reading("settings"):
            asked = read_study(study.settings)
        if asked.kind != study.kind:
            raise SourceError(f"its settings are of kind {asked.kind}")
        measurement = asked.measurement() if isinstance(asked, Measuring) else None
        rates = {
            number: self._check_job(filed, measurement) for number, filed in study.jobs.items()
        }
        for part in study.parts:
            _check_part(asked, part, None if part.job is None else rates[part.job])
        if isinstance(asked, GeneralisationStudy):
            _require_pairs(study.parts)

    def _check_job(self, filed: FiledJob, measurement: AnyMeasurement | None) -> float:
        """Returns the learning rate."""
        job = filed.job
        where = f"job {job.number}"
        with _reading(f"{where}, settings"):
            recipe = Recipe.model_validate_json(job.settings)
        self._check_recipe(where, job, recipe)
        measured = None
        if job.measurement is not None:
            with _reading(f"{where}, measurement"):
                measured = read_measurement(job.measurement)
        if measured != measurement:
            raise SourceError(f"{where} doesn't measure what the study asks for")
        _check_epochs(where, filed.records["epochs"])
        for line in filed.records["measurements"]:
            _check_line(f"{where}, measurement {line['number']}", measured, line)
        return recipe.optimiser.learning_rate

    def _check_recipe(self, where: str, job: Job, recipe: Recipe) -> None:
        if (recipe.name, recipe.epochs) != (job.recipe, job.epochs):
            raise SourceError(
                f"{where} is by {job.recipe} over {job.epochs} epochs, "
                f"its settings by {recipe.name} over {recipe.epochs}"
            )
        try:
            recipe.skeleton(parse_cell(job.cell).space)
        except RecipeError as error:
            raise SourceError(f"{where}: {error}") from None
        if recipe.name not in self._digests:
            self._digests[recipe.name] = self._stands_for(recipe.name) or recipe.digest
        if recipe.digest != self._digests[recipe.name]:
            raise SourceError(
                f"{where}: recipe {recipe.name} has other settings than that of this name "
                "elsewhere, and runs of one recipe are compared with each other"
            )

    def _stands_for(self, name: str) -> str | None:
        """Digest of the recipe that a name stands for in this home, None where there is none."""
        settings = self._jobs.settings_of(name)
        if settings is not None:
            return Recipe.model_validate_json(settings).digest
        try:
            return find(name, self._home).digest
        except RecipeError:
            return None


def _check_part(asked: AnyStudy, part: Part, rate: float | None) -> None:
    where = f"part {part.role} {part.cell_id}"
    if isinstance(asked, GeneralisationStudy):
        roles: tuple[str, ...] = (ORIGINAL, "adapted")
        datasets = asked.datasets
    else:
        roles = (ORIGINAL, *(asked.variants if isinstance(asked, Convergence) else ()))
        datasets = (asked.dataset,)
    if part.role not in roles:
        raise SourceError(f"{where}: the study has no such role; it has {', '.join(roles)}")
    if part.dataset.lower() not in {dataset.lower() for dataset in datasets}:
        raise SourceError(f"{where} is on {part.dataset}, the study on {', '.join(datasets)}")
    if part.seed not in asked.seeds:
        raise SourceError(f"{where} has seed {part.seed}, which the study has not")
    if rate is not None and rate != part.learning_rate:
        raise SourceError(f"{where} has learning rate {part.learning_rate}, its job {rate}")


def _require_pairs(parts: Sequence[Part]) -> None:
    sides: dict[tuple[str, str, int], set[str]] = {}
    for part in parts:
        sides.setdefault((part.original, part.dataset, part.seed), set()).add(part.role)
    for (original, dataset, seed), there in sides.items():
        if len(there) != 2:
            raise SourceError(
                f"of {original} on {dataset} with seed {seed} only the {', '.join(there)} is there"
            )


def _check_epochs(where: str, records: list[dict[str, Any]]) -> None:
    for record in records:
        here = f"{where}, epoch {record['epoch']}"
        with _reading(here):
            _Epoch.model_validate(record)
        sets = _sets(record)
        for name in sets:
            with _reading(f"{here}, {name}"):
                _Figures.model_validate(record[name])
        if not sets & set(VALIDATION):
            raise SourceError(f"{here}: none of {', '.join(VALIDATION)}")
        if sets != _sets(records[0]):
            raise SourceError(f"{here}: other sets of images than at epoch 1")


def _sets(record: dict[str, Any]) -> set[EvalSet]:
    return {name for name in EVAL_SETS if name in record}


def _check_line(where: str, asked: AnyMeasurement | None, line: dict[str, Any]) -> None:
    if asked is None:
        raise SourceError(f"{where}: nothing is to be measured")
    with _reading(where):
        if isinstance(asked, Landscape):
            row = _Losses.model_validate(line)
            _require_points(where, asked.points, row.loss, row.accuracy)
        elif isinstance(asked, GradientVariance) and "row" in line:
            points = _Variances.model_validate(line)
            _require_points(where, asked.plane or 0, points.variance, points.squared_mean)
        elif isinstance(asked, GradientVariance):
            _Variance.model_validate(line)
        else:
            _Eigenvalue.model_validate(line)


def _require_points(where: str, points: int, *rows: list[Number]) -> None:
    for row in rows:
        if len(row) != points:
            raise SourceError(f"{where}: {len(row)} points where {points} were asked for")


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Turn what pydantic refuses into an error that says where it is."""
    try:
        yield
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise SourceError(": ".join(filter(None, (where, place, fault["msg"])))) from None
