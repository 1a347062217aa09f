"""Answers are as the OpenAPI document describes them, to the last key."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from service.api import pictures, schemas, schemas_jobs, schemas_studies

UNLOADED = quote(
    "Genotype(normal=[('sep_conv_3x3', 0), ('none', 1)], normal_concat=[2], "
    "reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])"
)

CALLS: list[tuple[str, type[schemas.Answer]]] = [
    ("/cells?limit=3", schemas.CellPage),
    ("/cells?space=darts", schemas.CellPage),
    ("/cells?cell=284&cell=DARTS-V2&seed=777&metric=valid_accuracy@final:std", schemas.CellPage),
    ("/cells/284", schemas.CellDocument),
    ("/variants?cell=284&kind=adapted", schemas.Variants),
    ("/studies", schemas_studies.StudyPage),
    ("/studies/1", schemas_studies.StudyDocument),
    ("/cells/NASNet-A?dataset=cifar100", schemas.CellDocument),
    (f"/cells/{UNLOADED}", schemas.CellDocument),
    ("/cells/284/curves", schemas.Curves),
    ("/cells/284/curves?seed=all", schemas.Curves),
    ("/cells/284/curves?seed=777", schemas.Curves),
    ("/cells/DARTS-V2/curves", schemas.Curves),
    ("/runs?limit=2", schemas.RunPage),
    ("/runs/hpo-bench:nb201-006111:cifar10-valid:nb201-200:777", schemas.RunDocument),
    ("/correlations?x=width&y=valid_accuracy@final", schemas.Correlations),
    ("/correlations?x=width&y=depth&ci=none&method=pearson", schemas.Correlations),
    ("/correlations?x=width&y=depth&width=3", schemas.Correlations),
    ("/correlations?x=width&y=depth&method=kendall&control=n_skip", schemas.Correlations),
    ("/correlations?x=width&y=valid_accuracy@final&group_by=ops", schemas.Correlations),
    ("/correlations?x=width&y=depth&group_by=n_skip&ci=bootstrap", schemas.Correlations),
    ("/correlations?x=width&y=depth&comparable_by=ops", schemas.Correlations),
    ("/correlations/contrasts?x=width,depth&y=valid_accuracy@final", schemas.Contrasts),
    ("/correlations/contrasts?x=width,n_skip&y=depth&width=3&group_by=ops", schemas.Contrasts),
    ("/correlations/by-epoch?x=width&y=valid_accuracy", schemas.CorrelationsByEpoch),
    ("/groups", schemas.Groups),
    ("/groups?by=params_m&bins=3&metric=depth", schemas.Groups),
    ("/ranks?cell=284&cell=DARTS-V2&metric=valid_accuracy@final", schemas.Ranks),
    ("/columns", schemas.Columns),
    ("/sources", schemas.Sources),
    ("/health", schemas.Health),
    ("/jobs", schemas_jobs.JobPage),
    ("/jobs/1", schemas_jobs.JobDocument),
    ("/recipes", schemas_jobs.Recipes),
    ("/datasets", schemas_jobs.Datasets),
    ("/plots/shapes.json", pictures.Specification),
]


@pytest.mark.parametrize(("path", "model"), CALLS, ids=[path for path, _ in CALLS])
def test_answers_fit(client: TestClient, path: str, model: type[schemas.Answer]) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    model.model_validate_json(answer.content, strict=True)


def test_answers_on_real_curves_fit(records_client: TestClient) -> None:
    for path, model in CALLS:
        if path not in ("/jobs/1", "/studies/1"):  # it has none
            model.model_validate_json(records_client.get(path).content, strict=True)


def test_every_json_answer_is_described(client: TestClient) -> None:
    document: Any = client.get("/openapi.json").json()
    described = {
        path: operation["responses"]["200"]["content"]["application/json"]["schema"].get("$ref")
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method == "get" and "application/json" in operation["responses"]["200"]["content"]
    }
    shown = {model.__name__ for _, model in CALLS}
    for path, reference in described.items():
        assert reference is not None, path
        assert reference.rpartition("/")[2] in shown, path
