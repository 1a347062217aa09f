"""Whether a study of a file is one that this service can tell of: settings, recipes, parts.

:mod:`data.study_format` reads the file and knows what parts and jobs are; what their settings mean
is known here, what their records hold in :mod:`service.studies.records`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from analysis.cells import parse_cell
from data.job_rows import Job
from data.jobs import JobStore
from data.library import Library
from data.recipe_names import may_be
from data.source_error import SourceError
from data.studies import Part
from data.study_format import FiledJob, FiledStudy
from data.study_transfer import RecipeConflictError
from service.studies.kinds import AnyStudy, Convergence, GeneralisationStudy, Measuring, read_study
from service.studies.planning import MOST_PARTS, ORIGINAL
from service.studies.records import check_epochs, check_lines, reading
from service.training.measure import AnyMeasurement, read_measurement
from service.training.recipes import Recipe, RecipeError, find, rate_of


class Checker:
    """Called with each study of one file before it is taken into a library.

    A recipe must be what its name stands for: elsewhere in the file, among the jobs that the
    library had when this was made (but for those that ``going`` numbers), and in its home.
    """

    def __init__(self, library: Library, going: Collection[int] = ()) -> None:
        # Read at once: an import holds the store's writing, behind which jobs can't be read.
        self._settings = JobStore(library.store).recipes(going)
        self._home = library.store.path.parent
        self._recipes: dict[str, Recipe | None] = {}
        self._spaces: dict[str, str] = {}

    def __call__(self, study: FiledStudy) -> FiledStudy:
        """Let the study pass; returns it with its settings as this service writes them.

        Raises:
            RecipeConflictError: a recipe isn't what its name stands for.
            SourceError: says what can't be taken.
        """
        with reading("settings"):
            asked = read_study(study.settings)
        if asked.kind != study.kind:
            raise SourceError(f"its settings are of kind {asked.kind}")
        measurement = asked.measurement() if isinstance(asked, Measuring) else None
        jobs = {number: self._job(filed, measurement) for number, filed in study.jobs.items()}
        self._check_parts(asked, study.parts)
        settings = asked.model_dump_json(exclude={"priority"})
        return replace(study, settings=settings, jobs=jobs)

    def _job(self, filed: FiledJob, measurement: AnyMeasurement | None) -> FiledJob:
        job = filed.job
        where = f"job {job.number}"
        with reading(f"{where}, settings"):
            recipe = Recipe.model_validate_json(job.settings)
        self._check_recipe(where, job, recipe)
        measured = None
        if job.measurement is not None:
            with reading(f"{where}, measurement"):
                measured = read_measurement(job.measurement)
        if measured != measurement:
            raise SourceError(f"{where} doesn't measure what the study asks for")
        check_epochs(where, filed.records["epochs"])
        check_lines(where, measured, job.epochs, filed.records["measurements"])
        written = None if measured is None else measured.model_dump_json()
        job = replace(job, settings=recipe.model_dump_json(), measurement=written)
        return replace(filed, job=job)

    def _check_recipe(self, where: str, job: Job, recipe: Recipe) -> None:
        if (recipe.name, recipe.epochs) != (job.recipe, job.epochs):
            raise SourceError(
                f"{where} is by {job.recipe} over {job.epochs} epochs, "
                f"its settings by {recipe.name} over {recipe.epochs}"
            )
        try:
            recipe.skeleton(self._space(job.cell))
        except RecipeError as error:
            raise SourceError(f"{where}: {error}") from None
        known = self._known(recipe.name)
        if known is None:
            self._recipes[recipe.name] = recipe
        elif recipe.digest != known.digest:
            raise RecipeConflictError(
                f"{where}: recipe {recipe.name} has other settings than that of this name "
                "elsewhere, and runs of one recipe are compared with each other"
            )

    def _space(self, cell: str) -> str:
        if cell not in self._spaces:
            self._spaces[cell] = parse_cell(cell).space
        return self._spaces[cell]

    def _known(self, name: str) -> Recipe | None:
        """What a name stands for in this file or this home, None where that isn't known."""
        if name in self._settings and name not in self._recipes:
            self._recipes[name] = Recipe.model_validate_json(self._settings[name])
        if name not in self._recipes:
            try:
                self._recipes[name] = find(name, self._home)
            except RecipeError:
                self._recipes[name] = None
        return self._recipes[name]

    def _check_parts(self, asked: AnyStudy, parts: Sequence[Part]) -> None:
        if len(parts) > MOST_PARTS:
            raise SourceError(f"{len(parts):,} parts; allowed: up to {MOST_PARTS:,}")
        originals = {part.cell_id for part in parts if part.role == ORIGINAL}
        for part in parts:
            where = f"part {part.role} {part.cell_id}"
            _check_asked(where, asked, part)
            self._check_rate(where, asked, part)
            if part.original not in originals or (
                part.role == ORIGINAL and part.original != part.cell_id
            ):
                raise SourceError(f"{where} has {part.original:.100} as its original")
        if isinstance(asked, GeneralisationStudy):
            _require_pairs(parts)

    def _check_rate(self, where: str, asked: AnyStudy, part: Part) -> None:
        """By the study's recipe, at a learning rate of the study's and of the recipe's own.

        Or by what an earlier version made of that recipe on the device that it was trained on.
        """
        name, rate = _named(part.recipe)
        asked_name, asked_rate = _named(asked.recipe)
        if not may_be(asked_name, name):
            raise SourceError(f"{where} is by {part.recipe:.100}, the study by {asked.recipe}")
        known = self._known(part.recipe)
        for own in (rate, known and known.optimiser.learning_rate):
            if own is not None and own != part.learning_rate:
                raise SourceError(
                    f"{where} has learning rate {part.learning_rate}, {part.recipe:.100} has {own}"
                )
        rates: Sequence[float] = asked.learning_rates if isinstance(asked, Convergence) else ()
        if not rates and asked_rate is not None:
            rates = (asked_rate,)
        if part.learning_rate not in rates if rates else rate is not None:
            raise SourceError(
                f"{where} has learning rate {part.learning_rate}, which the study has not"
            )


def _named(recipe: str) -> tuple[str, float | None]:
    try:
        return rate_of(recipe)
    except RecipeError as error:
        raise SourceError(str(error)) from None


def _check_asked(where: str, asked: AnyStudy, part: Part) -> None:
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


def _require_pairs(parts: Sequence[Part]) -> None:
    sides: dict[tuple[str, str, int], set[str]] = {}
    for part in parts:
        sides.setdefault((part.original, part.dataset, part.seed), set()).add(part.role)
    for (original, dataset, seed), there in sides.items():
        if len(there) != 2:
            raise SourceError(
                f"of {original} on {dataset} with seed {seed} only the {', '.join(there)} is there"
            )
