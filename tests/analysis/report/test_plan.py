"""Scales and the studies that they make: what a server takes, and what the scale promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import topology
from analysis.cells import parse_cell
from analysis.report import plan
from analysis.report.scale import Scale, ScaleError, find, names
from service.studies.kinds import StudyRequest
from service.training.recipes import builtin


@pytest.fixture(params=names())
def scale(request: pytest.FixtureRequest) -> Scale:
    return find(request.param)


def test_a_server_takes_every_study(scale: Scale) -> None:
    """And adds nothing: every setting is spelt out, so that no other study is taken for it."""
    for body in plan.studies(scale).values():
        taken = StudyRequest.model_validate(body).root
        assert taken.model_dump(mode="json", exclude={"priority"}) == body
        assert body["recipe"].partition("@")[0] in builtin()


def test_nothing_is_trained_before_what_measures_along_the_same_training(scale: Scale) -> None:
    kinds = [body["kind"] for body in plan.studies(scale).values()]
    along = [place for place, kind in enumerate(kinds) if kind == "gradient-variance"]
    assert along[0] < min(place for place, kind in enumerate(kinds) if kind == "lr-robustness")


def shapes(cells: list[str]) -> list[tuple[float, int]]:
    found = [topology.columns(parse_cell(cell)) for cell in cells]
    return [(one["width"] or 0, int(one["depth"] or 0)) for one in found]


def test_the_family_comes_widest_and_shallowest_first(scale: Scale) -> None:
    found = shapes(plan.family(scale))
    assert found == sorted(found, key=lambda shape: (-shape[0], shape[1]))
    assert len(found) == scale.family.variants + 2


@pytest.mark.parametrize("name", ["proxy", "paper"])
def test_the_variants_span_the_widths_of_the_paper(name: str) -> None:
    scale = find(name)
    widths = {width for width, _ in shapes(plan.family(scale))}
    assert {2.0, 2.5, 3.0, 3.5} <= widths
    assert scale.family.variants >= 12
    assert scale.learning_rates == (0.0025, 0.025, 0.25)
    assert scale.landscape.points >= 21


def test_the_published_cells_stand_beside_their_adapted_forms() -> None:
    cells = plan.published()
    assert len(cells) == 10
    for cell, form in zip(cells[::2], cells[1::2], strict=True):
        assert form == f"{cell}-adapted"
        ((width, _), (widest, _)) = shapes([cell, form])
        # A node outside the concatenation may come to be read by nobody.
        assert widest >= width or cell == "AmoebaNet-A"


GOOD = (Path(plan.__file__).parent / "scales" / "digits.toml").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("about = ", "is not TOML"),
        (GOOD.replace('recipe = "proxy"\n', "", 1), "recipe Field required"),
        (GOOD.replace("learning_rate = 0.025", "learning_rate = 0.1"), "isn't among"),
        (GOOD.replace('cell = "DARTS-V2"', 'cell = "VGG"'), "family.cell VGG; allowed: NASNet-A"),
        (GOOD.replace("points = 11", "points = 11\nsize = 3"), "landscape.size"),
        (GOOD.replace("seeds = [777]", "seeds = []", 1), "seeds"),
    ],
)
def test_a_scale_that_can_t_be_taken_says_why(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ScaleError, match=told.replace("(", r"\(")):
        find(str(path))


def test_a_scale_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace("variants = 6", "variants = 5"))
    assert find(str(path)).family.variants == 5


@pytest.mark.parametrize("name", ["prox", "none.toml"])
def test_an_unknown_scale_names_those_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaleError, match=r"allowed: digits, paper, proxy|No such file"):
        find(str(tmp_path / name) if name.endswith(".toml") else name)
