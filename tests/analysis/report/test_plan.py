"""Scales and the studies that they make: what a server takes, and what the scale promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import topology
from analysis.cells import parse_cell
from analysis.report import plan
from analysis.report.scale import Scale, ScaleError, find, names
from analysis.spaces.darts import Genotype
from analysis.spaces.variants import adapted_forms, variants
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
    assert along[0] < min(place for place, kind in enumerate(kinds) if kind == "variants")


def test_what_is_measured_is_of_trainings_that_are_asked_for(scale: Scale) -> None:
    asked = plan.studies(scale)
    for family in scale.families:
        trained = asked[plan.named(plan.CONVERGENCE, family.cell)]
        around = [plan.named(plan.PLANE, family.cell), *plan.planes(scale, family)]
        for name in around if family.measured else []:
            assert set(asked[name]["cells"]) <= set(trained["cells"])
            assert set(asked[name]["seeds"]) <= set(trained["seeds"])
            assert len(asked[name]["cells"]) == family.measured


def test_other_rates_are_compared_with_the_usual_one_without_further_trainings(
    scale: Scale,
) -> None:
    asked = plan.studies(scale)
    for family in scale.families:
        usual, rates = (
            asked.get(plan.named(what, family.cell)) for what in (plan.CONVERGENCE, plan.RATES)
        )
        assert (rates is not None) == bool(family.rate_seeds)
        if usual is not None and rates is not None:
            assert rates["kind"] == "lr-robustness"
            assert rates["learning_rates"] == list(scale.learning_rates)
            assert set(rates["cells"]) <= set(usual["cells"])
            assert set(rates["seeds"]) <= set(usual["seeds"])


def shapes(cells: list[str]) -> list[tuple[float, int]]:
    found = [topology.columns(parse_cell(cell)) for cell in cells]
    return [(one["width"] or 0, int(one["depth"] or 0)) for one in found]


def test_a_family_differs_in_its_connections_alone(scale: Scale) -> None:
    for family in scale.families:
        cells = [parse_cell(cell) for cell in plan.wirings(family)]
        assert len(set(cells)) == len(cells) == family.wirings
        operations = set()
        for cell in cells:
            assert isinstance(cell, Genotype)
            nodes = [
                sorted(op for op, _ in cell.normal[i : i + 2])
                for i in range(0, len(cell.normal), 2)
            ]
            operations.add(str(nodes))
        assert len(operations) == 1


def test_what_is_measured_comes_widest_and_shallowest_first(scale: Scale) -> None:
    found = shapes(plan.measured(scale.family))
    assert found == sorted(found, key=lambda shape: (-shape[0], shape[1]))
    assert len(found) == scale.family.measured


@pytest.mark.parametrize("name", ["evidence", "proxy", "paper"])
def test_the_variants_span_the_widths_of_the_paper(name: str) -> None:
    scale = find(name)
    widths = {width for width, _ in shapes(plan.wirings(scale.family))}
    assert {2.0, 2.5, 3.0, 3.5} <= widths
    assert scale.learning_rates == (0.0025, 0.025, 0.25)
    assert scale.landscape.points >= 21


def test_other_planes_have_the_spacing_of_the_picture() -> None:
    scale = find("digits")
    scale = scale.model_copy(update={"landscape": scale.landscape.model_copy(update={"planes": 3})})
    asked = plan.studies(scale)
    first, second, third = (asked[name] for name in plan.planes(scale, scale.family))
    assert [one["seed"] for one in (first, second, third)] == [0, 1, 2]
    assert second["points"] == 3
    assert second["reach"] == pytest.approx(2 * first["reach"] / (first["points"] - 1))


def test_every_plane_is_asked_for_once(scale: Scale) -> None:
    """That of the picture, of the first family, counts as the first."""
    planes = scale.model_copy(
        update={"landscape": scale.landscape.model_copy(update={"planes": 3})}
    )
    asked = plan.studies(planes)
    for family in planes.families:
        own = [
            name
            for name in asked
            if name in plan.planes(planes, family) or name.startswith(f"curvature {family.cell} ")
        ]
        seeds = [asked[name]["seed"] for name in own]
        assert sorted(seeds) == ([0, 1, 2] if family.measured else [])
        if family.measured:
            assert sorted(own) == sorted(plan.planes(planes, family))


UNNAMED = variants(parse_cell("ENAS"), "random-connections", 1, 9)[0].arch
"""A genotype that a server could train, and the report couldn't tell from its id."""

GOOD = (Path(plan.__file__).parent / "scales" / "digits.toml").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("about = ", "is not TOML"),
        (GOOD.replace('recipe = "proxy"\n', "", 1), "recipe Field required"),
        (GOOD.replace("learning_rate = 0.025", "learning_rate = 0.1"), "isn't among"),
        (GOOD.replace('cell = "DARTS-V2"', 'cell = "VGG"', 1), "cell VGG; allowed: NASNet-A"),
        (GOOD.replace('["NASNet-A"', '["VGG"'), "cell VGG; allowed: NASNet-A"),
        (GOOD.replace('["NASNet-A"', f"[{str(UNNAMED)!r}"), "or another cell with a name"),
        (GOOD.replace('["NASNet-A"', '["6111"'), "cell 6111; allowed: NASNet-A"),
        (GOOD.replace('["NASNet-A"', '["ENAS-adapted"'), "cells that aren't adapted already"),
        (GOOD.replace("points = 11", "points = 11\nsize = 3"), "landscape.size"),
        (GOOD.replace("seeds = [777]", "seeds = []", 1), "seeds"),
        (GOOD.replace("drawn = 6", "drawn = 3"), "5 wirings; allowed: 6 and more"),
        (GOOD.replace("measured = 8", "measured = 9"), "measured 9 of 8 wirings"),
        (GOOD.replace("measured = 8", "measured = 0"), "first family has to be measured"),
        (GOOD.replace("operation_seeds = [777, 888]", ""), "go together"),
    ],
)
def test_a_scale_that_can_t_be_taken_says_why(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ScaleError, match=told.replace("(", r"\(")):
        find(str(path))


def test_a_scale_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace("drawn = 6", "drawn = 5").replace("measured = 8", "measured = 7"))
    assert find(str(path)).family.drawn == 5


@pytest.mark.parametrize("name", ["prox", "none.toml"])
def test_an_unknown_scale_names_those_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaleError, match=r"allowed: digits, evidence, paper, proxy|No such file"):
        find(str(tmp_path / name) if name.endswith(".toml") else name)


def test_the_evidence_is_as_much_as_was_laid_down() -> None:
    """At least 40 wirings of one cell's operations, the paper's own among them, at three rates."""
    scale = find("evidence")
    cells = plan.wirings(scale.family)
    assert len(cells) >= 40
    paper = {f"DARTS-V2-conn{number}" for number in range(1, 11)}
    assert {"DARTS-V2", "DARTS-V2-adapted"} | paper <= set(cells)
    assert len(scale.family.seeds) == len(scale.learning_rates) == 3
    assert scale.family.rate_seeds
    assert scale.family.measured >= 30
    assert scale.landscape.planes > 1
    assert {family.cell for family in scale.families} == set(plan.PUBLISHED)
    assert {f"DARTS-V2-ops{number}" for number in range(1, 11)} == set(
        plan.other_operations(scale.family)
    )
    assert len(scale.generalisation.seeds) >= 3


def test_cells_of_the_generalisation_become_wider() -> None:
    for name in ("evidence", "paper"):
        for cell in find(name).generalisation.cells:
            parsed = parse_cell(cell)
            (form,) = adapted_forms(parsed)
            before, after = topology.columns(parsed), topology.columns(form)
            assert (after["width"] or 0) > (before["width"] or 0)
