"""The shapes that the client promises are those of the server's answers, key for key."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.client import shapes
from analysis.client.errors import Fault
from service.api import schemas, schemas_jobs, schemas_studies
from service.api.errors import ParameterProblem

PAIRS: list[tuple[Any, Any]] = [
    (Fault, ParameterProblem),
    (shapes.Correlation, schemas.CorrelationOf),
    (shapes.Reliability, schemas.ReliabilityOf),
    (shapes.Contrast, schemas.ContrastOf),
    (shapes.EpochCorrelation, schemas.EpochCorrelation),
    (shapes.Curve, schemas.CurveOf),
    (shapes.Rank, schemas.RankOf),
    (shapes.CellRanks, schemas.CellRanks),
    (shapes.Edge, schemas.EdgeOf),
    (shapes.Run, schemas.RunOf),
    (shapes.RunOfCell, schemas.RunOfCell),
    (shapes.RunDocument, schemas.RunDocument),
    (shapes.CellDocument, schemas.CellDocument),
    (shapes.Known, schemas.KnownOf),
    (shapes.Variant, schemas.VariantOf),
    (shapes.Columns, schemas.Columns),
    (shapes.Source, schemas.SourceOf),
    (shapes.Recipe, schemas_jobs.RecipeOf),
    (shapes.Dataset, schemas_jobs.DatasetOf),
    (shapes.Taken, schemas_jobs.Taken),
    (shapes.JobProgress, schemas_jobs.Progress),
    (shapes.Job, schemas_jobs.JobOf),
    (shapes.JobDocument, schemas_jobs.JobDocument),
    (shapes.StudyProgress, schemas_studies.StudyProgress),
    (shapes.Study, schemas_studies.StudyOf),
    (shapes.StudyPart, schemas_studies.StudyPart),
    (shapes.StudyDocument, schemas_studies.StudyDocument),
]


def keys(shape: Any) -> frozenset[str]:
    found: frozenset[str] = shape.__required_keys__ | shape.__optional_keys__
    return found


@pytest.mark.parametrize(("shape", "model"), PAIRS, ids=lambda found: found.__name__)
def test_a_shape_is_that_of_the_server(shape: Any, model: Any) -> None:
    assert keys(shape) == set(model.model_fields)


def test_every_shape_is_compared() -> None:
    made = {
        found
        for found in vars(shapes).values()
        if isinstance(found, type) and hasattr(found, "__required_keys__")
    }
    assert made == {shape for shape, _ in PAIRS} - {Fault}
